"""Programs on rows: functions and sums in one pass, beside float64."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from kolam.core import InvalidArgumentError
from kolam.kernels import (
    ROW_FUNCTIONS,
    RowInput,
    RowInstruction,
    RowProgram,
    RowResult,
    run_row_program,
)
from tests.kernels.row_oracle import FUNCTIONS, Drawn, evaluate, programs

ROOT = Path(__file__).resolve().parents[2]
EPS = float(np.finfo(np.float32).eps)


def run(drawn: Drawn) -> list[np.ndarray[Any, Any]]:
    found = run_row_program(drawn.program, [jnp.asarray(array) for array in drawn.operands])
    return [np.asarray(array) for array in found]


@settings(max_examples=200, deadline=None)
@given(programs())
def test_any_program_gives_what_float64_gives(drawn: Drawn) -> None:
    """Results may be off by a few times what roundings of 4 ulp in each function make of them."""
    with np.errstate(all="ignore"):
        exact = evaluate(drawn.program, drawn.operands)
        others = [evaluate(drawn.program, drawn.operands, 4 * EPS, seed) for seed in range(6)]
        for number, (found, expected) in enumerate(zip(run(drawn), exact, strict=True)):
            assert found.shape == expected.shape
            assert (found.dtype == bool) == (expected.dtype == bool)
            wrong = differs(found, expected, [other[number] for other in others])
            assert not wrong.any(), (number, found[wrong][:5], expected[wrong][:5])


def differs(found: Any, expected: Any, others: list[Any]) -> Any:
    """Tell where a result is beyond what roundings explain; where they decide, nothing is."""
    if found.dtype == bool:
        return np.logical_and.reduce([other == expected for other in others]) & (found != expected)
    spread = np.max([abs(other - expected) for other in others], 0)
    same = np.logical_and.reduce([np.isfinite(other) == np.isfinite(expected) for other in others])
    close = abs(found - expected) <= 8 * spread + 4 * EPS * abs(expected) + 1e-36
    equal = (found == expected) | (np.isnan(found) & np.isnan(expected))
    return same & ~np.where(np.isfinite(expected), close, equal)


SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e30, -1e30]
UNARY = sorted(name for name, (taken, _) in ROW_FUNCTIONS.items() if taken == "f")
BINARY = sorted(name for name, (taken, _) in ROW_FUNCTIONS.items() if taken == "ff")
# where each is defined, dense; relative errors in ulp that hold over all of them
ACCURACY = {
    "erf": ((-12, 12), 4),
    "erfc": ((-12, 9), 6),
    "exp": ((-87, 88.7), 3),
    "expm1": ((-30, 88.7), 4),
    "log": ((1e-6, 4), 3),
    "log1p": ((-0.999, 5), 4),
    "logistic": ((-80, 30), 4),
    "tanh": ((-10, 10), 4),
    "rsqrt": ((1e-6, 100), 3),
}


def apply(name: str, *arrays: Any) -> Any:
    """Apply a function to numbers."""
    shape = np.shape(arrays[0])
    numbers = tuple(range(len(arrays)))
    program = RowProgram(
        shape,
        tuple(RowInput((1,)) for _ in arrays),
        (RowInstruction(name, numbers),),
        (RowResult(len(arrays), "all"),),
    )
    return run(Drawn(program, tuple(np.asarray(array, np.float32) for array in arrays)))[0]


@pytest.mark.parametrize("name", [name for name in UNARY if not name.startswith("row_")])
def test_special_numbers_pass_functions_as_through_numpy(name: str) -> None:
    with np.errstate(all="ignore"):
        expected = np.asarray(FUNCTIONS[name](np.array(SPECIAL)))
        expected = expected.astype(bool if expected.dtype == bool else np.float32)
    found = apply(name, SPECIAL)
    if expected.dtype == bool:
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=4 * EPS)
        zero = expected == 0
        np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize("name", BINARY)
def test_special_numbers_pass_pairs_as_through_numpy(name: str) -> None:
    a, b = (part.ravel() for part in np.meshgrid(SPECIAL, SPECIAL))
    with np.errstate(all="ignore"):
        expected = FUNCTIONS[name](a.astype(np.float32), b.astype(np.float32))
    np.testing.assert_array_equal(apply(name, a, b), expected)


@pytest.mark.parametrize("name", sorted(ACCURACY))
def test_functions_are_exact_to_a_few_ulp(name: str) -> None:
    (low, high), ulps = ACCURACY[name]
    near_zero = 10.0 ** np.linspace(-30, -1, 4000)
    x = np.concatenate([np.linspace(low, high, 200_001), near_zero, -near_zero]).astype(np.float32)
    x = x[(x >= low) & (x <= high)]
    expected = FUNCTIONS[name](x.astype(np.float64))
    seen = abs(expected) > 1.2e-38
    errors = abs(apply(name, x) - expected)[seen] / abs(expected)[seen]
    assert errors.max() < ulps * EPS


def layer_norm_gradient(shape: tuple[int, ...]) -> Drawn:
    """Write what an automatic derivative of layer normalisation does; sums of every kind."""
    width = shape[-1]
    dense = RowInput(tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))))
    columns = RowInput((*(0 for _ in shape[1:]), 1))
    steps = [
        ("row_sum", (0,)),
        ("mul", (3, 1 / width)),
        ("sub", (0, 4)),
        ("square", (5,)),
        ("row_sum", (6,)),
        ("mul", (7, 1 / width)),
        ("add", (8, 1e-3)),
        ("rsqrt", (9,)),
        ("mul", (5, 10)),  # 11, the unit
        ("mul", (1, 2)),
        ("row_sum", (12,)),
        ("mul", (12, 11)),
        ("row_sum", (14,)),
        ("mul", (13, 1 / width)),
        ("mul", (15, 1 / width)),
        ("mul", (11, 17)),
        ("sub", (12, 16)),
        ("sub", (19, 18)),
        ("mul", (20, 10)),
        ("mul", (1, 11)),
    ]
    results = (RowResult(21, "all"), RowResult(22, "column"), RowResult(1, "column"))
    rng = np.random.default_rng(0)
    arrays = (*rng.standard_normal((2, *shape), np.float32), rng.standard_normal(width, np.float32))
    instructions = tuple(RowInstruction(name, operands) for name, operands in steps)
    return Drawn(RowProgram(shape, (dense, dense, columns), instructions, results), arrays)


@pytest.mark.parametrize("shape", [(3000, 128), (20_000, 10), (40, 9000), (300_000, 1)])
def test_any_number_of_threads_gives_the_same_bits(shape: tuple[int, ...], tmp_path: Path) -> None:
    here = run(layer_norm_gradient(shape))
    file = tmp_path / "results.npz"
    code = (
        "import os; os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})\n"
        "import numpy as np\n"
        "from tests.kernels.test_row_program import layer_norm_gradient, run\n"
        f"np.savez({str(file)!r}, *run(layer_norm_gradient({shape})))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    alone = np.load(file)
    for number, found in enumerate(here):
        np.testing.assert_array_equal(found, alone[f"arr_{number}"])


def test_a_value_is_not_taken_for_an_equal_literal() -> None:
    x = np.array([-1.0, 4.0], np.float32)
    for operand, expected in ((0, x), (0.0, 0 * abs(x)), (-0.0, -0.0 * abs(x))):
        steps = (RowInstruction("add", (operand, operand)), RowInstruction("div", (1.0, 1)))
        program = RowProgram((2,), (RowInput((1,)),), steps, (RowResult(2, "all"),))
        with np.errstate(divide="ignore"):
            np.testing.assert_array_equal(run(Drawn(program, (x,)))[0], 1 / (2 * expected))


def test_no_rows_give_no_rows() -> None:
    program = RowProgram((0, 4), (RowInput((4, 1)),), (), (RowResult(0, "all"),))
    assert run(Drawn(program, (np.zeros((0, 4), np.float32),)))[0].shape == (0, 4)


X = RowInput((4, 1))


@pytest.mark.parametrize(
    ("inputs", "steps", "result", "message"),
    [
        ((X,), [("sin", (0,))], (0, "all"), r"no function 'sin' on rows\.[\s\S]*There are: abs, "),
        ((X,), [("exp", (1,))], (0, "all"), "exp takes value 1, of which there are 1"),
        ((X,), [("not", (0,))], (0, "all"), "not takes truth; got number"),
        ((X,), [("add", (0,))], (0, "all"), "add takes number, number; got number"),
        ((X,), [], (0, "row"), "Value 0 has no single number per row"),
        ((X,), [], (0, "sum"), "There is no RowResult"),
        ((X,), [("is_finite", (0,))], (1, "column"), "Value 1 is a truth, which has no sum"),
        ((X, X), [], (0, "all"), "has 2 inputs; got 1 operands"),
        ((RowInput((5, 1)),), [], (0, "all"), r"Strides \(5, 1\) of operand 0, \(3, 4\), do not"),
        ((RowInput((1,)),), [], (0, "all"), r"Strides \(1,\) of operand 0"),
        ((RowInput((1, 2)),), [], (0, "all"), r"Strides \(1, 2\) of operand 0"),
    ],
)
def test_what_is_no_program_is_refused(
    inputs: Any, steps: list[Any], result: tuple[int, str], message: str
) -> None:
    instructions = tuple(RowInstruction(name, operands) for name, operands in steps)
    program = RowProgram((3, 4), inputs, instructions, (RowResult(*result),))
    with pytest.raises(InvalidArgumentError, match=message):
        run_row_program(program, [jnp.ones((3, 4))])


def test_integers_are_refused() -> None:
    program = RowProgram((3, 4), (X,), (), (RowResult(0, "all"),))
    with pytest.raises(InvalidArgumentError, match="Operand 0 is int32; programs on rows take"):
        run_row_program(program, [jnp.ones((3, 4), jnp.int32)])


def test_one_plus_erf_keeps_the_digits_that_cancel() -> None:
    x = np.linspace(-9, 9, 100_001).astype(np.float32)
    steps = (RowInstruction("erf", (0,)), RowInstruction("add", (1, 1.0)))
    program = RowProgram(x.shape, (RowInput((1,)),), steps, (RowResult(2, "all"),))
    expected = FUNCTIONS["erfc"](-x.astype(np.float64))
    assert (abs(run(Drawn(program, (x,)))[0] - expected) < 6 * EPS * expected).all()
