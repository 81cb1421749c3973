/* Vectors of @LANES@ numbers: the vector extension of GCC and clang, or an array where there is
   none (or where KL_PLAIN is defined). */
#if defined(__GNUC__) && !defined(KL_PLAIN)
#define KL_VECTORS 1
typedef float KL_vec __attribute__((vector_size(@BYTES@)));
#if defined(__wasm_relaxed_simd__)
#define KL_FUSED(a, b, sum) __builtin_wasm_relaxed_madd_f32x4(a, b, sum)
#else
#define KL_FUSED(a, b, sum) ((a) * (b) + (sum))
#endif
#else
#define KL_VECTORS 0
typedef struct { float lane[@LANES@]; } KL_vec;
#endif
#if defined(__clang__)
#define KL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define KL_UNROLL
#endif
