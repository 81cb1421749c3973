"""Costs: against XLA's own count, and against counts by hand."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kolam.core import InvalidArgumentError, SourceLocation, TensorSpec
from kolam.graph import Graph

RNG = np.random.default_rng(0)
LAYOUT = ("NHWC", "HWIO", "NHWC")


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def dense(weights: Any, x: Any) -> Any:
    for kernel in weights:
        x = jax.nn.gelu(x @ kernel)
    return jax.nn.softmax(x)


def convolutional(weights: Any, x: Any) -> Any:
    first, second, last = weights
    x = jax.nn.relu(lax.conv_general_dilated(x, first, (1, 1), "SAME", dimension_numbers=LAYOUT))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = jax.nn.relu(lax.conv_general_dilated(x, second, (2, 2), "VALID", dimension_numbers=LAYOUT))
    return x.mean((1, 2)) @ last


def elementwise(x: Any) -> Any:
    return x * x + jnp.sin(x) - jnp.exp(-x) / (x + 2)


MODELS: dict[str, tuple[Callable[..., Any], Any, tuple[int, ...]]] = {
    "dense": (dense, [normal(64, 64) for _ in range(3)], (16, 64)),
    "convolutional": (
        convolutional,
        [normal(3, 3, 3, 8), normal(3, 3, 8, 16), normal(16, 10)],
        (4, 16, 16, 3),
    ),
    "elementwise": (elementwise, None, (1000,)),
    "gradient": (
        jax.grad(lambda w, x: jnp.sum(jnp.tanh(x @ w) ** 2)),
        normal(32, 16),
        (8, 32),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_operations_are_those_that_xla_counts(name: str) -> None:
    fn, weights, shape = MODELS[name]
    graph = Graph.from_function(fn, TensorSpec(("batch", *shape[1:]), name="x"), weights=weights)
    ours = graph.cost({"batch": shape[0]})
    given = [np.zeros(shape, np.float32)] if weights is None else [weights, normal(*shape)]
    theirs = jax.jit(fn).lower(*given).compile().cost_analysis()
    # XLA counts what is left after it has simplified the program
    assert ours.flops == pytest.approx(theirs["flops"], rel=0.03)
    assert ours.total.transcendentals == pytest.approx(theirs.get("transcendentals", 0), rel=0.03)


def count(fn: Callable[..., Any], *shapes: tuple[int, ...]) -> int:
    specs = [TensorSpec(shape, name=f"input_{i}") for i, shape in enumerate(shapes)]
    return Graph.from_function(fn, *specs).cost().flops


def test_counts_by_hand() -> None:
    assert count(lambda a, b: a @ b, (3, 4), (4, 5)) == 2 * 3 * 4 * 5
    assert count(lambda a, b: jnp.einsum("bij,bjk->bik", a, b), (2, 3, 4), (2, 4, 5)) == 240
    assert count(lambda a: a.sum(), (10,)) == 9
    assert count(lambda a: a + 1, (7,)) == 7
    assert count(lambda a: a.reshape(2, 5).T, (10,)) == 0
    assert count(lambda a: jnp.linalg.cholesky(a), (6, 6)) >= 6**3 // 3


def test_padding_costs_nothing() -> None:
    def fn(x: Any, k: Any) -> Any:
        return lax.conv_general_dilated(x, k, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"))

    # of the 3 x 4 taps two fall on padding
    assert count(fn, (1, 4, 1), (3, 1, 1)) == 2 * 10


def test_a_loop_counts_once_per_trip() -> None:
    cost = Graph.from_function(
        lambda x: lax.fori_loop(0, 10, lambda _, c: c * 2, x), TensorSpec((5,), name="x")
    ).cost()
    assert cost.by_kind()["multiply"].count == 10
    assert cost.by_kind()["multiply"].work.flops == 50
    assert cost.unknown_loops == ()


def test_a_loop_that_data_end_counts_as_one_trip_and_says_so() -> None:
    def fn(x: Any) -> Any:
        return lax.while_loop(lambda c: c.sum() < 9, lambda c: c * 2, x)

    cost = Graph.from_function(fn, TensorSpec((5,), name="x")).cost()
    assert cost.by_kind()["multiply"].work.flops == 5
    assert [where.line for where in cost.unknown_loops if where] == [fn.__code__.co_firstlineno + 1]
    assert "Counted as one trip, for the data say how many: test_cost.py:" in str(cost)


def test_of_branches_the_dearest_counts() -> None:
    cost = Graph.from_function(
        lambda x: lax.cond(x.sum() > 0, lambda: x @ x, lambda: x), TensorSpec((4, 4), name="x")
    ).cost()
    assert cost.by_kind()["dot_general"].work.flops == 128


def two_lines(x: Any, y: Any) -> Any:
    product = x @ y
    return jnp.tanh(product)


def test_each_line_of_the_user_has_its_cost() -> None:
    specs = [TensorSpec((3, 4), name="x"), TensorSpec((4, 5), name="y")]
    lines = Graph.from_function(two_lines, *specs).cost().by_line()
    first = SourceLocation(__file__, two_lines.__code__.co_firstlineno + 1)
    second = SourceLocation(__file__, two_lines.__code__.co_firstlineno + 2)
    assert lines[first].work.flops == 120
    assert lines[second].work.transcendentals == 15


def test_a_called_function_costs_on_the_line_that_calls_it() -> None:
    def fn(x: Any) -> Any:
        return jax.nn.relu(x)

    (line,) = Graph.from_function(fn, TensorSpec((6,), name="x")).cost().by_line()
    assert line == SourceLocation(__file__, fn.__code__.co_firstlineno + 1)


def test_bytes_are_those_of_operands_and_results() -> None:
    cost = Graph.from_function(lambda w, x: x @ w, TensorSpec(("n", 4)), weights=normal(4, 5)).cost(
        {"n": 3}
    )
    work = cost.by_kind()["dot_general"].work
    assert (work.bytes_read, work.bytes_written) == ((12 + 20) * 4, 15 * 4)
    assert (cost.weights_bytes, cost.inputs_bytes, cost.outputs_bytes) == (80, 48, 60)


def test_the_table_names_kinds_lines_and_sizes() -> None:
    specs = [TensorSpec((3, 4), name="x"), TensorSpec((4, "n"), name="y")]
    text = str(Graph.from_function(two_lines, *specs).cost({"n": 1000}))
    assert text.splitlines()[0] == ("two_lines at n=1000: 24 k operations, 3 k transcendentals")
    assert "dot_general" in text
    line = two_lines.__code__.co_firstlineno + 1
    row = next(row for row in text.splitlines() if f"test_cost.py:{line}" in row)
    assert row.endswith("product = x @ y")


def test_a_cost_needs_the_sizes() -> None:
    graph = Graph.from_function(lambda x: x * 2, TensorSpec(("n",), name="x"))
    with pytest.raises(InvalidArgumentError, match="symbolic size 'n' of 'lambda' has no value"):
        graph.cost()
