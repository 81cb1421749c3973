"""Derivatives and batches of a staged `if`, against `jnp.where` with safe inputs."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.autograph._primitives import branch, loop, trace

Int = jax.ShapeDtypeStruct((), jnp.int32)
Float = jax.ShapeDtypeStruct((), jnp.float32)


def staged(x: Any, w: Any) -> Any:
    on_true = trace(lambda: [jnp.sqrt(x) * w * x, jnp.int32(1)], [])
    on_false = trace(lambda: [jnp.sin(x) * x * w, jnp.int32(0)], [])
    return branch(x > 0, on_true, on_false)[0]


def plain(x: Any, w: Any) -> Any:
    safe = jnp.where(x > 0, x, 1.0)
    return jnp.where(x > 0, jnp.sqrt(safe) * w * safe, jnp.sin(x) * x * w)


Transform = Callable[[Callable[..., Any]], Callable[..., Any]]
TRANSFORMS: dict[str, Transform] = {
    "value": lambda fn: fn,
    "grad": lambda fn: jax.grad(fn, (0, 1)),
    "jacfwd": lambda fn: jax.jacfwd(fn, (0, 1)),
    "jacrev of jacrev": lambda fn: jax.jacrev(jax.jacrev(fn, (0, 1)), (0, 1)),
    "jacfwd of jacrev": lambda fn: jax.jacfwd(jax.jacrev(fn, (0, 1)), (0, 1)),
    "jacrev of jacfwd": lambda fn: jax.jacrev(jax.jacfwd(fn, (0, 1)), (0, 1)),
    "jacfwd of jacfwd": lambda fn: jax.jacfwd(jax.jacfwd(fn, (0, 1)), (0, 1)),
    "third": lambda fn: jax.grad(jax.grad(jax.grad(fn))),
    "grad of checkpoint": lambda fn: jax.grad(jax.checkpoint(fn), (0, 1)),
    "grad of grad of checkpoint": lambda fn: jax.grad(jax.grad(jax.checkpoint(fn))),
    "grad of jit": lambda fn: jax.grad(jax.grad(jax.jit(fn))),
}


def same(ours: Any, theirs: Any) -> None:
    def check(a: Any, b: Any) -> None:
        # three orders of derivatives in float32: a few units in the last place of each
        np.testing.assert_allclose(a, b, rtol=3e-6, atol=3e-6)

    jax.tree.map(check, ours, theirs)


def compare(ours: Callable[..., Any], theirs: Callable[..., Any], *arguments: Any) -> None:
    same(jax.jit(ours)(*arguments), jax.jit(theirs)(*arguments))


W = jnp.float32(1.5)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_branch_is_differentiated_as_the_side_that_ran(name: str) -> None:
    ours, theirs = (jax.jit(TRANSFORMS[name](fn)) for fn in (staged, plain))
    same(ours(-1.5, W), theirs(-1.5, W))
    same(ours(0.0, W), theirs(0.0, W))
    same(ours(2.0, W), theirs(2.0, W))


@pytest.mark.parametrize("x", [-1.5, 2.0])
def test_a_branch_is_differentiated_without_jit(x: float) -> None:
    ours, theirs = (jax.hessian(fn, (0, 1)) for fn in (staged, plain))
    same(ours(jnp.float32(x), W), jax.jit(theirs)(x, W))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_batch_of_branches_is_what_each_gives(name: str) -> None:
    xs = jnp.array([-1.5, 0.0, 2.0, 1e-30, -3.0])
    ours, theirs = (jax.vmap(TRANSFORMS[name](fn), (0, None)) for fn in (staged, plain))
    compare(ours, theirs, xs, W)


@pytest.mark.parametrize("name", ["value", "grad", "jacrev of jacfwd"])
def test_a_batch_of_batches_is_what_each_gives(name: str) -> None:
    xs, ws = jnp.array([[-1.5, 0.0, 2.0], [1.0, 2.0, 3.0]]), jnp.array([[0.5], [1.5]])

    def twice(fn: Callable[..., Any]) -> Any:
        inner = jax.vmap(TRANSFORMS[name](fn), (0, None))
        return jax.vmap(lambda xs, w: inner(xs, w[0]))

    compare(twice(staged), twice(plain), xs, ws)


@pytest.mark.parametrize("name", ["grad", "jacfwd", "jacrev of jacrev", "jacfwd of jacrev"])
def test_the_derivative_of_a_batch_is_that_of_each(name: str) -> None:
    xs = jnp.array([-1.5, 0.0, 2.0, -3.0])

    def total(fn: Callable[..., Any]) -> Callable[..., Any]:
        return lambda xs, w: jax.vmap(fn, (0, None))(xs, w).sum()

    compare(TRANSFORMS[name](total(staged)), TRANSFORMS[name](total(plain)), xs, W)


GUARDS: dict[str, Callable[[Any], Any]] = {
    "sqrt": lambda x: branch(x > 0, trace(lambda: [jnp.sqrt(x)], []), trace(lambda: [x * 0.0], []))[
        0
    ],
    "log": lambda x: branch(
        x > 0, trace(lambda: [jnp.log(x) * x], []), trace(lambda: [x * 0.0], [])
    )[0],
    "division": lambda x: branch(
        x != 0, trace(lambda: [jnp.sin(x) / x], []), trace(lambda: [x * 0.0 + 1], [])
    )[0],
    "infinite factor": lambda x: branch(
        jnp.isfinite(1 / x), trace(lambda: [(1 / x) * (1 / x) * x], []), trace(lambda: [x], [])
    )[0],
}


@pytest.mark.parametrize("name", GUARDS)
def test_no_derivative_of_a_batch_is_poisoned_by_the_side_not_taken(name: str) -> None:
    fn, xs = GUARDS[name], jnp.array([0.0, 2.0, 0.5])
    first, second = jax.grad(fn), jax.grad(jax.grad(fn))
    each = [jnp.stack([jax.jit(one)(x) for x in xs]) for one in (first, second)]
    assert np.isfinite(each).all()
    same(jax.jit(jax.vmap(first))(xs), each[0])
    same(jax.jit(jax.grad(lambda xs: jax.vmap(fn)(xs).sum()))(xs), each[0])
    same(jax.jit(jax.vmap(second))(xs), each[1])
    same(jnp.diag(jax.jit(jax.hessian(lambda xs: jax.vmap(fn)(xs).sum()))(xs)), each[1])


@pytest.mark.parametrize("name", GUARDS)
def test_a_side_that_no_example_takes_poisons_nothing(name: str) -> None:
    fn, xs = GUARDS[name], jnp.array([0.0, 0.0])
    assert np.isfinite(jax.grad(lambda xs: jax.vmap(fn)(xs).sum())(xs)).all()
    assert np.isfinite(jax.jit(jax.vmap(jax.grad(fn)))(xs)).all()


def test_an_infinite_operand_of_the_side_not_taken_poisons_nothing() -> None:
    def fn(x: Any, w: Any) -> Any:
        sides = trace(lambda: [x * w], []), trace(lambda: [w * 2], [])
        return branch(jnp.isfinite(x), *sides)[0]

    xs = jnp.array([jnp.inf, 2.0])
    total = jax.grad(lambda w: jax.vmap(fn, (0, None))(xs, w).sum())
    assert float(total(jnp.float32(3.0))) == 4.0


def test_a_batch_whose_test_is_shared_stays_a_branch() -> None:
    def fn(flag: Any, x: Any, y: Any) -> Any:
        sides = trace(lambda: [jnp.exp(x), y], []), trace(lambda: [x, y * 2], [])
        return branch(flag, *sides)

    batched = jax.vmap(fn, (None, 0, None), [0, None])
    jaxpr = jax.make_jaxpr(batched)(jnp.bool_(True), jnp.ones(3), jnp.float32(2))
    assert [str(equation.primitive) for equation in jaxpr.eqns] == ["autograph_branch"]
    exp, y = batched(jnp.bool_(False), jnp.arange(3.0), jnp.float32(2))
    assert (exp.tolist(), float(y)) == ([0.0, 1.0, 2.0], 4.0)


def test_a_loop_in_the_side_not_taken_ends() -> None:
    """Collatz of 0 would never end."""

    def steps(n: Any) -> Any:
        def trip(n: Any, count: Any) -> list[Any]:
            sides = trace(lambda: [n // 2], []), trace(lambda: [3 * n + 1], [])
            (n,) = branch(n % 2 == 0, *sides)
            return [n, count + 1, n != 1]

        def count() -> list[Any]:
            return [loop(trace(trip, [Int, Int]), [n, jnp.int32(0)], n != 1)[0][1]]

        return branch(n > 0, trace(count, []), trace(lambda: [n], []))[0]

    assert jax.jit(jax.vmap(steps))(jnp.array([6, 0, 7, -4, 1])).tolist() == [8, 0, 16, -4, 0]
    assert jax.jit(jax.vmap(steps))(jnp.array([0, -1])).tolist() == [0, -1]


def test_a_side_may_work_across_the_examples_of_a_named_axis() -> None:
    def fn(test: Any, x: Any) -> Any:
        sides = trace(lambda: [jax.lax.psum(x, "all")], []), trace(lambda: [x], [])
        return branch(test, *sides)[0]

    xs = jnp.array([1.0, 2.0, 3.0])
    assert jax.vmap(fn, axis_name="all")(xs > 1.5, xs).tolist() == [1.0, 6.0, 6.0]
    shared = jax.vmap(fn, (None, 0), axis_name="all")
    assert shared(jnp.bool_(True), xs).tolist() == [6.0, 6.0, 6.0]
    alone = jax.vmap(fn, (None, None), axis_name="all", axis_size=4)
    assert alone(jnp.bool_(True), jnp.float32(2)).tolist() == [8.0] * 4


def test_an_effect_that_asks_the_test_runs_for_the_examples_that_take_its_side() -> None:
    seen: list[float] = []

    def note(wanted: Any, x: Any) -> None:
        if wanted:
            seen.append(float(x))

    def fn(x: Any) -> Any:
        test = x > 0

        def shout() -> list[Any]:
            jax.debug.callback(note, test, x)
            return [x]

        return branch(test, trace(shout, []), trace(lambda: [-x], []))[0]

    out = jax.jit(jax.vmap(fn))(jnp.array([1.0, -2.0, 3.0, -4.0]))
    jax.effects_barrier()
    assert (out.tolist(), sorted(seen)) == ([1.0, 2.0, 3.0, 4.0], [1.0, 3.0])


def test_an_effect_runs_once_when_the_branch_is_differentiated() -> None:
    seen: list[float] = []

    def fn(x: Any) -> Any:
        def shout() -> list[Any]:
            jax.debug.callback(lambda value: seen.append(float(value)), x)
            return [x * x]

        return branch(x > 0, trace(shout, []), trace(lambda: [-x], []))[0]

    assert float(jax.jit(jax.grad(fn))(2.0)) == 4.0
    jax.effects_barrier()
    assert seen == [2.0]


def test_keys_and_integers_go_through_a_differentiated_branch() -> None:
    def fn(x: Any, key: Any, n: Any) -> Any:
        def draw() -> list[Any]:
            one, two = jax.random.split(key)
            return [x * jax.random.normal(one), two, n + 1]

        y, key, n = branch(x > 0, trace(draw, []), trace(lambda: [x, key, n], []))
        return y * jax.random.normal(key) * n

    def by_hand(x: Any, key: Any, n: Any) -> Any:
        one, two = jax.random.split(key)
        return x * jax.random.normal(one) * jax.random.normal(two) * (n + 1)

    keys, xs = jax.random.split(jax.random.key(0), 4), jnp.array([1.0, 2.0, -1.0, 3.0])
    ours = jax.jit(jax.vmap(jax.grad(fn), (0, 0, None)))(xs, keys, 3)
    each = jax.jit(jax.vmap(jax.grad(by_hand), (0, 0, None)))(xs, keys, 3)
    taken = jnp.array([0, 1, 3])
    same(ours[taken], each[taken])


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.complex64])
def test_other_inexact_dtypes_have_derivatives(dtype: Any) -> None:
    def fn(x: Any) -> Any:
        sides = trace(lambda: [x * x * 3], []), trace(lambda: [x], [])
        return branch(jnp.real(x) > 0, *sides)[0]

    holomorphic = dtype == jnp.complex64
    got = jax.grad(fn, holomorphic=holomorphic)(jnp.asarray(2, dtype))
    assert (got.dtype, complex(got)) == (dtype, 12)
    xs = jnp.asarray([2, -1], dtype)
    assert jax.vmap(jax.grad(fn, holomorphic=holomorphic))(xs).tolist() == [12, 1]


def test_outputs_that_nobody_reads_are_not_computed() -> None:
    def fn(x: Any) -> Any:
        both = trace(lambda: [jnp.sin(x), jnp.cos(x)], []), trace(lambda: [x, x + 1], [])
        return branch(x > 0, *both)[1]

    jaxpr = jax.make_jaxpr(fn)(1.0)
    kept, _ = jax.interpreters.partial_eval.dce_jaxpr(jaxpr.jaxpr, [True])
    assert "sin" not in str(kept)
    assert "cos" in str(kept)


def test_arrays_of_a_branch_may_have_no_elements() -> None:
    def fn(x: Any) -> Any:
        sides = trace(lambda: [jnp.sqrt(x)], []), trace(lambda: [x * 2], [])
        return branch(x.sum() >= 0, *sides)[0].sum()

    assert jax.grad(fn)(jnp.zeros((0, 3))).shape == (0, 3)
    assert jax.vmap(jax.grad(fn))(jnp.zeros((2, 0, 3))).shape == (2, 0, 3)


def test_a_gradient_of_a_branch_is_exported_as_plain_stablehlo() -> None:
    exported = jax.export.export(jax.jit(jax.grad(staged)))(jnp.float32(2), jnp.float32(1))
    assert "stablehlo.case" in exported.mlir_module()
    args = jnp.float32(2), jnp.float32(1.5)
    same(exported.call(*args), jax.grad(plain)(*args))


def test_a_branch_in_a_scan_is_differentiated() -> None:
    def run(step: Callable[..., Any]) -> Callable[..., Any]:
        def fn(x: Any, w: Any) -> Any:
            return jax.lax.scan(lambda c, _: (step(c, w) * 0.9 - 0.3, None), x, None, 6)[0]

        return fn

    for x in (-1.0, 1.5):
        args = jnp.float32(x), jnp.float32(1.1)
        ours, theirs = (jax.hessian(run(step), (0, 1)) for step in (staged, plain))
        same(jax.jit(ours)(*args), theirs(*args))
