"""Checks of the IR: every value defined once and before use, every type as its op says."""

from collections.abc import Callable
from math import prod

from kolam.lite._elementwise import COMPARISONS, NAMES, OPERATIONS, SCALARS, kind_of
from kolam.lite._interpret import OPS
from kolam.lite._program import DTYPES, Node, Program, Region, Value

Type = tuple[str, tuple[int, ...]]


def verify(program: Program) -> Program:
    """Check a program and give it back.

    Raises:
        AssertionError: A pass or the frontend broke a rule; the message names node and rule.
    """
    body = program.body
    assert len(program.input_names) == len(body.arguments), "one name per input"
    assert len(program.output_names) == len(body.results), "one name per output"
    _verify_region(body, set())
    return program


def _verify_region(region: Region, seen: set[int]) -> None:
    defined: set[int] = set()

    def define(value: Value, by: str) -> None:
        assert value.dtype in DTYPES, f"{by}: unknown dtype {value.dtype}"
        assert value.id not in seen, f"{by}: value {value.id} is defined twice"
        seen.add(value.id)
        defined.add(value.id)

    for argument in region.arguments:
        define(argument, "argument")
    for node in region.nodes:
        for operand in node.operands:
            assert operand.id in defined, f"{node.op}: value {operand.id} is used before it is made"
        _verify_node(node)
        if node.op in _WITH_BODY:
            _verify_body(node)
        for inner in node.regions:
            _verify_region(inner, seen)
        for result in node.results:
            define(result, node.op)
    for result in region.results:
        assert result.id in defined, f"result {result.id} is never made"


def _verify_node(node: Node) -> None:
    assert node.op in OPS, f"unknown operation {node.op}"
    if node.op in NAMES:
        _verify_elementwise(node)
    elif node.op in _RULES:
        wanted = _RULES[node.op](node)
        assert node.result.type == wanted, f"{node.op}: gives {node.result.type}, not {wanted}"
    elif node.op == "reduce_window":
        _verify_windows(node)
    elif node.op in ("scatter", "sort"):
        types = [value.type for value in node.operands[: len(node.results)]]
        assert [value.type for value in node.results] == types, f"{node.op}: types differ"
    elif node.op in ("while", "case", "fusion"):
        _verify_regions(node)


def _verify_body(node: Node) -> None:
    """A body works on scalars, with elementwise operations and constants alone."""
    (body,) = node.regions
    dtypes = [value.dtype for value in node.results]
    # old and new alternate in a comparator, and stand in two groups elsewhere
    wanted = [d for d in dtypes for _ in range(2)] if node.op == "sort" else dtypes * 2
    assert [v.type for v in body.arguments] == [(d, ()) for d in wanted], f"{node.op}: arguments"
    gives = ["bool"] if node.op == "sort" else dtypes
    assert [v.type for v in body.results] == [(d, ()) for d in gives], f"{node.op}: body"
    for inner in body.nodes:
        assert inner.op in NAMES or inner.op == "constant", f"{node.op}: {inner.op} in its body"


_WITH_BODY = ("reduce", "reduce_window", "scatter", "sort")


def _verify_elementwise(node: Node) -> None:
    result = node.result
    scalars = SCALARS.get(node.op, ())
    for index, operand in enumerate(node.operands):
        scalar = index in scalars and operand.shape == ()
        assert scalar or operand.shape == result.shape, f"{node.op}: shapes differ"
    if node.op == "compare":
        assert len(node.operands) == 2, "compare: wrong arity"
        assert node.attributes["direction"] in COMPARISONS, "compare: unknown direction"
        assert result.dtype == "bool", "compare: gives booleans"
    elif node.op in OPERATIONS:
        assert len(node.operands) == OPERATIONS[node.op].arity, f"{node.op}: wrong arity"
        checked = node.operands[1:] if node.op == "select" else node.operands
        wanted = "bool" if node.op == "is_finite" else checked[0].dtype
        if node.op == "requantize":
            checked = node.operands[:1]
            dtypes = [operand.dtype for operand in node.operands]
            assert dtypes == ["int32", *["float32"] * 3], f"requantize: on {dtypes}"
        assert len({operand.dtype for operand in checked}) == 1, f"{node.op}: dtypes differ"
        assert result.dtype == wanted, f"{node.op}: gives {result.dtype}, not {wanted}"
        assert kind_of(checked[0].dtype) in OPERATIONS[node.op].c, f"{node.op}: {checked[0].dtype}"
    else:
        assert len(node.operands) == 1, f"{node.op}: wrong arity"


def _verify_regions(node: Node) -> None:
    inputs = node.operands[1:] if node.op == "case" else node.operands
    for index, region in enumerate(node.regions):
        assert [v.type for v in region.arguments] == [v.type for v in inputs], f"{node.op}: inputs"
        if node.op == "while" and index == 0:
            assert [v.type for v in region.results] == [("bool", ())], "while: condition"
        else:
            types = [v.type for v in region.results]
            assert types == [v.type for v in node.results], f"{node.op}: results"


def _sliced(node: Node) -> Type:
    bounds = zip(*(node.attributes[name] for name in ("starts", "limits", "strides")), strict=True)
    return node.operands[0].dtype, tuple(len(range(*bound)) for bound in bounds)


