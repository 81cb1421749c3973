"""Rows of text are those that Arrow finds, wherever the text is cut."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam.core import DataError
from kolam.data import Dataset
from kolam.data._formats import csv_blocks, jsonl, text_rows
from kolam.data._formats.text_rows import find_rows, parse_rows

TEXTS = st.lists(
    st.sampled_from([b'"', b'""', b",", b"\n", b"\r\n", b"\r", b"a", b"12"]), max_size=16
).map(b"".join)


def _rows_of_arrow(text: bytes) -> int | None:
    """Count rows as Arrow does, those it refuses too; None for an empty text."""
    bad: list[object] = []

    def skip(row: object) -> str:
        bad.append(row)
        return "skip"

    try:
        table = arrow_csv.read_csv(
            io.BytesIO(text),
            arrow_csv.ReadOptions(column_names=["a", "b"], use_threads=False),
            arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        )
    except pa.ArrowInvalid as error:
        return 0 if "Empty CSV" in str(error) else None
    return table.num_rows + len(bad)


@settings(deadline=None)
@given(text=TEXTS)
def test_rows_of_csv_are_those_of_arrow(text: bytes) -> None:
    rows = find_rows(text, delimiter=",", is_last=True)
    if rows.open_quote is None:
        assert len(rows.starts) == _rows_of_arrow(text)


@settings(deadline=None)
@given(text=TEXTS, size=st.integers(1, 8))
def test_a_text_read_in_pieces_has_the_same_rows(text: bytes, size: int) -> None:
    whole = find_rows(text, delimiter=",", is_last=True)
    found, start, stop = [], 0, size
    while start < len(text):
        piece = text[start:stop]
        rows = find_rows(piece, delimiter=",", is_last=stop >= len(text))
        found += [piece[a:b] for a, b in zip(rows.starts, rows.stops, strict=True)]
        start += rows.used
        stop = stop + size if rows.used == 0 else start + size
    assert found == [text[a:b] for a, b in zip(whole.starts, whole.stops, strict=True)]


def test_lines_are_counted_also_inside_of_quotes() -> None:
    rows = find_rows(b'a,"1\n2\r\n3"\n\nb,4\r\n', delimiter=",", is_last=True)
    assert (rows.lines.tolist(), rows.num_lines) == ([0, 4], 5)


def test_a_quote_that_never_closes_is_told() -> None:
    assert find_rows(b'a,b\n1,"x\n2,y\n', delimiter=",", is_last=True).open_quote == 6


@settings(deadline=None)
@given(good=st.lists(st.booleans(), min_size=1, max_size=40).filter(any))
def test_bad_rows_are_found_among_good_ones(good: list[bool]) -> None:
    text = b"".join(b"%d\n" % row if fine else b"x\n" for row, fine in enumerate(good))

    def parse(part: bytes) -> pa.Table:
        return arrow_csv.read_csv(
            io.BytesIO(part),
            arrow_csv.ReadOptions(column_names=["a"]),
            convert_options=arrow_csv.ConvertOptions(column_types={"a": pa.int64()}),
        )

    rows = find_rows(text, delimiter=None, is_last=True)
    piece = parse_rows(
        text,
        rows,
        parse=parse,
        describe=lambda row, text, reason: DataError(f"{row} {text!r} {reason[:2]}"),
        is_lenient=True,
    )
    values = piece.table["a"].to_pylist()
    assert sorted(piece.faults) == [row for row, fine in enumerate(good) if not fine]
    assert [values[row] for row, fine in enumerate(good) if fine] == [
        row for row, fine in enumerate(good) if fine
    ]
    assert all(str(fault).startswith(f"{row} b'x' In") for row, fault in piece.faults.items())


def test_the_first_bad_row_is_raised_where_none_is_allowed() -> None:
    rows = find_rows(b"1\n2\n", delimiter=None, is_last=True)

    def parse(part: bytes) -> pa.Table:
        raise pa.ArrowInvalid("no")

    with pytest.raises(DataError, match="row 0 b'1' no"):
        parse_rows(
            b"1\n2\n",
            rows,
            parse=parse,
            describe=lambda row, text, reason: DataError(f"row {row} {text!r} {reason}"),
            is_lenient=False,
        )


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_row_without_an_end_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"t.{kind}"
    path.write_bytes(b"a\n1\n" * (kind == "csv") + b"x" * 9_000_000)
    for module in (csv_blocks, jsonl, text_rows):
        monkeypatch.setattr(module, "LARGEST_ROW", 1 << 20)
    read = Dataset.from_csv if kind == "csv" else Dataset.from_jsonl
    with pytest.raises(DataError, match=rf"t\.{kind}, line \d does not end within 1 MB"):
        read(path, memory_bytes=1 << 20)
