"""Exceptions on data: staged as an integer code, raised after the call."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators import texts
from kolam.autograph._operators.bounded import bounded_of
from kolam.autograph._operators.dunders import asked
from kolam.autograph._operators.faults import is_of_python
from kolam.autograph._operators.options import OneOf
from kolam.autograph._operators.regions import (
    AllPathsRaise,
    Failure,
    Place,
    Region,
    Traced,
    context,
    current_region,
    unbound,
    user_location,
)
from kolam.autograph._operators.results import decode
from kolam.autograph._operators.tracing import trace_region
from kolam.autograph._operators.values import UNDEFINED, HasTruth, Maybe, is_traced, uses, zeros
from kolam.core import ConversionError, SourceLocation


@dataclass(frozen=True, eq=False, slots=True)
class Template:
    """An exception as the user wrote it; run-time values are holes in its arguments.

    Attributes:
        kind: Its class.
        arguments: Its `args` and its own attributes, as `texts.split` left them.
        where: The user's line.
        cause: What it was raised from.
    """

    kind: type[BaseException]
    arguments: Any
    where: SourceLocation
    cause: "Template | None" = None

    def build(self, arrays: list[Any]) -> BaseException:
        """Give the exception with the values of this run in its message."""
        args, attributes = texts.join(self.arguments, arrays)
        start = inspect.getattr_static(self.kind, "__init__", None)
        if isinstance(start, FunctionType):  # the user's own: it may take other arguments
            error = self.kind.__new__(self.kind, *args)
            error.args = args
        else:
            error = self.kind(*args)
        vars(error).update(attributes)
        if self.cause is not None:
            error.__cause__ = self.cause.build(arrays)
        return error

    def traced(self, arrays: Sequence[Any]) -> BaseException:
        """Give the exception while its values are traced, for the user's code to look at."""
        args, attributes = texts.refilled(self.arguments, arrays)
        error = self.kind.__new__(self.kind, *args)
        error.args = args
        vars(error).update(attributes)
        if self.cause is not None:
            error.__cause__ = self.cause.traced(arrays)
        return error


def _template_of(error: BaseException, arrays: list[Any]) -> Template:
    """Take an exception apart; `arrays` gets the run-time values in it."""
    where = _raised_at(error) or user_location()
    args = error.args
    if isinstance(error, OSError) and error.filename is not None:
        args = (*args, error.filename)  # it is given with the others, and kept apart
    arguments = texts.split_onto((args, dict(vars(error))), arrays)
    cause = None if error.__cause__ is None else _template_of(error.__cause__, arrays)
    return Template(type(error), arguments, where, cause)


@dataclass(eq=False, slots=True)
class Inbox:
    """Exceptions that arrive from inside transformations whose results cannot carry a code.

    Attributes:
        arrived: What the running program has put here.
        used: Whether anything was staged that can put something here.
        printed: Whether the running program has printed.
        prints: Whether the program that is traced prints when it runs.
    """

    arrived: list[BaseException]
    used: bool = False
    printed: bool = False
    prints: bool = False

    def take(self) -> None:
        """Wait for the running program and raise what came first.

        Raises:
            BaseException: The user's own.
        """
        jax.effects_barrier()
        if self.arrived:
            first = self.arrived[0]
            self.arrived.clear()
            raise first


@jax.tree_util.register_pytree_node_class
@dataclass(frozen=True, eq=False, slots=True)
class Checks:
    """What a call has to say about its staged checks.

    Attributes:
        code: int32, 0 when all held, else 1 + the index of the first that failed. Leading axes
            come from `vmap`.
        payload: For each template the arrays that its message quotes.
        templates: The exceptions, static.
        inbox: Where failures inside `jax.vmap`, `jax.grad` and the like arrive.
        is_encoded: Whether the result has to be decoded.
    """

    code: Any
    payload: tuple[Any, ...]
    templates: tuple[Template, ...]
    inbox: Inbox
    is_encoded: bool = False

    def tree_flatten(self) -> tuple[tuple[Any, Any], Any]:
        """Give the arrays and the static rest, for JAX."""
        return (self.code, self.payload), (self.templates, self.inbox, self.is_encoded)

    @classmethod
    def tree_unflatten(cls, static: Any, leaves: Any) -> "Checks":
        """Rebuild from what `tree_flatten` gave."""
        return cls(*leaves, *static)


def raising(error: Any) -> Any:
    """Mark an exception as raised by converted code; stands between `raise` and its operand."""
    if isinstance(error, OneOf):
        return _one_of_several(error)
    if isinstance(error, type) and issubclass(error, BaseException):
        error = error()
    if context.regions and isinstance(error, BaseException):
        context.raised.append(error)
    return error


