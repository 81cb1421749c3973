"""The code of the README, the tour and the guides runs, and prints what is written beside it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(python|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"print\(.*\)\s+# (.*)$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```|`[^`]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
PAGES = [
    page.relative_to(ROOT).as_posix()
    for page in (
        ROOT / "README.md",
        ROOT / "docs/tour.md",
        *sorted(ROOT.glob("docs/guides/**/*.md")),
    )
]
WITH_CODE = [page for page in PAGES if "```python\n" in (ROOT / page).read_text()]


def read_page(page: str) -> tuple[str, list[str]]:
    """Give the code of a page, and the lines that it prints.

    They stand in comments, ``print(x)  # 3``, or in a block of text below the code.
    """
    code, printed = [], list[str]()
    for kind, block in FENCE.findall((ROOT / page).read_text()):
        if kind == "python":
            code.append(block)
            printed += PRINTED.findall(block)
        else:
            printed += block.splitlines()
    return "\n".join(code), printed


@pytest.mark.parametrize("page", WITH_CODE)
def test_code_of_the_page_prints_what_is_written_beside_it(
    page: str, home: Path, tmp_path: Path
) -> None:
    code, expected = read_page(page)
    name = f"{Path(page).stem}.py"  # as errors name it
    (tmp_path / name).write_text(code)
    done = subprocess.run(
        [sys.executable, "-P", name],  # -P: a page may be called like a module,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = list(dict.fromkeys(done.stdout.splitlines()))  # a loop prints its line again
    assert lines == list(dict.fromkeys(expected))
    assert expected


@pytest.mark.parametrize("page", PAGES)
def test_links_of_the_page_lead_to_files(page: str) -> None:
    links = LINK.findall(CODE.sub("", (ROOT / page).read_text()))
    folder = (ROOT / page).parent
    assert [link for link in links if "://" not in link and not (folder / link).exists()] == []
