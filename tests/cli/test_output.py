"""What a person sees on the command line."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from kolam.cli import app
from kolam.cli._output import shown_bytes

COMMANDS = ("run", "profile", "validate", "export", "serve", "show", "hub")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_a_sentence(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage: " in result.stdout


def test_help_names_every_command_and_the_first_one_to_try() -> None:
    text = CliRunner().invoke(app, ["--help"]).stdout
    assert all(command in text for command in COMMANDS)
    assert "kolam run DATA.csv --label COLUMN" in text


@pytest.mark.parametrize(
    ("size", "shown"), [(812, "812 B"), (4_120, "4.1 KB"), (2_500_000, "2.5 MB")]
)
def test_sizes_are_written_for_a_person(size: int, shown: str) -> None:
    assert shown_bytes(size) == shown


def test_unknown_option_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["run", "--labl", "x"]).exit_code == 2


def test_error_with_json_is_an_object_on_standard_output() -> None:
    result = CliRunner().invoke(app, ["show", "nothing-of-that-name", "--json"])
    assert result.exit_code == 1
    assert '"error": "UnknownNameError"' in result.stdout


def test_reader_that_goes_away_is_no_traceback() -> None:
    process = subprocess.run(
        f"{sys.executable} -c 'from kolam.cli import main; main()' profile /dev/null | head -c 0",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in process.stderr
