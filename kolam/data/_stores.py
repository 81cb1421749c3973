"""Where a cache keeps elements: in memory, or in an Arrow file."""

import json
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kolam.core import (
    DataError,
    IntegrityError,
    InvalidArgumentError,
    UnsupportedError,
    canonical_json,
    digest_bytes,
    storage_errors,
    temporary_folder,
)
from kolam.data._chunks import EMPTY, Chunk, as_array, held, is_ragged, joined
from kolam.data._digests import function_digest
from kolam.data._plan.apply import Filter, FlatMap, Map
from kolam.data._plan.keep import Store
from kolam.data._plan.node import Node
from kolam.data._plan.read import Read, ReadStream
from kolam.data._trees import Tree, leaves

Fill = Callable[[], Iterator[Chunk]]
_OBJECTS = {"text": pa.large_string(), "bytes": pa.large_binary()}


def open_store(node: Node, fill: Fill, path: str | Path | None, key: str | None) -> Store:
    """Give the store of a cache: in memory, or the file in a folder that its plan names.

    Raises:
        InvalidArgumentError: A function refers to something whose content cannot be told.
    """
    if path is None:
        return MemoryStore(fill)
    folder = Path(path).expanduser()
    if folder.is_file():
        raise InvalidArgumentError(
            f"{folder} is a file, not a folder.", how="Give a folder; the cache names its file."
        )
    return FileStore(folder / f"{content_digest(node, key)}.arrow", fill)


def content_digest(node: Node, key: str | None) -> str:
    """Give a digest of all that the elements of a plan hang on.

    Args:
        node: The plan.
        key: Stands for what functions do, instead of their code.
    """

    def parts(node: Node) -> list[Any]:
        own = node.describe()
        if isinstance(node, Read | ReadStream):
            own = [*own, node.source.digest()]
        if isinstance(node, Map | Filter | FlatMap):
            code = key if key is not None else function_digest(node.mapped.fn, strict=True)
            own = [own[0], code, node.mapped.seed, node.skips]
        return [own, *map(parts, node.parents)]

    return digest_bytes(canonical_json(parts(node)))[:32]


class MemoryStore:
    """Elements in memory.

    Args:
        fill: Gives them all, the first time that they are needed.
    """

    def __init__(self, fill: Fill) -> None:
        self._fill = fill
        self._lock = threading.RLock()
        self._kept: Chunk | None = None

    @property
    def known_count(self) -> int | None:
        """How many elements it holds; `None` before it was filled."""
        return None if self._kept is None else self._kept.count

    def count(self) -> int:
        """Give how many elements it holds, filling it first."""
        return self._filled().count

    def take(self, positions: np.ndarray) -> Chunk:
        """Give the elements at positions, filling it first."""
        return self._filled().select(positions)

    def _filled(self) -> Chunk:
        with self._lock:
            if self._kept is None:
                self._kept = joined(list(self._fill()))
        return self._kept


