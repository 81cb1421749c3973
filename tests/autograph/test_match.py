"""`match` on everything, compared with plain Python (PYTEST_DONT_REWRITE)."""

# mypy: ignore-errors
import dataclasses
import enum
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from kolam.errors import ConversionError


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Op(enum.IntEnum):
    ADD = 0
    SUB = 1
    MUL = 2


@dataclasses.dataclass
class Point:
    x: Any
    y: Any


@dataclasses.dataclass
class Box:
    corner: Any
    size: Any = 1


class Pair(NamedTuple):
    first: Any
    second: Any


class Circle:
    __match_args__ = ("radius",)

    def __init__(self, radius):
        self._radius = radius

    @property
    def radius(self):
        return self._radius if self._radius > 0 else -self._radius


def values(n):
    match n:
        case 0:
            return 10
        case 1 | 2 | -3:
            return 20
        case 4 if n % 2 == 1:
            return 30
        case _:
            return 40


def dotted(n):
    match n:
        case Op.ADD:
            out = 5
        case Op.SUB | Op.MUL:
            out = 6
        case _:
            out = 7
    return out


def no_default(n):
    out = n * 100
    match n:
        case 1:
            out = 1
        case 2:
            out = 2
    return out


def captured_with_guard(n):
    match n * 2:
        case x if x > 10:
            return x
        case x if x > 4:
            return -x
        case x:
            return x + 100


def name_stays_bound_after_a_guard_fails(n):
    x = 0
    match [n, n + 1]:
        case [x, 5]:
            x = x + 1000
        case [x, _] if x > 2:
            x = x + 10
        case _:
            x = x + 1
    return x


def sequences(a, b):
    match (a, b):
        case (0, 0):
            return 0
        case (0, y):
            return y
        case (x, 0):
            return -x
        case (x, y) if x == y:
            return 1000 + x
        case [x, y]:
            return x * y


def starred(a, b):
    match [a, b, a + b, 7]:
        case [1, *rest]:
            return rest[0] + rest[-1] * len(rest)
        case [first, *middle, 7] if first > 2:
            return first + sum(middle)
        case [*_, last]:
            return last


def lengths(a, b):
    total = 0
    for items in ([], [a], [a, b], (a, b, 3), "ab", b"ab", range(3), {1: 2}):
        match items:
            case []:
                total += 1
            case [x]:
                total += x * 10
            case [x, y]:
                total += x + y
            case (x, *_):
                total += x * 100
            case _:
                total += 1000
    return total


def alternatives_that_capture(a, b):
    match [a, b]:
        case [0, x] | [x, 0]:
            return x
        case [1, [x]] | [x, _]:
            return x + 100
    return -1


def mapping(a, b):
    match {"kind": "move", "x": a, "y": b, "d": a - b}:
        case {"kind": "turn"}:
            return 1
        case {"x": 0, **rest}:
            return rest["y"] + len(rest)
        case {"x": x, "d": 2, "kind": "move"}:
            return x + 50
        case {"x": x, "y": y, **others}:
            return x * y + others["d"]
    return 0


def key_by_name(a, b):
    match {Colour.RED: a, Colour.BLUE: b}:
        case {Colour.RED: 1}:
            return 5
        case {Colour.BLUE: v}:
            return v


def classes(a, b):
    match Point(a, b):
        case Point(x=0, y=0):
            return 1
        case Point(0, y):
            return y
        case Point(x, y=2) if x > 0:
            return x
        case Pair():
            return -5
        case Point() as p:
            return p.x * 10 + p.y


def nested(a, b):
    match Box(Point(a, [b, 2]), size=(a, {"k": b})):
        case Box(Point(1, [x, 2]), (1, {"k": 3})):
            return x
        case Box(corner=Point(y=[x, *_]), size=(z, {"k": 4 | 5 as w})):
            return x + z * 10 + w * 100
        case Box(Point(2 as x, _) as p):
            return x + p.y[1]
    return 0


