"""JSON lines (one object per line) to Arrow tables, whole or in blocks, bad lines by number."""

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.json as arrow_json

from kolam.core import DataError, InvalidArgumentError
from kolam.data._formats.files import File
from kolam.data._formats.groups import (
    FileGroups,
    Piece,
    array_bytes,
    check_rows,
    places_with_nulls,
    unify,
    without_missing,
)
from kolam.data._formats.text_rows import (
    LARGEST_ROW,
    Rows,
    endless_row,
    find_rows,
    parse_rows,
)

_LARGEST_BLOCK = 2**31 - 2  # Arrow counts the bytes of a block in 32 bits
_HEAD_BYTES = 1 << 20  # at least so much decides on keys and types
_SPACES = b" \t\r"
# Arrow 26 crashes on a null where an object should begin
_NULL_AFTER_OBJECT = re.compile(rb"\}\s*null")

Types = dict[str, pa.DataType]


@dataclass(frozen=True, slots=True)
class _Block:
    """Some whole lines of a file, those with numbers from `line` and rows from `row`."""

    file: int
    start: int
    stop: int
    line: int
    row: int
    rows: int


class JsonlGroups(FileGroups):
    """Blocks of files of JSON lines, read where they are asked for.

    Keys and types are those of the first megabytes of each file; a line further down that does not
    fit is a fault. A key that a line lacks is a missing value.

    Args:
        files: One or more, with the same keys.
        column_types: Arrow types of some keys, instead of the inferred ones.
        block_bytes: Bytes of a block.

    Raises:
        DataError: Files differ in their keys, or there is no line that can be read.
    """

    def __init__(
        self,
        files: list[File],
        *,
        column_types: Mapping[str, pa.DataType] | None = None,
        block_bytes: int = 16 << 20,
    ) -> None:
        super().__init__(files)
        types = dict(column_types or {})
        self._blocks = [
            block
            for number, file in enumerate(files)
            for block in _find_blocks(number, file, block_bytes)
        ]
        self.rows = np.array([block.rows for block in self._blocks], np.int64)
        heads = [_head(number, file, block_bytes) for number, file in enumerate(files)]
        self.schema = unify(files, [self._schema(head, types) for head in heads])
        lengths = np.array([block.stop - block.start for block in self._blocks], np.int64)
        self.sizes = array_bytes(self.schema, self.rows, lengths)
        self._with_nulls: set[tuple[str, ...]] = set()
        for head in heads:
            piece = self._read(head, self.schema, is_lenient=True)
            self._with_nulls |= places_with_nulls(piece.table)

    def read(self, group: int) -> Piece:
        """Read one block."""
        block = self._blocks[group]
        piece = self._read(block, self.schema, is_lenient=True)

        def where(place: int) -> str:
            file = self.files[block.file]
            rows = _object_rows(file.read(block.start, block.stop), is_last=True)
            return f"{file}, line {block.line + int(rows.lines[place])} (row {block.row + place})"

        return without_missing(piece, self.has_nulls, where)

    def has_nulls(self, path: tuple[str, ...]) -> bool:
        """Whether a value is missing in the first lines of a file; see `read`."""
        return path in self._with_nulls

    def _schema(self, head: _Block, types: Types) -> pa.Schema:
        content = self.files[head.file].read(head.start, head.stop)
        schema = _schema(content, _object_rows(content, is_last=True), types)
        if schema is None:  # no line is an object: say why not
            self._read(head, pa.schema([]), is_lenient=False)
            raise AssertionError("a line is an object")
        return schema

    def _read(self, block: _Block, schema: pa.Schema, *, is_lenient: bool) -> Piece:
        file = self.files[block.file]
        content = file.read(block.start, block.stop)
        rows = _object_rows(content, is_last=True)
        if len(rows.starts) != block.rows:
            raise DataError(
                f"{file} has {len(rows.starts)} lines from line {block.line} on where "
                f"{block.rows} were found before.",
                how="The file was changed while it was in use. Open it again.",
            )
        return _read_rows(
            file, content, rows, schema, line=block.line, row=block.row, is_lenient=is_lenient
        )


def read_jsonl(
    file: File,
    *,
    column_types: Mapping[str, pa.DataType] | None = None,
    is_lenient: bool = False,
) -> Piece:
    """Read a whole file of JSON lines.

    Types are inferred over the whole file. A key that a line lacks is a missing value.

    Args:
        file: One JSON object per line, in UTF-8.
        column_types: Arrow types of some keys, instead of the inferred ones.
        is_lenient: Whether lines that cannot be read are noted as faults, not raised.

    Raises:
        DataError: Not lenient, and a line is no object or differs in its types from those before;
            or there is no line that can be read.
    """
    types = dict(column_types or {})
    content = file.read()
    rows = _object_rows(content, is_last=True)
    if not len(rows.starts):
        raise DataError(f"{file} is empty.", how="Give a file with one JSON object per line.")
    for name in types:
        if not any(json.dumps(name, ensure_ascii=a).encode() in content for a in (True, False)):
            raise InvalidArgumentError(
                f"column_types names {name!r}, which is no key of {file}.",
                how="Check how it is spelled.",
            )
    try:
        table = _infer(content, rows, types)
    except pa.ArrowInvalid as error:
        return _read_carefully(file, content, rows, types, str(error), is_lenient=is_lenient)
    check_rows(file, table.schema, table.num_rows)
    return Piece(table, {})


