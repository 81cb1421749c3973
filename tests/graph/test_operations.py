"""StableHLO text as plain records."""

from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest

from kolam.core import InvalidArgumentError
from kolam.graph import Module, Operation, read_module

CONSTANTS = """
module { func.func @main() -> tensor<f32> {
  %bf16 = stablehlo.constant dense<[1.0, -2.5]> : tensor<2xbf16>
  %bf16_splat = stablehlo.constant dense<0xFF80> : tensor<2x2xbf16>
  %f16 = stablehlo.constant dense<1.5> : tensor<3xf16>
  %resource = stablehlo.constant dense_resource<blob> : tensor<2xf32>
  %splat = stablehlo.constant dense<true> : tensor<2xi1>
  %unsigned = stablehlo.constant dense<[1, 4294967295]> : tensor<2xui32>
  %empty = stablehlo.constant dense<> : tensor<0xf32>
  %scalar = stablehlo.constant dense<0x7F800000> : tensor<f32>
  return %scalar : tensor<f32>
} }
{-# dialect_resources: { builtin: { blob: "0x040000000000803F00000040" } } #-}
"""


def _lowered(fn: Any, *arrays: Any) -> Module:
    return read_module(jax.jit(fn).lower(*arrays).as_text(debug_info=True))


def _find(module: Module, name: str) -> Operation:
    return next(item for item in module.main.body.operations if item.name == name)


def test_constants_of_every_form_are_decoded() -> None:
    found = [item.attributes["value"] for item in read_module(CONSTANTS).main.body.operations]
    expected = [
        np.array([1.0, -2.5], ml_dtypes.bfloat16),
        np.full((2, 2), -np.inf, ml_dtypes.bfloat16),
        np.full(3, 1.5, np.float16),
        np.array([1, 2], np.float32),
        np.array([True, True]),
        np.array([1, 4294967295], np.uint32),
        np.zeros(0, np.float32),
        np.array(np.inf, np.float32),
    ]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        assert np.array_equal(ours, theirs)


def test_dimension_numbers_are_plain_dictionaries() -> None:
    module = _lowered(lambda a, k: (a @ a, a[:, k]), np.ones((3, 3), "f"), np.zeros(2, "i"))
    assert _find(module, "stablehlo.dot_general").attributes["dot_dimension_numbers"] == {
        "lhs_contracting_dimensions": (1,),
        "rhs_contracting_dimensions": (0,),
    }
    assert _find(module, "stablehlo.gather").attributes["slice_sizes"] == (3, 1)


def test_operations_know_the_line_of_the_user() -> None:
    module = _lowered(lambda x: jax.numpy.tanh(x), np.ones(3, "f"))
    where = _find(module, "stablehlo.tanh").where
    assert where is not None
    assert where.file.endswith("test_operations.py")


def test_regions_return_ids_that_are_defined_inside() -> None:
    module = _lowered(lambda x: jax.lax.fori_loop(0, 3, lambda i, s: s * 2, x), np.ones(3, "f"))
    loop = _find(module, "stablehlo.while")
    condition, body = loop.regions
    inside = {value for item in condition.operations for value in item.results}
    assert set(condition.returns) <= inside
    assert len(body.returns) == len(loop.results)


def test_text_that_is_no_module_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="This is not a StableHLO module"):
        read_module("module { nonsense }")
