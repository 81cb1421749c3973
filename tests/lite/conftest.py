"""A battery of small programs."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

Entry = tuple[Callable[..., Any], str]


def _nll(scores: Any, labels: Any) -> Any:
    return -jax.nn.log_softmax(scores)[jnp.arange(scores.shape[0]), labels].mean()


# letters name the arguments: a, b float matrices; p positive; v one row; i, j int32 matrices;
# s small shift amounts; u uint8 matrix; k one valid column index per row; m booleans
BATTERY: dict[str, Entry] = {
    **{name: (getattr(jnp, name), "a") for name in (
        "exp", "expm1", "tanh", "abs", "sign", "floor", "ceil", "round", "negative", "square",
        "isfinite", "sin", "cos",
    )},
    **{name: (getattr(jax.nn, name), "a") for name in (
        "relu", "gelu", "silu", "softplus", "softmax", "log_softmax", "elu", "sigmoid", "selu",
    )},
    **{name: (getattr(jnp, name), "p") for name in ("log", "log1p", "sqrt")},
    "rsqrt": (lax.rsqrt, "p"),
    "erf": (lax.erf, "a"),
    "exact_gelu": (lambda a: jax.nn.gelu(a, approximate=False), "a"),
    **{name: (getattr(jnp, name), "ab") for name in (
        "add", "subtract", "multiply", "divide", "maximum", "minimum", "fmod", "greater",
        "less", "equal", "not_equal", "greater_equal", "less_equal",
    )},
    "power": (jnp.power, "pb"),
    "integer_power": (lambda a: a**3, "a"),
    **{f"int_{name}": (getattr(jnp, name), "ij") for name in (
        "add", "subtract", "multiply", "maximum", "minimum", "bitwise_and", "bitwise_or",
        "bitwise_xor", "floor_divide", "remainder",
    )},
    "int_div": (lax.div, "ij"),
    "int_rem": (lax.rem, "ij"),
    "shift_left": (lax.shift_left, "is"),
    "shift_right": (lax.shift_right_logical, "is"),
    "shift_sign": (lax.shift_right_arithmetic, "is"),
    "shift_sign_uint8": (lambda u: lax.shift_right_arithmetic(u * 90, u), "u"),
    "clamp_crossed": (lambda i, j: lax.clamp(i, j, i - 1), "ij"),
    "clamp_crossed_uint8": (lambda u: lax.clamp(u, u + 1, u // 2), "u"),
    "int_not": (jnp.bitwise_not, "i"),
    "int_abs": (jnp.abs, "i"),
    "int_power": (lambda i: i**3, "i"),
    "bool_logic": (lambda m: (m & ~m) | (m ^ True), "m"),
    "to_int": (lambda a: (a * 1e4).astype("int32"), "a"),
    "to_uint8": (lambda a: (a * 300).astype("uint8"), "a"),
    "to_float": (lambda i: i.astype("float32"), "i"),
    "to_bool": (lambda i: i.astype(bool), "i"),
    "uint8_wraps": (lambda u: u + u, "u"),
    "int8": (lambda i: i.astype("int8") * i.astype("int8"), "i"),
    "bits": (lambda a: lax.bitcast_convert_type(a, jnp.int32), "a"),
    "broadcast_row": (lambda a, v: a * v[None, :], "av"),
    "transpose_add": (lambda a, v: a.T + v[:, None], "av"),
    "reshape": (lambda a: (a.T + 1).reshape(a.shape), "a"),
    "slice": (lambda a: a[:-1, ::2], "a"),
    "reverse": (lambda a: a[::-1], "a"),
    "concatenate": (lambda a, b: jnp.concatenate([a, b + 1, a], 1), "ab"),
    "pad": (lambda a: jnp.pad(a, ((1, 2), (0, 3)), constant_values=2.0), "a"),
    "pad_inside": (lambda a: lax.pad(a, jnp.float32(1), ((-1, 2, 1), (2, -1, 2))), "a"),
    "pad_moves": (lambda a: lax.pad(a, jnp.float32(1), ((-1, 1, 0), (1, -1, 0))), "a"),
    "iota": (lambda a: a + jnp.arange(a.shape[1], dtype="float32")[None, :], "a"),
    "where": (lambda a, b: jnp.where(a > 0, a, b), "ab"),
    "clip": (lambda a: jnp.clip(a, -0.5, 0.5), "a"),
    "tril": (jnp.tril, "a"),
    "constant": (lambda a: a * np.arange(a.size, dtype="f").reshape(a.shape), "a"),
    "passed_on": (lambda a: (a, a, jnp.zeros(3)), "a"),
    "sum": (jnp.sum, "a"),
    "sum_rows": (lambda a: a.sum(0), "a"),
    "sum_columns": (lambda a: a.sum(1), "a"),
    "max_rows": (lambda a: a.max(0), "a"),
    "min_columns": (lambda a: a.min(1), "a"),
    "product": (lambda a: a.prod(0), "a"),
    "mean": (jnp.mean, "a"),
    "variance": (lambda a: jnp.var(a, 0), "a"),
    "any": (lambda a: (a > 0).any(0), "a"),
    "all": (lambda a: (a > -1).all(1), "a"),
    "int_sum": (lambda i: i.sum(0), "i"),
    "argmax": (lambda a: a.argmax(1), "a"),
    "argmin": (lambda a: a.argmin(0), "a"),
    "logsumexp": (lambda a: jax.nn.logsumexp(a, 1), "a"),
    "matmul_nt": (lambda a, b: a @ b.T, "ab"),
    "matmul_tn": (lambda a, b: a.T @ b, "ab"),
    "matmul_transposed": (lambda a, b: (a.T @ b).T, "ab"),
    "matvec": (lambda a, v: a @ v, "av"),
    "vecmat": (lambda a, b: a[:, 0] @ b, "ab"),
    "inner": (lambda v: v @ v, "v"),
    "int_matmul": (lambda i, j: i @ j.T, "ij"),
    "batched": (
        lambda a, b: jnp.einsum("bij,bkj->bik", a[:, :, None] * a[:, None], b[:, None]), "ab",
    ),
    "row_products": (lambda a, b: jnp.einsum("ij,ij->i", a, b), "ab"),
    "take_along_axis": (lambda a, k: jnp.take_along_axis(a, k[:, None], 1), "ak"),
    "one_hot": (lambda k: jax.nn.one_hot(k, 5), "k"),
    "take_columns": (lambda a, k: a[:, k], "ak"),
    "cross_entropy": (lambda a, k: _nll(a, k), "ak"),
    "cross_entropy_gradient": (lambda a, k: jax.grad(_nll)(a, k), "ak"),
    "scatter_add": (lambda a, k: a.at[jnp.arange(a.shape[0]), k].add(1.5), "ak"),
    "scatter_set": (lambda a, k: a.at[:, k].set(0.0), "ak"),
    "scatter_max": (lambda a, k: a.at[jnp.arange(a.shape[0]), k].max(0.2), "ak"),
    "dynamic_slice": (lambda a, k: lax.dynamic_slice(a, (k[0], k[1] * 9), (2, 2)), "ak"),
    "dynamic_update": (
        lambda a, k: lax.dynamic_update_slice(a, jnp.ones((2, 2)), (k[0], k[1] * 9)), "ak",
    ),
    "loop": (lambda a: lax.fori_loop(0, 3, lambda i, s: s * a + i.astype("float32"), a), "a"),
    "cond": (lambda a: lax.cond(a.sum() > 0, lambda a: a * 2, lambda a: a - 1, a), "a"),
    "switch": (lambda a, k: lax.switch(k[0], [jnp.abs, jnp.exp, jnp.sin], a), "ak"),
    "scan": (lambda a: lax.scan(lambda c, x: (c * 0.5 + x, c.sum()), a[0], a), "a"),
    "gradient": (lambda a, v: jax.grad(lambda v: (jnp.tanh(a * v[None, :]) ** 2).sum())(v), "av"),
    "random": (lambda a: jax.random.uniform(jax.random.key(3), a.shape) + a, "a"),
}  # fmt: skip


class Case:
    """All programs of the battery at one shape, as one function with many outputs."""

    def __init__(self, rows: int, columns: int, names: tuple[str, ...] = tuple(BATTERY)) -> None:
        random = np.random.default_rng(rows * 100 + columns)
        shape = (rows, columns)
        a = random.standard_normal(shape).astype("f")
        self.arrays: dict[str, np.ndarray] = {
            "a": a,
            "b": random.standard_normal(shape).astype("f"),
            "p": np.exp(random.standard_normal(shape) * 3).astype("f"),
            "v": random.standard_normal(columns).astype("f"),
            "i": random.integers(-50, 50, shape).astype("int32"),
            "j": random.integers(-3, 4, shape).astype("int32"),
            "s": random.integers(0, 40, shape).astype("int32"),
            "u": random.integers(0, 256, shape).astype("uint8"),
            "k": random.integers(0, columns, rows).astype("int32"),
            "m": a > 0,
        }
        self.names = names
        self.inputs = tuple(self.arrays.values())

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        table = dict(zip(self.arrays, inputs, strict=True))
        results = [BATTERY[n][0](*(table[x] for x in BATTERY[n][1])) for n in self.names]
        return tuple(jax.tree.leaves(results))

    def labels(self) -> list[str]:
        """Give the name of the entry behind each output."""
        table = {n: jax.eval_shape(self._one(n), *self.inputs) for n in self.names}
        return [name for name, result in table.items() for _ in jax.tree.leaves(result)]

    def _one(self, name: str) -> Callable[..., Any]:
        return lambda *inputs: BATTERY[name][0](
            *(dict(zip(self.arrays, inputs, strict=True))[x] for x in BATTERY[name][1])
        )


@pytest.fixture(scope="session")
def make_case() -> type[Case]:
    return Case


def _assert_equal(found: Any, expected: Any, labels: list[str]) -> None:
    # the functions are within 2 ULP (1.2e-7 each); sums of tens of products differ in their order
    for ours, theirs, label in zip(found, expected, labels, strict=True):
        assert ours.dtype == theirs.dtype, label
        # hundreds of terms of both signs: their rounding (6e-8 each) stays when they cancel
        room = 2e-5 if label == "sum" else 2e-6
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=2e-6, atol=room, err_msg=label)


@pytest.fixture(scope="session")
def assert_equal() -> Callable[[Any, Any, list[str]], None]:
    return _assert_equal