def _read_carefully(
    file: File, content: bytes, rows: Rows, types: Types, reason: str, *, is_lenient: bool
) -> Piece:
    """Find the first line that does not fit those before it, or note all."""
    good = _fitting(content, rows, types)
    schema = _schema(content, rows, types) or pa.schema(list(types.items()))
    if not is_lenient:
        text = content[rows.starts[good] : rows.stops[good]]
        reason = _reason(content, _part(rows, 0, good + 1), types)
        line = int(rows.lines[good]) + 1
        raise _error(file, text, reason, schema, line=line, row=good)
    return _read_rows(file, content, rows, schema, line=1, row=0, is_lenient=True)


def _schema(content: bytes, rows: Rows, types: Types) -> pa.Schema | None:
    """Infer the schema from the lines up to the first that does not fit, bad ones left out."""
    first, count = 0, len(rows.starts)
    while first < count:
        later = _part(rows, first, count)
        good = _fitting(content, later, types)
        if good:
            return _infer(content, _part(later, 0, good), types).schema
        first += 1
    return None


def _fitting(content: bytes, rows: Rows, types: Types) -> int:
    """Give how many lines from the first on fit each other."""
    if not _reason(content, rows, types):
        return len(rows.starts)
    good, bad = 0, len(rows.starts) + 1
    while bad - good > 1:
        middle = (good + bad) // 2
        if _reason(content, _part(rows, 0, middle), types):
            bad = middle
        else:
            good = middle
    return good


def _reason(content: bytes, rows: Rows, types: Types) -> str:
    """Give why lines cannot be read together; empty if they can."""
    try:
        _infer(content, rows, types)
    except pa.ArrowInvalid as error:
        return str(error)
    return ""


def _part(rows: Rows, first: int, stop: int) -> Rows:
    part = slice(first, stop)
    return Rows(rows.starts[part], rows.stops[part], rows.lines[part], rows.used, rows.num_lines)


def _infer(content: bytes, rows: Rows, types: Types) -> pa.Table:
    text = content[rows.starts[0] : rows.stops[-1]]
    table = _parse(text, pa.schema(list(types.items())), unexpected="infer")
    if table.num_rows != len(rows.starts):
        raise pa.ArrowInvalid("a line is more than one object, or an object is in several lines")
    return table


def _read_rows(
    file: File,
    content: bytes,
    rows: Rows,
    schema: pa.Schema,
    *,
    line: int,
    row: int,
    is_lenient: bool,
) -> Piece:
    return parse_rows(
        content,
        rows,
        parse=lambda text: _parse(text, schema, unexpected="error").select(schema.names),
        describe=lambda number, text, reason: _error(
            file, text, reason, schema, line=line + int(rows.lines[number]), row=row + number
        ),
        is_lenient=is_lenient,
        schema=schema if schema.names else None,
    )


def _parse(text: bytes, schema: pa.Schema, *, unexpected: str) -> pa.Table:
    _check_objects(text)
    readable = pa.schema([field.with_type(_readable(field.type)) for field in schema])
    options = arrow_json.ParseOptions(
        explicit_schema=readable, unexpected_field_behavior=unexpected
    )
    for size in (1 << 20, _LARGEST_BLOCK):
        block = arrow_json.ReadOptions(block_size=min(size, len(text) + 1))
        try:
            table = arrow_json.read_json(pa.BufferReader(text), block, options)
            for place, field in enumerate(table.schema):
                wanted = schema.field(field.name).type if field.name in schema.names else field.type
                if wanted != field.type:
                    table = table.set_column(place, field.name, table[place].cast(wanted))
            return table
        except pa.ArrowNotImplementedError as error:
            raise InvalidArgumentError(
                f"JSON cannot be read with these column_types: {error}.",
                how="Give numbers, booleans, texts, timestamps, lists or structs of such.",
            ) from error
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error) or size > len(text):
                raise
    raise AssertionError("one block has no borders")


def _readable(kind: pa.DataType) -> pa.DataType:
    """Give the type as which Arrow reads another."""
    return pa.list_(kind.value_type) if pa.types.is_fixed_size_list(kind) else kind


