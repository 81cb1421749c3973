/* Runs programs on rows as XLA does, on arrays that are not a byte longer than they must be. On
   standard input, each: how often its numbers are spoilt; inputs and results, as counts with "is a
   truth" and size of each; eight attributes, as counts with numbers. A spoilt program may be refused
   or run, but nothing else. */
#include "pool.h"

XLA_FFI_Handler kolam_row_program;

#define MOST 64

static const char *const NAMES[] = {"axes",     "columns", "literals", "operations",
                                    "places",   "sizes",   "steps",    "strides"};
static long runs, refusals, all_started;

static XLA_FFI_Error *refuse(XLA_FFI_Error_Create_Args *args) {
    (void)args;
    return (XLA_FFI_Error *)&refusals;
}

static long next(void) {
    long value;
    if (scanf("%ld", &value) != 1) exit(7);
    return value;
}

static long random_below(long bound) {
    static unsigned long state = 1;
    state = state * 6364136223846793005UL + 1442695040888963407UL;
    return (long)(state >> 33) % bound;
}

typedef struct {
    XLA_FFI_Buffer buffer;
    int64_t size;
} Given;

static void read_arrays(Given *given, void **pointers, long count) {
    for (long i = 0; i < count; ++i) {
        const long is_truth = next();
        given[i].size = next();
        char *const data = malloc((size_t)given[i].size * (is_truth ? 1 : sizeof(float)));
        for (long j = 0; j < given[i].size; ++j)
            if (is_truth) data[j] = (char)(j % 3 == 0);
            else ((float *)data)[j] = (float)(j * 7919 % 17) - 8.0f;
        given[i].buffer = (XLA_FFI_Buffer){
            .struct_size = XLA_FFI_Buffer_STRUCT_SIZE,
            .dtype = is_truth ? XLA_FFI_DataType_PRED : XLA_FFI_DataType_F32,
            .data = data, .rank = 1, .dims = &given[i].size};
        pointers[i] = &given[i].buffer;
    }
}

int main(void) {
    long spoilt;
    XLA_FFI_Api api = {
        .XLA_FFI_Error_Create = refuse, .XLA_FFI_ThreadPool_Schedule = schedule,
        .XLA_FFI_ThreadPool_NumThreads = count_threads};
    while (scanf("%ld", &spoilt) == 1) {
        Given inputs[MOST], outputs[MOST];
        void *args[MOST], *rets[MOST], *attributes[8];
        XLA_FFI_Array arrays[8];
        XLA_FFI_ByteSpan spans[8], *names[8];
        XLA_FFI_AttrType types[8];
        const long num_inputs = next();
        read_arrays(inputs, args, num_inputs);
        const long num_outputs = next();
        read_arrays(outputs, rets, num_outputs);
        for (int i = 0; i < 8; ++i) {
            const size_t count = (size_t)next();
            int64_t *const values = malloc(count * sizeof(int64_t) + 1);
            for (size_t j = 0; j < count; ++j) values[j] = next();
            arrays[i] = (XLA_FFI_Array){XLA_FFI_DataType_S64, count, values};
            spans[i] = (XLA_FFI_ByteSpan){NAMES[i], strlen(NAMES[i])};
            names[i] = &spans[i];
            types[i] = XLA_FFI_AttrType_ARRAY;
            attributes[i] = &arrays[i];
        }
        XLA_FFI_CallFrame frame = {
            .api = &api, .stage = XLA_FFI_ExecutionStage_EXECUTE,
            .args = {.size = num_inputs, .args = args}, .rets = {.size = num_outputs, .rets = rets},
            .attrs = {.size = 8, .types = types, .names = names, .attrs = attributes}};
        if (kolam_row_program(&frame) != NULL) return 8;
        for (; spoilt > 0; --spoilt) {
            XLA_FFI_Array *const array = &arrays[random_below(8)];
            if (array->size == 0) continue;
            int64_t *const value = (int64_t *)array->data + random_below((long)array->size);
            const int64_t before = *value;
            *value = random_below(2) ? before + random_below(7) - 3 : random_below(300);
            if (kolam_row_program(&frame) != NULL) ++refusals;
            ++runs;
            *value = before;
        }
        join_threads();
        all_started += started;
        started = 0;
        for (long i = 0; i < num_inputs; ++i) free(inputs[i].buffer.data);
        for (long i = 0; i < num_outputs; ++i) free(outputs[i].buffer.data);
        for (int i = 0; i < 8; ++i) free((void *)arrays[i].data);
    }
    printf("%ld threads %ld spoilt %ld refused\n", all_started, runs, refusals);
    return 0;
}
