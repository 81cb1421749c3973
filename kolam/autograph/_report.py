"""What became of each construct of a function: an explanation, as data and as text."""

import linecache
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from kolam.autograph._convert import convert, with_checks
from kolam.autograph._operators import Decision, context
from kolam.core import SourceLocation

MANY_TRIPS = 200  # unrolled trips of one loop from which on it is worth a warning


@dataclass(frozen=True, slots=True)
class Construct:
    """One `if`, loop or other construct of a function, and what became of it.

    Attributes:
        kind: "if", "while", "for", "and", "or" or "[]".
        where: Its line.
        how: "staged" (part of the program), "python" (decided while tracing), "unrolled" (its trips
            stand one after another in the program), or several of them, joined by " and ".
        why: The reasons.
        reached: How often it was reached while tracing.
        traced: How often a branch or body of it was traced.
        trips: Trips that were unrolled or ran in Python, all together.
    """

    kind: str
    where: SourceLocation
    how: str
    why: str
    reached: int
    traced: int
    trips: int

    def __str__(self) -> str:
        trips = f", {self.trips} trips" if self.trips else ""
        line = linecache.getline(self.where.file, self.where.line).strip()
        counts = f"reached {self.reached} x, traced {self.traced} x{trips}"
        return f"{self.where.line:>5} {self.how:<18} {line:<44} {self.why}; {counts}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What autograph made of a function for some arguments.

    Attributes:
        constructs: In the order of their lines.
        warnings: What is likely to be slow, one sentence each.
        equations: Number of equations of the traced program, inner ones included.
    """

    constructs: tuple[Construct, ...]
    warnings: tuple[str, ...]
    equations: int

    def __str__(self) -> str:
        lines = [str(construct) for construct in self.constructs]
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join([*lines, f"{self.equations} equations"])


def explain(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
    """Trace a function and tell what became of its control flow.

    Arrays and numbers among the arguments are traced, as `kl.function` does; the rest is static.

    Args:
        fn: A function, converted or not.
        args: Its arguments, or `jax.ShapeDtypeStruct`s in place of arrays.
        kwargs: Its arguments by name.

    Returns:
        An `Explanation`; `print` shows a line per construct.

    Example:
        >>> def halvings(n):
        ...     count = 0
        ...     while n > 1:
        ...         n, count = n // 2, count + 1
        ...     return count
        >>> [(one.kind, one.how) for one in explain(halvings, 100).constructs]
        [('while', 'staged')]
    """
    leaves, tree = jax.tree.flatten((args, kwargs))
    is_array = [_is_array(leaf) for leaf in leaves]
    run = with_checks(convert(getattr(fn, "__wrapped__", fn)), decodes=True)

    def call(*arrays: Any) -> Any:
        given = iter(arrays)
        both = [next(given) if one else leaf for one, leaf in zip(is_array, leaves, strict=True)]
        args, kwargs = jax.tree.unflatten(tree, both)
        return run(*args, **kwargs)

    outer, context.log = context.log, []
    try:
        arrays = [leaf for one, leaf in zip(is_array, leaves, strict=True) if one]
        program = jax.make_jaxpr(call)(*arrays)
        log = context.log
    finally:
        context.log = outer
    constructs = tuple(_constructs(log))
    return Explanation(constructs, tuple(_warnings(constructs)), _count(program.jaxpr))


def _is_array(leaf: Any) -> bool:
    if isinstance(leaf, (bool, str)):
        return False
    kinds = (jax.Array, np.ndarray, np.generic, int, float, complex, jax.ShapeDtypeStruct)
    return isinstance(leaf, kinds)


def _constructs(log: list[Decision]) -> list[Construct]:
    groups: dict[tuple[str, int, str], list[Decision]] = {}
    for decision in log:
        where = decision.where
        groups.setdefault((where.file, where.line, decision.kind), []).append(decision)
    found = []
    for key in sorted(groups):
        group = groups[key]
        decided = [one for one in group if one.how != "traced"]
        if not decided:
            continue
        found.append(
            Construct(
                kind=key[2],
                where=decided[0].where,
                how=" and ".join(dict.fromkeys(one.how for one in decided)),
                why="; ".join(dict.fromkeys(one.why for one in decided)),
                reached=len(decided),
                traced=len(group) - len(decided),
                trips=sum(one.trips for one in decided),
            )
        )
    return found


def _warnings(constructs: tuple[Construct, ...]) -> list[str]:
    return [
        f"{one.where}: {one.trips} trips of this `{one.kind}` stand one after another in the "
        f"program, because {one.why}."
        for one in constructs
        if "unrolled" in one.how and one.trips >= MANY_TRIPS
    ]


def _count(jaxpr: Any) -> int:
    total = len(jaxpr.eqns)
    for equation in jaxpr.eqns:
        for value in equation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    total += _count(inner)
    return total
