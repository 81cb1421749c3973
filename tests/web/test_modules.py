import base64
import gzip
import json
import re
from pathlib import PurePosixPath

import pytest

from kolam.web._modules import STATIC, module_closure, packed_modules

FLOORS = ("runtime", "charts", "live", "report", "demo")
MODULES = sorted(
    path.relative_to(STATIC).as_posix()
    for floor in FLOORS
    for path in (STATIC / floor).glob("*.js")
)


def imports(name: str) -> list[str]:
    """Every module that a file names in an import, a re-export or a type."""
    text = (STATIC / name).read_text()
    return re.findall(r"""(?:from\s+|import\()["'](\.[^"']+)["']""", text)


def test_a_closure_names_imports_before_those_who_import() -> None:
    closure = module_closure("report/report.js")
    for place, name in enumerate(closure):
        statements = re.findall(r"""\bfrom\s+["'](\.[^"']+)["'];""", (STATIC / name).read_text())
        for path in statements:
            assert (STATIC / name).parent.joinpath(path).resolve() in {
                (STATIC / other).resolve() for other in closure[:place]
            }


def test_packed_modules_are_the_files_as_they_are() -> None:
    modules = json.loads(gzip.decompress(base64.b64decode(packed_modules("demo/demo.js"))))
    assert modules == [[name, (STATIC / name).read_text()] for name, _ in modules]
    assert modules[-1][0] == "demo/demo.js"


@pytest.mark.parametrize("name", MODULES)
def test_modules_import_only_from_their_own_floor_or_below(name: str) -> None:
    floor = FLOORS.index(name.split("/")[0])
    for path in imports(name):
        target = (STATIC / name).parent.joinpath(path).resolve().relative_to(STATIC.resolve())
        other = PurePosixPath(target.as_posix()).parts[0]
        assert FLOORS.index(other) <= floor, f"{name} imports {path}"
        assert other == name.split("/")[0] or other not in ("report", "demo")


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("runtime/")])
def test_the_runtime_knows_no_page(name: str) -> None:
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", (STATIC / name).read_text(), flags=re.DOTALL)
    assert not re.search(r"\b(?:window|innerHTML|HTMLElement|querySelector)\b", code)


@pytest.mark.parametrize("name", MODULES)
def test_no_module_makes_markup_of_text(name: str) -> None:
    code = (STATIC / name).read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", code)
    assert "export default" not in code
