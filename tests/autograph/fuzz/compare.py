"""A program in plain Python beside the same through `kl.function`: values, errors, prints, slopes.

What is documented to differ is normalised, nothing else: numbers are 32 bits wide, ends of
different dtype are promoted, arrays stand where Python has numbers.
"""

import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

import kolam as kl
from kolam.core import KolamError
from tests.autograph.fuzz.conditions import Unfit, Watch, watched
from tests.autograph.fuzz.programs import Program, load
from tests.autograph.fuzz.runs import (
    Case,
    Outcome,
    converted_arguments,
    fresh,
    kind,
    leaves,
    narrow,
    run,
    stacked,
    wide,
)
from tests.autograph.fuzz.slopes import WAYS, Slopes

RTOL, ATOL = 1e-4, 1e-5
NUM_ARGUMENT_SETS = 6
DERIVED = ("vmap", *WAYS)
# what transformations of JAX cannot do, for they see arrays alone
ARRAYS_ALONE = (
    "This function returns a text, a list or None that is known only at run time.",
    "is returned from inside a transformation of JAX, which knows arrays only.",
)

Answer = Literal["same", "unfit", "refused", "differs"]

# Any in this file: values of any program


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out of a comparison.

    Attributes:
        answer: `same`; `unfit` if no arguments make a fair comparison; `refused` with a
            `KolamError`; or `differs`.
        cause: What differs or is refused, without names and numbers: equal for one defect.
        detail: The arguments, what was expected and what came.
    """

    answer: Answer
    cause: str = ""
    detail: str = ""


class _Found(Exception):  # noqa: N818 - carries a verdict out, no error
    def __init__(self, answer: Answer, cause: str, detail: str) -> None:
        super().__init__(cause)
        self.verdict = Verdict(answer, cause, detail)


def judge(program: Program, derived: Sequence[str] = DERIVED) -> Verdict:
    """Compare a program with itself converted.

    Args:
        program: The program.
        derived: Which of `DERIVED` to compare as well.
    """
    cases = fit_cases(program)
    if len(cases) < 2:
        return Verdict("unfit")
    try:
        _compare(program, cases, derived)
    except _Found as found:
        is_allowed = found.verdict.cause.endswith(ARRAYS_ALONE)
        return Verdict("same") if is_allowed else found.verdict
    return Verdict("same")


def _compare(program: Program, cases: Sequence[Case], derived: Sequence[str]) -> None:
    function = kl.function(load(program.compiled(), xp=jnp))
    kinds: list[str] = []
    for case in cases:
        got = run(function, converted_arguments(case.arguments, typed=program.seed % 2 == 1))
        _same(case, got, program, "value")
        if got.error is None:
            kinds = [kind(leaf) for leaf in leaves(got.value)]
    good = [case for case in cases if case.expected.error is None]
    if not good or not program.parameters or {"text", "none"} & set(kinds):
        return
    if len({len(leaves(case.expected.value)) for case in good}) > 1:
        return  # lists of a length that is data
    if "vmap" in derived:
        _compare_mapped(program, function, cases, good)
    floats = [place for place, name in enumerate(kinds) if name == "f"]
    for way in WAYS:
        if way in derived and floats:
            _compare_slopes(program, function, good, floats, way)


def fit_cases(program: Program) -> list[Case]:
    """Argument sets on which single and double precision agree, with plain Python's outcome."""
    plain = load(program.compiled(), xp=np)
    code = watched(program.text, program.file)
    cases = []
    for arguments in program.arguments(NUM_ARGUMENT_SETS):
        scale = _conditioned(code, arguments)
        if scale is None:
            continue
        outcome = run(plain, fresh(arguments))
        # floats that overflow become `inf` instead, as the guides say
        if not isinstance(outcome.error, OverflowError):
            cases.append(Case(arguments, outcome, scale))
    return cases


def _conditioned(code: Any, arguments: list[Any]) -> float | None:
    double, single = Watch(in_single=False), Watch(in_single=True)
    try:
        expected = run(load(code, xp=np, watch__=double), wide(arguments))
        rounded = run(load(code, xp=np, watch__=single), fresh(arguments))
    except Unfit:
        return None
    scale = max(1.0, double.largest)
    try:
        _same(Case(arguments, expected, scale), rounded, None, "value")
    except _Found:
        return None
    found = leaves(expected.value)
    finite = all(np.all(np.isfinite(leaf)) for leaf in found if kind(leaf) in "fi")
    return scale if finite else None


def _same(case: Case, got: Outcome, program: Program | None, check: str) -> None:
    """Raise `_Found` where an outcome is not the one that plain Python gave."""
    expected = case.expected
    about = f"arguments {case.arguments!r}\nplain: {_shown(expected)}\nkolam: {_shown(got)}"
    if got.error is not None:
        _same_error(expected.error, got.error, check, about)
    elif expected.error is not None:
        name = type(expected.error).__name__
        raise _Found("differs", f"{check}: {name} is not raised", about)
    else:
        strict = program is not None and not program.promotes
        cause = _unlike(expected.value, got.value, case.scale, strict)
        if cause:
            raise _Found("differs", f"{check}: {cause}", about)
    if not same_text(expected.printed, got.printed):
        raise _Found("differs", f"{check}: other text printed", about)


def _same_error(expected: Exception | None, got: Exception, check: str, about: str) -> None:
    if isinstance(got, KolamError):
        raise _Found("refused", f"{check}: {_refusal(str(got))}", f"{got}\n{about}")
    if expected is None or type(expected).__name__ != type(got).__name__:
        trace = "".join(traceback.format_exception(got)[-12:])
        known = "no error" if expected is None else type(expected).__name__
        cause = f"{check}: {_signature(got)} instead of {known}"
        raise _Found("differs", cause, f"{about}\n{trace}")
    if not same_text(str(expected), str(got)):
        cause = f"{check}: other message of {type(got).__name__}"
        raise _Found("differs", cause, about)


