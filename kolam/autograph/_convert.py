"""From a function to one whose control flow may depend on traced values."""

import ast
import functools
import inspect
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CellType, CodeType, FunctionType, MethodType, TracebackType
from typing import Any, TypeVar

import jax

from kolam.autograph._operators import (
    DO_NOT_CONVERT,
    GLOBAL_WRITES,
    MARK,
    PUSHES,
    SUITES,
    WRITES,
    AllPathsRaise,
    GlobalVariable,
    Inbox,
    OfCode,
    Place,
    Pushes,
    Region,
    Room,
    Variable,
    as_given,
    collect,
    context,
    current_region,
    encode,
    ends_at_run_time,
    forget,
    home_of,
    is_encoded,
    is_library,
    message_of,
    namespace,
    raise_in_program,
    refuse_leaks,
    remember_writes,
    trace_state,
    unbound,
)
from kolam.autograph._refusals import (
    is_staged,
    is_typed_in,
    misuse,
    refuse_generator,
    refuse_suspending,
)
from kolam.autograph._rewrites import (
    CONSUME,
    CannotRewrite,
    generator_facts,
    pushing,
    rewrite_function,
)
from kolam.autograph._source import NoSourceError, read_function
from kolam.core import ConversionError, InvalidTypeError, SourceLocation

Fn = TypeVar("Fn", bound=Callable[..., Any])

_CONVERTED = "__kolam_converted__"
_TRACER_ERRORS = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.UnexpectedTracerError,
    jax.errors.NonConcreteBooleanIndexError,
)


@dataclass(frozen=True, slots=True)
class _Converted:
    """What became of one code object: new code and its text, or the reason why it stays."""

    code: CodeType | None
    text: str
    reason: str = ""
    facts: tuple[bool, bool, bool] | tuple[()] = ()  # of a generator that can hand its items on


_by_code: dict[int, tuple[weakref.ref[CodeType], _Converted]] = {}
_pushing_by_code: dict[tuple[int, str], tuple[weakref.ref[CodeType], _Converted]] = {}
_generated: OfCode[bool] = OfCode()
_lock = threading.RLock()


def convert(fn: Fn) -> Fn:
    """Give a function that means the same and whose control flow may depend on traced values.

    The same function gives the same result, and a converted one itself. What belongs to a library
    (JAX, NumPy, Keras, the standard library) comes back as it is. The result is not jitted.

    Args:
        fn: A function, a method, a `functools.partial`, or an object that can be called.

    Raises:
        InvalidTypeError: `fn` cannot be called.

    Example:
        >>> import jax
        >>> def halvings(n):
        ...     count = 0
        ...     while n > 1:
        ...         n, count = n // 2, count + 1
        ...     return count
        >>> int(jax.jit(convert(halvings))(100))
        6
    """
    if not callable(fn):
        raise InvalidTypeError(
            f"A function is needed, but this is a {type(fn).__name__}.", how="Give a callable."
        )
    made: Any
    if isinstance(fn, MethodType):
        inner = convert(fn.__func__)
        made = fn if inner is fn.__func__ else MethodType(inner, fn.__self__)
    elif isinstance(fn, functools.partial):
        made = functools.partial(convert(fn.func), *fn.args, **fn.keywords)
    elif isinstance(fn, FunctionType):
        made = _entry(fn)
    else:
        call: Any = inspect.getattr_static(type(fn), "__call__", None)
        plain = isinstance(call, FunctionType) and not is_library(home_of(call))
        made = MethodType(convert(call), fn) if plain and not isinstance(fn, type) else fn
    return made


def do_not_convert(fn: Fn) -> Fn:
    """Leave a function as it is, also when converted code calls it.

    Example:
        >>> @do_not_convert
        ... def as_written(x):
        ...     return x
        >>> convert(as_written) is as_written
        True
    """
    target = fn.__func__ if isinstance(fn, MethodType) else fn
    setattr(target, DO_NOT_CONVERT, True)
    return fn


