"""The same model on every target: sizes, latencies, and whether the answers are the same."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kolam.core import ParityError
from kolam.graph import SavedModel
from kolam.lite import Compiled
from kolam.lite import compile as compile_graph
from kolam.metrics import Evaluation, evaluate_scores

# of a float32 model; relative to the largest score where that is above 1
TOLERANCE = 1e-5
_TIMED_CALLS = 200
_MAX_ROWS = 20_000

Array = np.ndarray[Any, Any]  # Any: shape and dtype are in the docstrings


@dataclass(frozen=True, slots=True)
class TargetResult:
    """How the model does on one target.

    Attributes:
        name: ``"xla"``, ``"native"`` or ``"wasm"``.
        code_bytes: Size of the code besides weights.
        weight_bytes: Size of the weights.
        arena_bytes: Working memory; `None` where the engine manages it.
        latency_ms: Median time of one row in milliseconds, called from Python.
        max_abs_error: Greatest distance from XLA's scores over the judged rows.
        main_metric: The main metric that it reaches on the judged rows.
        max_metric_difference: Greatest distance from XLA over all metrics of all slices.
    """

    name: str
    code_bytes: int
    weight_bytes: int
    arena_bytes: int | None
    latency_ms: float
    max_abs_error: float
    main_metric: float | None
    max_metric_difference: float

    @property
    def size_bytes(self) -> int:
        """Code and weights."""
        return self.code_bytes + self.weight_bytes

    def to_json(self) -> dict[str, object]:
        """Give the JSON form."""
        return asdict(self) | {"size_bytes": self.size_bytes}


def compare_targets(
    model: SavedModel, table: pa.Table, target: Array, slices: tuple[str, ...], out: Path
) -> list[TargetResult]:
    """Compile the model for each target, and judge each on the same rows.

    Args:
        model: A table model.
        table: The judged rows, with the slice columns.
        target: Class indices or values of these rows, [rows].
        slices: Columns to slice by.
        out: Folder that gets one folder per compiled target.

    Raises:
        ParityError: A target's scores differ from XLA's by more than the tolerance.
    """
    table, target = table.slice(0, _MAX_ROWS), target[:_MAX_ROWS]
    assert model.features is not None
    features = model.features.apply(table)
    graph = model.graphs["predict"]
    reference = np.asarray(graph.run(features))
    columns: dict[str | tuple[str, ...], Any] = {name: table[name] for name in slices}

    def judge(scores: Array) -> Evaluation:
        return evaluate_scores(
            scores,
            target,
            task=model.task,
            classes=model.classes,
            slices=columns,
            replicas=0,
        )

    expected = judge(reference)
    one_row = features[:1]
    weight_bytes = sum(array.nbytes for array in graph.weights.values())
    results = [
        TargetResult(
            name="xla",
            code_bytes=len(graph.stablehlo().encode()),
            weight_bytes=weight_bytes,
            arena_bytes=None,
            latency_ms=_latency_ms(lambda: np.asarray(graph.run(one_row))),
            max_abs_error=0.0,
            main_metric=expected.main.value,
            max_metric_difference=0.0,
        )
    ]
    for name in ("native", "wasm"):
        compiled = compile_graph(graph, target=name, sizes={"batch": 1})
        compiled.save(out / name)
        scores = np.concatenate(
            [_scores(compiled, features[row : row + 1]) for row in range(len(features))]
        )
        results.append(_judged(name, compiled, scores, reference, judge(scores), expected, one_row))
    return results


def _judged(
    name: str,
    compiled: Compiled,
    scores: Array,
    reference: Array,
    found: Evaluation,
    expected: Evaluation,
    one_row: Array,
) -> TargetResult:
    error = float(np.abs(scores - reference).max())
    limit = TOLERANCE * max(1.0, float(np.abs(reference).max()))
    difference = _max_metric_difference(found, expected)
    if not error <= limit:
        raise ParityError(
            f"The target {name!r} gives scores that differ from XLA's by up to {error:.3g}; "
            f"the limit is {limit:.3g}.",
            how="This is a fault of Kolam: please report it with the model's folder.",
        )
    return TargetResult(
        name=name,
        code_bytes=compiled.code_bytes,
        weight_bytes=compiled.weight_bytes,
        arena_bytes=compiled.arena_bytes,
        latency_ms=_latency_ms(lambda: compiled.run(one_row)),
        max_abs_error=error,
        main_metric=found.main.value,
        max_metric_difference=difference,
    )


def _scores(compiled: Compiled, features: Array) -> Array:
    scores = compiled.run(features)
    assert isinstance(scores, np.ndarray)
    return scores


def _latency_ms(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_TIMED_CALLS):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return 1e3 * statistics.median(seconds)


def _max_metric_difference(found: Evaluation, expected: Evaluation) -> float:
    differences = [0.0]
    for mine, other in zip(found, expected, strict=True):
        for name, estimate in mine.metrics.items():
            value = other.metrics[name].value
            if estimate.value is not None and value is not None:
                differences.append(abs(estimate.value - value))
    return max(differences)
