"""Products and convolutions: what they accumulate in, and how their axes lie."""

from typing import Any

from kolam.lite._frontend.step import Step, Translation, Values
from kolam.lite._program import FLOATS, HALVES, Node, Value

_FLOAT_ORDER = (*HALVES, *FLOATS)


def _dot_general(step: Step) -> Values:
    numbers: dict[str, Any] = step.attribute("dot_dimension_numbers")  # Any: MLIR's field
    fields = {
        side: tuple(numbers.get(f"{side}_dimensions", ()))
        for side in ("lhs_batching", "rhs_batching", "lhs_contracting", "rhs_contracting")
    }
    return _accumulated(step, "dot_general", fields)


def _dot(step: Step) -> Values:
    lhs, _ = step.operands
    fields = {
        "lhs_batching": (),
        "rhs_batching": (),
        "lhs_contracting": (len(lhs.shape) - 1,),
        "rhs_contracting": (0,),
    }
    return _accumulated(step, "dot_general", fields)


def _accumulated(step: Step, op: str, fields: dict[str, Any]) -> Values:  # Any: static facts
    """Multiply and add in a dtype that holds both sides and the result; round once, at the end."""
    build, (dtype, shape) = step.build, step.type
    wide = _wide(dtype, *(value.dtype for value in step.operands))
    sides = tuple(build.convert(value, wide) for value in step.operands)
    product = Value.new(wide, shape)
    build.add(Node(op, sides, (product,), fields, (), step.operation.where))
    return (build.convert(product, dtype),)


def _wide(result: str, *operands: str) -> str:
    """Choose the dtype of the sum: the result's, but at least float32 for floats."""
    floats = [dtype for dtype in (result, *operands) if dtype in _FLOAT_ORDER]
    if floats:
        widest = max(floats, key=_FLOAT_ORDER.index)
        return "float32" if widest in HALVES else widest
    return result


def _convolution(step: Step) -> Values:
    numbers = step.attribute("dimension_numbers")
    lhs, rhs, out = (
        _axes(numbers["input"], "bf"),
        _axes(numbers["kernel"], "io"),
        _axes(numbers["output"], "bf"),
    )
    ones = (1,) * (len(lhs) - 2)
    fields = {
        "lhs_layout": lhs,
        "rhs_layout": rhs,
        "out_layout": out,
        "strides": step.numbers("window_strides", ones),
        **padding_fields(step, len(ones)),
        "lhs_dilation": step.numbers("lhs_dilation", ones),
        "rhs_dilation": step.numbers("rhs_dilation", ones),
        "reversal": tuple(map(bool, step.attribute("window_reversal") or (False,) * len(ones))),
        "feature_groups": int(step.attribute("feature_group_count", 1)),
        "batch_groups": int(step.attribute("batch_group_count", 1)),
    }
    return _accumulated(step, "convolution", fields)


def _axes(letters: tuple[str | int, ...], first: str) -> tuple[int, ...]:
    """Give the axes of the two named dimensions, then of the spatial ones in order."""
    spatial = [letters.index(number) for number in range(len(letters) - 2)]
    return (letters.index(first[0]), letters.index(first[1]), *spatial)


def padding_fields(step: Step, rank: int) -> dict[str, tuple[int, ...]]:
    """Give the padding before and after each dimension; none where the operation has none."""
    amounts = step.numbers("padding", (0,) * (2 * rank))
    return {"low": amounts[::2], "high": amounts[1::2]}


_NOTE = "sums of floats are taken in float32 or wider and rounded once"
PRODUCTS: dict[str, Translation] = {
    "stablehlo.convolution": Translation(_convolution, "fiu", _NOTE),
    "stablehlo.dot": Translation(_dot, "fiu", _NOTE),
    "stablehlo.dot_general": Translation(_dot_general, "fiu", _NOTE),
}
