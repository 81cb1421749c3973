"""A compiled Keras model as a trainee."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import numpy as np

from kolam.autograph import has_users_code, users_code, with_checks
from kolam.core import InvalidArgumentError, InvalidTypeError
from kolam.train._identity import model_identity
from kolam.train._placement import Placement
from kolam.train._program import Logs, Program
from kolam.train._trainee import State

_GROUPS = ("trainable", "non_trainable", "optimizer", "metrics")
_METRICS = "compute_metrics"
_PROGRAMS = "_kolam_programs"  # attribute of a model: its compiled steps, until compile() is called


class KerasTrainee:
    """A compiled Keras model; its state are four lists of arrays, in the order of Keras' trainer.

    Args:
        model: A compiled Keras model on the JAX back end.
    """

    kind = "model"

    def __init__(self, model: Any) -> None:  # Any: Keras has no types
        self._model = model
        self.callbacks: Any = None

    @property
    def stop_training(self) -> bool:
        """Whether a callback has stopped training."""
        return bool(self._model.stop_training)

    @stop_training.setter
    def stop_training(self, value: bool) -> None:
        self._model.stop_training = value

    @property
    def stop_evaluating(self) -> bool:
        """Whether a callback has stopped the test."""
        return bool(self._model.stop_evaluating)

    @stop_evaluating.setter
    def stop_evaluating(self, value: bool) -> None:
        self._model.stop_evaluating = value

    @property
    def history(self) -> Any:
        """Keras' own History."""
        return self._model.history

    @property
    def _needs_targets(self) -> bool:
        """Whether Keras' own step compares the outputs with targets."""
        import keras  # here: loaded by core.import_keras with the right back end

        model = self._model
        own = (keras.Model.train_step, keras.Model.compute_loss)
        is_keras_own = (type(model).train_step, type(model).compute_loss) == own
        return model.loss is not None and is_keras_own

    @property
    def _loss_name(self) -> str:
        """What `compile` got as the loss."""
        loss = self._model.loss
        return repr(loss) if isinstance(loss, str) else type(loss).__name__

    @property
    def is_synced(self) -> bool:
        """Whether the variables hold their values."""
        return bool(self._model._jax_state_synced)

    def check(self, batch: Any) -> None:
        """Refuse what cannot be right.

        That is a batch without targets, and class numbers that the output does not have, which XLA
        would drop in silence. Those of weight 0, and any where the output is masked, do not count.

        Raises:
            InvalidArgumentError: Such a batch.
        """
        import keras  # here: loaded by core.import_keras with the right back end

        _, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        if y is None and self._needs_targets:
            raise InvalidArgumentError(
                f"y is missing: the loss of the model is {self._loss_name}.",
                how="Give fit(model, x, y), or batches (x, y) as x; the same for validation_data.",
            )
        loss: Any = self._model.loss
        outputs: list[Any] = getattr(self._model, "outputs", None) or []
        output: Any = outputs[0] if len(outputs) == 1 else None
        is_sparse = loss == "sparse_categorical_crossentropy" or isinstance(
            loss, keras.losses.SparseCategoricalCrossentropy
        )
        is_known = isinstance(output, keras.KerasTensor) and isinstance(output.shape[-1], int)
        if not (is_sparse and is_known and isinstance(y, np.ndarray) and y.size):
            return
        if getattr(output, "_keras_mask", None) is not None:
            return
        classes, ignored = output.shape[-1], getattr(loss, "_fn_kwargs", {}).get("ignore_class")
        wrong = (y < 0) | (y >= classes)
        if ignored is not None:
            wrong &= y != ignored
        if wrong.any() and isinstance(weight, np.ndarray) and weight.ndim <= y.ndim:
            wrong &= (weight != 0).reshape(weight.shape + (1,) * (y.ndim - weight.ndim))
        if wrong.any():
            row = int(np.argwhere(wrong)[0][0])
            raise InvalidArgumentError(
                f"The target of row {row} is {y[row].tolist()}, but the model has outputs for the "
                f"classes 0 to {classes - 1}.",
                how="Number the classes from 0, or give the last layer as many units as classes; "
                "rows that shall not count get sample_weight 0.",
            )

    def build(self, batch: Any) -> None:
        """Build the model and its optimiser.

        Raises:
            InvalidArgumentError: The batch does not fit the model.
        """
        model = self._model
        try:
            with users_code(model), _zeros_from_host(model.optimizer):
                model._symbolic_build(data_batch=batch)
        except (ValueError, TypeError) as error:
            shapes = jax.tree.map(lambda array: f"{array.dtype} {array.shape}", batch)
            takes = getattr(model, "input_shape", None) if model.built else None
            raise InvalidArgumentError(
                f"The model {model.name!r} does not fit a batch of {shapes}: {_told(error)}",
                how=f"It takes inputs of shape {takes}." if takes else "Look at the shapes.",
            ) from error

    def build_test(self, batch: Any) -> None:
        """What a test logs is what training logs."""

    def program(
        self, name: str, placement: Placement, *, keeps_logs: bool, lowering: str
    ) -> Program:
        """Give the compiled steps of the model, the same ones until it is compiled anew."""
        import keras  # here: loaded by core.import_keras with the right back end

        model, method = self._model, f"{name}_step"
        if any(getattr(type(model), n) is not getattr(keras.Model, n) for n in (method, _METRICS)):
            keeps_logs = True  # what a step of the user's own logs is known to it alone
        config = model._compile_config
        known = model.__dict__.get(_PROGRAMS)
        if known is None or known[0] is not config:
            known = (config, {})
            object.__setattr__(model, _PROGRAMS, known)  # past Keras' tracking of attributes
        programs: dict[Any, Program] = known[1]
        key = (name, keeps_logs, lowering, placement.key)
        if key not in programs:
            is_checked = has_users_code(model)
            programs[key] = Program(
                _step(model, method, is_checked=is_checked),
                keeps_logs=keeps_logs,
                is_checked=is_checked,
                lowering=lowering,
                place=placement.gathered,
                identify=None if is_checked or placement.key else partial(self._identity, method),
            )
        return programs[key]

    def _identity(self, method: str) -> str | None:
        variables = [variable for group in self._variables().values() for variable in group]
        identity = model_identity(self._model, variables)
        return None if identity is None else f"{method} {identity}"

    def begin(self, callbacks: Any, *, verbose: int, epochs: int, steps: int | None) -> None:
        """Put the callbacks into a CallbackList, with a History."""
        import keras  # here: loaded by core.import_keras with the right back end

        kinds = keras.callbacks
        if not isinstance(callbacks, kinds.CallbackList):
            callbacks = kinds.CallbackList(
                [self._as_callback(each) for each in callbacks or ()],
                add_history=True,
                model=self._model,
                verbose=verbose,
                epochs=epochs,
                steps=steps,
            )
        self.callbacks = callbacks

    def _as_callback(self, callback: Any) -> Any:
        """Give a callback of Keras; a function is called after each epoch, and may stop by False.

        Raises:
            InvalidTypeError: It is neither.
        """
        import keras  # here: loaded by core.import_keras with the right back end

        kind = keras.callbacks.Callback
        if isinstance(callback, kind) or hasattr(callback, "set_model"):
            if not isinstance(callback, type):
                return callback
        elif callable(callback) and not isinstance(callback, type):

            def after(epoch: int, logs: Any) -> None:
                if callback(epoch, logs) is False:
                    self.stop_training = True

            return keras.callbacks.LambdaCallback(on_epoch_end=after)
        is_class = isinstance(callback, type)
        name = callback.__name__ if is_class else type(callback).__name__
        raise InvalidTypeError(
            f"A callback is the class {name}." if is_class else f"A callback is a {name}.",
            how=f"Give an object: {name}(...)."
            if is_class
            else "Give a keras.callbacks.Callback, or a function of (epoch, logs).",
        )

    def first_epoch(self, initial: int) -> int:
        """Give the epoch to begin with; BackupAndRestore may have set another."""
        return int(self._model._initial_epoch or initial)

    def reset(self) -> None:
        """Set the metrics to zero."""
        self._model.reset_metrics()
        self._model._jax_state_synced = True

    def take(self, *, training: bool) -> State:
        """Take the arrays out of the variables; testing leaves the optimiser's."""
        state: State = self._model._get_jax_state(
            trainable_variables=True,
            non_trainable_variables=True,
            optimizer_variables=training,
            metrics_variables=True,
            purge_model_variables=True,
        )
        self._model._jax_state_synced = False
        return state

    def lend(self, state: State) -> None:
        """Let `model.jax_state_sync()`, which callbacks call, find the present arrays."""
        groups = [group for group in _GROUPS if len(state) == 4 or group != "optimizer"]
        self._model._jax_state = {
            f"{group}_variables": arrays for group, arrays in zip(groups, state, strict=True)
        }

    def sync(self) -> None:
        """Put the lent arrays into the variables."""
        self._model.jax_state_sync()

    def release(self) -> None:
        """Forget lent arrays."""
        self._model._jax_state = None

    def finish(self) -> None:
        """Let averaged weights take the place of the trained ones, where the optimiser has any."""
        self._model.optimizer.finalize_variable_values(self._model.trainable_weights)

    def result(self, last: Logs | None) -> dict[str, Any]:
        """Give the metrics, or what the model's own step logged last, as Keras does."""
        with _means_on_host(self._model.metrics):
            if last is None:
                return dict(self._model.get_metrics_result())
            return dict(self._model._get_metrics_result_or_logs(last))

    def watched(self, state: State) -> dict[str, Any]:
        """Give the weights and the mean loss."""
        model = self._model
        watched = {
            variable.path: array
            for variables, arrays in (
                (model.trainable_variables, state[0]),
                (model.non_trainable_variables, state[1]),
            )
            for variable, array in zip(variables, arrays, strict=True)
        }
        tracker = getattr(model, "_loss_tracker", None)
        own = {id(variable) for variable in tracker.variables} if tracker is not None else set()
        for variable, array in zip(model.metrics_variables, state[-1], strict=True):
            if id(variable) in own:
                watched[f"loss/{variable.name}"] = array
        return watched

    def late_change(self) -> str | None:
        """Name a variable that a batch hook set.

        The variables hold nothing while steps run, or, once the hook has looked at the model, the
        very arrays that were lent to it.
        """
        for group, found in self._variables().items():
            lent = self._model._jax_state[f"{group}_variables"]
            for variable, array in zip(found, lent, strict=True):
                if variable._value is not None and variable._value is not array:
                    return f"the variable {variable.path!r}"
        return None

    def identity(self) -> dict[str, Any]:
        """Give the kinds of optimiser and layers, in order."""
        return {
            "optimizer": type(self._model.optimizer).__name__,
            "layers": [type(layer).__name__ for layer in self._model._flatten_layers()],
        }

    def saved(self) -> dict[str, np.ndarray]:
        """Copy the values of all variables to the host."""
        return {
            f"{group}/{place}": np.asarray(variable.value)
            for group, found in self._variables().items()
            for place, variable in enumerate(found)
        }

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Put values that `saved` gave into the variables.

        Raises:
            InvalidArgumentError: They are of another model.
        """
        for group, found in self._variables().items():
            saved = sum(name.startswith(f"{group}/") for name in arrays)
            if saved != len(found):
                raise InvalidArgumentError(
                    f"The saved run has {saved} {group} variables, this model has {len(found)}.",
                    how="Build and compile the model as before, or give another folder.",
                )
            for place, variable in enumerate(found):
                shape = arrays[f"{group}/{place}"].shape
                if shape != tuple(variable.shape):
                    raise InvalidArgumentError(
                        f"{variable.path!r} was saved with shape {shape}, "
                        f"in this model it has {tuple(variable.shape)}.",
                        how="Build the model as before, or give another folder.",
                    )
        for group, found in self._variables().items():
            for place, variable in enumerate(found):
                variable.assign(arrays[f"{group}/{place}"])

    def _variables(self) -> dict[str, list[Any]]:
        model = self._model
        return {
            "trainable": model.trainable_variables,
            "non_trainable": model.non_trainable_variables,
            "optimizer": model.optimizer.variables,
            "metrics": model.metrics_variables,
        }


def _told(error: Exception) -> str:
    """Give what Keras says, without colours and a list of arguments."""
    plain = re.sub("\x1b\\[[0-9;]*m", "", str(error))
    around = ("Exception encountered", "Arguments received")
    return " ".join(part for part in plain.split("\n\n") if not part.startswith(around))


@contextmanager
def _zeros_from_host(optimizer: Any) -> Iterator[None]:
    """Let the optimiser copy its zeros from the host.

    Keras' own come from a program of XLA for each shape, which takes 25 ms to compile.
    """

    def zeros(shape: tuple[int, ...], dtype: Any) -> jax.Array:
        return jax.device_put(np.zeros(shape, jax.numpy.dtype(dtype)), may_alias=False)

    def add_variable(shape: Any, initializer: Any = "zeros", *args: Any, **kwargs: Any) -> Any:
        initializer = zeros if initializer == "zeros" else initializer
        return type(optimizer).add_variable(optimizer, shape, initializer, *args, **kwargs)

    optimizer.add_variable = add_variable
    try:
        yield
    finally:
        del optimizer.add_variable


@contextmanager
def _means_on_host(metrics: Any) -> Iterator[None]:
    """Let NumPy divide the sums of means by their counts, to the same bits.

    Keras does it by three programs of XLA, which take 25 ms each to compile.
    """
    import keras  # here: loaded by core.import_keras with the right back end

    all_metrics = [*metrics, *(inner for outer in metrics for inner in _held(outer))]
    ours = keras.metrics.Mean.result
    means = [m for m in all_metrics if type(m).result is ours and "result" not in vars(m)]
    for mean in means:
        mean.result = partial(_mean, mean)
    try:
        yield
    finally:
        for mean in means:
            del mean.result


def _held(metric: Any) -> list[Any]:
    """Give the metrics that `compile(metrics=...)` has put into one."""
    return list(getattr(metric, "metrics", ()))


def _mean(metric: Any) -> np.ndarray:
    total, count = (np.asarray(variable.value) for variable in (metric.total, metric.count))
    count = count.astype(total.dtype)
    return np.divide(total, count, out=np.zeros_like(total), where=count != 0)


def _step(model: Any, name: str, *, is_checked: bool) -> Callable[..., Any]:
    """Give a step of the model; the user's code in it may branch on data."""
    step: Callable[..., Any] = getattr(model, name)
    if not is_checked:
        return step
    checked = with_checks(step)

    def converted(state: Any, data: Any) -> tuple[Any, Any]:
        with users_code(model):
            (logs, state), checks = checked(state, data)
        return (logs, checks), state

    return converted