def tuple_class(a, b):
    match Pair(a, b):
        case [1, y]:
            return y
        case Pair(x, y):
            return x - y


def property_is_read(a, b):
    match Circle(a - b):
        case Circle(0):
            return -1
        case Circle(r):
            return r


def builtins(a, b):
    found = 0
    for item in (a, a + 0.5, a > b, "text", [a], (a, b), {"a": a}, None, {1}, 2j):
        match item:
            case bool():
                found = found * 3 + 1
            case int(x):
                found = found * 3 + x
            case float(x):
                found = found * 3 + x * 2
            case str(x):
                found = found * 3 + len(x)
            case list([x]):
                found = found * 3 + x
            case tuple((x, y)):
                found = found * 3 + x + y
            case dict(x):
                found = found * 3 + x["a"]
            case None:
                found = found * 3 + 2
            case set() | frozenset():
                found = found * 3
            case complex(real=0.0, imag=y):
                found = found * 3 + y
    return found


def truth(a, b):
    match a > b:
        case True:
            return 1
        case False:
            return 2


def none_or_value(a, b):
    best = None
    if a > b:
        best = a
    match best:
        case None:
            return -1
        case 3:
            return 33
        case x:
            return x + b


def none_in_alternatives(a, b):
    best = None
    if a > b:
        best = a
    match best:
        case 2 | None:
            return -1
        case int(x) if x > 2:
            return x
        case _:
            return 7


def none_as_object(a, b):
    best = None
    if a > b:
        best = a
    match best:
        case int(x):
            return x
        case object():
            return -7


def in_a_loop(a, b):
    position, facing = a * 0, 0
    for k in range(12):
        match (a * k + b) % 4:
            case 0:
                continue
            case 1:
                facing = (facing + 1) % 4
            case 2 if position > 20:
                break
            case step:
                position = position + step * (1 + facing)
    else:
        position = position + 1000
    return position, facing


def in_a_while(a, b):
    state, steps = a % 3, 0
    while steps < 40:
        steps += 1
        match state:
            case 0:
                state = (b + steps) % 3
            case 1:
                state = 2
            case 2 if steps > b:
                return steps
            case _:
                state = 0
    return -steps


def machine(a, b):
    program = [(0, a), (1, b), (2, 3), (0, b)]
    total = 0
    for op, value in program:
        match op, value:
            case (Op.ADD, v) if v > 0:
                total += v
            case Op.ADD, v:
                total -= v
            case Op.SUB, v:
                total -= v
            case Op.MUL, v:
                total *= v
    return total


def raises(a, b):
    match a:
        case 0:
            raise ValueError(f"zero beside {b}")
        case 1:
            assert b > 1, "too small"
    return a + b


def walrus_in_guard(a, b):
    match a:
        case x if (y := x + b) > 4:
            return y
        case _:
            return -y


def inner_function(a, b):
    def pick(pair):
        match pair:
            case [x, 1]:
                return x
            case [x, y]:
                return x + y

    return pick([a, b]) + pick((b, a))


def chosen_by_data(a, b):
    mode = Colour.RED if a > b else Colour.BLUE
    name = "more" if a > b + 1 else "less"
    thing = Point(a, b) if a > 1 else Point(b, a)
    match mode, thing:
        case Colour.RED, Point(x, 0):
            found = x
        case Colour.RED, _:
            found = -1
        case Colour.BLUE, Point(y=y):
            found = y * 2
    match name:
        case "less":
            found += 100
        case str():
            found += 200
    return found


def array_is_no_sequence(a, b):
    match np.arange(3) * a:
        case [x, y, z]:
            return x + y + z
        case other:
            return other.sum() + b


