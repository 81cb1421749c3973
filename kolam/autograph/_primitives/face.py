"""What JAX does not promise: everything of its insides that this folder touches stands here.

Where a signature differs from the one known here, the public way is taken; it gives the same
values and is slower to trace.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax._src import core as _core
from jax._src.interpreters import partial_eval as _partial_eval
from jax._src.linear_util import wrap_init as _wrap_init
from jax.extend.core import ClosedJaxpr, DebugInfo, Jaxpr, JaxprEqn, Literal, Primitive, Var
from jax.extend.core import jaxpr_as_fun as _jaxpr_as_fun
from jax.extend.core import jaxprs_in_params as _jaxprs_in_params
from jax.extend.core import primitives as _primitives
from jax.extend.core import unsafe_am_i_under_a_jit_DO_NOT_USE as is_under_jit
from jax.interpreters import ad

__all__ = [
    "ClosedJaxpr",
    "Jaxpr",
    "JaxprEqn",
    "Literal",
    "Primitive",
    "Var",
    "as_array",
    "belongs_here",
    "bind_cond",
    "bind_scan",
    "bind_while",
    "convert_weakly",
    "evaluate",
    "is_under_jit",
    "is_zero",
    "map_jaxprs",
    "new_jaxpr",
    "new_primitive",
    "run_compiled",
    "sub_jaxprs",
    "trace_jaxpr",
    "uses_axes_only",
    "uses_axis",
    "zero_tangent",
]

# no names of arguments and results: to find them costs more than to trace a small body
_NAMELESS = DebugInfo("autograph", "staged code", None, None)


def trace_jaxpr(fn: Callable[..., Sequence[Any]], avals: Iterable[Any]) -> ClosedJaxpr:
    """Trace a function of arrays to a list of arrays; what it closes over are the constants.

    A tenth of the time of `jax.make_jaxpr`, which looks for the names of arguments, keeps
    pytrees and asks a cache by function.
    """
    avals = [_as_aval(one) for one in avals]
    if not _traces_directly():
        return jax.make_jaxpr(lambda *arrays: fn(*arrays))(*avals)
    wrapped = _wrap_init(fn, debug_info=_NAMELESS)
    jaxpr, _, consts = _partial_eval.trace_to_jaxpr_dynamic(wrapped, avals)
    return ClosedJaxpr(jaxpr, consts)


def as_array(value: Any) -> Any:
    """Give an array for a constant of a program, which JAX hands over as a number of its own."""
    if hasattr(value, "shape"):
        return value
    kind = jax.typeof(value)
    array = jnp.asarray(value, kind.dtype)
    return convert_weakly(array, kind.dtype) if kind.weak_type and kind.dtype != bool else array


def belongs_here(value: Any) -> bool:
    """Whether a value is a tracer of the innermost trace that is open."""
    return isinstance(value, jax.core.Tracer) and value._trace is _core.trace_ctx.trace


def new_primitive(name: str) -> Primitive:
    """Give a primitive with several results."""
    primitive = Primitive(name)
    primitive.multiple_results = True
    return primitive


def _as_aval(like: Any) -> Any:
    if isinstance(like, jax.core.ShapedArray):
        return like
    weak = bool(getattr(like, "weak_type", False))
    return jax.core.ShapedArray(tuple(like.shape), like.dtype, weak_type=weak)


@functools.cache
def _traces_directly() -> bool:
    try:
        wrapped = _wrap_init(lambda: [], debug_info=_NAMELESS)
        jaxpr, _, consts = _partial_eval.trace_to_jaxpr_dynamic(wrapped, [])
    except (AttributeError, TypeError, ValueError):
        return False
    return isinstance(jaxpr, Jaxpr) and list(consts) == []


def new_jaxpr(
    inputs: Sequence[Var],
    outputs: Sequence[Any],
    equations: Sequence[JaxprEqn],
    constants: Sequence[Var] = (),
) -> Jaxpr:
    """Put a jaxpr together from equations that exist."""
    effects = frozenset().union(*(equation.effects for equation in equations))
    return Jaxpr(list(constants), list(inputs), list(outputs), list(equations), effects, _NAMELESS)


def sub_jaxprs(params: dict[str, Any]) -> list[Jaxpr]:
    """Give the jaxprs among the parameters of an equation."""
    return list(_jaxprs_in_params(params))


def uses_axis(jaxpr: Jaxpr, name: Any) -> bool:
    """Whether something in a jaxpr works across the examples of a named axis."""
    return any(getattr(effect, "name", None) == name for effect in jaxpr.effects)


def uses_axes_only(effects: Iterable[Any]) -> bool:
    """Whether all effects are work across the examples of named axes, which nobody sees."""
    return all(hasattr(effect, "name") for effect in effects)


def map_jaxprs(equation: JaxprEqn, fn: Callable[[Jaxpr], Jaxpr]) -> JaxprEqn:
    """Replace the jaxprs among the parameters of an equation."""

    def replaced(value: Any) -> Any:
        # from JAX 0.11 on a jaxpr may hold its constants itself, and the two classes are one
        if isinstance(value, ClosedJaxpr) and len(value.consts) == len(value.jaxpr.constvars):
            return ClosedJaxpr(fn(value.jaxpr), value.consts)
        if isinstance(value, Jaxpr):
            return fn(value)
        if type(value) in (tuple, list):
            return type(value)(map(replaced, value))
        return value

    params = {name: replaced(value) for name, value in equation.params.items()}
    effects = frozenset().union(*(inner.effects for inner in sub_jaxprs(params)))
    return equation.replace(params=params, effects=effects)


def is_zero(tangent: Any) -> bool:
    """Whether a tangent is known to be zero; that of an integer always is."""
    if tangent is None or isinstance(tangent, ad.Zero):
        return True
    return bool(jax.typeof(tangent).dtype == jax.dtypes.float0)


def zero_tangent(primal: Any) -> Any:
    """Give the zero that JAX sees without looking at numbers."""
    return ad.Zero(jax.typeof(primal).to_tangent_aval())


def evaluate(jaxpr: Jaxpr, consts: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
    """Run a jaxpr in the current trace."""
    return list(_jaxpr_as_fun(ClosedJaxpr(jaxpr, consts))(*arrays))


def run_compiled(primitive: Primitive, arrays: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """Run a primitive on concrete arrays as one compiled program.

    JAX's own `apply_primitive` keeps what it compiled, and so every jaxpr, for as long as the
    process lives; staged code that runs eagerly is new each time and would pile up there.
    """

    def run(*operands: Any) -> list[Any]:
        return primitive.bind(*operands, **params)

    with jax.disable_jit(False):
        return list(jax.jit(run)(*arrays))


def _params_of(fn: Callable[..., Any], *arrays: Any) -> dict[str, Any]:
    """Give the parameters of the last equation of a function."""
    with jax.disable_jit(False):
        return dict(jax.make_jaxpr(fn)(*arrays).jaxpr.eqns[-1].params)


@functools.cache
def _conversion() -> dict[str, Any]:
    return _params_of(lambda x: lax.convert_element_type(x, jnp.float32), jnp.int32(0))


def convert_weakly(array: Any, dtype: Any) -> Any:
    """Convert to a dtype that yields to others, as the numbers of Python do."""
    params = {**_conversion(), "new_dtype": jnp.dtype(dtype), "weak_type": True}
    return _primitives.convert_element_type_p.bind(array, **params)


@functools.cache
def _cond_is_known() -> bool:
    def fn(test: Any, x: Any) -> Any:
        return lax.cond(test, lambda: x + 1, lambda: x)

    return _params_of(fn, True, 0.0).keys() == {"branches"}


def bind_cond(test: Any, on_true: Jaxpr, on_false: Jaxpr, operands: Sequence[Any]) -> list[Any]:
    """Place a `cond` of two jaxprs that exist over the same operands."""
    if _cond_is_known():
        effects = on_true.effects | on_false.effects
        branches = (side.replace(effects=effects) for side in (on_false, on_true))
        sides = [ClosedJaxpr(side, ()) for side in branches]
        index = lax.convert_element_type(test, jnp.int32)
        return _primitives.cond_p.bind(index, *operands, branches=tuple(sides))
    return cond_publicly(test, on_true, on_false, operands)


def cond_publicly(test: Any, on_true: Jaxpr, on_false: Jaxpr, operands: Sequence[Any]) -> list[Any]:
    """Do what `bind_cond` does, by tracing the sides again."""
    fns = [lambda *arrays, side=side: evaluate(side, (), arrays) for side in (on_true, on_false)]
    return list(lax.cond(test, *fns, *operands))


@functools.cache
def _while_is_known() -> bool:
    params = _params_of(lambda n: lax.while_loop(lambda i: i < n, lambda i: i + 1, 0), 3)
    known = {"cond_nconsts", "cond_jaxpr", "body_nconsts", "body_jaxpr"}
    return params.keys() == known and params["cond_nconsts"] == 1


def bind_while(test: ClosedJaxpr, body: ClosedJaxpr, state: Sequence[Any]) -> list[Any]:
    """Place a `while_loop` of two jaxprs that exist over the same state."""
    if _while_is_known():
        return _primitives.while_p.bind(
            *test.consts,
            *body.consts,
            *state,
            cond_nconsts=len(test.consts),
            cond_jaxpr=_without_consts(test),
            body_nconsts=len(body.consts),
            body_jaxpr=_without_consts(body),
        )
    return while_publicly(test, body, state)


def while_publicly(test: ClosedJaxpr, body: ClosedJaxpr, state: Sequence[Any]) -> list[Any]:
    """Do what `bind_while` does, by tracing both again."""
    return list(
        lax.while_loop(
            lambda arrays: evaluate(test.jaxpr, test.consts, arrays)[0],
            lambda arrays: tuple(evaluate(body.jaxpr, body.consts, arrays)),
            tuple(state),
        )
    )


def _without_consts(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Let a jaxpr take its constants as its first inputs."""
    jaxpr = closed.jaxpr
    return ClosedJaxpr(jaxpr.replace(constvars=[], invars=[*jaxpr.constvars, *jaxpr.invars]), ())


