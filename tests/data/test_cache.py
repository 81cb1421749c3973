"""What is cached is computed once, and a file is only read when it is what it should be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pyarrow as pa
import pytest

from kolam.core import DataError, IntegrityError, InvalidArgumentError, UnsupportedError
from kolam.data import Dataset


class Counter:
    """A function that counts its calls; its content does not change with them."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, value: Any) -> Any:
        self.calls += 1
        return value * 2


def _numbers(count: int) -> Dataset:
    return Dataset.from_arrays(np.arange(count))


def _file(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


@pytest.mark.parametrize("in_file", [False, True])
def test_elements_are_computed_once(in_file: bool, tmp_path: Path) -> None:
    counter = Counter()
    path = tmp_path / "cache" if in_file else None
    dataset = _numbers(100).map(counter, compiled=False).cache(path, key="twice")
    for epoch in range(3):
        shuffled = dataset.shuffle(seed=0).at_epoch(epoch)
        assert sorted(int(x) for x in shuffled) == list(range(0, 200, 2))
    assert counter.calls == 100


def test_a_filter_has_a_length_once_it_is_cached() -> None:
    dataset = _numbers(100).filter(lambda n: n % 7 == 0).cache()
    assert len(dataset) == 15
    assert len(dataset.batch(4)) == 4
    train, test = dataset.split(0.8, seed=0)
    assert sorted([*map(int, train), *map(int, test)]) == list(range(0, 100, 7))


def test_a_cache_keeps_the_order_of_epoch_0() -> None:
    dataset = _numbers(20).shuffle(seed=1)
    assert list(dataset.cache().at_epoch(3)) == list(dataset)


def _elements(kind: str) -> Dataset:
    table = {
        "ragged": lambda n: {"s": np.arange(int(n)), "w": np.array(["x"] * int(n), object)},
        "later ragged": lambda n: np.zeros(max(3, int(n) - 28)),
        "texts": lambda n: {"t": None if n % 3 == 0 else f"wörd {n}", "b": bytes([n])},
        "nested": lambda n: (n, [n * 0.5, {"m": np.full((2, 2), n, np.float16)}]),
        "flags": lambda n: {"f": n % 2 == 0, "g": np.array([n > 3, True])},
        "bfloat16": lambda n: np.full(3, n, ml_dtypes.bfloat16),
        "batch of texts": lambda n: np.array([f"a{n}", None], object),
    }
    return _numbers(40).map(table[kind], compiled=False)


@pytest.mark.parametrize(
    "kind",
    ["ragged", "later ragged", "texts", "nested", "flags", "bfloat16", "batch of texts"],
)
def test_a_file_gives_back_elements_of_every_kind(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kolam.data._run._WIDE_ROWS", 16)  # several record batches
    plain = list(_elements(kind))
    for _ in range(2):  # written, then read by another dataset
        cached = list(_elements(kind).cache(tmp_path))
        assert repr(cached) == repr(plain)
    assert len(list(tmp_path.iterdir())) == 1
    order = [int(i) for i in _numbers(40).shuffle(seed=3)]
    assert repr(list(_elements(kind).cache(tmp_path).shuffle(seed=3))) == repr(
        [plain[i] for i in order]
    )


def _scaled(factor: float) -> Callable[[Any], Any]:
    return lambda n: n * factor


def _offset(n: Any) -> Any:
    return _scaled(2)(n) + 1


def test_the_name_of_the_file_hangs_on_data_and_functions(tmp_path: Path) -> None:
    list(_numbers(5).map(_scaled(2)).cache(tmp_path))
    list(_numbers(5).map(_scaled(2)).cache(tmp_path))
    assert len(list(tmp_path.iterdir())) == 1
    for other in (
        _numbers(5).map(_scaled(3)),
        _numbers(5).map(lambda n: n * 2),
        _numbers(5).map(_offset),
        _numbers(6).map(_scaled(2)),
        _numbers(5).shuffle(0).map(_scaled(2)),
    ):
        list(other.cache(tmp_path))
    assert len(list(tmp_path.iterdir())) == 6


def test_a_function_of_which_nothing_can_be_told_needs_a_key(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    noisy = _numbers(3).map(lambda n: n + generator.random(), compiled=False)
    with pytest.raises(InvalidArgumentError, match=r"object of type .*Generator.*\n.*key="):
        noisy.cache(tmp_path)
    assert len(noisy.cache(tmp_path, key="noise 1")) == 3


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[: len(content) // 2], "Arrow file"),
        (
            lambda content: content.replace(b"\x07" + bytes(7), b"\x08" + bytes(7), 1),
            "not what was",
        ),
        (lambda content: b"", "too small"),
    ],
)
def test_a_damaged_file_is_refused(
    damage: Callable[[bytes], bytes], reason: str, tmp_path: Path
) -> None:
    list(_numbers(50).cache(tmp_path))
    file = _file(tmp_path)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(IntegrityError, match=f"{file.name} is damaged: .*{reason}.*\n.*Delete"):
        list(_numbers(50).cache(tmp_path))


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        list(_numbers(5).map(lambda n: 1 // int(n), compiled=False).cache(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_what_no_file_can_hold_is_refused(tmp_path: Path) -> None:
    numbers = _numbers(3)
    with pytest.raises(UnsupportedError, match=r"cannot hold arrays of complex128\.\n.*in memory"):
        list(numbers.map(lambda n: n * 1j, compiled=False).cache(tmp_path))
    with pytest.raises(UnsupportedError, match="cannot hold values of type PosixPath"):
        list(numbers.map(lambda n: Path("a"), compiled=False).cache(tmp_path))
    with pytest.raises(DataError, match=r"nothing to cache.*\n.*filter\(\)"):
        list(numbers.filter(lambda n: n > 5).cache(tmp_path))
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidArgumentError, match="file is a file, not a folder"):
        numbers.cache(tmp_path / "file")


def test_the_file_is_one_that_arrow_reads(tmp_path: Path) -> None:
    list(Dataset.from_arrays({"x": np.arange(6.0).reshape(3, 2)}).cache(tmp_path))
    table = pa.ipc.open_file(_file(tmp_path)).read_all()
    assert table["0"].to_pylist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