def converted_source(fn: Callable[..., Any]) -> str:
    """Give the source of what a function was converted to.

    Raises:
        ConversionError: It runs as it is; the message says why.
    """
    inner: Any = fn
    while isinstance(inner, (functools.partial, MethodType)) or hasattr(inner, _CONVERTED):
        if isinstance(inner, functools.partial):
            inner = inner.func
        elif isinstance(inner, MethodType):
            inner = inner.__func__
        else:
            original = getattr(inner, _CONVERTED)[0]
            if original is inner or not isinstance(inner, FunctionType):
                break
            inner = original
    if not isinstance(inner, FunctionType):
        inner = inspect.getattr_static(type(inner), "__call__", inner)
    converted = _convert_code(inner.__code__) if isinstance(inner, FunctionType) else None
    if converted is None or converted.code is None:
        reason = "it is not a Python function" if converted is None else converted.reason
        raise ConversionError(f"{fn!r} runs as it is: {reason}.")
    return converted.text


def with_checks(
    fn: Callable[..., Any], *, decodes: bool = False, room: Room | None = None
) -> Callable[..., tuple[Any, Any]]:
    """Give a function that returns its result and the state of its staged checks.

    Args:
        fn: A function, converted or not.
        decodes: Whether the caller hands the result to `finish`. Then the function may return what
            is not made of arrays: texts, None on one path, lists of a length that data choose.
        room: For lists that grow in loops without a known bound, which are refused without it. When
            `finish` raises `OutOfRoom`, let it grow, trace again, and repeat the call.

    Returns:
        A function of the same arguments; its second result is for `finish`, and is
        ``()`` when nothing was staged that could fail.
    """
    converted = convert(fn)
    refuse_suspending(fn)

    @functools.wraps(fn)
    def run(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        args, kwargs = as_given(args), as_given(kwargs)
        with _root((args, kwargs), fresh=True) as region, _told_errors(fn):
            outer, context.inbox = (context.inbox, context.room), Inbox([])
            context.room = None if room is None else room.size
            assert region is not None
            around = _variables_around(converted)
            try:
                result = _run(region, converted, args, kwargs)
                refuse_generator(result)
                refuse_leaks(region, result, around)
            finally:
                inbox, (context.inbox, context.room) = context.inbox, outer
            result, is_encoded = _encoded(result, region, fn, decodes=decodes)
            return result, collect(region, inbox, is_encoded=is_encoded)

    return run


def _encoded(
    result: Any, region: Region, fn: Callable[..., Any], *, decodes: bool
) -> tuple[Any, bool]:
    """Give a result as arrays, and whether it has to be decoded after the call."""
    encoded = encode(result, region.born if decodes else {}, statics=decodes)
    if not is_encoded(encoded):
        return result, False
    if not decodes:
        raise ConversionError(
            "This function returns a text, a list or None that is known only at run time.",
            where=SourceLocation.of_function(fn) if isinstance(fn, FunctionType) else None,
            how="A program that leaves Python returns arrays. Return numbers, and make the text, "
            "the list or the None after the call; or call it through `kl.function`.",
        )
    return encoded, True


def _variables_around(fn: Any) -> list[tuple[Place, Any]]:
    """Give the variables of other functions that a converted function binds, and their values."""
    inner = fn.__func__ if isinstance(fn, MethodType) else fn
    original = getattr(inner, _CONVERTED, (None,))[0]
    if not isinstance(original, FunctionType):
        return []
    raw = _raw(original)
    cells = dict(zip(raw.__code__.co_freevars, raw.__closure__ or (), strict=True))
    found: list[Place] = [Variable(name, cells[name]) for name in WRITES.get(raw.__code__, ())]
    written = GLOBAL_WRITES.get(raw.__code__, ())
    found += [GlobalVariable(name, raw.__globals__) for name in written]
    return [(variable, variable.read()) for variable in found]


@contextmanager
def _root(arguments: Any, *, fresh: bool = False) -> Iterator[Region | None]:
    """Open the region of a whole function, unless one of this trace is open already."""
    if not fresh and current_region() is not None:
        yield None
        return
    region = Region("function", None, trace_state())
    depth = len(context.regions)
    before = context.ordered, context.tries, context.families, context.handed
    context.regions.append(region)
    context.tries, context.families, context.handed = [], {}, {}
    leaves = jax.tree.leaves(arguments)
    region.arguments = [leaf for leaf in leaves if isinstance(leaf, jax.core.Tracer)]
    names = {type(leaf).__name__ for leaf in leaves}
    context.ordered = context.ordered and "BatchTracer" not in names  # vmap knows no order
    try:
        yield region
    finally:
        del context.regions[depth:]
        context.ordered, context.tries, context.families, context.handed = before
        if not context.regions:
            context.templates, context.raised = [], []
            context.families, context.handed, context.bounds = {}, {}, {}
            context.facts, context.choices = {}, {}
            forget()


def _entry(fn: FunctionType) -> Callable[..., Any]:
    """Give the function that users call: it opens the root and translates JAX's errors."""
    known = fn.__dict__.get(_CONVERTED)
    if known is not None and known[1] is fn:
        return fn
    if known is not None and known[0] is fn:
        return known[1]
    raw = _raw(fn)
    if raw is fn and (is_library(home_of(fn)) or getattr(fn, DO_NOT_CONVERT, False)):
        return fn

    @functools.wraps(fn)
    def entry(*args: Any, **kwargs: Any) -> Any:
        with _root((args, kwargs)) as region:
            if region is None:
                return raw(*args, **kwargs)
            with _told_errors(fn):
                result, _ = _encoded(_run(region, raw, args, kwargs), region, fn, decodes=False)
            raise_in_program(region.failure)
            return result

    pair = (fn, entry)
    fn.__dict__[_CONVERTED] = pair
    entry.__dict__[_CONVERTED] = pair
    return entry


def _run(region: Region, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Call `fn`; None if every path ends in an exception that is known only at run time."""
    try:
        return fn(*args, **kwargs)
    except AllPathsRaise:
        return None
    except Exception as error:  # judged, and raised again unless it is told after the call
        if not ends_at_run_time(region, error):
            raise
        return None


@contextmanager
def _told_errors(fn: Callable[..., Any]) -> Iterator[None]:
    """Tell errors of tracing in the user's terms."""
    try:
        yield
    except _TRACER_ERRORS as error:
        raise _told(error, fn) from error
    except NameError as error:
        if type(error) is not NameError or "free variable" not in str(error):
            raise
        raise unbound(str(error.name)).with_traceback(error.__traceback__) from None
    except RecursionError as error:
        if not is_staged(error):
            raise
        where = _last_call(error)
        name = where.function if where is not None else fn.__name__
        raise ConversionError(
            f"`{name}` calls itself in staged code, to a depth that only the data knows.",
            where=where,
            how="Make the depth static, or write a `while` loop.",
        ) from None
    except (TypeError, AttributeError) as error:
        told = _told_misuse(error, fn)
        if told is None:
            raise
        raise told from error


def _told_misuse(error: Exception, fn: Callable[..., Any]) -> ConversionError | None:
    """Say in the user's terms that something met a traced value; None if it was something else."""
    told = misuse(message_of(error))
    if told is None:
        return None
    what, how = told
    return ConversionError(what, where=_user_line(error, fn)[0], how=how)


def _told(error: Exception, fn: Callable[..., Any]) -> ConversionError:
    """Say in the user's terms that JAX met a traced value where Python needs a known one."""
    where, reason = _user_line(error, fn)
    why = f" `{where.function}` runs as it is, because {reason}." if reason and where else ""
    what = str(error).partition("\n")[0]
    if is_typed_in(error):
        return ConversionError(
            "Code that `eval` or `exec` runs is not converted, and it asks for a value that is "
            "known only at run time.",
            where=where,
            how="Write the code in the source of the function.",
        )
    return ConversionError(
        f"A value that is known only at run time is used where Python needs it now.{why} {what}",
        where=where,
        how="Give `size=`, the largest size that there can be."
        if "The size argument of" in str(error)
        else "Use the function of `jax.numpy` that does it on arrays, or make the value static.",
    )


def _last_call(error: Exception) -> SourceLocation | None:
    """Give the line of the innermost call from converted code to converted code, and what it calls.

    Suites and thunks belong to the function around them: they are no calls of the user's.
    """
    found, before, step = None, None, error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if code in _generated:
            is_part = code in SUITES or code.co_name == "<lambda>"
            if before is not None and not is_part:
                file, line = before
                found = SourceLocation(file, line, code.co_name)
            before = code.co_filename, step.tb_lineno
        step = step.tb_next
    return found


def _user_line(error: Exception, fn: Callable[..., Any]) -> tuple[SourceLocation | None, str]:
    """Give the innermost of the user's lines that an error passed, and why it is unconverted."""
    where = SourceLocation.of_function(fn) if isinstance(fn, FunctionType) else None
    reason = ""
    step: TracebackType | None = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        typed_in = (code.co_filename, code.co_name) == ("<string>", "<module>")  # by `eval`
        if not typed_in and not is_library(step.tb_frame.f_globals.get("__name__", "")):
            where = SourceLocation(code.co_filename, step.tb_lineno, code.co_name)
            known = _by_code.get(id(code))
            reason = known[1].reason if known is not None else ""
        step = step.tb_next
    return where, reason


def _raw(fn: FunctionType) -> FunctionType:
    """Give the generated function for `fn`; `fn` itself if it has to run as it is."""
    if fn.__code__ in _generated or getattr(fn, DO_NOT_CONVERT, False):
        return fn
    known = fn.__dict__.get("__kolam_raw__")
    if known is not None and known[0] is fn:
        return known[1]
    if is_library(home_of(fn)) and MARK not in fn.__dict__:
        return fn
    if fn.__dict__.get(_CONVERTED, (None, None))[1] is fn:
        return fn
    converted = _convert_code(fn.__code__)
    if converted.code is None:
        return fn
    cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
    cells["_kl"] = CellType(_operators())
    closure = tuple(cells[name] for name in converted.code.co_freevars)
    made = FunctionType(converted.code, fn.__globals__, fn.__name__, fn.__defaults__, closure)
    made.__kwdefaults__ = fn.__kwdefaults__
    made.__qualname__, made.__module__ = fn.__qualname__, fn.__module__
    if converted.facts:
        make = functools.partial(_pushing, fn)
        made.__dict__[PUSHES] = Pushes(make, *converted.facts)
    fn.__dict__["__kolam_raw__"] = (fn, made)
    return made


def _pushing(fn: FunctionType, consume: Callable[[Any], Any], stops: bool) -> FunctionType | None:
    """Give a generator function as one that hands its items to `consume`."""
    converted = _convert_code(fn.__code__, "until" if stops else "all")
    if converted.code is None:
        return None
    cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
    cells |= {"_kl": CellType(_operators()), CONSUME: CellType(consume)}
    closure = tuple(cells[name] for name in converted.code.co_freevars)
    made = FunctionType(converted.code, fn.__globals__, fn.__name__, fn.__defaults__, closure)
    made.__kwdefaults__ = fn.__kwdefaults__
    return made


@functools.cache
def _operators() -> Any:
    return namespace(_raw, convert)


def _convert_code(code: CodeType, form: str = "") -> _Converted:
    """Convert a code object, once.

    Args:
        code: The code of a function.
        form: "" for what Python calls. "all" and "until" for a generator that hands its items on:
            all of them, or until the consumer has enough.
    """
    cache: dict[Any, Any] = _by_code if not form else _pushing_by_code
    key = (id(code), form) if form else id(code)
    known = cache.get(key)
    if known is not None and known[0]() is code:
        return known[1]
    with _lock:
        known = cache.get(key)
        if known is not None and known[0]() is code:
            return known[1]
        try:
            converted = _generate(code, form)
        except (NoSourceError, CannotRewrite) as reason:
            converted = _Converted(None, "", str(reason))
        cache[key] = (weakref.ref(code, functools.partial(_forget, cache, key)), converted)
        return converted


def _forget(cache: dict[Any, Any], key: Any, _: object) -> None:
    # the cache is an argument, for at the end of the process the module has no names any more
    cache.pop(key, None)


def _generate(code: CodeType, form: str) -> _Converted:
    """Rewrite the source of a code object and compile it under the same file and lines."""
    source = read_function(code)
    node = source.node
    if isinstance(node, ast.Lambda):
        body = ast.copy_location(ast.Return(node.body), node.body)
        fn = ast.FunctionDef("_kl_lambda", node.args, [body], [], None)
        node = ast.copy_location(fn, node)
    node.decorator_list, node.returns = [], None
    arguments = node.args
    arguments.defaults = []
    arguments.kw_defaults = [ast.Constant(None)] * len(arguments.kwonlyargs)
    for argument in ast.walk(arguments):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    facts = generator_facts(node)
    if form and not facts:
        raise CannotRewrite("it is a generator that has to be asked for its items")
    if form:
        node = pushing(node, stops=form == "until")
    rewrite_function(node, source.class_name)
    ast.fix_missing_locations(node)
    outer = [name for name in code.co_freevars if name != "__class__"]
    frame = ast.FunctionDef(
        "_kl_frame",
        _frame_arguments([*outer, "_kl", CONSUME]),
        [node],
        [],
        None,
        lineno=1,
        col_offset=0,
    )
    cls = ast.ClassDef(
        source.class_name or "_kl_class", [], [], [frame], [], lineno=1, col_offset=0
    )
    text = ast.unparse(node)
    node.name = "_kl_root"  # under its own name it would hide the global that it calls itself by
    module = ast.fix_missing_locations(ast.Module([cls], []))
    compiled = compile(module, code.co_filename, "exec", dont_inherit=True)
    found = _inner_code(_inner_code(_inner_code(compiled, cls.name), "_kl_frame"), node.name)
    made = _renamed(found, code, f"{cls.name}._kl_frame.<locals>.{node.name}")
    _remember(made)
    remember_writes(made)
    return _Converted(made, text, "", facts)


def _frame_arguments(names: list[str]) -> ast.arguments:
    return ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])


