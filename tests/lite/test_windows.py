"""Convolutions, their gradients and windows: the interpreter, every pass and the C against XLA."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from kolam.graph import Graph
from kolam.lite._compile import compile
from kolam.lite._frontend import read_program
from kolam.lite._interpret import interpret
from kolam.lite._passes import PASSES
from kolam.lite._verify import verify

CHANNELS_LAST = ("NHWC", "HWIO", "NHWC")
Array = np.ndarray


def _random(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def _assert_near(found: Any, expected: Any) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        theirs = np.asarray(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


def _check(fn: Callable[..., tuple[Any, ...]], *inputs: Array, target: str = "native") -> None:
    graph = Graph.from_function(fn, *inputs, name="windows")
    expected = jax.jit(fn)(*inputs)
    static = graph.static_program()
    program = verify(read_program(static.text, "p", [], static.inputs, static.outputs))
    _assert_near(interpret(program, inputs), expected)
    for step in PASSES:
        program = verify(step(program))
    _assert_near(interpret(program, inputs), expected)
    found = compile(graph, target).run(*inputs)
    _assert_near(found.values() if isinstance(found, dict) else [found], expected)


def _convolutions(x: Any, w: Any) -> tuple[Any, ...]:
    cases: list[dict[str, Any]] = [
        {"window_strides": (1, 1), "padding": "SAME"},
        {"window_strides": (2, 3), "padding": "VALID"},
        {"window_strides": (2, 1), "padding": ((1, 2), (0, 3)), "rhs_dilation": (1, 2)},
        {"window_strides": (1, 2), "padding": ((-1, 2), (2, -1))},
        {"window_strides": (1, 1), "padding": ((1, 1), (0, 2)), "lhs_dilation": (2, 1)},
    ]
    return tuple(
        jax.lax.conv_general_dilated(x, w, dimension_numbers=CHANNELS_LAST, **case)
        for case in cases
    )


@pytest.mark.parametrize("target", ["native", "wasm"])
def test_strides_padding_and_dilation_are_those_of_xla(target: str) -> None:
    _check(_convolutions, _random(2, 9, 8, 4), _random(3, 2, 4, 6), target=target)


def test_both_gradients_of_a_convolution_are_those_of_xla() -> None:
    def gradients(x: Any, w: Any) -> Any:
        return jax.grad(lambda x, w: sum((y**2).sum() for y in _convolutions(x, w)), (0, 1))(x, w)

    _check(gradients, _random(2, 9, 8, 4), _random(3, 2, 4, 6))


def test_groups_and_depthwise_filters_have_their_gradients() -> None:
    def loss(x: Any, grouped: Any, depthwise: Any) -> Any:
        total = 0.0
        for w, groups in ((grouped, 2), (depthwise, 4)):
            y = jax.lax.conv_general_dilated(
                x, w, (2, 1), "SAME", dimension_numbers=CHANNELS_LAST, feature_group_count=groups
            )
            total += (y**2).sum()
        return total

    def both(*arrays: Any) -> Any:
        return loss(*arrays), *jax.grad(loss, (0, 1, 2))(*arrays)

    _check(both, _random(2, 7, 8, 4), _random(3, 2, 2, 6), _random(3, 3, 1, 8))


def test_one_and_three_dimensions_in_other_layouts() -> None:
    def line(x: Any, w: Any) -> tuple[Any]:
        names = ("NCH", "OIH", "NCH")
        return (jax.lax.conv_general_dilated(x, w, (2,), [(1, 1)], dimension_numbers=names),)

    def volume(x: Any, w: Any) -> tuple[Any]:
        names = ("NDHWC", "DHWIO", "NDHWC")
        return (jax.lax.conv_general_dilated(x, w, (2, 1, 1), "SAME", dimension_numbers=names),)

    _check(line, _random(2, 4, 9), _random(5, 4, 3))
    _check(volume, _random(2, 4, 5, 6, 3), _random(2, 3, 3, 3, 4))


def test_windows_take_the_maximum_and_the_sum_with_any_start() -> None:
    def pools(x: Any) -> tuple[Any, ...]:
        window, strides = (1, 3, 2, 1), (1, 2, 1, 1)
        lax = jax.lax
        cases = [
            (lax.max, -np.inf, "SAME"),
            (lax.max, -np.inf, "VALID"),
            (lax.add, 0.0, "SAME"),
            (lax.add, 1.5, "VALID"),  # padded, StableHLO counts 1.5 per place and XLA does not
        ]
        return tuple(
            lax.reduce_window(x, start, operation, window, strides, padding)
            for operation, start, padding in cases
        )

    _check(pools, _random(2, 9, 8, 4))


def test_padded_windows_of_several_arrays_count_each_start() -> None:
    # XLA on the CPU stops the process here, so the expected values are spelled out
    def extremes(x: Any) -> Any:
        places = jax.lax.broadcasted_iota("int32", x.shape, 0)

        def best(a: Any, b: Any) -> Any:
            return jax.lax.cond(a[0] >= b[0], lambda: a, lambda: b)

        starts = (np.float32(0.5), np.int32(-1))
        return (
            *jax.lax.reduce_window((x, places), starts, best, (3,), (1,), "SAME"),
            *jax.lax.reduce_window((x, places), starts, best, (3,), (2,), "VALID", (2,)),
        )

    x = np.array([0.1, 0.9, 0.2, 0.3, -1.0, 2.0], np.float32)
    graph = Graph.from_function(extremes, x, name="windows")
    half, nine = np.float32(0.5), np.float32(0.9)
    expected = [
        np.array([nine, nine, nine, half, 2, 2], np.float32),
        np.array([1, 1, 1, -1, 5, 5], np.int32),
        np.array([nine, nine, half, half, 2], np.float32),
        np.array([1, 1, -1, -1, 5], np.int32),
    ]
    static = graph.static_program()
    program = verify(read_program(static.text, "p", [], static.inputs, static.outputs))
    for found in (interpret(program, [x]), compile(graph).run(x).values()):
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_an_average_over_all_but_one_row_is_taken() -> None:
    def average(x: Any) -> tuple[Any]:
        window = (1, 24, 5, 1)
        total = jax.lax.reduce_window(x, 0.0, jax.lax.add, window, window, "VALID")
        return (total / 120,)

    _check(average, _random(1, 25, 5, 64))