def _broadcast(node: Node) -> Type:
    (operand,), axes, shape = node.operands, node.attributes["axes"], node.result.shape
    assert len(axes) == len(operand.shape), "broadcast: one axis per dimension"
    for axis, size in zip(axes, operand.shape, strict=True):
        assert size in (1, shape[axis]), "broadcast: sizes do not fit"
    return operand.dtype, shape


def _reshaped(node: Node) -> Type:
    assert prod(node.result.shape) == node.operands[0].size, "reshape: sizes differ"
    return node.operands[0].dtype, node.result.shape


def _concatenated(node: Node) -> Type:
    axis, first = node.attributes["axis"], node.operands[0]
    total = sum(operand.shape[axis] for operand in node.operands)
    return first.dtype, (*first.shape[:axis], total, *first.shape[axis + 1 :])


def _padded(node: Node) -> Type:
    fields = (node.attributes[name] for name in ("low", "high", "interior"))
    sizes = zip(node.operands[0].shape, *fields, strict=True)
    return node.operands[0].dtype, tuple(
        low + size + high + max(size - 1, 0) * interior for size, low, high, interior in sizes
    )


def _multiplied(node: Node) -> Type:
    lhs, rhs = (operand.shape for operand in node.operands)
    rows, inner = lhs[1:] if not node.attributes["lhs_transposed"] else lhs[:0:-1]
    depth, columns = rhs[1:] if not node.attributes["rhs_transposed"] else rhs[:0:-1]
    assert lhs[0] == rhs[0], "matmul: batches differ"
    assert inner == depth, "matmul: inner sizes differ"
    return node.result.dtype, (lhs[0], rows, columns)


def _dotted(node: Node) -> Type:
    lhs, rhs = node.operands
    fields = node.attributes
    batch = [lhs.shape[axis] for axis in fields["lhs_batching"]]
    for kind in ("batching", "contracting"):
        for a, b in zip(fields[f"lhs_{kind}"], fields[f"rhs_{kind}"], strict=True):
            assert lhs.shape[a] == rhs.shape[b], "dot_general: sizes differ"
    free = [
        size
        for side, shape in (("lhs", lhs.shape), ("rhs", rhs.shape))
        for axis, size in enumerate(shape)
        if axis not in (*fields[f"{side}_batching"], *fields[f"{side}_contracting"])
    ]
    return node.result.dtype, (*batch, *free)


def _windowed(
    size: int, low: int, high: int, dilation: tuple[int, int], window: int, stride: int
) -> int:
    """Give the number of places of a window along one dimension."""
    base = max(0, (size - 1) * dilation[0] + 1) + low + high if size else low + high
    reach = (window - 1) * dilation[1] + 1
    return 0 if base < reach else (base - reach) // stride + 1


def _convolved(node: Node) -> Type:
    fields, (lhs, rhs) = node.attributes, node.operands
    spatial = tuple(
        _windowed(lhs.shape[a], low, high, dilation, rhs.shape[b], stride)
        for a, b, low, high, dilation, stride in zip(
            fields["lhs_layout"][2:],
            fields["rhs_layout"][2:],
            fields["low"],
            fields["high"],
            zip(fields["lhs_dilation"], fields["rhs_dilation"], strict=True),
            fields["strides"],
            strict=True,
        )
    )
    features = lhs.shape[fields["lhs_layout"][1]]
    inner = rhs.shape[fields["rhs_layout"][0]] * fields["feature_groups"]
    assert features == inner, "convolution: features differ"
    batch = lhs.shape[fields["lhs_layout"][0]] // fields["batch_groups"]
    sizes = (batch, rhs.shape[fields["rhs_layout"][1]], *spatial)
    shape = [0] * len(sizes)
    for axis, size in zip(fields["out_layout"], sizes, strict=True):
        shape[axis] = size
    return node.result.dtype, tuple(shape)


def _verify_windows(node: Node) -> None:
    fields, operand = node.attributes, node.operands[0]
    shape = tuple(
        _windowed(size, low, high, dilation, window, stride)
        for size, low, high, dilation, window, stride in zip(
            operand.shape,
            fields["low"],
            fields["high"],
            zip(fields["base_dilation"], fields["window_dilation"], strict=True),
            fields["window"],
            fields["strides"],
            strict=True,
        )
    )
    for result in node.results:
        assert result.shape == shape, f"reduce_window: gives {result.shape}, not {shape}"


def _constant(node: Node) -> Type:
    value = node.attributes["value"]
    return value.dtype.name, value.shape


_RULES: dict[str, Callable[[Node], Type]] = {
    "constant": _constant,
    "broadcast": _broadcast,
    "reshape": _reshaped,
    "transpose": lambda node: (
        node.operands[0].dtype,
        tuple(node.operands[0].shape[axis] for axis in node.attributes["permutation"]),
    ),
    "slice": _sliced,
    "reverse": lambda node: node.operands[0].type,
    "concatenate": _concatenated,
    "pad": _padded,
    "matmul": _multiplied,
    "dot_general": _dotted,
    "convolution": _convolved,
    "dynamic_update_slice": lambda node: node.operands[0].type,
    "dynamic_slice": lambda node: (node.operands[0].dtype, node.attributes["sizes"]),
}
