"""Random plans of all operations mean what they mean on lists, also when they are resumed."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kolam.core import DataError
from kolam.data import Dataset, _run
from tests.data.plans import Plan, compiled_plans, plain, plans


@pytest.fixture(autouse=True)
def _faults_are_expected() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        yield


def _elements(dataset: Any) -> list[Any]:
    """Give all elements; a filter that drops everything is refused, which is none."""
    found: list[Any] = []
    try:
        found += [plain(element) for element in dataset]
    except DataError as error:
        if "kept none of" not in str(error):
            raise
    return found


CHECKED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@CHECKED
@given(plan=plans(), epoch=st.integers(0, 2), rows=st.integers(1, 9))
def test_any_plan_means_what_it_means_on_lists(plan: Plan, epoch: int, rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_run, "_WIDE_ROWS", rows)  # so that small data have many blocks
        expected = plan.meaning(epoch)
        dataset = plan.dataset.at_epoch(epoch)
        assert _elements(dataset) == expected
        assert dataset.count() == len(expected)


@CHECKED
@given(plan=plans(), epoch=st.integers(0, 2), stop=st.integers(0, 40), rows=st.integers(1, 9))
def test_any_plan_is_resumed_at_any_element(plan: Plan, epoch: int, stop: int, rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_run, "_WIDE_ROWS", rows)
        stopped = iter(plan.dataset.at_epoch(epoch))
        given_so_far = _elements(itertools.islice(stopped, stop))
        saved = json.dumps(stopped.state())
        resumed = iter(plan.dataset)
        resumed.restore(json.loads(saved))
        assert len(saved) < 1024
        rest = _elements(resumed)
        assert given_so_far + rest == plan.meaning(epoch)
        assert json.dumps(stopped.state()) == saved
        assert _elements(stopped) == rest


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(plan=compiled_plans(), stop=st.integers(0, 40), rows=st.integers(1, 30))
def test_compiled_functions_mean_what_they_mean_in_python(plan: Plan, stop: int, rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_run, "_WIDE_ROWS", rows)
        stopped = iter(plan.dataset.at_epoch(1))
        given_so_far = _elements(itertools.islice(stopped, stop))
        resumed = iter(plan.dataset)
        resumed.restore(stopped.state())
        assert given_so_far + _elements(resumed) == plan.meaning(1)


@st.composite
def shards(draw: st.DrawFn) -> tuple[Plan, list[Any]]:
    """Draw a plan to be divided, and steps that may stand after shard()."""
    plan = draw(plans(depth=3))
    steps = [step for step in ("map", "batch") if draw(st.booleans())]
    return plan, steps


def _sharded(plan: Plan, steps: list[str], index: int, count: int) -> Dataset:
    dataset = plan.dataset.shard(index, count)
    if "map" in steps and plan.kind != "tuple":
        dataset = dataset.map(lambda x: x, compiled=False)
    if "batch" in steps and plan.kind == "number":
        dataset = dataset.batch(2)
    return dataset


def _given(elements: list[Any], steps: list[str], plan: Plan) -> list[Any]:
    if "batch" in steps and plan.kind == "number":
        return list(itertools.chain.from_iterable(elements))
    return elements


@CHECKED
@given(
    divided=shards(),
    epoch=st.integers(0, 1),
    stop=st.integers(0, 6),
    counts=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
    rows=st.integers(1, 9),
)
def test_a_state_goes_on_in_any_number_of_processes(
    divided: tuple[Plan, list[str]],
    epoch: int,
    stop: int,
    counts: tuple[int, int, int],
    rows: int,
) -> None:
    plan, steps = divided
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_run, "_WIDE_ROWS", rows)
        found: list[Any] = []
        state = None
        for count in counts:  # each number of processes gives `stop` elements each, then restarts
            states = []
            for index in range(count):
                iterator = iter(_sharded(plan, steps, index, count).at_epoch(epoch))
                if state is not None:
                    iterator.restore(json.loads(state))
                found += _given(_elements(itertools.islice(iterator, stop)), steps, plan)
                states.append(json.dumps(iterator.state()))
            state = states[0]
            assert len(state) < 1024
        rest = iter(_sharded(plan, steps, 0, 1).at_epoch(epoch))
        rest.restore(json.loads(state or ""))
        found += _given(_elements(rest), steps, plan)
        assert sorted(found, key=repr) == sorted(plan.meaning(epoch), key=repr)
