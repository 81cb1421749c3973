"""The door: a Keras model or a step function, data and settings in; what was trained out."""

import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
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


def fit(
    model: Any,  # Any: a Keras model, which has no types, or a step function
    x: Any = None,  # Any: arrays, trees of arrays, frames, batches; or the state
    y: Any = None,
    batch_size: int | None = None,
    epochs: int = 1,
    verbose: str | int = "auto",
    callbacks: Any = None,
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool | str = True,
    class_weight: Mapping[int, float] | None = None,
    sample_weight: Any = None,
    initial_epoch: int = 0,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_batch_size: int | None = None,
    validation_freq: int | Sequence[int] = 1,
    *,
    seed: int = 0,
    eval_fn: Callable[[Any, Any], Any] | None = None,
    checkpoint: str | Path | Checkpoints | None = None,
    checkpoint_every: int | None = None,
    mesh: Any = None,  # Any: a jax.sharding.Mesh; loading JAX costs 0.7 s
    log: str | Path | Sequence[str | Path] | None = None,
    stop_at_nan: bool = True,
    lowering: str = "fast",
) -> Any:
    """Train a compiled Keras model, or a state by a step function, many steps in one compiled call.

    ``fit(model, x, y)`` is Keras' ``model.fit(x, y)``: losses, metrics and weights are the same for
    the same order of examples, to the bit with ``lowering="exact"``. Epoch hooks of callbacks run
    as they are; batch hooks run after chunks of 32 steps with the numbers of each step. A callback
    that must act between two steps has an attribute ``needs_every_step = True``.

    ``state, history = fit(step, state, data)`` trains what is written with Optax, Flax or JAX:
    ``step(state, batch)`` gives the new state and numbers by name, in plain Python. The state is
    any pytree. The history has their means over each epoch. Callbacks are functions of
    (epoch, logs), or objects with Keras' hooks, whose `model` has `state` and `stop_training`.

    Args:
        model: A compiled Keras model on the JAX back end; or a step function.
        x: Inputs, shape (examples, ...), one array or a tree of them; or batches (x, y) or
            (x, y, sample_weight) with their own order: a batched `Dataset`, a Keras PyDataset, a
            DataLoader, a tf.data.Dataset, a generator. With a step function: the state.
        y: Targets, shape (examples, ...). With a step function: the data, a tree of arrays of shape
            (examples, ...), or batches; a step gets the same tree for its examples.
        batch_size: Examples of a step; 32 if left out.
        epochs: Number of the epoch to train up to.
        verbose: 0 silent, 1 a line that moves, 2 a plain line per epoch; "auto" is 1 on a terminal,
            else 2.
        callbacks: Keras callbacks, and functions of (epoch, logs), of which `False` ends training;
            one alone needs no list.
        validation_split: Share of the examples, from the end, that are for validation.
        validation_data: (x, y), (x, y, sample_weight), x alone for a model without targets, or
            batches; with a step function, data.
        shuffle: A new order in every epoch, keyed by `seed`; "batch" shuffles within batches only.
        class_weight: Weight of the examples of each class.
        sample_weight: Weight of each example, shape (examples,).
        initial_epoch: Number of epochs that count as done.
        steps_per_epoch: Steps of an epoch; a pass through the data then takes several, as in Keras.
        validation_steps: Batches of a validation.
        validation_batch_size: `batch_size` if left out.
        validation_freq: Validate every so many epochs, or after those with these numbers, from 1.
        seed: Key of the order of examples, at least 0.
        eval_fn: With a step function, for validation: ``eval_fn(state, batch)`` gives numbers by
            name.
        checkpoint: Folder (or `Checkpoints`) in which the run is saved. The same call goes on
            where a killed one was, and ends with the same weights bit for bit.
        checkpoint_every: Steps between two saves; if left out, the run is saved after each epoch.
        mesh: Devices of this process along one axis, over which batches are shared out; the results
            are those of one device but for rounding.
        log: File ending in .csv or .jsonl, which gets a row per epoch; or a folder, which gets
            event files of TensorBoard and both of these; or a list of such. A run that goes on
            takes them up.
        stop_at_nan: End the run by an error when the loss or a weight is NaN; the error has the
            step, its rows and the layer, and the weights are as they were before that step.
        lowering: What is rewritten for the CPU, as in `kl.graph.lower`: "fast" gives equal results
            to rounding, "exact" the bits of Keras, "off" leaves all to XLA. With a mesh, "fast"
            is "exact".

    Returns:
        Keras' `History`; with a step function, the new state and a history of the same form.

    Raises:
        UnsupportedError: Something that Keras' `fit` does and this does not.
        InvalidArgumentError: An argument that makes no sense, or data that do not fit together.
        InvalidTypeError: An argument of a type that cannot be used.
        NotANumberError: The loss or a weight became NaN.
        OutOfMemoryError: The device has no room.

    Example:
        >>> import jax
        >>> def step(slope, batch):
        ...     x, y = batch
        ...     loss, gradient = jax.value_and_grad(lambda w: ((w * x - y) ** 2).mean())(slope)
        ...     return slope - 0.1 * gradient, {"loss": loss}
        >>> x = np.linspace(0.0, 1.0, 64)
        >>> slope, history = fit(step, 0.0, (x, 3 * x), epochs=50, verbose=0)
        >>> round(float(slope), 2)
        3.0
    """
    is_model = _is_model(model)
    if is_model:
        keras = import_keras()
        epochs = _capped("epochs", epochs, keras.config.max_epochs())
        most = keras.config.max_steps_per_epoch()
        steps_per_epoch = _capped("steps_per_epoch", steps_per_epoch, most)
        validation_steps = _capped("validation_steps", validation_steps, most)
    prepare_jax()
    validation_split = _share(validation_split)
    # here: they load JAX
    from kolam.train._assemble import Plan, train_function, train_model
    from kolam.train._placement import DataParallel, OneDevice

    plan = Plan(
        batch_size=_optional("batch_size", batch_size),
        epochs=_whole("epochs", epochs, 0),
        initial_epoch=_whole("initial_epoch", initial_epoch, 0),
        verbose=_verbosity(verbose),
        seed=_whole("seed", seed, 0, below=2**64) if _checked_shuffle(shuffle) else None,
        within_batches=shuffle == "batch",
        steps=_optional("steps_per_epoch", steps_per_epoch),
        validation_batch_size=_optional("validation_batch_size", validation_batch_size),
        validation_epochs=_validation_epochs(validation_freq),
        validation_steps=_optional("validation_steps", validation_steps),
        checkpoints=_checkpoints(checkpoint, checkpoint_every),
        checkpoint_every=checkpoint_every,
        stop_at_nan=stop_at_nan,
        log=log,
        placement=OneDevice() if mesh is None else DataParallel(mesh),
        # XLA cannot share a kernel's batch out over devices: each would do all of it
        lowering="exact" if mesh is not None and lowering == "fast" else lowering,
    )
    if not is_model:
        _refuse_with_function(class_weight=class_weight, sample_weight=sample_weight)
        if y is None:
            raise InvalidArgumentError("The data are missing.", how="Give fit(step, state, data).")
        return train_function(
            model, x, plan, y, eval_fn, validation_data, callbacks, validation_split
        )
    check_model(model)
    if eval_fn is not None:
        raise InvalidArgumentError(
            "eval_fn is given with a model.", how="Leave it out: the model knows how to be tested."
        )
    if x is None:
        raise InvalidArgumentError("x is missing.", how="Give fit(model, x, y) or a Dataset.")
    _class_weight(class_weight)
    if class_weight is not None and sample_weight is not None:
        raise InvalidArgumentError(
            "class_weight and sample_weight are both given.",
            how="Multiply the weights yourself and give sample_weight.",
        )
    data = (x, y, sample_weight)
    return train_model(
        model, plan, data, validation_data, callbacks, class_weight, validation_split
    )


