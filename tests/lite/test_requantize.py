"""How a sum of products of codes becomes a code: as whole numbers of any size say, everywhere."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolam.lite._compile import compile_program
from kolam.lite._elementwise import OPERATIONS
from kolam.lite._expand.nodes import Nodes
from kolam.lite._program import Program, Region, Value
from kolam.lite._targets import targets

LOW, HIGH = -133.0, 122.0
# with the rounding of vectors, of FPUs without `rint`, and without any FPU
TARGETS = [
    *("native", "wasm", "linux-aarch64", "linux-armv7", "linux-riscv64"),
    *("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m55"),
]


def _nearest(number: Fraction, places: int | None = None) -> Fraction:
    """Round to the nearest whole number, or to so many binary places in all; halves to even."""
    if number == 0:
        return number
    unit = Fraction(1)
    if places is not None:
        size = abs(number)
        exponent = size.numerator.bit_length() - size.denominator.bit_length()
        exponent -= Fraction(2) ** exponent > size
        unit = Fraction(2) ** (exponent - places + 1)
    return round(number / unit) * unit


def _exact(x: int, scale: float) -> int:
    product = _nearest(_nearest(Fraction(x), 24) * Fraction(scale), 24)
    return int(min(max(_nearest(product), Fraction(LOW)), Fraction(HIGH)))


def _cases(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw sums and scales, half of them with products that lie next to a half."""
    random = np.random.default_rng(0)
    x = random.integers(-(2**31), 2**31, count, dtype="int32") >> random.integers(0, 24, count)
    x[:4] = -(2**31), 2**31 - 1, -1, 0
    steps = random.integers(-140, 140, count) + 0.5
    near = np.abs(steps / np.where(x == 0, 1, x))
    scales = np.where(random.random(count) < 0.5, near, 2.0 ** random.uniform(-30, 3, count))
    return x.astype("int32"), scales.astype("float32")


@given(st.integers(-(2**31), 2**31 - 1), st.floats(2**-40, 2.0**8, width=32))
def test_the_meaning_is_that_of_whole_numbers(x: int, scale: float) -> None:
    arrays = (np.int32(x), np.float32(scale), np.float32(LOW), np.float32(HIGH))
    found = OPERATIONS["requantize"].meaning(*map(np.atleast_1d, arrays))
    assert found[0] == _exact(x, scale)


@pytest.mark.parametrize("target", TARGETS)
def test_compiled_code_rounds_as_whole_numbers_do(target: str) -> None:
    x, scales = _cases(4096)
    nodes = Nodes()
    argument = Value.new("int32", x.shape)
    low, high = (nodes.constant(number, "float32") for number in (LOW, HIGH))
    result = nodes.apply("requantize", argument, nodes.constant(scales), low, high)
    body = Region((argument,), tuple(nodes.made), (result,))
    program = Program("requantize", body, ("x",), ("y",))
    found = compile_program(program, targets.make(target)).run(x)
    expected = [_exact(a, b) for a, b in zip(x.tolist(), scales.tolist(), strict=True)]
    np.testing.assert_array_equal(found, expected)
