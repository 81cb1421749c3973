/* @requantize: x * multiplier / 2^shift, rounded to the nearest, halves up; shift is 1 to 62 */
static inline int32_t KL_requantize(int32_t x, int32_t multiplier, int32_t shift) {
    const int64_t wide = ((int64_t)x * multiplier + ((int64_t)1 << (shift - 1))) >> shift;
    if (shift > 30) {
        return (int32_t)wide; /* below 2^31 without a test */
    }
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}
