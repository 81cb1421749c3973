"""What staged branches and loops give, before anything is differentiated or batched."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kolam.autograph._primitives import Program, bounded_loop, branch, face, loop, scan, trace, weak

Float = jax.ShapeDtypeStruct((), jnp.float32)
Int = jax.ShapeDtypeStruct((), jnp.int32)
WeakFloat = jax.ShapeDtypeStruct((), jnp.float32, weak_type=True)


def counted(x: Any, n: Any) -> tuple[list[Any], Any]:
    """``for i in range(n): y = sin(y) + x``, as a loop that asks after each trip."""
    body = trace(lambda i, y: [i + 1, jnp.sin(y) + x, i + 1 < n], [Int, Float])
    return loop(body, [jnp.int32(0), x], n > 0)


def counted_in_python(x: float, n: int) -> float:
    y = np.float32(x)
    for _ in range(n):
        y = np.sin(y) + np.float32(x)
    return float(y)


def names(jaxpr: Any) -> list[str]:
    return [str(equation.primitive) for equation in jaxpr.eqns]


def test_a_program_knows_its_types_and_what_it_captured() -> None:
    def fn(x: Any) -> Any:
        program = trace(lambda y: [y * x, y + 1.0], [WeakFloat])
        assert program.captured == (x,)
        assert [one.weak_type for one in program.inputs] == [True]
        assert [one.weak_type for one in program.outputs] == [False, True]
        return program(2.0)

    assert [float(one) for one in jax.jit(fn)(jnp.float32(3.0))] == [6.0, 3.0]


def test_a_program_cannot_be_changed() -> None:
    program = trace(lambda x: [x], [Float])
    with pytest.raises(AttributeError, match="a Program is not changed: `captured` stays"):
        program.captured = ()


def test_what_follows_a_program_is_traced_and_the_program_is_not() -> None:
    traces: list[str] = []

    def body(x: Any) -> list[Any]:
        traces.append("body")
        return [x * 2.0, x + 1.0]

    program = trace(body, [Float])
    longer = program.then(lambda a, b: [a + b])
    assert [float(one) for one in longer(3.0)] == [10.0]
    assert traces == ["body"]


def test_picking_outputs_adds_no_equation() -> None:
    program = trace(lambda x: [x * 2.0, x + 1.0], [Float])
    longer = program.then(lambda a, b: [b, a, b, 5])
    assert names(longer.jaxpr) == names(program.jaxpr)
    assert [float(one) for one in longer(3.0)] == [4.0, 6.0, 4.0, 5.0]


def test_what_follows_may_use_outer_arrays_that_the_program_uses_too() -> None:
    def fn(x: Any) -> Any:
        program = trace(lambda y: [y * x], [Float]).then(lambda z: [z + x])
        assert len(program.captured) == 1
        return program(2.0)[0]

    assert float(jax.jit(fn)(jnp.float32(3.0))) == 9.0


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("x", [-2.0, 2.0])
def test_a_branch_runs_the_side_that_is_wanted(x: float, jit: bool) -> None:
    def fn(x: Any) -> Any:
        return branch(x > 0, trace(lambda: [x * 2, x], []), trace(lambda: [-x, x], []))

    run: Callable[..., Any] = jax.jit(fn) if jit else fn
    assert [float(one) for one in run(jnp.float32(x))] == [x * 2 if x > 0 else -x, x]


def test_what_both_sides_hand_on_is_no_output_of_the_branch() -> None:
    def fn(x: Any) -> Any:
        return branch(x > 0, trace(lambda: [x, x * 2], []), trace(lambda: [x, x * 3], []))

    (found,) = [e for e in jax.make_jaxpr(fn)(1.0).eqns if "branch" in str(e.primitive)]
    assert len(found.outvars) == 1


def test_sides_of_different_types_are_refused() -> None:
    sides = trace(lambda: [jnp.float32(1)], []), trace(lambda: [jnp.int32(1)], [])
    with pytest.raises(TypeError, match="the sides of a branch give different types"):
        branch(jnp.bool_(True), *sides)


def test_a_weak_and_a_strong_side_are_different_types() -> None:
    sides = trace(lambda: [1.0], []), trace(lambda: [jnp.float32(1)], [])
    with pytest.raises(TypeError, match="the sides of a branch give different types"):
        branch(jnp.bool_(True), *sides)


def test_the_test_of_a_branch_is_a_bool_scalar() -> None:
    side = trace(lambda: [jnp.float32(1)], [])
    with pytest.raises(TypeError, match="the test of a branch is a bool scalar, not int32"):
        branch(jnp.int32(1), side, side)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("n", [0, 1, 7])
def test_a_loop_gives_what_python_gives_and_counts_its_trips(n: int, jit: bool) -> None:
    run: Callable[..., Any] = jax.jit(counted) if jit else counted
    (i, y), trips = run(jnp.float32(0.5), jnp.int32(n))
    assert (int(i), int(trips), trips.dtype) == (n, n, jnp.int32)
    np.testing.assert_allclose(y, counted_in_python(0.5, n), rtol=1e-6)


def test_what_no_trip_changes_is_no_state_of_the_loop() -> None:
    def fn(x: Any, n: Any) -> Any:
        body = trace(lambda i, y, z: [i + 1, y, z + y, i + 1 < n], [Int, Float, Float])
        return loop(body, [jnp.int32(0), x, x], n > 0)

    jaxpr = jax.make_jaxpr(fn)(jnp.float32(1), jnp.int32(3))
    (found,) = [e for e in jaxpr.eqns if "loop" in str(e.primitive)]
    assert len(found.outvars) == 3  # i, z and the trips
    (_, y, z), _ = fn(jnp.float32(2.0), jnp.int32(3))
    assert (float(y), float(z)) == (2.0, 8.0)


def test_a_body_that_asks_whether_a_trip_is_wanted_is_told_so() -> None:
    def fn(n: Any) -> Any:
        body = trace(lambda i, wanted: [i + wanted.astype(int), i + 1 < n], [Int, jnp.bool_(True)])
        return loop(body, [jnp.int32(0)], n > 0)

    (i,), trips = jax.jit(fn)(5)
    assert (int(i), int(trips)) == (5, 5)


def test_a_loop_is_lowered_to_what_lax_gives() -> None:
    def plain(x: Any, n: Any) -> Any:
        def body(state: Any) -> Any:
            i, y, _ = state
            return i + 1, jnp.sin(y) + x, i + 1 < n

        return lax.while_loop(lambda state: state[2], body, (jnp.int32(0), x, n > 0))[:2]

    def size(fn: Callable[..., Any]) -> int:
        lines = jax.jit(fn).lower(jnp.float32(1), 3).compile().as_text().splitlines()
        return len([line for line in lines if line.strip().startswith(("%", "ROOT"))])

    assert size(lambda x, n: counted(x, n)[0]) == size(plain)


def test_a_body_that_changes_the_types_of_the_state_is_refused() -> None:
    body = trace(lambda i: [i.astype(float), i < 3], [Int])
    with pytest.raises(TypeError, match="not the state and a bool"):
        loop(body, [jnp.int32(0)], jnp.bool_(True))


def test_a_state_of_other_types_than_the_body_takes_is_refused() -> None:
    body = trace(lambda i: [i + 1, i < 3], [Int])
    with pytest.raises(TypeError, match="the body takes"):
        loop(body, [jnp.float32(0)], jnp.bool_(True))


def test_whether_there_is_a_first_trip_is_a_bool() -> None:
    body = trace(lambda i: [i + 1, i < 3], [Int])
    with pytest.raises(TypeError, match="whether there is a first trip is a bool scalar"):
        loop(body, [jnp.int32(0)], jnp.int32(1))


@pytest.mark.parametrize("n", [0, 1, 5, 6])
def test_a_bounded_loop_stops_at_its_bound_and_says_so(n: int) -> None:
    def fn(x: Any, n: Any) -> Any:
        body = trace(lambda i, y, _: [i + 1, jnp.sin(y) + x, i + 1 < n], [Int, Float, bool_])
        return bounded_loop(body, [jnp.int32(0), x], n > 0, 5)

    bool_ = jax.ShapeDtypeStruct((), jnp.bool_)
    (i, y), unfinished = jax.jit(fn)(jnp.float32(0.5), jnp.int32(n))
    assert (int(i), bool(unfinished)) == (min(n, 5), n > 5)
    np.testing.assert_allclose(y, counted_in_python(0.5, min(n, 5)), rtol=1e-6)


def test_a_scan_goes_through_rows() -> None:
    def fn(x: Any, rows: Any) -> Any:
        return scan(trace(lambda s, r: [s * x + r], [Float, Float]), [x], [rows], 4)

    rows = jnp.arange(4.0)
    expected = 2.0
    for row in range(4):
        expected = expected * 2.0 + row
    assert float(jax.jit(fn)(jnp.float32(2.0), rows)[0]) == expected
    assert float(fn(jnp.float32(2.0), rows)[0]) == expected


def test_a_scan_without_rows_repeats_its_body() -> None:
    (end,) = scan(trace(lambda s: [s + 2], [Int]), [jnp.int32(0)], [], 6)
    assert int(end) == 12


def test_a_scan_whose_body_changes_the_types_is_refused() -> None:
    with pytest.raises(TypeError, match="the state is"):
        scan(trace(lambda s: [s.astype(float)], [Int]), [jnp.int32(0)], [], 6)


def test_loops_and_branches_nest() -> None:
    def step(i: Any, y: Any) -> list[Any]:
        inner, _ = counted(y, i)
        (z,) = branch(y > 0.5, trace(lambda: [inner[1]], []), trace(lambda: [y + 1], []))
        return [i + 1, z, i < 4]

    def fn(x: Any) -> Any:
        return loop(trace(step, [Int, Float]), [jnp.int32(0), x], x < 1)

    y = np.float32(0.25)
    for i in range(5):
        y = np.float32(counted_in_python(y, i)) if y > 0.5 else y + 1
    np.testing.assert_allclose(jax.jit(fn)(jnp.float32(0.25))[0][1], y, rtol=1e-5)


def test_a_weak_number_yields_to_other_types() -> None:
    fn = jax.jit(lambda n: weak(n, jnp.float32) + jnp.ones((), jnp.bfloat16))
    assert fn(jnp.int32(3)).dtype == jnp.bfloat16


@pytest.mark.parametrize("ordered", [False, True])
def test_prints_in_branches_and_loops_run_under_jit(ordered: bool) -> None:
    seen: list[float] = []

    def note(x: Any) -> None:
        jax.debug.callback(lambda value: seen.append(float(value)), x, ordered=ordered)

    def step(i: Any) -> list[Any]:
        def shout() -> list[Any]:
            note(i)
            return [i + 1]

        (after,) = branch(i % 2 == 0, trace(shout, []), trace(lambda: [i + 1], []))
        return [after, after < 5]

    def fn(n: Any) -> Any:
        return loop(trace(step, [Int]), [n], n < 5)

    assert trace(step, [Int]).effects
    jax.block_until_ready(jax.jit(fn)(jnp.int32(0)))
    jax.effects_barrier()
    assert seen == [0.0, 2.0, 4.0]


def test_a_key_is_a_state_like_any_other() -> None:
    def fn(key: Any) -> Any:
        def step(i: Any, key: Any) -> list[Any]:
            return [i + 1, jax.random.split(key)[0], i < 2]

        body = trace(step, [Int, jax.typeof(key)])
        return loop(body, [jnp.int32(0), key], jnp.bool_(True))[0][1]

    key = jax.random.key(0)
    expected = key
    for _ in range(3):
        expected = jax.random.split(expected)[0]
    assert (jax.random.key_data(jax.jit(fn)(key)) == jax.random.key_data(expected)).all()


def test_staged_code_is_exported_as_plain_stablehlo() -> None:
    exported = jax.export.export(jax.jit(counted))(jnp.float32(0), jnp.int32(0))
    assert "stablehlo.while" in exported.mlir_module()
    (_, y), trips = exported.call(jnp.float32(0.5), jnp.int32(7))
    assert int(trips) == 7
    np.testing.assert_allclose(y, counted_in_python(0.5, 7), rtol=1e-6)


def test_the_public_ways_to_place_code_give_the_same() -> None:
    """What is taken with a JAX whose primitives have other parameters."""
    body = trace(lambda i, y, r: [i + 1, y * r], [Int, Float, Float])
    arguments = [jnp.int32(0), jnp.float32(2)], [jnp.arange(1.0, 5.0)]
    jaxpr = face.ClosedJaxpr(body.jaxpr, ()).jaxpr
    directly = face.bind_scan(jaxpr, [], *arguments, 4)
    assert [float(one) for one in directly] == [4.0, 48.0]
    assert [float(one) for one in face.scan_publicly(jaxpr, [], *arguments, 4)] == [4.0, 48.0]
    test, step = (face.trace_jaxpr(fn, [Int]) for fn in (lambda i: [i < 5], lambda i: [i + 2]))
    for place in (face.bind_while, face.while_publicly):
        assert [int(one) for one in place(test, step, [jnp.int32(0)])] == [6]
    sides = [face.trace_jaxpr(fn, [Int]).jaxpr for fn in (lambda i: [i + 1], lambda i: [i - 1])]
    for place in (face.bind_cond, face.cond_publicly):
        assert [int(one) for one in place(jnp.bool_(True), *sides, [jnp.int32(3)])] == [4]


def test_staged_code_has_types_without_being_run() -> None:
    (i, y), trips = jax.eval_shape(counted, Float, Int)
    assert [one.dtype for one in (i, y, trips)] == [jnp.int32, jnp.float32, jnp.int32]


def test_a_program_is_of_use_more_than_once() -> None:
    def fn(x: Any) -> Any:
        side: Program = trace(lambda: [x * 2], [])
        (once,) = branch(x > 0, side, side.then(lambda y: [y + x]))
        (twice,) = branch(x > 1, side, side.then(lambda y: [y - x]))
        return once + twice

    assert float(jax.jit(fn)(jnp.float32(0.5))) == 1.5
