"""NumPy's functions on traced values: each goes to the function of `jax.numpy` with its name.

So a function that is written as with NumPy runs. Results have types of their own, as NumPy's do;
where NumPy would look at the data and raise, a check is staged.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators.aliases import viewed
from kolam.autograph._operators.bounds import check_indices
from kolam.autograph._operators.mutation import refuse
from kolam.autograph._operators.regions import user_location
from kolam.autograph._operators.weak import fail_if, has_tracer, strong
from kolam.core import ConversionError

_VIEWS = frozenset(
    {
        *("array_split", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_to", "diagonal"),
        *("dsplit", "expand_dims", "flip", "fliplr", "flipud", "hsplit", "imag", "moveaxis"),
        *("permute_dims", "ravel", "real", "reshape", "rollaxis", "rot90", "split", "squeeze"),
        *("swapaxes", "transpose", "unstack", "vsplit"),
    }
)
# what takes lists of arrays, and so not a list as one array
_TAKES_LISTS = frozenset(
    {
        *("array", "block", "broadcast_arrays", "choose", "einsum", "einsum_path", "ix_"),
        *("lexsort", "meshgrid", "piecewise", "select", "shape", "ndim", "size"),
    }
)
_OF_A_LIST = frozenset(
    {
        *("column_stack", "concat", "concatenate", "dstack", "hstack", "stack", "vstack"),
        *("linalg.multi_dot", "row_stack"),
    }
)
_TAKES_FUNCTIONS = frozenset({"apply_along_axis", "apply_over_axes", "fromfunction", "piecewise"})
_LEFT_OUT = frozenset({"casting", "kind", "order", "subok", "extobj", "like"})  # how, not what


def canonical(value: Any) -> Any:
    """Give a dtype of NumPy as wide as the numbers of a traced program are."""
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return jax.dtypes.canonicalize_dtype(value) if _is_known(value) else value
    return value


def _is_known(value: Any) -> bool:
    return np.dtype(value).kind in "biufc"


def call_numpy(
    label: str,
    staged: Callable[..., Any] | None,
    convert: Callable[[Any], Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call the function of `jax.numpy` for a function of NumPy that got a traced value.

    Args:
        label: Name of the function of NumPy, without ``np.``.
        staged: The function of `jax.numpy`; None if there is none.
        convert: Converts a function of the user.
        args: What the user gave.
        kwargs: What the user gave by name.

    Raises:
        ConversionError: It cannot be staged.
    """
    staged = _SPECIAL.get(label, staged)
    if staged is None:
        raise ConversionError(
            f"`np.{label}` is called with a traced value, and `jax.numpy` has no such function.",
            where=user_location(),
            how="Write it with other functions of `jax.numpy`.",
        )
    kwargs = _options(label, kwargs)
    args = tuple(map(canonical, args))
    if label in _OF_A_LIST:
        args = ([_as_array(one) for one in args[0]], *args[1:])
    elif label not in _TAKES_LISTS:
        args = tuple(_as_array(one) for one in args)
    if label in _TAKES_FUNCTIONS:
        args = tuple(convert(one) if callable(one) else one for one in args)
    dtype = kwargs.pop("dtype", None) if isinstance(staged, jnp.ufunc) else None
    call = functools.partial(_tried, label, staged)
    result = strong(call(*args, **kwargs))
    if dtype is not None:
        result = jax.tree.map(lambda leaf: leaf.astype(dtype), result)
    if label in _VIEWS:
        parts = result if isinstance(result, (list, tuple)) else [result]
        for part in parts:
            viewed(part, args[0])
    elif args and label not in ("asarray", "asanyarray"):
        result = another(result, args[0][0] if label in _OF_A_LIST and args[0] else args[0])
    return result


def another(result: Any, given: Any) -> Any:
    """Give a result that is another array than `given`, as NumPy's is."""
    return jnp.array(result) if result is given and isinstance(result, jax.Array) else result


