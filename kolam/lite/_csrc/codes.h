/* @requantize: x * scale to the nearest whole number, the even one of two; low to high */
static inline int32_t KL_requantize(int32_t x, float scale, float low, float high) {
#if defined(__GNUC__) && (defined(__SOFTFP__) || defined(__riscv_float_abi_soft))
    /* no unit for floats: x, the product and the result are each rounded to the even one here */
    union { float number; uint32_t bits; } both;
    both.number = scale;
    const uint32_t bits = both.bits;
    uint64_t product = x < 0 ? 0u - (uint32_t)x : (uint32_t)x;
    int power = (bits >> 23 ? (int)(bits >> 23) : 1) - 150;
    for (int times = 0; times < 2; ++times) {
        if (product >> 24) {
            const int more = 40 - __builtin_clzll(product);
            product = (product + ((1u << (more - 1)) - 1) + (product >> more & 1)) >> more;
            power += more;
        }
        if (times == 0) {
            product *= (bits & 0x7fffffu) | (bits >> 23 ? 0x800000u : 0u);
        }
    }
    int32_t y = 0;
    if (power >= 0) {
        y = product == 0 ? 0 : power > 6 ? INT32_MAX : (int32_t)(product << power);
    } else if (power > -26) {
        y = (int32_t)((product + ((1u << (-power - 1)) - 1) + (product >> -power & 1)) >> -power);
    }
    y = x < 0 ? -y : y;
    return y < (int32_t)low ? (int32_t)low : y > (int32_t)high ? (int32_t)high : y;
#elif defined(__GNUC__) && defined(__ARM_FP) && __ARM_ARCH < 8 && !defined(__ARM_FPV5__)
    union { float number; int32_t whole; } y;
    y.number = (float)x * scale; /* there is no rint here, but a conversion that rounds so */
    __asm__("vcvtr.s32.f32 %0, %1" : "=t"(y.number) : "t"(y.number));
    return y.whole < (int32_t)low ? (int32_t)low : y.whole > (int32_t)high ? (int32_t)high : y.whole;
#else
    const float y = KL_builtin_rintf((float)x * scale);
    return (int32_t)(y < low ? low : y > high ? high : y);
#endif
}
