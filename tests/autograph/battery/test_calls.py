"""Ways to write, call and transform a function; each has control flow on its data."""

# mypy: ignore-errors

import enum
import functools
import threading
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kolam as kl


class Mode(enum.Enum):
    UP = 1
    DOWN = 2


@kl.function
def moved(x, *more, scale=2.0, mode=Mode.UP, name="n", **named):
    total = x * scale if mode is Mode.UP else -x
    for value in more:
        if value > 0:
            total += value
    for key, value in named.items():
        if value > 0 and key != "skipped":
            total = total * 10 + value
    return total if name == "n" else total * 100


def test_arguments_may_come_in_every_way() -> None:
    assert moved(1.0) == 2
    assert moved(1.0, 2.0, -3.0, scale=3.0) == 5
    assert moved(x=1.0) == 2
    assert moved(1.0, name="other") == 200
    assert moved(1.0, mode=Mode.DOWN) == -1


def test_traced_and_static_keywords_may_be_mixed() -> None:
    assert moved(x=1.0, mode=Mode.DOWN, name="other") == -100
    assert moved(x=1.0, scale=3.0, name="n", b=1.0, a=2.0, skipped=9.0) == 312


def test_keywords_keep_their_order() -> None:
    assert moved(1.0, b=1.0, a=2.0) == 212
    assert moved(1.0, a=2.0, b=1.0) == 221


def scaled(x, factor):
    return x * factor if x > factor else x + factor


class Doubler:
    rate = 2.0

    def __call__(self, x):
        return x * self.rate if x > 0 else 0.0

    def method(self, x):
        return x * self.rate if x > 1 else x

    @classmethod
    def of_class(cls, x):
        return x + cls.rate if x > 0 else x

    @staticmethod
    def static(x):
        return x + 1 if x > 0 else x


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (functools.partial(scaled, 2.0), 5.0),
        (functools.partial(scaled, factor=2.0), 6.0),
        (Doubler(), 6.0),
        (Doubler().method, 6.0),
        (Doubler.of_class, 5.0),
        (Doubler.static, 4.0),
        (lambda x: x + 1 if x > 0 else x, 4.0),
        (jax.jit(lambda x: x * 2), 6.0),
        (abs, 3.0),
    ],
    ids=["partial", "keyword", "object", "method", "class", "static", "lambda", "jit", "builtin"],
)
def test_every_kind_of_callable_is_taken(fn, expected) -> None:
    assert kl.function(fn)(3.0) == expected


@kl.function
def collatz(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def test_several_threads_call_one_function() -> None:
    found: dict[int, int] = {}

    def work(n: int) -> None:
        found[n] = int(collatz(n))

    threads = [threading.Thread(target=work, args=(n,)) for n in (27, 6, 7, 97, 1, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {27: 111, 6: 8, 7: 16, 97: 118, 1: 0, 3: 7}


def test_transformations_of_jax_take_it() -> None:
    assert jax.jit(collatz)(6) == 8
    np.testing.assert_array_equal(jax.lax.map(collatz, jnp.array([27, 6])), [111, 8])
    np.testing.assert_array_equal(
        jax.vmap(jax.vmap(collatz))(jnp.array([[27, 6], [7, 1]])), [[111, 8], [16, 0]]
    )
    pair = kl.function(lambda a, b: a * b if a > b else b)
    np.testing.assert_array_equal(
        jax.vmap(pair, in_axes=(0, None))(jnp.array([1.0, 5.0]), 2.0), [2.0, 10.0]
    )
    cube = kl.function(lambda x: x**3 if x > 0 else x)
    assert jax.grad(jax.checkpoint(cube))(2.0) == 12
    assert jax.linearize(cube, 2.0)[1](1.0) == 12
    assert jax.jvp(cube, (2.0,), (0.5,)) == (8, 6)
    (value, extra), slope = jax.value_and_grad(
        kl.function(lambda w: (w * w if w > 0 else w, {"n": w + 1})), has_aux=True
    )(3.0)
    assert (value, extra["n"], slope) == (9, 4, 6)


@kl.function
def positive(x):
    if x < 0:
        raise ValueError(f"negative: {x}")
    return x


def test_errors_come_call_by_call() -> None:
    found = []
    for value in (1.0, -1.0, 2.0):
        try:
            found.append(float(positive(value)))
        except ValueError as error:
            found.append(str(error))
    assert found == [1.0, "negative: -1.0", 2.0]


@dataclass(frozen=True)
class Settings:
    rate: float


@dataclass
class Result:
    value: float
    label: str


def test_objects_go_in_and_come_out() -> None:
    stepped = kl.function(lambda settings, x: x * settings.rate if x > 0 else x)
    assert stepped(Settings(2.0), 3.0) == 6
    assert stepped(Settings(5.0), 3.0) == 15
    result = kl.function(lambda x: Result(x, "up") if x > 0 else Result(-x, "down"))(-3.0)
    assert (result.value, result.label) == (3, "down")


def test_numbers_of_numpy_are_taken_like_those_of_python() -> None:
    chosen = kl.function(lambda flag, a, b: a + b if flag and a > b else a)
    assert chosen(np.bool_(True), np.int64(3), np.float64(2.5)) == 5.5
    assert chosen(jnp.array(False), 3, 2.5) == 3
    assert chosen(True, np.array(3.0), 2.5) == 5.5


def test_empty_array_is_gone_through_without_a_trip() -> None:
    @kl.function
    def summary(x):
        total = 0.0
        for value in x:
            total += value
        return total, len(x), any(value > 0 for value in x), [value for value in x]

    assert summary(np.zeros(0, np.float32)) == (0, 0, False, [])
