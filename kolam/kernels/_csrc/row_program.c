/* Runs a program on rows, tile by tile: what one instruction leaves, the next finds in registers or
   in the first cache. `_row_code.py` writes the programs and says what their numbers mean. */
#include "ffi.h"
#include "functions.h"
#include "threads.h"

#define VECTORS_OF_BLOCK 8
#define FEW 4 /* vectors of a smaller block */
#define BLOCK (VECTORS_OF_BLOCK * LANES)
#define ROOM 128 /* floats of a place for a block, of any processor's */
#define ROWS_OF_A_SUM 32 /* added up before they are added to those before: digits are kept */
#define LINE 64L /* bytes: a vector that lies across two lines costs twice as much */
#define ALIGNED __attribute__((aligned(LINE)))
#define MOST 1048576 /* places, steps, operations */
#define MOST_FLOATS (1L << 40)

/* ---- byte code ---- */

/* An operation leaves its result in `a`, one vector of the block at a time; `b` is what its place
   has for each number, or one number for all. */
#define EACH_BINARY(DO)                                  \
    DO(ADD, a + b)                                       \
    DO(SUB, a - b)                                       \
    DO(SUB_FROM, b - a)                                  \
    DO(MUL, a *b)                                        \
    DO(DIV_INTO, b / a)                                  \
    DO(MAX, larger(a, b))                                \
    DO(MIN, smaller(a, b))                               \
    DO(EQ, (Vector)(a == b))                             \
    DO(NE, (Vector)(a != b))                             \
    DO(LT, (Vector)(a < b))                              \
    DO(LE, (Vector)(a <= b))                             \
    DO(GT, (Vector)(a > b))                              \
    DO(GE, (Vector)(a >= b))                             \
    DO(AND, (Vector)((Mask)a & (Mask)b))                 \
    DO(OR, (Vector)((Mask)a | (Mask)b))                  \
    DO(XOR, (Vector)((Mask)a ^ (Mask)b))                 \
    DO(LOAD, b)

#define EACH_UNARY(DO)                                          \
    DO(NEG, -a)                                                 \
    DO(ABS, magnitude(a))                                       \
    DO(SQUARE, a *a)                                            \
    DO(SQRT, each_sqrt(a))                                      \
    DO(RSQRT, 1.0f / each_sqrt(a))                              \
    DO(NOT, (Vector)(~(Mask)a))                                 \
    DO(TO_FLOAT, (Vector)((Mask)a & 0x3f800000))                \
    DO(IS_FINITE, (Vector)(magnitude(a) < INFINITE))

#define EACH_FUNCTION(DO)            \
    DO(EXP, exponential)             \
    DO(LOG, each_log)                \
    DO(LOG1P, each_log1p)            \
    DO(EXPM1, each_expm1)            \
    DO(TANH, each_tanh)              \
    DO(LOGISTIC, each_logistic)      \
    DO(BELL, each_bell)              \
    DO(SIGN, each_sign)              \
    DO(FLOOR, each_floor)            \
    DO(CEIL, each_ceil)              \
    DO(ROUND, each_round)            \
    DO(ROUND_EVEN, each_round_even)

/* Of a number (in its place) and its bell. */
#define EACH_BELL_FUNCTION(DO) \
    DO(ERF, erf_by)            \
    DO(ERFC, erfc_by)

/* The commonest pairs, whose first place has `a` and whose second has `b`. */
#define EACH_PAIR(DO)      \
    DO(LOAD_ADD, a + b)    \
    DO(LOAD_SUB, a - b)    \
    DO(LOAD_MUL, a *b)

/* Name, neutral number, value of two, the same where there is no NaN. */
#define FOLDS(DO)                                                      \
    DO(ROW_SUM, 0.0f, a + b, a + b)                                    \
    DO(ROW_MAX, -INFINITE, larger(a, b), either(a > b, a, b))          \
    DO(ROW_MIN, INFINITE, smaller(a, b), either(a < b, a, b))

enum {
#define NAMES(name, value) name, name##_ONE,
    EACH_BINARY(NAMES)
    DIV, DIV_ONE,
#undef NAMES
#define NAMES(name, function) name, name##_ONE,
    EACH_BELL_FUNCTION(NAMES)
#undef NAMES
#define NAMES(name, value) name,
    EACH_UNARY(NAMES)
    EACH_FUNCTION(NAMES)
#undef NAMES
#define NAMES(name, first, value, fast) name,
    FOLDS(NAMES)
#undef NAMES
    SELECT, SELECT_ONE_FALSE, SELECT_ONE_TRUE, SELECT_ONES,
    MUL_ADD, MUL_ONE_ADD, MUL_ADD_ONE, MUL_ONE_ADD_ONE,
#define NAMES(name, value) name, name##_ONE,
    EACH_PAIR(NAMES)
#undef NAMES
    STORE, STORE_TRUTH, COLUMN_SUM,
    NUM_CODES
};

