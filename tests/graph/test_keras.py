"""Keras models as graphs."""

from typing import Any

import keras
import numpy as np
import pytest

from kolam.autograph import users_code
from kolam.core import InvalidArgumentError, InvalidTypeError, TensorSpec
from kolam.graph import Graph

layers = keras.layers
RNG = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def assert_same(graph: Graph, model: Any, *arrays: np.ndarray) -> None:
    got = graph.run(*arrays)
    wanted = model(list(arrays) if len(arrays) > 1 else arrays[0], training=False)
    got = list(got.values()) if isinstance(got, dict) else [got]
    wanted = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
    for ours, theirs in zip(got, wanted, strict=True):
        # one program against layer by layer: other fusions, a few units in the last place
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def two_headed() -> Any:
    image, extra = keras.Input((8, 8, 3), name="image"), keras.Input((4,), name="extra")
    hidden = layers.Conv2D(4, 3, name="conv")(image)
    hidden = layers.BatchNormalization(name="norm")(hidden)
    hidden = layers.GlobalAveragePooling2D(name="pool")(hidden)
    hidden = layers.Dropout(0.5, name="drop")(hidden)
    hidden = layers.Concatenate(name="both")([hidden, extra])
    heads = [
        layers.Dense(3, activation="softmax", name="probs")(hidden),
        layers.Dense(1, name="value")(hidden),
    ]
    model = keras.Model([image, extra], heads, name="two")
    norm = model.get_layer("norm")
    norm.moving_mean.assign(floats(4))
    norm.moving_variance.assign(np.abs(floats(4)) + 0.5)
    return model


def test_several_inputs_and_outputs_keep_their_names(two_headed: Any) -> None:
    graph = Graph.from_keras(two_headed)
    assert graph.name == "two"
    assert graph.inputs == (
        TensorSpec(("batch", 8, 8, 3), "float32", "image"),
        TensorSpec(("batch", 4), "float32", "extra"),
    )
    assert [spec.name for spec in graph.outputs] == ["probs", "value"]
    assert_same(graph, two_headed, floats(5, 8, 8, 3), floats(5, 4))


def test_weights_have_the_paths_of_keras(two_headed: Any) -> None:
    graph = Graph.from_keras(two_headed)
    assert {"conv/kernel", "conv/bias", "norm/gamma", "norm/moving_variance"} <= set(graph.weights)
    np.testing.assert_array_equal(
        graph.weights["conv/kernel"], np.asarray(two_headed.get_layer("conv").kernel)
    )


def test_layers_can_be_fetched_by_name(two_headed: Any) -> None:
    pool = Graph.from_keras(two_headed).fetch("pool")
    assert [spec.name for spec in pool.inputs] == ["image"]
    image = floats(2, 8, 8, 3)
    part = keras.Model(two_headed.inputs[0], two_headed.get_layer("pool").output)
    assert_same(pool, part, image)


def test_a_sequential_model_with_seed_generators_runs_in_inference() -> None:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, activation="relu", name="hidden"),
            layers.GaussianNoise(1.0),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(2, name="logits"),
        ]
    )
    graph = Graph.from_keras(model)
    assert [spec.name for spec in graph.inputs] == ["input"]
    assert not any("seed" in label for label in graph.weights)
    assert_same(graph, model, floats(3, 4))
    assert graph.fetch("hidden").run(floats(3, 4)).shape == (3, 5)


def test_a_recurrent_model_may_have_a_symbolic_number_of_steps() -> None:
    model = keras.Sequential([keras.Input((None, 4), name="words"), layers.LSTM(3)])
    graph = Graph.from_keras(model)
    assert graph.inputs[0].shape == ("batch", "words_size_1", 4)
    assert_same(graph, model, floats(2, 7, 4))


def test_an_embedding_takes_whole_numbers() -> None:
    model = keras.Sequential(
        [keras.Input((6,), dtype="int32"), layers.Embedding(10, 4), layers.Flatten()]
    )
    graph = Graph.from_keras(model)
    assert graph.inputs[0].dtype == "int32"
    assert_same(graph, model, RNG.integers(0, 10, (3, 6)).astype(np.int32))


def test_a_layer_used_twice_is_no_node_and_still_runs() -> None:
    inputs = keras.Input((4,))
    shared = layers.Dense(4, name="shared")
    model = keras.Model(inputs, layers.ReLU(name="end")(shared(shared(inputs))))
    graph = Graph.from_keras(model)
    assert "shared" not in {spec.name for spec in graph.nodes}
    assert_same(graph, model, floats(2, 4))


def test_a_model_of_dicts_names_inputs_and_outputs_by_key() -> None:
    left, right = keras.Input((2,), name="left"), keras.Input((2,), name="right")
    model = keras.Model(
        {"left": left, "right": right},
        {"sum": left + right, "gap": layers.Subtract()([left, right])},
    )
    graph = Graph.from_keras(model)
    got = graph.run(left=floats(3, 2), right=np.zeros((3, 2), np.float32))
    assert set(got) == {"gap", "sum"}
    np.testing.assert_array_equal(got["gap"], got["sum"])


class Scaled(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(3)
        self.drop = layers.Dropout(0.9)

    def call(self, values):  # type: ignore[no-untyped-def]
        return self.drop(self.dense(values)) * 2


def test_a_subclassed_model_runs_once_it_is_built() -> None:
    model = Scaled()
    x = floats(3, 4)
    with pytest.raises(InvalidArgumentError, match=r"is not built.*\n.*Call it once"):
        Graph.from_keras(model)
    model(x)
    np.testing.assert_allclose(Graph.from_keras(model).run(x), model.dense(x) * 2, rtol=1e-5)


class Gate(layers.Layer):
    def call(self, x):  # type: ignore[no-untyped-def]
        assert x.max() < 50, "too large"
        if x.mean() > 0:
            return x * 2
        return -x


class Halved(layers.Layer):
    def call(self, x):  # type: ignore[no-untyped-def]
        while abs(x).max() > 0.5:
            x = x / 2
        return x


class Summed(layers.Layer):
    """Adds up over time until the sum is large."""

    def call(self, x):  # type: ignore[no-untyped-def]
        total = x[:, 0]
        for step in range(1, x.shape[1]):
            total = total + x[:, step]
            if total.mean() > 1:
                break
        return total[:, None]


class Plain(keras.Model):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def call(self, x):  # type: ignore[no-untyped-def]
        return self.layer(x)


@pytest.mark.parametrize("layer", [Gate, Halved, Summed])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_control_flow_on_data_in_a_layer_is_in_the_graph(layer: Any, sign: float) -> None:
    model = Plain(layer())
    x = sign * np.abs(floats(5, 4))
    with users_code(model):
        model(x)
    assert_same(Graph.from_keras(model), model, x)
    assert type(model.layer) is layer


def test_a_model_that_keras_could_not_trace_says_how_to_build_it() -> None:
    model = Plain(Gate())
    x = floats(5, 4)
    model(x)  # runs as plain Python, and leaves no shapes
    with pytest.raises(InvalidArgumentError, match=r"is not built.*\n.*model\.build\(x\.shape\)"):
        Graph.from_keras(model)
    model.build(x.shape)
    assert_same(Graph.from_keras(model), model, x)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match=r"this is a Dense.*\n.*from_function"):
        Graph.from_keras(layers.Dense(2))


def test_the_same_model_gives_the_same_bytes(two_headed: Any) -> None:
    assert Graph.from_keras(two_headed) == Graph.from_keras(two_headed)
