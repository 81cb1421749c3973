"""Functions written as with NumPy, on traced arrays (PYTEST_DONT_REWRITE)."""

# mypy: ignore-errors
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from kolam.autograph import convert
from kolam.errors import ConversionError

VECTOR = np.array([3.0, -1.0, 4.0, 1.5, -5.0, 9.0], np.float32)
MATRIX = np.array([[2.0, 1.0, 0.5], [0.0, 3.0, -1.0], [1.0, 0.0, 2.0]], np.float32)
WHOLE = np.array([3, 1, 2, 1, 0], np.int32)


def elementwise(x):
    y = np.sqrt(np.abs(x)) + np.exp(-(x**2)) + np.maximum(x, 0) - np.sign(x) * np.log1p(np.abs(x))
    y = np.where(x > 0, y, np.tanh(x)) + np.clip(x, -1, 1) + np.hypot(x, 2.0)
    return y, np.isfinite(y), np.logical_and(x > 0, y > 1), np.floor(x), np.divmod(x, 2.0)


def reductions(x):
    return (
        [np.sum(x), np.mean(x), np.std(x), np.var(x, ddof=1), np.max(x), np.min(x), np.prod(x)],
        [np.argmax(x), np.argsort(x), np.median(x), np.percentile(x, 30), np.any(x > 3)],
        [np.cumsum(x), np.diff(x), np.sort(x)[::-1], np.linalg.norm(x), np.ptp(x)],
        [np.sum(x, axis=0, keepdims=True), np.average(x, weights=x**2), np.count_nonzero(x > 0)],
    )


def made_from_numbers(x):
    a, b = x[0], x[1]
    rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return (
        rotation @ np.array([a, b]),
        np.stack([x, x * 2], axis=1),
        np.concatenate([x, np.zeros(2), [a, b]]),
        np.hstack((x, x)),
        np.vstack([x, np.ones_like(x)]),
        np.array([a, 1.0, 2]),
        np.array([(a, 1), (2, b)], dtype=np.float32),
        np.full(3, a),
        np.linspace(a, b, 5),
        np.zeros_like(x, dtype=np.int32),
        np.full_like(x, b),
    )


def sums_of_lists(x):
    a, b = x[0], x[1]
    return np.sum([a, b, 1.0]), np.max([a, b]), np.mean((a, b)), np.dot([a, b], [b, 2.0])


def matrices(m):
    v = m[0] * 1
    return (
        np.dot(m, m.T),
        np.matmul(m, v),
        np.trace(m),
        np.linalg.inv(m),
        np.linalg.solve(m, v),
        np.linalg.det(m),
        np.outer(v, v),
        np.einsum("ij,j->i", m, v),
        np.eye(3) * m,
        np.diag(v),
        np.tril(m),
        np.transpose(m, (1, 0)),
        np.reshape(m, (9,)),
        np.reshape(m, [1, 9]),
        np.sum(m, axis=(0, 1)),
        np.linalg.cholesky(m @ m.T),
        np.kron(m, v),
    )


def of_ufuncs(x):
    return (
        np.maximum.accumulate(x),
        np.add.reduce(x),
        np.multiply.outer(x, x),
        np.logical_or.reduce(x > 4),
        np.add(x, 1, dtype=np.float32),
        np.subtract(1, x),
    )


def rearranged(x):
    return (
        np.roll(x, 1),
        np.flip(x),
        np.repeat(x, 2),
        np.tile(x, [2]),
        np.pad(x, (1, 2)),
        np.split(x, 2),
        np.take(x, [0, 2]),
        np.interp(1.25, [0.0, 1.0, 2.0], x[:3]),
        np.searchsorted(np.sort(x), 2.0),
        np.select([x > 3, x < 0], [x, -x], 0.0),
        np.convolve(x, [1.0, 2.0], mode="same"),
        np.append(x, 1.0),
        np.nan_to_num(x),
    )


def mixed_with_control_flow(x):
    total = np.zeros(3)
    for k in range(len(x) - 2):
        window = np.array([x[k], x[k + 1], x[k + 2]])
        if np.mean(window) > 0:
            total += np.sort(window)
        else:
            total = np.minimum(total, window)
    while np.linalg.norm(total) > 5:
        total = total / 2
    return total, np.float32(total[0]), np.float64(x[0]) * 2, np.int32(x[1]), np.bool_(x[2])


def step(value):
    if value > 1:
        return value * 2
    return -value


def by_functions(x):
    twice = np.vectorize(step)
    return (
        twice(x),
        np.apply_along_axis(lambda row: row[::-1] * row.sum(), 0, x),
        list(map(np.sqrt, [x[0], x[2]])),
        np.piecewise(x, [x < 0, x >= 0], [lambda v: -v, lambda v: v * 2]),
    )


