/* @bits_f64: the bits of a number */
static inline uint64_t KL_bits_f64(double x) {
    union { double number; uint64_t bits; } both;
    both.number = x;
    return both.bits;
}

/* @float_f64: the number with these bits */
static inline double KL_float_f64(uint64_t bits) {
    union { double number; uint64_t bits; } both;
    both.bits = bits;
    return both.number;
}

/* @abs_f64: |x| */
static inline double KL_abs_f64(double x) {
    return KL_float_f64(KL_bits_f64(x) & UINT64_C(0x7fffffffffffffff));
}

/* @signed_f64: a size with the sign of x */
static inline double KL_signed_f64(double size, double x) {
    return KL_float_f64(KL_bits_f64(size) | (KL_bits_f64(x) & UINT64_C(0x8000000000000000)));
}

/* @max_f64: the greater of two numbers, NaN if either is */
static inline double KL_max_f64(double a, double b) {
    return a > b || a != a ? a : b;
}

/* @min_f64: the smaller of two numbers, NaN if either is */
static inline double KL_min_f64(double a, double b) {
    return a < b || a != a ? a : b;
}

/* @sign_f64: -1, 0 or 1 with the sign of zero kept, NaN for NaN */
static inline double KL_sign_f64(double x) {
    return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x;
}

/* @is_finite_f64: neither infinite nor NaN */
static inline int KL_is_finite_f64(double x) {
    return (KL_bits_f64(x) & UINT64_C(0x7ff0000000000000)) != UINT64_C(0x7ff0000000000000);
}

/* @floor_f64: the greatest whole number that is not above x */
static inline double KL_floor_f64(double x) {
    return KL_builtin_floor(x);
}

/* @ceil_f64: the least whole number that is not below x */
static inline double KL_ceil_f64(double x) {
    return KL_builtin_ceil(x);
}

/* @rint_f64: the nearest whole number, the even one of two */
static inline double KL_rint_f64(double x) {
    return KL_builtin_rint(x);
}

/* @round_f64: the nearest whole number, the one away from zero of two */
static inline double KL_round_f64(double x) {
    const double size = KL_abs_f64(x);
    const double down = KL_floor_f64(size);
    return KL_signed_f64(size - down >= 0.5 ? down + 1.0 : down, x);
}

/* @sqrt_f64: the square root, correctly rounded */
static inline double KL_sqrt_f64(double x) {
    return KL_builtin_sqrt(x);
}

/* @rsqrt_f64: one over the square root */
static inline double KL_rsqrt_f64(double x) {
    return 1.0 / KL_sqrt_f64(x);
}

/* @power_of_two_f64: 2 to the power of a whole number in -1022..1023 */
static inline double KL_power_of_two_f64(int32_t n) {
    return KL_float_f64((uint64_t)(n + 1023) << 52);
}

/* @polynomial_f64: a polynomial, the factor of the highest power first */
static inline double KL_polynomial_f64(const double *factors, int count, double x) {
    double sum = factors[0];
    for (int i = 1; i < count; ++i) sum = sum * x + factors[i];
    return sum;
}

/* @exp_rest_f64: exp(r) - 1 where x + low = n ln 2 + r */
static inline double KL_exp_rest_f64(double x, double low, int32_t *n) {
    static const double factors[] = {
        1.6086642574672407e-10, 2.09181596693241e-09, 2.505207105477011e-08,
        2.7557263219790347e-07, 2.755731924725567e-06, 2.480158733649766e-05,
        0.00019841269841263285, 0.0013888888888879054, 0.008333333333333333,
        0.04166666666666668, 0.16666666666666666, 0.5,
    };
    const double inside = x < -746.0 ? -746.0 : x > 710.0 ? 710.0 : x;
    const double shifted = inside * 1.4426950408889634 + 6755399441055744.0; /* the last bits hold n */
    const double whole = shifted - 6755399441055744.0;
    const double r = (inside - whole * 0.6931471805598903) - (whole * 5.497923018708371e-14 - low);
    *n = (int32_t)(uint32_t)KL_bits_f64(shifted);
    return KL_polynomial_f64(factors, 12, r) * (r * r) + r;
}

/* @exp_sum_f64: e to the power of x + low; within 1 ULP */
static inline double KL_exp_sum_f64(double x, double low) {
    int32_t n;
    const double rest = KL_exp_rest_f64(x, low, &n);
    const int32_t half = n >> 1; /* two factors, so that neither overflows */
    return (rest + 1.0) * KL_power_of_two_f64(half) * KL_power_of_two_f64(n - half);
}

/* @exp_f64: e to the power of x; within 1 ULP */
static inline double KL_exp_f64(double x) {
    return KL_exp_sum_f64(x, 0.0);
}

