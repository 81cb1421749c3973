/* @requantize: x * scale to the nearest whole number, the even one of two; low to high */
static inline int32_t KL_requantize(int32_t x, float scale, float low, float high) {
    const float y = KL_rint((float)x * scale);
    return (int32_t)(y < low ? low : y > high ? high : y);
}
