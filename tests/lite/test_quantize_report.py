"""Errors per layer, and measures by slices beside those of the float model."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import InvalidArgumentError, TensorSpec
from kolam.graph import trace
from kolam.lite import Quantized, compare_metrics, layer_errors, quantize

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((400, 8)).astype("f")
W = [RANDOM.standard_normal((8, 8)).astype("f") / 3 for _ in range(2)]


def _model(x: Any) -> Any:
    return jax.nn.softmax(jax.nn.relu(x @ W[0]) @ W[1])


@pytest.fixture(scope="module")
def quantized() -> Quantized:
    return quantize(trace(_model, TensorSpec(("batch", 8), name="x")), X[:100])


def test_errors_are_those_of_the_arrays_themselves(quantized: Quantized) -> None:
    errors = layer_errors(quantized, X[:50])
    assert [layer.op for layer in errors] == ["FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX"]
    hidden = np.maximum(X[:50].astype(np.float64) @ W[0], 0)
    first = errors.layers[0]
    assert first.scale == pytest.approx(np.maximum(X[:100] @ W[0], 0).max() / 255, rel=1e-6)
    # the input and this layer each round with an error of step / sqrt(12)
    steps = 2 * np.abs(X[:100]).max() / 255, first.scale
    noise = (steps[0] ** 2 * np.square(W[0]).sum(0).mean() / 2 + steps[1] ** 2) / 12
    assert first.sqnr_db == pytest.approx(10 * np.log10(np.square(hidden).mean() / noise), abs=2)
    assert 0 < first.largest < 6 * np.sqrt(noise) + first.scale
    assert errors.layers[-1].scale == 1 / 256


def test_errors_print_as_a_table_with_lines(quantized: Quantized) -> None:
    head, first, *_ = str(layer_errors(quantized, X[:5])).splitlines()
    assert head.split() == ["layer", "operator", "step", "SQNR", "(dB)", "largest", "error", "line"]
    line = _model.__code__.co_firstlineno + 1
    assert first.startswith("fully_connected_0  FULLY_CONNECTED")
    assert first.endswith(f"test_quantize_report.py:{line}")


def test_the_layer_that_loses_most_comes_first() -> None:
    def model(x: Any) -> Any:
        outlier = jnp.where(jnp.arange(8) == 3, 1000.0, 1.0)
        return jnp.tanh((jnp.tanh(x) * outlier[None, :]) @ W[0] / 1000)

    graph = trace(model, TensorSpec(("batch", 8), name="x"))
    worst = layer_errors(quantize(graph, X[:100]), X[:50]).worst(1)
    assert worst[0].op in ("MUL", "FULLY_CONNECTED", "TANH")
    assert len(layer_errors(quantize(graph, X[:100]), X[:50]).worst(2)) == 2


def test_slices_say_which_rows_got_worse() -> None:
    """Rows of one group live in the last bits of a wide range; codes lose them."""

    def model(x: Any, group: Any) -> Any:
        return jax.nn.sigmoid(x * (1 - group) * 400 + x * group * 40)

    graph = trace(model, *(TensorSpec(("batch", 1), name=name) for name in ("x", "group")))
    group = np.arange(400) % 2
    size = np.where(group == 0, 0.002, 1.0)
    x = (RANDOM.standard_normal(400) * size).astype("f")
    data = x[:, None], group[:, None].astype("f")
    found = compare_metrics(
        quantize(graph, data),
        data,
        (x > 0).astype(int),
        task="binary",
        slices={"group": group.tolist()},
    )
    overall, worst, other = found.changes("accuracy")
    assert overall.name == "all rows"
    assert worst.name == "group = 0"
    assert worst.loss is not None
    assert worst.loss > 0.2
    assert other.loss == pytest.approx(0, abs=0.02)
    assert found.worst_slice("accuracy") == worst
    assert found.plain.overall.metrics["accuracy"].value == 1.0
    assert str(found).splitlines()[0].split()[:4] == ["slice", "rows", "auc", "float"]


def test_an_unknown_measure_lists_the_known(quantized: Quantized) -> None:
    target = (X @ W[0]).argmax(1)
    found = compare_metrics(quantized, X, target, task="multiclass")
    with pytest.raises(InvalidArgumentError, match=r"no metric 'f2'[^`]*accuracy"):
        found.changes("f2")


def test_several_outputs_are_refused() -> None:
    graph = trace(lambda x: (jnp.tanh(x), x @ W[0]), TensorSpec(("batch", 8), name="x"))
    with pytest.raises(InvalidArgumentError, match=r"has 2 outputs: .*\n[^`]*`graph.fetch"):
        compare_metrics(quantize(graph, X), X, X[:, 0], task="regression")