/* Runs of operations over rows of a tile, over the tile as one row, over one number per row; what
   passes over the rows of a densely packed tile; copies of inputs. */
enum { OVER_ROWS, OVER_TILE, OVER_NUMBERS, SPREAD, FOLD, SUM_ROWS, GATHER, NUM_STEPS };

/* Of what a place is a part. */
enum { LITERALS, TEMPS, SLOTS, SUMS, INPUT, OUTPUT };

typedef struct {
    int64_t code, place, other;
} Operation;

typedef struct {
    int64_t kind, first, last, code;
} Step;

/* In numbers: what the first row of a tile, a row of it and a number of a row add to the offset. */
typedef struct {
    int64_t source, number, offset, by_tile, by_row, by_number;
} Place;

/* A place in a tile, in bytes. Up to `end` it may be read although the row ends before. */
typedef struct {
    char *at;
    long by_row, by_number, by_tile;
    const char *end;
    long is_result;
} Spot;

typedef struct {
    long code;
    const Spot *spot, *other;
} Bound;

INLINE long size_of(const XLA_FFI_Buffer *buffer) {
    long size = 1;
    for (int64_t axis = 0; axis < buffer->rank; ++axis) size *= buffer->dims[axis];
    return size;
}

typedef struct {
    const Operation *operations;
    const Step *steps;
    const Place *places;
    const int64_t *axes, *strides; /* leading axes; for each input one stride per axis, and the last */
    const float *literals;
    XLA_FFI_Buffer *const *inputs, *const *outputs;
    float *memory, *sums;
    Spot *spots;
    Bound *bound;
    long rows, width, tile_rows, tasks, slot_floats, temp_floats, column_floats;
    long num_operations, num_steps, num_places, num_literals, num_axes, num_inputs, num_outputs;
} Program;

INLINE Vector spread(const char *p) {
    int32_t bits;
    __builtin_memcpy(&bits, p, sizeof bits);
    return (Vector)((Mask){0} + bits);
}

INLINE Mask lanes_below(long count) {
    return LANE_NUMBERS < (int32_t)least(most(count, 0), LANES);
}

#define FOLDING(name, first, value, fast)                           \
    INLINE Vector both_##name(Vector a, Vector b) { return value; } \
    INLINE Vector fast_##name(Vector a, Vector b) { return fast; }  \
    INLINE float fold_##name(Vector v) {                            \
        if (LANES > 8) v = both_##name(v, MOVED(v, 8));             \
        if (LANES > 4) v = both_##name(v, MOVED(v, 4));             \
        v = both_##name(v, MOVED(v, 2));                            \
        v = both_##name(v, MOVED(v, 1));                            \
        return v[0];                                                \
    }
FOLDS(FOLDING)

/* Of one number: seldom, and not worth a place in each variant below. */
#define OF_ONE(name, function)                                              \
    APART void one_##name(Vector x, float *bells, long count) {             \
        ROLLED for (long i = 0; i < count; ++i)                             \
            store(bells + i * LANES, function(x, load(bells + i * LANES))); \
    }
EACH_BELL_FUNCTION(OF_ONE)

APART const float *copied(const char *at, long left, float *copy) {
    __builtin_memcpy(copy, at, (size_t)left * sizeof(float));
    return copy;
}

/* Numbers of a block: those of an array at whose end less than a block is left are copied. */
INLINE const float *reach(
    const Spot *spot, const char *at, long left, long size, float *copy) {
    if (__builtin_expect(left >= size || at + size * (long)sizeof(float) <= spot->end, 1))
        return (const float *)at;
    return copied(at, left, copy);
}

/* The same number for each of a block; compilers see through the copy. */
INLINE const float *all_one(Vector one, float *copy, int vectors) {
    for (int i = 0; i < vectors; ++i) store(copy + i * LANES, one);
    return copy;
}

INLINE void store_truths(char *to, const float *values, long count) {
    for (long i = 0; i < count; ++i) {
        int32_t bits;
        __builtin_memcpy(&bits, values + i, sizeof bits);
        to[i] = bits != 0;
    }
}

/* Statements for each vector `i` of a block. */
#define AT(number, ...) NUMBERED(i, number, vectors, __VA_ARGS__)
#define EACH(...)                                                               \
    AT(0, __VA_ARGS__) AT(1, __VA_ARGS__) AT(2, __VA_ARGS__) AT(3, __VA_ARGS__) \
    AT(4, __VA_ARGS__) AT(5, __VA_ARGS__) AT(6, __VA_ARGS__) AT(7, __VA_ARGS__)

