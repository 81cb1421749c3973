"""Compiled programs are found without a trace, and only where a trace would give the same ones."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from kolam.kernels import is_available
from kolam.train import fit
from kolam.train._identity import model_identity
from kolam.train._keras import KerasTrainee

Model = Any
Table = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A cache that begins empty."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path / "kolam"
    jax.config.update("jax_compilation_cache_dir", before)


@contextmanager
def traces() -> Iterator[list[str]]:
    """Tell of the steps that are traced meanwhile."""
    found: list[str] = []

    def listen(name: str, _: float, fun_name: str = "", **__: Any) -> None:
        if name.endswith("jaxpr_trace_duration") and fun_name in ("kept_program", "lowered"):
            found.append(fun_name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def _values(model: Model) -> list[np.ndarray]:
    return [np.asarray(variable) for variable in (*model.variables, *model.optimizer.variables)]


def test_an_equal_model_trains_without_a_trace_to_the_same_bits(
    keras: Any, make: Callable[..., Model], table: Table, folder: Path
) -> None:
    models, found = [], []
    for _ in range(2):
        keras.utils.clear_session()  # names count from one, as in a new process
        model = make(keras.optimizers.Adam(0.01), lambda: keras.layers.Dropout(0.3, seed=3))
        with traces() as traced:
            fit(model, *table, batch_size=32, epochs=3, validation_data=table, verbose=0)
        models.append(model)
        found.append(traced)
    # training steps, the remainder of an epoch, test steps and their remainder
    assert found == [["kept_program"] * 4, []]
    for one, other in zip(*map(_values, models), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_program_that_is_known_is_not_compiled_again(
    keras: Any, make: Callable[..., Model], table: Table, folder: Path
) -> None:
    keras.utils.clear_session(free_memory=False)
    fit(make(), *table, batch_size=50, verbose=0)
    programs = sorted(path for path in folder.iterdir() if path.stat().st_size != 64)
    with traces() as traced:
        fit(make(), *table, batch_size=50, verbose=0)  # its layers have other names
    assert traced == ["kept_program"]
    assert sorted(path for path in folder.iterdir() if path.stat().st_size != 64) == programs


def test_other_settings_trace_again(make: Callable[..., Model], table: Table, folder: Path) -> None:
    model = make()
    fit(model, *table, batch_size=50, verbose=0)
    programs = set(folder.iterdir())
    with traces() as traced, jax.default_matmul_precision("float32"):
        fit(model, *table, batch_size=50, verbose=0)
    assert traced == ["kept_program"]
    assert set(folder.iterdir()) > programs
    with traces() as traced, jax.debug_nans(True):
        fit(model, *table, batch_size=50, verbose=0)
    assert traced == ["lowered"]  # by JAX, which then says where the NaN is
    with traces() as traced:
        fit(model, *table, batch_size=50, verbose=0)
    assert traced == []


def test_what_is_spoilt_is_written_again(
    keras: Any, make: Callable[..., Model], table: Table, folder: Path
) -> None:
    histories = []
    for content in (None, b"", b"no program"):
        if content is not None:
            for path in folder.iterdir():
                path.write_bytes(path.read_bytes() if path.stat().st_size == 64 else content)
        keras.utils.clear_session(free_memory=False)
        with traces() as traced:
            histories.append(fit(make(), *table, batch_size=50, verbose=0).history)
        assert traced == ["kept_program"]
    assert histories[0] == histories[1] == histories[2]
    keras.utils.clear_session(free_memory=False)
    with traces() as traced:
        fit(make(), *table, batch_size=50, verbose=0)
    assert traced == []


def test_nothing_is_kept_where_the_cache_is_off(
    make: Callable[..., Model], table: Table, folder: Path
) -> None:
    with _no_cache():
        fit(make(), *table, batch_size=50, verbose=0)
    assert not folder.exists()


@contextmanager
def _no_cache() -> Iterator[None]:
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", True)


PROGRAM = """
import jax, keras
import numpy as np
from kolam.train import fit

