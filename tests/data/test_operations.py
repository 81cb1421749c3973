"""Each operation on dicts, texts and arrays of different lengths; and what it refuses."""

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam.core import (
    DataError,
    InvalidArgumentError,
    InvalidTypeError,
    TensorSpec,
    UnknownNameError,
)
from kolam.data import Dataset, Permutation, _run

Row = dict[str, Any]
ROWS = Dataset.from_arrays({"n": np.arange(1000), "y": np.arange(1000) % 3})
LETTERS = Dataset.from_arrow(pa.table({"word": ["a", "bb", None, "ccc"], "n": [1, 2, 3, 4]}))


def _tens(row: Row) -> Any:
    passes = row["n"] % 10 == 0
    if row["n"] > 900:  # converted by autograph
        passes = row["n"] == 990
    return passes


def _ints(dataset: Any) -> list[int]:
    return [int(element) for element in dataset]


def _numbers(count: int) -> Dataset:
    return Dataset.from_arrays(np.arange(count))


def _sequences(*lengths: int) -> Dataset:
    """Give elements 1, 1 2, 1 2 3 ... of these lengths."""
    return Dataset.from_arrays(np.array(lengths)).map(
        lambda n: np.arange(1, int(n) + 1), compiled=False
    )


def test_a_compiled_filter_keeps_what_python_keeps() -> None:
    compiled = ROWS.filter(_tens).batch(7)
    python = ROWS.filter(_tens, compiled=False).batch(7)
    for one, other in zip(compiled, python, strict=True):
        np.testing.assert_array_equal(one["n"], other["n"])
    assert compiled.count() == 14
    assert compiled.element_spec["n"].shape == ("batch",)


def test_a_filter_of_texts_runs_in_python() -> None:
    kept = LETTERS.filter(lambda row: row["word"] is not None, compiled=False)
    assert [row["word"] for row in kept] == ["a", "bb", "ccc"]


