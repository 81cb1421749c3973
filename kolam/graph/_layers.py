"""`kl.function` on methods of Keras layers and metrics: their variables are no constants."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax

from kolam.graph._stablehlo import is_under_jit


def holds_variables(instance: object) -> bool:
    """Whether an object is a Keras layer, model or metric."""
    keras: Any = sys.modules.get("keras")
    metrics = getattr(keras, "metrics", None)
    return metrics is not None and isinstance(instance, (keras.Layer, metrics.Metric))


def is_traced_by_keras(arguments: Any) -> bool:
    """Whether a call is part of a program that Keras or JAX traces, or that collects updates."""
    # Any: the arguments of the user's method
    keras: Any = sys.modules["keras"]
    if keras.src.backend.common.stateless_scope.in_stateless_scope() or is_under_jit():
        return True
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arguments))


def with_variables(method: Callable[..., Any], instance: Any) -> Callable[..., Any]:
    """Give a function of the values of all variables and the arguments of a method.

    Returns:
        A function that gives the result and the values that changed, by number.
    """
    # Any: Keras is untyped
    keras: Any = sys.modules["keras"]

    def run(values: Sequence[Any], args: Any, kwargs: Any) -> tuple[Any, dict[int, Any]]:
        variables = instance().variables
        with keras.StatelessScope(zip(variables, values, strict=True)) as scope:
            before = [scope.get_current_value(variable) for variable in variables]
            result = method(*args, **kwargs)
        after = [scope.get_current_value(variable) for variable in variables]
        pairs = enumerate(zip(before, after, strict=True))
        return result, {index: new for index, (old, new) in pairs if new is not old}

    return run
