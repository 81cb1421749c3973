"""One optimiser step as a program of its own, for a device or a browser that trains."""

from typing import Any

import numpy as np

from kolam.autograph import users_code
from kolam.core import InvalidArgumentError, TensorSpec, import_keras, prepare_jax
from kolam.graph import Graph
from kolam.train._fit import check_model

_LOSS = "loss"


def step_graph(model: Any, *specs: TensorSpec) -> Graph:  # Any: Keras has no types
    """Give one step of training as a Graph: state and batch in, new state and loss out.

    The inputs are the state, one input per variable by its name (weights, random state, then the
    optimiser: those of `training_state`), and then the batch. The outputs are the state after the
    step, by the same names, and the loss of the batch before it. Gradients are in the program, so
    whatever runs a Graph can train the model.

    Args:
        model: A compiled Keras model with one input and one output.
        specs: Of x and y, with their first axis, such as
            ``TensorSpec((32, 784), name="x"), TensorSpec((32,), "int32", name="y")``.

    Raises:
        InvalidArgumentError: There are not two specs, or a size is symbolic.
        InvalidTypeError: `model` is no Keras model.
        UnsupportedError: The model runs eagerly.
    """
    import_keras()
    prepare_jax()
    check_model(model)
    if len(specs) != 2 or not all(spec.is_static and spec.shape for spec in specs):
        raise InvalidArgumentError(
            f"step_graph needs the specs of x and y with all sizes known; got {list(specs)}.",
            how='Give TensorSpec((32, 784), name="x") and TensorSpec((32,), "int32", name="y").',
        )
    with users_code(model):
        _build(model, specs)
    state = training_state(model)
    names = list(state)
    x, y = (_named(spec, name) for spec, name in zip(specs, "xy", strict=True))
    inputs = [TensorSpec(array.shape, array.dtype.name, name) for name, array in state.items()]

    def step(*arrays: Any) -> tuple[Any, ...]:
        with users_code(model):
            new, loss = _one_step(model, arrays[:-2], *arrays[-2:])
        return (*new, loss)

    return Graph.from_function(step, *inputs, x, y, name="train_step", output_names=[*names, _LOSS])


def training_state(model: Any) -> dict[str, np.ndarray]:
    """Give what a step of `step_graph` reads and writes: array by name, in the Graph's order."""
    return {name: np.asarray(variable.value) for name, variable in _named_variables(model).items()}


def _named_variables(model: Any) -> dict[str, Any]:
    """Give the variables by unique names such as ``dense/kernel``, in the order of the state."""
    named: dict[str, Any] = {}
    for variable in (
        *model.trainable_variables,
        *model.non_trainable_variables,
        *model.optimizer.variables,
    ):
        name, copies = variable.path, 1
        while name in named:
            copies += 1
            name = f"{variable.path}_{copies}"
        named[name] = variable
    return named


def _build(model: Any, specs: tuple[TensorSpec, ...]) -> None:
    x, y = (np.zeros([int(size) for size in spec.shape], spec.dtype) for spec in specs)
    model._symbolic_build(data_batch=(x, y))


def _named(spec: TensorSpec, name: str) -> TensorSpec:
    return spec if spec.name else TensorSpec(spec.shape, spec.dtype, name)


def _one_step(model: Any, arrays: tuple[Any, ...], x: Any, y: Any) -> tuple[list[Any], Any]:
    """Run Keras' own computation of loss, gradient and update, without its metrics."""
    import jax  # here: costs 0.7 s

    trained, others = len(model.trainable_variables), len(model.non_trainable_variables)
    trainable = list(arrays[:trained])
    fixed = list(arrays[trained : trained + others])
    optimizer = list(arrays[trained + others :])
    metrics = [variable.value for variable in model.metrics_variables]
    gradient = jax.value_and_grad(model.compute_loss_and_updates, has_aux=True)
    (_, (loss, _, fixed, _)), gradients = gradient(
        trainable, fixed, metrics, x, y, None, training=True, optimizer_variables=optimizer
    )
    trainable, optimizer = model.optimizer.stateless_apply(optimizer, gradients, trainable)
    return [*trainable, *fixed, *optimizer], loss
