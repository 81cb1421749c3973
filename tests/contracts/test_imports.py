"""Promises about who imports whom that import-linter cannot see."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "kolam"
FILES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(file: Path) -> set[str]:
    """Names of all modules that `file` imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0]


@pytest.mark.parametrize(
    "folder", sorted({file.parent for file in FILES}), ids=lambda path: path.name
)
def test_every_folder_with_python_has_an_init_file(folder: Path) -> None:
    assert (folder / "__init__.py").is_file()


@pytest.mark.parametrize(
    "file", [file for file in FILES if file.parent != PACKAGE], ids=lambda path: path.stem
)
def test_no_room_imports_the_face(file: Path) -> None:
    assert "kolam" not in imported_modules(file)


def test_only_the_face_imports_rooms_by_computed_name() -> None:
    users = [file for file in FILES if "import_module" in file.read_text()]
    assert users == [PACKAGE / "__init__.py"]


def test_rooms_are_entered_through_their_doors() -> None:
    past_the_door = [
        (str(file.relative_to(PACKAGE)), module)
        for file in FILES
        if file.parent != PACKAGE
        for module in imported_modules(file)
        if module.startswith("kolam.")
        and len(module.split(".")) > 2
        and module.split(".")[1] != room_of(file)
    ]
    assert past_the_door == []


def test_files_of_a_room_start_with_an_underscore() -> None:
    public = [
        str(file.relative_to(PACKAGE))
        for file in FILES
        if len(file.relative_to(PACKAGE).parts) == 2 and not file.name.startswith("_")
    ]
    assert public == []


def loaded_after(command: str) -> set[str]:
    """Top modules that a fresh interpreter has loaded after `command`."""
    code = f"{command}\nimport sys\nprint(' '.join(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(out.stdout.split())


def test_import_kolam_loads_no_jax() -> None:
    assert not {"jax", "numpy", "keras", "pyarrow"} & loaded_after("import kolam")


def test_command_line_help_loads_no_keras() -> None:
    loaded = loaded_after(
        "from typer.testing import CliRunner\nfrom kolam.cli import app\n"
        "assert 'run' in CliRunner().invoke(app, ['--help']).output"
    )
    assert not {"keras", "jax", "sklearn"} & loaded


def test_the_face_lists_what_it_loads() -> None:
    import kolam

    assert all(hasattr(kolam, name) for name in kolam.__all__)
    assert sorted(kolam.__all__) == dir(kolam)
