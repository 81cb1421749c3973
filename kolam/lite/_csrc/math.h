/* @bits: the bits of a number */
static inline uint32_t KL_bits(float x) {
    union { float number; uint32_t bits; } both;
    both.number = x;
    return both.bits;
}

/* @float: the number with these bits */
static inline float KL_float(uint32_t bits) {
    union { float number; uint32_t bits; } both;
    both.bits = bits;
    return both.number;
}

/* @abs: |x| */
static inline float KL_abs(float x) {
    return KL_float(KL_bits(x) & 0x7fffffffu);
}

/* @max: the greater of two numbers, NaN if either is */
static inline float KL_max(float a, float b) {
    return a > b || a != a ? a : b;
}

/* @min: the smaller of two numbers, NaN if either is */
static inline float KL_min(float a, float b) {
    return a < b || a != a ? a : b;
}

/* @sign: -1, 0 or 1 with the sign of zero kept, NaN for NaN */
static inline float KL_sign(float x) {
    return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x;
}

/* @is_finite: neither infinite nor NaN */
static inline int KL_is_finite(float x) {
    return (KL_bits(x) & 0x7f800000u) != 0x7f800000u;
}

/* @floor: the greatest whole number that is not above x */
static inline float KL_floor(float x) {
    return KL_builtin_floorf(x);
}

/* @ceil: the least whole number that is not below x */
static inline float KL_ceil(float x) {
    return KL_builtin_ceilf(x);
}

/* @rint: the nearest whole number, the even one of two */
static inline float KL_rint(float x) {
    return KL_builtin_rintf(x);
}

/* @round: the nearest whole number, the one away from zero of two */
static inline float KL_round(float x) {
    const float size = KL_abs(x);
    const float down = KL_floor(size);
    const float whole = size - down >= 0.5f ? down + 1.0f : down;
    return KL_float(KL_bits(whole) | (KL_bits(x) & 0x80000000u));
}

/* @sqrt: the square root, correctly rounded */
static inline float KL_sqrt(float x) {
    return KL_builtin_sqrtf(x);
}

/* @rsqrt: one over the square root */
static inline float KL_rsqrt(float x) {
    return 1.0f / KL_sqrt(x);
}

/* @power_of_two: 2 to the power of a whole number in -126..127 */
static inline float KL_power_of_two(int32_t n) {
    return KL_float((uint32_t)(n + 127) << 23);
}

/* @exp: e to the power of x: x = n ln 2 + r, then a polynomial in r; within 1 ULP */
static inline float KL_exp(float x) {
    const float low = x < -104.0f ? -104.0f : x;
    const float inside = low > 89.0f ? 89.0f : low;
    const float shifted = inside * 1.44269504f + 12582912.0f; /* the last bits now hold n */
    const float n = shifted - 12582912.0f;
    const float r = (inside - n * 0.693359375f) + n * 2.12194440e-4f;
    const float p = ((((1.9875691500e-4f * r + 1.3981999507e-3f) * r + 8.3334519073e-3f) * r
                      + 4.1665795894e-2f) * r + 1.6666665459e-1f) * r + 5.0000001201e-1f;
    const int32_t whole = (int32_t)(KL_bits(shifted) - 0x4b400000u);
    const int32_t half = whole >> 1; /* two factors, so that neither overflows */
    return (p * (r * r) + r + 1.0f) * KL_power_of_two(half) * KL_power_of_two(whole - half);
}

/* @expm1: exp(x) - 1 without loss near 0 */
static inline float KL_expm1(float x) {
    const float low = x < -104.0f ? -104.0f : x;
    const float inside = low > 89.0f ? 89.0f : low;
    const float shifted = inside * 1.44269504f + 12582912.0f;
    const float n = shifted - 12582912.0f;
    const float r = (inside - n * 0.693359375f) + n * 2.12194440e-4f;
    const float q = ((((1.9875691500e-4f * r + 1.3981999507e-3f) * r + 8.3334519073e-3f) * r
                      + 4.1665795894e-2f) * r + 1.6666665459e-1f) * r + 5.0000001201e-1f;
    const float p = q * (r * r) + r;
    const int32_t whole = (int32_t)(KL_bits(shifted) - 0x4b400000u);
    const int32_t half = whole >> 1;
    const float first = KL_power_of_two(half), second = KL_power_of_two(whole - half);
    return whole > 30 ? (p + 1.0f) * first * second
                      : p * (first * second) + (first * second - 1.0f);
}

