/* What a handler needs of XLA's foreign function interface: plain C, without its C++ layer. */
#ifndef KOLAM_FFI_H
#define KOLAM_FFI_H
#include "c_api.h" /* of the JAX that is installed */

#define KOLAM_EXPORT __attribute__((visibility("default")))

/* of libc, which the process holds already: its headers would cost zig a second at the first build */
extern void *malloc(size_t size);
extern void free(void *memory);

typedef struct {
    const float *data;
    const int64_t *dims;
    int64_t rank;
} Array;

static inline XLA_FFI_Error *failed(
    const XLA_FFI_CallFrame *frame, XLA_FFI_Error_Code code, const char *message) {
    XLA_FFI_Error_Create_Args args = {
        .struct_size = XLA_FFI_Error_Create_Args_STRUCT_SIZE, .message = message, .errc = code};
    return frame->api->XLA_FFI_Error_Create(&args);
}

static inline XLA_FFI_Error *out_of_memory(const XLA_FFI_CallFrame *frame) {
    return failed(frame, XLA_FFI_Error_Code_RESOURCE_EXHAUSTED, "kolam.kernels: no memory left");
}

static inline XLA_FFI_Error *not_understood(const XLA_FFI_CallFrame *frame) {
    return failed(
        frame, XLA_FFI_Error_Code_INVALID_ARGUMENT,
        "kolam.kernels: the call has other operands or attributes than this version of kolam writes");
}

/* XLA asks each handler once which version of the interface it was compiled for. */
static inline int answers_query(XLA_FFI_CallFrame *frame) {
    XLA_FFI_Extension_Base *const extension = frame->extension_start;
    if (extension == NULL || extension->type != XLA_FFI_Extension_Metadata) return 0;
    XLA_FFI_Metadata *const metadata = ((XLA_FFI_Metadata_Extension *)extension)->metadata;
    metadata->api_version = (XLA_FFI_Api_Version){
        .struct_size = XLA_FFI_Api_Version_STRUCT_SIZE,
        .major_version = XLA_FFI_API_MAJOR,
        .minor_version = XLA_FFI_API_MINOR};
    metadata->traits = 0;
    return 1;
}

static inline int is_float(const XLA_FFI_Buffer *buffer) {
    return buffer->dtype == XLA_FFI_DataType_F32;
}

#define ANY_RANK (-2)

static inline int is_of_rank(const XLA_FFI_Buffer *buffer, int64_t rank) {
    return rank == ANY_RANK || (rank < 0 ? buffer->rank >= 3 : buffer->rank == rank);
}

/* Read operand `index`; 0 if it is no float array of `rank` axes (of any rank from 3 where -1). */
static inline int operand(const XLA_FFI_CallFrame *frame, int64_t index, int64_t rank, Array *a) {
    if (index >= frame->args.size) return 0;
    const XLA_FFI_Buffer *const buffer = frame->args.args[index];
    *a = (Array){buffer->data, buffer->dims, buffer->rank};
    return is_float(buffer) && is_of_rank(buffer, rank);
}

static inline int result(
    const XLA_FFI_CallFrame *frame, int64_t index, int64_t rank, Array *a, float **data) {
    if (index >= frame->rets.size) return 0;
    const XLA_FFI_Buffer *const buffer = frame->rets.rets[index];
    *a = (Array){buffer->data, buffer->dims, buffer->rank};
    *data = buffer->data;
    return is_float(buffer) && is_of_rank(buffer, rank);
}

/* Find the attribute `name`, integers, and how many there are; NULL if there is none such. */
static inline const int64_t *all_numbers(
    const XLA_FFI_CallFrame *frame, const char *name, size_t *count) {
    const size_t length = __builtin_strlen(name);
    for (int64_t i = 0; i < frame->attrs.size; ++i) {
        const XLA_FFI_ByteSpan *const found = frame->attrs.names[i];
        if (found->len != length || __builtin_memcmp(found->ptr, name, length) != 0) continue;
        if (frame->attrs.types[i] != XLA_FFI_AttrType_ARRAY) return NULL;
        const XLA_FFI_Array *const array = frame->attrs.attrs[i];
        static const int64_t none;
        if (array->dtype != XLA_FFI_DataType_S64) return NULL;
        *count = array->size;
        return array->size > 0 ? array->data : &none;
    }
    return NULL;
}

/* Find the attribute `name`, `count` integers; NULL if there is none such. */
static inline const int64_t *numbers(
    const XLA_FFI_CallFrame *frame, const char *name, size_t count) {
    size_t found = 0;
    const int64_t *const values = all_numbers(frame, name, &found);
    return found == count ? values : NULL;
}
#endif
