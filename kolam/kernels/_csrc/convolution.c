/* Convolutions without im2col: a tile of output pixels and channels stays in registers while all
   taps and input channels pass by. */
#include "blocks.h"
#include "few_channels.h"
#include "threads.h"

#define WIDTH (VECTORS * LANES)  /* output channels of a tile */
#define BLOCK_FLOATS 49152       /* padded inputs: 192 KB, so that a core's cache holds weights too */
#define BLOCK_PIXELS 4096
#define WORTH_THREADS 500000.0   /* products: below, waking a thread costs more than it brings */

typedef struct {
    Geometry geometry;
    Side sides[3];
    Cut cut;
    Runs runs;
    const float *x, *w;
    float *packed, *y;
    char *rooms;  /* memory of the workers */
    long room;    /* bytes of each */
    long depth;   /* products of one output */
    long panels;  /* blocks of channels of a group */
    int few;      /* channels: other tiles, and weights without room for whole vectors */
    long ranges;  /* parts that the panels of all groups are cut into */
} Work;

/* Floats of a group's packed weights: depth x channels, rounded up to whole vectors. */
INLINE long group_floats(const Work *work) {
    const long channels = work->geometry.channels / work->geometry.groups;
    return work->depth * (work->few ? channels : parts(channels, LANES) * LANES);
}

/* Copy the weights of one panel so that the tile reads them in order. */
static void pack(const void *given, long index, long worker) {
    (void)worker;
    const Work *const work = given;
    const Geometry *const g = &work->geometry;
    const Side *const sides = work->sides;
    const long channels = g->channels / g->groups, each = g->in_channels / g->groups;
    const long group = index / work->panels, first = index % work->panels * WIDTH;
    const long count = least(WIDTH, channels - first);
    const long width = work->few ? count : parts(count, LANES) * LANES;
    float *to = work->packed + group * group_floats(work) + first * work->depth;
    for (long d = 0; d < sides[0].taps; ++d)
        for (long h = 0; h < sides[1].taps; ++h)
            for (long w = 0; w < sides[2].taps; ++w) {
                const long tap = ((sides[0].tap + d * sides[0].tap_step) * g->window[1] +
                                  sides[1].tap + h * sides[1].tap_step) * g->window[2] +
                                 sides[2].tap + w * sides[2].tap_step;
                const float *from = work->w + tap * each * g->channels + group * channels + first;
                for (long i = 0; i < each; ++i, from += g->channels, to += width) {
                    for (long c = 0; c < count; ++c) to[c] = from[c];
                    for (long c = count; c < width; ++c) to[c] = 0.0f;
                }
            }
}

APART void store_parts(
    float *y, const long *to, const float *out, long pixels, long width, long channels) {
    for (long p = 0; p < pixels; ++p, out += width) {
        float *const place = y + to[p];
        long done = 0;
        for (; done + LANES <= channels; done += LANES) store(place + done, load(out + done));
        store_part(place + done, load(out + done), channels - done);
    }
}

/* Sums of `rows` pixels x `vectors`; both are constants wherever this is used. */
INLINE void tile(
    const int rows, const int vectors, const Runs runs, const long *run, const float *x,
    const long *from, const float *w, float *y, const long *to, long channels) {
    Vector sums[PIXELS][VECTORS];
    const float *at[PIXELS];
    EACH_ROW(
        at[r] = x + from[r];
        EACH_VECTOR(sums[r][v] = (Vector){0};)
    )
    long i = 0;
    do {
        long k = run[i];
        const long end = k + runs.depth;
        ROLLED do {
            Vector line[VECTORS];
            EACH_VECTOR(line[v] = load(w + v * LANES);)
            EACH_ROW(
                const Vector a = fill(at[r][k]);
                EACH_VECTOR(sums[r][v] += a * line[v];)
                EACH_VECTOR(END_STEP(sums[r][v]);)
            )
            w += vectors * LANES;
        } while (++k < end);
    } while (++i < runs.runs);
    if (channels == vectors * LANES) {
        EACH_ROW(EACH_VECTOR(store(y + to[r] + v * LANES, sums[r][v]);))
        return;
    }
    float out[PIXELS * WIDTH];
    EACH_ROW(EACH_VECTOR(store(out + (r * vectors + v) * LANES, sums[r][v]);))
    store_parts(y, to, out, rows, vectors * LANES, channels);
}

#define TILE(r, v) tile(r, v, runs, run, x, from, w, y, to, channels)

APART void any_tile(
    long pixels, long vectors, const Runs runs, const long *run, const float *x, const long *from,
    const float *w, float *y, const long *to, long channels) {
    EACH_TILE(pixels, vectors)
}

