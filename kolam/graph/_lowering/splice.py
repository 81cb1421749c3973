"""Replace equations of a traced program by others, in loops and branches as well."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Literal, Var
from jax.extend.core.primitives import convert_element_type_p

from kolam.graph._stablehlo import traced_under

# Any in this folder: jaxprs, equations and tracers have no narrower type
Replacement = Callable[..., Sequence[Any]]
Rule = Callable[[Any], Replacement | ClosedJaxpr | None]

# primitives whose inner programs are run as they stand, and nothing else is known of them
_HOLDERS = frozenset(
    {
        *("jit", "pjit", "closed_call", "core_call", "checkpoint", "remat2"),
        *("scan", "while", "cond", "custom_jvp_call", "custom_vjp_call"),
    }
)
# calls that mean their bodies; those of the second line have derivatives of their own besides
PLAIN_CALLS = ("jit", "pjit", "closed_call")
_CALLS = (*PLAIN_CALLS, "custom_jvp_call", "custom_vjp_call")


def rewrite_bodies(closed: ClosedJaxpr, change: Callable[[Any], Any]) -> ClosedJaxpr:
    """Change every program within a program, the inner ones first, by a function of jaxprs."""
    return _Rewriting({}, change).closed(closed)


def rewrite(closed: ClosedJaxpr, rules: Mapping[str, Rule]) -> ClosedJaxpr:
    """Replace every equation for which the rule of its primitive gives a function.

    The function takes the values of the equation's operands and gives those of its results, of the
    same shapes and dtypes. What it is made of is not looked at again.

    Args:
        closed: The program.
        rules: For names of primitives, a function from an equation to what replaces it: a function,
            a program, or `None`.

    Returns:
        Another program, or `closed` itself if nothing was replaced.
    """
    return _Rewriting(rules).closed(closed)


def inner_programs(equation: Any) -> Iterable[ClosedJaxpr]:
    """Give the programs that an equation holds and runs as they stand."""
    if equation.primitive.name in _HOLDERS:
        for value in equation.params.values():
            for item in value if isinstance(value, tuple | list) else (value,):
                if isinstance(item, ClosedJaxpr):
                    yield item
                elif _is_open(item):
                    yield ClosedJaxpr(item, ())


def all_equations(closed: ClosedJaxpr) -> Iterable[Any]:
    """Give the equations of a program and of those that it holds."""
    for equation in closed.jaxpr.eqns:
        yield equation
        for inner in inner_programs(equation):
            yield from all_equations(inner)


def has_known_sizes(avals: Iterable[Any]) -> bool:
    """Whether no size is symbolic."""
    return all(isinstance(size, int) for aval in avals for size in getattr(aval, "shape", ()))


def trace(fn: Replacement, atoms: Sequence[Any], results: Sequence[Any]) -> ClosedJaxpr:
    """Trace a function on operands like `atoms`, variables or literals of a program.

    It gives what `results` say, weak where those are: a kernel forgets that.
    """

    def alike(*values: Any) -> list[Any]:
        return [
            _weakened(value) if getattr(var.aval, "weak_type", False) else value
            for value, var in zip(fn(*values), results, strict=True)
        ]

    shapes = [
        jax.ShapeDtypeStruct(
            atom.aval.shape, atom.aval.dtype, weak_type=getattr(atom.aval, "weak_type", False)
        )
        for atom in atoms
    ]
    return jax.make_jaxpr(alike)(*shapes)


def _weakened(value: Any) -> Any:
    if value.aval.weak_type:
        return value
    return convert_element_type_p.bind(value, new_dtype=value.dtype, weak_type=True, sharding=None)


def inline_calls(closed: ClosedJaxpr, calls: Sequence[str] = _CALLS) -> ClosedJaxpr:
    """Give the program with the bodies of its calls in their places."""

    def body(equation: Any) -> ClosedJaxpr | None:
        program = next(iter(inner_programs(equation)))
        return None if program.consts else program

    return rewrite(closed, dict.fromkeys(calls, body))


def needed(equations: Sequence[Any], results: Sequence[Any]) -> list[Any]:
    """Give those equations, in their order, that the results need, or that have effects."""
    wanted = {atom for atom in results if not isinstance(atom, Literal)}
    kept = []
    for equation in reversed(equations):
        if equation.effects or not wanted.isdisjoint(equation.outvars):
            kept.append(equation)
            wanted.update(atom for atom in equation.invars if not isinstance(atom, Literal))
    return kept[::-1]


def run_equations(
    equations: Sequence[Any], names: dict[Any, Any], results: Sequence[Any]
) -> list[Any]:
    """Run equations on the values in `names`, to which theirs are added; give `results`."""

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else names[atom]

    for equation in equations:
        values = map(read, equation.invars)
        with traced_under(equation), equation.ctx.manager:
            found = equation.primitive.bind(
                *values, **equation.primitive.get_bind_params(equation.params)
            )
        found = found if equation.primitive.multiple_results else [found]
        names.update(zip(equation.outvars, found, strict=True))
    return [read(atom) for atom in results]


def differentiable(fast: Replacement, equation: Any) -> Replacement:
    """Give `fast` the derivatives of the equation that it replaces.

    A rewrite comes after differentiation, but what was rewritten may be differentiated again.
    """

    def original(*values: Any) -> Sequence[Any]:
        params = equation.primitive.get_bind_params(equation.params)
        results = equation.primitive.bind(*values, **params)
        return list(results) if equation.primitive.multiple_results else [results]

    return with_derivatives(fast, original)


def with_derivatives(fast: Replacement, original: Replacement) -> Replacement:
    """Give `fast` the derivatives of a function that does the same."""

    def derivative(values: Sequence[Any], tangents: Sequence[Any]) -> Any:
        return jax.jvp(original, values, tangents)

    whole = jax.custom_jvp(lambda *values: list(fast(*values)))
    whole.defjvp(derivative)
    return whole


class _Rewriting:
    """One pass over a program; what it holds twice is rewritten once."""

    def __init__(
        self, rules: Mapping[str, Rule], change: Callable[[Any], Any] | None = None
    ) -> None:
        self._rules = rules
        self._change = change or (lambda jaxpr: jaxpr)
        self._known: dict[int, tuple[Any, Any]] = {}  # the old one as well, to keep its identity

    def closed(self, closed: ClosedJaxpr) -> ClosedJaxpr:
        known = self._known.get(id(closed))
        if known is None:
            jaxpr = self._jaxpr(closed.jaxpr)
            new = closed if jaxpr is closed.jaxpr else ClosedJaxpr(jaxpr, closed.consts)
            known = self._known[id(closed)] = (closed, new)
        return known[1]

    def _open(self, jaxpr: Any) -> Any:
        known = self._known.get(id(jaxpr))
        if known is None:
            known = self._known[id(jaxpr)] = (jaxpr, self._jaxpr(jaxpr))
        return known[1]

    def _jaxpr(self, jaxpr: Any) -> Any:
        names: dict[Any, Any] = {}
        equations: list[Any] = []
        changed = False
        for equation in jaxpr.eqns:
            inside = self._inside(equation)
            rule = self._rules.get(equation.primitive.name)
            replacement = rule(inside) if rule else None
            if replacement is None:
                changed |= inside is not equation
                equations.append(renamed(inside, names))
            else:
                changed = True
                if isinstance(replacement, ClosedJaxpr):
                    equations += inline(replacement, equation, names)
                else:
                    program = trace(replacement, equation.invars, equation.outvars)
                    equations += placed(inline(program, equation, names), equation)
        if changed:
            outvars = [rename(atom, names) for atom in jaxpr.outvars]
            jaxpr = jaxpr.replace(eqns=equations, outvars=outvars)
        return self._change(jaxpr)

    def _inside(self, equation: Any) -> Any:
        if equation.primitive.name not in _HOLDERS:
            return equation
        params = {name: self._param(value) for name, value in equation.params.items()}
        if all(value is equation.params[name] for name, value in params.items()):
            return equation
        return equation.replace(params=params)

    def _param(self, value: Any) -> Any:
        if isinstance(value, ClosedJaxpr):
            return self.closed(value)
        if _is_open(value):
            return self._open(value)
        if isinstance(value, tuple | list) and any(isinstance(item, ClosedJaxpr) for item in value):
            items = [self._param(item) for item in value]
            same = all(a is b for a, b in zip(items, value, strict=True))
            return value if same else type(value)(items)
        return value


def inline(program: ClosedJaxpr, equation: Any, names: dict[Any, Any]) -> list[Any]:
    """Give the equations of `program` in place of `equation`.

    Args:
        program: Takes the operands of `equation` and gives its results; without constants.
        equation: What is replaced.
        names: Variables that stand for others from here on; the results of `equation` are added.
    """
    assert not program.consts, "a replacement has no constants of its own"
    operands = [rename(atom, names) for atom in equation.invars]
    inner: dict[Any, Any] = dict(zip(program.jaxpr.invars, operands, strict=True))
    equations = []
    for step in program.jaxpr.eqns:
        results = []
        for var in step.outvars:
            fresh = var if type(var).__name__ == "DropVar" else Var(var.aval)
            inner[var] = fresh
            results.append(fresh)
        equations.append(
            step.replace(invars=[rename(atom, inner) for atom in step.invars], outvars=results)
        )
    for var, atom in zip(equation.outvars, program.jaxpr.outvars, strict=True):
        names[var] = rename(atom, inner)
    return equations


def placed(equations: Sequence[Any], like: Any) -> list[Any]:
    """Let equations count as standing on the line, and in the context, of another."""
    return [step.replace(source_info=like.source_info, ctx=like.ctx) for step in equations]


def renamed(equation: Any, names: Mapping[Any, Any]) -> Any:
    if not any(not isinstance(atom, Literal) and atom in names for atom in equation.invars):
        return equation
    return equation.replace(invars=[rename(atom, names) for atom in equation.invars])


def rename(atom: Any, names: Mapping[Any, Any]) -> Any:
    return atom if isinstance(atom, Literal) else names.get(atom, atom)


def _is_open(value: Any) -> bool:
    return type(value).__name__ == "Jaxpr" and not value.constvars
