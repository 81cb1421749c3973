/* Blocks of outputs, with their inputs in memory that stays in the cache of one core. */
#ifndef KOLAM_BLOCKS_H
#define KOLAM_BLOCKS_H
#include "convolution.h"

/* Outputs [image, image + images) x depth x [row, row + rows) x [column, column + columns). */
typedef struct {
    long image, images, depth, row, rows, column, columns;
} Block;

/* Tap (d, h, w) of pixel (image, row, column) of a block begins at
   x + image * image_step + d * slice + (row * advance + h * from_step) * line
     + (column * advance + w * from_step) * channels. */
typedef struct {
    const float *x;
    long image_step, slice, line;
} Source;

/* How the outputs of a phase are cut. The last block of an axis may be smaller. */
typedef struct {
    long images, rows, columns;           /* of one block */
    long image_blocks, row_blocks, column_blocks;
} Cut;

INLINE long span(const Side *side, long outputs) {
    return (outputs - 1) * side->advance + (side->taps - 1) * side->from_step + 1;
}

/* Floats of the padded inputs of a block. */
INLINE long block_floats(const Geometry *g, const Side *sides, long images, long rows, long columns) {
    return images * sides[0].taps * span(&sides[1], rows) * span(&sides[2], columns) *
           g->in_channels;
}

/* Pixels that a worker has room for, whole vectors of them. */
INLINE long room_pixels(const Cut *cut) { return parts(cut->images * cut->rows * cut->columns, 8) * 8; }

INLINE long blocks_of(const Cut *cut, const Side *sides) {
    return cut->image_blocks * sides[0].outputs * cut->row_blocks * cut->column_blocks;
}

/* Cut a phase into blocks of at most `floats` inputs (one pixel is always allowed) and `pixels`
   outputs, and of about `pixels` outputs where images are small; into `fewest` blocks at least where
   images and rows allow it. */
static inline Cut cut_of(
    const Geometry *g, const Side *sides, long floats, long pixels, long fewest) {
    const long all_rows = sides[1].outputs, all_columns = sides[2].outputs;
    long images = 1, rows = all_rows, columns = all_columns;
    while (rows > 1 && (block_floats(g, sides, 1, rows, columns) > floats || rows * columns > pixels))
        rows = parts(rows, 2);
    while (columns > 1 && (block_floats(g, sides, 1, rows, columns) > floats || columns > pixels))
        columns = parts(columns, 2);
    while (rows > 1 && rows * columns > 2 * PIXELS &&
           g->images * sides[0].outputs * parts(all_rows, rows) * parts(all_columns, columns) < fewest)
        rows = parts(rows, 2);
    if (rows == all_rows && columns == all_columns && sides[0].outputs == 1) {
        images = most(1, least(pixels / (rows * columns), g->images / most(1, fewest)));
        while (images > 1 && block_floats(g, sides, images, rows, columns) > floats)
            images = parts(images, 2);
    }
    return (Cut){
        .images = images,
        .rows = rows,
        .columns = columns,
        .image_blocks = parts(g->images, images),
        .row_blocks = parts(all_rows, rows),
        .column_blocks = parts(all_columns, columns)};
}

INLINE Block block_at(const Geometry *g, const Side *sides, const Cut *cut, long index) {
    Block block;
    block.column = index % cut->column_blocks * cut->columns;
    index /= cut->column_blocks;
    block.row = index % cut->row_blocks * cut->rows;
    index /= cut->row_blocks;
    block.depth = index % sides[0].outputs;
    block.image = index / sides[0].outputs * cut->images;
    block.columns = least(cut->columns, sides[2].outputs - block.column);
    block.rows = least(cut->rows, sides[1].outputs - block.row);
    block.images = least(cut->images, g->images - block.image);
    return block;
}

INLINE int is_inside(const Side *side, long first, long count, long size) {
    return lowest(side, first) >= 0 && past_highest(side, first + count) <= size;
}

/* Copy one line of `count` inputs, with zeros where there are none. */
INLINE void copy_line(
    float *to, const float *line, long first, long count, long size, long channels) {
    const long begin = least(most(0, -first), count);
    const long end = most(begin, least(count, size - first));
    __builtin_memset(to, 0, (size_t)(begin * channels) * sizeof(float));
    if (end > begin)
        __builtin_memcpy(
            to + begin * channels, line + (first + begin) * channels,
            (size_t)((end - begin) * channels) * sizeof(float));
    __builtin_memset(to + end * channels, 0, (size_t)((count - end) * channels) * sizeof(float));
}

