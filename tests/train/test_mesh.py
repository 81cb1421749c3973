"""On eight devices the results are those of one, but for rounding."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from kolam.core import InvalidArgumentError, InvalidTypeError, NotANumberError, UnsupportedError
from kolam.data import Dataset
from kolam.train import fit

# Keras 3.15 copies variables in a way that NumPy 2 warns of (keras-team/keras, Variable.__array__)
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

Maker = Callable[..., Any]
Table = tuple[np.ndarray, np.ndarray]


def _mesh(devices: int = 8) -> Any:
    return jax.make_mesh((devices,), ("batch",))


def _assert_near(one: Any, other: Any) -> None:
    # sums over examples in another order: float32, some units in the last place
    for first, second in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)
    for name, values in one.history.history.items():
        np.testing.assert_allclose(values, other.history.history[name], rtol=1e-4)


def test_a_model_trains_as_on_one_device(keras: Any, make: Maker, table: Table) -> None:
    layers = keras.layers
    one, other = (
        make("adam", layers.BatchNormalization, lambda: layers.Dropout(0.3)) for _ in "12"
    )
    given: dict[str, Any] = {"batch_size": 16, "epochs": 2, "verbose": 0, "validation_split": 0.2}
    fit(one, *table, **given)
    fit(other, *table, mesh=_mesh(), **given)
    _assert_near(one, other)
    assert all(len(value.value.devices()) == 1 for value in other.variables)
    np.testing.assert_allclose(
        one.predict(table[0], verbose=0), other.predict(table[0], verbose=0), rtol=1e-4, atol=1e-5
    )


def test_the_state_is_on_every_device_and_batches_are_shared_out() -> None:
    seen: list[Any] = []

    class Look:
        model: Any

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            seen.append(self.model.state["w"].sharding)

    def step(state: Any, batch: Any) -> Any:
        jax.debug.inspect_array_sharding(batch, callback=seen.append)
        return {"w": state["w"] + batch.mean(0)}, {}

    start = {"w": np.zeros(3, np.float32)}
    state, _ = fit(
        step, start, np.ones((64, 3)), batch_size=16, verbose=0, callbacks=[Look()], mesh=_mesh()
    )
    batch, held = seen[0], seen[-1]
    assert batch.shard_shape((16, 3)) == (2, 3)
    assert held.is_fully_replicated
    assert len(held.device_set) == 8
    np.testing.assert_array_equal(state["w"], [4, 4, 4])


def test_a_dataset_is_shared_out_too(make: Maker, table: Table) -> None:
    arrays = table[0].astype(np.float32), table[1]
    batches = Dataset.from_arrays(arrays).shuffle(seed=2).batch(40)
    one, other = make(), make()
    fit(one, batches, epochs=2, verbose=0)
    fit(other, batches, epochs=2, verbose=0, mesh=_mesh(4))
    _assert_near(one, other)


def test_a_run_goes_on_on_other_devices(make: Maker, table: Table, tmp_path: Any) -> None:
    one, other = make(), make()
    fit(one, *table, epochs=3, verbose=0)
    fit(make(), *table, epochs=2, verbose=0, checkpoint=tmp_path, mesh=_mesh(2))
    fit(other, *table, epochs=3, verbose=0, checkpoint=tmp_path, mesh=_mesh(8))
    _assert_near(one, other)


def test_nan_is_found_on_a_mesh(make: Maker, table: Table) -> None:
    x = table[0].copy()
    x[70] = np.nan
    model = make()
    with pytest.raises(NotANumberError, match="at step 4 of epoch 1") as caught:
        fit(model, x, table[1], batch_size=16, shuffle=False, verbose=0, mesh=_mesh())
    assert 70 in caught.value.rows
    assert np.isfinite(model.get_weights()[0]).all()


def test_meshes_that_cannot_be_used_are_refused(make: Maker, table: Table) -> None:
    with pytest.raises(InvalidTypeError, match=r"mesh is a int\.\n.*make_mesh"):
        fit(make(), *table, mesh=8)
    two = jax.make_mesh((4, 2), ("batch", "model"))
    with pytest.raises(UnsupportedError, match=r"axes \{'batch': 4, 'model': 2\}.*\n.*one axis"):
        fit(make(), *table, mesh=two)
    with pytest.raises(InvalidArgumentError, match=r"batch of 20 cannot.*8 devices.*\n.*multiple"):
        fit(make(), *table, batch_size=20, verbose=0, mesh=_mesh())
