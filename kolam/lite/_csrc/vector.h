/* Vectors of @LANES@ numbers: the vector extension of GCC and clang, or an array where there is
   none (or where KL_PLAIN is defined). This is the only part that asks for a compiler. */
#if defined(__clang__)
#define KL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define KL_UNROLL
#endif
#if defined(__GNUC__) && !defined(KL_PLAIN)
typedef float KL_vec __attribute__((vector_size(@BYTES@)));
static inline KL_vec KL_zero(void) { return (KL_vec){0}; }
static inline KL_vec KL_load(const float *p) {
    KL_vec v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
static inline void KL_store(float *p, KL_vec v) { __builtin_memcpy(p, &v, sizeof v); }
static inline KL_vec KL_muladd(KL_vec a, KL_vec b, KL_vec sum) { return a * b + sum; }
static inline KL_vec KL_scaled(float a, KL_vec b, KL_vec sum) { return a * b + sum; }
static inline KL_vec KL_add(KL_vec a, KL_vec b) { return a + b; }
static inline float KL_lane(KL_vec v, int i) { return v[i]; }
#else
typedef struct { float lane[@LANES@]; } KL_vec;
static inline KL_vec KL_zero(void) {
    KL_vec v;
    for (int i = 0; i < @LANES@; ++i) v.lane[i] = 0.0f;
    return v;
}
static inline KL_vec KL_load(const float *p) {
    KL_vec v;
    for (int i = 0; i < @LANES@; ++i) v.lane[i] = p[i];
    return v;
}
static inline void KL_store(float *p, KL_vec v) {
    for (int i = 0; i < @LANES@; ++i) p[i] = v.lane[i];
}
static inline KL_vec KL_muladd(KL_vec a, KL_vec b, KL_vec sum) {
    for (int i = 0; i < @LANES@; ++i) sum.lane[i] += a.lane[i] * b.lane[i];
    return sum;
}
static inline KL_vec KL_scaled(float a, KL_vec b, KL_vec sum) {
    for (int i = 0; i < @LANES@; ++i) sum.lane[i] += a * b.lane[i];
    return sum;
}
static inline KL_vec KL_add(KL_vec a, KL_vec b) {
    for (int i = 0; i < @LANES@; ++i) a.lane[i] += b.lane[i];
    return a;
}
static inline float KL_lane(KL_vec v, int i) { return v.lane[i]; }
#endif
static inline KL_vec KL_part(const float *p, int count) {
    float all[@LANES@];
    KL_UNROLL
    for (int i = 0; i < @LANES@; ++i) all[i] = i < count ? p[i] : 0.0f;
    return KL_load(all);
}
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
