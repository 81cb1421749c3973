/* Convolutions of at most four output channels: vectors along the channels would be filled in vain,
   so they lie along the pixels of a row, and weights are broadcast. The inputs of a block are turned
   about for that: each line holds channel after channel. */
#ifndef KOLAM_FEW_CHANNELS_H
#define KOLAM_FEW_CHANNELS_H
#include "blocks.h"

#define FEW 4
#define FEW_VECTORS 2
#define FEW_PIXELS (FEW_VECTORS * LANES)
#if PIXELS > 6 || defined(__aarch64__)
#define FEW_ROWS 2
#else
#define FEW_ROWS 1 /* sixteen registers hold no more */
#endif

/* Whether more lanes of a row hold pixels than would hold channels, and taps pay for the turn. */
INLINE int are_few(const Geometry *g, const Side *sides) {
    if (sides[0].taps * sides[1].taps * sides[2].taps < 4) return 0;
    const long columns = sides[2].outputs, lanes = parts(columns, FEW_PIXELS) * FEW_PIXELS;
    return g->groups == 1 && g->channels <= FEW && sides[2].advance == 1 &&
           columns * LANES > g->channels * lanes;
}

/* What a tile sees: the first pixel of each line, and the steps between channels and taps. */
typedef struct {
    const float *x;
    long slice, line, channel, tap;  /* steps of tap d, of tap h, of a channel, of tap w */
    long taps[3], channels;
} Lines;

INLINE long turned_width(const Side *sides, long columns) {
    return parts(columns, FEW_PIXELS) * FEW_PIXELS + (sides[2].taps - 1) * sides[2].from_step;
}

INLINE long turned_floats(const Geometry *g, const Side *sides, const Cut *cut) {
    return cut->images * sides[0].taps * span(&sides[1], cut->rows) * g->in_channels *
           turned_width(sides, cut->columns);
}

/* Turn the inputs of a block: [image][tap d][line][channel][pixel], zeros where there are none. */
static inline void turn(
    const Geometry *g, const Side *sides, const Block *block, const float *x, float *to) {
    const long channels = g->in_channels, line = g->in[2] * channels, plane = g->in[1] * line;
    const long top = lowest(&sides[1], block->row), left = lowest(&sides[2], block->column);
    const long height = span(&sides[1], block->rows), width = turned_width(sides, block->columns);
    const long begin = least(most(0, -left), width);
    const long end = most(begin, least(width, g->in[2] - left));
    for (long image = 0; image < block->images; ++image)
        for (long tap = 0; tap < sides[0].taps; ++tap) {
            const long depth = lowest(&sides[0], block->depth) + tap * sides[0].from_step;
            const float *const slice = x + ((block->image + image) * g->in[0] + depth) * plane;
            for (long row = top; row < top + height; ++row) {
                const int is_there = depth >= 0 && depth < g->in[0] && row >= 0 && row < g->in[1];
                for (long c = 0; c < channels; ++c, to += width) {
                    const long first = is_there ? begin : width, last = is_there ? end : width;
                    const float *const from = slice + row * line + left * channels + c;
                    for (long w = 0; w < first; ++w) to[w] = 0.0f;
                    for (long w = first; w < last; ++w) to[w] = from[w * channels];
                    for (long w = last; w < width; ++w) to[w] = 0.0f;
                }
            }
        }
}

/* `rows` lines of FEW_PIXELS pixels, `outputs` channels; both are constants wherever this is used. */
INLINE void few_tile(
    const int rows, const int outputs, const Lines *lines, long row_step, const float *w,
    float *out) {
    Vector sums[FEW_ROWS][FEW][FEW_VECTORS];
    UNROLL for (int r = 0; r < rows; ++r)
        UNROLL for (int o = 0; o < outputs; ++o)
            UNROLL for (int v = 0; v < FEW_VECTORS; ++v) sums[r][o][v] = (Vector){0};
    for (long d = 0; d < lines->taps[0]; ++d)
        for (long h = 0; h < lines->taps[1]; ++h)
            for (long t = 0; t < lines->taps[2]; ++t) {
                const float *x = lines->x + d * lines->slice + h * lines->line + t * lines->tap;
                ROLLED for (long c = 0; c < lines->channels; ++c, x += lines->channel, w += outputs) {
                    Vector seen[FEW_ROWS][FEW_VECTORS];
                    UNROLL for (int r = 0; r < rows; ++r)
                        UNROLL for (int v = 0; v < FEW_VECTORS; ++v)
                            seen[r][v] = load(x + r * row_step + v * LANES);
                    UNROLL for (int o = 0; o < outputs; ++o) {
                        const Vector weight = fill(w[o]);
                        UNROLL for (int r = 0; r < rows; ++r)
                            UNROLL for (int v = 0; v < FEW_VECTORS; ++v)
                                sums[r][o][v] += weight * seen[r][v];
                    }
                }
            }
    UNROLL for (int r = 0; r < rows; ++r)
        UNROLL for (int o = 0; o < outputs; ++o)
            UNROLL for (int v = 0; v < FEW_VECTORS; ++v)
                store(out + (r * outputs + o) * FEW_PIXELS + v * LANES, sums[r][o][v]);
}

APART void any_few_tile(
    long rows, long outputs, const Lines *lines, long row_step, const float *w, float *out) {
#define FEW_TILE(o)                                                \
    case o:                                                        \
        if (rows == FEW_ROWS)                                      \
            few_tile(FEW_ROWS, o, lines, row_step, w, out);        \
        else                                                       \
            few_tile(1, o, lines, row_step, w, out);               \
        break;
    switch (outputs) { FEW_TILE(1) FEW_TILE(2) FEW_TILE(3) FEW_TILE(4) }
#undef FEW_TILE
}

/* Convolve a block whose inputs are turned, by weights [tap][channel][output]. */
static inline void convolve_few(
    const Geometry *g, const Side *s, const Block *block, const float *turned, const float *w,
    float *y) {
    const long width = turned_width(s, block->columns), line = g->in_channels * width;
    const long slice = span(&s[1], block->rows) * line, outputs = g->channels;
    Lines lines = {
        .slice = slice,
        .line = s[1].from_step * line,
        .channel = width,
        .tap = s[2].from_step,
        .taps = {s[0].taps, s[1].taps, s[2].taps},
        .channels = g->in_channels};
    float out[FEW_ROWS * FEW * FEW_PIXELS];
    for (long n = 0; n < block->images; ++n)
        for (long h = 0; h < block->rows; h += FEW_ROWS)
            for (long first = 0; first < block->columns; first += FEW_PIXELS) {
                const long rows = least(FEW_ROWS, block->rows - h);
                const long pixels = least(FEW_PIXELS, block->columns - first);
                lines.x = turned + n * s[0].taps * slice + h * s[1].advance * line + first;
                any_few_tile(rows, outputs, &lines, s[1].advance * line, w, out);
                for (long r = 0; r < rows; ++r) {
                    const long depth = s[0].start + block->depth * s[0].stride;
                    const long row = s[1].start + (block->row + h + r) * s[1].stride;
                    const long column = s[2].start + (block->column + first) * s[2].stride;
                    float *to = y + ((((block->image + n) * g->out[0] + depth) * g->out[1] + row) *
                                         g->out[2] + column) * outputs;
                    for (long p = 0; p < pixels; ++p, to += s[2].stride * outputs)
                        for (long o = 0; o < outputs; ++o)
                            to[o] = out[(r * outputs + o) * FEW_PIXELS + p];
                }
            }
}
#endif
