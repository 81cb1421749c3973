"""Training compiled by kolam.lite: 200 steps of each network against the same steps by XLA.

    python benchmarks/lite/training.py --targets native wasm --networks mlp gru resnet
    python benchmarks/lite/training.py --targets cortex-m4 --networks mlp

Prints the losses at the end, the largest difference along the way and the time of a step. The
ResNet is the ResNet-8 of MLPerf Tiny on pictures of 32 x 32, with batch norm in training mode.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from kolam.core import TensorSpec, import_keras
from kolam.lite import compile
from kolam.train import step_graph, training_state

STEPS = 200
Network = tuple[Any, tuple[int, ...], int]  # a compiled Keras model, shape of a batch, classes


def mlp() -> Network:
    """Three dense layers, Adam."""
    keras = import_keras()
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((30,)),
            layers.Dense(64, "relu"),
            layers.Dense(16, "relu"),
            layers.Dense(2, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return model, (20, 30), 2


def gru() -> Network:
    """A recurrent layer over 20 steps, Adam: a loop inside, and one for its gradient."""
    keras = import_keras()
    layers = keras.layers
    model = keras.Sequential([layers.Input((20, 8)), layers.GRU(32), layers.Dense(4, "softmax")])
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    return model, (16, 20, 8), 4


def resnet() -> Network:
    """ResNet-8, SGD with momentum."""
    keras = import_keras()
    layers = keras.layers
    inputs = keras.Input((32, 32, 3))

    def convolved(x: Any, channels: int, stride: int = 1) -> Any:
        x = layers.Conv2D(channels, 3, strides=stride, padding="same")(x)
        return layers.BatchNormalization()(x)

    x = layers.ReLU()(convolved(inputs, 16))
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        y = convolved(layers.ReLU()(convolved(x, channels, stride)), channels)
        if stride > 1:
            x = layers.Conv2D(channels, 1, strides=stride, padding="same")(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    model = keras.Model(inputs, layers.Dense(10, "softmax")(x))
    optimizer = keras.optimizers.SGD(0.02, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model, (8, 32, 32, 3), 10


NETWORKS: dict[str, Callable[[], Network]] = {"mlp": mlp, "gru": gru, "resnet": resnet}


def steps(run: Callable[..., Any], state: list[Any], x: Any, y: Any) -> tuple[np.ndarray, float]:
    """Run all steps; give the losses and the seconds of one step."""
    losses, start = [], time.perf_counter()
    for _ in range(STEPS):
        *state, loss = run(*state, x, y).values()
        losses.append(float(np.asarray(loss)))
    return np.array(losses), (time.perf_counter() - start) / STEPS


def main() -> None:
    """Compare every network on every target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--targets", nargs="*", default=["native", "wasm"])
    options = parser.parse_args()
    for name in options.networks:
        import_keras().utils.set_random_seed(0)
        model, shape, classes = NETWORKS[name]()
        x_spec, y_spec = TensorSpec(shape, name="x"), TensorSpec(shape[:1], "int32", name="y")
        graph = step_graph(model, x_spec, y_spec)
        state = training_state(model)
        arrays = [np.asarray(state[spec.name]) for spec in graph.inputs[:-2]]
        random = np.random.default_rng(1)
        x = random.standard_normal(shape).astype("float32")
        y = random.integers(0, classes, shape[0]).astype("int32")
        expected, seconds = steps(graph.run, arrays, x, y)
        losses = f"{expected[0]:.5f} to {expected[-1]:.3e}"
        print(f"{name}: XLA {losses}, {seconds * 1e6:,.0f} µs a step")
        for target in options.targets:
            start = time.perf_counter()
            compiled = compile(graph, target)
            built = time.perf_counter() - start
            found, seconds = steps(compiled.run, arrays, x, y)
            print(
                f"{name}: {target} {found[0]:.5f} to {found[-1]:.3e}, largest difference "
                f"{np.max(np.abs(found - expected)):.1e}, {seconds * 1e6:,.0f} µs a step, "
                f"code {compiled.code_bytes:,} bytes, arena {compiled.arena_bytes:,}, compiled in "
                f"{built:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
