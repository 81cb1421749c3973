/* What a transformer does to rows of numbers between its products: each reads memory once and
   writes it once. */
#include "exponential.h"
#include "ffi.h"
#include "threads.h"

#define TASK_FLOATS 16384
#define MOST_TASKS 64 /* whose sums are added at the end, in order */

typedef struct {
    const float *x, *y, *scale, *offset;
    float *result, *sums;
    long rows, width, tasks;
    float epsilon;
} Work;

INLINE float total(Vector v) {
    float all[LANES];
    store(all, v);
    UNROLL for (int half = LANES / 2; half > 0; half /= 2)
        UNROLL for (int i = 0; i < half; ++i) all[i] += all[i + half];
    return all[0];
}

INLINE float greatest(Vector v) {
    float all[LANES];
    store(all, v);
    for (int i = 1; i < LANES; ++i) all[0] = all[i] > all[0] ? all[i] : all[0];
    return all[0];
}

/* Lanes below `count`. */
INLINE Mask below(long count) {
    Mask lanes;
    for (int i = 0; i < LANES; ++i) lanes[i] = i < count ? -1 : 0;
    return lanes;
}

INLINE Vector take(const float *p, long count) {
    return count >= LANES ? load(p) : load_part(p, count);
}

INLINE void put(float *p, Vector v, long count) {
    if (count >= LANES)
        store(p, v);
    else
        store_part(p, v, count);
}

#define ALONG(c) for (long c = 0; c < work->width; c += LANES)

/* ---- layer normalisation ---- */

typedef struct {
    float mean, factor;
} Moments;

INLINE Moments moments_of(const Work *work, const float *x) {
    const long width = work->width;
    Vector sum = {0}, squares = {0};
    ALONG(c) sum += take(x + c, width - c);
    const float mean = total(sum) / (float)width;
    long c = 0;
    for (; c + LANES <= width; c += LANES) {
        const Vector d = load(x + c) - mean;
        squares += d * d;
    }
    if (c < width) {
        const Vector d = load_part(x + c, width - c) - mean;
        squares += either(below(width - c), d * d, (Vector){0});
    }
    const float variance = total(squares) / (float)width;
    return (Moments){mean, 1.0f / __builtin_sqrtf(variance + work->epsilon)};
}

static void normalise(const void *given, long index, long worker) {
    (void)worker;
    const Work *const work = given;
    const long width = work->width, last = (index + 1) * work->rows / work->tasks;
    for (long row = index * work->rows / work->tasks; row < last; ++row) {
        const float *const x = work->x + row * width;
        float *const y = work->result + row * width;
        const Moments m = moments_of(work, x);
        ALONG(c) {
            const long left = width - c;
            const Vector unit = (take(x + c, left) - m.mean) * m.factor;
            put(y + c, unit * take(work->scale + c, left) + take(work->offset + c, left), left);
        }
    }
}

static void normalise_back(const void *given, long index, long worker) {
    (void)worker;
    const Work *const work = given;
    const long width = work->width, last = (index + 1) * work->rows / work->tasks;
    float *const scales = work->sums + index * 2 * width, *const offsets = scales + width;
    __builtin_memset(scales, 0, (size_t)(2 * width) * sizeof(float));
    for (long row = index * work->rows / work->tasks; row < last; ++row) {
        const float *const x = work->x + row * width, *const dy = work->y + row * width;
        float *const dx = work->result + row * width;
        const Moments m = moments_of(work, x);
        Vector plain = {0}, along = {0};
        ALONG(c) {
            const long left = width - c;
            const Vector unit = (take(x + c, left) - m.mean) * m.factor, d = take(dy + c, left);
            const Vector g = d * take(work->scale + c, left); /* zero where there is no number */
            plain += g;
            along += g * unit;
            put(scales + c, take(scales + c, left) + d * unit, left);
            put(offsets + c, take(offsets + c, left) + d, left);
        }
        const float mean = total(plain) / (float)width, slope = total(along) / (float)width;
        ALONG(c) {
            const long left = width - c;
            const Vector unit = (take(x + c, left) - m.mean) * m.factor;
            const Vector g = take(dy + c, left) * take(work->scale + c, left);
            put(dx + c, m.factor * (g - mean - unit * slope), left);
        }
    }
}

/* ---- softmax ---- */

