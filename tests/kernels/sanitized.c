/* Calls the kernels as XLA does, on arrays that are not a byte longer than they must be, with
   threads that come late. Geometries come on standard input, one a line. */
#include "pool.h"

XLA_FFI_Handler kolam_convolution, kolam_kernel_gradient, kolam_depthwise_convolution,
    kolam_depthwise_gradient, kolam_max_pool, kolam_max_pool_gradient, kolam_products;

static XLA_FFI_Error *refuse(XLA_FFI_Error_Create_Args *args) {
    fprintf(stderr, "%s\n", args->message);
    exit(5);
}

static XLA_FFI_Buffer array(int64_t *dims) {
    const int64_t size = dims[0] * dims[1] * dims[2] * dims[3];
    float *const data = malloc((size_t)size * sizeof(float));
    for (int64_t i = 0; i < size; ++i) data[i] = (float)(i * 7919 % 17) - 8.0f;
    return (XLA_FFI_Buffer){
        .struct_size = XLA_FFI_Buffer_STRUCT_SIZE, .dtype = XLA_FFI_DataType_F32, .data = data,
        .rank = 4, .dims = dims};
}

static void call(XLA_FFI_Handler *handler, XLA_FFI_Buffer *a, XLA_FFI_Buffer *b,
                 XLA_FFI_Buffer *y, const char *const *names, int64_t **values, const size_t *sizes) {
    XLA_FFI_Api api = {
        .XLA_FFI_Error_Create = refuse, .XLA_FFI_ThreadPool_Schedule = schedule,
        .XLA_FFI_ThreadPool_NumThreads = count_threads};
    XLA_FFI_Array arrays[6];
    XLA_FFI_ByteSpan spans[6], *span[6];
    XLA_FFI_AttrType types[6];
    void *attributes[6], *operands[] = {a, b}, *results[] = {y};
    for (int i = 0; i < 6; ++i) {
        arrays[i] = (XLA_FFI_Array){XLA_FFI_DataType_S64, sizes[i], values[i]};
        spans[i] = (XLA_FFI_ByteSpan){names[i], strlen(names[i])};
        span[i] = &spans[i];
        types[i] = XLA_FFI_AttrType_ARRAY;
        attributes[i] = &arrays[i];
    }
    XLA_FFI_CallFrame frame = {
        .api = &api, .stage = XLA_FFI_ExecutionStage_EXECUTE,
        .args = {.size = b ? 2 : 1, .args = operands}, .rets = {.size = 1, .rets = results},
        .attrs = {.size = 6, .types = types, .names = span, .attrs = attributes}};
    if (handler(&frame) != NULL) exit(6);
}

/* Products of every form: both operands as they are, or turned. */
static void multiply(int64_t batch, int64_t rows, int64_t terms, int64_t columns) {
    for (int form = 0; form < 4; ++form) {
        int64_t as[] = {1, batch, rows, terms}, bs[] = {1, batch, terms, columns};
        int64_t ys[] = {1, batch, rows, columns}, all[] = {1, batch, rows, terms, columns};
        int64_t by_a[] = {0, rows * terms, form & 1 ? 1 : terms, form & 1 ? rows : 1};
        int64_t by_b[] = {0, terms * columns, form & 2 ? 1 : columns, form & 2 ? terms : 1};
        int64_t by_y[] = {0, rows * columns, columns};
        const char *const names[] = {"a", "b", "sizes", "y", "", ""};
        int64_t *values[] = {by_a, by_b, all, by_y, NULL, NULL};
        const size_t sizes[] = {4, 4, 5, 3, 0, 0};
        XLA_FFI_Buffer a = array(as), b = array(bs), y = array(ys);
        call(kolam_products, &a, &b, &y, names, values, sizes);
        free(a.data);
        free(b.data);
        free(y.data);
    }
}

int main(void) {
    int64_t n, h, w, ci, kh, kw, co, groups, stride, low, high, input, kernel;
    while (scanf("%ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld", &n, &h, &w, &ci, &kh, &kw,
                 &co, &groups, &stride, &low, &high, &input, &kernel) == 13) {
        const int64_t oh = ((h - 1) * input + 1 + low + high - (kh - 1) * kernel - 1) / stride + 1;
        const int64_t ow = ((w - 1) * input + 1 + low + high - (kw - 1) * kernel - 1) / stride + 1;
        const int64_t ph = (h + low + high - kh) / stride + 1, pw = (w + low + high - kw) / stride + 1;
        int64_t xs[] = {n, h, w, ci}, ws[] = {kh, kw, ci / groups, co}, ys[] = {n, oh, ow, co};
        int64_t ps[] = {n, ph, pw, ci};
        int64_t strides[] = {stride, stride}, lows[] = {low, low}, inputs[] = {input, input};
        int64_t kernels[] = {kernel, kernel}, all[] = {groups}, window[] = {kh, kw};
        const char *const names[] = {
            "groups", "input_dilation", "kernel_dilation", "padding_low", "strides", "window"};
        int64_t *values[] = {all, inputs, kernels, lows, strides, window};
        const size_t sizes[] = {1, 2, 2, 2, 2, 2};
        XLA_FFI_Buffer x = array(xs), weights = array(ws), y = array(ys), dx = array(xs);
        const int depthwise = groups == ci && co == ci && groups > 1;
        call(depthwise ? kolam_depthwise_convolution : kolam_convolution, &x, &weights, &y, names,
             values, sizes);
        call(depthwise ? kolam_depthwise_gradient : kolam_kernel_gradient, &x, &y, &weights, names,
             values, sizes);
        if (ph > 0 && pw > 0) {
            XLA_FFI_Buffer pooled = array(ps);
            call(kolam_max_pool, &x, NULL, &pooled, names, values, sizes);
            call(kolam_max_pool_gradient, &x, &pooled, &dx, names, values, sizes);
            free(pooled.data);
        }
        multiply(n, h * w, ci * kh, co);
        multiply(kh, ci, h * w, co);
        free(x.data);
        free(weights.data);
        free(y.data);
        free(dx.data);
    }
    join_threads();
    printf("%ld threads\n", started);
    return 0;
}
