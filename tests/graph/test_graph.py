"""Graph: ways in, ways out, running, fetching."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam.core import InvalidArgumentError, InvalidTypeError, TensorSpec, UnknownNameError
from kolam.graph import Graph, name, read_module

WEIGHTS = {
    "dense": {
        "bias": np.array([0.5, -0.5, 0.0], np.float32),
        "kernel": np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3),
    }
}


def classify(weights: Any, x: jax.Array) -> dict[str, jax.Array]:
    hidden = name("hidden", jnp.tanh(x @ weights["dense"]["kernel"] + weights["dense"]["bias"]))
    return {"probs": jax.nn.softmax(hidden), "total": hidden.sum()}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Graph.from_function(classify, TensorSpec(("batch", 4)), weights=WEIGHTS)


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def test_names_come_from_parameters_weights_and_outputs(graph: Graph) -> None:
    assert graph.name == "classify"
    assert [spec.name for spec in graph.inputs] == ["x"]
    assert [spec.name for spec in graph.outputs] == ["probs", "total"]
    assert [spec.name for spec in graph.nodes] == ["hidden"]
    assert list(graph.weights) == ["dense/bias", "dense/kernel"]


def test_symbolic_sizes_reach_the_outputs(graph: Graph) -> None:
    assert graph.outputs[0] == TensorSpec(("batch", 3), "float32", "probs")
    assert graph.outputs[1] == TensorSpec((), "float32", "total")


def test_run_equals_the_function(graph: Graph, x: np.ndarray) -> None:
    got = graph.run(x)
    wanted = classify(WEIGHTS, jnp.asarray(x))
    assert set(got) == set(wanted)
    for label in got:
        np.testing.assert_allclose(got[label], wanted[label], rtol=1e-6)


def test_run_takes_names_lists_and_numbers() -> None:
    graph = Graph.from_function(lambda x, y: x + y, TensorSpec((2,)), TensorSpec(()))
    np.testing.assert_array_equal(graph.run([1.0, 2.0], y=3), [4.0, 5.0])


def test_one_output_comes_bare_and_several_by_name(graph: Graph, x: np.ndarray) -> None:
    assert isinstance(graph.fetch("probs").run(x), jax.Array)
    assert isinstance(graph.run(x), dict)


def test_run_works_inside_jit(graph: Graph, x: np.ndarray) -> None:
    inside = jax.jit(lambda value: graph.run(value)["probs"])(x)
    np.testing.assert_allclose(inside, graph.run(x)["probs"], rtol=1e-6)


def test_the_first_run_may_stand_inside_jit(x: np.ndarray) -> None:
    graph = Graph.from_function(classify, TensorSpec(("batch", 4)), weights=WEIGHTS)
    inside = jax.jit(lambda value: graph.run(value)["probs"])(x)
    np.testing.assert_allclose(inside, graph.run(x)["probs"], rtol=1e-6)


def test_each_shape_compiles_once(x: np.ndarray) -> None:
    graph = Graph.from_function(classify, TensorSpec(("batch", 4)), weights=WEIGHTS)
    for rows in (2, 3, 2, 3, 2):
        graph.run(x[:rows])
    assert graph._runnable._lowered._cache_size() == 2


def test_fetch_gives_the_named_node(graph: Graph, x: np.ndarray) -> None:
    hidden = graph.fetch("hidden")
    assert [spec.name for spec in hidden.outputs] == ["hidden"]
    wanted = np.tanh(x @ WEIGHTS["dense"]["kernel"] + WEIGHTS["dense"]["bias"])
    np.testing.assert_allclose(hidden.run(x), wanted, rtol=1e-5)


def operations(graph: Graph) -> set[str]:
    module = read_module(graph.stablehlo())
    return {
        operation.name
        for function in module.functions.values()
        for operation in function.body.operations
    }


def test_fetch_drops_the_operations_that_it_does_not_need(graph: Graph) -> None:
    assert "stablehlo.exponential" in operations(graph)
    assert "stablehlo.exponential" not in operations(graph.fetch("hidden"))
    assert "stablehlo.tanh" in operations(graph.fetch("hidden"))


def test_run_computes_no_node_that_the_outputs_do_not_need() -> None:
    def fn(x: jax.Array) -> jax.Array:
        unused = name("logged", jnp.log(x))
        return jnp.where(True, x * 2, unused)

    graph = Graph.from_function(lambda x: (name("sine", jnp.sin(x)) * 0, x)[1], TensorSpec((2,)))
    assert "sine" not in graph.static_program().text
    assert Graph.from_function(fn, TensorSpec((2,))).fetch("logged").run([1.0, 1.0]).sum() == 0


def test_fetch_drops_inputs_and_weights_that_it_does_not_need() -> None:
    def fn(weights: dict[str, jax.Array], x: jax.Array, y: jax.Array) -> dict[str, jax.Array]:
        return {"a": weights["k"] * x, "b": weights["l"] * y}

    graph = Graph.from_function(
        fn, TensorSpec((2,)), TensorSpec((3,)), weights={"k": np.float32(2), "l": np.float32(3)}
    )
    part = graph.fetch("b")
    assert [spec.name for spec in part.inputs] == ["y"]
    assert list(part.weights) == ["l"]
    np.testing.assert_array_equal(part.run([1.0, 2.0, 3.0]), [3.0, 6.0, 9.0])


def test_an_unknown_fetch_suggests_near_names(graph: Graph) -> None:
    with pytest.raises(UnknownNameError, match=r"named node 'hiden'.\n.*Did you mean 'hidden'"):
        graph.fetch("hiden")


def test_fetching_nothing_is_refused(graph: Graph) -> None:
    with pytest.raises(InvalidArgumentError, match="Nothing to fetch"):
        graph.fetch()


def test_text_goes_both_ways(graph: Graph) -> None:
    again = Graph.from_stablehlo(graph.stablehlo(), weights=graph.weights)
    assert again == graph
    assert again.stablehlo() == graph.stablehlo()
    assert hash(again) == hash(graph)


def test_bytes_go_both_ways(graph: Graph) -> None:
    assert Graph(graph.to_bytes(), graph.weights) == graph


def test_other_weights_make_another_graph(graph: Graph) -> None:
    other = {label: array + 1 for label, array in graph.weights.items()}
    assert Graph(graph.to_bytes(), other) != graph
    assert graph != "graph"


def test_text_from_elsewhere_gets_names() -> None:
    text = """
    func.func @main(%k: tensor<2xf32>, %x: tensor<?x2xf32>) -> tensor<?x2xf32> {
      return %x : tensor<?x2xf32>
    }"""
    graph = Graph.from_stablehlo(
        text,
        weights={"k": np.ones(2, np.float32)},
        input_names=["x"],
        output_names=["y"],
        name="given",
    )
    assert repr(graph) == (
        "Graph('given', x float32 (input_1_size_0, 2) -> y float32 (output_0_size_0, 2), 1 weight)"
    )
    np.testing.assert_array_equal(graph.run([[1.0, 2.0]]), [[1.0, 2.0]])


def test_text_with_sixty_four_bits_runs_with_sixty_four_bits() -> None:
    text = """
    func.func @main(%x: tensor<2xf64>) -> tensor<2xf64> {
      %0 = stablehlo.add %x, %x : tensor<2xf64>
      return %0 : tensor<2xf64>
    }"""
    result = Graph.from_stablehlo(text).run(np.array([1e-300, 1.0]))
    np.testing.assert_array_equal(result, [2e-300, 2.0])
    assert result.dtype == np.float64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not a module", "This is not a StableHLO module"),
        ("func.func @other() { return }", "The module has no function `main`"),
    ],
)
def test_a_text_that_is_no_program_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        Graph.from_stablehlo(text)


IDENTITY = "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> { return %x : tensor<2xf32> }"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_names": ["a", "b"]}, "`main` has 1 inputs, but there are 2 input_names"),
        ({"output_names": []}, "`main` has 1 outputs, but there are 0 output_names"),
        (
            {"weights": {"a": np.ones(2, np.float32), "b": np.ones(2, np.float32)}},
            "takes 1 arguments, which is fewer than 2 weights",
        ),
        (
            {"weights": {"a": np.ones(3, np.float32)}},
            r"'a' has shape \(3,\) and dtype float32; the program takes \(2,\) and float32",
        ),
    ],
)
def test_names_and_weights_that_do_not_fit_a_text_are_refused(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        Graph.from_stablehlo(IDENTITY, **arguments)


def test_missing_weights_are_named(graph: Graph) -> None:
    with pytest.raises(InvalidArgumentError, match=r"missing: .'dense/bias', 'dense/kernel'."):
        Graph.from_stablehlo(graph.stablehlo())


def test_a_static_program_has_no_symbolic_size(graph: Graph) -> None:
    program = graph.static_program({"batch": 7})
    assert "?" not in program.text
    assert "dynamic" not in program.text
    assert [spec.name for spec in program.weights] == ["dense/bias", "dense/kernel"]
    assert program.inputs == (TensorSpec((7, 4), "float32", "x"),)
    assert program.outputs[0] == TensorSpec((7, 3), "float32", "probs")


def test_a_static_program_takes_weights_then_inputs(graph: Graph) -> None:
    program = graph.static_program({"batch": 7})
    main = read_module(program.text).main.body
    assert [kind.shape for kind in main.types] == [(3,), (4, 3), (7, 4)]


def test_a_static_program_keeps_the_lines_of_the_user(graph: Graph) -> None:
    module = read_module(graph.static_program({"batch": 1}).text)
    lines = {op.where for op in module.main.body.operations if op.name == "stablehlo.tanh"}
    assert {where.file for where in lines if where} == {"test_graph.py"}


def test_a_program_without_symbolic_sizes_needs_none() -> None:
    graph = Graph.from_function(jnp.cos, TensorSpec((3,), name="x"))
    assert graph.static_program().inputs == (TensorSpec((3,), "float32", "x"),)


@pytest.mark.parametrize(
    ("sizes", "error", "message"),
    [
        ({}, InvalidArgumentError, "The symbolic size 'batch' of 'classify' has no value"),
        ({"batch": 0}, InvalidArgumentError, "'batch' is 0; it must be at least 1"),
        ({"bath": 1}, UnknownNameError, "Did you mean 'batch'"),
    ],
)
def test_wrong_sizes_are_refused(
    graph: Graph, sizes: dict[str, int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        graph.static_program(sizes)


def test_a_size_that_is_a_sum_has_a_name_of_its_own() -> None:
    graph = Graph.from_function(lambda x: jnp.concatenate([x, x]), TensorSpec(("batch",)))
    assert graph.outputs == (TensorSpec(("output_0_size_0",), "float32", "output"),)
    assert graph.run([1.0, 2.0]).shape == (4,)


def test_a_weight_that_is_not_needed_is_not_kept() -> None:
    graph = Graph.from_function(
        lambda w, x: w["a"] * x,
        TensorSpec(()),
        weights={"a": np.float32(2), "b": np.zeros(9, np.float32)},
    )
    assert list(graph.weights) == ["a"]


def test_a_custom_gradient_runs_forward_in_a_graph() -> None:
    @jax.custom_vjp
    def cube(x: jax.Array) -> jax.Array:
        return name("cubed", x**3)

    cube.defvjp(lambda x: (cube(x), x), lambda x, g: (3 * x**2 * g,))
    graph = Graph.from_function(lambda x: cube(x) + 1, TensorSpec(()))
    assert float(graph.run(2.0)) == 9
    assert float(graph.fetch("cubed").run(2.0)) == 8


def test_a_gradient_is_a_graph_like_any_other() -> None:
    graph = Graph.from_function(jax.grad(lambda x: name("cubed", x**3)), TensorSpec((), name="x"))
    assert float(graph.run(2.0)) == 12


def test_an_unbuilt_weight_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="The weight 'a' is a str, not an array"):
        Graph.from_function(lambda w, x: x, TensorSpec(()), weights={"a": "text"})


UNARY: dict[str, Callable[[Any], Any]] = {
    "tanh": jnp.tanh,
    "double": lambda x: x + x,
    "cumulate": lambda x: jnp.cumsum(x, axis=0),
    "centre": lambda x: x - x.mean(0),
    "sort": lambda x: jnp.sort(x, axis=-1),
    "loop": lambda x: jax.lax.fori_loop(0, 3, lambda i, c: c * 0.5 + i, x),
    "noise": lambda x: x + jax.random.normal(jax.random.key(3), x.shape),
}


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.sampled_from(sorted(UNARY)), min_size=1, max_size=4),
    rows=st.integers(1, 5),
)
def test_any_chain_runs_as_jax_runs_it_after_any_trip(steps: list[str], rows: int) -> None:
    def chain(x: Any) -> Any:
        for step in steps:
            x = UNARY[step](x)
        return x

    graph = Graph.from_function(chain, TensorSpec(("batch", 3)))
    again = Graph.from_stablehlo(graph.stablehlo())
    assert again == graph
    x = np.linspace(-2, 2, rows * 3, dtype=np.float32).reshape(rows, 3)
    # the same operations, compiled with other fusions: a few units in the last place
    np.testing.assert_allclose(again.run(x), jax.jit(chain)(x), rtol=1e-5, atol=1e-5)
