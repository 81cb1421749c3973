/* What a generated recurrence is made of besides products and functions: copies. */
#ifndef KOLAM_ROWS_H
#define KOLAM_ROWS_H
#include "functions.h"
#include "products.h"
#include "threads.h"

static void copy_rows(
    const float *from, long from_stride, float *to, long to_stride, long columns, long rows) {
    for (long row = 0; row < rows; ++row)
        __builtin_memcpy(
            to + row * to_stride, from + row * from_stride, (size_t)columns * sizeof(float));
}

INLINE void clear_rows(float *to, long columns, long rows) {
    __builtin_memset(to, 0, (size_t)(columns * rows) * sizeof(float));
}
#endif
