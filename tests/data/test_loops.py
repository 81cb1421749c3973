"""`for batch in dataset` in a compiled function gives what the loop gives in Python."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kolam as kl
from kolam.core import UnsupportedError
from kolam.data import Dataset, _loops

TABLE = {
    "y": np.arange(103, dtype=np.int32),
    "x": np.linspace(-1, 1, 206, dtype=np.float32).reshape(103, 2),
}


def _mixed(total: Any, batch: Any) -> Any:
    """Hang on the order of elements and on every number in them."""
    total = total * 1.25 + batch["x"].sum() - batch["y"].sum() / 7
    return jnp.where(jnp.abs(total) > 1e3, total / 1e3, total)


def _in_python(dataset: Dataset, start: Any) -> Any:
    total = jnp.float32(start)
    for batch in dataset:
        total = _mixed(total, batch)
    return total


def _compiled(dataset: Dataset) -> Callable[[Any], Any]:
    @kl.function
    def run(total: Any) -> Any:
        for batch in dataset:
            total = _mixed(total, batch)
        return total

    return run


STEPS: dict[str, Callable[[Dataset, int], Dataset]] = {
    "shuffle": lambda dataset, n: dataset.shuffle(seed=n),
    "take": lambda dataset, n: dataset.take(13 * n),
    "skip": lambda dataset, n: dataset.skip(n),
    "shard": lambda dataset, n: dataset.shard(n % 3, 3),
    "repeat": lambda dataset, n: dataset.repeat(n % 3),
    "map": lambda dataset, n: dataset.map(lambda row: {"x": row["x"] * n, "y": row["y"] + 1}),
    "batch": lambda dataset, n: dataset.batch(n, drop_remainder=True),
}


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(1, 9)), max_size=4),
    st.integers(1, 40),
)
def test_loops_over_random_plans_agree_with_python(steps: list[tuple[str, int]], size: int) -> None:
    dataset = Dataset.from_arrays(TABLE)
    for name, number in steps:
        dataset = STEPS[name](dataset, number)
    dataset = dataset.batch(size)
    found, expected = _compiled(dataset)(0.5), _in_python(dataset, 0.5)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5)


def test_the_loop_is_staged_and_reads_when_it_runs() -> None:
    values = np.arange(50, dtype=np.float32)
    traces = []

    @kl.autograph.do_not_convert
    def note(batch: Any) -> Any:
        traces.append(batch.shape)
        return batch.sum()

    @kl.function
    def total(start: Any) -> Any:
        for batch in Dataset.from_arrays(values).batch(4, drop_remainder=True):
            start = start + note(batch)
        return start

    assert float(total(0.0)) == values[:48].sum()
    assert len(traces) < 12
    values[:] = 1
    assert float(total(0.0)) == 48


def test_elements_alone_and_trees_keep_their_structure() -> None:
    dataset = Dataset.from_arrays(({"b": TABLE["x"], "a": TABLE["y"]}, TABLE["y"]))

    @kl.function
    def last(found: Any) -> Any:
        keys = None
        for element in dataset:
            keys = list(element[0])
            found = element[0]["b"] + element[1]
        return found, keys

    found, keys = last(np.zeros(2, np.float32))
    assert keys == ["b", "a"]
    np.testing.assert_allclose(found, TABLE["x"][-1] + 102)


def test_jumps_work_as_in_python() -> None:
    dataset = Dataset.from_arrays(TABLE).batch(10)

    def jumping(limit: Any) -> Any:
        total, batches = jnp.zeros(()), 0
        for batch in dataset:
            if batch["y"][0] == 30:
                continue
            batches = batches + 1
            total = total + batch["y"].sum()
            if total > limit:
                break
        else:
            batches = -batches
        return total, batches

    run = kl.function(jumping)
    for limit in (0.0, 900.0, 1e6):
        np.testing.assert_array_equal(run(limit), jumping(limit))


def test_numbered_and_collected() -> None:
    dataset = Dataset.from_arrays(TABLE).batch(8)

    def collected(scale: Any) -> Any:
        sums = []
        for number, batch in enumerate(dataset):
            sums.append(batch["y"].sum() * scale + number)
        return sums

    found = kl.function(collected)(np.float32(2))
    assert len(found) == 13
    np.testing.assert_array_equal(found, collected(np.float32(2)))


PAIRS = Dataset.from_arrays((TABLE["x"], TABLE["y"])).batch(9)


def _nested(total: Any) -> Any:
    for _, y in PAIRS:
        for x, _ in PAIRS.take(3):
            total = total + x.sum() * y.sum()
    return total


def _returning(total: Any) -> Any:
    for _, y in PAIRS:
        total = total + y.sum()
        if total > 400:
            return total
    return -total


def _zipped(total: Any) -> Any:
    for (_, y), (_, later) in zip(PAIRS, PAIRS.skip(1), strict=False):
        total = total + y.sum() - later.sum()
    for (_, y), number in zip(PAIRS, range(5), strict=False):
        total = total + y.sum() * number
    return total


def _in_a_branch(total: Any) -> Any:
    if total > 1:
        for number, (_, y) in enumerate(PAIRS):
            total = total + y.sum() * number
    return total


def _comprehended(total: Any) -> Any:
    sums = [x.sum() * total for x, _ in PAIRS]
    return sums[-1] + sum(y.sum() for _, y in PAIRS) + next(iter(PAIRS))[1].sum()


def _repeated(total: Any) -> Any:
    while total < 20_000:
        for _, y in PAIRS.shuffle(seed=1).take(4):
            total = total + y.sum()
    return total


@pytest.mark.parametrize(
    "fn", [_nested, _returning, _zipped, _in_a_branch, _comprehended, _repeated]
)
def test_programs_agree_with_python(fn: Callable[[Any], Any]) -> None:
    run = kl.function(fn)
    for start in (-1e5, 0.0, 2.0):
        np.testing.assert_allclose(run(start), fn(np.float32(start)), rtol=1e-5)


def test_a_dataset_may_be_an_argument() -> None:
    dataset = Dataset.from_arrays(TABLE["y"]).batch(20)
    run = kl.function(_summed)
    assert int(run(dataset, 1)) == TABLE["y"].sum() + 1
    assert int(run(dataset.take(1), 1)) == TABLE["y"][:20].sum() + 1


def test_a_graph_cannot_hold_a_dataset() -> None:
    with pytest.raises(UnsupportedError, match="A Graph cannot call back into Python"):
        kl.trace(_nested, kl.TensorSpec((), "float32"))


def test_a_loop_of_epochs_has_the_order_of_each() -> None:
    dataset = Dataset.from_arrays(TABLE).shuffle(seed=4).batch(25)

    def epochs(total: Any) -> Any:
        for epoch in range(12):
            for batch in dataset.at_epoch(epoch):
                total = _mixed(total, batch)
        return total

    expected = np.float32(0)
    for epoch in range(12):
        expected = _in_python(dataset.at_epoch(epoch), expected)
    np.testing.assert_allclose(kl.function(epochs)(np.float32(0)), expected, rtol=2e-5)


def test_an_endless_dataset_is_left_by_a_jump() -> None:
    dataset = Dataset.from_arrays(TABLE).batch(50, drop_remainder=True).repeat()

    def until(total: Any) -> Any:
        batches = 0
        for batch in dataset:
            batches = batches + 1
            total = total + batch["y"].sum()
            if total > 30_000:
                break
        return total, batches

    found = kl.function(until)(np.float32(0))
    assert [float(value) for value in found] == [30_925, 13]


@pytest.mark.parametrize("size", [1, 4, 9])
def test_a_stream_of_unknown_length_is_gone_through_to_its_end(size: int) -> None:
    odd = Dataset.from_arrays(TABLE).filter(lambda row: row["y"] % 3 == 1).shuffle(seed=2)
    dataset = odd.batch(size, drop_remainder=True)
    found, expected = _compiled(dataset)(0.5), _in_python(dataset, 0.5)
    np.testing.assert_allclose(found, expected, rtol=2e-5)


@pytest.mark.parametrize("kept", [0, 1, 1024])
def test_chunks_may_be_asked_for_in_any_order(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_loops, "_KEPT_STATES", kept)
    by_position = Dataset.from_arrays(TABLE["y"]).shuffle(seed=1)
    for dataset in (by_position, by_position.filter(lambda y: y % 2 == 0)):
        reader = _loops._Reader(dataset)
        expected = [[int(y) for y in dataset.at_epoch(epoch)] for epoch in (0, 1)]
        for epoch, first in [(0, 0), (0, 10), (1, 20), (0, 20), (0, 10), (0, 30), (1, 0), (0, 40)]:
            found = [int(y) for y in reader.read(epoch, first, 10)]
            assert found == expected[epoch][first : first + 10]


def test_an_unknown_last_batch_is_refused() -> None:
    dataset = Dataset.from_arrays(TABLE).filter(lambda row: row["y"] > 7).batch(10)
    with pytest.raises(UnsupportedError, match=r"(?s)not known before.*drop_remainder=True"):
        _compiled(dataset)(0.5)


def test_a_stream_that_turns_out_empty_makes_no_trip() -> None:
    nothing = Dataset.from_arrays(TABLE).filter(lambda row: row["y"] > 100).skip(5)
    assert float(_compiled(nothing)(2.5)) == 2.5


def test_gradients_in_the_loop_and_through_it() -> None:
    dataset = Dataset.from_arrays(TABLE).batch(16)

    def loss(weights: Any) -> Any:
        total = jnp.zeros(())
        for batch in dataset:
            total = total + jnp.sum((batch["x"] @ weights) ** 2)
        return total

    @kl.function
    def descended(weights: Any) -> Any:
        for batch in dataset:
            slope = jax.grad(lambda w, batch: jnp.sum((batch["x"] @ w) ** 2))(weights, batch)
            weights = weights - 0.01 * slope
        return weights

    weights = np.array([0.5, -1], np.float32)
    through = kl.function(lambda weights: jax.grad(loss)(weights))(weights)
    np.testing.assert_allclose(through, 2 * TABLE["x"].T @ (TABLE["x"] @ weights), rtol=1e-5)
    expected = weights
    for batch in dataset:
        expected = expected - 0.02 * batch["x"].T @ (batch["x"] @ expected)
    np.testing.assert_allclose(descended(weights), expected, rtol=1e-5)


def test_text_is_gone_through_in_python() -> None:
    dataset = Dataset.from_arrow({"word": ["a", "bb", "ccc"]})

    @kl.function
    def lengths(total: Any) -> Any:
        for row in dataset:
            total = total + len(row["word"])
        return total

    assert int(lengths(1)) == 7


def test_an_iterator_is_refused() -> None:
    iterator = iter(Dataset.from_arrays(TABLE["y"]))
    run = kl.function(lambda total: _summed(iterator, total))
    with pytest.raises(UnsupportedError, match=r"(?s)gone through inside a.*for batch in"):
        run(0)


def _picky() -> tuple[list[int], Dataset]:
    """Give batches of `y`, and a list of the values at which they fail."""
    bad: list[int] = []

    def picky(value: Any) -> Any:
        if value in bad:
            raise LookupError("no forty")
        return value

    dataset = Dataset.from_arrays(TABLE["y"]).map(picky, compiled=False).batch(10)
    return bad, dataset


def test_a_failure_while_it_runs_names_the_element() -> None:
    bad, dataset = _picky()
    run = kl.function(lambda total: _summed(dataset, total))
    assert int(run(0)) == TABLE["y"].sum()
    bad.append(40)
    with pytest.raises(LookupError, match="no forty") as caught:
        run(0)
    assert caught.value.__notes__[0] == "The function of map() raised this for element 40."
    bad.clear()
    assert int(run(1)) == TABLE["y"].sum() + 1


def test_a_failure_in_a_program_that_nobody_watches_stops_it() -> None:
    bad, dataset = _picky()
    run = jax.jit(kl.autograph.convert(lambda total: _summed(dataset, total)))
    assert int(run(0)) == TABLE["y"].sum()
    bad.append(40)
    with pytest.raises(
        (ValueError, jax.errors.JaxRuntimeError),
        match=r"(?s)A dataset failed inside a compiled loop.*no forty.*this for element 40",
    ):
        jax.block_until_ready(run(0))


def test_a_loop_without_end_over_a_dataset_that_fails_is_stopped() -> None:
    def picky(value: Any) -> Any:
        if value > 30:
            raise LookupError("no more")
        return value

    dataset = Dataset.from_arrays(TABLE["y"]).map(picky, compiled=False).repeat().batch(10)

    @kl.function
    def run(total: Any) -> Any:
        for batch in dataset:
            total = total + batch.sum()
            if total < 0:
                break
        return total

    with pytest.raises((LookupError, jax.errors.JaxRuntimeError), match="no more"):
        jax.block_until_ready(run(0))


def _summed(dataset: Any, total: Any) -> Any:
    for batch in dataset:
        total = total + batch.sum()
    return total


def test_an_empty_dataset_makes_no_trip() -> None:
    dataset = Dataset.from_arrays(TABLE).take(0).batch(3)
    assert float(_compiled(dataset)(2.5)) == 2.5