ONE = [values, dotted, no_default, captured_with_guard, name_stays_bound_after_a_guard_fails]
TWO = [
    sequences,
    starred,
    lengths,
    alternatives_that_capture,
    mapping,
    key_by_name,
    classes,
    nested,
    tuple_class,
    property_is_read,
    builtins,
    truth,
    none_or_value,
    none_in_alternatives,
    none_as_object,
    in_a_loop,
    in_a_while,
    machine,
    raises,
    walrus_in_guard,
    inner_function,
    chosen_by_data,
    array_is_no_sequence,
]


@pytest.mark.parametrize("n", [-3, 0, 1, 2, 4, 6])
@pytest.mark.parametrize("fn", ONE)
def test_match_on_a_number_is_as_in_python(
    fn: Callable[..., Any], n: int, same_as_python: Callable[..., None]
) -> None:
    same_as_python(fn, n)


@pytest.mark.parametrize(("a", "b"), [(0, 0), (0, 3), (1, 3), (2, 0), (3, 2), (2, 4), (1, 1)])
@pytest.mark.parametrize("fn", TWO)
def test_match_on_structure_is_as_in_python(
    fn: Callable[..., Any], a: int, b: int, same_as_python: Callable[..., None]
) -> None:
    same_as_python(fn, a, b)


def given_structure(items, table):
    match items, table:
        case [x, [y, *z]], {"scale": s}:
            return x + y * s + sum(z)
        case _:
            return 0


def test_structure_of_an_argument_is_matched(same_as_python: Callable[..., None]) -> None:
    same_as_python(given_structure, [1.5, (2.0, 3.0, 4.0)], {"scale": 2.0, "bias": 1.0})
    same_as_python(given_structure, [1.5], {"scale": 2.0})


class Wrong:
    __match_args__ = ["x"]  # noqa: RUF012 - the mistake that is tested
    x = 1


class Numbers:
    __match_args__ = ("x", 3)
    x = 1


def too_many(x):
    match Point(x, x):
        case Point(1, 2, 3):
            return 1


def twice(x):
    match Point(x, x):
        case Point(1, x=2):
            return 1


def list_of_names(x):
    match Wrong():
        case Wrong(1):
            return x


def names_no_text(x):
    match Numbers():
        case Numbers(1, 2):
            return x


def two_of_one(x):
    match x:
        case int(1, 2):
            return x


def no_class(x):
    kind = 3
    match x:
        case kind():
            return x


def same_key_twice(x):
    match {1: x, 2: x}:
        case {1: _, Op.SUB: _}:
            return x


@pytest.mark.parametrize(
    "fn", [too_many, twice, list_of_names, names_no_text, two_of_one, no_class, same_key_twice]
)
def test_wrong_pattern_raises_what_python_raises(
    fn: Callable[..., Any], staged: Callable[..., Any]
) -> None:
    with pytest.raises((TypeError, ValueError)) as plain:
        fn(3)
    with pytest.raises(type(plain.value)) as ours:
        staged(fn, 3)
    assert str(ours.value) == str(plain.value)


def different_kinds(a):
    match [a, (1, 2)]:
        case [0, x] | [x, _]:
            return x


def traced_key(a):
    class Keys:
        one = a

    match {1: 2}:
        case {Keys.one: x}:
            return x


def traced_range(a):
    match range(a):
        case [x, y]:
            return x + y


def traced_list(a):
    found = []
    while a > 0:
        if len(found) < 5:
            found.append(a)
        a = a - 1
    match found:
        case [x, y]:
            return x + y


@pytest.mark.parametrize(
    ("fn", "text"),
    [
        (different_kinds, r"The value differs between the branches of `\|` on a traced value"),
        (traced_key, "A key of a mapping pattern depends on a traced value"),
        (traced_range, "A range whose length is known only at run time is matched"),
    ],
)
def test_pattern_that_cannot_be_staged_is_refused(
    fn: Callable[..., Any], text: str, staged: Callable[..., Any]
) -> None:
    with pytest.raises(ConversionError, match=text) as error:
        staged(fn, 1)
    assert error.value.where is not None
    assert error.value.where.file == __file__
