"""Generators of the user as streams."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam.core import DataError, InvalidTypeError, TensorSpec
from kolam.data import Dataset
from kolam.data._streams import GeneratorSource, OpenStreams


def _numbers() -> Iterator[dict[str, Any]]:
    for number in range(3000):
        yield {"n": number, "x": np.full(2, number, np.float32)}


def _elements(source: GeneratorSource, cursor: object = None) -> list[Any]:
    found: list[Any] = []
    while True:
        block = source.read(cursor)
        found += block.elements.elements()
        cursor = block.following
        if cursor is None:
            return found


def test_elements_are_those_of_the_function_each_time() -> None:
    source = GeneratorSource(_numbers)
    for _ in range(2):
        assert [int(element["n"]) for element in _elements(source)] == list(range(3000))
    assert (source.spec["n"].dtype, source.spec["x"].shape) == ("int64", (2,))


@settings(deadline=None)
@given(start=st.integers(0, 40))
def test_a_cursor_gives_the_same_block_however_it_was_come_by(start: int) -> None:
    source = GeneratorSource(lambda: iter(range(40)))
    fresh = GeneratorSource(lambda: iter(range(40)))
    assert _elements(source, start) == list(range(start, 40))
    assert source.read(0).following == fresh.read(0).following == 16


def test_a_function_with_a_start_draws_nothing_in_vain() -> None:
    drawn: list[int] = []

    def numbers(start: int = 0) -> Iterator[int]:
        for number in range(start, 100):
            drawn.append(number)
            yield number

    source = GeneratorSource(numbers, TensorSpec((), "int64"))
    assert _elements(source, 90) == list(range(90, 100)) == drawn


def test_reading_on_does_not_begin_anew() -> None:
    begun: list[int] = []

    def numbers() -> Iterator[int]:
        begun.append(1)
        yield from range(3000)

    source = GeneratorSource(numbers, TensorSpec((), "int64"))
    assert len(_elements(source)) == 3000
    assert len(begun) == 1


def test_iterables_that_can_begin_anew_are_taken() -> None:
    assert _elements(GeneratorSource([1.5, 2.5])) == [1.5, 2.5]


def test_an_iterator_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match=r"from a generator\.\n  Give the function itself"):
        GeneratorSource(_numbers())
    with pytest.raises(InvalidTypeError, match="from a int"):
        GeneratorSource(3)  # type: ignore[arg-type]


def test_an_empty_generator_without_a_spec_is_refused() -> None:
    with pytest.raises(DataError, match=r"gives nothing.*\n  Give spec="):
        _ = GeneratorSource(list).spec


ODD: dict[str, tuple[Any, str]] = {
    "a key": ({"m": 1}, r"Element 20 of the generator is {'m': ·}, where the first is {'n': ·}"),
    "a shape": (
        {"n": np.zeros(2)},
        r"Element 20 .* float64 of shape \(2,\), where the first is int64 of shape \(\)",
    ),
    "a dtype": ({"n": "word"}, "Element 20 of the generator has string of shape"),
    "a fraction": ({"n": 0.5}, "Element 20 of the generator has float64 of shape"),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_element_that_differs_is_named_or_left_out(kind: str) -> None:
    odd, message = ODD[kind]
    elements = [{"n": row} for row in range(50)]
    elements[20] = odd
    with pytest.raises(DataError, match=message):
        _elements(GeneratorSource(elements))
    lenient = GeneratorSource(elements, is_lenient=True)
    assert [int(element["n"]) for element in _elements(lenient)] == [
        row for row in range(50) if row != 20
    ]
    assert "Element 20" in lenient.read(16).faults[0]


def test_sizes_that_differ_are_named_in_the_spec() -> None:
    arrays = [np.arange(n) for n in range(5)]
    spec = TensorSpec(("steps",), "int64")
    assert [len(element) for element in _elements(GeneratorSource(arrays, spec))] == [0, 1, 2, 3, 4]
    with pytest.raises(DataError, match=r"where spec= says int32 of shape \('steps',\)"):
        _elements(GeneratorSource(arrays, TensorSpec(("steps",), "int32")))


def test_numbers_of_python_become_the_dtype_of_the_spec_where_they_fit() -> None:
    source = GeneratorSource([1, 2.5], TensorSpec((), "float32"))
    assert source.read(None).elements.tree.dtype == np.float32
    with pytest.raises(DataError, match="Element 0 of the generator has int64"):
        _elements(GeneratorSource([300], TensorSpec((), "uint8")))


def test_texts_and_bytes_stay_as_they_are() -> None:
    elements = [{"t": "é", "b": b"a\0"}, {"t": "", "b": b"\0"}]
    assert _elements(GeneratorSource(elements)) == elements


def test_what_the_function_raises_has_its_number() -> None:
    def broken() -> Iterator[int]:
        yield from range(18)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more") as caught:
        _elements(GeneratorSource(broken))
    assert caught.value.__notes__ == ["The generator raised this for element 18."]


def test_streams_that_wait_too_long_are_closed() -> None:
    closed: list[int] = []

    class Stream:
        def __init__(self, number: int) -> None:
            self.number = number

        def close(self) -> None:
            closed.append(self.number)

    streams = OpenStreams(limit=2)
    for number in (1, 2, 3, 3):
        streams.put(number, Stream(number))
    assert closed == [1, 3]
    assert streams.take(2).number == 2
    assert streams.take(2) is None


def test_a_generator_is_a_dataset_that_goes_on_where_it_was() -> None:
    dataset = Dataset.from_generator(_numbers).map(lambda row: row["n"] * 2).batch(10)
    iterator = iter(dataset)
    for _ in range(30):
        next(iterator)
    other = iter(dataset)
    other.restore(iterator.state())
    assert next(other).tolist() == next(iterator).tolist() == list(range(600, 620, 2))


def test_a_generator_begins_anew_in_every_epoch() -> None:
    dataset = Dataset.from_generator(_numbers).take(3)
    for epoch in range(2):
        assert [int(row["n"]) for row in dataset.at_epoch(epoch)] == [0, 1, 2]
