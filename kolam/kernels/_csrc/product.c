/* Products of matrices, one or many at once, whose elements stand anywhere by strides. Both operands
   are copied first, so that the tiles read them in order. */
#include "ffi.h"
#include "threads.h"
#include "vectors.h"

#define WIDTH (VECTORS * LANES)  /* columns of a tile */
#define DEPTH 512                /* terms of a block: more would push each other out of the cache */
#define LINE (DEPTH + LANES)     /* no power of two: lines would meet in a few sets of the cache */
#define HALF (PIXELS > 8 ? 8 : 4)  /* of the rows of a tile, or more */
#define TILES 4                  /* that are copied at once */
#define DIRECT 256               /* terms so far apart still fall into enough sets of the cache */
#define RANGE (8 * WIDTH)        /* columns of a block */
#define PART 128                 /* rows that are worth a copy of the right operand */
#define TASKS 4                  /* for each worker, for others may take its time */
#define WORTH_THREADS 200000.0   /* products: below, waking a thread costs more than it brings */

typedef struct {
    const float *a, *b;
    float *y, *rooms;
    long batch[2], rows, terms, columns;
    /* distances in each operand: along both axes of the batch, then along its own two */
    long a_step[4], b_step[4], y_step[3];
    long tiles;          /* of the rows */
    long parts, ranges;  /* tasks that the tiles and the columns fall into */
    long room;           /* floats of a worker */
} Work;

INLINE long place(const Work *w, const long *steps, long item) {
    return item / w->batch[1] * steps[0] + item % w->batch[1] * steps[1];
}

/* The columns and rows of a square change places. */
INLINE void turn(Vector *v) {
    for (int step = 1; step < LANES; step *= 2) {
        Vector next[LANES];
        UNROLL for (int i = 0; i < LANES / 2; ++i) {
            next[2 * i] = FIRST_HALVES(v[i], v[i + LANES / 2]);
            next[2 * i + 1] = LAST_HALVES(v[i], v[i + LANES / 2]);
        }
        UNROLL for (int i = 0; i < LANES; ++i) v[i] = next[i];
    }
}

/* Copy `terms` x `columns` so that a term's columns are neighbours, with zeros up to whole vectors. */
static void pack_panel(
    const float *b, long by_term, long by_column, long terms, long columns, float *to) {
    const long width = parts(columns, LANES) * LANES;
    if (by_column == 1) {
        for (long term = 0; term < terms; ++term, b += by_term, to += width)
            if (columns == WIDTH) {
                UNROLL for (int v = 0; v < VECTORS; ++v) store(to + v * LANES, load(b + v * LANES));
            } else {
                for (long c = 0; c < columns; ++c) to[c] = b[c];
                for (long c = columns; c < width; ++c) to[c] = 0;
            }
        return;
    }
    long done = 0;
    if (by_term == 1)
        for (; done + LANES <= terms; done += LANES)
            for (long first = 0; first < width; first += LANES) {
                Vector square[LANES];
                UNROLL for (int i = 0; i < LANES; ++i)
                    square[i] = first + i < columns ? load(b + done + (first + i) * by_column)
                                                    : fill(0);
                turn(square);
                UNROLL for (int i = 0; i < LANES; ++i)
                    store(to + (done + i) * width + first, square[i]);
            }
    for (long term = done; term < terms; ++term)
        for (long c = 0; c < width; ++c)
            to[term * width + c] = c < columns ? b[term * by_term + c * by_column] : 0;
}

/* Copy the columns [begin, end) of some terms, panel after panel. */
static void pack_range(
    const Work *w, long item, long term, long terms, long begin, long end, float *packed) {
    const float *const b = w->b + place(w, w->b_step, item) + term * w->b_step[2];
    for (long c = begin; c < end; c += WIDTH)
        pack_panel(
            b + c * w->b_step[3], w->b_step[2], w->b_step[3], terms, least(WIDTH, end - c),
            packed + (c - begin) * terms);
}

/* Rows of a tile, each a line of terms; or terms, each with the rows side by side. */
INLINE int is_by_terms(const Work *w) { return w->a_step[2] == 1 && w->a_step[3] != 1; }

INLINE void copy_few(float *to, const float *from, long count) {
    long i = 0;
    for (; i + LANES <= count; i += LANES) store(to + i, load(from + i));
    for (; i < count; ++i) to[i] = from[i];
}

static void pack_rows(const Work *w, const float *a, long rows, long terms, float *to) {
    const long by_term = w->a_step[3];
    for (long row = 0; row < rows; ++row, a += w->a_step[2], to += LINE)
        if (by_term == 1) copy_few(to, a, terms);
        else
            for (long term = 0; term < terms; ++term) to[term] = a[term * by_term];
}

