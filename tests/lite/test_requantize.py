"""How a sum of products of codes becomes a code: one rounding, exact, the same everywhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolam.lite._compile import compile_program
from kolam.lite._elementwise import OPERATIONS
from kolam.lite._expand.nodes import Nodes
from kolam.lite._program import Program, Region, Value
from kolam.lite._targets import targets

INT32 = st.integers(-(2**31), 2**31 - 1)


def _exact(x: int, multiplier: int, shift: int) -> int:
    """Round to the nearest with whole numbers of any size; then keep what fits in int32."""
    rounded = (2 * x * multiplier + 2**shift) // 2 ** (shift + 1)
    return max(-(2**31), min(2**31 - 1, rounded))


@given(INT32, st.integers(0, 2**31 - 1), st.integers(1, 62))
def test_the_meaning_is_that_of_big_integers(x: int, multiplier: int, shift: int) -> None:
    arrays = [np.array([number], "int32") for number in (x, multiplier, shift)]
    assert OPERATIONS["requantize"].meaning(*arrays)[0] == _exact(x, multiplier, shift)


@pytest.mark.parametrize("target", ["native", "wasm", "cortex-m4"])
def test_compiled_code_rounds_as_big_integers_do(target: str) -> None:
    random = np.random.default_rng(0)
    x = random.integers(-(2**31), 2**31, 256, dtype="int32")
    x[:4] = -(2**31), 2**31 - 1, -1, 0
    multipliers = random.integers(0, 2**31, 256, dtype="int32")
    multipliers[:4] = 2**31 - 1
    shifts = (1, 7, 30, 31, 32, 40, 62)
    nodes = Nodes()
    argument = Value.new("int32", x.shape)
    results = tuple(
        nodes.apply("requantize", argument, nodes.constant(multipliers), nodes.constant(s, "int32"))
        for s in shifts
    )
    body = Region((argument,), tuple(nodes.made), results)
    names = tuple(f"y{shift}" for shift in shifts)
    found = compile_program(Program("requantize", body, ("x",), names), targets.make(target)).run(x)
    assert isinstance(found, dict)
    for shift, values in zip(shifts, found.values(), strict=True):
        pairs = zip(x.tolist(), multipliers.tolist(), strict=True)
        assert values.tolist() == [_exact(a, m, shift) for a, m in pairs], shift
