/* Threads of a pool that come late, for handlers that are called outside of XLA. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "c_api.h"

typedef struct {
    XLA_FFI_Task *task;
    void *data;
    long number;
} Errand;

static pthread_t threads[100000];
static long started;

static void *run(void *given) {
    const Errand errand = *(Errand *)given;
    free(given);
    usleep((useconds_t)(errand.number * 7919 % 300));
    errand.task(errand.data);
    return NULL;
}

static XLA_FFI_Error *schedule(XLA_FFI_ThreadPool_Schedule_Args *args) {
    Errand *const errand = malloc(sizeof(Errand));
    *errand = (Errand){args->task, args->data, started};
    if (pthread_create(&threads[started++], NULL, run, errand) != 0) abort();
    return NULL;
}

static XLA_FFI_Error *count_threads(XLA_FFI_ThreadPool_NumThreads_Args *args) {
    *args->num_threads = 3;
    return NULL;
}

static void join_threads(void) {
    for (long i = 0; i < started; ++i) pthread_join(threads[i], NULL);
}
