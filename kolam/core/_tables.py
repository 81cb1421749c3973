"""Anything that holds a table, as a stream of Arrow record batches."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kolam.core._errors import DataError, InvalidTypeError

_UNNAMED = re.compile(r"__index_level_\d+__")


def record_batches(source: Any, *, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
    """Read a table in batches, without copying where the source allows it.

    Args:
        source: An Arrow table, batch or reader; a pandas or polars frame (anything with
            ``__arrow_c_stream__`` or ``__arrow_c_array__``); a `Dataset` (anything with
            ``record_batches()``); a mapping of column name to values; or an iterable of record
            batches.
        rows: Rows of a batch at most.

    Raises:
        InvalidTypeError: `source` is none of these.
        DataError: The columns of a mapping have different lengths, or one has mixed types.
    """
    # Any above: the union is open, every library brings its own table class
    if isinstance(source, pa.RecordBatch):
        source = pa.Table.from_batches([source])
    if isinstance(source, Mapping):
        source = _table_of_columns(source)
    if isinstance(source, pa.Table):
        yield from computable(source).to_batches(max_chunksize=rows)
    elif hasattr(source, "record_batches"):
        yield from source.record_batches()
    elif hasattr(source, "__arrow_c_stream__"):
        with _opened(source) as reader:
            for batch in reader:
                table = pa.Table.from_batches([batch], reader.schema)
                yield from _of_stream(source, table).to_batches(max_chunksize=rows)
    elif hasattr(source, "__arrow_c_array__"):
        table = pa.Table.from_batches([pa.record_batch(source)])
        yield from computable(table).to_batches(max_chunksize=rows)
    elif isinstance(source, Iterable) and not isinstance(source, (str, bytes)):
        for batch in source:
            if not isinstance(batch, pa.RecordBatch):
                raise _not_a_table(source, f" of {type(batch).__name__}")
            yield from computable(pa.Table.from_batches([batch])).to_batches(max_chunksize=rows)
    else:
        raise _not_a_table(source)


def as_table(source: Any) -> pa.Table:
    """Read the whole of what `record_batches` takes into one Arrow table.

    Raises:
        InvalidTypeError: `source` is no table, or a stream without any batch.
        DataError: The columns of a mapping have different lengths, or one has mixed types.
    """
    # Any above: as in record_batches
    if isinstance(source, pa.Table):
        return computable(source)
    if isinstance(source, Mapping):
        return computable(_table_of_columns(source))
    if hasattr(source, "__arrow_c_stream__"):
        with _opened(source) as reader:
            return _of_stream(source, reader.read_all())
    batches = list(record_batches(source))
    if not batches:
        raise InvalidTypeError("The stream has no record batch, so it has no columns either.")
    return pa.Table.from_batches(batches)


def computable(table: pa.Table) -> pa.Table:
    """Give a table without the types whose rows Arrow cannot gather; no other column is copied.

    Views of texts, bytes and lists (as polars has them) become these, runs become their values.
    """
    for place, field in enumerate(table.schema):
        column = table.column(place)
        if pa.types.is_run_end_encoded(field.type):
            parts = [pc.run_end_decode(part) for part in column.chunks]
            column = pa.chunked_array(parts, field.type.value_type)
        if pa.types.is_list_view(field.type) or pa.types.is_large_list_view(field.type):
            parts = [_lists_of_view(part) for part in column.chunks]
            column = pa.chunked_array(parts, pa.large_list(field.type.value_type))
        if (kind := computable_type(column.type)) != field.type:
            table = table.set_column(place, field.with_type(kind), column.cast(kind))
    return table


def computable_type(kind: pa.DataType) -> pa.DataType:
    """Give what `computable` makes of a type; runs and views of lists within others stay."""
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_dictionary(kind):
        values = computable_type(kind.value_type)
        return pa.dictionary(kind.index_type, values, ordered=kind.ordered)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(computable_type(field.type)) for field in kind])
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_computable_items(kind), kind.list_size)
    if pa.types.is_list(kind):
        return pa.list_(_computable_items(kind))
    if pa.types.is_large_list(kind):
        return pa.large_list(_computable_items(kind))
    return kind


def _lists_of_view(view: pa.Array) -> pa.Array:
    """Copy lists that may lie anywhere; Arrow 26's own cast leaves the last offset undefined."""
    lengths = pc.fill_null(pc.list_value_length(view), 0)
    offsets = pa.concat_arrays(
        [pa.array([0], pa.int64()), pc.cumulative_sum(lengths.cast("int64"))]
    )
    return pa.LargeListArray.from_arrays(offsets, view.flatten(), mask=view.is_null())


def _computable_items(kind: pa.DataType) -> pa.Field:
    return kind.value_field.with_type(computable_type(kind.value_type))


def unnamed_index(schema: pa.Schema) -> list[str]:
    """Give the columns that hold an index of pandas without a name: row numbers, no data."""
    found = (schema.pandas_metadata or {}).get("index_columns", [])
    names = [name for name in found if isinstance(name, str)]
    return [name for name in names if _UNNAMED.fullmatch(name) and name in schema.names]


@contextmanager
def _opened(source: Any) -> Iterator[pa.RecordBatchReader]:  # Any: as in record_batches
    try:
        with pa.RecordBatchReader.from_stream(source) as reader:
            yield reader
    except pa.ArrowException as error:
        name, reason = type(source).__name__, " ".join(map(str, error.args))
        raise DataError(
            f"The {name} is no table: {reason}.",
            how="Give a frame; each column needs values of one type: astype(str) makes text of "
            "all, to_frame() makes a frame of a series.",
        ) from error


def _of_stream(source: Any, table: pa.Table) -> pa.Table:
    # Any: as in record_batches
    if type(source).__module__.partition(".")[0] == "pandas":
        table = table.drop_columns(unnamed_index(table.schema))
    return computable(table)


def _table_of_columns(columns: Mapping[Any, Any]) -> pa.Table:
    # Any: whatever Arrow takes for a column
    try:
        return pa.table(dict(columns))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(
            f"The mapping is no table: {error}.",
            how="Give each column as many values as the others, all of one type or None.",
        ) from error


def _not_a_table(source: object, items: str = "") -> InvalidTypeError:
    how = (
        "Give an Arrow table, a pandas or polars frame, a Dataset, "
        "or a mapping of column name to values."
    )
    if items == " of dict":
        how = "pyarrow.Table.from_pylist(rows) makes a table of a list of dicts."
    if hasattr(source, "collect"):
        how = "Give source.collect(), a frame."
    return InvalidTypeError(
        f"A table is needed, but this is a {type(source).__name__}{items}.", how=how
    )
