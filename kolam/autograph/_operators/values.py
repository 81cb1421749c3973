"""What a variable may hold while a region is staged: arrays, values that may be missing, types."""

import operator
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from types import FunctionType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kolam.autograph._operators.bounded import HIDDEN
from kolam.autograph._primitives import weak

# Any in this room: values of the user's program, of every type


class _Marker:
    """A value of its own that only says what it is called."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"


UNDEFINED = _Marker("undefined")
UNCHANGED = _Marker("unchanged")  # is there already: nothing is written
UNREACHED = _Marker("unreached")  # the path ended in an exception before the end of the region


class HasTruth:
    """Stands for a value of Python whose truth may be traced."""

    __slots__ = ()

    @abstractmethod
    def as_truth(self) -> Any:
        """Give the truth, a bool or a traced one."""


@jax.tree_util.register_pytree_node_class
@dataclass(eq=False, slots=True)
class Maybe:
    """A value that is there only if `present` holds at run time.

    It can be computed with: every use checks that it is there.

    Attributes:
        value: What it is when present; anything otherwise.
        present: A traced bool.
        missing: What it is in plain Python when not present: `None`, or `UNDEFINED`.
    """

    value: Any
    present: Any
    missing: Any

    def tree_flatten(self) -> tuple[tuple[Any, Any], Any]:
        """Give the value and whether it is there, for JAX."""
        return (self.value, self.present), self.missing

    @classmethod
    def tree_unflatten(cls, missing: Any, leaves: Any) -> "Maybe":
        """Rebuild from what `tree_flatten` gave."""
        value, present = leaves
        return cls(value, present, missing)


class _Uses:
    """What values need of files that are built on this one, which set it.

    Attributes:
        there: Makes a `Maybe` usable.
        compare: Evaluates a comparison, named as in the `ast` module.
        resolve: Gives what is called in place of a function.
        fails: Stages an exception; takes the test and the exception.
        contains: Evaluates `in`.
        text: What texts of traced values can do, by name.
        join: Gives one of several values by a traced number, part by part.
        fill: Gives the value that a plan describes, from the next arrays.
        slots: Gives the slots of a plan.
    """

    there: Callable[[Maybe], Any]
    compare: Callable[[str, Any, Any], Any]
    resolve: Callable[[Any], Any]
    fails: Callable[[Any, BaseException], None]
    join: Callable[[Any, Any], Any]
    contains: Callable[[Any, Any], Any]
    fill: Callable[[Any, Callable[[], Any]], Any]
    slots: Callable[[Any], list[Any]]
    text: Any  # a module: it is built on this one


uses = _Uses()


def _delegate(name: str) -> Callable[..., Any]:
    def method(self: Maybe, *arguments: Any) -> Any:
        operate = getattr(operator, name, None)
        given = [uses.there(part) if isinstance(part, Maybe) else part for part in arguments]
        mine = uses.there(self)
        if operate is None:
            return getattr(mine, name)(*given)
        return operate(mine, *given)

    return method


for _name in (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"),
    *("lshift", "rshift", "neg", "pos", "abs", "invert", "lt", "le", "gt", "ge"),
    *("getitem", "radd", "rsub", "rmul", "rtruediv", "rfloordiv", "rmod", "rpow", "rmatmul"),
):
    setattr(Maybe, f"__{_name}__", _delegate(f"__{_name}__"))
Maybe.__eq__ = lambda self, other: uses.compare("Eq", self, other)  # type: ignore[method-assign]
Maybe.__ne__ = lambda self, other: uses.compare("NotEq", self, other)  # type: ignore[method-assign]
Maybe.__hash__ = None  # type: ignore[method-assign, assignment]
Maybe.__getattr__ = lambda self, name: _of_maybe(self, name)  # type: ignore[attr-defined]
Maybe.__jax_array__ = lambda self: jnp.asarray(uses.there(self))  # type: ignore[attr-defined]


def _of_maybe(value: Maybe, name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(uses.there(value), name)


@dataclass(frozen=True, slots=True)
class Slot:
    """A traced leaf: its type, and where among the outputs of the region it is found."""

    shape: tuple[int, ...]
    dtype: Any
    weak: bool
    index: int = -1

    @property
    def aval(self) -> jax.ShapeDtypeStruct:
        """The type as JAX wants it."""
        return jax.ShapeDtypeStruct(self.shape, self.dtype, weak_type=self.weak)

    def same_type(self, other: "Slot") -> bool:
        """Whether both have the same shape, dtype and weakness."""
        mine, yours = (self.shape, self.dtype, self.weak), (other.shape, other.dtype, other.weak)
        return mine == yours

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


class Disagreement(Exception):  # noqa: N818 - it is caught and told with a name and a line
    """Two values cannot be one; the text says why."""


class Grows(Disagreement):
    """A scalar became an array in a loop: the first trip is not like the others."""


def is_traced(value: Any) -> bool:
    """Whether the value of an array is unknown while Python runs."""
    if not isinstance(value, jax.core.Tracer):
        return False
    # a tracer of an eager `grad` knows its value, so Python can go on with it
    known = getattr(value, "to_concrete_value", None)
    return known is None or known() is None


def has_traced(value: Any) -> bool:
    """Whether any leaf of a value is traced."""
    return any(is_traced(leaf) or leaf is HIDDEN for leaf in jax.tree.leaves(value))


def is_array_like(value: Any) -> bool:
    """Whether a leaf can be an array of a traced program; a member of an enum is none."""
    if isinstance(value, Enum):
        return False
    if isinstance(value, (bool, int, float, complex, jax.Array, Slot)):
        return not isinstance(value, int) or isinstance(value, bool) or -(2**31) <= value < 2**32
    return isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufcV"


def slot_of(leaf: Any, index: int = -1) -> Slot:
    """Give the type of an array-like leaf."""
    if isinstance(leaf, Slot):
        return leaf
    if not isinstance(leaf, (jax.Array, jax.core.ShapedArray)):
        leaf = jax.typeof(leaf)
    return Slot(tuple(leaf.shape), leaf.dtype, bool(getattr(leaf, "weak_type", False)), index)


def as_weak(array: Any, dtype: Any) -> Any:
    """Give an array as arithmetic with Python numbers would have made it."""
    array = jnp.asarray(array)
    return array if array.weak_type and array.dtype == dtype else weak(array, dtype)


@lru_cache(maxsize=4096)
def _joined_dtype(left: Any, left_weak: bool, right: Any, right_weak: bool) -> tuple[Any, bool]:
    a = jax.ShapeDtypeStruct((), left, weak_type=left_weak)
    b = jax.ShapeDtypeStruct((), right, weak_type=right_weak)
    with jax.numpy_dtype_promotion("standard"):
        out = jax.eval_shape(lambda x, y: jnp.where(True, x, y), a, b)
    return out.dtype, bool(out.weak_type)


def join_slots(left: Slot, right: Slot, *, grows: bool) -> Slot:
    """Give the smallest type that holds both.

    Args:
        left: One type.
        right: The other.
        grows: Whether it is told apart that a scalar became an array.

    Raises:
        Grows: A scalar became an array.
        Disagreement: There is none.
    """
    if left.same_type(right):
        return left
    shape = left.shape or right.shape
    if left.shape != right.shape and (grows or () not in (left.shape, right.shape)):
        kind = Grows if () in (left.shape, right.shape) else Disagreement
        raise kind(f"the shapes are {left.shape} and {right.shape}")
    extended = any(jnp.issubdtype(slot.dtype, jax.dtypes.extended) for slot in (left, right))
    if extended or left.dtype == right.dtype:
        if left.dtype != right.dtype:
            raise Disagreement(f"the dtypes are {left.dtype} and {right.dtype}")
        return Slot(shape, left.dtype, left.weak and right.weak)
    return Slot(shape, *_joined_dtype(left.dtype, left.weak, right.dtype, right.weak))


def coerce(leaf: Any, slot: Slot) -> Any:
    """Give `leaf` the type of `slot`, which was joined from it."""
    if isinstance(leaf, (bool, int, float, complex)) or not isinstance(leaf, jax.Array):
        leaf = jnp.asarray(leaf)
    weak = slot.weak and slot.dtype != bool
    if leaf.dtype != slot.dtype or (leaf.dtype != bool and bool(leaf.weak_type) != weak):
        convert = as_weak if weak else lax.convert_element_type
        leaf = convert(leaf, slot.dtype)
    return leaf if leaf.shape == slot.shape else jnp.broadcast_to(leaf, slot.shape)


def zeros(slot: Slot) -> Any:
    """Give a filler of a type, for a path on which there is no value."""
    if jnp.issubdtype(slot.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(jax.random.key(0), slot.shape)
    if slot.weak:
        scalar = jnp.asarray(np.zeros((), slot.dtype).item())
        return jnp.broadcast_to(scalar, slot.shape)
    return jnp.zeros(slot.shape, slot.dtype)


def same_static(a: Any, b: Any) -> bool:
    """Whether two leaves are known to be the same value."""
    if a is b:
        return True
    if (
        isinstance(a, (jax.Array, Slot, Maybe, HasTruth))
        or isinstance(b, (jax.Array, Slot, Maybe, HasTruth))
        or type(a) is not type(b)
    ):
        return False
    if isinstance(a, (np.ndarray, np.generic)):
        return bool(a.dtype == b.dtype and np.array_equal(a, b))
    if isinstance(a, float):
        return a.hex() == b.hex()
    if isinstance(a, FunctionType):  # the same `def` on two paths
        same = a.__code__ is b.__code__ and a.__closure__ == b.__closure__
        return same and same_static(a.__defaults__, b.__defaults__)
    if type(a).__hash__ is None:  # it can change: two equal ones are not one
        return False
    try:
        return bool(a == b)
    except (TypeError, ValueError, jax.errors.ConcretizationTypeError):
        return False
