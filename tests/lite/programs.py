"""Random valid programs with exact results: emitted code must equal the interpreter to the bit.

Numbers with a fraction stay whole and small, so that no order of sums and no fused product can
change them. A long run by hand: `python -m tests.lite.programs --target native --rounds 200`.
"""

import argparse
from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from kolam.lite._emit import emit_header, emit_source
from kolam.lite._frontend.step import Builder, one_operation
from kolam.lite._interpret import interpret
from kolam.lite._passes import PASSES
from kolam.lite._program import (
    DTYPES,
    FLOATS,
    HALVES,
    SIGNED,
    UNSIGNED,
    Node,
    Program,
    Region,
    Value,
)
from kolam.lite._schedule import schedule
from kolam.lite._targets import targets
from kolam.lite._verify import verify

_REALS = (*FLOATS, *HALVES)
_WHOLE = (*SIGNED, *UNSIGNED)
_MOST = 600  # elements of an array


class Draw:
    """Draws nodes one after the other; every node reads values that are there already.

    Args:
        random: Where choices come from.
        arguments: Of a region; `None` for a whole program, which makes inputs as it needs them.
    """

    def __init__(
        self, random: np.random.Generator, arguments: tuple[Value, ...] | None = None
    ) -> None:
        self.random = random
        self.build = Builder(None)
        self.inputs: list[Value] = []
        self.is_inner = arguments is not None
        self.values: list[Value] = list(arguments or ())

    def run(self, steps: int) -> None:
        """Draw some nodes."""
        for _ in range(steps):
            step = self.random.choice(np.array(INNER if self.is_inner else STEPS, dtype=object))
            found = step(self)
            for value in found or ():
                if value.size <= _MOST:
                    self.values.append(value)

    def number(self, low: int, high: int) -> int:
        """Draw a whole number, `high` included."""
        return int(self.random.integers(low, high, endpoint=True))

    def one(self, items: Sequence[str]) -> str:
        return str(items[self.number(0, len(items) - 1)])

    def shape(self, most: int = 4) -> tuple[int, ...]:
        sizes = self.random.choice([0, 1, 2, 3, 4, 5, 7, 17], self.number(0, most), p=_SIZES)
        shape = tuple(map(int, sizes))
        return shape if prod(shape) <= _MOST else self.shape(most)

    def fresh(self, dtype: str, shape: tuple[int, ...]) -> Value:
        """Make an input, or a constant."""
        if self.is_inner or self.random.random() < 0.3:
            return self.build.constant(array_of(self.random, dtype, shape), dtype)
        self.inputs.append(Value.new(dtype, shape))
        self.values.append(self.inputs[-1])
        return self.inputs[-1]

    def value(self, dtypes: Sequence[str] = DTYPES, rank: int = 0) -> Value:
        """Pick a value, or make one."""
        fitting = [v for v in self.values if v.dtype in dtypes and len(v.shape) >= rank]
        if fitting and self.random.random() < 0.85:
            return fitting[self.number(0, len(fitting) - 1)]
        shape = self.shape()
        while len(shape) < rank:
            shape = (*shape, self.number(1, 4))
        return self.fresh(self.one(dtypes), shape)

    def like(self, value: Value) -> Value:
        """Pick or make a value of the same type."""
        same = [v for v in self.values if v.type == value.type]
        if same and self.random.random() < 0.7:
            return same[self.number(0, len(same) - 1)]
        if self.random.random() < 0.4:
            return self.build.broadcast(self.fresh(value.dtype, ()), value.shape)
        return self.fresh(value.dtype, value.shape)

    def small(self, value: Value) -> Value:
        """Keep numbers with a fraction small, so that all that follows is exact."""
        if value.dtype not in _REALS:
            return value
        low, high = (self.build.constant(bound, value.dtype) for bound in (-4, 4))
        return self.build.apply("clamp", low, value, high)

    def index(self) -> Value:
        """Make a scalar that says where: inside, at the edge or outside."""
        return self.fresh(self.one(_WHOLE), ())


_SIZES = np.array([0.03, 0.15, 0.22, 0.2, 0.15, 0.12, 0.08, 0.05])


