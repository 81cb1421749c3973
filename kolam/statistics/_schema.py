"""What a table should look like: a record that a person reads, edits and compares as YAML."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import yaml

from kolam.core import InvalidArgumentError, UnknownNameError
from kolam.statistics._column import KINDS
from kolam.statistics._yaml import Place, read_yaml

VERSION = 1
ACCEPTABLE = (
    *("constant", "domain", "drift", "duplicates", "empty", "leak", "new_column", "nonfinite"),
    *("presence", "range", "size", "type", "unique"),
)
_STEP = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|([^".:\s]+))\s*([.:])')
_HEADER = """\
# What this table should look like. Edit freely; see docs/specs/schema.md for every key.
"""


@dataclass(frozen=True, slots=True)
class Reference:
    """How the values of a column were spread, for drift.

    Args:
        rows: Values that the shares below are made of.
        points: Ascending places between values, for numbers.
        ranks: Share of the values at or below each point.
        shares: Share of each value, for sets; what is missing to 1 is all other values.
    """

    rows: int
    points: tuple[float, ...] = ()
    ranks: tuple[float, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ColumnSchema:
    """What one column should look like.

    Args:
        kind: One of integer, number, string, boolean, time, empty, nested.
        optional: Whether a table may lack the column.
        missing: Share of the rows without a value, at most.
        range: Smallest and largest number (times in seconds since 1970).
        domain: All values there are, as strings.
        unique: Whether no value may come twice.
        constant: Whether one value everywhere is what is expected.
        accept: Kinds of finding that are not reported for this column.
        reference: How the values were spread.
    """

    kind: str
    optional: bool = False
    missing: float = 1.0
    range: tuple[float, float] | None = None
    domain: tuple[str, ...] | None = None
    unique: bool = False
    constant: bool = False
    accept: tuple[str, ...] = ()
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class TableSchema:
    """What the table as a whole should look like.

    Args:
        rows: Number of rows, at least.
        duplicates: Share of the rows that repeat an earlier one, at most.
        distinct: Different rows in the table that the schema was learnt from.
        source: Fingerprint of that table.
        accept: Kinds of finding that are not reported for the table.
    """

    rows: int = 1
    duplicates: float = 1.0
    distinct: int = 0
    source: str = ""
    accept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """What a table should look like.

    Args:
        columns: Column name to what it should look like.
        table: What the table as a whole should look like.
        label: Name of the column to be predicted, if there is one.

    Example:
        >>> schema = Schema({"age": ColumnSchema("integer", range=(0, 120))})
        >>> Schema.from_yaml(schema.to_yaml()) == schema
        True
        >>> schema.edit("columns.age.range: [0, 140]").columns["age"].range
        (0.0, 140.0)
    """

    columns: Mapping[str, ColumnSchema]
    table: TableSchema = TableSchema()
    label: str | None = None

    def to_yaml(self) -> str:
        """Write the schema as YAML, only what differs from the defaults."""
        record = {
            "version": VERSION,
            **({} if self.label is None else {"label": self.label}),
            "table": _record_of(self.table),
            "columns": {name: _record_of(column) for name, column in self.columns.items()},
        }
        text: str = yaml.dump(
            record,
            Dumper=_dumper(),
            default_flow_style=None,
            sort_keys=False,
            allow_unicode=True,
            width=2**30,
        )
        return _HEADER + text

    @classmethod
    def from_yaml(cls, text: str) -> "Schema":
        """Read a schema.

        Raises:
            InvalidArgumentError: The text is no YAML, or a value cannot be used; the message
                gives the line and the key.
            UnknownNameError: A key is unknown; the message gives the line and near names.
        """
        return _read_schema(read_yaml(text))

    def edit(self, line: str) -> "Schema":
        """Change one entry, as the `accept` of an anomaly says.

        Args:
            line: A path and a value, such as ``columns.age.missing: 0.2``. A name with a dot or
                a space stands in double quotes.

        Raises:
            InvalidArgumentError: The line is no path and value, or the value cannot be used.
        """
        path, value = _read_edit(line)
        record = {
            "version": VERSION,
            "label": self.label,
            "table": _record_of(self.table),
            "columns": {name: _record_of(column) for name, column in self.columns.items()},
        }
        inner: dict[str, Any] = record  # Any: nested JSON
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = value
        if record["label"] is None:
            del record["label"]
        return Schema.from_yaml(yaml.dump(record, Dumper=_dumper(), sort_keys=False))

    def column(self, name: str) -> ColumnSchema:
        """Give what one column should look like.

        Raises:
            UnknownNameError: The schema has no such column.
        """
        if name not in self.columns:
            raise UnknownNameError.among("column", name, self.columns)
        return self.columns[name]


def quote_name(name: str) -> str:
    """Write a column name as one step of the path of an edit."""
    plain = name.replace("_", "a").replace("-", "a").isalnum() and name.isascii()
    return name if plain else json.dumps(name, ensure_ascii=False)


def accept_line(column: str | None, accepted: tuple[str, ...], kind: str) -> str:
    """Write the edit that accepts one more kind of finding, of a column or of the table."""
    path = "table" if column is None else f"columns.{quote_name(column)}"
    return f"{path}.accept: [{', '.join([*accepted, kind])}]"


def _dumper() -> Any:  # Any: PyYAML's own classes
    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        def ignore_aliases(self, data: object) -> bool:
            return True

    return Dumper


def _record_of(value: Any) -> dict[str, Any]:  # Any: a record of this file, as JSON
    record: dict[str, Any] = {}
    for item in fields(value):
        found = getattr(value, item.name)
        if item.name != "kind" and (found == item.default or found == {}):
            continue
        if isinstance(found, Reference):
            found = _record_of(found)
        record[item.name] = list(found) if isinstance(found, tuple) else found
        if isinstance(found, Mapping):
            record[item.name] = dict(found)
    return record


def _read_schema(root: Place) -> Schema:
    entries = root.mapping(("version", "label", "table", "columns"))
    if "version" not in entries or entries["version"].whole() != VERSION:
        place = entries.get("version", root)
        raise place.error(f"the version should be {VERSION}", f"Write version: {VERSION}.")
    if "columns" not in entries:
        raise root.error("there is no key 'columns'", "Write columns: and below it each column.")
    columns = {name: _read_column(place) for name, place in entries["columns"].items()}
    label = entries["label"].text() if "label" in entries else None
    if label is not None and label not in columns:
        raise entries["label"].error(
            f"the label {label!r} is no column", f"Name one of {', '.join(columns)}."
        )
    table = _read_table(entries["table"]) if "table" in entries else TableSchema()
    return Schema(columns, table, label)


def _read_table(place: Place) -> TableSchema:
    entries = place.mapping(tuple(item.name for item in fields(TableSchema)))
    readers = {
        "rows": Place.whole,
        "duplicates": Place.share,
        "distinct": Place.whole,
        "source": Place.text,
        "accept": _read_accept,
    }
    return TableSchema(**{key: readers[key](entry) for key, entry in entries.items()})  # type: ignore[arg-type]


def _read_column(place: Place) -> ColumnSchema:
    entries = place.mapping(tuple(item.name for item in fields(ColumnSchema)))
    if "kind" not in entries:
        raise place.error("there is no key 'kind'", f"Write kind: one of {', '.join(KINDS)}.")
    readers = {
        "kind": lambda entry: entry.choice(KINDS),
        "optional": Place.boolean,
        "missing": Place.share,
        "range": _read_range,
        "domain": _read_domain,
        "unique": Place.boolean,
        "constant": Place.boolean,
        "accept": _read_accept,
        "reference": _read_reference,
    }
    return ColumnSchema(**{key: readers[key](entry) for key, entry in entries.items()})


def _read_accept(place: Place) -> tuple[str, ...]:
    return tuple(item.choice(ACCEPTABLE) for item in place.sequence())


def _read_domain(place: Place) -> tuple[str, ...] | None:
    return None if place.is_null() else tuple(item.text() for item in place.sequence())


def _read_range(place: Place) -> tuple[float, float] | None:
    if place.is_null():
        return None
    numbers = [item.number() for item in place.sequence()]
    if len(numbers) != 2 or not numbers[0] <= numbers[1]:
        raise place.error("a range is two numbers, the smaller first", "Write [0, 100].")
    return numbers[0], numbers[1]


def _read_reference(place: Place) -> Reference:
    entries = place.mapping(tuple(item.name for item in fields(Reference)))
    if "rows" not in entries:
        raise place.error("there is no key 'rows'", "Write rows: the number of values.")
    rows = entries["rows"].whole()
    if "shares" in entries:
        shares = {name: entry.share() for name, entry in entries["shares"].items()}
        return Reference(rows, shares=shares)
    points, ranks = (
        tuple(item.number() for item in entries[key].sequence()) if key in entries else ()
        for key in ("points", "ranks")
    )
    if len(points) != len(ranks) or list(points) != sorted(points):
        raise place.error(
            "points and ranks should be as many, and points ascending",
            "Leave the reference out, or take it from a new kl.statistics.infer_schema(profile).",
        )
    return Reference(rows, points, ranks)


def _read_edit(line: str) -> tuple[list[str], Any]:  # Any: a YAML value
    path: list[str] = []
    at = 0
    error: Exception | None = None
    try:
        while step := _STEP.match(line, at):
            quoted, plain, end = step.groups()
            path.append(json.loads(quoted) if quoted else plain)
            at = step.end()
            if end == ":":
                return path, yaml.safe_load(line[at:])
    except (ValueError, yaml.YAMLError) as caught:
        error = caught
    raise InvalidArgumentError(
        f"The edit {line!r} is not a path and a value.",
        how='Write it as columns.age.missing: 0.2, or columns."a name".missing: 0.2.',
    ) from error
