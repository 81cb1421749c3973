"""Records as sources: tf.Examples of TFRecord files."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from kolam.core import DataError, InvalidArgumentError, TensorSpec
from kolam.data._buffers import Buffers
from kolam.data._chunks import held
from kolam.data._columns import size_name
from kolam.data._formats.examples import (
    Alike,
    Columns,
    ExampleError,
    Values,
    parse_examples,
)
from kolam.data._formats.files import File
from kolam.data._formats.groups import check_any
from kolam.data._formats.tfrecord import RecordFile
from kolam.data._sources import Groups

_LOOKED_AT = 64  # records from which the features are inferred


class RecordSource:
    """The records of several files, by number.

    Args:
        files: TFRecord files.
        is_lenient: Whether the records before a damage are taken, with a warning.
    """

    groups: Groups | None = None

    def __init__(self, files: list[File], *, is_lenient: bool = False) -> None:
        self._files = [RecordFile(file, is_lenient=is_lenient) for file in files]
        self._digest = "\n".join(file.digest() for file in files)
        self._starts = np.cumsum([0, *(file.num_records for file in self._files)])
        self.num_rows = int(self._starts[-1])
        check_any(self.num_rows, files)

    @property
    def spec(self) -> TensorSpec:
        """`TensorSpec` of one record: bytes."""
        return TensorSpec((), "string")

    def take(self, rows: np.ndarray, buffers: Buffers) -> np.ndarray:
        """Read records; an array of `bytes`."""
        return held(self.records(rows))

    def digest(self) -> str:
        """Give path, size and time of change of each file."""
        return self._digest

    def records(self, rows: np.ndarray) -> list[bytes]:
        """Read records in the order asked for."""
        numbers = np.searchsorted(self._starts, rows, side="right") - 1
        found: list[bytes] = [b""] * len(rows)
        for number in np.unique(numbers).tolist():
            here = np.flatnonzero(numbers == number)
            records = self._files[number].read(rows[here] - self._starts[number])
            for place, record in zip(here.tolist(), records, strict=True):
                found[place] = record
        return found

    def where(self, row: int) -> str:
        """Give file and number of a record, for messages."""
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        return f"{self._files[number].file}, record {row - int(self._starts[number])}"


class ExampleSource:
    """Examples of TFRecord files; a row is a dict of feature name to array.

    Args:
        records: The files.
        features: What the features are; `None` to infer it from the first records. A feature that
            is not named is left out.

    Raises:
        DataError: A record is no example, or the features of the first ones differ.
    """

    groups: Groups | None = None

    def __init__(self, records: RecordSource, features: Mapping[str, TensorSpec] | None) -> None:
        self._records = records
        self.num_rows = records.num_rows
        self._is_inferred = features is None
        self._spec = self._inferred() if features is None else _checked(features)

    @property
    def spec(self) -> dict[str, TensorSpec]:
        """`TensorSpec` of each feature."""
        return self._spec

    def take(self, rows: np.ndarray, buffers: Buffers) -> dict[str, np.ndarray]:
        """Read examples."""
        found = self._parsed(rows)
        if self._is_inferred:
            self._check_names(rows, found)
        return {name: self._column(name, spec, rows, found) for name, spec in self._spec.items()}

    def digest(self) -> str:
        """Give path, size and time of change of each file."""
        return self._records.digest()

    def _parsed(self, rows: np.ndarray) -> list[Alike]:
        try:
            return list(parse_examples(self._records.records(rows)))
        except ExampleError as error:
            where = self._records.where(int(rows[error.number]))
            raise DataError(f"{where}: {error.what}", how=error.how) from error

    def _check_names(self, rows: np.ndarray, found: list[Alike]) -> None:
        for alike in found:
            for name in alike.features.keys() - self._spec.keys():
                raise DataError(
                    f"{self._records.where(int(rows[alike.places[0]]))} has a feature {name!r}, "
                    f"which the first records have not; they have {', '.join(self._spec)}.",
                    column=name,
                    how=f"Name all features: features={{{name!r}: TensorSpec(...), ...}}",
                )

    def _column(
        self, name: str, spec: TensorSpec, rows: np.ndarray, found: list[Alike]
    ) -> np.ndarray:
        shape = tuple(map(int, spec.shape)) if spec.is_static else ()
        column = np.empty((len(rows), *shape), _dtype(spec) if spec.is_static else object)
        for alike in found:
            values = self._values(name, spec, rows[alike.places], alike.features.get(name))
            if spec.is_static:
                column[alike.places] = values
            else:
                for place, value in zip(alike.places.tolist(), values, strict=True):
                    column[place] = value
        return column

    def _values(
        self, name: str, spec: TensorSpec, rows: np.ndarray, values: Columns | None
    ) -> np.ndarray:
        """Give a feature of examples that are alike, shape (examples, ...)."""
        if values is None:
            if spec.is_static:
                raise self._fault(name, rows, "is missing")
            values = np.empty((len(rows), 0), _dtype(spec))
        elif not len(values[0]):
            values = np.empty((len(rows), 0), _dtype(spec))
        elif isinstance(values, list) != (spec.dtype == "string"):
            kind = "bytes" if isinstance(values, list) else str(values.dtype)
            raise self._fault(name, rows, f"holds {kind}, not {spec.dtype}")
        elif isinstance(values, list):
            values = _texts(values)
        else:
            values = self._cast(name, spec, rows, values)
        size = values.shape[1]
        shape = tuple(each if isinstance(each, int) else -1 for each in spec.shape)
        known = int(np.prod([each for each in shape if each != -1], dtype=np.int64))
        if spec.is_static and size != known:
            raise self._fault(name, rows, f"has {size} values, not the {shape} of its spec")
        if size % max(1, known):
            raise self._fault(name, rows, f"has {size} values, which do not fit {spec.shape}")
        if -1 in shape:
            shape = (size // max(1, known), *shape[1:])
        return values.reshape(len(rows), *shape)

    def _cast(
        self, name: str, spec: TensorSpec, rows: np.ndarray, values: np.ndarray
    ) -> np.ndarray:
        dtype = _dtype(spec)
        if values.dtype.kind == "f" and dtype.kind in "iub":
            raise self._fault(name, rows, f"holds float32, not {spec.dtype}")
        cast = values.astype(dtype)
        if dtype.kind in "iub":
            wrong = (cast.astype(np.int64) != values).any(axis=1)
            if wrong.any():
                raise self._fault(name, rows[wrong], f"has numbers that {spec.dtype} cannot hold")
        return cast

    def _fault(self, name: str, rows: np.ndarray, what: str) -> DataError:
        return DataError(
            f"{self._records.where(int(rows[0]))}: feature {name!r} {what}.",
            column=name,
            how="Correct the record, or give specs in features=; a size that differs from record "
            'to record is a name: TensorSpec(("steps",), "int64").',
        )

    def _inferred(self) -> dict[str, TensorSpec]:
        """Look at some records: sizes that are the same everywhere are fixed, 1 is a scalar."""
        examples = self._looked_at()
        spec = {}
        for name in dict.fromkeys(name for example in examples for name in example):
            found = [example[name] for example in examples if name in example]
            # a record with another kind of list is told when it is used
            full = [values for values in found if len(values)]  # of an empty list no kind is said
            dtype = Counter(map(_kind, full or found)).most_common(1)[0][0]
            sizes = {len(values) for values in found if _kind(values) == dtype or not len(values)}
            if len(sizes) > 1 or len(found) < len(examples):
                spec[name] = TensorSpec((size_name(name),), dtype, name)
            else:
                size = sizes.pop()
                spec[name] = TensorSpec(() if size == 1 else (size,), dtype, name)
        return spec

    def _looked_at(self) -> list[dict[str, Values]]:
        """Read some records, from all parts; bad ones are told when they are used."""
        rows = np.unique(np.linspace(0, self.num_rows - 1, _LOOKED_AT).astype(np.int64))
        examples: list[dict[str, Values]] = []
        for place in range(len(rows)):
            try:
                (alike,) = self._parsed(rows[place : place + 1])
                examples.append({name: values[0] for name, values in alike.features.items()})
            except DataError:
                if place == len(rows) - 1 and not examples:
                    raise
        return examples


def _kind(values: Values) -> str:
    return "string" if isinstance(values, list) else str(values.dtype)


def _texts(values: list[list[bytes]]) -> np.ndarray:
    texts = np.empty((len(values), len(values[0])), object)
    for row, parts in enumerate(values):
        texts[row] = parts
    return texts


def _checked(features: Mapping[str, TensorSpec]) -> dict[str, TensorSpec]:
    for name, spec in features.items():
        if not isinstance(spec, TensorSpec):
            raise InvalidArgumentError(
                f"The spec of feature {name!r} is {spec!r}.",
                how='Give a TensorSpec, such as TensorSpec((28, 28), "float32").',
            )
        if sum(not isinstance(size, int) for size in spec.shape) > 1 or not all(
            isinstance(size, int) for size in spec.shape[1:]
        ):
            raise InvalidArgumentError(
                f"The spec of feature {name!r} has the shape {spec.shape}; only the first size may "
                "differ from record to record.",
                how="A tf.Example stores flat lists: give all sizes but the first as numbers.",
            )
    return dict(features)


def _dtype(spec: TensorSpec) -> np.dtype[Any]:
    if spec.dtype == "bfloat16":
        import ml_dtypes  # here: NumPy has no such dtype of its own

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(object if spec.dtype == "string" else spec.dtype)
