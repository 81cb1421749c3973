"""Batches from anywhere, and epochs of a fixed number of steps, train as in Keras."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import pytest

from kolam.core import DataError, InvalidArgumentError, InvalidTypeError
from kolam.data import Dataset, Permutation
from kolam.train import fit
from kolam.train._batches import BatchFeed
from kolam.train._placement import OneDevice
from kolam.train._sources import IterableSource

# Keras 3.15 copies variables in a way that NumPy 2 warns of (keras-team/keras, Variable.__array__)
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

Maker = Callable[..., Any]
Table = tuple[np.ndarray, np.ndarray]


def _values(model: Any) -> list[np.ndarray]:
    return [np.asarray(v.value) for v in (*model.variables, *model.optimizer.variables)]


def _assert_same(one: Any, other: Any) -> None:
    assert one.history.history == other.history.history
    for first, second in zip(_values(one), _values(other), strict=True):
        np.testing.assert_array_equal(first, second)


def _batches(table: Table, size: int = 16) -> Iterator[Table]:
    for start in range(0, len(table[0]), size):
        yield table[0][start : start + size].astype(np.float32), table[1][start : start + size]


def _forever(table: Table, size: int = 16) -> Iterator[Table]:
    while True:
        yield from _batches(table, size)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6])
def test_steps_per_epoch_cuts_a_pass_as_keras_does(steps: int, make: Maker, table: Table) -> None:
    # 5 batches: their last epoch is shorter where steps do not divide 5, and Keras warns as we do
    given: dict[str, Any] = {"batch_size": 32, "epochs": 6, "shuffle": False, "verbose": 0}
    given |= {"steps_per_epoch": steps, "validation_data": table, "validation_steps": 2}
    one, other = make(), make()
    with warnings.catch_warnings(record=True) as theirs:
        warnings.simplefilter("always")
        one.fit(*table, **given)
    with warnings.catch_warnings(record=True) as ours:
        warnings.simplefilter("always")
        fit(other, *table, **given)
    _assert_same(one, other)
    short = [w for w in theirs if "ran out of data" in str(w.message)]
    assert len([w for w in ours if "The data ran out" in str(w.message)]) == len(short)


@pytest.mark.parametrize("kind", ["arrays", "list", "generator"])
def test_a_first_epoch_of_steps_begins_as_in_keras(kind: str, make: Maker, table: Table) -> None:
    def given() -> tuple[Any, ...]:
        batches = [(table[0][at : at + 30], table[1][at : at + 30]) for at in range(0, 150, 30)]
        once = (batch for batch in batches * 2)
        return {"arrays": table, "list": (_Again(batches),), "generator": (once,)}[kind]

    one, other = make(), make()
    settings: dict[str, Any] = {"steps_per_epoch": 2, "epochs": 3, "initial_epoch": 1}
    settings |= {"batch_size": 30} if kind == "arrays" else {}
    if kind == "list":  # Keras takes none, so it gets the arrays
        one.fit(*table, batch_size=30, shuffle=False, verbose=0, **settings)
    else:
        one.fit(*given(), shuffle=False, verbose=0, **settings)
    fit(other, *given(), shuffle=False, verbose=0, lowering="exact", **settings)
    _assert_same(one, other)


class _Again:
    """Batches of unknown number, from the beginning in every pass."""

    def __init__(self, batches: list[Table]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Table]:
        return iter(self._batches)


def test_steps_without_a_batch_size_share_the_data_as_in_keras(make: Maker, table: Table) -> None:
    given: dict[str, Any] = {"steps_per_epoch": 4, "epochs": 2, "shuffle": False, "verbose": 0}
    one, other = make(), make()
    one.fit(*table, **given)
    fit(other, *table, **given)
    _assert_same(one, other)


def test_steps_of_shuffled_arrays_go_on_in_one_order(make: Maker, table: Table) -> None:
    one, other = make(), make()
    fit(one, *table, batch_size=30, epochs=1, seed=4, verbose=0)
    given = {"batch_size": 30, "steps_per_epoch": 2, "verbose": 0, "seed": 4}
    with pytest.warns(UserWarning, match=r"an epoch had 1 of 2 steps.*repeat\(\)"):
        fit(other, *table, epochs=3, **given)
    for first, second in zip(_values(one), _values(other), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_dataset_without_end_gives_any_number_of_steps(make: Maker, table: Table) -> None:
    one, other = make(), make()
    arrays = table[0].astype(np.float32), table[1]
    endless = Dataset.from_arrays(arrays).repeat().batch(16)
    fit(one, endless, steps_per_epoch=7, epochs=3, verbose=0)
    other.fit(_endless_rows(arrays), steps_per_epoch=7, epochs=3, shuffle=False, verbose=0)
    _assert_same(one, other)


def _endless_rows(table: Table) -> Iterator[Table]:
    start = 0
    while True:
        rows = np.arange(start, start + 16) % len(table[0])
        yield table[0][rows], table[1][rows]
        start += 16


def test_a_generator_trains_as_in_keras(make: Maker, table: Table) -> None:
    one, other = make(), make()
    given: dict[str, Any] = {"steps_per_epoch": 7, "epochs": 3, "shuffle": False, "verbose": 0}
    one.fit(_forever(table), **given)
    fit(other, _forever(table), **given)
    _assert_same(one, other)


def test_validation_goes_on_with_its_generator() -> None:
    # Keras 3.15 begins every validation with the two batches that it looked at first
    _, history = fit(
        lambda state, batch: (state, {}),
        0.0,
        np.ones(4),
        epochs=3,
        verbose=0,
        eval_fn=lambda state, batch: {"mean": batch.mean()},
        validation_data=(np.full(4, float(number)) for number in range(10)),
        validation_steps=2,
    )
    assert history.history["val_mean"] == [0.5, 2.5, 4.5]


def test_a_generator_may_use_the_memory_of_a_batch_again(make: Maker, table: Table) -> None:
    def batches(x: np.ndarray, y: np.ndarray) -> Iterator[Table]:
        for at in range(0, 150, 30):
            x[:], y[:] = table[0][at : at + 30], table[1][at : at + 30]
            yield x, y

    one, other = make(), make()
    fit(one, *table, batch_size=30, shuffle=False, verbose=0)
    fit(other, batches(np.empty((30, 6)), np.empty(30, int)), verbose=0)
    _assert_same(one, other)


def test_a_generator_is_read_no_further_than_it_is_trained_on(make: Maker, table: Table) -> None:
    drawn = 0

    def counted() -> Iterator[Table]:
        nonlocal drawn
        for batch in _forever(table):
            drawn += 1
            yield batch

    batches = counted()
    fit(make(), batches, steps_per_epoch=3, epochs=2, verbose=0)
    assert drawn == 6
    next(batches)


def test_a_generator_that_ends_ends_its_epoch(make: Maker, table: Table) -> None:
    one, other = make(), make()
    with pytest.warns(UserWarning, match="Your input ran out of data"):  # it had no length
        one.fit(_batches(table), shuffle=False, verbose=0)
    fit(other, _batches(table), verbose=0)
    _assert_same(one, other)
    with pytest.raises(InvalidArgumentError, match=r"once, but epochs is 2\.\n.*steps_per_epoch"):
        fit(make(), _batches(table), epochs=2, verbose=0)
    with pytest.warns(UserWarning, match="an epoch had 10 of 20 steps"):
        fit(make(), _batches(table), steps_per_epoch=20, verbose=0)


class _Loader:
    """What a DataLoader is: something to go through again and again."""

    def __init__(self, table: Table, *, has_length: bool) -> None:
        self._table = table
        if has_length:
            self.__class__ = _LoaderWithLength

    def __iter__(self) -> Iterator[Any]:
        return (list(batch) for batch in _batches(self._table))


class _LoaderWithLength(_Loader):
    def __len__(self) -> int:
        return 10


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("steps", [None, 4])
def test_a_loader_is_gone_through_in_every_epoch(
    steps: int | None, has_length: bool, make: Maker, table: Table
) -> None:
    one, other = make(), make()
    arrays = table[0].astype(np.float32), table[1]
    given: dict[str, Any] = {"epochs": 3, "verbose": 0, "steps_per_epoch": steps}
    loader = _Loader(table, has_length=has_length)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The data ran out")
        warnings.filterwarnings("ignore", "Your input ran out of data")
        fit(one, loader, validation_data=loader, **given)
        other.fit(
            *arrays,
            batch_size=16,
            shuffle=False,
            validation_data=arrays,
            validation_batch_size=16,
            **given,
        )
    _assert_same(one, other)


def _sequence(keras: Any, table: Table, events: list[Any], **given: Any) -> Any:
    class Sequence(keras.utils.PyDataset):  # type: ignore[misc, name-defined]
        def __len__(self) -> int:
            return 5

        def __getitem__(self, number: int) -> Table:
            rows = slice(number * 30, number * 30 + 30)
            return table[0][rows], table[1][rows]

        def on_epoch_begin(self) -> None:
            events.append("begin")

        def on_epoch_end(self) -> None:
            events.append("end")

    return Sequence(**given)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_pydataset_trains_as_in_keras(
    workers: int, keras: Any, make: Maker, table: Table
) -> None:
    events: list[Any] = []
    one, other = make(), make()
    sequence = _sequence(keras, table, events, workers=workers)
    given: dict[str, Any] = {"epochs": 2, "shuffle": False, "verbose": 0}
    given |= {"class_weight": {0: 2.0, 1: 0.5}}
    fit(other, sequence, **given)
    assert events[-4:] == ["begin", "end", "begin", "end"]
    one.fit(*table, batch_size=30, **given)
    _assert_same(one, other)


def _shuffled(keras: Any, table: Table) -> Any:
    class Shuffled(keras.utils.PyDataset):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.rng, self.rows = np.random.default_rng(0), np.arange(150)

        def __len__(self) -> int:
            return 5

        def __getitem__(self, number: int) -> Table:
            rows = self.rows[number * 30 : number * 30 + 30]
            return table[0][rows], table[1][rows]

        def on_epoch_end(self) -> None:
            self.rng.shuffle(self.rows)

    return Shuffled()


@pytest.mark.parametrize("first", [0, 2])
def test_the_epochs_of_a_pydataset_are_those_of_keras(
    first: int, keras: Any, make: Maker, table: Table
) -> None:
    one, other = make(), make()
    given: dict[str, Any] = {"epochs": 4, "initial_epoch": first, "shuffle": False, "verbose": 0}
    test = {"validation_data": _shuffled(keras, table)}
    one.fit(_shuffled(keras, table), **test, **given)
    test = {"validation_data": _shuffled(keras, table)}
    fit(other, _shuffled(keras, table), lowering="exact", **test, **given)
    _assert_same(one, other)


def test_a_pydataset_that_shuffles_itself_goes_on_where_it_was(
    keras: Any, make: Maker, table: Table, tmp_path: Any
) -> None:
    one, other = make(), make()
    given: dict[str, Any] = {"verbose": 0, "checkpoint": tmp_path}
    fit(make(), _shuffled(keras, table), epochs=2, **given)
    fit(one, _shuffled(keras, table), epochs=4, **given)
    fit(other, _shuffled(keras, table), epochs=4, verbose=0)
    for first, second in zip(_values(one), _values(other), strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_batches_of_a_pydataset_are_shuffled_by_the_seed(
    keras: Any, make: Maker, table: Table
) -> None:
    one, other = make(), make()
    fit(one, _sequence(keras, table, []), seed=3, verbose=0)
    order = Permutation(5, 3, 0)(np.arange(5))
    rows = np.concatenate([np.arange(30) + 30 * number for number in order])
    fit(other, table[0][rows], table[1][rows], batch_size=30, shuffle=False, verbose=0)
    _assert_same(one, other)


def test_class_weights_of_a_dataset_are_those_of_arrays(make: Maker, table: Table) -> None:
    one, other = make(), make()
    arrays = table[0].astype(np.float32), table[1]
    weights = {0: 0.5, 2: 3.0}
    fit(one, *arrays, class_weight=weights, shuffle=False, verbose=0)
    fit(other, Dataset.from_arrays(arrays).batch(32), class_weight=weights, verbose=0)
    _assert_same(one, other)


def test_shuffling_within_batches_keeps_the_batches(make: Maker, table: Table) -> None:
    def step(state: Any, batch: Any) -> Any:
        place = (batch // 40).mean()  # which batch the examples are of
        return state, {
            "mixed": ((batch // 40) - place).var(),
            "sorted": (batch[1:] > batch[:-1]).all(),
        }

    _, history = fit(step, 0.0, np.arange(150.0), batch_size=40, shuffle="batch", verbose=0)
    assert history.history["mixed"] == [0]
    assert history.history["sorted"][0] < 1


def test_a_run_on_a_loader_goes_on_from_its_checkpoint(table: Table, tmp_path: Any) -> None:
    def step(state: Any, batch: Any) -> Any:
        return state * 0.9 + batch[0].mean(), {}

    def interrupt(epoch: int, logs: Any) -> None:
        if raises and epoch == 1:
            raise KeyboardInterrupt

    given: dict[str, Any] = {"epochs": 3, "steps_per_epoch": 4, "verbose": 0}
    given |= {"callbacks": [interrupt], "checkpoint_every": 3, "checkpoint": tmp_path}
    raises = False
    whole, _ = fit(step, 0.0, _forever(table), **{**given, "checkpoint": tmp_path / "whole"})
    raises = True
    with pytest.raises(KeyboardInterrupt):
        fit(step, 0.0, _forever(table), **given)
    raises = False
    resumed, _ = fit(step, 0.0, _forever(table), **given)
    assert float(whole) == float(resumed)


def test_a_slow_loader_is_told_of_once() -> None:
    import threading

    class Slow:
        def __iter__(self) -> Iterator[Any]:
            for _ in range(3):
                threading.Event().wait(0.8)
                yield (np.ones((4, 2), np.float32),)

    feed = BatchFeed(
        IterableSource(Slow()),
        lambda element: element,
        OneDevice(),
        steps=None,
        check=lambda batch: None,
    )
    with pytest.warns(UserWarning, match=r"Training waited for its data 2\..*\n?.*Dataset"):
        assert sum(stretch.steps for stretch in feed.stretches(0, 0)) == 3
    assert sum(stretch.steps for stretch in feed.stretches(1, 0)) == 3


def test_batches_that_cannot_be_used_are_refused(make: Maker, table: Table) -> None:
    def differing() -> Iterator[Any]:
        yield table[0][:4], table[1][:4]
        yield table[0][:4], table[1][:3]

    with pytest.raises(DataError, match=r"batch 1 of epoch 1.*\(4, 6\), \(3,\)"):
        fit(make(), differing(), verbose=0)

    def growing() -> Iterator[Any]:
        yield table[0][:4], table[1][:4]
        yield table[0][:4], table[1][:4], np.ones(4)

    with pytest.raises(
        DataError, match=r"Batch 1 of epoch 1 is .*int32 \(4,\).*the first batch was"
    ):
        fit(make(), growing(), verbose=0)
    with pytest.raises(InvalidTypeError, match=r"The data are a function, 'growing'.*\n.*Call it"):
        fit(make(), growing)
    with pytest.raises(InvalidArgumentError, match="The dataset is empty"):
        fit(make(), iter(()), verbose=0)


def test_a_failing_generator_keeps_its_error(make: Maker, table: Table) -> None:
    def failing() -> Iterator[Any]:
        yield table[0][:4], table[1][:4]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        fit(make(), failing(), verbose=0)


def test_targets_without_a_class_are_refused(make: Maker, table: Table) -> None:
    y = table[1].copy()
    y[17] = 3
    with pytest.raises(InvalidArgumentError, match=r"row 17 is 3, .* classes 0 to 2\.\n.*units"):
        fit(make(), table[0], y, verbose=0)
    batches = Dataset.from_arrays((table[0].astype(np.float32), y)).batch(10)
    with pytest.raises(InvalidArgumentError, match="row 7 is 3"):
        fit(make(), batches, verbose=0)


def test_data_that_do_not_fit_the_model_are_refused(make: Maker, table: Table) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"does not fit a batch of .*\(32, 5\).*\n.*None, 6"
    ):
        fit(make(), table[0][:, :5], table[1], verbose=0)
    assert jax.tree.leaves(make().get_weights())