/* @expm1_f64: exp(x) - 1 without loss near 0 */
static inline double KL_expm1_f64(double x) {
    int32_t n;
    const double rest = KL_exp_rest_f64(x, 0.0, &n);
    const int32_t half = n >> 1;
    const double first = KL_power_of_two_f64(half), second = KL_power_of_two_f64(n - half);
    const double power = first * second;
    return n > 60 ? (rest + 1.0) * first * second : n == 0 ? rest : rest * power + (power - 1.0);
}

/* @log_series_f64: (log(1 + f) - 2 s) / s^3, where s = f / (2 + f) and z = s^2 */
static inline double KL_log_series_f64(double z) {
    static const double factors[] = {
        0.1188509934324957, 0.11687780989571862, 0.13335653976459466, 0.1538457477813401,
        0.18181818598169913, 0.22222222219827728, 0.28571428571435464, 0.3999999999999999,
    };
    return KL_polynomial_f64(factors, 8, z);
}

/* @log_near_f64: log(1 + f) + e log 2 + low, for f near 0 */
static inline double KL_log_near_f64(double f, double e, double low) {
    const double s = f / (2.0 + f);
    const double z = s * s;
    const double rest = z * (0.66666666666666667 + z * KL_log_series_f64(z));
    const double half = 0.5 * f * f;
    return e * 0.6931471805598903
        - ((half - (s * (half + rest) + (e * 5.497923018708371e-14 + low))) - f);
}

/* @split_f64: x = 2^e m, where m lies round 1; gives m - 1 */
static inline double KL_split_f64(double x, double *e) {
    const int tiny = x < 2.2250738585072014e-308;
    const uint64_t bits = KL_bits_f64(tiny ? x * 18014398509481984.0 : x);
    const uint64_t moved = bits - UINT64_C(0x3fe6a09e667f3bcd);
    *e = (double)(((int32_t)(uint32_t)(moved >> 32) >> 20) - (tiny ? 54 : 0));
    return KL_float_f64((moved & UINT64_C(0x000fffffffffffff)) + UINT64_C(0x3fe6a09e667f3bcd)) - 1.0;
}

/* @log_sum_f64: log(x) + low */
static inline double KL_log_sum_f64(double x, double low) {
    double e;
    const double f = KL_split_f64(x, &e);
    const double result = KL_log_near_f64(f, e, low);
    const double special = x == 0.0 ? -KL_float_f64(UINT64_C(0x7ff0000000000000))
                                    : KL_float_f64(UINT64_C(0x7ff8000000000000));
    return x > 0.0 ? (KL_is_finite_f64(x) ? result : x) : special;
}

/* @log_f64: the natural logarithm; within 1 ULP */
static inline double KL_log_f64(double x) {
    return KL_log_sum_f64(x, 0.0);
}

/* @log1p_f64: log(1 + x) without loss near 0 */
static inline double KL_log1p_f64(double x) {
    const double u = 1.0 + x;
    const double lost = x - (u - 1.0);
    const double far = KL_log_sum_f64(u, u > 0.0 && KL_is_finite_f64(u) ? lost / u : 0.0);
    return x > -0.29 && x < 0.41 ? (x == 0.0 ? x : KL_log_near_f64(x, 0.0, 0.0)) : far;
}

/* @tanh_f64: the hyperbolic tangent, by exp(x) - 1 */
static inline double KL_tanh_f64(double x) {
    const double size = KL_abs_f64(x);
    const double inside = size > 22.0 ? 22.0 : size;
    const double t = KL_expm1_f64(inside < 1.0 ? -2.0 * inside : 2.0 * inside);
    const double result = inside < 1.0 ? -t / (t + 2.0) : 1.0 - 2.0 / (t + 2.0);
    return x != x ? x : KL_signed_f64(KL_abs_f64(result), x);
}

/* @logistic_f64: 1 / (1 + exp(-x)) */
static inline double KL_logistic_f64(double x) {
    return 1.0 / (1.0 + KL_exp_f64(-x));
}

/* @large_quarter_f64: as KL_quarter_f64 for |x| of 10^6 and more, from the bits of 2 / pi
   (Payne and Hanek) */
