"""Derivatives and batches of a staged loop, against the same trips written out."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.autograph._primitives import bounded_loop, branch, loop, scan, trace

Float = jax.ShapeDtypeStruct((), jnp.float32)
Int = jax.ShapeDtypeStruct((), jnp.int32)
LONGEST = 6


def staged(x: Any, w: Any, n: Any) -> Any:
    def trip(i: Any, y: Any, z: Any) -> list[Any]:
        return [i + 1, jnp.sin(y) * w + x, z + y * y, i + 1 < n]

    (_, y, z), _ = loop(trace(trip, [Int, Float, Float]), [jnp.int32(0), x, x * w], n > 0)
    return y * z


def bounded(x: Any, w: Any, n: Any) -> Any:
    def trip(i: Any, y: Any, z: Any) -> list[Any]:
        return [i + 1, jnp.sin(y) * w + x, z + y * y, i + 1 < n]

    body = trace(trip, [Int, Float, Float])
    (_, y, z), _ = bounded_loop(body, [jnp.int32(0), x, x * w], n > 0, LONGEST)
    return y * z


def written_out(x: Any, w: Any, n: Any) -> Any:
    y, z = x, x * w
    for i in range(LONGEST):
        y, z = (
            jnp.where(i < n, new, old) for new, old in ((jnp.sin(y) * w + x, y), (z + y * y, z))
        )
    return y * z


Transform = Callable[[Callable[..., Any]], Callable[..., Any]]
BOTH = (0, 1)
TRANSFORMS: dict[str, Transform] = {
    "value": lambda fn: fn,
    "grad": lambda fn: jax.grad(fn, BOTH),
    "jacfwd": lambda fn: jax.jacfwd(fn, BOTH),
    "jacfwd of jacfwd": lambda fn: jax.jacfwd(jax.jacfwd(fn, BOTH), BOTH),
    "jacfwd of jacrev": lambda fn: jax.jacfwd(jax.jacrev(fn, BOTH), BOTH),
    "jacrev of jacfwd": lambda fn: jax.jacrev(jax.jacfwd(fn, BOTH), BOTH),
    "jacrev of jacrev": lambda fn: jax.jacrev(jax.jacrev(fn, BOTH), BOTH),
    "grad of checkpoint": lambda fn: jax.grad(jax.checkpoint(fn), BOTH),
    "grad of grad of jit": lambda fn: jax.grad(jax.grad(jax.jit(fn))),
}
THIRD: dict[str, Transform] = {
    "rrr": lambda fn: jax.grad(jax.grad(jax.grad(fn))),
    "frr": lambda fn: jax.jacfwd(jax.grad(jax.grad(fn))),
    "rfr": lambda fn: jax.grad(jax.jacfwd(jax.grad(fn))),
    "rrf": lambda fn: jax.grad(jax.grad(jax.jacfwd(fn))),
    "ffr": lambda fn: jax.jacfwd(jax.jacfwd(jax.grad(fn))),
}


def same(ours: Any, theirs: Any) -> None:
    def check(a: Any, b: Any) -> None:
        # float32, values up to a thousand, six trips: a few units in the last place of each
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)

    jax.tree.map(check, ours, theirs)


def compare(ours: Callable[..., Any], theirs: Callable[..., Any], *arguments: Any) -> None:
    same(jax.jit(ours)(*arguments), jax.jit(theirs)(*arguments))


X, W = jnp.float32(0.7), jnp.float32(1.3)
XS, WS = jnp.array([0.1, 0.7, -0.4, 1.1]), jnp.array([[0.5], [1.5]])
COUNTS = jnp.array([0, 1, 3, 6])


@pytest.mark.parametrize("name", [*TRANSFORMS, *THIRD])
def test_a_loop_is_differentiated_as_its_trips(name: str) -> None:
    ours, theirs = (jax.jit((TRANSFORMS | THIRD)[name](fn)) for fn in (staged, written_out))
    same(ours(X, W, 5), theirs(X, W, 5))
    same(ours(X, W, 1), theirs(X, W, 1))
    same(ours(X, W, 0), theirs(X, W, 0))


def test_a_loop_is_differentiated_without_jit() -> None:
    fn = TRANSFORMS["jacfwd of jacrev"]
    same(fn(staged)(X, W, jnp.int32(4)), jax.jit(fn(written_out))(X, W, 4))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_batch_of_loops_of_different_lengths_is_what_each_gives(name: str) -> None:
    ours, theirs = (jax.vmap(TRANSFORMS[name](fn), (0, None, 0)) for fn in (staged, written_out))
    compare(ours, theirs, XS, W, COUNTS)


@pytest.mark.parametrize("name", ["grad", "jacrev of jacfwd", "jacfwd of jacrev"])
def test_a_batch_of_loops_of_one_length_is_what_each_gives(name: str) -> None:
    ours, theirs = (jax.vmap(TRANSFORMS[name](fn), (0, None, None)) for fn in (staged, written_out))
    compare(ours, theirs, XS, W, 5)


@pytest.mark.parametrize("name", ["value", "grad", "jacrev of jacrev"])
def test_a_batch_of_batches_is_what_each_gives(name: str) -> None:
    def twice(fn: Callable[..., Any]) -> Any:
        inner = jax.vmap(TRANSFORMS[name](fn), (0, None, 0))
        return jax.vmap(lambda xs, w, ns: inner(xs, w[0], ns), (None, 0, 0))

    counts = jnp.array([[0, 1, 3, 6], [4, 0, 0, 2]])
    compare(twice(staged), twice(written_out), XS, WS, counts)


@pytest.mark.parametrize("name", ["grad", "jacfwd", "jacrev of jacrev", "jacfwd of jacrev"])
@pytest.mark.parametrize("counts", [COUNTS, 5], ids=["lengths differ", "one length"])
def test_the_derivative_of_a_batch_is_that_of_each(name: str, counts: Any) -> None:
    axes = (0, None, None if isinstance(counts, int) else 0)

    def total(fn: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x, w, n: jax.vmap(fn, axes)(x, w, n).sum()

    transform = TRANSFORMS[name]
    compare(transform(total(staged)), transform(total(written_out)), XS, W, counts)


def test_a_batch_of_derivatives_of_a_batch_is_what_each_gives() -> None:
    def both(fn: Callable[..., Any]) -> Callable[..., Any]:
        def total(xs: Any, w: Any, ns: Any) -> Any:
            return jax.vmap(fn, (0, None, 0))(xs, w[0], ns).sum()

        return jax.vmap(jax.grad(total, BOTH), (None, 0, None))

    compare(both(staged), both(written_out), XS, WS, COUNTS)


@pytest.mark.parametrize("name", ["value", "grad", "jacfwd of jacrev", "jacrev of jacrev"])
def test_a_bounded_loop_has_the_same_derivatives(name: str) -> None:
    ours, theirs = (TRANSFORMS[name](fn) for fn in (bounded, written_out))
    compare(ours, theirs, X, W, 4)
    batched = [jax.vmap(fn, (0, None, 0)) for fn in (ours, theirs)]
    compare(*batched, XS, W, COUNTS)


def test_a_shared_constant_of_a_batch_has_its_gradient_in_one_product() -> None:
    """One matrix of cotangents, not one for each example."""

    def fn(m: Any, v: Any) -> Any:
        def trip(i: Any, v: Any) -> list[Any]:
            return [i + 1, jnp.tanh(m @ v), i < 3]

        body = trace(trip, [Int, jax.typeof(v)])
        return loop(body, [jnp.int32(0), v], jnp.bool_(True))[0][1].sum()

    def by_hand(m: Any, v: Any) -> Any:
        for _ in range(4):
            v = jnp.tanh(m @ v)
        return v.sum()

    def total(one: Callable[..., Any]) -> Callable[..., Any]:
        return jax.grad(lambda m, vs: jax.vmap(one, (None, 0))(m, vs).sum())

    m, vs = jnp.eye(8) * 0.5 + 0.1, jnp.linspace(-1, 1, 64 * 8).reshape(64, 8)
    compare(total(fn), total(by_hand), m, vs)
    assert "64,8,8" not in jax.jit(total(fn)).lower(m, vs).compile().as_text()


def test_what_the_derivative_does_not_need_is_not_run_again() -> None:
    def fn(x: Any) -> Any:
        def trip(i: Any, y: Any, noise: Any) -> list[Any]:
            return [i + 1, y * 2, jnp.cos(noise), i < 3]

        body = trace(trip, [Int, Float, Float])
        return loop(body, [jnp.int32(0), x, x], jnp.bool_(True))[0][1]

    jaxpr = jax.make_jaxpr(jax.grad(fn))(jnp.float32(2)).jaxpr
    (reverse,) = [e for e in jaxpr.eqns if str(e.primitive) == "autograph_loop_reverse"]
    assert "cos" not in str(reverse.params["repeat"].step)
    assert float(jax.jit(jax.grad(fn))(jnp.float32(2))) == 16.0


def test_nested_loops_and_branches_have_derivatives() -> None:
    def fn(x: Any, w: Any, n: Any) -> Any:
        def inner(j: Any, y: Any) -> list[Any]:
            sides = trace(lambda: [jnp.sqrt(y) * w], []), trace(lambda: [y * y + x], [])
            return [j + 1, *branch(y > 0.8, *sides), j < 1]

        def outer(i: Any, y: Any) -> list[Any]:
            (_, y), _ = loop(trace(inner, [Int, Float]), [jnp.int32(0), y], i % 2 == 0)
            return [i + 1, y, i + 1 < n]

        return loop(trace(outer, [Int, Float]), [jnp.int32(0), x], n > 0)[0][1]

    def by_hand(x: Any, w: Any, n: Any) -> Any:
        y = x
        for i in range(LONGEST):
            new = y
            for _ in range(2 if i % 2 == 0 else 0):
                high = new > 0.8
                root = jnp.sqrt(jnp.where(high, new, 1.0)) * w
                new = jnp.where(high, root, new * new + x)
            y = jnp.where(i < n, new, y)
        return y

    hessian = TRANSFORMS["jacfwd of jacrev"]
    compare(hessian(fn), hessian(by_hand), X, W, 5)
    ours, theirs = (jax.vmap(jax.grad(one, BOTH), (0, None, 0)) for one in (fn, by_hand))
    compare(ours, theirs, jnp.abs(XS), W, COUNTS)


def test_a_derivative_per_trip_of_a_loop_is_no_different() -> None:
    """A loop whose trips take gradients of a loop: Newton's method."""

    def newton(fn: Callable[..., Any], x: Any) -> Any:
        def trip(i: Any, x: Any) -> list[Any]:
            slope, bend = jax.grad(fn)(x, W, 3), jax.grad(jax.grad(fn))(x, W, 3)
            return [i + 1, x - 0.1 * slope / (1 + bend * bend), i < 2]

        return loop(trace(trip, [Int, Float]), [jnp.int32(0), x], jnp.bool_(True))[0][1]

    def by_hand(x: Any) -> Any:
        for _ in range(3):
            slope, bend = (
                jax.grad(written_out)(x, W, 3),
                jax.grad(jax.grad(written_out))(x, W, 3),
            )
            x = x - 0.1 * slope / (1 + bend * bend)
        return x

    compare(jax.grad(lambda x: newton(staged, x)), jax.grad(by_hand), X)


