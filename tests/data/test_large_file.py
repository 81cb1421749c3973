"""A shuffled file that is larger than the memory it may use, through the benchmark itself."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux's")
def test_a_file_larger_than_the_memory_is_shuffled_in_flat_memory(tmp_path: Path) -> None:
    sizes = ["--gigabytes", "0.5", "--limit", "0.45", "--window", "48", "--epochs", "1"]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/data/large_file.py", *sizes, "--folder", tmp_path],
        env={**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"0\.5 GB, 6,391,320 rows in", done.stdout)
    assert "of 0.45 GB: flat" in done.stdout
