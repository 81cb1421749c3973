"""Equations that a program keeps by name: found while tracing, and written as composites.

What JAX writes out for one platform (an eigenvalue, an argmax), and what its lowering forgets (a
stopped gradient, a derivative of the user's own) goes into the program as `_composites` says.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun, jaxprs_in_params

from kolam.graph._composites import COMPOSITES, CUSTOM_JVP, CUSTOM_VJP, LINEAR_SOLVE, PREFIX
from kolam.graph._stablehlo import bind_composite, portable_lu

# Any in this file: equations, jaxprs, arrays and tracers of JAX have no narrower type
Rewrite = Callable[[ClosedJaxpr], ClosedJaxpr]
_CUSTOM = {
    "custom_jvp_call": CUSTOM_JVP,
    "custom_vjp_call": CUSTOM_VJP,
    "random_gamma": CUSTOM_JVP,
}


def is_kept(equation: Any) -> bool:
    """Whether an equation is to be kept by name."""
    name = equation.primitive.name
    # pivoted factors exist on some platforms only
    return name in (*_CUSTOM, LINEAR_SOLVE) or (
        name in COMPOSITES and not equation.params.get("pivoting", False)
    )


def keep(
    equation: Any, values: Sequence[Any], rewrite: Rewrite, rewrite_derivative: Rewrite | None
) -> list[Any]:
    """Evaluate an equation as a composite.

    Args:
        equation: One that `is_kept`.
        values: Its operands.
        rewrite: Makes the composites inside of what the equation calls.
        rewrite_derivative: The same inside of its derivative; `None` if that is not stored.
    """
    name = equation.primitive.name
    if name == LINEAR_SOLVE:
        return _keep_solve(equation, values, rewrite)
    if name in _CUSTOM:
        return _keep_custom(equation, values, rewrite, rewrite_derivative)
    composite = COMPOSITES[name]
    noted = {key: _attribute(equation.params[key]) for key in composite.keys}
    results: list[Any] = bind_composite(
        *values,
        name=PREFIX + name,
        attributes=tuple((key, value) for key, value in noted.items() if value is not None),
        label=name,
        decomposition=_trace(_decomposition(equation), equation.invars),
        functions=(),
        # the lowering for TPU knows only operations of XLA's own, which every platform has
        platform="tpu" if composite.is_native and name != "lu" else None,
    )
    return results


def _decomposition(equation: Any) -> Callable[..., Any]:
    if equation.primitive.name == "stop_gradient":
        return lambda value: [value]
    if equation.primitive.name == "lu":
        return portable_lu
    return _function(equation)


def _function(equation: Any) -> Callable[..., list[Any]]:
    """Give an equation as a function of its operands."""

    def fn(*values: Any) -> list[Any]:
        results = equation.primitive.bind(
            *values, **equation.primitive.get_bind_params(equation.params)
        )
        return list(results) if equation.primitive.multiple_results else [results]

    return fn


def _keep_custom(
    equation: Any, values: Sequence[Any], rewrite: Rewrite, rewrite_derivative: Rewrite | None
) -> list[Any]:
    kind = _CUSTOM[equation.primitive.name]
    derivative = None
    if rewrite_derivative is not None:
        derivative = (_tangents if kind == CUSTOM_JVP else _cotangents)(equation)
    functions: tuple[tuple[str, Any], ...] = ()
    if derivative is not None and rewrite_derivative is not None:
        functions = (("derivative", rewrite_derivative(derivative)),)
    if "call_jaxpr" in equation.params:
        forward = rewrite(_unwrap(equation.params["call_jaxpr"]))
    else:
        forward = _trace(_function(equation), equation.invars)
    results: list[Any] = bind_composite(
        *values,
        name=PREFIX + kind,
        label=_function_name(forward) or kind,
        attributes=(),
        decomposition=forward,
        functions=functions,
        platform=None,
    )
    return results


def _keep_solve(equation: Any, values: Sequence[Any], rewrite: Rewrite) -> list[Any]:
    """Keep a linear solve with the product that it inverts: its derivatives solve again."""
    lengths, jaxprs = equation.params["const_lengths"], equation.params["jaxprs"]
    first = lengths.matvec + lengths.vecmat

    def solve(*given: Any) -> Any:
        constants, right = given[first : first + lengths.solve], given[sum(lengths) :]
        return jaxpr_as_fun(jaxprs.solve)(*constants, *right)

    functions = [("matvec", rewrite(jaxprs.matvec))]
    if jaxprs.transpose_solve is not None:
        functions.append(("transpose_solve", rewrite(jaxprs.transpose_solve)))
    results: list[Any] = bind_composite(
        *values,
        name=PREFIX + LINEAR_SOLVE,
        label="linear_solve",
        attributes=(("constants", tuple(lengths)),),
        decomposition=rewrite(_trace(solve, equation.invars)),
        functions=tuple(functions),
        platform=None,
    )
    return results


def _tangents(equation: Any) -> ClosedJaxpr | None:
    """Give the derivative that maps operands and tangents to results and their tangents."""
    fn, floats = _function(equation), _floats(equation.invars)

    def derivative(*given: Any) -> list[Any]:
        primals, tangents = list(given[: len(equation.invars)]), given[len(equation.invars) :]

        def moved(*some: Any) -> list[Any]:
            for position, value in zip(floats, some, strict=True):
                primals[position] = value
            return fn(*primals)

        results, found = jax.jvp(moved, [primals[i] for i in floats], list(tangents))
        return [*results, *(found[i] for i in _floats(equation.outvars))]

    variables = [*equation.invars, *(equation.invars[i] for i in floats)]
    return _trace_derivative(derivative, variables)


def _cotangents(equation: Any) -> ClosedJaxpr | None:
    """Give the derivative that maps operands and cotangents of results to those of operands."""
    fn, floats = _function(equation), _floats(equation.invars)
    outer = _floats(equation.outvars)

    def derivative(*given: Any) -> list[Any]:
        primals, cotangents = list(given[: len(equation.invars)]), given[len(equation.invars) :]

        def moved(*some: Any) -> list[Any]:
            for position, value in zip(floats, some, strict=True):
                primals[position] = value
            results = fn(*primals)
            return [results[i] for i in outer]

        _, pull = jax.vjp(moved, *(primals[i] for i in floats))
        return list(pull(list(cotangents)))

    return _trace_derivative(derivative, [*equation.invars, *(equation.outvars[i] for i in outer)])


def _trace_derivative(fn: Callable[..., Any], variables: Sequence[Any]) -> ClosedJaxpr | None:
    try:
        traced = _trace(fn, variables)
    except NotImplementedError:
        return None  # the function runs forward only, and says so when it is differentiated
    return None if _calls_back(traced.jaxpr) else traced


def _calls_back(jaxpr: Any) -> bool:
    return any(
        "callback" in equation.primitive.name
        or any(_calls_back(inner) for inner in jaxprs_in_params(equation.params))
        for equation in jaxpr.eqns
    )


def _unwrap(closed: ClosedJaxpr) -> ClosedJaxpr:
    """Take off a `jit` around all of a function."""
    jaxpr = closed.jaxpr
    if len(jaxpr.eqns) == 1 and jaxpr.eqns[0].primitive.name == "jit" and not closed.consts:
        (call,) = jaxpr.eqns
        if list(call.invars) == list(jaxpr.invars) and list(call.outvars) == list(jaxpr.outvars):
            inner: ClosedJaxpr = call.params["jaxpr"]
            return inner
    return closed


def _function_name(closed: ClosedJaxpr) -> str:
    """Give the name of the user's function, for those who read the program."""
    name = str(getattr(closed.jaxpr.debug_info, "func_name", "")).rpartition(".")[2]
    return name if name.isidentifier() else ""


def _floats(variables: Sequence[Any]) -> list[int]:
    return [
        position
        for position, variable in enumerate(variables)
        if jax.dtypes.issubdtype(variable.aval.dtype, np.inexact)
    ]


def stand_ins(variables: Sequence[Any]) -> list[jax.ShapeDtypeStruct]:
    """Give abstract arrays like the variables of a jaxpr, to trace with."""
    return [
        jax.ShapeDtypeStruct(item.aval.shape, item.aval.dtype, weak_type=item.aval.weak_type)
        for item in variables
    ]


def _trace(fn: Callable[..., Any], variables: Sequence[Any]) -> ClosedJaxpr:
    return jax.make_jaxpr(fn)(*stand_ins(variables))


def _attribute(value: Any) -> Any:
    if isinstance(value, np.dtype):
        return str(value)
    return tuple(value) if isinstance(value, list) else value
