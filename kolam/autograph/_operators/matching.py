"""Patterns of `match`: what they ask of a subject and what they capture.

A pattern is a function from a subject to a test and the captured values by name. The structure of
a value is known while Python runs, so most tests are; a comparison with a traced value is not.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from kolam.autograph._operators.bounded import bounded_of
from kolam.autograph._operators.branch import ifexp
from kolam.autograph._operators.check import carry, defined_truth, is_none, static, there, use
from kolam.autograph._operators.instances import is_, is_traced_truth, isinstance_
from kolam.autograph._operators.regions import user_location
from kolam.autograph._operators.sequences import Range
from kolam.autograph._operators.values import Maybe, is_traced
from kolam.core import ConversionError

Found = tuple[Any, dict[str, Any]]
Pattern = Callable[[Any], Found]
_NO: Found = (False, {})
_MISSING = object()
_MATCHES_ITSELF = 1 << 22  # of a class: `int(x)` captures the whole (Py_TPFLAGS_MATCH_SELF)


@dataclass(frozen=True, slots=True)
class Star:
    """The ``*name`` of a sequence pattern; no name captures nothing."""

    name: str | None


def subject(value: Any, name: str) -> Any:
    """Read the variable that a `match` is about; it may be None, but not without a value."""
    return carry(value, name)


def captured(value: Any, name: str, gone: tuple[Any, ...]) -> Any:
    """Give what the pattern `name` captures of a whole subject.

    Args:
        value: The subject.
        name: The name of the capture.
        gone: Which of None, True and False the cases before have taken.
    """
    return there(value) if None in gone else use(value, name)


def matched(value: Any, pattern: Pattern, gone: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Ask a whole pattern: the test, and what is captured, in the order of the names.

    Args:
        value: The subject.
        pattern: The pattern.
        gone: Which of None, True and False the cases before have taken.
    """
    if None in gone:
        value = there(value)
    if is_traced_truth(value) and len({True, False} & set(gone)) == 1:
        value = False in gone  # where this is asked the other one is gone
    test, found = pattern(value)
    return test, tuple(found[name] for name in sorted(found))


def pattern_value(expected: Callable[[], Any]) -> Pattern:
    """Match what is equal to a value."""

    def ask(value: Any) -> Found:
        return _both(_present(value), lambda: (_equal(there(value), expected()), {}))

    return ask


def _equal(value: Any, expected: Any) -> Any:
    truth = defined_truth(value == expected)
    return truth if is_traced(truth) else bool(truth)


def pattern_is(expected: bool | None) -> Pattern:
    """Match `None`, `True` or `False` itself."""

    def ask(value: Any) -> Found:
        if expected is None:
            return is_none(value), {}
        return _both(_present(value), lambda: (is_(there(value), expected), {}))

    return ask


def pattern_as(name: str | None, inner: Pattern | None) -> Pattern:
    """Match what `inner` matches, or anything, and capture it."""

    def ask(value: Any) -> Found:
        test, found = (True, {}) if inner is None else inner(value)
        if name is None or test is False:
            return test, found
        # a test that excludes None makes it certain; `x` alone takes what there is
        return test, found | {name: there(value) if inner is not None else use(value, name)}

    return ask


def pattern_or(*options: Pattern) -> Pattern:
    """Match what one of several patterns matches; the first that holds captures."""

    def ask(value: Any) -> Found:
        found: list[Found] = []
        for option in options:
            one = option(value)
            if one[0] is False:
                continue
            found.append(one)
            if not is_traced(one[0]):
                break
        if not found:
            return _NO
        test, names = found[-1]
        for first, first_names in reversed(found[:-1]):
            if names:
                names = _chosen(first, first_names, names)
            test = True if test is True else jnp.logical_or(first, test)
        return test, names

    return ask


