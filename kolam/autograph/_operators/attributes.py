"""Attributes: properties are converted, views of arrays are noted, writes are carried."""

import functools
import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from kolam.autograph._operators import arrays, host, mutation, numbers
from kolam.autograph._operators.aliases import check_object_write, viewed
from kolam.autograph._operators.branch import ifexp
from kolam.autograph._operators.options import OneOf
from kolam.autograph._operators.records import as_record
from kolam.autograph._operators.regions import (
    Attribute,
    Place,
    Region,
    Variable,
    context,
    key_of,
    note_write,
    user_location,
)
from kolam.autograph._operators.values import UNCHANGED, UNDEFINED, Maybe, is_traced, uses
from kolam.core import ConversionError, SourceLocation

_VIEWS = frozenset({"T", "mT", "real", "imag"})
_COPIES = frozenset({"clip", "conj", "flatten", "round"})
_PROPERTIES = (property, functools.cached_property)
_properties: weakref.WeakKeyDictionary[type, dict[str, Any]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, eq=False, slots=True)
class _Of:
    """An object one attribute of which is about to be read: ``_kl.of(x).name`` is ``x.name``."""

    target: Any
    resolve: Callable[[Any], Any]

    def __getattr__(self, name: str) -> Any:
        target = self.target
        if isinstance(target, jax.Array):
            if name in mutation.METHODS:
                raise mutation.refuse(f"x.{name}(...)")
            if name in host.METHODS and is_traced(target):
                raise host.needs_value(name)
            if name == "astype":
                return functools.partial(arrays.astype, target)
            if name == "flat":
                return flat(target)
            found = numbers.attribute_of(target, name)
            if numbers.is_there(found):
                return found
            value = getattr(target, name)
            if callable(value):  # only methods that give views are asked for in this way
                method = _method_of_copy if name in _COPIES else _method_of_view
                return functools.partial(method, value, target)
            return viewed(value, target) if name in _VIEWS else value
        if isinstance(target, OneOf):
            return self._of_one(target, name)
        found = _properties_of(type(target)).get(name)
        if isinstance(found, functools.cached_property):
            if name not in vars(target):
                set_attribute(target, name, self.resolve(found.func)(target), self.resolve)
            return vars(target)[name]
        if found is not None and found.fget is not None:
            return self.resolve(found.fget)(target)
        return getattr(target, name)

    def _of_one(self, target: OneOf, name: str, k: int = 0) -> Any:
        """Read an attribute of an object that data choose; a property runs for that one alone."""
        if not any(name in _properties_of(type(option)) for option in target.options):
            return target.attribute(name)
        this = functools.partial(getattr, _Of(target.options[k], self.resolve), name)
        if k == len(target.options) - 1:
            return this()
        rest = functools.partial(self._of_one, target, name, k + 1)
        return ifexp(target.index == k, this, rest, 0, kind=".")


def of(target: Any, resolve: Callable[[Any], Any]) -> Any:
    """Stand before ``.name``, for objects whose attributes may run the user's code."""
    if isinstance(target, Maybe):
        target = uses.there(target)
    is_special = isinstance(target, (jax.Array, OneOf)) or _properties_of(type(target))
    return _Of(target, resolve) if is_special else target


def flat(array: Any) -> Any:
    """Give ``array.flat`` as an array, which shows the same memory where it can."""
    if isinstance(array, np.ndarray) and not array.flags.c_contiguous:
        return array.flat
    return viewed(array.reshape(-1), array)


_BACK: dict[str, Callable[[Any, Any], Any]] = {
    "T": lambda view, _: view.T,
    "mT": lambda view, _: view.mT,
    "flat": lambda view, array: view.reshape(array.shape),
    "real": lambda view, array: view + 1j * array.imag if array.dtype.kind == "c" else view,
    "imag": lambda view, array: array.real + 1j * view,
}


def view_of(target: Any, name: str) -> Any:
    """Give the attribute of an object that is about to be written in."""
    is_array = isinstance(target, (jax.Array, np.ndarray))
    if is_array and name == "flat":
        return flat(target)
    found = getattr(target, name)
    return viewed(found, target) if is_array else found


def through_view(target: Any, name: str, view: Any, resolve: Callable[[Any], Any]) -> Any:
    """Give the array whose view, an attribute, was written; other attributes are stored."""
    if isinstance(target, (jax.Array, np.ndarray)):
        return _BACK[name](view, target)
    put_attribute(target, name, view, resolve)
    return UNCHANGED


def put_attribute(target: Any, name: str, value: Any, resolve: Callable[[Any], Any]) -> None:
    """Store an array that was written in place in the attribute where it stood."""
    try:
        set_attribute(target, name, value, resolve)
    except AttributeError as error:  # a named tuple, a frozen dataclass, a property
        raise ConversionError(
            f"`{name}` of a {type(target).__name__} holds an array that is written in place, and "
            "the attribute cannot be set.",
            where=user_location(),
            how="Arrays of a traced program do not change: the attribute gets a new one. Give the "
            "array a name, write to that, and make a new object with it.",
        ) from error


def _method_of_copy(method: Callable[..., Any], target: Any, *args: Any, **kwargs: Any) -> Any:
    return arrays.another(method(*args, **kwargs), target)


def _method_of_view(method: Callable[..., Any], target: Any, *args: Any, **kwargs: Any) -> Any:
    return viewed(method(*args, **kwargs), target)


