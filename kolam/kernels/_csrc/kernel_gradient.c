/* The gradient of a convolution with respect to its weights: a tile of weights stays in registers
   while the pixels of a block pass by. */
#include "blocks.h"
#include "threads.h"

#define WIDTH (VECTORS * LANES)
#define BLOCK_FLOATS 98304
#define BLOCK_PIXELS 4096
#define TASK_PRODUCTS 4e6  /* a task worth its while */
#define FEW 4
#define MOST_TASKS 64
#define PARTIAL_FLOATS 4194304

/* The blocks of a phase fall into chunks, each with sums of its own, which are added in order at the
   end. How many there are depends on shapes alone: so the same bits come on any number of threads. */
typedef struct {
    Geometry geometry;
    Side sides[3];
    Cut cut;
    const float *x, *dy;
    float *partial, *dw;
    char *rooms;
    long room;
    long rows;    /* weights of a group that an output channel sees */
    long panels;  /* blocks of channels of a group */
    long chunks, ranges;
} Work;

/* Sums of `rows` x `vectors` weights; both are constants wherever this is used. */
INLINE void tile(
    const int rows, const int vectors, const float *x, const long *row, const long *from,
    const float *dy, long pixels, float *out) {
    Vector sums[PIXELS][VECTORS];
    const float *at[PIXELS];
    EACH_ROW(
        at[r] = x + row[r];
        EACH_VECTOR(sums[r][v] = (Vector){0};)
    )
    long p = 0;
    ROLLED do { /* at least one pixel */
        Vector line[VECTORS];
        EACH_VECTOR(line[v] = load(dy + v * LANES);)
        const long start = from[p];
        EACH_ROW(
            const Vector a = fill(at[r][start]);
            EACH_VECTOR(sums[r][v] += a * line[v];)
            EACH_VECTOR(END_STEP(sums[r][v]);)
        )
        dy += vectors * LANES;
    } while (++p < pixels);
    EACH_ROW(EACH_VECTOR(store(out + (r * vectors + v) * LANES, sums[r][v]);))
}

#define TILE(r, v) tile(r, v, x, row, from, dy, pixels, out)

APART void any_tile(
    long rows, long vectors, const float *x, const long *row, const long *from, const float *dy,
    long pixels, float *out) {
    EACH_TILE(rows, vectors)
}

/* Once per tile and block: need not be fast, and would be long if each tile had its own. */
APART void add_tile(
    const float *out, long rows, long width, float *sum, long stride, long channels, int first) {
    for (long r = 0; r < rows; ++r, out += width, sum += stride) {
        if (first)
            for (long c = 0; c < channels; ++c) sum[c] = out[c];
        else
            for (long c = 0; c < channels; ++c) sum[c] += out[c];
    }
}

/* The channels of a panel, pixel after pixel, with zeros up to whole vectors. */
static void pack(float *to, const float *dy, const long *from, long pixels, long channels) {
    const long width = parts(channels, LANES) * LANES;
    for (long p = 0; p < pixels; ++p, to += width) {
        const float *const given = dy + from[p];
        if (channels == WIDTH) {
            UNROLL for (int v = 0; v < VECTORS; ++v) store(to + v * LANES, load(given + v * LANES));
        } else {
            for (long c = 0; c < channels; ++c) to[c] = given[c];
            for (long c = channels; c < width; ++c) to[c] = 0.0f;
        }
    }
}

/* Where each weight of an output channel meets the input of a pixel. */
static void row_offsets(const Geometry *g, const Side *s, const Source *source, long *row) {
    const long each = g->in_channels / g->groups;
    for (long d = 0; d < s[0].taps; ++d)
        for (long h = 0; h < s[1].taps; ++h)
            for (long w = 0; w < s[2].taps; ++w)
                for (long i = 0; i < each; ++i)
                    *row++ = d * source->slice + h * s[1].from_step * source->line +
                             w * s[2].from_step * g->in_channels + i;
}

/* A few output channels would fill no vector: inputs take their place, which are neighbours along a
   run of taps, and the channels take that of the rows. */
