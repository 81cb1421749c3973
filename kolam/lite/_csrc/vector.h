/* Vectors of @LANES@ numbers: the vector extension of GCC and clang, or an array where there is
   none (or where KL_PLAIN is defined). */
#if defined(__GNUC__) && !defined(KL_PLAIN)
#define KL_VECTORS 1
typedef float KL_vec __attribute__((vector_size(@BYTES@)));
#else
#define KL_VECTORS 0
typedef struct { float lane[@LANES@]; } KL_vec;
#endif
#if defined(__clang__)
#define KL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define KL_UNROLL
#endif