def _check_objects(text: bytes) -> None:
    """Refuse what Arrow would crash on, or let through: it does not look whether it is UTF-8."""
    if not text.isascii():
        pa.array([text], pa.large_binary()).cast(pa.large_string())
    if text.lstrip()[:1] != b"{":
        raise pa.ArrowInvalid("not an object")
    if _NULL_AFTER_OBJECT.search(text):  # inside of a text it is harmless
        for line in filter(bytes.strip, text.splitlines()):
            try:
                is_object = isinstance(json.loads(line), dict)
            except ValueError as error:
                raise pa.ArrowInvalid(str(error)) from error
            if not is_object:
                raise pa.ArrowInvalid("not an object")


def _object_rows(content: bytes, *, is_last: bool) -> Rows:
    """Find the lines that are not blank; each is a row, a fault if it is no object."""
    rows = find_rows(content, delimiter=None, is_last=is_last)
    if content.startswith(codecs.BOM_UTF8):  # only a file begins so
        rows.starts[:1] += len(codecs.BOM_UTF8)
    firsts = np.frombuffer(content, np.uint8)[np.minimum(rows.starts, len(content) - 1)]
    keep = rows.starts < rows.stops
    for row in np.flatnonzero(np.isin(firsts, list(_SPACES))):
        keep[row] = bool(content[rows.starts[row] : rows.stops[row]].strip(_SPACES))
    return Rows(rows.starts[keep], rows.stops[keep], rows.lines[keep], rows.used, rows.num_lines)


def check_has_lines(file: File) -> None:
    """Refuse a file without lines.

    Raises:
        DataError: It has none.
    """
    _head(0, file, _HEAD_BYTES)


def _head(number: int, file: File, block_bytes: int) -> _Block:
    for block in _find_blocks(number, file, max(block_bytes, _HEAD_BYTES)):
        return block
    raise DataError(f"{file} is empty.", how="Give a file with one JSON object per line.")


def _find_blocks(number: int, file: File, block_bytes: int) -> Iterator[_Block]:
    start, line, row, size = 0, 1, 0, block_bytes
    with file.ranges() as read:
        while start < file.size:
            content = read(start, min(start + size, file.size))
            rows = _object_rows(content, is_last=start + len(content) >= file.size)
            if rows.used == 0:
                if size > LARGEST_ROW:
                    raise endless_row(file, line)
                size *= 2  # a line is longer than a block
                continue
            if len(rows.starts):
                yield _Block(number, start, start + rows.used, line, row, len(rows.starts))
            start += rows.used
            line += rows.num_lines
            row += len(rows.starts)
            size = block_bytes


def _error(
    file: File, text: bytes, reason: str, schema: pa.Schema, *, line: int, row: int
) -> DataError:
    where = f"{file}, line {line} (row {row})"
    try:
        found = json.loads(text, object_pairs_hook=_pairs_once)
    except _TwiceError as error:
        return DataError(
            f"{where} has the key {error.args[0]!r} twice.",
            column=error.args[0],
            how="Correct this line: a key stands once in an object.",
        )
    except UnicodeDecodeError as error:
        return DataError(
            f"{where}: byte 0x{text[error.start]:02x} is not UTF-8.",
            how="Save the file again as UTF-8; it may be Latin-1 or Windows-1252 now.",
        )
    except json.JSONDecodeError as error:
        return DataError(
            f"{where} is no JSON: {error.msg} at character {error.colno}: {_shown(text)}",
            how="Write one JSON object per line; this line may be cut or joined with another.",
        )
    if not isinstance(found, dict):
        return DataError(
            f"{where} is {_shown(text)}, which is no object.", how="Write one JSON object per line."
        )
    for name, value in found.items():
        if name not in schema.names and row == 0:
            continue  # it is its other keys that do not fit
        if name not in schema.names:
            return DataError(
                f"{where} has a key {name!r}, which no line before has; they have "
                f"{', '.join(schema.names)}.",
                column=name,
                how=f"Correct this line, or give column_types={{{name!r}: ...}}.",
            )
        if not _fits(value, schema.field(name).type):
            return DataError(
                f"{where}: {name!r} is {_shown(json.dumps(value).encode())}, "
                + ("which is no " if row == 0 else "where the lines before have ")
                + f"{schema.field(name).type}.",
                column=name,
                how=f"Correct this line, or give column_types={{{name!r}: ...}} with a type that "
                "fits all lines.",
            )
    return DataError(f"{where} cannot be read: {reason}.", how="Correct this line.")


class _TwiceError(Exception):
    """A key stands twice in an object."""


def _pairs_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return found


def _fits(value: object, kind: pa.DataType) -> bool:
    text = json.dumps({"value": value}).encode()
    try:
        _parse(text, pa.schema([("value", kind)]), unexpected="error")
    except pa.ArrowInvalid:
        return False
    return True


def _shown(text: bytes) -> str:
    shown = text.decode(errors="replace")
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