static inline double KL_large_quarter_f64(double x, int *turns) {
    static const uint32_t words[] = {
        0, 0, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u,
        0xfe5163abu, 0xdebbc561u, 0xb7246e3au, 0x424dd2e0u, 0x06492eeau, 0x09d1921cu, 0xfe1deb1cu,
        0xb129a73eu, 0xe88235f5u, 0x2ebb4484u, 0xe99c7026u, 0xb45f7e41u, 0x3991d639u, 0x835339f4u,
        0x9c845f8bu, 0xbdf9283bu, 0x1ff897ffu, 0xde05980fu, 0xef2f118bu, 0x5a0a6d1fu, 0x6d367ecfu,
        0x27cb09b7u, 0x4f463f66u, 0x9e5fea2du, 0x7527bac7u, 0xebe5f17bu, 0x3d0739f7u, 0x8a5292eau,
        0x6bfb5fb1u, 0x1f8d5d08u, 0x56033046u, 0xfc7b6babu,
    };
    const uint64_t bits = KL_bits_f64(x);
    const uint64_t whole = (bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x0010000000000000);
    const int first = (int)(bits >> 52 & 0x7ffu) - 1075 - 2 + 64; /* what is above counts whole turns */
    const uint64_t low = whole & 0xffffffffu, high = whole >> 32;
    uint32_t part[6];
    uint64_t carry = 0;
    double rest = 0.0;
    int negative;
    for (int i = 0; i < 6; ++i) { /* 192 bits of the product, the lowest first */
        const uint32_t *const word = words + (first >> 5) + 5 - i;
        const uint64_t pair = (uint64_t)word[0] << 32 | word[1];
        carry += (pair >> (32 - (first & 31)) & 0xffffffffu) * low;
        part[i] = (uint32_t)carry;
        carry >>= 32;
    }
    carry = 0;
    for (int i = 0; i < 5; ++i) {
        const uint32_t *const word = words + (first >> 5) + 5 - i;
        const uint64_t pair = (uint64_t)word[0] << 32 | word[1];
        carry += (pair >> (32 - (first & 31)) & 0xffffffffu) * high + part[i + 1];
        part[i + 1] = (uint32_t)carry;
        carry >>= 32;
    }
    negative = (int)(part[5] >> 29 & 1u);
    *turns = (int)(part[5] >> 30) + negative;
    for (int i = 0; i < 6; ++i) {
        const uint32_t digits = (negative ? ~part[i] : part[i]) & (i == 5 ? 0x3fffffffu : 0xffffffffu);
        rest = rest * 2.3283064365386963e-10 + (double)digits;
    }
    rest *= 1.4629180792671596e-09; /* pi / 2 of 2^-30 */
    return negative ? -rest : rest;
}

/* @quarter_f64: x less a whole number of quarter turns; gives the rest in two parts, and the
   number modulo 4 */
static inline double KL_quarter_f64(double x, double *low, int *turns) {
    const double size = KL_abs_f64(x);
    double rest;
    if (size < 1.0e6) {
        const double shifted = size * 0.6366197723675814 + 6755399441055744.0;
        const double n = shifted - 6755399441055744.0;
        const double first = size - n * 1.5707963267341256;
        const double part = n * 6.077100506303966e-11;
        const double second = first - part;
        const double back = first - second;
        const double lost = (first - (second + back)) + (back - part);
        const double third = n * 2.0222662487959506e-21 - lost;
        rest = second - third;
        *low = (second - rest) - third;
        *turns = (int)(KL_bits_f64(shifted) & 3u);
    } else if (KL_is_finite_f64(x)) {
        rest = KL_large_quarter_f64(size, turns);
        *low = 0.0;
    } else {
        rest = *low = KL_float_f64(UINT64_C(0x7ff8000000000000));
        *turns = 0;
    }
    if (x < 0.0) {
        rest = -rest;
        *low = -*low;
        *turns = -*turns;
    }
    return rest;
}

/* @turned_f64: the sine of the rest of KL_quarter_f64, as many quarter turns on */
static inline double KL_turned_f64(double r, double low, int turns) {
    static const double sines[] = {
        -7.586682497157786e-13, 1.6058531370931902e-10, -2.505210623088241e-08,
        2.755731921933466e-06, -0.0001984126984126506, 0.008333333333333331, -0.16666666666666666,
    };
    static const double cosines[] = {
        4.7458637732829623e-14, -1.1470460749696862e-11, 2.0876755790210228e-09,
        -2.755731922140032e-07, 2.4801587301584642e-05, -0.0013888888888888887,
        0.041666666666666664,
    };
    const double z = r * r;
    const double half = 0.5 * z;
    const double near = 1.0 - half;
    const double s = r + (r * z * KL_polynomial_f64(sines, 7, z) + low * near);
    const double c = near
        + (((1.0 - near) - half) + (z * z * KL_polynomial_f64(cosines, 7, z) - r * low));
    const double value = turns & 1 ? c : r == 0.0 ? r : s;
    return turns & 2 ? -value : value;
}

/* @sin_f64: the sine; within 3 ULP */
static inline double KL_sin_f64(double x) {
    int turns;
    double low;
    const double r = KL_quarter_f64(x, &low, &turns);
    return KL_turned_f64(r, low, turns);
}