traced = []
jax.monitoring.register_event_duration_secs_listener(
    lambda name, _, fun_name="", **__: traced.append(fun_name) if "trace" in name else None
)
keras.utils.set_random_seed(0)
layers = keras.layers
x = keras.Input((16, 16, 3))
y = layers.MaxPooling2D()(layers.Conv2D(8, 3, padding="same", activation="relu")(x))
y = layers.LSTM(64)(layers.Reshape((8, 64))(y))
model = keras.Model(x, layers.Dense(1)(y))
model.compile("adam", "mse")
table = np.random.default_rng(0).random((64, 16, 16, 3), "float32"), np.ones((64, 1), "float32")
fit(model, *table, batch_size=16, epochs=2, verbose=0)
print("kept_program" in traced, float(np.sum([np.sum(np.abs(w)) for w in model.get_weights()])))
"""


def test_a_second_process_finds_kernels_as_well(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    assert is_available()
    home = os.environ["KOLAM_HOME"]  # with the kernels in it, which take seconds to build
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "c").symlink_to(Path(home) / "cache" / "c")
    environment = {**os.environ, "KOLAM_HOME": str(tmp_path), "KERAS_BACKEND": "jax"}
    command = [sys.executable, str(tmp_path / "program.py")]
    first, second = (
        subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stdout
        for _ in range(2)
    )
    assert first.startswith("True ")
    assert second == first.replace("True", "False")


# each takes Keras and builds another model; the first is what they are compared with
CHANGES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "nothing": lambda keras: {},
    "activation": lambda keras: {"activation": "tanh"},
    "activation of Keras as a function": lambda keras: {"activation": keras.activations.elu},
    "rate": lambda keras: {"rate": 0.25},
    "units": lambda keras: {"units": 9},
    "regulariser": lambda keras: {"kernel_regularizer": keras.regularizers.L2(0.01)},
    "its strength": lambda keras: {"kernel_regularizer": keras.regularizers.L2(0.02)},
    "constraint": lambda keras: {"kernel_constraint": "non_neg"},
    "no bias": lambda keras: {"use_bias": False},
    "precision": lambda keras: {"dtype": "mixed_bfloat16"},
    "loss": lambda keras: {"loss": "mae"},
    "an option of the loss": lambda keras: {"loss": keras.losses.Huber(0.5)},
    "another": lambda keras: {"loss": keras.losses.Huber(0.25)},
    "reduction": lambda keras: {"loss": keras.losses.MeanSquaredError(reduction="sum")},
    "weight of the loss": lambda keras: {"loss_weights": 2.0},
    "metrics": lambda keras: {"metrics": ["mae"]},
    "weighted metrics": lambda keras: {"weighted_metrics": ["mae"]},
    "optimizer": lambda keras: {"optimizer": keras.optimizers.Adam(0.1)},
    "its beta": lambda keras: {"optimizer": keras.optimizers.Adam(0.1, beta_1=0.8)},
    "decay": lambda keras: {"optimizer": keras.optimizers.SGD(0.1, weight_decay=0.01)},
    "clipping": lambda keras: {"optimizer": keras.optimizers.SGD(0.1, clipnorm=1.0)},
    "averages": lambda keras: {"optimizer": keras.optimizers.SGD(0.1, use_ema=True)},
    "schedule": lambda keras: {
        "optimizer": keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10))
    },
    "its steps": lambda keras: {
        "optimizer": keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 20))
    },
    "frozen": lambda keras: {"trainable": False},
}


COMPILED = ("loss", "loss_weights", "metrics", "weighted_metrics", "optimizer")


def _model(keras: Any, change: dict[str, Any], rate: float = 0.1, seed: int = 0) -> Model:
    """Build a model in which `change` is changed, with names as in a new process."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    compiled = {"loss": "mse", "optimizer": keras.optimizers.SGD(rate)}
    compiled |= {name: change[name] for name in COMPILED if name in change}
    hidden = {"units": 8} | {name: v for name, v in change.items() if name not in COMPILED}
    dropped, trainable = hidden.pop("rate", 0.5), hidden.pop("trainable", True)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(**hidden),
            keras.layers.Dropout(dropped),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1),
        ]
    )
    model.layers[0].trainable = trainable
    model.compile(**compiled)
    return model


def _identity(model: Model) -> str | None:
    trainee = KerasTrainee(model)
    trainee.build((np.zeros((4, 6), "float32"), np.zeros((4, 1), "float32")))
    return model_identity(model, [v for group in trainee._variables().values() for v in group])


