"""JSON lines, whole and by blocks; every bad line by its number."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kolam.core import DataError, InvalidArgumentError
from kolam.data import Dataset
from kolam.data._buffers import Buffers
from kolam.data._formats.files import find_files
from kolam.data._formats.jsonl import JsonlGroups, read_jsonl


def _file(folder: Path, lines: list[str | bytes], ends: str = "\n") -> Path:
    path = folder / "t.jsonl"
    content = [line.encode() if isinstance(line, str) else line for line in lines]
    path.write_bytes(b"".join(line + ends.encode() for line in content))
    return path


RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "n": st.integers(-(2**53), 2**53),
            "x": st.floats(-1e9, 1e9).map(lambda x: x + 0.5),
            "t": st.text(st.characters(exclude_categories=["Cs"]), max_size=4).map("t{}".format),
            "list": st.lists(st.integers(0, 9), max_size=3),
            "inner": st.fixed_dictionaries({"k": st.integers(0, 9)}),
        }
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=RECORDS, block=st.integers(1, 300), ends=st.sampled_from(["\n", "\r\n", "\n \n"]))
def test_objects_come_back_from_blocks_of_any_size(
    records: list[dict[str, Any]], block: int, ends: str, tmp_path: Path
) -> None:
    path = _file(tmp_path, [json.dumps(record, ensure_ascii=False) for record in records], ends)
    types = {"list": pa.list_(pa.int64())}  # there may be none but empty ones at first
    (file,) = find_files(path, (".jsonl",))
    groups = JsonlGroups([file], block_bytes=block, column_types=types)
    tables = [groups.read(group).table for group in range(len(groups.rows))]
    assert pa.concat_tables(tables).to_pylist() == records
    assert read_jsonl(file, column_types=types).table.to_pylist() == records


def test_lists_objects_and_missing_keys_are_arrays_dicts_and_nan(tmp_path: Path) -> None:
    path = _file(tmp_path, ['{"a": [1, 2], "o": {"k": 1}}', '{"a": [3], "n": 5}'])
    first, second = Dataset.from_jsonl(path)
    assert (first["a"].tolist(), second["a"].tolist()) == ([1, 2], [3])
    np.testing.assert_array_equal([first["o"]["k"], first["n"], second["n"]], [1, np.nan, 5])


GOOD = '{"a": 1, "b": "x"}'
FAULTS: dict[str, tuple[str | bytes, str]] = {
    "cut": ('{"a": 1, "b', r"is no JSON: Unterminated string .* at character \d+: {\"a\": 1"),
    "two objects": (GOOD + GOOD, "is no JSON: Extra data"),
    "null": ("null", "is null, which is no object"),
    "null behind": (GOOD + "null", "is no JSON: Extra data"),
    "a list": ("[1]", r"is \[1\], which is no object"),
    "a word": ("oops", "is no JSON"),
    "a type": (
        '{"a": "q", "b": "x"}',
        "'a' is \"q\", (where the lines before have|which is no) int64",
    ),
    "a fraction": (
        '{"a": 1.5, "b": "x"}',
        r"'a' is 1\.5, (where the lines before have|which is no) int64",
    ),
    "latin": (b'{"a": 1, "b": "\xe9"}', "byte 0xe9 is not UTF-8"),
    "twice": ('{"a": 1, "a": 2}', "has the key 'a' twice"),
}


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("place", [0, 1, 57, 99])
def test_a_bad_line_is_named_and_nothing_else_changes(
    kind: str, place: int, tmp_path: Path
) -> None:
    text, message = FAULTS[kind]
    lines: list[str | bytes] = [GOOD.replace("1", str(row)) for row in range(100)]
    lines[place] = text
    path = _file(tmp_path, lines)
    (file,) = find_files(path, (".jsonl",))
    types = {"a": pa.int64(), "b": pa.string()}
    groups = JsonlGroups([file], block_bytes=250, column_types=types)
    found, numbers = {}, []
    for group in range(len(groups.rows)):
        piece = groups.read(group)
        found |= {len(numbers) + row: str(fault) for row, fault in piece.faults.items()}
        numbers += piece.table["a"].to_pylist()
    assert list(found) == [place]
    assert f"t.jsonl, line {place + 1} (row {place})" in found[place]
    with pytest.raises(DataError, match=message):
        raise DataError(found[place])
    assert [n for row, n in enumerate(numbers) if row != place] == [
        row for row in range(100) if row != place
    ]


@pytest.mark.parametrize("kind", sorted(set(FAULTS) - {"a fraction"}))
def test_a_bad_line_of_a_file_in_memory_is_named(kind: str, tmp_path: Path) -> None:
    text, message = FAULTS[kind]
    path = _file(tmp_path, [GOOD, GOOD, text, GOOD])
    with pytest.raises(DataError, match=r"t\.jsonl, line 3 \(row 2\)") as caught:
        Dataset.from_jsonl(path)
    with pytest.raises(DataError, match=message):
        raise caught.value


def test_types_are_inferred_over_a_whole_file_in_memory(tmp_path: Path) -> None:
    path = _file(tmp_path, ['{"a": 1}', '{"a": 2.5}', '{"b": "x"}'])
    assert Dataset.from_jsonl(path).to_table().to_pylist() == [
        {"a": 1.0, "b": None},
        {"a": 2.5, "b": None},
        {"a": None, "b": "x"},
    ]


def test_a_new_key_and_a_missing_whole_number_far_down_are_named(tmp_path: Path) -> None:
    path = _file(tmp_path, [*[GOOD] * 70_000, '{"b": "x"}', '{"a": 1, "c": 2}', GOOD])
    source = Dataset.from_jsonl(path, memory_bytes=1 << 20)._source
    with pytest.raises(DataError, match=r"line 70001 \(row 70000\) has no 'a', where all rows"):
        source.take(np.array([70_000]), Buffers())
    with pytest.raises(
        DataError,
        match=r"line 70002 \(row 70001\) has a key 'c', which no line before has; they have a, b",
    ):
        source.take(np.array([70_001]), Buffers())
    assert source.take(np.array([69_999, 70_002]), Buffers())["a"].tolist() == [1, 1]


def test_a_line_larger_than_a_block_is_read(tmp_path: Path) -> None:
    path = _file(tmp_path, [GOOD, json.dumps({"a": 2, "b": "y" * 3_000_000})])
    for memory in (None, 1000):
        rows = Dataset.from_jsonl(path, memory_bytes=memory).to_table()
        assert rows["a"].to_pylist() == [1, 2]


@pytest.mark.parametrize("content", [[], [" "]])
def test_a_file_without_lines_is_refused(content: list[str | bytes], tmp_path: Path) -> None:
    path = _file(tmp_path, content)
    with pytest.raises(DataError, match=r"t\.jsonl is empty"):
        Dataset.from_jsonl(path)
    with pytest.raises(DataError, match=r"t\.jsonl is empty"):
        Dataset.from_jsonl([path], memory_bytes=1)


def test_keys_of_a_schema_may_be_given(tmp_path: Path) -> None:
    path = _file(tmp_path, ['{"a": 1}', '{"a": 2}'])
    dataset = Dataset.from_jsonl(path, column_types={"a": pa.float32()})
    assert dataset.element_spec["a"].dtype == "float32"


def test_bytes_that_are_not_utf8_in_a_key_are_named(tmp_path: Path) -> None:
    path = _file(tmp_path, [GOOD, b'{"a": 1, "\xff": "x"}'])
    for memory in (None, 1):
        with pytest.raises(DataError, match=r"line 2 \(row 1\): byte 0xff is not UTF-8"):
            list(Dataset.from_jsonl(path, memory_bytes=memory))


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n{"a": 2}\n')
    for memory in (None, 1):
        dataset = Dataset.from_jsonl(path, memory_bytes=memory)
        assert [int(row["a"]) for row in dataset] == [1, 2]
    path.write_bytes(b'\xef\xbb\xbf\n{"a": 2}\n')
    assert [int(row["a"]) for row in Dataset.from_jsonl(path)] == [2]


WRONG_LINES = {
    "a key twice": ('{"a": 1, "a": 2}', {}, r"line 1 \(row 0\) has the key 'a' twice"),
    "a value that is not of its type": (
        '{"b": 1, "a": "x"}',
        {"a": pa.int64()},
        r"line 1 \(row 0\): 'a' is \"x\", which is no int64",
    ),
    "a list that is not of its size": (
        '{"a": [1, 2, 3]}',
        {"a": pa.list_(pa.float32(), 2)},
        r"line 1 \(row 0\): 'a' is \[1, 2, 3\], which is no fixed_size_list",
    ),
}


@pytest.mark.parametrize("kind", WRONG_LINES)
def test_what_is_wrong_with_the_first_line_is_said(kind: str, tmp_path: Path) -> None:
    line, types, message = WRONG_LINES[kind]
    (tmp_path / "t.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match=message):
        Dataset.from_jsonl(tmp_path / "t.jsonl", column_types=types)


def test_lists_of_one_size_are_arrays_of_one_shape(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": [1, 2]}\n{"a": [3, 4]}\n')
    types = {"a": pa.list_(pa.float32(), 2)}
    dataset = Dataset.from_jsonl(tmp_path / "t.jsonl", column_types=types)
    assert dataset.element_spec["a"].shape == (2,)
    assert [row["a"].tolist() for row in dataset] == [[1, 2], [3, 4]]


def test_a_type_of_a_key_that_no_line_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(InvalidArgumentError, match="names 'z', which is no key of"):
        Dataset.from_jsonl(tmp_path / "t.jsonl", column_types={"z": pa.int64()})
    with pytest.raises(InvalidArgumentError, match="cannot be read with these column_types"):
        Dataset.from_jsonl(tmp_path / "t.jsonl", column_types={"a": pa.month_day_nano_interval()})
