"""Tar shards: written by Python's own tarfile, cut and damaged in every place."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kolam.core import DataError
from kolam.data import Dataset
from kolam.data._buffers import Buffers
from kolam.data._formats.files import find_files
from kolam.data._formats.tar import Shard


def _tar(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=form) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def _npy(values: object) -> bytes:
    content = io.BytesIO()
    np.save(content, np.asarray(values))
    return content.getvalue()


def _samples(count: int, start: int = 0) -> dict[str, bytes]:
    files = {}
    for row in range(start, start + count):
        files[f"d/{row:03}.jpg"] = bytes([row]) * 700
        files[f"d/{row:03}.cls"] = str(row).encode()
        files[f"d/{row:03}.x.npy"] = _npy([row, row + 1.0])
    return files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0.tar").write_bytes(_tar(_samples(3)))
    (tmp_path / "1.tar.gz").write_bytes(gzip.compress(_tar(_samples(2, 3))))
    return tmp_path


def test_files_of_one_stem_are_one_example(folder: Path) -> None:
    dataset = Dataset.from_tar(folder)
    row = next(iter(dataset.skip(3)))
    assert (len(dataset), row["__key__"], row["jpg"]) == (5, "d/003", b"\3" * 700)
    assert (int(row["cls"]), row["x.npy"].tolist()) == (3, [3, 4])
    assert {name: (spec.shape, spec.dtype) for name, spec in dataset.element_spec.items()} == {
        "__key__": ((), "string"),
        "jpg": ((), "string"),
        "cls": ((), "int64"),
        "x.npy": ((2,), "float64"),
    }


def test_examples_are_read_in_any_order(folder: Path) -> None:
    taken = Dataset.from_tar(folder)._source.take(np.array([4, 0, 2]), Buffers())
    assert taken["cls"].tolist() == [4, 0, 2]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names_other_members_and_scattered_files_are_understood(
    form: int, tmp_path: Path
) -> None:
    long = "f" * 60 + "/" + "n" * 80
    files = {
        f"{long}.txt": "é".encode(),
        "b.txt": b"2",
        f"{long}.JSON": json.dumps({"k": 1}).encode(),
        "__notes__.txt": b"",
        ".hidden/x.txt": b"",
        "b.json": b"{}",
    }
    (tmp_path / "t.tar").write_bytes(_tar(files, form))
    rows = list(Dataset.from_tar(tmp_path / "t.tar"))
    assert [(row["__key__"], row["txt"], row["json"]) for row in rows] == [
        (long, "é", '{"k": 1}'),
        ("b", "2", "{}"),
    ]


def test_arrays_of_different_lengths_are_ragged(tmp_path: Path) -> None:
    files = {f"{row}.x.npy": _npy(np.arange(row)) for row in range(3)}
    (tmp_path / "t.tar").write_bytes(_tar(files))
    dataset = Dataset.from_tar(tmp_path / "t.tar")
    assert dataset.element_spec["x.npy"].shape == ("x_npy_size",)
    assert [len(row["x.npy"]) for row in dataset] == [0, 1, 2]


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)
@given(cut=st.integers(1, 12_000))
def test_a_shard_that_is_cut_is_refused_with_its_last_whole_member(
    cut: int, tmp_path: Path
) -> None:
    files = _samples(3)
    whole = _tar(files)
    end = 512 * sum(1 + -(-len(data) // 512) for data in files.values())
    kept = whole[: max(0, end - cut)]
    (tmp_path / "t.tar").write_bytes(kept)
    ends, place = [], 0
    for name, data in files.items():
        place += 512 + len(data)
        ends.append((place, name))
        place += -len(data) % 512
    before = [name for stop, name in ends if stop <= len(kept)]
    message = f"t.tar is cut or damaged after {before[-1]}" if before else "cut or damaged at|empty"
    with pytest.raises(DataError, match=message):
        Shard(find_files(tmp_path / "t.tar", ())[0])


@pytest.mark.parametrize("member", [0, 1, 4, 8])
def test_a_damaged_head_in_the_middle_is_refused(member: int, tmp_path: Path) -> None:
    files = _samples(3)
    content = bytearray(_tar(files))
    sizes = [512 * (1 + -(-len(data) // 512)) for data in files.values()]
    content[sum(sizes[:member]) + 3] ^= 1
    (tmp_path / "t.tar").write_bytes(bytes(content))
    names = list(files)
    place = f"after {names[member - 1]}" if member else "at its beginning"
    with pytest.raises(DataError, match=f"is cut or damaged {place}"):
        Dataset.from_tar(tmp_path / "t.tar")


BROKEN: dict[str, tuple[dict[str, bytes], str]] = {
    "no files": ({}, "has no files in it"),
    "no suffix": ({"a": b""}, "a has no suffix, so it is no part of an example"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_shard_without_examples_is_refused(kind: str, tmp_path: Path) -> None:
    files, message = BROKEN[kind]
    (tmp_path / "t.tar").write_bytes(_tar(files))
    with pytest.raises(DataError, match=message):
        Dataset.from_tar(tmp_path / "t.tar")


def test_a_file_that_stands_twice_is_refused(tmp_path: Path) -> None:
    one, two = _tar({"a.cls": b"1"}), _tar({"a.cls": b"2"})
    (tmp_path / "t.tar").write_bytes(one[:1024] + two)
    with pytest.raises(DataError, match=r"a\.cls stands twice"):
        Dataset.from_tar(tmp_path / "t.tar")


NO_TAR = {"nothing": b"", "a cut gzip": gzip.compress(b"0" * 9000)[:-9], "text": b"no tar" * 200}


@pytest.mark.parametrize("kind", NO_TAR)
def test_what_is_no_tar_file_is_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "t.tar").write_bytes(NO_TAR[kind])
    with pytest.raises(
        DataError, match=r"t\.tar (is empty|cannot be decompressed|is cut or damag)"
    ):
        Dataset.from_tar(tmp_path / "t.tar")


ODD: dict[str, tuple[str, bytes, str]] = {
    "a missing file": ("odd.jpg", b"", r"example 'odd' has jpg, most have cls, jpg"),
    "no number": ("050.cls", b"seven", r"050\.cls is no cls: invalid literal"),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_example_is_named_and_the_others_are_read(kind: str, tmp_path: Path) -> None:
    name, data, message = ODD[kind]
    files = {}
    for row in range(100):
        files |= {f"{row:03}.jpg": b"", f"{row:03}.cls": str(row).encode()}
    files[name] = data
    (tmp_path / "t.tar").write_bytes(_tar(files))
    source = Dataset.from_tar(tmp_path / "t.tar")._source
    with pytest.raises(DataError, match=message):
        source.take(np.arange(source.num_rows), Buffers())
    assert source.take(np.array([0, 49, 99]), Buffers())["cls"].tolist() == [0, 49, 99]


def test_an_array_of_another_rank_is_named(tmp_path: Path) -> None:
    files = {f"{row}.x.npy": _npy([row]) for row in range(100)}
    files["61.x.npy"] = _npy([[1]])
    (tmp_path / "t.tar").write_bytes(_tar(files))
    with pytest.raises(
        DataError,
        match=r"example '61': 'x\.npy' is int64 of shape \(1, 1\), where others are int64",
    ):
        list(Dataset.from_tar(tmp_path / "t.tar").batch(7))


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    files = {"1.npy": _npy(np.array([{}], object))}
    (tmp_path / "t.tar").write_bytes(_tar(files))
    with pytest.raises(DataError, match=r"1\.npy is no npy: Object arrays cannot be loaded"):
        list(Dataset.from_tar(tmp_path / "t.tar"))
