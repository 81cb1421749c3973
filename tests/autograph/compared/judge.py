"""Whether a library gives for a program what plain Python gives."""

import contextlib
import copy
import io
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from tests.autograph.compared import rows
from tests.autograph.compared.rows import Row

Verdict = Literal["yes", "no", "wrong value"]
Run = Callable[..., Any]  # takes the arguments of a program, gives its result
TOLERANCE = 1e-5  # some 80 units of float32
STEP = 1e-4  # of central differences in 64 bits


def judge(row: Row, run: Run, settle: Callable[[], None] = lambda: None) -> tuple[Verdict, str]:
    """Run a program for all its arguments, twice: the first call traces.

    Args:
        row: The program.
        run: Runs it as the library does.
        settle: Waits for what the program prints.

    Returns:
        The verdict, and what was different in one line.
    """
    if row.mode == "size":
        return _judge_size(run)
    wrong, failed = "", ""
    for args in _mapped(row) if row.mode.startswith("vmap") else row.sets:
        expected = _observe(row, lambda *given: plain(row, *given), args, lambda: None)
        if isinstance(expected[0], Exception) and not isinstance(expected[0], row.raises):
            raise expected[0]
        for _ in range(2):
            got = _observe(row, run, args, settle)
            if _is_same(row, got, expected):
                continue
            if isinstance(got[0], Exception):
                failed = failed or f"{args}: {type(got[0]).__name__}: {got[0]}"
            else:
                wrong = wrong or f"{args}: {got}, in Python {expected}"
    if wrong:
        return "wrong value", _one_line(wrong)
    return ("no", _one_line(failed)) if failed else ("yes", "")


def _judge_size(run: Run) -> tuple[Verdict, str]:
    try:
        size = run(1.0)
    except Exception as error:
        return "no", _one_line(f"{type(error).__name__}: {error}")
    return ("yes", "") if size < 200 else ("no", f"{size} operations")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]


def _observe(row: Row, run: Run, args: tuple[Any, ...], settle: Callable[[], None]) -> Any:
    """Give the result or the exception, what was printed, and what is left behind."""
    # Any above: results of programs
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            found = run(*copy.deepcopy(args))
        except Exception as error:
            found = error
        settle()
    left = None if row.after is None else row.after()
    return found, printed.getvalue(), left


def _is_same(row: Row, got: Any, expected: Any) -> bool:
    # Any above: what `_observe` gave
    found, wanted = got[0], expected[0]
    if isinstance(wanted, Exception) or isinstance(found, Exception):
        same = str(found) == str(wanted) and type(found) is type(wanted)
        if row.any_error and isinstance(found, Exception):
            same = isinstance(wanted, Exception) and str(wanted) in str(found)
    else:
        tolerance = TOLERANCE if row.mode in ("call", "vmap") else 1e-3
        same = _equal(found, wanted, tolerance)
    return same and got[1] == expected[1] and _equal(got[2], expected[2], TOLERANCE)


def _equal(found: Any, wanted: Any, tolerance: float) -> bool:
    # Any above: results of programs
    if isinstance(wanted, (list, tuple)):
        return (
            isinstance(found, (list, tuple))
            and len(found) == len(wanted)
            and all(map(_equal, found, wanted, [tolerance] * len(wanted)))
        )
    if wanted is None or isinstance(wanted, str):
        return type(found) is type(wanted) and bool(found == wanted)
    if found is None or isinstance(found, (str, list, tuple)):
        return False
    try:
        mine = np.asarray(found)
    except Exception:  # a tracer that leaked, or a tensor of a graph
        return False
    theirs = np.asarray(wanted)
    return mine.shape == theirs.shape and bool(np.allclose(mine, theirs, tolerance, tolerance))


def _mapped(row: Row) -> list[tuple[Any, ...]]:
    """Stack the arguments of all sets."""
    dtype = np.float32 if isinstance(row.sets[0][0], float) else np.int32
    return [tuple(np.array(column, dtype) for column in zip(*row.sets, strict=True))]


def plain(row: Row, *args: Any) -> Any:
    """Run a program as plain Python; derivatives are differences, `vmap` is a loop."""
    # Any above: arguments and results of programs
    own, rows.stack = rows.stack, np.stack
    try:
        return _plain(row, *args)
    finally:
        rows.stack = own


def _plain(row: Row, *args: Any) -> Any:
    # Any above: arguments and results of programs
    if row.mode == "call":
        return row.fn(*args)
    if row.mode.startswith("vmap"):
        fn = row.fn if row.mode == "vmap" else lambda *one: _slope(row.fn, *one)
        return np.array([fn(*(value.item() for value in one)) for one in zip(*args, strict=True)])
    if row.mode == "second":
        return _slope(lambda x: _slope(row.fn, x), *args)
    return _slope(row.fn, *args)


def _slope(fn: Run, x: float) -> float:
    return float(fn(x + STEP) - fn(x - STEP)) / (2 * STEP)
