"""Elements of a plan at given positions."""

from itertools import pairwise
from operator import itemgetter
from typing import cast

import numpy as np

from kolam.core import DataError, TensorSpec
from kolam.data._buffers import Buffers
from kolam.data._mapping import stack
from kolam.data._plan import Batch, Map, Node, Read, last_batch, parent_positions
from kolam.data._trees import Tree, leaves, map_tree

_WIDE_ROWS = 16_384  # one compiled call per so many examples: dispatch is then lost in the work
_WIDE_BYTES = 16 << 20  # 64: results fall out of the cache, and images take a third longer
_NARROW_BYTES = 1 << 20  # without a map a chunk should stay in the cache until it is used


def elements(node: Node, epoch: int, positions: np.ndarray, buffers: Buffers) -> list[Tree]:
    """Give the elements at `positions` of an epoch, as views of one chunk where possible."""
    epochs = np.full_like(positions, epoch)
    if last_batch(node) is not None:
        return _batches(node, epochs, positions, buffers)
    return _split(rows(node, epochs, positions, buffers), np.arange(len(positions)), None)


def rows(node: Node, epochs: np.ndarray, positions: np.ndarray, buffers: Buffers) -> Tree:
    """Give unbatched elements stacked along axis 0."""
    match node:
        case Read(source):
            return source.take(positions, buffers)
        case Map(parent, mapped):
            return mapped.many(rows(parent, epochs, positions, buffers), epochs, positions)
        case Batch():
            raise AssertionError("batches are not rows")
        case _:
            return rows(node.parent, *parent_positions(node, epochs, positions), buffers)


def source_rows(node: Node, epoch: int, positions: np.ndarray) -> np.ndarray | None:
    """Give the rows of the source that stand at `positions`; `None` if they are computed."""
    epochs = np.full_like(positions, epoch)
    while not isinstance(node, Read):
        if isinstance(node, Map | Batch):
            return None
        epochs, positions = parent_positions(node, epochs, positions)
        node = node.parent
    return positions


def element_spec(node: Node) -> Tree:
    """Give the tree of `TensorSpec` of one element; a batch of varying size is called "batch"."""
    match node:
        case Read(source):
            return source.spec
        case Batch(parent, size, _):
            lead: int | str = size if node.is_uniform else "batch"
            return map_tree(
                lambda spec: TensorSpec((lead, *spec.shape), spec.dtype, spec.name),
                element_spec(parent),
            )
        case Map(parent, mapped):
            spec = mapped.spec(element_spec(parent))
            return _measured_spec(node) if spec is None else spec
        case _:
            return element_spec(node.parent)


def chunk_length(node: Node) -> int:
    """Give how many elements to compute at once; a property of the plan alone."""
    per_element, has_map, below = 1, False, node
    while not isinstance(below, Read):
        per_element *= below.size if isinstance(below, Batch) else 1
        has_map |= isinstance(below, Map)
        below = below.parent
    row_bytes = max(1, sum(map(_spec_bytes, leaves(below.source.spec))))
    limit = min(_WIDE_ROWS, (_WIDE_BYTES if has_map else _NARROW_BYTES) // row_bytes)
    return max(1, limit // per_element)


def _batches(node: Node, epochs: np.ndarray, positions: np.ndarray, buffers: Buffers) -> list[Tree]:
    match node:
        case Batch(parent, size, _):
            below = parent.length
            starts = positions * size
            stops = starts + size if below is None else np.minimum(starts + size, below)
            offsets = np.concatenate([[0], np.cumsum(stops - starts)])
            within = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], stops - starts)
            spread = np.repeat(epochs, stops - starts)
            if last_batch(parent) is None:
                return _split(rows(parent, spread, within, buffers), offsets[:-1], offsets[1:])
            inner = _batches(parent, spread, within, buffers)
            return [stack(inner[a:b]) for a, b in pairwise(offsets.tolist())]
        case Map(parent, mapped):
            return [
                mapped.single(element, int(epoch), int(position))
                for element, epoch, position in zip(
                    _batches(parent, epochs, positions, buffers), epochs, positions, strict=True
                )
            ]
        case Read():
            raise AssertionError("rows are not batches")
        case _:
            return _batches(node.parent, *parent_positions(node, epochs, positions), buffers)


def _split(stacked: Tree, starts: np.ndarray, stops: np.ndarray | None) -> list[Tree]:
    """Cut a chunk into its elements: rows without `stops`, ranges with."""
    cuts: list[int] | list[slice]
    if stops is None:
        cuts = starts.tolist()
    else:
        cuts = [slice(*cut) for cut in zip(starts.tolist(), stops.tolist(), strict=True)]
    return [map_tree(itemgetter(cut), stacked) for cut in cuts]


def _measured_spec(node: Map) -> Tree:
    """Run the function on the first element, for its result cannot be told from shapes."""
    if node.length == 0:
        raise DataError("The dataset is empty, so what its function gives is not known.")
    first = elements(node, 0, np.zeros(1, np.int64), Buffers())[0]
    batched = last_batch(node)
    varies = batched is not None and not batched.is_uniform

    def spec(leaf: np.ndarray) -> TensorSpec:
        array = np.asarray(leaf)
        dtype = "string" if array.dtype.hasobject or array.dtype.kind in "UST" else array.dtype.name
        symbolic = varies and array.ndim and array.shape[0] == cast(Batch, batched).size
        return TensorSpec(("batch", *array.shape[1:]) if symbolic else array.shape, dtype)

    return map_tree(spec, first)


def _spec_bytes(spec: TensorSpec) -> int:
    size = 64 if spec.dtype == "string" else np.dtype(_numpy_name(spec.dtype)).itemsize
    return size * int(np.prod([n for n in spec.shape if isinstance(n, int)], dtype=np.int64))


def _numpy_name(dtype: str) -> str:
    return "uint16" if dtype == "bfloat16" else dtype
