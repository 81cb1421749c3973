"""Names of inputs, outputs and nodes, and what cannot be traced."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import InvalidArgumentError, InvalidTypeError, TensorSpec, UnsupportedError
from kolam.graph import Graph, name

SPEC = TensorSpec((2,))


def outputs(fn: Any, *specs: Any, **options: Any) -> list[str | None]:
    return [spec.name for spec in Graph.from_function(fn, *specs, **options).outputs]


@pytest.mark.parametrize(
    ("fn", "names"),
    [
        (lambda x: x, ["output"]),
        (lambda x: (x, x), ["output_0", "output_1"]),
        (lambda x: {"b": x, "a": x}, ["a", "b"]),
        (lambda x: {"state": {"m": x, "v": [x, x]}}, ["state/m", "state/v/0", "state/v/1"]),
    ],
)
def test_outputs_are_named_by_their_place(fn: Any, names: list[str]) -> None:
    assert outputs(fn, SPEC) == names


def test_output_names_can_be_given() -> None:
    assert outputs(lambda x: (x, x), SPEC, output_names=["first", "second"]) == ["first", "second"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"], "gives 2 outputs, but 1 output_names"),
        (["a", "a"], "Two outputs have the name 'a'"),
    ],
)
def test_wrong_output_names_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        outputs(lambda x: (x, x), SPEC, output_names=names)


def test_inputs_are_named_by_spec_then_by_parameter() -> None:
    def fn(left: Any, right: Any) -> Any:
        return left + right["a"] + right["b"]

    graph = Graph.from_function(fn, TensorSpec((2,), name="l"), {"a": SPEC, "b": SPEC})
    assert [spec.name for spec in graph.inputs] == ["l", "right/a", "right/b"]
    np.testing.assert_array_equal(graph.run([1.0, 1.0], [2.0, 2.0], [3.0, 3.0]), [6.0, 6.0])


def test_arrays_serve_as_specs() -> None:
    graph = Graph.from_function(lambda x: x, np.zeros((3, 2), np.int8))
    assert graph.inputs == (TensorSpec((3, 2), "int8", "x"),)


def test_two_inputs_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="Two inputs have the name 'x'"):
        Graph.from_function(lambda a, b: a, TensorSpec((), name="x"), TensorSpec((), name="x"))


def test_weights_whose_paths_meet_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="Two weights have the name 'a/b'"):
        Graph.from_function(
            lambda w, x: x, SPEC, weights={"a": {"b": np.ones(1)}, "a/b": np.ones(1)}
        )


def test_a_spec_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="The spec of 'x' is a str"):
        Graph.from_function(lambda x: x, "float32")


def test_text_is_refused_as_an_input() -> None:
    with pytest.raises(UnsupportedError, match=r"'x' is of text.*\n.*kl.features"):
        Graph.from_function(lambda x: x, TensorSpec((2,), "string"))


def test_sixty_four_bits_are_refused_when_jax_would_narrow_them() -> None:
    with pytest.raises(InvalidArgumentError, match=r"'x' has dtype float64.*\n.*float32"):
        Graph.from_function(lambda x: x, TensorSpec((2,), "float64"))


def test_a_function_that_gives_nothing_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="gives nothing"):
        Graph.from_function(lambda x: (), SPEC)


def test_a_typed_random_key_is_refused_as_an_output() -> None:
    with pytest.raises(UnsupportedError, match=r"typed random key.\n.*key_data"):
        Graph.from_function(lambda x: jax.random.key(0), SPEC)


def test_nodes_are_found_inside_jit_and_checkpoint() -> None:
    @jax.jit
    def inner(x: jax.Array) -> jax.Array:
        return jax.checkpoint(lambda y: name("inside", y * 2) + 1)(x)

    graph = Graph.from_function(lambda x: inner(x) * 3, SPEC)
    np.testing.assert_array_equal(graph.fetch("inside").run([1.0, 2.0]), [2.0, 4.0])


def test_a_pytree_is_named_leaf_by_leaf() -> None:
    graph = Graph.from_function(
        lambda x: sum(name("parts", {"low": x - 1, "high": x + 1}).values()), SPEC
    )
    assert sorted(str(spec.name) for spec in graph.nodes) == ["parts/high", "parts/low"]


def test_a_name_changes_nothing_outside_a_graph() -> None:
    assert float(name("x", jnp.float32(3))) == 3
    assert float(jax.grad(lambda x: name("x", x) ** 2)(3.0)) == 6


def test_an_output_may_be_named() -> None:
    graph = Graph.from_function(lambda x: {"probs": name("probs", x)}, SPEC)
    assert [spec.name for spec in graph.outputs] == ["probs"]
    assert graph.nodes == ()


@pytest.mark.parametrize("label", ["", 3])
def test_a_name_must_be_text(label: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="A node is named"):
        name(label, 1.0)


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="Two nodes have the name 'h'"):
        Graph.from_function(lambda x: name("h", name("h", x) + 1), SPEC)


def test_a_name_inside_a_loop_is_refused_with_its_line() -> None:
    def fn(x: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, 3, lambda i, c: name("step", c + 1), x)

    with pytest.raises(UnsupportedError, match=r"'step' is named inside 'scan'") as caught:
        Graph.from_function(fn, SPEC)
    assert "test_trace.py" in str(caught.value)
    assert "name it outside" in str(caught.value)


def test_a_callback_is_refused_with_its_line() -> None:
    def fn(x: jax.Array) -> jax.Array:
        return jax.pure_callback(np.sin, x, x)

    with pytest.raises(UnsupportedError, match="cannot call back into Python") as caught:
        Graph.from_function(fn, SPEC)
    assert "test_trace.py" in str(caught.value)
