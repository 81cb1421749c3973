"""Calls: functions of the module, composites, custom calls that XLA knows."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax

from kolam.core import UnsupportedError
from kolam.graph._composites import COMPOSITES, CUSTOM_JVP, CUSTOM_VJP, LINEAR_SOLVE, PREFIX
from kolam.graph._interpret.products import dynamic_random_bits
from kolam.graph._interpret.reductions import dynamic_reduce_window
from kolam.graph._interpret.steps import Step, Value


def _call(step: Step) -> list[Value]:
    return step.call(str(step.attribute("callee")), step.operands)


def _composite(step: Step) -> list[Value]:
    name = str(step.attribute("name"))
    key = name.removeprefix(PREFIX).removeprefix("chlo.").removeprefix("mhlo.")
    if key in (CUSTOM_JVP, CUSTOM_VJP) and name != key:
        if "derivative" not in step.attribute("composite_attributes", {}):
            return _forward_only(step)
        return _custom_jvp(step) if key == CUSTOM_JVP else _custom_vjp(step)
    if name == PREFIX + LINEAR_SOLVE:
        return _linear_solve(step)
    if key in COMPOSITES and name != key:
        return _known(step, key, dict(step.attribute("composite_attributes", {})))
    return step.call(str(step.attribute("decomposition")), step.operands)


def _known(step: Step, key: str, noted: dict[str, Any]) -> list[Value]:
    composite = COMPOSITES[key]
    missing = [item for item in composite.keys if item not in noted and item != "subset_by_index"]
    if missing:  # from another writer: what it is made of is still right
        return step.call(str(step.attribute("decomposition")), step.operands)
    plain = {item: _plain(value) for item, value in noted.items()}
    # what leads the operands are symbolic sizes, for the decomposition
    leading = int(plain.pop("sizes", 0))
    return list(composite.evaluate(step.arrays[leading:], plain))


def _plain(value: Any) -> Any:
    return tuple(int(item) for item in value.ravel()) if isinstance(value, np.ndarray) else value


def _custom_jvp(step: Step) -> list[Value]:
    forward, derivative, floats = _custom(step)

    @jax.custom_jvp
    def fn(*arrays: Any) -> tuple[Any, ...]:
        return tuple(forward(arrays))

    @fn.defjvp
    def rule(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
        results = derivative(primals, [tangents[position] for position in floats])
        count = len(step.operation.results)
        primals_out, found = results[:count], iter(results[count:])
        tangents_out = [next(found) if _is_float(item) else _nothing(item) for item in primals_out]
        return tuple(primals_out), tuple(tangents_out)

    return list(fn(*step.arrays))


def _forward_only(step: Step) -> list[Value]:
    """Run a function whose derivative is the user's own and is not in the program."""

    @jax.custom_jvp
    def guarded(array: Any) -> Any:
        return array

    @guarded.defjvp
    def rule(*_: Any) -> tuple[Any, Any]:
        raise UnsupportedError(
            "A function with a derivative of its own is differentiated more often than the "
            "program stores: twice.",
            where=step.operation.where,
            how="Put the gradient into the function before it is traced into a Graph.",
        )

    values = [
        guarded(array) if not isinstance(value, np.ndarray) and _is_float(array) else value
        for value, array in zip(step.operands, step.arrays, strict=True)
    ]
    return step.call(str(step.attribute("decomposition")), values)


