"""The door of the rewrite: a function in, a function out that does the same faster."""

from collections.abc import Callable, Iterable, Mapping
from functools import update_wrapper
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jax.sharding import AxisType

from kolam.core import InvalidArgumentError
from kolam.graph._lowering.convolutions import call_kernel, canonical_convolution
from kolam.graph._lowering.loops import take_sums_out
from kolam.graph._lowering.products import merge_product
from kolam.graph._lowering.recurrences import run_by_rows
from kolam.graph._lowering.rows import run_rows
from kolam.graph._lowering.splice import Replacement, Rule, all_equations, inner_programs, rewrite
from kolam.graph._lowering.strides import multiply_by_strides
from kolam.graph._lowering.windows import pool_by_kernel, pool_gradient_by_kernel

Pass = Callable[[ClosedJaxpr], ClosedJaxpr]
Passes = tuple[Pass, ...]


def _by_rules(**rules: Rule) -> Pass:
    """Make a pass of rules by the names of primitives."""

    def run(closed: ClosedJaxpr) -> ClosedJaxpr:
        # most small functions have nothing for any rule
        return rewrite(closed, rules) if _concerns(closed, rules, set()) else closed

    return run


def _turned_before(equation: Any) -> Replacement | None:
    """Write a reshape that also transposes, as `jax.vmap` makes it, as two equations."""
    order, shape = equation.params["dimensions"], equation.params["new_sizes"]
    if order is None or equation.params["sharding"] is not None:
        return None
    return lambda x: [jnp.transpose(x, order).reshape(shape)]


MODES: Mapping[str, Passes] = {
    "fast": (
        _by_rules(reshape=_turned_before),  # the others take a reshape for what it says
        _by_rules(scan=take_sums_out),  # first: it makes products, and leaves rows alone
        _by_rules(scan=run_by_rows),
        multiply_by_strides,
        _by_rules(
            conv_general_dilated=call_kernel,
            dot_general=merge_product,
            reduce_window_max=pool_by_kernel,
            reduce_window_sum=pool_by_kernel,
            select_and_scatter_add=pool_gradient_by_kernel,
        ),
        run_rows,
    ),
    "exact": (_by_rules(conv_general_dilated=canonical_convolution, dot_general=merge_product),),
    "off": (),
}


def lower(
    fn: Callable[..., Any], backend: str = "cpu", *, mode: str = "fast"
) -> Callable[..., Any]:
    """Rewrite what a function traces to, so that the CPU back end of XLA does it fast.

    Convolutions, pooling and their gradients become kernels or products, matrix products take the
    form that its libraries want, in loops and branches as well, after `jax.grad` and `jax.vmap`
    within the function. `kl.function`, `Graph.run` and `kl.train.fit` do this by themselves.

    Args:
        fn: A function of arrays and pytrees of them, as `jax.jit` takes it.
        backend: "cpu"; for every other one the function is not changed.
        mode: "fast" gives equal results to rounding; "exact" does only what sums the same
            terms in the same order, which keeps every bit unless XLA takes another routine for the
            new shape, as for tiny products; "off" changes nothing.

    Returns:
        A function with the same arguments and results, to be given to `jax.jit` or called.

    Raises:
        InvalidArgumentError: There is no such mode.

    Example:
        >>> import jax.numpy as jnp
        >>> lower(lambda x: jnp.einsum("bij,bkj->bik", x, x))(jnp.ones((2, 1, 3)))
        Array([[[3.]],
        <BLANKLINE>
               [[3.]]], dtype=float32)
    """
    passes = passes_of(mode)
    if backend != "cpu" or not passes:
        return fn

    def lowered(*args: Any, **kwargs: Any) -> Any:
        if jax.default_backend() != "cpu":
            return fn(*args, **kwargs)
        # a new function each time: what `jax.jit` knows of an old one may be out of date
        inner = jax.jit(update_wrapper(lambda *args, **kwargs: fn(*args, **kwargs), fn))
        closed, shape = jax.make_jaxpr(inner, return_shape=True)(*args, **kwargs)
        run = jaxpr_as_fun(lower_program(closed, _alone(closed, passes)))
        results = run(*jax.tree.leaves((args, kwargs)))
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return update_wrapper(lowered, fn)


def passes_of(mode: str) -> Passes:
    """Give the passes of a mode, in order.

    Raises:
        InvalidArgumentError: There is no such mode.
    """
    try:
        return MODES[mode]
    except KeyError:
        raise InvalidArgumentError(
            f"The lowering is {mode!r}.", how=f"Give one of {', '.join(map(repr, MODES))}."
        ) from None


def lower_program(closed: ClosedJaxpr, passes: Passes) -> ClosedJaxpr:
    """Rewrite a traced program; it is given back itself where no rule has anything to do."""
    for run in passes:
        closed = run(closed)
    return closed


def _alone(closed: ClosedJaxpr, passes: Passes) -> Passes:
    """Give the passes that may be done where arrays lie on several devices.

    XLA gathers all of what a kernel takes on every device. Where shapes say how arrays are cut, or
    which part of one they are, even a reshape may be none.
    """
    kinds = {kind for aval in _avals(closed) for kind in _mesh_of(aval)}
    if not kinds:
        return passes
    return MODES["exact"] if kinds == {AxisType.Auto} else ()


def _avals(closed: ClosedJaxpr) -> Iterable[Any]:
    yield from closed.in_avals
    yield from (var.aval for var in closed.jaxpr.constvars)
    yield from (var.aval for step in all_equations(closed) for var in step.outvars)


def _mesh_of(aval: Any) -> Iterable[AxisType]:
    sharding = getattr(aval, "sharding", None)
    return () if sharding is None else sharding.mesh.axis_types


def _concerns(closed: ClosedJaxpr, rules: Mapping[str, Rule], seen: set[int]) -> bool:
    if id(closed.jaxpr) in seen:
        return False
    seen.add(id(closed.jaxpr))
    return any(
        equation.primitive.name in rules
        or any(_concerns(inner, rules, seen) for inner in inner_programs(equation))
        for equation in closed.jaxpr.eqns
    )
