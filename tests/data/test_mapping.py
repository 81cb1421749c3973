"""Functions of one example: compiled and vectorised they give what Python gives, one by one."""

import threading
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pytest

from kolam.core import DataError, InvalidArgumentError, InvalidTypeError
from kolam.data import Dataset, _threads

Row = dict[str, Any]


def _clipped(row: Row) -> Row:
    value = row["x"] * 2.0
    if value > 1.0:
        value = 1.0 + row["y"]
    return {"value": value, "even": row["y"] % 2 == 0}


def _summed(row: Row) -> Any:
    total = row["x"]
    for _ in range(3):
        total = total + row["y"]
    return total


def _counted(row: Row) -> Any:
    number = row["y"]
    steps = 0
    while number > 1:
        number = number // 2
        steps += 1
    return steps


TABLE = {
    "x": np.linspace(0, 1, 100_003),
    "y": np.arange(100_003, dtype=np.int64) + 2**40,
}


@pytest.mark.parametrize("fn", [_clipped, _summed, _counted])
def test_a_compiled_map_gives_what_python_gives(fn: Callable[[Row], Any]) -> None:
    rows = {name: values[:50] for name, values in TABLE.items()}
    dataset = Dataset.from_arrays(rows)
    compiled = list(dataset.map(fn))
    python = list(dataset.map(fn, compiled=False))
    for one, other in zip(compiled, python, strict=True):
        for name in one if isinstance(one, dict) else [...]:
            np.testing.assert_array_equal(one[name], other[name])


def test_a_map_over_many_chunks_keeps_order_dtype_and_keys() -> None:
    dataset = Dataset.from_arrays(TABLE).map(_clipped).batch(1000)
    batches = list(dataset.prefetch())
    even = np.concatenate([batch["even"] for batch in batches])
    value = np.concatenate([batch["value"] for batch in batches])
    np.testing.assert_array_equal(even, TABLE["y"] % 2 == 0)
    twice = TABLE["x"] * 2
    np.testing.assert_array_equal(value, np.where(twice > 1, 1.0 + TABLE["y"], twice))
    assert [list(batch) for batch in batches[:1]] == [["value", "even"]]
    spec = dataset.element_spec
    assert [(s.shape, s.dtype) for s in spec.values()] == [
        (("batch",), "float64"),
        (("batch",), "bool"),
    ]


def test_a_resumed_map_gives_the_same_bits() -> None:
    dataset = Dataset.from_arrays(TABLE).map(lambda row: row["x"] ** 1.7).shuffle(seed=1).batch(999)
    whole = list(dataset)
    iterator = iter(dataset)
    iterator.restore({**iterator.state(), "position": 57})
    np.testing.assert_array_equal(np.concatenate(list(iterator)), np.concatenate(whole[57:]))


def test_a_map_of_batches_sees_batches() -> None:
    dataset = Dataset.from_arrays(np.arange(7.0)).batch(3).map(lambda batch: batch - batch[0])
    assert [batch.tolist() for batch in dataset] == [[0, 1, 2], [0, 1, 2], [0]]
    assert dataset.element_spec.shape == ("batch",)


def test_a_function_that_needs_values_runs_in_python_and_says_so_once() -> None:
    def rounded(value: Any) -> Any:
        return int(np.asarray(value))

    dataset = Dataset.from_arrays(np.array([0.5, 1.5, 2.5])).map(rounded)
    with pytest.warns(UserWarning, match=r"runs in Python, in threads, not compiled: ") as caught:
        assert [int(value) for value in dataset.batch(2).map(lambda b: b[0])] == [0, 2]
    message = str(caught[0].message)
    assert "test_mapping.py:" in message
    assert "return int(np.asarray(value))" in message
    assert "map(fn, compiled=False)" in message
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [int(value) for value in dataset] == [0, 1, 2]


