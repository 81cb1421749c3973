"""Anything that holds a table, as a stream of Arrow record batches."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from kolam.core._errors import DataError, InvalidTypeError


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
        yield from source.to_batches(max_chunksize=rows)
    elif hasattr(source, "record_batches"):
        yield from source.record_batches()
    elif hasattr(source, "__arrow_c_stream__"):
        for batch in pa.RecordBatchReader.from_stream(source):
            yield from pa.Table.from_batches([batch]).to_batches(max_chunksize=rows)
    elif hasattr(source, "__arrow_c_array__"):
        yield from pa.Table.from_batches([pa.record_batch(source)]).to_batches(max_chunksize=rows)
    elif isinstance(source, Iterable) and not isinstance(source, (str, bytes)):
        for batch in source:
            if not isinstance(batch, pa.RecordBatch):
                raise _not_a_table(batch)
            yield batch
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
        return source
    if isinstance(source, Mapping):
        return _table_of_columns(source)
    if hasattr(source, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(source).read_all()
    batches = list(record_batches(source))
    if not batches:
        raise InvalidTypeError("The stream has no record batch, so it has no columns either.")
    return pa.Table.from_batches(batches)


def _table_of_columns(columns: Mapping[Any, Any]) -> pa.Table:
    # Any: whatever Arrow takes for a column
    try:
        return pa.table(dict(columns))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(
            f"The mapping is no table: {error}.",
            how="Give each column as many values as the others, all of one type or None.",
        ) from error


def _not_a_table(source: object) -> InvalidTypeError:
    return InvalidTypeError(
        f"A table is needed, but this is a {type(source).__name__}.",
        how="Give an Arrow table, a pandas or polars frame, a Dataset, "
        "or a mapping of column name to values.",
    )