static void soften(const void *given, long index, long worker) {
    (void)worker;
    const Work *const work = given;
    const long width = work->width, last = (index + 1) * work->rows / work->tasks;
    for (long row = index * work->rows / work->tasks; row < last; ++row) {
        const float *const x = work->x + row * width;
        float *const y = work->result + row * width;
        Vector best = fill(-__builtin_inff()), sum = {0};
        long c = 0;
        for (; c + LANES <= width; c += LANES) {
            const Vector other = load(x + c);
            best = either(other > best, other, best);
        }
        if (c < width)
            best = either(
                below(width - c) & (load_part(x + c, width - c) > best),
                load_part(x + c, width - c), best);
        const float most = greatest(best);
        for (c = 0; c + LANES <= width; c += LANES) {
            const Vector power = exponential(load(x + c) - most);
            sum += power;
            store(y + c, power);
        }
        if (c < width) {
            const Vector power = exponential(load_part(x + c, width - c) - most);
            sum += either(below(width - c), power, (Vector){0});
            store_part(y + c, power, width - c);
        }
        const float factor = 1.0f / total(sum);
        ALONG(c) put(y + c, take(y + c, width - c) * factor, width - c);
    }
}

static void soften_back(const void *given, long index, long worker) {
    (void)worker;
    const Work *const work = given;
    const long width = work->width, last = (index + 1) * work->rows / work->tasks;
    for (long row = index * work->rows / work->tasks; row < last; ++row) {
        const float *const y = work->x + row * width, *const dy = work->y + row * width;
        float *const dx = work->result + row * width;
        Vector sum = {0};
        ALONG(c) sum += take(y + c, width - c) * take(dy + c, width - c);
        const float mean = total(sum);
        ALONG(c) {
            const long left = width - c;
            put(dx + c, take(y + c, left) * (take(dy + c, left) - mean), left);
        }
    }
}

/* ---- GELU: x times the share of a normal distribution below x ---- */

#define SLOPE 1.5957691f /* 2 sqrt(2 / pi) */
#define CUBIC 0.044715f

/* The share by tanh: 1 / (1 + exp(-t)), which does not cancel as 1 + tanh does. */
INLINE Vector logistic_share(Vector x) {
    const Vector t = x * SLOPE * fused(x * x, fill(CUBIC), fill(1.0f));
    return 1.0f / (1.0f + exponential(-t));
}

INLINE Vector gelu(Vector x) { return x * share_below(x, bell(x)); }
INLINE Vector gelu_by_tanh(Vector x) { return x * logistic_share(x); }

INLINE Vector gelu_back(Vector x, Vector dy) {
    const Vector height = bell(x);
    return dy * fused(x * height, fill(0.39894228f), share_below(x, height));
}

INLINE Vector gelu_by_tanh_back(Vector x, Vector dy) {
    const Vector share = logistic_share(x);
    const Vector steep = SLOPE * fused(x * x, fill(3.0f * CUBIC), fill(1.0f));
    return dy * fused(x * (share * (1.0f - share)), steep, share);
}

#define EACH_NUMBER(name, value)                                                 \
    static void name(const void *given, long index, long worker) {               \
        (void)worker;                                                            \
        const Work *const work = given;                                          \
        const long last = (index + 1) * work->width / work->tasks;               \
        for (long i = index * work->width / work->tasks; i < last; i += LANES) { \
            const Vector x = take(work->x + i, last - i);                        \
            put(work->result + i, value, last - i);                              \
        }                                                                        \
    }
EACH_NUMBER(all_gelu, gelu(x))
EACH_NUMBER(all_gelu_by_tanh, gelu_by_tanh(x))
EACH_NUMBER(all_gelu_back, gelu_back(x, take(work->y + i, last - i)))
EACH_NUMBER(all_gelu_by_tanh_back, gelu_by_tanh_back(x, take(work->y + i, last - i)))

/* ---- calls ---- */

static int64_t size_of(const Array *a) {
    int64_t size = 1;
    for (int64_t axis = 0; axis < a->rank; ++axis) size *= a->dims[axis];
    return size;
}

/* Arrays of two axes: rows, and numbers of a row. */
static int read_rows(const XLA_FFI_CallFrame *frame, Work *work, int operands) {
    Array x, y, result_array;
    if (!operand(frame, 0, 2, &x) || (operands > 1 && !operand(frame, 1, 2, &y)) ||
        !result(frame, 0, 2, &result_array, &work->result))
        return 0;
    work->x = x.data;
    work->y = operands > 1 ? y.data : NULL;
    work->rows = x.dims[0];
    work->width = x.dims[1];
    return size_of(&x) == size_of(&result_array);
}

