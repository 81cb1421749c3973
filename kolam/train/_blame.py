"""Which layer, and which line, made the first NaN of a step."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax._src import source_info_util
from jax.extend import core

from kolam.core import SourceLocation

_INLINED = {
    *("jit", "pjit", "closed_call", "core_call", "remat", "remat2", "checkpoint"),
    *("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr", "optimization_barrier"),
}
_OURS = Path(__file__).resolve().parents[1]


def find_nan(step: Callable[..., Any], state: Any, batch: Any, good: Any | None) -> str:
    """Say where a step first gives NaN, in a sentence; empty if it is not found.

    The program of the step is run once, with a flag for each of its operations.

    Args:
        step: (state, batch) to anything.
        state: The state before it.
        batch: Its batch.
        good: (state, batch) of a step without NaN, if there is one: what gives NaN there as well
            is harmless, for it is not used.
    """
    program = jax.make_jaxpr(step)(state, batch)
    places: list[Any] = []
    flags_of = jax.jit(lambda *leaves: _flags(program, leaves, places))
    flags = np.asarray(flags_of(*jax.tree.leaves((state, batch))))
    if good is not None and _shapes(good) == _shapes((state, batch)):
        flags = flags & ~np.asarray(flags_of(*jax.tree.leaves(good)))
    if not flags.any():
        return ""
    return _sentence(*places[int(np.argmax(flags))])


def _flags(program: Any, leaves: Any, places: list[Any]) -> jax.Array:
    flags: list[jax.Array] = []
    places.clear()

    def run(jaxpr: Any, consts: Any, arguments: Any, stack: str) -> list[Any]:
        values: dict[Any, Any] = {}

        def read(variable: Any) -> Any:
            return variable.val if isinstance(variable, core.Literal) else values[variable]

        values.update(zip(jaxpr.constvars, consts, strict=True))
        values.update(zip(jaxpr.invars, arguments, strict=True))
        for equation in jaxpr.eqns:
            inputs = [read(variable) for variable in equation.invars]
            here = "/".join(filter(None, (stack, str(equation.source_info.name_stack))))
            inner = equation.params.get("jaxpr") or equation.params.get("call_jaxpr")
            if equation.primitive.name in _INLINED and inner is not None:
                closed = isinstance(inner, core.ClosedJaxpr)
                body = inner.jaxpr if closed else inner
                outputs = run(body, inner.consts if closed else (), inputs, here)
            else:
                params = equation.primitive.get_bind_params(equation.params)
                outputs = equation.primitive.bind(*inputs, **params)
                outputs = outputs if equation.primitive.multiple_results else [outputs]
                kinds = [out for out in outputs if jnp.issubdtype(out.dtype, jnp.inexact)]
                if kinds:
                    flags.append(jnp.stack([jnp.isnan(out).any() for out in kinds]).any())
                    places.append((equation, here))
            values.update(zip(equation.outvars, outputs, strict=True))
        return [read(variable) for variable in jaxpr.outvars]

    run(program.jaxpr, program.consts, leaves, "")
    return jnp.stack(flags)


def _sentence(equation: Any, stack: str) -> str:
    where = re.sub(r"\b\w+\(|\)", "", stack)
    name = equation.primitive.name
    gradient = "the gradient of " if "transpose(" in stack else ""
    scope = f" in {gradient}layer {where!r}," if where else ""
    if where.startswith("compile_loss"):
        scope = f" in {gradient}the loss {where.partition('/')[2]!r},"
    line = _user_line(equation)
    return f"It begins{scope} where `{name}` gives NaN." + (f"\n{line}" if line else "")


def _user_line(equation: Any) -> str:
    """Quote the innermost line that belongs neither to a library nor to us."""
    for frame in source_info_util.user_frames(equation.source_info.traceback):
        path = Path(frame.file_name)
        if "site-packages" not in path.parts and _OURS not in path.parents:
            return SourceLocation(frame.file_name, frame.start_line, frame.function_name).quote()
    return ""


def _shapes(tree: Any) -> list[Any]:
    return [leaf.shape for leaf in jax.tree.leaves(tree)]
