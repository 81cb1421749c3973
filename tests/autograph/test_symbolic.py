"""Loops over sizes that are known by name only, as an exported program has them."""

import numpy as np
import pytest

import kolam as kl


def over_rows(values):  # type: ignore[no-untyped-def]
    total = 0.0
    for value in values:
        if value > 5:
            continue
        total += value
    return total


def by_number(values):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(values.shape[0]):
        total = total + k * values[k]
    return total


def up_to_the_length(values):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(len(values) - 1):
        total = total + values[k] * values[k + 1]
    return total


def numbered(values):  # type: ignore[no-untyped-def]
    best = 0
    for k, value in enumerate(values):
        if value > values[best]:
            best = k
    return best


@pytest.mark.parametrize("function", [over_rows, by_number, up_to_the_length, numbered])
def test_program_of_any_length_gives_what_plain_python_gives(function) -> None:  # type: ignore[no-untyped-def]
    graph = kl.function(function).graph(kl.TensorSpec(("n",), name="values"))
    for n in (1, 3, 40):
        values = np.random.default_rng(n).normal(3, 3, n).astype(np.float32)
        np.testing.assert_allclose(graph.run(values), function(values), rtol=1e-5, atol=1e-5)