/* Run operations on one block: `left` numbers of a row from `column` on, or more if it `is_whole`. */
INLINE void run_block(
    const int vectors, const int is_whole, const Bound *op, const Bound *end, long row, long column,
    long left) {
    Vector acc[VECTORS_OF_BLOCK];
    float copies[2][BLOCK] ALIGNED, buffer[BLOCK] ALIGNED;
    EACH(acc[i] = (Vector){0};)
    KEPT for (; op < end; ++op) {
        const Spot *const spot = op->spot;
        char *const at = spot->at + row * spot->by_row + column * spot->by_number;
#define NUMBERS (is_whole ? (const float *)at : reach(spot, at, left, vectors * LANES, copies[0]))
#define OTHER (op->other->at + row * op->other->by_row + column * op->other->by_number)
#define OTHER_NUMBERS   \
    (is_whole ? (const float *)OTHER \
              : reach(op->other, OTHER, left, vectors * LANES, copies[1]))
        switch (op->code) {
#define CASES(name, value)                                    \
    case name: {                                              \
        const float *const p = NUMBERS;                       \
        EACH(                                                 \
            const Vector a = acc[i], b = load(p + i * LANES); \
            (void)a;                                          \
            acc[i] = value;                                   \
        )                                                     \
        break;                                                \
    }                                                         \
    case name##_ONE: {                                        \
        const Vector b = spread(at);                          \
        EACH(                                                 \
            const Vector a = acc[i];                          \
            (void)a;                                          \
            acc[i] = value;                                   \
        )                                                     \
        break;                                                \
    }
            EACH_BINARY(CASES)
#undef CASES
        case DIV: {
            const float *const p = NUMBERS;
            EACH(acc[i] /= load(p + i * LANES);)
            break;
        }
        case DIV_ONE: { /* by a product, an ulp off, where the inverse is a normal number */
            const Vector b = spread(at);
            if (magnitude(b)[0] > 1e-30f && magnitude(b)[0] < 1e30f) {
                const Vector inverse = 1.0f / b;
                EACH(acc[i] *= inverse;)
            } else {
                EACH(acc[i] /= b;)
            }
            break;
        }
#define CASES(name, value)           \
    case name:                       \
        EACH(                        \
            const Vector a = acc[i]; \
            acc[i] = value;          \
        )                            \
        break;
            EACH_UNARY(CASES)
#undef CASES
#define CASES(name, function)            \
    case name:                           \
        EACH(acc[i] = function(acc[i]);) \
        break;
            EACH_FUNCTION(CASES)
#undef CASES
#define CASES(name, function)                                 \
    case name: {                                              \
        const float *const p = NUMBERS;                       \
        EACH(acc[i] = function(load(p + i * LANES), acc[i]);) \
        break;                                                \
    }                                                         \
    case name##_ONE:                                          \
        EACH(store(buffer + i * LANES, acc[i]);)              \
        one_##name(spread(at), buffer, vectors);              \
        EACH(acc[i] = load(buffer + i * LANES);)              \
        break;
            EACH_BELL_FUNCTION(CASES)
#undef CASES
#define CASES(name, value)                                                 \
    case name: {                                                           \
        const float *const p = NUMBERS, *const q = OTHER_NUMBERS;          \
        EACH(                                                              \
            const Vector a = load(p + i * LANES), b = load(q + i * LANES); \
            acc[i] = value;                                                \
        )                                                                  \
        break;                                                             \
    }                                                                      \
    case name##_ONE: {                                                     \
        const float *const p = NUMBERS;                                    \
        const Vector b = spread(OTHER);                                    \
        EACH(                                                              \
            const Vector a = load(p + i * LANES);                          \
            acc[i] = value;                                                \
        )                                                                  \
        break;                                                             \
    }
            EACH_PAIR(CASES)
#undef CASES
#define CASES(name, first, value, fast)                                                           \
    case name: {                                                                                  \
        Vector sums[VECTORS_OF_BLOCK];                                                            \
        Mask is_odd = {0};                                                                        \
        EACH(                                                                                     \
            sums[i] = is_whole ? acc[i]                                                           \
                               : either(lanes_below(left - i * LANES), acc[i], fill(first));      \
            if (name != ROW_SUM) is_odd |= sums[i] != sums[i];                                    \
        )                                                                                         \
        UNROLL for (int half = vectors / 2; half > 0; half /= 2)                                  \
            UNROLL for (int i = 0; i < half; ++i)                                                 \
                sums[i] = fast_##name(sums[i], sums[i + half]);                                   \
        Vector v = name == ROW_SUM ? sums[0] : either(is_odd, fill(__builtin_nanf("")), sums[0]); \
        if (column != 0) v = both_##name(load((const float *)OTHER), v);                          \
        if (left <= vectors * LANES) {                                                            \
            const float folded = fold_##name(v);                                                  \
            __builtin_memcpy(at, &folded, sizeof folded);                                         \
        } else {                                                                                  \
            store((float *)OTHER, v);                                                             \
        }                                                                                         \
        break;                                                                                    \
    }
            FOLDS(CASES)
#undef CASES
/* Two places, with numbers or one for all: `first` and `second`. */
#define CASES(name, p_at, q_at, value)                            \
    case name: {                                                  \
        const float *const p = p_at, *const q = q_at;             \
        EACH(                                                     \
            const Vector a = acc[i], first = load(p + i * LANES); \
            const Vector second = load(q + i * LANES);            \
            acc[i] = value;                                       \
        )                                                         \
        break;                                                    \
    }
#define ONE_OF(at, copy) all_one(spread(at), copy, vectors)
#define FOUR_CASES(name, one_first, one_second, ones, value)                           \
    CASES(name, NUMBERS, OTHER_NUMBERS, value)                                         \
    CASES(one_first, ONE_OF(at, copies[0]), OTHER_NUMBERS, value)                      \
    CASES(one_second, NUMBERS, ONE_OF(OTHER, copies[1]), value)                        \
    CASES(ones, ONE_OF(at, copies[0]), ONE_OF(OTHER, copies[1]), value)
            FOUR_CASES(
                SELECT, SELECT_ONE_FALSE, SELECT_ONE_TRUE, SELECT_ONES,
                either((Mask)a, second, first))
            FOUR_CASES(
                MUL_ADD, MUL_ONE_ADD, MUL_ADD_ONE, MUL_ONE_ADD_ONE, fused(a, first, second))
#undef CASES
        case STORE:
            if (is_whole || !spot->is_result || left >= vectors * LANES) {
                EACH(store((float *)at + i * LANES, acc[i]);)
            } else {
                EACH(
                    const long some = left - i * LANES;
                    if (some >= LANES) store((float *)at + i * LANES, acc[i]);
                    else if (some > 0) store_part((float *)at + i * LANES, acc[i], some);
                )
            }
            break;
        case STORE_TRUTH:
            EACH(store(buffer + i * LANES, acc[i]);)
            store_truths(at, buffer, least(left, vectors * LANES));
            break;
        case COLUMN_SUM:
            EACH(
                float *const sum = (float *)at + i * LANES;
                store(sum, load(sum) + acc[i]);
            )
            break;
        }
    }
}

