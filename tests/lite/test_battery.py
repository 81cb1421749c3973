"""Every operation, three ways: the interpreter of the IR, XLA, and the C in each target."""

from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kolam.graph import Graph
from kolam.lite._compile import compile
from kolam.lite._frontend import read_program
from kolam.lite._interpret import interpret
from kolam.lite._passes import PASSES
from kolam.lite._verify import verify

MATRICES = st.tuples(st.integers(2, 9), st.integers(3, 40))
WASM_SUBSET = (
    *("exp", "log", "tanh", "sigmoid", "power", "softmax", "maximum", "int_div", "shift_left"),
    *("to_int", "sum", "sum_rows", "sum_columns", "argmax", "matmul_nt", "matmul_tn", "vecmat"),
    *("cross_entropy_gradient", "scatter_add", "dynamic_slice", "loop", "switch", "pad_inside"),
)


def _graph(case: Any) -> Graph:
    return Graph.from_function(case, *case.inputs, name="battery")


# few examples: each compiles a hundred operations by XLA and by zig
@settings(
    max_examples=2,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(shape=MATRICES)
def test_every_pass_and_native_code_keep_what_xla_computes(
    make_case: Any, assert_equal: Any, shape: tuple[int, int]
) -> None:
    case = make_case(*shape)
    graph, labels = _graph(case), case.labels()
    expected = jax.jit(case)(*case.inputs)
    static = graph.static_program()
    program = verify(read_program(static.text, "p", [], static.inputs, static.outputs))
    assert_equal(interpret(program, case.inputs), expected, labels)
    for step in PASSES:
        program = verify(step(program))
        assert_equal(interpret(program, case.inputs), expected, labels)
    assert_equal(compile(graph).run(*case.inputs).values(), expected, labels)


def test_wasm_equals_xla(make_case: Any, assert_equal: Any) -> None:
    case = make_case(6, 37, WASM_SUBSET)
    found = compile(_graph(case), "wasm").run(*case.inputs)
    assert_equal(found.values(), jax.jit(case)(*case.inputs), case.labels())


@pytest.mark.parametrize("target", ["native", "wasm"])
def test_values_without_a_number_go_through_as_in_xla(target: str) -> None:
    def special(x: Any) -> tuple[Any, ...]:
        jnp = jax.numpy
        return (
            *(jnp.exp(x), jnp.log(x), jnp.tanh(x), jax.nn.sigmoid(x), jnp.sqrt(x), jnp.expm1(x)),
            *(jnp.maximum(x, 0), jnp.minimum(x, 1), jax.nn.relu(x), jnp.isfinite(x), jnp.sign(x)),
            *(x.astype("int32"), x.astype("uint8"), x**2.5, jnp.log1p(x)),
        )

    x = np.array([np.nan, np.inf, -np.inf, 0, -0.0, -1, 1, -200, 200, 3e38, 3e9, -3e9], "f")
    found = compile(Graph.from_function(special, x), target).run(x)
    for ours, theirs in zip(found.values(), jax.jit(special)(x), strict=True):
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=2e-6)
