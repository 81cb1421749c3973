"""Lists, dicts, arrays and objects as state."""

# ruff: noqa: SIM108 - programs as users write them
# mypy: ignore-errors
from dataclasses import dataclass
from typing import NamedTuple

from tests.autograph.compared import rows
from tests.autograph.compared.rows import LONG, MIXED, UP, row


@row("`append` in a loop, then `stack`", (LONG,), (-LONG,))
def appended(xs):
    found, level = [], 0.0
    for x in xs:
        level = 0.5 * level + x
        found.append(level)
    return rows.stack(found)


@row("a list whose length depends on data: `append` under an `if`, `len`, `sum`", (MIXED,), (-UP,))
def filtered(xs):
    kept = []
    for x in xs:
        if x > 0:
            kept.append(x)
    return len(kept), sum(kept)


@row("a list as a stack: `append`, `pop`, its last item", (MIXED,), (UP,))
def monotone_stack(xs):
    waiting = []
    for x in xs:
        while waiting and waiting[-1] < x:
            waiting.pop()
        waiting.append(x)
    return len(waiting), waiting[-1]


@row("`items[i]` of a Python list, `i` from data", (1,), (-1,))
def item_by_data(i):
    return [10.0, 20.0, 30.0][i]


@row("`fns[i](x)`, `i` from data", (0, 3.0), (1, 3.0))
def function_by_data(i, x):
    return [lambda v: v + 1, lambda v: v * 10][i](x)


@row("`d[key]` of a dict, `key` from data", (1,), (2,), (7,), raises=(KeyError,))
def key_by_data(code):
    return {1: 3.5, 2: 5.0}[int(code)]


@row("`x[i] = v`, `x[i] += v`", (MIXED, 1), (UP, 2))
def item_written(x, i):
    x[i] = 7.0
    x[0] += 2.0
    return x


@row("`x[i:i + 3]`, `i` from data", (LONG, 2), (LONG, 20))
def window(x, i):
    return x[i : i + 3]


class Walker:
    def __init__(self, at):
        self.at = at
        self.steps = 0

    def step(self, by):
        self.at = self.at + by
        self.steps += 1


@row("fields of an object in a loop", (3.0,), (30.0,))
def fields(limit):
    walker = Walker(0.0)
    while walker.at < limit:
        walker.at = walker.at + 2.0
        walker.steps += 1
    return walker.at, walker.steps


@row("fields of an object, written by a method", (3.0,), (30.0,))
def fields_of_methods(limit):
    walker = Walker(0.0)
    while walker.at < limit:
        walker.step(2.0)
    return walker.at, walker.steps


@row("items of a dict in a loop", (3.0,), (30.0,))
def dict_state(limit):
    state = {"at": 0.0, "steps": 0}
    while state["at"] < limit:
        state["at"] = state["at"] + 2.0
        state["steps"] += 1
    return state["at"], state["steps"]


class Pair(NamedTuple):
    low: float
    high: float


@row("a `NamedTuple` in a loop", (2.0,), (30.0,))
def named_tuple_state(target):
    pair = Pair(0.0, 100.0)
    while pair.high - pair.low > 1:
        middle = (pair.low + pair.high) / 2
        if middle < target:
            pair = pair._replace(low=middle)
        else:
            pair = pair._replace(high=middle)
    return pair.low


@dataclass
class Account:
    balance: float
    months: int = 0


@row("a dataclass in a loop", (100.0,), (1000.0,))
def dataclass_state(goal):
    account = Account(50.0)
    while account.balance < goal:
        account.balance = account.balance * 1.5
        account.months += 1
    return account.months


@row("`nonlocal` written by an inner function", (MIXED,), (UP,))
def nonlocal_state(xs):
    count = 0

    def note(x):
        nonlocal count
        if x > 0:
            count = count + 1

    for x in xs:
        note(x)
    return count


LAST = 0.0


@row("a global written on data", (3.0,), (-1.0,), after=lambda: LAST)
def global_state(x):
    global LAST
    if x > 0:
        LAST = x
    return x