/* Functions of their own, so that each has the registers to itself. */
#define RUN(name, body)                                                          \
    APART void name(                                                             \
        const Bound *first, const Bound *last, long row, long end, long width) { \
        KEPT for (; row < end; ++row) body                                       \
    }
RUN(run_whole_blocks, {
    KEPT for (long column = 0; column + BLOCK <= width; column += BLOCK)
        run_block(VECTORS_OF_BLOCK, 1, first, last, row, column, width - column);
})
RUN(run_blocks, {
    const long column = width / BLOCK * BLOCK;
    if (column > 0) run_whole_blocks(first, last, row, row + 1, width);
    run_block(VECTORS_OF_BLOCK, 0, first, last, row, column, width - column);
})
RUN(run_few_vectors, { run_block(FEW, 0, first, last, row, 0, width); })
RUN(run_vectors, { run_block(1, 0, first, last, row, 0, width); })

static void run_operations(const Bound *first, const Bound *last, long rows, long width) {
    if (width % BLOCK == 0) run_whole_blocks(first, last, 0, rows, width);
    else if (width <= LANES) run_vectors(first, last, 0, rows, width);
    else if (width <= FEW * LANES) run_few_vectors(first, last, 0, rows, width);
    else run_blocks(first, last, 0, rows, width);
}

/* ---- passes over densely packed rows ---- */

INLINE Vector load_up_to(const float *p, long count) {
    return count >= LANES ? load(p) : load_part(p, count);
}

#define FOLD_ROWS(name, first, value, fast)                                                       \
    static void rows_##name(const float *x, float *y, long rows, long width) {              \
        const long size = rows * width;                                                     \
        for (long row = 0; row < rows; ++row) {                                             \
            Vector v = fill(first);                                                         \
            const long begin = row * width, end = begin + width;                            \
            long at = begin;                                                                \
            for (; at + LANES <= end; at += LANES) v = both_##name(v, load(x + at));        \
            if (at < end)                                                                   \
                v = both_##name(                                                            \
                    v, either(lanes_below(end - at), load_up_to(x + at, size - at), fill(first))); \
            y[row] = fold_##name(v);                                                        \
        }                                                                                   \
    }
FOLDS(FOLD_ROWS)

/* What is written past a row is that of the next one, or of nobody. */
static void spread_rows(const float *x, float *y, long rows, long width) {
    for (long row = 0; row < rows; ++row)
        for (long at = 0; at < width; at += LANES)
            store(y + row * width + at, spread((const char *)(x + row)));
}

static void sum_rows(const float *x, float *sums, long rows, long width) {
    const long size = rows * width;
    if (width == 1) {
        float sum;
        rows_ROW_SUM(x, &sum, 1, rows);
        sums[0] += sum;
        return;
    }
    for (long at = 0; at < width; at += LANES) {
        Vector four[4] = {{0}};
        long row = 0;
        for (; (row + 3) * width + at + LANES <= size; row += 4)
            UNROLL for (int i = 0; i < 4; ++i) four[i] += load(x + (row + i) * width + at);
        for (; row < rows; ++row)
            four[0] += load_up_to(x + row * width + at, size - row * width - at);
        store(sums + at, load(sums + at) + ((four[0] + four[1]) + (four[2] + four[3])));
    }
}

