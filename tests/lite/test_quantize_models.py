"""Layers and small models of Keras: as nodes again, and on codes beside LiteRT."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import TensorSpec, import_keras
from kolam.graph import Graph, trace
from kolam.lite import compile, quantize, to_tflite
from kolam.lite._expand import expand
from kolam.lite._interpret import interpret
from kolam.lite._lift import read_network
from kolam.lite._verify import verify
from tests.lite.litert import run_litert
from tests.lite.test_tflite_models import MODELS

# parts of these have no form on codes
MIXED = ("transformer", "activations", "norms", "softmax of other axes")


@lru_cache
def _case(name: str) -> tuple[Any, Graph, np.ndarray]:
    keras, (shape, build) = import_keras(), MODELS[name]
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    is_text = name == "transformer"
    inputs = keras.Input(shape, dtype="int32" if is_text else "float32", name="input")
    model = keras.Model(inputs, build(keras.layers, inputs))
    x = random.integers(0, 50, (16, *shape)) if is_text else random.standard_normal((16, *shape))
    return model, Graph.from_keras(model), x.astype("int32" if is_text else "float32")


@pytest.mark.parametrize("name", MODELS)
def test_operators_mean_what_the_graph_means(name: str) -> None:
    _, graph, x = _case(name)
    (found,) = interpret(verify(expand(read_network(graph))), [x[:1]])
    expected = np.asarray(graph.run(x[:1]))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("name", [name for name in MODELS if name not in MIXED])
def test_whole_models_on_codes_are_at_most_one_step_from_litert(name: str) -> None:
    model, graph, x = _case(name)
    quantized = quantize(graph, x, borders="int8")
    assert not quantized.kept
    compiled, file = compile(quantized), to_tflite(quantized)
    ((scale, zero),) = [quantized.scales[tensor.name] for tensor in quantized.network.inputs]
    ours, theirs = [], []
    for codes in np.clip(np.rint(x[:4, None] / scale) + zero, -128, 127).astype("int8"):
        ours.append(compiled.run(codes))
        theirs += run_litert(file, {"input": codes}).values()
    difference = np.abs(np.stack(ours).astype(int) - np.stack(theirs))
    assert difference.max() <= 1
    assert (difference != 0).sum() <= max(1, 0.005 * difference.size)
    (step, middle) = quantized.scales[quantized.network.outputs[0].name]
    expected = np.asarray(model(x[:4]))
    error = np.abs((np.concatenate(ours).astype(int) - middle) * step - expected).max()
    # 8 bits through up to twenty layers; the recurrent ones carry it on
    assert error < 0.08 * np.abs(expected).max()


@pytest.mark.filterwarnings("ignore:.*layers stay on float32")
@pytest.mark.parametrize("name", MIXED)
def test_mixed_models_stay_near_the_floats(name: str) -> None:
    model, graph, x = _case(name)
    quantized = quantize(graph, x)
    compiled, file = compile(quantized), to_tflite(quantized)
    expected = np.asarray(model(x[:4]))
    ours = np.concatenate([compiled.run(one[None]) for one in x[:4]])
    theirs = np.concatenate(
        [next(iter(run_litert(file, {"input": one[None]}).values())) for one in x[:4]]
    )
    span = np.abs(expected).max()
    assert np.abs(ours - expected).max() < 0.1 * span
    assert np.abs(ours - theirs).max() < 0.05 * span


@pytest.mark.parametrize("mask", [-1e9, -np.inf, float(np.finfo("f").min) / 2])
def test_masks_before_a_softmax_do_not_widen_the_codes(mask: float) -> None:
    allowed = np.tri(6, dtype=bool)

    def attention(x: Any) -> Any:
        scores = jnp.where(allowed[None], x @ x.swapaxes(1, 2), mask)
        return jax.nn.softmax(scores) @ x

    graph = trace(attention, TensorSpec(("batch", 6, 4), name="x"))
    x = np.random.default_rng(0).standard_normal((32, 6, 4)).astype("f")
    compiled = compile(quantize(graph, x))
    found = np.concatenate([compiled.run(one[None]) for one in x])
    expected = np.asarray(graph.run(x))
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("mask", [-1e9, -1e4, -300.0])
def test_a_mask_that_is_added_does_not_overflow(mask: float) -> None:
    def attention(x: Any, allowed: Any) -> Any:
        scores = x @ x.swapaxes(1, 2)
        return jax.nn.softmax(scores + (1.0 - allowed) * mask) @ x

    specs = TensorSpec(("batch", 6, 4), name="x"), TensorSpec(("batch", 6, 6), name="allowed")
    random = np.random.default_rng(0)
    x = random.standard_normal((32, 6, 4)).astype("f")
    allowed = np.maximum(np.eye(6), random.random((32, 6, 6)) < 0.5).astype("f")
    compiled = compile(quantize(trace(attention, *specs), (x, allowed)))
    pairs = zip(x, allowed, strict=True)
    found = np.concatenate([compiled.run(one[None], part[None]) for one, part in pairs])
    expected = np.asarray(attention(x, allowed))
    # a mask of -300 is in the range of the scores: their steps are 1.2 wide at worst
    room = 0.05 if mask < -1000 else 0.5
    assert np.abs(found - expected).max() < room * np.abs(expected).max()