static void sum_few(
    const Work *work, const Source *source, const long *from, const long *to, long pixels,
    long *run, float *packed, float *sums, int first) {
    static const long rows[FEW] = {0, 1, 2, 3};
    const long channels = work->geometry.channels;
    const Runs runs = runs_of(&work->geometry, work->sides);
    run_offsets(&work->geometry, work->sides, source, runs.runs, run);
    for (long r = 0; r < runs.runs; ++r)
        for (long begin = 0; begin < runs.depth; begin += WIDTH) {
            const long count = least(WIDTH, runs.depth - begin), vectors = parts(count, LANES);
            float out[PIXELS * WIDTH], *to_sum = sums + (r * runs.depth + begin) * channels;
            pack(packed, source->x + run[r] + begin, from, pixels, count);
            any_tile(channels, vectors, work->dy, rows, to, packed, pixels, out);
            for (long i = 0; i < count; ++i, to_sum += channels)
                for (long o = 0; o < channels; ++o)
                    to_sum[o] = out[o * vectors * LANES + i] + (first ? 0.0f : to_sum[o]);
        }
}

static void sum_block(
    const Work *work, const Block *block, long range, float *sums, char *room, int first) {
    const Geometry *const g = &work->geometry;
    const long most_pixels = room_pixels(&work->cut);
    long *const from = (long *)room, *const to = from + most_pixels, *const row = to + most_pixels;
    float *const packed = (float *)(row + parts(work->rows, 8) * 8);
    float *const copy = packed + most_pixels * WIDTH;
    const Source source = source_of(g, work->sides, block, work->x, copy, 0);
    const long pixels = pixel_offsets(g, work->sides, block, &source, from, to);
    if (g->groups == 1 && g->channels <= FEW && g->in_channels > g->channels) {
        sum_few(work, &source, from, to, pixels, row, packed, sums, first);
        return;
    }
    row_offsets(g, work->sides, &source, row);
    const long channels = g->channels / g->groups, each = g->in_channels / g->groups;
    const long all = g->groups * work->panels, tiles = parts(work->rows, PIXELS);
    for (long panel = range * all / work->ranges; panel < (range + 1) * all / work->ranges; ++panel) {
        const long group = panel / work->panels, begin = panel % work->panels * WIDTH;
        const long count = least(WIDTH, channels - begin), vectors = parts(count, LANES);
        const long place = group * channels + begin;
        pack(packed, work->dy + place, to, pixels, count);
        float out[PIXELS * WIDTH], *const sum = sums + group * work->rows * channels + begin;
        for (long number = 0, r = 0; number < tiles; ++number) {
            const long here = work->rows / tiles + (number < work->rows % tiles);
            any_tile(here, vectors, source.x + group * each, row + r, from, packed, pixels, out);
            add_tile(out, here, vectors * LANES, sum + r * channels, channels, count, first);
            r += here;
        }
    }
}

static void sum_chunk(const void *given, long index, long worker) {
    const Work *const work = given;
    const Geometry *const g = &work->geometry;
    const long chunk = index / work->ranges, range = index % work->ranges;
    const long blocks = blocks_of(&work->cut, work->sides);
    const long first = chunk * blocks / work->chunks, last = (chunk + 1) * blocks / work->chunks;
    float *const sums = work->partial + chunk * work->rows * g->channels;
    for (long number = first; number < last; ++number) {
        const Block block = block_at(g, work->sides, &work->cut, number);
        sum_block(work, &block, range, sums, work->rooms + worker * work->room, number == first);
    }
}

/* Add the sums of all chunks, for one tap, to its place in dw. */
static void add_chunks(const void *given, long index, long worker) {
    (void)worker;
    const Work *const work = given;
    const Geometry *const g = &work->geometry;
    const Side *const s = work->sides;
    const long w = index % s[2].taps, h = index / s[2].taps % s[1].taps;
    const long d = index / s[2].taps / s[1].taps;
    const long tap = ((s[0].tap + d * s[0].tap_step) * g->window[1] + s[1].tap +
                      h * s[1].tap_step) * g->window[2] + s[2].tap + w * s[2].tap_step;
    const long each = g->in_channels / g->groups, channels = g->channels / g->groups;
    for (long i = 0; i < each; ++i)
        for (long group = 0; group < g->groups; ++group) {
            float *const to = work->dw + (tap * each + i) * g->channels + group * channels;
            const float *from = work->partial + ((group * work->rows) + index * each + i) * channels;
            for (long c = 0; c < channels; ++c) to[c] = from[c];
            for (long chunk = 1; chunk < work->chunks; ++chunk) {
                from += work->rows * g->channels;
                for (long c = 0; c < channels; ++c) to[c] += from[c];
            }
        }
}

