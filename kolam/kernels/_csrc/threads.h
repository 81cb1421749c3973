/* Tasks on all cores: XLA's own pool helps the thread that calls. */
#ifndef KOLAM_THREADS_H
#define KOLAM_THREADS_H
#include <stdatomic.h>

#include "ffi.h"

extern int sched_yield(void);

/* `worker` counts the threads that share the tasks, from 0: each may have memory of its own. */
typedef void Task(const void *work, long index, long worker);

typedef struct {
    Task *task;
    const void *work;
    long count;
    atomic_long next, done, workers, holders;
} Job;

static inline void drop(Job *job) {
    if (atomic_fetch_sub(&job->holders, 1) == 1) free(job);
}

static inline void take_part(Job *job) {
    const long worker = atomic_fetch_add(&job->workers, 1);
    for (;;) {
        const long index = atomic_fetch_add(&job->next, 1);
        if (index >= job->count) return;
        job->task(job->work, index, worker);
        atomic_fetch_add_explicit(&job->done, 1, memory_order_release);
    }
}

static void helper(void *data) {
    take_part(data);
    drop(data);
}

/* How many threads may share the work of a call: at least the one that calls. */
static inline long most_workers(const XLA_FFI_CallFrame *frame) {
    int64_t threads = 1;
    XLA_FFI_ThreadPool_NumThreads_Args args = {
        .struct_size = XLA_FFI_ThreadPool_NumThreads_Args_STRUCT_SIZE,
        .ctx = frame->ctx,
        .num_threads = &threads};
    XLA_FFI_Error *const error = frame->api->XLA_FFI_ThreadPool_NumThreads(&args);
    if (error != NULL) {
        XLA_FFI_Error_Destroy_Args destroyed = {
            .struct_size = XLA_FFI_Error_Destroy_Args_STRUCT_SIZE, .error = error};
        frame->api->XLA_FFI_Error_Destroy(&destroyed);
        return 1;
    }
    return threads > 1 ? (long)threads : 1;
}

/* Run all tasks, on at most `workers` threads. The caller works as well, and waits at the end only
   for tasks that others have begun. So it may itself be a thread of the pool, and the pool may be
   busy for as long as it likes: a helper that comes late finds no task, only a record that is its
   own to free. */
static inline void run_tasks(
    const XLA_FFI_CallFrame *frame, long workers, Task *task, const void *work, long count) {
    long helpers = (workers < count ? workers : count) - 1;
    Job *const job = helpers > 0 ? malloc(sizeof(Job)) : NULL;
    if (job == NULL) {
        for (long index = 0; index < count; ++index) task(work, index, 0);
        return;
    }
    job->task = task;
    job->work = work;
    job->count = count;
    atomic_init(&job->next, 0);
    atomic_init(&job->done, 0);
    atomic_init(&job->workers, 0);
    atomic_init(&job->holders, helpers + 1);
    for (; helpers > 0; --helpers) {
        XLA_FFI_ThreadPool_Schedule_Args args = {
            .struct_size = XLA_FFI_ThreadPool_Schedule_Args_STRUCT_SIZE,
            .ctx = frame->ctx,
            .task = helper,
            .data = job};
        XLA_FFI_Error *const error = frame->api->XLA_FFI_ThreadPool_Schedule(&args);
        if (error != NULL) {
            XLA_FFI_Error_Destroy_Args destroyed = {
                .struct_size = XLA_FFI_Error_Destroy_Args_STRUCT_SIZE, .error = error};
            frame->api->XLA_FFI_Error_Destroy(&destroyed);
            drop(job);
        }
    }
    take_part(job);
    while (atomic_load_explicit(&job->done, memory_order_acquire) < count) sched_yield();
    drop(job);
}
#endif