def _is_model(model: Any) -> bool:
    """Whether it is a Keras model; else it must be a function.

    Raises:
        InvalidTypeError: It is neither.
    """
    keras = sys.modules.get("keras")  # without it there can be no model
    if keras is not None and isinstance(model, keras.Model):
        return True
    if callable(model) and not isinstance(model, type):
        return False
    raise InvalidTypeError(
        f"The model is a {type(model).__name__}, not a Keras model.",
        how="Give a keras.Model, such as keras.Sequential([...]), or a step function.",
    )


def _refuse_with_function(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise InvalidArgumentError(
                f"{name} is given with a step function.",
                how="Put the weights into the data: the step gets them with each batch.",
            )


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


def _capped(name: str, value: Any, most: int | None) -> Any:
    """Give a number, or the limit on it that Keras has for trying programs out."""
    if not most or (isinstance(value, int) and value <= most):
        return value
    warnings.warn(f"{name} is limited to {most} by keras.config.", stacklevel=3)
    return most


def _whole(name: str, value: int, at_least: int, *, below: int | None = None) -> int:
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or value < at_least or (below is not None and value >= below):
        limit = "" if below is None else f" and below {below}"
        raise InvalidArgumentError(
            f"{name} is {value!r}.", how=f"Give a whole number of at least {at_least}{limit}."
        )
    return int(value)


def _share(value: float) -> float:
    if not isinstance(value, (int, float, np.number)) or not 0 <= value < 1:
        raise InvalidArgumentError(
            f"validation_split is {value!r}.",
            how="Give a share of the examples, from 0 to below 1.",
        )
    return float(value)


def _class_weight(weights: Any) -> None:
    """Refuse what are no weights of classes; Keras lets keys that are no class do nothing."""
    if weights is None:
        return
    if not isinstance(weights, Mapping):
        raise InvalidTypeError(
            f"class_weight is a {type(weights).__name__}.",
            how="Give the weight of each class by its number, such as {0: 1.0, 1: 5.0}.",
        )
    numbers = int, float, np.number
    for key, weight in weights.items():
        if not (isinstance(key, numbers) and key == int(key) and isinstance(weight, numbers)):
            raise InvalidArgumentError(
                f"class_weight has the weight {weight!r} for the class {key!r}.",
                how="Give the weight of each class by its number, such as {0: 1.0, 1: 5.0}.",
            )


def _optional(name: str, value: int | None) -> int | None:
    return None if value is None else _whole(name, value, 1)


def _verbosity(verbose: str | int) -> int:
    if verbose == "auto":
        return 1 if sys.stdout.isatty() else 2
    if verbose not in (0, 1, 2):
        raise InvalidArgumentError(f"verbose is {verbose!r}.", how="Give 'auto', 0, 1 or 2.")
    return int(verbose)


def _checked_shuffle(shuffle: bool | str) -> bool:
    if not isinstance(shuffle, bool) and shuffle != "batch":
        raise InvalidArgumentError(
            f"shuffle is {shuffle!r}.",
            how="Give True, False or 'batch'; for any other order give a Dataset.",
        )
    return bool(shuffle)


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
    if not isinstance(checkpoint, str | os.PathLike):
        raise InvalidTypeError(
            f"checkpoint is a {type(checkpoint).__name__}.", how="Give a folder or Checkpoints."
        )
    if Path(checkpoint).is_file():
        raise InvalidArgumentError(
            f"checkpoint is {str(checkpoint)!r}, which is a file.", how="Give a folder."
        )
    return Checkpoints(checkpoint)
