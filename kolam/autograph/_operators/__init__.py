"""What converted code calls: each decides at trace time between Python and a staged program."""

import functools
import operator
import sys
from collections.abc import Callable
from types import FunctionType, SimpleNamespace
from typing import Any

from kolam.autograph._operators import (
    characters,
    check,
    guards,
    handing,
    lists,
    matching,
    mutation,
    tries,
)
from kolam.autograph._operators.arithmetic import (
    COUNTED,
    OPERATORS,
    OTHERS,
    binary,
    counted,
    joined,
    signed,
)
from kolam.autograph._operators.attributes import (
    delete_attribute,
    of,
    put_attribute,
    refuse_leaks,
    set_attribute,
    through_view,
    view_of,
)
from kolam.autograph._operators.bounded import OutOfRoom, Room, forget
from kolam.autograph._operators.bounds import bound
from kolam.autograph._operators.branch import and_, either, if_, ifexp, not_, or_
from kolam.autograph._operators.builtins import STAND_INS
from kolam.autograph._operators.call import (
    DO_NOT_CONVERT,
    GLOBAL_WRITES,
    WRITES,
    home_of,
    is_users,
    remember_writes,
    resolve,
)
from kolam.autograph._operators.check import (
    Inbox,
    arrivals,
    collect,
    ends_at_run_time,
    failures,
    finish,
    raise_in_program,
)
from kolam.autograph._operators.codes import SUITES, OfCode
from kolam.autograph._operators.comparisons import compare, contains
from kolam.autograph._operators.faults import message_of
from kolam.autograph._operators.generators import (
    PUSHES,
    Pushes,
    Stream,
    consumed,
    conversion,
    fresh,
    pushes,
)
from kolam.autograph._operators.instances import is_
from kolam.autograph._operators.iteration import concatenated
from kolam.autograph._operators.layers import has_users_code, users_code, watching_variables
from kolam.autograph._operators.libraries import is_library
from kolam.autograph._operators.loop import for_, while_
from kolam.autograph._operators.regions import (
    AllPathsRaise,
    Decision,
    GlobalVariable,
    Place,
    Region,
    Variable,
    context,
    current_region,
    note_birth,
    places_of,
    trace_state,
    unbound,
    user_location,
    without_effects,
)
from kolam.autograph._operators.results import as_given, encode, in_order, is_encoded
from kolam.autograph._operators.sequences import StagedRows
from kolam.autograph._operators.subscript import (
    at,
    delete_item,
    inplace,
    inplace_at,
    is_row,
    old_item,
    onto,
    owner,
    put_item,
    put_row,
    put_view,
    set_item,
    spared,
    unpacked,
)
from kolam.autograph._operators.texts import fstring
from kolam.autograph._operators.tools import MARK
from kolam.autograph._operators.values import uses
from kolam.autograph._operators.windows import window
from kolam.core import ConversionError


