"""The fitted column program: what travels with a model from table to features, and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from kolam.core import DataError, InvalidArgumentError, UnknownNameError, as_table
from kolam.features._columns import Column, Feature, InputColumn, chain_width
from kolam.features._json import damaged, program_from_json, program_to_json
from kolam.features._label import LabelProgram
from kolam.features._read import read
from kolam.features._run import run_chain

_ROWS = 16_384  # of a piece: its columns stay in the cache while chains read them again


@dataclass(frozen=True, slots=True)
class FeatureProgram:
    """What makes a float32 matrix of a table, the same in every language.

    Args:
        plan: The fitted columns in the order of their features.
        label: The label, `None` for a program of inputs alone.
        dropped: Columns of the table that are not used, with the reason.

    Raises:
        InvalidArgumentError: A column is not fitted, or stands there twice.
    """

    plan: tuple[Column, ...]
    label: LabelProgram | None = None
    dropped: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [column.name for column in self.plan]
        for column in self.plan:
            if not column.is_fitted:
                raise InvalidArgumentError(
                    f"Column {column.name!r} has values that are not learnt yet.",
                    how="Use `features.fit(table, columns=...)`, or give every value.",
                )
            if names.count(column.name) > 1:
                raise InvalidArgumentError(
                    f"Column {column.name!r} stands in the program twice.",
                    how="Give it once, with several chains.",
                )

    @property
    def columns(self) -> tuple[InputColumn, ...]:
        """The columns that `apply` reads, with what an input form needs."""
        return tuple(column.input for column in self.plan if column.input is not None)

    @property
    def features(self) -> tuple[Feature, ...]:
        """One record per column of the feature matrix, with different names."""
        return unique_names([entry for column in self.plan for entry in column.features()])

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name per column of the feature matrix."""
        return tuple(entry.name for entry in self.features)

    @property
    def width(self) -> int:
        """Number of columns of the feature matrix."""
        return sum(chain_width(chain) for column in self.plan for chain in column.chains)

    def apply(self, source: Any) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """Make features of the rows of a table.

        Args:
            source: Anything that `record_batches` takes. Columns that the program does not use
                are ignored.

        Returns:
            Float32 ``[rows, width]``, C order, always finite.

        Raises:
            UnknownNameError: The table lacks a column; the message names near ones.
            DataError: A value is infinite or of another kind, with its column and row.
        """
        # Any above: every library brings its own table class
        table = as_table(source)
        chunks = [select_column(table, column.name) for column in self.plan]
        out = np.zeros((table.num_rows, self.width), np.float32)
        for row in range(0, table.num_rows, _ROWS):
            stop = min(row + _ROWS, table.num_rows)
            self._fill(out[row:stop], [chunk.slice(row, _ROWS) for chunk in chunks], row)
        return out

    def _fill(
        self,
        out: np.ndarray[tuple[int, int], np.dtype[np.float32]],
        chunks: list[pa.ChunkedArray],
        row: int,
    ) -> None:
        start = 0
        for column, chunk in zip(self.plan, chunks, strict=True):
            assert column.input is not None
            values = read(one_array(chunk), column.input.reads, column.name, row)
            for chain in column.chains:
                stop = start + chain_width(chain)
                run_chain(chain, values, out[:, start:stop])
                start = stop

    def to_json(self) -> dict[str, Any]:  # Any: any JSON value
        """Give the JSON form of docs/specs/features.md."""
        return program_to_json(self.plan, self.feature_names, self.label, self.dropped)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "FeatureProgram":  # Any: JSON off the disk
        """Read the form that `to_json` gives, also from an untrusted place.

        Raises:
            IntegrityError: It is damaged; the message says where.
            UnsupportedError: It is of a newer version.
        """
        try:
            return cls(*program_from_json(record))
        except InvalidArgumentError as error:
            raise damaged(str(error)) from error


def select_column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Give one column of a table.

    Raises:
        UnknownNameError: There is none.
        DataError: There are two.
    """
    places = table.schema.get_all_field_indices(name)
    if not places:
        raise UnknownNameError.among("column", name, table.column_names)
    if len(places) > 1:
        raise DataError(
            f"The table has {len(places)} columns with the name '{name}'.",
            column=name,
            how="Give every column its own name.",
        )
    return table.column(places[0])


def one_array(chunks: pa.ChunkedArray) -> pa.Array:
    """Give a chunked column as one array, without copying a single chunk."""
    return chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()


def unique_names(features: list[Feature]) -> tuple[Feature, ...]:
    """Number the names that repeat: ``age``, ``age #2``."""
    taken: set[str] = set()
    found = []
    for entry in features:
        name, number = entry.name, 2
        while name in taken:
            name, number = f"{entry.name} #{number}", number + 1
        taken.add(name)
        found.append(Feature(name, entry.column, entry.kind, entry.size))
    return tuple(found)