def _shown(outcome: Outcome) -> str:
    what = repr(outcome.value) if outcome.error is None else repr(outcome.error)
    return f"{what} printed {outcome.printed!r}" if outcome.printed else what


def _unlike(expected: Any, got: Any, scale: float, strict: bool) -> str:
    """What differs between two results, or nothing."""
    if isinstance(expected, (tuple, list)):
        if type(got).__name__ != type(expected).__name__ or len(got) != len(expected):
            return f"other structure, {type(got).__name__} for {type(expected).__name__}"
        pairs = zip(expected, got, strict=True)
        return next(filter(None, (_unlike(a, b, scale, strict) for a, b in pairs)), "")
    if isinstance(expected, dict):
        if not isinstance(got, dict) or list(got) != list(expected):
            return "other structure, of a dict"
        return next(
            filter(None, (_unlike(expected[key], got[key], scale, strict) for key in expected)), ""
        )
    if isinstance(expected, Enum):  # of another load of the same module
        return "" if str(got) == str(expected) else "wrong member of an enum"
    if expected is None or isinstance(expected, str):
        return "" if got == expected and type(got) is type(expected) else "wrong text or None"
    return _unlike_numbers(expected, got, scale, strict)


def _unlike_numbers(expected: Any, got: Any, scale: float, strict: bool) -> str:
    if got is None or isinstance(got, (str, tuple, list, dict)):
        return f"other structure, {type(got).__name__} for a number"
    a, b = np.asarray(expected), np.asarray(got)
    if a.shape != b.shape:
        return "wrong shape"
    if strict and narrow(a.dtype) != narrow(b.dtype):
        return f"wrong dtype, {b.dtype} for {a.dtype}"
    if not np.allclose(b.astype(float), a.astype(float), rtol=RTOL, atol=ATOL * scale):
        return f"wrong value of {narrow(a.dtype)}"
    return ""


_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def same_text(expected: str, got: str) -> bool:
    """Whether texts are the same, numbers with a point within the tolerance."""
    if _NUMBER.split(expected) != _NUMBER.split(got):
        return False
    pairs = zip(_NUMBER.findall(expected), _NUMBER.findall(got), strict=True)
    return all(
        a == b or ("." in a and "." in b and np.isclose(float(a), float(b), rtol=RTOL, atol=ATOL))
        for a, b in pairs
    )


def _without_names(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return re.sub(r"\d+", "#", re.sub(r"`[^`]*`|'[^']*'|\"[^\"]*\"", "`..`", first))


def _refusal(text: str) -> str:
    """The first line; of one that says little, what the user's line calls as well."""
    first = _without_names(text)
    line = re.search(r"^ *> *\d+ \|(.*)", text, re.MULTILINE)
    if "used where Python needs it" not in first or line is None:
        return first
    calls = re.findall(r"\bmath|\bxp\.\w+|\b[a-z]+(?=\()", line[1])
    shown = " ".join(sorted(set(calls))) or re.sub(r"\d+", "#", line[1].strip())
    return f"{first[:60]}: {shown}"


def _signature(error: Exception) -> str:
    """Type, message and place in the package: the same for the same defect."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/kolam/" in frame.filename]
    place = f" in {own[-1].filename.rsplit('/', 1)[-1]}:{own[-1].name}" if own else ""
    return f"{type(error).__name__}: {_without_names(str(error))[:90]}{place}"


def _compare_mapped(
    program: Program, function: Callable[..., Any], cases: Sequence[Case], good: Sequence[Case]
) -> None:
    """`jax.vmap` over the cases against one by one."""
    got = run(jax.vmap(function), stacked(good))
    for place, case in enumerate(good):
        value = got.value
        if got.error is None:
            value = jax.tree.map(lambda leaf, place=place: leaf[place], value)
        silent = Case(case.arguments, Outcome(case.expected.value, None, ""), case.scale)
        _same(silent, Outcome(value, got.error, ""), program, "vmap")
    joined = "".join(case.expected.printed for case in good)
    # examples print side by side: what one `print` writes ends with a line or with `end=";"`
    parts = (text.replace(";", "\n").splitlines() for text in (joined, got.printed))
    if not same_text(*("\n".join(sorted(lines)) for lines in parts)):
        about = f"plain: {joined!r}\nkolam: {got.printed!r}"
        raise _Found("differs", "vmap: other text printed", about)
    failed = [case for case in cases if case.expected.error is not None]
    if failed:
        # of a batch, the first example that fails is the one that is told
        got = run(jax.vmap(function), stacked(cases))
        silent = Outcome(None, failed[0].expected.error, "")
        _same(
            Case(failed[0].arguments, silent, 1.0), Outcome(got.value, got.error, ""), None, "vmap"
        )


def _compare_slopes(
    program: Program,
    function: Callable[..., Any],
    cases: Sequence[Case],
    floats: Sequence[int],
    way: str,
) -> None:
    slopes = Slopes(load(program.compiled(), xp=np), function, floats, way)
    for case, expected, got in slopes.pairs(cases):
        about = f"arguments {case.arguments!r}\nplain: {expected}\nkolam: {_shown(got)}"
        if got.error is not None:
            _same_error(None, got.error, way, about)
        if not slopes.agree(expected, got.value):
            raise _Found("differs", f"{way}: wrong slope", about)
