"""Queries on a real SQLite file, beside sqlite3 itself."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kolam.core import DataError, InvalidArgumentError, InvalidTypeError
from kolam.data import Dataset
from kolam.data._formats.sql import Query
from kolam.data._query import QuerySource

QUERY = "SELECT id, n, x, t FROM rows"


def _fill(path: Path, rows: list[tuple[Any, ...]]) -> str:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE IF EXISTS rows")
        database.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, n, x, t)")
        database.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", rows)
    return f"sqlite:///{path}"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return _fill(tmp_path / "d.db", [(3 * i, i % 7, i / 2, f"t{i}") for i in range(100)])


def _blocks(source: QuerySource, cursor: object = None) -> Iterator[tuple[Any, Any]]:
    while True:
        block = source.read(cursor)
        if block.elements.count:
            yield block.elements, cursor
        cursor = block.following
        if cursor is None:
            return


def _column(source: QuerySource, name: str, cursor: object = None) -> list[Any]:
    return [value for chunk, _ in _blocks(source, cursor) for value in chunk.tree[name].tolist()]


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30
)
@given(
    count=st.integers(1, 40),
    chunk=st.integers(1, 12),
    key=st.sampled_from([None, "id"]),
    missing=st.booleans(),
)
def test_rows_are_those_of_the_database_from_every_cursor_on(
    count: int, chunk: int, key: str | None, missing: bool, tmp_path: Path
) -> None:
    rows = [(2 * i, i * i, i / 4, None if i % 3 else f"t{i}") for i in range(count)]
    if missing:
        rows[0] = (0, None, None, None)
    url = _fill(Path(mkdtemp(dir=tmp_path)) / "d.db", rows)
    types = {"n": pa.float64(), "x": pa.float64()} if missing else {}
    source = QuerySource(Query(QUERY, url, key=key, chunk_rows=chunk), {"t": pa.string(), **types})
    cursors = [cursor for _, cursor in _blocks(source)]
    for number, cursor in enumerate([*cursors, *reversed(cursors)]):
        start = number if number < len(cursors) else 2 * len(cursors) - 1 - number
        expected = rows[start * chunk :]
        assert _column(source, "id", cursor) == [row[0] for row in expected]
        assert _column(source, "t", cursor) == [row[3] for row in expected]
        for place, name in ((1, "n"), (2, "x")):
            values = [np.nan if row[place] is None else row[place] for row in expected]
            np.testing.assert_array_equal(_column(source, name, cursor), values)
    assert source.spec["n"].dtype == ("float64" if missing else "int64")


def test_selectables_and_parameters_are_taken(url: str) -> None:
    engine = sa.create_engine(url)
    table = sa.Table("rows", sa.MetaData(), autoload_with=engine)
    selected = sa.select(table.c.id).where(table.c.n == 3)
    by_name = Query("SELECT id FROM rows WHERE n = :n;", url, parameters={"n": 3}, key="id")
    assert (
        _column(QuerySource(Query(selected, engine)), "id")
        == _column(QuerySource(Query(selected, engine, key="id", chunk_rows=2)), "id")
        == _column(QuerySource(by_name), "id")
        == [3 * i for i in range(100) if i % 7 == 3]
    )
    engine.dispose()


def test_a_key_goes_on_behind_its_value_without_reading_what_is_before(url: str) -> None:
    seen: list[str] = []
    engine = sa.create_engine(url)
    source = QuerySource(Query(QUERY, engine, key="id", chunk_rows=10))

    @sa.event.listens_for(engine, "before_cursor_execute")
    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        seen.append(f"{' '.join(statement.split())} {parameters}")

    assert _column(source, "id", [50, 147]) == [3 * i for i in range(50, 100)]
    assert len(seen) == 1
    assert seen[0].endswith("WHERE id > ? ORDER BY id (147,)")
    engine.dispose()


def test_reading_on_does_not_run_the_query_again(url: str) -> None:
    seen: list[str] = []
    engine = sa.create_engine(url)
    source = QuerySource(Query(QUERY, engine, chunk_rows=7))

    @sa.event.listens_for(engine, "before_cursor_execute")
    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    assert len(_column(source, "id")) == 100
    assert seen == [QUERY]
    engine.dispose()


def test_a_source_that_is_not_read_locks_nothing(url: str) -> None:
    source = QuerySource(Query(QUERY, url, chunk_rows=7))
    _fill(Path(url.removeprefix("sqlite:///")), [(1, 2, 0.5, "t")])
    assert _column(source, "id") == [1]


FAILING: dict[str, tuple[str, str]] = {
    "no table": ("SELECT * FROM absent", r"failed after 0 rows: no such table: absent\n  SELECT"),
    "syntax": ("SELEC 1", "failed after 0 rows: near .*SELEC"),
    "no rows": ("SELECT * FROM rows WHERE n > 99", "gives no rows, so the types of its columns"),
    "no select": ("CREATE TABLE other (a)", "The statement gives no rows"),
    "twice": ("SELECT n, n FROM rows", "two columns named 'n'"),
}


@pytest.mark.parametrize("kind", FAILING)
def test_a_query_that_fails_says_what_the_database_said(kind: str, url: str) -> None:
    query, message = FAILING[kind]
    with pytest.raises(DataError, match=message):
        QuerySource(Query(query, url))


def test_a_query_that_fails_in_the_middle_says_where(url: str) -> None:
    query = "SELECT id, CASE WHEN id = 60 THEN abs(-9223372036854775808) ELSE n END AS n FROM rows"
    source = QuerySource(Query(query, url, chunk_rows=5))
    with pytest.raises(DataError, match="failed after 15 rows: integer overflow"):
        _column(source, "id")


def test_a_value_of_another_type_is_named_with_its_row(tmp_path: Path) -> None:
    rows = [(i, i, 0.5, "t") for i in range(50)]
    rows[37] = (37, "word", 0.5, "t")
    source = QuerySource(Query(QUERY, _fill(tmp_path / "d.db", rows), chunk_rows=10))
    with pytest.raises(
        DataError, match=r"Row 37 of the query: 'n' is 'word' \(str\), .* fit int64\.\n  CAST it"
    ) as caught:
        _column(source, "n")
    assert caught.value.column == "n"
    with pytest.raises(DataError, match=r"Row 37 of the query: 'n' is 'word' .* the values before"):
        QuerySource(Query(QUERY, _fill(tmp_path / "e.db", rows), chunk_rows=50))


def test_a_missing_whole_number_further_down_is_named_and_a_type_mends_it(tmp_path: Path) -> None:
    rows: list[tuple[Any, ...]] = [(i, i, 0.5, "t") for i in range(50)]
    rows[37] = (37, None, 0.5, "t")
    query = Query(QUERY, _fill(tmp_path / "d.db", rows), chunk_rows=10)
    with pytest.raises(DataError, match="Row 37 of the query has no 'n'"):
        _column(QuerySource(query), "n")
    values = _column(QuerySource(query, {"n": pa.float64()}), "n")
    np.testing.assert_array_equal(values, [np.nan if i == 37 else i for i in range(50)])


def test_a_key_that_stands_twice_is_refused(url: str) -> None:
    source = QuerySource(Query(QUERY, url, key="n", chunk_rows=3))
    with pytest.raises(DataError, match=r"Rows 0 and 1 of the query have one key: n = 0\.\n  Give"):
        _column(source, "n")


def test_a_key_without_a_value_is_refused(tmp_path: Path) -> None:
    url = _fill(tmp_path / "d.db", [(1, None, 0.5, "t")])
    with pytest.raises(DataError, match=r"Row 0 of the query has the key None \(NoneType\)"):
        _column(QuerySource(Query(QUERY, url, key="n")), "n")


def test_a_key_or_type_of_no_column_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"The key is 'k', .*\n  .*: one"):
        QuerySource(Query(sa.select(sa.literal(1).label("one")), url, key="k"))
    with pytest.raises(DataError, match="no such column: k"):
        QuerySource(Query(QUERY, url, key="k"))
    with pytest.raises(InvalidArgumentError, match="column_types names 'k', which is no column"):
        QuerySource(Query(QUERY, url), {"k": pa.int64()})


@pytest.mark.parametrize("bad", ["nosuch://x", "no url"])
def test_a_url_of_no_database_is_refused(bad: str) -> None:
    with pytest.raises(InvalidArgumentError, match="No database can be opened by a URL of"):
        Query(QUERY, bad)


def test_what_is_no_engine_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="The database is a Connection"):
        Query(QUERY, sqlite3.connect(":memory:"))


def test_the_password_is_in_no_message_and_no_digest() -> None:
    engine = sa.create_engine("mysql://user:secret@host/x", module=sqlite3)
    assert "user:***@host" in Query("SELECT 1", engine).text


@pytest.mark.parametrize("key", [None, "id"])
def test_a_query_is_a_dataset_that_goes_on_where_it_was(key: str | None, url: str) -> None:
    dataset = Dataset.from_sql(QUERY, url, key=key, chunk_rows=9).batch(4)
    iterator = iter(dataset)
    for _ in range(7):
        next(iterator)
    state = json.loads(json.dumps(iterator.state()))
    rest = [batch["id"].tolist() for batch in iterator]
    other = iter(dataset)
    other.restore(state)
    assert [batch["id"].tolist() for batch in other] == rest
    assert rest[0] == [84, 87, 90, 93]
    assert {name: spec.dtype for name, spec in dataset.element_spec.items()} == {
        "id": "int64",
        "n": "int64",
        "x": "float64",
        "t": "string",
    }


def test_a_query_may_be_a_table(url: str) -> None:
    table = Dataset.from_sql("SELECT id, t FROM rows WHERE id < 7", url).to_table()
    assert table.to_pydict() == {"id": [0, 3, 6], "t": ["t0", "t1", "t2"]}


def test_a_query_can_be_shuffled_once_it_is_kept(url: str) -> None:
    rows = Dataset.from_sql(QUERY, url).cache().shuffle(seed=0)
    order = [int(row["id"]) for row in rows]
    assert sorted(order) == [3 * i for i in range(100)] != order


def test_chunks_without_rows_are_refused(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="chunk_rows is 0"):
        Dataset.from_sql(QUERY, url, chunk_rows=0)
