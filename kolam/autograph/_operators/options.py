"""One of several static values, chosen by data: texts, enum members, functions, objects."""

import copy
import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators.bounded import bounded_of
from kolam.autograph._operators.faults import is_of_python
from kolam.autograph._operators.values import (
    HasTruth,
    Maybe,
    Slot,
    as_weak,
    is_array_like,
    is_traced,
    same_static,
    uses,
)
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
class OneOf(HasTruth):
    """One of several static values: an operation on it is the operation on each of them.

    It is no dataclass, for functions such as `dataclasses.asdict` would take it apart.

    Attributes:
        options: The values; no two are the same.
        index: Which of them: a traced integer, or a `Slot` in a plan.
    """

    __slots__ = ("index", "options")

    def __init__(self, options: tuple[Any, ...], index: Any) -> None:
        self.options = options
        self.index = index

    def tree_flatten(self) -> tuple[tuple[Any], "_Same"]:
        """Give the index and the options, for JAX."""
        return (self.index,), _Same(self.options)

    @classmethod
    def tree_unflatten(cls, options: "_Same", leaves: Any) -> "OneOf":
        """Rebuild from what `tree_flatten` gave."""
        return cls(tuple(options), leaves[0])

    def map(self, fn: Callable[[Any], Any], *, is_new: bool = False) -> Any:
        """Give `fn` of the value; `fn` has no effects and is asked for every option.

        What it raises for an option is raised after the call, if it is that option.

        Args:
            fn: A function of one option.
            is_new: Whether lists and dicts that it gives are new ones, which nobody else holds.
        """
        if not is_traced(self.index):
            return fn(self.options[int(self.index)])
        found: list[Any] = []
        errors: dict[int, Exception] = {}
        for k, option in enumerate(self.options):
            try:
                found.append(fn(option))
            except Exception as error:  # the user's own, or raised again
                if not is_of_python(error):
                    raise
                found.append(_NOTHING)
                errors[k] = error
        given = [value for value in found if value is not _NOTHING]
        if not given:
            last = errors.pop(len(found) - 1)
            if not isinstance(last, AttributeError):  # it may be asked whether there is one
                self._fail(errors)
            raise last
        self._fail(errors)
        values = [given[0] if one is _NOTHING else one for one in found]
        if is_new and any(isinstance(value, (list, dict)) for value in values):
            parts = by_parts(values, self.index)
            return uses.join(values, self.index) if parts is None else parts
        return chosen(values, self.index)

    def _fail(self, errors: dict[int, Exception]) -> None:
        told: dict[tuple[type, Any], list[int]] = {}
        for k, error in errors.items():
            is_known = all(isinstance(part, str) for part in error.args)
            told.setdefault((type(error), error.args if is_known else k), []).append(k)
        for numbers in told.values():
            table = [k in numbers for k in range(len(self.options))]
            failed = jnp.array(table)[self.index] if len(numbers) > 1 else self.index == numbers[0]
            uses.fails(failed, errors[numbers[0]])

    def as_number(self) -> Any:
        """Give the value as a number, which members of an `IntEnum` are; None if it is none."""
        if not all(isinstance(option, (int, float)) for option in self.options):
            return None
        return chosen([plain_number(option) for option in self.options], self.index)

    def as_truth(self) -> Any:
        """Give the truth of the value."""
        return self.map(bool)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in _NAMES:
            raise AttributeError(f"a OneOf has no attribute {name}")
        return self.attribute(name)

    def attribute(self, name: str) -> Any:
        """Read an attribute; a list or dict is the very one, for somebody may write to it."""
        if is_traced(self.index) and all(hasattr(option, name) for option in self.options):
            found = [getattr(option, name) for option in self.options]
            if all(type(one) in (list, dict) for one in found):
                return one_of(found, self.index)
        return self.map(operator.attrgetter(name))

    def __getitem__(self, index: Any) -> Any:
        return self.map(lambda option: option[index])

    def __iter__(self) -> Iterator[Any]:
        items = self.as_list()
        if bounded_of(items) is not None:
            raise TypeError("the number of items of a OneOf is known only at run time")
        return iter(items)

    def as_list(self) -> list[Any]:
        """Give a list of the items; its length is traced if the options differ in length."""
        found: list[Any] = uses.join([list(option) for option in self.options], self.index)
        return found

    def __len__(self) -> int:
        (length,) = {len(option) for option in self.options}
        return length

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return uses.resolve(self)(*args, **kwargs)

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return bool(self.as_truth())

    def __jax_array__(self) -> Any:
        found = self.as_number()
        if found is None:
            raise TypeError("a OneOf is no number")
        return jnp.asarray(found)

    def __str__(self) -> str:
        raise TypeError("the text of a OneOf is known only at run time")

    __repr__ = __str__

    def __copy__(self) -> "OneOf":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "OneOf":
        return OneOf(tuple(copy.deepcopy(option, memo) for option in self.options), self.index)

    def _with_other(self, how: Callable[[Any, Any], Any], other: Any) -> Any:
        if isinstance(other, OneOf):
            pairs = tuple(itertools.product(self.options, other.options))
            index = self.index * len(other.options) + other.index
            return OneOf(pairs, index).map(lambda pair: how(*pair))
        if isinstance(other, HasTruth):  # it knows how
            return NotImplemented
        if isinstance(other, jax.Array):
            number = self.as_number()
            if number is not None:
                return how(number, other)
        return self.map(lambda mine: how(mine, other))


