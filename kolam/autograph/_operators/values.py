"""What a variable may hold while a region is staged, and how two such values become one.

A *plan* is a value whose traced leaves are `Slot`s: places that a staged program fills. All else in
it is static and the same on every path.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

# Any in this room: values of the user's program, of every type


class _Marker:
    """A value of its own that only says what it is called."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"


UNDEFINED = _Marker("undefined")
UNREACHED = _Marker("unreached")  # the path ended in an exception before the end of the region


@dataclass(slots=True)
class Maybe:
    """A value that is there only if `present` holds at run time.

    Attributes:
        value: What it is when present; anything otherwise.
        present: A traced bool.
        missing: What it is in plain Python when not present: `None`, or `UNDEFINED`.
    """

    value: Any
    present: Any
    missing: Any


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
    if isinstance(value, Maybe):
        return True
    return any(is_traced(leaf) for leaf in jax.tree.leaves(value))


def is_array_like(value: Any) -> bool:
    """Whether a leaf can be an array of a traced program."""
    if isinstance(value, (bool, int, float, complex, jax.Array, Slot)):
        return not isinstance(value, int) or isinstance(value, bool) or -(2**31) <= value < 2**32
    return isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufcV"


def slot_of(leaf: Any, index: int = -1) -> Slot:
    """Give the type of an array-like leaf."""
    if isinstance(leaf, Slot):
        return leaf
    if not isinstance(leaf, jax.Array):
        leaf = jax.eval_shape(lambda: jnp.asarray(leaf))
    return Slot(tuple(leaf.shape), leaf.dtype, bool(getattr(leaf, "weak_type", False)), index)


def flatten(value: Any) -> tuple[list[Any], Any]:
    """Flatten the containers that JAX knows; None and unknown objects are leaves or structure."""
    return jax.tree.flatten(value, is_leaf=lambda x: isinstance(x, (Slot, Maybe)))


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
    shape = left.shape
    if left.shape != right.shape:
        kind = Grows if grows and () in (left.shape, right.shape) else Disagreement
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
    if leaf.dtype != slot.dtype or (leaf.weak_type and not slot.weak):
        if slot.weak:  # a weak type comes from arithmetic with a Python number only
            leaf = leaf * {"i": 1, "u": 1, "f": 1.0, "c": 1.0 + 0.0j}[np.dtype(slot.dtype).kind]
        else:
            leaf = lax.convert_element_type(leaf, slot.dtype)
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
        isinstance(a, (jax.Array, Slot))
        or isinstance(b, (jax.Array, Slot))
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
    try:
        return bool(a == b)
    except (TypeError, ValueError):
        return False


def _parts(value: Any) -> tuple[Any, Any, Any]:
    """Split into value, present (True, False or a leaf) and what is missing."""
    if isinstance(value, Maybe):
        return value.value, value.present, value.missing
    if value is UNDEFINED or value is None:
        return UNREACHED, False, value
    return value, True, UNREACHED


def unify(left: Any, right: Any, *, grows: bool = False) -> Any:
    """Give the plan that holds two values; each may hold `Slot`s and be a `Maybe`.

    Raises:
        Disagreement: There is none.
    """
    if left is UNREACHED or right is UNREACHED:
        return right if left is UNREACHED else left
    if (left is None and right is None) or (left is UNDEFINED and right is UNDEFINED):
        return left
    left_value, left_present, left_missing = _parts(left)
    right_value, right_present, right_missing = _parts(right)
    value = _unify_trees(left_value, right_value, grows)
    if left_present is True and right_present is True:
        return value
    missing = {id(m): m for m in (left_missing, right_missing) if m is not UNREACHED}
    if len(missing) > 1:
        raise Disagreement("it is None on one path and has no value at all on another")
    present = _unify_leaf(left_present, right_present, grows)
    return Maybe(value, present, next(iter(missing.values())))


