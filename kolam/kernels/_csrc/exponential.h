/* Exponentials of vectors, to a few units in the last place. */
#ifndef KOLAM_EXPONENTIAL_H
#define KOLAM_EXPONENTIAL_H
#include "vectors.h"

/* One rounding where the processor has it; else two cost an ulp, and a call per lane would cost more. */
#if defined(__clang__) && (defined(__FMA__) || defined(__aarch64__))
#define HAS_FUSED 1
#else
#define HAS_FUSED 0
#endif
INLINE Vector fused(Vector a, Vector b, Vector sum) {
#if HAS_FUSED
    return __builtin_elementwise_fma(a, b, sum);
#else
    return a * b + sum;
#endif
}

/* 2 to the power of `n`, of -126 to 127. */
INLINE Vector power_of_two(Mask n) { return (Vector)((n + 127) << 23); }

/* p 2^n for n of -151 to 129, given as a float and whole: what a float does not hold is infinite or
   zero. Without an instruction for it, two powers of two, for n may be 128 or below -126. */
INLINE Vector scaled(Vector p, Vector n, Mask whole) {
#if defined(__clang__) && defined(__AVX512F__)
    (void)whole;
    return __builtin_ia32_scalefps512_mask(p, n, (Vector){0}, -1, 4 /* round as always */);
#else
    const Mask half = whole >> 1;
    (void)n;
    return p * power_of_two(half) * power_of_two(whole - half);
#endif
}

typedef struct {
    Vector n, less; /* exp(x) is 2^n (1 + less) */
    Mask whole;     /* n */
} Power;

/* With x = n log 2 + r, |r| at most half of log 2: exp(r) - 1 is r + r^2 q(r), q of degree 4 by
   Chebyshev interpolation, within 1.1e-8. For x of -104 to 89. */
INLINE Power power_for(Vector x) {
    const Vector shift = fill(12582912.0f); /* 1.5 * 2^23: what is added to it is rounded */
    const Vector shifted = fused(x, fill(1.44269504f), shift), n = shifted - shift;
    Vector r = fused(n, fill(-0.693359375f), x);
    r = fused(n, fill(2.12194440e-4f), r);
    Vector q = fill(0.0013926926767453551f);
    q = fused(q, r, fill(0.008363774046301842f));
    q = fused(q, r, fill(0.04166654869914055f));
    q = fused(q, r, fill(0.16666573286056519f));
    q = fused(q, r, fill(0.5f));
    return (Power){n, fused(r * r, q, r), (Mask)shifted - (Mask)shift};
}

/* x within the bounds, NaN as it is. */
INLINE Vector bounded(Vector x, float low, float high) {
    x = either(x > fill(high), fill(high), x);
    return either(x < fill(low), fill(low), x);
}

/* e to the power of x; NaN stays, and what is too large or small is infinite or zero. */
INLINE Vector exponential(Vector x) {
    const Power power = power_for(bounded(x, -104.0f, 89.0f));
    return scaled(power.less + 1.0f, power.n, power.whole);
}

INLINE Vector magnitude(Vector x) { return (Vector)((Mask)x & 0x7fffffff); }

/* exp(z^2) erfc(z) for z not below 0: a polynomial in (z - 3) / (z + 3) of degree 10 by Chebyshev
   interpolation on [0, 10.2], beyond which erfc is zero. Within 3 ulp. */
INLINE Vector tail_factor(Vector z) {
    z = either(z > fill(10.2f), fill(10.2f), z);
    const Vector s = (z - 3.0f) / (z + 3.0f);
    Vector g = fill(5.395129483076744e-05f);
    g = fused(g, s, fill(2.5023091438924894e-05f));
    g = fused(g, s, fill(-0.0005950479535385966f));
    g = fused(g, s, fill(0.0007184594869613647f));
    g = fused(g, s, fill(0.0042697773315012455f));
    g = fused(g, s, fill(-0.024394923821091652f));
    g = fused(g, s, fill(0.07166563719511032f));
    g = fused(g, s, fill(-0.1501157134771347f));
    g = fused(g, s, fill(0.24560381472110748f));
    g = fused(g, s, fill(-0.32623356580734253f));
    g = fused(g, s, fill(0.17900115251541138f));
    return g;
}

#endif