/* Once per block of terms after the first: each tile would be long with its own. */
APART void add_rows(const float *out, long rows, long width, float *y, long y_row, long columns) {
    for (long r = 0; r < rows; ++r, out += width, y += y_row) {
        long c = 0;
        for (; c + LANES <= columns; c += LANES) store(y + c, load(y + c) + load(out + c));
        if (c < columns)
            store_part(y + c, load_part(y + c, columns - c) + load(out + c), columns - c);
    }
}

/* Sums of `rows` x `vectors`, both constants wherever this is used, as are the distances in x. */
INLINE void tile(
    const int rows, const int vectors, const long row_step, const long term_step, const float *x,
    const float *w, long terms, float *y, long y_row, long columns, int goes_on) {
    Vector sums[PIXELS][VECTORS];
    EACH_ROW(EACH_VECTOR(sums[r][v] = (Vector){0};))
    long term = 0;
    ROLLED do { /* at least one term */
        Vector line[VECTORS];
        EACH_VECTOR(line[v] = load(w + v * LANES);)
        EACH_ROW(
            const Vector value = fill(x[r * row_step]);
            EACH_VECTOR(sums[r][v] += value * line[v];)
            EACH_VECTOR(END_STEP(sums[r][v]);)
        )
        w += vectors * LANES;
        x += term_step;
    } while (++term < terms);
    if (goes_on) {
        float out[PIXELS * WIDTH];
        EACH_ROW(EACH_VECTOR(store(out + (r * vectors + v) * LANES, sums[r][v]);))
        add_rows(out, rows, vectors * LANES, y, y_row, columns);
    } else if (columns == vectors * LANES) {
        EACH_ROW(
            EACH_VECTOR(store(y + v * LANES, sums[r][v]);)
            y += y_row;
        )
    } else {
        const long last = (vectors - 1) * LANES;
        EACH_ROW(
            EACH_VECTOR(if (v + 1 < vectors) store(y + v * LANES, sums[r][v]);)
            store_part(y + last, sums[r][vectors - 1], columns - last);
            y += y_row;
        )
    }
}

#define TILE(r, v) tile(r, v, LINE, 1, x, w, terms, y, y_row, columns, goes_on)
APART void tile_by_rows(
    long rows, long vectors, const float *x, const float *w, long terms, float *y, long y_row,
    long columns, int goes_on) {
    EACH_TILE(rows, vectors)
}
#undef TILE
#define TILE(r, v) tile(r, v, 1, term_step, x, w, terms, y, y_row, columns, goes_on)
APART void tile_by_terms(
    long rows, long vectors, long term_step, const float *x, const float *w, long terms, float *y,
    long y_row, long columns, int goes_on) {
    EACH_TILE(rows, vectors)
}

/* Rows before tile `number`: all tiles have the same size give or take one. */
INLINE long first_row(const Work *w, long number) { return number * w->rows / w->tiles; }

/* Copy the tiles from `first` to before `last`, one behind the other. */
static void pack_tiles(
    const Work *w, const float *a, long first, long last, long terms, float *copy) {
    if (!is_by_terms(w)) {
        for (long t = first; t < last; ++t, copy += PIXELS * LINE) {
            const long row = first_row(w, t);
            pack_rows(w, a + row * w->a_step[2], first_row(w, t + 1) - row, terms, copy);
        }
        return;
    }
    for (long term = 0; term < terms; ++term, copy += PIXELS, a += w->a_step[3])
        for (long t = first; t < last; ++t) {
            const long row = first_row(w, t), rows = first_row(w, t + 1) - row;
            float *const to = copy + (t - first) * PIXELS * LINE;
            if (rows >= HALF) { /* both halves, which overlap */
                __builtin_memcpy(to, a + row, HALF * sizeof(float));
                __builtin_memcpy(to + rows - HALF, a + row + rows - HALF, HALF * sizeof(float));
            } else
                for (long r = 0; r < rows; ++r) to[r] = a[row + r];
        }
}

/* Rows of some tiles by the columns [begin, end). */
static void multiply(
    const Work *w, long item, long first, long last, long begin, long end, float *room) {
    const float *const a = w->a + place(w, w->a_step, item);
    float *const y = w->y + place(w, w->y_step, item);
    float *const copy = room, *const packed = room + TILES * PIXELS * LINE;
    const int by_terms = is_by_terms(w);
    const int is_direct = by_terms && (w->a_step[3] <= DIRECT || end - begin <= WIDTH);
    for (long term = 0; term < w->terms; term += DEPTH) {
        const long terms = least(DEPTH, w->terms - term);
        pack_range(w, item, term, terms, begin, end, packed);
        for (long t = first; t < last; t += TILES) {
            const long behind = least(t + TILES, last);
            if (!is_direct) pack_tiles(w, a + term * w->a_step[3], t, behind, terms, copy);
            for (long c = begin; c < end; c += WIDTH) {
                const long count = least(WIDTH, end - c), vectors = parts(count, LANES);
                const float *const panel = packed + (c - begin) * terms;
                for (long u = t; u < behind; ++u) {
                    const long row = first_row(w, u), rows = first_row(w, u + 1) - row;
                    float *const to = y + row * w->y_step[2] + c;
                    const float *const x =
                        is_direct ? a + term * w->a_step[3] + row : copy + (u - t) * PIXELS * LINE;
                    if (by_terms)
                        tile_by_terms(
                            rows, vectors, is_direct ? w->a_step[3] : PIXELS, x, panel, terms, to,
                            w->y_step[2], count, term > 0);
                    else
                        tile_by_rows(
                            rows, vectors, x, panel, terms, to, w->y_step[2], count, term > 0);
                }
            }
        }
    }
}

