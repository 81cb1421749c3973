"""Sources with bad records, told to leave them out: what is good comes, what is bad is counted."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from kolam.core import DataError, InvalidArgumentError
from kolam.data import Dataset, write_tfrecord

ROWS, BAD = 200, (3, 64, 65, 199)
GOOD = [row for row in range(ROWS) if row not in BAD]


def _csv(folder: Path, **options: Any) -> Dataset:
    lines = [f"{row},a" for row in range(ROWS)]
    for row, text in zip(BAD, ("3", "64,a,b", "65,\xe9", "199"), strict=True):
        lines[row] = text
    (folder / "t.csv").write_bytes("\n".join(["n,t", *lines]).encode("latin1"))
    return Dataset.from_csv(folder / "t.csv", **options)


def _jsonl(folder: Path, **options: Any) -> Dataset:
    lines = [json.dumps({"n": row}) for row in range(ROWS)]
    for row, text in zip(BAD, ("{", "null", '{"n": "x"}', "[]"), strict=True):
        lines[row] = text
    (folder / "t.jsonl").write_text("\n".join(lines))
    return Dataset.from_jsonl(folder / "t.jsonl", **options)


def _parquet(folder: Path, **options: Any) -> Dataset:
    """Each row is a group of its own, and some groups are damaged."""
    path = folder / "t.parquet"
    pq.write_table(pa.table({"n": np.arange(ROWS)}), path, row_group_size=1, use_dictionary=False)
    content = bytearray(path.read_bytes())
    for row in BAD:
        start = pq.ParquetFile(path).metadata.row_group(row).column(0).data_page_offset
        content[start : start + 10] = b"\xff" * 10
    path.write_bytes(bytes(content))
    return Dataset.from_parquet(path, **{"memory_bytes": 64, **options})


def _tfrecord(folder: Path, **options: Any) -> Dataset:
    path = folder / "t.tfrecord"
    write_tfrecord(path, ({"n": row} for row in range(ROWS)))
    content, place = bytearray(path.read_bytes()), 0
    for row in range(ROWS):
        size = 16 + int.from_bytes(content[place : place + 8], "little")
        if row in BAD:
            content[place + size - 1] ^= 1
        place += size
    path.write_bytes(bytes(content))
    return Dataset.from_tfrecord(path, **options)


def _tar(folder: Path, **options: Any) -> Dataset:
    with tarfile.open(folder / "t.tar", "w") as archive:
        for row in range(ROWS):
            data = b"x" if row in BAD else b"%d" % row
            entry = tarfile.TarInfo(f"{row:03}.n.cls")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    dataset = Dataset.from_tar(folder / "t.tar", **options)
    return dataset.map(lambda row: {"n": row["n.cls"]}, compiled=False)


def _map_style(folder: Path, **options: Any) -> Dataset:
    items = [{"n": "x" if row in BAD else row} for row in range(ROWS)]
    return Dataset.from_map_style(items, **options)


def _generator(folder: Path, **options: Any) -> Dataset:
    items = [{"n": "x" if row in BAD else row} for row in range(ROWS)]
    return Dataset.from_generator(items, **options)


SOURCES: dict[str, Callable[..., Dataset]] = {
    "csv": _csv,
    "large csv": lambda folder, **options: _csv(folder, memory_bytes=400, **options),
    "jsonl": _jsonl,
    "large jsonl": lambda folder, **options: _jsonl(folder, memory_bytes=400, **options),
    "parquet": _parquet,
    "tfrecord": _tfrecord,
    "tar": _tar,
    "map style": _map_style,
    "generator": _generator,
}


@pytest.mark.parametrize("kind", SOURCES)
def test_bad_records_are_left_out_and_counted(kind: str, tmp_path: Path) -> None:
    dataset = SOURCES[kind](tmp_path, on_error="skip")
    with pytest.warns(UserWarning, match=r"4 of 200 records were left out by .*\. The first: "):
        found = [int(row["n"]) for row in dataset]
    assert found == GOOD
    assert dataset.stats().skipped == 4


@pytest.mark.parametrize("kind", SOURCES)
def test_without_being_told_the_first_bad_record_is_raised(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        list(SOURCES[kind](tmp_path))


@pytest.mark.filterwarnings("ignore:4 of 200 records were left out")
@pytest.mark.parametrize("kind", [kind for kind in SOURCES if kind != "generator"])
def test_what_is_left_is_shuffled_and_batched(kind: str, tmp_path: Path) -> None:
    dataset = SOURCES[kind](tmp_path, on_error="skip").shuffle(seed=1).batch(7)
    order = [int(n) for batch in dataset for n in batch["n"]]
    assert sorted(order) == GOOD != order


@pytest.mark.parametrize("kind", ["csv", "large csv", "jsonl", "large jsonl", "parquet"])
def test_the_table_has_the_good_rows(kind: str, tmp_path: Path) -> None:
    table = SOURCES[kind](tmp_path, on_error="skip").to_table()
    assert table["n"].to_pylist() == GOOD


def test_records_before_a_damaged_length_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.tfrecord"
    write_tfrecord(path, ({"n": row} for row in range(10)))
    content = bytearray(path.read_bytes())
    content[len(content) // 10 * 6] ^= 1
    path.write_bytes(bytes(content))
    with pytest.warns(UserWarning, match=r"rest of it, is left out: .*the length of record 6 "):
        dataset = Dataset.from_tfrecord(path, on_error="skip")
    assert [int(row["n"]) for row in dataset] == list(range(6))


def test_examples_before_a_cut_are_read(tmp_path: Path) -> None:
    _tar(tmp_path)
    content = (tmp_path / "t.tar").read_bytes()
    (tmp_path / "t.tar").write_bytes(content[: 1024 * 3 - 600])
    with pytest.warns(
        UserWarning, match=r"rest of it, is left out: .*cut or damaged after 001\.n\.cls"
    ):
        dataset = Dataset.from_tar(tmp_path / "t.tar", on_error="skip")
    assert [int(row["n.cls"]) for row in dataset] == [0, 1]


@pytest.mark.filterwarnings("ignore:A file, or the rest of it")
def test_files_without_a_single_record_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.tar").write_bytes(b"no tar file" * 100)
    (tmp_path / "t.tfrecord").write_bytes(b"no records" * 100)
    with pytest.raises(DataError, match=r"t\.tar has no record that can be read"):
        Dataset.from_tar(tmp_path / "t.tar", on_error="skip")
    with pytest.raises(DataError, match=r"t\.tfrecord has no record that can be read"):
        Dataset.from_tfrecord(tmp_path / "t.tfrecord", on_error="skip")


def test_another_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="on_error"):
        _csv(tmp_path, on_error="ignore")


WRITERS: dict[str, tuple[Callable[[Path], Any], Callable[..., Dataset]]] = {
    "parquet": (
        lambda path: pq.write_table(pa.table({"n": [1, 2]}), path),
        Dataset.from_parquet,
    ),
    "arrow": (lambda path: feather.write_feather(pa.table({"n": [1, 2]}), path), Dataset.from_ipc),
    "csv": (lambda path: path.write_text("n\n1\n2\n"), Dataset.from_csv),
    "jsonl": (lambda path: path.write_text('{"n": 1}\n{"n": 2}'), Dataset.from_jsonl),
    "tfrecord": (
        lambda path: write_tfrecord(path, [{"n": 1}, {"n": 2}]),
        Dataset.from_tfrecord,
    ),
}
EMPTY: dict[str, Callable[[Path], Any]] = {
    "parquet": lambda path: pq.write_table(pa.table({"n": pa.array([], pa.int64())}), path),
    "arrow": lambda path: feather.write_feather(pa.table({"n": pa.array([], pa.int64())}), path),
    "csv": lambda path: path.write_text("n\n"),
    "jsonl": lambda path: path.write_text("\n"),
    "tfrecord": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("memory", [None, 1])
@pytest.mark.parametrize("content", ["empty", "nothing", "garbage"])
@pytest.mark.parametrize("kind", WRITERS)
def test_a_bad_file_among_good_ones_is_named_or_left_out(
    kind: str, content: str, memory: int | None, tmp_path: Path
) -> None:
    write, read = WRITERS[kind]
    write(tmp_path / f"a.{kind}")
    write(tmp_path / f"c.{kind}")
    if content == "empty":
        EMPTY[kind](tmp_path / f"b.{kind}")
    else:
        (tmp_path / f"b.{kind}").write_bytes(b"" if content == "nothing" else b"\xff\x00?" * 99)
    options = {} if kind == "tfrecord" else {"memory_bytes": memory}
    with pytest.raises(DataError, match=rf"b\.{kind}"):
        list(read(tmp_path, **options))
    if (kind, content) == ("jsonl", "garbage"):
        return  # its one line is a bad record, not a bad file
    with pytest.warns(UserWarning, match=rf"is left out: .*b\.{kind}"):
        dataset = read(tmp_path, on_error="skip", **options)
    assert [int(row["n"]) for row in dataset] == [1, 2, 1, 2]
