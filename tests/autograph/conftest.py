from collections.abc import Callable
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
