/* What a generated recurrence is made of besides products and functions: copies. */
#ifndef KOLAM_ROWS_H
#define KOLAM_ROWS_H
#include "functions.h"
#include "products.h"
#include "threads.h"

static void copy_rows(
    const float *from, long from_stride, float *to, long to_stride, long columns, long rows) {
    if (from_stride == columns && to_stride == columns) {
        columns *= rows;
        rows = 1;
    }
    for (long row = 0; row < rows; ++row, from += from_stride, to += to_stride)
        for (long j = 0; j < columns; j += LANES)
            store_left(to + j, load_left(from + j, columns - j), columns - j);
}

INLINE void clear_rows(float *to, long columns, long rows) {
    __builtin_memset(to, 0, (size_t)(columns * rows) * sizeof(float));
}
#endif
