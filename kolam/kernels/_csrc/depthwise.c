/* Convolutions in which each channel sees itself alone, and their gradients. Vectors lie along the
   channels, and a few pixels share what is loaded of the weights. */
#include "blocks.h"
#include "threads.h"

#define ROW 8                /* pixels of a tile */
#define BLOCK_FLOATS 32768
#define BLOCK_PIXELS 2048
#define CHANNELS (8 * LANES) /* that one pass over a block sees: neighbours in memory, few lines */
#define WORTH_THREADS 100000.0
#define TASK_PRODUCTS 1e6
#define MOST_TASKS 64

typedef struct {
    Geometry geometry;
    Side sides[3];
    Cut cut;
    const float *x, *other;  /* other: w, or dy */
    float *result;           /* y, or dw */
    float *sums;             /* padded weights [taps][width], or sums [chunks][taps][width] */
    char *rooms;
    long room, taps, width, chunks;
} Work;

typedef struct {
    const float *x;
    long *from, *to, *tap;
    long pixels;
} Seen;

/* Where each tap meets the input of a pixel, and where it is in w. */
INLINE long tap_offset(const Work *work, const Source *source, long d, long h, long w) {
    const Side *const s = work->sides;
    return d * source->slice + h * s[1].from_step * source->line +
           w * s[2].from_step * work->geometry.in_channels;
}

INLINE long tap_place(const Work *work, long index) {
    const Side *const s = work->sides;
    const long w = index % s[2].taps, h = index / s[2].taps % s[1].taps;
    const long d = index / s[2].taps / s[1].taps;
    return ((s[0].tap + d * s[0].tap_step) * work->geometry.window[1] + s[1].tap +
            h * s[1].tap_step) * work->geometry.window[2] + s[2].tap + w * s[2].tap_step;
}

static Seen see(const Work *work, const Block *block, long worker) {
    const Geometry *const g = &work->geometry;
    const Side *const s = work->sides;
    Seen seen;
    seen.from = (long *)(work->rooms + worker * work->room);
    seen.to = seen.from + room_pixels(&work->cut);
    seen.tap = seen.to + room_pixels(&work->cut);
    float *const copy = (float *)(seen.tap + parts(work->taps, 8) * 8);
    const Source source = source_of(g, s, block, work->x, copy, LANES);
    seen.x = source.x;
    seen.pixels = pixel_offsets(g, s, block, &source, seen.from, seen.to);
    long *tap = seen.tap;
    for (long d = 0; d < s[0].taps; ++d)
        for (long h = 0; h < s[1].taps; ++h)
            for (long w = 0; w < s[2].taps; ++w) *tap++ = tap_offset(work, &source, d, h, w);
    return seen;
}

INLINE void convolve_tile(
    const int rows, const float *x, const long *from, const long *tap, long taps, const float *w,
    long width, float *y, const long *to, long channels) {
    Vector sums[ROW];
    const float *at[ROW];
    EIGHT_ROWS(
        at[r] = x + from[r];
        sums[r] = (Vector){0};
    )
    long t = 0;
    do {
        const Vector line = load(w);
        const long place = tap[t];
        EIGHT_ROWS(sums[r] += load(at[r] + place) * line;)
        w += width;
    } while (++t < taps);
    EIGHT_ROWS(
        if (channels >= LANES) store(y + to[r], sums[r]);
        else store_part(y + to[r], sums[r], channels);
    )
}

static void convolve(const void *given, long index, long worker) {
    const Work *const work = given;
    const Block block = block_at(&work->geometry, work->sides, &work->cut, index);
    const Seen seen = see(work, &block, worker);
    const long channels = work->geometry.channels;
    for (long begin = 0; begin < channels; begin += CHANNELS) {
        const long end = least(channels, begin + CHANNELS);
        for (long p = 0; p < seen.pixels;) {
            const long pixels = seen.pixels - p >= ROW ? ROW : seen.pixels - p >= ROW / 2 ? ROW / 2 : 1;
            for (long c = begin; c < end; c += LANES) {
#define TILE(count)                                                                          \
    convolve_tile(                                                                           \
        count, seen.x + c, seen.from + p, seen.tap, work->taps, work->sums + c, work->width, \
        work->result + c, seen.to + p, channels - c)
                if (pixels == ROW)
                    TILE(ROW);
                else if (pixels == ROW / 2)
                    TILE(ROW / 2);
                else
                    TILE(1);
#undef TILE
            }
            p += pixels;
        }
    }
}

