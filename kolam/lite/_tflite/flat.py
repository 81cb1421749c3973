"""Tables of flatbuffers, as values: numbered fields, each with its kind, then bytes.

The `flatbuffers` package lays out numbers and offsets; generated classes are not needed for that.
"""

from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np

# kind of a scalar: how the builder adds it to a table
_SCALARS = {
    "bool": "PrependBoolSlot",
    "byte": "PrependInt8Slot",
    "int": "PrependInt32Slot",
    "uint": "PrependUint32Slot",
    "long": "PrependInt64Slot",
    "float": "PrependFloat32Slot",
    "union": "PrependUint8Slot",
}
# kind of a vector of numbers
_VECTORS = {"[int]": "<i4", "[long]": "<i8", "[float]": "<f4", "[ubyte]": "u1"}


@dataclass(slots=True)
class Table:
    """One table.

    Attributes:
        fields: Kind, value and default by number. Kinds are those of the schema; ``table`` and
            ``[table]`` hold further tables, ``union`` the number of a member of a union.
    """

    fields: dict[int, tuple[str, Any, Any]] = field(default_factory=dict)  # Any: as the kind says

    def set(self, number: int, kind: str, value: Any, default: Any = 0) -> "Table":
        """Set a field; one that has its default takes no room in the file."""
        self.fields[number] = (kind, value, default)
        return self


def write_table(root: Table, identifier: bytes) -> bytes:
    """Lay out a tree of tables as one buffer; vectors of bytes start at multiples of 16."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(_write(builder, root), file_identifier=identifier)
    return bytes(builder.Output())


def _write(builder: flatbuffers.Builder, table: Table) -> int:
    # the builder grows from the end: what a table points to is written before it
    offsets = {
        number: _target(builder, kind, value)
        for number, (kind, value, _) in table.fields.items()
        if kind not in _SCALARS
    }
    builder.StartObject(max(table.fields, default=-1) + 1)
    for number, (kind, value, default) in table.fields.items():
        if kind in _SCALARS:
            getattr(builder, _SCALARS[kind])(number, value, default)
        else:
            builder.PrependUOffsetTRelativeSlot(number, offsets[number], 0)
    return int(builder.EndObject())


def _target(builder: flatbuffers.Builder, kind: str, value: Any) -> int:
    if kind == "table":
        return _write(builder, value)
    if kind == "string":
        return int(builder.CreateString(value))
    if kind in _VECTORS:
        return _numbers(builder, kind, value)
    inner = [_target(builder, kind[1:-1], item) for item in value]
    builder.StartVector(4, len(inner), 4)
    for offset in reversed(inner):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _numbers(builder: flatbuffers.Builder, kind: str, value: Any) -> int:
    array = np.asarray(value, dtype=_VECTORS[kind]).reshape(-1)
    data = array.tobytes()
    alignment = 16 if kind == "[ubyte]" else array.itemsize
    builder.StartVector(array.itemsize, array.size, alignment)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return int(builder.EndVector())
