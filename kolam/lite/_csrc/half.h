/* @from_f16: a number of 16 bits as one of 32; exact */
static inline float KL_from_f16(uint16_t half) {
    const uint32_t bits = ((uint32_t)half & 0x7fffu) << 13;
    /* the exponent is too small by 112; numbers without one are multiples of 2^-24 */
    const float scaled = bits < 0x0f800000u ? KL_float(bits + 0x38000000u) : KL_float(bits | 0x7f800000u);
    const float tiny = (float)(half & 0x3ffu) * 5.9604644775390625e-8f;
    const float size = bits < 0x00800000u ? tiny : scaled;
    return KL_float(KL_bits(size) | ((uint32_t)half & 0x8000u) << 16);
}

/* @to_f16: rounded to 16 bits, to the even one of two */
static inline uint16_t KL_to_f16(float x) {
    const uint32_t bits = KL_bits(x) & 0x7fffffffu;
    const uint32_t sign = KL_bits(x) >> 16 & 0x8000u;
    const uint32_t even = bits + 0xfffu + (bits >> 13 & 1u);
    /* adding 0.5 leaves multiples of 2^-24 in the last bits, rounded as they should be */
    const uint32_t tiny = KL_bits(KL_float(bits) + 0.5f) - 0x3f000000u;
    const uint32_t normal = (even - 0x38000000u) >> 13;
    const uint32_t large = bits > 0x7f800000u ? 0x7e00u : 0x7c00u;
    return (uint16_t)(sign | (bits < 0x38800000u ? tiny : even >= 0x47800000u ? large : normal));
}

/* @from_bf16: a number of 16 bits as one of 32; exact */
static inline float KL_from_bf16(uint16_t half) {
    return KL_float((uint32_t)half << 16);
}

/* @to_bf16: rounded to 16 bits, to the even one of two */
static inline uint16_t KL_to_bf16(float x) {
    const uint32_t bits = KL_bits(x);
    const uint32_t even = bits + 0x7fffu + (bits >> 16 & 1u);
    return (uint16_t)(x != x ? (bits >> 16 | 0x40u) : even >> 16);
}

/* @odd: rounded to 32 bits so that a later rounding to fewer is right: not to even but to odd */
static inline float KL_odd(double x) {
    const float near = (float)x;
    const double wide = (double)near;
    const double lost = x < 0 ? wide - x : x - wide;
    const uint32_t bits = KL_bits(near) - (lost < 0 ? 1u : 0u);
    return lost != 0 && KL_is_finite_f64(x) ? KL_float(bits | 1u) : near;
}

/* @to_f16_f64: rounded to 16 bits, once */
static inline uint16_t KL_to_f16_f64(double x) {
    return KL_to_f16(KL_odd(x));
}

/* @to_bf16_f64: rounded to 16 bits, once */
static inline uint16_t KL_to_bf16_f64(double x) {
    return KL_to_bf16(KL_odd(x));
}