def _inner_code(code: CodeType, name: str) -> CodeType:
    return next(
        part for part in code.co_consts if isinstance(part, CodeType) and part.co_name == name
    )


def _renamed(code: CodeType, original: CodeType, root: str) -> CodeType:
    """Give generated functions the user's names, which tracebacks and messages show.

    Args:
        code: The generated function.
        original: The user's.
        root: The qualified name of the generated one.
    """

    def users(qualname: str) -> str:
        rest = re.sub(r"\.<locals>\._kl_\w+(?=\.)", "", qualname.removeprefix(root))
        return original.co_qualname + rest

    def one(part: Any, name: str, qualname: str) -> Any:
        if not isinstance(part, CodeType):
            return part
        is_suite = part.co_name.startswith("_kl_") and part is not code
        if not is_suite and part is not code:
            name, qualname = part.co_name, users(part.co_qualname)
        consts = tuple(one(inner, name, qualname) for inner in part.co_consts)
        # the body of a class holds its qualified name
        consts = tuple(qualname if const == part.co_qualname else const for const in consts)
        new = part.replace(co_consts=consts, co_name=name, co_qualname=qualname)
        if is_suite:
            SUITES[new] = True
        return new

    made: CodeType = one(code, original.co_name, original.co_qualname)
    return made


def _remember(code: CodeType) -> None:
    _generated[code] = True
    for part in code.co_consts:
        if isinstance(part, CodeType):
            _remember(part)
