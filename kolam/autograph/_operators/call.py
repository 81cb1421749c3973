"""Calls of converted code: what is called is converted first, unless a library owns it."""

import copy
import dataclasses
import dis
import functools
import inspect
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import BuiltinMethodType, CodeType, FunctionType, MethodDescriptorType, MethodType
from typing import Any

import jax

from kolam.autograph._operators import characters, lists, mappings, ordering
from kolam.autograph._operators.aliases import check_write
from kolam.autograph._operators.bounded import any_bounded, bounded_of, lists_in
from kolam.autograph._operators.builtins import STAND_INS
from kolam.autograph._operators.by_option import by_option, is_member_by_data, member
from kolam.autograph._operators.check import raising
from kolam.autograph._operators.codes import OfCode
from kolam.autograph._operators.comparisons import count_in, index_in, is_plain
from kolam.autograph._operators.foreign import stand_in
from kolam.autograph._operators.generators import Stream, managing, streaming
from kolam.autograph._operators.instances import name_in_python
from kolam.autograph._operators.iteration import is_pushed, iterated, iterator_tool, listed
from kolam.autograph._operators.layers import calling, is_keras
from kolam.autograph._operators.libraries import is_library
from kolam.autograph._operators.options import OneOf
from kolam.autograph._operators.regions import (
    Attribute,
    Contents,
    GlobalVariable,
    Variable,
    context,
    note_birth,
    note_write,
    user_frame,
)
from kolam.autograph._operators.subscript import call_one_of
from kolam.autograph._operators.texts import Joined, Quoted, RuntimeText, has_runtime
from kolam.autograph._operators.tools import MARK
from kolam.autograph._operators.values import has_traced, is_traced

_MUTATORS = frozenset(
    {
        *("append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse"),
        *("update", "setdefault", "popitem", "add", "discard"),
    }
)
# these give new objects of the user's classes, or new containers
_MAKERS = (
    *(dataclasses.replace, dataclasses.asdict, dataclasses.astuple, copy.copy, copy.deepcopy),
)
_TAKES_FUNCTIONS = ("jax", "functools", "itertools")
_FEW_ITEMS = 32  # of a list that are compared one by one
DO_NOT_CONVERT = "__kolam_do_not_convert__"
# generated code to the variables of functions around it that it binds
WRITES: OfCode[tuple[str, ...]] = OfCode()


# generated code to the globals that it binds itself
GLOBAL_WRITES: OfCode[tuple[str, ...]] = OfCode()
_GLOBAL_STORES = {dis.opmap["STORE_GLOBAL"], dis.opmap["DELETE_GLOBAL"]}


def home_of(fn: FunctionType) -> str:
    """Give the module whose code a function runs; `functools.wraps` hides it from `__module__`."""
    name: str = fn.__globals__.get("__name__", "")
    if name.startswith("kolam") and "/kolam/" not in fn.__code__.co_filename:
        return ""  # typed in beside the library, as in a doctest
    return name


def is_users(fn: FunctionType) -> bool:
    """Whether a function is the user's, not a library's."""
    return not is_library(home_of(fn))


def resolve(
    callee: Any,
    convert_raw: Callable[[FunctionType], FunctionType],
    convert: Callable[[Any], Any],
) -> Any:
    """Give what is to be called in place of `callee`.

    Args:
        callee: What the user's code calls.
        convert_raw: Converts a plain function.
        convert: Converts a function that a library will call.
    """
    kind = type(callee)
    if isinstance(callee, jax.core.Tracer):
        raise raising(TypeError(f"'{name_in_python(callee)}' object is not callable"))
    if kind is OneOf:
        again = functools.partial(resolve, convert_raw=convert_raw, convert=convert)
        return functools.partial(call_one_of, callee, again)
    foreign = stand_in(callee, convert)
    tool = None if foreign else _tool(callee)
    if tool is not None:
        return tool
    found = foreign or _resolved(callee, kind, convert_raw, convert)
    leaves = foreign is not None or (context.regions and _is_foreign(callee, found))
    return by_option(callee, with_plain_lists(callee, found) if leaves else found)


def _tool(callee: Any) -> Callable[..., Any] | None:
    try:
        return iterator_tool(callee)
    except TypeError:  # it has no hash
        return None


