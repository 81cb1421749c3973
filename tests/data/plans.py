"""Random plans, as datasets and as what they mean on Python lists."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from kolam.core import InvalidArgumentError
from kolam.data import Dataset, Permutation

Meaning = Callable[[int], list[Any]]  # epoch to elements


@dataclass(frozen=True)
class Plan:
    """A dataset, what it means, and what it was made from."""

    dataset: Dataset
    meaning: Meaning
    kind: str  # what an element is: "number", "row" (an array) or "tuple"
    step: str = "read"
    parent: "Plan | None" = None
    text: str = ""
    again: Callable[["Plan"], "Plan"] | None = field(default=None, compare=False)

    def then(self, text: str, dataset: Dataset, meaning: Meaning, kind: str = "") -> "Plan":
        name = text.partition("(")[0]
        return Plan(dataset, meaning, kind or self.kind, name, self, f"{self.text}.{text}")

    def __repr__(self) -> str:
        return self.text


def plain(element: Any) -> Any:
    """Give an element as Python numbers, lists and tuples."""
    if isinstance(element, tuple):
        return tuple(map(plain, element))
    return np.asarray(element).tolist()


def total(element: Any) -> int:
    """Add up all numbers of an element, so that functions fit elements of any kind."""
    if isinstance(element, tuple | list):
        return sum(map(total, element))
    return int(np.sum(element))


def numbers(count: int, start: int = 0) -> Plan:
    values = np.arange(start, start + count)
    return Plan(
        Dataset.from_arrays(values),
        lambda epoch: values.tolist(),
        "number",
        text=f"numbers({count}, {start})",
    )


def _map(plan: Plan, _: int) -> Plan:
    if plan.kind == "tuple":
        return plan
    dataset = plan.dataset.map(lambda x: x * 2 + 1, compiled=False)
    result = plan.then("map()", dataset, lambda e: [_twice(x) for x in plan.meaning(e)])
    return Plan(**{**vars(result), "again": lambda other: _map(other, 0)})


def _twice(element: Any) -> Any:
    if isinstance(element, list):
        return [_twice(x) for x in element]
    return element * 2 + 1


def _filter(plan: Plan, number: int) -> Plan:
    def passes(element: Any) -> bool:
        return total(element) % 5 != number % 5

    result = plan.then(
        f"filter({number})",
        plan.dataset.filter(passes, compiled=False),
        lambda e: [x for x in plan.meaning(e) if passes(x)],
    )
    return Plan(**{**vars(result), "again": lambda other: _filter(other, number)})


def _picky(plan: Plan, number: int) -> Plan:
    def picky(element: Any) -> Any:
        if total(element) % 7 == number % 7:
            raise ValueError("mine")
        return element

    result = plan.then(
        f"picky({number})",
        plan.dataset.map(picky, compiled=False, on_error="skip"),
        lambda e: [x for x in plan.meaning(e) if total(x) % 7 != number % 7],
    )
    return Plan(**{**vars(result), "again": lambda other: _picky(other, number)})


def _flat_map(plan: Plan, number: int) -> Plan:
    def several(element: Any) -> list[Any]:
        return [element] * (total(element) % (number + 2))

    def meaning(epoch: int) -> list[Any]:
        return [y for x in plan.meaning(epoch) for y in several(x)]

    return plan.then(f"flat_map({number})", plan.dataset.flat_map(several, compiled=False), meaning)


def _shuffle(plan: Plan, seed: int) -> Plan:
    dataset = plan.dataset.shuffle(seed)
    if not plan.dataset._node.is_indexed:  # a filter of a shuffle, then
        if plan.parent is None or plan.again is None:
            raise InvalidArgumentError("the meaning of this one is not written down here")
        below = plan.again(_shuffle(plan.parent, seed))
        return plan.then(f"shuffle({seed})", dataset, below.meaning)

    def meaning(epoch: int) -> list[Any]:
        elements = plan.meaning(epoch)
        return [elements[i] for i in Permutation(len(elements), seed, epoch)(_all(elements))]

    return plan.then(f"shuffle({seed})", dataset, meaning)


def _all(elements: list[Any]) -> np.ndarray:
    return np.arange(len(elements))


def _take(plan: Plan, number: int) -> Plan:
    return plan.then(
        f"take({number})", plan.dataset.take(number), lambda e: plan.meaning(e)[:number]
    )


def _skip(plan: Plan, number: int) -> Plan:
    return plan.then(
        f"skip({number})", plan.dataset.skip(number), lambda e: plan.meaning(e)[number:]
    )


def _shard(plan: Plan, number: int) -> Plan:
    count = number % 3 + 1
    index = number % count
    return plan.then(
        f"shard({index}, {count})",
        plan.dataset.shard(index, count),
        lambda e: plan.meaning(e)[index::count],
    )


def _repeat(plan: Plan, number: int) -> Plan:
    count = number % 3 + 1

    def meaning(epoch: int) -> list[Any]:
        return [x for turn in range(count) for x in plan.meaning(epoch * count + turn)]

    return plan.then(f"repeat({count})", plan.dataset.repeat(count), meaning)


def _batch(plan: Plan, number: int) -> Plan:
    if plan.kind != "number":
        return plan
    size, drops = number % 4 + 1, number % 2 == 1

    def meaning(epoch: int) -> list[Any]:
        elements = plan.meaning(epoch)
        batches = [elements[at : at + size] for at in range(0, len(elements), size)]
        return [batch for batch in batches if not drops or len(batch) == size]

    dataset = plan.dataset.batch(size, drop_remainder=drops)
    return plan.then(f"batch({size}, {drops})", dataset, meaning, "row")


def _window(plan: Plan, number: int) -> Plan:
    if plan.kind != "number":
        return plan
    size, shift, stride, drops = number % 3 + 1, number % 4 + 1, number % 2 + 1, number % 5 > 2

    def meaning(epoch: int) -> list[Any]:
        elements = plan.meaning(epoch)
        found = []
        for start in range(0, len(elements), shift):
            window = elements[start : start + (size - 1) * stride + 1 : stride]
            if not drops or start + (size - 1) * stride < len(elements):
                found.append(window)
        return found

    dataset = plan.dataset.window(size, shift=shift, stride=stride, drop_remainder=drops)
    return plan.then(f"window({size}, {shift}, {stride}, {drops})", dataset, meaning, "row")


def _unbatch(plan: Plan, _: int) -> Plan:
    if plan.kind != "row":
        return plan
    dataset = plan.dataset.unbatch()
    return plan.then("unbatch()", dataset, lambda e: list(_chained(plan.meaning(e))), "number")


def _chained(rows: list[list[Any]]) -> Iterator[Any]:
    return itertools.chain.from_iterable(rows)


def _cache(plan: Plan, _: int) -> Plan:
    return plan.then("cache()", plan.dataset.cache(), lambda e: plan.meaning(0))


def _prefetch(plan: Plan, _: int) -> Plan:
    return plan.then("prefetch()", plan.dataset.prefetch(), plan.meaning)


def _split(plan: Plan, number: int) -> Plan:
    if not plan.dataset._node.is_indexed:
        return plan
    part = number % 2
    first = int(len(plan.dataset) * 0.7 + 0.5)
    if not 0 < first < len(plan.dataset):
        return plan  # a part would be empty
    dataset = plan.dataset.split(0.7, seed=number)[part]

    def meaning(epoch: int) -> list[Any]:
        elements = plan.meaning(0)
        dealt = [elements[i] for i in Permutation(len(elements), number)(_all(elements))]
        first = int(len(elements) * 0.7 + 0.5)
        return dealt[first:] if part else dealt[:first]

    return plan.then(f"split({number})", dataset, meaning)


def _zip(plan: Plan, other: Plan) -> Plan:
    return plan.then(
        f"zip({other})",
        plan.dataset.zip(other.dataset),
        lambda e: list(zip(plan.meaning(e), other.meaning(e), strict=False)),
        "tuple",
    )


def _concat(plan: Plan, other: Plan) -> Plan:
    return plan.then(
        f"concat({other})",
        plan.dataset.concat(other.dataset),
        lambda e: plan.meaning(e) + other.meaning(e),
    )


def _interleave(plan: Plan, other: Plan, number: int) -> Plan:
    length = number % 3 + 1

    def meaning(epoch: int) -> list[Any]:
        parts = [list(plan.meaning(epoch)), list(other.meaning(epoch)), [7]]
        found = []
        while any(parts):
            for part in parts:
                found += part[:length]
                del part[:length]
        return found

    dataset = plan.dataset.interleave(other.dataset, numbers(1, 7).dataset, block_length=length)
    return plan.then(f"interleave({other}, {length})", dataset, meaning)


def _mix(plan: Plan, other: Plan, number: int) -> Plan:
    weights = [1.0, number % 3 + 0.5]

    def meaning(epoch: int) -> list[Any]:
        parts = [plan.meaning(epoch), other.meaning(epoch)]
        share = round(weights[0] / sum(weights) * 2**20)
        found = []
        taken = [0, 0]
        for position in itertools.count(1):
            is_first = (position * share + 2**19) // 2**20 > taken[0]
            part = 0 if is_first else 1
            if taken[part] == len(parts[part]):
                return found
            found.append(parts[part][taken[part]])
            taken[part] += 1
        return found

    return plan.then(
        f"mix({other}, {weights})", plan.dataset.mix(other.dataset, weights=weights), meaning
    )


def _compiled_map(plan: Plan, number: int) -> Plan:
    def changed(x: Any) -> Any:
        y = x
        for _ in range(2):
            y = y + number
        return y

    dataset = plan.dataset.map(changed)
    return plan.then(f"map({number})", dataset, lambda e: [x + 2 * number for x in plan.meaning(e)])


def _compiled_filter(plan: Plan, number: int) -> Plan:
    def passes(x: Any) -> Any:
        answer = x % 5 != number % 5
        if x > 20:
            answer = x % 2 == 0
        return answer

    def meaning(epoch: int) -> list[Any]:
        return [x for x in plan.meaning(epoch) if (x % 2 == 0 if x > 20 else passes(x))]

    result = plan.then(f"filter({number})", plan.dataset.filter(passes), meaning)
    return Plan(**{**vars(result), "again": lambda other: _compiled_filter(other, number)})


def _compiled_flat_map(plan: Plan, number: int) -> Plan:
    dataset = plan.dataset.flat_map(lambda x: [x, x + number])
    return plan.then(
        f"flat_map({number})",
        dataset,
        lambda e: [y for x in plan.meaning(e) for y in (x, x + number)],
    )


COMPILED = [_compiled_map, _compiled_filter, _compiled_flat_map]
ALONE = [
    *(_map, _filter, _picky, _flat_map, _shuffle, _take, _skip, _shard, _repeat, _batch, _window),
    *(_unbatch, _cache, _prefetch, _split),
]
TOGETHER = [_interleave, _mix]


@st.composite
def plans(draw: st.DrawFn, depth: int = 5) -> Plan:
    """Draw a plan of up to `depth` steps over each source."""
    plan = numbers(draw(st.sampled_from([25, 24, 13, 5, 1, 0])), draw(st.integers(0, 3)))
    if draw(st.booleans()):  # half of them are streams from the start
        plan = draw(st.sampled_from([_filter, _picky, _flat_map]))(plan, draw(st.integers(0, 6)))
    for _ in range(draw(st.integers(1, depth))):
        number = draw(st.integers(0, 12))
        which = draw(st.integers(0, len(ALONE) + 3))
        if which < len(ALONE):
            plan = _tried(lambda p, n=number, step=ALONE[which]: step(p, n), plan)
            continue
        other = draw(plans(depth=2))
        if which == len(ALONE):
            plan = _tried(lambda p, o=other: _zip(p, o), plan)
        elif plan.kind == other.kind == "number":
            step = [_concat, *TOGETHER][which - len(ALONE) - 1]
            more = () if step is _concat else (number,)
            plan = _tried(lambda p, o=other, s=step, m=more: s(p, o, *m), plan)
    return plan


@st.composite
def compiled_plans(draw: st.DrawFn) -> Plan:
    """Draw a plan over numbers whose functions are compiled."""
    plan = numbers(draw(st.sampled_from([40, 23, 5])))
    for step in draw(st.lists(st.sampled_from(COMPILED), min_size=1, max_size=3)):
        plan = step(plan, draw(st.integers(0, 6)))
        other = draw(st.sampled_from([_shuffle, _skip, _shard, _repeat, _cache, _map]))
        number = draw(st.integers(0, 6))
        plan = _tried(lambda p, o=other, n=number: o(p, n), plan)
    return _batch(plan, draw(st.integers(0, 6))) if draw(st.booleans()) else plan


def _tried(step: Callable[[Plan], Plan], plan: Plan) -> Plan:
    """Take a step unless it is refused, as a shuffle above some streams is."""
    try:
        return step(plan)
    except InvalidArgumentError:
        return plan
