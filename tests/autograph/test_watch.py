"""What staged code does to objects of the host: carried, or refused (PYTEST_DONT_REWRITE)."""

# mypy: ignore-errors
import collections
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kolam as kl
from kolam.errors import ConversionError

STORE = np.zeros(2, np.float32)
QUEUE = collections.deque([1])


class Counted:
    """Counts in methods that Python itself calls, which run as they are."""

    def __init__(self) -> None:
        self.n, self.log = 0, [0]

    def __enter__(self):
        self.n += 1
        return self

    def __exit__(self, *error):
        self.n += 10
        return False

    def __add__(self, other):
        self.log[0] += 5
        return self


def entered_in_a_branch(x):
    c = Counted()
    if x > 0:
        with c:
            pass
    return c.n


def entered_in_a_loop(x):
    c = Counted()
    while x > 0:
        with c:
            x -= 1
    return c.n


def list_of_an_object(x):
    c = Counted()
    if x > 1:
        c = c + 1
    return c.log


def sorted_through_the_class(x):
    a = [3, 1, 2]
    if x > 0:
        list.sort(a)
    else:
        a.__setitem__(0, 7)
    return a


def attribute_of_one_path(x):
    c = Counted()
    if x > 0:
        setattr(c, "extra", 5)  # noqa: B010 - it is what is tested
    return getattr(c, "extra", 0), hasattr(c, "extra"), hasattr(c, "other")


@pytest.mark.parametrize("x", [3.0, -3.0])
@pytest.mark.parametrize(
    "fn",
    [
        entered_in_a_branch,
        entered_in_a_loop,
        list_of_an_object,
        sorted_through_the_class,
        attribute_of_one_path,
    ],
)
def test_change_of_code_that_is_not_converted_belongs_to_its_path(
    fn: Callable[..., Any], x: float, same_as_python: Callable[..., None]
) -> None:
    same_as_python(fn, x)


def shuffled(x):
    a = np.array([3.0, 1.0, 2.0], np.float32)
    if x > 0:
        np.random.default_rng(0).shuffle(a)
    return a


def written_by_a_method(x):
    if x > 0:
        np.ndarray.fill(STORE, 7)
    return STORE * x


def bytes_in_a_loop(x):
    b = bytearray(3)
    while x > 0:
        b[0] = 7
        x -= 1
    return b[0]


def view_of_a_kept_array(x):
    a = np.zeros(4, np.float32)
    v = a[1:]
    if x > 0:
        np.ndarray.fill(v, 3)
    return a


@pytest.mark.parametrize(
    "fn", [shuffled, written_by_a_method, bytes_in_a_loop, view_of_a_kept_array]
)
def test_change_that_no_program_can_hold_is_refused(fn: Callable[..., Any]) -> None:
    with pytest.raises(ConversionError, match="changed in a branch or loop on data") as caught:
        kl.function(fn)(3.0)
    assert caught.value.where is not None
    assert caught.value.where.file == __file__


def test_array_of_the_host_can_be_written_again_after_a_trace() -> None:
    kept = np.zeros(4, np.float32)
    view = kept[1:]

    def fn(x):
        return view.sum() + kept.sum() if x > 0 else x

    assert kl.function(fn)(2.0) == 0
    with pytest.raises(ConversionError, match="whichever way the data take"):
        kl.function(written_by_a_method)(3.0)
    assert kept.flags.writeable
    assert view.flags.writeable
    assert STORE.flags.writeable
    assert STORE.tolist() == [0, 0]


def test_dict_of_an_object_and_its_attribute_are_not_written_both() -> None:
    def fn(x):
        c = Counted()
        if x > 0:
            c.n = 5
        else:
            c.__dict__["n"] = 7
        return c.n

    with pytest.raises(ConversionError, match="`n` of a Counted is written through its `__dict__`"):
        kl.function(fn)(3.0)