def _properties_of(kind: type) -> dict[str, Any]:
    """Give the properties of a class that user code defines, by name; cached ones too."""
    known = _properties.get(kind)
    if known is None:
        known = {}
        for base in reversed(kind.__mro__):
            known.update({k: v for k, v in vars(base).items() if isinstance(v, _PROPERTIES)})
        fresh = type(object.__getattribute__) is type(kind.__getattribute__)
        known = known if fresh and not issubclass(kind, jax.Array) else {}
        _properties[kind] = known
    return known


def get_attribute(target: Any, name: str, *default: Any) -> Any:
    """Do ``getattr(target, name, default)``; data may have decided whether there is one."""
    found = getattr(target, name, *default)
    if not default or not isinstance(found, Maybe) or found.missing is not UNDEFINED:
        return found
    return ifexp(found.present, lambda: found.value, lambda: default[0], 0, kind="getattr")


def has_attribute(target: Any, name: str) -> Any:
    """Do ``hasattr(target, name)``."""
    found = getattr(target, name, UNDEFINED)
    if isinstance(found, Maybe) and found.missing is UNDEFINED:
        return found.present
    return found is not UNDEFINED


def set_attribute(target: Any, name: str, value: Any, resolve: Callable[[Any], Any]) -> None:
    """Do ``target.name = value``; data may choose the object."""
    if isinstance(target, OneOf):
        _set_of_one(target, name, value, resolve)
        return
    found = _properties_of(type(target)).get(name)
    if isinstance(found, property) and found.fset is not None:
        resolve(found.fset)(target, value)
        return
    if context.regions:
        check_object_write(target, name)
        note_write(Attribute(target, name))
    try:
        setattr(target, name, value)
    except AttributeError:
        for region in context.regions:  # there is nothing to put back
            region.written.pop(key_of(Attribute(target, name)), None)
        raise


def _set_of_one(
    target: OneOf, name: str, value: Any, resolve: Callable[[Any], Any], k: int = 0
) -> None:
    def write() -> None:
        set_attribute(target.options[k], name, value, resolve)

    if k == len(target.options) - 1:
        write()
    else:
        rest = functools.partial(_set_of_one, target, name, value, resolve, k + 1)
        ifexp(target.index == k, write, rest, 0, kind="[]")


def setattr_(target: Any, name: Any, value: Any) -> None:
    """Stand in for `setattr`; data may choose the name."""
    if not isinstance(name, OneOf):
        set_attribute(target, name, value, uses.resolve)
        return
    for k, option in enumerate(name.options):
        write = functools.partial(set_attribute, target, option, value, uses.resolve)
        ifexp(name.index == k, write, _nothing, 0, kind="setattr")


def _nothing() -> None:
    """Leave the attribute as it is."""


def getattr_(target: Any, name: Any, *default: Any) -> Any:
    """Stand in for `getattr`; data may choose the name."""
    if isinstance(name, OneOf):
        return name.map(lambda option: getattr_(target, option, *default))
    return get_attribute(of(target, uses.resolve), name, *default)


def delete_attribute(target: Any, name: str) -> None:
    """Do ``del target.name``."""
    if context.regions:
        check_object_write(target, name)
        note_write(Attribute(target, name))
    delattr(target, name)


def refuse_leaks(region: Region, result: Any, extra: list[tuple[Place, Any]]) -> None:
    """Refuse traced values that a finished function leaves in what outlives it.

    Args:
        region: The whole function.
        result: What it returned; objects in it may hold traced values.
        extra: Variables around the function and what they held before.

    Raises:
        ConversionError: An attribute, container or variable would keep a value of the trace. It
            holds again what it held before.
    """
    nodes: set[int] = set()
    _note_nodes(nodes, result)
    # variables of inner functions end with the call
    written = [pair for pair in region.written.values() if not isinstance(pair[0], Variable)]
    leaking = [
        (place, old)
        for place, old in [*written, *extra]
        if id(getattr(place, "target", place)) not in nodes and _is_traced(place.read())
    ]
    del written
    if not leaking:
        return
    region.written.clear()
    region.born.clear()
    context.families = {}
    gc.collect()  # takes a tenth of a second where Keras is loaded
    for place, old in leaking:
        owner = getattr(place, "target", None)
        if owner is None or _outlives(place, owner):
            place.write(old)
            raise _leak(place, region.lines.get(key_of(place)))


def _note_nodes(nodes: set[int], value: Any) -> None:
    """Note the containers and objects that a result is made of."""
    for leaf in jax.tree.leaves(value, is_leaf=functools.partial(_noted, nodes)):
        record = as_record(leaf)
        if record is not None and id(record) not in nodes:
            for part in record.values:
                if id(part) not in nodes:
                    _note_nodes(nodes, part)


def _noted(nodes: set[int], node: Any) -> bool:
    nodes.add(id(node))
    return False


def _is_traced(value: Any) -> bool:
    if isinstance(value, Maybe):
        return True
    leaves = jax.tree.leaves(value if value is not UNDEFINED else ())
    return any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)


def _outlives(place: Place, owner: Any) -> bool:
    """Whether somebody beside the `place` and this module still holds an object."""
    return any(
        holder is not place and not (hasattr(holder, "f_code") and holder.f_code in _OWN)
        for holder in gc.get_referrers(owner)
    )


_OWN = {_outlives.__code__, refuse_leaks.__code__}


def _leak(place: Place, where: SourceLocation | None) -> ConversionError:
    match place:
        case Attribute():
            what = f"The attribute `{place.name}` of a {type(place.target).__name__}"
        case _:
            what = f"`{place.name}`"
    return ConversionError(
        f"{what} would keep a value that is known only at run time after the call.",
        where=where,
        how="A compiled function leaves nothing behind but its result. Return the new value and "
        "store it after the call.",
    )