/* `count` numbers of an input, `step` apart; truths become masks. */
APART void copy_numbers(
    const XLA_FFI_Buffer *buffer, long offset, long step, float *to, long count) {
    if (buffer->dtype == XLA_FFI_DataType_PRED) {
        const char *const from = (const char *)buffer->data + offset;
        int32_t *const masks = (int32_t *)to;
        if (step == 1)
            for (long i = 0; i < count; ++i) masks[i] = -(int32_t)from[i];
        else
            for (long i = 0; i < count; ++i) masks[i] = -(int32_t)from[i * step];
    } else {
        const float *const from = (const float *)buffer->data + offset;
        if (step == 1) __builtin_memcpy(to, from, (size_t)count * sizeof(float));
        else
            for (long i = 0; i < count; ++i) to[i] = from[i * step];
    }
}

/* Copy rows of an input from `first` on, `pitch` apart, or one number of each. */
static void gather(
    const Program *program, long input, int is_number, float *to, long pitch, long first,
    long rows) {
    const XLA_FFI_Buffer *const buffer = program->inputs[input];
    const long num_axes = program->num_axes, inner = num_axes > 0 ? program->axes[num_axes - 1] : 1;
    const int64_t *const strides = program->strides + input * (num_axes + 1);
    const long step = num_axes > 0 ? strides[num_axes - 1] : 0;
    for (long row = 0, run; row < rows; row += run) { /* rows along the last axis but one */
        long offset = 0, rest = first + row;
        for (long axis = num_axes - 1; axis >= 0; --axis) {
            offset += rest % program->axes[axis] * strides[axis];
            rest /= program->axes[axis];
        }
        run = least(rows - row, inner - (first + row) % inner);
        if (is_number)
            copy_numbers(buffer, offset, step, to + row, run);
        else
            for (long i = 0; i < run; ++i)
                copy_numbers(buffer, offset + i * step, 1, to + (row + i) * pitch, program->width);
    }
}

/* ---- tiles ---- */

static void bind(
    const Program *program, const float *memory, const float *sums, long first, Spot *spots,
    Bound *bound) {
    for (long i = 0; i < program->num_places; ++i) {
        const Place *const place = program->places + i;
        long size = sizeof(float);
        char *base = NULL;
        const char *end = (const char *)UINTPTR_MAX;
        switch (place->source) {
            case LITERALS: base = (char *)program->literals; break;
            case TEMPS: base = (char *)memory; break;
            case SLOTS: base = (char *)(memory + program->temp_floats); break;
            case SUMS: base = (char *)sums; break;
            case INPUT:
                base = program->inputs[place->number]->data;
                end = base + size_of(program->inputs[place->number]) * size;
                break;
            case OUTPUT: /* others write what comes next */
                end = NULL;
                base = program->outputs[place->number]->data;
                if (program->outputs[place->number]->dtype == XLA_FFI_DataType_PRED) size = 1;
                break;
        }
        spots[i] = (Spot){
            .at = base + (place->offset + first * place->by_tile) * size,
            .by_row = place->by_row * size,
            .by_number = place->by_number * size,
            .by_tile = program->tile_rows * place->by_tile * size,
            .end = end,
            .is_result = place->source == OUTPUT};
    }
    for (long i = 0; i < program->num_operations; ++i) {
        const Operation *const op = program->operations + i;
        bound[i] = (Bound){op->code, spots + op->place, spots + op->other};
    }
}

static void run_tile(
    const Program *program, const Spot *spots, const Bound *bound, long first, long rows,
    int is_first) {
    const long width = program->width;
    for (const Step *step = program->steps; step < program->steps + program->num_steps; ++step) {
        const Bound *const from = bound + step->first, *const to = bound + step->last;
        if (step->kind == OVER_ROWS) {
            run_operations(from, to, rows, width);
        } else if (step->kind == OVER_TILE) {
            run_operations(from, to, 1, rows * width);
        } else if (step->kind == OVER_NUMBERS) {
            run_operations(from, to, 1, rows);
        } else if (step->kind == GATHER) { /* code: 0 numbers of rows, 1 dense rows, 2 rows once */
            const Spot *const spot = spots + step->last;
            const long pitch = spot->by_row / (long)sizeof(float);
            if (step->code < 2 || is_first)
                gather(
                    program, step->first, step->code == 0, (float *)spot->at, pitch ? pitch : width,
                    first, step->code < 2 ? rows : program->tile_rows);
        } else {
            const float *const x = (const float *)spots[step->first].at;
            float *const y = (float *)spots[step->last].at;
            if (step->kind == SPREAD) spread_rows(x, y, rows, width);
            else if (step->kind == SUM_ROWS) sum_rows(x, y, rows, width);
            else if (step->code == ROW_SUM) rows_ROW_SUM(x, y, rows, width);
            else if (step->code == ROW_MAX) rows_ROW_MAX(x, y, rows, width);
            else rows_ROW_MIN(x, y, rows, width);
        }
    }
}

