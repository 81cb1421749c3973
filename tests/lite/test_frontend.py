"""What the frontend refuses, with its words."""

import pytest

from kolam.core import TensorSpec, UnsupportedError
from kolam.lite._frontend import read_program

SPEC = (TensorSpec((2,), "float32", name="x"),)


def _read(line: str, result: str) -> None:
    read_program(
        f"func.func @main(%x: tensor<2xf32>) -> {result} {{ {line} return %0 : {result} }}",
        "p",
        [],
        SPEC,
        SPEC,
    )


def test_sizes_known_only_during_the_run_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"shape \(None,\)[\s\S]*sizes=\{'batch': 1\}"):
        read_program(
            "func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> { return %x : tensor<?xf32> }",
            "p",
            [],
            SPEC,
            SPEC,
        )


def test_a_custom_call_is_refused_by_its_name() -> None:
    line = "%0 = stablehlo.custom_call @lapack(%x) : (tensor<2xf32>) -> tensor<2xf32>"
    with pytest.raises(UnsupportedError, match=r"stablehlo.custom_call \(lapack\)[\s\S]*jax.numpy"):
        _read(line, "tensor<2xf32>")


def test_an_operation_without_c_is_refused_with_a_way_round() -> None:
    text = (
        "func.func @main() -> tensor<ui32> { %0 = stablehlo.partition_id : tensor<ui32> "
        "return %0 : tensor<ui32> }"
    )
    with pytest.raises(UnsupportedError, match=r"stablehlo.partition_id cannot[\s\S]*one device"):
        read_program(text, "p", [], (), ())


def test_a_body_with_a_loop_is_refused() -> None:
    line = (
        "%c = stablehlo.constant dense<0.0> : tensor<f32> "
        '%0 = "stablehlo.reduce"(%x, %c) ({ ^bb0(%p: tensor<f32>, %q: tensor<f32>): '
        "%r = stablehlo.while(%s = %p) : tensor<f32> cond { "
        "%t = stablehlo.compare LT, %s, %q : (tensor<f32>, tensor<f32>) -> tensor<i1> "
        "stablehlo.return %t : tensor<i1> } do { %t = stablehlo.add %s, %s : tensor<f32> "
        "stablehlo.return %t : tensor<f32> } stablehlo.return %r : tensor<f32> }) "
        "{dimensions = array<i64: 0>} : (tensor<2xf32>, tensor<f32>) -> tensor<f32>"
    )
    with pytest.raises(UnsupportedError, match="reduce with a body that computes with `while`"):
        _read(line, "tensor<f32>")


def test_a_function_that_calls_itself_is_refused() -> None:
    text = (
        "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> { %0 = func.call @main(%x) : "
        "(tensor<2xf32>) -> tensor<2xf32> return %0 : tensor<2xf32> }"
    )
    with pytest.raises(UnsupportedError, match=r"call of 'main', which never ends"):
        read_program(text, "p", [], SPEC, SPEC)


def test_an_array_that_no_int_can_index_is_refused() -> None:
    line = "%0 = stablehlo.iota dim = 0 : tensor<65536x65536xi8>"
    with pytest.raises(UnsupportedError, match=r"more than 2,147,483,647 elements[\s\S]*lax.map"):
        _read(line, "tensor<65536x65536xi8>")
