"""Gradients of programs: through `run`, through a saved folder, and as programs."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kolam as kl
from kolam.core import InvalidArgumentError, TensorSpec, UnknownNameError
from kolam.graph import Graph, SavedModel, Session, load, name, read_module

RNG = np.random.default_rng(0)
WEIGHTS = {
    "first": RNG.normal(size=(4, 8)).astype(np.float32),
    "second": RNG.normal(size=(8, 3)).astype(np.float32),
}
X = RNG.normal(size=(6, 4)).astype(np.float32)
Y = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]


def net(weights: Any, x: Any, y: Any) -> dict[str, Any]:
    hidden = name("hidden", jax.nn.relu(x @ weights["first"]))
    scores = jax.nn.log_softmax(hidden @ weights["second"])
    return {"loss": -jnp.mean(jnp.sum(scores * y, axis=1)), "scores": scores}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Graph.from_function(
        net, TensorSpec(("batch", 4)), TensorSpec(("batch", 3)), weights=WEIGHTS
    )


def test_a_gradient_goes_through_a_saved_model(graph: Graph, tmp_path: Path) -> None:
    SavedModel({"predict": graph}).save(tmp_path / "model")
    again = load(tmp_path / "model").graphs["predict"]
    ours = jax.grad(lambda x: again.run(x, Y)["loss"])(X)
    theirs = jax.grad(lambda x: net(WEIGHTS, x, Y)["loss"])(X)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_a_saved_model_maps_over_rows(graph: Graph) -> None:
    rows = jax.vmap(lambda x, y: graph.run(x[None], y[None])["loss"])(X, Y)
    np.testing.assert_allclose(rows.mean(), graph.run(X, Y)["loss"], rtol=1e-5)


def test_the_gradient_of_a_graph_is_a_graph_of_any_batch(graph: Graph) -> None:
    slopes = graph.gradient("loss")
    assert [spec.name for spec in slopes.outputs] == ["first", "second"]
    for rows in (6, 3):
        ours = slopes.run(X[:rows], Y[:rows])
        theirs = jax.grad(lambda w, n: net(w, X[:n], Y[:n])["loss"])(WEIGHTS, rows)
        for label, wanted in theirs.items():
            np.testing.assert_allclose(ours[label], wanted, rtol=1e-5, atol=1e-7)


def test_a_gradient_may_be_of_inputs_and_of_weights(graph: Graph) -> None:
    ours = graph.gradient("loss", ["x", "second"]).run(X, Y)
    wanted = jax.grad(lambda x: net(WEIGHTS, x, Y)["loss"])(X)
    np.testing.assert_allclose(ours["x"], wanted, rtol=1e-5, atol=1e-7)


def test_what_the_output_does_not_need_has_gradient_zero() -> None:
    graph = Graph.from_function(
        lambda w, x: {"a": w["a"] * x, "b": w["b"] * x},
        TensorSpec(()),
        weights={"a": np.float32(2), "b": np.float32(3)},
    )
    slopes = graph.gradient("a", ["a", "b"]).run(5.0)
    assert [float(slopes["a"]), float(slopes["b"])] == [5, 0]


def test_a_gradient_has_a_gradient(graph: Graph) -> None:
    cube = Graph.from_function(lambda x: x**3, TensorSpec((), name="x"))
    second = cube.gradient(wrt=["x"]).gradient(wrt=["x"])
    assert float(second.run(2.0)) == 12


def test_the_operations_of_a_gradient_stand_on_the_lines_of_the_user(graph: Graph) -> None:
    module = read_module(graph.gradient("loss").stablehlo())
    products = [
        item.where
        for function in module.functions.values()
        for item in function.body.operations
        if item.name == "stablehlo.dot_general"
    ]
    lines = {where.line for where in products if where is not None}
    assert {where.file for where in products if where is not None} == {"test_gradient.py"}
    assert lines == {net.__code__.co_firstlineno + 1, net.__code__.co_firstlineno + 2}


def test_a_stored_gradient_trains_a_stored_model(graph: Graph) -> None:
    slopes, values = graph.gradient("loss"), dict(graph.weights)
    before = float(graph.run(X, Y)["loss"])
    for _ in range(20):
        found = slopes.with_weights(values).run(X, Y)
        values = {label: value - 0.5 * found[label] for label, value in values.items()}
    after = Session(graph.with_weights(values)).run("loss", {"x": X, "y": Y})
    assert float(after) < before / 2


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((), InvalidArgumentError, "'net' has 2 outputs, and a gradient is of one"),
        (("scores",), InvalidArgumentError, r"scores float32 \(batch, 3\) is no scalar of floats"),
        (("los",), UnknownNameError, "Did you mean 'loss'"),
        (("loss", ["z"]), UnknownNameError, "no input or weight 'z'"),
        (("loss", []), InvalidArgumentError, "'net' has no weights to differentiate"),
        (("loss", ["x", "x"]), InvalidArgumentError, "Two names have the name 'x'"),
    ],
)
def test_what_has_no_gradient_is_refused(
    graph: Graph, arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        graph.gradient(*arguments)


def test_whole_numbers_have_no_gradient() -> None:
    graph = Graph.from_function(lambda x, n: x * 2, TensorSpec(()), TensorSpec((), "int32"))
    with pytest.raises(InvalidArgumentError, match="'n' has no gradient: it holds int32"):
        graph.gradient(wrt=["n"])


def test_gradient_goes_through_a_stored_while() -> None:
    def shrunk(x: Any) -> Any:
        count = 0
        while jnp.sum(x * x) > 1.0:
            x = x * 0.5 * jnp.cos(x)
            count += 1
        return jnp.sum(x) + count

    graph = kl.trace(shrunk, kl.TensorSpec((3,), "float32", name="x"))
    stored = kl.Graph.from_stablehlo(graph.stablehlo())
    x = jnp.array([3.0, 1.0, 2.0])
    np.testing.assert_allclose(jax.grad(stored.run)(x), jax.grad(kl.function(shrunk))(x), rtol=1e-6)
