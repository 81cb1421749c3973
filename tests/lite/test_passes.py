"""What single passes do, and what the verifier refuses."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.graph import Graph
from kolam.lite import compile
from kolam.lite._expand.nodes import Nodes
from kolam.lite._frontend import read_program
from kolam.lite._interpret import interpret
from kolam.lite._passes import run_passes
from kolam.lite._program import Node, Program, Region, Value, make_node
from kolam.lite._verify import verify


def _program(fn: Any, *arrays: Any, weights: Any = None) -> Program:
    graph = Graph.from_function(fn, *arrays, weights=weights, name="p")
    static = graph.static_program()
    values = [np.asarray(graph.weights[spec.name or ""]) for spec in static.weights]
    return read_program(static.text, "p", values, static.inputs, static.outputs)


def _ops(program: Program) -> list[str]:
    return [node.op for node in program.body.nodes]


X = np.linspace(-1, 1, 12, dtype="f").reshape(3, 4)
W = np.linspace(0, 1, 20, dtype="f").reshape(4, 5)


def test_a_dense_layer_becomes_one_kernel() -> None:
    program = run_passes(
        _program(lambda w, x: jax.nn.relu(x @ w["k"] + w["b"]), X, weights={"k": W, "b": W[0]})
    )
    assert _ops(program).count("fusion") == 1


def test_a_chain_of_elementwise_operations_becomes_one_kernel() -> None:
    program = run_passes(_program(lambda x: jnp.tanh(x * 2 + 1) / 3 - x, X))
    assert _ops(program) == ["fusion"]


def test_a_value_of_two_readers_is_stored_by_the_kernel_that_computes_it() -> None:
    def both(x: Any) -> Any:
        middle = jnp.exp(x)
        return middle, middle * 2

    program = run_passes(_program(both, X))
    (kernel,) = program.body.nodes
    assert len(kernel.results) == 2


def test_known_values_are_computed_once_and_for_all() -> None:
    program = run_passes(_program(lambda x: x * (jnp.exp(jnp.float32(0)) + np.float32(1)), X))
    inner = [node.op for node in program.body.walk()]
    assert "exponential" not in inner
    assert "add" not in inner


def test_equal_operations_are_computed_once() -> None:
    program = run_passes(_program(lambda x: jnp.sin(x) * jnp.sin(x), X))
    assert [node.op for node in program.body.walk()].count("sine") == 1


def test_gradient_of_a_kernel_needs_no_transpose() -> None:
    def loss(w: Any, x: Any) -> Any:
        return ((x @ w) ** 2).sum()

    program = run_passes(_program(lambda w, x: jax.grad(loss)(w, x), W, X))
    assert "transpose" not in [node.op for node in program.body.walk()]


def test_equal_kernels_are_written_once() -> None:
    def deep(x: Any, a: Any, b: Any) -> Any:
        return jnp.tanh(jnp.tanh(x @ a) @ b)

    square = np.eye(4, dtype="f")
    source = compile(Graph.from_function(deep, X, square, square, name="deep")).source
    assert source.count("static void deep_dense") == 1
    assert source.count("  deep_dense_tanh_1(") == 2


def test_a_kernel_writes_over_what_it_reads_for_the_last_time() -> None:
    def steps(x: Any) -> Any:
        for _ in range(3):
            x = jnp.exp(x - x.sum(1, keepdims=True))
        return x * 2

    big = np.zeros((64, 64), "f")
    compiled = compile(Graph.from_function(steps, big))
    assert compiled.arena_bytes < 2 * big.nbytes


def test_a_value_used_before_it_is_made_is_refused() -> None:
    argument, stranger = Value.new("float32", (2,)), Value.new("float32", (2,))
    node = make_node("add", (argument, stranger), "float32", (2,))
    with pytest.raises(AssertionError, match="used before it is made"):
        verify(Program("p", Region((argument,), (node,), node.results), ("x",), ("y",)))


def test_a_wrong_shape_is_refused() -> None:
    argument = Value.new("float32", (2, 3))
    node = make_node("transpose", (argument,), "float32", (2, 3), permutation=(1, 0))
    with pytest.raises(AssertionError, match=r"transpose: gives .*, not .*\(3, 2\)"):
        verify(Program("p", Region((argument,), (node,), node.results), ("x",), ("y",)))


def test_a_value_made_twice_is_refused() -> None:
    argument = Value.new("float32", (2,))
    node = make_node("abs", (argument,), "float32", (2,))
    again = Node("abs", (argument,), node.results)
    with pytest.raises(AssertionError, match="is defined twice"):
        verify(Program("p", Region((argument,), (node, again), node.results), ("x",), ("y",)))


def test_what_is_compared_with_itself_is_known() -> None:
    def same(i: Any) -> Any:
        return jnp.maximum(i, i), i < i, i >= i

    program = run_passes(_program(same, np.arange(4, dtype="int32")))
    assert not {"maximum", "compare"} & {node.op for node in program.body.walk()}


def test_a_number_converted_there_and_back_is_not_converted() -> None:
    half = np.zeros(4, "float16")
    program = run_passes(_program(lambda x: x.astype("float32").astype("float16")[::-1], half))
    assert "convert" not in {node.op for node in program.body.walk()}
    rounded = run_passes(_program(lambda x: x.astype("float16").astype("float32"), X))
    assert [node.op for node in rounded.body.walk()].count("convert") == 2


def test_sums_of_codes_become_codes_in_the_kernel_of_the_sums() -> None:
    """The wide sums are never stored, even where a pad or another sum reads the codes."""
    nodes = Nodes()
    x = Value.new("int8", (1, 6, 6, 4))
    codes = []
    for seed in range(2):
        filters = np.random.default_rng(seed).integers(-9, 9, (1, 1, 4, 4)).astype("int8")
        sums = nodes.convolution(
            x, nodes.constant(filters), (1, 1), ((0, 0),) * 2, (1, 1), 1, "int32"
        )
        codes.append(nodes.convert(nodes.apply("clamp", -128, sums, 127), "int8"))
    wide = [nodes.convert(value, "int32") for value in codes]
    both = nodes.convert(nodes.apply("minimum", nodes.apply("add", *wide), 127), "int8")
    padded = nodes.pad(both, ((0, 0), (1, 1), (1, 1), (0, 0)), 3)
    program = Program("codes", Region((x,), tuple(nodes.made), (padded,)), ("x",), ("y",))
    fused = verify(run_passes(verify(program)))
    kernels = [node for node in fused.body.nodes if node.op == "fusion"]
    assert [value.dtype for node in kernels for value in node.results] == ["int8"] * 3
    array = np.random.default_rng(2).integers(-128, 128, x.shape).astype("int8")
    np.testing.assert_array_equal(interpret(fused, [array]), interpret(program, [array]))
