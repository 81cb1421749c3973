"""Contenders side by side: each in a process of its own, whole epochs, ratios to bars.

A contender is a function that gets ready (imports, arrays in memory; not timed) and returns an
`Epoch`. A benchmark file calls `main` with its contenders and bars; the same file is run again in
a child process, with `--run NAME`, for one contender.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(tempfile.gettempdir(), "kolam-benchmarks")


@dataclass(frozen=True, slots=True)
class Epoch:
    """What is timed.

    Args:
        batches: Opens the source and gives its batches; called once per epoch.
        size: Number of examples in a batch.
    """

    batches: Callable[[], Iterable[Any]]
    size: Callable[[Any], int] = len


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise: examples/s of `name` are at least `ratio` times those of `peer`."""

    peer: str
    ratio: float
    name: str = "kolam"


def main(
    title: str,
    contenders: dict[str, Callable[[], Epoch]],
    bars: list[Bar],
    make: Callable[[], None] | None = None,
) -> None:
    """Run the contenders in turn and print a table and the bars.

    Names that begin with "kolam" or "numpy" run in this Python, all others in that of `--peers`.
    The exit status is 1 if a bar is missed.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--peers", metavar="PYTHON", help="Python that has the peers' packages")
    parser.add_argument("--only", nargs="*", help="these contenders alone")
    parser.add_argument("--rounds", type=int, default=3, help="processes for each contender")
    parser.add_argument("--seconds", type=float, default=3, help="timed epochs fill so many")
    parser.add_argument("--limit", type=float, default=60, help="an epoch is cut after so many")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        measure(contenders[options.run](), options.seconds, options.limit)
    if make is not None:
        make()
    results: dict[str, dict[str, float]] = {}
    for turn in range(options.rounds):
        for name in contenders:
            ours = name.startswith(("kolam", "numpy"))
            chosen = name in options.only if options.only else ours or options.peers
            if chosen and not (turn and results[name]["cut"]):  # a slow one need not be repeated
                python = sys.executable if ours else options.peers
                _keep_best(results, name, _child(python, name, options))
    _print(title, results)
    missed = _print_bars(bars, results)
    sys.exit(1 if missed else 0)


def measure(epoch: Epoch, seconds: float, limit: float) -> None:
    """Time epochs in this process, print the best as a JSON line, and leave."""
    best: dict[str, float] = {}
    began, epochs = time.perf_counter(), 0
    while epochs == 0 or time.perf_counter() - began < seconds * (4 if epochs < 4 else 1):
        one = _timed(epoch, limit)
        epochs += 1
        best = _better(best, one) if best else {**one, "first_epoch_s": one["epoch_s"]}
        if one["cut"]:
            break
    best["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(best), flush=True)
    os._exit(0)  # some peers hang when their worker processes are ended


def _timed(epoch: Epoch, limit: float) -> dict[str, float]:
    start, cpu = time.perf_counter(), _processor_seconds()
    batches = iter(epoch.batches())
    examples = first_size = epoch.size(next(batches))
    first = time.perf_counter()
    cut = 0.0
    for batch in batches:
        examples += epoch.size(batch)
        if time.perf_counter() - start > limit:
            cut = 1.0
            break
    stop = time.perf_counter()
    steady = cut and stop - first > limit / 2  # else there is no rate apart from the start-up
    rate = (examples - first_size) / (stop - first) if steady else examples / (stop - start)
    return {
        "rate": rate,
        "cpu_rate": examples / (_processor_seconds() - cpu),
        "to_first_batch_s": first - start,
        "epoch_s": stop - start,
        "examples": examples,
        "cut": cut,
    }


def _processor_seconds() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(one)[:2]) for one in who)


def _child(python: str, name: str, options: argparse.Namespace) -> dict[str, float]:
    times = ["--seconds", str(options.seconds), "--limit", str(options.limit)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = str(ROOT)
    ended = subprocess.run(
        [python, sys.argv[0], "--run", name, *times],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        sys.exit(f"{name} failed:\n{ended.stderr[-3000:]}")
    result: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return result


def _keep_best(results: dict[str, dict[str, float]], name: str, one: dict[str, float]) -> None:
    results[name] = _better(results[name], one) if name in results else one


def _better(best: dict[str, float], one: dict[str, float]) -> dict[str, float]:
    kept = {**one, **best}
    for key in ("rate", "cpu_rate"):
        kept[key] = max(best[key], one[key])
    kept["to_first_batch_s"] = min(best["to_first_batch_s"], one["to_first_batch_s"])
    return kept


def _print(title: str, results: dict[str, dict[str, float]]) -> None:
    load = os.getloadavg()[0]
    print(f"{title} (load {load:.1f} on {os.cpu_count()} cores)\n")
    print("| contender | examples/s | per CPU-second | first batch | first epoch | peak memory | |")
    print("|---|---|---|---|---|---|---|")
    for name, one in sorted(results.items(), key=lambda item: -item[1]["rate"]):
        cut = f"cut after {one['examples']:,.0f}" if one["cut"] else ""
        print(
            f"| {name} | {one['rate']:,.0f} | {one['cpu_rate']:,.0f} "
            f"| {one['to_first_batch_s']:.3f} s | {one['first_epoch_s']:.2f} s "
            f"| {one['peak_mb']:,.0f} MB | {cut} |"
        )


def _print_bars(bars: list[Bar], results: dict[str, dict[str, float]]) -> list[Bar]:
    missed = []
    for bar in bars:
        if not {bar.name, bar.peer} <= results.keys():
            print(f"{bar.name} / {bar.peer}: not measured (bar {bar.ratio:g})")
            continue
        ours, theirs = results[bar.name], results[bar.peer]
        ratio, cpu = ours["rate"] / theirs["rate"], ours["cpu_rate"] / theirs["cpu_rate"]
        word = "met" if ratio >= bar.ratio else "MISSED"
        print(f"{bar.name} / {bar.peer}: {ratio:.2f} (bar {bar.ratio:g}: {word}; by CPU {cpu:.2f})")
        missed += [bar] if word == "MISSED" else []
    return missed
