"""From checked arguments to a loop: feeds, compiled steps, callbacks, saver, reports."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax

from kolam.checkpoint import Checkpoints
from kolam.core import InvalidArgumentError, InvalidTypeError, collector_paused
from kolam.train._batches import BatchFeed, class_weights, packed_for_keras
from kolam.train._feed import ArrayFeed, Feed, Order, count_examples, jax_array, keras_array
from kolam.train._function import FunctionTrainee
from kolam.train._guard import Guard
from kolam.train._hooks import Hooks
from kolam.train._keras import KerasTrainee
from kolam.train._logs import Log, open_logs
from kolam.train._loop import Loop, Validation
from kolam.train._placement import Placement
from kolam.train._reports import Progress
from kolam.train._resume import Saver
from kolam.train._sources import ArraySource, GeneratorSource, open_source
from kolam.train._trainee import Trainee


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The checked settings of one call of `fit`; `seed` is `None` for the order of the data."""

    batch_size: int | None
    epochs: int
    initial_epoch: int
    verbose: int
    seed: int | None
    within_batches: bool
    steps: int | None
    validation_batch_size: int | None
    validation_epochs: int | frozenset[int]
    validation_steps: int | None
    checkpoints: Checkpoints | None
    checkpoint_every: int | None
    stop_at_nan: bool
    log: Log | None
    placement: Placement
    lowering: str


def train_model(
    model: Any,  # Any: Keras has no types
    plan: Plan,
    data: tuple[Any, Any, Any],  # x, y, sample_weight
    validation_data: Any,
    callbacks: Any,
    class_weight: Mapping[int, float] | None,
    validation_split: float,
) -> Any:
    """Train a Keras model; give Keras' History."""
    trainee = KerasTrainee(model)
    source = open_source(data[0], plan.seed)
    if source is not None:
        _refuse_beside_batches(y=data[1], sample_weight=data[2], batch_size=plan.batch_size)
        _refuse_beside_batches(validation_split=validation_split or None)
        packed = packed_for_keras(keras_array, class_weight)
        feed: Feed = _batches(source, packed, plan, trainee)
    else:
        if validation_split and validation_data is None:
            data, validation_data = _split(data, validation_split)
        if class_weight is not None:  # of what is trained on: validation is never weighted by class
            data = (data[0], data[1], class_weights(data[1], class_weight))
        feed = _arrays(_packed(data, trainee), plan)
    validation: Feed | None = None
    if validation_data is not None:
        validation = _validation_feed(validation_data, plan, trainee)
    return _train(trainee, plan, feed, validation, callbacks)


def train_function(
    step: Callable[[Any, Any], Any],
    state: Any,
    plan: Plan,
    data: Any,
    eval_fn: Callable[[Any, Any], Any] | None,
    validation_data: Any,
    callbacks: Any,
    validation_split: float,
) -> tuple[Any, Any]:
    """Train a state by a step function; give the new state and the history."""
    trainee = FunctionTrainee(step, state, eval_fn)

    def packed(element: Any) -> Any:
        return jax.tree.map(jax_array, element)

    def feed_of(data: Any, plan: Plan) -> Feed:
        source = open_source(data, plan.seed)
        if source is None:
            return _arrays(packed(data), plan)
        return _batches(source, packed, plan, trainee)

    if open_source(data, plan.seed) is not None:
        given = {"batch_size": plan.batch_size, "validation_split": validation_split or None}
        _refuse_beside_batches(**given)
    elif validation_split and validation_data is None:
        data, validation_data = _split(data, validation_split)
    feed, validation = feed_of(data, plan), None
    if validation_data is not None:
        validation = feed_of(validation_data, _for_validation(plan))
    history = _train(trainee, plan, feed, validation, callbacks)
    return trainee.state, history


def _train(
    trainee: Trainee,
    plan: Plan,
    feed: Feed,
    validation: Feed | None,
    callbacks: Any,
) -> Any:
    with collector_paused():
        trainee.build(feed.sample())
        if validation is not None:
            trainee.build_test(validation.sample())
    trainee.begin(_listed(callbacks), verbose=plan.verbose, epochs=plan.epochs, steps=feed.steps)
    hooks = Hooks(trainee)
    keeps_logs = hooks.has_train_hooks or hooks.needs_every_step
    program_of = partial(trainee.program, placement=plan.placement, lowering=plan.lowering)
    test = None
    if validation is not None:
        program = program_of("test", keeps_logs=hooks.has_test_hooks)
        test = Validation(validation, program, plan.validation_epochs)
    reports = open_logs(plan.log)
    if plan.verbose:
        reports.append(Progress(plan.verbose, epochs=plan.epochs))
    loop = Loop(
        trainee,
        feed,
        program_of("train", keeps_logs=keeps_logs),
        hooks,
        reports,
        Guard(trainee, stops_at_nan=plan.stop_at_nan and not hooks.stops_at_nan),
        plan.placement,
        validation=test,
        saver=_saver(trainee, plan, feed),
    )
    loop.run(plan.initial_epoch, plan.epochs)
    return trainee.history


