/* The greatest of each window, and its gradient: vectors lie along the channels. */
#include "ffi.h"
#include "threads.h"
#include "vectors.h"

#define WORTH_THREADS 50000.0  /* comparisons */

typedef struct {
    long images, channels;
    long in[3], out[3], window[3], strides[3], low[3];
    const float *x, *dy;
    float *result;
} Work;

/* The taps of a window that meet inputs, and the first of these. */
typedef struct {
    long first[3], last[3];
    long corner[3];  /* input under tap 0 */
} Taps;

INLINE Taps taps_of(const Work *work, const long *place) {
    Taps taps;
    for (int axis = 0; axis < 3; ++axis) {
        const long corner = place[axis] * work->strides[axis] - work->low[axis];
        taps.corner[axis] = corner;
        taps.first[axis] = most(0, -corner);
        taps.last[axis] = least(work->window[axis], work->in[axis] - corner);
    }
    return taps;
}

INLINE long offset_of(const Work *work, const Taps *taps, long d, long h, long w) {
    const long depth = taps->corner[0] + d, row = taps->corner[1] + h;
    const long column = taps->corner[2] + w;
    return ((depth * work->in[1] + row) * work->in[2] + column) * work->channels;
}

INLINE Vector any_load(const float *p, long count) {
    return count >= LANES ? load(p) : load_part(p, count);
}

INLINE void any_store(float *p, Vector v, long count) {
    if (count >= LANES)
        store(p, v);
    else
        store_part(p, v, count);
}

#define EACH_TAP                                            \
    for (long d = taps.first[0]; d < taps.last[0]; ++d)     \
        for (long h = taps.first[1]; h < taps.last[1]; ++h) \
            for (long w = taps.first[2]; w < taps.last[2]; ++w)

INLINE void pool_vectors(
    const Work *work, const Taps taps, const float *x, float *y, const int vectors) {
    const long channels = work->channels, line = work->in[2] * channels;
    const long across = taps.last[2] - taps.first[2];
    Vector best[4];
    UNROLL for (int v = 0; v < vectors; ++v) best[v] = fill(-__builtin_inff());
    for (long d = taps.first[0]; d < taps.last[0]; ++d) {
        const float *row = x + offset_of(work, &taps, d, taps.first[1], taps.first[2]);
        for (long h = taps.first[1]; h < taps.last[1]; ++h, row += line) {
            const float *seen = row;
            for (long w = 0; w < across; ++w, seen += channels)
                UNROLL for (int v = 0; v < vectors; ++v) {
                    const Vector other = load(seen + v * LANES);
                    /* NaN stays, and takes the place of numbers */
                    best[v] = either((best[v] > other) | (best[v] != best[v]), best[v], other);
                }
        }
    }
    UNROLL for (int v = 0; v < vectors; ++v) store(y + v * LANES, best[v]);
}

INLINE void pool_part(const Work *work, const Taps taps, const float *x, float *y, long count) {
    Vector best = fill(-__builtin_inff());
    EACH_TAP {
        const Vector other = load_part(x + offset_of(work, &taps, d, h, w), count);
        best = either((best > other) | (best != best), best, other);
    }
    store_part(y, best, count);
}

/* One row of outputs. */
static void pool_row(const void *given, long index, long worker) {
    (void)worker;
    const Work *const work = given;
    const long row = index % work->out[1], depth = index / work->out[1] % work->out[0];
    const long image = index / work->out[1] / work->out[0], channels = work->channels;
    const float *const x =
        work->x + image * work->in[0] * work->in[1] * work->in[2] * channels;
    float *y = work->result + index * work->out[2] * channels;
    for (long column = 0; column < work->out[2]; ++column, y += channels) {
        const Taps taps = taps_of(work, (long[3]){depth, row, column});
        long c = 0;
        for (; c + 4 * LANES <= channels; c += 4 * LANES) pool_vectors(work, taps, x + c, y + c, 4);
        for (; c + 2 * LANES <= channels; c += 2 * LANES) pool_vectors(work, taps, x + c, y + c, 2);
        for (; c + LANES <= channels; c += LANES) pool_vectors(work, taps, x + c, y + c, 1);
        if (c < channels && channels >= LANES) {  /* some twice, to the same */
            pool_vectors(work, taps, x + channels - LANES, y + channels - LANES, 1);
            c = channels;
        }
        if (c < channels) pool_part(work, taps, x + c, y + c, channels - c);
    }
}

/* The gradient of a window goes to the first of its greatest inputs, as XLA's select-and-scatter
   has it: an input stays chosen as long as it is greater than or equal to those that follow.
   JAX pads with minus infinities before it: such a one may be chosen, and its gradient is lost. */
