"""Random programs of JAX whose values stay small, so that rounding does not grow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Array = Any  # a traced array of JAX


@dataclass(frozen=True)
class RandomProgram:
    """A function of one float matrix and one integer vector, drawn from a seed.

    Attributes:
        seed: Of the program.
        length: How many operations it has.
    """

    seed: int
    length: int = 14

    def inputs(self) -> tuple[np.ndarray, np.ndarray]:
        """Draw arrays for it."""
        random = np.random.default_rng([self.seed, 1])
        shape = tuple(random.integers(1, 9, 2))
        return random.standard_normal(shape).astype("f"), random.integers(-4, 9, 5).astype("int32")

    def __call__(self, x: Array, i: Array) -> tuple[Array, ...]:
        random = np.random.default_rng([self.seed, 2])
        floats, whole, results = [x], [i], []
        for _ in range(self.length):
            table = FLOATS if random.integers(4) else WHOLE
            names = sorted(table)
            name = names[random.integers(len(names))]
            result = table[name](random, floats, whole)
            if result.size > 400:
                result = result.reshape(-1)[:: result.size // 100]
            (floats if result.dtype == jnp.float32 else whole).append(result)
            results.append(result)
        return tuple(results[-6:])


def _pick(random: np.random.Generator, arrays: list[Array]) -> Array:
    return arrays[random.integers(max(0, len(arrays) - 4), len(arrays))]


def _matrix(random: np.random.Generator, arrays: list[Array]) -> Array:
    """Give an array of rank 2, whatever the shape of what was picked."""
    array = _pick(random, arrays)
    return (
        array.reshape(array.shape[0] if array.ndim else 1, -1) if array.size else jnp.ones((2, 3))
    )


def _unary(fn: Callable[[Array], Array]) -> Any:
    return lambda random, floats, whole: fn(_pick(random, floats))


def _binary(fn: Callable[[Array, Array], Array], which: str = "floats") -> Any:
    def apply(random: np.random.Generator, floats: list[Array], whole: list[Array]) -> Array:
        arrays = floats if which == "floats" else whole
        a, b = _pick(random, arrays).reshape(-1), _pick(random, arrays).reshape(-1)
        size = min(a.size, b.size)
        return fn(a[:size], b[:size])

    return apply


def _rows(fn: Callable[[np.random.Generator, Array], Array]) -> Any:
    return lambda random, floats, whole: fn(random, _matrix(random, floats))


def _index(whole: list[Array], random: np.random.Generator, limit: int) -> Array:
    return jnp.clip(_pick(random, whole).reshape(-1)[:3].astype("int32"), -limit, limit - 1)


def _taken(random: np.random.Generator, floats: list[Array], whole: list[Array]) -> Array:
    a = _matrix(random, floats)
    return jnp.take(a, _index(whole, random, a.shape[1]), axis=1)


def _added_at(random: np.random.Generator, floats: list[Array], whole: list[Array]) -> Array:
    a = _matrix(random, floats)
    return jnp.tanh(a.at[:, _index(whole, random, a.shape[1])].add(0.5))


def _sliced(random: np.random.Generator, floats: list[Array], whole: list[Array]) -> Array:
    a = _matrix(random, floats)
    start = _pick(random, whole).reshape(-1)[:1].astype("int32").sum()
    return lax.dynamic_slice(a, (start, start * 2), (1, max(1, a.shape[1] // 2)))


def _looped(random: np.random.Generator, floats: list[Array], whole: list[Array]) -> Array:
    a = _matrix(random, floats)
    return lax.fori_loop(0, 3, lambda i, s: jnp.tanh(s * a + i.astype("float32") * 0.1), a)


def _branched(random: np.random.Generator, floats: list[Array], whole: list[Array]) -> Array:
    a, i = _matrix(random, floats), _pick(random, whole).astype("int32").sum()
    return lax.switch(i % 3, [jnp.sin, jnp.abs, lambda a: a * 0.5], a)


def _scanned(random: np.random.Generator, floats: list[Array], whole: list[Array]) -> Array:
    a = _matrix(random, floats)
    return lax.scan(lambda c, row: (jnp.tanh(c + row), c.max()), a[0], a)[1]


FLOATS: dict[str, Any] = {
    **{name: _unary(getattr(jnp, name)) for name in ("tanh", "sin", "abs", "negative")},
    "exp": _unary(lambda a: jnp.exp(-jnp.abs(a))),
    "relu": _unary(jax.nn.relu),
    "sigmoid": _unary(jax.nn.sigmoid),
    "log": _unary(lambda a: jnp.log1p(jnp.abs(a))),
    "root": _unary(lambda a: jnp.sqrt(jnp.abs(a) + 0.5)),
    "add": _binary(lambda a, b: jnp.tanh(a + b)),
    "multiply": _binary(lambda a, b: jnp.tanh(a * b)),
    "subtract": _binary(lambda a, b: (a - b) * 0.5),
    "divide": _binary(lambda a, b: jnp.tanh(a / (jnp.abs(b) + 0.5))),
    "maximum": _binary(jnp.maximum),
    "minimum": _binary(jnp.minimum),
    "transpose": _rows(lambda random, a: a.T * 1.25),
    "reverse": _rows(lambda random, a: a[::-1, ::-1]),
    "strided": _rows(lambda random, a: a[:: random.integers(1, 3), random.integers(2) :: 2]),
    "pad": _rows(
        lambda random, a: lax.pad(
            a, jnp.float32(0.5), (tuple(random.integers(0, 3, 3)), tuple(random.integers(0, 3, 3)))
        )
    ),
    "concatenate": _rows(lambda random, a: jnp.concatenate([a, jnp.sin(a), a], random.integers(2))),
    "broadcast": _rows(lambda random, a: a[:, None, :] * a[:, :1, None] * 0.5),
    "sum": _rows(lambda random, a: jnp.tanh(a.sum(random.integers(2)))),
    "max": _rows(lambda random, a: a.max(random.integers(2), initial=-1.0)),
    "mean": _rows(lambda random, a: (a - a.mean(0, keepdims=True)).sum(1) / max(1, a.shape[1])),
    "softmax": _rows(lambda random, a: jax.nn.softmax(a, random.integers(2))),
    "cumulative": _rows(lambda random, a: jnp.tanh(jnp.cumsum(a, 1))),
    "product": _rows(lambda random, a: jnp.tanh(a @ a.T)),
    "vector": _rows(lambda random, a: jnp.tanh(a[0] @ a.T)),
    "window": _rows(
        lambda random, a: lax.reduce_window(a, -jnp.inf, lax.max, (2, 1), (1, 1), "SAME")
    ),
    "take": _taken,
    "add_at": _added_at,
    "dynamic_slice": _sliced,
    "loop": _looped,
    "branch": _branched,
    "scan": _scanned,
    "from_whole": lambda random, floats, whole: jnp.sin(_pick(random, whole).astype("float32")),
}
WHOLE: dict[str, Any] = {
    "add": _binary(jnp.add, "whole"),
    "multiply": _binary(lambda a, b: a.astype("int32") * b.astype("int32"), "whole"),
    "and": _binary(lambda a, b: a.astype("int32") & b.astype("int32"), "whole"),
    "divide": _binary(lambda a, b: lax.div(a.astype("int32"), b.astype("int32")), "whole"),
    "remainder": _binary(lambda a, b: lax.rem(a.astype("int32"), b.astype("int32")), "whole"),
    "shift": _binary(
        lambda a, b: lax.shift_right_arithmetic(a.astype("int32"), b.astype("int32")), "whole"
    ),
    "int8": lambda random, floats, whole: _pick(random, whole).astype("int8").astype("int32"),
    "uint8": lambda random, floats, whole: _pick(random, whole).astype("uint8").astype("int32"),
    "sum": lambda random, floats, whole: _pick(random, whole).astype("int32").sum(keepdims=True),
    "position": lambda random, floats, whole: jnp.arange(_pick(random, floats).size, dtype="int32"),
    "sign": lambda random, floats, whole: jnp.sign(_pick(random, whole)).astype("int32"),
}
