"""The face of the room: a lazy plan over examples."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa

from kolam.core import TensorSpec, UnsupportedError, as_table
from kolam.data._formats.files import find_files
from kolam.data._formats.groups import check_columns
from kolam.data._formats.images import ImageSource, open_images
from kolam.data._map_style import MapStyleSource, huggingface_source
from kolam.data._operations import Operations
from kolam.data._plan import build
from kolam.data._plan.node import holds_batches
from kolam.data._plan.order import source_rows
from kolam.data._plan.read import Read, Readable
from kolam.data._read import (
    Locations,
    as_memory,
    open_csv,
    open_ipc,
    open_jsonl,
    open_parquet,
    open_source,
)
from kolam.data._records import ExampleSource, RecordSource
from kolam.data._shards import ShardSource
from kolam.data._sources import ArraysSource, Source
from kolam.data._streams import GeneratorSource
from kolam.data._tables import GroupedSource, TableSource
from kolam.data._trees import Tree

_BATCH_ROWS = 65_536


class Dataset(Operations):
    """A lazy plan over examples: nothing is read or computed before it is asked for.

    Operations keep their plain meaning in the order in which they are written: `take` before
    `shuffle` shuffles what was taken. A dataset never changes; each operation gives a new one.
    An example of a table is a dict of column name to value; of arrays, the same tree as these.

    Args:
        node: The plan. Use `from_arrays`, `from_arrow`, `from_csv` or `from_parquet`.

    Example:
        >>> dataset = Dataset.from_arrays(np.arange(5)).shuffle(seed=1).batch(2)
        >>> [batch.tolist() for batch in dataset]
        [[1, 0], [4, 3], [2]]
    """

    @classmethod
    def from_arrays(cls, arrays: Tree) -> "Dataset":
        """Make a dataset of arrays in memory.

        Args:
            arrays: One array of shape (examples, ...), or a dict, tuple or list of such. A list of
                numbers or texts is an array, an array of records a dict of its fields, and dates
                and times are float64 seconds.
        """
        return cls(Read(ArraysSource(arrays)))

    @classmethod
    def from_arrow(cls, source: Any) -> "Dataset":  # Any: whatever core.as_table takes
        """Make a dataset of a table: Arrow, pandas, polars, or a mapping of name to values.

        Any library is read whose tables have the Arrow PyCapsule interface, without a copy.
        """
        table = as_table(source)
        check_columns("The table", table.schema)
        return cls(Read(TableSource(table)))

    @classmethod
    def from_csv(
        cls,
        path: Locations,
        *,
        delimiter: str | None = None,
        column_types: Mapping[str, pa.DataType] | None = None,
        memory_bytes: int | None = None,
        on_error: str = "raise",
    ) -> "Dataset":
        """Read CSV files in UTF-8 whose first line names the columns.

        Types are inferred: over the whole file where it is held, from the first 16 MB of a larger
        one. Text in few rows below 100 of numbers is a fault of these rows.

        Args:
            path: A path, URL, glob or folder, or a list of these. Files whose names end with .gz,
                .bz2, .zst or .lz4 are decompressed in memory.
            delimiter: Character between cells; found out from the file when left out.
            column_types: Arrow types of some columns, instead of the inferred ones.
            memory_bytes: As for `from_parquet`.
            on_error: As for `from_parquet`.

        Raises:
            StorageError: There is no such file, or it may not be read.
            DataError: Its content is no table; the message has the line or column.
        """
        source = open_csv(
            path,
            delimiter=delimiter,
            column_types=column_types,
            memory_bytes=memory_bytes,
            is_lenient=build.skips_errors(on_error),
        )
        return cls(build.read(source, on_error))

    @classmethod
    def from_jsonl(
        cls,
        path: Locations,
        *,
        column_types: Mapping[str, pa.DataType] | None = None,
        memory_bytes: int | None = None,
        on_error: str = "raise",
    ) -> "Dataset":
        """Read files with one JSON object per line; its keys are the columns.

        A key that a line lacks is a missing value; lists are arrays, objects in objects are dicts.

        Args:
            path: As for `from_csv`.
            column_types: Arrow types of some keys, instead of the inferred ones.
            memory_bytes: As for `from_parquet`.
            on_error: As for `from_parquet`.

        Raises:
            StorageError: There is no such file, or it may not be read.
            DataError: A line is no object, or has other types than those before.
        """
        source = open_jsonl(
            path,
            column_types=column_types,
            memory_bytes=memory_bytes,
            is_lenient=build.skips_errors(on_error),
        )
        return cls(build.read(source, on_error))

    @classmethod
    def from_parquet(
        cls, path: Locations, *, memory_bytes: int | None = None, on_error: str = "raise"
    ) -> "Dataset":
        """Open Parquet files, which may be larger than memory.

        A larger one is read by row groups as they are needed. A `shuffle` above it (`take`, `skip`,
        `shard`, `map` and `filter` may stand between) permutes the groups, then the rows within a
        window of as many groups as fit; all else is as with a table in memory.

        Args:
            path: A path, URL, glob or folder, or a list of these.
            memory_bytes: What may be held of the rows as arrays, 512 MB by default; it decides on
                the windows, so positions saved with another value are refused.
            on_error: "skip" leaves out rows that cannot be read, counts them in `stats`, and says
                so once at the end of an epoch; how many rows there are is then not known before.

        Raises:
            StorageError: There is no such file, or it may not be read.
            DataError: It is damaged, or has no rows.
        """
        is_lenient = build.skips_errors(on_error)
        source = open_parquet(path, memory_bytes=memory_bytes, is_lenient=is_lenient)
        return cls(build.read(source, on_error))

    @classmethod
    def from_ipc(
        cls, path: Locations, *, memory_bytes: int | None = None, on_error: str = "raise"
    ) -> "Dataset":
        """Map Arrow IPC files (Feather, or streams); larger ones are read by record batches.

        Args:
            path: A path, URL, glob or folder, or a list of these.
            memory_bytes: As for `from_parquet`.
            on_error: As for `from_parquet`.

        Raises:
            StorageError: There is no such file, or it may not be read.
            DataError: It is damaged.
        """
        is_lenient = build.skips_errors(on_error)
        source = open_ipc(path, memory_bytes=memory_bytes, is_lenient=is_lenient)
        return cls(build.read(source, on_error))

    @classmethod
    def from_tfrecord(
        cls,
        path: Locations,
        *,
        features: Mapping[str, TensorSpec] | None = None,
        raw: bool = False,
        on_error: str = "raise",
    ) -> "Dataset":
        """Read TFRecord files of tf.Examples: dicts of feature name to array.

        Every checksum is compared. A feature of bytes is `bytes`. Write such files with
        `kolam.data.write_tfrecord`.

        Args:
            path: A path, URL, glob or folder, or a list of these; the files may be compressed by
                gzip or zlib.
            features: Shape and dtype of each feature that is wanted. The first size may be a name:
                it differs from record to record then, and the feature may be missing. By default
                as the first records have it: one value is a scalar, several a flat array.
            raw: Give the records as `bytes`, whatever is in them.
            on_error: As for `from_parquet`. Of a file that is cut, the records before are read.

        Raises:
            StorageError: There is no such file, or it may not be read.
            DataError: A file is cut or damaged; the message has the record and its byte.
        """
        files = find_files(path, (".tfrecord", ".tfrecords"))
        records = RecordSource(files, is_lenient=build.skips_errors(on_error))
        source = records if raw else ExampleSource(records, features)
        return cls(build.read(source, on_error))

    @classmethod
    def from_tar(cls, path: Locations, *, on_error: str = "raise") -> "Dataset":
        """Read tar shards: files of one stem are one example, a dict of suffix to value.

        ``a/1.jpg`` and ``a/1.cls`` give ``{"__key__": "a/1", "jpg": bytes, "cls": int}``. Numbers
        (cls, id, index, count), texts (txt, json) and arrays (npy) are decoded; the rest is
        `bytes`.

        Args:
            path: A path, URL, glob or folder, or a list of these.
            on_error: As for `from_parquet`. Of a shard that is cut, the examples before are read.

        Raises:
            StorageError: There is no such file, or it may not be read.
            DataError: A shard is empty, cut or damaged; the message has the last whole member.
        """
        files = find_files(path, (".tar", ".tar.gz", ".tgz"))
        source = ShardSource(files, is_lenient=build.skips_errors(on_error))
        return cls(build.read(source, on_error))

    @classmethod
    def from_sql(
        cls,
        query: Any,  # Any: a str, or whatever SQLAlchemy selects from
        database: Any,  # Any: a URL, or an engine of SQLAlchemy
        *,
        parameters: Mapping[str, Any] | None = None,
        key: str | None = None,
        column_types: Mapping[str, pa.DataType] | None = None,
        chunk_rows: int = 8192,
    ) -> "Dataset":
        """Stream the rows of a query: dicts of column name to value.

        There is no random access, so no `shuffle` but after `cache`. Without `key` the order is the
        database's, and a restored iterator reads the rows before its place again. Types are those
        of the first rows.

        Args:
            query: SQL, or a selectable of SQLAlchemy.
            database: A URL such as ``"sqlite:///file.db"``, or an engine of SQLAlchemy.
            parameters: Values of the names in the SQL (``:name``).
            key: A column of the result whose values are numbers or texts, each once. Rows come in
                its order, and a restored iterator begins behind its value at once.
            column_types: Arrow types of some columns, instead of the inferred ones.
            chunk_rows: Rows that are fetched at a time.

        Raises:
            InvalidArgumentError: There is no such database, key or column.
            DataError: The query fails, or gives no rows.
        """
        # here: SQLAlchemy costs 0.2 s
        from kolam.data._formats.sql import Query
        from kolam.data._query import QuerySource

        chunk_rows = build.whole("chunk_rows", chunk_rows, at_least=1)
        asked = Query(query, database, parameters=parameters, key=key, chunk_rows=chunk_rows)
        return cls(build.read(QuerySource(asked, column_types)))

    @classmethod
    def from_generator(
        cls,
        fn: Callable[..., Iterable[Tree]] | Iterable[Tree],
        *,
        spec: Tree = None,
        on_error: str = "raise",
    ) -> "Dataset":
        """Stream the elements that a function generates, called anew for every epoch.

        There is no random access, so no `shuffle` but after `cache`. A restored iterator draws the
        elements before its place again, unless `fn` has an argument named `start`: then it is asked
        for the elements from that number on.

        Args:
            fn: Gives an iterator of trees of arrays; or an iterable that can be begun anew.
            spec: Tree of `TensorSpec` of every element, where sizes that differ are names; that of
                the first if left out.
            on_error: "skip" leaves out elements of another form; what `fn` raises is raised.

        Raises:
            InvalidTypeError: `fn` is an iterator, which would be used up.

        Example:
            >>> dataset = Dataset.from_generator(lambda: (n * n for n in range(5)))
            >>> [int(square) for square in dataset]
            [0, 1, 4, 9, 16]
        """
        source = GeneratorSource(fn, spec, is_lenient=build.skips_errors(on_error))
        return cls(build.read(source, on_error))

    @classmethod
    def from_map_style(cls, items: Any, *, spec: Tree = None, on_error: str = "raise") -> "Dataset":
        """Take a data set of PyTorch or Grain: anything with `__len__` and `__getitem__`.

        Elements are got in threads when they are asked for, in any order. Its answers must not
        hang on who asked before.

        Args:
            items: The object. If it has `__getitems__`, that is called for several at once.
            spec: Tree of `TensorSpec` of every element, where sizes that differ are names; that of
                the first if left out.
            on_error: As for `from_parquet`.

        Raises:
            InvalidTypeError: It has no length or no elements by number.
        """
        return cls(build.read(MapStyleSource(items, spec), on_error))

    @classmethod
    def from_huggingface(cls, items: Any, *, memory_bytes: int | None = None) -> "Dataset":
        """Take a `datasets.Dataset` of Hugging Face; its Arrow table is used where it lies.

        Formats and transforms set on it are left out: put them into `map`.

        Args:
            items: One split.
            memory_bytes: As for `from_parquet`.

        Raises:
            InvalidTypeError: It is a dict of splits, or a stream.
        """
        return cls(Read(huggingface_source(items, as_memory(memory_bytes))))

    @classmethod
    def from_images(
        cls,
        files: str | Path | Sequence[str | Path],
        *,
        size: tuple[int, int] | str | None = None,
        fit: str = "stretch",
        labels: str | Sequence[int] | np.ndarray | None = "folder",
        channels: int = 3,
        fast: bool = False,
        on_error: str = "raise",
    ) -> "Dataset":
        """Read images: `{"image": uint8 (height, width, channels), "label": int32}`.

        Files are taken in sorted order, at any depth, and decoded in threads as they are needed.
        JPEG, PNG, GIF (its first picture), BMP, TIFF and WebP are known by their content; turns
        noted by cameras (EXIF) are not carried out.

        Args:
            files: A folder, or a list of image files.
            size: Height and width to which each image is brought, with antialiasing; "own" leaves
                each as it is, for a `map` in Python that crops; left out, all images must have
                the size of the first.
            fit: How, for other proportions: "stretch", "crop" the middle, or "pad" with zeros.
            labels: "folder": the sub-folder of a file is its class, numbered in sorted order
                (names in `class_names`); a number per image; or `None`, no labels. A list of
                files has no labels unless they are given as numbers.
            channels: 1 for grey, 3 for RGB, 4 for RGB and opacity.
            fast: Let libjpeg-turbo round coarsely, and shrink images that are twice as large as
                `size` or more while it decodes: up to 4 times as fast, visibly the same, but not
                the same numbers.
            on_error: "skip" leaves out files that cannot be decoded, and counts them in `stats`;
                the dataset then has no length, for how many these are is not known before.

        Raises:
            StorageError: There is no such folder.
            DataError: There are no images, or the labels do not fit them.
        """
        source = open_images(files, labels=labels, size=size, fit=fit, channels=channels, fast=fast)
        return cls(build.read(source, on_error))

    def __kolam_items__(self) -> Any:
        """Give what autograph goes through instead, in a program: see `_loops`."""
        from kolam.data._loops import staged_items  # here: it needs this class

        return staged_items(self.at_epoch(0), self._epoch)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes of `from_images`, by label."""
        source = self._source
        if not isinstance(source, ImageSource) or not source.class_names:
            raise UnsupportedError(
                "Only a dataset of images in folders of classes knows their names.",
                how='Make it with Dataset.from_images(folder, labels="folder").',
            )
        return source.class_names

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        if (source := self._read_source) is not None:
            return _tabular(source).schema
        if self._rows(np.zeros(0, np.int64)) is not None:
            return _tabular(self._source).schema
        return next(self._computed_batches()).schema

    def record_batches(self) -> Iterator[pa.RecordBatch]:
        """Give the rows as Arrow record batches; a file is streamed where its order is kept.

        Raises:
            UnsupportedError: The elements are no rows of single values.
        """
        if (source := self._read_source) is not None:
            yield from _tabular(source).record_batches(_BATCH_ROWS)
        elif self._rows(np.zeros(0, np.int64)) is None:
            yield from self._computed_batches()
        else:
            table = _tabular(self._source)
            for start in range(0, len(self), _BATCH_ROWS):
                positions = np.arange(start, min(start + _BATCH_ROWS, len(self)))
                rows = cast(np.ndarray, self._rows(positions))  # as above: there are rows
                yield from table.chosen(rows).combine_chunks().to_batches()

    def to_table(self) -> pa.Table:
        """Give all rows as one Arrow table."""
        if (source := self._read_source) is not None:
            return _tabular(source).table()
        return pa.Table.from_batches(list(self.record_batches()), self.schema)

    @property
    def _read_source(self) -> Source | None:
        """The source, where nothing but reading was asked for."""
        node = self._node.parent if isinstance(self._node, Readable) else self._node
        return node.source if isinstance(node, Read) else None

    @property
    def _source(self) -> Source:
        node = self._node
        while not isinstance(node, Read):
            node = node.parents[0]
        return node.source

    def _rows(self, positions: np.ndarray) -> np.ndarray | None:
        return source_rows(self._node, self._epoch, positions)

    def _computed_batches(self) -> Iterator[pa.RecordBatch]:
        dataset = self if holds_batches(self._node) else self.batch(_BATCH_ROWS)
        yield from map(_as_record_batch, dataset)


def read(path: str | Path) -> Dataset:
    """Read table files by suffix: csv, tsv, jsonl, ndjson, parquet, pq, arrow, ipc or feather.

    Args:
        path: A file, a URL, or a glob.

    Raises:
        StorageError: There is no such file, or it may not be read; near names are suggested.
        InvalidArgumentError: It is a folder, or no format has this suffix.
        DataError: Its content is no table; the message has the line or column.
    """
    return Dataset(Read(open_source(path)))


def _tabular(source: Source) -> TableSource | GroupedSource:
    if not isinstance(source, TableSource | GroupedSource):
        raise UnsupportedError(
            "This dataset is made of arrays, so it has no columns of a table.",
            how="Iterate over it, or build it with Dataset.from_arrow.",
        )
    return source


def _as_record_batch(element: Tree) -> pa.RecordBatch:
    flat = isinstance(element, dict) and all(
        isinstance(values, np.ndarray) and values.ndim == 1 for values in element.values()
    )
    if not flat:
        raise UnsupportedError(
            "The elements of this dataset are no rows of single values, so they make no table.",
            how="Let map() give a dict of column name to number or text.",
        )
    return pa.RecordBatch.from_pydict({name: pa.array(element[name]) for name in element})
