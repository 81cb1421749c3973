"""From a table to a fitted program: one pass over the rows, then the values of the operations."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kolam.core import DataError, InvalidArgumentError, UnknownNameError, record_batches
from kolam.features._choose import choose_columns
from kolam.features._columns import Column, InputColumn
from kolam.features._describe import describe
from kolam.features._label import LabelProgram, fit_label
from kolam.features._learn import learn_chain
from kolam.features._ops import Vocabulary
from kolam.features._program import FeatureProgram
from kolam.features._read import is_numeric, parses_as_dates, plain, read, read_boolean
from kolam.features._summary import ColumnSummary, RowSample, ValueCounts


def fit(
    source: Any,
    *,
    label: str | None = None,
    task: str = "auto",
    exclude: Iterable[str] = (),
    columns: Sequence[Column] | None = None,
) -> FeatureProgram:
    """Fit a column program to a table, in one pass over its rows.

    Without `columns` every column is looked at and gets what suits a linear model or a small
    network: numbers are imputed and standardised, those with heavy tails are clipped and ranked
    as well, categories and whole numbers with few values become one feature per value, dates
    their parts. What holds no information is left out; `FeatureProgram.dropped` says why.

    Args:
        source: Anything that `record_batches` takes.
        label: Name of the column to predict.
        task: ``"auto"``, ``"classification"``, ``"binary"``, ``"multiclass"`` or
            ``"regression"``. By itself, text, booleans and whole numbers with few different
            values are classes; all other numbers are a regression.
        exclude: Names of columns that must not be used.
        columns: The columns and operations to use instead; what they leave `None` is learnt.

    Raises:
        UnknownNameError: `label`, or a name in `exclude` or `columns`, is no column.
        DataError: A value is infinite, no column can be used, or the label cannot be learnt.

    Example:
        >>> program = fit({"x": [1.0, 2.0, 3.0], "y": ["no", "yes", "no"]}, label="y")
        >>> program.feature_names, program.label.classes
        (('x',), ('no', 'yes'))
        >>> program.apply({"x": [2.0, None]})
        array([[0.],
               [0.]], dtype=float32)
    """
    # Any above: every library brings its own table class
    batches = iter(record_batches(source))
    first = next(batches, None)
    if first is None:
        raise DataError("The table has no rows.", how="Give at least one row.")
    schema = first.schema
    exclude = [exclude] if isinstance(exclude, str) else list(exclude)
    wanted = [column.name for column in columns] if columns is not None else schema.names
    _check_names(schema.names, [*([label] if label is not None else []), *exclude, *wanted], wanted)
    if label is not None and columns is not None and label in wanted:
        raise InvalidArgumentError(
            f"The label {label!r} is also among the columns.", how="Take it out of `columns`."
        )
    collected = _Collected([n for n in wanted if n != label and n not in exclude], label, columns)
    collected.add_all(schema, chain([first], batches))
    fitted_label = collected.fit_label(task)
    dropped = dict.fromkeys(exclude, "excluded by the caller") | collected.dropped
    if columns is None:
        chosen, reasons = choose_columns(collected.summaries)
        dropped |= reasons
    else:
        chosen = list(columns)
    if not chosen:
        raise _nothing_left(dropped)
    plan = tuple(_learn(column, collected.summaries[column.name]) for column in chosen)
    return FeatureProgram(plan, fitted_label, dropped)


class _Collected:
    """What the pass over the table leaves: summaries, the label, columns that cannot be read."""

    def __init__(
        self, names: list[str], label: str | None, columns: Sequence[Column] | None
    ) -> None:
        self.names = names
        self.label = label
        self.planned = {column.name: column for column in columns or ()}
        self.summaries: dict[str, ColumnSummary] = {}
        self.dropped: dict[str, str] = {}
        self._labels: list[pa.Array] = []

    def add_all(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        self._open(schema)
        sample = RowSample(len(self.summaries))
        row = 0
        for batch in batches:
            row = self._add(batch, row, sample)
        sample.shrink(slack=1)
        for name, summary in self.summaries.items():
            summary.sample = sample.of(name)
            if summary.reads == "text":
                self.summaries[name] = _retype(summary, self.planned.get(name))

    def fit_label(self, task: str) -> LabelProgram | None:
        if self.label is None:
            return None
        return fit_label(self.label, pa.chunked_array(self._labels).combine_chunks(), task)

    def _open(self, schema: pa.Schema) -> None:
        for name in self.names:
            kind = schema.field(name).type
            column = self.planned.get(name)
            reads = _reads_of(kind, column)
            if reads is None:
                self.dropped[name] = f"has the type {kind}, which no operation takes"
                continue
            count_all = column is not None and any(
                isinstance(op, Vocabulary) for one in column.chains for op in one
            )
            self.summaries[name] = ColumnSummary.empty(reads, count_all=count_all)

    def _add(self, batch: pa.RecordBatch, row: int, sample: RowSample) -> int:
        kept = sample.choose(row, batch.num_rows)
        for name, summary in self.summaries.items():
            values = read(batch.column(name), summary.reads, name, row)
            summary.add(values)
            if not isinstance(values, pa.Array):
                sample.add(name, values[kept])
        if self.label is not None:
            self._labels.append(plain(batch.column(self.label)))
        sample.shrink()
        return row + batch.num_rows


def _reads_of(kind: pa.DataType, column: Column | None) -> str | None:
    """Say how a column of an Arrow type is read, `None` if it cannot be."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if column is not None and column.kind != "category":
        return column.kind
    if column is not None:  # the vocabulary of a category decides, else the data
        given = [op.values for one in column.chains for op in one if isinstance(op, Vocabulary)]
        if given and given[0]:
            return "text" if isinstance(given[0][0], str) else "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    if pa.types.is_boolean(kind):
        return "boolean" if column is None else "text"
    if is_numeric(kind) or pa.types.is_null(kind):
        return "number"
    return "date" if pa.types.is_date(kind) or pa.types.is_timestamp(kind) else None