def _listed(callbacks: Any) -> Any:  # Any: one callback, several, or Keras' list of them
    is_one = callable(callbacks) or hasattr(callbacks, "on_epoch_end")
    return [callbacks] if is_one and not hasattr(callbacks, "callbacks") else callbacks


def _saver(trainee: Trainee, plan: Plan, feed: Feed) -> Saver | None:
    if plan.checkpoints is None:
        return None
    names = [type(callback).__name__ for callback in trainee.callbacks.callbacks]
    identity = {**feed.identity(), **trainee.identity(), "callbacks": names}
    identity["lowering"] = plan.lowering  # its bits are others
    return Saver(plan.checkpoints, trainee, identity=identity, every=plan.checkpoint_every)


def _arrays(arrays: Any, plan: Plan) -> Feed:
    examples, size = count_examples(arrays), plan.batch_size
    if size is None:  # as in Keras
        size = -(-examples // plan.steps) if plan.steps else 32
    order = Order(examples, size, plan.seed, plan.within_batches)
    if not plan.placement.has_room(arrays):
        source = ArraySource(arrays, order)
        return BatchFeed(source, _unchanged, plan.placement, steps=plan.steps, check=_unchanged)
    return ArrayFeed(arrays, placement=plan.placement, order=order, steps=plan.steps)


def _unchanged(batch: Any) -> Any:
    return batch


def _batches(source: Any, packed: Callable[[Any], Any], plan: Plan, trainee: Trainee) -> Feed:
    is_once = isinstance(source, GeneratorSource) and plan.steps is None
    if is_once and plan.epochs - plan.initial_epoch > 1:
        raise InvalidArgumentError(
            f"An iterator can be gone through once, but epochs is {plan.epochs}.",
            how="Give steps_per_epoch, or an object whose __iter__ begins anew.",
        )
    return BatchFeed(source, packed, plan.placement, steps=plan.steps, check=trainee.check)


def _packed(data: tuple[Any, Any, Any], trainee: Trainee) -> Any:
    """Give x, y and sample_weight in the form that Keras hands to a model's own `train_step`."""
    import keras  # here: loaded by core.import_keras with the right back end

    x, y, weight = jax.tree.map(keras_array, data)
    if weight is not None and isinstance(y, dict | list | tuple):
        weight = _weights_of_outputs(weight, y)
    packed = keras.utils.pack_x_y_sample_weight(x, y, weight)
    trainee.check(packed)
    return packed


def _weights_of_outputs(weight: Any, y: Any) -> Any:
    """Give a weight for each output: those that are given, or one for all."""
    if not isinstance(weight, dict | list | tuple):
        if weight.shape[1:] not in ((), (1,)):
            raise InvalidArgumentError(
                f"sample_weight has shape {weight.shape}, and the model has several outputs.",
                how="Give one weight per example, shape (examples,), or weights for each output in "
                "the form of y.",
            )
        return jax.tree.map(lambda _: weight, y)
    if jax.tree.structure(weight) != jax.tree.structure(y):
        shapes = (jax.tree.map(lambda array: array.shape, tree) for tree in (weight, y))
        raise InvalidArgumentError(
            "sample_weight has the form {}, but y {}.".format(*shapes),
            how="Give weights for each output in the form of y, or one array for all.",
        )
    return weight


def _validation_feed(data: Any, plan: Plan, trainee: Trainee) -> Feed:
    plan = _for_validation(plan)
    source = open_source(data, None, is_test=True) if not isinstance(data, tuple | list) else None
    if source is None:
        parts = tuple(data) if isinstance(data, tuple | list) else (data,)
        is_data = hasattr(data, "__array__") or isinstance(data, tuple | list | dict)
        if not is_data or len(parts) not in (1, 2, 3):
            what = f"a {type(data).__name__}" if not is_data else f"{len(parts)} parts"
            raise InvalidTypeError(
                f"validation_data is {what}, not (x, y).",
                how="Give (x, y), (x, y, sample_weight) or a batched Dataset.",
            )
        return _arrays(_packed((*parts, None, None)[:3], trainee), plan)
    return _batches(source, packed_for_keras(keras_array, None), plan, trainee)


def _for_validation(plan: Plan) -> Plan:
    """Give the plan of a test: in order, from its beginning every time."""
    size = plan.validation_batch_size or plan.batch_size
    if size is None and plan.validation_steps is None:
        size = 32
    return replace(plan, batch_size=size, seed=None, steps=plan.validation_steps, epochs=1)


def _refuse_beside_batches(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise InvalidArgumentError(
                f"{name} is given together with a Dataset.",
                how="Put it into the dataset: elements are (x, y) or (x, y, sample_weight), "
                "batched by .batch(size).",
            )


def _split(arrays: Any, share: float) -> tuple[Any, Any]:
    leaves = jax.tree.leaves(arrays)
    examples = len(leaves[0]) if leaves else 0
    at = int(examples * (1.0 - share))
    if not 0 < at < examples:
        raise InvalidArgumentError(
            f"validation_split={share} leaves nothing of {examples} examples on one side.",
            how="Give a share between 0 and 1 that leaves at least one example on each side.",
        )
    first = jax.tree.map(lambda array: array[:at], arrays)
    return first, jax.tree.map(lambda array: array[at:], arrays)