static void run_tiles(const void *given, long index, long worker) {
    const Program *const program = given;
    const long tiles = parts(program->rows, program->tile_rows);
    const long begin = index * tiles / program->tasks, end = (index + 1) * tiles / program->tasks;
    float *const memory =
        program->memory + worker * (program->temp_floats + program->slot_floats);
    float *const sums = program->sums + index * 2 * program->column_floats;
    float *const of_tiles = sums + program->column_floats;
    Spot *const spots = program->spots + worker * program->num_places;
    Bound *const bound = program->bound + worker * program->num_operations;
    __builtin_memset(sums, 0, (size_t)program->column_floats * 2 * sizeof(float));
    long pending = 0;
    bind(program, memory, of_tiles, begin * program->tile_rows, spots, bound);
    for (long tile = begin; tile < end; ++tile) {
        const long first = tile * program->tile_rows;
        const long rows = least(program->tile_rows, program->rows - first);
        run_tile(program, spots, bound, first, rows, tile == begin);
        for (long i = 0; i < program->num_places; ++i) spots[i].at += spots[i].by_tile;
        pending += rows;
        if (pending < ROWS_OF_A_SUM && tile + 1 < end) continue;
        for (long i = 0; i < program->column_floats; i += LANES) {
            store(sums + i, load(sums + i) + load(of_tiles + i));
            store(of_tiles + i, (Vector){0});
        }
        pending = 0;
    }
}

/* ---- what a call says, checked: nothing outside of its arrays and its memory is used ---- */

typedef __int128 Large;

INLINE int is_known(const XLA_FFI_Buffer *buffer) {
    return is_float(buffer) || buffer->dtype == XLA_FFI_DataType_PRED;
}

INLINE int is_between(long value, long first, long end) { return value >= first && value < end; }

/* Numbers of what a place is a part; -1 if there is no such thing. */
INLINE long numbers_of(const Program *program, const Place *place) {
    switch (place->source) {
        case LITERALS: return program->num_literals;
        case TEMPS: return program->temp_floats;
        case SLOTS: return program->slot_floats;
        case SUMS: return program->column_floats;
        case INPUT:
            return is_between(place->number, 0, program->num_inputs) &&
                    is_float(program->inputs[place->number])
                ? size_of(program->inputs[place->number]) : -1;
        case OUTPUT:
            return is_between(place->number, 0, program->num_outputs)
                ? size_of(program->outputs[place->number]) : -1;
    }
    return -1;
}

/* Whether `rows` times `count` numbers lie inside for the tile that begins with row `first`. */
INLINE int lies_inside(const Place *place, long size, long first, long rows, long count) {
    const Large end = (Large)place->offset + (Large)first * place->by_tile +
        (Large)(rows - 1) * place->by_row + count;
    return place->offset >= 0 && place->by_tile >= 0 && place->by_row >= 0 && end <= size;
}

/* How a place is used: one number of a row, all numbers block by block, or dense rows. */
enum { ONE, ALL, DENSE };

static int can_use(const Program *program, long number, int use, long kind, int sources) {
    if (!is_between(number, 0, program->num_places)) return 0;
    const Place *const place = program->places + number;
    const long size = numbers_of(program, place), tile = program->tile_rows;
    const int outside = place->source >= INPUT;
    if (size < 0 || !(sources >> place->source & 1)) return 0;
    if (use == ALL && (place->by_number < outside || place->by_number > 1)) return 0;
    if (use == ONE && place->by_number != 0) return 0;
    const long last = (parts(program->rows, tile) - 1) * tile;
    for (int i = 0; i < 2; ++i) {
        const long first = i == 0 ? last : most(0, last - tile);
        const long rows = least(tile, program->rows - first), width = program->width;
        long count = kind == OVER_NUMBERS ? rows : kind == OVER_ROWS ? width : rows * width;
        if (use == ONE) count = 1;
        if (use == ALL && !outside) count = place->by_number ? parts(count, ROOM) * ROOM : ROOM;
        if (!lies_inside(place, size, first, kind == OVER_ROWS ? rows : 1, count)) return 0;
    }
    return 1;
}

#define READ (1 << LITERALS | 1 << TEMPS | 1 << SLOTS | 1 << INPUT | 1 << OUTPUT)
#define WRITE (1 << TEMPS | 1 << SLOTS | 1 << OUTPUT)

INLINE int is_output_of(const Program *program, long number, XLA_FFI_DataType dtype) {
    const Place *const place = program->places + number;
    return place->source != OUTPUT || program->outputs[place->number]->dtype == dtype;
}

