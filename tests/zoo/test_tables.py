"""Bundled tables."""

from pathlib import Path

import pytest

from kolam.core import UnknownNameError
from kolam.data import read
from kolam.zoo import TABLES, table, table_file


@pytest.mark.parametrize("name", list(TABLES))
def test_every_table_has_rows_and_a_label_of_more_than_one_value(name: str) -> None:
    found = table(name)
    assert found.num_rows >= 100
    assert len(found.column(found.num_columns - 1).unique()) > 1


def test_file_of_a_table_holds_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOLAM_HOME", str(tmp_path))
    assert read(table_file("iris")).to_table().equals(table("iris"))


def test_unknown_table_suggests_near_names() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'iris'"):
        table("irish")
