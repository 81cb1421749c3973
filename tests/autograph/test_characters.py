"""Texts of traced values: compared, taken apart, changed; texts and enums chosen by data.

PYTEST_DONT_REWRITE
"""

# ruff: noqa: SIM300, UP031, UP032 - every way that programs write it
# mypy: ignore-errors
import copy
import dataclasses
import enum
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pytest

from kolam.errors import ConversionError

NUMBERS = [(2,), (-3,), (0,), (12,), (121,)]
FLOATS = [(2.0,), (-0.5,), (0.1,), (3.14159,), (-0.0,)]


def equality(n):
    return (
        *(f"{n}" == "2", str(n) in ("1", "2"), {"2": 5}.get(str(n), 0), f"n={n}!" == "n=-3!"),
        *(f"{n:03d}" == "002", f"{n:x}" == "c", f"{n}{n}" == "1212", f"{n},{n}" == "2,2"),
        *("2" == str(n), str(n) != "0", repr(n) == "12", "%d" % n == "2", "{}".format(n) == "0"),
    )


def looked_up(n):
    return {"2": 5, "0": 7, "-3": 1}[str(n)]


def equality_of_floats(x):
    return (
        *(f"{x}" == "2.0", str(x) == "-0.5", f"{x:.2f}" == "3.14", f"{x:.1f}" == "-0.5"),
        *(f"{x:.0%}" == "10%", f"{x:.1e}" == "2.0e+00", str(x) == "2", f"{x:8.3f}" == "   2.000"),
        *(str(x) == "-0.0", f"{x:.1f}" == "0.0", f"{x:.1f}" == "-0.0"),
    )


def letters(n):
    text = str(n)
    return (
        *(len(text), text[0], text[-1], text[::-1], sum(int(d) for d in str(abs(n)))),
        *(text == text[::-1], int(text), int(str(abs(n))[::-1]), "1" in text, text.count("2")),
        *([c for c in text], sorted(text), "-".join(text), max(text), float(text)),
    )


def palindrome(n):
    text = str(n)
    if text == text[::-1]:
        return "yes"
    return "no"


def changed(n):
    text = f"v{n}"
    return (
        *(text.upper(), text.startswith("v"), text.startswith("v-"), text.endswith("2")),
        *(text.center(9), text * 2, "x" + text + "y", text.replace("v", "w"), text[1:], bool(text)),
        *(text.upper() == "V2", ascii(n)),
    )


def matched(n):
    match f"{n}":
        case "2":
            return "two"
        case "12":
            return "dozen"
    return "other"


def of_two(n):
    return str(n) == str(n + 1), f"{n}-{n}" == f"{n}-2", str(n) == str(12), str(n) + "1" == "121"


def chosen(n):
    s = "Hello" if n > 0 else "World" if n < 0 else ""
    return (
        *(s.upper(), s * 2, len(s), s[1:3], s[::-1], "o" in s, s.count("l"), s.find("o")),
        *(s or "empty", s.split("o"), list(s), s < "I", max(s, "I"), sorted([s, "J"]), sorted(s)),
        *(s.encode(), s.title() + "!", "%s-%d" % (s, n), "{}:{}".format(s, n), "-".join([s, "q"])),
        *(f"{s!r:>9}", ord(s[0]) if s else -1, {"Hello": 1, "World": 2, "": 3}[s], s in ["World"]),
        *("Hello World".find(s), s.partition("l"), f"{s:>6}|{n:+d}" == "     |+0"),
    )


def numbers_in_texts(n):
    s = "12" if n > 0 else "7"
    return int(s) + n, float(s), s.isdigit()


def wrong_number_in_a_text(n):
    return int("12" if n > 0 else "x")


class Box:
    x = 1
    y = 2.5

    def __init__(self, k):
        self.k = k

    def up(self, v):
        return self.k + v

    def down(self, v):
        if v > 1:
            return self.k - v
        return self.k


def attributes_by_name(n):
    box = Box(n)
    name = "up" if n > 0 else "down"
    setattr(box, "x" if n > 0 else "y", n)
    return getattr(box, name)(3), hasattr(box, name), getattr(box, "zz", 4), box.x, box.y


def letter_by_number(n):
    return "abc"[n], "".join(chr((ord(c) - 97 + n) % 26 + 97) for c in "xyz")


class Flag(enum.Flag):
    A = 1
    B = 2
    C = 4


class Op(enum.IntEnum):
    ADD = 1
    SUB = 2

    def apply(self, v):
        if self == Op.ADD:
            return v + 1
        return v - 1

    @property
    def sign(self):
        return 1 if self is Op.ADD else -1


