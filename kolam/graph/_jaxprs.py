"""A traced function run once more: named values noted, kept operations made composites."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Literal, jaxprs_in_params

from kolam.core import InvalidArgumentError, UnsupportedError
from kolam.graph._kept import is_kept, keep, stand_ins
from kolam.graph._stablehlo import line_of, traced_under

# Any in this file: jaxprs, equations, arrays and tracers have no narrower type
MARK = "kolam:"
_ASSIGNS = "\0"  # stands between the name of a node and that of the weight that it assigns

_ORDERS = 2  # derivatives of a custom function that a program stores: gradients and their own

# primitives whose inner program runs exactly once, in place
_CALLS = (
    "jit",
    "pjit",
    "closed_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "checkpoint",
    "remat2",
)


def mark(label: str, assigns: str = "") -> str:
    """Write what a node is called, and which weight it assigns, as the name of a value in JAX."""
    return f"{MARK}{label}{_ASSIGNS}{assigns}" if assigns else MARK + label


def read_mark(text: str) -> tuple[str, str] | None:
    """Read what `mark` wrote; `None` if the name is none of ours."""
    if not text.startswith(MARK):
        return None
    label, _, assigns = text[len(MARK) :].partition(_ASSIGNS)
    return label, assigns


@dataclass(slots=True)
class Nodes:
    """Values that carry a name, and the weights that some of them assign, by that name."""

    values: dict[str, Any] = field(default_factory=dict)
    assigns: dict[str, str] = field(default_factory=dict)

    def note(self, label: str, value: Any, assigns: str) -> None:
        """Note one value.

        Raises:
            InvalidArgumentError: The name stands already, or the weight is assigned already.
        """
        if label in self.values:
            raise InvalidArgumentError(
                f"Two nodes have the name {label!r}.", how="Give each a name of its own."
            )
        self.values[label] = value
        if assigns:
            self.assigns[label] = assigns


def evaluate(closed: ClosedJaxpr, arguments: Sequence[Any], nodes: Nodes) -> list[Any]:
    """Run a jaxpr; calls that hold names are inlined, and named values noted in `nodes`.

    Raises:
        InvalidArgumentError: A name stands twice.
        UnsupportedError: A name stands inside a loop or branch.
    """
    return _Evaluation(nodes).run(closed, arguments)


def refuse_callbacks(jaxpr: Any) -> None:
    """Check that a jaxpr calls nothing in Python.

    Raises:
        UnsupportedError: It does; the message names the line.
    """
    for equation in jaxpr.eqns:
        if "callback" in equation.primitive.name or equation.primitive.name == "debug_print":
            raise UnsupportedError(
                "A Graph cannot call back into Python.",
                where=line_of(equation),
                how="Take out the print or callback; a Graph computes from its inputs alone.",
            )
        for inner in jaxprs_in_params(equation.params):
            refuse_callbacks(inner)


def call_with_names(closed: ClosedJaxpr) -> ClosedJaxpr | None:
    """Give what the one call in a jaxpr runs, if names stand in it; else `None`.

    Its constants and arguments are those of `closed`.
    """
    jaxpr = closed.jaxpr
    if len(jaxpr.eqns) != 1 or not _has_names(jaxpr.eqns[0]):
        return None
    called = _called(jaxpr.eqns[0])
    if called is None or list(jaxpr.eqns[0].invars) != list(jaxpr.invars):
        return None
    return called


class _Evaluation:
    """One run of a jaxpr, with what it has rewritten so far.

    Args:
        nodes: Where named values are noted.
        orders: How often what it makes can be differentiated where derivatives are the user's own.
    """

    def __init__(self, nodes: Nodes, *, orders: int = _ORDERS) -> None:
        self._nodes = nodes
        self._orders = orders
        self._rewritten: dict[int, tuple[Any, ClosedJaxpr]] = {}

    def run(self, closed: ClosedJaxpr, arguments: Sequence[Any]) -> list[Any]:
        jaxpr = closed.jaxpr
        known = dict(
            zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *arguments], strict=True)
        )

        def read(atom: Any) -> Any:
            return atom.val if isinstance(atom, Literal) else known[atom]

        for equation in jaxpr.eqns:
            results = self._equation(equation, [read(atom) for atom in equation.invars])
            known.update(zip(equation.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _equation(self, equation: Any, values: list[Any]) -> list[Any]:
        marked = _mark_of(equation)
        if marked is not None:
            label, assigns = marked
            self._nodes.note(label, values[0], assigns)
            return [values[0]]
        named = _called(equation) if _has_names(equation) else None
        if named is not None:
            inside = self.run(named, values)
            if not is_kept(equation):
                return inside
        else:
            _refuse_hidden_names(equation)
        with traced_under(equation), equation.ctx.manager:
            return self._bind(equation, values)

    def _bind(self, equation: Any, values: list[Any]) -> list[Any]:
        if is_kept(equation):
            derivative = self._rewrite_derivative if self._orders else None
            return keep(equation, values, self._rewrite, derivative)
        parameters = self._with_rewritten_jaxprs(equation.params)
        results = equation.primitive.bind(*values, **equation.primitive.get_bind_params(parameters))
        return list(results) if equation.primitive.multiple_results else [results]

    def _with_rewritten_jaxprs(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return {key: self._rewritten_in(value) for key, value in parameters.items()}

    def _rewritten_in(self, value: Any) -> Any:
        if isinstance(value, ClosedJaxpr):
            return self._rewrite(value)
        if isinstance(value, tuple) and any(isinstance(item, ClosedJaxpr) for item in value):
            return tuple(self._rewritten_in(item) for item in value)
        if hasattr(value, "eqns") and _must_change(value):  # a jaxpr without constants
            return self._rewrite(ClosedJaxpr(value, [])).jaxpr
        return value

    def _rewrite(self, closed: ClosedJaxpr) -> ClosedJaxpr:
        """Give the jaxpr with composites inside; the same one if nothing in it is kept."""
        if not _must_change(closed.jaxpr):
            return closed
        if id(closed.jaxpr) not in self._rewritten:
            inner = _Evaluation(Nodes(), orders=self._orders)
            inner._rewritten = self._rewritten
            traced = jax.make_jaxpr(lambda *given: inner.run(closed, given))(
                *stand_ins(closed.jaxpr.invars)
            )
            # the old one is held, so that its identity stays its own
            self._rewritten[id(closed.jaxpr)] = (closed, traced)
        return self._rewritten[id(closed.jaxpr)][1]

    def _rewrite_derivative(self, closed: ClosedJaxpr) -> ClosedJaxpr:
        return _Evaluation(Nodes(), orders=self._orders - 1)._rewrite(closed)


def _mark_of(equation: Any) -> tuple[str, str] | None:
    if equation.primitive.name != "name":
        return None
    return read_mark(str(equation.params.get("name")))


def _must_change(jaxpr: Any) -> bool:
    return any(
        is_kept(equation) or any(_must_change(inner) for inner in jaxprs_in_params(equation.params))
        for equation in jaxpr.eqns
    )


def _called(equation: Any) -> ClosedJaxpr | None:
    if equation.primitive.name not in _CALLS:
        return None
    for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        if key in equation.params:
            inner = equation.params[key]
            return inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, [])
    return None


def _has_names(equation: Any) -> bool:
    return next(_hidden_names(equation), None) is not None


def _hidden_names(equation: Any) -> Iterator[str]:
    for inner in jaxprs_in_params(equation.params):
        for nested in inner.eqns:
            marked = _mark_of(nested)
            if marked is not None:
                yield marked[0]
            yield from _hidden_names(nested)


def _refuse_hidden_names(equation: Any) -> None:
    for label in _hidden_names(equation):
        raise UnsupportedError(
            f"The node {label!r} is named inside {equation.primitive.name!r}, where it has no "
            "value, or one per step.",
            where=line_of(equation),
            how="Return it from the loop or branch, and name it outside.",
        )
