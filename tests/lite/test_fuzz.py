"""Random programs against XLA and under the sanitizers; mutated text into the importer."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from kolam.graph import Graph
from kolam.lite import compile
from tests.lite.random_programs import RandomProgram
from tests.lite.sanitized import COMPILERS, is_there, run_sanitized

ROOT = Path(__file__).resolve().parents[2]
# reads texts from a file and imports each; what is not Kolam's own error ends the process
_IMPORTER = """
import sys
from kolam.core import KolamError
from kolam.graph import read_module
from kolam.lite._emit import emit_source
from kolam.lite._frontend.read import translate
from kolam.lite._passes import run_passes
from kolam.lite._schedule import schedule
from kolam.lite._targets import targets
from kolam.lite._verify import verify

tiling = targets["native"].tiling
counts = {"right": 0, "refused": 0}
for number, text in enumerate(open(sys.argv[1]).read().split("\\0")):
    print(number, file=sys.stderr, flush=True)
    try:
        program = verify(translate(read_module(text), "m", [], ("x", "i"), ("y",) * 6))
        emit_source(schedule(run_passes(program), tiling), header="m.h")
        counts["right"] += 1
    except KolamError as error:
        assert str(error).strip()
        counts["refused"] += 1
print(counts["right"], counts["refused"])
"""


def _graph(program: RandomProgram) -> Graph:
    return Graph.from_function(program, *program.inputs(), name="random")


def _assert_alike(found: Any, expected: Any) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        wanted = np.asarray(theirs)
        assert ours.dtype == wanted.dtype
        if wanted.dtype.kind == "f":
            # fourteen operations on numbers near 1, each within some 1e-7
            np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-5)
        else:
            np.testing.assert_array_equal(ours, wanted)


@pytest.mark.parametrize("seed", range(12))
def test_random_programs_equal_xla(seed: int) -> None:
    program = RandomProgram(seed)
    expected = jax.jit(program)(*program.inputs())
    _assert_alike(compile(_graph(program)).run(*program.inputs()).values(), expected)


@pytest.mark.parametrize("seed", range(100, 104))
def test_random_programs_equal_xla_in_wasm(seed: int) -> None:
    program = RandomProgram(seed)
    expected = jax.jit(program)(*program.inputs())
    _assert_alike(compile(_graph(program), "wasm").run(*program.inputs()).values(), expected)


@pytest.mark.parametrize("seed", range(200, 206))
def test_random_programs_run_under_the_sanitizers(seed: int, tmp_path: Path) -> None:
    program = RandomProgram(seed)
    compiler = next(filter(is_there, COMPILERS))
    expected = jax.jit(program)(*program.inputs())
    compiled = compile(_graph(program))
    _assert_alike(run_sanitized(compiled, program.inputs(), compiler, tmp_path), expected)


def _mutated(text: str, random: np.random.Generator) -> str:
    """Change one to three places of a text: lines, words, numbers, letters."""
    for _ in range(random.integers(1, 4)):
        kind = random.integers(7)
        lines = text.split("\n")
        if kind == 0:
            del lines[random.integers(len(lines))]
            text = "\n".join(lines)
        elif kind == 1:
            one, two = random.integers(len(lines), size=2)
            lines[one], lines[two] = lines[two], lines[one]
            text = "\n".join(lines)
        elif kind == 2:
            numbers = list(re.finditer(r"\d+", text))
            found = numbers[random.integers(len(numbers))]
            other = str(random.choice([0, 1, 2, 3, 7, 2**31, 2**63]))
            text = text[: found.start()] + other + text[found.end() :]
        elif kind == 3:
            words = list(re.finditer(r"[a-z_]+", text))
            one, two = (words[place] for place in random.integers(len(words), size=2))
            text = text[: one.start()] + two[0] + text[one.end() :]
        elif kind in (4, 5):
            operations = list(re.finditer(r"stablehlo\.[a-z_]+", text))
            one, two = (operations[place] for place in random.integers(len(operations), size=2))
            text = text[: one.start()] + two[0] + text[one.end() :]
        else:
            place = random.integers(len(text))
            text = text[:place] + chr(random.integers(33, 127)) + text[place + 1 :]
    return text


def test_mutated_text_is_read_or_refused_and_never_ends_the_process(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    texts = [_graph(RandomProgram(seed, 8)).static_program().text for seed in range(300, 310)]
    places = re.compile(r" loc\((?:[^()]|\([^()]*\))*\)|^#loc.*\n", re.MULTILINE)
    plain = [places.sub("", text) for text in texts]
    mutants = [_mutated(plain[n % len(plain)], random) for n in range(300)]
    (tmp_path / "texts").write_text("\0".join([*plain, *mutants]))
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTER, tmp_path / "texts"],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    right, refused = map(int, done.stdout.split())
    assert right > len(plain)
    assert refused > 100
