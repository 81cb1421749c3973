"""The reference networks of the MLPerf Tiny benchmark, in Keras, with weights from a seed.

Layers and sizes follow the public description of the benchmark. Statistics of the normalisations
are those of each layer's own input, slightly moved, so that no signal dies on its way.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any  # Any: Keras has no types

import numpy as np

from kolam.core import import_keras

INPUTS: dict[str, tuple[int, ...]] = {
    "kws": (49, 10, 1),  # keyword spotting
    "ic": (32, 32, 3),  # image classification
    "ic2": (32, 32, 3),  # the same, wider
    "vww": (96, 96, 3),  # is a person in the picture
    "ad": (640,),  # anomaly detection
    "sww": (30, 1, 40),  # streaming wake word
}
NAMES = tuple(INPUTS)


@lru_cache
def tiny_model(name: str, seed: int = 0) -> Any:
    """Build one of the networks; the same seed gives the same weights."""
    keras = import_keras()
    keras.utils.clear_session(free_memory=False)  # layers are counted from one in every test
    inputs = keras.Input(INPUTS[name])
    model = keras.Model(inputs, _BUILDERS[name](keras.layers, inputs), name=name)
    _randomise(model, np.random.default_rng([seed, NAMES.index(name)]))
    return model


def tiny_inputs(name: str, count: int = 1, seed: int = 1) -> np.ndarray:
    """Draw inputs [count, ...]: smooth shapes and noise, pixels in 0 to 1."""
    random = np.random.default_rng([seed, NAMES.index(name)])
    shape = (count, *INPUTS[name])
    noise, level = random.standard_normal(shape), random.standard_normal((count, 1))
    waves = np.zeros(shape)
    for axis in range(1, len(shape)):
        rate, phase = random.uniform(0.05, 0.5, (2, count, 1))
        line = np.sin(np.arange(shape[axis]) * rate + phase * 9) + level
        waves += line.reshape([count, *(-1 if i == axis else 1 for i in range(1, len(shape)))])
    mixed = waves + 0.5 * noise
    pixels = name in ("ic", "ic2", "vww")
    return (1 / (1 + np.exp(-mixed)) if pixels else mixed).astype("float32")


def _randomise(model: Any, random: np.random.Generator) -> None:
    known = {model.input.name: tiny_inputs(model.name, 16, seed=2)}
    for layer in model.layers[1:]:
        wanted = layer.input if isinstance(layer.input, list) else [layer.input]
        given = [known[tensor.name] for tensor in wanted]
        weights = [_draw(weight, given[0], random) for weight in layer.weights]
        if layer is model.layers[-1]:  # scores that differ between inputs and between classes
            scores = given[0] @ weights[0]
            weights[0] = weights[0] * (1.5 / scores.std(0).mean())
            weights[1] = weights[1] - (given[0] @ weights[0]).mean(0)
        layer.set_weights([weight.astype("float32") for weight in weights])
        known[layer.output.name] = np.asarray(layer(given if len(given) > 1 else given[0]))


def _draw(weight: Any, given: np.ndarray, random: np.random.Generator) -> np.ndarray:
    shape, kind = tuple(weight.shape), weight.name
    axes = tuple(range(given.ndim - 1))
    if kind == "moving_mean":
        return given.mean(axes) + 0.1 * given.std(axes) * random.standard_normal(shape)
    if kind == "moving_variance":  # channels that hardly vary are not blown up to rounding noise
        return (given.var(axes) + 0.1 * given.var()) * random.uniform(0.8, 1.25, shape)
    if kind == "gamma":
        return random.uniform(0.7, 1.3, shape)
    if kind == "beta":  # nearly linear layers: else rounding grows by a sixth in each of them
        return 1 + 0.1 * random.standard_normal(shape)
    if kind == "bias":
        return 0.1 * random.standard_normal(shape)
    taps = shape[:2] if "depthwise" in weight.path else shape[:-1]
    return random.standard_normal(shape) * np.sqrt(2 / np.prod(taps))


def _normalised(layers: Any, x: Any, *, active: bool = True) -> Any:
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x) if active else x


def _separable(layers: Any, x: Any, filters: int, strides: int = 1) -> Any:
    x = _normalised(layers, layers.DepthwiseConv2D(3, strides=strides, padding="same")(x))
    return _normalised(layers, layers.Conv2D(filters, 1, padding="same")(x))


def _classes(layers: Any, x: Any, count: int) -> Any:
    return layers.Dense(count, activation="softmax")(layers.Flatten()(x))


def _keywords(layers: Any, x: Any) -> Any:
    x = _normalised(layers, layers.Conv2D(64, (10, 4), strides=2, padding="same")(x))
    for _ in range(4):
        x = _separable(layers, x, 64)
    return _classes(layers, layers.AveragePooling2D((24, 5))(x), 12)


def _residual(width: int) -> Callable[[Any, Any], Any]:
    def build(layers: Any, x: Any) -> Any:
        def convolve(x: Any, filters: int, size: int, strides: int = 1) -> Any:
            return layers.Conv2D(filters, size, strides=strides, padding="same")(x)

        x = _normalised(layers, convolve(x, width, 3))
        for filters, strides in ((width, 1), (2 * width, 2), (4 * width, 2)):
            y = _normalised(layers, convolve(x, filters, 3, strides))
            y = _normalised(layers, convolve(y, filters, 3), active=False)
            if strides > 1:
                x = convolve(x, filters, 1, strides)
            x = layers.ReLU()(layers.Add()([x, y]))
        return _classes(layers, layers.AveragePooling2D(8)(x), 10)

    return build


def _wake_words(layers: Any, x: Any) -> Any:
    x = _normalised(layers, layers.Conv2D(8, 3, strides=2, padding="same")(x))
    for filters, strides in _MOBILE:
        x = _separable(layers, x, filters, strides)
    return _classes(layers, layers.AveragePooling2D(3)(x), 2)


def _autoencoder(layers: Any, x: Any) -> Any:
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = _normalised(layers, layers.Dense(units)(x))
    return layers.Dense(640)(x)


def _streaming(layers: Any, x: Any) -> Any:
    for steps, filters in ((3, 128), (5, 128), (10, 128), (15, 32)):
        x = layers.DepthwiseConv2D((steps, 1), use_bias=False)(x)
        x = _normalised(layers, layers.Conv2D(filters, 1, use_bias=False)(x))
    return _classes(layers, x, 3)


# filters and strides of a MobileNet of a quarter of the width
_MOBILE = (
    *((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)),
    *[(128, 1)] * 5,
    *((256, 2), (256, 1)),
)
_BUILDERS: dict[str, Callable[[Any, Any], Any]] = {
    "kws": _keywords,
    "ic": _residual(16),
    "ic2": _residual(40),
    "vww": _wake_words,
    "ad": _autoencoder,
    "sww": _streaming,
}
