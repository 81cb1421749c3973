"""`match` on values, sequences, classes, mappings, with guards."""

# mypy: ignore-errors

import enum
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tests.autograph.battery.conftest import program


@program((0, 2.0), (1, 2.0), (2, 2.0), (7, 2.0), vmap=True)
def on_codes(op, x):
    match op:
        case 0:
            return x + 1
        case 1 | 2:
            return x * op
        case _:
            return -x


@program((3,), (-3,), (0,), (100,), vmap=True)
def with_guards(n):
    match n:
        case 0:
            result = 0
        case k if k < 0:
            result = -k
        case k if k > 50:
            result = 50
        case k:
            result = k * 2
    return result


@program(
    (np.array([0, 0], np.int32),),
    (np.array([0, 4], np.int32),),
    (np.array([3, 0], np.int32),),
    (np.array([3, 4], np.int32),),
    vmap=True,
)
def point_on_axes(point):
    match tuple(point):
        case (0, 0):
            return 0
        case (0, y):
            return y
        case (x, 0):
            return x
        case (x, y):
            return x + y
    return -1


@program(((1, 2, 3),), ((1, 2),), ((7,),), ((-1, 4, 4),))
def sequences_of_other_lengths(values):
    match values:
        case [x]:
            return x
        case [x, y]:
            return x * y
        case [first, *rest] if first > 0:
            return first + sum(rest)
        case _:
            return 0


class Add(NamedTuple):
    left: float
    right: float


@dataclass(frozen=True)
class Scale:
    factor: float
    value: float


@program((2.0, 0), (2.0, 1), (-2.0, 1))
def classes(x, which):
    commands = [Add(x, 1.0), Scale(3.0, x), "stop"]
    total = 0.0
    for command in commands:
        match command:
            case Add(left, right):
                total += left + right
            case Scale(factor=f, value=v) if v > 0:
                total += f * v
            case Scale(factor=f):
                total -= f
            case str():
                total += which
    return total


class Colour(enum.Enum):
    RED = 0
    BLUE = 1


@program((Colour.RED, 1.0), (Colour.BLUE, 1.0), (Colour.BLUE, -1.0))
def static_enum(colour, x):
    match colour:
        case Colour.RED:
            return x
        case Colour.BLUE if x > 0:
            return 2 * x
        case _:
            return 0.0


@program((5,), (1,), (-1,), vmap=False)
def enum_by_data(n):
    colour = Colour.RED if n > 3 else Colour.BLUE
    match colour:
        case Colour.RED:
            n += 10
        case Colour.BLUE:
            n -= 10
    return n


@program(
    ({"kind": "circle", "r": 2.0},), ({"kind": "box", "w": 2.0, "h": -3.0},), ({"kind": "dot"},)
)
def mappings(shape):
    match shape:
        case {"kind": "circle", "r": r}:
            return 3.0 * r * r
        case {"kind": "box", "w": w, "h": h} if h > 0:
            return w * h
        case {"kind": "box"}:
            return 0.0
        case _:
            return -1.0


@program((np.array([1, 1, 0, 2, 1], np.int32),), (np.array([2, 2, 2, 2, 2], np.int32),), vmap=True)
def in_a_loop(moves):
    x = y = 0
    heading = 0
    for move in moves:
        match move:
            case 0:
                heading = (heading + 1) % 4
            case 1:
                match heading:
                    case 0:
                        y += 1
                    case 1:
                        x += 1
                    case 2:
                        y -= 1
                    case 3:
                        x -= 1
            case _:
                break
    return x, y, heading


@program((200,), (404,), (503,), (999,), raises=(ValueError,))
def status_or_error(code):
    match code // 100:
        case 2:
            return 0
        case 4 if code == 404:
            return 1
        case 4 | 5:
            return 2
        case other:
            raise ValueError(f"unknown class {other}")


@program((1.5,), (-1.5,), (0.5,), grad=0, differences=True, vmap=True)
def capture_and_compute(x):
    match x > 0, x < -1:
        case True, _:
            y = x * x
        case False, True:
            y = -x
        case _:
            y = 3 * x
    return y


@program(([1, (2, 3)],), ([0, (2, 3)],), ([5, (0, 3)],))
def nested_patterns(value):
    match value:
        case [1, (a, b)]:
            return a - b
        case [0, (a, _)]:
            return a
        case [n, (0, b) as pair]:
            return n + b + pair[0]
    return None


INSTRUCTIONS = np.array([[0, 5, 0], [1, 0, 3], [2, 0, 2], [3, 0, 0]], np.int32)


@program((INSTRUCTIONS,), (INSTRUCTIONS[::-1].copy(),), vmap=True)
def small_interpreter(code):
    register = 0
    for op, a, b in code:
        match op:
            case 0:
                register = a
            case 1:
                register += b
            case 2 if b != 0:
                register //= b
            case _:
                return register, op
    return register, -1
