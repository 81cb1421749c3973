"""Plans mean what they say, and a resumed iterator is one that never stopped."""

import itertools
import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam.core import DataError, InvalidArgumentError, InvalidTypeError, UnsupportedError
from kolam.data import Dataset, Permutation

Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("shuffle"), st.integers(0, 9)),
        st.tuples(st.just("take"), st.integers(1, 40)),
        st.tuples(st.just("skip"), st.integers(0, 5)),
        st.tuples(st.just("repeat"), st.integers(1, 3)),
        st.tuples(st.just("shard"), st.integers(1, 3)),
        st.tuples(st.just("batch"), st.integers(1, 7)),
        st.tuples(st.just("drop"), st.integers(1, 7)),
        st.tuples(st.just("prefetch"), st.just(0)),
    ),
    max_size=6,
)


def _build(dataset: Dataset, steps: list[Step]) -> Dataset:
    batched = False
    for name, number in steps:
        if name in ("batch", "drop"):
            if not batched:  # batches of batches have a test of their own
                dataset = dataset.batch(number, drop_remainder=name == "drop")
            batched = True
        elif name == "shard":
            dataset = dataset.shard(number - 1, number)
        elif name == "prefetch":
            dataset = dataset.prefetch()
        else:
            dataset = getattr(dataset, name)(number)
    return dataset


def _plain(count: int, steps: list[Step], epoch: int) -> list[object]:
    """What the steps mean, on a list."""
    if not steps:
        return list(range(count))
    *before, (name, number) = steps
    if name == "repeat":
        rounds = (_plain(count, before, epoch * number + turn) for turn in range(number))
        return list(itertools.chain.from_iterable(rounds))
    elements = _plain(count, before, epoch)
    if name in ("batch", "drop"):
        if any(step[0] in ("batch", "drop") for step in before):
            return elements
        batches = [elements[at : at + number] for at in range(0, len(elements), number)]
        return [batch for batch in batches if name == "batch" or len(batch) == number]
    if name == "shuffle":
        order = Permutation(len(elements), number, epoch)(np.arange(len(elements)))
        return [elements[place] for place in order]
    meaning: dict[str, Callable[[], list[object]]] = {
        "take": lambda: elements[:number],
        "skip": lambda: elements[number:],
        "shard": lambda: elements[number - 1 :: number],
        "prefetch": lambda: elements,
    }
    return meaning[name]()


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 50), steps=STEPS, epoch=st.integers(0, 2))
def test_any_plan_means_what_it_means_on_a_list(count: int, steps: list[Step], epoch: int) -> None:
    dataset = _build(Dataset.from_arrays(np.arange(count)), steps).at_epoch(epoch)
    expected = _plain(count, steps, epoch)
    assert [element.tolist() for element in dataset] == expected
    assert len(dataset) == len(expected)


@settings(max_examples=50, deadline=None)
@given(count=st.integers(1, 50), steps=STEPS, epoch=st.integers(0, 2), stop=st.integers(0, 60))
def test_a_resumed_iterator_gives_the_same_elements(
    count: int, steps: list[Step], epoch: int, stop: int
) -> None:
    dataset = _build(Dataset.from_arrays({"a": np.arange(count)}), steps)
    stopped = iter(dataset.at_epoch(epoch))
    for _ in itertools.islice(stopped, stop):
        pass
    saved = json.dumps(stopped.state())
    resumed = iter(dataset)
    resumed.restore(json.loads(saved))
    assert len(saved) < 1024
    assert [e["a"].tolist() for e in resumed] == [e["a"].tolist() for e in stopped]


def test_each_epoch_has_its_own_order_and_repeat_goes_through_them() -> None:
    dataset = Dataset.from_arrays(np.arange(100)).shuffle(seed=3)
    rounds = [[int(e) for e in dataset.at_epoch(epoch)] for epoch in range(3)]
    assert [int(e) for e in dataset.repeat(3)] == list(itertools.chain(*rounds))
    assert rounds[0] != rounds[1] != rounds[2]
    assert all(sorted(order) == list(range(100)) for order in rounds)


def test_an_endless_dataset_goes_on_and_is_resumed_far_away() -> None:
    dataset = Dataset.from_arrays(np.arange(10)).shuffle(seed=0).repeat().batch(4)
    iterator = iter(dataset)
    iterator.restore({**iterator.state(), "position": 10**12})
    far = next(iterator)
    assert far.shape == (4,)
    with pytest.raises(InvalidTypeError, match=r"without end has no length.*\n.*take\(n\)"):
        len(dataset)


def test_a_batch_that_is_held_is_never_overwritten() -> None:
    rows = np.arange(400_000, dtype=np.float32).reshape(-1, 4)
    dataset = Dataset.from_arrays(rows).batch(1000)
    held = list(dataset)
    np.testing.assert_array_equal(np.concatenate(held), rows)


def test_a_buffer_is_used_again_once_nobody_holds_it() -> None:
    rows = np.zeros((400_000, 16), np.float32)
    places = set()
    for batch in Dataset.from_arrays(rows).batch(1000):
        places.add(batch.__array_interface__["data"][0])
        del batch
    assert len(places) < 200  # of 400 batches


def test_batches_of_whole_batches_are_stacked_again() -> None:
    dataset = Dataset.from_arrays(np.arange(7)).batch(2, drop_remainder=True).batch(2)
    assert [batch.tolist() for batch in dataset] == [[[0, 1], [2, 3]], [[4, 5]]]


def test_batches_of_different_sizes_are_not_stacked() -> None:
    with pytest.raises(InvalidArgumentError, match=r"the last of 4 has 1 elements.*\n.*drop_rem"):
        Dataset.from_arrays(np.arange(7)).batch(2).batch(2)


