"""Lists that grow in loops without a known bound: `kl.function` guesses room and mends it."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from kolam.core import ConversionError
from kolam.graph import function


def path(n: int) -> list[int]:
    found = [n]
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        found.append(n)
    return found


def triangle(n: int) -> list[int]:
    found, k = list[int](), 0
    while k < n:
        j = 0
        while j < k:
            found.append(j * k)
            j += 1
        k += 1
    return found


def filled(n: int) -> tuple[int, bool]:
    """Keep a stack that is never high, for many trips."""
    stack, trips = [n], 0
    while stack:
        top = stack.pop()
        trips += 1
        if top > 1:
            stack.append(top - 2)
            stack.append(1)
    return trips, bool(stack)


def extended(n: int) -> int:
    found = [0]
    while len(found) < n:
        found.extend(found[-3:])
    return len(found)


@pytest.mark.parametrize("fn", [path, triangle, filled, extended])
@pytest.mark.parametrize("sizes", [(3, 27, 27, 5), (97, 6), (1000,)], ids=str)
def test_a_list_may_grow_without_a_bound(fn: Any, sizes: tuple[int, ...]) -> None:
    if fn is triangle:
        sizes = tuple(size // 10 + 5 for size in sizes)
    compiled = function(fn)
    assert [compiled(size) for size in sizes] == [fn(size) for size in sizes]


def test_more_room_is_kept_for_later_calls() -> None:
    traces = list[int]()

    @function
    def counted(n: int) -> list[int]:
        traces.append(1)
        return path(n)

    lengths = [len(counted(n)) for n in (6, 27, 6, 97)]
    assert lengths == [len(path(n)) for n in (6, 27, 6, 97)]
    assert len(traces) == 2


def test_a_method_grows_its_lists_too() -> None:
    class Walk:
        @function
        def path(self, n: int) -> list[int]:
            return path(n)

    walk = Walk()
    assert [walk.path(27), walk.path(27)] == [path(27)] * 2


def test_a_gradient_goes_through_a_list_that_grew() -> None:
    def total(x: Any) -> Any:
        found = []
        while x < 100.0:
            x = x * 1.01
            found.append(x)
        return sum(found)

    slope = jax.grad(function(total))(1.0)
    assert slope == pytest.approx(float(total(1.0)), rel=1e-4)  # it is linear in x


def test_what_was_printed_is_not_printed_twice(capsys: pytest.CaptureFixture[str]) -> None:
    @function
    def loud(n: int) -> list[int]:
        found = []
        print("begin")  # noqa: T201 - what is tested
        while n > 0:
            found.append(n)
            n -= 1
        print("end")  # noqa: T201
        return found

    assert loud(2) == [2, 1]
    with pytest.raises(ConversionError, match=r"grown beyond 64 items(?s:.*)kl\.autograph\.bound"):
        loud(100)
    assert capsys.readouterr().out == "begin\nend\nbegin\n"
    assert loud(3) == [3, 2, 1]


def test_what_is_printed_after_the_loop_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    @function
    def told(n: int) -> int:
        print("length", len(path(n)))  # noqa: T201 - what is tested
        return n

    assert told(27) == 27
    assert capsys.readouterr().out == "length 112\n"


def test_a_transformation_has_no_second_try() -> None:
    with pytest.raises(ConversionError, match="The list `found` grows in a `while`"):
        jax.jit(function(path))(jnp.int32(5))


def test_no_list_grows_for_ever() -> None:
    @function
    def endless(n: int) -> int:
        found = [n]
        while n > 0:
            found.append(n)
        return len(found)

    with pytest.raises(ConversionError, match=r"A list has grown beyond 26214\d items"):
        endless(1)
