"""From networks to the bytes of a `.tflite` file."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kolam.lite._network import Network, Operator, Tensor
from kolam.lite._tflite.flat import Table, write_table
from kolam.lite._tflite.metadata import append_files, describe
from kolam.lite._tflite.schema import BUILTINS, DTYPES, ENUMS
from kolam.lite._tflite.versions import runtime_of, version_of

_SCHEMA = 3


def write_model(
    networks: Mapping[str, Network], labels: Mapping[str, Sequence[str]] | None = None
) -> bytes:
    """Write networks as the signatures of one model; equal weights are stored once.

    Args:
        networks: By signature, the main one first.
        labels: Words for the last axis of outputs, by output of the first signature.

    Returns:
        The file, the same for the same input.
    """
    writer = _Writer()
    subgraphs = [writer.subgraph(network) for network in networks.values()]
    signatures = [
        _signature(key, index, network) for index, (key, network) in enumerate(networks.items())
    ]
    first = next(iter(networks.values()))
    files = {f"labels_{name}.txt": list(words) for name, words in (labels or {}).items()}
    metadata = [_metadata("min_runtime_version", writer.buffer(_padded(runtime_of(writer.codes))))]
    if files:
        described = describe(first, {name: f"labels_{name}.txt" for name in labels or {}})
        metadata.append(_metadata("TFLITE_METADATA", writer.buffer(described)))
    model = Table().set(0, "uint", _SCHEMA)
    model.set(1, "[table]", [_code(op, version) for op, version in writer.codes])
    model.set(2, "[table]", subgraphs)
    model.set(3, "string", first.name)
    model.set(4, "[table]", [_buffer(data) for data in writer.buffers])
    model.set(6, "[table]", metadata)
    model.set(7, "[table]", signatures)
    return append_files(write_table(model, b"TFL3"), files)


class _Writer:
    """Numbers buffers and operator codes in the order of their first use."""

    def __init__(self) -> None:
        self.buffers: dict[bytes, int] = {b"": 0}  # the first stands for "no data"
        self.codes: dict[tuple[str, int], int] = {}

    def buffer(self, data: bytes) -> int:
        return self.buffers.setdefault(data, len(self.buffers))

    def subgraph(self, network: Network) -> Table:
        places: dict[int, int] = {}
        for tensor in _tensors(network):
            places.setdefault(tensor.id, len(places))
        unique = {tensor.id: tensor for tensor in _tensors(network)}
        table = Table()
        table.set(0, "[table]", [self.tensor(unique[identity]) for identity in places])
        table.set(1, "[int]", [places[tensor.id] for tensor in network.inputs])
        table.set(2, "[int]", [places[tensor.id] for tensor in network.outputs])
        operators = [self.operator(operator, places) for operator in network.operators]
        return table.set(3, "[table]", operators).set(4, "string", network.name)

    def tensor(self, tensor: Tensor) -> Table:
        data = b""
        if tensor.value is not None:
            value = np.asarray(tensor.value, np.dtype(tensor.dtype).newbyteorder("<"))
            data = value.tobytes()
        table = Table().set(0, "[int]", tensor.shape).set(1, "byte", DTYPES[tensor.dtype])
        table.set(2, "uint", self.buffer(data)).set(3, "string", tensor.name)
        if tensor.quantization is not None:
            found = tensor.quantization
            parameters = Table().set(2, "[float]", found.scales).set(3, "[long]", found.zero_points)
            table.set(4, "table", parameters.set(6, "int", found.axis))
        return table.set(8, "bool", True, False)

    def operator(self, operator: Operator, places: dict[int, int]) -> Table:
        use = operator.op, version_of(operator)
        builtin = BUILTINS[operator.op]
        table = Table().set(0, "uint", self.codes.setdefault(use, len(self.codes)))
        inputs = [-1 if tensor is None else places[tensor.id] for tensor in operator.inputs]
        table.set(1, "[int]", inputs)
        table.set(2, "[int]", [places[tensor.id] for tensor in operator.outputs])
        if builtin.options:
            table.set(3, "union", builtin.options).set(4, "table", _options(operator))
        return table


def _tensors(network: Network) -> list[Tensor]:
    inner = [t for o in network.operators for t in (*o.inputs, *o.outputs) if t is not None]
    return [*network.inputs, *inner, *network.outputs]


def _options(operator: Operator) -> Table:
    fields = BUILTINS[operator.op].fields
    given = dict(operator.options)
    if operator.op == "CAST" and operator.inputs[0] is not None:
        given["in_data_type"] = operator.inputs[0].dtype.upper()
        given["out_data_type"] = operator.outputs[0].dtype.upper()
    table = Table()
    for name, value in given.items():
        number, kind, default = fields[name]
        table.set(number, kind, _number(name, value), default)
    return table


def _number(name: str, value: Any) -> Any:  # Any: a field of an options table
    return ENUMS[name][value] if isinstance(value, str) else value


def _code(op: str, version: int) -> Table:
    code = BUILTINS[op].code
    # old readers look at a byte, new ones at a number
    table = Table().set(0, "byte", min(code, 127)).set(2, "int", version, 1)
    return table.set(3, "int", code)


def _buffer(data: bytes) -> Table:
    return Table().set(0, "[ubyte]", np.frombuffer(data, "u1")) if data else Table()


def _metadata(name: str, buffer: int) -> Table:
    return Table().set(0, "string", name).set(1, "uint", buffer)


def _padded(version: str) -> bytes:
    return version.encode().ljust(16, b"\0")


def _signature(key: str, index: int, network: Network) -> Table:
    places: dict[int, int] = {}
    for tensor in _tensors(network):
        places.setdefault(tensor.id, len(places))

    def maps(tensors: tuple[Tensor, ...]) -> list[Table]:
        return [
            Table().set(0, "string", tensor.name).set(1, "uint", places[tensor.id])
            for tensor in tensors
        ]

    table = Table().set(0, "[table]", maps(network.inputs)).set(1, "[table]", maps(network.outputs))
    return table.set(2, "string", key).set(4, "uint", index)
