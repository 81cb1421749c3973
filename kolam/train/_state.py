"""The state of a compiled Keras model: four lists of arrays, in the model or on their way."""

from typing import Any

import numpy as np

State = tuple[list[Any], ...]  # Any: jax.Array, or NumPy on the way from disk

_GROUPS = ("trainable", "non_trainable", "optimizer", "metrics")


def variables(model: Any) -> dict[str, list[Any]]:
    """Give the variables of training by group, in the order of Keras' own trainer."""
    return {
        "trainable": model.trainable_variables,
        "non_trainable": model.non_trainable_variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }


def take_state(model: Any, *, training: bool) -> State:
    """Take the arrays out of the model's variables, so that a program may reuse their memory.

    The model has no values until `lend_state` and `jax_state_sync`. Testing leaves the optimiser.
    """
    state: State = model._get_jax_state(
        trainable_variables=True,
        non_trainable_variables=True,
        optimizer_variables=training,
        metrics_variables=True,
        purge_model_variables=True,
    )
    model._jax_state_synced = False
    return state


def lend_state(model: Any, state: State) -> None:
    """Let `model.jax_state_sync()`, which callbacks call, find the present arrays."""
    groups = [group for group in _GROUPS if len(state) == 4 or group != "optimizer"]
    model._jax_state = {
        f"{group}_variables": arrays for group, arrays in zip(groups, state, strict=True)
    }


def saved_state(model: Any) -> dict[str, list[np.ndarray]]:
    """Copy the values of all variables to the host, by group."""
    return {
        group: [np.asarray(variable.value) for variable in found]
        for group, found in variables(model).items()
    }


def load_state(model: Any, saved: dict[str, list[np.ndarray]]) -> None:
    """Put values that `saved_state` gave into the variables."""
    for group, found in variables(model).items():
        for variable, value in zip(found, saved[group], strict=True):
            variable.assign(value)