def collatz(n: Any, x: Any) -> Any:
    """Halve an even number, so that 0 would be halved for ever."""

    def halve(n: Any, x: Any) -> list[Any]:
        return [n // 2, jnp.sqrt(x), (n // 2) % 2 == 0]

    def trip(n: Any, x: Any) -> list[Any]:
        (n, x), _ = loop(trace(halve, [Int, Float]), [n, x], n % 2 == 0)
        return [n - 1, x * 1.5, n - 1 > 0]

    return loop(trace(trip, [Int, Float]), [n, x], n > 0)[0][1]


def collatz_in_python(n: int, x: Any) -> Any:
    while n > 0:
        while n % 2 == 0:
            n, x = n // 2, jnp.sqrt(x)
        n, x = n - 1, x * 1.5
    return x


def test_a_trip_for_examples_that_are_done_ends() -> None:
    ns = [12, 0, 1, 7]
    each = [jax.value_and_grad(collatz_in_python, 1)(n, X) for n in ns]
    values, slopes = (jnp.stack(one) for one in zip(*each, strict=True))
    batched = jax.vmap(jax.value_and_grad(collatz, 1), (0, None))
    same(jax.jit(batched)(jnp.array(ns), X), (values, slopes))
    total = jax.grad(lambda x: jax.vmap(collatz, (0, None))(jnp.array(ns), x).sum())
    same(jax.jit(total)(X), slopes.sum())


def test_a_trip_for_examples_that_are_done_poisons_no_derivative() -> None:
    """An example that is done stands at 0, where the root has no derivative."""

    def fn(x: Any) -> Any:
        def trip(y: Any, total: Any) -> list[Any]:
            return [y - 1.0, total + jnp.sqrt(y), y - 1.0 > 0]

        return loop(trace(trip, [Float, Float]), [x, x * 0], x > 0)[0][1]

    xs = jnp.array([2.0, 0.0, 1.0, 3.0])
    each = jnp.array([sum(0.5 / np.sqrt(x - k) for k in range(int(x))) for x in xs])
    same(jax.jit(jax.vmap(jax.grad(fn)))(xs), each)
    same(jax.jit(jax.grad(lambda xs: jax.vmap(fn)(xs).sum()))(xs), each)
    bends = jax.jit(jax.vmap(jax.grad(jax.grad(fn))))(xs)
    same(bends, jnp.array([sum(-0.25 * (x - k) ** -1.5 for k in range(int(x))) for x in xs]))


def test_a_loop_without_trips_hands_cotangents_through() -> None:
    def fn(x: Any, w: Any) -> Any:
        body = trace(lambda y: [y * w, y > 0], [Float])
        return loop(body, [x], jnp.bool_(False))[0][0]

    assert [float(one) for one in jax.grad(fn, BOTH)(X, W)] == [1.0, 0.0]


def test_trips_of_a_batch_are_counted_for_each() -> None:
    def trips(n: Any) -> Any:
        return loop(trace(lambda i: [i + 1, i + 1 < n], [Int]), [jnp.int32(0)], n > 0)[1]

    assert jax.jit(jax.vmap(trips))(COUNTS).tolist() == COUNTS.tolist()


def test_a_loop_whose_test_is_shared_by_a_batch_selects_nothing() -> None:
    def fn(x: Any, n: Any) -> Any:
        body = trace(lambda i, y: [i + 1, jnp.sin(y), i + 1 < n], [Int, Float])
        return loop(body, [jnp.int32(0), x], n > 0)

    text = jax.jit(jax.vmap(fn, (0, None))).lower(XS, 3).as_text()
    assert "stablehlo.select" not in text
    (i, y), trips = jax.vmap(fn, (0, None), ([None, 0], None))(XS, 3)
    assert (int(i), int(trips)) == (3, 3)
    same(y, jnp.sin(jnp.sin(jnp.sin(XS))))


def test_a_trip_may_work_across_the_examples_of_a_named_axis() -> None:
    def fn(x: Any, n: Any) -> Any:
        def trip(i: Any, y: Any) -> list[Any]:
            return [i + 1, jnp.sqrt(y) - 0.5 * jax.lax.pmean(y, "all"), i + 1 < n]

        return loop(trace(trip, [Int, Float]), [jnp.int32(0), x], n > 0)[0][1]

    def by_hand(xs: Any, n: Any) -> Any:
        for i in range(LONGEST):
            xs = jnp.where(i < n, jnp.sqrt(xs) - 0.5 * xs.mean(), xs)
        return xs

    def total(xs: Any, n: Any) -> Any:
        return (jax.vmap(fn, (0, None), axis_name="all")(xs, n) ** 2).sum()

    compare(jax.grad(total), jax.grad(lambda xs, n: (by_hand(xs, n) ** 2).sum()), XS + 1, 2)


def test_an_effect_that_asks_runs_for_the_examples_whose_trip_it_is() -> None:
    seen: list[tuple[int, float]] = []

    def note(wanted: Any, i: Any, x: Any) -> None:
        if wanted:
            seen.append((int(i), float(x)))

    def fn(x: Any, n: Any) -> Any:
        def trip(i: Any, wanted: Any) -> list[Any]:
            jax.debug.callback(note, wanted, i, x)
            return [i + 1, i + 1 < n]

        body = trace(trip, [Int, jax.ShapeDtypeStruct((), jnp.bool_)])
        return loop(body, [jnp.int32(0)], n > 0)[1]

    trips = jax.jit(jax.vmap(fn))(jnp.array([1.0, 2.0, 3.0]), jnp.array([2, 0, 1]))
    jax.effects_barrier()
    assert (trips.tolist(), sorted(seen)) == ([2, 0, 1], [(0, 1.0), (0, 3.0), (1, 1.0)])


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("transform", ["grad", "jacfwd of jacrev"])
def test_an_effect_runs_once_per_trip_when_a_loop_is_differentiated(
    ordered: bool, transform: str
) -> None:
    seen: list[int] = []

    def fn(x: Any, w: Any) -> Any:
        def trip(i: Any, y: Any) -> list[Any]:
            def shout() -> list[Any]:
                jax.debug.callback(lambda one: seen.append(int(one)), i, ordered=ordered)
                return [y * w]

            (y,) = branch(i >= 0, trace(shout, []), trace(lambda: [y], []))
            return [i + 1, y, i < 2]

        return loop(trace(trip, [Int, Float]), [jnp.int32(0), x], jnp.bool_(True))[0][1]

    got = jax.jit(TRANSFORMS[transform](fn))(X, W)
    jax.effects_barrier()
    same(got, TRANSFORMS[transform](lambda x, w: x * w**3)(X, W))
    assert seen == [0, 1, 2]


def test_an_effect_with_a_result_has_no_derivative_and_says_so() -> None:
    def fn(x: Any) -> Any:
        def trip(y: Any) -> list[Any]:
            told = jax.experimental.io_callback(lambda y: y, Float, y)
            return [y * told, y > 3]

        return loop(trace(trip, [Float]), [x], jnp.bool_(True))[0][0]

    with pytest.raises(NotImplementedError, match="a loop with `io_callback` has no derivative"):
        jax.grad(fn)(X)


def test_keys_are_carried_through_a_differentiated_loop() -> None:
    def fn(x: Any, key: Any, n: Any) -> Any:
        def trip(i: Any, y: Any, key: Any) -> list[Any]:
            one, two = jax.random.split(key)
            return [i + 1, y * jax.random.normal(one), two, i + 1 < n]

        body = trace(trip, [Int, Float, jax.typeof(key)])
        return loop(body, [jnp.int32(0), x, key], n > 0)[0][1]

    def by_hand(x: Any, key: Any, n: Any) -> Any:
        for i in range(LONGEST):
            one, two = jax.random.split(key)
            x = jnp.where(i < n, x * jax.random.normal(one), x)
            key = two
        return x

    key = jax.random.key(3)
    compare(jax.grad(fn), jax.grad(by_hand), X, key, 4)
    ours, theirs = (jax.vmap(jax.grad(one)) for one in (fn, by_hand))
    compare(ours, theirs, XS, jax.random.split(key, 4), COUNTS)
    ours, theirs = (jax.vmap(jax.grad(one), (0, None, 0)) for one in (fn, by_hand))
    compare(ours, theirs, XS, key, COUNTS)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.complex64])
