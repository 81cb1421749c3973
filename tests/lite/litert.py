"""LiteRT, the interpreter that phones run, as an oracle."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kolam.graph import Graph
from kolam.lite import to_tflite


def open_litert(model: bytes) -> Any:
    """Load a file; LiteRT checks its structure."""
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(model_content=model, num_threads=1)


def run_litert(
    model: bytes, inputs: Mapping[str, Any], signature: str = "serving_default"
) -> dict[str, np.ndarray]:
    """Run a signature of a file."""
    runner = open_litert(model).get_signature_runner(signature)
    found: dict[str, np.ndarray] = runner(**{name: np.asarray(x) for name, x in inputs.items()})
    return found


def outputs_of(graph: Graph, arrays: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Run a graph by LiteRT and by XLA; give the outputs of both in order."""
    names = [spec.name or f"input_{i}" for i, spec in enumerate(graph.inputs)]
    found = run_litert(to_tflite(graph), dict(zip(names, arrays, strict=True)))
    expected = graph.run(*arrays)
    if not isinstance(expected, dict):
        expected = {next(iter(found)): expected}
    return [found[name] for name in expected], [np.asarray(x) for x in expected.values()]