/* @cos_f64: the cosine; within 3 ULP */
static inline double KL_cos_f64(double x) {
    int turns;
    double low;
    const double r = KL_quarter_f64(x, &low, &turns);
    return KL_turned_f64(r, low, turns + 1);
}

/* @tan_f64: the tangent; within 3 ULP */
static inline double KL_tan_f64(double x) {
    int turns;
    double low;
    const double r = KL_quarter_f64(x, &low, &turns);
    return KL_turned_f64(r, low, turns) / KL_turned_f64(r, low, turns + 1);
}

/* @fmod_f64: what is left of a after whole multiples of b, with the sign of a; exact */
static inline double KL_fmod_f64(double a, double b) {
    const uint64_t mask = UINT64_C(0x000fffffffffffff), one = UINT64_C(0x0010000000000000);
    const uint64_t above = KL_bits_f64(KL_abs_f64(a)), below = KL_bits_f64(KL_abs_f64(b));
    const uint64_t infinite = UINT64_C(0x7ff0000000000000);
    int from = (int)(above >> 52), to = (int)(below >> 52);
    uint64_t rest = (above & mask) | (from ? one : 0), step = (below & mask) | (to ? one : 0);
    if (below == 0 || below > infinite || above >= infinite) {
        return KL_float_f64(UINT64_C(0x7ff8000000000000));
    }
    from += !from;
    to += !to;
    if (above < below) {
        return a;
    }
    for (; from > to; --from) {
        rest = (rest >= step ? rest - step : rest) << 1;
    }
    rest = rest >= step ? rest - step : rest;
    while (rest && !(rest >> 52) && to > 1) {
        rest <<= 1;
        --to;
    }
    return KL_signed_f64(KL_float_f64(rest >> 52 ? (uint64_t)to << 52 | (rest & mask) : rest), a);
}

/* @product_f64: a b in two parts */
static inline double KL_product_f64(double a, double b, double *low) {
    const uint64_t mask = UINT64_C(0xfffffffff8000000);
    const double a1 = KL_float_f64(KL_bits_f64(a) & mask), b1 = KL_float_f64(KL_bits_f64(b) & mask);
    const double a2 = a - a1, b2 = b - b1, high = a * b;
    *low = ((a1 * b1 - high) + a1 * b2 + a2 * b1) + a2 * b2;
    return high;
}

/* @sum_f64: a + b in two parts */
static inline double KL_sum_f64(double a, double b, double *low) {
    const double high = a + b;
    const double part = high - a;
    *low = (a - (high - part)) + (b - part);
    return high;
}

/* @log_parts_f64: the logarithm of a positive number in two parts */
static inline double KL_log_parts_f64(double x, double *low) {
    double e, s_low, z_low, t_low, u_low, lost, rest;
    const double f = KL_split_f64(x, &e);
    const double d = f + 2.0, d_low = f - (d - 2.0);
    const double s = f / d;
    const double back = KL_product_f64(s, d, &s_low);
    const double s2 = ((f - back) - s_low - s * d_low) / d;
    const double z = KL_product_f64(s, s, &z_low);
    const double z2 = z_low + 2.0 * s * s2;
    const double t = KL_product_f64(s, z, &t_low);
    const double t2 = t_low + s * z2 + s2 * z;
    const double u = KL_product_f64(t, 0.66666666666666667, &u_low);
    const double small = u_low + t * 3.700743415417188e-17 + t2 * 0.66666666666666667;
    const double series = t * z * KL_log_series_f64(z);
    const double first = KL_sum_f64(e * 0.6931471805598903, 2.0 * s, &lost);
    const double second = KL_sum_f64(first, u, &rest);
    const double tail = (lost + rest) + (e * 5.497923018708371e-14 + 2.0 * s2 + small + series);
    const double high = second + tail;
    *low = tail - (high - second);
    return high;
}

/* @pow_f64: a to the power of b, by a logarithm in two parts; within 1 ULP */
static inline double KL_pow_f64(double a, double b) {
    const double size = KL_abs_f64(a), infinite = KL_float_f64(UINT64_C(0x7ff0000000000000));
    const double nan = KL_float_f64(UINT64_C(0x7ff8000000000000));
    const int whole = KL_floor_f64(b) == b;
    const int odd = whole && KL_floor_f64(b * 0.5) != b * 0.5;
    const int edge = size == 0.0 || size == infinite;
    double log_low, low, high, result;
    const double log_high = KL_log_parts_f64(edge || a != a ? 1.0 : size, &log_low);
    const double about = b * log_high;
    if (about > 800.0 || about < -800.0) {
        result = about > 0.0 ? infinite : 0.0;
    } else {
        high = KL_product_f64(b, log_high, &low);
        result = KL_exp_sum_f64(high, KL_abs_f64(b) < 1.0e300 ? low + b * log_low : 0.0);
    }
    if (edge) {
        result = (size == 0.0) == (b > 0.0) ? 0.0 : infinite;
    }
    if (KL_bits_f64(a) >> 63) {
        result = odd ? -result : whole || edge ? result : nan;
    }
    if (KL_abs_f64(b) == infinite) {
        result = size == 1.0 ? 1.0 : (size > 1.0) == (b > 0.0) ? infinite : 0.0;
    }
    return b == 0.0 || a == 1.0 ? 1.0 : a != a || b != b ? nan : result;
}

