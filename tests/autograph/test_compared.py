"""The guide's table against other libraries is what their programs give, row by row."""

import jax
import jax.numpy as jnp
import pytest

import kolam as kl
from tests.autograph.compared import rows
from tests.autograph.compared.columns import COLUMNS
from tests.autograph.compared.judge import judge
from tests.autograph.compared.programs import ROWS
from tests.autograph.compared.rows import Row
from tests.autograph.compared.table import TITLES, python_with, read_table, run_apart

CELLS = read_table()
EACH = [pytest.param(row, id=row.fn.__name__) for row in ROWS]
REFUSED = [
    pytest.param(row, id=row.fn.__name__)
    for row in ROWS
    if CELLS.get(row.label, {}).get("kolam") != "yes"
]


@pytest.mark.parametrize("row", EACH)
def test_kolam_does_what_the_table_says(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "stack", jnp.stack)
    found, why = judge(row, COLUMNS["kolam"](row), jax.effects_barrier)
    assert found == CELLS[row.label]["kolam"], why


@pytest.mark.parametrize("row", EACH)
def test_jax_alone_does_what_the_table_says(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "stack", jnp.stack)
    found, why = judge(row, COLUMNS["jax"](row), jax.effects_barrier)
    assert found == CELLS[row.label]["jax"], why


@pytest.mark.parametrize("library", ["tensorflow", "torch"])
def test_peer_does_what_the_table_says(library: str) -> None:
    python = python_with(library)
    if python is None:
        pytest.skip(f"{library} is in no Python of KOLAM_PEER_PYTHON")
    assert {
        label: why
        for label, (found, why) in run_apart(library, python).items()
        if found != CELLS[label][library]
    } == {}


@pytest.mark.parametrize("row", REFUSED)
def test_kolam_refuses_what_it_does_not_do(row: Row) -> None:
    with pytest.raises(kl.KolamError, match=r"[a-z]+(\.py|>):\d+, in "):
        COLUMNS["kolam"](row)(*row.sets[0])


def test_table_has_a_row_for_each_program_and_no_wrong_value_of_ours() -> None:
    assert list(CELLS) == [row.label for row in ROWS]
    assert {one["kolam"] for one in CELLS.values()} == {"yes", "no"}
    assert {cell for one in CELLS.values() for cell in one.values()} <= {"yes", "no", "wrong value"}
    assert set(TITLES) == set(COLUMNS)