def test_a_shuffled_filter_has_another_order_in_every_epoch_and_all_elements() -> None:
    dataset = _numbers(50).filter(lambda n: n % 2 == 0).shuffle(seed=1)
    orders = [_ints(dataset.at_epoch(epoch)) for epoch in range(3)]
    assert all(sorted(order) == list(range(0, 50, 2)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert _ints(dataset.repeat(3)) == [x for order in orders for x in order]


def test_a_fixed_shuffle_has_one_order() -> None:
    dataset = _numbers(50).shuffle(seed=1, reshuffle=False)
    assert _ints(dataset) == _ints(dataset.at_epoch(1)) == _ints(_numbers(50).shuffle(seed=1))


def test_a_compiled_flat_map_has_a_length_and_positions() -> None:
    dataset = _numbers(5).flat_map(lambda n: [n, n + 100])
    assert len(dataset) == 10
    assert _ints(dataset.shuffle(seed=0).take(10)) != _ints(dataset)
    assert _ints(dataset.skip(3)) == [101, 2, 102, 3, 103, 4, 104]
    assert dataset.element_spec.dtype == "int64"


def test_a_flat_map_takes_lists_iterators_arrays_and_datasets() -> None:
    def as_iterator(n: Any) -> Any:
        return iter([n] * int(n))

    expected = [1, 2, 2, 3, 3, 3]
    several: list[Callable[[Any], Any]] = [
        as_iterator,
        lambda n: list(as_iterator(n)),
        lambda n: np.full(int(n), n),
        lambda n: Dataset.from_arrays(np.full(int(n), n)),
    ]
    for fn in several:
        assert _ints(_numbers(4).flat_map(fn, compiled=False)) == expected
    words = LETTERS.flat_map(lambda row: [row["word"]] * int(row["n"] % 3), compiled=False)
    assert list(words) == ["a", "bb", "bb", "ccc"]


def test_a_random_function_after_a_filter_gives_the_same_when_resumed() -> None:
    import jax

    dataset = (
        _numbers(40)
        .filter(lambda n: n % 3 > 0)
        .map(lambda n, key: n + jax.random.uniform(key), seed=5)
    )
    whole = [float(x) for x in dataset]
    iterator = iter(dataset)
    for _ in range(11):
        next(iterator)
    resumed = iter(dataset)
    resumed.restore(iterator.state())
    assert [float(x) for x in resumed] == whole[11:]
    assert len({x % 1 for x in whole}) == len(whole)


def test_padded_batches_have_one_shape_each() -> None:
    batches = list(_sequences(1, 3, 2).padded_batch(2, value=-1))
    assert [batch.tolist() for batch in batches] == [[[1, -1, -1], [1, 2, 3]], [[1, 2]]]
    fixed = _sequences(1, 3, 2).padded_batch(2, length=4)
    assert [batch.shape for batch in fixed] == [(2, 4), (1, 4)]
    assert fixed.element_spec.shape == ("batch", 4)
    with pytest.raises(DataError, match=r"Element 1 has length 3, more than 2\.\n.*larger length"):
        list(_sequences(1, 3).padded_batch(2, length=2))


def test_only_the_named_columns_are_padded() -> None:
    rows = _sequences(1, 2).map(lambda s: {"s": s, "v": np.zeros(2)}, compiled=False)
    (batch,) = rows.padded_batch(2, length=3, only=["s"])
    assert (batch["s"].shape, batch["v"].shape) == ((2, 3), (2, 2))


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    size=st.integers(1, 4),
    block=st.integers(4, 20),
)
def test_buckets_hold_every_sequence_once_and_are_narrow(
    lengths: list[int], size: int, block: int
) -> None:
    dataset = _sequences(*lengths).bucket_by_length(size, [3, 6], block=block)
    batches = list(dataset)
    sizes = Counter(int(np.count_nonzero(row)) for batch in batches for row in batch)
    assert sizes == Counter(lengths)
    for batch in batches:
        longest = max(np.count_nonzero(row) for row in batch)
        assert len(batch) <= size
        assert batch.shape[1] == (3 if longest <= 3 else 6 if longest <= 6 else longest)
        assert longest <= 3 or min(np.count_nonzero(row) for row in batch) > 3


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=30),
    block=st.integers(1, 20),
    too_long=st.sampled_from(["cut", "split"]),
)
def test_packed_rows_hold_every_token_once(lengths: list[int], block: int, too_long: str) -> None:
    rows = list(_sequences(*lengths).pack(8, too_long=too_long, block=block))
    found = []
    for row in rows:
        assert {name: len(values) for name, values in row.items()} == dict.fromkeys(row, 8)
        for segment in range(1, row["segment_ids"].max() + 1):
            here = row["segment_ids"] == segment
            assert row["positions"][here].tolist() == list(range(here.sum()))
            found.append(tuple(row["tokens"][here].tolist()))
        assert not row["tokens"][row["segment_ids"] == 0].any()
    wanted = [tuple(range(1, min(n, 8) + 1)) for n in lengths]
    if too_long == "split":
        wanted += [tuple(range(9, n + 1)) for n in lengths if n > 8]
    assert Counter(found) == Counter(wanted)


def test_packing_fills_rows() -> None:
    rows = list(_sequences(*([3, 5] * 50)).pack(8))
    assert len(rows) == 50
    with pytest.raises(
        DataError, match=r"Element 1 has 9 tokens, more than the 8 of a row.*\n.*cut"
    ):
        list(_sequences(3, 9).pack(8))