static int is_operation(const Program *program, const Operation *op, long kind) {
    const long code = op->code;
    if (!is_between(op->place, 0, program->num_places) ||
        !is_between(op->other, 0, program->num_places))
        return 0;
    if (code >= 0 && code < NEG)
        return can_use(program, op->place, code % 2 ? ONE : ALL, kind, READ) &&
            is_output_of(program, op->place, XLA_FFI_DataType_F32);
    if (code >= NEG && code < ROW_SUM) return 1;
    if (code >= ROW_SUM && code < SELECT)
        return kind == OVER_ROWS && can_use(program, op->place, ONE, kind, 1 << SLOTS) &&
            can_use(program, op->other, ALL, kind, 1 << TEMPS);
    if (code >= LOAD_ADD && code < STORE)
        return can_use(program, op->place, ALL, kind, READ) &&
            can_use(program, op->other, (code - LOAD_ADD) % 2 ? ONE : ALL, kind, READ) &&
            is_output_of(program, op->place, XLA_FFI_DataType_F32) &&
            is_output_of(program, op->other, XLA_FFI_DataType_F32);
    if (code >= SELECT && code < LOAD_ADD) {
        const int one = (int)(code - SELECT) % 4;
        return can_use(program, op->place, one & 1 ? ONE : ALL, kind, READ) &&
            can_use(program, op->other, one & 2 ? ONE : ALL, kind, READ) &&
            is_output_of(program, op->place, XLA_FFI_DataType_F32) &&
            is_output_of(program, op->other, XLA_FFI_DataType_F32);
    }
    if (code == STORE)
        return can_use(program, op->place, ALL, kind, WRITE) &&
            is_output_of(program, op->place, XLA_FFI_DataType_F32);
    if (code == STORE_TRUTH)
        return can_use(program, op->place, ALL, kind, 1 << OUTPUT) &&
            is_output_of(program, op->place, XLA_FFI_DataType_PRED);
    return code == COLUMN_SUM && can_use(program, op->place, ALL, kind, 1 << SUMS);
}

static int is_gather(const Program *program, const Step *step) {
    if (!is_between(step->first, 0, program->num_inputs)) return 0;
    const int64_t *const strides = program->strides + step->first * (program->num_axes + 1);
    const long width = step->code == 0 ? 1 : program->width;
    Large last = (Large)strides[program->num_axes] * (width - 1);
    if (width > 1 && strides[program->num_axes] != 1) return 0;
    for (long axis = 0; axis < program->num_axes; ++axis) {
        if (strides[axis] < 0 || (step->code == 2 && strides[axis] != 0)) return 0;
        last += (Large)strides[axis] * (program->axes[axis] - 1);
    }
    if (last >= size_of(program->inputs[step->first]) || !is_between(step->code, 0, 3)) return 0;
    if (!is_between(step->last, 0, program->num_places)) return 0;
    const int by_row = program->places[step->last].by_row != 0;
    return can_use(program, step->last, step->code == 0 ? DENSE : by_row ? ALL : DENSE,
        step->code == 0 ? OVER_NUMBERS : by_row ? OVER_ROWS : OVER_TILE, 1 << SLOTS);
}

static int is_step(const Program *program, const Step *step) {
    switch (step->kind) {
        case OVER_ROWS:
        case OVER_TILE:
        case OVER_NUMBERS:
            if (step->first < 0 || step->first > step->last || step->last > program->num_operations)
                return 0;
            for (long i = step->first; i < step->last; ++i)
                if (!is_operation(program, program->operations + i, step->kind)) return 0;
            return 1;
        case SPREAD:
            return can_use(program, step->first, DENSE, OVER_NUMBERS, READ) &&
                is_output_of(program, step->first, XLA_FFI_DataType_F32) &&
                can_use(program, step->last, ALL, OVER_TILE, 1 << SLOTS);
        case FOLD:
            return can_use(program, step->first, DENSE, OVER_TILE, READ) &&
                is_output_of(program, step->first, XLA_FFI_DataType_F32) &&
                can_use(program, step->last, DENSE, OVER_NUMBERS, 1 << SLOTS) &&
                is_between(step->code, ROW_SUM, SELECT);
        case SUM_ROWS:
            return can_use(program, step->first, DENSE, OVER_TILE, READ) &&
                is_output_of(program, step->first, XLA_FFI_DataType_F32) &&
                can_use(program, step->last, ALL, OVER_ROWS, 1 << SUMS);
        case GATHER: return is_gather(program, step);
    }
    return 0;
}

static int is_whole(const Program *program) {
    Large rows = 1;
    for (long axis = 0; axis < program->num_axes; ++axis) {
        if (program->axes[axis] < 1) return 0;
        rows *= program->axes[axis];
        if (rows > program->rows) return 0;
    }
    if (rows != program->rows || program->num_places < 1) return 0;
    for (long i = 0; i < program->num_inputs; ++i)
        if (!is_known(program->inputs[i])) return 0;
    for (long i = 0; i < program->num_outputs; ++i)
        if (!is_known(program->outputs[i])) return 0;
    for (long i = 0; i < program->num_steps; ++i)
        if (!is_step(program, program->steps + i)) return 0;
    return 1;
}

