"""A traced piece of code: what stages a branch or loop without running Python again."""

from collections.abc import Callable, Sequence
from typing import Any

from kolam.autograph._primitives.face import (
    ClosedJaxpr,
    Jaxpr,
    JaxprEqn,
    Literal,
    Var,
    evaluate,
    new_jaxpr,
    trace_jaxpr,
)


class Program:
    """A function of arrays after its trace; immutable.

    Attributes:
        jaxpr: What it does. Its constants are the variables of `captured`.
        captured: Arrays and tracers of the surrounding trace that it uses, each once.
    """

    __slots__ = ("captured", "jaxpr")

    jaxpr: Jaxpr
    captured: tuple[Any, ...]

    def __init__(self, closed: ClosedJaxpr) -> None:
        jaxpr, captured = _each_once(closed.jaxpr, closed.consts)
        object.__setattr__(self, "jaxpr", jaxpr)
        object.__setattr__(self, "captured", captured)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Program is not changed: `{name}` stays as it is")

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Types of the arrays that it takes."""
        return tuple(variable.aval for variable in self.jaxpr.invars)

    @property
    def outputs(self) -> tuple[Any, ...]:
        """Types of the arrays that it gives."""
        return tuple(atom.aval for atom in self.jaxpr.outvars)

    @property
    def effects(self) -> frozenset[Any]:
        """What it does besides: prints and calls back."""
        return frozenset(self.jaxpr.effects)

    def then(self, fn: Callable[..., Sequence[Any]]) -> "Program":
        """Give the program whose outputs are ``fn(*outputs)``; only `fn` is traced.

        Args:
            fn: Takes the outputs, gives a list of arrays. It may use arrays from outside.
        """
        after = trace_jaxpr(fn, self.outputs)
        ends = dict(zip(after.jaxpr.invars, self.jaxpr.outvars, strict=True))
        jaxpr = new_jaxpr(
            self.jaxpr.invars,
            [_renamed(atom, ends) for atom in after.jaxpr.outvars],
            [*self.jaxpr.eqns, *_with_inputs(after.jaxpr.eqns, ends)],
            [*self.jaxpr.constvars, *after.jaxpr.constvars],
        )
        return Program(ClosedJaxpr(jaxpr, [*self.captured, *after.consts]))

    def picking(self, indices: Sequence[int]) -> "Program":
        """Give the program whose outputs are these outputs of it."""
        outvars = self.jaxpr.outvars
        return Program(
            ClosedJaxpr(self.jaxpr.replace(outvars=[outvars[k] for k in indices]), self.captured)
        )

    def taking(self, avals: Sequence[Any], at: int) -> "Program":
        """Give the program that takes more inputs, from place `at` on, and hands them on last."""
        more = trace_jaxpr(lambda *arrays: arrays, avals).jaxpr.invars
        own = self.jaxpr.invars
        jaxpr = self.jaxpr.replace(
            invars=[*own[:at], *more, *own[at:]], outvars=[*self.jaxpr.outvars, *more]
        )
        return Program(ClosedJaxpr(jaxpr, self.captured))

    def closing(self, at: int, array: Any) -> "Program":
        """Give the program that takes one input less: that one is always `array`."""
        own = self.jaxpr.invars
        jaxpr = self.jaxpr.replace(
            invars=[*own[:at], *own[at + 1 :]], constvars=[*self.jaxpr.constvars, own[at]]
        )
        return Program(ClosedJaxpr(jaxpr, [*self.captured, array]))

    def __call__(self, *arrays: Any) -> list[Any]:
        """Run it in the current trace."""
        return evaluate(self.jaxpr, self.captured, arrays)


def trace(fn: Callable[..., Sequence[Any]], avals: Sequence[Any]) -> Program:
    """Run a function once on abstract arrays.

    Args:
        fn: Takes tracers, gives a list of arrays.
        avals: Types of what it takes, weak types included; anything with a shape and a dtype.
    """
    return Program(trace_jaxpr(fn, avals))


def kind(like: Any) -> tuple[Any, ...]:
    """Give what must agree where arrays meet: shape, dtype, and whether that is weak."""
    return tuple(like.shape), like.dtype, like.dtype != bool and is_weak(like)


def is_weak(like: Any) -> bool:
    """Whether the dtype of a type yields to others, as those of the numbers of Python do."""
    return bool(getattr(like, "weak_type", False))


def merge(programs: Sequence[Program]) -> tuple[list[Jaxpr], list[Any]]:
    """Give programs the same operands in front of their own inputs.

    Returns:
        Their jaxprs without constants, and the operands: what they capture, each array once.
    """
    operands = {id(array): array for program in programs for array in program.captured}
    names: dict[int, Var] = {}
    for program in programs:
        for array, variable in zip(program.captured, program.jaxpr.constvars, strict=True):
            names.setdefault(id(array), variable)
    jaxprs = []
    for program in programs:
        own = {id(a): v for a, v in zip(program.captured, program.jaxpr.constvars, strict=True)}
        # a variable of another program stands for an operand that this one does not use
        front = [own.get(key, names[key]) for key in operands]
        jaxprs.append(program.jaxpr.replace(constvars=[], invars=[*front, *program.jaxpr.invars]))
    return jaxprs, list(operands.values())


def _each_once(jaxpr: Jaxpr, consts: Sequence[Any]) -> tuple[Jaxpr, tuple[Any, ...]]:
    """Let each captured array have one variable."""
    first: dict[int, Var] = {}
    names: dict[Any, Any] = {}
    kept: list[Any] = []
    for variable, array in zip(jaxpr.constvars, consts, strict=True):
        if id(array) in first:
            names[variable] = first[id(array)]
        else:
            first[id(array)] = variable
            kept.append(array)
    if names:
        outputs = [_renamed(atom, names) for atom in jaxpr.outvars]
        equations = _with_inputs(jaxpr.eqns, names)
        jaxpr = new_jaxpr(jaxpr.invars, outputs, equations, list(first.values()))
    return jaxpr, tuple(kept)


def _renamed(atom: Any, names: dict[Any, Any]) -> Any:
    return atom if isinstance(atom, Literal) else names.get(atom, atom)


def _with_inputs(equations: Sequence[JaxprEqn], names: dict[Any, Any]) -> list[JaxprEqn]:
    """Rename what equations read."""
    return [
        equation.replace(invars=[_renamed(atom, names) for atom in equation.invars])
        for equation in equations
    ]
