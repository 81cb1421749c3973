"""From a Keras model to a function of weights and inputs, with its layers as named nodes."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kolam.autograph import users_code, without_effects
from kolam.core import InvalidArgumentError, InvalidTypeError, TensorSpec, import_keras
from kolam.graph._trace import Results, check_dtype, refuse_repeats

Flat = tuple[Callable[..., tuple[Any, ...]], Results, dict[str, np.ndarray], list[TensorSpec], str]


def flat_model(model: Any) -> Flat:
    """Give what a trace needs of a built model, in inference mode.

    Returns:
        The function of flat weights and inputs; its results; the weights by Keras path; the
        inputs; the name of the model.

    Raises:
        InvalidTypeError: It is no Keras model.
        InvalidArgumentError: It is not built, so its input shapes are unknown.
    """
    # Any above and below: Keras is untyped
    keras = import_keras()
    if not isinstance(model, keras.Model):
        raise InvalidTypeError(
            f"A Keras model is needed, but this is a {type(model).__name__}.",
            how="Use `Graph.from_function` for a function.",
        )
    specs = _input_specs(model)
    labels = [str(spec.name) for spec in specs]
    refuse_repeats("input", labels)
    traced, layers = _with_layers(model)
    variables = _variables(traced)
    trainable = {id(variable) for variable in traced.trainable_variables}
    names = [str(variable.path) for variable in variables]
    refuse_repeats("weight", names)
    weights = {
        label: np.asarray(variable) for label, variable in zip(names, variables, strict=True)
    }

    takes_training = "training" in inspect.signature(traced.call).parameters
    inference = {"training": False} if takes_training else {}

    def call(values: Sequence[Any], inputs: Any) -> Any:
        owned = list(zip(variables, values, strict=True))
        with users_code(traced), without_effects():
            outputs, _ = traced.stateless_call(
                [value for variable, value in owned if id(variable) in trainable],
                [value for variable, value in owned if id(variable) not in trainable],
                inputs,
                **inference,
            )
        return (outputs["outputs"], outputs["nodes"]) if layers else (outputs, {})

    def rebuild(flat: Sequence[Any]) -> tuple[Any, ...]:
        values, inputs = flat[: len(weights)], list(flat[len(weights) :])
        return list(values), _as_model_inputs(model, inputs, labels)

    results = Results(_output_names(model))
    return results.flatten(call, rebuild), results, weights, specs, str(model.name)


def _variables(model: Any) -> list[Any]:
    return [*model.trainable_variables, *model.non_trainable_variables]


def _input_specs(model: Any) -> list[TensorSpec]:
    tensors = getattr(model, "inputs", None)
    if not tensors:
        tensors = _recorded_inputs(model)
    specs = []
    for index, tensor in enumerate(tensors):
        label = str(tensor.name)
        if label.startswith("keras_tensor"):  # a running number, other in each process
            label = "input" if len(tensors) == 1 else f"input_{index}"
        shape = tuple(
            size if size is not None else "batch" if axis == 0 else f"{label}_size_{axis}"
            for axis, size in enumerate(tensor.shape)
        )
        spec = TensorSpec(shape, str(tensor.dtype), label)
        check_dtype(spec)
        specs.append(spec)
    return specs


def _recorded_inputs(model: Any) -> list[Any]:
    """Give the inputs of a subclassed model as its first call recorded them."""
    keras = import_keras()
    shapes = model._build_shapes_dict if model.built else None
    if not shapes:
        raise InvalidArgumentError(
            f"The model {model.name!r} is not built, so the shapes of its inputs are unknown.",
            how="Keras could not trace its `call` at its first call. Write `model.build(x.shape)`."
            if model.built
            else "Call it once on example arrays, or give the first layer an `Input`.",
        )
    if "input_shape" in shapes:
        shapes = {"x": shapes["input_shape"]}
    tensors = []
    for key, shape in shapes.items():
        if not all(isinstance(size, int) or size is None for size in shape):
            raise InvalidArgumentError(
                f"The subclassed model {model.name!r} takes nested inputs.",
                how="Wrap it: `keras.Model(inputs, model(inputs))` with one `keras.Input` each.",
            )
        label = key.removesuffix("_shape")
        tensors.append(keras.KerasTensor((None, *shape[1:]), model.input_dtype, name=label))
    if len(tensors) != 1:
        raise InvalidArgumentError(
            f"The subclassed model {model.name!r} takes {len(tensors)} arguments.",
            how="Wrap it: `keras.Model(inputs, model(*inputs))` with one `keras.Input` each.",
        )
    return tensors


def _as_model_inputs(model: Any, inputs: list[Any], labels: list[str]) -> Any:
    structure = getattr(model, "_inputs_struct", None)
    if structure is None:
        return inputs[0]
    keras = import_keras()
    return keras.tree.pack_sequence_as(structure, inputs)


def _with_layers(model: Any) -> tuple[Any, bool]:
    """Give a model that has the outputs of its layers beside its own, where it is a graph."""
    keras = import_keras()
    functional = _functional(model)
    if functional is None:
        return model, False
    own = {id(tensor) for tensor in functional.outputs}
    found: dict[str, list[Any]] = {}
    for depth in functional._nodes_by_depth.values():
        for node in depth:
            if not node.is_input:
                found.setdefault(str(node.operation.name), []).extend(node.output_tensors)
    # a layer that stands several times, or gives several arrays, has no one value to fetch
    nodes = {
        label: tensors[0]
        for label, tensors in found.items()
        if len(tensors) == 1 and id(tensors[0]) not in own
    }
    if not nodes:
        return model, False
    outputs = {"outputs": functional._outputs_struct, "nodes": nodes}
    return keras.Model(functional._inputs_struct, outputs), True


def _functional(model: Any) -> Any:
    keras = import_keras()
    if isinstance(model, keras.Sequential):
        return model._functional
    is_functional = hasattr(model, "_outputs_struct") and hasattr(model, "_inputs_struct")
    # a subclass may do more than its graph in `call`
    return model if is_functional and type(model).call is keras.src.models.Functional.call else None


def _output_names(model: Any) -> list[str] | None:
    keras = import_keras()
    functional = _functional(model)
    if functional is None:
        return None
    structure = functional._outputs_struct
    tensors = keras.tree.flatten(structure)
    if isinstance(structure, dict):
        return None
    names = [str(tensor._keras_history.operation.name) for tensor in tensors]
    return names if len(set(names)) == len(names) else None
