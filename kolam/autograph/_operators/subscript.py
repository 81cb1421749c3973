"""Items and attributes: reading with a traced index, writing to arrays that cannot change."""

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators.branch import ifexp
from kolam.autograph._operators.regions import (
    Attribute,
    Contents,
    context,
    note_write,
    user_frame,
    user_location,
)
from kolam.autograph._operators.values import has_traced, is_traced
from kolam.core import ConversionError

INPLACE = {
    "Add": operator.iadd,
    "Sub": operator.isub,
    "Mult": operator.imul,
    "Div": operator.itruediv,
    "FloorDiv": operator.ifloordiv,
    "Mod": operator.imod,
    "Pow": operator.ipow,
    "MatMult": operator.imatmul,
    "BitAnd": operator.iand,
    "BitOr": operator.ior,
    "BitXor": operator.ixor,
    "LShift": operator.ilshift,
    "RShift": operator.irshift,
}


@dataclass(frozen=True, eq=False, slots=True)
class Choice:
    """One of several functions, by a traced number; it can only be called."""

    options: tuple[Callable[..., Any], ...]
    index: Any

    def call(self, resolve: Callable[[Any], Any], args: Any, kwargs: Any) -> Any:
        """Call the one that is meant."""
        size = len(self.options)
        index = jnp.where(self.index < 0, self.index + size, self.index)

        def from_(k: int) -> Any:
            call = functools.partial(resolve(self.options[k]), *args, **kwargs)
            if k == size - 1:
                return call()
            return ifexp(index == k, lambda: call(), lambda: from_(k + 1), 0, "[]")

        return from_(0)


def get_item(container: Any, index: Any) -> Any:
    """Evaluate ``container[index]``."""
    if not is_traced(index):
        return container[index]
    if isinstance(container, np.ndarray):
        return jnp.asarray(container)[index]
    if isinstance(container, (list, tuple, range)) and len(container):
        if all(callable(item) for item in container):
            functions: Any = container
            return Choice(tuple(functions), index)
        where, size = user_location(), len(container)
        index = jnp.where(index < 0, index + size, index)
        found = container[0]
        for k in range(1, size):  # any kind of item: the last one whose number it is
            found = ifexp(
                index == k,
                functools.partial(operator.getitem, container, k),
                functools.partial(_same, found),
                where.line,
                "[]",
            )
        return found
    if isinstance(container, (dict, str)):
        raise ConversionError(
            f"A {type(container).__name__} is looked up with a traced key.",
            where=user_location(),
            how="Keep the values in an array or list and look up by number.",
        )
    return container[index]


def _same(value: Any) -> Any:
    return value


def set_item(container: Any, index: Any, value: Any, name: str) -> Any:
    """Do ``container[index] = value`` and give what the name is bound to afterwards.

    Raises:
        ConversionError: The array is seen under a second name, which would not change.
    """
    if isinstance(container, jax.Array) or (
        isinstance(container, np.ndarray) and has_traced((index, value))
    ):
        refuse_alias(container, name)
        return jnp.asarray(container).at[index].set(value)
    if context.regions and isinstance(container, (list, dict)):
        note_write(Contents(container, name))
    container[index] = value
    return container


def refuse_alias(array: Any, name: str) -> None:
    """Refuse a write to an array that another name holds as well.

    The write gives a new array to one name only; plain Python would show it under both.
    """
    frame: Any = user_frame()
    root = frame.f_code.co_name
    while frame is not None:
        if frame.f_code.co_name == root and "_kl" in frame.f_code.co_freevars:
            for other, value in frame.f_locals.items():
                same = value is array
                if isinstance(value, (list, tuple)):
                    same = any(item is array for item in value)
                elif isinstance(value, dict):
                    same = any(item is array for item in value.values())
                if same and other != name and not other.startswith("_kl"):
                    raise ConversionError(
                        f"`{name}[...] = ...` writes to an array that `{other}` holds as well.",
                        where=user_location(),
                        how="Arrays of a traced program do not change: only one of the names would "
                        f"see the new value. Write `{name} = {name}.copy()` before, or use one "
                        "name.",
                    )
        elif "_kl" not in frame.f_code.co_freevars and "/kolam/" not in frame.f_code.co_filename:
            return
        else:
            root = frame.f_code.co_name if "_kl" in frame.f_code.co_freevars else root
        frame = frame.f_back


def set_attribute(target: Any, name: str, value: Any) -> None:
    """Do ``target.name = value``."""
    if context.regions:
        note_write(Attribute(target, name))
    setattr(target, name, value)


def inplace(kind: str, left: Any, right: Any) -> Any:
    """Do the in-place operation `kind` on a value that is stored back afterwards."""
    return INPLACE[kind](left, right)
