"""Where files may be, and what is said when they are not there."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kolam.core import InvalidArgumentError, InvalidTypeError, StorageError
from kolam.data import Dataset, write_tfrecord
from kolam.data._formats.files import find_files

ENDINGS = (".csv",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ["b.csv", "a.csv", "notes.txt", "deep/c.CSV", "_old/d.csv", ".e.csv"]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


@pytest.fixture
def bucket(folder: Path) -> Iterator[str]:
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/bucket", recursive=True)
    yield "memory://bucket"
    memory.rm("/bucket", recursive=True)


def _names(source: object) -> list[str]:
    return [Path(file.name).name for file in find_files(source, ENDINGS)]  # type: ignore[arg-type]


def test_a_folder_gives_its_files_in_order_at_any_depth(folder: Path) -> None:
    assert _names(folder) == ["a.csv", "b.csv", "c.CSV"]


def test_a_glob_gives_its_files_in_order(folder: Path) -> None:
    assert _names(f"{folder}/[ab].csv") == _names(f"file://{folder}/?.csv") == ["a.csv", "b.csv"]


def test_a_list_keeps_its_order(folder: Path) -> None:
    assert _names([folder / "b.csv", str(folder / "a.csv")]) == ["b.csv", "a.csv"]


def test_a_name_with_a_star_in_it_is_found_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a[1].csv").touch()
    assert _names(tmp_path / "a[1].csv") == ["a[1].csv"]


def test_urls_are_found_as_paths_are(bucket: str) -> None:
    assert _names(bucket) == ["a.csv", "b.csv", "c.CSV"]
    assert _names(f"{bucket}/?.csv") == ["a.csv", "b.csv"]
    assert _names(f"{bucket}/b.csv") == ["b.csv"]


def test_ranges_are_read_from_a_path_and_from_a_url(folder: Path, bucket: str) -> None:
    for source in (folder / "deep" / "c.CSV", f"{bucket}/deep/c.CSV"):
        (file,) = find_files(source, ENDINGS)
        with file.ranges() as read:
            assert (read(5, 7), read(8, 99), read(99, 100)) == (b"c.", b"SV"[:2], b"")
        assert file.read() == file.arrow().read() == b"".join(file.pieces(3)) == b"deep/c.CSV"


def test_a_glob_without_files_lists_what_is_there(folder: Path) -> None:
    with pytest.raises(StorageError, match=r"No file matches .*\n  Did you mean .*b\.csv"):
        find_files(f"{folder}/x*.csv", ENDINGS)


def test_a_folder_without_files_of_the_kind_says_so(folder: Path) -> None:
    with pytest.raises(StorageError, match=r"no file that ends with \.parquet"):
        find_files(folder, (".parquet",))


def test_a_missing_url_is_named(bucket: str) -> None:
    with pytest.raises(StorageError, match=r"There is no file at memory://bucket/x\.csv"):
        find_files(f"{bucket}/x.csv", ENDINGS)


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(InvalidArgumentError, match=r"nowhere://x\.csv cannot be opened: .*nowhere"):
        find_files("nowhere://x.csv", ENDINGS)


def test_what_is_no_path_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="named by 7, a int"):
        find_files(7, ENDINGS)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="list of files is empty"):
        find_files([], ENDINGS)


def test_a_file_that_is_gone_is_named(folder: Path) -> None:
    (file,) = find_files(folder / "a.csv", ENDINGS)
    (folder / "a.csv").unlink()
    with pytest.raises(StorageError, match=r"Cannot read .*a\.csv: No such file"):
        file.read()


def test_folders_named_by_values_are_columns(tmp_path: Path) -> None:
    table = pa.table(
        {"x": [1, 2, 3, 4], "year": [2020, 2021, 2020, None], "c": ["a b", "c", "a b", "c"]}
    )
    pq.write_to_dataset(table, tmp_path / "t", partition_cols=["year", "c"])
    for memory in (None, 1):
        dataset = Dataset.from_parquet(tmp_path / "t", memory_bytes=memory)
        rows = sorted((row["x"], row["year"], row["c"]) for row in dataset)
        assert rows[:3] == [(1, 2020.0, "a b"), (2, 2021.0, "c"), (3, 2020.0, "a b")]
        assert np.isnan(rows[3][1])
        assert dataset.element_spec["year"].dtype == "float64"
    one = next((tmp_path / "t").glob("year=2021/*/*.parquet"))
    assert list(Dataset.from_parquet(one)) == [{"x": 2}]  # it was named itself


def test_parts_of_records_in_a_folder_are_found(tmp_path: Path) -> None:
    for part in range(2):
        name = f"train.tfrecord-{part:05}-of-00002"
        write_tfrecord(tmp_path / name, [{"a": part}])
    assert [int(row["a"]) for row in Dataset.from_tfrecord(tmp_path)] == [0, 1]
