/* Vectors of the processor that this is compiled for, by the vector extension of clang. */
#ifndef KOLAM_VECTORS_H
#define KOLAM_VECTORS_H
#include <stdint.h>

/* LANES of a vector; a tile of sums is PIXELS x VECTORS of them and leaves a few registers free. */
#if defined(__AVX512F__)
#define LANES 16
#define PIXELS 14
#define VECTORS 2
#elif defined(__AVX__)
#define LANES 8
#define PIXELS 6
#define VECTORS 2
#elif defined(__aarch64__)
#define LANES 4
#define PIXELS 6
#define VECTORS 4
#else
#define LANES 4
#define PIXELS 6
#define VECTORS 2
#endif

typedef float Vector __attribute__((vector_size(LANES * 4)));
typedef int32_t Mask __attribute__((vector_size(LANES * 4)));

#define INLINE static inline __attribute__((always_inline))
/* Not into the loops around it, with which the compiler would take three times as long for it. */
#define APART static __attribute__((noinline))
#define UNROLL _Pragma("clang loop unroll(full)")
#define KEPT _Pragma("clang loop unroll(disable)") /* so long that to weigh it takes time */
#define ROLLED _Pragma("clang loop vectorize(disable)")

INLINE Vector load(const float *p) {
    Vector v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, Vector v) { __builtin_memcpy(p, &v, sizeof v); }

/* Sums stay in registers, and a step ends before the next begins: clang would load for all steps
   first and spill the sums to make room. */
#if defined(__AVX512F__)
#define REGISTER "v"
#elif defined(__x86_64__)
#define REGISTER "x"
#elif defined(__aarch64__)
#define REGISTER "w"
#endif
#ifdef REGISTER
#define END_STEP(sum) __asm__ volatile("" : "+" REGISTER(sum) : : "memory")
#else
#define END_STEP(sum) (void)(sum)
#endif

INLINE Vector fill(float a) { return a - (Vector){0}; }

INLINE Vector either(Mask mask, Vector yes, Vector no) {
    return (Vector)(((Mask)yes & mask) | ((Mask)no & ~mask));
}

/* Elements of both in turn: of their first halves, and of their last. */
#if LANES == 16
#define FIRST_HALVES(a, b) \
    __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define LAST_HALVES(a, b) \
    __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif LANES == 8
#define FIRST_HALVES(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define LAST_HALVES(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define FIRST_HALVES(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define LAST_HALVES(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#endif

/* The lanes from `by` on, 8, 4, 2 or 1, in the place of the first; those behind are anything. */
#if LANES == 16
#define LANE_NUMBERS ((Mask){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
#define MOVED(v, by)                                                                           \
    __builtin_shufflevector(                                                                   \
        v, v, by, by + 1, by + 2, by + 3, by + 4, by + 5, by + 6, by + 7, 0, 0, 0, 0, 0, 0, 0, 0)
#elif LANES == 8
#define LANE_NUMBERS ((Mask){0, 1, 2, 3, 4, 5, 6, 7})
#define MOVED(v, by) __builtin_shufflevector(v, v, by, by + 1, by + 2, by + 3, 0, 0, 0, 0)
#else
#define LANE_NUMBERS ((Mask){0, 1, 2, 3})
#define MOVED(v, by) __builtin_shufflevector(v, v, by % 4, (by + 1) % 4, 0, 0)
#endif

/* The first `count` lanes alone; the others read as zero, and are not written. Without masks: for
   counts that the compiler knows, and for other processors. */
INLINE Vector load_few(const float *p, long count) {
    float all[LANES] = {0};
    for (long i = 0; i < count; ++i) all[i] = p[i];
    return load(all);
}

/* Halves, quarters and so on: the same few branches for each pixel, and no loop. */
INLINE void store_few(float *p, Vector v, long count) {
    float all[LANES];
    long done = 0;
    store(all, v);
    UNROLL for (int size = LANES / 2; size > 0; size /= 2)
        if (count & size) {
            __builtin_memcpy(p + done, all + done, (unsigned long)size * sizeof(float));
            done += size;
        }
}

