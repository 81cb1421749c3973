"""The functions of `_csrc` against double precision."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import special

from kolam.graph import Graph
from kolam.lite._compile import compile

COUNT = 20_001
# of the nearest numbers of 64 bits, from 1,200 digits
SINE_OF_1E300, COSINE_OF_2_1000 = -0.81788191211590860, 0.98724607759891348
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


def _module(rows: list[str], element: str = "f32") -> str:
    kind = f"tensor<{COUNT}x{element}>"
    arguments = ", ".join(f"%a{i}: {kind}" for i in range(len(rows)))
    lines = "\n".join(
        f"  %r{i} = {row} %a{i} : {kind}" + (f" -> {kind}" if row.startswith("chlo") else "")
        for i, row in enumerate(rows)
    )
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


# of 64 bits: reference in 80 bits or a function of SciPy, range, greatest error in units of the
# last place; the references of SciPy have errors of their own
DOUBLES: dict[str, tuple[Callable[..., np.ndarray], tuple[float, float], float]] = {
    "stablehlo.exponential": (np.exp, (-740.0, 709.0), 1.0),
    "stablehlo.exponential_minus_one": (np.expm1, (-40.0, 300.0), 2.0),
    "stablehlo.log": (np.log, (1e-9, 40.0), 1.0),
    "stablehlo.log_plus_one": (np.log1p, (-0.9999, 5.0), 2.0),
    "stablehlo.tanh": (np.tanh, (-25.0, 25.0), 2.0),
    "stablehlo.logistic": (lambda x: 1 / (1 + np.exp(-x)), (-300.0, 40.0), 2.0),
    "stablehlo.sine": (np.sin, (-1e5, 1e5), 1.5),
    "stablehlo.cosine": (np.cos, (-1e9, 1e9), 3.0),
    "stablehlo.tan": (np.tan, (-1e3, 1e3), 3.0),
    "stablehlo.cbrt": (np.cbrt, (-1e9, 1e9), 1.0),
    "chlo.asin": (np.arcsin, (-1.0, 1.0), 3.0),
    "chlo.acos": (np.arccos, (-1.0, 1.0), 3.0),
    "chlo.atan": (np.arctan, (-30.0, 30.0), 2.0),
    "chlo.asinh": (np.arcsinh, (-40.0, 40.0), 3.0),
    "chlo.acosh": (np.arccosh, (1.0, 40.0), 3.0),
    "chlo.atanh": (np.arctanh, (-1.0, 1.0), 3.0),
    "chlo.erf": (np.vectorize(math.erf), (-6.0, 6.0), 2.0),
    "chlo.erfc": (np.vectorize(math.erfc), (-6.0, 26.0), 4.0),
    "chlo.erf_inv": (special.erfinv, (-1.0, 1.0), 5.0),
    "chlo.lgamma": (special.gammaln, (2.5, 300.0), 4.0),
    "chlo.digamma": (special.digamma, (5.0, 300.0), 6.0),
    "chlo.bessel_i1e": (special.i1e, (-700.0, 700.0), 12.0),
}


def _doubles(name: str) -> np.ndarray:
    _, (low, high), _ = DOUBLES[name]
    return np.linspace(low, high, COUNT)


@pytest.mark.parametrize("target", ["native", "wasm"])
def test_functions_of_64_bits_are_within_their_stated_error(target: str) -> None:
    points = [_doubles(name) for name in DOUBLES]
    graph = Graph.from_stablehlo(_module(list(DOUBLES), "f64"))
    found = compile(graph, target).run(*points)
    for name, x, ours in zip(DOUBLES, points, found.values(), strict=True):
        reference, _, most = DOUBLES[name]
        wide = x.astype("g") if reference in IN_80_BITS else x
        with np.errstate(divide="ignore"):
            exact = reference(wide).astype("g")
        finite = np.isfinite(exact)
        unit = np.spacing(np.abs(exact[finite]).astype("d"))
        error = np.abs(ours[finite].astype("g") - exact[finite]) / unit
        assert error.max() <= most, (name, float(error.max()), x[finite][error.argmax()])


IN_80_BITS = [getattr(np, name) for name in (
    *("exp", "expm1", "log", "log1p", "tanh", "sin", "cos", "tan", "cbrt", "arcsin", "arccos"),
    *("arctan", "arcsinh", "arccosh", "arctanh"),
)]  # fmt: skip


def test_powers_of_64_bits_are_within_one_unit_of_the_last_place() -> None:
    random = np.random.default_rng(0)
    base, exponent = np.exp(random.uniform(-30, 30, COUNT)), random.uniform(-23, 23, COUNT)
    text = (
        f"func.func @main(%a: tensor<{COUNT}xf64>, %b: tensor<{COUNT}xf64>) -> "
        f"tensor<{COUNT}xf64> {{ %r = stablehlo.power %a, %b : tensor<{COUNT}xf64> "
        f"return %r : tensor<{COUNT}xf64> }}"
    )
    found = compile(Graph.from_stablehlo(text)).run(base, exponent)
    exact = np.power(base.astype("g"), exponent.astype("g"))
    error = np.abs(found - exact) / np.spacing(exact.astype("d"))
    assert error.max() <= 1.0


def test_turns_of_large_numbers_are_taken_exactly() -> None:
    x = np.ldexp(np.random.default_rng(1).uniform(1, 2, COUNT), np.arange(COUNT) % 60)
    graph = Graph.from_stablehlo(_module(["stablehlo.sine", "stablehlo.cosine"], "f64"))
    for ours, reference in zip(compile(graph).run(x, x).values(), (np.sin, np.cos), strict=True):
        np.testing.assert_allclose(ours, reference(x.astype("g")), rtol=4e-16, atol=1e-24)
    # where even 80 bits are few: sin(10^300), cos(2^1000), from 1,000 digits of pi
    found = list(compile(graph).run(np.full(COUNT, 1e300), np.full(COUNT, 2.0**1000)).values())
    assert abs(found[0][0] - SINE_OF_1E300) < 2e-16
    assert abs(found[1][0] - COSINE_OF_2_1000) < 2e-16
