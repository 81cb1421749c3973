"""What no program can be made of: one error with the name, the user's line and the way out.

PYTEST_DONT_REWRITE
"""

# ruff: noqa: RET504, SIM108 - programs as users write them
# mypy: ignore-errors
import inspect
import json
import random
import re
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import kolam as kl
from kolam.errors import KolamError

VECTOR = np.array([1.0, -2.0, 3.0], np.float32)


def other_structure(x):
    if x > 0:  # here
        pair = (x, x + 1)
    else:
        pair = x
    return pair


def other_keys(x):
    if x > 0:  # here
        state = {"mean": x}
    else:
        state = {"mean": x, "count": 1}
    return state


def other_shape(x):
    if x.sum() > 0:  # here
        y = x
    else:
        y = x[:2]
    return y


def returns_other_structure(x):
    if x > 0:  # here
        return x
    return x, x


def growing_key(x):
    state = {"sum": 0.0}
    while x > 0:  # here
        state["sum"] = state["sum"] + x
        state["last"] = x
        x = x - 1
    return state


def key_of_one_branch(x):
    found = {}
    if x > 0:  # here
        found["positive"] = x
    return found


def stacked_list_of_unknown_length(x):
    found = []
    while x > 0:
        found.append(x)
        x = x - 1
    return jnp.stack(found)  # here


def global_write(x):
    global counted
    if x > 0:  # here
        counted = x  # here
    return x


def two_names(x):
    y = x
    x[0] = 1  # here
    return y


def two_names_in_a_loop(x):
    first = x
    for i in range(3):
        x[i] = 0  # here
    return first + x


def view_that_is_read(x):
    head = x[:2]
    x[0] = 5  # here
    return head.sum()


def endless(n):
    if n <= 1:
        return 1
    return n * endless(n - 1)  # here


def mutual_a(n):
    return 0 if n <= 0 else mutual_b(n - 1)


def mutual_b(n):
    return 1 if n <= 0 else mutual_a(n - 1)


def caught_raise(x):
    try:
        if x > 0:
            raise ValueError("too large")  # here
    except ValueError:
        return 0.0
    return x


def caught_assert(x):
    try:
        assert x > 0  # here
    except AssertionError:
        return 0.0
    return x


def caught_everything(x):
    try:
        if x > 0:
            raise RuntimeError  # here
    except Exception:
        x = -x
    return x


def masked(x):
    return x[x > 0]  # here


def zeros_of_data(n):
    return jnp.zeros(n)  # here


def numpy_zeros_of_data(n):
    out = np.zeros(n)  # here
    return out


def arange_of_data(n):
    return jnp.arange(n)  # here


def positions(x):
    return jnp.nonzero(x)  # here


def growing_array(x):
    while x.sum() < 10:  # here
        x = jnp.concatenate([x, x])
    return x


def slice_to_data(n):
    return VECTOR[:n]  # here


def slice_past_the_end(n):
    return VECTOR[n : n + 2].sum()  # here


def halvings(x):
    while x > 1:  # here
        yield x
        x = x / 2


def unbounded_generator(x):
    first, second = halvings(x)
    return first + second


def returned_generator(x):
    return (x * k for k in range(3))  # here


def repeated_list(n):
    row = [0] * n  # here
    return row


def yields(x):  # here
    yield x
    yield x + 1


async def asynchronous(x):  # here
    return x + 1


def opens(x):
    return open(x).read()  # here


def as_numpy(x):
    return np.asarray(x)  # here


def to_list(x):
    return x.tolist()  # here


def item(x):
    return {"value": x.item()}  # here


def dumps(x):
    return json.dumps({"value": x})  # here


def drawn_by_host(n):
    return random.randint(0, n)  # here


def asks(x):
    return input(x)  # here


def in_a_set(x):
    return len({x, x + 1})  # here


def as_key(x):
    seen = {x: 1}  # here
    return seen


def growing_text(x):
    text = ""
    while x > 0:  # here
        text = text + "*"
        x = x - 1
    return text


def imports_by_data(x):
    names = ["math", "json"]
    return __import__(names[x])  # here


class Meter:
    def __init__(self):
        self.total = 0.0

    def add(self, x):
        self.total = self.total + x  # here
        return x


METER = Meter()


def kept_after_the_call(x):
    METER.add(x)
    return x


KEPT = []


def appended_outside(x):
    KEPT.append(x)  # here
    return x


def evaluated(x):
    return eval("x + 1 if x > 0 else x")  # here


def ambiguous(x):
    if x > 0:  # here
        return 1
    return 2