def test_whatever_is_changed_changes_the_identity(keras: Any) -> None:
    found = {name: _identity(_model(keras, change(keras))) for name, change in CHANGES.items()}
    assert None not in found.values()
    assert len(set(found.values())) == len(found), found
    for name in ("nothing", "regulariser", "metrics", "schedule"):  # and nothing else does
        assert _identity(_model(keras, CHANGES[name](keras))) == found[name]


def test_values_of_the_state_do_not(keras: Any) -> None:
    identity = _identity(_model(keras, {}))
    assert identity == _identity(_model(keras, {}, rate=0.7, seed=5))
    trained = _model(keras, {})
    fit(trained, np.ones((8, 6), "float32"), np.ones((8, 1), "float32"), verbose=0)
    trained.evaluate(np.ones((8, 6)), np.ones((8, 1)), verbose=0)
    trained.predict(np.ones((8, 6)), verbose=0)
    assert identity == _identity(trained)


def test_the_same_identity_is_the_same_program(keras: Any) -> None:
    for name in ("averages", "precision", "schedule"):
        models = (_model(keras, CHANGES[name](keras), rate, seed=3) for rate in (0.1, 0.2))
        one, other = ((_identity(model), _traced(model)) for model in models)
        assert one == other


def _traced(model: Model) -> str:
    trainee = KerasTrainee(model)
    state = tuple([v.value for v in group] for group in trainee._variables().values())
    batch = np.zeros((4, 6), "float32"), np.zeros((4, 1), "float32")
    return str(jax.make_jaxpr(model.train_step)(state, batch))


def test_settings_change_the_identity(keras: Any) -> None:
    plain = _identity(_model(keras, {}))
    keras.config.set_epsilon(1e-5)
    try:
        assert _identity(_model(keras, {})) not in (None, plain)
    finally:
        keras.config.set_epsilon(1e-7)
    with jax.default_matmul_precision("float32"):
        assert _identity(_model(keras, {})) not in (None, plain)
    assert _identity(_model(keras, {})) == plain


def test_an_array_in_the_model_changes_the_identity(keras: Any) -> None:
    def build(value: float) -> Model:
        keras.utils.clear_session(free_memory=False)
        inputs = keras.Input((6,))
        table = keras.ops.full((6,), value)  # a constant of the program
        model = keras.Model(inputs, keras.layers.Dense(1)(inputs * table))
        model.compile("sgd", "mse")
        return model

    assert _identity(build(1.0)) == _identity(build(1.0))
    assert None not in (_identity(build(1.0)), _identity(build(2.0)))
    assert _identity(build(1.0)) != _identity(build(2.0))


def test_a_deep_model_has_an_identity(keras: Any) -> None:
    inputs = keras.Input((6,))
    outputs = inputs
    for _ in range(400):  # each refers to the one before
        outputs = keras.layers.Activation("relu")(outputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(outputs))
    model.compile("sgd", "mse")
    assert _identity(model) is not None


def test_code_that_is_not_of_the_libraries_has_no_identity(
    keras: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Twice(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    def build(layer: Any) -> Model:
        model = keras.Sequential([keras.Input((6,)), layer, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    dense = keras.layers.Dense(6)
    dense.call = lambda x, training=None: x  # of one object
    for layer in (Twice(), keras.layers.Lambda(lambda x: 2 * x), dense):
        assert _identity(build(layer)) is None
    assert _identity(_model(keras, {"activation": lambda x: 2 * x})) is None
    named = functools.wraps(keras.activations.relu)(lambda x: 2 * x)
    assert _identity(_model(keras, {"activation": named})) is None
    assert _identity(_model(keras, {"loss": lambda y, z: (y - z) ** 2})) is None
    assert _identity(_model(keras, {})) is not None
    with monkeypatch.context() as patch:
        patch.setattr(keras.layers.Dropout, "call", lambda self, inputs, training=False: inputs)
        assert _identity(_model(keras, {})) is None
    with monkeypatch.context() as patch:
        patch.setattr("keras.src.losses.losses.mean_squared_error", lambda y, z: y - z)
        assert _identity(_model(keras, {})) is None
    assert _identity(_model(keras, {})) is not None