INLINE void scatter(
    const Work *work, const Taps taps, const float *x, const float *dy, float *dx, long count) {
    Vector chosen = {0};
    Mask place = {0};
    int32_t tap = 0;
    for (long d = 0; d < work->window[0]; ++d)
        for (long h = 0; h < work->window[1]; ++h) {
            const int meets = d >= taps.first[0] && d < taps.last[0] && h >= taps.first[1] &&
                              h < taps.last[1];
            for (long w = 0; w < work->window[2]; ++w, ++tap) {
                const Vector other =
                    meets && w >= taps.first[2] && w < taps.last[2]
                        ? any_load(x + offset_of(work, &taps, d, h, w), count)
                        : fill(-__builtin_inff());
                const Mask stays = tap > 0 ? chosen >= other : (Mask){0};
                chosen = either(stays, chosen, other);
                place = (place & stays) | (((Mask){0} + tap) & ~stays);
            }
        }
    const Vector given = any_load(dy, count);
    EACH_TAP {
        const int32_t here =
            (int32_t)((d * work->window[1] + h) * work->window[2] + w);
        float *const to = dx + offset_of(work, &taps, d, h, w);
        const Vector part = either(place == (Mask){0} + here, given, (Vector){0});
        any_store(to, any_load(to, count) + part, count);
    }
}

/* One image: windows may overlap, and their sums must not depend on the number of threads. */
static void scatter_image(const void *given, long image, long worker) {
    (void)worker;
    const Work *const work = given;
    const long channels = work->channels;
    const long size = work->in[0] * work->in[1] * work->in[2] * channels;
    const float *const x = work->x + image * size;
    float *const dx = work->result + image * size;
    const float *dy =
        work->dy + image * work->out[0] * work->out[1] * work->out[2] * channels;
    __builtin_memset(dx, 0, (size_t)size * sizeof(float));
    for (long depth = 0; depth < work->out[0]; ++depth)
        for (long row = 0; row < work->out[1]; ++row)
            for (long column = 0; column < work->out[2]; ++column, dy += channels) {
                const Taps taps = taps_of(work, (long[3]){depth, row, column});
                long c = 0;
                for (; c + LANES <= channels; c += LANES)
                    scatter(work, taps, x + c, dy + c, dx + c, LANES);
                if (c < channels) scatter(work, taps, x + c, dy + c, dx + c, channels - c);
            }
}

static int read_pooling(
    const XLA_FFI_CallFrame *frame, const Array *x, const Array *y, Work *work) {
    const int64_t rank = x->rank - 2;
    const int64_t *const window = numbers(frame, "window", (size_t)rank);
    const int64_t *const strides = numbers(frame, "strides", (size_t)rank);
    const int64_t *const low = numbers(frame, "padding_low", (size_t)rank);
    if (rank < 1 || rank > 3 || !window || !strides || !low) return 0;
    work->images = x->dims[0];
    work->channels = x->dims[rank + 1];
    for (int axis = 0; axis < 3; ++axis) {
        const int64_t given = axis - (3 - rank);
        work->in[axis] = given < 0 ? 1 : x->dims[given + 1];
        work->out[axis] = given < 0 ? 1 : y->dims[given + 1];
        work->window[axis] = given < 0 ? 1 : window[given];
        work->strides[axis] = given < 0 ? 1 : strides[given];
        work->low[axis] = given < 0 ? 0 : low[given];
    }
    return 1;
}

static long workers_for(const XLA_FFI_CallFrame *frame, const Work *work) {
    double compared = (double)(work->images * work->channels);
    for (int axis = 0; axis < 3; ++axis)
        compared *= (double)(work->out[axis] * work->window[axis]);
    return compared < WORTH_THREADS ? 1 : most_workers(frame);
}

KOLAM_EXPORT XLA_FFI_Error *kolam_max_pool(XLA_FFI_CallFrame *frame) {
    if (answers_query(frame)) return NULL;
    Array x, y;
    Work work = {0};
    if (!operand(frame, 0, -1, &x) || !result(frame, 0, x.rank, &y, &work.result) ||
        !read_pooling(frame, &x, &y, &work))
        return not_understood(frame);
    work.x = x.data;
    run_tasks(
        frame, workers_for(frame, &work), pool_row, &work,
        work.images * work.out[0] * work.out[1]);
    return NULL;
}

KOLAM_EXPORT XLA_FFI_Error *kolam_max_pool_gradient(XLA_FFI_CallFrame *frame) {
    if (answers_query(frame)) return NULL;
    Array x, dy, dx;
    Work work = {0};
    if (!operand(frame, 0, -1, &x) || !operand(frame, 1, x.rank, &dy) ||
        !result(frame, 0, x.rank, &dx, &work.result) || !read_pooling(frame, &x, &dy, &work))
        return not_understood(frame);
    work.x = x.data;
    work.dy = dy.data;
    run_tasks(frame, workers_for(frame, &work), scatter_image, &work, work.images);
    return NULL;
}