@functools.cache
def _scan_is_known() -> bool:
    def fn(x: Any) -> Any:
        return lax.scan(lambda carry, row: (carry + row, None), 0.0, x)

    known = {"reverse", "length", "jaxpr", "num_consts", "num_carry", "unroll"}
    return _params_of(fn, jnp.zeros(2)).keys() == known


def bind_scan(
    body: Jaxpr, consts: Sequence[Any], init: Sequence[Any], rows: Sequence[Any], length: int
) -> list[Any]:
    """Place a `scan` that only carries; `body` takes the consts, the carry and a row."""
    if _scan_is_known():
        return _primitives.scan_p.bind(
            *consts,
            *init,
            *rows,
            reverse=False,
            length=length,
            jaxpr=ClosedJaxpr(body, ()),
            num_consts=len(consts),
            num_carry=len(init),
            unroll=1,
        )
    return scan_publicly(body, consts, init, rows, length)


def scan_publicly(
    body: Jaxpr, consts: Sequence[Any], init: Sequence[Any], rows: Sequence[Any], length: int
) -> list[Any]:
    """Do what `bind_scan` does, by tracing the body again."""

    def trip(carry: Any, row: Any) -> tuple[Any, None]:
        return tuple(evaluate(body, (), [*consts, *carry, *row])), None

    return list(lax.scan(trip, tuple(init), tuple(rows), length=length)[0])