def _chosen(test: Any, first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return {
        name: ifexp(
            test,
            functools.partial(_same, first[name]),
            functools.partial(_same, other),
            0,
            kind="|",
        )
        for name, other in second.items()
    }


def pattern_star(name: str | None) -> Star:
    """Match the rest of a sequence."""
    return Star(name)


def pattern_sequence(*parts: Pattern | Star) -> Pattern:
    """Match a sequence item by item; arrays are none, as for Python."""
    stars = [at for at, part in enumerate(parts) if isinstance(part, Star)]

    def ask_value(value: Any) -> Found:
        if isinstance(value, Range) or bounded_of(value) is not None:
            kind = "range" if isinstance(value, Range) else "list"
            raise ConversionError(
                f"A {kind} whose length is known only at run time is matched with a sequence "
                "pattern.",
                where=user_location(),
                how="Ask for its length and its items with an `if`.",
            )
        if not _is_sequence(value):
            return _NO
        size, wanted = len(value), len(parts) - len(stars)
        if size < wanted or (size > wanted and not stars):
            return _NO
        items = list(value)
        if stars:
            at, end = stars[0], stars[0] + size - wanted
            items = [*items[:at], items[at:end], *items[end:]]
        return _all(zip(parts, items, strict=True))

    return lambda value: _both(_present(value), lambda: ask_value(there(value)))


def _is_sequence(value: Any) -> bool:
    match value:
        case [*_]:
            return True
    return False


def pattern_mapping(
    pairs: tuple[tuple[Callable[[], Any], Pattern], ...], rest: str | None
) -> Pattern:
    """Match a mapping by some of its keys; `rest` captures the others."""

    def ask_value(value: Any) -> Found:
        if not _is_mapping(value) or len(value) < len(pairs):
            return _NO
        items: list[tuple[Pattern | Star, Any]] = []
        keys: list[Any] = []
        for key_of, part in pairs:
            key = static(key_of(), "A key of a mapping pattern", "Make the key static.")
            if key in keys:
                raise ValueError(f"mapping pattern checks duplicate key ({key!r})")
            keys.append(key)
            item = value.get(key, _MISSING)
            if item is _MISSING:
                return _NO
            items.append((part, item))
        if rest is not None:
            others = {key: item for key, item in dict(value).items() if key not in keys}
            items.append((pattern_as(rest, None), others))
        return _all(items)

    return lambda value: _both(_present(value), lambda: ask_value(there(value)))


def _is_mapping(value: Any) -> bool:
    match value:
        case {}:
            return True
    return False


def pattern_class(
    kind_of: Callable[[], Any],
    positional: tuple[Pattern, ...],
    keywords: tuple[tuple[str, Pattern], ...],
    read: Callable[[Any, str], Any],
) -> Pattern:
    """Match an instance of a class by attributes.

    Args:
        kind_of: Gives the class.
        positional: Patterns for the attributes that the class lists in ``__match_args__``.
        keywords: Names of attributes and their patterns.
        read: Gives an attribute of an object.
    """

    def ask(value: Any) -> Found:
        kind = kind_of()
        if not isinstance(kind, type):
            raise TypeError("called match pattern must be a type")
        test = isinstance_(value, kind)
        if test is False:
            return _NO
        return _both(test, lambda: ask_parts(kind, there(value)))

    def ask_parts(kind: type, value: Any) -> Found:
        names = [*_positional_names(kind, len(positional)), *(name for name, _ in keywords)]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise TypeError(
                    f"{kind.__name__}() got multiple sub-patterns for attribute {name!r}"
                )
        parts = [*positional, *(part for _, part in keywords)]
        items: list[tuple[Pattern, Any]] = []
        for name, part in zip(names, parts, strict=True):
            try:
                items.append((part, value if name is None else read(value, name)))
            except AttributeError:
                return _NO
        return _all(items)

    return ask


def _positional_names(kind: type, count: int) -> list[str | None]:
    """Give the attributes that `count` positional patterns stand for; None is the whole."""
    if not count:
        return []
    listed = getattr(kind, "__match_args__", None)
    if listed is None:
        listed = (None,) if kind.__flags__ & _MATCHES_ITSELF else ()
    if not isinstance(listed, tuple):
        raise TypeError(
            f"{kind.__name__}.__match_args__ must be a tuple (got {type(listed).__name__})"
        )
    if count > len(listed):
        plural = "" if len(listed) == 1 else "s"
        raise TypeError(
            f"{kind.__name__}() accepts {len(listed)} positional sub-pattern{plural} "
            f"({count} given)"
        )
    for name in listed[:count]:
        if not isinstance(name, (str, type(None))):
            raise TypeError(f"__match_args__ elements must be strings (got {type(name).__name__})")
    return list(listed[:count])


def _all(pairs: Any) -> Found:
    """Ask several patterns of several values; the first that surely fails ends it."""
    test: Any = True
    found: dict[str, Any] = {}
    for part, item in pairs:
        if isinstance(part, Star):
            found |= {} if part.name is None else {part.name: item}
            continue
        test, more = _both(test, functools.partial(part, item))
        if test is False:
            return _NO
        found |= more
    return test, found


def _present(value: Any) -> Any:
    return value.present if isinstance(value, Maybe) else True


def _both(first: Any, then: Callable[[], Found]) -> Found:
    """Join a test with one that is asked only if the first may hold."""
    if first is False:
        return _NO
    test, found = then()
    if test is False:
        return _NO
    if first is not True and test is not True:
        return jnp.logical_and(first, test), found
    return (test if first is True else first), found


def _same(value: Any) -> Any:
    return value
