"""What a dataset says about itself: its plan, its costs, what it left out."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kolam.core import DataError, InvalidArgumentError, TensorSpec
from kolam.data import Dataset
from kolam.data._buffers import Buffers
from kolam.data._chunks import Block, Chunk, Cursor
from kolam.data._plan.build import read
from kolam.data._sources import ArraysSource, Groups
from kolam.data._trees import Tree


class BadRows(ArraysSource):
    """Rows of which some cannot be read."""

    def take(self, rows: np.ndarray, buffers: Buffers) -> Tree:
        for row in rows:
            if row % 10 == 3:
                raise DataError(f"rows.bin, row {row}: it is damaged.")
        return super().take(rows, buffers)


class Countdown:
    """A source that only gives rows in order, with a bad record now and then."""

    num_rows: int | None = None
    spec = TensorSpec((), "int64")

    def __init__(self) -> None:
        self.cursors: list[Cursor | None] = []

    def read(self, cursor: Cursor | None) -> Block:
        self.cursors.append(cursor)
        start = int(cursor or 0)
        rows = np.arange(start, start + 10)
        good = rows[rows != 25]
        faults = () if len(good) == len(rows) else ("row 25 is no number",)
        return Block(Chunk(good, len(good), good), start + 10 if start < 40 else None, faults)

    def digest(self) -> str:
        return "countdown"


def _picky(n: Any) -> Any:
    return 1 // int(n % 5)


def _even(n: Any) -> Any:
    return n % 2 == 0


def test_a_plan_is_shown_as_it_runs() -> None:
    dataset = Dataset.from_arrays(np.arange(1000)).filter(_even).shuffle(seed=3).batch(10)
    lines = dataset.explain().splitlines()
    assert [line.split("  ")[0] for line in lines[:5]] == [
        "step",
        "read(arrays, 1,000 rows)",
        "shuffle(3)",
        f"filter(_even, line {_even.__code__.co_firstlineno})",
        "batch(10)",
    ]
    assert "1,000  by position" in lines[2]
    assert "?  in order, block by block" in lines[3]
    assert lines[5].startswith("rewritten from: read(arrays, 1,000 rows) → filter(_even")


def test_a_plan_with_branches_is_shown_as_a_tree() -> None:
    numbers = Dataset.from_arrays(np.arange(10))
    dataset = numbers.zip(numbers.skip(2)).batch(4)
    assert repr(dataset) == (
        "Dataset(\n    read(arrays, 10 rows)\n    read(arrays, 10 rows)\n    skip(2)\n"
        "  zip()\n  batch(4)\n)"
    )
    assert "  skip(2)" in dataset.explain()
    assert "endless" in numbers.repeat().explain()


def test_a_shard_above_a_stream_is_remarked() -> None:
    dataset = Dataset.from_arrays(np.arange(10)).filter(_even).shard(0, 2)
    assert "every process computes all that is below it" in dataset.explain()


def test_steps_are_joined_and_undone() -> None:
    numbers = Dataset.from_arrays(np.arange(20))
    assert "slice(5, 7)" in numbers.skip(2).skip(3).take(9).take(7).explain()
    assert "batch" not in numbers.batch(4).map(lambda b: b).explain().partition("map")[0][:4]
    undone = numbers.batch(6, drop_remainder=True).unbatch()
    assert "take(18)" in undone.explain()
    assert [int(n) for n in undone] == list(range(18))


def test_every_stage_counts_elements_seconds_and_bytes() -> None:
    dataset = Dataset.from_arrays(np.arange(1000)).map(lambda n: n * 2.0).batch(100)
    assert [stage.elements for stage in dataset.stats().stages] == [0, 0, 0]
    for _ in range(2):
        list(dataset)
    stats = dataset.stats()
    assert [stage.elements for stage in stats.stages] == [2000, 2000, 20]
    assert [stage.size_bytes for stage in stats.stages] == [16_000] * 3
    assert all(stage.seconds > 0 for stage in stats.stages)
    head, *rows = str(stats).splitlines()
    assert head.split() == ["stage", "elements", "seconds", "bytes", "skipped"]
    assert rows[2].split()[:2] == ["batch(100)", "20"]
    assert rows[2].endswith("16.0 kB")


def test_a_stage_does_not_count_the_time_of_those_below() -> None:
    def slow(n: Any) -> Any:
        return sum(range(int(n) * 0 + 30_000))

    dataset = Dataset.from_arrays(np.arange(300)).map(slow, compiled=False).batch(10)
    list(dataset)
    seconds = {stage.name.partition("(")[0]: stage.seconds for stage in dataset.stats().stages}
    assert seconds["map"] > 2 * seconds["batch"]


def test_bad_elements_are_left_out_counted_and_reported_once() -> None:
    dataset = Dataset.from_arrays(np.arange(100)).map(_picky, compiled=False, on_error="skip")
    iterator = iter(dataset.batch(7))
    with pytest.warns(
        UserWarning, match=r"20 of 100 records were left out by map\(_picky"
    ) as caught:
        assert sum(len(batch) for batch in iterator) == 80
    assert len(caught) == 1
    assert "The first: element 0: ZeroDivisionError: integer" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert next(iterator, None) is None
    with pytest.warns(UserWarning, match="left out"):
        list(dataset)
    assert dataset.stats().skipped == 20
    assert "element 5: ZeroDivisionError" in str(dataset.stats())


def test_a_bad_element_is_an_error_unless_one_says_skip() -> None:
    dataset = Dataset.from_arrays(np.arange(100)).map(_picky, compiled=False)
    with pytest.raises(ZeroDivisionError) as caught:
        list(dataset)
    assert caught.value.__notes__ == ["The function of map() raised this for element 0."]


def test_filters_and_flat_maps_leave_out_bad_elements_too() -> None:
    numbers = Dataset.from_arrays(np.arange(10))
    with pytest.warns(UserWarning, match=r"2 of 10 records were left out by filter"):
        kept = [int(n) for n in numbers.filter(_picky, compiled=False, on_error="skip")]
    assert kept == [1, 6]
    several = numbers.flat_map(lambda n: [_picky(n)] * 2, compiled=False, on_error="skip")
    with pytest.warns(UserWarning, match=r"2 of 10 records were left out by flat_map"):
        assert several.count() == 16


def test_rows_that_cannot_be_read_are_left_out() -> None:
    dataset = Dataset(read(BadRows(np.arange(100)), "skip"))
    with pytest.warns(UserWarning, match=r"10 of 100 records.*rows.bin, row 3: it is damaged"):
        assert [int(n) for n in dataset] == [n for n in range(100) if n % 10 != 3]
    with pytest.warns(UserWarning, match="10 of 100"):
        found = [int(n) for n in dataset.shuffle(seed=1)]
    assert sorted(found) == [n for n in range(100) if n % 10 != 3]
    assert found != sorted(found)
    with pytest.raises(DataError, match="row 3: it is damaged"):
        list(Dataset(read(BadRows(np.arange(100)))))


def test_a_source_in_order_only_is_resumed_by_its_cursor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kolam.data._run._WIDE_ROWS", 4)
    source = Countdown()
    dataset = Dataset(read(source)).filter(lambda n: n % 3 == 0, compiled=False).batch(4)
    with pytest.warns(UserWarning, match=r"1 of 50 records were left out by .*row 25 is no"):
        whole = [batch.tolist() for batch in dataset]
    assert [n for batch in whole for n in batch] == list(range(0, 50, 3))
    iterator = iter(dataset)
    for _ in range(3):
        next(iterator)
    state = iterator.state()
    source.cursors.clear()
    resumed = iter(dataset)
    resumed.restore(state)
    assert next(resumed).tolist() == whole[3]
    assert source.cursors == [30, 40]  # nothing of what went before
    with pytest.raises(InvalidArgumentError, match=r"shuffle\(\) cannot stand after stream\(\)"):
        dataset.unbatch().shuffle(seed=0)


def test_rows_in_groups_are_shuffled_within_windows() -> None:
    source = ArraysSource(np.arange(1000))
    source.groups = Groups(np.full(10, 100), window=2)
    plain = Dataset(read(source))
    for dataset in (plain.shuffle(seed=1), plain.map(lambda n: n + 0).shuffle(seed=1)):
        rows = [int(n) for n in dataset]
        assert sorted(rows) == list(range(1000))
        for start in range(0, 1000, 200):
            assert len({row // 100 for row in rows[start : start + 200]}) == 2
        assert rows != [int(n) for n in dataset.at_epoch(1)]
        assert rows[:200] != sorted(rows[:200])


def test_parts_of_a_file_read_by_groups_are_shuffled_within_windows() -> None:
    source = ArraysSource({"n": np.arange(1000), "y": np.arange(1000) % 7})
    source.groups = Groups(np.full(10, 100), window=2)
    plain = Dataset(read(source)).map(lambda row: {**row, "m": row["n"] * 2})
    train, test = plain.split(0.8, seed=0, stratify="y")
    assert sorted(int(r["n"]) for part in (train, test) for r in part) == list(range(1000))
    for part in (train, plain.split(0.8, seed=1)[0], plain.skip(150).take(800)):
        rows = [int(row["n"]) for row in part.shuffle(seed=1)]
        assert len(set(rows)) == len(rows) == 800
        assert len({row // 100 for row in rows[:100]}) == 2
        assert rows[:100] != sorted(rows[:100])


def test_a_restore_far_away_computes_one_block_and_the_state_stays_small() -> None:
    def make() -> Dataset:
        numbers = [Dataset.from_arrays(np.arange(300_000)) for _ in range(20)]
        parts = [part.filter(_even).shuffle(seed) for seed, part in enumerate(numbers)]
        return parts[0].interleave(*parts[1:]).batch(64)

    iterator = iter(make())
    for _ in range(20_000):
        next(iterator)
    state = iterator.state()
    assert len(json.dumps(state)) < 1024
    dataset = make()
    resumed = iter(dataset)
    resumed.restore(state)
    np.testing.assert_array_equal(next(resumed), next(iterator))
    read = [stage.elements for stage in dataset.stats().stages if "read" in stage.name]
    assert max(read) <= 2 * 16_384


def test_a_state_of_a_changed_filter_is_refused() -> None:
    numbers = Dataset.from_arrays(np.arange(100))
    state = iter(numbers.filter(lambda n: n % 3 == 0)).state()
    iter(numbers.filter(lambda n: n % 3 == 0)).restore(state)
    with pytest.raises(InvalidArgumentError, match=r"→ filter, with .*another filter\(\)\."):
        iter(numbers.filter(lambda n: n % 4 == 0)).restore(state)


@pytest.mark.parametrize(
    "change", [{"position": "x"}, {"epoch": -1}, {"cursor": [0]}, {"cursor": "x"}, {"format": 1}]
)
def test_what_is_no_state_is_refused(change: dict[str, Any]) -> None:
    iterator = iter(Dataset.from_arrays(np.arange(9)).filter(_even))
    with pytest.raises(InvalidArgumentError, match=r"This is no position of a dataset: \{"):
        iterator.restore({**iterator.state(), **change})
    with pytest.raises(InvalidArgumentError, match=r"This is no position of a dataset: None"):
        iterator.restore(None)  # type: ignore[arg-type]


def test_elements_and_faults_do_not_hang_on_the_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []
    for threads in (1, 3):
        monkeypatch.setattr("kolam.data._mapping.num_threads", lambda n=threads: n)
        monkeypatch.setattr("kolam.data._threads.num_threads", lambda n=threads: n)
        dataset = Dataset.from_arrays(np.arange(500)).map(_picky, compiled=False, on_error="skip")
        with pytest.warns(UserWarning, match="100 of 500") as caught:
            elements = [int(n) for n in dataset.shuffle(seed=0).prefetch()]
        found.append((elements, str(caught[0].message), dataset.stats().skipped))
    assert found[0] == found[1]


def test_a_state_without_its_cursor_is_refused() -> None:
    dataset = Dataset.from_arrays(np.arange(100)).filter(_even)
    iterator = iter(dataset)
    next(iterator)
    state = {**iterator.state(), "position": 3}
    del state["cursor"]
    with pytest.raises(InvalidArgumentError, match=r"has position 3, but no cursor.*\n.*whole"):
        iterator.restore(state)


def test_a_state_of_another_part_is_refused_where_parts_cannot_be_divided() -> None:
    numbers = Dataset.from_arrays(np.arange(100))
    state = iter(numbers.shard(0, 2).filter(_even)).state()
    with pytest.raises(
        InvalidArgumentError,
        match=r"shard\(0, 2\), here it is shard\(1, 2\).*\n.*map\(\) and batch",
    ):
        iter(numbers.shard(1, 2).filter(_even)).restore(state)


@pytest.mark.parametrize("prefetch", [False, True])
def test_an_error_in_a_thread_ahead_comes_where_it_belongs(
    prefetch: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("kolam.data._run._WIDE_ROWS", 4)
    dataset = Dataset.from_arrays(np.arange(1, 20)).map(_picky, compiled=False)
    iterator = iter(dataset.prefetch() if prefetch else dataset)
    assert [int(next(iterator)) for _ in range(4)] == [1, 0, 0, 0]
    with pytest.raises(ZeroDivisionError):
        next(iterator)
