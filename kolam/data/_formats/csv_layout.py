"""What must be known of a CSV file before its cells can be read."""

import csv
import io
import re
from dataclasses import dataclass

from kolam.core import DataError, InvalidArgumentError
from kolam.data._formats.files import File
from kolam.data._formats.text_rows import find_rows

_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
_HEAD_BYTES = 65_536
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+\Z")
_DECIMAL_POINT = re.compile(r"[+-]?\d+\.\d+\Z")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the cells of a file are to be read.

    Attributes:
        delimiter: Character between cells.
        decimal_point: Character in numbers.
        names: The columns, from the first line that is not empty.
        start: The byte at which the next row begins.
        line: The number of its line, from 1.
    """

    delimiter: str
    decimal_point: str
    names: tuple[str, ...]
    start: int
    line: int


def find_layout(file: File, delimiter: str | None) -> Layout:
    """Find out how a file is laid out, from its first lines.

    Raises:
        DataError: It is no text in UTF-8, or its first line does not name the columns.
        InvalidArgumentError: `delimiter` is not one character.
    """
    if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii()):
        raise InvalidArgumentError(
            f"The delimiter is {delimiter!r}.", how="Give one character, such as ',' or ';'."
        )
    head = _head(file)
    text = head.decode("utf-8-sig", errors="replace")
    if "�" in text.lstrip("\r\n").partition("\n")[0]:
        raise bad_byte(file, head)
    delimiter = delimiter or _guess_delimiter(text)
    rows = split_rows(text, delimiter)
    if not rows:
        raise DataError(f"{file} has only empty lines.", how="Give a file with a header and rows.")
    if not any(name.strip() for name in rows[0]):
        raise DataError(f"{file} has no column names.", how="Name the columns in the first line.")
    cells = [cell for row in rows[1:] for cell in row]
    comma = (
        delimiter != ","
        and any(map(_DECIMAL_COMMA.match, cells))
        and not any(map(_DECIMAL_POINT.match, cells))
    )
    names = tuple(name.strip() or f"column_{place}" for place, name in enumerate(rows[0], 1))
    _check_names(file, names)
    lines = find_rows(head, delimiter=delimiter, is_last=True)
    if len(lines.starts) > 1:
        start, line = int(lines.starts[1]), int(lines.lines[1]) + 1
    else:
        start, line = len(head), lines.num_lines + 1
    return Layout(delimiter, "," if comma else ".", names, start, line)


def _head(file: File) -> bytes:
    """Give the first whole lines: the names and some rows."""
    size = _HEAD_BYTES
    head = file.read(0, size)
    _check_is_text(file, head)
    while size < file.size:
        whole = head[: head.rfind(b"\n") + 1]
        if whole.strip():
            return whole
        size *= 4  # the names alone are longer
        head = file.read(0, size)
    return head


def _check_is_text(file: File, head: bytes) -> None:
    if not head.removeprefix(b"\xef\xbb\xbf").strip():
        raise DataError(f"{file} is empty.", how="Give a file with a header and rows.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            f"{file} is UTF-16 text, not UTF-8.", how="Save it again as 'CSV UTF-8', then retry."
        )
    if b"\0" in head:
        kind = "a ZIP archive or an Excel workbook" if head.startswith(b"PK") else "no text"
        raise DataError(
            f"{file} is {kind}: it has a zero byte at offset {head.index(0)}.",
            how="Export the table as CSV in UTF-8.",
        )


def _guess_delimiter(text: str) -> str:
    """Take the delimiter that splits the first rows into the most equal cells, else the comma."""
    best, most = ",", 1
    for delimiter in _DELIMITERS:
        widths = {len(row) for row in split_rows(text, delimiter)[:100]}
        if len(widths) == 1 and (width := widths.pop()) > most:
            best, most = delimiter, width
    if most == 1:  # ragged or a single column: let the header decide
        header = text.partition("\n")[0]
        best = max(_DELIMITERS, key=lambda delimiter: header.count(delimiter))
        return best if header.count(best) else ","
    return best


def split_rows(text: str, delimiter: str) -> list[list[str]]:
    """Give the cells of each row that is not empty."""
    # the last row of the sample may end inside quotes; csv gives it as it is
    limit = csv.field_size_limit(2**31 - 1)
    try:
        lines = io.StringIO(text, newline="")
        return [row for row in csv.reader(lines, delimiter=delimiter) if row]
    finally:
        csv.field_size_limit(limit)


def _check_names(file: File, names: tuple[str, ...]) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise DataError(
                f"{file} has two columns named {name!r}: number {names.index(name) + 1} "
                f"and number {place + 1}.",
                column=name,
                how="Rename one of them in the first line.",
            )


def delimiter_name(delimiter: str) -> str:
    """Give the words for a delimiter."""
    return _DELIMITERS.get(delimiter, repr(delimiter))


def bad_byte(file: File, text: bytes, *, start: int = 0, line: int = 1) -> DataError:
    """Give the error for the first byte of `text` that is not UTF-8.

    Args:
        file: Where it stands.
        text: Some of the bytes of the file.
        start: Where in the file they begin.
        line: The number of the line in which they begin.
    """
    try:
        text.decode()
    except UnicodeDecodeError as error:
        before = text[: error.start]
        line += before.count(b"\n") or before.count(b"\r")
        return DataError(
            f"{file}, line {line}: byte 0x{text[error.start]:02x} at offset {start + error.start} "
            "is not UTF-8.",
            how="Save the file again as UTF-8; it may be Latin-1 or Windows-1252 now.",
        )
    raise AssertionError("all bytes are UTF-8")
