/* @load: neighbours in memory */
static inline KL_vec KL_load(const float *p) {
    KL_vec v;
#if KL_VECTORS
    __builtin_memcpy(&v, p, sizeof v);
#else
    for (int i = 0; i < @LANES@; ++i) v.lane[i] = p[i];
#endif
    return v;
}

/* @store: to neighbours in memory */
static inline void KL_store(float *p, KL_vec v) {
#if KL_VECTORS
    __builtin_memcpy(p, &v, sizeof v);
#else
    for (int i = 0; i < @LANES@; ++i) p[i] = v.lane[i];
#endif
}

/* @zero: nothing yet */
static inline KL_vec KL_zero(void) {
#if KL_VECTORS
    return (KL_vec){0};
#else
    KL_vec v;
    for (int i = 0; i < @LANES@; ++i) v.lane[i] = 0.0f;
    return v;
#endif
}

/* @scaled: a b + sum */
static inline KL_vec KL_scaled(float a, KL_vec b, KL_vec sum) {
#if KL_VECTORS
    return KL_FUSED(a - (KL_vec){0}, b, sum);
#else
    for (int i = 0; i < @LANES@; ++i) sum.lane[i] += a * b.lane[i];
    return sum;
#endif
}

/* @muladd: a b + sum, lane by lane */
static inline KL_vec KL_muladd(KL_vec a, KL_vec b, KL_vec sum) {
#if KL_VECTORS
    return KL_FUSED(a, b, sum);
#else
    for (int i = 0; i < @LANES@; ++i) sum.lane[i] += a.lane[i] * b.lane[i];
    return sum;
#endif
}

/* @add: a + b, lane by lane */
static inline KL_vec KL_add(KL_vec a, KL_vec b) {
#if KL_VECTORS
    return a + b;
#else
    for (int i = 0; i < @LANES@; ++i) a.lane[i] += b.lane[i];
    return a;
#endif
}

/* @part: the first few neighbours, then zeros */
static inline KL_vec KL_part(const float *p, int count) {
    float all[@LANES@];
    KL_UNROLL
    for (int i = 0; i < @LANES@; ++i) all[i] = i < count ? p[i] : 0.0f;
    return KL_load(all);
}

/* @total: the sum of all lanes, halves first */
static inline float KL_total(KL_vec v) {
    float all[@LANES@];
    KL_store(all, v);
    KL_UNROLL
    for (int half = @LANES@ / 2; half > 0; half /= 2) {
        KL_UNROLL
        for (int i = 0; i < half; ++i) all[i] += all[i + half];
    }
    return all[0];
}