static void multiply_part(const void *given, long index, long worker) {
    const Work *const w = given;
    const long range = index % w->ranges, part = index / w->ranges % w->parts;
    const long item = index / w->ranges / w->parts, panels = parts(w->columns, WIDTH);
    multiply(
        w, item, part * w->tiles / w->parts, (part + 1) * w->tiles / w->parts,
        range * panels / w->ranges * WIDTH,
        least(w->columns, (range + 1) * panels / w->ranges * WIDTH), w->rooms + worker * w->room);
}

static int run(const XLA_FFI_CallFrame *frame, Work *w) {
    const long items = w->batch[0] * w->batch[1], panels = parts(w->columns, WIDTH);
    const double products = (double)(items * w->rows) * (double)w->terms * (double)w->columns;
    const long workers = products < WORTH_THREADS ? 1 : most_workers(frame);
    w->tiles = parts(w->rows, PIXELS);
    w->ranges = parts(w->columns, RANGE);
    w->parts = most(1, least(w->rows / PART, parts(TASKS * workers, items * w->ranges)));
    if (items * w->parts * w->ranges < 2 * workers)
        w->ranges = least(panels, parts(2 * workers, items * w->parts));
    w->room = TILES * PIXELS * LINE +
              least(DEPTH, w->terms) * least(RANGE, parts(w->columns, LANES) * LANES);
    float *const memory = malloc((size_t)(workers * w->room) * sizeof(float) + 64);
    if (memory == NULL) return 0;
    w->rooms = (float *)(((uintptr_t)memory + 63) / 64 * 64);
    run_tasks(frame, workers, multiply_part, w, items * w->parts * w->ranges);
    free(memory);
    return 1;
}

/* Whether all elements that the strides reach are there. */
static int fits(const Array *array, const long *sizes, const long *steps, int count) {
    long all = 1, last = 0;
    for (long axis = 0; axis < array->rank; ++axis) all *= (long)array->dims[axis];
    for (int axis = 0; axis < count; ++axis) {
        if (steps[axis] < 0) return 0;
        last += (sizes[axis] - 1) * steps[axis];
    }
    return last < all;
}

static int read_steps(const XLA_FFI_CallFrame *frame, const char *name, long *steps, size_t count) {
    const int64_t *const given = numbers(frame, name, count);
    for (size_t i = 0; given != NULL && i < count; ++i) steps[i] = (long)given[i];
    return given != NULL;
}

KOLAM_EXPORT XLA_FFI_Error *kolam_products(XLA_FFI_CallFrame *frame) {
    if (answers_query(frame)) return NULL;
    Array a, b, y;
    Work w = {0};
    long sizes[5]; /* batch, batch, rows, terms, columns */
    if (!operand(frame, 0, ANY_RANK, &a) || !operand(frame, 1, ANY_RANK, &b) || !result(frame, 0, ANY_RANK, &y, &w.y) ||
        !read_steps(frame, "sizes", sizes, 5) || !read_steps(frame, "a", w.a_step, 4) ||
        !read_steps(frame, "b", w.b_step, 4) || !read_steps(frame, "y", w.y_step, 3))
        return not_understood(frame);
    w.a = a.data;
    w.b = b.data;
    w.batch[0] = sizes[0];
    w.batch[1] = sizes[1];
    w.rows = sizes[2];
    w.terms = sizes[3];
    w.columns = sizes[4];
    const long y_sizes[4] = {sizes[0], sizes[1], sizes[2], sizes[4]};
    const long y_steps[4] = {w.y_step[0], w.y_step[1], w.y_step[2], 1};
    const long b_sizes[4] = {sizes[0], sizes[1], sizes[3], sizes[4]};
    if (!fits(&a, sizes, w.a_step, 4) || !fits(&b, b_sizes, w.b_step, 4) ||
        !fits(&y, y_sizes, y_steps, 4))
        return not_understood(frame);
    return run(frame, &w) ? NULL : out_of_memory(frame);
}
