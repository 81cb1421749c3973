import dataclasses
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
        return fn(*args)
    except Exception as error:
        return type(error), str(error)


def _assert_same(ours: Any, plain: Any, atol: float = 0.0) -> None:
    """Compare results part by part; numbers of Python may have become arrays."""
    if isinstance(plain, (list, tuple)):
        assert type(ours) is type(plain)
        assert len(ours) == len(plain)
        for mine, theirs in zip(ours, plain, strict=True):
            _assert_same(mine, theirs, atol)
    elif isinstance(plain, dict):
        assert set(ours) == set(plain)  # JAX sorts the keys of a result
        for key in plain:
            _assert_same(ours[key], plain[key], atol)
    elif dataclasses.is_dataclass(plain) and not isinstance(plain, type):
        assert type(ours) is type(plain)
        _assert_same(vars(ours), vars(plain), atol)
    elif isinstance(plain, (int, float, complex, np.ndarray, np.generic, jax.Array)):
        assert np.shape(ours) == np.shape(plain)
        np.testing.assert_allclose(np.asarray(ours), np.asarray(plain), rtol=1e-5, atol=atol)
    else:
        assert ours == plain
        assert type(ours) is type(plain)


@pytest.fixture(scope="session")
def same_as_python() -> Callable[..., None]:
    """Compare the converted function under jit with plain Python, exceptions included."""

    def check(fn: Callable[..., Any], *args: Any) -> None:
        plain, ours = _outcome(fn, *args), _outcome(lambda *a: _staged(fn, *a), *args)
        if isinstance(plain, tuple) and plain and isinstance(plain[0], type):
            assert ours == plain
            return
        _assert_same(ours, plain)

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
            _assert_same(ours, plain, atol=1e-6)

    return check
