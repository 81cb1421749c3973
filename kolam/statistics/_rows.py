"""A sample of rows that no split of the table can change, and the share of rows that repeat."""

import base64
import binascii
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kolam.statistics._encoding import damaged, decode_array, encode_array

SIZE = 5_000
_TEXT_LENGTH = 200


class RowSample:
    """The distinct rows with the smallest hashes, each with the number of times it comes.

    A row that is in the sample in the end was in it from its first coming on, so the numbers are
    exact. Hence the share of repeated rows is estimated from the sample without any error of a
    distinct count, and it is exactly zero when no row repeats.
    """

    def __init__(self) -> None:
        self.hashes = np.empty(0, np.uint64)
        self.counts = np.empty(0, np.int64)
        self.rows = 0
        self._parts: list[pa.Table] = []

    @property
    def table(self) -> pa.Table:
        """The sampled rows, in the order of their hashes."""
        if len(self._parts) != 1:
            self._parts = [_stack(self._parts)] if self._parts else [pa.table({})]
        return self._parts[0]

    @property
    def duplicate_share(self) -> float:
        """Share of the rows that repeat an earlier one; exact up to `SIZE` distinct rows."""
        total = int(self.counts.sum())
        return 1.0 - len(self.counts) / total if total else 0.0

    def add(self, hashes: np.ndarray, batch: pa.RecordBatch) -> None:
        """Take in the rows of a batch with their hashes, uint64 ``[rows]``."""
        self.rows += len(hashes)
        chosen = np.arange(len(hashes))
        if len(self.hashes) == SIZE:
            chosen = np.flatnonzero(hashes <= self.hashes[-1])
        if chosen.size:
            unique, first, counts = np.unique(hashes[chosen], return_index=True, return_counts=True)
            part = _plain(batch, chosen[first[:SIZE]])
            self._join(unique[:SIZE], counts[:SIZE], part)

    def merge(self, other: "RowSample") -> "RowSample":
        """Give the sample of the rows of both."""
        merged = RowSample()
        merged.rows = self.rows + other.rows
        for source in (self, other):
            if len(source.hashes):
                merged._join(source.hashes, source.counts, source.table)
        return merged

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """Give the JSON form: hashes, numbers, and the rows as an Arrow stream in base64."""
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_stream(sink, self.table.schema, options=options) as writer:
            writer.write_table(self.table.combine_chunks())
        return {
            "rows": self.rows,
            "hashes": encode_array(self.hashes),
            "counts": encode_array(self.counts),
            "table": base64.b64encode(sink.getvalue().to_pybytes()).decode(),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "RowSample":  # Any: JSON off the disk
        """Read what `to_json` gives.

        Raises:
            IntegrityError: The rows cannot be read or are not as many as their hashes.
        """
        sample = cls()
        sample.rows = int(record["rows"])
        sample.hashes = decode_array(record["hashes"], "u8")
        sample.counts = decode_array(record["counts"], "i8")
        try:
            content = base64.b64decode(record["table"], validate=True)
            table = pa.ipc.open_stream(content).read_all()
            table.validate(full=True)
        except (binascii.Error, pa.ArrowInvalid, OSError) as error:
            raise damaged("its sample of rows cannot be read") from error
        if len(sample.hashes) != len(sample.counts) or table.num_rows not in (
            len(sample.hashes),
            0 if not table.num_columns else len(sample.hashes),
        ):
            raise damaged("its sample of rows is not whole")
        sample._parts = [table] if len(sample.hashes) else []
        return sample

    def _join(self, hashes: np.ndarray, counts: np.ndarray, part: pa.Table) -> None:
        both = np.concatenate([self.hashes, hashes])
        unique, first, which = np.unique(both, return_index=True, return_inverse=True)
        total = np.bincount(which, np.concatenate([self.counts, counts])).astype(np.int64)
        if not np.array_equal(first[:SIZE], np.arange(len(self.hashes))):
            joined = _stack([*self._parts, part])
            self._parts = [joined.take(pa.array(first[:SIZE]))]
        self.hashes, self.counts = unique[:SIZE], total[:SIZE]


def _plain(batch: pa.RecordBatch, rows: np.ndarray) -> pa.Table:
    """Take some rows, without dictionaries and without the ends of long strings."""
    columns = {}
    at = pa.array(rows)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_dictionary(column.type):
            if pa.types.is_string_view(column.type.value_type):
                words = column.dictionary.cast(pa.string())
                column = pa.DictionaryArray.from_arrays(column.indices, words)
            taken = column.take(at).dictionary_decode()
        elif pa.types.is_string_view(column.type):  # Arrow cannot take from it
            taken = column.cast(pa.string()).take(at)
        else:
            taken = column.take(at)
        if pa.types.is_string(taken.type) or pa.types.is_large_string(taken.type):
            taken = pc.utf8_slice_codeunits(taken, 0, _TEXT_LENGTH).cast(pa.string())
        columns[name] = taken
    return pa.table(columns)


def _stack(parts: list[pa.Table]) -> pa.Table:
    schemas = {part.schema.remove_metadata() for part in parts}
    if len(schemas) > 1:
        parts = [_as_common(part, parts) for part in parts]
    return pa.concat_tables(parts).combine_chunks()


def _as_common(part: pa.Table, parts: list[pa.Table]) -> pa.Table:
    """Cast a part so that a column read as numbers here and as strings there is one column."""
    fields = []
    for name in part.column_names:
        kinds = {other.schema.field(name).type for other in parts} - {pa.null()}
        fields.append(pa.field(name, _common_type(kinds)))
    return part.select([field.name for field in fields]).cast(pa.schema(fields))


def _common_type(kinds: set[pa.DataType]) -> pa.DataType:
    if len(kinds) <= 1:
        return next(iter(kinds), pa.null())
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
        return pa.float64()
    return pa.string()