def test_other_inexact_dtypes_have_derivatives(dtype: Any) -> None:
    def fn(x: Any) -> Any:
        body = trace(lambda i, y: [i + 1, y * x, i < 2], [Int, jax.typeof(x)])
        return loop(body, [jnp.int32(0), x], jnp.bool_(True))[0][1]

    holomorphic = dtype == jnp.complex64
    got = jax.jit(jax.grad(fn, holomorphic=holomorphic))(jnp.asarray(2, dtype))
    assert (got.dtype, complex(got)) == (dtype, 32)
    xs = jnp.asarray([2, 1], dtype)
    assert jax.vmap(jax.grad(fn, holomorphic=holomorphic))(xs).tolist() == [32, 4]


def test_a_state_may_have_no_elements() -> None:
    def fn(x: Any) -> Any:
        body = trace(lambda i, y: [i + 1, y * 2, i < 2], [Int, jax.typeof(x)])
        return loop(body, [jnp.int32(0), x], jnp.bool_(True))[0][1].sum()

    assert jax.grad(fn)(jnp.zeros((0, 3))).shape == (0, 3)
    assert jax.vmap(jax.grad(fn))(jnp.zeros((2, 0, 3))).shape == (2, 0, 3)


def test_a_batch_may_have_no_examples() -> None:
    xs, ns = jnp.zeros(0), jnp.zeros(0, jnp.int32)
    hessian = TRANSFORMS["jacfwd of jacrev"]
    out = jax.jit(jax.vmap(hessian(staged), (0, None, 0)))(xs, W, ns)
    assert [one.shape for one in jax.tree.leaves(out)] == [(0,)] * 4


