"""Any number of rows through a program, with few compiled shapes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kolam.graph._graph import Graph

_ROWS = 4096  # of a chunk: large enough to keep a core busy, small enough to bound the memory


def run_in_chunks(graph: Graph, values: Sequence[Any]) -> list[np.ndarray]:
    """Run a program on rows in chunks whose sizes are powers of two.

    A program whose only symbolic size is the first axis of every input and output is chunked, its
    last chunk filled up with copies of the last row; any other runs at once.

    Args:
        graph: A program that treats each row for itself.
        values: One checked array per input.

    Returns:
        One array per output.
    """
    # Any above: arrays of NumPy or JAX
    if not _has_rows(graph):
        return [np.asarray(item) for item in _run(graph, values)]
    arrays = [np.asarray(value) for value in values]
    rows = len(arrays[0])
    if rows == 0:
        return [
            np.zeros((0, *(int(size) for size in spec.shape[1:])), spec.dtype)
            for spec in graph.outputs
        ]
    parts = [
        _run_padded(graph, [array[start : start + _ROWS] for array in arrays])
        for start in range(0, rows, _ROWS)
    ]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _run_padded(graph: Graph, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    rows = len(arrays[0])
    missing = (1 << (rows - 1).bit_length()) - rows
    padded = [np.concatenate([array, np.repeat(array[-1:], missing, 0)]) for array in arrays]
    return [np.asarray(item)[:rows] for item in _run(graph, padded)]


def _run(graph: Graph, values: Sequence[Any]) -> list[Any]:  # Any: arrays
    result = graph.run(*values)
    return list(result.values()) if isinstance(result, dict) else [result]


def _has_rows(graph: Graph) -> bool:
    specs = (*graph.inputs, *graph.outputs)
    symbols = {symbol for spec in specs for symbol in spec.symbols}
    return len(symbols) == 1 and all(
        spec.shape[:1] == tuple(symbols) and spec.shape.count(*symbols) == 1 for spec in specs
    )
