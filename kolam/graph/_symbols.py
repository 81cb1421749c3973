"""Values that stand for arrays of a program that is being built, and what was done with them.

A `Symbol` is a tracer of JAX: operators, `jax.numpy`, `jax.lax`, `jax.grad`, control flow and
whatever else JAX traces work on it. Each operation is kept as a small program of its own, so that
any part of the whole can be evaluated at any time, also while more is added.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import jax
import jax.core
import jax.export
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun, set_current_trace

from kolam.core import ConversionError, InvalidArgumentError
from kolam.graph._jaxprs import call_with_names, mark, read_mark
from kolam.graph._stablehlo import current_line

# Any in this file: what JAX hands to a trace, and arrays, have no narrower type


class Symbol(jax.core.Tracer):
    """One value of a program that is being built with a `Builder`.

    Everything that works on an array inside `jax.jit` works on it. It can be fetched and fed by a
    `Session` as it is: ``session.run(loss, {x: batch})``.

    Attributes:
        label: Its name, or one made up.
        assigns: The variable whose next value it is, if it is one.
    """

    __slots__ = ("assigns", "label", "maker", "place")
    __hash__ = object.__hash__  # a key of `feed_dict`: by identity, for `==` gives a symbol

    def __init__(self, trace: "SymbolTrace", aval: Any, label: str, maker: "Recorded | None"):
        super().__init__(trace, aval)
        self.label = label
        self.maker = maker
        self.assigns = ""
        self.place = trace.count()

    def __repr__(self) -> str:
        sizes = ", ".join(map(str, self.shape)) + ("," if self.ndim == 1 else "")
        return f"{type(self).__name__}({self.label!r}, {self.dtype} ({sizes}))"

    def _short_repr(self) -> str:
        return repr(self)

    @property
    def _debug_info(self) -> Any:
        # JAX asks for this to explain why a tracer cannot be computed with; its own words are of
        # leaks and side effects, which is not what happened here
        raise InvalidArgumentError(
            f"{self!r} is computed with outside of its builder {self._trace.name!r}.",
            where=current_line(),
            how="Do so inside `with builder:`, which may be entered again; the numbers in a value "
            "are what `Session(builder).run` gives.",
        )

    def __bool__(self) -> bool:
        self._refuse(
            "the truth of",
            "Choose by `jnp.where(condition, a, b)` or `jax.lax.cond`, or put the `if` or `while` "
            "into a function under `kl.function` and call that.",
        )

    def __float__(self) -> float:
        self._refuse("the number in", _LATER)

    def __int__(self) -> int:
        self._refuse("the number in", _LATER)

    def __index__(self) -> int:
        self._refuse("the number in", "Use it as an array: `x[i]` takes a symbol as it is.")

    def __array__(self, *_: Any, **__: Any) -> Any:
        self._refuse("the numbers in", "Use `jax.numpy` instead of `numpy`: it takes symbols.")

    def _refuse(self, what: str, how: str) -> NoReturn:
        raise ConversionError(
            f"Python asked for {what} {self!r}, which has no value while a graph is built.",
            where=current_line(),
            how=how,
        )


_LATER = "Keep it an array; its value is what `Session(builder).run` gives."


class Variable(Symbol):
    """A value that a `Session` keeps from run to run; made by `Builder.variable`.

    Reading it gives the value from before the run. What `assign` and its kin return is a node: the
    variable changes in the runs that fetch it.
    """

    __slots__ = ()

    def assign(self, value: Any, *, name: str | None = None) -> Symbol:
        """Give the node that makes `value` the variable's next one.

        Args:
            value: Symbol, array or number; its shape must be the variable's own.
            name: Name of the node; ``assign/`` and the variable's by default.

        Raises:
            InvalidArgumentError: The shape or dtype is another.
        """
        given = value if hasattr(value, "dtype") else jax.numpy.asarray(value, self.dtype)
        if given.shape != self.shape or given.dtype != self.dtype:
            raise InvalidArgumentError(
                f"The variable {self.label!r} is {self.dtype} {self.shape}, and is assigned "
                f"{given.dtype} {given.shape}.",
                where=current_line(),
                how="Give a value of the same shape and dtype.",
            )
        label = self._trace.free_label(name or f"assign/{self.label}", is_given=name is not None)
        node: Symbol = checkpoint_name(self._trace.lift(given), mark(label, self.label))
        return node

    def assign_add(self, value: Any, *, name: str | None = None) -> Symbol:
        """Give the node that adds `value` to the variable."""
        return self.assign(self + value, name=name)

    def assign_sub(self, value: Any, *, name: str | None = None) -> Symbol:
        """Give the node that takes `value` from the variable."""
        return self.assign(self - value, name=name)


@dataclass(slots=True, eq=False)
class Recorded:
    """One operation on symbols.

    Attributes:
        operands: Symbols and arrays.
        evaluate: From values of the operands to values of the results.
        gradient_of: For a gradient the scalar that is differentiated; the operands are with
            respect to what.
        results: The symbols that it makes.
    """

    operands: tuple[Any, ...]
    evaluate: Callable[..., Sequence[Any]]
    gradient_of: Symbol | None = None
    results: tuple[Symbol, ...] = ()

    @property
    def needs(self) -> list[Symbol]:
        """All symbols that it is computed from."""
        needed = [item for item in self.operands if isinstance(item, Symbol)]
        return needed if self.gradient_of is None else [*needed, self.gradient_of]


class SymbolTrace(jax.core.Trace):
    """Records what is done with symbols; what needs none of them is computed at once."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.named: dict[str, Symbol] = {}
        self.is_open = False
        self._count = 0

    def is_valid(self) -> bool:
        """Whether JAX may compute with symbols now: inside of the builder."""
        return self.is_open

    def count(self) -> int:
        """Give the number of symbols so far."""
        self._count += 1
        return self._count - 1

    def stage_value(self, val: Any) -> Any:
        """Leave a value as it is: an array needs no place in the program before it is used."""
        return val if isinstance(val, Symbol) else jax.numpy.asarray(val)

    def lift(self, value: Any) -> Any:
        """Give a value as a symbol, so that what is done with it is recorded."""
        if isinstance(value, Symbol):
            return value
        closed = jax.make_jaxpr(lambda: [jax.numpy.asarray(value)])()
        return self._record(closed, ())[0]

    def process_primitive(self, primitive: Any, tracers: Any, params: Any, /) -> Any:
        """Record one operation."""
        if not self._takes_part(tracers) and not _is_symbolic(tuple(params.values())):
            return primitive.bind(*tracers, **params)

        marked = read_mark(str(params["name"])) if primitive.name == "name" else None
        if marked is not None:
            return self._name(tracers[0], *marked)

        def apply(*values: Any) -> Any:
            return primitive.bind(*values, **params)

        results = self._trace_and_record(apply, tracers)
        return results if primitive.multiple_results else results[0]

    def process_custom_jvp_call(
        self, primitive: Any, fun: Any, jvp: Any, tracers: Any, /, *, symbolic_zeros: Any
    ) -> Any:
        """Record a call of a function with a derivative of its own."""
        params = {"subfuns": (fun, jvp), "symbolic_zeros": symbolic_zeros}
        return self._process_call(primitive, tracers, params)

    def process_custom_vjp_call(
        self,
        primitive: Any,
        fun: Any,
        fwd: Any,
        bwd: Any,
        tracers: Any,
        /,
        *,
        out_trees: Any,
        symbolic_zeros: Any,
    ) -> Any:
        """Record a call of a function with a derivative of its own."""
        params = {
            "subfuns": (fun, fwd, bwd),
            "out_trees": out_trees,
            "symbolic_zeros": symbolic_zeros,
        }
        return self._process_call(primitive, tracers, params)

    def _process_call(self, primitive: Any, tracers: Any, params: dict[str, Any]) -> Any:
        if not self._takes_part(tracers):
            return primitive.bind(*tracers, **params)
        return self._trace_and_record(lambda *values: primitive.bind(*values, **params), tracers)

    def record_gradient(self, scalar: Symbol, wanted: Sequence[Symbol]) -> list[Symbol]:
        """Record the gradient of a scalar with respect to some symbols."""
        recorded = Recorded(tuple(wanted), lambda *_: (), gradient_of=scalar)
        return self._new(recorded, [symbol.aval for symbol in wanted])

    def free_label(self, label: str, *, is_given: bool) -> str:
        """Give a name that no value has; a name that the user gave must be free.

        Raises:
            InvalidArgumentError: It is not.
        """
        if label not in self.named:
            return label
        if is_given:
            raise InvalidArgumentError(
                f"Two values have the name {label!r}.",
                where=current_line(),
                how="Give each a name of its own.",
            )
        number = 1
        while f"{label}_{number}" in self.named:
            number += 1
        return f"{label}_{number}"

    def _takes_part(self, tracers: Sequence[Any]) -> bool:
        foreign = next(
            (item for item in tracers if isinstance(item, Symbol) and item._trace is not self), None
        )
        if foreign is not None:
            raise InvalidArgumentError(
                f"{foreign!r} is a value of the builder {foreign._trace.name!r}, not of "
                f"{self.name!r}.",
                where=current_line(),
                how="Build both parts in one builder.",
            )
        return any(isinstance(item, Symbol) for item in tracers)

    def _trace_and_record(self, fn: Callable[..., Any], tracers: Sequence[Any]) -> list[Symbol]:
        avals = [jax.typeof(item) for item in tracers]
        stand_ins = [
            jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type) for aval in avals
        ]
        closed = jax.make_jaxpr(fn)(*stand_ins)
        named = call_with_names(closed)
        if named is None:
            return self._record(closed, tracers)
        with set_current_trace(self):  # what is named inside is a value of the builder as well
            return list(jaxpr_as_fun(named)(*tracers))

    def _record(self, closed: ClosedJaxpr, operands: Sequence[Any]) -> list[Symbol]:
        # what a function closes over are operands as well
        constants = [item for item in closed.consts if isinstance(item, Symbol)]
        recorded = Recorded((*operands, *constants), _evaluator(closed, len(operands)))
        return self._new(recorded, closed.out_avals)

    def _new(self, recorded: Recorded, avals: Sequence[Any]) -> list[Symbol]:
        symbols = [Symbol(self, aval, f"value_{self._count}", recorded) for aval in avals]
        recorded.results = tuple(symbols)
        return symbols

    def _name(self, value: Symbol, label: str, assigns: str) -> Symbol:
        recorded = Recorded((value,), lambda given: [given])
        label = self.free_label(label, is_given=True)
        (symbol,) = self._new(recorded, [value.aval])
        symbol.label, symbol.assigns = label, assigns
        self.named[label] = symbol
        return symbol


def _is_symbolic(value: Any) -> bool:
    """Whether a parameter of an operation holds a symbolic size."""
    if isinstance(value, (tuple, list)):
        return any(_is_symbolic(item) for item in value)
    if isinstance(value, ClosedJaxpr):
        value = value.jaxpr
    if hasattr(value, "eqns"):
        return any(
            _is_symbolic((*equation.params.values(), *_shapes(equation))) for equation in value.eqns
        )
    return bool(jax.export.is_symbolic_dim(value))


def _shapes(equation: Any) -> list[tuple[Any, ...]]:
    return [getattr(item.aval, "shape", ()) for item in (*equation.invars, *equation.outvars)]


def _evaluator(closed: ClosedJaxpr, count: int) -> Callable[..., Sequence[Any]]:
    def evaluate(*values: Any) -> Sequence[Any]:
        found = iter(values[count:])
        consts = [next(found) if isinstance(item, Symbol) else item for item in closed.consts]
        return list(jaxpr_as_fun(ClosedJaxpr(closed.jaxpr, consts))(*values[:count]))

    return evaluate
