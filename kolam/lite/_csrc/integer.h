/* @divide: a / b towards zero; all bits set for b = 0, no overflow */
static inline @T@ KL_divide_@N@(@T@ a, @T@ b) {
    if (b == 0) {
        return (@T@)-1;
    }
    return b == (@T@)-1 && @SIGNED@ ? (@T@)(0u - (@U@)a) : (@T@)(a / b);
}

/* @remainder: what a / b leaves; a for b = 0 */
static inline @T@ KL_remainder_@N@(@T@ a, @T@ b) {
    if (b == 0) {
        return a;
    }
    return b == (@T@)-1 && @SIGNED@ ? 0 : (@T@)(a % b);
}

/* @power: a to the power of b by squaring; for b < 0 what rounds towards zero leaves */
static inline @T@ KL_power_@N@(@T@ a, @T@ b) {
    @U@ result = 1, base = (@U@)a;
    @T@ rest = b;
    if (@SIGNED@ && (@S@)b < 0) {
        return a == 1 ? 1 : a == (@T@)-1 ? (@T@)(b & 1 ? -1 : 1) : 0;
    }
    for (; rest != 0; rest = (@T@)(rest >> 1)) {
        result = rest & 1 ? (@U@)(result * base) : result;
        base = (@U@)(base * base);
    }
    return (@T@)result;
}

/* @shl: a shifted left by b bits; 0 when b is no bit of a */
static inline @T@ KL_shl_@N@(@T@ a, @T@ b) {
    return (@B@)b >= @BITS@ ? 0 : (@T@)((@U@)a << (@B@)b);
}

/* @shr: a shifted right by b bits, zeros move in; 0 when b is no bit of a */
static inline @T@ KL_shr_@N@(@T@ a, @T@ b) {
    return (@B@)b >= @BITS@ ? 0 : (@T@)((@B@)a >> (@B@)b);
}

/* @sar: a shifted right by b bits, the sign moves in */
static inline @T@ KL_sar_@N@(@T@ a, @T@ b) {
    return (@T@)((@S@)a >> ((@B@)b >= @BITS@ ? @BITS@ - 1 : (@B@)b));
}

/* @clamp: x brought between low and high; high where they cross */
static inline @T@ KL_clamp_@N@(@T@ low, @T@ x, @T@ high) {
    const @T@ above = x < low ? low : x;
    return above > high ? high : above;
}

/* @to: a number cut to a whole one; what lies outside comes to the nearest end, NaN to 0 */
static inline @T@ KL_to_@N@(float x) {
    return x != x ? 0 : x >= @ABOVE@f ? @MAX@ : x <= @BELOW@f ? @MIN@ : (@T@)x;
}

/* @cut: a number of 64 bits cut to a whole one; what lies outside comes to the nearest end */
static inline @T@ KL_cut_@N@(double x) {
    return x != x ? 0 : x >= @ABOVE@ ? @MAX@ : x <= @BELOW@ ? @MIN@ : (@T@)x;
}

/* @popcnt: how many bits are set */
static inline @T@ KL_popcnt_@N@(@T@ a) {
    @T@ count = 0;
    for (@B@ rest = (@B@)a; rest != 0; rest = (@B@)(rest & (@B@)(rest - 1u))) {
        ++count;
    }
    return count;
}

/* @clz: how many of the highest bits are not set */
static inline @T@ KL_clz_@N@(@T@ a) {
    @T@ count = @BITS@;
    for (@B@ rest = (@B@)a; rest != 0; rest = (@B@)(rest >> 1)) {
        --count;
    }
    return count;
}

/* @index: a whole number brought into 0..most */
static inline int KL_index_@N@(@T@ a, int most) {
    return @SIGNED@ && (@S@)a < 0 ? 0 : (@W@)a > (@W@)most ? most : (int)a;
}

/* @start: a whole number brought into -1..most */
static inline int KL_start_@N@(@T@ a, int most) {
    return @SIGNED@ && (@S@)a < 0 ? -1 : (@W@)a > (@W@)most ? most : (int)a;
}
