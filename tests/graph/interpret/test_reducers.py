"""What a small function inside a sort does, found by asking it."""

from typing import Any

import jax
import numpy as np
import pytest
from jax import lax

from kolam.graph import TensorType, read_module
from kolam.graph._interpret import Program
from kolam.graph._interpret.reducers import identity, reducer_of, sort_keys

FLOAT, INTEGER = TensorType("float32", ()), TensorType("int32", ())


def ascending(a: Any, b: Any, *_: Any) -> list[Any]:
    return [lax.lt(a, b)]


def test_a_sort_of_jax_is_recognised_with_its_keys() -> None:
    x = np.zeros(3, np.float32)
    lowered = jax.jit(lambda x: lax.sort((x, x, x), num_keys=2)).lower(x)
    jaxpr = jax.make_jaxpr(Program(read_module(lowered.as_text())))(x)
    sorts = [item.params for item in jaxpr.eqns if item.primitive.name == "sort"]
    assert [params["num_keys"] for params in sorts] == [2]


def test_whole_numbers_by_one_key() -> None:
    assert sort_keys(ascending, [INTEGER, INTEGER]) == (1, False)


def test_largest_first() -> None:
    assert sort_keys(lambda a, b: [lax.gt(a, b)], [INTEGER, INTEGER]) == (1, True)


def test_what_is_no_key_is_told_apart() -> None:
    assert sort_keys(ascending, [INTEGER, INTEGER, FLOAT, FLOAT]) == (1, False)


def test_a_comparison_of_its_own_is_none() -> None:
    assert sort_keys(lambda a, b: [lax.lt(a * a, b * b)], [INTEGER, INTEGER]) is None


def test_a_plain_comparison_of_floats_is_none_for_it_leaves_nan_where_it_is() -> None:
    assert sort_keys(ascending, [FLOAT, FLOAT]) is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("%0 = stablehlo.add %a, %b : tensor<f32> return %0 : tensor<f32>", "add"),
        ("%0 = stablehlo.maximum %b, %a : tensor<f32> return %0 : tensor<f32>", "maximum"),
        ("%0 = stablehlo.subtract %b, %a : tensor<f32> return %0 : tensor<f32>", "other"),
        ("return %b : tensor<f32>", "second"),
        ("return %a : tensor<f32>", "other"),
    ],
)
def test_a_reducer_is_named(body: str, kind: str) -> None:
    text = f"func.func @main(%a: tensor<f32>, %b: tensor<f32>) -> tensor<f32> {{ {body} }}"
    assert reducer_of(read_module(text).main.body) == kind


@pytest.mark.parametrize("kind", ["add", "multiply", "maximum", "minimum"])
@pytest.mark.parametrize("dtype", ["float32", "int8", "bool"])
def test_the_identity_changes_nothing(kind: str, dtype: str) -> None:
    values = np.array([0, 1], dtype)
    combine = {"add": np.logical_or if dtype == "bool" else np.add, "multiply": np.multiply}
    rule: Any = {**combine, "maximum": np.maximum, "minimum": np.minimum}[kind]
    np.testing.assert_array_equal(rule(values, identity(kind, np.dtype(dtype))), values)