class FileStore:
    """Elements in an Arrow IPC file, which is mapped and not read.

    Every record batch carries a check sum, which is compared when it is first used. Arrays lie in
    columns of their own: numbers as (lists of) numbers of fixed size, texts as text, arrays of
    different shapes as values and shape.

    Args:
        path: The file; it is written when it is missing.
        fill: Gives all elements, to write it.
    """

    def __init__(self, path: Path, fill: Fill) -> None:
        self._path = path
        self._fill = fill
        self._lock = threading.RLock()
        self._file: pa.ipc.RecordBatchFileReader | None = None
        self._chunks: dict[int, Chunk] = {}
        self._ends = np.zeros(0, np.int64)
        self._template: Any = None

    @property
    def known_count(self) -> int | None:
        """How many elements it holds; `None` before it was filled."""
        if self._file is None and not self._path.exists():
            return None
        return self.count()

    def count(self) -> int:
        """Give how many elements it holds, filling it first."""
        self._open()
        return int(self._ends[-1]) if self._ends.size else 0

    def take(self, positions: np.ndarray) -> Chunk:
        """Give the elements at positions, filling it first."""
        self._open()
        which = np.searchsorted(self._ends, positions, side="right")
        parts = []
        order = []
        for number in np.unique(which).tolist():
            here = np.flatnonzero(which == number)
            start = int(self._ends[number - 1]) if number else 0
            parts.append(self._chunk(number).select(positions[here] - start))
            order.append(here)
        if len(parts) < 2:
            return parts[0] if parts else EMPTY
        back = np.empty(len(positions), np.int64)
        back[np.concatenate(order)] = np.arange(len(positions))
        return joined(parts).select(back)

    def _open(self) -> None:
        with self._lock:
            if self._file is not None:
                return
            if not self._path.exists():
                self._write()
            try:
                file = pa.ipc.open_file(pa.memory_map(str(self._path)))
                self._template = json.loads(file.schema.metadata[b"kolam.cache"])
                counts = [file.get_batch(n).num_rows for n in range(file.num_record_batches)]
            except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
                raise self._damage(str(error).partition("\n")[0]) from error
            self._ends = np.cumsum(np.array(counts, np.int64))
            self._file = file

    def _chunk(self, number: int) -> Chunk:
        with self._lock:
            if number not in self._chunks:
                self._chunks[number] = self._read(number)
            return self._chunks[number]

    def _read(self, number: int) -> Chunk:
        assert self._file is not None
        try:
            batch, metadata = self._file.get_batch_with_custom_metadata(number)
            batch.validate(full=True)
            columns = iter(batch.columns)
            tree = _filled(self._template, lambda kind: _decoded(next(columns), kind))
            written = int(metadata[b"sum"])
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            raise self._damage(str(error).partition("\n")[0]) from error
        if _check_sum(leaves(tree)) != written:
            raise self._damage(f"record batch {number} is not what was written")
        return Chunk(tree, batch.num_rows)

    def _damage(self, reason: str) -> IntegrityError:
        return IntegrityError(
            f"The cache {self._path} is damaged: {reason}.",
            how="Delete the file; it is computed again.",
        )

    def _write(self) -> None:
        ragged: set[int] = set()
        with temporary_folder(self._path) as folder, storage_errors(self._path):
            while not self._try_write(folder / "new", ragged):
                pass  # an array that had one shape so far has others: written as ragged, again
            (folder / "new").replace(self._path)

    def _try_write(self, path: Path, ragged: set[int]) -> bool:
        writer: pa.ipc.RecordBatchFileWriter | None = None
        kinds: list[dict[str, Any]] = []
        for chunk in self._fill():
            found = [as_array(leaf) for leaf in leaves(chunk.tree)]
            if chunk.count == 0:
                continue
            if writer is None:
                kinds = [_kind(leaf, number in ragged) for number, leaf in enumerate(found)]
            misfits = [n for n, leaf in enumerate(found) if not _fits(leaf, kinds[n])]
            if misfits:
                ragged.update(misfits)
                if writer is not None:
                    writer.close()
                return False
            found = [
                held(list(leaf)) if kind["shape"] is None else leaf
                for leaf, kind in zip(found, kinds, strict=True)
            ]
            arrays = [_encoded(leaf, kind) for leaf, kind in zip(found, kinds, strict=True)]
            batch = pa.RecordBatch.from_arrays(arrays, list(map(str, range(len(arrays)))))
            if writer is None:
                template = json.dumps(_template(chunk.tree, iter(kinds)))
                schema = batch.schema.with_metadata({"kolam.cache": template})
                writer = pa.ipc.new_file(str(path), schema)
            writer.write_batch(batch, custom_metadata={"sum": str(_check_sum(found))})
        if writer is None:
            raise DataError(
                "There is nothing to cache: the dataset has no elements.",
                how="Look at what is below cache(): a filter() may drop everything.",
            )
        writer.close()
        return True


def _kind(leaf: np.ndarray, forced: bool) -> dict[str, Any]:
    """Say how a leaf is written: its dtype, and its shape unless it has several."""
    if leaf.dtype.hasobject and not is_ragged(leaf):
        return {"dtype": _object_dtype(leaf.reshape(-1)), "shape": list(leaf.shape[1:])}
    first = leaf[0]
    if first.dtype.kind not in "iufbOV":
        raise UnsupportedError(
            f"A cache file cannot hold arrays of {first.dtype}.",
            how="Keep them in memory: cache() without a path.",
        )
    dtype = _object_dtype(first.reshape(-1)) if first.dtype.hasobject else first.dtype.name
    is_fixed = not (forced or leaf.dtype.hasobject or 0 in first.shape)
    return {"dtype": dtype, "shape": list(first.shape) if is_fixed else None}


def _object_dtype(values: np.ndarray) -> str:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {str}:
        return "text"
    if kinds == {bytes}:
        return "bytes"
    raise _not_held(", ".join(sorted(kind.__name__ for kind in kinds)))


def _not_held(kinds: str) -> UnsupportedError:
    return UnsupportedError(
        f"A cache cannot hold values of type {kinds}.",
        how="Let map() give arrays of numbers, texts or bytes before cache().",
    )