/* The same by a mask where there are masks; `count` from 0 to LANES. */
#if defined(__clang__) && defined(__AVX512F__)
#define LANES_BELOW(count) (uint16_t)((1U << (count)) - 1)
INLINE Vector load_part(const float *p, long count) {
    return __builtin_ia32_loadups512_mask(p, (Vector){0}, LANES_BELOW(count));
}
INLINE void store_part(float *p, Vector v, long count) {
    __builtin_ia32_storeups512_mask(p, v, LANES_BELOW(count));
}
#else
INLINE Vector load_part(const float *p, long count) { return load_few(p, count); }
INLINE void store_part(float *p, Vector v, long count) { store_few(p, v, count); }
#endif

INLINE long least(long a, long b) { return a < b ? a : b; }
INLINE long most(long a, long b) { return a > b ? a : b; }
INLINE long parts(long count, long size) { return (count + size - 1) / size; }

/* Statements for each row `r` and vector `v` of a tile, written out: the compiler takes a quarter
   longer where it has to unroll loops, in a dozen passes over each of the tiles. */
#define NUMBERED(name, number, count, ...) \
    if (number < count) {                  \
        enum { name = number };            \
        __VA_ARGS__                        \
    }
#define TWO_ROWS(first, second, ...) \
    NUMBERED(r, first, rows, __VA_ARGS__) NUMBERED(r, second, rows, __VA_ARGS__)
#define SIX_ROWS(...) \
    TWO_ROWS(0, 1, __VA_ARGS__) TWO_ROWS(2, 3, __VA_ARGS__) TWO_ROWS(4, 5, __VA_ARGS__)
#define EIGHT_ROWS(...) SIX_ROWS(__VA_ARGS__) TWO_ROWS(6, 7, __VA_ARGS__)
#if PIXELS == 14
#define EACH_ROW(...)                                            \
    EIGHT_ROWS(__VA_ARGS__) TWO_ROWS(8, 9, __VA_ARGS__)          \
    TWO_ROWS(10, 11, __VA_ARGS__) TWO_ROWS(12, 13, __VA_ARGS__)
#else
#define EACH_ROW(...) SIX_ROWS(__VA_ARGS__)
#endif
#define TWO_VECTORS(first, second, ...) \
    NUMBERED(v, first, vectors, __VA_ARGS__) NUMBERED(v, second, vectors, __VA_ARGS__)
#if VECTORS == 2
#define EACH_VECTOR(...) TWO_VECTORS(0, 1, __VA_ARGS__)
#else
#define EACH_VECTOR(...) TWO_VECTORS(0, 1, __VA_ARGS__) TWO_VECTORS(2, 3, __VA_ARGS__)
#endif

/* TILE(rows, vectors) with the numbers as constants. */
#if VECTORS == 2
#define WITH_VECTORS(r, vectors) vectors == 1 ? TILE(r, 1) : TILE(r, 2)
#else
#define WITH_VECTORS(r, vectors) \
    vectors == 1 ? TILE(r, 1) : vectors == 2 ? TILE(r, 2) : vectors == 3 ? TILE(r, 3) : TILE(r, 4)
#endif
#define CASE(r, vectors) \
    case r: WITH_VECTORS(r, vectors); break;
#if PIXELS == 14
#define MORE_CASES(v) \
    CASE(7, v) CASE(8, v) CASE(9, v) CASE(10, v) CASE(11, v) CASE(12, v) CASE(13, v) CASE(14, v)
#else
#define MORE_CASES(v)
#endif
#define EACH_TILE(rows, v)                                                          \
    switch (rows) {                                                                 \
        CASE(1, v) CASE(2, v) CASE(3, v) CASE(4, v) CASE(5, v) CASE(6, v) MORE_CASES(v) \
    }
#endif
