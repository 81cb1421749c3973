"""What a traced value is an instance of: the type that plain Python would hold there."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators.aliases import may_be_one
from kolam.autograph._operators.check import carry, is_none, raising
from kolam.autograph._operators.options import OneOf
from kolam.autograph._operators.regions import context, user_location
from kolam.autograph._operators.values import Maybe, is_traced
from kolam.core import ConversionError

_NUMBERS = {"i": int, "u": int, "f": float, "c": complex}


def types_in_python(value: Any) -> tuple[type, ...]:
    """Give the types that a traced value may have where plain Python runs.

    A weakly typed scalar came from Python's numbers alone, so it is one. A scalar of dtype bool is
    a `bool`, and NumPy's too: both compare alike and JAX does not tell them apart. Other scalars
    are NumPy's, arrays are `numpy.ndarray`; JAX's own class holds for all.
    """
    dtype = value.dtype
    if jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
        return ()
    if value.ndim:
        return (np.ndarray,)
    if np.issubdtype(dtype, np.bool_):
        return bool, np.bool_
    if value.weak_type:
        return (_NUMBERS[np.dtype(dtype).kind],)
    return (np.dtype(dtype).type,)


def name_in_python(value: Any) -> str:
    """Name the type of a traced value as messages of Python do."""
    kind = next(iter(types_in_python(value)), type(value))
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def retold(error: Exception, *values: Any) -> Exception:
    """Give an exception of Python about traced values as it reads where plain Python runs."""
    text = str(error)
    for value in values:
        if isinstance(value, jax.core.Tracer):
            text = text.replace(type(value).__name__, name_in_python(value), 1)
    if text == str(error):
        return error
    made: Exception = raising(type(error)(text))
    return made


@functools.wraps(isinstance)
def isinstance_(value: Any, kinds: Any) -> Any:
    """Stand in for `isinstance`; the answer is known unless the value may be None."""
    if isinstance(value, Maybe):
        if value.missing is not None:
            return isinstance_(carry(value, "value"), kinds)
        of_none, of_value = isinstance(None, kinds), isinstance_(value.value, kinds)
        if of_none is of_value:
            return of_none
        missing = is_none(value)
        return missing if of_none else ~missing
    if isinstance(value, OneOf):
        return value.map(functools.partial(_swapped, kinds))
    if isinstance(value, kinds):
        return True
    return is_traced(value) and any(issubclass(kind, kinds) for kind in types_in_python(value))


def _swapped(kinds: Any, value: Any) -> bool:
    return isinstance(value, kinds)


def _swapped_is(other: Any, option: Any) -> Any:
    return is_(option, other)


def is_(left: Any, right: Any) -> Any:
    """Evaluate ``left is right``; data may choose either among static values, or its truth."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, OneOf):
            return one.map(functools.partial(_swapped_is, other))
        if isinstance(one, Maybe) and not isinstance(other, Maybe):
            return jnp.logical_and(one.present, is_(one.value, other))
        if isinstance(other, bool) and is_traced_truth(one):
            return one if other else ~one
    if left is not right and context.families and may_be_one(left, right):
        raise ConversionError(
            "`is` asks whether two values are one object, and data chose what one of them is.",
            where=user_location(),
            how="Keep a truth that says which it is, beside the value.",
        )
    return left is right


def is_traced_truth(value: Any) -> bool:
    """Whether a value is a traced truth, which plain Python would hold as True or False."""
    return is_traced(value) and value.ndim == 0 and value.dtype == bool
