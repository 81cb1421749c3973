"""Programs in MLIR form: signature, pruning, static shapes."""

import jax
import pytest

from kolam.core import InvalidArgumentError, TensorSpec, UnsupportedError
from kolam.graph import Graph
from kolam.graph._module import (
    Annotated,
    drop_arguments,
    remove_dead,
    restrict_outputs,
    signature,
    specialise,
)
from kolam.graph._stablehlo import parse_module

TWO = """
func.func @main(%x: tensor<?xf32> {kolam.name = "x", kolam.role = "input", kolam.shape = ["n"]},
                %y: tensor<2xi8> {kolam.name = "y", kolam.role = "weight", kolam.shape = [2]})
    -> (tensor<?xf32> {kolam.name = "a", kolam.role = "output", kolam.shape = ["n"]},
        tensor<2xi8> {kolam.name = "b", kolam.role = "node", kolam.shape = [2]}) {
  %0 = func.call @twice(%x) : (tensor<?xf32>) -> tensor<?xf32>
  %1 = stablehlo.negate %y : tensor<2xi8>
  return %0, %1 : tensor<?xf32>, tensor<2xi8>
}
func.func private @twice(%x: tensor<?xf32>) -> tensor<?xf32> {
  %unused = stablehlo.exponential %x : tensor<?xf32>
  %0 = stablehlo.add %x, %x : tensor<?xf32>
  return %0 : tensor<?xf32>
}"""


def test_the_signature_is_read_from_the_attributes() -> None:
    arguments, results = signature(parse_module(TWO))
    assert arguments == [
        Annotated(TensorSpec(("n",), "float32", "x"), "input"),
        Annotated(TensorSpec((2,), "int8", "y"), "weight"),
    ]
    assert [item.role for item in results] == ["output", "node"]


def test_outputs_can_be_restricted_and_reordered() -> None:
    module = parse_module(TWO)
    restrict_outputs(module, [1, 0])
    assert [item.spec.name for item in signature(module)[1]] == ["b", "a"]
    assert module.operation.verify()


def test_what_nobody_needs_goes() -> None:
    module = parse_module(TWO)
    restrict_outputs(module, [1])
    assert drop_arguments(module, lambda _: False) == [1]
    text = str(module)
    assert "@twice" not in text
    assert "negate" in text
    assert module.operation.verify()


def test_inputs_may_stay_without_use() -> None:
    module = parse_module(TWO)
    restrict_outputs(module, [1])
    assert drop_arguments(module, lambda item: item.role == "input") == [0, 1]


def test_dead_code_goes_inside_functions_too() -> None:
    module = parse_module(TWO)
    remove_dead(module)
    assert "exponential" not in str(module)
    assert "@twice" in str(module)


def test_a_call_with_a_side_effect_stays() -> None:
    module = parse_module("""
    func.func @main(%x: tensor<f32>) -> tensor<f32> {
      %0 = stablehlo.custom_call @Sharding(%x) {has_side_effect = true}
        : (tensor<f32>) -> tensor<f32>
      return %x : tensor<f32>
    }""")
    remove_dead(module)
    assert "Sharding" in str(module)


def test_specialising_fixes_shapes_and_attributes() -> None:
    module = parse_module(specialise(parse_module(TWO), [(5,), (2,)]))
    arguments, results = signature(module)
    assert arguments[0].spec == TensorSpec((5,), "float32", "x")
    assert results[0].spec == TensorSpec((5,), "float32", "a")


def test_composites_become_plain_operations_when_specialised() -> None:
    graph = Graph.from_function(jax.scipy.special.erf, TensorSpec(("n",), name="x"))
    assert "chlo.erf" in graph.static_program({"n": 3}).text


def test_a_shape_that_contradicts_its_type_is_refused() -> None:
    text = "func.func @main(%x: tensor<2xf32> {kolam.shape = [3]}) { return }"
    with pytest.raises(InvalidArgumentError, match=r"\(2,\) in its type and \(3,\) in its attrib"):
        signature(parse_module(text))


@pytest.mark.parametrize("kind", ["tensor<2xcomplex<f32>>", "tensor<*xf32>", "!stablehlo.token"])
def test_a_type_that_a_graph_cannot_take_is_refused(kind: str) -> None:
    text = f"func.func @main(%x: {kind}) {{ return }}"
    with pytest.raises(UnsupportedError, match="`main` has an argument or result of type"):
        signature(parse_module(text))