# the program, its argument, what the text names, and the way out
BAD = [
    (other_structure, 1.0, "`pair`", "same"),
    (other_keys, 1.0, "`state`", "same"),
    (other_shape, VECTOR, r"`y`.*\(3,\) and \(2,\)", "same"),
    (returns_other_structure, 1.0, "returns", "same"),
    (growing_key, 3.0, "`state`.*'last'", "before"),
    (key_of_one_branch, 3.0, "`found`.*'positive'", "both"),
    (stacked_list_of_unknown_length, 3.0, "`found`|`stack`", "known size|bound"),
    (global_write, 1.0, "`counted`", "[Rr]eturn|nonlocal"),
    (two_names, VECTOR, "`x.*`y`", "copy"),
    (two_names_in_a_loop, VECTOR, "`x.*`first`", "copy"),
    (view_that_is_read, VECTOR, "`x.*`head`", "copy"),
    (endless, 3, "`endless`", "while|loop"),
    (mutual_a, 3, "`mutual_", "while|loop"),
    (caught_raise, 1.0, "ValueError", "if|outside"),
    (caught_assert, 1.0, "AssertionError", "if|outside"),
    (caught_everything, 1.0, "RuntimeError", "if|outside"),
    (masked, VECTOR, "mask", "where"),
    (zeros_of_data, 3, "`zeros`|shape|size", "known|static"),
    (numpy_zeros_of_data, 3, "`zeros`|shape|size", "known|static"),
    (arange_of_data, 3, "`arange`|shape|size|length", "known|static|range"),
    (positions, VECTOR, "`nonzero`|shape|size", "size="),
    (growing_array, VECTOR, r"`x`.*\(3,\) and \(6,\)", "shape|size"),
    (slice_to_data, 2, "slice", "where|dynamic_slice|width"),
    (slice_past_the_end, 2, "2 items.*size 3", "shape|pad|where|fewer|range"),
    (unbounded_generator, 8.0, "`while`.*`yield`|generator", "bound|list|if"),
    (returned_generator, 8.0, "generator", "list"),
    (repeated_list, 2, r"`\*`|repeat|length", "known|static"),
    (yields, 1.0, "`yields`.*generator", "list|return"),
    (asynchronous, 1.0, "`asynchronous`.*async", "def"),
    (opens, 1, "`open`", "outside|static|before|after"),
    (as_numpy, VECTOR, "asarray`", r"jnp\.asarray|jax\.numpy"),
    (to_list, VECTOR, "tolist", "after|list"),
    (item, 1.0, r"\.item\(", "float|after"),
    (dumps, 1.0, "`dumps`|json", "outside|after|before"),
    (drawn_by_host, 3, "randint`", r"jax\.random"),
    (asks, 3, "`input`", "outside|before|argument"),
    (in_a_set, 3, "set", "array|list"),
    (as_key, 3, "key", "array|list"),
    (growing_text, 3, "`text`", "known|finite|number"),
    (imports_by_data, 1, "`__import__`|text", "static|known"),
    (kept_after_the_call, 1.0, r"`.*total`", "[Rr]eturn"),
    (appended_outside, 1.0, "`KEPT`", "[Rr]eturn"),
    (evaluated, 1.0, "`eval`", "write|source"),
    (ambiguous, VECTOR, r"\(3,\).*ambiguous", r"\.any\(\)|jnp\.any"),
]


@pytest.mark.parametrize(
    ("fn", "value", "what", "how"), [pytest.param(*case, id=case[0].__name__) for case in BAD]
)
def test_bad_input_is_one_error_with_name_line_and_way_out(
    fn: Callable[..., Any], value: Any, what: str, how: str
) -> None:
    with pytest.raises(KolamError) as caught:
        kl.function(fn)(np.copy(value) if isinstance(value, np.ndarray) else value)
    error = caught.value
    assert re.search(what, error.what, re.DOTALL), error.what
    assert error.where is not None, error.what
    assert error.where.file == __file__
    assert error.where.line in marked_lines(fn)
    assert re.search(how, error.how, re.DOTALL), error.how


def marked_lines(fn: Callable[..., Any]) -> list[int]:
    """Lines of `fn`, or of what it calls, that are marked as the ones at fault."""
    lines, first = inspect.getsourcelines(fn)
    found = [first + i for i, line in enumerate(lines) if "# here" in line]
    called = {mutual_a: mutual_b, kept_after_the_call: Meter, unbounded_generator: halvings}
    if fn in called:
        source, start = inspect.getsourcelines(called[fn])
        found = [first + 1, *range(start, start + len(source))]
    return found