def _unify_trees(left: Any, right: Any, grows: bool) -> Any:
    if left is UNREACHED or right is UNREACHED:
        return right if left is UNREACHED else left
    left_leaves, left_tree = flatten(left)
    right_leaves, right_tree = flatten(right)
    if left_tree != right_tree:
        raise Disagreement(f"its structures are {show(left)} and {show(right)}")
    pairs = zip(left_leaves, right_leaves, strict=True)
    return jax.tree.unflatten(left_tree, [_unify_leaf(a, b, grows) for a, b in pairs])


def _unify_leaf(left: Any, right: Any, grows: bool) -> Any:
    if same_static(left, right):
        return left
    if is_array_like(left) and is_array_like(right):
        slot = join_slots(slot_of(left), slot_of(right), grows=grows)
        return Slot(slot.shape, slot.dtype, slot.weak)
    raise Disagreement(f"it is {show(left)} on one path and {show(right)} on another")


def show(value: Any) -> str:
    """Describe a value for a message: types of arrays, short text of others."""
    if isinstance(value, (Slot, jax.Array, np.ndarray)):
        return str(slot_of(value))
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(show, value[:6])) + (", ..." if len(value) > 6 else "")
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {show(item)}" for key, item in value.items()) + "}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def plan_slots(plan: Any) -> list[Slot]:
    """List the slots of a plan, in order."""
    return [leaf for leaf in flatten(_open(plan))[0] if isinstance(leaf, Slot)]


def _open(plan: Any) -> Any:
    """Turn a `Maybe` into a tuple, so that its leaves are seen."""
    return (plan.value, plan.present) if isinstance(plan, Maybe) else plan


def fill(plan: Any, arrays: Callable[[], Any]) -> Any:
    """Put arrays into the slots of a plan, in order."""
    if isinstance(plan, Maybe):
        value = fill(plan.value, arrays)
        present = fill(plan.present, arrays)
        return value if present is True else Maybe(value, present, plan.missing)
    if plan is UNDEFINED or plan is UNREACHED:
        return UNDEFINED
    leaves, tree = flatten(plan)
    return jax.tree.unflatten(
        tree, [arrays() if isinstance(leaf, Slot) else leaf for leaf in leaves]
    )


def outputs(plan: Any, value: Any, arrays: Sequence[Any]) -> list[Any]:
    """Give what goes into the slots of `plan` when a path ends with `value`.

    Args:
        plan: Joined from `value` and others.
        value: What the path left; its slots are indices into `arrays`.
        arrays: Outputs of the traced path.
    """
    if isinstance(plan, Maybe):
        inner, present, _ = _parts(value) if value is not UNREACHED else (UNREACHED, False, None)
        return outputs(plan.value, inner, arrays) + outputs(plan.present, present, arrays)
    slots = plan_slots(plan)
    if value is UNREACHED:
        return [zeros(slot) for slot in slots]
    found = []
    plan_leaves, value_leaves = flatten(plan)[0], flatten(value)[0]
    for target, leaf in zip(plan_leaves, value_leaves, strict=True):
        if isinstance(target, Slot):
            source = arrays[leaf.index] if isinstance(leaf, Slot) else leaf
            found.append(coerce(source, target))
    return found


def initial_plan(value: Any) -> Any:
    """Give the plan of a variable that a loop starts with: every number and array is a slot."""
    if isinstance(value, Maybe):
        return Maybe(initial_plan(value.value), initial_plan(value.present), value.missing)
    if value is UNDEFINED:
        return value
    leaves, tree = flatten(value)
    slots = []
    for leaf in leaves:
        if is_array_like(leaf):
            slot = slot_of(leaf)
            leaf = Slot(slot.shape, slot.dtype, slot.weak)
        slots.append(leaf)
    return jax.tree.unflatten(tree, slots)


def same_plan(left: Any, right: Any) -> bool:
    """Whether two plans have the same structure, types and static leaves."""
    if isinstance(left, Maybe) != isinstance(right, Maybe):
        return False
    left_leaves, left_tree = flatten(_open(left))
    right_leaves, right_tree = flatten(_open(right))
    return left_tree == right_tree and all(
        a.same_type(b) if isinstance(a, Slot) and isinstance(b, Slot) else same_static(a, b)
        for a, b in zip(left_leaves, right_leaves, strict=True)
    )