def test_the_specs_of_elements_are_known() -> None:
    dataset = Dataset.from_arrays({"x": np.zeros((7, 3), np.float32), "y": np.zeros(7, np.int32)})
    assert dataset.batch(7).element_spec["x"].shape == (7, 3)
    assert dataset.batch(2).element_spec["x"].shape == ("batch", 3)
    assert dataset.element_spec["y"].dtype == "int32"


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"equal length; got \(3,\), \(4,\)"):
        Dataset.from_arrays((np.zeros(3), np.zeros(4)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda d: d.repeat().shuffle(seed=0),
            r"without end cannot be shuffled.*\n.*before repeat",
        ),
        (lambda d: d.repeat().repeat(), "without end cannot be repeated"),
        (lambda d: d.take(0).repeat(), "empty dataset cannot be repeated without end"),
        (lambda d: d.batch(0), "The batch size is 0.*\n.*at least 1"),
        (lambda d: d.take(-1), "The count is -1"),
        (lambda d: d.take(2.5), "The count is 2.5"),
        (lambda d: d.shuffle(seed=True), "The seed is True"),
        (lambda d: d.shard(2, 2), "Shard 2 of 2 does not exist.*\n.*from 0 to 1"),
    ],
)
def test_a_step_that_makes_no_sense_is_refused_where_it_is_written(
    make: Callable[[Dataset], Dataset], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make(Dataset.from_arrays(np.arange(10)))


def test_a_position_of_another_plan_is_refused() -> None:
    dataset = Dataset.from_arrays(np.arange(10))
    saved = iter(dataset.shuffle(seed=1)).state()
    with pytest.raises(
        InvalidArgumentError, match=r"another dataset: .* → shuffle\(1\); here it is .*\(2\)\.\n"
    ):
        iter(dataset.shuffle(seed=2)).restore(saved)
    with pytest.raises(InvalidArgumentError, match=r"This is no position of a dataset: \{\}"):
        iter(dataset).restore({})


TABLE = pa.table(
    {
        "n": [1, 2, None],
        "x": [0.5, None, 2.5],
        "flag": [True, None, False],
        "word": ["a", None, "c"],
        "kind": pa.array(["p", "q", "p"]).dictionary_encode(),
        "day": pa.array([0, 1, None], pa.date32()),
        "at": pa.array([1500, None, 0], pa.timestamp("ms")),
        "empty": pa.nulls(3),
    }
)


def test_rows_of_a_table_are_dicts_of_arrays() -> None:
    (batch,) = Dataset.from_arrow(TABLE).batch(3)
    nan = np.nan
    np.testing.assert_array_equal(batch["n"], [1, 2, nan])
    np.testing.assert_array_equal(batch["x"], [0.5, nan, 2.5])
    np.testing.assert_array_equal(batch["flag"], [1, nan, 0])
    np.testing.assert_array_equal(batch["day"], [0, 86400, nan])
    np.testing.assert_array_equal(batch["at"], [1.5, nan, 0])
    np.testing.assert_array_equal(batch["empty"], [nan] * 3)
    assert batch["word"].tolist() == ["a", None, "c"]
    assert batch["kind"].tolist() == ["p", "q", "p"]
    assert list(batch) == TABLE.column_names


def test_a_nested_column_has_no_array_form() -> None:
    union = pa.UnionArray.from_sparse(
        pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]
    )
    dataset = Dataset.from_arrow(pa.table({"a": union}))
    with pytest.raises(
        DataError, match=r"Column 'a' is of type sparse_union<.*no array form yet"
    ) as caught:
        next(iter(dataset))
    assert caught.value.column == "a"


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, dict, pa.table])
def test_frames_of_other_libraries_are_tables(frame: Callable[[object], object]) -> None:
    dataset = Dataset.from_arrow(frame({"a": [1, 2], "b": [0.5, 1.5]}))
    assert [element["a"] + element["b"] for element in dataset] == [1.5, 3.5]


def test_rows_in_another_order_are_a_table_again() -> None:
    dataset = Dataset.from_arrow(TABLE).shuffle(seed=4).take(2)
    order = Permutation(3, 4)(np.arange(2))
    assert dataset.to_table() == TABLE.take(order)
    assert dataset.schema == TABLE.schema


def test_mapped_rows_are_a_table_again() -> None:
    dataset = Dataset.from_arrow({"a": [1, 2, 3]}).map(
        lambda row: {"b": row["a"] * 2}, compiled=False
    )
    assert dataset.to_table().to_pydict() == {"b": [2, 4, 6]}
    assert dataset.batch(2).to_table().to_pydict() == {"b": [2, 4, 6]}


def test_arrays_are_no_table() -> None:
    with pytest.raises(UnsupportedError, match=r"made of arrays.*\n.*Dataset\.from_arrow"):
        Dataset.from_arrays(np.zeros(3)).to_table()


def test_elements_that_are_no_rows_make_no_table() -> None:
    dataset = Dataset.from_arrow({"a": [1, 2, 3]}).map(lambda row: row["a"], compiled=False)
    with pytest.raises(UnsupportedError, match=r"are no rows of single values"):
        dataset.to_table()


def test_parquet_rows_are_gathered_after_streaming(tmp_path: object) -> None:
    path = f"{tmp_path}/t.parquet"
    pq.write_table(pa.table({"a": list(range(10))}), path)
    dataset = Dataset.from_parquet(path)
    assert [int(row["a"]) for row in dataset.shuffle(seed=0)] != list(range(10))
    assert dataset.to_table()["a"].to_pylist() == list(range(10))


def test_a_dataset_says_what_it_does() -> None:
    dataset = Dataset.from_arrays(np.arange(9)).shuffle(seed=2).batch(4)
    assert repr(dataset) == "Dataset(read(arrays, 9 rows) → shuffle(2) → batch(4))"