@settings(max_examples=50, deadline=None)
@given(
    weights=st.lists(st.floats(0.01, 5), min_size=2, max_size=5),
    start=st.integers(0, 10**9),
)
def test_every_stretch_of_a_mixture_has_the_proportions_of_the_whole(
    weights: list[float], start: int
) -> None:
    first, *others = [
        Dataset.from_arrays(np.full(3, number)).repeat() for number in range(len(weights))
    ]
    iterator = iter(first.mix(*others, weights=weights).batch(500))
    iterator.restore({**iterator.state(), "position": start})
    counts = np.bincount(next(iterator), minlength=len(weights))
    expected = np.array(weights) / sum(weights) * 500
    assert np.abs(counts - expected).max() <= len(weights)


def test_datasets_are_combined_by_name_of_the_class_as_well() -> None:
    a, b = _numbers(2), _numbers(3)
    assert [tuple(map(int, pair)) for pair in Dataset.zip(a, b)] == [(0, 0), (1, 1)]
    assert _ints(Dataset.concat(a, b)) == [0, 1, 0, 1, 2]
    assert _ints(Dataset.interleave(a, b)) == [0, 0, 1, 1, 2]
    assert _ints(Dataset.mix(a, b, weights=[1, 2])) == [0, 0, 1, 2, 1]


def test_windows_of_series() -> None:
    dataset = Dataset.from_arrays({"t": np.arange(6), "x": np.arange(12.0).reshape(6, 2)})
    windows = list(dataset.window(3, shift=2, drop_remainder=True))
    assert [window["t"].tolist() for window in windows] == [[0, 1, 2], [2, 3, 4]]
    assert windows[1]["x"].shape == (3, 2)
    assert dataset.window(2).element_spec["x"].shape == ("window", 2)