def _options(label: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    if kwargs.get("out") is not None:
        raise ConversionError(
            f"`np.{label}(..., out=...)` writes into an array, and traced arrays do not change.",
            where=user_location(),
            how=f"Write `x = np.{label}(...)`, or `x[...] = np.{label}(...)`.",
        )
    kept = {
        key: canonical(value)
        for key, value in kwargs.items()
        if key not in _LEFT_OUT and not (key in ("out", "where") and value in (None, True))
    }
    return kept if label in _TAKES_LISTS else {k: _as_array(v) for k, v in kept.items()}


def _as_array(value: Any) -> Any:
    """Make one array of a list with traced values in it, as NumPy does."""
    if isinstance(value, (list, tuple)) and has_tracer(value) and not _is_index(value):
        return jnp.array(value)
    return value


def _is_index(value: Any) -> bool:
    return isinstance(value, tuple) and any(isinstance(one, slice) for one in value)


def _tried(label: str, staged: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function of `jax.numpy`; its refusals are told in the user's terms."""
    try:
        return staged(*args, **kwargs)
    except TypeError as error:
        text = str(error)
        if "requires ndarray or scalar arguments" in text:
            again = [np.asarray(one) if isinstance(one, (list, tuple)) else one for one in args]
            if any(new is not old for new, old in zip(again, args, strict=True)):
                return _tried(label, staged, *again, **kwargs)
        depends = isinstance(error, jax.errors.ConcretizationTypeError) or (
            "Shapes must be 1D sequences" in text
        )
        if not depends:
            raise
        raise ConversionError(
            f"The shape of what `np.{label}` gives, or something else that must be known, depends "
            "on a traced value.",
            where=user_location(),
            how="Arrays of a traced program have shapes that are known: keep the full size and "
            "mark what counts with `np.where(mask, x, 0)`, or make the value static.",
        ) from None


def _take(a: Any, indices: Any, axis: Any = None, *, mode: str = "raise") -> Any:
    a, indices = jnp.asarray(a), jnp.asarray(indices)
    if mode != "raise":
        return jnp.take(a, indices, axis=axis, mode=mode)
    if axis is None:
        a, axis = a.ravel(), 0
    axis = axis % a.ndim
    index = (*[slice(None)] * axis, indices)
    check_indices(a, index)
    return a[index]


def _take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    arr, indices = jnp.asarray(arr), jnp.asarray(indices)
    if axis is None:
        arr, axis = arr.ravel(), 0
    axis = axis % arr.ndim
    check_indices(arr, (*[slice(None)] * axis, indices.ravel()))
    return jnp.take_along_axis(arr, indices, axis=axis)


def _choose(a: Any, choices: Any, *, mode: str = "raise") -> Any:
    if mode == "raise":
        size = len(choices)
        wrong = jnp.any((jnp.asarray(a) < 0) | (jnp.asarray(a) >= size))
        fail_if(wrong, ValueError("invalid entry in choice array"))
        mode = "clip"
    return jnp.choose(a, choices, mode=mode)


def _unravel_index(indices: Any, shape: Any) -> Any:
    size = int(np.prod(shape))
    wrong = jnp.any((jnp.asarray(indices) < 0) | (jnp.asarray(indices) >= size))
    fail_if(wrong, ValueError(f"index is out of bounds for array with size {size}"))
    return jnp.unravel_index(indices, shape)


def _bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    if not minlength:
        raise ConversionError(
            "The length of what `np.bincount` gives depends on a traced value.",
            where=user_location(),
            how="Give `minlength`, one more than the largest number.",
        )
    fail_if(jnp.any(x < 0), ValueError("'list' argument must have no negative elements"))
    too_large = ConversionError(
        f"`np.bincount` meets a number above its `minlength` of {minlength}, so its result would "
        "be longer.",
        where=user_location(),
        how="Give a larger `minlength`.",
    )
    fail_if(jnp.any(x >= minlength), too_large)
    return jnp.bincount(x, weights, length=minlength)


def _power(x: Any, y: Any) -> Any:
    check_power(x, y)
    return jnp.power(x, y)


def check_power(x: Any, y: Any) -> None:
    """Stage that NumPy raises no integer to a negative integer."""
    kinds = [np.dtype(jnp.result_type(one)).kind for one in (x, y)]
    if kinds[0] in "iu" and kinds[1] == "i":
        wrong = jnp.any(jnp.asarray(y) < 0) if has_tracer(y) else bool(np.any(np.asarray(y) < 0))
        fail_if(wrong, ValueError("Integers to negative integer powers are not allowed."))


def _linear(name: str, text: str) -> Callable[..., Any]:
    """Raise as NumPy's linear algebra does where `jax.numpy` gives what is not finite."""
    staged = getattr(jnp.linalg, name)

    def call(a: Any, *args: Any, **kwargs: Any) -> Any:
        found = staged(a, *args, **kwargs)
        given = jnp.isfinite(jnp.asarray(a)).all()
        for other in args:
            given &= jnp.isfinite(jnp.asarray(other)).all() if not isinstance(other, str) else True
        fail_if(given & ~jnp.isfinite(found).all(), np.linalg.LinAlgError(text))
        return found

    return call


def _in_place(label: str) -> Callable[..., Any]:
    def call(*_: Any, **__: Any) -> Any:
        raise refuse(f"np.{label}(...)")

    return call


_SPECIAL: dict[str, Callable[..., Any]] = {
    **{
        label: _in_place(label)
        for label in ("copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask")
    },
    "bincount": _bincount,
    "choose": _choose,
    "fix": jnp.trunc,
    "linalg.cholesky": _linear("cholesky", "Matrix is not positive definite"),
    "linalg.inv": _linear("inv", "Singular matrix"),
    "linalg.solve": _linear("solve", "Singular matrix"),
    "pow": _power,
    "power": _power,
    "row_stack": jnp.vstack,
    "take": _take,
    "take_along_axis": _take_along_axis,
    "unravel_index": _unravel_index,
}


@functools.cache
def functions() -> dict[Any, tuple[str, Any]]:
    """Give NumPy's functions with their names and what stands for them in `jax.numpy`."""
    found: dict[Any, tuple[str, Any]] = {}
    for prefix, plain, staged in (
        ("linalg.", np.linalg, jnp.linalg),
        ("fft.", np.fft, jnp.fft),
        ("", np, jnp),
    ):
        for name, value in vars(plain).items():
            if callable(value) and not isinstance(value, type) and not name.startswith("_"):
                found.setdefault(value, (prefix + name, getattr(staged, name, None)))
    return found


def ufunc_method(ufunc: np.ufunc, name: str) -> Callable[..., Any]:
    """Give ``np.maximum.accumulate`` and its like for traced arrays."""
    staged = getattr(jnp, ufunc.__name__, None)
    if staged is not None and not isinstance(staged, jnp.ufunc):
        staged = jnp.frompyfunc(staged, ufunc.nin, ufunc.nout, identity=ufunc.identity)

    def call(*args: Any, **kwargs: Any) -> Any:
        label = f"{ufunc.__name__}.{name}"
        method = None if staged is None else getattr(staged, name)
        return call_numpy(label, method, lambda fn: fn, args, kwargs)

    return call


def scalar_type(kind: type[np.generic], value: Any) -> Any:
    """Give what ``np.float32(x)`` and its like are of a traced value."""
    return strong(jnp.asarray(value).astype(canonical(kind)))


def astype(array: Any, dtype: Any, *_: Any, copy: Any = True, **__: Any) -> Any:
    """Do ``x.astype(dtype)``: as wide as the numbers of a traced program are."""
    found = array.astype(canonical(np.dtype(dtype)))
    return another(found, array) if copy and array.ndim else found


def vectorized(made: np.vectorize, convert: Callable[[Any], Any]) -> Callable[..., Any]:
    """Give what `np.vectorize` made, for traced arrays."""
    staged = jnp.vectorize(convert(made.pyfunc), excluded=made.excluded, signature=made.signature)
    return lambda *args, **kwargs: strong(staged(*map(_as_array, args), **kwargs))
