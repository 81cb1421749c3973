"""What a person sees on the command line."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from kolam.cli import app
from kolam.cli._output import Output, shown_bytes

COMMANDS = ("run", "profile", "validate", "export", "serve", "show", "draw", "hub")


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


def test_every_command_teaches_by_an_example() -> None:
    for command in (*COMMANDS[:-1], "hub list", "hub publish"):
        text = CliRunner().invoke(app, [*command.split(), "--help"]).stdout
        assert text.count(f"kolam {command} ") >= 2, command  # the usage, and the example


def test_long_facts_are_not_broken_into_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Output(is_json=False).row("report", "/a" * 200)
    assert capsys.readouterr().out == f"report        {'/a' * 200}\n"


def test_text_that_looks_like_markup_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Output(is_json=False).row("[/]", "[red]x[/] [/]")
    assert capsys.readouterr().out.split(maxsplit=1) == ["[/]", "[red]x[/] [/]\n"]


def test_control_characters_of_a_name_do_not_reach_the_terminal() -> None:
    result = CliRunner().invoke(app, ["show", "\x1b[31mred\tü"])
    assert "\x1b" not in result.stderr
    assert "\\x1b[31mred" in result.stderr
