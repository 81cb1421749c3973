"""How many random programs differ between plain Python and `kl.function`; prints one JSON object.

The goal is 0 of 10,000. A folder gets the smallest program of every cause, shrunk by hypothesis.
"""

import argparse
import collections
import json
import os
import sys
import time
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
# thousands of small programs, each run a few times: compiling costs more than running
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
    ]
).strip()

import jax  # noqa: E402 - after its environment

from tests.autograph.fuzz.compare import DERIVED, Verdict, judge  # noqa: E402
from tests.autograph.fuzz.programs import Program, random_program  # noqa: E402
from tests.autograph.fuzz.pruning import prune  # noqa: E402
from tests.autograph.fuzz.shrinking import shrink  # noqa: E402

CHUNK = 50
Cause = tuple[str, str]


@dataclass(slots=True)
class Tally:
    """Counts of answers and causes, and the seed of the shortest program of each cause."""

    answers: collections.Counter[str] = field(default_factory=collections.Counter)
    causes: collections.Counter[Cause] = field(default_factory=collections.Counter)
    shortest: dict[Cause, tuple[int, int]] = field(default_factory=dict)

    def add(self, verdict: Verdict, length: int, seed: int) -> None:
        """Count one program."""
        self.answers[verdict.answer] += 1
        if verdict.answer in ("refused", "differs"):
            cause = (verdict.answer, verdict.cause)
            self.causes[cause] += 1
            self.keep(cause, (length, seed))

    def keep(self, cause: Cause, found: tuple[int, int]) -> None:
        """Remember a program if it is the shortest of its cause."""
        self.shortest[cause] = min(found, self.shortest.get(cause, found))

    def join(self, other: "Tally") -> None:
        """Add the counts of another."""
        self.answers += other.answers
        self.causes += other.causes
        for cause, found in other.shortest.items():
            self.keep(cause, found)

    def ranked(self) -> list[Cause]:
        """Causes, the differing ones first, then by count."""
        return sorted(self.causes, key=lambda cause: (cause[0], -self.causes[cause]))


def judged(program: Program) -> Verdict:
    """The verdict with one of the derived checks, which the seed of the program chooses."""
    return judge(program, (DERIVED[program.seed % len(DERIVED)],))


def count(seeds: range) -> Tally:
    """Judge the programs of some seeds."""
    jax.config.update("jax_enable_compilation_cache", False)
    tally = Tally()
    for seed in seeds:
        program, _ = random_program(seed)
        tally.add(judged(program), len(program.text), seed)
    jax.clear_caches()
    return tally


def explain(task: tuple[Cause, int, float]) -> tuple[Cause, str]:
    """The smallest program of a cause, from its seed within some seconds, and what came out."""
    cause, seed, seconds = task
    jax.config.update("jax_enable_compilation_cache", False)
    # what is found without derivatives is shrunk without them
    derived = tuple(way for way in DERIVED if cause[1].startswith(way))

    def is_found(program: Program) -> bool:
        verdict = judge(program, derived)
        return (verdict.answer, verdict.cause) == cause

    def is_found_in_time(program: Program) -> bool:
        return time.monotonic() < end and is_found(program)

    program, choices = random_program(seed)
    end = time.monotonic() + 3 * seconds
    program = prune(shrink(choices, is_found, seconds=seconds) or program, is_found_in_time)
    notes = "\n".join(f"# {line}" for line in judge(program, derived).detail.splitlines())
    return cause, f"{program.text}\n\n{notes}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="seed of the first program")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("fuzz.tmp"))
    parser.add_argument("--causes", type=int, default=20, help="how many to shrink")
    parser.add_argument("--seconds", type=float, default=60.0, help="for shrinking one cause")
    options = parser.parse_args()
    stop = options.seed + options.programs
    parts = [range(s, min(s + CHUNK, stop)) for s in range(options.seed, stop, CHUNK)]
    tally, start = Tally(), time.perf_counter()
    # fresh processes now and then: what was compiled is never given back
    with get_context("spawn").Pool(options.processes, maxtasksperchild=10) as pool:
        for part in pool.imap(count, parts):
            tally.join(part)
            print(dict(tally.answers), f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
        spent = time.perf_counter() - start
        list_causes(options.folder, tally)
        ranked = tally.ranked()[: options.causes]
        tasks = [(cause, tally.shortest[cause][1], options.seconds) for cause in ranked]
        for place, (cause, text) in enumerate(pool.imap(explain, tasks)):
            file = options.folder / f"{place:03d}_{cause[0]}.py"
            file.write_text(f"# {tally.causes[cause]} programs: {cause[1]}\n\n{text}")
    figures = {"programs": sum(tally.answers.values()), **tally.answers, "seconds": round(spent)}
    print(json.dumps(figures))


def list_causes(folder: Path, tally: Tally) -> None:
    """All causes with their counts, and for each the seed of its shortest program."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        f"{cause[0]} {tally.causes[cause]} (seed {tally.shortest[cause][1]}): {cause[1]}"
        for cause in tally.ranked()
    ]
    (folder / "causes.txt").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