static void convolve(const void *given, long index, long worker) {
    const Work *const work = given;
    const Geometry *const g = &work->geometry;
    const Block block = block_at(g, work->sides, &work->cut, index / work->ranges);
    long *const from = (long *)(work->rooms + worker * work->room);
    long *const to = from + work->cut.images * work->cut.rows * work->cut.columns;
    long *const run = to + work->cut.images * work->cut.rows * work->cut.columns;
    float *const copy = (float *)(run + parts(work->runs.runs, 8) * 8);
    const Source source = source_of(g, work->sides, &block, work->x, copy, 0);
    const long pixels = pixel_offsets(g, work->sides, &block, &source, from, to);
    run_offsets(g, work->sides, &source, work->runs.runs, run);
    const long channels = g->channels / g->groups, each = g->in_channels / g->groups;
    const long all = g->groups * work->panels, range = index % work->ranges;
    const long tiles = parts(pixels, PIXELS), size = pixels / tiles, larger = pixels % tiles;
    for (long panel = range * all / work->ranges; panel < (range + 1) * all / work->ranges; ++panel) {
        const long group = panel / work->panels, first = panel % work->panels * WIDTH;
        const long count = least(WIDTH, channels - first), vectors = parts(count, LANES);
        const float *const w = work->packed + group * group_floats(work) + first * work->depth;
        float *const y = work->y + group * channels + first;
        for (long number = 0, p = 0; number < tiles; ++number) {
            const long here = size + (number < larger);
            any_tile(
                here, vectors, work->runs, run, source.x + group * each, from + p, w, y, to + p,
                count);
            p += here;
        }
    }
}

static void convolve_turned(const void *given, long index, long worker) {
    const Work *const work = given;
    const Block block = block_at(&work->geometry, work->sides, &work->cut, index);
    float *const turned = (float *)(work->rooms + worker * work->room);
    turn(&work->geometry, work->sides, &block, work->x, turned);
    convolve_few(&work->geometry, work->sides, &block, turned, work->packed, work->y);
}

/* Outputs that no input meets. */
static void clear(const Work *work) {
    const Geometry *const g = &work->geometry;
    const Side *const s = work->sides;
    for (long n = 0; n < g->images; ++n)
        for (long d = 0; d < s[0].outputs; ++d)
            for (long h = 0; h < s[1].outputs; ++h)
                for (long w = 0; w < s[2].outputs; ++w) {
                    const long depth = n * g->out[0] + s[0].start + d * s[0].stride;
                    const long row = depth * g->out[1] + s[1].start + h * s[1].stride;
                    const long pixel = row * g->out[2] + s[2].start + w * s[2].stride;
                    __builtin_memset(
                        work->y + pixel * g->channels, 0, (size_t)g->channels * sizeof(float));
                }
}

static int run_phase(const XLA_FFI_CallFrame *frame, Work *work) {
    Geometry *const g = &work->geometry;
    const Side *const s = work->sides;
    const long pixels = g->images * s[0].outputs * s[1].outputs * s[2].outputs;
    const long each = g->in_channels / g->groups, channels = g->channels / g->groups;
    work->depth = s[0].taps * s[1].taps * s[2].taps * each;
    if (pixels == 0) return 1;
    if (work->depth == 0) {
        clear(work);
        return 1;
    }
    const double products = (double)pixels * (double)work->depth * (double)g->channels;
    const long workers = products < WORTH_THREADS ? 1 : most_workers(frame);
    const long wanted = workers == 1 ? 1 : 4 * workers;
    work->cut = cut_of(g, s, BLOCK_FLOATS, BLOCK_PIXELS, wanted);
    work->runs = runs_of(g, s);
    work->panels = parts(channels, WIDTH);
    const long blocks = blocks_of(&work->cut, s);
    work->ranges = most(1, least(g->groups * work->panels, parts(wanted, blocks)));
    const long cut_pixels = work->cut.images * work->cut.rows * work->cut.columns;
    const long offsets = 2 * cut_pixels + parts(work->runs.runs, 8) * 8;
    work->few = are_few(g, s);
    const long copied =
        work->few ? turned_floats(g, s, &work->cut)
                  : block_floats(g, s, work->cut.images, work->cut.rows, work->cut.columns);
    work->room = parts(offsets * (long)sizeof(long) + copied * (long)sizeof(float), 64) * 64 + 64;
    const long packed = g->groups * group_floats(work) * (long)sizeof(float);
    char *const memory = malloc((size_t)(packed + workers * work->room + 128));
    if (memory == NULL) return 0;
    work->packed = (float *)(((uintptr_t)memory + 63) / 64 * 64);
    work->rooms = (char *)work->packed + parts(packed, 64) * 64;
    run_tasks(frame, packed < (1 << 18) ? 1 : workers, pack, work, g->groups * work->panels);
    if (work->few)
        run_tasks(frame, workers, convolve_turned, work, blocks);
    else
        run_tasks(frame, workers, convolve, work, blocks * work->ranges);
    free(memory);
    return 1;
}

KOLAM_EXPORT XLA_FFI_Error *kolam_convolution(XLA_FFI_CallFrame *frame) {
    if (answers_query(frame)) return NULL;
    Array x, w, y;
    Work work = {0};
    if (!operand(frame, 0, -1, &x) || !operand(frame, 1, x.rank, &w) ||
        !result(frame, 0, x.rank, &y, &work.y) ||
        !read_geometry(frame, &x, w.dims, &y, &work.geometry))
        return not_understood(frame);
    work.x = x.data;
    work.w = w.data;
    flatten(&work.geometry);
    const Geometry *const g = &work.geometry;
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
