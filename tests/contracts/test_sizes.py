"""Promises about how long things are."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def lines(file: Path) -> int:
    return len(file.read_text().splitlines())


def test_files_above_600_lines_have_a_reason() -> None:
    allowed = tomllib.loads((ROOT / "tests/contracts/sizes.toml").read_text())
    files = [*ROOT.glob("kolam/**/*.py"), *ROOT.glob("kolam/**/*.js")]
    long = {str(file.relative_to(ROOT)) for file in files if lines(file) > 600}
    assert long == set(allowed)


def test_half_of_the_files_stay_below_200_lines() -> None:
    sizes = sorted(lines(file) for file in ROOT.glob("kolam/**/*.py"))
    assert sizes[len(sizes) // 2] <= 200
