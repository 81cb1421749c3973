"""Records as sources: tf.Examples of TFRecord files."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kolam.core import DataError, InvalidArgumentError, TensorSpec
from kolam.data._buffers import Buffers
from kolam.data._chunks import held
from kolam.data._columns import size_name
from kolam.data._formats.examples import Values, parse_example
from kolam.data._formats.files import File
from kolam.data._formats.tfrecord import RecordFile
from kolam.data._sources import Groups

_LOOKED_AT = 64  # records from which the features are inferred


class RecordSource:
    """The records of several files, by number.

    Args:
        files: TFRecord files.
    """

    groups: Groups | None = None

    def __init__(self, files: list[File]) -> None:
        self._files = [RecordFile(file) for file in files]
        self._digest = "\n".join(file.digest() for file in files)
        self._starts = np.cumsum([0, *(file.num_records for file in self._files)])
        self.num_rows = int(self._starts[-1])

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
        examples = list(self._parsed(rows))
        if self._is_inferred:
            for row, example in zip(rows.tolist(), examples, strict=True):
                if unknown := sorted(set(example) - set(self._spec)):
                    raise DataError(
                        f"{self._records.where(row)} has a feature {unknown[0]!r}, which the first "
                        f"records have not; they have {', '.join(self._spec)}.",
                        column=unknown[0],
                        how=f"Name all features: features={{{unknown[0]!r}: TensorSpec(...), ...}}",
                    )
        return {
            name: self._column(name, spec, rows, [example.get(name) for example in examples])
            for name, spec in self._spec.items()
        }

    def digest(self) -> str:
        """Give path, size and time of change of each file."""
        return self._records.digest()

    def _parsed(self, rows: np.ndarray) -> Iterator[dict[str, Values]]:
        for row, record in zip(rows.tolist(), self._records.records(rows), strict=True):
            try:
                yield parse_example(record)
            except DataError as error:
                raise DataError(
                    f"{self._records.where(row)}: {error.what}", how=error.how
                ) from error

    def _column(
        self, name: str, spec: TensorSpec, rows: np.ndarray, found: list[Values | None]
    ) -> np.ndarray:
        values = [
            self._values(name, spec, int(row), value)
            for row, value in zip(rows, found, strict=True)
        ]
        if spec.is_static and values:
            return np.stack(values)
        if spec.is_static:
            return np.empty((0, *map(int, spec.shape)), _dtype(spec))
        return held(values)

    def _values(self, name: str, spec: TensorSpec, row: int, value: Values | None) -> np.ndarray:
        if value is None:
            if spec.is_static:
                raise self._fault(name, row, "is missing")
            value = np.empty(0, _dtype(spec)) if spec.dtype != "string" else []
        if isinstance(value, list) != (spec.dtype == "string"):
            kind = "bytes" if isinstance(value, list) else _kind(value)
            raise self._fault(name, row, f"holds {kind}, not {spec.dtype}")
        array = held(value) if isinstance(value, list) else self._cast(name, spec, row, value)
        shape = tuple(size if isinstance(size, int) else -1 for size in spec.shape)
        if spec.is_static and array.size != int(np.prod(shape, dtype=np.int64)):
            raise self._fault(name, row, f"has {array.size} values, not the {shape} of its spec")
        try:
            return array.reshape(shape)
        except ValueError:
            raise self._fault(
                name, row, f"has {array.size} values, which do not fit {spec.shape}"
            ) from None

    def _cast(self, name: str, spec: TensorSpec, row: int, values: np.ndarray) -> np.ndarray:
        dtype = _dtype(spec)
        if values.dtype.kind == "f" and dtype.kind in "iub":
            raise self._fault(name, row, f"holds float32, not {spec.dtype}")
        cast = values.astype(dtype)
        if dtype.kind in "iub" and not np.array_equal(cast.astype(np.int64), values):
            raise self._fault(name, row, f"has numbers that {spec.dtype} cannot hold")
        return cast

    def _fault(self, name: str, row: int, what: str) -> DataError:
        return DataError(
            f"{self._records.where(row)}: feature {name!r} {what}.",
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
            dtype = Counter(map(_kind, found)).most_common(1)[0][0]
            sizes = {len(values) for values in found if _kind(values) == dtype}
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
                examples += self._parsed(rows[place : place + 1])
            except DataError:
                if place == len(rows) - 1 and not examples:
                    raise
        return examples


def _kind(values: Values) -> str:
    return "string" if isinstance(values, list) else str(values.dtype)


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
