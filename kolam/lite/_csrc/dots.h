/* @ivec: @LANES@ whole numbers */
#if KL_VECTORS >= @BYTES@
typedef int32_t KL_ivec@LANES@ __attribute__((vector_size(@BYTES@)));
#else
typedef struct { int32_t lane[@LANES@]; } KL_ivec@LANES@;
#endif

/* @izero: nothing yet */
static inline KL_ivec@LANES@ KL_izero@LANES@(void) {
#if KL_VECTORS >= @BYTES@
    return (KL_ivec@LANES@){0};
#else
    KL_ivec@LANES@ v;
    for (int i = 0; i < @LANES@; ++i) v.lane[i] = 0;
    return v;
#endif
}

/* @iread: neighbours in memory, four bytes each */
static inline KL_ivec@LANES@ KL_iread@LANES@(const int8_t *p) {
    KL_ivec@LANES@ v;
    KL_COPY(&v, p, sizeof v);
    return v;
}

/* @istore: to neighbours in memory */
static inline void KL_istore@LANES@(int32_t *p, KL_ivec@LANES@ v) {
    KL_COPY(p, &v, sizeof v);
}

/* @iload: neighbours in memory, made wide */
static inline KL_ivec@LANES@ KL_iload@LANES@(const int8_t *p) {
#if KL_VECTORS >= @BYTES@
    typedef int8_t codes __attribute__((vector_size(@LANES@)));
    codes narrow;
    KL_COPY(&narrow, p, sizeof narrow);
    return __builtin_convertvector(narrow, KL_ivec@LANES@);
#else
    KL_ivec@LANES@ v;
    for (int i = 0; i < @LANES@; ++i) v.lane[i] = p[i];
    return v;
#endif
}

/* @iscaled: a b + sum */
static inline KL_ivec@LANES@ KL_iscaled@LANES@(int32_t a, KL_ivec@LANES@ b, KL_ivec@LANES@ sum) {
#if KL_VECTORS >= @BYTES@
    return a * b + sum;
#else
    for (int i = 0; i < @LANES@; ++i) sum.lane[i] += a * b.lane[i];
    return sum;
#endif
}

/* @imuladd: a b + sum, lane by lane */
static inline KL_ivec@LANES@ KL_imuladd@LANES@(KL_ivec@LANES@ a, KL_ivec@LANES@ b,
                                                KL_ivec@LANES@ sum) {
#if KL_VECTORS >= @BYTES@
    return a * b + sum;
#else
    for (int i = 0; i < @LANES@; ++i) sum.lane[i] += a.lane[i] * b.lane[i];
    return sum;
#endif
}

/* @spread: the same number in all lanes */
static inline KL_ivec@LANES@ KL_spread@LANES@(int32_t number) {
#if KL_VECTORS >= @BYTES@
    return number - (KL_ivec@LANES@){0};
#else
    KL_ivec@LANES@ v;
    for (int i = 0; i < @LANES@; ++i) v.lane[i] = number;
    return v;
#endif
}

/* @fours: the four codes at p, each less -128, in every lane */
static inline KL_ivec@LANES@ KL_fours@LANES@(const int8_t *p) {
    uint32_t bytes;
    int32_t number;
    KL_COPY(&bytes, p, sizeof bytes);
    bytes ^= 0x80808080u;
    KL_COPY(&number, &bytes, sizeof number);
    return KL_spread@LANES@(number);
}

/* @quads: four products each of the bytes in a, from 0 to 255, with the codes at p; and sum */
static inline KL_ivec@LANES@ KL_quads@LANES@(KL_ivec@LANES@ a, const int8_t *p, KL_ivec@LANES@ sum) {
#if KL_VECTORS >= @BYTES@ && (defined(__AVX512VNNI__) && defined(__AVX512VL__)) && @LANES@ >= 8
    typedef char bytes __attribute__((vector_size(@BYTES@)));
    bytes codes;
    KL_COPY(&codes, p, sizeof codes);
#if defined(__clang__)
    return (KL_ivec@LANES@)__builtin_ia32_vpdpbusd@BITS@(sum, (bytes)a, codes);
#else
    return (KL_ivec@LANES@)__builtin_ia32_vpdpbusd_v@LANES@si(sum, a, (KL_ivec@LANES@)codes);
#endif
#else
    int32_t total[@LANES@];
    uint8_t bytes[@BYTES@];
    KL_COPY(total, &sum, sizeof total);
    KL_COPY(bytes, &a, sizeof bytes);
    for (int i = 0; i < @LANES@; ++i)
        for (int k = 0; k < 4; ++k) total[i] += bytes[4 * i + k] * p[4 * i + k];
    KL_COPY(&sum, total, sizeof total);
    return sum;
#endif
}

