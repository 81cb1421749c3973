"""The code of the README, the tour and the guides runs, and prints what its comments say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"print\(.*\)\s+# (.*)$", re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "docs/tour.md", "docs/guides/session.md"])
def test_code_of_the_page_prints_what_its_comments_say(
    page: str, home: Path, tmp_path: Path
) -> None:
    code = "\n".join(BLOCK.findall((ROOT / page).read_text()))
    expected = PRINTED.findall(code)
    (tmp_path / "page.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "page.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = list(dict.fromkeys(done.stdout.splitlines()))  # a loop prints its line again
    assert lines == list(dict.fromkeys(expected))
    assert expected
