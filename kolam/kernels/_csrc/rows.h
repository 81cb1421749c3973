/* What a generated recurrence is made of besides products: functions of vectors, copies. */
#ifndef KOLAM_ROWS_H
#define KOLAM_ROWS_H
#include "exponential.h"
#include "products.h"
#include "threads.h"

INLINE Vector larger(Vector a, Vector b) { return either((a > b) | (a != a), a, b); }
INLINE Vector smaller(Vector a, Vector b) { return either((a < b) | (a != a), a, b); }

INLINE Vector each_sqrt(Vector a) {
    UNROLL for (int i = 0; i < LANES; ++i) a[i] = __builtin_sqrtf(a[i]);
    return a;
}

INLINE Vector each_logistic(Vector x) { return 1.0f / (1.0f + exponential(-x)); }

/* Near zero the quotient would lose digits: an odd polynomial (Cephes) takes its place. */
INLINE Vector each_tanh(Vector x) {
    const Vector size = magnitude(x), square = x * x;
    const Vector far = 1.0f - 2.0f / (exponential(2.0f * size) + 1.0f);
    Vector near = fill(-5.70498872745e-3f);
    near = near * square + 2.06390887954e-2f;
    near = near * square - 5.37397155531e-2f;
    near = near * square + 1.33314422036e-1f;
    near = near * square - 3.33332819422e-1f;
    near = near * square * x + x;
    const Vector signed_far = (Vector)((Mask)far | ((Mask)x & (int32_t)0x80000000));
    return either(size < 0.625f, near, either(x != x, x, signed_far));
}

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
