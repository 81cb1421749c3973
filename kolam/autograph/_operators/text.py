"""Text with run-time values in it: f-strings, `str`, `format`, `print`."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators.regions import context
from kolam.autograph._operators.values import Maybe, is_traced

_CONVERSIONS = {115: str, 114: repr, 97: ascii}  # the codes of `ast.FormattedValue.conversion`


@dataclass(frozen=True, eq=False, slots=True)
class RuntimeText:
    """A text that is known once the program runs.

    Attributes:
        parts: Text, or a value with its conversion and its format.
    """

    parts: tuple[Any, ...]

    def __add__(self, other: Any) -> "RuntimeText":
        return RuntimeText((*self.parts, other))

    def __radd__(self, other: Any) -> "RuntimeText":
        return RuntimeText((other, *self.parts))

    def __str__(self) -> str:
        # Python wants a str here; what asks for one outside print, assert and raise has no text
        raise TypeError("text made of traced values is known only at run time")

    __repr__ = __str__


@dataclass(frozen=True, eq=False, slots=True)
class Quoted:
    """One value in a text, with its conversion ("", "s", "r", "a" as codes) and format."""

    value: Any
    conversion: int
    spec: Any


def has_runtime(value: Any) -> bool:
    """Whether a value, or a part of it, is known only at run time."""
    if isinstance(value, (RuntimeText, Maybe)):
        return True
    return any(is_traced(leaf) or isinstance(leaf, RuntimeText) for leaf in jax.tree.leaves(value))


def fstring(*parts: Any) -> Any:
    """Build an f-string; values come as ``(value, conversion, spec)``."""
    quoted = [part if isinstance(part, str) else Quoted(*part) for part in parts]
    if any(isinstance(part, Quoted) and has_runtime((part.value, part.spec)) for part in quoted):
        return RuntimeText(tuple(quoted))
    return "".join(part if isinstance(part, str) else _format(part) for part in quoted)


def text_of(value: Any) -> Any:
    """Stand in for `str(value)`."""
    return RuntimeText((Quoted(value, 115, ""),)) if has_runtime(value) else str(value)


def _format(part: Quoted) -> str:
    value, spec = part.value, part.spec
    if part.conversion in _CONVERSIONS:
        convert: Any = _CONVERSIONS[part.conversion]
        value = convert(value)
    return format(value, spec)


def split(value: Any) -> tuple[list[Any], Any]:
    """Split into traced leaves and a rest that `join` puts them back into."""
    arrays: list[Any] = []
    return arrays, _split(value, arrays)


@dataclass(frozen=True, slots=True)
class _Hole:
    index: int
    weak: bool


def _split(value: Any, arrays: list[Any]) -> Any:
    if isinstance(value, RuntimeText):
        return RuntimeText(tuple(_split(part, arrays) for part in value.parts))
    if isinstance(value, Quoted):
        return Quoted(_split(value.value, arrays), value.conversion, _split(value.spec, arrays))
    if isinstance(value, Maybe):
        return _split(value.value, arrays)

    def leaf_split(leaf: Any) -> Any:
        if isinstance(leaf, RuntimeText):
            return _split(leaf, arrays)
        if not isinstance(leaf, jax.core.Tracer):
            return leaf
        arrays.append(leaf)
        return _Hole(len(arrays) - 1, leaf.weak_type)

    return jax.tree.map(leaf_split, value)


def join(rest: Any, arrays: list[Any]) -> Any:
    """Put run-time arrays into what `split` left; texts become `str`."""
    if isinstance(rest, RuntimeText):
        return "".join(_show(join(part, arrays)) for part in rest.parts)
    if isinstance(rest, Quoted):
        return _format(Quoted(join(rest.value, arrays), rest.conversion, join(rest.spec, arrays)))

    def leaf_join(leaf: Any) -> Any:
        if isinstance(leaf, RuntimeText):
            return join(leaf, arrays)
        return as_python(arrays[leaf.index], leaf.weak) if isinstance(leaf, _Hole) else leaf

    return jax.tree.map(leaf_join, rest)


def _show(part: Any) -> str:
    return part if isinstance(part, str) else str(part)


def as_python(array: Any, weak: bool) -> Any:
    """Give an array as plain Python would have it: numbers where it computed with numbers."""
    array = np.asarray(array)
    if array.ndim:
        return array
    if array.dtype == np.float32 and weak:  # the shortest text of the float32, not of its float64
        return float(str(array))
    return array.item() if weak or array.dtype == bool else array[()]


def staged_print(
    *values: Any, sep: str | None = " ", end: str | None = "\n", **options: Any
) -> None:
    """Stand in for `print`: at run time when a value is traced or the code is staged."""
    from kolam.autograph._operators.regions import in_staged_code

    sep, end = " " if sep is None else sep, "\n" if end is None else end
    if not in_staged_code() and not has_runtime(values):
        print(*values, sep=sep, end=end, **options)  # noqa: T201 - the user's own
        return
    if not context.effects:
        return
    arrays, rest = split(values)

    def run(wanted: Any, *known: Any) -> None:
        if wanted:
            print(*join(rest, list(known)), sep=sep, end=end, **options)  # noqa: T201 - the user's

    jax.debug.callback(run, _is_reached(), *arrays, ordered=context.ordered)


def _is_reached() -> Any:
    """Whether plain Python gets to the code that is traced now, for this example of a batch."""
    reached: Any = np.True_
    for region in context.regions:
        for test, outcome in region.alive:
            test = test() if callable(test) else test
            reached = reached & (test if outcome else jnp.logical_not(test))
        if region.failure.code is not None:
            reached = reached & (region.failure.code == 0)
    return reached
