"""A function and its state as a trainee: Optax, Flax, plain JAX."""

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph import with_checks
from kolam.core import InvalidArgumentError, InvalidTypeError, UnsupportedError
from kolam.train._hooks import CallbackGroup, History
from kolam.train._placement import Placement
from kolam.train._program import Logs, Program
from kolam.train._trainee import State

_Function = Callable[[Any, Any], Any]  # (state, batch) to (state, logs), or to logs
_programs: weakref.WeakKeyDictionary[Any, dict[Any, Program]] = weakref.WeakKeyDictionary()


class MissingPartError(UnsupportedError, AttributeError):
    """What is trained has no such part."""


class Run:
    """What callbacks see of a function that is trained, as `self.model`.

    Attributes:
        stop_training: Set it to end training.
        stop_evaluating: Set it to end the test that is running.
    """

    def __init__(self, trainee: "FunctionTrainee") -> None:
        self._trainee = trainee
        self.stop_training = self.stop_evaluating = False

    def __getattr__(self, name: str) -> Any:
        """Tell a callback that was written for Keras models what there is instead.

        Raises:
            MissingPartError: Always.
        """
        if name.startswith("_"):
            raise AttributeError(name)
        raise MissingPartError(
            f"A callback asks for model.{name}, but a step function and its state are trained, and "
            "no Keras model.",
            how="There are `state`, `get_weights`, `set_weights` and `stop_training`. A run is "
            "saved by checkpoint=folder; a learning rate follows a schedule of the optimiser, such "
            "as optax.cosine_decay_schedule.",
        )

    @property
    def state(self) -> Any:  # Any: the user's pytree
        """The state as it is now; setting it is for epoch hooks."""
        self._trainee.sync()
        return self._trainee.state

    @state.setter
    def state(self, value: Any) -> None:
        self._trainee.sync()
        self._trainee.replace(value)

    def get_weights(self) -> list[np.ndarray]:
        """Copy the leaves of the state to the host."""
        return [np.array(_key_data(leaf)) for leaf in jax.tree.leaves(self.state)]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Set the leaves of the state, in the order of `get_weights`."""
        leaves, structure = jax.tree.flatten(self.state)
        pairs = zip(leaves, weights, strict=True)
        self.state = structure.unflatten([_like(leaf, array) for leaf, array in pairs])


class FunctionTrainee:
    """A step function and its state.

    The means of the logs over an epoch are kept beside the state, weighted by the sizes of batches.

    Args:
        step: (state, batch) to (state, logs); logs are numbers by name, or the loss alone.
        state: Any pytree of arrays, numbers and random keys. It is copied.
        eval_fn: (state, batch) to logs, for validation.
    """

    kind = "state"

    def __init__(self, step: _Function, state: Any, eval_fn: _Function | None) -> None:
        self._functions = {"train": step, "test": eval_fn}
        self.state = _as_arrays(state)
        self._means: dict[str, Any] = {}
        self._logs: dict[str, dict[str, Any]] = {"train": {}, "test": {}}
        self._lent: State | None = None
        self._given: list[Any] = []
        self.run = Run(self)
        self.history = History()
        self.callbacks: Any = None

    @property
    def stop_training(self) -> bool:
        """Whether a callback has stopped training."""
        return bool(self.run.stop_training)

    @stop_training.setter
    def stop_training(self, value: bool) -> None:
        self.run.stop_training = value

    @property
    def stop_evaluating(self) -> bool:
        """Whether a callback has stopped the test."""
        return bool(self.run.stop_evaluating)

    @stop_evaluating.setter
    def stop_evaluating(self, value: bool) -> None:
        self.run.stop_evaluating = value

    @property
    def is_synced(self) -> bool:
        """Whether the state is in its place."""
        return self._lent is None

    def check(self, batch: Any) -> None:
        """Nothing is known of the data."""

    def build(self, batch: Any) -> None:
        """Find out what the step logs, and that it gives back a state of the same form.

        Raises:
            InvalidTypeError: It gives something else than (state, logs).
            InvalidArgumentError: The new state has another form, or a log is no number.
        """
        shapes, _ = jax.eval_shape(with_checks(self._function("train")), self.state, batch)
        if not isinstance(shapes, tuple) or len(shapes) != 2:
            raise InvalidTypeError(
                f"The step gave a {type(shapes).__name__}, not (state, logs).",
                how='Let it end with `return state, {"loss": loss}`.',
            )
        new, logs = shapes
        _check_same(self.state, new)
        self._logs["train"] = _checked_logs(logs, "step")

    def build_test(self, batch: Any) -> None:
        """Find out what `eval_fn` logs."""
        if self._functions["test"] is None:
            raise InvalidArgumentError(
                "validation_data is given, but no eval_fn.",
                how='Give eval_fn=fn, with fn(state, batch) giving {"loss": loss}.',
            )
        logs, _ = jax.eval_shape(with_checks(self._function("test")), self.state, batch)
        self._logs["test"] = _checked_logs(logs, "eval_fn")

    def program(
        self, name: str, placement: Placement, *, keeps_logs: bool, lowering: str
    ) -> Program:
        """Give the compiled steps of the function, the same ones as long as it lives."""
        fn = self._function(name)
        try:
            programs = _programs.setdefault(fn, {})
        except TypeError:  # a kind of callable that cannot be referred to weakly
            programs = {}
        key = (name, keeps_logs, lowering, placement.key)
        if key not in programs:
            step = _training_step(fn) if name == "train" else _testing_step(fn)
            programs[key] = Program(
                step,
                keeps_logs=keeps_logs,
                is_checked=True,
                lowering=lowering,
                place=placement.gathered,
            )
        return programs[key]

    def begin(self, callbacks: Any, *, verbose: int, epochs: int, steps: int | None) -> None:
        """Put the callbacks together, with a record of the epochs."""
        params = {"verbose": verbose, "epochs": epochs, "steps": steps}
        self.callbacks = CallbackGroup([*(callbacks or ()), self.history], self.run, params)

    def first_epoch(self, initial: int) -> int:
        """Give the epoch to begin with."""
        return initial

    def reset(self) -> None:
        """Set the means of the logs to zero."""
        self._means = {}

    def take(self, *, training: bool) -> State:
        """Take the state out, with the means of the logs so far."""
        logs = self._logs["train" if training else "test"]
        zeros = {name: jnp.zeros(log.shape, jnp.float32) for name, log in logs.items()}
        means = self._means or {"logs": zeros, "examples": jnp.zeros((), jnp.float32)}
        taken, self.state, self._means = (self.state, means), None, {}
        return taken

    def lend(self, state: State) -> None:
        """Keep the present arrays until `sync`."""
        self._lent = state

    def sync(self) -> None:
        """Put the lent arrays into place."""
        if self._lent is not None:
            (self.state, self._means), self._lent = self._lent, None
            self._given = jax.tree.leaves(self.state)

    def release(self) -> None:
        """Forget lent arrays."""
        self._lent = None

    def finish(self) -> None:
        """Nothing comes after the last step."""

    def result(self, last: Logs | None) -> dict[str, Any]:
        """Give the means of the logs."""
        return dict(self._means.get("logs", {}))

    def watched(self, state: State) -> dict[str, Any]:
        """Give the floating leaves of the state, and the mean loss."""
        carried, means = state
        watched = {
            name: leaf
            for name, leaf in _named(carried).items()
            if jnp.issubdtype(leaf.dtype, jnp.inexact)
        }
        if "loss" in means["logs"]:
            watched["loss"] = means["logs"]["loss"]
        return watched

    def replace(self, value: Any) -> None:
        """Set the state.

        Raises:
            InvalidArgumentError: It has another form.
        """
        value = _as_arrays(value)
        _check_same(self.state, value)
        self.state = value

    def late_change(self) -> str | None:
        """Say whether a batch hook has set the state."""
        if self._lent is not None:
            return None
        pairs = zip(jax.tree.leaves(self.state), self._given, strict=True)
        return None if all(one is other for one, other in pairs) else "the state"

    def _function(self, name: str) -> _Function:
        fn = self._functions[name]
        assert fn is not None
        return fn

    def identity(self) -> dict[str, Any]:
        """Nothing is known of the function: the form of its state is checked by `load`."""
        return {}

    def saved(self) -> dict[str, np.ndarray]:
        """Copy the state to the host."""
        tree = {"state": self.state, "means": self._means}
        return {name: np.asarray(_key_data(leaf)) for name, leaf in _named(tree).items()}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Put in what `saved` gave.

        Raises:
            InvalidArgumentError: It is of another state.
        """
        here = _named({"state": self.state})
        saved = {name: array for name, array in arrays.items() if name.startswith("state")}
        for name in sorted(here.keys() ^ saved.keys()):
            side = "this state has, the saved run not" if name in here else "the saved run has only"
            raise InvalidArgumentError(
                f"{name!r} is what {side}.",
                how="Give a state of the same form, or another folder.",
            )
        for name, leaf in here.items():
            shape, dtype = _key_data(leaf).shape, _key_data(leaf).dtype
            if (shape, dtype) != (saved[name].shape, saved[name].dtype):
                raise InvalidArgumentError(
                    f"{name!r} was saved as {saved[name].dtype} {saved[name].shape}, "
                    f"here it is {dtype} {shape}.",
                    how="Give a state of the same form, or another folder.",
                )
        leaves = [_like(leaf, saved[name]) for name, leaf in here.items()]
        self.state = jax.tree.structure(self.state).unflatten(leaves)
        means = {name: array for name, array in arrays.items() if name.startswith("means/logs/")}
        if means:
            logs = {name.removeprefix("means/logs/"): jnp.asarray(a) for name, a in means.items()}
            self._means = {"logs": logs, "examples": jnp.asarray(arrays["means/examples"])}