/* @erf_series_f64: the error function for |x| of 0.5 and less */
static inline double KL_erf_series_f64(double x) {
    static const double factors[] = {
        -1.4617627246054609e-07, 1.6370884815059592e-06, -1.4922987923416949e-05,
        0.00012055285835488717, -0.0008548326505677897, 0.00522397762197632,
        -0.026866170644997894, 0.11283791670954865, -0.3761263890318375, 0.1283791670955126,
    };
    return x + x * KL_polynomial_f64(factors, 10, x * x);
}

/* @erfc_tail_f64: 1 - erf(x) for x of 0.5 and more: exp(-x^2) times a fitted function */
static inline double KL_erfc_tail_f64(double x) {
    static const double near[] = {
        2.2768653903875e-10, -8.930755702904793e-10, 2.7632045063950614e-09,
        -1.0313924711719385e-08, 3.850500669041146e-08, -1.376371537617667e-07,
        4.795975847446536e-07, -1.6306284465595766e-06, 5.395664530419093e-06,
        -1.7344096804610906e-05, 5.405405897772678e-05, -0.00016296000622789973,
        0.0004739703103590243, -0.0013257829300028514, 0.003553109903225257,
        -0.009081627632916358, 0.02201136425085728, -0.05021827439590804, 0.1067955714965988,
        -0.20882187596460983, 0.3678229164523611,
    };
    static const double middle[] = {
        1.6482525468969957e-12, -8.134236373235494e-12, 3.1724792006762475e-11,
        -1.5077563830210874e-10, 7.20516363335066e-10, -3.316229237177357e-09,
        1.4977253627698686e-08, -6.64646639786765e-08, 2.8926684651166363e-07,
        -1.2333685934914701e-06, 5.146436522511331e-06, -2.0989464259545496e-05,
        8.355413963369297e-05, -0.00032412554452200884, 0.0012230390523765237,
        -0.004479431018371144, 0.01588437115987134, -0.05437226000717289, 0.17900115118138996,
    };
    static const double far[] = {
        64379238.51819023, -37105717.67703845, 10338791.953904454, -1907611.6822151851,
        274080.7338474066, -34834.572831866, 4380.116092109285, -593.8160917066522,
        91.60867029485844, -16.660914341695744, 3.7024917933369497, -1.057855457528207,
        0.42314218762634404, -0.2820947917738249, 0.5641895835477563,
    };
    const double high = KL_float_f64(KL_bits_f64(x) & UINT64_C(0xfffffffff8000000));
    const double power = KL_exp_sum_f64(-high * high, -(x - high) * (x + high));
    if (x > 28.0) {
        return 0.0;
    }
    return power * (x < 2.0 ? KL_polynomial_f64(near, 21, x - 1.25)
                    : x < 4.0 ? KL_polynomial_f64(middle, 19, x - 3.0)
                              : KL_polynomial_f64(far, 15, 1.0 / (x * x)) / x);
}

/* @erf_f64: the error function; within 1 ULP */
static inline double KL_erf_f64(double x) {
    const double size = KL_abs_f64(x);
    return size < 0.5 ? KL_erf_series_f64(x)
        : x != x ? x : KL_signed_f64(1.0 - KL_erfc_tail_f64(size), x);
}

/* @erfc_f64: 1 - erf(x) without loss where erf(x) is near 1; within 3 ULP */
static inline double KL_erfc_f64(double x) {
    const double size = KL_abs_f64(x);
    const double tail = size < 0.5 || x != x ? x : KL_erfc_tail_f64(size);
    return size < 0.5 ? 1.0 - KL_erf_series_f64(x) : x < 0.0 ? 2.0 - tail : tail;
}

