/* KL_VECTORS: bytes of the widest vector. The vector extension of clang, or of GCC where its target
   has such registers; else (or where KL_PLAIN is defined) vectors are arrays. */
#if defined(KL_PLAIN)
#define KL_VECTORS 0
#elif defined(__clang__)
#define KL_VECTORS 64
#elif defined(__GNUC__)
#define KL_VECTORS __BIGGEST_ALIGNMENT__
#else
#define KL_VECTORS 0
#endif
#if defined(__wasm_relaxed_simd__)
#define KL_FUSED(a, b, sum) __builtin_wasm_relaxed_madd_f32x4(a, b, sum)
#else
#define KL_FUSED(a, b, sum) ((a) * (b) + (sum))
#endif
#if defined(__clang__)
#define KL_UNROLL _Pragma("clang loop unroll(full)")
#define KL_ROLLED _Pragma("clang loop vectorize(disable) unroll(disable)")
#else
#define KL_UNROLL
#define KL_ROLLED
#endif
#if defined(__GNUC__)
#define KL_COPY __builtin_memcpy
#else
#include <string.h>
#define KL_COPY memcpy
#endif