def namespace(convert_raw: Callable[..., Any], convert: Callable[..., Any]) -> SimpleNamespace:
    """Give the operators under the names that generated code uses."""
    conversion.raw = convert_raw

    def fn(callee: Any) -> Any:
        return resolve(callee, convert_raw, convert)

    def attribute(target: Any, name: str) -> Any:
        return getattr(of(target, fn), name)

    uses.resolve = fn
    uses.text = characters
    counting = {name: functools.partial(counted, kind) for name, kind in COUNTED.items()}
    failing = {name: functools.partial(binary, kind) for name, kind in OPERATORS.items()}
    others = {name: functools.partial(joined, operate) for name, operate in OTHERS.items()}
    return SimpleNamespace(
        **failing,
        **counting,
        **others,
        add=_add,
        and_=and_,
        assert_fails=check.assert_fails,
        at=at,
        born=note_birth,
        captured=matching.captured,
        carry=check.carry,
        catching=tries.catching,
        chain=_chain,
        class_of=STAND_INS[type],
        concatenated=concatenated,
        change_by_function=functools.partial(mutation.change_by_function, fn),
        change_by_method=functools.partial(mutation.change_by_method, fn),
        compare=compare,
        consumed=consumed,
        change_out=functools.partial(mutation.change_out, fn),
        contains=contains,
        delete_attribute=delete_attribute,
        delete_item=delete_item,
        entering=functools.partial(guards.entering, fn),
        finally_=guards.finally_,
        fn=fn,
        for_=for_,
        fresh=fresh,
        fstring=fstring,
        hand_back=handing.hand_back,
        if_=if_,
        ifexp=ifexp,
        inplace=inplace,
        inplace_at=inplace_at,
        old_item=old_item,
        is_=is_,
        is_none=check.is_none,
        is_row=is_row,
        matched=matching.matched,
        negative=functools.partial(signed, operator.neg),
        moved=handing.moved,
        not_=not_,
        note_bound=handing.note_bound,
        of=lambda target: of(target, fn),
        onto=onto,
        only_in_place=_only_in_place,
        or_=or_,
        positive=functools.partial(signed, operator.pos),
        pattern_as=matching.pattern_as,
        pattern_class=functools.partial(matching.pattern_class, read=attribute),
        pattern_is=matching.pattern_is,
        pattern_mapping=matching.pattern_mapping,
        pattern_or=matching.pattern_or,
        pattern_sequence=matching.pattern_sequence,
        pattern_star=matching.pattern_star,
        pattern_value=matching.pattern_value,
        passing_on=guards.passing_on,
        pass_conversion=lambda: tries.pass_conversion(sys.exc_info()[1]),
        owner=owner,
        pushes=pushes,
        raising=check.raising,
        repeated=_repeated,
        renewed=handing.renewed,
        result=check.result,
        put_attribute=functools.partial(put_attribute, resolve=fn),
        put_item=put_item,
        put_row=put_row,
        put_view=put_view,
        set_attribute=lambda target, name, value: set_attribute(target, name, value, fn),
        set_item=set_item,
        set_row=functools.partial(set_item, far=False),
        spared=spared,
        static=check.static,
        subject=matching.subject,
        sure=check.sure,
        through_view=functools.partial(through_view, resolve=fn),
        truth=check.defined_truth,
        unpacked=unpacked,
        use=check.use,
        view_of=view_of,
        while_=while_,
        window=window,
        with_=guards.with_,
    )


def _add(left: Any, right: Any) -> Any:
    is_list = isinstance(left, list) or isinstance(right, list)
    return lists.add(left, right) if is_list else counted("Add", left, right)


def _repeated(left: Any, right: Any) -> Any:
    is_list = isinstance(left, list) or isinstance(right, list)
    return lists.times(left, right) if is_list else counted("Mult", left, right)


def _chain(
    left: Any,
    line: int,
    names: tuple[str, ...],
    *pairs: tuple[Callable[..., Any], FunctionType],
) -> Any:
    """Compare neighbours as Python does: ``a < b < c`` asks for c only if ``a < b``."""
    compare, other = pairs[0]
    right = other()
    found = compare(left, right)
    if len(pairs) == 1:
        return found
    places = places_of([other for _, other in pairs], names)
    return either(found, lambda: _chain(right, line, names, *pairs[1:]), line, "and", places)


def _only_in_place(before: Any, after: Any, name: str, read: FunctionType | None = None) -> None:
    """Stand after a write to what the function cannot bind, if it is no variable around it."""
    if after is not before and not handing.bound_around(name, read, after):
        raise ConversionError(
            f"`{name}[...] = ...` writes to an array that this function cannot bind again.",
            where=user_location(),
            how="Arrays of a traced program do not change. Give the array a local name, write to "
            "that, and return it.",
        )


__all__ = [
    "DO_NOT_CONVERT",
    "GLOBAL_WRITES",
    "MARK",
    "PUSHES",
    "SUITES",
    "WRITES",
    "AllPathsRaise",
    "Decision",
    "GlobalVariable",
    "Inbox",
    "OfCode",
    "OutOfRoom",
    "Place",
    "Pushes",
    "Region",
    "Room",
    "StagedRows",
    "Stream",
    "Variable",
    "arrivals",
    "as_given",
    "bound",
    "collect",
    "context",
    "current_region",
    "encode",
    "ends_at_run_time",
    "failures",
    "finish",
    "forget",
    "has_users_code",
    "home_of",
    "in_order",
    "is_encoded",
    "is_library",
    "is_users",
    "message_of",
    "namespace",
    "raise_in_program",
    "refuse_leaks",
    "remember_writes",
    "trace_state",
    "unbound",
    "users_code",
    "watching_variables",
    "without_effects",
]
