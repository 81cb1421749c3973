"""Files that are tables, and files that are not: each fault with its place and a way on."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kolam import data
from kolam.core import DataError, InvalidArgumentError, StorageError
from kolam.data import Dataset


def _file(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _ipc(folder: Path, table: pa.Table, *, stream: bool) -> bytes:
    path = folder / "whole.arrow"
    with pa.OSFile(str(path), "wb") as file:
        make = pa.ipc.new_stream if stream else pa.ipc.new_file
        with make(file, table.schema) as writer:
            writer.write_table(table)
    return path.read_bytes()


BROKEN_CSV: dict[str, tuple[str | bytes, str]] = {
    "no bytes": ("", r"is empty\.\n  Give a file with a header and rows"),
    "empty lines": ("\n\n", "is empty"),
    "a byte order mark": (b"\xef\xbb\xbf", "is empty"),
    "only a header": ("a,b\n", "has a header with 2 columns, but no rows"),
    "one name twice": ("a,b,a\n1,2,3\n", "two columns named 'a': number 1 and number 3"),
    "no names": (",,\n1,2,3\n", "has no column names"),
    "a short row": ('a,b\n1,"x\ny"\n2\n', "line 4: found 1 cell, but the header has 2"),
    "a long row": ("a,b\n1,2,3\n", r"line 2: found 3 cells, .* \(separated by a comma\)"),
    "a long row of semicolons": ("a;b\n1;2;3\n", r"line 2: .* \(separated by a semicolon\)"),
    "an open quote": ('a,b\n1,"x\n2,3\n', 'a cell after line 1 begins with " and never ends'),
    "Latin-1": ("a,b\n1,é\n".encode("latin1"), "line 2: byte 0xe9 at offset 6 is not UTF-8"),
    "a Latin-1 name": ("é,b\n1,2\n".encode("latin1"), "line 1: byte 0xe9 at offset 0"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "is UTF-16 text, not UTF-8"),
    "a workbook": (b"PK\x03\x04\0\0", "a ZIP archive or an Excel workbook"),
    "bytes": (b"a,b\n1,\0\n", "is no text: it has a zero byte at offset 6"),
}


@pytest.mark.parametrize("kind", BROKEN_CSV)
def test_a_broken_csv_file_is_refused_with_its_place(kind: str, tmp_path: Path) -> None:
    content, message = BROKEN_CSV[kind]
    path = _file(tmp_path, "table.csv", content)
    with pytest.raises(DataError, match=message) as caught:
        data.read(path)
    assert str(path) in str(caught.value)


WHOLE_CSV: dict[str, tuple[str | bytes, dict[str, list[object]]]] = {
    "plain": ("a,b\n1,x\n2,y\n", {"a": [1, 2], "b": ["x", "y"]}),
    "no last newline": ("a,b\n1,x", {"a": [1], "b": ["x"]}),
    "byte order mark and CRLF": (b"\xef\xbb\xbfa,b\r\n1,x\r\n", {"a": [1], "b": ["x"]}),
    "old Macintosh lines": ("a,b\r1,2\r", {"a": [1], "b": [2]}),
    "whole numbers as 0 and 0.0": ("a\n0\n0.0\n", {"a": [0.0, 0.0]}),
    "newlines and quotes in quotes": (
        'a,b\n1,"x\ny"\n2,"p ""q"", r"\n',
        {"a": [1, 2], "b": ["x\ny", 'p "q", r']},
    ),
    "a stray quote": ('a,b\n1,5" pipe\n', {"a": [1], "b": ['5" pipe']}),
    "semicolons and decimal commas": ("a;b\n1,5;x\n2,25;y\n", {"a": [1.5, 2.25], "b": ["x", "y"]}),
    "semicolons and decimal points": ("a;b\n1.5;1,2\n", {"a": [1.5], "b": ["1,2"]}),
    "tabs": ("a\tb\n1\tx, y\n", {"a": [1], "b": ["x, y"]}),
    "one column": ("a\n1\n2\n", {"a": [1, 2]}),
    "empty lines": ("\n\na,b\n1,2\n\n3,4\n", {"a": [1, 3], "b": [2, 4]}),
    "missing cells": ("a,b\nNA,x\n1,\n", {"a": [None, 1], "b": ["x", None]}),
    "a column without a name": (",a\n0,1\n", {"column_1": [0], "a": [1]}),
}


@pytest.mark.parametrize("kind", WHOLE_CSV)
def test_a_csv_file_gives_its_cells(kind: str, tmp_path: Path) -> None:
    content, columns = WHOLE_CSV[kind]
    assert data.read(_file(tmp_path, "table.csv", content)).to_table().to_pydict() == columns


@pytest.fixture(scope="module")
def late_table(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """A table of several blocks whose last row contradicts what the first block looked like."""
    lines = [f"{row},0,,2020-01-01,true" for row in range(60_000)]
    text = "\n".join(["id,mixed,empty,date,flag", *lines, "x,0.5,7,never,maybe"])
    path = tmp_path_factory.mktemp("late") / "late.csv"
    path.write_text(text)
    return data.read(path).to_table()


def test_a_type_that_changes_late_in_the_file_is_read_as_one_type(late_table: pa.Table) -> None:
    types = {field.name: str(field.type) for field in late_table.schema}
    assert types == {
        "id": "string",
        "mixed": "double",
        "empty": "int64",
        "date": "string",
        "flag": "string",
    }
    assert late_table.slice(60_000).to_pylist()[0]["mixed"] == 0.5


def test_a_cell_larger_than_a_block_is_read(tmp_path: Path) -> None:
    text = "x" * 3_000_000
    table = data.read(_file(tmp_path, "large.csv", f"a,b\n1,{text}\n2,y\n")).to_table()
    assert table["b"].to_pylist() == [text, "y"]


def test_bytes_that_are_not_utf8_are_found_late_in_the_file(tmp_path: Path) -> None:
    content = b"a,b\n" + b"1,x\n" * 400_000 + b"1,\xe9\n"
    with pytest.raises(DataError, match="line 400002: byte 0xe9 at offset 1600006"):
        data.read(_file(tmp_path, "table.csv", content))


def test_column_types_can_be_given(tmp_path: Path) -> None:
    path = _file(tmp_path, "table.csv", "zip,n\n01234,1\n")
    table = Dataset.from_csv(path, column_types={"zip": pa.string()}).to_table()
    assert table.to_pylist() == [{"zip": "01234", "n": 1}]


def test_a_cell_that_does_not_fit_the_type_asked_for_names_column(tmp_path: Path) -> None:
    path = _file(tmp_path, "table.csv", "a,b\n1,x\n")
    with pytest.raises(DataError, match=r"Column 'b' of .* do not fit its type: .*int64") as caught:
        Dataset.from_csv(path, column_types={"b": pa.int64()})
    assert caught.value.column == "b"


def test_a_type_for_an_unknown_column_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, "table.csv", "a,b\n1,x\n")
    with pytest.raises(InvalidArgumentError, match=r"column_types names 'c'.*\n.*are: a, b"):
        Dataset.from_csv(path, column_types={"c": pa.int64()})


def test_a_delimiter_of_two_characters_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, "table.csv", "a,b\n1,x\n")
    with pytest.raises(InvalidArgumentError, match="The delimiter is '::'"):
        Dataset.from_csv(path, delimiter="::")


def test_a_missing_file_suggests_near_names(tmp_path: Path) -> None:
    _file(tmp_path, "heart.csv", "a\n1\n")
    with pytest.raises(StorageError, match=r"There is no file .*hart\.csv.*\n.*mean 'heart\.csv'"):
        data.read(tmp_path / "hart.csv")


def test_a_missing_file_lists_the_tables_beside_it(tmp_path: Path) -> None:
    _file(tmp_path, "heart.csv", "a\n1\n")
    with pytest.raises(StorageError, match=r"has heart\.csv"):
        data.read(tmp_path / "zzz.parquet")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"The folder .* does not exist either"):
        data.read(tmp_path / "nowhere" / "a.csv")


def test_a_folder_is_refused_and_its_tables_are_listed(tmp_path: Path) -> None:
    _file(tmp_path, "heart.csv", "a\n1\n")
    with pytest.raises(InvalidArgumentError, match=r"is a folder.*\n.*of its files: heart\.csv"):
        data.read(tmp_path)


@pytest.mark.parametrize("name", ["table.xlsx", "table"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"format is unknown.*\n.*\.arrow, \.csv"):
        data.read(_file(tmp_path, name, "a\n1\n"))


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return pa.table({"a": list(range(1000)), "s": ["q", None] * 500})


def test_parquet_gives_its_table_and_streams_it(tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table, tmp_path / "t.parquet")
    dataset = data.read(tmp_path / "t.parquet")
    streamed = pa.Table.from_batches(list(dataset.record_batches()))
    assert (len(dataset), dataset.schema) == (1000, table.schema)
    assert streamed == dataset.to_table() == table


@pytest.mark.parametrize("stream", [False, True])
def test_arrow_gives_its_table(stream: bool, tmp_path: Path, table: pa.Table) -> None:
    path = _file(tmp_path, "t.arrow", _ipc(tmp_path, table, stream=stream))
    assert data.read(path).to_table() == table


@pytest.mark.parametrize("stream", [False, True])
def test_truncated_arrow_is_refused(stream: bool, tmp_path: Path, table: pa.Table) -> None:
    whole = _ipc(tmp_path, table, stream=stream)
    with pytest.raises(DataError, match=r"is no whole Arrow file: .*\n  It is truncated, damaged"):
        data.read(_file(tmp_path, "t.arrow", whole[: len(whole) // 2]))


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty"])
def test_damaged_parquet_is_refused(damage: str, tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table, tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    content = {"truncated": whole[:-200], "garbage": b"garbage", "empty": b""}[damage]
    with pytest.raises(DataError, match=r"t\.parquet is (no whole Parquet file|empty)"):
        data.read(_file(tmp_path, "t.parquet", content))


def test_a_damaged_page_of_parquet_is_refused_when_read(tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table, tmp_path / "t.parquet")
    whole = bytearray((tmp_path / "t.parquet").read_bytes())
    whole[10:60] = b"\xff" * 50
    dataset = data.read(_file(tmp_path, "t.parquet", bytes(whole)))
    with pytest.raises(DataError, match="is no whole Parquet file"):
        list(dataset.record_batches())


def test_a_parquet_file_without_rows_is_refused(tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table.slice(0, 0), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="has 2 columns, but no rows"):
        data.read(tmp_path / "t.parquet")


def test_an_arrow_file_with_one_name_twice_is_refused(tmp_path: Path) -> None:
    twice = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(DataError, match="two columns named 'a': number 1 and number 2") as caught:
        data.read(_file(tmp_path, "t.arrow", _ipc(tmp_path, twice, stream=False)))
    assert caught.value.column == "a"


def test_the_real_tables_are_read(real_tables: Path) -> None:
    heart = data.read(real_tables / "heart.csv")
    assert (len(heart), len(heart.schema)) == (303, 15)
