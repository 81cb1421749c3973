"""The three parts of a message, and the Python classes that errors also are."""

import pickle
from pathlib import Path

import pytest

from kolam.core import (
    DataError,
    InvalidArgumentError,
    KolamError,
    SourceLocation,
    StorageError,
    UnknownNameError,
)


def test_message_says_what_where_and_how(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text("def scale(x):\n    if x.sum() > 0:\n        total = x.sum()\n")
    error = KolamError("`total` is lost.", where=SourceLocation(str(file), 3, "scale"), how="Do.")
    assert str(error).splitlines() == [
        "`total` is lost.",
        "",
        "  model.py:3, in scale",
        "         2 |     if x.sum() > 0:",
        "    >    3 |         total = x.sum()",
        "",
        "  Do.",
    ]


@pytest.mark.parametrize(
    ("kind", "python"),
    [(InvalidArgumentError, ValueError), (UnknownNameError, LookupError), (StorageError, OSError)],
)
def test_errors_are_also_the_expected_python_class(
    kind: type[KolamError], python: type[Exception]
) -> None:
    with pytest.raises(python, match="no"):
        raise kind("no")


def test_errors_survive_pickling_with_their_facts() -> None:
    error = pickle.loads(pickle.dumps(DataError("bad", column="age", how="mend")))  # noqa: TID251 - our own
    assert (error.column, str(error)) == ("age", "bad\n  mend")


def test_unknown_name_suggests_near_ones() -> None:
    error = UnknownNameError.among("column", "targt", ["target", "age"])
    assert (
        str(error)
        == "There is no column 'targt'.\n  Did you mean 'target'? There are: age, target."
    )


def test_unknown_name_finds_short_names_inside_long_ones() -> None:
    assert "'trip_miles'" in str(UnknownNameError.among("column", "miles", ["trip_miles", "fare"]))