def _one_of_several(errors: OneOf) -> BaseException:
    """Stage all exceptions of which data choose one; the last one ends the path."""
    *others, last = [one() if isinstance(one, type) else one for one in errors.options]
    for k, error in enumerate(others):
        record_failure(errors.index == k, error)
    context.raised.append(last)
    return last


def assert_fails(test: Any, message: Callable[[], Any] | None) -> bool:
    """Check an `assert`: True if Python itself is to raise; on data the check is staged."""
    test = defined_truth(test)
    if not is_traced(test):
        return not test
    error = AssertionError(*(() if message is None else (message(),)))
    record_failure(jnp.logical_not(test), error)
    return False


def defined_truth(test: Any) -> Any:
    """Give a traced test as a bool scalar; other tests as they are."""
    if isinstance(test, HasTruth):
        return defined_truth(test.as_truth())
    if isinstance(test, Maybe):  # None is false
        if test.missing is UNDEFINED:
            return defined_truth(use(test, "it"))
        truth = defined_truth(test.value)
        truth = truth if is_traced(truth) else bool(truth)
        return jnp.logical_and(test.present, truth)
    contents = bounded_of(test)
    if contents is not None:
        return contents.length > 0
    if not is_traced(test):
        return _users_truth(test)
    if test.size != 1:
        raise ConversionError(
            f"The truth of an array of shape {test.shape} is ambiguous.",
            where=user_location(),
            how="Write `.any()` or `.all()`.",
        )
    if test.dtype == bool and not test.ndim:
        return test  # the very object: `presence` knows it by that
    return (test if test.dtype == bool else test != 0).reshape(())


def _users_truth(test: Any) -> Any:
    """Give the truth of an object whose class says it; other values as they are."""
    for name in ("__bool__", "__len__"):
        found = asked(test, name)
        if found is not NotImplemented:
            return defined_truth(found)
    return test


def trace(body: Callable[..., Any], places: Sequence[Place], **options: Any) -> Traced:
    """Trace a region; an exception that the user raises in it becomes one of run time."""
    return trace_region(body, places, fails=became_failure, **options)


def became_failure(error: Exception) -> bool:
    """Turn an exception that ends a path of staged code into one of run time, if it is the user's.

    Returns:
        Whether it was: raised by a `raise` or `assert` of converted code, by Python itself for
        what the path does, or for a variable that this path has not set.
    """
    if isinstance(error, AllPathsRaise):
        return True
    unset = isinstance(error, NameError) and (
        isinstance(error, UnboundLocalError) or "free variable" in str(error)
    )
    if unset and type(error) is NameError:
        error = unbound(str(error.name))
    raised = any(error is known for known in context.raised) or is_of_python(error)
    if not unset and not raised:
        return False
    record_failure(True, error)
    return True


def ends_at_run_time(region: Region, error: Exception) -> bool:
    """Keep an exception that ends a whole function for after the call, if only then it is known.

    So it is if its text quotes data, if a check on data that came before may fail first, or if
    the program prints something before.
    """
    prints = context.inbox is not None and context.inbox.prints
    if region.failure.code is None and not texts.has_runtime(error.args) and not prints:
        return False
    return became_failure(error)


def record_failure(failed: Any, error: BaseException) -> None:
    """Stage that `error` is to be raised if `failed` holds."""
    arrays: list[Any] = []
    template = _template_of(error, arrays)
    kinds = [kind for handled in context.tries for kind in handled()]
    if any(isinstance(error, kind) for kind in kinds) and not isinstance(error, ConversionError):
        raise ConversionError(
            f"{_article(error)} on data stands inside a `try` that would catch it.",
            where=template.where,
            how="A staged check is known only after the call. Move it out of the `try`, or write "
            "the other outcome as an `if`.",
        )
    region = current_region()
    if region is None:
        _raise_in_program(failed, template, arrays)
        return
    _note_failure(region, failed, template, arrays)


def _note_failure(region: Region, failed: Any, template: Template, arrays: list[Any]) -> None:
    context.templates.append(template)
    code = len(context.templates)
    for guard in context.guards:  # code that the exception passes reads its variables as they are
        guard.note(code, arrays)
    new = Failure(jnp.where(failed, np.int32(code), np.int32(0)), {code: arrays})
    add_failure(region.failure, new)


def failed_again(template: Template, arrays: Sequence[Any]) -> None:
    """Note that a check which failed before ends this path as well."""
    region = current_region()
    assert region is not None
    _note_failure(region, True, template, list(arrays))


