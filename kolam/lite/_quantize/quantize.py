"""The door of quantisation."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

from kolam.core import InvalidArgumentError, UnknownNameError
from kolam.graph import Graph
from kolam.lite._lift import read_network
from kolam.lite._network import Network, Operator
from kolam.lite._quantize.histogram import RangeName, RangeRule, rule_of
from kolam.lite._quantize.modes import halve_weights, shrink_weights
from kolam.lite._quantize.observe import ranges_of
from kolam.lite._quantize.quantized import Quantized
from kolam.lite._quantize.rewrite import Pair, rewrite
from kolam.lite._quantize.rules import PRODUCTS, has_codes
from kolam.lite._quantize.samples import Representative, read_groups

Mode = Literal["int8", "dynamic-range", "float16"]
Borders = Literal["float32", "int8"]
_MODES = ("int8", "dynamic-range", "float16")


def quantize(
    graph: Graph,
    representative: Representative | None = None,
    *,
    mode: Mode = "int8",
    ranges: RangeName | RangeRule = "min-max",
    keep_float: Sequence[str] = (),
    borders: Borders = "float32",
    sizes: Mapping[str, int] | None = None,
) -> Quantized:
    """Make a model smaller and faster: codes of 8 bits in place of floats.

    Weights get one scale per output channel, activations one scale and zero point per tensor, as
    TensorFlow Lite's int8 specification says; sums are int32. Answers are the same bits on every
    target, and at most one step from LiteRT's for the `.tflite` file.

    Args:
        graph: The float model.
        representative: Some 100 samples of what the model will see: an array, an iterable of
            batches (tuples or dicts for several inputs) or a Dataset. Only for ``"int8"``.
        mode: ``"int8"``; ``"dynamic-range"`` (int8 weights, each activation gets its scale while
            the program runs) or ``"float16"`` (weights of half the size in the `.tflite`).
        ranges: What the codes reach: ``"min-max"``, ``"percentile"`` (all but the rarest 0.01 %),
            ``"mse"`` (the least error of squares), or a rule such as `percentile(0.999)`.
        keep_float: Layers that stay on floats: names of layers or of their results, or lines
            such as ``"model.py:41"``.
        borders: Whether inputs and outputs are floats or, as for a fixed-point sensor, codes.
        sizes: Value of each symbolic size; 1 if not given.

    Returns:
        The model on codes.

    Raises:
        DataError: The representative data is empty or not finite.
        InvalidArgumentError: It does not fit the inputs, or a choice is unknown.
        UnknownNameError: No layer has a name of `keep_float`.
        UnsupportedError: The model has an operation that TensorFlow Lite has no operator for.
    """
    if mode not in _MODES or borders not in ("float32", "int8"):
        what, given = ("mode", mode) if mode not in _MODES else ("kind of borders", borders)
        known = _MODES if what == "mode" else ("float32", "int8")
        raise UnknownNameError.among(what, given, known)
    rule = rule_of(ranges)
    network = read_network(graph, sizes)
    fixed = {symbol: 1 for spec in graph.inputs for symbol in spec.symbols} | dict(sizes or {})
    kept = _kept(network, keep_float)
    if mode != "int8":
        change = shrink_weights if mode == "dynamic-range" else halve_weights
        return Quantized(change(network, kept), network, _same_results(network), (), mode, fixed)
    if representative is None:
        raise InvalidArgumentError(
            "int8 needs representative data, to know the range of every activation.",
            how="Give some 100 samples, as `quantize(graph, x_train[:100])`, or use "
            "mode='dynamic-range'.",
        )
    groups = read_groups(representative, network.inputs)
    coded = _coded(network, kept)
    floats = [
        tensor
        for tensor in (*network.inputs, *(t for op in network.operators for t in op.outputs))
        if tensor.dtype == "float32"
    ]
    found, pairs = rewrite(
        network,
        ranges_of(network, groups, floats, rule),
        lambda operator: id(operator) in coded,
        codes_at_borders=borders == "int8",
    )
    left = tuple(op for op in network.operators if id(op) not in coded and _is_float(op))
    return Quantized(found, network, pairs, left, mode, fixed)


def _same_results(network: Network) -> tuple[Pair, ...]:
    """Pair results with themselves: they stay floats, under the same ids."""
    return tuple(
        Pair(tensor, tensor, operator)
        for operator in network.operators
        for tensor in operator.outputs
        if tensor.dtype == "float32"
    )


def _coded(network: Network, kept: set[int]) -> set[int]:
    """Choose the operators that compute on codes.

    One without a form on codes makes its results plain, and so does one that multiplies no
    matrices and reads plain results alone: to round for it would cost more than it saves.
    """
    coded: set[int] = set()
    plain: set[int] = set()
    missing: list[Operator] = []
    for operator in network.operators:
        follows = operator.op not in PRODUCTS and _reads_only(operator, plain)
        if id(operator) in kept or follows or not has_codes(operator):
            plain.update(tensor.id for tensor in operator.outputs)
            if id(operator) not in kept and not follows and _is_float(operator):
                missing.append(operator)
        else:
            coded.add(id(operator))
    if missing:
        names = ", ".join(dict.fromkeys(f"{op.op} ({_label(op)})" for op in missing))
        warnings.warn(
            f"{len(missing)} layers stay on float32, for they have no form on int8 codes: {names}. "
            "Name them in `keep_float` to say that this is meant.",
            stacklevel=3,
        )
    return coded


def _reads_only(operator: Operator, plain: set[int]) -> bool:
    computed = [
        tensor.id
        for tensor in operator.inputs
        if tensor is not None and tensor.value is None and tensor.dtype == "float32"
    ]
    return bool(computed) and plain.issuperset(computed)


def _is_float(operator: Operator) -> bool:
    return any(tensor.dtype == "float32" for tensor in operator.outputs)


def _label(operator: Operator) -> str:
    return operator.outputs[0].name


def names_of(operator: Operator) -> list[str]:
    """Give what a person may call a layer: its results, its line, the scopes of its line."""
    names = [tensor.name for tensor in operator.outputs]
    if operator.where is not None:
        file = operator.where.file.replace("\\", "/")
        names += [f"{file.split('/')[-1]}:{operator.where.line}", f"{file}:{operator.where.line}"]
        names += [part for part in operator.where.function.split("/") if part]
    return names


def _kept(network: Network, wanted: Sequence[str]) -> set[int]:
    if isinstance(wanted, str):
        wanted = (wanted,)
    table: dict[str, list[Operator]] = {}
    for operator in network.operators:
        for name in names_of(operator):
            table.setdefault(name, []).append(operator)
    for name in wanted:
        if name not in table:
            raise UnknownNameError.among("layer", name, table)
    return {id(operator) for name in wanted for operator in table[name]}
