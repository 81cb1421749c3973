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


def test_lower_precision_is_refused() -> None:
    line = "%0 = stablehlo.reduce_precision %x, format = e5m10 : tensor<2xf32>"
    with pytest.raises(UnsupportedError, match="to 5 exponent and 10 mantissa bits"):
        _read(line, "tensor<2xf32>")


def test_a_product_into_another_dtype_is_refused() -> None:
    line = (
        "%i = stablehlo.convert %x : (tensor<2xf32>) -> tensor<2xi8> "
        "%0 = stablehlo.dot_general %i, %i, contracting_dims = [0] x [0] : "
        "(tensor<2xi8>, tensor<2xi8>) -> tensor<i32>"
    )
    with pytest.raises(UnsupportedError, match="product of int8 and int8 into int32"):
        _read(line, "tensor<i32>")


def test_a_bitcast_to_another_width_is_refused() -> None:
    line = "%0 = stablehlo.bitcast_convert %x : (tensor<2xf32>) -> tensor<2x4xi8>"
    with pytest.raises(UnsupportedError, match="float32 to int8, which is of another width"):
        _read(line, "tensor<2x4xi8>")
