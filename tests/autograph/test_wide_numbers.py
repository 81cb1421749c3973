import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.autograph import convert


def _picked(row):
    return jnp.stack([row[f"c{i}"] for i in range(20)])


def _summed(row):
    total = 0.0
    for i in range(30):
        if row["c1"] > i:
            total += row["c2"] * i
    return total


@pytest.mark.parametrize("fn", [_picked, _summed])
def test_staged_loops_over_ranges_run_with_64_bit_numbers(fn):
    row = {f"c{i}": np.float64(i) for i in range(20)}
    with jax.enable_x64(True):
        found = jax.jit(convert(fn))(row)
    np.testing.assert_allclose(found, fn(row))
