"""Tar shards as a source: the files of one stem are one example."""

from collections import Counter
from functools import cached_property
from typing import Any

import numpy as np

from kolam.core import DataError, TensorSpec
from kolam.data._buffers import Buffers
from kolam.data._chunks import together
from kolam.data._columns import size_name, spec_dtype
from kolam.data._formats.files import File
from kolam.data._formats.groups import check_any
from kolam.data._formats.tar import Shard, decode
from kolam.data._sources import Groups
from kolam.data._threads import in_parts

_LOOKED_AT = 16  # examples from which shapes are inferred
_PART = 16  # examples per task of a thread


class ShardSource:
    """Examples of tar shards; a row is a dict of suffix to value, and "__key__".

    Args:
        files: The shards.
        is_lenient: Whether the examples before a damage are taken, with a warning.
    """

    groups: Groups | None = None

    def __init__(self, files: list[File], *, is_lenient: bool = False) -> None:
        self._shards = [Shard(file, is_lenient=is_lenient) for file in files]
        self._digest = "\n".join(file.digest() for file in files)
        self._starts = np.cumsum([0, *(len(shard.samples) for shard in self._shards)])
        self.num_rows = int(self._starts[-1])
        check_any(self.num_rows, files)
        kinds = Counter(tuple(sample.members) for shard in self._shards for sample in shard.samples)
        self._fields = list(kinds.most_common(1)[0][0])

    @cached_property
    def spec(self) -> dict[str, TensorSpec]:
        """`TensorSpec` of each file of an example, as some of them have it."""
        rows = np.unique(np.linspace(0, self.num_rows - 1, _LOOKED_AT).astype(np.int64)).tolist()
        examples = []
        for row in rows:
            try:
                examples.append(self._decoded(row))
            except DataError:  # it is told when it is used, if it is
                if row == rows[-1] and not examples:
                    raise
        return {
            name: _spec_of(name, [example[name] for example in examples]) for name in examples[0]
        }

    def take(self, rows: np.ndarray, buffers: Buffers) -> dict[str, np.ndarray]:
        """Read and decode the files of examples."""

        def read(start: int, stop: int) -> list[dict[str, Any]]:
            return [self._example(int(row)) for row in rows[start:stop]]

        examples = [example for part in in_parts(read, len(rows), _PART) for example in part]
        return {
            name: together([example[name] for example in examples])
            if examples
            else np.empty(0, object)
            for name in ("__key__", *self._fields)
        }

    def digest(self) -> str:
        """Give path, size and time of change of each shard."""
        return self._digest

    def _example(self, row: int) -> dict[str, Any]:
        example = self._decoded(row)
        for name, spec in self.spec.items():
            if not _fits(spec, example[name]):
                array = np.asarray(example[name])
                raise DataError(
                    f"{self._where(row)}: {name!r} is {array.dtype} of shape {array.shape}, where "
                    f"others are {spec.dtype} of {spec.shape}.",
                    column=name,
                    how="Give all examples one dtype and shape, or skip such examples.",
                )
        return example

    def _where(self, row: int) -> str:
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        shard = self._shards[number]
        return f"{shard.file}, example {shard.samples[row - int(self._starts[number])].key!r}"

    def _decoded(self, row: int) -> dict[str, Any]:
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        shard, place = self._shards[number], row - int(self._starts[number])
        sample = shard.samples[place]
        if set(sample.members) != set(self._fields):
            raise DataError(
                f"{shard.file}: example {sample.key!r} has {', '.join(sorted(sample.members))}, "
                f"most have {', '.join(sorted(self._fields))}.",
                how="Give every example the same files, or skip such examples.",
            )
        example: dict[str, Any] = {"__key__": sample.key}
        for field, content in zip(self._fields, shard.read(place, self._fields), strict=True):
            try:
                example[field] = decode(field, content)
            except (ValueError, UnicodeDecodeError, EOFError) as error:
                raise DataError(
                    f"{shard.file}: {sample.members[field].name} is no {field}: {error}.",
                    how="Write it again, or skip such examples.",
                ) from error
        return example


def _spec_of(name: str, values: list[Any]) -> TensorSpec:
    if isinstance(values[0], bytes | str):
        return TensorSpec((), "string", name)
    arrays = [np.asarray(value) for value in values]
    shapes = [array.shape for array in arrays if array.ndim == arrays[0].ndim]
    shape = [
        sizes[0] if len(set(sizes)) == 1 else size_name(name, axis)
        for axis, sizes in enumerate(zip(*shapes, strict=True))
    ]
    return TensorSpec(tuple(shape), spec_dtype(arrays[0].dtype), name)


def _fits(spec: TensorSpec, value: Any) -> bool:
    if isinstance(value, bytes | str):
        return True
    array = np.asarray(value)
    return (
        array.ndim == len(spec.shape)
        and spec_dtype(array.dtype) == spec.dtype
        and all(
            isinstance(size, str) or size == found
            for size, found in zip(spec.shape, array.shape, strict=True)
        )
    )
