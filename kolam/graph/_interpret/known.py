"""What is known before anything runs: sizes, and arithmetic on them.

A program with symbolic sizes computes the shapes of its values from sizes of its inputs. JAX wants
shapes as Python numbers (or symbolic sizes), so these computations are done here, in Python.
"""

import operator
from collections.abc import Callable
from typing import Any

import jax.core
import numpy as np

from kolam.graph._interpret.steps import Step, Value, is_integer

_LARGEST = 1024  # elements; sizes are few, and large constants are better left to XLA


def fold(step: Step) -> list[Value] | None:
    """Evaluate an operation whose operands are all known; `None` if it is none of these."""
    rule = _RULES.get(step.operation.name)
    if rule is None or not all(isinstance(value, np.ndarray) for value in step.operands):
        return None
    if any(value.size > _LARGEST for value in step.operands):
        return None
    result = rule(step)
    if result is None or np.size(result) > _LARGEST:
        return None
    return [np.asarray(result)]  # of scalars NumPy makes no arrays


def constant(step: Step) -> list[Value]:
    """A constant is known."""
    return [np.asarray(step.attribute("value"))]


def dimension_size(step: Step) -> list[Value]:
    """The size of an axis, a number or a symbolic size."""
    size = np.shape(step.operands[0])[int(step.attribute("dimension"))]
    return [np.array(size, np.int32 if is_integer(size) else object)]


def _arithmetic(rule: Callable[[Any, Any], Any]) -> Callable[[Step], np.ndarray | None]:
    def apply(step: Step) -> np.ndarray | None:
        first, second = step.operands
        if first.dtype.kind not in "iuO" or second.dtype.kind not in "iuO":
            return None
        with np.errstate(all="ignore"):
            return _each(lambda *pair: rule(*pair), first, second, dtype=first.dtype)

    return apply


def _each(rule: Callable[..., Any], *arrays: np.ndarray, dtype: Any) -> np.ndarray:
    # element by element on Python's own numbers, so that symbolic sizes take part
    flat = [[_plain(item) for item in array.ravel()] for array in arrays]
    results = [rule(*items) for items in zip(*flat, strict=True)]
    if all(isinstance(item, (bool, int)) for item in results):
        whole = np.array(results, object).reshape(arrays[0].shape)
        return whole.astype(np.int32 if dtype == np.dtype(object) else dtype)
    symbolic = np.empty(len(results), object)
    symbolic[:] = results
    return symbolic.reshape(arrays[0].shape)


def _plain(item: Any) -> Any:
    return item.item() if isinstance(item, np.generic) else item


def _divide(first: Any, second: Any) -> Any:
    if not isinstance(first, int) or not isinstance(second, int):
        return first // second  # symbolic sizes are positive
    if second == 0:
        return -1
    return -(-first // second) if (first < 0) != (second < 0) else first // second


def _remainder(first: Any, second: Any) -> Any:
    return first - second * _divide(first, second) if not _is_zero(second) else first


def _is_zero(value: Any) -> bool:
    return isinstance(value, int) and value == 0


def _sign(step: Step) -> np.ndarray | None:
    (value,) = step.operands
    if value.dtype.kind not in "iuO":
        return None
    return _each(lambda item: (item > 0) - (item < 0), value, dtype=value.dtype)


def _negate(step: Step) -> np.ndarray | None:
    (value,) = step.operands
    if value.dtype.kind not in "iO":
        return None
    return _each(operator.neg, value, dtype=value.dtype)


def _compare(step: Step) -> np.ndarray | None:
    first, second = step.operands
    if first.dtype.kind not in "iuOb" or second.dtype.kind not in "iuOb":
        return None
    rule = getattr(operator, str(step.attribute("comparison_direction")).lower())
    return _each(rule, first, second, dtype=np.bool_)


def _boolean(rule: Callable[[Any, Any], Any]) -> Callable[[Step], np.ndarray | None]:
    def apply(step: Step) -> np.ndarray | None:
        first, second = step.operands
        return rule(first, second) if first.dtype == second.dtype == np.bool_ else None

    return apply


def _not(step: Step) -> np.ndarray | None:
    return ~step.operands[0] if step.operands[0].dtype == np.bool_ else None


def _select(step: Step) -> np.ndarray | None:
    chosen, first, second = step.operands
    if chosen.dtype != np.bool_:
        return None
    return np.asarray(np.where(chosen, first, second))


def _convert(step: Step) -> np.ndarray | None:
    (value,) = step.operands
    if value.dtype == object:
        return value if step.dtype.kind in "iu" else None
    return value.astype(step.dtype) if value.dtype.kind in "iub" else None


def _reshape(step: Step) -> np.ndarray:
    return step.operands[0].reshape(_static_shape(step))


def _broadcast(step: Step) -> np.ndarray | None:
    (value,) = step.operands
    shape = _static_shape(step)
    if int(np.prod(shape)) > _LARGEST:
        return None
    axes = step.numbers("broadcast_dimensions", ())
    sizes = [1] * len(shape)
    for axis, size in zip(axes, value.shape, strict=True):
        sizes[axis] = size
    return np.broadcast_to(value.reshape(sizes), shape)


def _concatenate(step: Step) -> np.ndarray:
    return np.concatenate(step.operands, axis=int(step.attribute("dimension")))


def _slice(step: Step) -> np.ndarray:
    bounds = zip(
        step.numbers("start_indices", ()),
        step.numbers("limit_indices", ()),
        step.numbers("strides", ()),
        strict=True,
    )
    return step.operands[0][tuple(slice(*bound) for bound in bounds)]


def _static_shape(step: Step) -> tuple[int, ...]:
    # the shape of a value that is known is never symbolic
    return tuple(int(size) for size in step.operation.types[0].shape if size is not None)


_RULES: dict[str, Callable[[Step], np.ndarray | None]] = {
    "stablehlo.add": _arithmetic(operator.add),
    "stablehlo.and": _boolean(operator.and_),
    "stablehlo.broadcast_in_dim": _broadcast,
    "stablehlo.compare": _compare,
    "stablehlo.concatenate": _concatenate,
    "stablehlo.convert": _convert,
    "stablehlo.divide": _arithmetic(_divide),
    "stablehlo.maximum": _arithmetic(jax.core.max_dim),
    "stablehlo.minimum": _arithmetic(jax.core.min_dim),
    "stablehlo.multiply": _arithmetic(operator.mul),
    "stablehlo.negate": _negate,
    "stablehlo.not": _not,
    "stablehlo.or": _boolean(operator.or_),
    "stablehlo.remainder": _arithmetic(_remainder),
    "stablehlo.reshape": _reshape,
    "stablehlo.select": _select,
    "stablehlo.sign": _sign,
    "stablehlo.slice": _slice,
    "stablehlo.subtract": _arithmetic(operator.sub),
}
