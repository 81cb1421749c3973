"""Evaluation of what symbols were computed from, in whole or in part."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

from kolam.graph._symbols import Recorded, Symbol

# Any in this file: values are arrays or tracers


def needed_roots(wanted: Sequence[Symbol], fed: Sequence[Symbol]) -> set[int]:
    """Give the places of the placeholders, variables and fed symbols that `wanted` needs."""
    given = {symbol.place for symbol in fed}
    found = _ancestors(wanted, given)
    return {place for place, item in found.items() if item.maker is None or place in given}


def evaluate(wanted: Sequence[Symbol], given: Mapping[int, Any]) -> list[Any]:
    """Compute symbols.

    Args:
        wanted: What to compute.
        given: Values of placeholders and variables, and of whatever else is fed, by place.
    """
    evaluation = _Evaluation(frozenset(given), dict(given))
    evaluation.compute(wanted)
    return [evaluation.values[symbol.place] for symbol in wanted]


class _Evaluation:
    """Values so far, by place; those of `fixed` places are given and follow from nothing."""

    def __init__(self, fixed: frozenset[int], values: dict[int, Any]) -> None:
        self.fixed = fixed
        self.values = values

    def compute(self, wanted: Sequence[Symbol]) -> None:
        """Compute symbols and all that they need."""
        needed = dict(sorted(_ancestors(wanted, self.values).items()))
        # gradients first: on their way they compute what lies between, which then is there
        for recorded in _makers(needed):
            if recorded.gradient_of is not None:
                self._gradient(recorded)
        for recorded in _makers(needed):
            if recorded.gradient_of is None:
                self._operation(recorded)

    def _operation(self, recorded: Recorded) -> None:
        if all(symbol.place in self.values for symbol in recorded.results):
            return
        operands = [
            self.values[item.place] if isinstance(item, Symbol) else item
            for item in recorded.operands
        ]
        results = recorded.evaluate(*operands)
        for symbol, result in zip(recorded.results, results, strict=True):
            self.values.setdefault(symbol.place, result)

    def _gradient(self, recorded: Recorded) -> None:
        scalar = recorded.gradient_of
        assert scalar is not None
        pairs = list(zip(recorded.operands, recorded.results, strict=True))
        pairs = [pair for pair in pairs if pair[1].place not in self.values]
        for group in _independent([wanted for wanted, _ in pairs]):
            found = dict(
                zip([item.place for item in group], self._pull(scalar, group), strict=True)
            )
            for wanted, result in pairs:
                if wanted.place in found:
                    self.values.setdefault(result.place, found[wanted.place])

    def _pull(self, scalar: Symbol, wanted: Sequence[Symbol]) -> Sequence[Any]:
        """Give the gradient of a scalar, and keep what was computed on the way."""
        self.compute(wanted)
        places = [symbol.place for symbol in wanted]
        moving = _descendants(scalar, set(places), self.fixed)

        def fn(moved: Sequence[Any]) -> tuple[Any, dict[int, Any]]:
            still = {place: value for place, value in self.values.items() if place not in moving}
            inner = _Evaluation(
                self.fixed | set(places), still | dict(zip(places, moved, strict=True))
            )
            inner.compute([scalar])
            between = {k: v for k, v in inner.values.items() if k not in still}
            return inner.values[scalar.place], between

        _, pull, between = jax.vjp(fn, [self.values[place] for place in places], has_aux=True)
        for place, value in between.items():
            self.values.setdefault(place, value)
        (found,) = pull(jax.numpy.ones((), scalar.dtype))
        return list(found)


def _makers(needed: Mapping[int, Symbol]) -> Iterator[Recorded]:
    """Give what made the symbols, each once, in the order in which it was recorded."""
    seen = set[int]()
    for symbol in needed.values():
        if symbol.maker is not None and id(symbol.maker) not in seen:
            seen.add(id(symbol.maker))
            yield symbol.maker


def _ancestors(wanted: Sequence[Symbol], known: Any) -> dict[int, Symbol]:
    """Give `wanted` and all that they need, by place; nothing that stands behind a known place.

    `known` is a container of places, which are part of the answer themselves.
    """
    found, queue = dict[int, Symbol](), list(wanted)
    while queue:
        symbol = queue.pop()
        if symbol.place in found:
            continue
        found[symbol.place] = symbol
        if symbol.place not in known and symbol.maker is not None:
            queue.extend(symbol.maker.needs)
    return found


def _descendants(scalar: Symbol, places: set[int], fixed: frozenset[int]) -> set[int]:
    """Give what lies between some places and a scalar, the scalar included."""
    moving = set[int]()
    for place, symbol in sorted(_ancestors([scalar], fixed).items()):
        if place in places or place in fixed or symbol.maker is None:
            continue
        if any(item.place in places or item.place in moving for item in symbol.maker.needs):
            moving.add(place)
    return moving


def _independent(wanted: Sequence[Symbol]) -> list[list[Symbol]]:
    """Group symbols so that in no group one is computed from another."""
    groups: list[list[Symbol]] = []
    for symbol in {item.place: item for item in wanted}.values():
        behind = set(_ancestors([symbol], ()))
        for group in groups:
            mixed = any(
                item.place in behind or symbol.place in _ancestors([item], ()) for item in group
            )
            if not mixed:
                group.append(symbol)
                break
        else:
            groups.append([symbol])
    return groups
