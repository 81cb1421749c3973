"""Optimiser steps per second of `kl.train.fit` beside Keras, PyTorch and loops by hand in JAX.

Each contender runs in a process of its own, the first epoch (tracing and compiling) apart. Rounds
of all contenders are repeated, so that a slow minute of the machine hits all of them; the best
epoch of each counts. Processor time, of all threads, is shown as well: it hardly knows what else
the machine does.

Usage:
    python benchmarks/train/steps.py [CASE ...] [--peers PYTHON] [--rounds 3] [--seconds 5]
        [--contenders NAME ...] [--lowering off]

`--peers` names the Python of an environment with torch, keras, tensorflow-cpu and jax; without it
the contenders of this environment run. torch-compile and keras-torch run only when they are named.
The exit code is 1 when a bar is missed.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from cases import CASES
from contender import CONTENDERS

Result = dict[str, float]

# case: contender: least ratio of our steps per second to its
BARS: dict[str, dict[str, float]] = {
    "mlp32": {"jax-scan": 0.9, "keras-jax": 1.5, "torch-eager": 3.0, "keras-tensorflow": 5.0},
    "mlp256": dict.fromkeys(CONTENDERS[2:], 1.0),
    "cnn64": {"torch-eager": 1.2, "keras-tensorflow": 1.0},
    "lstm32": {"torch-eager": 1.0},
    "tfm16": {"torch-eager": 1.0},
}
_SLOW = {"torch-compile", "keras-torch"}
_OURS = "kolam"


def measure(contender: str, case: str, python: str, options: list[str]) -> Result:
    """Time one contender in a process of its own."""
    script = Path(__file__).with_name("contender.py")
    command = [python, str(script), contender, case, *options]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode:
        sys.exit(f"{contender} failed on {case}:\n{answer.stderr}")
    result: Result = json.loads(answer.stdout.splitlines()[-1])
    return result


def race(case: str, contenders: list[str], given: argparse.Namespace) -> dict[str, Result]:
    """Let all contenders run in turn, round after round; give the best of each."""
    best: dict[str, Result] = {}
    for _ in range(given.rounds):
        for name in contenders:
            options = ["--seconds", str(given.seconds)]
            if given.lowering and name.startswith(_OURS):
                options += ["--lowering", given.lowering]
            is_peer = not name.startswith(_OURS) and given.peers
            found = measure(name, case, given.peers if is_peer else sys.executable, options)
            if name in best:
                other = best[name]
                for key in ("cpu_ms_per_step", "first_epoch_s"):
                    found[key] = min(found[key], other[key])
                for key in ("steps_per_s", "median_steps_per_s"):
                    found[key] = max(found[key], other[key])
            best[name] = found
    return best


def report(case: str, found: dict[str, Result]) -> int:
    """Print the table of a case; give how many bars were missed."""
    size, missed = CASES[case], 0
    print(f"\n{case}: {size.title}, batch {size.batch}, {size.steps} steps in an epoch")
    print(
        f"  {'':20}{'steps/s':>9}{'median':>9}{'cpu ms':>9}{'first s':>9}{'loss':>9}"
        f"{'ours/it':>9}{'by cpu':>9}"
    )
    ours = found[_OURS]
    for name, one in found.items():
        ratio = ours["steps_per_s"] / one["steps_per_s"]
        by_cpu = one["cpu_ms_per_step"] / ours["cpu_ms_per_step"]
        bar = BARS[case].get(name)
        verdict = "" if bar is None else f"  bar {bar}: {'met' if ratio >= bar else 'MISSED'}"
        missed += bar is not None and ratio < bar
        print(
            f"  {name:20}{one['steps_per_s']:9.1f}{one['median_steps_per_s']:9.1f}"
            f"{one['cpu_ms_per_step']:9.3f}{one['first_epoch_s']:9.2f}{one['loss']:9.4f}"
            f"{ratio:9.2f}{by_cpu:9.2f}{verdict}"
        )
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=[])
    parser.add_argument("--lowering", help="argument of kl.train.fit")
    given = parser.parse_args()
    if unknown := set(given.cases) - CASES.keys():
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    here = [name for name in CONTENDERS if "torch" not in name and "tensorflow" not in name]
    everyone = [name for name in CONTENDERS if name not in _SLOW] if given.peers else here
    contenders = list(dict.fromkeys([_OURS, *(given.contenders or everyone)]))
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    missed = 0
    for case in given.cases or CASES:
        missed += report(case, race(case, contenders, given))
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
