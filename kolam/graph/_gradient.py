"""The gradient of a program as a program."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from kolam.core import InvalidArgumentError, TensorSpec, UnknownNameError
from kolam.graph._arguments import describe
from kolam.graph._trace import Results, refuse_repeats

if TYPE_CHECKING:
    from kolam.graph._graph import Graph

Flat = tuple[Any, Results, dict[str, np.ndarray], list[TensorSpec]]


def flat_gradient(part: "Graph", wanted: Sequence[str], whole: "Graph") -> Flat:
    """Give what a trace needs of the gradient of a program's one output.

    Args:
        part: The program that yields the scalar alone.
        wanted: Names of inputs and weights.
        whole: The program that it is a part of; what the part does not need has gradient zero.

    Returns:
        The function of flat weights and inputs, its results, the weights, the inputs.
    """
    # Any in this file: arrays and tracers
    specs = {str(spec.name): spec for spec in whole.inputs}
    _check(part, wanted, specs, whole)
    weights = {label: whole.weights[label] for label in whole.weights}
    inputs = list(whole.inputs)
    names = [*weights, *specs]
    needed = [*part._runnable.weight_names, *(str(spec.name) for spec in part.inputs)]

    def call(*values: Any) -> tuple[Any, dict[str, Any]]:
        given = dict(zip(names, values, strict=True))

        def scalar(moved: Sequence[Any]) -> Any:
            every = given | dict(zip(wanted, moved, strict=True))
            return part._runnable.evaluate(*(every[label] for label in needed))[0]

        return jax.grad(scalar)([given[label] for label in wanted]), {}

    results = Results(list(wanted))
    return results.flatten(call, lambda values: tuple(values)), results, weights, inputs


def _check(
    part: "Graph", wanted: Sequence[str], inputs: dict[str, TensorSpec], whole: "Graph"
) -> None:
    (output,) = part.outputs
    if output.shape or not np.issubdtype(np.dtype(_plain(output.dtype)), np.floating):
        raise InvalidArgumentError(
            f"The output {describe(output)} is no scalar of floats, and only that has a gradient.",
            how="Name a mean or a sum with `kl.graph.name`, and give its name.",
        )
    if not wanted:
        raise InvalidArgumentError(
            f"{whole.name!r} has no weights to differentiate with respect to.",
            how='Name inputs: `graph.gradient("loss", ["x"])`.',
        )
    refuse_repeats("name", wanted)
    for label in wanted:
        if label not in whole.weights and label not in inputs:
            raise UnknownNameError.among("input or weight", label, [*whole.weights, *inputs])
        dtype = inputs[label].dtype if label in inputs else str(whole.weights[label].dtype)
        if not np.issubdtype(np.dtype(_plain(dtype)), np.floating):
            raise InvalidArgumentError(f"{label!r} has no gradient: it holds {dtype}.")


def _plain(dtype: str) -> str:
    return "float32" if dtype == "bfloat16" else dtype
