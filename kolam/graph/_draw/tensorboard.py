"""A program as TensorBoard reads it: an event file that holds a GraphDef.

The few messages that are needed are written as protocol buffers by hand: fields of four kinds, in
the numbers of TensorFlow's `event.proto`, `graph.proto` and `attr_value.proto`.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kolam.core import bytes_field, double_field, frame_record, varint_field, write_atomic
from kolam.graph._cost import place_of
from kolam.graph._draw.diagram import Part, title_of
from kolam.graph._operations import Operation

# numbers of `DataType`
_DTYPES = {
    **{"float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "int64": 9},
    **{"bool": 10, "bfloat16": 14, "uint16": 17, "float16": 19, "uint32": 22, "uint64": 23},
    **{"complex<f32>": 8, "complex<f64>": 18},
}
_FILE = "events.out.tfevents.0.kolam"


def write_events(folder: Path, parts: Sequence[Part]) -> Path:
    """Write the event file of a program, in place of an older one.

    Args:
        folder: The log directory that TensorBoard is started with, or one below it.
        parts: All parts of the program.

    Returns:
        The file.

    Raises:
        StorageError: It cannot be written.
    """
    now = double_field(1, time.time())
    version = now + bytes_field(3, b"brain.Event:2")
    graph = now + bytes_field(4, graph_def(parts))
    path = folder / _FILE
    write_atomic(path, frame_record(version) + frame_record(graph))
    return path


def graph_def(parts: Sequence[Part]) -> bytes:
    """Give the GraphDef: one node per operation, its scope the line or layer, loops as scopes."""
    writer = _Nodes({part.part.name: part for part in parts})
    writer.main()
    nodes = b"".join(bytes_field(1, node) for node in writer.nodes)
    return nodes + bytes_field(4, varint_field(1, 1))


class _Nodes:
    """Writes nodes, and knows which node gives each value."""

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self.nodes: list[bytes] = []
        self._parts = parts
        self._taken: set[str] = set()

    def main(self) -> None:
        part = self._parts["main"]
        names = part.names
        home: dict[int, str] = {}
        for kind, labels in (("Variable", names.weights), ("Placeholder", names.arguments)):
            for label, name in labels.items():
                home[label] = self._node(name, kind, [], [label], part)
        self._part(part, "", home)
        for label in part.part.block.returns:
            source = home.get(part.origin.get(label, label))
            for name in names.outputs.get(label, ()):
                self._node(f"outputs/{name}", "Output", [source] if source else [], [label], part)

    def _part(self, part: Part, scope: str, home: dict[int, str]) -> None:
        """Write what a part computes; `home` learns which nodes give its values."""
        counts: dict[str, int] = {}
        for run in part.runs():
            inside = scope
            if len(run.operations) > 1 and run.title:
                inside = f"{scope}{_word(run.title if not run.place else run.place)}/"
            for operation in run.operations:
                short = operation.name.rpartition(".")[2]
                counts[short] = counts.get(short, 0) + 1
                self._operation(part, operation, inside, counts[short], home)

    def _operation(
        self, part: Part, operation: Operation, scope: str, number: int, home: dict[int, str]
    ) -> None:
        title, _ = title_of(operation, part.names)
        inputs = list(dict.fromkeys(home[v] for v in part.reads(operation) if v in home))
        inner = list(self._inner(part, operation, number))
        if not inner:
            name = self._node(f"{scope}{title}", title, inputs, operation.results, part, operation)
            home.update(dict.fromkeys(operation.results, name))
            return
        # a loop, a branch or a call is a scope: what goes in, what is inside, what comes out
        scope = self._free(f"{scope}{_word(title)}") + "/"
        sources = [home.get(part.origin.get(v, v)) for v in operation.operands]
        results: list[str] = []
        for label, child in inner:
            below = f"{scope}{label}/" if label else scope
            own = dict(home)
            used = {value for item in child.visible for value in child.reads(item)}
            for place, argument in enumerate(child.part.block.arguments):
                source = sources[place]
                if argument in used or source is not None:
                    given = [] if source is None else [source]
                    own[argument] = self._node(
                        f"{below}argument_{place}", "Identity", given, [argument], child
                    )
            self._part(child, below, own)
            results += [own[v] for v in _returned(child) if v in own]
        name = self._node(
            f"{scope}result",
            title,
            list(dict.fromkeys(results)),
            operation.results,
            part,
            operation,
        )
        home.update(dict.fromkeys(operation.results, name))

    def _inner(self, part: Part, operation: Operation, number: int) -> Iterator[tuple[str, Part]]:
        """Give the parts that an operation enters, with their labels."""
        short = operation.name.rpartition(".")[2]
        if short in ("call", "composite"):
            key = "callee" if short == "call" else "decomposition"
            child = self._parts.get(str(operation.attributes[key]))
            if child is not None:
                yield "", child
        if short in ("case", "if", "while"):
            labels = [f"branch_{i}" for i in range(len(operation.regions))]
            for label in ["condition", "body"] if short == "while" else labels:
                child = self._parts.get(f"{part.part.name}/{short}_{number}/{label}")
                if child is not None:
                    yield label, child

    def _node(
        self,
        name: str,
        kind: str,
        inputs: Sequence[str],
        values: Sequence[int],
        part: Part,
        operation: Operation | None = None,
    ) -> str:
        name = self._free("/".join(_word(step) for step in name.split("/")))
        content = bytes_field(1, name.encode()) + bytes_field(2, _word(kind).encode())
        content += b"".join(bytes_field(3, source.encode()) for source in inputs)
        for key, value in self._attributes(values, part, operation):
            content += bytes_field(5, bytes_field(1, key.encode()) + bytes_field(2, value))
        self.nodes.append(content)
        return name

    def _attributes(
        self, values: Sequence[int], part: Part, operation: Operation | None
    ) -> Iterator[tuple[str, bytes]]:
        kinds = [part.names.values.types[value] for value in values]
        if kinds:
            shapes = b"".join(bytes_field(7, _shape(kind.shape)) for kind in kinds)
            yield "_output_shapes", bytes_field(1, shapes)
            yield "T", varint_field(6, _DTYPES.get(kinds[0].dtype, 0))
            types = ", ".join(part.names.type_of(value) for value in values)
            yield "type", bytes_field(2, types.encode())
        named = [name for value in values for name in part.names.results.get(value, ())]
        if named:
            yield "named", bytes_field(2, ", ".join(named).encode())
        where = None if operation is None else part.names.line_of(operation)
        if where is not None:
            text = f"{place_of(where)}  {part.names.text_of(where)}"
            yield "line", bytes_field(2, text.encode())

    def _free(self, name: str) -> str:
        free, number = name, 1
        while free in self._taken:
            free, number = f"{name}_{number}", number + 1
        self._taken.add(free)
        return free


def _returned(part: Part) -> list[int]:
    return [part.origin.get(label, label) for label in part.part.block.returns]


def _word(text: str) -> str:
    """Give a text as a step of a node's name, which may hold few signs only."""
    word = re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_")[:64]
    return word if word and word[0] not in "_-" else f"v{word}"


def _shape(sizes: Sequence[int | None]) -> bytes:
    return b"".join(
        bytes_field(2, varint_field(1, (1 << 64) - 1 if size is None else size)) for size in sizes
    )
