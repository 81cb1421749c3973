"""Fitted weights to the predict Graph: ``features`` in, ``scores`` out."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kolam.core import TensorSpec
from kolam.estimators._table import Floats, Standardizer
from kolam.graph import Graph

if TYPE_CHECKING:
    import jax


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
    spec = TensorSpec(("batch", len(standardizer.offset)), "float32", name="features")
    return Graph.from_function(
        predict, spec, weights=weights, name="predict", output_names=["scores"]
    )
