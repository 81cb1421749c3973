"""Fetch by name, feed by name."""

import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import InvalidArgumentError, InvalidTypeError, TensorSpec, UnknownNameError
from kolam.graph import Graph, Session, name


def fn(x, y):  # type: ignore[no-untyped-def]
    hidden = name("hidden", jnp.tanh(x))
    return {"probs": hidden * 2, "other": y + 1}


@pytest.fixture
def session() -> Session:
    return Session(Graph.from_function(fn, TensorSpec(("batch",)), TensorSpec((2,))))


X, Y = np.array([0.5, 1.0, 1.5], np.float32), np.array([1.0, 2.0], np.float32)


def test_fetches_keep_their_form(session: Session) -> None:
    feed = {"x": X, "y": Y}
    assert session.run("other", feed).shape == (2,)
    first, second = session.run(["probs", "hidden"], feed_dict=feed)
    np.testing.assert_allclose(first, 2 * second)
    nested = session.run({"a": "hidden", "b": ("probs", "other")}, feed)
    assert nested["b"][1].shape == (2,)
    np.testing.assert_allclose(nested["a"], np.tanh(X), rtol=1e-6)


def test_what_a_fetch_does_not_need_may_be_left_out(session: Session) -> None:
    np.testing.assert_allclose(session.run("hidden", {"x": X}), np.tanh(X), rtol=1e-6)


def test_a_set_of_fetches_is_pruned_once(session: Session) -> None:
    for _ in range(3):
        session.run(["probs", "hidden"], {"x": X})
    assert len(session._fetched) == 1


def test_no_fetch_gives_nothing(session: Session) -> None:
    assert session.run([], {}) == []


def test_an_unknown_fetch_or_feed_suggests_near_names(session: Session) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'hidden'"):
        session.run("hiden", {"x": X})
    with pytest.raises(UnknownNameError, match="no input 'z'"):
        session.run("hidden", {"z": X})


def test_a_needed_feed_that_lacks_is_named(session: Session) -> None:
    with pytest.raises(InvalidArgumentError, match="needs the input x"):
        session.run("hidden", {"y": Y})


def test_a_fetch_that_is_no_name_is_refused(session: Session) -> None:
    with pytest.raises(InvalidTypeError, match="A fetch is a int"):
        session.run([3], {})  # type: ignore[list-item]