def _retype(summary: ColumnSummary, column: Column | None) -> ColumnSummary:
    """Read text as booleans or dates if all of its values are; planned columns stay."""
    if column is not None or not len(summary.counts):
        return summary
    counted = summary.counts.table()
    values, counts = one_chunk(counted["value"]), counted["count"].to_numpy()
    try:
        numbers, reads = read_boolean(values, ""), "boolean"
    except DataError:
        if not summary.counts.is_complete or not parses_as_dates(values):
            return summary
        numbers, reads = read(values, "date", ""), "date"
    found = ColumnSummary(reads, ValueCounts(2), summary.rows, summary.missing)
    found.low, found.high = float(numbers.min()), float(numbers.max())
    sample = np.sort(np.repeat(numbers, counts))
    found.sample = np.append(
        sample[:: max(1, len(sample) // 65_536)], [np.nan] * min(summary.missing, 1)
    )
    return found


def _learn(column: Column, summary: ColumnSummary) -> Column:
    chains = tuple(learn_chain(one, summary) for one in column.chains)
    shown: InputColumn = describe(column.name, column.kind, summary, chains)
    return replace(column, chains=chains, input=shown)


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """Give a chunked column as one array."""
    return pc.cast(column, column.type).combine_chunks()


def _check_names(known: list[str], names: list[str], wanted: list[str]) -> None:
    for name in names:
        if name not in known:
            raise UnknownNameError.among("column", name, known)
    for name in wanted:
        if known.count(name) > 1:
            raise DataError(
                f"The table has {known.count(name)} columns with the name '{name}'.",
                column=name,
                how="Give every column its own name.",
            )


def _nothing_left(dropped: dict[str, str]) -> DataError:
    reasons = "; ".join(f"{name!r} {why}" for name, why in list(dropped.items())[:10])
    return DataError(
        f"No column of the table can be used: {reasons or 'there is none beside the label'}.",
        how="Give columns that differ from row to row, or say what to do by `columns=`.",
    )
