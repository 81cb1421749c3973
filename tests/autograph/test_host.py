"""Calls whose result changes from call to call are not frozen in silence."""

# mypy: ignore-errors
import datetime
import random
import time
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kolam.autograph import convert
from kolam.errors import ConversionError


def of_numpy(x):
    return x + np.random.rand()


def seeded_globally(x):
    np.random.seed(0)
    return x + np.random.normal(size=3)


def of_python(x):
    return x * random.random()


def whole_of_python(x):
    return x + random.randint(1, 6)


def clock(x):
    return x + time.time()


def watch(x):
    started = time.perf_counter()
    return x + started


def date(x):
    return x + datetime.datetime.now().year


def name(x):
    return x, uuid.uuid4().int


def without_seed(x):
    return x + np.random.default_rng().normal()


def without_seed_in_python(x):
    return x + random.Random().random()


outside = np.random.default_rng(3)


def drawn_outside(x):
    return x + outside.normal()


def drawn_in_a_loop(x):
    rng = np.random.default_rng(3)
    while x < 100:
        x = x + abs(rng.normal())
    return x


def drawn_in_a_branch(x):
    rng = random.Random(3)
    if x > 0:
        x = x + rng.random()
    return x


REFUSED = [
    (of_numpy, "`np.random.rand` is called once", "jax.random"),
    (seeded_globally, "`np.random.seed` is called once", "jax.random"),
    (of_python, "`random.random` is called once", "jax.random"),
    (whole_of_python, "`random.randint` is called once", "jax.random"),
    (clock, "`time.time` is called once", "Take the time outside"),
    (watch, "`time.perf_counter` is called once", "Take the time outside"),
    (date, "`datetime.now` is called once", "Take the time outside"),
    (name, "`uuid.uuid4` is called once", "Take a key"),
    (without_seed, r"`default_rng\(\)` without a seed", "jax.random"),
    (without_seed_in_python, r"`Random\(\)` without a seed", "jax.random"),
    (drawn_outside, "`normal` of a generator made elsewhere", "jax.random"),
    (drawn_in_a_loop, "`normal` of a generator made elsewhere", "jax.random"),
    (drawn_in_a_branch, "`random` of a generator made elsewhere", "jax.random"),
]


@pytest.mark.parametrize(
    ("fn", "text", "advice"), [pytest.param(*case, id=case[0].__name__) for case in REFUSED]
)
def test_what_changes_from_call_to_call_is_refused(
    fn: Callable[..., Any], text: str, advice: str, staged: Callable[..., Any]
) -> None:
    with pytest.raises(ConversionError, match=text) as error:
        staged(fn, 1.0)
    assert advice in str(error.value)
    assert error.value.where is not None
    assert error.value.where.file == __file__


def seeded(x):
    rng = np.random.default_rng(7)
    dice = random.Random(5)
    for _ in range(30):
        x = x + rng.normal(size=2) * dice.random()
    return x + dice.randint(1, 6)


def test_generator_with_a_seed_is_as_in_python(same_as_python: Callable[..., None]) -> None:
    same_as_python(seeded, 1.0)


def test_plain_call_may_draw() -> None:
    assert convert(of_python)(0.0) == 0.0
    assert convert(drawn_outside)(1.0) != 1.0
