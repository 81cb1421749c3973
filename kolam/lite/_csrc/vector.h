/* Vectors of @LANES@ numbers: the vector extension of clang, or of GCC where its target has such
   registers; else (or where KL_PLAIN is defined) an array. */
#if defined(__clang__) && !defined(KL_PLAIN)
#define KL_VECTORS 1
#elif defined(__GNUC__) && !defined(KL_PLAIN)
#define KL_VECTORS (__BIGGEST_ALIGNMENT__ >= @BYTES@)
#else
#define KL_VECTORS 0
#endif
#if KL_VECTORS
typedef float KL_vec __attribute__((vector_size(@BYTES@)));
#if defined(__wasm_relaxed_simd__)
#define KL_FUSED(a, b, sum) __builtin_wasm_relaxed_madd_f32x4(a, b, sum)
#else
#define KL_FUSED(a, b, sum) ((a) * (b) + (sum))
#endif
#else
typedef struct { float lane[@LANES@]; } KL_vec;
#endif
#if defined(__clang__)
#define KL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define KL_UNROLL
#endif