def of_static_array(x):
    weights = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    return weights.dot(x), weights.clip(x - 1, x + 1), weights.searchsorted(x[0]), weights @ x


def typed(x):
    whole = x.astype(np.int64)
    return whole, whole.astype(float), x.astype("int32"), (x > 1).astype(int), x.copy()


@pytest.mark.parametrize(
    "fn",
    [
        elementwise,
        reductions,
        made_from_numbers,
        sums_of_lists,
        of_ufuncs,
        rearranged,
        mixed_with_control_flow,
        by_functions,
        of_static_array,
        typed,
    ],
)
def test_function_of_numpy_runs_on_a_traced_vector(
    fn: Callable[..., Any], same_as_python: Callable[..., None]
) -> None:
    same_as_python(fn, VECTOR)


def test_functions_of_linear_algebra(same_as_python: Callable[..., None]) -> None:
    same_as_python(matrices, MATRIX)


def of_whole_numbers(n):
    return (
        np.bincount(n, minlength=4),
        np.cumsum(n),
        np.gcd(n, 6),
        np.left_shift(n, 1),
        np.mean(n),
        np.take(VECTOR, n),
        np.choose(n, [n, n * 2, n * 3, n * 4]),
        np.unravel_index(n, (2, 3)),
        np.power(n, 2),
        np.take_along_axis(VECTOR, n, 0),
        np.equal(n, 1),
    )


def test_functions_of_whole_numbers(same_as_python: Callable[..., None]) -> None:
    same_as_python(of_whole_numbers, WHOLE)


def number_and_numpy(x):
    root = np.sqrt(x)
    return root, isinstance(root, float), np.add(x, 1) / (x - x), np.array(x)


def test_result_is_not_a_number_of_python(staged: Callable[..., Any]) -> None:
    root, is_float, quotient, array = staged(number_and_numpy, 4.0)
    assert root == 2
    assert not is_float
    assert np.isinf(quotient)
    assert array == 4


# ------------------------------------------------------------------------- what NumPy refuses


def inverse(m):
    return np.linalg.inv(m)


def solved(m):
    return np.linalg.solve(m, m[0])


def root_of_matrix(m):
    return np.linalg.cholesky(m)


@pytest.mark.parametrize("fn", [inverse, solved, root_of_matrix])
def test_singular_matrix_raises_what_numpy_raises(
    fn: Callable[..., Any], each_as_python: Callable[..., None]
) -> None:
    cases = [np.ones((2, 2)), np.array([[2.0, 1.0], [1.0, 2.0]]), -np.eye(2)]
    each_as_python(fn, [(case.astype(np.float32),) for case in cases])


def taken(n):
    return np.take(VECTOR, n)


def taken_of_rows(n):
    return np.take(MATRIX, n, axis=1)


def chosen(n):
    return np.choose(n, [n, n * 2])


def raised(n):
    return np.power(n, n - 2), n ** (n - 2)


def counted(n):
    return np.bincount(n, minlength=7)


@pytest.mark.parametrize("fn", [taken, taken_of_rows, chosen, raised, counted])
def test_value_that_numpy_refuses(
    fn: Callable[..., Any], each_as_python: Callable[..., None]
) -> None:
    each_as_python(fn, [(np.array(one, np.int32),) for one in ([0, 1], [1, 6], [-1, 1], [2, 2])])


# ------------------------------------------------------------------------- changes in place


def sorted_in_place(x):
    x = x * 1
    x.sort()
    y = x.reshape(2, 3) * 1
    y.sort(axis=0)
    return x, y


def filled(x):
    x = x * 1
    if x[0] > 2:
        x.fill(x[1])
    y = np.zeros(4)
    y.fill(x[2])
    return x, y


def put(x, k):
    x = x * 1
    x.put([0, k], [7.0, 8.0])
    np.put(x, k - 1, 5.0)
    return x


def by_numpy(m):
    m = m * 1
    np.fill_diagonal(m, m[0, 1] * 10)
    n = m * 1
    np.copyto(n, 3.0, where=m > 1)
    o = m * 1
    np.putmask(o, o > 1, [7.0, 8.0])
    p = m * 1
    np.place(p, p > 1, [7.0, 8.0])
    q = np.zeros(4)
    np.add.at(q, [0, 1, 1], m[0])
    return m, n, o, p, q


class Holder:
    def __init__(self, x):
        self.x = x * 1
        self.names = ["b", "a"]


def of_attribute(x):
    holder = Holder(x)
    holder.x.sort()
    holder.names.sort()
    rows = [holder.x * 2, holder.x * 1]
    rows[0].fill(3.0)
    return holder.x, rows, holder.names[0] == "a"


def in_loop(m):
    m = m * 1
    total = 0.0
    for k in range(40):
        m[k % 3].sort()
        total += m[k % 3, 0]
        m.fill(total)
    return m, total


