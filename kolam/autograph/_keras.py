"""Keras models whose layers, losses, metrics and steps hold plain Python control flow."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kolam.autograph import _operators
from kolam.autograph._convert import convert
from kolam.autograph._operators import watching_variables


def has_users_code(model: Any) -> bool:
    """Whether a Keras model holds code that is not a library's: a layer, a loss, a step."""
    # Any: Keras is untyped
    return _operators.has_users_code(model, convert, _operators.is_users)


@contextmanager
def users_code(model: Any) -> Iterator[None]:
    """Convert, while inside, the user's code in a Keras model that Keras itself calls.

    These are the methods of his layers, models, losses, metrics, optimisers, schedules,
    regularisers and constraints, and functions that Keras keeps, such as losses and activations.
    Open it around the trace of a step; afterwards the model is as it was. One thread may trace a
    model at a time.
    """
    # Any: Keras is untyped
    with _operators.users_code(model, convert, _operators.is_users):
        yield


__all__ = ["has_users_code", "users_code", "watching_variables"]
