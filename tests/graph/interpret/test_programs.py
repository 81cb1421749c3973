"""Programs from elsewhere: what JAX makes of each operation is what XLA computes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import TensorSpec, UnsupportedError
from kolam.graph import Graph, read_module
from kolam.graph._interpret import Program

X = np.array([[3.0, -1.0, 2.0], [0.0, 5.0, -4.0]], np.float32)
V = np.array([2.0, -3.0, 0.5], np.float32)
N = np.array([[3, -1, 2], [0, 5, -4]], np.int32)
IMAGE = np.arange(32, dtype=np.float32).reshape(1, 4, 4, 2) % 7
FILTER = np.arange(16, dtype=np.float32).reshape(2, 2, 2, 2) - 7
ODD = np.array([-np.inf, -0.0, 0.0, 2.0, np.inf, np.nan], np.float32)

# arguments, types of the arguments, type of the result, and what computes it
TEXTS: dict[str, tuple[tuple[np.ndarray, ...], str, str, str]] = {
    "power of whole numbers": (
        (N, np.full_like(N, 3)),
        "tensor<2x3xi32>, tensor<2x3xi32>",
        "tensor<2x3xi32>",
        "%0 = stablehlo.power %arg0, %arg1 : tensor<2x3xi32>",
    ),
    "comparison in total order": (
        (ODD, ODD[::-1].copy()),
        "tensor<6xf32>, tensor<6xf32>",
        "tensor<6xi1>",
        "%0 = stablehlo.compare LT, %arg0, %arg1, TOTALORDER :"
        " (tensor<6xf32>, tensor<6xf32>) -> tensor<6xi1>",
    ),
    "reduction from another start": (
        (X,),
        "tensor<2x3xf32>",
        "tensor<2xf32>",
        "%c = stablehlo.constant dense<10.0> : tensor<f32>"
        " %0 = stablehlo.reduce(%arg0 init: %c) applies stablehlo.add across dimensions = [1] :"
        " (tensor<2x3xf32>, tensor<f32>) -> tensor<2xf32>",
    ),
    "reduction of its own": (
        (X,),
        "tensor<2x3xf32>",
        "tensor<2xf32>",
        "%c = stablehlo.constant dense<0.0> : tensor<f32>"
        " %0 = stablehlo.reduce(%arg0 init: %c) across dimensions = [1] :"
        " (tensor<2x3xf32>, tensor<f32>) -> tensor<2xf32>"
        " reducer(%a: tensor<f32>, %b: tensor<f32>) { %s = stablehlo.add %a, %b : tensor<f32>"
        " %t = stablehlo.tanh %s : tensor<f32> stablehlo.return %s : tensor<f32> }",
    ),
    "window from another start": (
        (IMAGE,),
        "tensor<1x4x4x2xf32>",
        "tensor<1x2x2x2xf32>",
        "%c = stablehlo.constant dense<1.0> : tensor<f32>"
        ' %0 = "stablehlo.reduce_window"(%arg0, %c) ({ ^bb0(%a: tensor<f32>, %b: tensor<f32>):'
        " %m = stablehlo.maximum %a, %b : tensor<f32> stablehlo.return %m : tensor<f32> })"
        " {window_dimensions = array<i64: 1, 2, 2, 1>, window_strides = array<i64: 1, 2, 2, 1>} :"
        " (tensor<1x4x4x2xf32>, tensor<f32>) -> tensor<1x2x2x2xf32>",
    ),
    "sort by the larger half": (
        (X,),
        "tensor<2x3xf32>",
        "tensor<2x3xf32>",
        '%0 = "stablehlo.sort"(%arg0) <{dimension = 1 : i64, is_stable = true}> ({'
        " ^bb0(%a: tensor<f32>, %b: tensor<f32>): %m = stablehlo.multiply %a, %a : tensor<f32>"
        " %n = stablehlo.multiply %b, %b : tensor<f32>"
        " %l = stablehlo.compare LT, %m, %n, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>"
        " stablehlo.return %l : tensor<i1> }) : (tensor<2x3xf32>) -> tensor<2x3xf32>",
    ),
    "sort of whole numbers, largest first": (
        (N,),
        "tensor<2x3xi32>",
        "tensor<2x3xi32>",
        '%0 = "stablehlo.sort"(%arg0) <{dimension = 0 : i64, is_stable = true}> ({'
        " ^bb0(%a: tensor<i32>, %b: tensor<i32>):"
        " %l = stablehlo.compare GT, %a, %b, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>"
        " stablehlo.return %l : tensor<i1> }) : (tensor<2x3xi32>) -> tensor<2x3xi32>",
    ),
    "batch normalisation in inference": (
        (X, V, V, V, V * V),
        "tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>",
        "tensor<2x3xf32>",
        '%0 = "stablehlo.batch_norm_inference"(%arg0, %arg1, %arg2, %arg3, %arg4)'
        " {epsilon = 0.01 : f32, feature_index = 1 : i64} : (tensor<2x3xf32>, tensor<3xf32>,"
        " tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3xf32>",
    ),
    "batch normalisation in training": (
        (X, V, V),
        "tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>",
        "tensor<2x3xf32>",
        '%0, %1, %2 = "stablehlo.batch_norm_training"(%arg0, %arg1, %arg2)'
        " {epsilon = 0.01 : f32, feature_index = 1 : i64} : (tensor<2x3xf32>, tensor<3xf32>,"
        " tensor<3xf32>) -> (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>)",
    ),
    "gradient of batch normalisation": (
        (X, V, V, V * V, X + 1),
        "tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<2x3xf32>",
        "tensor<2x3xf32>",
        '%0, %1, %2 = "stablehlo.batch_norm_grad"(%arg0, %arg1, %arg2, %arg3, %arg4)'
        " {epsilon = 0.01 : f32, feature_index = 1 : i64} : (tensor<2x3xf32>, tensor<3xf32>,"
        " tensor<3xf32>, tensor<3xf32>, tensor<2x3xf32>)"
        " -> (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>)",
    ),
    "convolution with a turned window": (
        (IMAGE, FILTER),
        "tensor<1x4x4x2xf32>, tensor<2x2x2x2xf32>",
        "tensor<1x3x3x2xf32>",
        "%0 = stablehlo.convolution(%arg0, %arg1)"
        " dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f],"
        " window = {reverse = [true, false]}"
        " {batch_group_count = 1 : i64, feature_group_count = 1 : i64} :"
        " (tensor<1x4x4x2xf32>, tensor<2x2x2x2xf32>) -> tensor<1x3x3x2xf32>",
    ),
    "gather whose indices come first": (
        (X, np.array([[1, 0], [2, 1]], np.int32)),
        "tensor<2x3xf32>, tensor<2x2xi32>",
        "tensor<2xf32>",
        '%0 = "stablehlo.gather"(%arg0, %arg1) <{dimension_numbers = #stablehlo.gather<'
        "collapsed_slice_dims = [0, 1], start_index_map = [0, 1], index_vector_dim = 0>,"
        " slice_sizes = array<i64: 1, 1>}> : (tensor<2x3xf32>, tensor<2x2xi32>) -> tensor<2xf32>",
    ),
    "gather beyond the end": (
        (X, np.array([[9], [-9]], np.int32)),
        "tensor<2x3xf32>, tensor<2x1xi32>",
        "tensor<2x3xf32>",
        '%0 = "stablehlo.gather"(%arg0, %arg1) <{dimension_numbers = #stablehlo.gather<'
        "offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0],"
        " index_vector_dim = 1>, slice_sizes = array<i64: 1, 3>}> :"
        " (tensor<2x3xf32>, tensor<2x1xi32>) -> tensor<2x3xf32>",
    ),
    "slice before the start": (
        (X, np.array(-2, np.int32), np.array(1, np.int32)),
        "tensor<2x3xf32>, tensor<i32>, tensor<i32>",
        "tensor<1x2xf32>",
        "%0 = stablehlo.dynamic_slice %arg0, %arg1, %arg2, sizes = [1, 2] :"
        " (tensor<2x3xf32>, tensor<i32>, tensor<i32>) -> tensor<1x2xf32>",
    ),
    "branch beyond the last": (
        (X, np.array(7, np.int32)),
        "tensor<2x3xf32>, tensor<i32>",
        "tensor<2x3xf32>",
        '%0 = "stablehlo.case"(%arg1) ({ %a = stablehlo.negate %arg0 : tensor<2x3xf32>'
        " stablehlo.return %a : tensor<2x3xf32> }, { %b = stablehlo.abs %arg0 : tensor<2x3xf32>"
        " stablehlo.return %b : tensor<2x3xf32> }) : (tensor<i32>) -> tensor<2x3xf32>",
    ),
    "if": (
        (X, np.array(True)),
        "tensor<2x3xf32>, tensor<i1>",
        "tensor<2x3xf32>",
        '%0 = "stablehlo.if"(%arg1) ({ %a = stablehlo.negate %arg0 : tensor<2x3xf32>'
        " stablehlo.return %a : tensor<2x3xf32> }, { stablehlo.return %arg0 : tensor<2x3xf32> }) :"
        " (tensor<i1>) -> tensor<2x3xf32>",
    ),
    "loop of unknown length": (
        (np.array(1000.0, np.float32),),
        "tensor<f32>",
        "tensor<f32>",
        "%c = stablehlo.constant dense<1.0> : tensor<f32>"
        " %h = stablehlo.constant dense<0.5> : tensor<f32>"
        " %0 = stablehlo.while(%i = %arg0) : tensor<f32> cond {"
        " %p = stablehlo.compare GT, %i, %c, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>"
        " stablehlo.return %p : tensor<i1> } do { %d = stablehlo.multiply %i, %h : tensor<f32>"
        " stablehlo.return %d : tensor<f32> }",
    ),
    "upper factor": (
        (np.array([[4.0, 2.0], [2.0, 3.0]], np.float32),),
        "tensor<2x2xf32>",
        "tensor<2x2xf32>",
        "%0 = stablehlo.cholesky %arg0, lower = false : tensor<2x2xf32>",
    ),
    "half precision product": (
        (X, X.T.copy()),
        "tensor<2x3xf32>, tensor<3x2xf32>",
        "tensor<2x2xf32>",
        "%0 = stablehlo.dot_general %arg0, %arg1, contracting_dims = [1] x [0],"
        " precision = [HIGHEST, HIGHEST] : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>",
    ),
    "complex constants": (
        (V,),
        "tensor<3xf32>",
        "tensor<3xf32>",
        "%c = stablehlo.constant dense<(1.0, 2.0)> : tensor<3xcomplex<f32>>"
        " %a = stablehlo.complex %arg0, %arg0 : tensor<3xcomplex<f32>>"
        " %b = stablehlo.multiply %a, %c : tensor<3xcomplex<f32>>"
        " %0 = stablehlo.real %b : (tensor<3xcomplex<f32>>) -> tensor<3xf32>",
    ),
    "wide numbers": (
        (np.array([1e-300, 2.0]),),
        "tensor<2xf64>",
        "tensor<2xf64>",
        "%0 = stablehlo.sqrt %arg0 : tensor<2xf64>",
    ),
}


def module_of(types: str, result: str, body: str) -> str:
    named = ", ".join(f"%arg{i}: {kind.strip()}" for i, kind in enumerate(types.split(", tensor")))
    named = named.replace(": <", ": tensor<")
    return f"func.func @main({named}) -> {result} {{ {body} return %0 : {result} }}"


@pytest.mark.parametrize("name", TEXTS)
def test_an_operation_means_what_it_means_to_xla(name: str) -> None:
    arrays, types, result, body = TEXTS[name]
    text = module_of(types, result, body)
    wanted = np.asarray(Graph.from_stablehlo(text).run(*arrays))
    with jax.enable_x64(wanted.dtype.itemsize == 8):
        (got,) = jax.jit(Program(read_module(text)))(*arrays)
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)


def test_sizes_stay_symbolic_where_the_program_computes_them() -> None:
    def halves(x: jax.Array) -> jax.Array:
        return jnp.concatenate([x, x])[: x.shape[0] // 2 + 1].reshape(-1, 1)

    graph = Graph.from_function(halves, TensorSpec(("n",), name="x"))
    again = Graph.from_function(lambda x: graph.run(x) * 2, TensorSpec(("n",), name="x"))
    x = np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(again.run(x), 2 * halves(jnp.asarray(x)))


def test_an_operation_that_jax_lacks_is_named_with_its_line() -> None:
    text = (
        "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {"
        ' %0 = "stablehlo.cross-replica-sum"(%x) {replica_groups = dense<0> : tensor<1x1xi64>} :'
        ' (tensor<4xf32>) -> tensor<4xf32> loc("model.py":7:2) return %0 : tensor<4xf32> }'
    )
    module = read_module(text)
    with pytest.raises(UnsupportedError, match="cross-replica-sum' cannot be") as caught:
        Program(module)(np.ones(4, np.float32))
    assert "model.py:7" in str(caught.value)


def test_a_size_that_depends_on_data_is_refused() -> None:
    text = module_of(
        "tensor<f32>, tensor<1xi32>",
        "tensor<?xf32>",
        "%0 = stablehlo.dynamic_broadcast_in_dim %arg0, %arg1, dims = [] :"
        " (tensor<f32>, tensor<1xi32>) -> tensor<?xf32>",
    )
    with pytest.raises(UnsupportedError, match="has a size that depends on data"):
        jax.jit(Program(read_module(text)))(np.float32(1), np.array([3], np.int32))


def scatter(region: str, *, count: int = 1) -> str:
    names = [f"%arg{i}" for i in range(2 * count + 1)]
    values = ", ".join(["tensor<3xf32>"] * count)
    block = ", ".join(f"%b{i}: tensor<f32>" for i in range(2 * count))
    types = f"{values}, tensor<1x1xi32>, {values.replace('3xf32', '1xf32')}"
    results = ", ".join(f"%{i}" for i in range(count))
    return module_of(
        types,
        "tensor<3xf32>",
        f'{results} = "stablehlo.scatter"({", ".join(names)})'
        " <{scatter_dimension_numbers = #stablehlo.scatter<inserted_window_dims = [0],"
        " scatter_dims_to_operand_dims = [0], index_vector_dim = 1>}>"
        f" ({{ ^bb0({block}): {region} }}) : ({types}) -> ({values})",
    )


def test_a_scatter_of_its_own_kind_is_refused() -> None:
    text = scatter(
        "%s = stablehlo.add %b0, %b1 : tensor<f32> %t = stablehlo.tanh %s : tensor<f32>"
        " stablehlo.return %t : tensor<f32>"
    )
    arrays: list[Any] = [V, np.array([[1]], np.int32), np.ones(1, np.float32)]
    with pytest.raises(UnsupportedError, match="combines old and new values in a way of its own"):
        Program(read_module(text))(*arrays)


def test_a_scatter_into_several_arrays_is_refused() -> None:
    text = scatter("stablehlo.return %b0, %b1 : tensor<f32>, tensor<f32>", count=2)
    arrays: list[Any] = [V, V, np.array([[1]], np.int32), *[np.ones(1, np.float32)] * 2]
    with pytest.raises(UnsupportedError, match="scatters into several arrays at once"):
        Program(read_module(text))(*arrays)