INLINE void gradient_tile(
    const int rows, const float *x, const long *from, const long *tap, const float *dy,
    const long *to, long pixels, long whole, long channels, float *sum, long width, int first) {
    Vector sums[PIXELS];
    const float *at[PIXELS];
    EACH_ROW(
        at[r] = x + tap[r];
        sums[r] = (Vector){0};
    )
    long p = 0;
    ROLLED do {
        const Vector line = p < whole ? load(dy + to[p]) : load_part(dy + to[p], channels);
        const long place = from[p];
        EACH_ROW(sums[r] += load(at[r] + place) * line;)
    } while (++p < pixels);
    EACH_ROW(
        store(sum, first ? sums[r] : load(sum) + sums[r]);
        sum += width;
    )
}

APART void any_gradient_tile(
    long taps, const float *x, const long *from, const long *tap, const float *dy, const long *to,
    long pixels, long whole, long channels, float *sum, long width, int first) {
#define TILE(t, v) \
    gradient_tile(t, x, from, tap, dy, to, pixels, whole, channels, sum, width, first)
    EACH_TILE(taps, 1)
#undef TILE
}

static void sum_chunk(const void *given, long index, long worker) {
    const Work *const work = given;
    const Geometry *const g = &work->geometry;
    const long blocks = blocks_of(&work->cut, work->sides), tiles = parts(work->taps, PIXELS);
    const long total = g->images * g->out[0] * g->out[1] * g->out[2] * g->channels;
    const long start = index * blocks / work->chunks, stop = (index + 1) * blocks / work->chunks;
    for (long number = start; number < stop; ++number) {
        const Block block = block_at(g, work->sides, &work->cut, number);
        const Seen seen = see(work, &block, worker);
        for (long c = 0; c < g->channels; c += LANES) {
            long whole = seen.pixels;
            while (whole > 0 && seen.to[whole - 1] + c + LANES > total) --whole;
            for (long tile = 0, t = 0; tile < tiles; ++tile) {
                const long here = work->taps / tiles + (tile < work->taps % tiles);
                any_gradient_tile(
                    here, seen.x + c, seen.from, seen.tap + t, work->other + c, seen.to,
                    seen.pixels, whole, least(LANES, g->channels - c),
                    work->sums + (index * work->taps + t) * work->width + c, work->width,
                    number == start);
                t += here;
            }
        }
    }
}

/* Make the memory of a phase: `rows` rows of padded channels, and rooms. */
static char *prepare(Work *work, long rows, long workers) {
    const long pixels = room_pixels(&work->cut);
    const long offsets = 2 * pixels + parts(work->taps, 8) * 8;
    const long copied = LANES + block_floats(
        &work->geometry, work->sides, work->cut.images, work->cut.rows, work->cut.columns);
    work->room = parts(offsets * (long)sizeof(long) + copied * (long)sizeof(float), 64) * 64 + 64;
    const long sums = rows * work->width * (long)sizeof(float);
    char *const memory = malloc((size_t)(sums + workers * work->room + 64));
    if (memory == NULL) return NULL;
    work->sums = (float *)(((uintptr_t)memory + 63) / 64 * 64);
    work->rooms = (char *)work->sums + sums;
    return memory;
}

INLINE double products_of(const Work *work) {
    const Side *const s = work->sides;
    return (double)(work->geometry.images * s[0].outputs * s[1].outputs) *
           (double)(s[2].outputs * work->taps * work->geometry.channels);
}

static int convolve_phase(const XLA_FFI_CallFrame *frame, Work *work) {
    const Geometry *const g = &work->geometry;
    const double products = products_of(work);
    const long workers = products < WORTH_THREADS ? 1 : most_workers(frame);
    work->cut = cut_of(g, work->sides, BLOCK_FLOATS, BLOCK_PIXELS, workers == 1 ? 1 : 4 * workers);
    char *const memory = prepare(work, work->taps, workers);
    if (memory == NULL) return 0;
    for (long t = 0; t < work->taps; ++t) {
        const float *const from = work->other + tap_place(work, t) * g->channels;
        for (long c = 0; c < work->width; ++c)
            work->sums[t * work->width + c] = c < g->channels ? from[c] : 0.0f;
    }
    run_tasks(frame, workers, convolve, work, blocks_of(&work->cut, work->sides));
    free(memory);
    return 1;
}

