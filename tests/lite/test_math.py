"""The functions of `_csrc` against double precision."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from kolam.graph import Graph
from kolam.lite._compile import compile

COUNT = 20_001
# name in the IR -> reference in double, range, greatest error in units of the last place
FUNCTIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], tuple[float, float], float]] = {
    "exponential": (np.exp, (-87.0, 88.7), 1.5),
    "exponential_minus_one": (np.expm1, (-20.0, 80.0), 2.0),
    "log": (np.log, (1e-6, 40.0), 1.5),
    "log_plus_one": (np.log1p, (-0.99, 5.0), 2.0),
    "tanh": (np.tanh, (-10.0, 10.0), 2.0),
    "logistic": (lambda x: 1 / (1 + np.exp(-x)), (-80.0, 30.0), 2.6),
    "sine": (np.sin, (-1000.0, 1000.0), 2.0),
    "cosine": (np.cos, (-1000.0, 1000.0), 2.0),
    "rsqrt": (lambda x: 1 / np.sqrt(x), (1e-3, 1e4), 1.5),
}


def _module(rows: list[str]) -> str:
    kind = f"tensor<{COUNT}xf32>"
    arguments = ", ".join(f"%a{i}: {kind}" for i in range(len(rows)))
    lines = "\n".join(f"  %r{i} = {row} %a{i} : {kind}" for i, row in enumerate(rows))
    results = ", ".join(f"%r{i}" for i in range(len(rows)))
    kinds = ", ".join([kind] * len(rows))
    return (
        f"module {{ func.func public @main({arguments}) -> ({kinds}) {{\n{lines}\n"
        f"  return {results} : {kinds} }} }}"
    )


@pytest.mark.parametrize("target", ["native", "wasm"])
def test_functions_are_within_their_stated_error(target: str) -> None:
    points = [np.linspace(*r, COUNT).astype("f") for _, r, _ in FUNCTIONS.values()]
    graph = Graph.from_stablehlo(_module([f"stablehlo.{name}" for name in FUNCTIONS]))
    found = compile(graph, target).run(*points)
    for name, x, ours in zip(FUNCTIONS, points, found.values(), strict=True):
        reference, _, most = FUNCTIONS[name]
        exact = reference(x.astype(float))
        error = np.abs(ours - exact) / np.spacing(np.abs(exact).astype("f"))
        assert error.max() <= most, name


def test_the_error_function_is_within_two_units_of_the_last_place() -> None:
    from kolam.lite._emit import emit_header, emit_source
    from kolam.lite._passes import run_passes
    from kolam.lite._program import Program, Region, Value, make_node
    from kolam.lite._schedule import schedule
    from kolam.lite._targets import targets

    x = np.linspace(-5, 5, COUNT).astype("f")
    argument = Value.new("float32", (COUNT,))
    node = make_node("erf", (argument,), "float32", (COUNT,))
    program = Program("e", Region((argument,), (node,), (node.result,)), ("x",), ("y",))
    target = targets.make("native")
    plan = schedule(run_passes(program), target.facts.tiling)
    header = emit_header(plan)
    source = emit_source(plan, header="model.h")
    (found,) = target.start(plan, target.build(plan, source, header))([x])
    exact = np.vectorize(math.erf)(x.astype(float))
    error = np.abs(found - exact) / np.spacing(np.maximum(np.abs(exact), 1e-30).astype("f"))
    assert error.max() <= 2.0
