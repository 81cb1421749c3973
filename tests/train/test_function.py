"""A state trains by a step function as by a plain loop, with all that a model has."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kolam.checkpoint import Checkpoints
from kolam.core import (
    InvalidArgumentError,
    InvalidTypeError,
    NotANumberError,
    UnsupportedError,
)
from kolam.data import Dataset, Permutation
from kolam.train import fit

RNG = np.random.default_rng(0)
X = RNG.standard_normal((100, 4)).astype(np.float32)
Y = (X @ np.array([1.0, -2.0, 0.5, 0.0], np.float32))[:, None]
OPTIMIZER = optax.adam(0.05)


def _start() -> dict[str, Any]:
    params = {"w": jnp.full((4, 1), 0.1), "b": jnp.zeros(1)}
    return {"params": params, "opt": OPTIMIZER.init(params), "key": jax.random.key(3), "step": 0}


def _loss(params: Any, x: Any, y: Any) -> Any:
    return ((x @ params["w"] + params["b"] - y) ** 2).mean()


def _step(state: Any, batch: Any) -> Any:
    x, y = batch
    key, noise = jax.random.split(state["key"])
    x = x + 0.01 * jax.random.normal(noise, x.shape)
    loss, slopes = jax.value_and_grad(_loss)(state["params"], x, y)
    if loss > 2:  # plain Python on a traced number
        slopes = jax.tree.map(lambda slope: slope / 2, slopes)
    updates, opt = OPTIMIZER.update(slopes, state["opt"])
    params = optax.apply_updates(state["params"], updates)
    return {"params": params, "opt": opt, "key": key, "step": state["step"] + 1}, {"loss": loss}


def _evaluate(state: Any, batch: Any) -> Any:
    return {"loss": _loss(state["params"], *batch)}


def _by_hand(state: Any, epochs: int, size: int, seed: int) -> tuple[Any, list[float]]:
    """Train without any conversion: the branch by `where`."""

    @jax.jit
    def step(state: Any, x: Any, y: Any) -> Any:
        key, noise = jax.random.split(state["key"])
        x = x + 0.01 * jax.random.normal(noise, x.shape)
        loss, slopes = jax.value_and_grad(_loss)(state["params"], x, y)
        slopes = jax.tree.map(lambda slope: jnp.where(loss > 2, slope / 2, slope), slopes)
        updates, opt = OPTIMIZER.update(slopes, state["opt"])
        params = optax.apply_updates(state["params"], updates)
        return {"params": params, "opt": opt, "key": key, "step": state["step"] + 1}, loss

    means = []
    for epoch in range(epochs):
        order = Permutation(100, seed, epoch)(np.arange(100))
        total = 0.0
        for rows in np.split(order, range(size, 100, size)):
            state, loss = step(state, X[rows], Y[rows])
            total += float(loss) * len(rows)
        means.append(total / 100)
    return state, means


def _leaves(state: Any) -> list[np.ndarray]:
    keys = jax.dtypes.prng_key
    leaves = jax.tree.leaves(state)
    plain = [jax.random.key_data(a) if jax.dtypes.issubdtype(a.dtype, keys) else a for a in leaves]
    return [np.asarray(leaf) for leaf in plain]


def _assert_equal(one: Any, other: Any) -> None:
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for first, second in zip(_leaves(one), _leaves(other), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_step_function_trains_as_a_loop_by_hand() -> None:
    state, history = fit(_step, _start(), (X, Y), batch_size=32, epochs=3, seed=4, verbose=0)
    wanted, means = _by_hand(_start(), 3, 32, 4)
    assert history.epoch == [0, 1, 2]
    # float32, other fusions: some units in the last place
    np.testing.assert_allclose(history.history["loss"], means, rtol=1e-5)
    assert int(state["step"]) == 12
    for first, second in zip(_leaves(state), _leaves(wanted), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)


def test_the_first_state_is_not_used_up() -> None:
    start = jax.tree.map(lambda leaf: leaf, _start())
    fit(_step, start, (X, Y), verbose=0)
    assert float(start["params"]["w"][0, 0]) == pytest.approx(0.1)


def test_arrays_and_a_dataset_train_alike() -> None:
    one, first = fit(_step, _start(), (X, Y), epochs=2, seed=5, verbose=0)
    dataset = Dataset.from_arrays((X, Y)).shuffle(seed=5).batch(32)
    other, second = fit(_step, _start(), dataset, epochs=2, verbose=0)
    _assert_equal(one, other)
    assert first.history == second.history


def test_data_and_states_are_any_trees() -> None:
    @dataclass
    class State:
        slope: Any

    jax.tree_util.register_dataclass(State, ["slope"], [])

    def step(state: Any, batch: Any) -> Any:
        error = (state.slope * batch["x"] - batch["more"][0]).mean()
        return State(state.slope - 0.1 * error), {}

    state, history = fit(
        step, State(np.float32(0)), {"x": X[:, 0] + 2, "more": [X[:, 0] + 2]}, epochs=40, verbose=0
    )
    assert float(state.slope) == pytest.approx(1, abs=1e-3)
    assert history.history == {}


def test_validation_gives_means_over_its_examples() -> None:
    state, history = fit(
        _step,
        _start(),
        (X, Y),
        epochs=2,
        verbose=0,
        eval_fn=_evaluate,
        validation_data=(X[:50], Y[:50]),
        validation_freq=2,
    )
    wanted = float(_loss(state["params"], X[:50], Y[:50]))
    assert history.history["val_loss"] == [pytest.approx(wanted, rel=1e-5)]
    _, split = fit(_step, _start(), (X, Y), verbose=0, eval_fn=_evaluate, validation_split=0.5)
    assert len(split.history["val_loss"]) == 1


def test_callbacks_are_functions_or_objects_with_some_hooks() -> None:
    seen: list[Any] = []

    class Own:
        model: Any

        def on_epoch_begin(self, epoch: int) -> None:
            seen.append(("begin", epoch))

        def on_train_batch_end(self, step: int, logs: Any) -> None:
            seen.append(("step", step, sorted(logs)))

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            assert int(self.model.state["step"]) == 2 * (epoch + 1)
            self.model.stop_training = epoch == 1

    def note(epoch: int, logs: Any) -> None:
        seen.append(("end", epoch, sorted(logs)))

    _, history = fit(
        _step, _start(), (X, Y), batch_size=50, epochs=9, verbose=0, callbacks=[Own(), note]
    )
    assert history.epoch == [0, 1]
    steps = [("step", 0, ["loss"]), ("step", 1, ["loss"])]
    one = [("begin", 0), *steps, ("end", 0, ["loss"])]
    assert seen == [
        *one,
        *(event if event[0] == "step" else (event[0], 1, *event[2:]) for event in one),
    ]


def test_a_function_that_gives_false_stops() -> None:
    _, history = fit(
        _step, _start(), (X, Y), epochs=9, verbose=0, callbacks=[lambda epoch, logs: epoch < 2]
    )
    assert history.epoch == [0, 1, 2]


def test_callbacks_of_keras_work_on_states(keras: Any, tmp_path: Path) -> None:
    stop = keras.callbacks.EarlyStopping("loss", min_delta=1e9, restore_best_weights=True)
    log = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    state, history = fit(_step, _start(), (X, Y), epochs=9, verbose=0, callbacks=[stop, log])
    best, _ = fit(_step, _start(), (X, Y), epochs=1, verbose=0)
    assert history.epoch == [0, 1]
    _assert_equal(state, best)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3


def test_callbacks_that_need_a_model_of_keras_are_told_what_there_is(
    keras: Any, tmp_path: Path
) -> None:
    kinds = keras.callbacks
    for callback, name in (
        (kinds.LearningRateScheduler(lambda epoch: 0.1), "optimizer"),
        (kinds.ModelCheckpoint(tmp_path / "a.keras"), "save"),
    ):
        with pytest.raises(UnsupportedError, match=rf"asks for model\.{name}, .*\n.*checkpoint="):
            fit(lambda s, b: (s, {"loss": s}), 0.0, np.ones(8), verbose=0, callbacks=callback)


def test_a_batch_hook_sets_the_state_if_it_says_so() -> None:
    class Halve:
        model: Any
        needs_every_step = True

        def on_train_batch_end(self, step: int, logs: Any) -> None:
            self.model.state = self.model.state / 2

    def step(state: Any, batch: Any) -> Any:
        return state + 1.0, {}

    state, _ = fit(step, 0.0, X, batch_size=50, epochs=1, verbose=0, callbacks=[Halve()])
    assert float(state) == 0.75
    Halve.needs_every_step = False
    with pytest.raises(NotImplementedError, match="set the state, but 32 steps run at once"):
        fit(step, 0.0, X, batch_size=50, epochs=1, verbose=0, callbacks=[Halve()])


def test_a_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    given: dict[str, Any] = {"epochs": 4, "verbose": 0, "checkpoint_every": 2}

    def interrupt(epoch: int, logs: Any) -> None:
        if epoch == 2 and raises:
            raise KeyboardInterrupt

    raises = False
    whole, history = fit(_step, _start(), (X, Y), epochs=4, verbose=0, callbacks=[interrupt])
    raises = True
    with pytest.raises(KeyboardInterrupt):
        fit(_step, _start(), (X, Y), callbacks=[interrupt], checkpoint=tmp_path, **given)
    assert Checkpoints(tmp_path).latest_step == 10  # in the middle of the third epoch
    raises = False
    resumed, again = fit(
        _step, _start(), (X, Y), callbacks=[interrupt], checkpoint=tmp_path, **given
    )
    _assert_equal(whole, resumed)
    assert again.history == history.history
    narrow = {**_start(), "params": {"w": jnp.zeros((4, 1))}}
    with pytest.raises(
        InvalidArgumentError, match="'state/params/b' is what the saved run has only"
    ):
        fit(
            lambda s, b: (s, {}),
            narrow,
            (X, Y),
            callbacks=[interrupt],
            checkpoint=tmp_path,
            **given,
        )


def test_keras_is_not_loaded() -> None:
    code = """