static int differentiate_phase(const XLA_FFI_CallFrame *frame, Work *work) {
    const Geometry *const g = &work->geometry;
    const double products = products_of(work);
    const long wanted = most(1, (long)(products / TASK_PRODUCTS < MOST_TASKS
                                           ? products / TASK_PRODUCTS : MOST_TASKS));
    const long workers = wanted == 1 ? 1 : most_workers(frame);
    work->cut = cut_of(g, work->sides, BLOCK_FLOATS, BLOCK_PIXELS, wanted);
    work->chunks = least(wanted, blocks_of(&work->cut, work->sides));
    char *const memory = prepare(work, work->chunks * work->taps, workers);
    if (memory == NULL) return 0;
    run_tasks(frame, workers, sum_chunk, work, work->chunks);
    for (long t = 0; t < work->taps; ++t) {
        float *const to = work->result + tap_place(work, t) * g->channels;
        for (long chunk = 0; chunk < work->chunks; ++chunk) {
            const float *const from = work->sums + (chunk * work->taps + t) * work->width;
            for (long c = 0; c < g->channels; ++c) to[c] += from[c];
        }
    }
    free(memory);
    return 1;
}

typedef int Phase(const XLA_FFI_CallFrame *frame, Work *work);

/* Results that no input meets are zero; without dilated inputs there are none such. */
static XLA_FFI_Error *each_phase(
    const XLA_FFI_CallFrame *frame, Work *work, Phase *phase, long results) {
    const Geometry *const g = &work->geometry;
    Side *const s = work->sides;
    work->width = parts(g->channels, LANES) * LANES;
    const long *const dilation = g->input_dilation;
    if (phase == differentiate_phase || dilation[0] * dilation[1] * dilation[2] > 1)
        __builtin_memset(work->result, 0, (size_t)results * sizeof(float));
    for (long d = 0; d < phases(g, 0); ++d)
        for (long h = 0; h < phases(g, 1); ++h)
            for (long w = 0; w < phases(g, 2); ++w) {
                s[0] = side_of(g, 0, d);
                s[1] = side_of(g, 1, h);
                s[2] = side_of(g, 2, w);
                work->taps = s[0].taps * s[1].taps * s[2].taps;
                if (work->taps * s[0].outputs * s[1].outputs * s[2].outputs == 0) continue;
                if (!phase(frame, work)) return out_of_memory(frame);
            }
    return NULL;
}

KOLAM_EXPORT XLA_FFI_Error *kolam_depthwise_convolution(XLA_FFI_CallFrame *frame) {
    if (answers_query(frame)) return NULL;
    Array x, w, y;
    Work work = {0};
    if (!operand(frame, 0, -1, &x) || !operand(frame, 1, x.rank, &w) ||
        !result(frame, 0, x.rank, &y, &work.result) ||
        !read_geometry(frame, &x, w.dims, &y, &work.geometry))
        return not_understood(frame);
    const Geometry *const g = &work.geometry;
    work.x = x.data;
    work.other = w.data;
    return each_phase(
        frame, &work, convolve_phase,
        g->images * g->out[0] * g->out[1] * g->out[2] * g->channels);
}

KOLAM_EXPORT XLA_FFI_Error *kolam_depthwise_gradient(XLA_FFI_CallFrame *frame) {
    if (answers_query(frame)) return NULL;
    Array x, dy, dw;
    Work work = {0};
    if (!operand(frame, 0, -1, &x) || !operand(frame, 1, x.rank, &dy) ||
        !result(frame, 0, x.rank, &dw, &work.result) ||
        !read_geometry(frame, &x, dw.dims, &dy, &work.geometry))
        return not_understood(frame);
    const Geometry *const g = &work.geometry;
    work.x = x.data;
    work.other = dy.data;
    return each_phase(
        frame, &work, differentiate_phase,
        g->window[0] * g->window[1] * g->window[2] * g->channels);
}