def test_a_function_of_windows_stays_compiled_at_the_shorter_end() -> None:
    windows = Dataset.from_arrays(np.arange(100.0)).window(5, shift=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sums = [float(x) for x in windows.map(lambda window: window.sum())]
    assert sums == [sum(range(n, min(n + 5, 100))) for n in range(100)]


def test_a_function_of_many_shapes_runs_in_python() -> None:
    sequences = _sequences(*range(1, 30)).map(lambda s: s.sum())
    with pytest.warns(UserWarning, match="elements have many different shapes"):
        assert _ints(sequences) == [n * (n + 1) // 2 for n in range(1, 30)]


def test_a_reduction_is_that_of_python() -> None:
    def both(value: Any, row: Row) -> Any:
        total, largest = value
        if row["n"] > largest:
            largest = row["n"]
        return total + row["n"] * 0.5, largest

    assert ROWS.reduce(both, (0, 0)) == (249750.0, 999)
    assert ROWS.filter(_tens).reduce(lambda total, row: total + row["n"], 0) == 41940
    assert LETTERS.reduce(lambda n, row: n + len(row["word"] or ""), 0, compiled=False) == 6
    with pytest.raises(InvalidTypeError, match=r"value before the function.*\n.*fn, initial"):
        ROWS.reduce(0, both)  # type: ignore[arg-type]


def test_draws_follow_their_weights() -> None:
    labels = np.repeat([0, 1, 2], [900, 90, 10])
    dataset = Dataset.from_arrays({"label": labels})
    balanced = [int(row["label"]) for row in dataset.sample(balance="label", seed=0, count=3000)]
    assert np.abs(np.bincount(balanced) - 1000).max() < 120
    weights = (labels == 2).astype(float)
    assert {int(row["label"]) for row in dataset.sample(weights, seed=0)} == {2}
    once, again = (dataset.sample(weights + 1, seed=1).at_epoch(e) for e in (0, 1))
    assert [int(r["label"]) for r in once] != [int(r["label"]) for r in again]
    with pytest.raises(DataError, match=r"Element 7 has the weight -1\.0"):
        list(_numbers(10).sample(np.where(np.arange(10) == 7, -1, 1), seed=0))


def test_sample_weights_stand_beside_their_elements() -> None:
    pairs = Dataset.from_arrays((np.arange(4.0), np.array([0, 1, 0, 1])))
    weights = np.array([0.5, 1.0, 1.5, 2.0])
    (batch,) = pairs.with_weights(weights).shuffle(seed=0).batch(4)
    np.testing.assert_array_equal(batch[2], batch[0] / 2 + 0.5)
    rows = list(ROWS.take(3).with_weights(lambda row: row["y"] + 1.0))
    assert [float(row["sample_weight"]) for row in rows] == [1, 2, 3]
    assert [float(row["sample_weight"]) for row in ROWS.take(3).with_weights("n")] == [0, 1, 2]
    with pytest.raises(InvalidArgumentError, match=r"weights have the shape \(3,\), but .* 4 ele"):
        pairs.with_weights([1, 2, 3])


NEEDS_ORDER = r"shuffle\(\) cannot stand after flat_map\(\).*\n.*cache\(\)"


@pytest.mark.parametrize(
    ("use", "kind", "message"),
    [
        (lambda d: list(d.filter(lambda r: r["n"] < 0)), DataError, "kept none of 1,000 elements;"),
        (
            lambda d: list(d.filter(lambda r: np.ones(3) > 0, compiled=False)),
            InvalidTypeError,
            r"gave an array of shape \(3,\) for element 0.*\n.*\.all\(\)",
        ),
        (
            lambda d: list(d.filter(lambda r: "yes", compiled=False)),
            InvalidTypeError,
            "gave 'yes' for element 0",
        ),
        (
            lambda d: list(d.map(lambda r: {"a" if r["n"] < 5 else "b": 1}, compiled=False)),
            DataError,
            r"Element 5 is \{'b': ·\}, but element 0 is \{'a': ·\}.*\n.*same structure",
        ),
        (
            lambda d: list(d.map(lambda r: None)),
            InvalidTypeError,
            r"map\(\) gave None\.\n.*return a value",
        ),
        (
            lambda d: d.flat_map(lambda r: [1] * int(r["y"]), compiled=False).shuffle(0),
            InvalidArgumentError,
            NEEDS_ORDER,
        ),
        (
            lambda d: next(iter(d.filter(lambda r: r["n"] < 0).repeat())),
            DataError,
            r"round of repeat\(\) without end gave no element",
        ),
        (
            lambda d: list(d.concat(d.map(lambda r: r["n"])).batch(2000)),
            InvalidArgumentError,
            r"part 1 of concat\(\) are · of int64, those of part 0 \{'n': ·, 'y': ·\}",
        ),
        (
            lambda d: d.concat(d.map(lambda r: {"n": r["n"], "y": r["y"] * 0.5})).element_spec,
            InvalidArgumentError,
            "part 1 of concat.. are .*int64, float64, those of part 0 .*int64, int64",
        ),
        (
            lambda d: list(_numbers(2).concat(_numbers(2).map(lambda n: n * 0.5)).batch(4)),
            InvalidArgumentError,
            r"part 1 of concat\(\) are · of float64, those of part 0 · of int64",
        ),
        (
            lambda d: d.mix(d, weights=[1, -1]),
            InvalidArgumentError,
            r"weights of 2 datasets are \[1, -1\]",
        ),
        (lambda d: d.repeat().concat(d), InvalidArgumentError, r"before others, which never come"),
        (lambda d: d.zip([1, 2]), InvalidTypeError, r"zip\(\) was given \[1, 2\], which is no"),
        (lambda d: list(d.unbatch()), DataError, r"Element 0 has no rows at \['n'\]"),
        (
            lambda d: list(
                d.map(lambda r: (np.zeros(int(r["n"]) % 4), np.zeros(2)), compiled=False).unbatch()
            ),
            DataError,
            "arrays of element 0 have 0 and 2 rows",
        ),
        (
            lambda d: d.bucket_by_length(4, [8, 4]),
            InvalidArgumentError,
            r"boundaries are \[8, 4\]\.\n.*larger than the one before",
        ),
        (lambda d: d.pack(8, too_long="drop"), InvalidArgumentError, "too_long is 'drop'"),
        (lambda d: list(d.pack(8)), DataError, r"Element 0 has arrays of shapes \(\), \(\)"),
        (lambda d: d.map(abs, on_error="ignore"), InvalidArgumentError, "on_error is 'ignore'"),
        (lambda d: len(d.filter(_tens)), InvalidTypeError, r"filter\(_tens.*\n.*count\(\)"),
        (lambda d: d.repeat().count(), InvalidTypeError, "without end would not end"),
        (
            lambda d: d.filter(_tens).split(0.5, seed=0),
            InvalidTypeError,
            r"split\(\) needs elements .*filter\(_tens.*\n.*before it, or cache\(\)",
        ),
        (lambda d: d.sample(seed=0), InvalidArgumentError, "was given no weights"),
    ],
)
def test_what_makes_no_sense_is_refused(
    use: Callable[[Dataset], Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        use(ROWS)


def test_elements_of_different_shapes_are_named_where_they_are_batched() -> None:
    rows = ROWS.map(lambda r: {"v": np.zeros(int(r["n"]) // 5)}, compiled=False)
    with pytest.raises(
        DataError, match=r"Elements 4 and 5 differ in shape at \['v'\]: \(0,\) and \(1,\).*\n.*Pad"
    ):
        list(rows.skip(4).batch(4))


def test_what_fills_up_must_fit() -> None:
    rows = Dataset.from_generator(
        lambda: (np.ones(n, np.uint8) for n in (1, 2)), spec=TensorSpec(("n",), "uint8")
    )
    assert next(iter(rows.padded_batch(2, value=255))).tolist() == [[1, 255], [1, 1]]
    for value in (-1, 0.5, 256):
        with pytest.raises(InvalidArgumentError, match=f"fill up with is {value}, which the uint8"):
            list(rows.padded_batch(2, value=value))


def test_texts_are_filled_up_with_empty_ones() -> None:
    words = Dataset.from_arrow({"w": [["a", "b"], ["c"]], "d": [[b"x"], [b"y", None]]})
    (batch,) = words.padded_batch(2)
    assert batch["w"].tolist() == [["a", "b"], ["c", ""]]
    assert batch["d"].tolist() == [[b"x", b""], [b"y", None]]


def test_a_column_to_fill_up_must_be_there() -> None:
    words = Dataset.from_arrow({"word": [["a", "b"], ["c"]]})
    with pytest.raises(UnknownNameError, match="wrod"):
        words.padded_batch(2, only=["wrod"])
    with pytest.raises(UnknownNameError, match="wrod"):
        words.bucket_by_length(2, [4], only=["wrod"])


@pytest.mark.parametrize("step", ["concat", "interleave", "mix"])
def test_parts_of_different_dtypes_are_refused_at_once(step: str) -> None:
    whole, fractions = Dataset.from_arrays(np.arange(3)), Dataset.from_arrays(np.zeros(3))
    with pytest.raises(InvalidArgumentError, match=rf"part 1 of {step}\(\) are · of float64"):
        getattr(whole, step)(fractions)


def test_numbers_beyond_64_bits_are_refused() -> None:
    dataset = Dataset.from_arrays(np.arange(3))
    with pytest.raises(InvalidArgumentError, match=r"below 2\*\*64"):
        dataset.shuffle(seed=1 << 64)
    with pytest.raises(InvalidArgumentError, match="The epoch is -1"):
        dataset.at_epoch(-1)


def test_lists_of_lists_are_not_filled_up() -> None:
    lists = Dataset.from_arrow({"x": [[[1], [2, 3]], []]})
    with pytest.raises(InvalidArgumentError, match=r"Lists in lists at \['x'\] are not filled up"):
        list(lists.padded_batch(2))


def _looks_at_whole_rows(row: Any) -> Any:
    return len(row) == 4 and row["a"] > 2


def _asks_for_names(row: Any) -> Any:
    return "flag" in row and row.get("none", 1) > 0 and row["a"] > 2


def _fails_for_three(row: Any) -> Any:
    if row["a"] == 3:
        raise ValueError("three")
    return row["x"] > 0


PREDICATES: dict[str, Callable[[Any], Any]] = {
    "one column": lambda row: row["x"] > 0,
    "a column itself": lambda row: row["flag"],
    "vectors": lambda row: row["v"].sum() > 0,
    "two columns": lambda row: (row["a"] > 2) & row["flag"],
    "none": lambda row: True,
    "a copy": lambda row: {**row}["a"] > 2,
    "all values": lambda row: sum(value.sum() for value in row.values()) > 0,
    "a type": lambda row: isinstance(row["x"], object) and row["a"] > 3,
    "whole rows": _looks_at_whole_rows,
    "names": _asks_for_names,
    "faults": _fails_for_three,
}


@pytest.mark.filterwarnings("ignore:.* records were left out")
@pytest.mark.parametrize("rows", [7, 16_384])
@pytest.mark.parametrize("kind", PREDICATES)
def test_a_filter_that_gathers_what_it_reads_first_keeps_whole_rows(
    kind: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_run, "_WIDE_ROWS", rows)
    rng = np.random.default_rng(0)
    table = {
        "x": rng.normal(size=200),
        "a": rng.integers(0, 9, 200),
        "flag": rng.random(200) > 0.5,
        "v": rng.normal(size=(200, 3)).astype(np.float32),
    }
    fails = kind == "faults"
    passing = {
        row
        for row in range(200)
        if (not fails or table["a"][row] != 3)
        and PREDICATES[kind]({name: values[row] for name, values in table.items()})
    }
    base = Dataset.from_arrays(table)
    order = Permutation(200, 1)(np.arange(200)).tolist()
    plans = {
        (base.shuffle(1), tuple(order)),
        (base.skip(5).shard(1, 3).repeat(2), (*range(6, 200, 3), *range(6, 200, 3))),
    }
    for below, numbers in plans:
        dataset = below.filter(PREDICATES[kind], on_error="skip" if fails else "raise")
        expected = [row for row in numbers if row in passing]
        found = list(dataset)
        assert [list(row) for row in found[:1]] == [list(table)]
        for name, values in table.items():
            np.testing.assert_array_equal([row[name] for row in found], values[expected])
            assert {row[name].dtype for row in found} == {values.dtype}
        assert [s.elements for s in dataset.stats().stages if "filter" in s.name] == [len(found)]
        assert dataset.stats().stages[0].elements == len(numbers)
        iterator, resumed = iter(dataset), iter(dataset)
        skipped = [next(iterator) for _ in range(len(found) // 2)]
        resumed.restore(iterator.state())
        assert [float(row["x"]) for row in resumed] == table["x"][expected][len(skipped) :].tolist()


def test_what_fills_packed_rows_up_must_fit() -> None:
    tokens = Dataset.from_arrow({"t": pa.array([[1, 2], [3]], pa.list_(pa.uint8()))})
    assert next(iter(tokens.pack(4, value=255)))["t"].tolist() == [1, 2, 3, 255]
    with pytest.raises(InvalidArgumentError, match="fill up with is -1, which the uint8"):
        list(tokens.pack(4, value=-1))
    words = Dataset.from_arrow({"w": [["a"], ["b"]]})
    assert next(iter(words.pack(3)))["w"].tolist() == ["a", "b", ""]


def test_packed_rows_hold_fractions_that_come_after_whole_numbers() -> None:
    mixed = Dataset.from_arrays(np.arange(1, 3)).map(
        lambda n: {"t": np.ones(1, int) if n == 1 else np.full(1, 0.5)}, compiled=False
    )
    (row,) = mixed.pack(2)
    assert row["t"].tolist() == [1, 0.5]
