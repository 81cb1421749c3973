import functools
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np
import pytest

from kolam.autograph import finish, with_checks

Staged = Callable[..., Any]


def _staged(fn: Callable[..., Any], *args: Any) -> Any:
    """Call a function converted and jitted, and raise what its checks found."""
    return finish(*jax.jit(with_checks(fn, decodes=True))(*args))


@pytest.fixture(scope="session")
def staged() -> Staged:
    return _staged


def _outcome(fn: Callable[..., Any], *args: Any) -> Any:
    try:
        return jax.tree.map(np.asarray, fn(*args))
    except Exception as error:
        return type(error), str(error)


@pytest.fixture(scope="session")
def same_as_python() -> Callable[..., None]:
    """Compare the converted function under jit with plain Python, exceptions included."""

    def check(fn: Callable[..., Any], *args: Any) -> None:
        plain, ours = _outcome(fn, *args), _outcome(lambda *a: _staged(fn, *a), *args)
        if isinstance(plain, tuple) and plain and isinstance(plain[0], type):
            assert ours == plain
            return
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), ours, plain)

    return check


@pytest.fixture(scope="session")
def each_as_python() -> Callable[..., None]:
    """Compare as `same_as_python` does, for many arguments of one type: one program for all.

    The tolerance is absolute too: numbers have 32 bits, where Python computes with 64.
    """

    def check(fn: Callable[..., Any], cases: Iterable[tuple[Any, ...]]) -> None:
        run = jax.jit(with_checks(fn, decodes=True))
        for args in cases:
            plain = _outcome(fn, *args)
            ours = _outcome(lambda args=args: finish(*run(*args)))
            if isinstance(plain, tuple) and plain and isinstance(plain[0], type):
                assert ours == plain, args
                continue
            close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
            jax.tree.map(functools.partial(close, err_msg=str(args)), ours, plain)

    return check
