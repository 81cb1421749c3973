"""The JSON form of a program, written plainly and read with distrust."""

import sys
import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import pyarrow as pa

from kolam.core import IntegrityError, UnsupportedError
from kolam.features._columns import READS, Column, InputColumn
from kolam.features._label import LabelProgram, LabelValue, class_to_json
from kolam.features._ops import OPS, Chain, Op

FORMAT = "kolam.features"
VERSION = 1
Json = Any  # any JSON value; what comes off a disk is checked by the functions below
Record = TypeVar("Record")
_NAMES = {kind: name for name, kind in OPS.items()}


def program_to_json(
    plan: tuple[Column, ...],
    names: tuple[str, ...],
    label: LabelProgram | None,
    dropped: Mapping[str, str],
) -> dict[str, Json]:
    """Give the form of docs/specs/features.md."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "columns": [_column_to_json(column) for column in plan],
        "features": list(names),
        "label": _label_to_json(label) if label else None,
        "dropped": dict(dropped),
    }


def program_from_json(
    record: Json,
) -> tuple[tuple[Column, ...], LabelProgram | None, dict[str, str]]:
    """Read and check the form that `program_to_json` gives: columns, label, what is dropped."""
    if not isinstance(record, Mapping) or record.get("format") != FORMAT:
        raise damaged("it is no feature program")
    if record.get("version") != VERSION:
        raise UnsupportedError(
            f"The feature program has version {record.get('version')!r}; this Kolam reads "
            f"version {VERSION}.",
            how="Use the version of Kolam that wrote it, or a newer one.",
        )
    plan = tuple(_column_from_json(entry) for entry in _list(record.get("columns"), "columns"))
    label = record.get("label")
    dropped = _mapping(record.get("dropped", {}), "dropped")
    return (
        plan,
        _label_from_json(label) if label is not None else None,
        {_check(str, name, "dropped"): _check(str, why, name) for name, why in dropped.items()},
    )


def _column_to_json(column: Column) -> dict[str, Json]:
    assert column.input is not None
    return {
        "name": column.name,
        "kind": column.kind,
        "input": {
            entry.name: _plain(getattr(column.input, entry.name))
            for entry in fields(InputColumn)
            if entry.name not in ("name", "kind")
        },
        "chains": [[_op_to_json(op) for op in chain] for chain in column.chains],
    }


def _op_to_json(op: Op) -> dict[str, Json]:
    values = {entry.name: _plain(getattr(op, entry.name)) for entry in fields(op)}
    return {"op": _NAMES[type(op)], **values}


def _label_to_json(label: LabelProgram) -> dict[str, Json]:
    classes = None if label.classes is None else [class_to_json(value) for value in label.classes]
    return {"name": label.name, "task": label.task, "type": label.type, "classes": classes}


def _plain(value: Json) -> Json:
    return list(value) if isinstance(value, tuple) else value


def _column_from_json(record: Json) -> Column:
    record = _mapping(record, "a column")
    name, kind = _check(str, record.get("name"), "name"), _check(str, record.get("kind"), "kind")
    given = {**_mapping(record.get("input"), name), "name": name, "kind": kind}
    shown = _build(InputColumn, given, name)
    if shown.reads not in READS:
        raise damaged(f"column {name!r} is read as {shown.reads!r}")
    chains = tuple(
        _chain_from_json(chain, name) for chain in _list(record.get("chains"), f"{name}: chains")
    )
    return Column(name, shown.kind, chains, shown)


def _chain_from_json(chain: Json, column: str) -> Chain:
    found: list[Op] = []
    for entry in _list(chain, f"{column}: chain"):
        values = dict(_mapping(entry, f"{column}: operation"))
        name = values.pop("op", None)
        if not isinstance(name, str) or name not in OPS:
            raise damaged(f"column {column!r} has an operation {name!r}")
        found.append(_build(OPS[name], values, f"{column}: {name}"))
    return tuple(found)


def _label_from_json(record: Json) -> LabelProgram:
    label = _build(LabelProgram, _mapping(record, "label"), "label")
    if label.task not in ("binary", "multiclass", "regression"):
        raise damaged(f"the task of the label is {label.task!r}")
    if (label.classes is None) != (label.task == "regression") or label.classes == ():
        raise damaged("the classes of the label do not fit its task")
    try:
        kind = pa.type_for_alias(label.type)
        if label.classes is None:
            return label
        restored = tuple(_class_from_json(value, kind) for value in label.classes)
        pa.array(restored, kind)
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise damaged(f"the type of the label is {label.type!r}: {error}") from error
    return LabelProgram(label.name, label.task, label.type, restored)


def _class_from_json(value: LabelValue, kind: pa.DataType) -> LabelValue:
    if pa.types.is_integer(kind):
        return int(value)
    return float(value) if pa.types.is_floating(kind) else value


def _build(record: type[Record], values: Mapping[str, Json], where: str) -> Record:
    """Make a record of a JSON object, checking every value against the type of its field."""
    hints = typing.get_type_hints(record)
    known = {entry.name for entry in fields(record)}  # type: ignore[arg-type]  # always a dataclass
    if extra := sorted(set(values) - known):
        raise damaged(f"{where} has an unknown entry {extra[0]!r}")
    try:
        return record(**{key: _check(hints[key], values[key], where) for key in values})
    except TypeError as error:
        raise damaged(f"{where} lacks an entry ({error})") from error


def _check(kind: Json, value: Json, where: str) -> Json:
    """Give `value` as the annotation `kind` wants it, or refuse it."""
    origin: object = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin is tuple:
        return tuple(_check(arguments[0], entry, where) for entry in _list(value, where))
    if origin is typing.Literal:
        return _check(str, value, where)
    if arguments:  # a union: what fits first
        for choice in arguments:
            if _fits(choice, value):
                return _check(choice, value, where)
    elif _fits(kind, value):
        return float(value) if kind is float else value
    raise damaged(f"{where} holds {value!r}"[:300])


def _fits(kind: Json, value: Json) -> bool:
    if kind is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and abs(value) <= sys.float_info.max
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64
    origin: object = typing.get_origin(kind)
    if origin is tuple:
        return isinstance(value, (list, tuple))
    return isinstance(value, kind)


def _list(value: Json, where: str) -> list[Json]:
    if not isinstance(value, (list, tuple)):
        raise damaged(f"{where} is no list")
    return list(value)


def _mapping(value: Json, where: str) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise damaged(f"{where} is no object")
    return value


def damaged(what: str) -> IntegrityError:
    """Give the error of a program that cannot be what `program_to_json` wrote."""
    return IntegrityError(
        f"The feature program is damaged: {what}.",
        how="Get the model from its origin again.",
    )
