"""Random programs mean the same converted as in plain Python.

Short here: 150 programs of fixed seeds. `benchmarks/autograph_fuzz.py` runs thousands.
"""

from collections.abc import Iterator

import jax
import pytest

from tests.autograph.fuzz.compare import DERIVED, Verdict, judge
from tests.autograph.fuzz.programs import FEATURES, Program, programs, random_program
from tests.autograph.fuzz.shrinking import shrink

NUM_BATCHES, BATCH = 10, 15


@pytest.fixture(autouse=True)
def _quick_compilation() -> Iterator[None]:
    """Small programs that run a few times: compiling costs more than running."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def _verdict(program: Program) -> Verdict:
    # every third program derived as well, each in another way
    derived = DERIVED[program.seed // 3 % len(DERIVED)]
    return judge(program, (derived,) if program.seed % 3 == 0 else ())


def _smallest(seed: int, verdict: Verdict) -> str:
    program, choices = random_program(seed)
    found = shrink(choices, lambda one: _verdict(one).cause == verdict.cause) or program
    return f"seed {seed}, {verdict.cause}\n\n{found.text}\n{_verdict(found).detail}"


@pytest.mark.parametrize("batch", range(NUM_BATCHES))
def test_random_programs_are_the_same_as_python(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        verdict = _verdict(random_program(seed)[0])
        assert verdict.answer != "differs", _smallest(seed, verdict)


def _program(*lines: str, parameters: tuple[str, ...] = ("n", "x"), seed: int = 0) -> Program:
    head = f"def program({', '.join(parameters)}):\n"
    return Program(head + "".join(f"    {line}\n" for line in lines), parameters, 3, False, seed)


def test_a_seed_gives_the_same_program_again() -> None:
    assert random_program(7) == random_program(7)
    assert random_program(7)[0] != random_program(8)[0]


def test_every_construct_is_written_by_some_of_the_first_thousand_programs() -> None:
    written = "".join(random_program(seed)[0].text for seed in range(1000))
    marks = {
        "while True:", "else:", "elif ", "for ", "break", "continue", "enumerate(", "zip(",
        "reversed(", ".items():", ".append(", ".pop(", " if ", " := ", "match ", "case ",
        "lambda ", "nonlocal ", "yield ", "@twice", "partial(", "raise ", "assert ", "print(",
        "is None", "del ", "with scope", "try:", "finally:", "except ", "math.", "any(", "all(",
        "sum(", "min(", "max(", "abs(", "round(", "int(", "float(", "bool(", "len(", "divmod(",
        "Color.", "Point(", "Pair(", "Box(", "._replace", "replace(", "fns", "jax.random",
        "[mask", " and ", " or ", "not ", " in (1", " // ", " % ", " >> ", "xp.where", "xp.stack",
    }  # fmt: skip
    assert [mark for mark in sorted(marks) if mark not in written] == []


def test_hypothesis_shrinks_a_program_to_what_is_looked_for() -> None:
    seed = next(s for s in range(100) if "while " in random_program(s)[0].text)
    program, choices = random_program(seed)
    found = shrink(choices, lambda one: "while " in one.text, seconds=5)
    assert found is not None
    assert "while " in found.text
    assert len(found.text) < len(program.text)


def test_a_wrong_value_is_found() -> None:
    verdict = judge(_program("return n + len(xp.__name__)"))
    assert (verdict.answer, verdict.cause) == ("differs", "value: wrong value of int32")


def test_a_wrong_dtype_is_found() -> None:
    verdict = judge(_program("return n * 1 if xp.__name__ == 'numpy' else n + 0.0"))
    assert (verdict.answer, verdict.cause) == ("differs", "value: wrong dtype, float32 for int64")


def test_a_wrong_structure_is_found() -> None:
    verdict = judge(_program("return (n, x) if xp.__name__ == 'numpy' else [n, x]"))
    assert verdict.cause == "value: other structure, list for tuple"


def test_an_error_that_python_has_not_is_found() -> None:
    verdict = judge(_program("assert xp.__name__ == 'numpy'", "return n"))
    assert verdict.answer == "differs"
    assert verdict.cause.startswith("value: AssertionError: ")
    assert verdict.cause.endswith(" instead of no error")


def test_an_error_that_only_python_has_is_found() -> None:
    verdict = judge(_program("assert xp.__name__ != 'numpy'", "return n"))
    assert verdict.cause == "value: AssertionError is not raised"


def test_another_message_is_found() -> None:
    verdict = judge(_program("raise ValueError(xp.__name__)"))
    assert verdict.cause == "value: other message of ValueError"


def test_another_text_printed_is_found() -> None:
    verdict = judge(_program("print(xp.__name__, n)", "return n"))
    assert verdict.cause == "value: other text printed"


@pytest.mark.parametrize("way", ["grad", "jacfwd", "mapped grad"])
def test_a_wrong_slope_is_found(way: str) -> None:
    program = _program("return x if xp.__name__ == 'numpy' else x + (x - jax.lax.stop_gradient(x))")
    named = Program("import jax\n\n" + program.text, program.parameters, 3, False, 0)
    assert judge(named, (way,)).cause == f"{way}: wrong slope"


def test_a_refusal_is_told_apart() -> None:
    verdict = judge(_program("return open(x)"))
    assert (verdict.answer, verdict.cause[:6]) == ("refused", "value:")


@pytest.mark.parametrize(
    "line",
    [
        "return n // (n - n)",  # divides by zero
        "return x if x < x + 1e-6 else n * 0.5",  # decides by a hair
        "return int(n + 1.0 - 1e-7)",  # rounds by a hair
        "return (n + 9) ** 12",  # more than 32 bits
        "return (x + 7e7) - 7e7",  # cancels
        "while n > -9: x = 0.0",  # does not end
    ],
)
def test_what_no_fair_comparison_can_be_made_of_is_left_out(line: str) -> None:
    assert judge(_program(line)) == Verdict("unfit")


def test_choices_of_hypothesis_and_of_a_seed_give_the_same_program() -> None:
    program, choices = random_program(3)
    assert shrink(choices, lambda one: one == program, seconds=1) == program


def test_no_construct_is_without_a_program() -> None:
    assert len(set(FEATURES)) == len(FEATURES)
    assert programs().example is not None
