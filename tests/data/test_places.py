"""Every format from every kind of place: paths, file URLs, and file systems that fsspec brings."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from kolam import data
from kolam.core import DataError
from kolam.data import Dataset

ROWS = list(range(50))
TABLE = pa.table({"n": ROWS})


def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for row in ROWS:
            entry = tarfile.TarInfo(f"{row}.n.cls")
            entry.size = len(str(row))
            archive.addfile(entry, io.BytesIO(str(row).encode()))


def _by_suffix(dataset: Dataset) -> list[int]:
    return [int(row.get("n", row.get("n.cls"))) for row in dataset]


FORMATS: dict[str, tuple[Callable[[Path], Any], Callable[..., Dataset]]] = {
    "parquet": (lambda path: pq.write_table(TABLE, path, row_group_size=9), Dataset.from_parquet),
    "arrow": (lambda path: feather.write_feather(TABLE, path, chunksize=9), Dataset.from_ipc),
    "csv": (lambda path: arrow_csv.write_csv(TABLE, path), Dataset.from_csv),
    "jsonl": (
        lambda path: path.write_text("\n".join(json.dumps({"n": row}) for row in ROWS)),
        Dataset.from_jsonl,
    ),
    "tfrecord": (
        lambda path: data.write_tfrecord(path, ({"n": row} for row in ROWS)),
        Dataset.from_tfrecord,
    ),
    "tar": (_tar, Dataset.from_tar),
}


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/places", recursive=True)


@pytest.mark.parametrize("kind", FORMATS)
def test_files_are_read_from_every_kind_of_place(kind: str, tmp_path: Path, memory: Any) -> None:
    write, read = FORMATS[kind]
    path = tmp_path / f"a.{kind}"
    write(path)
    memory.put(str(path), f"/places/a.{kind}")
    places = [path, str(path), [path], tmp_path, f"{tmp_path}/*.{kind}", f"file://{path}"]
    places += [f"memory://places/a.{kind}", "memory://places", f"memory://places/*.{kind}"]
    small = [{}, {"memory_bytes": 100}] if kind not in ("tfrecord", "tar") else [{}]
    for place in places:
        for options in small:
            dataset = read(place, **options)
            assert _by_suffix(dataset) == ROWS
            assert sorted(_by_suffix(dataset.shuffle(seed=1))) == ROWS


@pytest.mark.parametrize("kind", FORMATS)
def test_the_digest_tells_another_content_of_a_url(kind: str, tmp_path: Path, memory: Any) -> None:
    write, read = FORMATS[kind]
    write(tmp_path / "a")
    memory.put(str(tmp_path / "a"), "/places/a")
    digest = read("memory://places/a")._source.digest()
    assert digest == read("memory://places/a")._source.digest()
    memory.put(str(tmp_path / "a"), "/places/a")
    assert digest != read("memory://places/a")._source.digest()


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz"])
def test_compressed_text_is_read(name: str, tmp_path: Path) -> None:
    write, read = FORMATS[name.split(".")[1]]
    write(tmp_path / "plain")
    (tmp_path / name).write_bytes(gzip.compress((tmp_path / "plain").read_bytes()))
    for place in (tmp_path, tmp_path / name):
        assert _by_suffix(read(place)) == ROWS
    assert data.read(tmp_path / name).to_table() == TABLE


def test_compressed_text_that_is_cut_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"n\n1\n" * 999)[:-20])
    with pytest.raises(DataError, match=r"a\.csv\.gz cannot be decompressed: .*\n  It is cut"):
        Dataset.from_csv(tmp_path / "a.csv.gz")