/* Where the inputs of a block are: in x itself, or copied to `room` with their padding. A kernel may
   read `slack` floats behind the last one. */
static inline Source source_of(
    const Geometry *g, const Side *sides, const Block *block, const float *x, float *room,
    long slack) {
    const long channels = g->in_channels, line = g->in[2] * channels, plane = g->in[1] * line;
    const long top = lowest(&sides[1], block->row), left = lowest(&sides[2], block->column);
    const long front = lowest(&sides[0], block->depth);
    const long height = span(&sides[1], block->rows), width = span(&sides[2], block->columns);
    const float *const images = x + block->image * g->in[0] * plane;
    const long last_plane = (block->image + block->images - 1) * g->in[0] + front +
                            (sides[0].taps - 1) * sides[0].from_step;
    const long end = last_plane * plane + (top + height - 1) * line + (left + width) * channels;
    if (is_inside(&sides[0], block->depth, 1, g->in[0]) &&
        is_inside(&sides[1], block->row, block->rows, g->in[1]) &&
        is_inside(&sides[2], block->column, block->columns, g->in[2]) &&
        end + slack <= g->images * g->in[0] * plane)
        return (Source){
            images + front * plane + top * line + left * channels, g->in[0] * plane,
            sides[0].from_step * plane, line};
    float *to = room;
    for (long image = 0; image < block->images; ++image)
        for (long tap = 0; tap < sides[0].taps; ++tap) {
            const long depth = front + tap * sides[0].from_step;
            const float *const slice = images + (image * g->in[0] + depth) * plane;
            for (long row = top; row < top + height; ++row, to += width * channels) {
                if (depth < 0 || depth >= g->in[0] || row < 0 || row >= g->in[1])
                    __builtin_memset(to, 0, (size_t)(width * channels) * sizeof(float));
                else
                    copy_line(to, slice + row * line, left, width, g->in[2], channels);
            }
        }
    return (Source){
        room, sides[0].taps * height * width * channels, height * width * channels,
        width * channels};
}

/* Offsets of the pixels of a block: in its source, and in y. */
static inline long pixel_offsets(
    const Geometry *g, const Side *s, const Block *block, const Source *source, long *from,
    long *to) {
    const long columns = block->columns, depth = s[0].start + block->depth * s[0].stride;
    const long from_step = s[2].advance * g->in_channels, to_step = s[2].stride * g->channels;
    const long left = s[2].start + block->column * s[2].stride;
    for (long n = 0; n < block->images; ++n)
        for (long h = 0; h < block->rows; ++h, from += columns, to += columns) {
            const long row = s[1].start + (block->row + h) * s[1].stride;
            const long plane = (block->image + n) * g->out[0] + depth;
            const long first = ((plane * g->out[1] + row) * g->out[2] + left) * g->channels;
            const long begin = n * source->image_step + h * s[1].advance * source->line;
            for (long w = 0; w < columns; ++w) {
                from[w] = begin + w * from_step;
                to[w] = first + w * to_step;
            }
        }
    return block->images * block->rows * columns;
}

/* Runs of neighbouring inputs that all meet the weights in order: rows of taps, or single taps. */
typedef struct {
    long runs, depth;
} Runs;

INLINE Runs runs_of(const Geometry *g, const Side *sides) {
    const long taps = sides[0].taps * sides[1].taps, each = g->in_channels / g->groups;
    const int joined = g->groups == 1 && (sides[2].from_step == 1 || sides[2].taps == 1);
    return joined ? (Runs){taps, sides[2].taps * each} : (Runs){taps * sides[2].taps, each};
}

/* Where each run begins, from where the first of a pixel does. */
INLINE void run_offsets(
    const Geometry *g, const Side *sides, const Source *source, long runs, long *offsets) {
    const long across = runs / (sides[0].taps * sides[1].taps);
    for (long d = 0; d < sides[0].taps; ++d)
        for (long h = 0; h < sides[1].taps; ++h)
            for (long w = 0; w < across; ++w)
                *offsets++ = d * source->slice + h * sides[1].from_step * source->line +
                             w * sides[2].from_step * g->in_channels;
}
#endif
