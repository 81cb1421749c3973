"""How the values of two paths become one: plans, their joins, and the arrays that fill them.

A *plan* is a value whose traced leaves are `Slot`s: places that a staged program fills. All else in
it is static and the same on every path.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators.bounded import Bounded, Count, attach, bounded_of
from kolam.autograph._operators.libraries import is_library
from kolam.autograph._operators.options import OneOf, number_like, place_in, plain_number, union
from kolam.autograph._operators.records import Record, as_record, rebuild
from kolam.autograph._operators.shown import show
from kolam.autograph._operators.texts import RuntimeText, Texts, as_texts, has_runtime, key_of_text
from kolam.autograph._operators.values import (
    UNDEFINED,
    UNREACHED,
    Disagreement,
    Maybe,
    Slot,
    coerce,
    is_array_like,
    join_slots,
    same_static,
    slot_of,
    uses,
    zeros,
)
from kolam.autograph._primitives import belongs_here

_COUNT = Slot((), np.dtype(np.int32), weak=True)
_FLAG = Slot((), np.dtype(bool), weak=False)


@dataclass(frozen=True, eq=False, slots=True)
class _Node:
    """A container taken apart by one level."""

    children: tuple[Any, ...]
    rest: Any  # what tells one structure from another

    def rebuilt(self, children: Sequence[Any]) -> Any:
        kind = self.rest[0]
        if kind is list:
            return list(children)
        if kind is tuple:
            return tuple(children)
        if kind is dict:
            return dict(zip(self.rest[1], children, strict=True))
        if kind is Record:
            return Record(self.rest[1], self.rest[2], tuple(children))
        return jax.tree.unflatten(self.rest[1], children)

    def matches(self, other: "_Node") -> bool:
        if self.rest[0] is dict and other.rest[0] is dict:
            return len(self.rest[1]) == len(other.rest[1]) and set(self.rest[1]) == set(
                other.rest[1]
            )
        return bool(self.rest == other.rest)

    def in_order_of(self, other: "_Node") -> tuple[Any, ...]:
        """Give the children in the order that `other` has them."""
        if self.rest[0] is not dict or self.rest[1] == other.rest[1]:
            return self.children
        found = dict(zip(self.rest[1], self.children, strict=True))
        return tuple(found[key] for key in other.rest[1])


def _opened(value: Any) -> _Node | None:
    """Take a container apart; None for a leaf."""
    kind = type(value)
    if kind is list or kind is tuple:
        return _Node(tuple(value), (kind, len(value)))
    if kind is dict:
        return _Node(tuple(value.values()), (dict, tuple(value)))
    if kind is Record:
        return _Node(value.values, (Record, value.kind, value.names))
    if isinstance(
        value, (Slot, Maybe, OneOf, Bounded, Texts, RuntimeText, jax.Array, np.ndarray, np.generic)
    ):
        return None
    if value is None or isinstance(value, (bool, int, float, complex, str, type, FunctionType)):
        return None
    children, tree = jax.tree.flatten(value, is_leaf=lambda part: part is not value)
    if len(children) == 1 and children[0] is value:
        return None
    return _Node(tuple(children), (None, tree))


def plan_of(value: Any, add: Callable[[Any], int], is_own: Callable[[Any], bool]) -> Any:
    """Replace the traced leaves of a value by slots.

    Args:
        value: What a path left behind.
        add: Notes a traced leaf among the outputs and gives its index.
        is_own: Tells whether an object was made on that path, so that what it holds is taken apart.
    """
    value = _whole(value)
    if isinstance(value, jax.core.Tracer):
        return slot_of(value, add(value))
    if isinstance(value, Maybe):
        inner = plan_of(value.value, add, is_own)
        return Maybe(inner, plan_of(value.present, add, is_own), value.missing)
    if isinstance(value, OneOf):
        return OneOf(value.options, plan_of(value.index, add, is_own))
    if isinstance(value, RuntimeText):
        value = as_texts(value)
    if isinstance(value, Texts):
        arrays = tuple(tuple(plan_of(a, add, is_own) for a in part) for part in value.arrays)
        return Texts(value.options, plan_of(value.index, add, is_own), arrays)
    if isinstance(value, Bounded):
        buffers = tuple(plan_of(buffer, add, is_own) for buffer in value.buffers)
        count = value.count
        if isinstance(count, Count) and not belongs_here(count.base):
            pass  # a loop around counts from there: both paths may agree on what they add
        elif isinstance(count, Count):
            count = Count(plan_of(count.value, add, is_own), 0)
        elif isinstance(count, jax.core.Tracer):
            count = plan_of(count, add, is_own)
        return replace(value, buffers=buffers, count=count)
    node = _opened(value)
    if node is None and is_own(value):
        record = as_record(value)
        if record is not None:
            node = _opened(record)
    if node is None:
        return value
    return node.rebuilt([plan_of(child, add, is_own) for child in node.children])


def _whole(value: Any) -> Any:
    """Give the contents of a list that are kept beside it; other values as they are."""
    if type(value) is list:
        return bounded_of(value) or value
    return value


def _parts(value: Any, missing: Any) -> tuple[Any, Any]:
    """Split into the value and whether it is there (True, False or a leaf).

    Args:
        value: What a path left.
        missing: What stands for no value: None or `UNDEFINED`. A value that may be None and may
            also be undefined is a `Maybe` of both, the undefined one outside.
    """
    if missing is None and _may_be(value, UNDEFINED):
        missing = UNDEFINED  # a path that has not returned yet: see `returned`
    if isinstance(value, Maybe) and value.missing is missing:
        return value.value, value.present
    return (UNREACHED, False) if value is missing else (value, True)


def _may_be(value: Any, missing: Any) -> bool:
    return value is missing or (isinstance(value, Maybe) and value.missing is missing)


def unify(left: Any, right: Any, *, grows: bool = False) -> Any:
    """Give the plan that holds two values; each may hold `Slot`s and be a `Maybe`.

    Args:
        left: One value or plan.
        right: The other.
        grows: Whether it is told apart that a scalar became an array.

    Raises:
        Disagreement: There is none.
    """
    if left is right:
        return left
    if left is UNREACHED or right is UNREACHED:
        return right if left is UNREACHED else left
    for missing in (UNDEFINED, None):
        if _may_be(left, missing) or _may_be(right, missing):
            return _unify_missing(left, right, missing, grows)
    return _unify_present(_whole(left), _whole(right), grows)


def _unify_missing(left: Any, right: Any, missing: Any, grows: bool) -> Any:
    (mine, has_mine), (yours, has_yours) = _parts(left, missing), _parts(right, missing)
    if has_mine is False and has_yours is False:
        return left
    present = _unify_leaf(has_mine, has_yours, grows=False)
    return Maybe(unify(mine, yours, grows=grows), present, missing)


def _unify_present(left: Any, right: Any, grows: bool) -> Any:
    if isinstance(left, Bounded) or isinstance(right, Bounded):
        return _unify_lists(left, right)
    if isinstance(left, (Texts, RuntimeText)) or isinstance(right, (Texts, RuntimeText)):
        return _unify_texts(left, right)
    mine, yours = _opened(left), _opened(right)
    if mine is None and yours is None:
        if same_static(left, right):
            return left
        if is_array_like(left) or is_array_like(right):
            return _unify_leaf(left, right, grows)
        # two objects that exist: data choose between them, and a write goes to the one that it is
        records = as_record(left), as_record(right)
        if None in records or all(map(_can_be_chosen, (left, right))):
            return _unify_options(left, right)
        mine, yours = map(_opened, records)
    if mine is None or yours is None:  # an object, and what one became
        mine = mine or _opened(as_record(left))
        yours = yours or _opened(as_record(right))
    if mine is None or yours is None or not mine.matches(yours):
        if type(left) is list and type(right) is list:
            return _unify_lists(left, right)
        raise Disagreement(f"its structures are {show(left)} and {show(right)}")
    pairs = zip(mine.children, yours.in_order_of(mine), strict=True)
    return mine.rebuilt([unify(a, b, grows=grows) for a, b in pairs])


def _unify_leaf(left: Any, right: Any, grows: bool) -> Any:
    if same_static(left, right):
        return left
    left, right = number_like(left), number_like(right)
    if is_array_like(left) and is_array_like(right):
        slot = join_slots(slot_of(left), slot_of(right), grows=grows)
        return Slot(slot.shape, slot.dtype, slot.weak)
    raise Disagreement(f"it is {show(left)} on one path and {show(right)} on another")


def _unify_options(left: Any, right: Any) -> Any:
    for value in (left, right):
        if not isinstance(value, OneOf) and not _can_be_chosen(value):
            raise Disagreement(f"it is {show(left)} on one path and {show(right)} on another")
    return OneOf(union(left, right), _COUNT)


def _unify_texts(left: Any, right: Any) -> Texts:
    sides = as_texts(left), as_texts(right)
    options: dict[Any, tuple[Any, tuple[Any, ...]]] = {}
    for side in sides:
        if side is None:
            raise Disagreement(f"it is {show(left)} on one path and {show(right)} on another")
        for option, arrays in zip(side.options, side.arrays, strict=True):
            key = key_of_text(option)
            types = tuple(map(_slot, arrays))
            if key in options:
                types = tuple(unify(a, b) for a, b in zip(options[key][1], types, strict=True))
            options[key] = (option, types)
    if len(options) > _MOST_TEXTS:
        raise Disagreement("it is a text that grows with every trip")
    found = options.values()
    return Texts(tuple(o for o, _ in found), _COUNT, tuple(types for _, types in found))


_MOST_TEXTS = 64  # different texts that one variable may hold


def _slot(array: Any) -> Slot:
    slot = slot_of(array)
    return Slot(slot.shape, slot.dtype, slot.weak)


def _text_outputs(plan: Texts, value: Any, arrays: Sequence[Any]) -> list[Any]:
    given = as_texts(value)
    assert given is not None
    keys = list(map(key_of_text, given.options))
    wanted = list(map(key_of_text, plan.options))
    index = given.index
    index = arrays[index.index] if isinstance(index, Slot) else index
    table = [wanted.index(key) for key in keys]
    if isinstance(index, int):
        index = table[index]
    elif table != list(range(len(table))):
        index = jnp.array(table, np.int32)[index]
    found = outputs(plan.index, index, arrays)
    for key, slots in zip(wanted, plan.arrays, strict=True):
        own = given.arrays[keys.index(key)] if key in keys else [UNREACHED] * len(slots)
        for slot, array in zip(slots, own, strict=True):
            found += outputs(slot, array, arrays)
    return found


def _can_be_chosen(value: Any) -> bool:
    """Whether a static value can be one of several that data choose from."""
    if isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or () if _is_full(cell)]
        return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(cells))
    if isinstance(value, (str, bytes, Enum, type, MethodType, BuiltinFunctionType, ModuleType)):
        return True
    if isinstance(value, BaseException):
        return not has_runtime(value.args)
    # what a path made is taken apart, so traced values in an object are those from around it
    record = as_record(value)
    if record is None:  # an object without attributes
        return not is_library(type(value).__module__)
    return not any(isinstance(leaf, Slot) for leaf in jax.tree.leaves(record.values))


def _is_full(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _unify_lists(left: Any, right: Any) -> Bounded:
    """Join two lists whose lengths differ, or may differ."""
    if not all(isinstance(side, (list, Bounded)) for side in (left, right)):
        raise Disagreement(f"its structures are {show(left)} and {show(right)}")
    items = [_item_plan(side) for side in (left, right)]
    item = unify(*items)
    capacity = max(_capacity(left), _capacity(right))
    known = [side for side in (left, right) if isinstance(side, Bounded)]
    fixed = any(side.is_fixed for side in known)
    guessed = any(side.is_guessed for side in known)
    slots = plan_slots(item)
    buffers = tuple(Slot((capacity, *slot.shape), slot.dtype, slot.weak) for slot in slots)
    grown = max((side.grown for side in known), default=0)
    kind = bool(known) and all(side.as_tuple for side in known)
    count = _joined_count(left, right)
    return Bounded(item, buffers, count, capacity, fixed, guessed, grown, kind)


def _joined_count(left: Any, right: Any) -> Any:
    """Give the length that two lists have in common; a slot if nobody knows of one."""
    mine, yours = (side.count if isinstance(side, Bounded) else len(side) for side in (left, right))
    if isinstance(mine, Count) and isinstance(yours, Count):
        same = mine.base is yours.base and mine.offset == yours.offset
        return mine if same and not isinstance(mine.base, Slot) else _COUNT
    return mine if isinstance(mine, int) and mine == yours else _COUNT


def _capacity(value: Any) -> int:
    return value.capacity if isinstance(value, Bounded) else len(value)


def _item_plan(value: Any) -> Any:
    """Give the plan that holds every item of a list; `UNREACHED` if it is empty."""
    if isinstance(value, Bounded):
        return value.item
    plan: Any = UNREACHED
    for item in value:
        plan = unify(plan, initial_plan(item) if plan is UNREACHED else item)
    return plan


def bounded_from(items: Sequence[Any], *, room: int = 0) -> Bounded:
    """Give the contents of an ordinary list as buffers.

    Args:
        items: The items.
        room: How many more items there is to be room for.

    Raises:
        Disagreement: The items are not of one kind.
    """
    plan = _unify_lists(list(items), list(items))
    plan = replace(with_capacity(plan, len(items) + room), count=len(items))
    arrays = iter(outputs(plan, list(items), ()))
    buffers = tuple(next(arrays) for _ in plan.buffers)
    return replace(plan, buffers=buffers, count=len(items))


def with_capacity(plan: Bounded, capacity: int, *, is_fixed: bool | None = None) -> Bounded:
    """Give the plan of a list with another capacity."""
    buffers = tuple(
        Slot((capacity, *slot.shape), slot.dtype, slot.weak) for slot in plan_slots(plan.item)
    )
    fixed = plan.is_fixed if is_fixed is None else is_fixed
    return Bounded(
        plan.item, buffers, _COUNT, capacity, fixed, plan.is_guessed, as_tuple=plan.as_tuple
    )


def _inner(plan: Any) -> tuple[Any, ...]:
    """Give the parts of a plan that may hold slots, in the order of `fill` and `outputs`."""
    if isinstance(plan, Maybe):
        return plan.value, plan.present
    if isinstance(plan, OneOf):
        return (plan.index,)
    if isinstance(plan, Texts):
        return (plan.index, *(array for part in plan.arrays for array in part))
    if isinstance(plan, Bounded):
        count = plan.count.base if isinstance(plan.count, Count) else plan.count
        return *plan.buffers, count
    node = _opened(plan)
    return () if node is None else node.children


def plan_slots(plan: Any) -> list[Slot]:
    """List the slots of a plan, in order."""
    if isinstance(plan, Slot):
        return [plan]
    return [slot for part in _inner(plan) for slot in plan_slots(part)]


def fill(
    plan: Any, arrays: Callable[[], Any], note: Callable[[Any], Any] = lambda made: made
) -> Any:
    """Put arrays into the slots of a plan, in order.

    Args:
        plan: The plan.
        arrays: Gives the next array.
        note: Is told of every list, dict and object that is made.
    """
    if isinstance(plan, Slot):
        return arrays()
    if isinstance(plan, Maybe):
        value = fill(plan.value, arrays, note)
        present = fill(plan.present, arrays, note)
        return value if present is True else Maybe(value, present, plan.missing)
    if plan is UNDEFINED or plan is UNREACHED:
        return UNDEFINED
    if isinstance(plan, OneOf):
        return OneOf(plan.options, fill(plan.index, arrays, note))
    if isinstance(plan, Texts):
        index = fill(plan.index, arrays)
        inner = tuple(tuple(fill(one, arrays) for one in part) for part in plan.arrays)
        return RuntimeText((Texts(plan.options, index, inner),))
    if isinstance(plan, Bounded):
        buffers = tuple(fill(buffer, arrays) for buffer in plan.buffers)
        count = plan.count
        if isinstance(_count_of(plan), Slot):
            count = Count(arrays())
        made: list[Any] = []
        attach(made, replace(plan, buffers=buffers, count=count))
        return note(made)
    node = _opened(plan)
    if node is None:
        return plan
    new = node.rebuilt([fill(child, arrays, note) for child in node.children])
    if isinstance(new, Record):
        return note(rebuild(new))
    return note(new) if isinstance(new, (list, dict)) else new


def outputs(plan: Any, value: Any, arrays: Sequence[Any]) -> list[Any]:
    """Give what goes into the slots of `plan` when a path ends with `value`.

    Args:
        plan: Joined from `value` and others.
        value: What the path left; its slots are indices into `arrays`.
        arrays: Outputs of the traced path.
    """
    if isinstance(plan, Slot):
        if value is UNREACHED:
            return [zeros(plan)]
        if isinstance(value, OneOf):
            value = OneOf(value.options, _taken(value.index, arrays)).as_number()
        value = plain_number(value)
        return [coerce(arrays[value.index] if isinstance(value, Slot) else value, plan)]
    if value is UNREACHED:
        return [zeros(slot) for slot in plan_slots(plan)]
    if isinstance(plan, Maybe):
        inner, present = _parts(value, plan.missing)
        return outputs(plan.value, inner, arrays) + outputs(plan.present, present, arrays)
    if isinstance(plan, OneOf):
        return outputs(plan.index, place_in(plan.options, value, arrays), arrays)
    if isinstance(plan, Bounded):
        return _list_outputs(plan, _whole(value), arrays)
    if isinstance(plan, Texts):
        return _text_outputs(plan, value, arrays)
    node = _opened(plan)
    if node is None:
        return []
    given = _opened(value) or _opened(as_record(value))
    assert given is not None
    pairs = zip(node.children, given.in_order_of(node), strict=True)
    return [leaf for mine, yours in pairs for leaf in outputs(mine, yours, arrays)]


def _list_outputs(plan: Bounded, value: Any, arrays: Sequence[Any]) -> list[Any]:
    slots = plan_slots(plan.item)
    if isinstance(value, Bounded):
        buffers = [_taken(buffer, arrays) for buffer in value.buffers]
        if value.capacity == 0:
            buffers = [zeros(Slot((0, *s.shape), s.dtype, s.weak)) for s in slots]
        elif buffers or slots:
            buffers = _converted(plan.item, value.item, buffers, value.capacity)
        count = value.count.value if isinstance(value.count, Count) else value.count
        count = _taken(count, arrays)
    else:
        rows = [outputs(plan.item, item, arrays) for item in value]
        buffers = [
            jnp.stack([row[k] for row in rows])
            if rows
            else zeros(Slot((0, *slot.shape), slot.dtype, slot.weak))
            for k, slot in enumerate(slots)
        ]
        count = len(value)
    padded = [
        coerce(
            _padded(buffer, plan.capacity, slot),
            Slot((plan.capacity, *slot.shape), slot.dtype, slot.weak),
        )
        for buffer, slot in zip(buffers, slots, strict=True)
    ]
    return [*padded, *([coerce(count, _COUNT)] if isinstance(_count_of(plan), Slot) else [])]


def _count_of(plan: Bounded) -> Any:
    return plan.count.base if isinstance(plan.count, Count) else plan.count


def _taken(leaf: Any, arrays: Sequence[Any]) -> Any:
    return arrays[leaf.index] if isinstance(leaf, Slot) and leaf.index >= 0 else leaf


def _converted(plan: Any, item: Any, buffers: list[Any], capacity: int) -> list[Any]:
    """Give buffers of items `item` as buffers of items `plan`, which was joined from it."""
    if same_plan(plan, item):
        return buffers

    def one(*leaves: Any) -> list[Any]:
        given = iter(leaves)
        return outputs(plan, fill(item, lambda: next(given)), ())

    if not buffers:  # the items are static
        return [jnp.broadcast_to(leaf, (capacity, *jnp.shape(leaf))) for leaf in one()]
    return list(jax.vmap(one)(*buffers))


def _padded(buffer: Any, capacity: int, slot: Slot) -> Any:
    missing = capacity - buffer.shape[0]
    if missing <= 0:
        return buffer
    filler = jnp.broadcast_to(coerce(zeros(slot), slot), (missing, *slot.shape))
    return jnp.concatenate([coerce(buffer, Slot(buffer.shape, slot.dtype, slot.weak)), filler])


def initial_plan(value: Any) -> Any:
    """Give the plan of a variable that a loop starts with: every number and array is a slot."""
    value = _whole(value)
    if isinstance(value, Maybe):
        return Maybe(initial_plan(value.value), initial_plan(value.present), value.missing)
    if value is UNDEFINED:
        return value
    if isinstance(value, OneOf):
        return OneOf(value.options, initial_plan(value.index))
    if isinstance(value, Bounded):
        return with_capacity(value, value.capacity)
    if isinstance(value, (Texts, RuntimeText)):
        return _unify_texts(value, value)
    if is_array_like(value):
        slot = slot_of(value)
        return Slot(slot.shape, slot.dtype, slot.weak)
    node = _opened(value)
    return value if node is None else node.rebuilt([initial_plan(c) for c in node.children])


def same_plan(left: Any, right: Any) -> bool:
    """Whether two plans have the same structure, types and static leaves."""
    if left is right:
        return True
    if isinstance(left, Slot) and isinstance(right, Slot):
        return left.same_type(right)
    for kind in (Slot, Maybe, OneOf, Bounded, Texts):
        if isinstance(left, kind) != isinstance(right, kind):
            return False
    if isinstance(left, OneOf):
        same = len(left.options) == len(right.options)
        return same and all(map(same_static, left.options, right.options))
    if isinstance(left, Bounded):
        same = left.capacity == right.capacity and same_plan(left.item, right.item)
        counted = isinstance(_count_of(left), Slot) == isinstance(_count_of(right), Slot)
        return same and counted and all(map(same_plan, left.buffers, right.buffers))
    if isinstance(left, Texts):
        keys = [list(map(key_of_text, side.options)) for side in (left, right)]
        return keys[0] == keys[1] and all(map(same_plan, _inner(left), _inner(right)))
    if isinstance(left, Maybe):
        same = left.missing is right.missing and same_plan(left.value, right.value)
        return same and same_plan(left.present, right.present)
    mine, yours = _opened(left), _opened(right)
    if mine is None or yours is None:
        return mine is None and yours is None and same_static(left, right)
    return mine.matches(yours) and all(map(same_plan, mine.children, yours.in_order_of(mine)))


def picks(plans: Sequence[Any], values: Sequence[Any]) -> list[int] | None:
    """Give where among the outputs of a path the slots of `plans` are, if nothing is converted."""
    if not all(map(same_plan, plans, values)):
        return None
    found = [slot.index for value in values for slot in plan_slots(value)]
    return found if all(index >= 0 for index in found) else None


uses.fill, uses.slots = fill, plan_slots