def test_text_runs_in_python() -> None:
    table = pa.table({"word": ["a", "bb", None], "n": [1, 2, 3]})
    dataset = Dataset.from_arrow(table).map(
        lambda row: {"length": len(row["word"] or ""), "word": row["word"]}, compiled=False
    )
    assert dataset.to_table().to_pydict() == {"length": [1, 2, 0], "word": ["a", "bb", None]}
    assert dataset.element_spec["word"].dtype == "string"


def test_an_error_of_the_function_keeps_its_trace_and_adds_the_element() -> None:
    def careful(value: Any) -> Any:
        if value == 3:
            raise ZeroDivisionError("mine")
        return value

    dataset = Dataset.from_arrays(np.arange(5)).map(careful, compiled=False)
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        list(dataset.batch(5))
    assert caught.value.__notes__ == ["The function of map() raised this for element 3."]


def test_results_of_different_shapes_are_refused() -> None:
    dataset = Dataset.from_arrays(np.arange(4)).map(lambda n: np.zeros(int(n)), compiled=False)
    with pytest.raises(
        DataError, match=r"Elements 0 and 1 differ in shape: \(0,\) and \(1,\).*\n.*Pad or crop"
    ):
        list(dataset.batch(4))


def _noisy(row: Row, key: Any) -> Row:
    first, second = jax.random.split(key)
    noise = jax.random.uniform(first, dtype=np.float32)
    return {"y": row["y"], "noise": noise, "coin": jax.random.bernoulli(second)}


def test_random_maps_hang_on_seed_epoch_and_position_alone() -> None:
    table = {"y": np.arange(2000)}
    dataset = Dataset.from_arrays(table).map(_noisy, seed=7).batch(100)
    noise = np.concatenate([batch["noise"] for batch in dataset])
    again = np.concatenate([batch["noise"] for batch in dataset.prefetch()])
    np.testing.assert_array_equal(noise, again)
    assert len(set(noise.tolist())) > 1990
    assert abs(noise.mean() - 0.5) < 0.03
    other_epoch = np.concatenate([batch["noise"] for batch in dataset.at_epoch(1)])
    other_seed = [row["noise"] for row in Dataset.from_arrays(table).map(_noisy, seed=8)]
    assert (noise == other_epoch).sum() + (noise == other_seed).sum() < 3
    iterator = iter(dataset)
    iterator.restore({**iterator.state(), "position": 13})
    np.testing.assert_array_equal(next(iterator)["noise"], noise[1300:1400])


def test_rounds_of_repeat_have_other_random_numbers() -> None:
    twice = Dataset.from_arrays({"y": np.arange(5)}).map(_noisy, seed=1).repeat(2)
    epochs = Dataset.from_arrays({"y": np.arange(5)}).map(_noisy, seed=1)
    expected = [row["noise"] for epoch in (0, 1) for row in epochs.at_epoch(epoch)]
    assert [row["noise"] for row in twice] == expected


def test_a_random_map_gives_the_same_in_python_and_compiled() -> None:
    dataset = Dataset.from_arrays({"y": np.arange(6)}).shuffle(seed=0)
    compiled = list(dataset.map(_noisy, seed=3))
    python = list(dataset.map(_noisy, seed=3, compiled=False))
    assert [row["noise"] for row in compiled] == [row["noise"] for row in python]
    batches = Dataset.from_arrays({"y": np.arange(6)}).batch(2).map(_noisy, seed=3)
    assert len({float(batch["noise"]) for batch in batches}) == 3
    assert batches.element_spec["noise"].shape == ()


def test_a_seed_is_checked_at_once() -> None:
    with pytest.raises(InvalidArgumentError, match="The seed is -1"):
        Dataset.from_arrays(np.arange(3)).map(_noisy, seed=-1)


def test_python_functions_run_at_the_same_time_and_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_threads, "num_threads", lambda: 2)
    later = threading.Event()

    def both(value: Any) -> Any:
        if value == 0:  # it ends only if another part runs meanwhile
            assert later.wait(10)
        elif value >= 20:
            later.set()
        return float(value) * 2

    dataset = Dataset.from_arrays(np.arange(40.0)).map(both, compiled=False)
    values = np.concatenate(list(dataset.batch(40)))
    np.testing.assert_array_equal(values, np.arange(40.0) * 2)