def _training_step(fn: _Function) -> Callable[[State, Any], Any]:
    checked = with_checks(fn)

    def step(carry: State, batch: Any) -> Any:
        state, means = carry
        (new, logs), checks = checked(state, batch)
        logs = _by_name(logs)
        # an equal dtype without weakness, so that the loop has one type for the state
        new = jax.tree.map(
            lambda one, old: (
                jax.lax.convert_element_type(one, old.dtype) if not _is_key(old) else one
            ),
            new,
            state,
        )
        return (logs, checks), (new, _added(means, logs, batch))

    return step


def _testing_step(fn: _Function) -> Callable[[State, Any], Any]:
    checked = with_checks(fn)

    def step(carry: State, batch: Any) -> Any:
        state, means = carry
        logs, checks = checked(state, batch)
        logs = _by_name(logs)
        return (logs, checks), (state, _added(means, logs, batch))

    return step


def _added(means: Any, logs: Logs, batch: Any) -> Any:
    """Give the means with a batch more; a running mean does not lose digits as a sum would."""
    size = len(jax.tree.leaves(batch)[0])
    examples = means["examples"] + size
    share = size / examples
    new = {
        name: mean + (logs[name].astype(jnp.float32) - mean) * share
        for name, mean in means["logs"].items()
    }
    return {"logs": new, "examples": examples}