def test_a_loop_in_a_scan_and_a_scan_in_a_loop_have_derivatives() -> None:
    def outer(fn: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x, w: jax.lax.scan(lambda c, n: (fn(c, w, n), None), x, COUNTS)[0]

    def inner(x: Any, w: Any) -> Any:
        def trip(i: Any, y: Any) -> list[Any]:
            step = trace(lambda y, row: [jnp.sin(y * w + row)], [Float, Float])
            return [i + 1, *scan(step, [y], [XS], 4), i < 1]

        return loop(trace(trip, [Int, Float]), [jnp.int32(0), x], jnp.bool_(True))[0][1]

    def inner_by_hand(x: Any, w: Any) -> Any:
        for row in [*XS, *XS]:
            x = jnp.sin(x * w + row)
        return x

    hessian = TRANSFORMS["jacfwd of jacrev"]
    compare(hessian(outer(staged)), hessian(outer(written_out)), X * 0.3, W)
    compare(hessian(inner), hessian(inner_by_hand), X, W)


def test_a_function_with_its_own_reverse_is_used_in_a_loop() -> None:
    @jax.custom_vjp
    def doubled(x: Any) -> Any:
        return x * 2

    doubled.defvjp(lambda x: (x * 2, None), lambda _, c: (c * 3,))

    def fn(x: Any) -> Any:
        body = trace(lambda i, y: [i + 1, doubled(y), i < 1], [Int, Float])
        return loop(body, [jnp.int32(0), x], jnp.bool_(True))[0][1]

    assert float(jax.jit(jax.grad(fn))(X)) == 9.0


def test_gradients_of_loops_are_exported_as_plain_stablehlo() -> None:
    exported = jax.export.export(jax.jit(jax.grad(staged)))(X, W, jnp.int32(0))
    assert "custom_call" not in exported.mlir_module()
    same(exported.call(X, W, jnp.int32(4)), jax.grad(written_out)(X, W, 4))


def test_a_batch_of_a_size_that_is_known_only_later_is_exported() -> None:
    (size,) = jax.export.symbolic_shape("size")
    types = [jax.ShapeDtypeStruct((size,), dtype) for dtype in (jnp.float32, jnp.int32)]

    def fn(xs: Any, ns: Any) -> Any:
        return jax.vmap(jax.grad(staged), (0, None, 0))(xs, W, ns)

    exported = jax.export.export(jax.jit(fn))(*types)
    theirs = jax.vmap(jax.grad(written_out), (0, None, 0))(XS, W, COUNTS)
    same(exported.call(XS, COUNTS), theirs)


def test_derivatives_have_types_without_being_run() -> None:
    out = jax.eval_shape(TRANSFORMS["jacfwd of jacrev"](staged), Float, Float, Int)
    assert [one.shape for one in jax.tree.leaves(out)] == [()] * 4
