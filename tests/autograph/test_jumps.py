"""Jumps out of `try`, `with` and `match`, and `:=` in guards (PYTEST_DONT_REWRITE)."""

# ruff: noqa: B023, RET503, RUF018 - programs as users write them

# mypy: ignore-errors
import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import pytest


def return_in_try(x):
    try:
        if x > 3:
            return 10
    finally:
        x = x + 1
    return x


def return_in_with(x):
    for i in range(3):
        with contextlib.nullcontext():
            if x > i:
                return x * 100 + i
            x += 1
    return x


def return_past_else(x):
    try:
        if x > 0:
            return 1
    except ValueError:
        pass
    else:
        x += 1
    return x


def continue_in_try(x):
    for i in range(20):
        try:
            if x > i:
                continue
        finally:
            x += 1
        x += i
        if x > 40:
            return x
    return -x


def break_in_try(x):
    while True:
        try:
            x += 1
            if x > 5:
                break
        finally:
            x += 1
    return x


def return_in_pattern(x):
    match (1, x):
        case (1, y):
            if y > 0:
                return 5
            x = 7
        case _:
            return 0
    return x


def nested_finally(x):
    try:
        try:
            if x > 0:
                return 1
            x = x - 1
        finally:
            x = x * 2
        x = x + 100
    finally:
        x = x + 1
    return x


def def_in_try_in_loop(x):
    for i in range(12):
        try:

            def bump(by):
                return by + i if by > 3 else by

            x = bump(x) % 17
        finally:
            x += 1
    return x


def endless(x):
    while True:
        x += 1
        if x > 5:
            return x


def endless_in_branch(x):
    if x > 2:
        while True:
            x += 2
            for i in range(20):
                if i * x > 30:
                    return i
    else:
        return x


def counted(x):
    for i in itertools.count():
        if i * i > x:
            return i


def range_by_sign(x):
    total = 0
    for i in range(0, x, 2) if x > 0 else range(3, x, -1):
        total += i
    return total


def named_in_and(x):
    if (y := x * 2) > 4 and (z := y + 1) > 0:
        return z
    return y


def named_in_or(x):
    found = (p := x) > 0 or (p := p + 5) > 3
    return found, p


def named_in_sides(x):
    b = (q := 1) if x > 0 else (q := 2)
    return b, q


def named_in_chain(x):
    z = 0
    held = 0 < x < (z := x * 2 - 3)
    return held, z


def named_in_assert(x):
    q = 5
    assert x < 7 or (q := 8) < 5, f"q {q}"
    return q


@pytest.mark.parametrize("x", [-2, 0, 1, 3, 8])
@pytest.mark.parametrize(
    "fn",
    [
        return_in_try,
        return_in_with,
        return_past_else,
        continue_in_try,
        break_in_try,
        return_in_pattern,
        nested_finally,
        def_in_try_in_loop,
        endless,
        counted,
        endless_in_branch,
        range_by_sign,
        named_in_and,
        named_in_or,
        named_in_sides,
        named_in_chain,
        named_in_assert,
    ],
)
def test_jumps_and_bindings_are_those_of_python(
    fn: Callable[..., Any], x: int, same_as_python: Callable[..., None]
) -> None:
    same_as_python(fn, x)
