"""From checked arguments to a loop: feeds, compiled steps, callbacks, saver."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kolam.autograph import has_users_code, users_code, with_checks
from kolam.checkpoint import Checkpoints
from kolam.core import InvalidTypeError
from kolam.data import Dataset
from kolam.train._callbacks import CHUNK, Hooks
from kolam.train._feed import ArrayFeed, DatasetFeed, Feed
from kolam.train._loop import Loop, Validation
from kolam.train._program import Program
from kolam.train._progress import Progress
from kolam.train._resume import Saver

_PROGRAMS = "_kolam_programs"  # attribute of a model: its compiled steps, until compile() is called


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The checked settings of one call of `fit`; `seed` is `None` for the order of the data."""

    batch_size: int
    epochs: int
    initial_epoch: int
    verbose: int
    seed: int | None
    validation_batch_size: int | None
    validation_epochs: int | frozenset[int]
    checkpoints: Checkpoints | None
    checkpoint_every: int | None


def train(
    model: Any, plan: Plan, source: Any, validation_data: Any, callbacks: Sequence[Any] | None
) -> Any:
    """Train `model` on a Dataset or a triple (x, y, sample_weight); give Keras' History."""
    import keras  # here: loaded by core.import_keras with the right back end

    feed = _feed(source, plan.batch_size, plan.seed)
    with users_code(model):
        model._symbolic_build(data_batch=feed.sample())
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = keras.callbacks.CallbackList(
            list(callbacks or ()),
            add_history=True,
            model=model,
            verbose=plan.verbose,
            epochs=plan.epochs,
            steps=feed.steps,
        )
    hooks = Hooks(callbacks, model)
    loop = Loop(
        model,
        feed,
        _program(model, "train_step", keeps_logs=hooks.has_train_hooks or hooks.needs_every_step),
        hooks,
        Progress(plan.verbose, epochs=plan.epochs, steps=feed.steps),
        validation=_validation(model, plan, validation_data, hooks),
        saver=_saver(model, plan, feed, callbacks),
    )
    loop.run(plan.initial_epoch, plan.epochs)
    return model.history


def _feed(source: Any, batch_size: int, seed: int | None) -> Feed:
    if isinstance(source, Dataset):
        return DatasetFeed(source)
    x, y, sample_weight = source
    return ArrayFeed(x, y, sample_weight, batch_size=batch_size, seed=seed)


def _validation(model: Any, plan: Plan, data: Any, hooks: Hooks) -> Validation | None:
    if data is None:
        return None
    if not isinstance(data, Dataset):
        if not isinstance(data, tuple | list) or len(data) not in (2, 3):
            raise InvalidTypeError(
                f"validation_data is a {type(data).__name__}, not (x, y).",
                how="Give (x, y), (x, y, sample_weight) or a batched Dataset.",
            )
        data = (data[0], data[1], data[2] if len(data) == 3 else None)
    feed = _feed(data, plan.validation_batch_size or plan.batch_size, None)
    program = _program(model, "test_step", keeps_logs=hooks.has_test_hooks)
    return Validation(feed, program, plan.validation_epochs)


def _saver(model: Any, plan: Plan, feed: Feed, callbacks: Any) -> Saver | None:
    if plan.checkpoints is None:
        return None
    names = [type(callback).__name__ for callback in callbacks.callbacks]
    return Saver(
        plan.checkpoints,
        model,
        callbacks,
        identity={**feed.identity(), "callbacks": names},
        steps=feed.steps,
        every=plan.checkpoint_every,
    )


def _program(model: Any, name: str, *, keeps_logs: bool) -> Program:
    """Give the compiled steps of a model, the same ones until it is compiled anew."""
    import keras  # here: loaded by core.import_keras with the right back end

    if not _is_keras_step(model, name, getattr(keras.Model, name)):
        keeps_logs = True  # what a step of the user's own logs is known to it alone
    config = model._compile_config
    known = model.__dict__.get(_PROGRAMS)
    if known is None or known[0] is not config:
        known = (config, {})
        object.__setattr__(model, _PROGRAMS, known)  # past Keras' tracking of attributes
    programs: dict[tuple[str, bool], Program] = known[1]
    if (name, keeps_logs) not in programs:
        programs[name, keeps_logs] = Program(
            _step(model, name),
            keeps_logs=keeps_logs,
            chunk=CHUNK,
            is_checked=has_users_code(model),
        )
    return programs[name, keeps_logs]


def _step(model: Any, name: str) -> Callable[..., Any]:
    """Give a step of the model; the user's code in it may branch on data."""
    step: Callable[..., Any] = getattr(model, name)
    if not has_users_code(model):
        return step
    checked = with_checks(step)

    def converted(state: Any, data: Any) -> tuple[Any, Any]:
        with users_code(model):
            (logs, state), checks = checked(state, data)
        return (logs, checks), state

    return converted


def _is_keras_step(model: Any, name: str, own: Any) -> bool:
    return getattr(type(model), name) is own
