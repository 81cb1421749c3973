/* @even: x / 2^bits to the nearest whole number, the even one of two; bits is 1 to 40 */
static inline uint32_t KL_even(uint64_t x, int bits) {
    return (uint32_t)((x + ((uint64_t)1 << (bits - 1)) - 1 + ((x >> bits) & 1)) >> bits);
}

/* @digits: how many binary digits x has */
static inline int KL_digits(uint32_t x) {
    int count = 0;
    for (int step = 16; step > 0; step /= 2) {
        if (x >> step) {
            x >>= step;
            count += step;
        }
    }
    return count + (x != 0);
}

/* @soft_requantize: the steps of a float product, each rounded as it rounds, on whole numbers */
static inline int32_t KL_soft_requantize(int32_t x, float scale, int32_t low, int32_t high) {
    const uint32_t bits = KL_bits(scale);
    uint32_t size = x < 0 ? 0u - (uint32_t)x : (uint32_t)x;
    int power = (bits >> 23 ? (int)(bits >> 23) : 1) - 150;
    if (size >> 24) {
        const int more = KL_digits(size) - 24;
        size = KL_even(size, more);
        power += more;
    }
    uint64_t product = (uint64_t)size * ((bits & 0x7fffffu) | (bits >> 23 ? 0x800000u : 0u));
    if (product >> 24) {
        const int more = (product >> 32 ? 32 + KL_digits((uint32_t)(product >> 32))
                                        : KL_digits((uint32_t)product)) - 24;
        product = KL_even(product, more);
        power += more;
    }
    int32_t y = 0;
    if (power >= 0) {
        y = product == 0 ? 0 : power > 6 ? INT32_MAX : (int32_t)(product << power);
    } else if (power > -26) {
        y = (int32_t)KL_even(product, -power);
    }
    y = x < 0 ? -y : y;
    return y < low ? low : y > high ? high : y;
}

/* @requantize: x * scale to the nearest whole number, the even one of two; low to high */
static inline int32_t KL_requantize(int32_t x, float scale, float low, float high) {
#if defined(__SOFTFP__) || defined(__riscv_float_abi_soft)
    return KL_soft_requantize(x, scale, (int32_t)low, (int32_t)high);
#elif defined(__GNUC__) && defined(__ARM_FP) && __ARM_ARCH < 8 && !defined(__ARM_FPV5__)
    float y = (float)x * scale; /* there is no rint here, but a conversion that rounds so */
    __asm__("vcvtr.s32.f32 %0, %1" : "=t"(y) : "t"(y));
    const int32_t whole = (int32_t)KL_bits(y);
    return whole < (int32_t)low ? (int32_t)low : whole > (int32_t)high ? (int32_t)high : whole;
#else
    const float y = KL_rint((float)x * scale);
    return (int32_t)(y < low ? low : y > high ? high : y);
#endif
}
