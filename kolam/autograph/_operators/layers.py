"""Keras layers: the `call` that a user wrote is converted while converted code calls the layer."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType
from typing import Any

_NONE: tuple[type, ...] = ()


def is_layer(callee: Any) -> bool:
    """Whether a value is a Keras layer or model."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(callee, getattr(keras, "Layer", _NONE))


def calling(
    layer: Any,
    convert_raw: Callable[[FunctionType], FunctionType],
    is_users: Callable[[FunctionType], bool],
) -> Callable[..., Any]:
    """Give what calls a layer with every user's `call` in it converted.

    Args:
        layer: A Keras layer, maybe with layers in it.
        convert_raw: Converts a plain function.
        is_users: Tells whether a function is of the user, not of a library.
    """
    made = []
    for inner in layer._flatten_layers():
        call = getattr(type(inner), "call", None)
        if type(call) is FunctionType and is_users(call) and "call" not in vars(inner):
            made.append((inner, MethodType(convert_raw(call), inner)))
    if not made:
        return layer

    def call_layer(*args: Any, **kwargs: Any) -> Any:
        with _with_calls(made), _plain_errors():
            return layer(*args, **kwargs)

    return call_layer


@contextmanager
def _with_calls(made: list[tuple[Any, MethodType]]) -> Iterator[None]:
    for inner, call in made:
        vars(inner)["call"] = call  # not through Keras, which tracks attributes
    try:
        yield
    finally:
        for inner, _ in made:
            vars(inner).pop("call", None)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Keep Keras from making exceptions anew, which loses what they carry."""
    config = sys.modules["keras"].config
    before = config.is_traceback_filtering_enabled()
    config.disable_traceback_filtering()
    try:
        yield
    finally:
        if before:
            config.enable_traceback_filtering()
