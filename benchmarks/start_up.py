"""How long one waits before anything happens: imports and the command line's help.

Each is a fresh process; the best of several counts. `import jax` stands beside them as the measure
of what a machine-learning package usually costs.

Usage:
    python benchmarks/start_up.py [--rounds 7]
"""

import argparse
import json
import platform
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import kolam": ["-c", "import kolam"],
    "kolam --help": ["-c", "from kolam.cli import main; main()", "--help"],
    "import jax": ["-c", "import jax"],
    "import keras": ["-c", "import kolam, keras"],
}


def best_seconds(arguments: list[str], rounds: int) -> float:
    """Give the shortest wall-clock time of a process, in seconds."""
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    found = {name: round(best_seconds(words, rounds), 3) for name, words in COMMANDS.items()}
    print(json.dumps({"machine": platform.machine(), "seconds": found}, indent=2))


if __name__ == "__main__":
    main()
