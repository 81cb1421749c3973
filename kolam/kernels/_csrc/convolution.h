/* A convolution as the kernels see it: three spatial axes, and where each tap meets the input. */
#ifndef KOLAM_CONVOLUTION_H
#define KOLAM_CONVOLUTION_H
#include "ffi.h"
#include "vectors.h"

/* One spatial axis of one phase. Output `i` stands at start + i * stride of y; its tap `j` is
   tap + j * tap_step of w, and meets x at i * advance + from + j * from_step. */
typedef struct {
    long outputs, start, stride;
    long taps, tap, tap_step;
    long advance, from, from_step;
} Side;

typedef struct {
    long images, groups, in_channels, channels;  /* channels: of y */
    long in[3], out[3], window[3];
    long strides[3], low[3], kernel_dilation[3], input_dilation[3];
} Geometry;

INLINE long common_divisor(long a, long b) {
    while (b != 0) {
        const long rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Zeros that dilation puts between the inputs of an axis meet the same taps for every output of one
   phase: there are as many phases as outputs until the pattern comes again. */
INLINE long phases(const Geometry *g, int axis) {
    const long dilation = g->input_dilation[axis];
    return dilation / common_divisor(g->strides[axis], dilation);
}

/* The outputs of one phase with the taps that meet inputs, not zeros between them. */
INLINE Side side_of(const Geometry *g, int axis, long phase) {
    const long dilation = g->input_dilation[axis], period = phases(g, axis);
    const long shared = common_divisor(g->kernel_dilation[axis], dilation);
    Side side = {
        .outputs = g->out[axis] > phase ? parts(g->out[axis] - phase, period) : 0,
        .start = phase,
        .stride = period,
        .tap_step = dilation / shared,
        .advance = period * g->strides[axis] / dilation,
        .from_step = g->kernel_dilation[axis] / shared};
    for (long tap = 0; tap < least(side.tap_step, g->window[axis]); ++tap) {
        const long place = phase * g->strides[axis] + tap * g->kernel_dilation[axis] - g->low[axis];
        if (place % dilation != 0) continue;
        side.tap = tap;
        side.from = place / dilation;
        side.taps = parts(g->window[axis] - tap, side.tap_step);
        break;
    }
    return side;
}

/* First and one past the last input that outputs [first, last) of an axis meet. */
INLINE long lowest(const Side *side, long first) { return first * side->advance + side->from; }

INLINE long past_highest(const Side *side, long last) {
    return (last - 1) * side->advance + side->from + (side->taps - 1) * side->from_step + 1;
}

/* Read operands and attributes that all convolutions share; 0 if they are not what we write. */
static inline int read_geometry(
    const XLA_FFI_CallFrame *frame, const Array *x, const int64_t *window, const Array *y,
    Geometry *g) {
    const int64_t rank = x->rank - 2;
    const int64_t *const strides = numbers(frame, "strides", (size_t)rank);
    const int64_t *const low = numbers(frame, "padding_low", (size_t)rank);
    const int64_t *const input = numbers(frame, "input_dilation", (size_t)rank);
    const int64_t *const kernel = numbers(frame, "kernel_dilation", (size_t)rank);
    const int64_t *const groups = numbers(frame, "groups", 1);
    if (rank < 1 || rank > 3 || y->rank != x->rank || !strides || !low || !input || !kernel ||
        !groups)
        return 0;
    *g = (Geometry){
        .images = x->dims[0],
        .groups = groups[0],
        .in_channels = x->dims[rank + 1],
        .channels = y->dims[rank + 1]};
    for (int axis = 0; axis < 3; ++axis) {
        const int64_t given = axis - (3 - rank);
        g->in[axis] = given < 0 ? 1 : x->dims[given + 1];
        g->out[axis] = given < 0 ? 1 : y->dims[given + 1];
        g->window[axis] = given < 0 ? 1 : window[given];
        g->strides[axis] = given < 0 ? 1 : strides[given];
        g->low[axis] = given < 0 ? 0 : low[given];
        g->input_dilation[axis] = given < 0 ? 1 : input[given];
        g->kernel_dilation[axis] = given < 0 ? 1 : kernel[given];
    }
    return 1;
}
/* A convolution with neither padding nor neighbours sees one long row of pixels. */
static inline void flatten(Geometry *g) {
    for (int axis = 0; axis < 3; ++axis)
        if (g->window[axis] != 1 || g->strides[axis] != 1 || g->low[axis] != 0 ||
            g->input_dilation[axis] != 1 || g->in[axis] != g->out[axis])
            return;
    g->in[2] = g->out[2] = g->images * g->in[0] * g->in[1] * g->in[2];
    g->images = g->in[0] = g->in[1] = g->out[0] = g->out[1] = 1;
}

#endif
