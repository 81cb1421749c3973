"""Queries as streams of rows."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from kolam.core import DataError, InvalidArgumentError, digest_bytes
from kolam.data._chunks import Block, Chunk, Cursor
from kolam.data._columns import column_spec, column_values
from kolam.data._formats.groups import Piece, places_with_nulls, without_missing
from kolam.data._formats.sql import Key, Query, columns_of
from kolam.data._streams import OpenStreams
from kolam.data._trees import Tree

_Chunk = tuple[list[str], list[tuple[Any, ...]]]
_Chunks = Iterator[_Chunk]


class QuerySource:
    """The rows of a query; a cursor is the number of rows, and the last value of the key.

    Types are those of the first chunk. Whole numbers that are missing there are float64 with NaN.

    Args:
        query: The query.
        column_types: Arrow types of some columns, instead of the inferred ones.

    Raises:
        DataError: The query fails, has no rows, or does not have the key or a column.
    """

    num_rows: int | None = None

    def __init__(self, query: Query, column_types: Mapping[str, pa.DataType] | None = None) -> None:
        self._query = query
        self._open = OpenStreams(limit=2)
        names, rows = self._first_rows()
        for name in set(column_types or ()) - set(names):
            raise InvalidArgumentError(
                f"column_types names {name!r}, which is no column of the query.",
                how=f"Its columns are: {', '.join(names)}.",
            )
        table = columns_of(names, rows, dict(column_types or {}), first=0)
        self.schema = table.schema
        self._types = {field.name: field.type for field in table.schema}
        self._with_nulls = places_with_nulls(table)

    @property
    def spec(self) -> Tree:
        """Tree of `TensorSpec` of one row."""
        return {
            field.name: column_spec((field.name,), field.type, self._has_nulls)
            for field in self.schema
        }

    def read(self, cursor: Cursor | None) -> Block:
        """Fetch the next rows."""
        row, last = cursor or (0, None)
        chunks: _Chunks = self._open.take(row) or self._begun(row, last)
        nothing: _Chunk = ([], [])
        names, rows = next(chunks, nothing)
        if not rows:
            return Block(Chunk(None, 0), None)
        if self._query.key:
            last = self._checked_key(
                [values[names.index(self._query.key)] for values in rows], row, last
            )
        piece = without_missing(
            Piece(columns_of(names, rows, self._types, first=row), {}),
            self._has_nulls,
            lambda place: f"Row {row + place} of the query",
        )
        if piece.faults:
            raise piece.faults[min(piece.faults)]
        columns = {
            name: column_values((name,), column, self._has_nulls)
            for name, column in zip(names, piece.table.columns, strict=True)
        }
        following = row + len(rows)
        self._open.put(following, chunks)
        places = np.arange(row, following)
        return Block(Chunk(columns, len(rows), places), [following, last])

    def digest(self) -> str:
        """Give a hash of the query; whether the database has changed is not known."""
        return digest_bytes(self._query.text.encode())

    def _has_nulls(self, path: tuple[str, ...]) -> bool:
        return path in self._with_nulls

    def _first_rows(self) -> _Chunk:
        chunks = self._query.chunks()
        names, _ = next(chunks)
        for _, rows in chunks:
            # not kept open: a transaction that waits locks tables against others
            return names, rows
        raise DataError(
            f"The query gives no rows, so the types of its columns are not known: "
            f"{self._query.statement}",
            how="Check its conditions.",
        )

    def _begun(self, row: int, last: Key | None) -> _Chunks:
        """Begin behind a row: at once by the key, else by reading those before."""
        if row and self._query.key:
            chunks = self._query.chunks(after=last)
            next(chunks)
            return chunks
        chunks, seen = self._query.chunks(), 0
        next(chunks)
        while seen < row:
            nothing: _Chunk = ([], [])
            names, rows = next(chunks, nothing)
            if not rows:
                return iter([])
            seen += len(rows)
            if seen > row:
                return _with_first(names, rows[row - seen :], chunks)
        return chunks

    def _checked_key(self, values: list[Any], row: int, last: Key | None) -> Key:
        """Refuse keys that would lose rows when the query is begun behind one; give the last."""
        for place, value in enumerate(values):
            if not isinstance(value, int | float | str) or isinstance(value, bool):
                raise DataError(
                    f"Row {row + place} of the query has the key {value!r} "
                    f"({type(value).__name__}).",
                    column=self._query.key,
                    how="Give a key column of numbers or texts, without missing values.",
                )
            if value == last:
                raise DataError(
                    f"Rows {row + place - 1} and {row + place} of the query have one key: "
                    f"{self._query.key} = {value!r}.",
                    column=self._query.key,
                    how="Give a key column whose values are all different, such as the primary "
                    "key; or no key.",
                )
            last = value
        return values[-1]


def _with_first(names: list[str], rows: list[tuple[Any, ...]], chunks: _Chunks) -> _Chunks:
    yield names, rows
    yield from chunks
