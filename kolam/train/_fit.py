"""The door for Keras models: arguments in, History out."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kolam.checkpoint import Checkpoints
from kolam.core import (
    InvalidArgumentError,
    InvalidTypeError,
    UnsupportedError,
    import_keras,
    prepare_jax,
)
from kolam.data import Dataset


def fit(
    model: Any,  # Any: Keras has no types
    x: Any = None,  # Any: arrays, trees of arrays, frames, a Dataset
    y: Any = None,
    *,
    batch_size: int | None = None,
    epochs: int = 1,
    verbose: str | int = "auto",
    callbacks: Sequence[Any] | None = None,
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool = True,
    class_weight: Mapping[int, float] | None = None,
    sample_weight: Any = None,
    initial_epoch: int = 0,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_batch_size: int | None = None,
    validation_freq: int | Sequence[int] = 1,
    seed: int = 0,
    checkpoint: str | Path | Checkpoints | None = None,
    checkpoint_every: int | None = None,
) -> Any:
    """Train a compiled Keras model, as ``model.fit`` does, many steps in one compiled call.

    Losses, metrics and weights are those of ``model.fit`` to the bit for the same order of
    examples. Epoch hooks of callbacks run as they are; batch hooks run after chunks of 32 steps
    with the numbers of each step. A callback that must act between two steps has an attribute
    ``needs_every_step = True``.

    Args:
        model: A compiled Keras model on the JAX back end.
        x: Inputs, shape (examples, ...), one array or a tree of them; or a batched `Dataset` of
            (x, y) or (x, y, sample_weight), which brings its own batches and order.
        y: Targets, shape (examples, ...).
        batch_size: Examples of a step; 32 if left out.
        epochs: Number of the epoch to train up to.
        verbose: 0 silent, 1 a line that moves, 2 a plain line per epoch; "auto" is 1 on a terminal,
            else 2.
        callbacks: Keras callbacks.
        validation_split: Share of the examples, from the end, that are for validation.
        validation_data: (x, y), (x, y, sample_weight) or a batched `Dataset`.
        shuffle: A new order in every epoch, keyed by `seed`.
        class_weight: Weight of the examples of each class.
        sample_weight: Weight of each example, shape (examples,).
        initial_epoch: Number of epochs that count as done.
        steps_per_epoch: Not supported; give ``Dataset.take``.
        validation_steps: Not supported; give ``Dataset.take``.
        validation_batch_size: `batch_size` if left out.
        validation_freq: Validate every so many epochs, or after those with these numbers, from 1.
        seed: Key of the order of examples, at least 0.
        checkpoint: Folder (or `Checkpoints`) in which the run is saved. The same call goes on
            where a killed one was, and ends with the same weights bit for bit.
        checkpoint_every: Steps between two saves; if left out, the run is saved after each epoch.

    Returns:
        Keras' `History`.

    Raises:
        UnsupportedError: Something that Keras' `fit` does and this does not.
        InvalidArgumentError: An argument that makes no sense, or data that do not fit together.
        InvalidTypeError: An argument of a type that cannot be used.
    """
    import_keras()
    prepare_jax()
    # here: they load JAX and Keras
    from kolam.train._assemble import Plan, train

    plan = Plan(
        batch_size=_whole("batch_size", 32 if batch_size is None else batch_size, 1),
        epochs=_whole("epochs", epochs, 0),
        initial_epoch=_whole("initial_epoch", initial_epoch, 0),
        verbose=_verbosity(verbose),
        seed=_whole("seed", seed, 0) if _checked_shuffle(shuffle) else None,
        validation_batch_size=validation_batch_size,
        validation_epochs=_validation_epochs(validation_freq),
        checkpoints=_checkpoints(checkpoint, checkpoint_every),
        checkpoint_every=checkpoint_every,
    )
    _refuse_steps(steps_per_epoch, validation_steps)
    check_model(model)
    if isinstance(x, Dataset):
        _refuse_with_dataset(
            y=y,
            batch_size=batch_size,
            sample_weight=sample_weight,
            class_weight=class_weight,
            validation_split=validation_split or None,
        )
        return train(model, plan, x, validation_data, callbacks)
    _check_arrays(x)
    if class_weight is not None and sample_weight is not None:
        raise InvalidArgumentError(
            "class_weight and sample_weight are both given.",
            how="Multiply the weights yourself and give sample_weight.",
        )
    arrays = (x, y, sample_weight)
    if validation_split and validation_data is None:
        arrays, validation_data = _split(arrays, validation_split)
    if class_weight is not None:  # of what is trained on: validation is never weighted by class
        arrays = (*arrays[:2], _class_weights(arrays[1], class_weight))
    return train(model, plan, arrays, validation_data, callbacks)


def check_model(model: Any) -> None:
    """Refuse what is no compiled Keras model, or one that cannot be compiled by XLA.

    Raises:
        InvalidTypeError: It is no Keras model.
        InvalidArgumentError: It is not compiled.
        UnsupportedError: It runs eagerly, or many steps per execution, or on Keras' distribution.
    """
    import keras  # here: costs two seconds

    if not isinstance(model, keras.Model):
        raise InvalidTypeError(
            f"The model is a {type(model).__name__}, not a Keras model.",
            how="Give a keras.Model, such as keras.Sequential([...]).",
        )
    if not model.compiled or model.optimizer is None:
        raise InvalidArgumentError(
            "The model is not compiled.", how="Call model.compile(optimizer=..., loss=...) first."
        )
    if model.run_eagerly or not model.jit_compile:
        raise UnsupportedError(
            "The model runs eagerly (run_eagerly=True, jit_compile=False, or a layer without jit).",
            how="Compile it without these, or train it with model.fit.",
        )
    if model.steps_per_execution != 1:
        raise UnsupportedError(
            f"The model is compiled with steps_per_execution={model.steps_per_execution}.",
            how="Leave it at 1: many steps run in one call anyway.",
        )
    if keras.distribution.distribution() is not None:
        raise UnsupportedError(
            "A keras.distribution is set.", how="Unset it, or train with model.fit."
        )


def _whole(name: str, value: int, at_least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < at_least:
        raise InvalidArgumentError(
            f"{name} is {value!r}.", how=f"Give a whole number of at least {at_least}."
        )
    return int(value)


def _verbosity(verbose: str | int) -> int:
    if verbose == "auto":
        return 1 if sys.stdout.isatty() else 2
    if verbose not in (0, 1, 2):
        raise InvalidArgumentError(f"verbose is {verbose!r}.", how="Give 'auto', 0, 1 or 2.")
    return int(verbose)


def _checked_shuffle(shuffle: bool) -> bool:
    if not isinstance(shuffle, bool):
        raise UnsupportedError(
            f"shuffle is {shuffle!r}.",
            how="Give True or False; for any other order give a Dataset.",
        )
    return shuffle


def _validation_epochs(freq: int | Sequence[int]) -> int | frozenset[int]:
    if isinstance(freq, int):
        return _whole("validation_freq", freq, 1)
    return frozenset(_whole("validation_freq", epoch, 1) for epoch in freq)


def _checkpoints(
    checkpoint: str | Path | Checkpoints | None, every: int | None
) -> Checkpoints | None:
    if every is not None:
        _whole("checkpoint_every", every, 1)
        if checkpoint is None:
            raise InvalidArgumentError(
                "checkpoint_every is given, but no checkpoint.", how="Give checkpoint=folder."
            )
    if checkpoint is None or isinstance(checkpoint, Checkpoints):
        return checkpoint
    return Checkpoints(checkpoint)


def _refuse_steps(steps_per_epoch: int | None, validation_steps: int | None) -> None:
    given = {"steps_per_epoch": steps_per_epoch, "validation_steps": validation_steps}
    for name, value in given.items():
        if value is not None:
            raise UnsupportedError(
                f"{name} is not supported (it is {value!r}).",
                how="Give a Dataset: Dataset.from_arrays((x, y)).batch(32).take(steps).",
            )


def _refuse_with_dataset(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise InvalidArgumentError(
                f"{name} is given together with a Dataset.",
                how="Put it into the dataset: elements are (x, y) or (x, y, sample_weight), "
                "batched by .batch(size).",
            )


def _check_arrays(x: Any) -> None:
    if x is None:
        raise InvalidArgumentError("x is missing.", how="Give fit(model, x, y) or a Dataset.")
    odd = hasattr(x, "__next__") or (hasattr(x, "__getitem__") and hasattr(x, "on_epoch_end"))
    if odd or not (isinstance(x, dict | list | tuple) or hasattr(x, "__array__")):
        raise UnsupportedError(
            f"x is a {type(x).__name__}; generators and loaders of other libraries are not read.",
            how="Give arrays or a kolam Dataset, or train with model.fit.",
        )


def _class_weights(y: Any, weights: Mapping[int, float]) -> np.ndarray:
    """Give the weight of each example by its class; 1 for classes that are not named."""
    import keras  # here: costs two seconds

    classes = np.asarray(y)
    if classes.ndim > 1:
        classes = np.argmax(classes, -1) if classes.shape[-1] != 1 else classes[..., 0]
    if classes.ndim != 1:
        raise UnsupportedError(
            f"class_weight needs one target per example; y has shape {np.shape(y)}.",
            how="Give sample_weight.",
        )
    found = [weights.get(int(number), 1.0) for number in np.round(classes)]
    return np.array(found, keras.config.floatx())


def _split(arrays: Any, share: float) -> tuple[Any, Any]:
    import jax  # here: costs 0.7 s

    examples = len(jax.tree.leaves(arrays)[0])
    at = int(np.floor(examples * (1.0 - share)))
    if not 0 < at < examples:
        raise InvalidArgumentError(
            f"validation_split={share} leaves nothing of {examples} examples on one side.",
            how="Give a share between 0 and 1 that leaves at least one example on each side.",
        )
    first = jax.tree.map(lambda array: array[:at], arrays)
    return first, jax.tree.map(lambda array: array[at:], arrays)