def _article(error: BaseException) -> str:
    name = type(error).__name__
    return f"An {name}" if name[0] in "AEIOU" else f"A {name}"


def _raised_at(error: BaseException) -> SourceLocation | None:
    """Give the line that raised, the innermost of the user's code."""
    found, step = None, error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if "/kolam/autograph/_operators/" not in code.co_filename:
            found = SourceLocation(code.co_filename, step.tb_lineno, code.co_name)
        step = step.tb_next
    return found


def add_failure(total: Failure, new: Failure) -> None:
    """Note a later failure; the first one stands."""
    total.code = (
        new.code if total.code is None else jnp.where(total.code != 0, total.code, new.code)
    )
    total.payload.update(new.payload)


def failure_outputs(branch: Traced, arrays: Any, payload_types: dict[int, list[Any]]) -> list[Any]:
    """Give the failure code and all payloads of one path, fillers where it has none."""
    code = jnp.int32(0) if branch.code is None else arrays[branch.code].astype(np.int32)
    found = [code]
    for key, slots in payload_types.items():
        if key in branch.payload:
            found += [arrays[index] for index in branch.payload[key]]
        else:
            found += [zeros(slot) for slot in slots]
    return found


def read_failure(arrays: Any, payload_types: dict[int, list[Any]]) -> Failure:
    """Read what `failure_outputs` gave, from an iterator of arrays."""
    code = next(arrays)
    return Failure(code, {k: [next(arrays) for _ in slots] for k, slots in payload_types.items()})


def pass_on(failure: Failure) -> None:
    """Hand a failure of an inner region to the one around it."""
    region = current_region()
    if region is not None:
        add_failure(region.failure, failure)
    else:
        raise_in_program(failure)


def raise_in_program(failure: Failure) -> None:
    """Raise from inside the running program, where nobody looks at the checks afterwards."""
    if failure.code is None or not context.effects:
        return
    keys = sorted(failure.payload)
    templates = [context.templates[key - 1] for key in keys]

    inbox = _open_inbox()

    def run(code: Any, payload: list[list[Any]]) -> None:
        if code:
            at = keys.index(int(code))
            _deliver(inbox, templates[at], payload[at])

    _call_back_if(failure.code != 0, run, failure.code, [failure.payload[key] for key in keys])


def _call_back_if(failed: Any, run: Callable[..., None], *arrays: Any) -> None:
    """Call `run` from the running program, which waits for nobody as long as all is well."""
    jax.lax.cond(failed, lambda *told: jax.debug.callback(run, *told), lambda *told: None, *arrays)


def arrivals() -> list[BaseException] | None:
    """Give where calls to Python put what goes wrong in the program that is traced.

    Whoever called the program raises the first of it when it has run. `None` if nobody looks: then
    the call itself has to raise.
    """
    inbox = _open_inbox()
    return None if inbox is None else inbox.arrived


def _open_inbox() -> Inbox | None:
    inbox: Inbox | None = context.inbox
    if inbox is not None:
        inbox.used = True
    return inbox


def _deliver(inbox: Inbox | None, template: Template, arrays: list[Any]) -> None:
    error = template.build([np.asarray(array) for array in arrays])
    if inbox is None:
        raise error
    inbox.arrived.append(located(template.where, error))


def _raise_in_program(failed: Any, template: Template, arrays: list[Any]) -> None:
    if not context.effects:
        return
    inbox = _open_inbox()

    def run(failed: Any, *known: Any) -> None:
        if failed:
            _deliver(inbox, template, list(known))

    _call_back_if(failed, run, failed, *arrays)


def collect(region: Region, inbox: Inbox, *, is_encoded: bool = False) -> Any:
    """Give the `Checks` of a finished function, `()` if nothing was staged."""
    failure = region.failure
    if failure.code is None:
        needed = inbox.used or is_encoded
        return Checks(jnp.int32(0), (), (), inbox, is_encoded) if needed else ()
    keys = sorted(failure.payload)
    code = jnp.searchsorted(jnp.array([0, *keys]), failure.code).astype(np.int32)
    payload = tuple(tuple(failure.payload[key]) for key in keys)
    templates = tuple(context.templates[key - 1] for key in keys)
    return Checks(code, payload, templates, inbox, is_encoded)


def finish(result: Any, checks: Any) -> Any:
    """Give the result of a call as plain Python has it, or raise what a staged check found.

    Raises:
        BaseException: The user's own, with the text of this run, at his line.
    """
    _raise_first_failure(checks)
    return decode(result) if isinstance(checks, Checks) and checks.is_encoded else result