def array_of(random: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw an array: small whole numbers, and all bits for whole dtypes."""
    if dtype in _WHOLE and random.random() < 0.4:
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    low = 0 if dtype in UNSIGNED or dtype == "bool" else -4
    return np.asarray(random.integers(low, 2 if dtype == "bool" else 5, shape)).astype(dtype)


Found = Sequence[Value] | None


def _unary(draw: Draw) -> Found:
    value = draw.value()
    if value.dtype in _REALS:
        op = draw.one(("negate", "abs", "sign", "floor", "ceil", "round_nearest_even"))
    elif value.dtype in SIGNED:
        op = draw.one(("negate", "abs", "sign", "not", "popcnt", "count_leading_zeros"))
    else:
        op = "not" if value.dtype == "bool" else draw.one(("not", "popcnt", "negate"))
    return [draw.build.apply(op, value)]


def _binary(draw: Draw) -> Found:
    left = draw.value()
    right = draw.like(left)
    if left.dtype in _REALS:
        op = draw.one(("add", "subtract", "multiply", "maximum", "minimum"))
    elif left.dtype == "bool":
        op = draw.one(("and", "or", "xor", "maximum", "minimum", "add", "multiply"))
    else:
        op = draw.one(
            (
                *("add", "subtract", "multiply", "maximum", "minimum", "divide", "remainder"),
                *("and", "or", "xor", "power", "shift_left", "shift_right_logical"),
                "shift_right_arithmetic",
            )
        )
    return [draw.small(draw.build.apply(op, left, right))]


def _compare(draw: Draw) -> Found:
    left = draw.value()
    way = draw.one(("EQ", "NE", "LT", "LE", "GT", "GE"))
    return [draw.build.compare(left, way, draw.like(left))]


def _select(draw: Draw) -> Found:
    left = draw.value()
    right = draw.like(left)
    chooser = Value.new("bool", left.shape if draw.random.random() < 0.7 else ())
    return [draw.build.apply("select", draw.like(chooser), left, right)]


def _convert(draw: Draw) -> Found:
    return [draw.small(draw.build.convert(draw.value(), draw.one(DTYPES)))]


def _bitcast(draw: Draw) -> Found:
    value = draw.value([dtype for dtype in DTYPES if dtype != "bool"])
    bits = np.dtype(value.dtype).itemsize * 8
    return [draw.build.bitcast(value, draw.one((f"int{bits}", f"uint{bits}")))]


def _broadcast(draw: Draw) -> Found:
    value = draw.value()
    new = draw.number(0, max(0, 4 - len(value.shape)))
    rank = len(value.shape) + new
    axes = sorted(draw.random.choice(rank, len(value.shape), replace=False).tolist())
    shape = [draw.number(1, 4) for _ in range(rank)]
    for axis, size in zip(axes, value.shape, strict=True):
        shape[axis] = size if size != 1 or draw.random.random() < 0.5 else draw.number(1, 4)
    if prod(shape) > _MOST:
        return None
    return [draw.build.broadcast(value, tuple(shape), tuple(axes))]


def _reshape(draw: Draw) -> Found:
    value = draw.value()
    if not value.size:
        return None
    sizes, rest = [], value.size
    while rest > 1 and len(sizes) < 4:
        divisors = [d for d in range(1, rest + 1) if rest % d == 0]
        sizes.append(divisors[draw.number(0, len(divisors) - 1)])
        rest //= sizes[-1]
    sizes = [*sizes, rest] if rest > 1 else sizes
    return [draw.build.reshape(value, tuple(sizes))]


def _transpose(draw: Draw) -> Found:
    value = draw.value(rank=1)
    order = draw.random.permutation(len(value.shape)).tolist()
    return [draw.build.transpose(value, tuple(order))]


def _reverse(draw: Draw) -> Found:
    value = draw.value()
    axes = tuple(axis for axis in range(len(value.shape)) if draw.random.random() < 0.5)
    return [draw.build.node("reverse", (value,), value.dtype, value.shape, axes=axes)]


def _slice(draw: Draw) -> Found:
    value = draw.value()
    starts = tuple(draw.number(0, size) for size in value.shape)
    limits = tuple(draw.number(s, size) for s, size in zip(starts, value.shape, strict=True))
    strides = tuple(draw.number(1, 3) for _ in value.shape)
    shape = tuple(len(range(*item)) for item in zip(starts, limits, strides, strict=True))
    fields = {"starts": starts, "limits": limits, "strides": strides}
    return [draw.build.node("slice", (value,), value.dtype, shape, **fields)]


def _concatenate(draw: Draw) -> Found:
    first = draw.value(rank=1)
    axis = draw.number(0, len(first.shape) - 1)
    others = []
    for _ in range(draw.number(0, 2)):
        shape = (*first.shape[:axis], draw.number(0, 4), *first.shape[axis + 1 :])
        others.append(draw.like(Value.new(first.dtype, shape)))
    operands = (first, *others)
    total = sum(value.shape[axis] for value in operands)
    shape = (*first.shape[:axis], total, *first.shape[axis + 1 :])
    return [draw.build.node("concatenate", operands, first.dtype, shape, axis=axis)]


def _pad(draw: Draw) -> Found:
    value = draw.value()
    low, high = (tuple(draw.number(-1, 2) for _ in value.shape) for _ in range(2))
    interior = tuple(draw.number(0, 2) for _ in value.shape)
    sizes = zip(value.shape, low, high, interior, strict=True)
    shape = tuple(a + size + b + max(size - 1, 0) * gap for size, a, b, gap in sizes)
    if any(size < 0 for size in shape):
        return None
    fields = {"low": low, "high": high, "interior": interior}
    padding = draw.fresh(value.dtype, ())
    return [draw.build.node("pad", (value, padding), value.dtype, shape, **fields)]


def _iota(draw: Draw) -> Found:
    shape = draw.shape()
    if not shape:
        return None
    dtype = draw.one((*_WHOLE, *FLOATS))
    return [draw.small(draw.build.iota(dtype, shape, draw.number(0, len(shape) - 1)))]


def _body_kind(draw: Draw, dtype: str) -> str:
    if dtype in _REALS:
        return draw.one(("add", "maximum", "minimum"))
    return draw.one(("add", "multiply", "maximum", "minimum", "and", "or", "xor"))


def _reduce(draw: Draw) -> Found:
    value = draw.value()
    axes = tuple(axis for axis in range(len(value.shape)) if draw.random.random() < 0.5)
    body = one_operation(_body_kind(draw, value.dtype), value.dtype)
    found = draw.build.reduce(body, (value,), (draw.fresh(value.dtype, ()),), axes)
    return [draw.small(item) for item in found]


def _best(draw: Draw, first: str, second: str) -> Region:
    """Keep the greater one of the first array, and what stands beside it."""
    build = Builder(None)
    held, new = (tuple(Value.new(d, ()) for d in (first, second)) for _ in range(2))
    keeps = build.compare(held[0], draw.one(("GE", "GT", "LE")), new[0])
    results = tuple(build.apply("select", keeps, a, b) for a, b in zip(held, new, strict=True))
    return build.region((*held, *new), results)


def _reduce_pair(draw: Draw) -> Found:
    value = draw.value(rank=1)
    other = draw.like(Value.new(draw.one(DTYPES), value.shape))
    axes = tuple(axis for axis in range(len(value.shape)) if draw.random.random() < 0.6)
    starts = tuple(draw.fresh(v.dtype, ()) for v in (value, other))
    body = _best(draw, value.dtype, other.dtype)
    return draw.build.reduce(body, (value, other), starts, axes)


def _windowed(
    size: int, low: int, high: int, base: int, window: int, step: int, dilation: int
) -> int:
    whole = (max(size - 1, 0) * base + 1 if size else 0) + low + high
    reach = (window - 1) * dilation + 1
    return 0 if whole < reach else (whole - reach) // step + 1


def _reduce_window(draw: Draw) -> Found:
    value = draw.value(rank=1)
    rank = len(value.shape)

    def drawn(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw.number(low, high) for _ in range(rank))

    plain = draw.random.random() < 0.5
    fields = {
        "low": drawn(0, 1), "high": drawn(0, 1),
        "base_dilation": (1,) * rank if plain else drawn(1, 2),
        "window": drawn(1, 3), "strides": drawn(1, 2),
        "window_dilation": (1,) * rank if plain else drawn(1, 2),
    }  # fmt: skip
    shape = tuple(_windowed(*item) for item in zip(value.shape, *fields.values(), strict=True))
    if not value.size:
        return None
    body = one_operation(_body_kind(draw, value.dtype), value.dtype)
    node = Node(
        "reduce_window",
        (value, draw.fresh(value.dtype, ())),
        (Value.new(value.dtype, shape),),
        fields,
        (body,),
    )
    return [draw.small(draw.build.add(node)[0])]


def _product(draw: Draw) -> Found:
    dtype = draw.one((*FLOATS, *FLOATS, *_WHOLE))
    batch, rows, columns, depth = (draw.number(1, 6) for _ in range(4))
    batches = draw.number(0, 1)
    sides, fields = [], {}
    for name, free in (("lhs", rows), ("rhs", columns)):
        axes = ["batch"] * batches + ["free", "depth"]
        order = draw.random.permutation(len(axes)).tolist()
        sizes = {"batch": batch, "free": free, "depth": depth}
        placed = [axes[i] for i in order]
        sides.append(draw.like(Value.new(dtype, tuple(sizes[axis] for axis in placed))))
        fields[f"{name}_batching"] = tuple(i for i, a in enumerate(placed) if a == "batch")
        fields[f"{name}_contracting"] = (placed.index("depth"),)
    shape = (*[batch] * batches, rows, columns)
    return [draw.small(draw.build.node("dot_general", tuple(sides), dtype, shape, **fields))]


def _convolution(draw: Draw) -> Found:
    dtype = draw.one(("float32", "float32", "float64", "int32"))
    groups = draw.number(1, 2) if draw.random.random() < 0.7 else 4
    inner, outputs = draw.number(1, 3), groups * draw.number(1, 3)
    rank = draw.number(1, 2)
    size = tuple(draw.number(3, 7) for _ in range(rank))
    window = tuple(draw.number(1, 3) for _ in range(rank))
    lhs = draw.like(Value.new(dtype, (draw.number(1, 2), *size, inner * groups)))
    rhs = draw.fresh(dtype, (*window, inner, outputs))
    spatial = tuple(range(1, rank + 1))

    def drawn(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw.number(low, high) for _ in range(rank))

    fields = {
        "low": drawn(0, 2), "high": drawn(0, 2), "lhs_dilation": drawn(1, 1 + draw.number(0, 1)),
        "strides": drawn(1, 2), "rhs_dilation": drawn(1, 1 + draw.number(0, 1)),
    }  # fmt: skip
    names = ("low", "high", "lhs_dilation")
    places = tuple(
        _windowed(n, *(fields[name][i] for name in names), w, fields["strides"][i],
                  fields["rhs_dilation"][i])
        for i, (n, w) in enumerate(zip(size, window, strict=True))
    )  # fmt: skip
    node = Node(
        "convolution",
        (lhs, rhs),
        (Value.new(dtype, (lhs.shape[0], *places, outputs)),),
        {
            **fields,
            "lhs_layout": (0, rank + 1, *spatial),
            "rhs_layout": (rank, rank + 1, *(axis - 1 for axis in spatial)),
            "out_layout": (0, rank + 1, *spatial),
            "reversal": tuple(draw.random.random() < 0.2 for _ in range(rank)),
            "feature_groups": groups,
            "batch_groups": 1,
        },
    )
    return [draw.small(draw.build.add(node)[0])]


def _places(draw: Draw, rank: int) -> tuple[Value, tuple[int, ...], tuple[int, ...], int]:
    """Draw indices: the array, its batch shape, the axes that they are for, their own axis."""
    count = draw.number(1, rank)
    axes = tuple(draw.random.choice(rank, count, replace=False).tolist())
    batch = tuple(draw.number(1, 3) for _ in range(draw.number(0, 2)))
    dim = draw.number(0, len(batch))
    if count == 1 and draw.random.random() < 0.3:  # no axis of its own
        return draw.fresh(draw.one(_WHOLE), batch), batch, axes, len(batch)
    shape = (*batch[:dim], count, *batch[dim:])
    return draw.fresh(draw.one(("int32", "int64", "uint8")), shape), batch, axes, dim


def _spread(
    draw: Draw, batch: tuple[int, ...], window: list[int]
) -> tuple[tuple[int, ...], list[int]]:
    """Mix batch and window axes; give the shape and where the window lies."""
    rank = len(batch) + len(window)
    places = sorted(draw.random.choice(rank, len(window), replace=False).tolist())
    left, right = iter(batch), iter(window)
    return tuple(next(right) if axis in places else next(left) for axis in range(rank)), places


def _gather(draw: Draw) -> Found:
    value = draw.value(rank=1)
    if not value.size:
        return None
    rank = len(value.shape)
    indices, batch, axes, dim = _places(draw, rank)
    sizes = tuple(draw.number(1, size) for size in value.shape)
    hidden = tuple(a for a in range(rank) if sizes[a] == 1 and draw.random.random() < 0.6)
    shape, places = _spread(draw, batch, [sizes[a] for a in range(rank) if a not in hidden])
    fields = {
        "offset_dims": tuple(places), "collapsed": hidden, "operand_batching": (),
        "indices_batching": (), "index_map": axes, "index_vector_dim": dim, "slice_sizes": sizes,
    }  # fmt: skip
    return [draw.build.node("gather", (value, indices), value.dtype, shape, **fields)]


def _scatter(draw: Draw) -> Found:
    value = draw.value(rank=1)
    if not value.size:
        return None
    rank = len(value.shape)
    indices, batch, axes, dim = _places(draw, rank)
    inserted = tuple(a for a in range(rank) if draw.random.random() < 0.5)
    window = [draw.number(1, value.shape[a]) for a in range(rank) if a not in inserted]
    shape, places = _spread(draw, batch, window)
    operands = [value]
    if draw.random.random() < 0.3:
        operands.append(draw.like(Value.new(draw.one(DTYPES), value.shape)))
    updates = [draw.fresh(item.dtype, shape) for item in operands]
    if len(operands) == 2:
        body = _best(draw, *(item.dtype for item in operands))
    elif draw.random.random() < 0.4:
        pair = tuple(Value.new(value.dtype, ()) for _ in range(2))
        body = Region(pair, (), pair[1:])
    else:
        body = one_operation(_body_kind(draw, value.dtype), value.dtype)
    node = Node(
        "scatter",
        (*operands, indices, *updates),
        tuple(item.like() for item in operands),
        {
            "window_dims": tuple(places), "inserted": inserted, "operand_batching": (),
            "indices_batching": (), "index_map": axes, "index_vector_dim": dim,
        },
        (body,),
    )  # fmt: skip
    return [draw.small(item) for item in draw.build.add(node)]


def _sort(draw: Draw) -> Found:
    value = draw.value(rank=1)
    others = [draw.like(Value.new(draw.one(DTYPES), value.shape)) for _ in range(draw.number(0, 2))]
    operands = (value, *others)
    build = Builder(None)
    pairs = tuple(Value.new(item.dtype, ()) for item in operands for _ in range(2))
    before = build.compare(pairs[0], draw.one(("LT", "GT")), pairs[1])
    node = Node(
        "sort",
        operands,
        tuple(item.like() for item in operands),
        {"axis": draw.number(0, len(value.shape) - 1)},
        (build.region(pairs, (before,)),),
    )
    return draw.build.add(node)


def _dynamic_slice(draw: Draw) -> Found:
    value = draw.value()
    sizes = tuple(draw.number(0, size) for size in value.shape)
    starts = tuple(draw.index() for _ in sizes)
    return [draw.build.node("dynamic_slice", (value, *starts), value.dtype, sizes, sizes=sizes)]


def _dynamic_update_slice(draw: Draw) -> Found:
    value = draw.value()
    update = draw.like(Value.new(value.dtype, tuple(draw.number(0, n) for n in value.shape)))
    starts = tuple(draw.index() for _ in value.shape)
    operands = (value, update, *starts)
    return [draw.build.node("dynamic_update_slice", operands, value.dtype, value.shape)]


def _region(draw: Draw, arguments: tuple[Value, ...], wanted: tuple[Value, ...]) -> Region:
    inner = Draw(draw.random, arguments)
    inner.run(draw.number(1, 5))
    results = tuple(inner.like(value) for value in wanted)
    return inner.build.region(arguments, results)


def _while(draw: Draw) -> Found:
    """Count to a few; a counter comes first."""
    carried = tuple(draw.value() for _ in range(draw.number(1, 3)))
    counter = draw.build.constant(draw.number(0, 2), "int32")
    state = (counter, *carried)
    arguments = tuple(value.like() for value in state)
    build = Builder(None)
    condition = build.region(arguments, (build.compare(arguments[0], "LT", draw.number(0, 4)),))
    arguments = tuple(value.like() for value in state)
    body = _region(draw, arguments, carried)
    more = Builder(None)
    more.nodes = list(body.nodes)
    moved = more.apply("add", arguments[0], 1)
    body = more.region(arguments, (moved, *body.results))
    node = Node("while", state, tuple(v.like() for v in state), {}, (condition, body))
    return draw.build.add(node)[1:]


def _case(draw: Draw) -> Found:
    carried = tuple(draw.value() for _ in range(draw.number(1, 3)))
    wanted = tuple(draw.value() for _ in range(draw.number(1, 2)))
    index = draw.fresh(draw.one(("int32", "int32", "bool")), ())
    count = 2 if index.dtype == "bool" else draw.number(1, 3)
    regions = tuple(_region(draw, tuple(v.like() for v in carried), wanted) for _ in range(count))
    node = Node("case", (index, *carried), tuple(v.like() for v in wanted), {}, regions)
    return draw.build.add(node)


Step = Callable[[Draw], Found]
INNER: list[Step] = [
    *(_unary, _binary, _binary, _compare, _select, _convert, _bitcast, _broadcast, _reshape),
    *(_transpose, _reverse, _slice, _concatenate, _pad, _iota, _reduce, _gather, _scatter),
    *(_dynamic_slice, _dynamic_update_slice, _product, _reduce_pair, _sort, _reduce_window),
]
STEPS: list[Step] = [*INNER, _convolution, _while, _case]


def draw_program(seed: int) -> tuple[Program, list[np.ndarray]]:
    """Draw a program and its inputs."""
    random = np.random.default_rng(seed)
    draw = Draw(random)
    draw.run(draw.number(4, 20))
    if not draw.values:
        draw.fresh("float32", (3,))
    last = draw.values[-1]
    others = [draw.values[draw.number(0, len(draw.values) - 1)] for _ in range(draw.number(0, 3))]
    region = draw.build.region(tuple(draw.inputs), (last, *others))
    arrays = [array_of(random, value.dtype, value.shape) for value in draw.inputs]
    names = tuple(f"s{seed}_x{i}" for i in range(len(arrays)))
    outputs = tuple(f"s{seed}_y{i}" for i in range(len(region.results)))
    return Program("random", region, names, outputs), arrays


def merged(programs: Sequence[Program]) -> Program:
    """Put programs side by side into one, so that one build serves all."""
    bodies = [program.body for program in programs]
    region = Region(
        tuple(v for body in bodies for v in body.arguments),
        tuple(n for body in bodies for n in body.nodes),
        tuple(v for body in bodies for v in body.results),
    )
    return Program(
        "random",
        region,
        tuple(name for program in programs for name in program.input_names),
        tuple(name for program in programs for name in program.output_names),
    )


def check(seeds: Sequence[int], target: str) -> list[str]:
    """Compare the programs of some seeds with their meaning, and name the outputs that differ."""
    drawn = [draw_program(seed) for seed in seeds]
    wanted = [array for program, arrays in drawn for array in interpret(program, arrays)]
    program = verify(merged([program for program, _ in drawn]))
    arrays = [np.array(array, order="C") for _, arrays in drawn for array in arrays]
    for step in PASSES:
        program = verify(step(program))
    folded = interpret(program, arrays)
    chosen = targets.make(target)
    plan = schedule(program, chosen.facts.tiling, chosen.facts.alignment)
    header = emit_header(plan)
    source = emit_source(plan, header="model.h")
    found = chosen.start(plan, chosen.build(plan, source, header))(arrays)
    problems = []
    for name, *results in zip(program.output_names, wanted, folded, found, strict=True):
        for how, result in zip(("passes", target), results[1:], strict=True):
            if not np.array_equal(result, results[0]):
                problems.append(f"{name} after {how}: {result!r} for {results[0]!r}")
    return problems


def main() -> None:
    """Run for long and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="native")
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--batch", type=int, default=20)
    options = parser.parse_args()
    for number in range(options.rounds):
        first = options.start + number * options.batch
        print(f"seeds from {first}", flush=True)  # noqa: T201 - a command line
        for problem in check(range(first, first + options.batch), options.target):
            print(problem, flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main()
