"""Digests of functions: the same in every process, another for whatever changes what they do."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kolam.core import InvalidArgumentError
from kolam.data._digests import function_digest

PROGRAM = """
import functools
import jax
import jax.numpy as jnp
import numpy as np
from jax.numpy import where
from kolam.data._digests import function_digest

LIMIT = {LIMIT}
TABLE = {{"a": np.arange(3), "b": {{1, 2, "x"}}}}


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, row):
        return row * self.factor


@jax.jit
def inner(x):
    return jnp.sin(x) {OPERATION} LIMIT


def recursive(n):
    return n if n < 1 else recursive(n - 1)


def outer(row, *, power=2):
    names = {{"u", "v", "w"}}
    kept = [inner(x) ** power for x in row if x in names or x > TABLE["a"][0]]
    return where(kept, recursive(1), len(names))


for fn in (outer, Scale(LIMIT), functools.partial(outer, power=3), Scale(2).__call__, np.sin):
    print(function_digest(fn, strict=True))
"""


def _digests(folder: Path, hash_seed: str, limit: str = "5", operation: str = "+") -> list[str]:
    (folder / "program.py").write_text(PROGRAM.format(LIMIT=limit, OPERATION=operation))
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_digests_are_the_same_in_every_process(tmp_path: Path) -> None:
    first = _digests(tmp_path, "1")
    assert first == _digests(tmp_path, "2")
    assert len(set(first)) == 5
    others = _digests(tmp_path, "1", operation="-")
    assert [a == b for a, b in zip(first, others, strict=True)] == [False, True, False, True, True]
    others = _digests(tmp_path, "1", limit="6")
    assert [a == b for a, b in zip(first, others, strict=True)] == [False, False, False, True, True]


def test_constants_defaults_and_closures_count() -> None:
    def make(number: int) -> Callable[..., Any]:
        return lambda x, y=number: x + y + number

    digests = {function_digest(fn) for fn in (make(1), make(2), make(1), lambda x: x + 1)}
    assert len(digests) == 3


def test_large_arrays_count_whole_for_a_cache_and_by_their_ends_for_a_state() -> None:
    def make(place: int) -> Callable[[Any], Any]:
        table = np.zeros(300_000)
        table[place] = 1
        return lambda x: table[x]

    middle, other, end = make(150_000), make(150_001), make(-1)
    assert function_digest(middle) == function_digest(other) != function_digest(end)
    assert function_digest(middle, strict=True) != function_digest(other, strict=True)


@pytest.mark.parametrize("kind", ["same code", "same names"])
def test_functions_that_differ_in_little_differ(kind: str) -> None:
    one, other = {
        "same code": (lambda x: x.min(), lambda x: x.max()),
        "same names": (lambda x: x[0:1], lambda x: x[0:2]),
    }[kind]
    assert function_digest(one) != function_digest(other)


def test_files_and_generators_of_random_numbers_are_refused(tmp_path: Path) -> None:
    numbers = random.Random(0)
    (tmp_path / "t").write_text("x")
    with (tmp_path / "t").open() as file:
        for fn in (lambda: numbers.random(), lambda: file.read()):
            with pytest.raises(InvalidArgumentError, match="cannot be told whether it changes"):
                function_digest(fn, strict=True)
