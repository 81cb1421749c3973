"""Reductions over windows, and the scatter to the chosen element of each."""

from kolam.lite._frontend.products import padding_fields
from kolam.lite._frontend.step import Builder, Step, Translation, Values, with_captured
from kolam.lite._program import Region, Value


def _reduce_window(step: Step) -> Values:
    count = len(step.operands) // 2
    body, captured = step.body()
    arrays, starts = step.operands[:count], step.operands[count:]
    return _windows(step, arrays, starts, body, captured, step.type[1])[:count]


def _windows(
    step: Step,
    arrays: Values,
    starts: Values,
    body: Region,
    captured: Values,
    shape: tuple[int, ...],
) -> Values:
    """Append a reduction over windows; of several arrays the padding is written into memory."""
    build, rank, count = step.build, len(arrays[0].shape), len(arrays)
    ones, none = (1,) * rank, (0,) * rank
    padding = padding_fields(step, rank)
    dilation = step.numbers("base_dilations", ones)
    held = tuple(build.broadcast(value, arrays[0].shape) for value in captured)
    arrays, starts = arrays + held, starts + captured
    if len(arrays) > 1 and (any((*padding["low"], *padding["high"])) or dilation != ones):
        arrays = tuple(
            _padded(build, array, start, padding, dilation)
            for array, start in zip(arrays, starts, strict=True)
        )
        padding, dilation = {"low": none, "high": none}, ones
    return step.append(
        "reduce_window",
        arrays + starts,
        tuple((array.dtype, shape) for array in arrays),
        with_captured(body, count, captured),
        window=step.numbers("window_dimensions", ones),
        strides=step.numbers("window_strides", ones),
        base_dilation=dilation,
        window_dilation=step.numbers("window_dilations", ones),
        **padding,
    )


def _padded(
    build: Builder,
    array: Value,
    start: Value,
    padding: dict[str, tuple[int, ...]],
    dilation: tuple[int, ...],
) -> Value:
    interior = tuple(step - 1 for step in dilation)
    sizes = zip(array.shape, padding["low"], padding["high"], interior, strict=True)
    shape = tuple(low + size + high + max(size - 1, 0) * gap for size, low, high, gap in sizes)
    return build.node("pad", (array, start), array.dtype, shape, interior=interior, **padding)


def _select_and_scatter(step: Step) -> Values:
    """Find the place of the chosen element of every window, then scatter the source there."""
    operand, source, start = step.operands
    build = step.build
    body, captured = step.body(0)
    place = build.reshape(build.iota("int32", (operand.size,), 0), operand.shape)
    starts = (build.constant(-1, "int32"), build.filled(0, operand.dtype, ()))
    places, _ = _windows(
        step,
        (place, operand),
        starts,
        _chooser(body, operand, len(captured)),
        captured,
        source.shape,
    )[:2]
    scatter, captured = step.body(1)
    flat = build.broadcast(start, (operand.size,))
    held = tuple(build.broadcast(value, flat.shape) for value in captured)
    unread = tuple(build.broadcast(value, (source.size,)) for value in captured)
    found = step.append(
        "scatter",
        (
            *(flat, *held),
            build.reshape(places, (source.size, 1)),
            *(build.reshape(source, (source.size,)), *unread),
        ),
        tuple(value.type for value in (flat, *held)),
        with_captured(scatter, 1, captured),
        window_dims=(),
        inserted=(0,),
        operand_batching=(),
        indices_batching=(),
        index_map=(0,),
        index_vector_dim=1,
    )
    return (build.reshape(found[0], operand.shape),)


def _chooser(select: Region, operand: Value, captured: int) -> Region:
    """Keep the place and value that `select` prefers; a place of -1 is padding."""
    build = Builder(None)
    kinds = ("int32", operand.dtype)
    held, new = (tuple(Value.new(kind, ()) for kind in kinds) for _ in range(2))
    more = tuple(value.like() for value in select.arguments[len(select.arguments) - captured :])
    (prefers,) = build.inline(select, (held[1], new[1], *more))
    inside = build.compare(held[0], "GE", 0)
    outside = build.compare(new[0], "LT", 0)
    keeps = build.apply("or", outside, build.apply("and", inside, prefers))
    results = tuple(
        build.apply("select", keeps, old, fresh) for old, fresh in zip(held, new, strict=True)
    )
    return build.region((*held, *new, *more), results)


_NOTE = "any body of scalar arithmetic"
WINDOWS: dict[str, Translation] = {
    "stablehlo.reduce_window": Translation(_reduce_window, "fiub", _NOTE),
    "stablehlo.select_and_scatter": Translation(
        _select_and_scatter, "fiu", f"{_NOTE}; windows are searched row by row"
    ),
}
