"""Bodies of reductions, sorts and scatters: what they capture, branches, and empty arrays."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kolam.graph import Graph
from kolam.lite import compile
from kolam.lite._frontend import read_program
from kolam.lite._interpret import interpret
from kolam.lite._verify import verify

FLOAT, ROW = "tensor<f32>", "tensor<6xf32>"


def _run(text: str, *arrays: np.ndarray) -> list[np.ndarray]:
    graph = Graph.from_stablehlo(text)
    static = graph.static_program()
    program = verify(read_program(static.text, "p", [], static.inputs, static.outputs))
    meant = interpret(program, arrays)
    for target in ("native", "wasm"):
        found = compile(graph, target).run(*arrays)
        listed = list(found.values()) if isinstance(found, dict) else [found]
        for ours, theirs in zip(listed, meant, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    return meant


X = np.array([3, -1, 4, 1, -5, 9], "f")


def test_a_reduction_may_use_a_scalar_from_outside() -> None:
    text = f"""func.func @main(%x: {ROW}, %limit: {FLOAT}) -> {FLOAT} {{
      %zero = stablehlo.constant dense<0.0> : {FLOAT}
      %r = "stablehlo.reduce"(%x, %zero) ({{ ^bb0(%a: {FLOAT}, %b: {FLOAT}):
        %c = stablehlo.minimum %b, %limit : {FLOAT}
        %s = stablehlo.add %a, %c : {FLOAT}
        stablehlo.return %s : {FLOAT} }}) {{dimensions = array<i64: 0>}}
        : ({ROW}, {FLOAT}) -> {FLOAT}
      return %r : {FLOAT} }}"""
    (found,) = _run(text, X, np.float32(2))
    assert found == np.minimum(X, 2).sum()


def test_a_comparator_may_use_a_scalar_from_outside() -> None:
    text = f"""func.func @main(%x: {ROW}, %middle: {FLOAT}) -> {ROW} {{
      %r = "stablehlo.sort"(%x) ({{ ^bb0(%a: {FLOAT}, %b: {FLOAT}):
        %c = stablehlo.subtract %a, %middle : {FLOAT}
        %d = stablehlo.subtract %b, %middle : {FLOAT}
        %e = stablehlo.abs %c : {FLOAT}
        %f = stablehlo.abs %d : {FLOAT}
        %s = stablehlo.compare LT, %e, %f : ({FLOAT}, {FLOAT}) -> tensor<i1>
        stablehlo.return %s : tensor<i1> }}) {{dimension = 0 : i64, is_stable = true}}
        : ({ROW}) -> {ROW}
      return %r : {ROW} }}"""
    (found,) = _run(text, X, np.float32(2))
    np.testing.assert_array_equal(found, X[np.argsort(np.abs(X - 2), kind="stable")])


def test_a_scatter_may_use_a_scalar_from_outside() -> None:
    numbers = "inserted_window_dims = [0], scatter_dims_to_operand_dims = [0], index_vector_dim = 1"
    text = f"""func.func @main(%x: {ROW}, %i: tensor<3x1xi32>, %u: tensor<3xf32>, %k: {FLOAT})
        -> {ROW} {{
      %r = "stablehlo.scatter"(%x, %i, %u) ({{ ^bb0(%a: {FLOAT}, %b: {FLOAT}):
        %c = stablehlo.multiply %b, %k : {FLOAT}
        %s = stablehlo.add %a, %c : {FLOAT}
        stablehlo.return %s : {FLOAT} }})
        {{scatter_dimension_numbers = #stablehlo.scatter<{numbers}>}}
        : ({ROW}, tensor<3x1xi32>, tensor<3xf32>) -> {ROW}
      return %r : {ROW} }}"""
    places, updates = np.array([[1], [1], [7]], "int32"), np.array([1, 2, 3], "f")
    (found,) = _run(text, X, places, updates, np.float32(10))
    np.testing.assert_array_equal(found, X + np.array([0, 30, 0, 0, 0, 0], "f"))


def test_a_window_may_use_a_scalar_from_outside() -> None:
    text = f"""func.func @main(%x: {ROW}, %least: {FLOAT}) -> tensor<4xf32> {{
      %zero = stablehlo.constant dense<0.0> : {FLOAT}
      %r = "stablehlo.reduce_window"(%x, %zero) ({{ ^bb0(%a: {FLOAT}, %b: {FLOAT}):
        %c = stablehlo.maximum %b, %least : {FLOAT}
        %s = stablehlo.add %a, %c : {FLOAT}
        stablehlo.return %s : {FLOAT} }}) {{window_dimensions = array<i64: 3>}}
        : ({ROW}, {FLOAT}) -> tensor<4xf32>
      return %r : tensor<4xf32> }}"""
    (found,) = _run(text, X, np.float32(0))
    np.testing.assert_array_equal(found, np.convolve(np.maximum(X, 0), np.ones(3), "valid"))


def test_a_branch_in_a_body_selects() -> None:
    text = f"""func.func @main(%x: {ROW}) -> {FLOAT} {{
      %zero = stablehlo.constant dense<0.0> : {FLOAT}
      %r = "stablehlo.reduce"(%x, %zero) ({{ ^bb0(%a: {FLOAT}, %b: {FLOAT}):
        %p = stablehlo.compare GT, %b, %zero : ({FLOAT}, {FLOAT}) -> tensor<i1>
        %s = "stablehlo.if"(%p) ({{
          %t = stablehlo.add %a, %b : {FLOAT}
          stablehlo.return %t : {FLOAT} }}, {{ stablehlo.return %a : {FLOAT} }})
          : (tensor<i1>) -> {FLOAT}
        stablehlo.return %s : {FLOAT} }}) {{dimensions = array<i64: 0>}}
        : ({ROW}, {FLOAT}) -> {FLOAT}
      return %r : {FLOAT} }}"""
    (found,) = _run(text, X)
    assert found == X[X > 0].sum()


def test_subtraction_reduces_from_the_left() -> None:
    def body(a: Any, b: Any) -> Any:
        return lax.reduce(a, b, lambda held, new: new - held, (0,))

    with_order = Graph.from_function(body, X, np.float32(1))
    held = np.float32(1)
    for new in X:
        held = new - held
    assert compile(with_order).run(X, np.float32(1)) == held


def test_two_windows_of_one_array_are_not_taken_for_one() -> None:
    def both(x: Any) -> Any:
        return tuple(
            lax.reduce_window(x, np.float32(0), kind, (2,), (1,), "VALID")
            for kind in (lax.add, lax.max)
        )

    found = compile(Graph.from_function(both, X)).run(X)
    for ours, theirs in zip(found.values(), jax.jit(both)(X), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (0,)])
def test_empty_arrays_go_through_everything(shape: tuple[int, ...]) -> None:
    def everything(x: Any) -> Any:
        return (
            *(jnp.sort(x, 0), x.sum(0), x.max(0, initial=-1.0), jnp.cumsum(x, 0), x.T @ x),
            *(jnp.concatenate([x, x + 1]), jnp.pad(x, 1), jnp.argsort(x, 0), jnp.exp(x)),
            *(jnp.where(x > 0, x, 2), x.astype("float16"), x[::-1], jnp.tile(x, 2)),
        )

    x = np.zeros(shape, "f")
    found = compile(Graph.from_function(everything, x)).run(x)
    for ours, theirs in zip(found.values(), everything(x), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