def test_the_first_element_that_fails_is_named() -> None:
    def picky(value: Any) -> Any:
        if value in (13, 14, 150):
            raise LookupError(f"no {value}")
        return value

    dataset = Dataset.from_arrays(np.arange(200)).skip(2).map(picky, compiled=False).batch(198)
    with pytest.raises(LookupError, match="no 13") as caught:
        list(dataset)
    assert caught.value.__notes__ == ["The function of map() raised this for element 13."]


WORDS = pa.table(
    {"word": ["a", "bb", None, "dd"], "n": [1, 2, 3, 4], "parts": [[1], [1, 2], [], [1, 2, 3]]}
)


def _halved(row: Row) -> Row:
    value = row["n"] / 2
    if "word" in row and row.get("other", 1) == 1:
        value = value + row.get("n")
    return {"value": value}


def test_texts_that_a_function_does_not_look_at_leave_it_compiled() -> None:
    dataset = Dataset.from_arrow(WORDS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = [float(row["value"]) for row in dataset.map(_halved)]
        kept = [row["word"] for row in dataset.filter(lambda row: row["n"] > 2)]
        total = dataset.padded_batch(4).map(lambda batch: batch["n"].sum())
        assert [int(n) for n in total] == [10]
    assert values == [1.5, 3.0, 4.5, 6.0]
    assert kept == [None, "dd"]


def _number_or(row: Row) -> Any:
    try:
        return float(len(row["word"]))
    except TypeError:
        return -1.0


@pytest.mark.parametrize(
    "fn",
    [
        lambda row: row["word"] is None,
        lambda row: {**row, "n": row["n"] * 2},
        lambda row: dict(row),
        lambda row: row,
        lambda row: len(row),
        lambda row: [row[name] for name in ("n", "word")],
        lambda row: sum(1 for _ in row.items()),
        lambda row: row["parts"].sum() + row["n"],
        lambda row: isinstance(row["word"], str),
        lambda row: row.get("word") == "a",
        lambda row: str(row)[:9],
        lambda row: row | {"more": 1},
        _number_or,
        lambda row: {"w": row["word"] if row["n"] > 2 else "none"},
        lambda row: {"w": row["word"] or "none"},
    ],
)
def test_a_function_that_looks_at_texts_gives_what_python_gives(fn: Callable[[Row], Any]) -> None:
    dataset = Dataset.from_arrow(WORDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [repr(element) for element in dataset.map(fn)]
    assert found == [repr(element) for element in dataset.map(fn, compiled=False)]


@pytest.mark.parametrize(
    "fn",
    [
        lambda row: {**row, "n": row["n"] * 2},
        lambda row: {"copy": row["word"], "both": (row["parts"], row["n"])},
        lambda row: row | {"more": row["n"] + 1},
        lambda row: {name: row[name] for name in ("word", "n")},
    ],
)
def test_texts_that_are_handed_on_leave_a_function_compiled(fn: Callable[[Row], Any]) -> None:
    dataset = Dataset.from_arrow(WORDS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for other in (
            dataset,
            dataset.take(3).padded_batch(3),
            dataset.filter(lambda r: r["n"] > 1),
        ):
            found = [repr(element) for element in other.map(fn)]
            assert found == [repr(element) for element in other.map(fn, compiled=False)]
        assert list(dataset.map(fn).element_spec)


def test_a_name_that_is_not_there_is_said_at_once() -> None:
    with pytest.raises(KeyError, match="nope") as caught:
        list(Dataset.from_arrow(WORDS).map(lambda row: row["nope"]))
    assert "The function of map() raised this when it was traced." in caught.value.__notes__


def _careful(value: Any) -> Any:
    if value % 10 == 3:
        raise ValueError(f"{value} is bad")
    return value * 2


GOOD = [2 * n for n in range(40) if n % 10 != 3]


@pytest.mark.filterwarnings("ignore:4 of 40 records were left out")
def test_what_a_compiled_function_raises_on_data_leaves_the_element_out() -> None:
    numbers = Dataset.from_arrays(np.arange(40))
    dataset = numbers.map(_careful, on_error="skip")
    assert [int(x) for x in dataset] == GOOD
    assert dataset.stats().stages[-1].skipped == 4
    kept = numbers.filter(lambda n: _careful(n) >= 0, on_error="skip")
    assert [2 * int(x) for x in kept] == GOOD
    spread = numbers.flat_map(lambda n: [_careful(n), n], on_error="skip")
    assert [int(x) for x in spread][::2] == GOOD


def test_what_a_compiled_function_raises_on_data_names_the_element() -> None:
    numbers = Dataset.from_arrays(np.arange(40)).shuffle(seed=0)
    with pytest.raises(ValueError, match="is bad") as caught:
        list(numbers.map(_careful))
    place = next(int(n) for n in numbers if n % 10 == 3)  # its row in the source
    assert caught.value.__notes__ == [f"The function of map() raised this for element {place}."]


def test_an_assert_on_data_is_carried_out_for_batches_and_folds_too() -> None:
    def checked(total: Any, value: Any) -> Any:
        assert value < 30, "too large"
        return total + value

    numbers = Dataset.from_arrays(np.arange(40))
    with pytest.raises(AssertionError, match="too large") as caught:
        numbers.reduce(checked, 0)
    assert caught.value.__notes__ == ["The function of reduce() raised this for element 30."]
    with pytest.raises(AssertionError, match="too large") as caught:
        list(numbers.batch(4).map(lambda batch: checked(0, batch.max())))
    assert caught.value.__notes__ == ["The function of map() raised this for element 28."]


def test_a_function_that_prints_runs_in_python(capfd: pytest.CaptureFixture[str]) -> None:
    def told(value: Any) -> Any:
        if value == 2:
            print("two")  # noqa: T201 - the user's own
        return value

    with pytest.warns(UserWarning, match="it prints, or calls back to Python"):
        assert len(list(Dataset.from_arrays(np.arange(5)).map(told))) == 5
    assert capfd.readouterr().out == "two\n"


def test_a_function_that_counts_on_the_side_runs_in_python() -> None:
    total = 0

    def counting(value: Any) -> Any:
        nonlocal total
        total += int(value.sum()) if isinstance(value, np.ndarray) else value
        return value

    with pytest.warns(UserWarning, match="runs in Python"):
        list(Dataset.from_arrays(np.arange(5)).map(counting))
    assert total == 10


def test_a_function_that_raises_on_every_path_is_a_fault_of_every_element() -> None:
    def hopeless(value: Any) -> Any:
        if value > 3:
            raise ValueError("large")
        raise KeyError("small")

    dataset = Dataset.from_arrays(np.arange(5)).map(hopeless, on_error="skip")
    with (
        pytest.warns(UserWarning, match="5 of 5 records were left out"),
        pytest.warns(UserWarning, match="every path of it raises"),
    ):
        assert list(dataset) == []


def test_results_of_another_structure_are_left_out() -> None:
    def odd(value: Any) -> Any:
        return {"b": 1} if value % 10 == 0 else {"a": value}

    dataset = Dataset.from_arrays(np.arange(20)).map(odd, compiled=False, on_error="skip")
    with pytest.warns(UserWarning, match=r"2 of 20 .*element 0: the function gave {'b': ·}, not"):
        assert [int(row["a"]) for row in dataset] == [n for n in range(20) if n % 10]


def test_what_is_no_function_of_an_element_is_refused_at_once() -> None:
    pairs = Dataset.from_arrays((np.arange(3), np.arange(3)))
    with pytest.raises(InvalidTypeError, match=r"map\(\) was given a int"):
        pairs.map(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match=r"calls its function with an element, but <lambda>"):
        pairs.map(lambda x, y: x + y)
    with pytest.raises(InvalidTypeError, match=r"an element and a key for jax\.random"):
        pairs.map(lambda x: x, seed=0)