def _is_foreign(callee: Any, found: Any) -> bool:
    """Whether a call leaves converted code."""
    if isinstance(callee, FunctionType):
        return is_library(home_of(callee)) and MARK not in callee.__dict__
    if found is callee:
        return not isinstance(callee, BuiltinMethodType) or not isinstance(callee.__self__, list)
    return is_library(getattr(callee, "__module__", "")) and not _stands_in(callee)


def _stands_in(callee: Any) -> bool:
    try:
        return callee in STAND_INS
    except TypeError:
        return False


def with_plain_lists(callee: Any, found: Any) -> Any:
    """Hand lists whose contents are kept beside them to a library as it can take them."""
    home = str(getattr(callee, "__module__", "")).partition(".")[0]
    name = getattr(callee, "__name__", type(callee).__name__)

    def plain(value: Any) -> Any:
        if isinstance(value, list) and bounded_of(value) is not None:
            return lists.plain_items(value, name, stacked=home in ("jax", "numpy"))
        if isinstance(value, Stream):
            return value.asked()
        if type(value) in (list, tuple):
            return type(value)(map(plain, value))
        return value

    def call(*args: Any, **kwargs: Any) -> Any:
        streams = any(isinstance(one, Stream) for one in (*args, *kwargs.values()))
        if not streams and not any_bounded():
            return found(*args, **kwargs)
        if not streams and next(lists_in((args, kwargs)), None) is None:
            return found(*args, **kwargs)
        return found(*map(plain, args), **{key: plain(one) for key, one in kwargs.items()})

    return call


def _resolved(
    callee: Any,
    kind: type,
    convert_raw: Callable[[FunctionType], FunctionType],
    convert: Callable[[Any], Any],
) -> Any:
    if kind is FunctionType:
        if callee in _MAKERS and context.regions:
            return lambda *args, **kwargs: note_birth(callee(*args, **kwargs))
        return _function(callee, convert_raw, convert)
    if kind is MethodType:
        inner = callee.__func__
        if type(inner) is FunctionType and not is_library(home_of(inner)):
            return MethodType(streaming(noting_writes(convert_raw(inner))), callee.__self__)
        return calling(callee, convert, is_users) if is_keras(callee) else callee
    if kind is BuiltinMethodType:
        return _builtin(callee, convert)
    if callee is object.__setattr__:
        return _set_plainly
    if kind is MethodDescriptorType:
        return STAND_INS.get(callee, callee)
    if isinstance(callee, type):
        return STAND_INS.get(callee) or _class(callee, convert_raw, convert)
    if kind is functools.partial:
        inner = resolve(callee.func, convert_raw, convert)
        return functools.partial(inner, *callee.args, **callee.keywords)
    if is_keras(callee):
        return calling(callee, convert, is_users)
    call = getattr(kind, "__call__", None)  # noqa: B004 - the function itself is wanted
    if type(call) is FunctionType and not is_library(kind.__module__):
        if not is_library(home_of(call)):
            return MethodType(convert_raw(call), callee)
    elif str(kind.__module__).partition(".")[0] in ("jax", "jaxlib"):
        inner = getattr(callee, "__wrapped__", None)
        if kind.__name__ == "PjitFunction" and type(inner) is FunctionType:
            # inside a traced program `jax.jit` changes nothing: the function itself is called
            return callee if is_library(home_of(inner)) else _function(inner, convert_raw, convert)
        return with_converted_arguments(callee, convert)
    return callee


def _set_plainly(target: Any, name: str, value: Any) -> None:
    """Do ``object.__setattr__(target, name, value)``, as frozen classes need it."""
    if context.regions:
        note_write(Attribute(target, name))
    object.__setattr__(target, name, value)


def remember_writes(code: CodeType) -> tuple[str, ...]:
    """Note which variables of the functions around it generated code binds, by its instructions."""
    inner = [remember_writes(part) for part in code.co_consts if isinstance(part, CodeType)]
    found = {name for names in inner for name in names}
    stores = {dis.opmap["STORE_DEREF"], dis.opmap["DELETE_DEREF"]}
    opcodes = set(code.co_code[::2])
    if stores & opcodes:
        for step in dis.get_instructions(code):
            if step.opcode in stores:
                found.add(str(step.argval))
    if opcodes & _GLOBAL_STORES:
        steps = dis.get_instructions(code)
        named = {str(step.argval) for step in steps if step.opcode in _GLOBAL_STORES}
        GLOBAL_WRITES[code] = tuple(sorted(named))
    outside = tuple(sorted(found & set(code.co_freevars)))
    WRITES[code] = outside
    return outside


