"""Data sets of other libraries, by the few methods that they have; tables used where they lie."""

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kolam.core import DataError, InvalidTypeError, TensorSpec
from kolam.data import Dataset


class Squares:
    """As a map-style data set of PyTorch or Grain."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.threads: set[int] = set()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> dict[str, Any]:
        self.threads.add(threading.get_ident())
        if number == 40:
            raise OSError("disk on fire")
        return {"n": number, "x": np.full(2, number**2, np.float32), "t": f"t{number}"}


class InLists(Squares):
    def __getitems__(self, numbers: list[int]) -> list[dict[str, Any]]:
        return [Squares.__getitem__(self, number) for number in numbers]

    def __getitem__(self, number: int) -> dict[str, Any]:
        raise AssertionError("several are got at once")


@pytest.mark.parametrize("kind", [Squares, InLists])
def test_elements_are_got_in_any_order(kind: type[Squares]) -> None:
    dataset = Dataset.from_map_style(kind(40)).shuffle(seed=1).batch(40)
    (batch,) = dataset
    order = batch["n"]
    assert sorted(order) == list(range(40))
    np.testing.assert_array_equal(batch["x"][:, 1], order.astype(np.float32) ** 2)
    assert batch["t"].tolist() == [f"t{number}" for number in order]


@pytest.mark.parametrize("kind", [Squares, InLists])
def test_what_an_element_raises_has_its_number(kind: type[Squares]) -> None:
    with pytest.raises(OSError, match="disk on fire") as caught:
        list(Dataset.from_map_style(kind(50)))
    assert "element" in caught.value.__notes__[0]
    assert "40" in caught.value.__notes__[0] or "elements 32 to 47" in caught.value.__notes__[0]


def test_tuples_and_lists_are_data_sets() -> None:
    dataset = Dataset.from_map_style([(1, 0.5), (2, 1.5)])
    assert [(int(n), float(x)) for n, x in dataset] == [(1, 0.5), (2, 1.5)]


def test_an_element_of_another_form_is_named() -> None:
    with pytest.raises(DataError, match=r"Element 1 has int64 of shape \(3,\), where the first is"):
        list(Dataset.from_map_style([np.zeros(2, int), np.zeros(3, int)]))


def test_sizes_that_differ_are_named_in_the_spec() -> None:
    items = [np.zeros(2, int), np.zeros(3, int)]
    dataset = Dataset.from_map_style(items, spec=TensorSpec(("steps",), "int64"))
    assert [len(element) for element in dataset] == [2, 3]
    assert dataset.element_spec.shape == ("steps",)


@pytest.mark.parametrize("items", [{"a": 1}, iter([1]), 3])
def test_what_has_no_elements_by_number_is_refused(items: Any) -> None:
    with pytest.raises(InvalidTypeError, match=rf"A {type(items).__name__} has no elements by num"):
        Dataset.from_map_style(items)


def test_an_empty_data_set_needs_a_spec() -> None:
    with pytest.raises(InvalidTypeError, match=r"The list is empty.*\n  Give spec="):
        Dataset.from_map_style([])
    assert list(Dataset.from_map_style([], spec=TensorSpec(()))) == []


def _huggingface(rows: int, indices: list[int] | None = None) -> Any:
    """What `datasets.Dataset` has of its own; the real one was tried by hand."""
    table = pa.table({"n": np.arange(rows), "t": [f"t{row}" for row in range(rows)]})
    chosen = indices and SimpleNamespace(
        table=pa.table({"indices": pa.array(indices, pa.uint64())})
    )
    return SimpleNamespace(
        data=SimpleNamespace(table=table), _indices=chosen, _fingerprint=f"{rows} {indices}"
    )


@pytest.mark.parametrize("memory", [None, 800])
def test_a_dataset_of_hugging_face_is_its_table(memory: int | None) -> None:
    items = _huggingface(200)
    dataset = Dataset.from_huggingface(items, memory_bytes=memory)
    assert dataset.to_table() == items.data.table
    assert [element["t"] for element in dataset.skip(198)] == ["t198", "t199"]


@pytest.mark.parametrize("memory", [None, 800])
def test_its_chosen_rows_are_given_in_their_order(memory: int | None) -> None:
    dataset = Dataset.from_huggingface(_huggingface(200, [150, 3, 77]), memory_bytes=memory)
    assert [int(element["n"]) for element in dataset] == [150, 3, 77]
    assert len(dataset) == 3


def test_splits_and_streams_are_refused() -> None:
    with pytest.raises(InvalidTypeError, match=r"several splits: a, b\.\n  .*dataset\['a'\]"):
        Dataset.from_huggingface({"a": 1, "b": 2})
    with pytest.raises(InvalidTypeError, match=r"A list is no datasets\.Dataset"):
        Dataset.from_huggingface([1])


VALUES = np.arange(1000, dtype=np.float64)
FRAMES: dict[str, Any] = {
    "pyarrow": lambda: pa.table({"a": pa.array(VALUES)}),
    "a batch": lambda: pa.record_batch({"a": pa.array(VALUES)}),
    "polars": lambda: pl.DataFrame({"a": pl.Series(pa.array(VALUES))}),
    "pandas": lambda: pd.DataFrame(
        {"a": pd.Series(pa.array(VALUES), dtype=pd.ArrowDtype(pa.float64()))}
    ),
}


class ByCapsule:
    """A table of a library that is not known, with one method of the Arrow PyCapsule interface."""

    def __init__(self, inner: Any, method: str) -> None:
        setattr(type(self), method, lambda self, *a, **k: getattr(inner, method)(*a, **k))


@pytest.mark.parametrize("kind", FRAMES)
def test_tables_of_any_library_are_used_where_they_lie(kind: str) -> None:
    frame = FRAMES[kind]()
    dataset = Dataset.from_arrow(frame)
    (batch,) = dataset.record_batches()
    assert batch["a"].buffers()[1].address == VALUES.ctypes.data
    (matrix,) = dataset._source._packed.matrices  # type: ignore[attr-defined]
    assert matrix.ctypes.data == VALUES.ctypes.data


@pytest.mark.parametrize("method", ["__arrow_c_stream__", "__arrow_c_array__"])
def test_any_object_with_a_capsule_is_a_table(method: str) -> None:
    capsule = type("Library", (ByCapsule,), {})(pa.record_batch({"a": pa.array(VALUES)}), method)
    dataset = Dataset.from_arrow(capsule)
    (batch,) = dataset.record_batches()
    assert batch["a"].buffers()[1].address == VALUES.ctypes.data


def test_an_element_that_is_none_is_told() -> None:
    with pytest.raises(DataError, match=r"Element 1 is None\.\n.*filter of Grain"):
        list(Dataset.from_map_style([np.zeros(2), None]))
    assert list(Dataset.from_map_style(["a", None])) == ["a", None]


def test_what_repeats_without_end_is_repeated_here() -> None:
    class Endless(list[int]):
        def __len__(self) -> int:
            return (1 << 63) - 1

    with pytest.raises(InvalidTypeError, match="The Endless repeats without end"):
        Dataset.from_map_style(Endless([1]))
