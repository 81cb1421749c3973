/* What a generated recurrence is made of besides products: functions of vectors, copies. */
#ifndef KOLAM_ROWS_H
#define KOLAM_ROWS_H
#include "products.h"
#include "threads.h"

INLINE Vector select(Mask mask, Vector yes, Vector no) {
    return (Vector)((mask & (Mask)yes) | (~mask & (Mask)no));
}

INLINE Vector larger(Vector a, Vector b) { return select((a > b) | (a != a), a, b); }
INLINE Vector smaller(Vector a, Vector b) { return select((a < b) | (a != a), a, b); }
INLINE Vector magnitude(Vector a) { return (Vector)((Mask)a & 0x7fffffff); }

INLINE Vector each_sqrt(Vector a) {
    UNROLL for (int i = 0; i < LANES; ++i) a[i] = __builtin_sqrtf(a[i]);
    return a;
}

/* e^x = 2^n e^r with |r| <= ln(2) / 2, by the series of e^r to the seventh power. */
INLINE Vector each_exp(Vector x) {
    const Vector low = fill(-104.0f), high = fill(89.0f);
    const Vector kept = select(x < low, low, select(x > high, high, x));
    const Vector shifted = kept * 1.44269504f + 12582912.0f; /* 1.5 * 2^23 rounds to a whole number */
    const Vector n = shifted - 12582912.0f;
    const Vector r = kept - n * 0.693359375f + n * 2.12194440e-4f;
    Vector s = fill(1.0f / 5040);
    s = s * r + 1.0f / 720;
    s = s * r + 1.0f / 120;
    s = s * r + 1.0f / 24;
    s = s * r + 1.0f / 6;
    s = s * r + 0.5f;
    s = s * r + 1.0f;
    s = s * r + 1.0f;
    /* in two factors, so that neither overflows where the result does not, or is subnormal */
    const Mask whole = __builtin_convertvector(n, Mask), half = whole >> 1;
    const Vector scaled = s * (Vector)((half + 127) << 23) * (Vector)((whole - half + 127) << 23);
    return select(x != x, x, scaled);
}

INLINE Vector each_logistic(Vector x) { return 1.0f / (1.0f + each_exp(-x)); }

/* Near zero the quotient would lose digits: an odd polynomial (Cephes) takes its place. */
INLINE Vector each_tanh(Vector x) {
    const Vector size = magnitude(x), square = x * x;
    const Vector far = 1.0f - 2.0f / (each_exp(2.0f * size) + 1.0f);
    Vector near = fill(-5.70498872745e-3f);
    near = near * square + 2.06390887954e-2f;
    near = near * square - 5.37397155531e-2f;
    near = near * square + 1.33314422036e-1f;
    near = near * square - 3.33332819422e-1f;
    near = near * square * x + x;
    const Vector signed_far = (Vector)((Mask)far | ((Mask)x & (int32_t)0x80000000));
    return select(size < 0.625f, near, select(x != x, x, signed_far));
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