/* @erf_inv_f64: the number whose error function is x: a guess, mended three times (Halley) */
static inline double KL_erf_inv_f64(double x) {
    const double size = KL_abs_f64(x), rest = 1.0 - size;
    const double logarithm = KL_log_f64(rest * (1.0 + size));
    const double part = 4.330746750799873 + 0.5 * logarithm;
    double y = KL_sqrt_f64(KL_sqrt_f64(part * part - logarithm * 6.802721088435374) - part);
    if (!(rest > 0.0)) {
        return rest == 0.0 ? KL_signed_f64(KL_float_f64(UINT64_C(0x7ff0000000000000)), x)
                           : KL_float_f64(UINT64_C(0x7ff8000000000000));
    }
    if (size < 1.0e-8) {
        return x * 0.886226925452758; /* half of the root of pi */
    }
    for (int i = 0; i < 3; ++i) {
        const double error = size < 0.5 ? size - KL_erf_f64(y) : KL_erfc_f64(y) - rest;
        const double step = error * 0.886226925452758 * KL_exp_f64(y * y);
        y += step / (1.0 - y * step);
    }
    return KL_signed_f64(y, x);
}

/* @asin_part_f64: the arcsine for 0 to 0.5 */
static inline double KL_asin_part_f64(double x) {
    static const double factors[] = {
        0.02961201126495512, -0.01924167174674304, 0.019554513336123378, 0.0030448799094556773,
        0.009319560794767446, 0.009621842970100282, 0.011566459612121669, 0.01396378001220357,
        0.017352816540325496, 0.02237215744350722, 0.03038194447553234, 0.044642857142551895,
        0.07500000000000118, 0.16666666666666666,
    };
    const double z = x * x;
    return x + x * z * KL_polynomial_f64(factors, 14, z);
}

/* @asin_f64: the arcsine; within 3 ULP */
static inline double KL_asin_f64(double x) {
    const double size = KL_abs_f64(x);
    const double half = KL_asin_part_f64(size > 0.5 ? KL_sqrt_f64(0.5 * (1.0 - size)) : size);
    const double far = 1.5707963267948966 - (2.0 * half - 6.123233995736766e-17);
    return KL_signed_f64(size > 0.5 ? far : half, x);
}

/* @acos_f64: the arccosine; within 3 ULP */
static inline double KL_acos_f64(double x) {
    const double size = KL_abs_f64(x);
    const double half = KL_asin_part_f64(size > 0.5 ? KL_sqrt_f64(0.5 * (1.0 - size)) : size);
    const double near = 1.5707963267948966 - (KL_signed_f64(half, x) - 6.123233995736766e-17);
    const double far = 3.141592653589793 - (2.0 * half - 1.2246467991473532e-16);
    return size > 0.5 ? (x > 0.0 ? 2.0 * half : far) : near;
}

/* @atan_size_f64: the arctangent of a number that is not negative */
static inline double KL_atan_size_f64(double x) {
    static const double factors[] = {
        -0.013917695219310572, 0.030635176368556078, -0.041044134902075015, 0.0471938939438005,
        -0.052580406718134826, 0.058819251621305094, -0.06666642013802823, 0.07692306735718386,
        -0.09090909067001965, 0.11111111110754596, -0.14285714285711518, 0.19999999999999993,
        -0.3333333333333333,
    };
    const double inside = x > 1.0 ? 1.0 / x : x;
    const int is_middle = inside > 0.41421356237309503;
    const double u = is_middle ? (inside - 1.0) / (inside + 1.0) : inside;
    const double z = u * u;
    const double part = u + u * z * KL_polynomial_f64(factors, 13, z);
    const double angle = is_middle ? 0.7853981633974483 + (part + 3.061616997868383e-17) : part;
    return x > 1.0 ? 1.5707963267948966 - (angle - 6.123233995736766e-17) : angle;
}

/* @atan_f64: the arctangent; within 2 ULP */
static inline double KL_atan_f64(double x) {
    return x != x ? x : KL_signed_f64(KL_atan_size_f64(KL_abs_f64(x)), x);
}

/* @atan2_f64: the angle of the point (x, y); within 2 ULP */
static inline double KL_atan2_f64(double y, double x) {
    const double a = KL_abs_f64(y), b = KL_abs_f64(x);
    const double ratio = a == b ? 1.0 : a / b;
    const double angle = a == 0.0 ? 0.0 : KL_atan_size_f64(ratio);
    const double turned = 3.141592653589793 - (angle - 1.2246467991473532e-16);
    return x != x || y != y ? KL_float_f64(UINT64_C(0x7ff8000000000000))
                            : KL_signed_f64(KL_bits_f64(x) >> 63 ? turned : angle, y);
}

/* @asinh_f64: the inverse of the hyperbolic sine; within 3 ULP */
static inline double KL_asinh_f64(double x) {
    const double size = KL_abs_f64(x);
    const double square = size * size;
    const double result = size > 268435456.0 ? KL_log_f64(size) + 0.6931471805599453
        : size > 2.0 ? KL_log_f64(2.0 * size + 1.0 / (KL_sqrt_f64(square + 1.0) + size))
                     : KL_log1p_f64(size + square / (1.0 + KL_sqrt_f64(1.0 + square)));
    return x != x ? x : KL_signed_f64(result, x);
}

