"""One of several static values, chosen by data: texts, enum members, functions, objects."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators.values import Slot, as_weak, is_traced, same_static
from kolam.core import ConversionError


class _Links:
    """What notes that a value may be another one; set by the file that knows about families."""

    link: Callable[[Any, Any], None]


links = _Links()


class _Same(tuple[Any, ...]):
    """Values that are compared by identity: not all can be hashed, and `==` may be the user's."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Same) or len(self) != len(other):
            return False
        return all(map(same_static, self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return len(self)


@jax.tree_util.register_pytree_node_class
@dataclass(frozen=True, eq=False, slots=True)
class OneOf:
    """One of several static values.

    Attributes:
        options: The values; no two are the same.
        index: Which of them: a traced integer, or a `Slot` in a plan.
    """

    options: tuple[Any, ...]
    index: Any

    def tree_flatten(self) -> tuple[tuple[Any], "_Same"]:
        """Give the index and the options, for JAX."""
        return (self.index,), _Same(self.options)

    @classmethod
    def tree_unflatten(cls, options: "_Same", leaves: Any) -> "OneOf":
        """Rebuild from what `tree_flatten` gave."""
        return cls(tuple(options), leaves[0])

    def map(self, fn: Callable[[Any], Any]) -> Any:
        """Give `fn` of the value; `fn` has no effects and is asked for every option."""
        return chosen([fn(option) for option in self.options], self.index)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.map(operator.attrgetter(name))

    def __eq__(self, other: object) -> Any:
        return self._compared(operator.eq, other)

    def __ne__(self, other: object) -> Any:
        return self._compared(operator.ne, other)

    def __lt__(self, other: Any) -> Any:
        return self._compared(operator.lt, other)

    def __le__(self, other: Any) -> Any:
        return self._compared(operator.le, other)

    def __gt__(self, other: Any) -> Any:
        return self._compared(operator.gt, other)

    def __ge__(self, other: Any) -> Any:
        return self._compared(operator.ge, other)

    def __add__(self, other: Any) -> Any:
        return self._compared(operator.add, other)

    def __radd__(self, other: Any) -> Any:
        return self.map(lambda option: other + option)

    def __getitem__(self, index: Any) -> Any:
        return self.map(lambda option: option[index])

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return bool(self.map(bool))

    def __str__(self) -> str:
        raise TypeError("text chosen by traced values is known only at run time")

    __repr__ = __str__

    def _compared(self, how: Callable[[Any, Any], Any], other: Any) -> Any:
        if isinstance(other, OneOf):
            return other.map(lambda theirs: self.map(lambda mine: how(mine, theirs)))
        return self.map(lambda mine: how(mine, other))


def chosen(values: Sequence[Any], index: Any) -> Any:
    """Give one of several values by a number, which may be traced."""
    if not is_traced(index):
        return values[int(index)]
    if all(_is_one(value, values[0]) for value in values[1:]):
        return values[0]
    kinds = {type(value) for value in values}
    if kinds <= {bool, np.bool_}:
        return jnp.array(np.array(values, bool))[index]
    if all(
        isinstance(value, (bool, int, float, jax.Array, np.ndarray, np.generic)) for value in values
    ):
        weak = all(
            isinstance(value, (bool, int, float)) or getattr(value, "weak_type", False)
            for value in values
        )
        with jax.numpy_dtype_promotion("standard"):
            found = jnp.stack(list(jnp.broadcast_arrays(*values)))[index]
        found = as_weak(found, found.dtype) if weak and found.dtype != bool else found
        for value in values:
            links.link(found, value)
        return found
    options: tuple[Any, ...] = ()
    places = []
    for value in values:
        if isinstance(value, OneOf):
            table = []
            for option in value.options:
                options, at = _with(options, option)
                table.append(at)
            places.append(jnp.array(table, np.int32)[value.index])
        else:
            options, at = _with(options, value)
            places.append(at)
    return OneOf(
        options,
        as_weak(jnp.stack([jnp.asarray(p, np.int32) for p in places])[index], np.dtype(np.int32)),
    )


def _is_one(a: Any, b: Any) -> bool:
    """Whether two values are one, also for who writes to them."""
    return a is b if isinstance(a, np.ndarray) and a.ndim else same_static(a, b)


def _with(options: tuple[Any, ...], value: Any) -> tuple[tuple[Any, ...], int]:
    for at, option in enumerate(options):
        if same_static(option, value):
            return options, at
    return (*options, value), len(options)


def union(left: Any, right: Any) -> tuple[Any, ...]:
    """Give the options of two values together."""
    options: tuple[Any, ...] = ()
    for side in (left, right):
        for option in side.options if isinstance(side, OneOf) else (side,):
            options, _ = _with(options, option)
    return options


def place_in(options: tuple[Any, ...], value: Any, arrays: Sequence[Any]) -> Any:
    """Give the number of a value among `options`, which hold it.

    Args:
        options: The options of a plan.
        value: A static value, or a `OneOf` whose index may be a slot among `arrays`.
        arrays: Outputs of the traced path.
    """
    if not isinstance(value, OneOf):
        return _with(options, value)[1]
    index = value.index
    index = arrays[index.index] if isinstance(index, Slot) else index
    table = [_with(options, option)[1] for option in value.options]
    if table == list(range(len(table))):
        return index
    return as_weak(jnp.array(table, np.int32)[index], np.dtype(np.int32))


def decoded(value: OneOf) -> Any:
    """Give the value, once the program has run.

    Raises:
        ConversionError: It is still traced, or there is one for each example of a batch.
    """
    if is_traced(value.index) or np.ndim(value.index):
        raise ConversionError(
            "A text or object chosen by data is returned from inside a transformation of JAX.",
            how="Return a number, and look the text or object up after the call.",
        )
    return value.options[int(value.index)]