/* @log: the natural logarithm: x = 2^e m, then a polynomial in m - 1; within 1 ULP */
static inline float KL_log(float x) {
    const int tiny = x < 1.17549435e-38f;
    const uint32_t moved = KL_bits(tiny ? x * 8388608.0f : x) - 0x3f3504f3u;
    const float e = (float)(((int32_t)moved >> 23) - (tiny ? 23 : 0));
    const float f = KL_float((moved & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    const float z = f * f;
    const float p = (((((((7.0376836292e-2f * f - 1.1514610310e-1f) * f + 1.1676998740e-1f) * f
                         - 1.2420140846e-1f) * f + 1.4249322787e-1f) * f - 1.6668057665e-1f) * f
                      + 2.0000714765e-1f) * f - 2.4999993993e-1f) * f + 3.3333331174e-1f;
    const float tail = f * z * p - e * 2.12194440e-4f - 0.5f * z;
    const float result = f + tail + e * 0.693359375f;
    const float special = x == 0.0f ? KL_float(0xff800000u) : KL_float(0x7fc00000u);
    return x > 0.0f ? (x > 3.40282347e38f ? x : result) : special;
}

/* @log1p: log(1 + x) without loss near 0: what rounding 1 + x lost is added back */
static inline float KL_log1p(float x) {
    const float u = 1.0f + x;
    const float lost = (x - (u - 1.0f)) / u;
    return KL_log(u) + (u > 0.0f && u <= 3.40282347e38f ? lost : 0.0f);
}

/* @tanh: the hyperbolic tangent: a polynomial near 0, by exp elsewhere */
static inline float KL_tanh(float x) {
    const float size = KL_abs(x);
    const float z = x * x;
    const float p = (((-5.70498872745e-3f * z + 2.06390887954e-2f) * z - 5.37397155531e-2f) * z
                     + 1.33314422036e-1f) * z - 3.33332819422e-1f;
    const float far = 1.0f - 2.0f / (KL_exp(2.0f * size) + 1.0f);
    return size < 0.625f ? p * z * x + x : x < 0.0f ? -far : far;
}

/* @logistic: 1 / (1 + exp(-x)) */
static inline float KL_logistic(float x) {
    return 1.0f / (1.0f + KL_exp(-x));
}

/* @erf: the error function: its series below 1, elsewhere 1 - exp(-q(x)) with a fitted q */
static inline float KL_erf(float x) {
    const float size = KL_abs(x);
    const float inside = size > 4.0f ? 4.0f : size;
    const float z = x * x;
    const float tail = ((((((((-1.63658441e-07f * z + 1.64621144e-06f) * z - 1.49256502e-05f) * z + 0.000120553326f) * z - 0.000854832702f) * z + 0.00522397785f) * z - 0.0268661715f) * z
                         + 0.112837918f) * z - 0.376126379f) * z + 0.128379166f;
    const float series = tail * x + x;
    const float q = ((((((1.86216312e-5f * inside - 4.01312805e-4f) * inside + 3.98635631e-3f)
                        * inside - 2.45645121e-2f) * inside + 1.07308701e-1f) * inside
                      + 6.34338379e-1f) * inside + 1.12896812f) * inside - 4.88270889e-5f;
    const float far = 1.0f - KL_exp(-q);
    return x != x ? x : size < 1.0f ? series : x < 0.0f ? -far : far;
}

/* @quarter: x less a whole number of quarter turns; gives the rest, and the number modulo 4 */
static inline float KL_quarter(float x, int *turns) {
    const double size = (double)x;
    const double shifted = size * 0.63661977236758134308 + 6755399441055744.0;
    const double n = shifted - 6755399441055744.0;
    union { double number; uint64_t bits; } both;
    both.number = shifted;
    *turns = (int)(both.bits & 3u);
    return KL_abs(x) < 1.0e9f
        ? (float)((size - n * 1.5707963267948966192) - n * 6.123233995736766036e-17)
        : KL_float(0x7fc00000u);
}

/* @turned: the sine of the rest of KL_quarter, as many quarter turns on */
static inline float KL_turned(float r, int turns) {
    const float z = r * r;
    const float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
    const float c = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z
                     + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
    const float value = turns & 1 ? c : s;
    return turns & 2 ? -value : value;
}

/* @sin: the sine; NaN for |x| of 10^9 and more, where one turn is a few steps of x */
static inline float KL_sin(float x) {
    int turns;
    const float r = KL_quarter(x, &turns);
    return KL_turned(r, turns);
}

/* @cos: the cosine; NaN for |x| of 10^9 and more, as KL_sin */
static inline float KL_cos(float x) {
    int turns;
    const float r = KL_quarter(x, &turns);
    return KL_turned(r, turns + 1);
}

/* @fmod: what is left of a after whole multiples of b, with the sign of a; exact */
static inline float KL_fmod(float a, float b) {
    const float size = KL_abs(b);
    float rest = KL_abs(a);
    if (!(size > 0.0f) || !KL_is_finite(a) || b != b) {
        return KL_float(0x7fc00000u);
    }
    while (rest >= size) {
        float part = size;
        while (part <= rest * 0.5f) {
            part *= 2.0f;
        }
        rest -= part;
    }
    return KL_float(KL_bits(rest) | (KL_bits(a) & 0x80000000u));
}

/* @pow: a to the power of b, by logarithm and exponential to base 2 in double; within 1 ULP */
static inline float KL_pow(float a, float b) {
    union { double number; uint64_t bits; } both;
    const float size = KL_abs(a);
    const int whole = KL_floor(b) == b;
    const int odd = whole && KL_floor(b * 0.5f) != b * 0.5f;
    uint64_t moved;
    double e, f, z, y, n, r, value;
    float result;
    both.number = (double)size;
    moved = both.bits - UINT64_C(0x3fe6a09e667f3bcd);
    e = (double)((int32_t)(moved >> 32) >> 20);
    both.bits = (moved & UINT64_C(0x000fffffffffffff)) + UINT64_C(0x3fe6a09e667f3bcd);
    f = (both.number - 1.0) / (both.number + 1.0);
    z = f * f;
    y = ((((((z / 13 + 1.0 / 11) * z + 1.0 / 9) * z + 1.0 / 7) * z + 1.0 / 5) * z + 1.0 / 3) * z + 1.0);
    y = (double)b * (e + f * y * 2.8853900817779268147);
    y = y < -200.0 ? -200.0 : y > 200.0 ? 200.0 : y;
    both.number = y + 6755399441055744.0;
    n = both.number - 6755399441055744.0;
    r = (y - n) * 0.69314718055994530942;
    value = (((((((((r / 9 + 1) * r / 8 + 1) * r / 7 + 1) * r / 6 + 1) * r / 5 + 1) * r / 4 + 1) * r / 3
               + 1) * r / 2 + 1) * r + 1);
    both.bits = (both.bits + 1023u) << 52;
    result = (float)(value * both.number);
    if (size == 0.0f || size > 3.40282347e38f) {
        result = (size == 0.0f) == (b > 0.0f) ? 0.0f : KL_float(0x7f800000u);
    }
    if (KL_bits(a) >> 31) {
        result = odd ? -result : whole || size == 0.0f || size > 3.40282347e38f ? result : KL_float(0x7fc00000u);
    }
    if (KL_abs(b) > 3.40282347e38f) {
        result = size == 1.0f ? 1.0f : (size > 1.0f) == (b > 0.0f) ? KL_float(0x7f800000u) : 0.0f;
    }
    return b == 0.0f || a == 1.0f ? 1.0f : a != a || b != b ? KL_float(0x7fc00000u) : result;
}