class Color(enum.Enum):
    RED = "r"
    GREEN = "g"

    def next(self):
        return Color.GREEN if self is Color.RED else Color.RED


def flags(n):
    flag = Flag.A
    if n > 0:
        flag |= Flag.B
    if n < 0:
        flag = Flag.C
    return flag, bool(flag & Flag.B), Flag.A in flag, flag | Flag.C, ~flag & Flag.A, flag.value


def operations(n):
    op = Op.ADD if n > 0 else Op.SUB
    return (
        *(op.apply(n), op.value, op.name, op.sign, op == 1, op + 1, op * n, [10, 20, 30][op]),
        *(int(op), f"{op.name}", op is Op.ADD, isinstance(op, Op), op, str(op), Op(op)),
    )


def member_by_number(n):
    return Op(n).apply(n), Op(n)


def colors(n):
    color = Color.RED if n > 0 else Color.GREEN
    again = Color("r" if n > 0 else "g")
    named = Color["RED" if n > 0 else "GREEN"]
    return color.next(), again, named, color is again, list(Color).index(color), f"{color.value}"


@dataclass
class Job:
    name: str
    cost: float = 1.0
    state: str = "new"
    tags: list = field(default_factory=list)

    def run(self, n):
        if n > 0:
            self.state = "done"
            self.cost *= 2
        return self

    @property
    def label(self):
        return self.name.upper() if self.cost > 1 else self.name


def jobs(n):
    job = Job("a").run(n)
    if job.state == "done":
        job.tags.append("fast")
    else:
        job.tags.append("slow")
    other = replace(job, name="b")
    return asdict(job), astuple(job), job, other, job == other, job.label


def picked(n):
    every = [Job("a", 3.0), Job("b", 1.0 + n), Job("c", 2.0)]
    best = min(every, key=lambda job: job.cost)
    in_order = sorted(every, key=lambda job: job.cost)
    return best.name, best.cost, best, [job.name for job in in_order], best.label, asdict(best)


def picked_of_two(n):
    first, second = Job("a", 1.0), Job("b", n * 1.0)
    job = first if n > 0 else second
    return job, job.cost, copy.copy(job), dataclasses.replace(job, state="x"), f"{job}"


class Point(NamedTuple):
    x: float
    y: float = 0.0
    label: str = "p"


def named(n):
    point = Point(n * 1.0)
    other = point if n > 2 else Point(0.0, label="zero")
    return other, other._asdict(), other.label, other == point, other < Point(1.0)


PROGRAMS = [
    *(equality, looked_up, letters, palindrome, changed, matched, of_two, chosen),
    *(numbers_in_texts, wrong_number_in_a_text, attributes_by_name, letter_by_number, flags),
    *(operations, member_by_number, colors, jobs, picked, picked_of_two, named),
]


@pytest.mark.parametrize("fn", PROGRAMS, ids=lambda fn: fn.__name__)
def test_text_or_enum_of_data_is_as_in_python(
    fn: Callable[..., Any], each_as_python: Callable[..., None]
) -> None:
    each_as_python(fn, NUMBERS)


def test_text_of_a_float_is_compared_as_in_python(each_as_python: Callable[..., None]) -> None:
    each_as_python(equality_of_floats, FLOATS)


def maybe_missing(n):
    class Cell:
        best = None

    cell = Cell()
    if n > 0:
        cell.best = n
    return f"{cell.best}", str(cell.best), cell.best == 3


def test_text_of_a_missing_value_is_none(each_as_python: Callable[..., None]) -> None:
    each_as_python(maybe_missing, NUMBERS)


def order(n):
    return f"{n}" < "2"


def of_an_array(n):
    return str(np.arange(3) + n) == "[2 3 4]"


def split(n):
    return f"{n}".split(",")


def as_key_of_a_display(n):
    return {f"{n}": 1}


def in_a_library(n):
    return dataclasses.make_dataclass("a" if n > 0 else "b", [])


@pytest.mark.parametrize(
    ("fn", "text"),
    [
        (order, "The order of a text made of traced values is known only at run time"),
        (of_an_array, "The comparison of a text made of traced values is known only at run time"),
        (split, r"The result of `.split` of a text made of traced values"),
        (
            as_key_of_a_display,
            "A text made of traced values is used where Python needs its letters",
        ),
        (in_a_library, "A text or object that data choose is used where Python needs it now"),
    ],
)
def test_what_needs_the_letters_is_refused(
    fn: Callable[..., Any], text: str, staged: Callable[..., Any]
) -> None:
    with pytest.raises(ConversionError, match=text) as error:
        staged(fn, 2)
    assert error.value.where is not None
    assert error.value.where.line > fn.__code__.co_firstlineno
