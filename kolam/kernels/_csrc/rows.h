/* What a generated recurrence is made of: products by packed weights, functions of vectors. */
#ifndef KOLAM_ROWS_H
#define KOLAM_ROWS_H
#include "threads.h"
#include "vectors.h"

#define ROWS 8 /* of a tile: ROWS x 2 vectors of sums leave half of 32 registers free */
#define PANEL (2 * LANES)

INLINE Vector select(Mask mask, Vector yes, Vector no) {
    return (Vector)((mask & (Mask)yes) | (~mask & (Mask)no));
}

/* The first lanes alone where fewer than a vector are left. */
INLINE Vector load_left(const float *p, long left) {
    return left >= LANES ? load(p) : load_part(p, left);
}

INLINE void store_left(float *p, Vector v, long left) {
    if (left >= LANES) store(p, v);
    else store_part(p, v, left);
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

/* Floats of a matrix of `terms` x `columns` in panels, the last of which is filled up with zeros. */
INLINE long packed_floats(long terms, long columns) { return parts(columns, PANEL) * PANEL * terms; }

/* Element (term, column) of the weights stands at term * by_term + column * by_column. */
static void pack_weights(
    const float *w, long by_term, long by_column, long terms, long columns, float *packed) {
    for (long first = 0; first < columns; first += PANEL)
        for (long term = 0; term < terms; ++term)
            for (long i = 0; i < PANEL; ++i, ++packed)
                *packed = first + i < columns ? w[term * by_term + (first + i) * by_column] : 0;
}

#define TILE_OF(rows)                                                                      \
    static void tile_##rows(                                                               \
        const float *x, long x_stride, const float *w, long terms, float *y, long y_stride, \
        long columns) {                                                                    \
        Vector sums[rows][2];                                                              \
        UNROLL for (int r = 0; r < rows; ++r) sums[r][0] = sums[r][1] = fill(0);           \
        for (long term = 0; term < terms; ++term, w += PANEL) {                            \
            const Vector a = load(w), b = load(w + LANES);                                 \
            UNROLL for (int r = 0; r < rows; ++r) {                                        \
                const Vector value = fill(x[r * x_stride + term]);                         \
                sums[r][0] += value * a;                                                   \
                sums[r][1] += value * b;                                                   \
            }                                                                              \
        }                                                                                  \
        UNROLL for (int r = 0; r < rows; ++r) {                                            \
            float *const to = y + r * y_stride;                                            \
            if (columns >= PANEL) {                                                        \
                store(to, sums[r][0]);                                                     \
                store(to + LANES, sums[r][1]);                                             \
            } else {                                                                       \
                store_left(to, sums[r][0], columns);                                       \
                if (columns > LANES) store_left(to + LANES, sums[r][1], columns - LANES);  \
            }                                                                              \
        }                                                                                  \
    }
TILE_OF(1) TILE_OF(2) TILE_OF(3) TILE_OF(4) TILE_OF(5) TILE_OF(6) TILE_OF(7) TILE_OF(8)

/* y (rows, columns) = x (rows, terms) times packed weights: a panel stays in the first cache. */
static void product(
    const float *x, long x_stride, const float *packed, long terms, float *y, long y_stride,
    long columns, long rows) {
    for (long first = 0; first < columns; first += PANEL, packed += PANEL * terms)
        for (long row = 0; row < rows; row += ROWS) {
            const float *const from = x + row * x_stride;
            float *const to = y + row * y_stride + first;
            const long left = columns - first;
#define ROWS_CASE(r) case r: tile_##r(from, x_stride, packed, terms, to, y_stride, left); break;
            switch (least(rows - row, ROWS)) {
                ROWS_CASE(1) ROWS_CASE(2) ROWS_CASE(3) ROWS_CASE(4)
                ROWS_CASE(5) ROWS_CASE(6) ROWS_CASE(7) ROWS_CASE(8)
            }
        }
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