def _linear_solve(step: Step) -> list[Value]:
    """Solve as JAX does, so that derivatives of any order solve again with the same factors."""
    noted = dict(step.attribute("composite_attributes"))
    leading = int(noted.get("sizes", 0))
    sizes, operands = step.operands[:leading], step.operands[leading:]
    matvec, vecmat, solve, transposed = (int(count) for count in noted["constants"])
    right = tuple(step.arrays[leading + matvec + vecmat + solve + transposed :])

    def product(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(step.call(noted["matvec"], [*sizes, *operands[:matvec], *values]))

    def forward(_: Any, values: Sequence[Any]) -> tuple[Any, ...]:
        name = str(step.attribute("decomposition"))
        given = operands[: matvec + vecmat + solve + transposed]
        return tuple(step.call(name, [*sizes, *given, *values]))

    def backward(_: Any, values: Sequence[Any]) -> tuple[Any, ...]:
        first = matvec + vecmat + solve
        given = operands[first : first + transposed]
        return tuple(step.call(noted["transpose_solve"], [*sizes, *given, *values]))

    has_transpose = "transpose_solve" in noted
    return list(
        lax.custom_linear_solve(product, right, forward, backward if has_transpose else None)
    )


def _custom_vjp(step: Step) -> list[Value]:
    forward, derivative, floats = _custom(step)

    @jax.custom_vjp
    def fn(*arrays: Any) -> tuple[Any, ...]:
        return tuple(forward(arrays))

    def keep(*arrays: Any) -> tuple[Any, Any]:
        return fn(*arrays), arrays

    def pull(arrays: Sequence[Any], cotangents: Sequence[Any]) -> tuple[Any, ...]:
        wanted = [item for item in cotangents if _is_float(item)]
        found = dict(zip(floats, derivative(arrays, wanted), strict=True))
        return tuple(
            found[position] if position in found else _nothing(item)
            for position, item in enumerate(arrays)
        )

    fn.defvjp(keep, pull)
    return list(fn(*step.arrays))


def _custom(step: Step) -> tuple[Callable[..., Any], Callable[..., Any], list[int]]:
    """Give what a custom derivative consists of.

    Returns:
        The function; its derivative, of arrays and (co)tangents; which operands have tangents.
    """
    # operands that are known now stay known: sizes must
    known = [isinstance(value, np.ndarray) for value in step.operands]
    given = step.operands

    def all_of(arrays: Sequence[Any]) -> list[Value]:
        return [
            value if is_known else array
            for value, is_known, array in zip(given, known, arrays, strict=True)
        ]

    def forward(arrays: Sequence[Any]) -> list[Value]:
        return step.call(str(step.attribute("decomposition")), all_of(arrays))

    name = str(dict(step.attribute("composite_attributes"))["derivative"])

    def derivative(arrays: Sequence[Any], others: Sequence[Any]) -> list[Value]:
        return step.call(name, [*all_of(arrays), *others])

    floats = [position for position, item in enumerate(step.arrays) if _is_float(item)]
    return forward, derivative, floats


def _is_float(array: Any) -> bool:
    return bool(jax.numpy.issubdtype(array.dtype, np.inexact))


def _nothing(array: Any) -> Any:
    return np.zeros(array.shape, jax.dtypes.float0)


def _custom_call(step: Step) -> list[Value]:
    target = str(step.attribute("call_target_name"))
    if target in ("Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape"):
        return list(step.operands)
    if target == "stablehlo.dynamic_reduce_window":
        return dynamic_reduce_window(step)
    if target == "stablehlo.dynamic_rng_bit_generator":
        return dynamic_random_bits(step)
    if target == "stablehlo.dynamic_top_k":
        return list(lax.top_k(step.arrays[0], int(step.sizes(1)[0])))
    if target in ("mhlo.topk", "mhlo.erf"):
        noted = dict(step.attribute("mhlo.attributes", {}))
        return _known(step, {"mhlo.topk": "top_k", "mhlo.erf": "erf"}[target], noted)
    raise step.unsupported(
        f"calls {target!r}, which only its platform knows and nobody can differentiate",
        "Trace the function again with this version: it then keeps linear algebra by name.",
    )


def _special(key: str) -> Callable[[Step], list[Value]]:
    return lambda step: _known(step, key, dict(step.operation.attributes))


RULES: dict[str, Callable[[Step], list[Value]]] = {
    **{f"chlo.{key}": _special(key) for key in COMPOSITES},
    "func.call": _call,
    "stablehlo.composite": _composite,
    "stablehlo.custom_call": _custom_call,
}
