"""The table of the guide: one row a program, one column a library.

As a script it writes the table anew, with what the columns give that can run here:

    python -m tests.autograph.compared.table
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.autograph.compared.programs import ROWS

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "guides" / "autograph" / "compared.md"
TITLES = {
    "kolam": "`kl.function`",
    "tensorflow": "`tf.function`",
    "torch": "`torch.compile`",
    "jax": "`jax.jit`",
}
HEAD = (
    f"| construct, on traced data | {' | '.join(TITLES.values())} |\n|---|{'---|' * len(TITLES)}\n"
)
_ROW = re.compile(r"^\| (.*?) \|" + r" ([^|]*?) \|" * len(TITLES) + "$", re.MULTILINE)


def read_table() -> dict[str, dict[str, str]]:
    """Give the cells of the guide's table: by the row's label, by the name of the column."""
    text = PAGE.read_text()
    _, found, body = text.partition(HEAD)
    if not found:
        raise ValueError(f"{PAGE} has no table with the columns {list(TITLES.values())}")
    return {
        label: dict(zip(TITLES, cells, strict=True))
        for label, *cells in _ROW.findall(body.partition("\n\n")[0])
    }


def write_table(columns: dict[str, dict[str, str]]) -> None:
    """Put new cells into the guide's table; columns that are not given stay as they are."""
    old = read_table()
    lines = []
    for label in (row.label for row in ROWS):
        cells = [
            columns.get(name, {}).get(label) or old.get(label, {}).get(name, "not run")
            for name in TITLES
        ]
        lines.append(f"| {' | '.join([label, *cells])} |\n")
    before, _, rest = PAGE.read_text().partition(HEAD)
    after = rest.partition("\n\n")[2]
    PAGE.write_text(before + HEAD + "".join(lines) + ("\n" + after if after else ""))


def python_with(library: str) -> str | None:
    """Find a Python that has a library: this one, or one of `KOLAM_PEER_PYTHON`.

    The variable holds paths of interpreters, separated as in `PATH`.
    """
    if importlib.util.find_spec(library) is not None:
        return sys.executable
    ask = f"import importlib.util as u, sys; sys.exit(u.find_spec({library!r}) is None)"
    for python in os.environ.get("KOLAM_PEER_PYTHON", "").split(os.pathsep):
        if python and subprocess.run([python, "-c", ask], check=False).returncode == 0:
            return python
    return None


def run_apart(column: str, python: str) -> dict[str, tuple[str, str]]:
    """Judge a column in a process of its own; gives verdict and reason by the row's label."""
    done = subprocess.run(
        [python, "-m", "tests.autograph.compared.columns", column],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        raise RuntimeError(f"the column of {column} failed:\n{done.stderr[-2000:]}")
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return {label: (verdict, reason) for label, (verdict, reason) in found.items()}


def main() -> None:
    """Run every column that can run here and write the table."""
    pythons = {name: python_with(name) for name in TITLES}
    columns = {
        name: {label: cell[0] for label, cell in run_apart(name, python).items()}
        for name, python in pythons.items()
        if python is not None
    }
    write_table(columns)


if __name__ == "__main__":
    main()
