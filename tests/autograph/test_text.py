"""Prints: only what plain Python gets to (PYTEST_DONT_REWRITE)."""

# ruff: noqa: T201 - programs as users write them
# mypy: ignore-errors
from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest

from kolam.autograph import convert, finish, with_checks


def told(x):
    if x > 0:
        print("positive", x)
    for i in range(10):
        if i > x:
            break
        print("trip", i)
    k = 0
    while k < x:
        k += 1
        print("round", k)
    assert x < 5
    print("end", x)
    return x


def _lines(capfd: pytest.CaptureFixture[str]) -> list[str]:
    jax.effects_barrier()
    return sorted(capfd.readouterr().out.splitlines())


def test_examples_of_a_batch_print_only_what_they_reach(
    capfd: pytest.CaptureFixture[str],
) -> None:
    jax.block_until_ready(jax.jit(jax.vmap(convert(told)))(jnp.array([2, -1])))
    ours = _lines(capfd)
    for x in (2, -1):
        told(x)
    assert ours == _lines(capfd)


def test_nothing_is_printed_after_a_failed_check(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError):
        finish(*jax.jit(with_checks(told))(7))
    ours = _lines(capfd)
    with pytest.raises(AssertionError):
        told(7)
    assert ours == _lines(capfd)
    assert "end 7" not in ours


def test_prints_go_through_a_mapped_jit(capfd: pytest.CaptureFixture[str]) -> None:
    run: Callable[..., jax.Array] = jax.vmap(lambda x: jax.jit(convert(told))(x))
    jax.block_until_ready(run(jnp.array([1])))
    assert "end 1" in _lines(capfd)


def test_each_call_prints(capsys: pytest.CaptureFixture[str]) -> None:
    def greeted(x):
        print("here")
        return x

    jitted = jax.jit(convert(greeted))
    for _ in range(2):
        jitted(1.0)
    jax.effects_barrier()
    assert capsys.readouterr().out == "here\nhere\n"