#define READ_ALL(name, width, type, field)                              \
    const int64_t *const name = all_numbers(frame, #name, &count);      \
    if (name == NULL || count % (width) != 0 || count > MOST) return 0; \
    program->field = (const type *)name;                                \
    program->num_##name = (long)(count / (width))

static int read_program(const XLA_FFI_CallFrame *frame, Program *program) {
    const int64_t *const sizes = numbers(frame, "sizes", 7);
    size_t count = 0;
    if (sizes == NULL) return 0;
    for (int i = 0; i < 7; ++i)
        if (!is_between(sizes[i], i < 4 ? 1 : 0, MOST_FLOATS)) return 0;
    if (sizes[4] % ROOM != 0 || sizes[5] % ROOM != 0 || sizes[6] % ROOM != 0) return 0;
    program->rows = sizes[0];
    program->width = sizes[1];
    program->tile_rows = sizes[2];
    program->tasks = sizes[3];
    program->slot_floats = sizes[4];
    program->temp_floats = sizes[5];
    program->column_floats = sizes[6];
    program->inputs = (XLA_FFI_Buffer *const *)frame->args.args;
    program->num_inputs = frame->args.size;
    program->outputs = (XLA_FFI_Buffer *const *)frame->rets.rets;
    program->num_outputs = frame->rets.size;
    READ_ALL(operations, 3, Operation, operations);
    READ_ALL(steps, 4, Step, steps);
    READ_ALL(places, 6, Place, places);
    READ_ALL(axes, 1, int64_t, axes);
    program->strides = all_numbers(frame, "strides", &count);
    if (program->strides == NULL ||
        (long)count != program->num_inputs * (program->num_axes + 1) ||
        program->tile_rows > program->rows || program->tasks > MOST ||
        (Large)program->tile_rows * program->width > MOST_FLOATS)
        return 0;
    return 1;
}

/* A task adds up the sums of its tiles, so that no long row of additions loses digits. Add those of
   all tasks, in order, into the results that `columns` names: output and offset. */
static int add_columns(
    const Program *program, const int64_t *columns, size_t count, int only_check) {
    for (size_t i = 0; i + 1 < count; i += 2) {
        const long width = program->width, offset = columns[i + 1];
        if (only_check) {
            if (!is_between(columns[i], 0, program->num_outputs) || offset < 0 ||
                offset > program->column_floats - width ||
                !is_float(program->outputs[columns[i]]) ||
                size_of(program->outputs[columns[i]]) != width)
                return 0;
            continue;
        }
        float *const to = program->outputs[columns[i]]->data;
        __builtin_memset(to, 0, (size_t)width * sizeof(float));
        for (long task = 0; task < program->tasks; ++task) {
            const float *const from = program->sums + task * 2 * program->column_floats + offset;
            for (long c = 0; c < width; ++c) to[c] += from[c];
        }
    }
    return 1;
}

KOLAM_EXPORT XLA_FFI_Error *kolam_row_program(XLA_FFI_CallFrame *frame) {
    if (answers_query(frame)) return NULL;
    Program program = {0};
    size_t num_literals = 0, num_columns = 0;
    const int64_t *const literals = all_numbers(frame, "literals", &num_literals);
    const int64_t *const columns = all_numbers(frame, "columns", &num_columns);
    program.num_literals = (long)num_literals;
    if (literals == NULL || columns == NULL || num_literals > MOST ||
        !read_program(frame, &program) || !is_whole(&program) ||
        !add_columns(&program, columns, num_columns, 1))
        return not_understood(frame);
    const long workers = program.tasks == 1 ? 1 : least(most_workers(frame), program.tasks);
    const long floats = workers * (program.slot_floats + program.temp_floats) +
        program.tasks * 2 * program.column_floats;
    char *const memory =
        malloc((size_t)LINE + (size_t)(floats + program.num_literals) * sizeof(float));
    program.spots = malloc((size_t)(workers * program.num_places) * sizeof(Spot));
    program.bound = malloc((size_t)(workers * program.num_operations + 1) * sizeof(Bound));
    const int has_memory = memory != NULL && program.spots != NULL && program.bound != NULL;
    if (has_memory) {
        program.memory = (float *)(((uintptr_t)memory + LINE - 1) / LINE * LINE);
        program.sums = program.memory + workers * (program.slot_floats + program.temp_floats);
        float *const constants = program.memory + floats;
        program.literals = constants;
        for (long i = 0; i < program.num_literals; ++i) {
            const int32_t bits = (int32_t)literals[i];
            __builtin_memcpy(constants + i, &bits, sizeof bits);
        }
        run_tasks(frame, workers, run_tiles, &program, program.tasks);
        add_columns(&program, columns, num_columns, 0);
    }
    free(memory);
    free(program.spots);
    free(program.bound);
    return has_memory ? NULL : out_of_memory(frame);
}
