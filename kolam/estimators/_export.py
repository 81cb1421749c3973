"""Fitted weights to the predict Graph: ``features`` in, ``scores`` out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kolam.core import TensorSpec
from kolam.estimators._table import Floats, Standardizer
from kolam.graph import Graph

if TYPE_CHECKING:
    import jax

Layers = Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]


def linear_graph(
    standardizer: Standardizer, kernel: Floats, bias: Floats, *, is_classifier: bool
) -> Graph:
    """Make the program of a linear model.

    Args:
        standardizer: What the columns go through first.
        kernel: Coefficients of the standardised columns, [columns, outputs].
        bias: Intercepts, [outputs].
        is_classifier: Whether scores are probabilities; values of the label otherwise.
    """
    import jax

    def predict(weights: dict[str, "jax.Array"], features: "jax.Array") -> "jax.Array":
        columns = (features - weights["offset"][None, :]) * weights["scale"][None, :]
        scores = columns @ weights["kernel"] + weights["bias"][None, :]
        return jax.nn.softmax(scores, axis=1) if is_classifier else scores

    weights: dict[str, Any] = {  # Any: arrays
        "offset": standardizer.offset,
        "scale": standardizer.scale,
        "kernel": kernel.astype(np.float32),
        "bias": bias.astype(np.float32),
    }
    return _predict_graph(predict, standardizer, weights)


def network_graph(
    standardizer: Standardizer,
    layers: Layers,
    *,
    limit: float,
    activation: str,
    label_scale: tuple[float, float] | None,
) -> Graph:
    """Make the program of an ensemble of networks.

    The members are written out one after the other, as plain products of matrices.

    Args:
        standardizer: What the columns go through first.
        layers: Per layer its kernels [members, inputs, outputs] and biases [members, outputs].
        limit: Standardised columns are clipped to this magnitude.
        activation: ``"relu"`` or ``"silu"``.
        label_scale: Centre and spread of the label; `None` for a classifier.
    """
    import jax
    import jax.numpy as jnp

    members = len(layers[0][0])

    def member_scores(weights: Any, columns: "jax.Array") -> "jax.Array":
        values = columns
        for index in range(len(layers)):
            if index:
                values = jax.nn.relu(values) if activation == "relu" else jax.nn.silu(values)
            layer = weights[f"layer_{index}"]
            values = values @ layer["kernel"] + layer["bias"][None, :]
        return jax.nn.softmax(values, axis=1) if label_scale is None else values

    def predict(weights: dict[str, Any], features: "jax.Array") -> "jax.Array":
        columns = (features - weights["offset"][None, :]) * weights["scale"][None, :]
        columns = jnp.clip(columns, -limit, limit)
        scores = member_scores(weights["member_0"], columns)
        for index in range(1, members):
            scores = scores + member_scores(weights[f"member_{index}"], columns)
        scores = scores * np.float32(1 / members)
        if label_scale is None:
            return scores
        return scores * weights["label_spread"][None, :] + weights["label_centre"][None, :]

    weights: dict[str, Any] = {"offset": standardizer.offset, "scale": standardizer.scale}
    for index in range(members):
        weights[f"member_{index}"] = {
            f"layer_{depth}": {"kernel": kernel[index], "bias": bias[index]}
            for depth, (kernel, bias) in enumerate(layers)
        }
    if label_scale is not None:
        weights["label_centre"] = np.array([label_scale[0]], np.float32)
        weights["label_spread"] = np.array([label_scale[1]], np.float32)
    return _predict_graph(predict, standardizer, weights)


def _predict_graph(fn: Any, standardizer: Standardizer, weights: dict[str, Any]) -> Graph:
    spec = TensorSpec(("batch", len(standardizer.offset)), "float32", name="features")
    return Graph.from_function(fn, spec, weights=weights, name="predict", output_names=["scores"])
