/* Functions of vectors, to a few units in the last place; NaN stays NaN. */
#ifndef KOLAM_FUNCTIONS_H
#define KOLAM_FUNCTIONS_H
#include "exponential.h"

#define INFINITE __builtin_inff()

/* One instruction each where b is what is not larger; a NaN in `a` must be put back. */
INLINE Vector larger(Vector a, Vector b) { return either(a != a, a, either(a > b, a, b)); }
INLINE Vector smaller(Vector a, Vector b) { return either(a != a, a, either(a < b, a, b)); }

INLINE Vector with_sign_of(Vector size, Vector x) {
    return (Vector)((Mask)size | ((Mask)x & (int32_t)0x80000000));
}

INLINE Vector each_sqrt(Vector a) {
#ifdef __clang__
    return __builtin_elementwise_sqrt(a);
#else
    for (int i = 0; i < LANES; ++i) a[i] = __builtin_sqrtf(a[i]);
    return a;
#endif
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
    return either(x != x, x, with_sign_of(either(size < 0.625f, near, far), x));
}

/* With x = 2^n m and m from sqrt(1/2) to sqrt(2), n log 2 + log m; log(1 + r) is
   r - r^2 / 2 + r^3 q(r), q of degree 7 by Chebyshev interpolation, within 2.1e-8. */
INLINE Vector each_log(Vector x) {
    const Vector y = either(x > 0.0f, x, fill(1.0f));
    const Mask small = y < fill(1.17549435e-38f);
    const Vector normal = either(small, y * 8388608.0f, y);
    const Mask n = ((Mask)normal - 0x3f3504f3) >> 23;
    const Vector r = (Vector)((Mask)normal - n * 8388608) - 1.0f;
    const Vector power = __builtin_convertvector(n - (small & 23), Vector);
    Vector q = fill(-0.07902746365009822f);
    q = fused(q, r, fill(0.12622321126832733f));
    q = fused(q, r, fill(-0.12998183392089727f));
    q = fused(q, r, fill(0.1421449571757124f));
    q = fused(q, r, fill(-0.16641281478872574f));
    q = fused(q, r, fill(0.20001045103802306f));
    q = fused(q, r, fill(-0.25000306422368385f));
    q = fused(q, r, fill(0.3333333072807745f));
    const Vector square = r * r;
    Vector rest = fused(power, fill(-2.12194440e-4f), q * square * r);
    rest = fused(square, fill(-0.5f), rest);
    const Vector value = fused(power, fill(0.693359375f), r + rest);
    const Vector special = either(x == 0.0f, fill(-INFINITE), fill(__builtin_nanf("")));
    return either(x > 0.0f, either(x == INFINITE, x, value), either(x != x, x, special));
}

/* log(1 + x), with what 1 + x loses of x put back. */
INLINE Vector each_log1p(Vector x) {
    const Vector sum = 1.0f + x, lost = (x - (sum - 1.0f)) / sum;
    const Vector value = each_log(sum);
    const Mask plain = (sum == 0.0f) | (magnitude(sum) == INFINITE);
    return either(x == 0.0f, x, either(plain, value, value + lost));
}

/* exp(x) - 1 as 2 (2^(n-1) (exp(r) - 1) + 2^(n-1) - 1/2), as `power_for` has n and r. */
INLINE Vector each_expm1(Vector x) {
    const Power power = power_for(bounded(x, -30.0f, 89.0f));
    const Vector half = power_of_two(power.whole - 1);
    return either((x == 0.0f) | (x != x), x, 2.0f * (half * power.less + (half - 0.5f)));
}

/* exp(-x^2), zero from 10.2 on: the square has a part that a float does not hold. Without fused
   products, the square of the first half of the digits, which is exact, and the rest by a series. */
INLINE Vector each_bell(Vector x) {
    Vector size = magnitude(x);
    size = either(size > fill(10.2f), fill(10.2f), size);
#if HAS_FUSED
    const Vector square = size * size, rest = fused(size, size, -square);
    return exponential(-square) * (1.0f - rest);
#else
    const Vector high = (Vector)((Mask)size & ~0xfff), rest = (size - high) * (size + high);
    const Vector series = 1.0f - rest * (1.0f - rest * (0.5f - rest * 0.16666667f));
    return exponential(-high * high) * series;
#endif
}

/* Given the bell of x as well, which derivatives need too. */
INLINE Vector erfc_by(Vector x, Vector bell) {
    const Vector tail = bell * tail_factor(magnitude(x));
    return either(x < 0.0f, 2.0f - tail, tail);
}

/* Near zero an odd polynomial, by Chebyshev interpolation in x^2: within 2.8e-10. */
INLINE Vector erf_by(Vector x, Vector bell) {
    const Vector size = magnitude(x), square = x * x;
    Vector near = fill(-0.0007160193811834307f);
    near = fused(near, square, fill(0.005160076891072636f));
    near = fused(near, square, fill(-0.026852381027543382f));
    near = fused(near, square, fill(0.11283656194477154f));
    near = fused(near, square, fill(-0.3761263401567471f));
    near = fused(near, square, fill(1.1283791668089218f));
    const Vector far = with_sign_of(1.0f - bell * tail_factor(size), x);
    return either(size < 0.65f, near * x, either(x != x, x, far));
}

/* From 2^23 on every float is whole: those are left alone, as are NaN and infinities. */
INLINE Vector whole_part(Vector x) {
    const Mask small = magnitude(x) < 8388608.0f;
    const Vector inside = either(small, x, (Vector){0});
    const Vector cut = __builtin_convertvector(__builtin_convertvector(inside, Mask), Vector);
    return either(small, with_sign_of(magnitude(cut), x), x);
}

INLINE Vector each_floor(Vector x) {
    const Vector cut = whole_part(x);
    return with_sign_of(magnitude(either(cut > x, cut - 1.0f, cut)), x);
}

INLINE Vector each_ceil(Vector x) { return -each_floor(-x); }

/* Halves away from zero. */
INLINE Vector each_round(Vector x) {
    const Vector cut = whole_part(x);
    const Mask up = magnitude(x - cut) >= 0.5f;
    return either(up, with_sign_of(magnitude(cut) + 1.0f, x), cut);
}

/* Halves to the even neighbour. */
INLINE Vector each_round_even(Vector x) {
    const Vector size = magnitude(x), shift = fill(8388608.0f), sum = size + shift;
    return either(size < shift, with_sign_of(sum - shift, x), x);
}

INLINE Vector each_sign(Vector x) {
    return either((x == 0.0f) | (x != x), x, with_sign_of(fill(1.0f), x));
}
#endif