/* @twos: the two codes at p, as halves of 16 bits, in every lane */
static inline KL_ivec@LANES@ KL_twos@LANES@(const int8_t *p) {
    const int32_t number = (int32_t)((uint32_t)p[0] & 0xffffu) | (int32_t)((uint32_t)p[1] << 16);
    return KL_spread@LANES@(number);
}

/* @pairs: two products each of the halves in a with the codes at p; and sum */
static inline KL_ivec@LANES@ KL_pairs@LANES@(KL_ivec@LANES@ a, const int8_t *p, KL_ivec@LANES@ sum) {
#if KL_VECTORS >= @BYTES@ && defined(__wasm_simd128__) && @LANES@ == 4
    typedef int8_t codes __attribute__((vector_size(8)));
    typedef int16_t halves __attribute__((vector_size(16)));
    codes narrow;
    KL_COPY(&narrow, p, sizeof narrow);
    const halves wide = __builtin_convertvector(narrow, halves);
    return sum + (KL_ivec@LANES@)__builtin_wasm_dot_s_i32x4_i16x8((halves)a, wide);
#else
    int32_t total[@LANES@], halves[@LANES@];
    KL_COPY(total, &sum, sizeof total);
    KL_COPY(halves, &a, sizeof halves);
    for (int i = 0; i < @LANES@; ++i)
        total[i] += (int16_t)halves[i] * p[2 * i] + (halves[i] >> 16) * p[2 * i + 1];
    KL_COPY(&sum, total, sizeof total);
    return sum;
#endif
}

/* @same: the four codes at p in every lane */
static inline KL_ivec@LANES@ KL_same@LANES@(const int8_t *p) {
    int32_t number;
    KL_COPY(&number, p, sizeof number);
    return KL_spread@LANES@(number);
}

/* @codes: four products each of the codes in a with those at p; and sum */
static inline KL_ivec@LANES@ KL_codes@LANES@(KL_ivec@LANES@ a, const int8_t *p, KL_ivec@LANES@ sum) {
#if KL_VECTORS >= @BYTES@ && defined(__ARM_FEATURE_DOTPROD) && @LANES@ == 4
    KL_ivec@LANES@ codes;
    KL_COPY(&codes, p, sizeof codes);
    __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(a), "w"(codes));
    return sum;
#else
    int32_t total[@LANES@], four[@LANES@], codes[@LANES@];
    KL_COPY(total, &sum, sizeof total);
    KL_COPY(four, &a, sizeof four);
    KL_COPY(codes, p, sizeof codes);
    KL_UNROLL
    for (int i = 0; i < @LANES@; ++i) {
#if defined(__ARM_FEATURE_SIMD32)
        /* bytes 0 and 2, then 1 and 3, as halves of 16 bits */
        const int32_t x = four[i], y = codes[i];
        total[i] = __builtin_arm_smlad(__builtin_arm_sxtb16(x), __builtin_arm_sxtb16(y), total[i]);
        total[i] = __builtin_arm_smlad(__builtin_arm_sxtb16((int32_t)((uint32_t)x >> 8)),
                                       __builtin_arm_sxtb16((int32_t)((uint32_t)y >> 8)), total[i]);
#else
        int8_t left[4], right[4];
        KL_COPY(left, &four[i], sizeof left);
        KL_COPY(right, &codes[i], sizeof right);
        for (int k = 0; k < 4; ++k) total[i] += left[k] * right[k];
#endif
    }
    KL_COPY(&sum, total, sizeof total);
    return sum;
#endif
}
