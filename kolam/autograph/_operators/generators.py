"""Generators of converted code: Python asks them for items, or they push them into a loop.

A pushed generator runs as a plain function that calls the body of the loop, so data may choose how
often it gives a value, and its own loops are staged.
"""

import collections.abc
import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType, GeneratorType
from typing import Any

from kolam.autograph._operators.libraries import is_library
from kolam.autograph._operators.regions import context, user_location
from kolam.core import ConversionError, SourceLocation

PUSHES = "__kolam_pushes__"  # attribute of generated generator functions


@dataclass(frozen=True, eq=False, slots=True)
class Pushes:
    """How the items of a generator function are pushed.

    Attributes:
        make: Takes the consumer and whether it may stop, and gives a function of the same
            arguments; None if there is no such form.
        has_tests: Whether an `if` or `while` stands around a `yield`.
        can_be_listed: Whether nobody sees if all items are made at once.
        sees_end: Whether it would catch what its consumer raises, if that ran inside it.
    """

    make: Callable[[Callable[[Any], Any], bool], FunctionType | None]
    has_tests: bool
    can_be_listed: bool
    sees_end: bool


def pushes(
    factory: Callable[..., FunctionType], *facts: bool
) -> Callable[[FunctionType], FunctionType]:
    """Decorate an inner generator with its forms that push."""

    def note(native: FunctionType) -> FunctionType:
        def make(consume: Callable[[Any], Any], stops: bool) -> FunctionType:
            made = factory(consume, stops)
            made.__defaults__, made.__kwdefaults__ = native.__defaults__, native.__kwdefaults__
            return made

        native.__dict__[PUSHES] = Pushes(make, *facts)
        return native

    return note


def consumed(consume: Callable[[Any], Any], item: Any) -> Any:
    """Hand an item to who goes through a generator; tells whether that was enough."""
    return consume(item)


class Stream:
    """What the call of a generator function gives in converted code."""

    def __init__(self, raw: FunctionType, how: Pushes, *args: Any, **kwargs: Any) -> None:
        self.native: GeneratorType[Any, Any, Any] = raw(*args, **kwargs)
        self.how, self.args, self.kwargs = how, args, kwargs
        self.is_fresh = False  # whether nobody but the loop that goes through it has it
        self.rest: Any = None  # the items to come, once they are in a list
        self.left: SourceLocation | None = None

    def __iter__(self) -> Iterator[Any]:
        return self.asked()

    def __next__(self) -> Any:
        return next(self.asked())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.native, name)

    def asked(self) -> Iterator[Any]:
        """Give the generator that Python asks for items."""
        self._refuse_if_left()
        return self.native if self.rest is None else iter(self.rest)

    def is_new(self) -> bool:
        """Whether no item was taken yet."""
        return self.rest is None and inspect.getgeneratorstate(self.native) == "GEN_CREATED"

    def can_be_listed(self) -> bool:
        """Whether nobody sees if all its items are made at once."""
        inner = [one for one in self.args if isinstance(one, Stream)]
        endless = any(getattr(one, "stop", 0) is None for one in self.args)
        return self.how.can_be_listed and not endless and all(s.can_be_listed() for s in inner)

    def pushing(self, consume: Callable[[Any], Any], *, stops: bool) -> Callable[[], Any] | None:
        """Give what pushes all items into `consume`; None if they have to be asked for."""
        self._refuse_if_left()
        if (
            self.how.sees_end
            or not self.is_new()
            or (stops and not (self.is_fresh or self.how.has_tests))
        ):
            return None
        made = self.how.make(consume, stops)
        if made is None:
            return None
        return lambda: made(*self.args, **self.kwargs)

    def leave(self, halted: Any) -> None:
        """Note that a loop has gone through it; `halted` tells whether items may be left."""
        self.native.close()
        self.args, self.kwargs = (), {}
        self.left = None if halted is False else user_location()

    def _refuse_if_left(self) -> None:
        if self.left is not None:
            raise ConversionError(
                f"A generator is used again that the loop in line {self.left.line} may have left "
                "before its end.",
                where=user_location(),
                how="Go through it once, with one loop; or keep the items: `items = list(...)`.",
            )


collections.abc.Generator.register(Stream)


class Managed:
    """What a function under `contextlib.contextmanager` gives: its generator runs the suite."""

    def __init__(self, made: Any, raw: FunctionType, args: Any, kwargs: Any) -> None:
        self.made, self.raw, self.args, self.kwargs = made, raw, args, kwargs

    def __enter__(self) -> Any:
        return self.made.__enter__()

    def __exit__(self, *error: Any) -> Any:
        return self.made.__exit__(*error)

    def run(self, suite: Callable[[Any], Any]) -> bool:
        """Run the suite of a `with` where the generator yields; False if it has to be asked."""
        how = self.raw.__dict__.get(PUSHES)
        run = None if how is None else how.make(suite, False)
        if run is None:
            return False
        self.made.gen.close()
        run(*self.args, **self.kwargs)
        return True


_HELPER = contextlib.contextmanager(lambda: iter(())).__code__


def managing(callee: FunctionType, convert_raw: Callable[[Any], Any]) -> Any:
    """Give what stands for a function under `contextlib.contextmanager`; None for others."""
    inner = getattr(callee, "__wrapped__", None)
    if callee.__code__ is not _HELPER or not isinstance(inner, FunctionType):
        return None
    if is_library(inner.__globals__.get("__name__")) or not context.regions:
        return None
    raw = convert_raw(inner)

    def start(*args: Any, **kwargs: Any) -> Managed:
        return Managed(contextlib.contextmanager(raw)(*args, **kwargs), raw, args, kwargs)

    return start


def streaming(raw: Any) -> Any:
    """Give what is called in place of a generated function: generators give streams."""
    how = raw.__dict__.get(PUSHES) if isinstance(raw, FunctionType) else None
    if how is None or not context.regions:
        return raw

    def start(*args: Any, **kwargs: Any) -> Stream:
        return Stream(raw, how, *args, **kwargs)

    return start


def fresh(iterable: Any) -> Any:
    """Stand around what a loop goes through, if it was made for that loop."""
    if isinstance(iterable, Stream):
        iterable.is_fresh = True
    return iterable


class _Conversion:
    """What converts the functions of `tools`; set where the operators are put together."""

    raw: Callable[[FunctionType], Any]


conversion = _Conversion()


def run(helper: Any, *args: Any) -> Any:
    """Call a function of `tools`, converted."""
    return streaming(conversion.raw(helper))(*args)
