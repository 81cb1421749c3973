"""Sorting, and the greatest elements of a row."""

from kolam.lite._frontend.elementwise import in_total_order
from kolam.lite._frontend.step import Builder, Step, Translation, Values
from kolam.lite._program import FLOATS, HALVES, Region, Value


def _sort(step: Step) -> Values:
    """Always stable; what the comparator captures is sorted along, unread."""
    body, captured = step.body()
    count = len(step.operands)
    held = tuple(step.build.broadcast(value, step.operands[0].shape) for value in captured)
    pairs = body.arguments[: 2 * count]
    for value in body.arguments[2 * count :]:
        pairs += (value, value.like())
    arrays = step.operands + held
    results = step.append(
        "sort",
        arrays,
        tuple(value.type for value in arrays),
        Region(pairs, body.nodes, body.results),
        axis=int(step.attribute("dimension", -1)) % max(1, len(arrays[0].shape)),
    )
    return results[:count]


def _top_k(step: Step) -> Values:
    (values,) = step.operands
    build, shape = step.build, step.type[1]
    axis = len(values.shape) - 1
    numbers = build.iota("int32", values.shape, axis)
    arrays = (values, numbers)
    found = step.append("sort", arrays, tuple(v.type for v in arrays), _descends(values), axis=axis)
    starts, ones = (0,) * len(shape), (1,) * len(shape)
    return tuple(
        build.node("slice", (item,), item.dtype, shape, starts=starts, limits=shape, strides=ones)
        for item in found
    )


def _descends(values: Value) -> Region:
    """Make the comparator that puts greater elements first, NaN before all numbers."""
    build = Builder(None)
    kinds = (values.dtype, values.dtype, "int32", "int32")
    arguments = tuple(Value.new(kind, ()) for kind in kinds)
    left, right = arguments[:2]
    if values.dtype in (*FLOATS, *HALVES):
        left, right = (in_total_order(build, value) for value in (left, right))
    return build.region(arguments, (build.compare(left, "GT", right),))


SORTING: dict[str, Translation] = {
    "chlo.top_k": Translation(_top_k, "fiub", "equal elements in their old order"),
    "stablehlo.sort": Translation(_sort, "fiub", "stable, by any comparator of scalars"),
}