def noting_writes(fn: FunctionType) -> FunctionType:
    """Tell the open regions that a call of `fn` binds variables of another function."""
    if context.regions:
        for name in GLOBAL_WRITES.get(fn.__code__, ()):
            note_write(GlobalVariable(name, fn.__globals__))
    names = WRITES.get(fn.__code__, ()) if context.regions else ()
    if names:
        cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
        for name in names:
            note_write(Variable(name, cells[name]))
    return fn


def _function(callee: FunctionType, convert_raw: Any, convert: Any) -> Any:
    module = home_of(callee)
    if module == "contextlib":
        return managing(callee, convert_raw) or callee
    if not is_library(module) or MARK in callee.__dict__:
        return streaming(noting_writes(convert_raw(callee)))
    if module.partition(".")[0] in _TAKES_FUNCTIONS:
        return with_converted_arguments(callee, convert)
    return callee


def with_converted_arguments(callee: Any, convert: Callable[[Any], Any]) -> Any:
    """Convert the user's functions among the arguments of a library call."""
    home = str(getattr(callee, "__module__", "")).partition(".")[0]
    of_python = home in ("builtins", "functools", "itertools")

    def one(value: Any) -> Any:
        if isinstance(value, (FunctionType, MethodType, functools.partial)):
            made = convert(value)
            of_keras = made is value and is_keras(value)
            return calling(value, convert, is_users) if of_keras else made
        if type(value) in (list, tuple) and any(isinstance(v, FunctionType) for v in value):
            return type(value)(map(one, value))
        if callable(value) and _stands_in(value) and (of_python or not isinstance(value, type)):
            return STAND_INS[value]
        if callable(value) and not isinstance(value, type):
            return stand_in(value, convert) or value
        return value

    def call(*args: Any, **kwargs: Any) -> Any:
        return callee(*map(one, args), **{key: one(value) for key, value in kwargs.items()})

    return call


def _builtin(callee: Any, convert: Any) -> Any:
    try:
        stand_in = STAND_INS.get(callee)
    except TypeError:  # bound to something without a hash
        stand_in = None
    if stand_in is not None:
        return stand_in
    owner, name = callee.__self__, callee.__name__
    if isinstance(owner, (list, dict, set)) and name in _MUTATORS and context.regions:
        frame = user_frame()
        known = [
            *frame.f_locals.items(),
            *((k, frame.f_globals.get(k)) for k in frame.f_code.co_names),
        ]
        label = next((key for key, value in known if value is owner), f".{name}")
        check_write(owner, label, tuple(key for key, _ in known))
        note_write(Contents(owner, label))
        if isinstance(owner, list):
            return _list_method(owner, name, callee, convert)
        return mappings.method(callee)
    if isinstance(owner, dict) and name == "get":
        return mappings.method(callee)
    if isinstance(owner, list) and name in ("copy", "count", "index"):
        return _list_method(owner, name, callee, convert)
    if isinstance(owner, tuple) and name in ("count", "index"):
        return _tuple_method(owner, name, callee)
    if isinstance(owner, str) and name in ("format", "join"):
        return functools.partial(_text_method, callee, owner)
    return callee


_SEARCHES = {"count": count_in, "index": index_in}


def _tuple_method(owner: Any, name: str, method: Any) -> Callable[..., Any]:
    """Give a method that looks for an item, of which parts may be traced."""

    def call(*args: Any) -> Any:
        if len(args) != 1 or (is_plain(owner) and is_plain(args)):
            return method(*args)
        return _SEARCHES[name](owner, *args)

    return call