import sys
import jax.numpy as jnp
from kolam.train import fit
fit(lambda s, b: (s + b.mean(), {"mean": b.mean()}), jnp.zeros(()), jnp.ones(8), verbose=0)
assert "keras" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


BAD: list[tuple[Any, Any, type[Exception], str]] = [
    (lambda s, b: s, 0.0, InvalidTypeError, r"gave a ShapeDtypeStruct, not \(state, logs\)"),
    (lambda s, b: ({"w": s}, {}), 0.0, InvalidArgumentError, "another form: 'state' is not in"),
    (
        lambda s, b: ({"w": s["w"][None]}, {}),
        {"w": 0.0},
        InvalidArgumentError,
        r"'w' was float32 \(\), now it is float32 \(1,\)",
    ),
    (
        lambda s, b: ({"w": s["w"].astype("float16")}, {}),
        {"w": 0.0},
        InvalidArgumentError,
        r"now it is float16 \(\)\.\n.*\.astype\('float32'\)",
    ),
    (
        lambda s, b: (s, b),
        0.0,
        InvalidArgumentError,
        r"'loss' in the logs.*\(32, 4\).*\n.*mean\(\)",
    ),
    (
        lambda s, b: (s, {}),
        None,
        InvalidArgumentError,
        r"The state is empty.*\n.*step, state, data",
    ),
    (
        lambda s, b: (s, {}),
        {"name": "mlp"},
        InvalidTypeError,
        "has a str at 'name', which is no arr",
    ),
]