_NOTHING = object()
_NAMES = ("__name__", "__qualname__")


def _operation(name: str) -> Callable[..., Any]:
    how = getattr(operator, f"__{name}__")
    return lambda self, other: self._with_other(how, other)


def _reflected(name: str) -> Callable[..., Any]:
    how = getattr(operator, f"__{name}__")
    return lambda self, other: self._with_other(lambda mine, yours: how(yours, mine), other)


def _unary(name: str) -> Callable[..., Any]:
    how = getattr(operator, f"__{name}__")
    return lambda self: self.map(how)


_OPERATIONS = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"),
    *("lshift", "rshift"),
)
for _name in (*_OPERATIONS, "eq", "ne", "lt", "le", "gt", "ge"):
    setattr(OneOf, f"__{_name}__", _operation(_name))
for _name in _OPERATIONS:
    setattr(OneOf, f"__r{_name}__", _reflected(_name))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(OneOf, f"__{_name}__", _unary(_name))


def plain_number(value: Any) -> Any:
    """Give a member of an `IntEnum` as the number that it is; other values as they are."""
    if isinstance(value, Enum) and isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    return value


def number_like(value: Any) -> Any:
    """Give a number of the type that a member of an `IntEnum` is; other values as they are."""
    options = value.options if isinstance(value, OneOf) else (value,)
    if all(isinstance(one, Enum) and isinstance(one, (int, float)) for one in options):
        return plain_number(options[0])
    return value


def _is_number(value: Any) -> bool:
    return is_array_like(value) and not isinstance(value, Slot)


def chosen(values: Sequence[Any], index: Any) -> Any:
    """Give one of several values by a number, which may be traced."""
    if not is_traced(index):
        return values[int(index)]
    if all(_is_one(value, values[0]) for value in values[1:]):
        return values[0]
    kinds = {type(value) for value in values}
    if kinds <= {bool, np.bool_}:
        return jnp.array(np.array(values, bool))[index]
    if all(map(_is_number, values)) and len({np.shape(value) for value in values}) == 1:
        weak = all(
            isinstance(value, (bool, int, float)) or getattr(value, "weak_type", False)
            for value in values
        )
        with jax.numpy_dtype_promotion("standard"):
            found = jnp.stack([jnp.asarray(value) for value in values])[index]
        found = as_weak(found, found.dtype) if weak and found.dtype != bool else found
        for value in values:
            links.link(found, value)
        return found
    if len(kinds) == 1 and type(values[0]) is tuple:
        parts = by_parts(values, index)
        if parts is not None:
            return parts
    if any(map(_is_joined, values)):
        return uses.join(values, index)
    return one_of(values, index)


def one_of(values: Sequence[Any], index: Any) -> Any:
    """Give the very one of several values by a traced number, also for who writes to it."""
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


def by_parts(values: Sequence[Any], index: Any) -> Any:
    """Choose among containers of one structure part by part; None if they have several."""
    first = values[0]
    if any(isinstance(value, list) and bounded_of(value) is not None for value in values):
        return None
    if len({type(value) for value in values}) > 1 or type(first) not in (tuple, list, dict):
        return None
    if isinstance(first, dict):
        if any(list(value) != list(first) for value in values):
            return None
        return {key: chosen([value[key] for value in values], index) for key in first}
    if len({len(value) for value in values}) > 1:
        return None
    parts = [chosen(part, index) for part in zip(*values, strict=True)]
    return parts if isinstance(first, list) else tuple(parts)


def _is_joined(value: Any) -> bool:
    """Whether a value is put together with others part by part: it is no whole by itself."""
    if value is None or isinstance(value, (Maybe, jax.Array, np.ndarray)):
        return True
    return isinstance(value, HasTruth) and not isinstance(value, OneOf)


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
