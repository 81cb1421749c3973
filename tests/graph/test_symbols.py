"""Symbols where Python wants a number, and outside of their builder."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import ConversionError, InvalidArgumentError
from kolam.graph import Builder, Session, Symbol


@pytest.mark.parametrize(
    ("ask", "message", "advice"),
    [
        (lambda x: bool(x > 0), "asked for the truth of", "jnp.where"),
        (float, "asked for the number in", "Session"),
        (int, "asked for the number in", "Session"),
        (range, "asked for the number in", "takes a symbol as it is"),
        (np.asarray, "asked for the numbers in", "Use `jax.numpy`"),
    ],
)
def test_python_gets_no_number_out_of_a_symbol(
    ask: Callable[[Any], Any], message: str, advice: str
) -> None:
    with Builder() as builder:
        x = builder.placeholder("x", (), "int32")
        with pytest.raises(ConversionError, match=message) as caught:
            ask(x)
    assert "test_symbols.py" in str(caught.value)
    assert advice in str(caught.value)


def test_a_symbol_outside_of_its_builder_says_where_it_belongs() -> None:
    with Builder("model") as builder:
        x = builder.placeholder("x", ("batch",))
    for use in (lambda: x + 1, lambda: jax.lax.sin(x), lambda: jax.jit(jnp.sin)(x)):
        with pytest.raises(InvalidArgumentError, match="outside of its builder 'model'") as caught:
            use()
        assert "test_symbols.py" in str(caught.value)


def test_a_symbol_shows_its_name_dtype_and_sizes() -> None:
    with Builder() as builder:
        x = builder.placeholder("x", ("batch",))
        w = builder.variable("w", 1.0)
    assert repr(x) == "Symbol('x', float32 (batch,))"
    assert repr(w) == "Variable('w', float32 ())"


def test_a_symbol_is_a_key_by_identity() -> None:
    with Builder() as builder:
        x, y = builder.placeholder("x", (2,)), builder.placeholder("y", (2,))
        found = {x: "x", y: "y"}
        assert (found[x], found[y]) == ("x", "y")
        assert isinstance(x == y, Symbol)


def test_a_derivative_of_the_users_own_is_kept() -> None:
    @jax.custom_jvp
    def tripled(x: jax.Array) -> jax.Array:
        return x * jnp.float32(1)

    tripled.defjvp(lambda p, t: (tripled(p[0]), t[0] * jnp.float32(3)))

    with Builder() as builder:
        x = builder.placeholder("x")
        slope = jax.grad(lambda v: tripled(v) * x)(x)
        assert float(tripled(jnp.float32(2))) == 2
    assert float(Session(builder).run(slope, {x: 5.0})) == 15


def test_a_backward_rule_of_the_users_own_is_kept() -> None:
    @jax.custom_vjp
    def turned(x: jax.Array) -> jax.Array:
        return x * jnp.float32(1)

    turned.defvjp(lambda x: (turned(x), None), lambda _, outer: (-outer,))

    with Builder() as builder:
        x = builder.placeholder("x")
        y = turned(x * 2)
        slope = jax.grad(lambda v: turned(v) + 0 * y)(x)
        assert float(turned(jnp.float32(2))) == 2
    assert [float(v) for v in Session(builder).run([y, slope], {x: 5.0})] == [10, -1]
