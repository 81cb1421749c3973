"""What changes a NumPy array in place: it gives the array that comes after."""

import operator
from collections.abc import Callable
from types import BuiltinMethodType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators.bounds import as_index, check_indices
from kolam.autograph._operators.regions import in_staged_code, user_location
from kolam.autograph._operators.values import UNCHANGED
from kolam.autograph._operators.weak import has_tracer
from kolam.core import ConversionError


def change_by_method(
    resolve: Callable[[Any], Any], owner: Any, name: str, *args: Any, **kwargs: Any
) -> Any:
    """Do ``owner.name(...)``, a statement; give what `owner` holds then, if that is a new array.

    Args:
        resolve: Gives what is to be called in place of a function.
        owner: What has the method; most often an array or a list.
        name: One of `METHODS`.
        args: The arguments.
        kwargs: The arguments by name.
    """
    if _is_array(owner, (args, kwargs)):
        return METHODS[name](jnp.asarray(owner), *args, **kwargs)
    resolve(getattr(owner, name))(*args, **kwargs)
    return UNCHANGED


def change_by_function(
    resolve: Callable[[Any], Any], callee: Any, owner: Any, *args: Any, **kwargs: Any
) -> Any:
    """Do ``callee(owner, ...)``, a statement; give what `owner` holds then, if it is new."""
    change = _change_of(callee)
    if change is not None and _is_array(owner, (args, kwargs)):
        return change(jnp.asarray(owner), *args, **kwargs)
    resolve(callee)(owner, *args, **kwargs)
    return UNCHANGED


def change_out(
    resolve: Callable[[Any], Any], callee: Any, owner: Any, *args: Any, **kwargs: Any
) -> Any:
    """Do ``callee(..., out=owner)``, a statement; give what `owner` holds then, if it is new."""
    home = str(getattr(callee, "__module__", None) or "numpy").partition(".")[0]
    if home not in ("functools", "jax", "numpy") or not _is_array(owner, (callee, args, kwargs)):
        resolve(callee)(*args, out=owner, **kwargs)
        return UNCHANGED
    owner, where = jnp.asarray(owner), kwargs.pop("where", True)
    new = jnp.asarray(resolve(callee)(*args, **kwargs))
    if not np.can_cast(new.dtype, owner.dtype, kwargs.get("casting", "same_kind")):
        name = getattr(callee, "__name__", "function")
        raise TypeError(
            f"Cannot cast ufunc '{name}' output from {new.dtype!r} to {owner.dtype!r} with casting "
            "rule 'same_kind'"
        )
    full = jnp.broadcast_to(new.astype(owner.dtype), owner.shape)
    return full if where is True else jnp.where(where, full, owner)


def _is_array(owner: Any, rest: Any) -> bool:
    by_data = in_staged_code() or has_tracer(rest)
    return isinstance(owner, jax.Array) or (isinstance(owner, np.ndarray) and by_data)


def _change_of(callee: Any) -> Callable[..., Any] | None:
    if type(callee) is BuiltinMethodType and isinstance(callee.__self__, np.ufunc):
        return _at(callee.__self__) if callee.__name__ == "at" else None
    try:
        return _FUNCTIONS.get(callee)
    except TypeError:  # it has no hash
        return None


def refuse(name: str) -> ConversionError:
    """Say that a change in place stands inside an expression."""
    return ConversionError(
        f"`{name}` changes an array in place, inside an expression.",
        where=user_location(),
        how="Arrays of a traced program do not change: the variable gets a new one. Write the "
        "call as a statement of its own, on a variable, attribute or item.",
    )


def _sort(array: Any, axis: int = -1, **_: Any) -> Any:
    return jnp.sort(array, axis=axis)


def _partition(array: Any, kth: Any, axis: int = -1, **_: Any) -> Any:
    return jnp.partition(array, kth, axis=axis)


def _fill(array: Any, value: Any) -> Any:
    return jnp.broadcast_to(jnp.asarray(value).astype(array.dtype), array.shape)


def _put(array: Any, indices: Any, values: Any, mode: str = "raise") -> Any:
    flat, indices = array.ravel(), jnp.asarray(indices).ravel()
    if mode == "raise":
        check_indices(flat, indices)
    elif mode == "clip":
        indices = jnp.clip(indices, 0, flat.size - 1)
    else:
        indices = indices % flat.size
    values = jnp.resize(jnp.asarray(values), indices.shape).astype(array.dtype)
    return flat.at[indices].set(values).reshape(array.shape)


def _copyto(array: Any, source: Any, casting: str = "same_kind", where: Any = True) -> Any:
    return jnp.where(where, jnp.asarray(source).astype(array.dtype), array)


def _fill_diagonal(array: Any, value: Any, wrap: bool = False) -> Any:
    value = jnp.asarray(value).astype(array.dtype)
    return jnp.fill_diagonal(array, value, wrap=wrap, inplace=False)


def _putmask(array: Any, mask: Any, values: Any) -> Any:
    repeated = jnp.resize(jnp.asarray(values), array.shape).astype(array.dtype)
    return jnp.where(mask, repeated, array)


def _place(array: Any, mask: Any, values: Any) -> Any:
    values, mask = jnp.asarray(values).ravel().astype(array.dtype), jnp.asarray(mask)
    number = (jnp.cumsum(mask.ravel()) - 1) % values.size
    return jnp.where(mask, values[number].reshape(array.shape), array)


def _put_along_axis(array: Any, indices: Any, values: Any, axis: Any) -> Any:
    if axis is None:
        return _put_along_axis(array.ravel(), indices, values, 0).reshape(array.shape)
    values = jnp.asarray(values).astype(array.dtype)
    return jnp.put_along_axis(array, indices, values, axis, inplace=False)


def _set_item(array: Any, index: Any, value: Any) -> Any:
    index = as_index(index)
    check_indices(array, index)
    return array.at[index].set(jnp.asarray(value).astype(array.dtype))


def _at(ufunc: np.ufunc) -> Callable[..., Any] | None:
    staged = getattr(jnp, ufunc.__name__, None)
    if not isinstance(staged, jnp.ufunc):
        return None

    def change(array: Any, indices: Any, *values: Any) -> Any:
        indices = as_index(indices)
        check_indices(array, indices)
        return staged.at(array, indices, *values, inplace=False)

    return change


METHODS: dict[str, Callable[..., Any]] = {
    "fill": _fill,
    "partition": _partition,
    "put": _put,
    "sort": _sort,
}
_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.copyto: _copyto,
    np.fill_diagonal: _fill_diagonal,
    np.place: _place,
    np.put: _put,
    np.put_along_axis: _put_along_axis,
    np.putmask: _putmask,
    operator.setitem: _set_item,
}