/* @acosh_f64: the inverse of the hyperbolic cosine; within 3 ULP */
static inline double KL_acosh_f64(double x) {
    const double above = x - 1.0;
    return x < 1.0 ? KL_float_f64(UINT64_C(0x7ff8000000000000))
        : x > 268435456.0 ? KL_log_f64(x) + 0.6931471805599453
        : x > 2.0 ? KL_log_f64(2.0 * x - 1.0 / (x + KL_sqrt_f64(x * x - 1.0)))
                  : KL_log1p_f64(above + KL_sqrt_f64(2.0 * above + above * above));
}

/* @atanh_f64: the inverse of the hyperbolic tangent; within 3 ULP */
static inline double KL_atanh_f64(double x) {
    const double size = KL_abs_f64(x);
    const double twice = 2.0 * size;
    const double inside = size < 0.5 ? twice + twice * size / (1.0 - size) : twice / (1.0 - size);
    return size > 1.0 || x != x ? KL_float_f64(UINT64_C(0x7ff8000000000000))
                                : KL_signed_f64(0.5 * KL_log1p_f64(inside), x);
}

/* @cbrt_f64: the cube root: a guess from the bits, mended four times (Halley); within 1 ULP */
static inline double KL_cbrt_f64(double x) {
    const double size = KL_abs_f64(x);
    const double moved = size > 1.0e300 ? size * 8.673617379884035e-19
        : size < 1.0e-290 ? size * 1.152921504606847e+18 : size;
    const double back = size > 1.0e300 ? 1048576.0 : size < 1.0e-290 ? 9.5367431640625e-07 : 1.0;
    double root = KL_float_f64(KL_bits_f64(moved) / 3u + UINT64_C(0x2a9f789400000000));
    for (int i = 0; i < 4; ++i) {
        const double cube = root * root * root;
        root += root * ((moved - cube) / (2.0 * cube + moved));
    }
    return size == 0.0 || !KL_is_finite_f64(x) ? x : KL_signed_f64(root * back, x);
}

/* @sin_pi_f64: the sine of pi x, for the rest of x from the nearest whole number */
static inline double KL_sin_pi_f64(double x) {
    return KL_sin_f64(3.141592653589793 * KL_abs_f64(x - KL_rint_f64(x)));
}

/* @lgamma_near_f64: log(gamma(2 + d)) for |d| of 0.5 and less */
static inline double KL_lgamma_near_f64(double d) {
    static const double factors[] = {
        -1.3219945666117874e-07, 2.78740805211359e-07, -4.3252393445604814e-07,
        9.200527894968101e-07, -2.0439048107029907e-06, 4.38470440459836e-06,
        -9.438715099211532e-06, 2.0505590755833454e-05, -4.49263133791557e-05,
        9.945767355819498e-05, -0.00022315475400520507, 0.0005096695154115458,
        -0.0011927539118428156, 0.002890510331034267, -0.0073855510286719986,
        0.02058080842778038, -0.0673523010531981, 0.32246703342411326, 0.42278433509846713,
    };
    return d * KL_polynomial_f64(factors, 19, d);
}

/* @lgamma_size_f64: log(gamma(x)) for x > 0 */
static inline double KL_lgamma_size_f64(double x) {
    static const double factors[] = {
        -0.029550653594771242, 0.00641025641025641, -0.0019175269175269176, 0.0008417508417508417,
        -0.0005952380952380953, 0.0007936507936507937, -0.002777777777777778, 0.08333333333333333,
    };
    double product = 1.0, inverse;
    if (x < 0.5) {
        return KL_lgamma_near_f64(x) - KL_log1p_f64(x) - KL_log_f64(x);
    }
    if (x < 1.5) {
        return KL_lgamma_near_f64(x - 1.0) - KL_log1p_f64(x - 1.0);
    }
    if (x < 9.0) {
        while (x >= 2.5) {
            x -= 1.0;
            product *= x;
        }
        return KL_log_f64(product) + KL_lgamma_near_f64(x - 2.0);
    }
    inverse = 1.0 / x;
    return (x - 0.5) * (KL_log_f64(x) - 1.0)
        + (0.4189385332046727 + inverse * KL_polynomial_f64(factors, 8, inverse * inverse));
}