def _fits(leaf: np.ndarray, kind: dict[str, Any]) -> bool:
    if kind["shape"] is None:
        return True
    same = leaf.dtype.hasobject if kind["dtype"] in _OBJECTS else leaf.dtype.name == kind["dtype"]
    return same and list(leaf.shape[1:]) == kind["shape"] and not is_ragged(leaf)


def _encoded(leaf: np.ndarray, kind: dict[str, Any]) -> pa.Array:
    if kind["shape"] is not None:
        values = _arrow(leaf.reshape(-1), kind["dtype"])
        size = int(np.prod(kind["shape"], dtype=np.int64))
        return pa.FixedSizeListArray.from_arrays(values, size) if kind["shape"] else values
    arrays = [np.asarray(value) for value in leaf]
    sizes = np.cumsum([0, *(array.size for array in arrays)])
    flat = np.concatenate([array.reshape(-1) for array in arrays])
    if kind["dtype"] not in _OBJECTS and flat.dtype.name != kind["dtype"]:
        raise DataError(
            f"Elements to cache have dtypes {kind['dtype']} and {flat.dtype.name}.",
            how="Give them one dtype: values.astype(...) in map().",
        )
    values = pa.LargeListArray.from_arrays(pa.array(sizes), _arrow(flat, kind["dtype"]))
    shapes = pa.array([array.shape for array in arrays], pa.list_(pa.int64()))
    return pa.StructArray.from_arrays([values, shapes], ["values", "shape"])


def _arrow(flat: np.ndarray, dtype: str) -> pa.Array:
    if dtype in _OBJECTS:
        try:
            return pa.array(flat.tolist(), _OBJECTS[dtype])
        except pa.ArrowTypeError as error:  # those before it were missing or of the other kind
            raise _not_held(f"{dtype} and other ones ({error})") from error
    return pa.array(np.ascontiguousarray(flat).view(_carrier(flat.dtype)))


def _decoded(column: pa.Array, kind: dict[str, Any]) -> np.ndarray:
    if kind["shape"] is not None:
        values = column.flatten() if kind["shape"] else column
        return _numpy(values, kind["dtype"]).reshape(len(column), *kind["shape"])
    lists = column.field("values")
    offsets, flat = lists.offsets.to_numpy(), _numpy(lists.values, kind["dtype"])
    shapes = column.field("shape").to_pylist()
    return held([flat[offsets[n] : offsets[n + 1]].reshape(shapes[n]) for n in range(len(shapes))])


def _numpy(values: pa.Array, dtype: str) -> np.ndarray:
    if dtype in _OBJECTS:
        return held(values.to_pylist())
    array = np.asarray(values.to_numpy(zero_copy_only=True))
    return array.view(_numpy_dtype(dtype))


def _numpy_dtype(name: str) -> np.dtype:
    if name != "bfloat16":
        return np.dtype(name)
    import ml_dtypes  # here: only for this dtype

    return np.dtype(ml_dtypes.bfloat16)


def _carrier(dtype: np.dtype) -> np.dtype:
    """Give the dtype of the same size in which Arrow holds numbers that it does not know."""
    if dtype.kind in "iuf" and dtype.name != "bfloat16":
        return dtype
    return np.dtype(f"u{dtype.itemsize}")


def _check_sum(found: Sequence[np.ndarray]) -> int:
    total = 0
    for leaf in found:
        if not leaf.dtype.hasobject:
            total = zlib.crc32(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data, total)
            continue
        for value in leaf.reshape(-1):
            if isinstance(value, np.ndarray):
                total = zlib.crc32(f"{value.shape}{_check_sum([value])}".encode(), total)
            else:
                content = value if isinstance(value, bytes) else repr(value).encode()
                total = zlib.crc32(content, total)
    return total


def _template(tree: Tree, kinds: Iterator[dict[str, Any]]) -> Any:
    """Give the structure as JSON, with kinds for leaves."""
    if isinstance(tree, dict):
        return {"dict": [[key, _template(value, kinds)] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        name = "list" if isinstance(tree, list) else "tuple"
        return {name: [_template(value, kinds) for value in tree]}
    return None if tree is None else {"leaf": next(kinds)}


def _filled(template: Any, leaf: Callable[[dict[str, Any]], np.ndarray]) -> Tree:
    match template:
        case None:
            return None
        case {"dict": pairs}:
            return {key: _filled(value, leaf) for key, value in pairs}
        case {"tuple": parts}:
            return tuple(_filled(part, leaf) for part in parts)
        case {"list": parts}:
            return [_filled(part, leaf) for part in parts]
        case {"leaf": kind}:
            return leaf(kind)
    raise ValueError(f"there is no structure {template!r}")