@pytest.mark.parametrize(("step", "state", "kind", "message"), BAD)
def test_a_step_or_state_that_cannot_be_used_is_refused(
    step: Any, state: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        fit(step, state, X, verbose=0)


def test_arguments_of_models_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"class_weight is given with a step function"):
        fit(_step, _start(), (X, Y), class_weight={0: 1.0})
    with pytest.raises(InvalidArgumentError, match=r"The data are missing.*\n.*step, state, data"):
        fit(_step, _start())
    with pytest.raises(InvalidArgumentError, match=r"validation_data is given, but no eval_fn"):
        fit(_step, _start(), (X, Y), validation_data=(X, Y))
    with pytest.raises(InvalidTypeError, match="A callback is a int without hooks"):
        fit(_step, _start(), (X, Y), callbacks=[3])


def test_nan_names_the_step_the_rows_and_the_line() -> None:
    def step(state: Any, batch: Any) -> Any:
        x, _ = batch

        def loss(w: Any) -> Any:
            return jnp.log(w * x).mean()

        value, slope = jax.value_and_grad(loss)(state["w"])
        return {"w": state["w"] - 0 * slope, "done": state["done"] + 1}, {"loss": value}

    x = np.ones(64, np.float32)
    x[42] = -1
    start = {"w": jnp.float32(1), "done": 0}
    with pytest.raises(NotANumberError) as caught:
        fit(step, start, (x, np.arange(64)), batch_size=8, shuffle=False, verbose=0)
    error = caught.value
    assert (error.step, error.epoch, error.rows) == (5, 0, list(range(40, 48)))
    assert re.search(r"at step 5 of epoch 1 \(rows 40, 41", str(error))
    assert "where `log` gives NaN" in str(error)
    assert "jnp.log(w * x).mean()" in str(error)
