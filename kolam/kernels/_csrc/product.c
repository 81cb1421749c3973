/* Many small products of matrices, one after the other on each core: attention's. */
#include "ffi.h"
#include "products.h"
#include "threads.h"

typedef struct {
    const float *a, *b;
    float *y, *rooms;
    long rows, terms, columns, a_row, a_term, b_term, b_column, room;
} Work;

static void multiply(const void *data, long index, long worker) {
    const Work *const w = data;
    float *const packed = w->rooms + worker * w->room;
    const float *const b = w->b + index * w->terms * w->columns;
    pack_weights(b, w->b_term, w->b_column, w->terms, w->columns, packed);
    product(
        w->a + index * w->rows * w->terms, w->a_row, w->a_term, packed, w->terms,
        w->y + index * w->rows * w->columns, w->columns, w->columns, w->rows);
}

KOLAM_EXPORT XLA_FFI_Error *kolam_products(XLA_FFI_CallFrame *frame) {
    if (answers_query(frame)) return NULL;
    Array a, b, y;
    Work work = {0};
    const int64_t *const axes = numbers(frame, "axes", 2);
    if (!operand(frame, 0, 3, &a) || !operand(frame, 1, 3, &b) ||
        !result(frame, 0, 3, &y, &work.y) || axes == NULL)
        return not_understood(frame);
    work.a = a.data;
    work.b = b.data;
    work.rows = (long)y.dims[1];
    work.columns = (long)y.dims[2];
    work.terms = (long)a.dims[axes[0]];
    work.a_row = axes[0] == 2 ? work.terms : 1;
    work.a_term = axes[0] == 2 ? 1 : work.rows;
    work.b_term = axes[1] == 2 ? 1 : work.columns;
    work.b_column = axes[1] == 2 ? work.terms : 1;
    work.room = packed_floats(work.terms, work.columns);
    const double all = (double)y.dims[0] * (double)work.rows * (double)work.terms * (double)work.columns;
    const long workers = all < 1e5 ? 1 : most_workers(frame);
    work.rooms = malloc((size_t)(workers * work.room) * sizeof(float));
    if (work.rooms == NULL) return out_of_memory(frame);
    run_tasks(frame, workers, multiply, &work, (long)y.dims[0]);
    free(work.rooms);
    return NULL;
}
