/* @vec: @LANES@ numbers */
#if KL_VECTORS >= @BYTES@
typedef float KL_vec@LANES@ __attribute__((vector_size(@BYTES@)));
#else
typedef struct { float lane[@LANES@]; } KL_vec@LANES@;
#endif

/* @load: neighbours in memory */
static inline KL_vec@LANES@ KL_load@LANES@(const float *p) {
    KL_vec@LANES@ v;
#if KL_VECTORS >= @BYTES@
    __builtin_memcpy(&v, p, sizeof v);
#else
    for (int i = 0; i < @LANES@; ++i) v.lane[i] = p[i];
#endif
    return v;
}

/* @store: to neighbours in memory */
static inline void KL_store@LANES@(float *p, KL_vec@LANES@ v) {
#if KL_VECTORS >= @BYTES@
    __builtin_memcpy(p, &v, sizeof v);
#else
    for (int i = 0; i < @LANES@; ++i) p[i] = v.lane[i];
#endif
}

/* @zero: nothing yet */
static inline KL_vec@LANES@ KL_zero@LANES@(void) {
#if KL_VECTORS >= @BYTES@
    return (KL_vec@LANES@){0};
#else
    KL_vec@LANES@ v;
    for (int i = 0; i < @LANES@; ++i) v.lane[i] = 0.0f;
    return v;
#endif
}

/* @scaled: a b + sum */
static inline KL_vec@LANES@ KL_scaled@LANES@(float a, KL_vec@LANES@ b, KL_vec@LANES@ sum) {
#if KL_VECTORS >= @BYTES@
    return KL_FUSED(a - (KL_vec@LANES@){0}, b, sum);
#else
    for (int i = 0; i < @LANES@; ++i) sum.lane[i] += a * b.lane[i];
    return sum;
#endif
}

/* @muladd: a b + sum, lane by lane */
static inline KL_vec@LANES@ KL_muladd@LANES@(KL_vec@LANES@ a, KL_vec@LANES@ b, KL_vec@LANES@ sum) {
#if KL_VECTORS >= @BYTES@
    return KL_FUSED(a, b, sum);
#else
    for (int i = 0; i < @LANES@; ++i) sum.lane[i] += a.lane[i] * b.lane[i];
    return sum;
#endif
}

/* @add: a + b, lane by lane */
static inline KL_vec@LANES@ KL_add@LANES@(KL_vec@LANES@ a, KL_vec@LANES@ b) {
#if KL_VECTORS >= @BYTES@
    return a + b;
#else
    for (int i = 0; i < @LANES@; ++i) a.lane[i] += b.lane[i];
    return a;
#endif
}

/* @part: the first few neighbours, then zeros */
static inline KL_vec@LANES@ KL_part@LANES@(const float *p, int count) {
    float all[@LANES@];
    KL_UNROLL
    for (int i = 0; i < @LANES@; ++i) all[i] = i < count ? p[i] : 0.0f;
    return KL_load@LANES@(all);
}

/* @total: the sum of all lanes, halves first */
static inline float KL_total@LANES@(KL_vec@LANES@ v) {
    float all[@LANES@];
    KL_store@LANES@(all, v);
    KL_UNROLL
    for (int half = @LANES@ / 2; half > 0; half /= 2) {
        KL_UNROLL
        for (int i = 0; i < half; ++i) all[i] += all[i + half];
    }
    return all[0];
}

/* @fill: the same number in all lanes */
static inline KL_vec@LANES@ KL_fill@LANES@(float a) {
    float all[@LANES@];
    KL_UNROLL
    for (int i = 0; i < @LANES@; ++i) all[i] = a;
    return KL_load@LANES@(all);
}

/* @maximum: the greater, lane by lane; NaN if either is */
static inline KL_vec@LANES@ KL_maximum@LANES@(KL_vec@LANES@ a, KL_vec@LANES@ b) {
#if KL_VECTORS >= @BYTES@
    typedef int32_t bits __attribute__((vector_size(@BYTES@)));
    const bits left = (bits)(a > b) | (bits)(a != a);
    return (KL_vec@LANES@)(((bits)a & left) | ((bits)b & ~left));
#else
    for (int i = 0; i < @LANES@; ++i)
        if (!(a.lane[i] > b.lane[i] || a.lane[i] != a.lane[i])) a.lane[i] = b.lane[i];
    return a;
#endif
}

/* @minimum: the less, lane by lane; NaN if either is */
static inline KL_vec@LANES@ KL_minimum@LANES@(KL_vec@LANES@ a, KL_vec@LANES@ b) {
#if KL_VECTORS >= @BYTES@
    typedef int32_t bits __attribute__((vector_size(@BYTES@)));
    const bits left = (bits)(a < b) | (bits)(a != a);
    return (KL_vec@LANES@)(((bits)a & left) | ((bits)b & ~left));
#else
    for (int i = 0; i < @LANES@; ++i)
        if (!(a.lane[i] < b.lane[i] || a.lane[i] != a.lane[i])) a.lane[i] = b.lane[i];
    return a;
#endif
}
