"""Parts of a split: disjoint, complete, the same in every epoch, with the proportions asked for."""

import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam.core import DataError, InvalidArgumentError, UnknownNameError
from kolam.data import Dataset

FRACTIONS = st.lists(st.integers(1, 6), min_size=2, max_size=4).map(
    lambda shares: [share / sum(shares) for share in shares]
)


def _rows(labels: list[int], groups: list[int]) -> Dataset:
    return Dataset.from_arrays(
        {"id": np.arange(len(labels)), "label": np.array(labels), "group": np.array(groups)}
    )


def _ids(dataset: Dataset) -> list[int]:
    return [int(row["id"]) for row in dataset]


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 3), min_size=12, max_size=80),
    fractions=FRACTIONS,
    seed=st.integers(0, 5),
)
def test_stratified_parts_have_all_classes_in_proportion(
    labels: list[int], fractions: list[float], seed: int
) -> None:
    rows = _rows(labels, labels)
    try:
        parts = [_ids(part) for part in rows.split(fractions, seed=seed, stratify="label")]
    except DataError as error:
        assert "gets none of" in str(error)  # noqa: PT017 - allowed, not wanted
        return
    assert sorted(itertools.chain(*parts)) == list(range(len(labels)))
    for part, fraction in zip(parts, fractions, strict=True):
        assert abs(len(part) - fraction * len(labels)) <= len(fractions)
        for label in range(4):
            count = sum(labels[i] == label for i in part)
            assert abs(count - fraction * labels.count(label)) <= len(fractions)


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.integers(0, 12), min_size=20, max_size=80),
    stratify=st.sampled_from([None, "label"]),
    seed=st.integers(0, 5),
)
def test_no_group_is_in_two_parts(groups: list[int], stratify: str | None, seed: int) -> None:
    rows = _rows([g % 2 for g in groups], groups)
    try:
        parts = rows.split([0.6, 0.4], seed=seed, group="group", stratify=stratify)
        found = [_ids(part) for part in parts]
    except DataError as error:
        assert "gets none of" in str(error)  # noqa: PT017 - one group alone
        return
    assert sorted(itertools.chain(*found)) == list(range(len(groups)))
    assert not {groups[i] for i in found[0]} & {groups[i] for i in found[1]}
    largest = max(map(groups.count, groups))
    assert abs(len(found[0]) - 0.6 * len(groups)) <= largest


def test_parts_are_the_same_in_every_epoch_and_above_a_shuffle() -> None:
    dataset = Dataset.from_arrays(np.arange(50)).shuffle(seed=3)
    train, test = dataset.split(0.8, seed=0)
    for epoch in range(3):
        first = {int(x) for x in train.shuffle(seed=1).at_epoch(epoch)}
        second = {int(x) for x in test.at_epoch(epoch)}
        assert (len(first), len(second)) == (40, 10)
        assert not first & second
    assert [int(x) for x in test] == [int(x) for x in test.at_epoch(2)]


def test_seeds_make_other_parts() -> None:
    dataset = Dataset.from_arrays(np.arange(50))
    parts = {tuple(map(int, dataset.split(0.5, seed=seed)[0])) for seed in range(5)}
    assert len(parts) == 5


def test_groups_may_be_texts_functions_or_places_in_tuples() -> None:
    table = pa.table({"patient": ["a", "b", "a", "c", None, "b"], "n": range(6)})
    dataset = Dataset.from_arrow(table)
    one, other = dataset.split(0.5, seed=0, group="patient")
    names = [{row["patient"] for row in part} for part in (one, other)]
    assert not names[0] & names[1]
    by_function = dataset.split(0.5, seed=0, group=lambda row: row["patient"])
    assert [len(part) for part in by_function] == [len(one), len(other)]
    pairs = Dataset.from_arrays((np.arange(10), np.arange(10) % 2))
    assert [int(sum(y for _, y in p)) for p in pairs.split(0.4, seed=0, stratify=1)] == [2, 3]


def test_a_part_is_resumed_and_batched_like_any_dataset() -> None:
    train, _ = _rows([0, 1] * 20, [0] * 40).split(0.75, seed=0, stratify="label")
    batched = train.shuffle(seed=1).batch(7)
    iterator = iter(batched.at_epoch(1))
    next(iterator)
    resumed = iter(batched)
    resumed.restore(iterator.state())
    assert [b["id"].tolist() for b in resumed] == [b["id"].tolist() for b in iterator]


@pytest.mark.parametrize("fractions", [1.5, 0, [0.5, 0.6], [1.0], "most", [0.5, -0.5, 1.0]])
def test_fractions_that_are_none_are_refused(fractions: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"The fractions of the split are .*\n.*add up"):
        Dataset.from_arrays(np.arange(10)).split(fractions, seed=0)


def test_bad_columns_and_empty_parts_are_named() -> None:
    rows = _rows([0, 1], [0, 0])
    with pytest.raises(UnknownNameError, match=r"no column 'lable'.*\n.*'label'"):
        rows.split(0.5, seed=0, stratify="lable")
    with pytest.raises(InvalidArgumentError, match=r"group is 0, but the elements have no such"):
        rows.split(0.5, seed=0, group=0)
    with pytest.raises(DataError, match=r"Part 1 of the split, a fraction of 0\.5, gets none of 2"):
        list(rows.split(0.5, seed=0, group="group")[1])
    images = Dataset.from_arrays({"image": np.zeros((4, 2, 2))})
    with pytest.raises(DataError, match=r"stratify of the elements are arrays of shape \(2, 2\)"):
        list(images.split(0.5, seed=0, stratify="image")[0])


def test_a_part_without_elements_is_refused_at_once() -> None:
    with pytest.raises(DataError, match=r"Part 1 of the split, a fraction of 0\.1, gets none of 3"):
        Dataset.from_arrays(np.arange(3)).split(0.9, seed=0)
    with pytest.raises(DataError, match="gets none of 0 elements"):
        Dataset.from_arrays(np.arange(0)).split(0.5, seed=0)
