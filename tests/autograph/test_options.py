"""Texts, enum members, functions and objects chosen by data; results that are no arrays.

PYTEST_DONT_REWRITE
"""

# mypy: ignore-errors
import dataclasses
import enum
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest

import kolam as kl
from kolam.autograph import convert
from kolam.errors import ConversionError

XS = jnp.array([1.0, -1.0, 2.0, 0.5, -3.0, 4.0, -0.5, 1.5, 2.5, -2.0])


class Light(enum.Enum):
    RED = 1
    GREEN = 2
    AMBER = 3


NEXT = {Light.RED: Light.GREEN, Light.GREEN: Light.AMBER, Light.AMBER: Light.RED}
SECONDS = {Light.RED: 30.0, Light.GREEN: 20.0, Light.AMBER: 5.0}


def traffic(xs):
    light, waited = Light.RED, 0.0
    for x in xs:
        if x > 0:
            light = NEXT[light]
        waited += SECONDS[light]
    return light, light.name, light.value, light is Light.GREEN, waited


def machine(xs):
    state, turns = "idle", 0
    for x in xs:
        if state == "idle":
            if x > 1:
                state = "running"
                turns += 1
        elif state == "running":
            if x < 0:
                state = "stopped"
        elif x > 2:
            state = "idle"
    return state, turns, state in ("idle", "stopped"), state.upper(), len(state)


def sized(x):
    size = "small"
    if x > 10:
        size = "large"
    elif x > 5:
        size = "medium"
    return f"{size}: {x:.2f}", size + "!"


def number_or_word(n):
    if n % 15 == 0:
        return "FizzBuzz"
    if n % 3 == 0:
        return "Fizz"
    if n % 5 == 0:
        return "Buzz"
    return str(n)


def by_name(x):
    actions = {"double": lambda v: 2 * v, "negate": lambda v: -v}
    name = "double" if x > 0 else "negate"
    return actions[name](x), name


def function_of_choice(x):
    def up(v):
        return v + 1

    def down(v):
        return v - 1

    step = up if x > 0 else down
    for _ in range(3):
        x = step(x)
    return x


def first_negative(xs):
    for i, x in enumerate(xs):
        if x < 0:
            return i
    return None


def maybe_positive(x):
    if x > 0:
        return x
    return None


def none_in_between(xs):
    first = first_negative(xs)
    if first is None:
        return -1
    return first * 10


def best_pair(xs):
    best = (None, None)
    for i, x in enumerate(xs):
        if best[0] is None or x > best[0]:
            best = (x, i)
    return best


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0
    seen: int = 0

    def moved(self, by):
        return dataclasses.replace(self, x=self.x + by, seen=self.seen + 1)


@dataclasses.dataclass(frozen=True)
class Frozen:
    value: float
    name: str = "a"


class Pair(NamedTuple):
    left: float
    right: int


class Counter:
    def __init__(self, start):
        self.value = start
        self.history = []

    def add(self, x):
        self.value += x
        if x > 0:
            self.history.append(x)
        return self


def walked(x):
    point = Point(x)
    while point.x < 20:
        point = point.moved(3.0)
    return point


def walked_in_place(x):
    point = Point(x)
    while point.x < 20:
        point.x += 3.0
        point.seen += 1
    return point.x, point.seen


def frozen(x):
    held = Frozen(0.0)
    if x > 0:
        held = Frozen(x, "b")
    return held.value, held.name


def named(x):
    pair = Pair(abs(x) + 1, 0)
    while pair.left < 10:
        pair = pair._replace(left=pair.left * 2, right=pair.right + 1)
    return pair


def counted(xs):
    counter = Counter(0.0)
    for x in xs:
        counter.add(x)
    return counter.value, counter.history


def of_two_objects(x):
    near, far = Point(1.0), Point(100.0)
    chosen = near if x > 0 else far
    return chosen.x + x, chosen.moved(1.0).x


def dict_state(xs):
    state = {"total": 0.0, "best": None, "name": "none"}
    for x in xs:
        state["total"] = state["total"] + x
        if state["best"] is None or x > state["best"]:
            state["best"] = x
            state["name"] = "some"
    return state


def scalar_or_array(x):
    y = 1.0
    if x.sum() > 0:
        y = x
    return y * 2


PROGRAMS = [traffic, machine, first_negative, none_in_between, best_pair, counted, dict_state]
OF_A_NUMBER = [
    *(sized, number_or_word, by_name, function_of_choice, maybe_positive, walked, frozen, named),
    *(walked_in_place, of_two_objects),
]


@pytest.mark.parametrize("fn", PROGRAMS, ids=lambda fn: fn.__name__)
def test_choice_in_a_loop_is_as_in_python(
    fn: Callable[..., Any], same_as_python: Callable[..., None]
) -> None:
    same_as_python(fn, XS)
    same_as_python(fn, abs(XS))
    same_as_python(fn, XS[:3])


@pytest.mark.parametrize("fn", OF_A_NUMBER, ids=lambda fn: fn.__name__)
@pytest.mark.parametrize("x", [3, 15, -2, 7])
def test_choice_is_as_in_python(
    fn: Callable[..., Any], x: int, same_as_python: Callable[..., None]
) -> None:
    same_as_python(fn, x)
    same_as_python(fn, float(x))


def test_array_takes_the_place_of_a_number(same_as_python: Callable[..., None]) -> None:
    same_as_python(scalar_or_array, jnp.ones(3))


def test_text_cannot_leave_python() -> None:
    with pytest.raises(ConversionError, match="returns a text, a list or None that is known only"):
        jax.jit(convert(number_or_word))(1)


def test_graph_has_no_texts() -> None:
    with pytest.raises(ConversionError, match="returns a text, a list or None that is known only"):
        kl.Graph.from_function(number_or_word, kl.TensorSpec((), "int32"))


def test_none_cannot_be_mapped() -> None:
    with pytest.raises(ConversionError, match="A value on one path and None on another"):
        jax.vmap(kl.function(maybe_positive))(XS)