static long tasks_for(const Work *work, long most_tasks) {
    return most(1, least(least(work->rows, most_tasks), work->rows * work->width / TASK_FLOATS));
}

static XLA_FFI_Error *by_rows(XLA_FFI_CallFrame *frame, Task *task, int operands) {
    Work work = {0};
    if (!read_rows(frame, &work, operands)) return not_understood(frame);
    work.tasks = tasks_for(&work, 4096);
    run_tasks(frame, work.tasks == 1 ? 1 : most_workers(frame), task, &work, work.tasks);
    return NULL;
}

KOLAM_EXPORT XLA_FFI_Error *kolam_softmax(XLA_FFI_CallFrame *frame) {
    return answers_query(frame) ? NULL : by_rows(frame, soften, 1);
}

KOLAM_EXPORT XLA_FFI_Error *kolam_softmax_gradient(XLA_FFI_CallFrame *frame) {
    return answers_query(frame) ? NULL : by_rows(frame, soften_back, 2);
}

static XLA_FFI_Error *by_number(XLA_FFI_CallFrame *frame, Task *exact, Task *by_tanh, int operands) {
    Work work = {0};
    const int64_t *const approximate = numbers(frame, "approximate", 1);
    if (!read_rows(frame, &work, operands) || approximate == NULL) return not_understood(frame);
    work.width *= work.rows;
    work.tasks = most(1, work.width / TASK_FLOATS);
    run_tasks(
        frame, work.tasks == 1 ? 1 : most_workers(frame), *approximate ? by_tanh : exact, &work,
        work.tasks);
    return NULL;
}

KOLAM_EXPORT XLA_FFI_Error *kolam_gelu(XLA_FFI_CallFrame *frame) {
    return answers_query(frame) ? NULL : by_number(frame, all_gelu, all_gelu_by_tanh, 1);
}

KOLAM_EXPORT XLA_FFI_Error *kolam_gelu_gradient(XLA_FFI_CallFrame *frame) {
    return answers_query(frame) ? NULL : by_number(frame, all_gelu_back, all_gelu_by_tanh_back, 2);
}

static int read_epsilon(const XLA_FFI_CallFrame *frame, Work *work) {
    const int64_t *const bits = numbers(frame, "epsilon_bits", 1);
    if (bits == NULL) return 0;
    const uint32_t low = (uint32_t)*bits;
    __builtin_memcpy(&work->epsilon, &low, sizeof low);
    return 1;
}

KOLAM_EXPORT XLA_FFI_Error *kolam_layer_norm(XLA_FFI_CallFrame *frame) {
    if (answers_query(frame)) return NULL;
    Work work = {0};
    Array scale, offset;
    if (!read_rows(frame, &work, 1) || !operand(frame, 1, 1, &scale) ||
        !operand(frame, 2, 1, &offset) || !read_epsilon(frame, &work))
        return not_understood(frame);
    work.scale = scale.data;
    work.offset = offset.data;
    work.tasks = tasks_for(&work, 4096);
    run_tasks(frame, work.tasks == 1 ? 1 : most_workers(frame), normalise, &work, work.tasks);
    return NULL;
}

KOLAM_EXPORT XLA_FFI_Error *kolam_layer_norm_gradient(XLA_FFI_CallFrame *frame) {
    if (answers_query(frame)) return NULL;
    Work work = {0};
    Array scale, scales, offsets;
    float *to_scales, *to_offsets;
    if (!read_rows(frame, &work, 2) || !operand(frame, 2, 1, &scale) ||
        !result(frame, 1, 1, &scales, &to_scales) || !result(frame, 2, 1, &offsets, &to_offsets) ||
        !read_epsilon(frame, &work))
        return not_understood(frame);
    work.scale = scale.data;
    work.tasks = tasks_for(&work, MOST_TASKS);
    work.sums = malloc((size_t)(work.tasks * 2 * work.width) * sizeof(float));
    if (work.sums == NULL) return out_of_memory(frame);
    run_tasks(frame, work.tasks == 1 ? 1 : most_workers(frame), normalise_back, &work, work.tasks);
    for (long c = 0; c < work.width; ++c) to_scales[c] = to_offsets[c] = 0.0f;
    for (long task = 0; task < work.tasks; ++task) {
        const float *const from = work.sums + task * 2 * work.width;
        for (long c = 0; c < work.width; ++c) {
            to_scales[c] += from[c];
            to_offsets[c] += from[work.width + c];
        }
    }
    free(work.sums);
    return NULL;
}
