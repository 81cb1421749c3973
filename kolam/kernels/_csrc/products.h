/* Products of rows by a packed matrix. */
#ifndef KOLAM_PRODUCTS_H
#define KOLAM_PRODUCTS_H
#include "vectors.h"

#define ROWS 8 /* of a tile: ROWS x 2 vectors of sums leave half of 32 registers free */
#define PANEL (2 * LANES)

/* The first lanes alone where fewer than a vector are left. A load by a mask, or of what was stored by
   one, waits for the cache: no mask where the compiler knows how many are left. */
INLINE Vector load_left(const float *p, long left) {
    if (left >= LANES) return load(p);
    return __builtin_constant_p(left) ? load_few(p, left) : load_part(p, left);
}

INLINE void store_left(float *p, Vector v, long left) {
    if (left >= LANES) store(p, v);
    else if (__builtin_constant_p(left)) store_few(p, v, left);
    else store_part(p, v, left);
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
    INLINE void tile_##rows(                                                               \
        const float *x, long x_row, long x_term, const float *w, long terms, float *y,     \
        long y_row, long columns) {                                                        \
        Vector sums[rows][2];                                                              \
        UNROLL for (int r = 0; r < rows; ++r) sums[r][0] = sums[r][1] = fill(0);           \
        for (long term = 0; term < terms; ++term, w += PANEL) {                            \
            const Vector a = load(w), b = load(w + LANES);                                 \
            UNROLL for (int r = 0; r < rows; ++r) {                                        \
                const Vector value = fill(x[r * x_row + term * x_term]);                   \
                sums[r][0] += value * a;                                                   \
                sums[r][1] += value * b;                                                   \
            }                                                                              \
        }                                                                                  \
        UNROLL for (int r = 0; r < rows; ++r) {                                            \
            float *const to = y + r * y_row;                                               \
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

/* y (rows, columns) = x (rows, terms) times packed weights: a panel stays in the first cache.
   Element (row, term) of x stands at row * x_row + term * x_term. */
static void product(
    const float *x, long x_row, long x_term, const float *packed, long terms, float *y, long y_row,
    long columns, long rows) {
    for (long first = 0; first < columns; first += PANEL, packed += PANEL * terms)
        for (long row = 0; row < rows; row += ROWS) {
            const float *const from = x + row * x_row;
            float *const to = y + row * y_row + first;
            const long left = columns - first;
#define ROWS_CASE(r) case r: tile_##r(from, x_row, x_term, packed, terms, to, y_row, left); break;
            switch (least(rows - row, ROWS)) {
                ROWS_CASE(1) ROWS_CASE(2) ROWS_CASE(3) ROWS_CASE(4)
                ROWS_CASE(5) ROWS_CASE(6) ROWS_CASE(7) ROWS_CASE(8)
            }
        }
}
#endif
