"""Queries to databases, some thousand rows at a time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from kolam.core import DataError, InvalidArgumentError, InvalidTypeError
from kolam.data._formats.groups import check_columns

Key = int | float | str


class Query:
    """A query whose rows are read in pieces.

    Args:
        statement: SQL, or a SQLAlchemy selectable.
        engine: A SQLAlchemy engine, or the URL of one.
        parameters: Values of the names in the statement (``:name``).
        key: A column of the result whose values are numbers or texts, each once: rows come in its
            order, and may be begun behind any of its values. Without, the order is the database's.
        chunk_rows: Rows that are fetched at a time.

    Raises:
        InvalidArgumentError: The URL is none, or its driver is missing.
    """

    def __init__(
        self,
        statement: Any,  # Any: a str, or whatever SQLAlchemy selects from
        engine: Any,
        *,
        parameters: Mapping[str, Any] | None = None,
        key: str | None = None,
        chunk_rows: int = 8192,
    ) -> None:
        self.statement = statement
        self._engine = _engine(engine)
        self._parameters = dict(parameters or {})
        self.key = key
        self._chunk_rows = chunk_rows

    @property
    def text(self) -> str:
        """Statement, parameters and database, without the password."""
        url = self._engine.url.render_as_string(hide_password=True)
        return f"{self.statement} {sorted(self._parameters.items())} {self.key} {url}"

    def chunks(self, after: Key | None = None) -> Iterator[tuple[list[str], list[tuple[Any, ...]]]]:
        """Run the query and give column names and rows, chunk by chunk; one without rows is first.

        Args:
            after: Begin behind this value of the key.

        Raises:
            DataError: The query fails; the message has what the database said.
        """
        rows = 0
        with self._failure(lambda: rows), self._engine.connect() as connection:
            options = {"stream_results": True, "max_row_buffer": self._chunk_rows}
            result = connection.execution_options(**options).execute(
                self._selected(after), self._parameters
            )
            if not result.returns_rows:
                raise DataError(
                    f"The statement gives no rows: {self.statement}", how="Give a SELECT."
                )
            names = list(result.keys())
            check_columns("The result of the query", pa.schema([(n, pa.null()) for n in names]))
            yield names, []
            for part in result.partitions(self._chunk_rows):
                rows += len(part)
                yield names, [tuple(row) for row in part]

    def _selected(self, after: Key | None) -> Any:
        if self.key is None:
            return sa.text(self.statement) if _is_text(self.statement) else self.statement
        key: sa.ColumnElement[Any] = sa.column(self.key)
        selected: sa.Select[Any]
        if _is_text(self.statement):
            inner = self.statement.rstrip().rstrip(";")
            selected = sa.select(sa.literal_column("*")).select_from(
                sa.text(f"({inner}) AS kolam_rows")
            )
        else:
            rows = self.statement.subquery("kolam_rows")
            if self.key not in rows.c:
                raise InvalidArgumentError(
                    f"The key is {self.key!r}, which is no column of the query.",
                    how=f"Its columns are: {', '.join(rows.c.keys())}.",
                )
            key = rows.c[self.key]
            selected = sa.select(rows)
        selected = selected.order_by(key)
        return selected if after is None else selected.where(key > after)

    @contextmanager
    def _failure(self, rows: Any) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            raise DataError(
                f"The query failed after {rows()} rows: {said}\n  {self.statement}",
                how="Run it in the database's own shell; check names, types and the connection to "
                f"{self._engine.url.render_as_string(hide_password=True)}.",
            ) from error


def columns_of(
    names: list[str],
    rows: list[tuple[Any, ...]],
    types: Mapping[str, pa.DataType],
    *,
    first: int,
) -> pa.Table:
    """Give rows of Python values as a table.

    Args:
        names: Of the columns.
        rows: One tuple per row.
        types: Types of columns that are known; those of others are inferred.
        first: Number of the first row, for messages.

    Raises:
        DataError: A column has values of different types; the message has the row.
    """
    arrays = []
    for place, name in enumerate(names):
        values = [row[place] for row in rows]
        try:
            arrays.append(pa.array(values, types.get(name)))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            row = _first_odd(values, types.get(name))
            kind = types.get(name, "the values before it")
            raise DataError(
                f"Row {first + row} of the query: {name!r} is {values[row]!r} "
                f"({type(values[row]).__name__}), which does not fit {kind}.",
                column=name,
                how=f"CAST it in the query, or give column_types={{{name!r}: ...}} with a type "
                "that fits all rows.",
            ) from error
    return pa.table(arrays, names=names)


def _first_odd(values: list[Any], kind: pa.DataType | None) -> int:
    """Give the first value that cannot stand with those before it."""
    good, bad = 0, len(values)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            pa.array(values[:middle], kind)
            good = middle
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            bad = middle
    return good


def _engine(engine: Any) -> sa.Engine:
    if isinstance(engine, sa.Engine):
        return engine
    if not isinstance(engine, str | sa.URL):
        raise InvalidTypeError(
            f"The database is a {type(engine).__name__}.",
            how='Give a SQLAlchemy engine, or a URL such as "sqlite:///file.db".',
        )
    try:
        return sa.create_engine(engine)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
        shown = str(engine).partition("://")[0]
        raise InvalidArgumentError(
            f"No database can be opened by a URL of {shown!r}: {error}",
            how='Give a URL such as "sqlite:///file.db" or "postgresql://user@host/name", and '
            "install the package that SQLAlchemy names for it.",
        ) from error


def _is_text(statement: Any) -> bool:
    return isinstance(statement, str)
