"""Random programs, emitted and interpreted; what such programs have found."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kolam.graph import Graph
from kolam.lite import compile
from tests.lite.programs import check

# `python -m tests.lite.programs` runs more of them


@pytest.mark.parametrize(("target", "first"), [("native", 0), ("native", 30), ("wasm", 1060)])
def test_random_programs_mean_what_the_interpreter_says(target: str, first: int) -> None:
    assert check(range(first, first + 30), target) == []


def test_a_kernel_does_not_write_over_what_a_later_statement_reads() -> None:
    assert check([12014], "native") == []


def test_memory_may_hold_one_dtype_after_another() -> None:
    # the compiler must not move a write of doubles before a read of what were integers
    assert check([12402], "native") == []


@pytest.mark.usefixtures("emulators")
@pytest.mark.parametrize("target", ["linux-riscv64", "cortex-m4"])
def test_random_programs_mean_the_same_on_other_processors(target: str) -> None:
    assert check(range(200, 220), target) == []


def test_a_window_partly_outside_is_left_out_as_in_xla() -> None:
    numbers = lax.ScatterDimensionNumbers(
        update_window_dims=(1, 2), inserted_window_dims=(), scatter_dims_to_operand_dims=(0, 1)
    )

    def write(places: Any) -> Any:
        updates = jnp.arange(1.0, 4 * 6 + 1).reshape(4, 2, 3)
        return lax.scatter(jnp.zeros((5, 6)), places, updates, numbers, mode="drop")

    places = np.array([[4, 0], [-1, 2], [3, 3], [0, -(2**31)]], "int32")
    found = compile(Graph.from_function(write, places)).run(places)
    np.testing.assert_array_equal(found, jax.jit(write)(places))