def _raise_first_failure(checks: Any) -> None:
    """Raise the user's exception if a staged check failed.

    Raises:
        BaseException: The user's own, with the text of this run, at his line.
    """
    if not isinstance(checks, Checks):
        return
    for _, error in failures(checks):
        raise error
    if checks.inbox.used:
        checks.inbox.take()


def failures(checks: Any) -> Iterator[tuple[tuple[int, ...], BaseException]]:
    """Give the user's exception of every example of a `vmap` whose checks failed, in order.

    Args:
        checks: The second result of a function of `with_checks`, with values.

    Yields:
        Index of the example, `()` without a `vmap`, and the exception at the user's line.
    """
    if not isinstance(checks, Checks):
        return
    codes = np.asarray(checks.code)
    for example in map(tuple, np.argwhere(codes).tolist()):
        at = int(codes[example]) - 1
        arrays = [np.asarray(array)[example] for array in checks.payload[at]]
        template = checks.templates[at]
        yield example, located(template.where, template.build(arrays))


def located(where: SourceLocation, error: BaseException) -> BaseException:
    """Give `error` a traceback that ends at the user's line."""
    source = "\n" * (where.line - 1) + "raise error"
    code = compile(source, where.file, "exec").replace(co_name=where.function or "<module>")
    try:
        exec(code, {"error": error})
    except type(error) as raised:
        # the first step is this frame
        return raised.with_traceback(raised.__traceback__ and raised.__traceback__.tb_next)
    return error


def use(value: Any, name: str) -> Any:
    """Read a variable that may have no value."""
    if not isinstance(value, Maybe):
        return value
    if presence(value):
        return use(value.value, name)
    if value.missing is UNDEFINED:
        error: BaseException = unbound(name)
    else:
        error = ConversionError(
            f"`{name}` is still None here, at run time; a traced program computes with its value.",
            where=user_location(),
            how=f"Ask `if {name} is not None:` first, or start it with an array.",
        )
    if value.present is False:
        raise error
    record_failure(jnp.logical_not(value.present), error)
    return use(value.value, name)


uses.there = lambda value: use(value, "it")
uses.fails = lambda failed, error: record_failure(failed, raising(error))


def carry(value: Any, name: str) -> Any:
    """Read a variable whose value is only handed on: None may be one."""
    if not isinstance(value, Maybe):
        return value
    if value.missing is None:
        known = presence(value)
        return value if known is None else value.value if known else None
    if isinstance(value.value, Maybe):  # it may be None as well, which can be handed on
        record_failure(jnp.logical_not(value.present), unbound(name))
        return carry(value.value, name)
    return use(value, name)


def result(value: Any) -> Any:
    """Give what a function returns; every path that gets to its end has set it."""
    return sure(value) if isinstance(value, Maybe) and value.missing is UNDEFINED else value


def sure(value: Any) -> Any:
    """Read a variable that the paths which get here have bound."""
    return value.value if isinstance(value, Maybe) and value.missing is UNDEFINED else value


def there(value: Any) -> Any:
    """Read a variable that is known to hold a value here."""
    while isinstance(value, Maybe):
        value = value.value
    return value


def is_none(value: Any) -> Any:
    """Stand in for `value is None`."""
    value = sure(value)
    if not isinstance(value, Maybe) or value.missing is not None:
        return value is None
    known = presence(value)
    if known is not None:
        return not known
    test = jnp.logical_not(value.present)
    note_facts(test, ((value.present, False),), ((value.present, True),))
    return test


Facts = tuple[tuple[Any, bool], ...]  # bits of values that may be missing, and what they are


def note_facts(test: Any, if_true: Facts, if_false: Facts) -> None:
    """Remember what is known where a test holds, and where it does not."""
    if is_traced(test) and (if_true or if_false):
        context.facts[id(test)] = (test, if_true, if_false)


def facts_of(test: Any) -> tuple[Facts, Facts]:
    """Give what is known where a test holds, and where it does not."""
    return context.facts.get(id(test), (None, (), ()))[1:]


def presence(value: Maybe) -> bool | None:
    """Tell whether a value is there, if a test around the code that is traced has asked."""
    if not context.facts:
        return None
    for region in context.regions:
        for test, outcome in region.alive:
            for present, known in facts_of(test)[not outcome]:
                if present is value.present:
                    return known
    return None


def static(value: Any, what: str, how: str) -> Any:
    """Pass a value that must be known while the program is traced.

    Raises:
        ConversionError: It is traced.
    """
    if is_traced(value):
        raise ConversionError(f"{what} depends on a traced value.", where=user_location(), how=how)
    return value