def of_lists(x):
    items = [3, 1, 2]
    items.sort(reverse=True)
    words = ["bb", "a"]
    words.sort(key=len)
    return items, words[0] == "a", x


def test_changes_in_place(same_as_python: Callable[..., None]) -> None:
    for fn in (sorted_in_place, filled, of_attribute, of_lists):
        same_as_python(fn, VECTOR)
    same_as_python(put, VECTOR, 3)
    same_as_python(put, VECTOR, 9)
    same_as_python(by_numpy, MATRIX)
    same_as_python(in_loop, MATRIX)


def seen_twice(x):
    x = x * 1
    y = x
    x.sort()
    return y


def seen_through_a_view(x):
    x = x * 1
    y = np.reshape(x, (2, 3))
    y.fill(0.0)
    return x


def in_an_expression(x):
    return x.sort()


def by_numpy_in_an_expression(x):
    return np.copyto(x, 1.0)


# ------------------------------------------------------------------------------- refusals


def to_host(x):
    return np.asarray(x)


def to_number(x):
    return float(np.asarray(x))


def to_list(x):
    return x.tolist()


def to_item(x):
    return x[0].item()


def opened(x):
    with open(x) as file:
        return file.read()


def saved(x):
    np.save("/nowhere.npy", x)
    return x


def into(x):
    y = np.zeros(6)
    return np.add(x, 1, out=y)


def unknown_to_jax(x):
    return np.busday_count(x, x)


def of_traced_size(x):
    return np.zeros(x.astype(int)[0])


def of_traced_count(x):
    return np.nonzero(x)


def of_traced_values(x):
    return np.unique(x)


def counted_freely(x):
    return np.bincount(x.astype(int))


REFUSED = [
    (seen_twice, r"writes to an array that `y` holds as well"),
    (seen_through_a_view, r"writes to an array that `x` holds as well, or a view of it"),
    (in_an_expression, r"`x.sort\(...\)` changes an array in place, inside an expression"),
    (by_numpy_in_an_expression, r"`np.copyto\(...\)` changes an array in place"),
    (to_host, r"`np.asarray` needs a value that is known only at run time(.|\n)*jnp.asarray"),
    (to_number, r"`np.asarray` needs a value that is known only at run time"),
    (to_list, r"`x.tolist\(\)` needs a value that is known only at run time(.|\n)*after the call"),
    (to_item, r"`x.item\(\)` needs a value that is known only at run time(.|\n)*float\(x\)"),
    (opened, r"`open` needs a value that is known only at run time"),
    (saved, r"`np.save` needs a value that is known only at run time"),
    (into, r"`np.add\(..., out=...\)` writes into an array(.|\n)*x = np.add"),
    (unknown_to_jax, r"`np.busday_count` is called with a traced value, and `jax.numpy` has no"),
    (of_traced_size, r"The shape of what `np.zeros` gives, or something else that must be known"),
    (of_traced_count, r"The shape of what `np.nonzero` gives(.|\n)*np.where\(mask, x, 0\)"),
    (of_traced_values, r"The shape of what `np.unique` gives"),
    (counted_freely, r"The length of what `np.bincount` gives depends(.|\n)*minlength"),
]


@pytest.mark.parametrize(
    ("fn", "text"), [pytest.param(*case, id=case[0].__name__) for case in REFUSED]
)
def test_call_that_cannot_be_staged_is_refused_with_the_line(
    fn: Callable[..., Any], text: str, staged: Callable[..., Any]
) -> None:
    with pytest.raises(ConversionError, match=text) as error:
        staged(fn, VECTOR)
    where = error.value.where
    assert where is not None
    assert where.file == __file__
    assert fn.__code__.co_firstlineno < where.line <= fn.__code__.co_firstlineno + 4


def by_lists(x, k):
    x = x * 1
    x[[0, 2]] = x[[k, 1]] * 2
    rows = x.reshape(2, 3)[[1, 0]][:, [0, k]]
    return x, rows, x[[]].sum()


def test_list_is_an_index(each_as_python: Callable[..., None]) -> None:
    each_as_python(by_lists, [(VECTOR, 1), (VECTOR, 2), (VECTOR, 5)])


def test_known_values_stay_with_numpy() -> None:
    kept = convert(lambda x: (np.asarray(x), np.sqrt(x).dtype, np.asarray([1, 2])))
    array, dtype, _ = kept(np.ones(2))
    assert isinstance(array, np.ndarray)
    assert dtype == np.float64


def test_derivative_goes_through_numpy() -> None:
    fn = convert(lambda x: np.sum(np.sin(x) ** 2) + np.dot(x, [1.0, 2.0]))
    x = np.array([0.5, 1.0], np.float32)
    np.testing.assert_allclose(jax.grad(fn)(x), np.sin(2 * x) + np.array([1, 2]), rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(fn)(x[None])[0], fn(x), rtol=1e-5)
