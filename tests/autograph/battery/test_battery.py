"""Everyday programs: under `kl.function` they give what plain Python gives.

Values, the structure and shapes of the result, exceptions with their text, and what is printed;
derivatives of first and second order; `jax.vmap`. Plain Python is the oracle. Its numbers have 64
bits, so values agree to some units of float32; a number may come back as an array.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.errors import KolamError
from tests.autograph.battery.conftest import Program, programs

PROGRAMS = programs()


def _cases(entries: Iterable[Program]) -> list[Any]:
    """Give test cases, named."""
    return [pytest.param(entry, id=entry.name) for entry in entries]


EACH = _cases(PROGRAMS)
MAPPED = _cases(entry for entry in PROGRAMS if entry.vmap)
SMOOTH = _cases(entry for entry in PROGRAMS if entry.grad)
TWICE = _cases(entry for entry in PROGRAMS if entry.second)
BOTH = _cases(entry for entry in PROGRAMS if entry.grad and entry.vmap)


STEP = 1e-4  # of central differences: errors of 1e-8 in 64 bits, for numbers near 1
REFUSED = "KolamError"
Outcome = tuple[str, Any, str]  # "value" or the exception, the value or the text, what was printed


@pytest.mark.parametrize("entry", EACH)
def test_program_gives_what_plain_python_gives(
    entry: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    told = capsys.readouterr
    plain = [outcome(entry.plain, args, told) for args in entry.sets]
    kinds = merged(shape_of(value) for kind, value, _ in plain if kind == "value")
    wrong = []
    for args, expected in zip(entry.sets, plain, strict=True):
        assert expected[0] == "value" or expected[0] in {one.__name__ for one in entry.raises}, (
            f"plain Python: {expected[:2]}"
        )
        for call in ("", "2nd call "):  # the first traces
            got = outcome(entry.compiled, args, told)
            if got[0] == REFUSED and entry.may_refuse:
                continue
            found = difference(got, expected, entry.rtol, kinds)
            wrong += [f"{call}{shown(args)}: {it}" for it in found]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("entry", SMOOTH)
def test_first_derivatives_are_those_of_plain_python(entry: Program) -> None:
    for args in smooth_sets(entry):
        expected = gradient(entry, *args)
        compare_leaves(jax.grad(entry.compiled, entry.grad)(*args), expected, entry.grad_rtol)
        compare_leaves(entry.forward(*args), expected, entry.grad_rtol)


@pytest.mark.parametrize("entry", TWICE)
def test_second_derivatives_are_those_of_plain_python(entry: Program) -> None:
    for args in smooth_sets(entry):
        if entry.differences:
            expected = slopes(partial(gradient, entry), args, entry.grad)
        else:
            expected = jax.hessian(entry.plain, entry.grad)(*args)
        compare_leaves(entry.curvature(*args), expected, 10 * entry.grad_rtol)


@pytest.mark.parametrize("entry", MAPPED)
def test_vmap_gives_what_a_loop_over_examples_gives(entry: Program) -> None:
    sets, plain = examples(entry)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *sets)
    result = jax.vmap(entry.compiled)(*stacked)
    wrong = []
    for index, (args, expected) in enumerate(zip(sets, plain, strict=True)):
        one = jax.tree.map(lambda leaf, index=index: leaf[index], result)
        # JAX orders the keys of dicts in what it maps
        wanted = jax.tree.map(lambda leaf: leaf, expected)
        found = different_values(one, wanted, entry.rtol, "", {})
        wrong += [f"{shown(args)}: {it}" for it in found]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("entry", BOTH)
def test_vmap_of_the_gradient_is_the_gradient_of_each(entry: Program) -> None:
    sets = [args for args in examples(entry)[0] if is_smooth(entry, args)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *sets)
    result = jax.jit(jax.vmap(jax.grad(entry.compiled, entry.grad)))(*stacked)
    for index, args in enumerate(sets):
        one = jax.tree.map(lambda leaf, index=index: leaf[index], result)
        compare_leaves(one, gradient(entry, *args), entry.grad_rtol)


def outcome(fn: Callable[..., Any], args: tuple[Any, ...], told: Callable[[], Any]) -> Outcome:
    """Call `fn` with arguments of its own and note everything that can be seen of it."""
    # Any above: arguments, results, what pytest captured
    try:
        value = fn(*copy.deepcopy(args))
        jax.block_until_ready(value)
        kind = "value"
    except KolamError as error:
        kind, value = REFUSED, str(error)
    except Exception as error:
        kind, value = type(error).__name__, str(error)
    jax.effects_barrier()
    return kind, value, told().out


def difference(got: Outcome, expected: Outcome, rtol: float, kinds: Any) -> list[str]:
    """Say in words where two outcomes differ."""
    # Any above: kinds of numbers by place
    if "value" in (got[0], expected[0]) and got[0] != expected[0]:
        return [f"Python gave {shown(expected[:2])}, ours {got[0]}: {got[1]}"]
    if expected[0] != "value":
        found = [] if got[:2] == expected[:2] else [f"Python raised {expected[:2]}, ours {got[:2]}"]
    else:
        found = different_values(got[1], expected[1], rtol, "", kinds)
    if got[2] != expected[2]:
        found.append(f"Python printed {expected[2]!r}, ours {got[2]!r}")
    return found


def different_values(got: Any, expected: Any, rtol: float, at: str, kinds: Any) -> list[str]:
    """Compare two results: structure, then numbers."""
    # Any above: results of any kind
    if is_number(expected):
        if not is_number(got):
            return [f"result{at} is {shown(got)}, in Python {shown(expected)}"]
        return different_numbers(plain(got), plain(expected), rtol, at, kinds.get(at))
    if type(got) is not type(expected):
        return [f"result{at} is {shown(got)}, in Python {shown(expected)}"]
    mine, theirs = parts(got), parts(expected)
    if theirs is None:
        return [] if got == expected else [f"result{at} is {got!r}, in Python {expected!r}"]
    if list(mine) != list(theirs):
        return [f"result{at} has parts {list(mine)}, in Python {list(theirs)}"]
    return [
        it
        for key in theirs
        for it in different_values(mine[key], theirs[key], rtol, f"{at}[{key!r}]", kinds)
    ]


def different_numbers(
    got: np.ndarray, expected: np.ndarray, rtol: float, at: str, kinds: set[str] | None
) -> list[str]:
    """Compare two arrays: shape, kind, values."""
    if got.shape != expected.shape:
        return [f"result{at} has shape {got.shape}, in Python {expected.shape}"]
    # an end of another kind promotes: what any set gave is allowed
    if kinds is not None and kind_of(got) not in kinds:
        return [f"result{at} is {got.dtype} ({got}), in Python {expected.dtype} ({expected})"]
    try:
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol)
    except AssertionError:
        return [f"result{at} is {got.tolist()}, in Python {expected.tolist()}"]
    return []


def parts(value: Any) -> dict[Any, Any] | None:
    """Take a container apart."""
    # Any above: keys and values of any kind
    if isinstance(value, dict):
        return value
    if isinstance(value, (list, tuple)):
        return dict(enumerate(value))
    if is_dataclass(value):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    return None


def is_number(value: Any) -> bool:
    """Whether it is a number or an array of them; an enumeration is none."""
    known = (bool, int, float, complex, np.generic, np.ndarray, jax.Array)
    return isinstance(value, known) and not isinstance(value, Enum)


def plain(value: Any) -> np.ndarray:
    """Give numbers as NumPy has them."""
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    return np.asarray(value)


def kind_of(array: np.ndarray) -> str:
    """Name the kind of its numbers."""
    return {"u": "i"}.get(array.dtype.kind, array.dtype.kind)


def shape_of(value: Any, at: str = "") -> dict[str, set[str]]:
    """Give the kind of every number of a result by its place."""
    if is_number(value):
        return {at: {kind_of(plain(value))}}
    return merged(shape_of(one, f"{at}[{key!r}]") for key, one in (parts(value) or {}).items())


def merged(every: Any) -> dict[str, set[str]]:
    """Join kinds of several results."""
    together: dict[str, set[str]] = {}
    for kinds in every:
        for at, found in kinds.items():
            together.setdefault(at, set()).update(found)
    return together


def shown(value: Any) -> str:
    """Give a short text."""
    text = " ".join(repr(value).split())
    return text if len(text) < 160 else text[:150] + " ..."


def examples(entry: Program) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """Give the argument sets that give a value, and the values."""
    sets, values = [], []
    for args in entry.sets:
        try:
            values.append(entry.plain(*copy.deepcopy(args)))
        except entry.raises:
            continue
        sets.append(args)
    return sets, values


def is_smooth(entry: Program, args: tuple[Any, ...]) -> bool:
    """Whether the arguments to differentiate in are floating point."""
    leaves = jax.tree.leaves([args[position] for position in entry.grad])
    return all(kind_of(np.asarray(leaf)) == "f" for leaf in leaves)


def smooth_sets(entry: Program) -> list[tuple[Any, ...]]:
    """Give the argument sets that are differentiated."""
    return [args for args in examples(entry)[0] if is_smooth(entry, args)]


def gradient(entry: Program, *args: Any) -> list[Any]:
    """Differentiate the plain program."""
    if entry.differences:
        return slopes(lambda *new: [entry.plain(*new)], args, entry.grad)
    return jax.tree.leaves(jax.grad(entry.plain, entry.grad)(*copy.deepcopy(args)))


def slopes(
    fn: Callable[..., Sequence[Any]], args: tuple[Any, ...], wanted: tuple[int, ...]
) -> list[Any]:
    """Differentiate each of several results by central differences, in 64 bits."""
    # Any above: arguments and numbers
    leaves, tree = jax.tree.flatten([wide(args[position]) for position in wanted])

    def at(number: int, index: tuple[int, ...], step: float) -> list[np.ndarray]:
        moved = [np.array(leaf) for leaf in leaves]
        moved[number][index] += step
        given = [one if one.ndim else float(one) for one in moved]
        full = [wide(one) for one in args]
        for position, value in zip(wanted, jax.tree.unflatten(tree, given), strict=True):
            full[position] = value
        return [np.asarray(one, np.float64) for one in fn(*full)]

    columns = []
    for number, leaf in enumerate(leaves):
        for index in np.ndindex(np.shape(leaf)):
            high, low = at(number, index, STEP), at(number, index, -STEP)
            columns.append([(a - b) / (2 * STEP) for a, b in zip(high, low, strict=True)])
    sizes = np.cumsum([np.size(leaf) for leaf in leaves])[:-1]
    found = []
    for rows in zip(*columns, strict=True):
        every = np.split(np.moveaxis(np.stack(rows), 0, -1), sizes, axis=-1)
        found += [
            one.reshape(rows[0].shape + np.shape(leaf))
            for one, leaf in zip(every, leaves, strict=True)
        ]
    return found


def wide(value: Any) -> Any:
    """Give floating point numbers 64 bits."""

    def widened(leaf: Any) -> Any:
        return np.array(leaf, np.float64) if kind_of(np.asarray(leaf)) == "f" else leaf

    return jax.tree.map(widened, value)


def compare_leaves(got: Any, expected: Any, rtol: float) -> None:
    """Compare derivatives leaf by leaf; relative to the largest number of each leaf."""
    mine, theirs = jax.tree.leaves(got), jax.tree.leaves(expected)
    assert len(mine) == len(theirs)
    for one, other in zip(mine, theirs, strict=True):
        scale = float(np.max(np.abs(other), initial=1e-2))
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * scale)