def _by_name(logs: Any) -> Logs:
    if logs is None:
        return {}
    logs = logs if isinstance(logs, dict) else {"loss": logs}
    return {name: jnp.asarray(log) for name, log in logs.items()}


def _checked_logs(logs: Any, name: str) -> Logs:
    """Give the shapes of the logs; refuse what is no number by name."""
    logs = {} if logs is None else logs if isinstance(logs, dict) else {"loss": logs}
    for key, log in logs.items():
        shape = getattr(log, "shape", None)
        if shape != () or not isinstance(key, str):
            what = f"has shape {shape}" if shape is not None else f"is a {type(log).__name__}"
            raise InvalidArgumentError(
                f"{key!r} in the logs of the {name} {what}, but logs are numbers by name.",
                how=f"Give one number, such as {key}.mean()." if shape else "Give numbers.",
            )
    return dict(logs)


def _check_same(old: Any, new: Any) -> None:
    """Refuse a state whose form differs from the one before."""
    before, after = _named(old), _named(new)
    for name in [*before, *after]:
        if name not in after or name not in before:
            which = "is not in the new state" if name in before else "is new"
            raise InvalidArgumentError(
                f"The step gave a state of another form: {name!r} {which}.",
                how="Give back a state with the same names, shapes and dtypes.",
            )
        one, other = before[name], after[name]
        if (one.shape, one.dtype) != (other.shape, other.dtype):
            raise InvalidArgumentError(
                f"The step gave a state of another form: {name!r} was {one.dtype} {one.shape}, "
                f"now it is {other.dtype} {other.shape}.",
                how=f"Give it back as it was, for example with .astype({str(one.dtype)!r})."
                if one.shape == other.shape
                else "Give back a state with the same names, shapes and dtypes.",
            )
    if jax.tree.structure(old) != jax.tree.structure(new):
        raise InvalidArgumentError(
            f"The step gave a state of another form: {jax.tree.structure(new)} "
            f"instead of {jax.tree.structure(old)}.",
            how="Give back a state of the same containers.",
        )


def _as_arrays(state: Any) -> Any:
    """Copy the leaves to arrays of a fixed type; refuse what is none."""
    if state is None or not jax.tree.leaves(state):
        raise InvalidArgumentError(
            "The state is empty.", how="Give fit(step, state, data), with arrays in the state."
        )

    def one(path: Any, leaf: Any) -> Any:
        if _is_key(leaf):
            return jax.random.wrap_key_data(
                jnp.array(jax.random.key_data(leaf)), impl=jax.random.key_impl(leaf)
            )
        try:
            array = np.asarray(leaf) if not isinstance(leaf, jax.Array) else leaf
            return jnp.array(array, dtype=jax.dtypes.canonicalize_dtype(array.dtype), copy=True)
        except TypeError:
            raise InvalidTypeError(
                f"The state has a {type(leaf).__name__} at {_name(path)!r}, which is no array.",
                how="Keep it out of the state, for example in a closure or a static field.",
            ) from None

    return jax.tree_util.tree_map_with_path(one, state)


def _named(tree: Any) -> dict[str, Any]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {_name(path): leaf for path, leaf in leaves}


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/") or "state"


def _is_key(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key)


def _key_data(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _like(leaf: Any, array: np.ndarray) -> Any:
    if _is_key(leaf):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(leaf))
    return jnp.asarray(array, leaf.dtype)