/* @lgamma_f64: log(|gamma(x)|); relative to 1 near its zeros, else within 4 ULP */
static inline double KL_lgamma_f64(double x) {
    const double size = KL_abs_f64(x), infinite = KL_float_f64(UINT64_C(0x7ff0000000000000));
    if (x != x || x > 0.0) {
        return x > 1.7976931348623157e308 ? x : KL_lgamma_size_f64(x);
    }
    if (KL_floor_f64(x) == x) {
        return infinite;
    }
    if (size < 1.0e-20) {
        return -KL_log_f64(size);
    }
    return KL_log_f64(3.141592653589793 / (size * KL_sin_pi_f64(size))) - KL_lgamma_size_f64(size);
}

/* @digamma_f64: the derivative of log(gamma(x)); within 6 ULP from 5 on, 2e-15 of 1 below */
static inline double KL_digamma_f64(double x) {
    static const double factors[] = {
        0.08333333333333333, -0.021092796092796094, 0.007575757575757576, -0.004166666666666667,
        0.003968253968253968, -0.008333333333333333, 0.08333333333333333,
    };
    double sum = 0.0, square;
    if (x <= 0.0) {
        const double rest = x - KL_rint_f64(x);
        if (rest == 0.0) {
            return KL_float_f64(UINT64_C(0x7ff8000000000000));
        }
        sum = -3.141592653589793 / KL_tan_f64(3.141592653589793 * rest);
        x = 1.0 - x;
    }
    for (; x < 10.0; x += 1.0) {
        sum -= 1.0 / x;
    }
    square = 1.0 / (x * x);
    return sum + (KL_log_f64(x) - 0.5 / x - square * KL_polynomial_f64(factors, 7, square));
}

/* @zeta_f64: the sum of (q + n)^-x, n = 0, 1, ...: ten terms, then Euler and Maclaurin's */
static inline double KL_zeta_f64(double x, double q) {
    static const double factors[] = {
        0.08333333333333333, -0.001388888888888889, 3.306878306878307e-05, -8.267195767195768e-07,
        2.08767569878681e-08, -5.284190138687493e-10, 1.3382536530684679e-11,
        -3.3896802963225826e-13, 8.586062056277845e-15, -2.1748686985580617e-16,
        5.5090028283602295e-18, -1.3954464685812524e-19,
    };
    const double infinite = KL_float_f64(UINT64_C(0x7ff0000000000000));
    double sum, term, place = q, factor = x;
    if (x == 1.0 || (x > 1.0 && q <= 0.0 && KL_floor_f64(q) == q)) {
        return infinite;
    }
    if (!(x > 1.0) || q != q || (q <= 0.0 && KL_floor_f64(x) != x)) {
        return KL_float_f64(UINT64_C(0x7ff8000000000000));
    }
    sum = KL_pow_f64(q, -x);
    for (int i = 0; i < 9 || place <= 9.0; ++i) {
        place += 1.0;
        term = KL_pow_f64(place, -x);
        sum += term;
        if (KL_abs_f64(term) < 1.0e-17 * KL_abs_f64(sum)) {
            return sum;
        }
    }
    term = KL_pow_f64(place, -x);
    sum += term * place / (x - 1.0) - 0.5 * term;
    term /= place;
    for (int k = 0; k < 12; ++k) {
        const double added = factor * term * factors[k];
        sum += added;
        if (KL_abs_f64(added) < 1.0e-17 * KL_abs_f64(sum)) {
            return sum;
        }
        factor *= (x + (2 * k + 1)) * (x + (2 * k + 2));
        term /= place * place;
    }
    return sum;
}

/* @polygamma_f64: the derivative number n + 1 of log(gamma(x)) */
static inline double KL_polygamma_f64(double n, double x) {
    const double size = KL_exp_f64(KL_lgamma_f64(n + 1.0)) * KL_zeta_f64(n + 1.0, x);
    return n == 0.0 ? KL_digamma_f64(x)
        : !(n > 0.0) || KL_floor_f64(n) != n ? KL_float_f64(UINT64_C(0x7ff8000000000000))
        : KL_fmod_f64(n, 2.0) == 0.0 ? -size : size;
}

/* @i1e_f64: exp(-|x|) times the Bessel function I1: its series, or that for large x; within 12
   ULP */
static inline double KL_i1e_f64(double x) {
    const double size = KL_abs_f64(x), quarter = 0.25 * size * size;
    double term = 1.0, sum = 1.0, result;
    if (size < 20.0) {
        for (int k = 1; k < 60; ++k) {
            term *= quarter / (k * (k + 1.0));
            sum += term;
        }
        result = 0.5 * size * sum * KL_exp_f64(-size);
    } else {
        for (int k = 1; k < 24; ++k) {
            term *= ((2.0 * k - 1.0) * (2.0 * k - 1.0) - 4.0) / (8.0 * k * size);
            sum += term;
        }
        result = sum / (KL_sqrt_f64(size) * 2.5066282746310002);
    }
    return x != x ? x : KL_signed_f64(result, x);
}
