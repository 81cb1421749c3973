"""The door: idempotence, what stays as it is, checks, prints, derivatives, positions.

PYTEST_DONT_REWRITE
"""

# ruff: noqa: T201 - programs as users write them
# mypy: ignore-errors
import functools
import gc
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.autograph import (
    convert,
    converted_source,
    do_not_convert,
    finish,
    with_checks,
    without_effects,
)
from kolam.errors import ConversionError, InvalidTypeError


def sign(x):
    if x > 0:
        return 1
    return -1


def positive(x):
    assert x > 0, f"not positive: {x:.1f}"
    return x * 2


def capped(x):
    for _ in range(40):
        if x > 3:
            break
        x = x * 1.1
    return x * x


def doubled(x):
    while x < 10:
        x = x * 2
    return x


def told(x):
    print("x is", x, f"{x:.2f}")
    if x > 2:
        print("large")
    return x


def test_converting_twice_is_converting_once() -> None:
    assert convert(sign) is convert(sign)
    assert convert(convert(sign)) is convert(sign)


def test_library_function_comes_back_as_it_is() -> None:
    assert convert(jnp.sin) is jnp.sin


def test_marked_function_comes_back_as_it_is() -> None:
    marked = do_not_convert(lambda x: x)
    assert convert(marked) is marked


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="A function is needed, but this is a int"):
        convert(3)


def test_source_of_a_converted_function_is_readable() -> None:
    assert "def sign(x):" in converted_source(convert(sign))


def test_source_of_a_library_function_is_refused() -> None:
    with pytest.raises(ConversionError, match="runs as it is"):
        converted_source(len)


def test_partial_and_lambda_are_converted(staged: Callable[..., Any]) -> None:
    assert staged(functools.partial(sign), 3) == 1
    assert staged(lambda x: 1 if x > 0 else 2, -1) == 2


def test_nothing_to_check_costs_nothing() -> None:
    assert jax.jit(with_checks(sign))(3)[1] == ()


def test_failure_is_raised_by_cached_calls_too() -> None:
    jitted = jax.jit(with_checks(positive))
    finish(*jitted(1.0))
    result, checks = jitted(-2.5)
    with pytest.raises(AssertionError, match=r"^not positive: -2\.5$"):
        finish(None, checks)
    assert result == -5


def test_failure_shows_the_line_of_the_user() -> None:
    checks = jax.jit(with_checks(positive))(-1.0)[1]
    with pytest.raises(AssertionError) as caught:
        finish(None, checks)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.lineno) == (__file__, positive.__code__.co_firstlineno + 1)


def test_first_failing_example_of_a_batch_is_raised() -> None:
    checks = jax.jit(jax.vmap(with_checks(positive)))(jnp.array([1.0, -2.0, -3.0]))[1]
    with pytest.raises(AssertionError, match=r"not positive: -2\.0"):
        finish(None, checks)


def test_failure_inside_an_inner_vmap_is_raised(staged: Callable[..., Any]) -> None:
    with pytest.raises(AssertionError, match="not positive"):
        staged(lambda xs: jax.vmap(positive)(xs).sum(), jnp.array([1.0, -2.0]))


def test_loop_with_break_has_a_reverse_derivative() -> None:
    slope = jax.jit(jax.grad(convert(capped)))(1.0)
    step = 1e-3
    numeric = (capped(1.0 + step) - capped(1.0 - step)) / (2 * step)
    np.testing.assert_allclose(slope, numeric, rtol=1e-2)


def test_while_on_data_has_a_forward_derivative() -> None:
    assert jax.jvp(jax.jit(convert(doubled)), (1.5,), (1.0,)) == (12.0, 8.0)


def test_while_on_data_maps_over_a_batch() -> None:
    out = jax.jit(jax.vmap(convert(doubled)))(jnp.array([1.5, 3.0, 20.0]))
    assert out.tolist() == [12, 12, 20]


def test_gradient_of_the_side_not_taken_is_not_nan() -> None:
    def root(x):
        return jnp.sqrt(x) if x > 0 else 0.0 * x

    assert jax.jit(jax.grad(convert(root)))(0.0) == 0


def test_print_shows_what_plain_python_prints(capfd: pytest.CaptureFixture[str]) -> None:
    jax.block_until_ready(jax.jit(convert(told))(2.5))
    jax.effects_barrier()
    ours = capfd.readouterr().out
    told(2.5)
    assert ours == capfd.readouterr().out


def test_text_without_data_is_printed_once_for_every_example(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def greeting(x):
        print("hello")
        if x > 1:
            print("large")
        return x

    jax.block_until_ready(jax.vmap(convert(greeting))(jnp.array([3.0, 0.0, 7.0])))
    jax.effects_barrier()
    assert sorted(capfd.readouterr().out.split()) == ["hello"] * 3 + ["large"] * 2


def test_prints_can_be_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    with without_effects():  # a function of its own: JAX keeps traces by function
        jax.block_until_ready(jax.jit(lambda x: convert(told)(x))(2.5))
    jax.effects_barrier()
    assert capfd.readouterr().out == ""


def test_long_loops_are_staged() -> None:
    def climb(x):
        for i in range(10_000):
            x = x + i % 2
        return x

    assert len(jax.make_jaxpr(convert(climb))(0).eqns) < 20


def test_deep_nesting_is_traced_in_linear_size() -> None:
    lines = ["def nest(x):", "    y = x"]
    for depth in range(12):
        indent = "    " * (depth + 1)
        lines += [f"{indent}if x > {depth}:", f"{indent}    y = y * 2"]
    lines.append("    return y")
    counted = "\n".join(lines)
    import linecache

    linecache.cache["nested.py"] = (len(counted), None, counted.splitlines(True), "nested.py")
    home: dict[str, Any] = {"__name__": "nested"}
    exec(compile(counted, "nested.py", "exec"), home)
    assert str(jax.make_jaxpr(convert(home["nest"]))(3.0)).count("mul") == 12


TWIN = """
def program(x):
    count = 0

    def note():
        nonlocal count
        count += 1

    if x > 0:
        note()
    return count
"""


def test_functions_of_equal_text_are_told_apart_when_one_goes(tmp_path: Path) -> None:
    homes = []
    for name in ("one.py", "other.py"):
        file = tmp_path / name
        file.write_text(TWIN)
        home: dict[str, Any] = {"__name__": "twins"}
        exec(compile(TWIN, str(file), "exec"), home)
        homes.append(home)
        assert jax.jit(convert(home["program"]))(1) == 1
    homes[0].clear()
    gc.collect()
    assert jax.jit(lambda x: convert(homes[1]["program"])(x))(2) == 1