static int run_phase(const XLA_FFI_CallFrame *frame, Work *work) {
    Geometry *const g = &work->geometry;
    const Side *const s = work->sides;
    const long each = g->in_channels / g->groups, channels = g->channels / g->groups;
    const long taps = s[0].taps * s[1].taps * s[2].taps;
    const long pixels = g->images * s[0].outputs * s[1].outputs * s[2].outputs;
    work->rows = taps * each;
    if (pixels == 0 || work->rows == 0) return 1;
    const double products = (double)pixels * (double)work->rows * (double)g->channels;
    const long wanted = most(1, products > MOST_TASKS * TASK_PRODUCTS
                                    ? MOST_TASKS : (long)(products / TASK_PRODUCTS));
    work->panels = parts(channels, WIDTH);
    work->ranges = least(g->groups * work->panels, wanted);
    const long fewest = parts(wanted, work->ranges);
    work->cut = cut_of(g, s, BLOCK_FLOATS, BLOCK_PIXELS, fewest);
    const long size = work->rows * g->channels;
    work->chunks = most(1, least(PARTIAL_FLOATS / size, least(fewest, blocks_of(&work->cut, s))));
    const long workers = wanted == 1 ? 1 : most_workers(frame);
    const long pixels_room = room_pixels(&work->cut);
    const long offsets = 2 * pixels_room + parts(work->rows, 8) * 8;
    const long copied = pixels_room * WIDTH + block_floats(g, s, work->cut.images, work->cut.rows, work->cut.columns);
    work->room = parts(offsets * (long)sizeof(long) + copied * (long)sizeof(float), 64) * 64 + 64;
    const long partial = parts(work->chunks * size * (long)sizeof(float), 64) * 64;
    char *const memory = malloc((size_t)(partial + workers * work->room + 64));
    if (memory == NULL) return 0;
    work->partial = (float *)(((uintptr_t)memory + 63) / 64 * 64);
    work->rooms = (char *)work->partial + partial;
    run_tasks(frame, workers, sum_chunk, work, work->chunks * work->ranges);
    run_tasks(frame, work->chunks * size < (1 << 16) ? 1 : workers, add_chunks, work, taps);
    free(memory);
    return 1;
}

KOLAM_EXPORT XLA_FFI_Error *kolam_kernel_gradient(XLA_FFI_CallFrame *frame) {
    if (answers_query(frame)) return NULL;
    Array x, dy, dw;
    Work work = {0};
    if (!operand(frame, 0, -1, &x) || !operand(frame, 1, x.rank, &dy) ||
        !result(frame, 0, x.rank, &dw, &work.dw) ||
        !read_geometry(frame, &x, dw.dims, &dy, &work.geometry))
        return not_understood(frame);
    work.x = x.data;
    work.dy = dy.data;
    flatten(&work.geometry);
    const Geometry *const g = &work.geometry;
    __builtin_memset(
        work.dw, 0,
        (size_t)(g->window[0] * g->window[1] * g->window[2] * (g->in_channels / g->groups) *
                 g->channels) * sizeof(float));
    for (long d = 0; d < phases(g, 0); ++d)
        for (long h = 0; h < phases(g, 1); ++h)
            for (long v = 0; v < phases(g, 2); ++v) {
                const long phase[3] = {d, h, v};
                for (int axis = 0; axis < 3; ++axis)
                    work.sides[axis] = side_of(g, axis, phase[axis]);
                if (!run_phase(frame, &work)) return out_of_memory(frame);
            }
    return NULL;
}