def _list_method(owner: list[Any], name: str, method: Any, convert: Any) -> Callable[..., Any]:
    """Give a method of a list, whose length or arguments may be traced."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if name in _SEARCHES and bounded_of(owner) is None and len(owner) <= _FEW_ITEMS:
            return _tuple_method(owner, name, method)(*args)
        if name == "sort":
            ordering.sort(owner, *args, **kwargs)
            return None
        by_data = name in ("pop", "insert", "remove", "index", "count")
        if bounded_of(owner) is None:
            others = args[0] if name == "extend" and args else ()
            if bounded_of(others) is None and not (
                by_data and (has_traced(args) or (name != "pop" and has_traced(owner)))
            ):
                return method(*args, **kwargs)
            if name == "insert" and not is_traced(args[0]):
                return method(*args, **kwargs)
        if name == "extend":
            lists.extend(owner, args[0])
            return None
        return lists.METHODS[name](owner, *args, **kwargs)

    return call


def _text_method(method: Any, owner: str, *args: Any, **kwargs: Any) -> Any:
    if args and method.__name__ == "join":
        source = iterated(args[0])
        args = (listed(source),) if is_pushed(source) else args
        args = (list(args[0]),) if isinstance(args[0], Iterator) else args
    if not has_runtime((args, kwargs)) and not (args and bounded_of(args[0]) is not None):
        return method(*args, **kwargs)
    if method.__name__ == "join":
        items = args[0]
        if isinstance(items, (OneOf, RuntimeText)):
            items = characters.known_letters(items, "The letters")
        if bounded_of(items) is not None:
            found = characters.text_of_list(owner, items)
            return RuntimeText((Joined(owner, items),)) if found is None else found
        parts: list[Any] = []
        for item in items:
            parts += [owner, item] if parts else [item]
        return RuntimeText(tuple(parts))
    return _formatted(owner, args, kwargs)


def _formatted(owner: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    parts: list[Any] = []
    unnamed = iter(args)
    for text, key, spec, conversion in string.Formatter().parse(owner):
        parts.append(text)
        if key is not None:
            chosen = (args[int(key)] if key.isdigit() else kwargs[key]) if key else next(unnamed)
            parts.append(Quoted(chosen, ord(conversion) if conversion else -1, spec or ""))
    return RuntimeText(tuple(parts))


def _class(kind: type, convert_raw: Any, convert: Any) -> Any:
    if kind is functools.partial:
        return kind
    start = inspect.getattr_static(kind, "__init__", None)
    is_error = issubclass(kind, BaseException)
    if not context.regions or (is_error and type(start) is not FunctionType):
        return kind

    @functools.wraps(kind, updated=())
    def make(*args: Any, **kwargs: Any) -> Any:
        if is_member_by_data(kind, args):
            return member(kind, *args)
        plain = type(kind).__call__ is type.__call__ and not isinstance(kind.__new__, FunctionType)
        plain = plain and (is_error or kind.__new__ is object.__new__)
        if plain and type(start) is FunctionType and not is_library(home_of(start)):
            given = args if is_error else ()
            made = note_birth(kind.__new__(kind, *given))
            with _converted_end(made, convert_raw):
                convert_raw(start)(made, *args, **kwargs)
            _note_made_fields(made, (*args, *kwargs.values()))
            return made
        made = note_birth(kind(*args, **kwargs))
        _note_made_fields(made, (*args, *kwargs.values()))
        return made

    return make


@contextmanager
def _converted_end(made: Any, convert_raw: Any) -> Iterator[None]:
    """Let the `__init__` of a dataclass, which has no source, call a converted `__post_init__`."""
    kind = type(made)
    end = inspect.getattr_static(kind, "__post_init__", None)
    if not dataclasses.is_dataclass(kind) or not isinstance(end, FunctionType):
        yield
        return
    fn = noting_writes(convert_raw(end))
    if hasattr(made, "__dict__"):
        vars(made)["__post_init__"] = MethodType(fn, made)
        try:
            yield
        finally:
            vars(made).pop("__post_init__", None)
        return
    # an object with slots alone takes no attribute more, but another class of the same layout
    other = type(kind.__name__, (kind,), {"__slots__": (), "__post_init__": fn})
    object.__setattr__(made, "__class__", other)
    try:
        yield
    finally:
        object.__setattr__(made, "__class__", kind)


def _note_made_fields(made: Any, given: tuple[Any, ...]) -> None:
    """Remember what a dataclass made for its fields itself, with `default_factory`."""
    if not dataclasses.is_dataclass(made):
        return
    for one in dataclasses.fields(made):
        value = getattr(made, one.name, None)
        is_new = one.default_factory is not dataclasses.MISSING
        if is_new and not any(value is other for other in given):
            note_birth(value)
