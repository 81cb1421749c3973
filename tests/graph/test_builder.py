"""Graphs by hand: placeholders, variables, gradients, and the graph that comes out."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from kolam.core import InvalidArgumentError, InvalidTypeError, TensorSpec, UnknownNameError
from kolam.graph import Builder, SavedModel, Session, Symbol, function, gradients, load, name

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 3)).astype(np.float32)
KERNEL = RNG.normal(size=(3, 2)).astype(np.float32)


def test_an_affine_map_by_hand() -> None:
    with Builder("affine") as builder:
        x = builder.placeholder("x", ("batch", 3))
        kernel = builder.variable("kernel", KERNEL)
        y = name("y", x @ kernel + 1.0)
    graph = builder.graph(y)
    assert repr(graph) == (
        "Graph('affine', x float32 (batch, 3) -> y float32 (batch, 2), 1 weight)"
    )
    np.testing.assert_allclose(graph.run(X), X @ KERNEL + 1, rtol=1e-6)


def test_operators_indices_and_comparisons_give_symbols() -> None:
    with Builder() as builder:
        x = builder.placeholder("x", ("batch", 3))
        values = {
            "sum": 1.0 + x - x * 2.0 / (x**2 + 1.0),
            "row": x[0, ::-1],
            "column": x[:, -1:],
            "chosen": jnp.where((x > 0) & ~(x > 1), x, -x),
            "written": x.at[0].set(0.0),
            "transposed": x.T @ x,
            "mean": x.mean(axis=0),
            "negative": abs(-x),
        }
        assert all(isinstance(value, Symbol) for value in values.values())
    got = Session(builder).run(values, {x: X})
    np.testing.assert_allclose(got["sum"], 1 + X - X * 2 / (X**2 + 1), rtol=1e-6)
    np.testing.assert_array_equal(got["row"], X[0, ::-1])
    np.testing.assert_array_equal(got["column"], X[:, -1:])
    np.testing.assert_array_equal(got["chosen"], np.where((X > 0) & ~(X > 1), X, -X))
    np.testing.assert_array_equal(got["written"], np.vstack([np.zeros((1, 3)), X[1:]]))
    np.testing.assert_allclose(got["transposed"], X.T @ X, rtol=1e-5)
    np.testing.assert_allclose(got["mean"], X.mean(0), rtol=1e-5)
    np.testing.assert_array_equal(got["negative"], np.abs(X))


@function
def collatz(n: Any) -> Any:
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def test_control_flow_and_transformations_take_symbols() -> None:
    with Builder() as builder:
        x = builder.placeholder("x", ("batch", 3))
        n = builder.placeholder("n", (), "int32")
        kernel = builder.variable("kernel", KERNEL)
        values = {
            "scan": lax.scan(lambda c, row: (c + row.sum() * x[0, 0], c), jnp.float32(0), x)[0],
            "cond": lax.cond(x.sum() > 0, lambda: x, lambda: -x),
            "loop": lax.fori_loop(0, n, lambda _, c: c * 1.5, x),
            "map": jax.vmap(lambda row: jnp.sin(row) * kernel[0, 0])(x),
            "grad": jax.grad(lambda k: jnp.sum(jnp.tanh(x @ k)))(kernel),
            "jit": jax.jit(lambda z: z * x)(2.0),
            "plain": collatz(n),
            "softmax": jax.nn.softmax(x),
        }
    got = Session(builder).run(values, {x: X, n: 6})
    np.testing.assert_allclose(got["scan"], (X.sum(1) * X[0, 0]).sum(), rtol=1e-5)
    np.testing.assert_array_equal(got["cond"], X if X.sum() > 0 else -X)
    np.testing.assert_allclose(got["loop"], X * 1.5**6, rtol=1e-6)
    np.testing.assert_allclose(got["map"], np.sin(X) * KERNEL[0, 0], rtol=1e-5)
    wanted = jax.grad(lambda k: jnp.sum(jnp.tanh(X @ k)))(KERNEL)
    np.testing.assert_allclose(got["grad"], wanted, rtol=1e-5)
    np.testing.assert_array_equal(got["jit"], 2 * X)
    assert int(got["plain"]) == 8
    np.testing.assert_allclose(got["softmax"].sum(1), np.ones(5), rtol=1e-6)


def test_what_needs_no_symbol_is_computed_at_once() -> None:
    with Builder() as builder:
        first = jax.random.normal(jax.random.key(0), (3,))
        assert isinstance(first, jax.Array)
        assert not isinstance(first, Symbol)
        builder.variable("w", first)
    np.testing.assert_array_equal(builder.weights["w"], first)


def test_a_symbolic_size_is_one_size_everywhere() -> None:
    with Builder() as builder:
        x = builder.placeholder("x", ("batch", 3))
        y = builder.placeholder("y", ("batch",))
        assert (x.sum(1) * y).shape == y.shape
        doubled = jnp.concatenate([x, x]).reshape(-1) * x.shape[0] + jnp.zeros(2 * 3 * x.shape[0])
    got = Session(builder).run(doubled, {x: X})
    np.testing.assert_array_equal(got, np.concatenate([X, X]).reshape(-1) * 5)


def test_layers_of_keras_take_symbols() -> None:
    layer = keras.layers.Dense(2, activation="relu")
    layer.build((None, 3))
    with Builder() as builder:
        x = builder.placeholder("x", ("batch", 3))
        y = layer(x)
    np.testing.assert_allclose(Session(builder).run(y, {x: X}), layer(X), rtol=1e-5)


# --------------------------------------------------------------------------------- training


def line() -> tuple[Builder, dict[str, Any]]:
    with Builder("line") as builder:
        x = builder.placeholder("x", ("batch", 3))
        y = builder.placeholder("y", ("batch", 2))
        parameters = builder.variable("dense", {"bias": [0.0, 0.0], "kernel": 0 * KERNEL})
        loss = name("loss", jnp.mean((x @ parameters["kernel"] + parameters["bias"] - y) ** 2))
        slopes = gradients(loss, parameters)
        moved = jax.tree.map(lambda value, slope: value - 0.5 * slope, parameters, slopes)
        builder.assign(parameters, moved, name="train")
    return builder, {"x": x, "y": y, "loss": loss, "slopes": slopes, "kernel": parameters["kernel"]}


def test_a_training_loop_by_hand_converges() -> None:
    builder, parts = line()
    session = Session(builder)
    feed = {parts["x"]: X, parts["y"]: X @ KERNEL + 3}
    losses = [float(session.run([parts["loss"], "train"], feed)[0]) for _ in range(300)]
    assert losses[0] > 1
    assert losses[-1] < 1e-4
    np.testing.assert_allclose(session.run(parts["kernel"]), KERNEL, atol=0.05)


def test_a_training_loop_goes_on_after_a_save(tmp_path: Path) -> None:
    with Builder("count") as builder:
        total = builder.variable("total", 0.0)
        by = builder.placeholder("by")
        total.assign_add(by, name="add")
        reading = name("reading", total * 1.0)
    SavedModel({"train": builder.graph(reading)}).save(tmp_path / "model")
    session = Session(load(tmp_path / "model").graphs["train"])
    assert [float(session.run("add", {"by": 2.0})) for _ in range(2)] == [2, 4]
    assert float(session.run("reading")) == 4


def test_an_optimiser_of_optax_keeps_its_state_in_variables() -> None:
    optimiser = optax.adam(0.1)
    with Builder("adam") as builder:
        x = builder.placeholder("x", ("batch", 3))
        y = builder.placeholder("y", ("batch", 2))
        kernel = builder.variable("kernel", 0 * KERNEL)
        state = builder.variable("state", optimiser.init(jnp.zeros_like(KERNEL)))
        loss = jnp.mean((x @ kernel - y) ** 2)
        updates, after = optimiser.update(gradients(loss, kernel), state, kernel)
        step = builder.assign((kernel, state), (optax.apply_updates(kernel, updates), after))
    session = Session(builder)
    for _ in range(200):
        session.run(step, {x: X, y: X @ KERNEL})
    assert float(session.run(loss, {x: X, y: X @ KERNEL})) < 1e-3


def test_gradients_are_those_of_jax_and_of_any_order() -> None:
    def loss(kernel: Any, x: Any) -> Any:
        return jnp.mean(jax.nn.relu(x @ kernel) ** 2 * jnp.sin(x @ kernel))

    with Builder() as builder:
        x = builder.placeholder("x", ("batch", 3))
        kernel = builder.variable("kernel", KERNEL)
        [first] = gradients(loss(kernel, x), [kernel])
        by_kernel, by_x = gradients(jnp.sum(first**2), (kernel, x))
    got = Session(builder).run([first, by_kernel, by_x], {x: X})
    wanted = jax.grad(loss)(KERNEL, X)
    squared = jax.grad(lambda k, v: jnp.sum(jax.grad(loss)(k, v) ** 2), argnums=(0, 1))(KERNEL, X)
    for ours, theirs in zip(got, (wanted, *squared), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_gradient_goes_through_what_lies_between() -> None:
    with Builder() as builder:
        a = builder.placeholder("a")
        b = a * 3.0
        slopes = gradients(a * b**2, [a, b])
    np.testing.assert_allclose(Session(builder).run(slopes, {a: 2.0}), [108.0, 24.0])


def test_a_fed_value_counts_as_constant_in_a_gradient() -> None:
    with Builder() as builder:
        a = builder.placeholder("a")
        hidden = name("hidden", a * 3.0)
        slopes = gradients(hidden**2, [a, hidden])
    session = Session(builder)
    np.testing.assert_allclose(session.run(slopes, {a: 2.0}), [36.0, 12.0])
    np.testing.assert_allclose(session.run(slopes, {a: 2.0, hidden: 5.0}), [0.0, 10.0])


def test_a_gradient_shares_what_it_computes_on_its_way() -> None:
    with Builder() as builder:
        x = builder.placeholder("x", (4,))
        _, states = lax.scan(lambda c, row: (jnp.tanh(c + row), c), jnp.float32(0), x)
        loss = states.sum()
        [slope] = gradients(loss, [x])
    text = builder.fetch(builder.label_of(loss) or "", builder.label_of(slope) or "").stablehlo()
    # one loop forward and one back
    assert text.count("stablehlo.while") == 2


# ------------------------------------------------------------------------ sessions of builders


def test_values_are_fetched_and_fed_as_they_are() -> None:
    with Builder() as builder:
        x = builder.placeholder("x", (2,))
        hidden = x + 1.0
        y = hidden * 2.0
    session = Session(builder)
    np.testing.assert_array_equal(session.run([y, hidden], {x: [1.0, 2.0]})[0], [4.0, 6.0])
    np.testing.assert_array_equal(session.run(y, {hidden: [10.0, 20.0]}), [20.0, 40.0])


def test_more_can_be_built_after_a_run() -> None:
    with Builder() as builder:
        x = builder.placeholder("x", (2,))
        y = x + 1.0
    session = Session(builder)
    session.run(y, {x: [1.0, 2.0]})
    with builder:
        w = builder.variable("w", [10.0, 10.0])
        z = y * w
    np.testing.assert_array_equal(session.run(z, {x: [1.0, 2.0]}), [20.0, 30.0])


def test_a_run_in_steps_works_on_a_builder() -> None:
    with Builder() as builder:
        a, b = builder.placeholder("a"), builder.placeholder("b")
        first = jnp.sin(a)
        second = first * b
    session = Session(builder)
    run = session.partial_run_setup([first, second], [a, b])
    half = session.partial_run(run, first, {a: 0.5})
    assert float(session.partial_run(run, second, {b: half})) == pytest.approx(np.sin(0.5) ** 2)


def test_a_graph_of_a_builder_knows_its_symbols() -> None:
    with Builder() as builder:
        x = builder.placeholder("x", (2,))
        y = name("y", x + 1.0)
        unnamed = y * 2.0
    session = Session(builder.graph(y))
    np.testing.assert_array_equal(session.run(y, {x: [1.0, 2.0]}), [2.0, 3.0])
    with pytest.raises(InvalidTypeError, match="A fetch or feed is a Symbol"):
        session.run(unnamed, {x: [1.0, 2.0]})


def test_names_inside_a_compiled_function_are_values_of_the_builder() -> None:
    inner = jax.jit(lambda x: name("inside", x * 2) + 1)
    with Builder() as builder:
        x = builder.placeholder("x")
        y = inner(x)
    assert [float(item) for item in Session(builder).run([y, "inside"], {x: 3.0})] == [7, 6]


def test_outputs_get_keys_names_or_numbers() -> None:
    with Builder() as builder:
        x = builder.placeholder("x")
        y, z = name("y", x + 1.0), x * 2.0
    assert [spec.name for spec in builder.graph({"a": y, "b": z}).outputs] == ["a", "b"]
    assert [spec.name for spec in builder.graph([y, name_of(builder, z)]).outputs] == ["y", "z"]
    assert [spec.name for spec in builder.graph([y, x * 1 if False else z]).outputs] == [
        "output_0",
        "output_1",
    ]


def name_of(builder: Builder, value: Any) -> Any:
    with builder:
        return name("z", value)


OPERATIONS: dict[str, Any] = {
    "add": jnp.add,
    "clip": lambda a, b: jnp.clip(a, -1, 1) + b,
    "maximum": jnp.maximum,
    "multiply": jnp.multiply,
    "sine": lambda a, b: jnp.sin(a) - b,
    "sort": lambda a, b: jnp.sort(a) * b,
    "where": lambda a, b: jnp.where(a > b, a, b * 0.5),
}


@settings(max_examples=25, deadline=None)
@given(data=st.data(), rows=st.integers(1, 4))
def test_any_part_of_any_graph_is_what_the_same_steps_give_by_hand(
    data: st.DataObject, rows: int
) -> None:
    count = data.draw(st.integers(2, 7))
    steps = [
        (
            data.draw(st.sampled_from(sorted(OPERATIONS))),
            data.draw(st.integers(0, index + 1)),
            data.draw(st.integers(0, index + 1)),
        )
        for index in range(count)
    ]
    with Builder() as builder:
        symbols = [builder.placeholder("x", ("rows",)), builder.placeholder("y", ("rows",))]
        for kind, first, second in steps:
            symbols.append(OPERATIONS[kind](symbols[first], symbols[second]))
    fetched = data.draw(st.lists(st.integers(2, count + 1), min_size=1, max_size=3, unique=True))
    fed = data.draw(st.lists(st.integers(0, count + 1), max_size=2, unique=True))
    arrays = {index: np.linspace(-2, 2 + index, rows, dtype=np.float32) for index in {0, 1, *fed}}
    by_hand = dict(arrays)
    for index, (kind, first, second) in enumerate(steps, start=2):
        by_hand.setdefault(index, OPERATIONS[kind](by_hand[first], by_hand[second]))
    got = Session(builder).run(
        [symbols[index] for index in fetched],
        {symbols[index]: array for index, array in arrays.items()},
    )
    for index, value in zip(fetched, got, strict=True):
        np.testing.assert_allclose(value, by_hand[index], rtol=1e-5, atol=1e-5)


# ----------------------------------------------------------------------------------- errors


def refused(error: type[Exception], message: str) -> Any:
    return pytest.raises(error, match=message)


def test_what_a_builder_cannot_take_is_refused_with_its_line() -> None:
    with Builder("b") as builder:
        x = builder.placeholder("x", (2,))
        w = builder.variable("w", [1.0, 2.0])
        with refused(InvalidArgumentError, "Two values have the name 'x'") as caught:
            builder.placeholder("x")
        assert "test_builder.py" in str(caught.value)
        with refused(InvalidArgumentError, "Two values have the name 'w'"):
            name("w", x)
        with refused(InvalidArgumentError, "A placeholder or variable is named ''"):
            builder.variable("", 1.0)
        with refused(InvalidArgumentError, "A size of a shape is None"):
            builder.placeholder("y", (None, 4))  # type: ignore[arg-type]
        with refused(InvalidArgumentError, "first value of the variable 'v' is Symbol"):
            builder.variable("v", x + 1)
        with refused(InvalidTypeError, "The weight 'v' is a str"):
            builder.variable("v", "text")
        with refused(InvalidArgumentError, r"'w' is float32 \(2,\), and is assigned int32 \(2,\)"):
            w.assign(x.astype(jnp.int32))
        with refused(InvalidArgumentError, "'u' has dtype float64, but JAX's 64-bit mode is off"):
            builder.variable("u", np.zeros(2))
        with refused(InvalidTypeError, "A Symbol cannot be assigned"):
            builder.assign(x, x)
        with refused(InvalidArgumentError, "variables have the structure"):
            builder.assign({"w": w}, [x])
        with refused(InvalidArgumentError, "builder 'b' is entered already"), builder:
            pass


def test_what_has_no_gradient_is_refused_with_its_line() -> None:
    with Builder("b") as builder:
        x, n = builder.placeholder("x", (2,)), builder.placeholder("n", (), "int32")
        with refused(InvalidArgumentError, "is no scalar.*\n.*\n.*test_builder.py"):
            gradients(x, [x])
        with refused(InvalidArgumentError, "has no gradient: it holds int32"):
            gradients(x.sum(), [n])
        with refused(InvalidTypeError, "`gradients` got a float"):
            gradients(1.0, [x])  # type: ignore[arg-type]


def test_values_of_two_builders_do_not_mix() -> None:
    with Builder("first") as first:
        x = first.placeholder("x")
    with Builder("second") as second:
        second.placeholder("x")
        with refused(InvalidArgumentError, "value of the builder 'first', not of 'second'"):
            x + 1.0


def test_outputs_must_be_values_of_the_builder() -> None:
    builder = Builder("b")
    with refused(InvalidTypeError, "An output of 'b' is a float, not one of its symbols"):
        builder.graph(1.0)
    with refused(InvalidArgumentError, "gives nothing"):
        builder.graph([])
    with refused(UnknownNameError, "no value 'loss'"):
        Session(builder).run("loss")
    with refused(InvalidArgumentError, "Nothing to fetch"):
        builder.fetch()


def test_a_value_of_computed_size_cannot_be_fed() -> None:
    with Builder() as builder:
        x = builder.placeholder("x", ("batch",))
        twice = jnp.concatenate([x, x])
        y = twice + 1.0
    with refused(InvalidArgumentError, "cannot be fed: its size '2\\*batch' is computed"):
        Session(builder).run(y, {twice: [1.0, 2.0]})


def test_inputs_and_specs_of_a_builder_are_its_placeholders() -> None:
    with Builder("b") as builder:
        builder.placeholder("x", ("batch", 2))
    assert builder.inputs == (TensorSpec(("batch", 2), "float32", "x"),)
    assert repr(builder) == "Builder('b', x, 0 variables)"
