"""Derivatives of the converted program beside differences of plain Python in double precision."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.autograph.fuzz.runs import (
    Case,
    Outcome,
    converted_arguments,
    is_float,
    leaves,
    run,
    stacked,
    wide,
)

WAYS = ("grad", "jacfwd", "mapped grad", "hessian", "hessian in reverse")
RTOL, ATOL = 1e-3, 1e-4
STEP, SECOND_STEP = 1e-6, 1e-4

# Any in this file: values of any program


class Slopes:
    """First or second derivatives of the floats in a program's result by its float arguments.

    Differences need no rule for any construct, and none for writes in place. Where two steps do
    not agree the program has a kink, and there is nothing to compare.

    Args:
        plain: The program, with NumPy.
        function: The program, converted.
        floats: Places of the floats among the leaves of its result.
        way: One of `WAYS`.
    """

    def __init__(
        self,
        plain: Callable[..., Any],
        function: Callable[..., Any],
        floats: Sequence[int],
        way: str,
    ) -> None:
        self.plain, self.function, self.floats, self.way = plain, function, floats, way

    def pairs(self, cases: Sequence[Case]) -> Iterator[tuple[Case, np.ndarray, Outcome]]:
        """What differences give beside what JAX gives, for every case without a kink."""
        first = cases[0].arguments
        second = self.way.startswith("hessian")
        places = [
            place
            for place, value in enumerate(first)
            if is_float(value) and not (second and isinstance(value, np.ndarray))
        ]
        if not places:
            return
        differences = self._second if second else self._first
        known = [(case, differences(case.arguments, places)) for case in cases]
        smooth = [(case, expected) for case, expected in known if expected is not None]
        if not smooth:
            return
        derived = jax.jit(self._derived(tuple(places)))
        if self.way == "mapped grad":
            yield from self._mapped(derived, smooth)
            return
        for case, expected in smooth:
            yield case, expected, run(derived, converted_arguments(case.arguments))

    def agree(self, expected: np.ndarray, got: Any) -> bool:
        rows = expected.shape[:-1] if self.way == "jacfwd" else ()
        parts = jax.tree.leaves(got)
        joined = np.concatenate([np.reshape(part, (*rows, -1)) for part in parts], axis=-1)
        atol = ATOL * max(1.0, float(np.max(np.abs(expected))))
        if self.way.startswith("hessian"):
            expected, atol = expected.ravel(), 10 * atol
        return bool(np.allclose(joined, expected, rtol=RTOL, atol=atol))

    def _mapped(
        self, derived: Callable[..., Any], smooth: Sequence[tuple[Case, np.ndarray]]
    ) -> Iterator[tuple[Case, np.ndarray, Outcome]]:
        got = run(derived, stacked([case for case, _ in smooth]))
        for place, (case, expected) in enumerate(smooth):
            value = got.value
            if got.error is None:
                value = jax.tree.map(lambda leaf, place=place: leaf[place], value)
            yield case, expected, Outcome(value, got.error, "")

    def _derived(self, places: tuple[int, ...]) -> Callable[..., Any]:
        def vector(*arguments: Any) -> Any:
            found = leaves(self.function(*arguments))
            return jnp.concatenate([jnp.ravel(found[place]) for place in self.floats])

        def total(*arguments: Any) -> Any:
            found = vector(*arguments)
            return found @ _weights(found.shape[0])

        return {
            "grad": lambda: jax.grad(total, places),
            "jacfwd": lambda: jax.jacfwd(vector, places),
            "mapped grad": lambda: jax.vmap(jax.grad(total, places)),
            "hessian": lambda: jax.hessian(total, places),
            "hessian in reverse": lambda: jax.jacrev(jax.grad(total, places), places),
        }[self.way]()

    def _vector(self, arguments: Sequence[Any], *moves: tuple[int, int, float]) -> np.ndarray:
        """The floats of the result, entries of arguments moved by some steps."""
        moved = wide(arguments)
        for place, entry, step in moves:
            if isinstance(moved[place], np.ndarray):
                moved[place].flat[entry] += step
            else:
                moved[place] += step
        outcome = run(self.plain, moved)
        if outcome.error is not None:  # the step led elsewhere: a kink
            return np.array([np.nan])
        found = [np.asarray(leaf) for leaf in leaves(outcome.value)]
        if max(self.floats) >= len(found):
            return np.array([np.nan])
        if any(found[place].dtype == np.float32 for place in self.floats):
            return np.array([np.nan])  # single precision is too coarse for a step
        return np.concatenate([np.ravel(found[place].astype(float)) for place in self.floats])

    def _first(self, arguments: Sequence[Any], places: Sequence[int]) -> np.ndarray | None:
        here, columns = self._vector(arguments), []
        for place in places:
            for entry in range(np.size(arguments[place])):
                low, high = (self._vector(arguments, (place, entry, s)) for s in (-STEP, STEP))
                slope = (high - low) / (2 * STEP)
                if not _close((high - here) / STEP, slope):
                    return None
                columns.append(slope)
        jacobian = np.stack(columns, axis=-1)
        return jacobian if self.way == "jacfwd" else _weights(len(jacobian)) @ jacobian

    def _second(self, arguments: Sequence[Any], places: Sequence[int]) -> np.ndarray | None:
        near, far = (
            np.array([[self._curve(arguments, a, b, step) for b in places] for a in places])
            for step in (SECOND_STEP, 2 * SECOND_STEP)
        )
        return near if _close(near, far) else None

    def _curve(self, arguments: Sequence[Any], first: int, second: int, step: float) -> float:
        corners = [
            self._vector(arguments, (first, 0, i * step), (second, 0, j * step)) * (i * j)
            for i in (-1, 1)
            for j in (-1, 1)
        ]
        rows = np.sum(corners, axis=0) / (4 * step**2)
        return float(_weights(len(rows)) @ rows)


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.all(np.abs(one - other) <= 1e-3 * (1.0 + np.abs(other))))


def _weights(count: int) -> np.ndarray:
    return (1.0 + 0.25 * np.arange(count)).astype(np.float32)
