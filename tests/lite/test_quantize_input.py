"""Representative data and choices: every form that holds arrays, one clear error for the rest."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import DataError, InvalidArgumentError, TensorSpec, UnknownNameError
from kolam.data import Dataset
from kolam.graph import Graph, trace
from kolam.lite import percentile, quantize

X = np.random.default_rng(0).standard_normal((10, 4)).astype("f")


def _dense(x: Any, y: Any = None) -> Any:
    w = np.random.default_rng(1).standard_normal((4, 3)).astype("f")
    return jax.nn.relu(x @ w) if y is None else jax.nn.relu(x @ w) + y @ w


@pytest.fixture(scope="module")
def one() -> Graph:
    return trace(_dense, TensorSpec(("batch", 4), name="x"))


@pytest.fixture(scope="module")
def two() -> Graph:
    return trace(_dense, TensorSpec(("batch", 4), name="x"), TensorSpec(("batch", 4), name="y"))


def _scales(graph: Graph, data: Any, **choices: Any) -> Any:
    return quantize(graph, data, borders="int8", **choices).scales


FORMS: dict[str, Any] = {
    "batches": [X[:3], X[3:]],
    "generator": (X[i : i + 1] for i in range(10)),
    "samples": list(X),
    "dict": {"x": X, "label": np.zeros(10)},
    "labelled": (X, np.zeros(10)),
    "Dataset": Dataset.from_arrays({"x": X, "y": np.zeros(10)}).batch(4),
    "Dataset of pairs": Dataset.from_arrays((X, np.zeros(10))).batch(4),
    "JAX": jnp.asarray(X),
    "float64": X.astype("float64"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_samples_gives_the_same_scales(one: Graph, form: str) -> None:
    assert _scales(one, FORMS[form]) == _scales(one, X)


def test_two_inputs_come_as_a_tuple_or_by_name(two: Graph) -> None:
    named = {"y": X * 2, "x": X}
    assert _scales(two, (X, X * 2)) == _scales(two, named)


def test_a_batch_that_is_no_multiple_changes_no_range(one: Graph) -> None:
    found, expected = _scales(one, X, sizes={"batch": 4}), _scales(one, X)
    assert found.keys() == expected.keys()
    # sums of another batch may run in another order
    np.testing.assert_allclose([*found.values()], [*expected.values()], rtol=1e-6)


def test_inputs_of_their_own_sizes_come_along() -> None:
    """A state without a batch and a number without axes, beside a batch."""

    def step(x: Any, state: Any, rate: Any) -> Any:
        return jnp.tanh(x * rate + state)

    specs = (
        TensorSpec((1, 4), name="x"),
        TensorSpec((4,), name="state"),
        TensorSpec((), name="rate"),
    )
    rates = np.linspace(0, 2, 10, dtype="f")
    scales = _scales(trace(step, *specs), (X, np.resize(X, 40), rates))
    assert scales["rate"][0] == pytest.approx(2 / 255)
    assert scales["state"] == scales["x"]


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4), "f"), {"x": X[:0]}])
def test_no_sample_is_refused(one: Graph, empty: Any) -> None:
    with pytest.raises(DataError, match=r"data is empty[^`]*100 samples"):
        quantize(one, empty)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_named(one: Graph, value: float) -> None:
    bad = X.copy()
    bad[7, 2] = value
    with pytest.raises(DataError, match=rf"holds {value} in batch 1, at \(4, 2\) of the .*'x'"):
        quantize(one, [bad[:3], bad[3:]])


def test_a_model_that_overflows_names_the_tensor() -> None:
    graph = trace(lambda x: jnp.exp(x) * 2, TensorSpec(("batch", 4), name="x"))
    with pytest.raises(DataError, match=r"reaches from .* to inf on the representative"):
        quantize(graph, X * 1000)


def test_a_wrong_shape_names_both(one: Graph) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"shape \(10, 5\) for the input 'x'[^`]*\(n, 4\)"
    ):
        quantize(one, np.zeros((10, 5), "f"))


def test_text_is_refused(one: Graph) -> None:
    with pytest.raises(InvalidArgumentError, match="is of <U1 for the input 'x'"):
        quantize(one, np.full((2, 4), "a"))


def test_a_missing_name_lists_those_there_are(two: Graph) -> None:
    with pytest.raises(InvalidArgumentError, match=r"no 'y'; it has: 'x', 'z'[^`]*takes: 'x', 'y'"):
        quantize(two, {"x": X, "z": X})


def test_too_few_arrays_are_counted(two: Graph) -> None:
    with pytest.raises(InvalidArgumentError, match="has 1 array for 2 inputs"):
        quantize(two, [X])


def test_different_numbers_of_samples_are_counted(two: Graph) -> None:
    with pytest.raises(InvalidArgumentError, match=r"numbers of samples \(x: 10, y: 9\)"):
        quantize(two, (X, X[:9]))


def test_a_number_is_no_data(one: Graph) -> None:
    with pytest.raises(InvalidArgumentError, match="data is of type int"):
        quantize(one, 3)


def test_int8_without_data_is_refused(one: Graph) -> None:
    with pytest.raises(InvalidArgumentError, match="int8 needs representative data"):
        quantize(one)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"mode": "int4"}, "There is no mode 'int4'"),
        ({"ranges": "minmax"}, "no rule for ranges 'minmax'.*\n.*Did you mean 'min-max'"),
        ({"borders": "int16"}, "no kind of borders 'int16'"),
        ({"keep_float": ["dense_7"]}, "There is no layer 'dense_7'"),
    ],
)
def test_unknown_choices_list_the_known(one: Graph, choice: Any, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        quantize(one, X, **choice)


def test_a_coverage_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"coverage is 0\.0"):
        percentile(0.0)
