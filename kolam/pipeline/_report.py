"""What the report page shows, gathered from the artefacts of a run."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from kolam.core import versions
from kolam.graph import SavedModel
from kolam.metrics import MEASURES, Evaluation
from kolam.pipeline._gate import Verdict
from kolam.pipeline._store import Execution
from kolam.statistics import Anomaly
from kolam.web import Check, Curve, Example, Report, Step, Target, live_model

_TITLES = {"xla": "XLA", "native": "native C", "wasm": "browser wasm"}
_SAME_METRICS = 1e-5
_EXAMPLES = 12


def make_report(
    *,
    title: str,
    model: SavedModel,
    rows: pa.Table,
    profile: Mapping[str, Any],
    anomalies: Sequence[Anomaly],
    evaluation: Evaluation,
    verdict: Verdict,
    targets: Sequence[Mapping[str, Any]],
    curves: Mapping[str, Sequence[float]],
    executions: Sequence[Execution],
    digest: str,
    published: str | None,
) -> Report:
    """Gather what the page shows.

    Args:
        title: Headline.
        model: The shipped model, with its card.
        rows: The whole table.
        profile: JSON of the profile.
        anomalies: What validation found.
        evaluation: Whole and by slice.
        verdict: What the gate says.
        targets: JSON of each target's result, the reference first.
        curves: Name to values of each training curve.
        executions: The run so far.
        digest: Digest of the model.
        published: ``"name@version"``, if the gate let it pass.
    """
    # Any above: JSON values of other rooms
    card = model.card
    return Report(
        title=title,
        label=model.label,
        task=model.task,
        passed=verdict.passed,
        checks=tuple(
            Check(f"{item.rule}: {item.reason}", item.passed) for item in verdict.findings
        ),
        summary=_summary(model, evaluation, published),
        evaluation=evaluation.to_json(),
        profile=profile,
        anomalies=tuple(anomaly.to_json() for anomaly in anomalies),
        curves=tuple(Curve(name, tuple(values)) for name, values in curves.items()),
        epoch_name="iteration",
        steps=tuple(_step(execution, executions) for execution in executions),
        targets=tuple(_target(target, is_reference=not i) for i, target in enumerate(targets)),
        versions=versions(),
        card={
            "model": published or "not published: the gate did not let it pass",
            "digest": digest,
            "estimator": card["candidate"],
            "judged by": card["judged_by"],
            "judged rows": card["judged_rows"],
            "data": card["data"]["file"],
            "rows": card["data"]["rows"],
            "sha256 of the data": card["data"]["digest"],
            "seed": card["seed"],
        },
        live=live_model(model),
        examples=_examples(model, rows),
    )


def _summary(model: SavedModel, evaluation: Evaluation, published: str | None) -> str:
    card, main = model.card, evaluation.main
    measure = MEASURES[evaluation.main_metric].title
    value = "undefined" if main.value is None else f"{main.value:.3g}"
    interval = "" if main.low is None else f" (95 % interval {main.low:.3g} to {main.high:.3g})"
    return (
        f"The model ({card['candidate']}) predicts {model.label} from {len(_columns(model))} "
        f"columns of {card['data']['rows']:,} rows. By {card['judged_by']}, its {measure} is "
        f"{value}{interval}." + (f" It is published as {published}." if published else "")
    )


def _columns(model: SavedModel) -> list[str]:
    assert model.features is not None
    return [column.name for column in model.features.columns]


def _step(execution: Execution, all_executions: Sequence[Execution]) -> Step:
    makers = {item.output: item.step for item in all_executions if item.output}
    return Step(
        name=execution.step,
        seconds=execution.seconds or 0.0,
        inputs={makers.get(digest, name): digest for name, digest in execution.inputs.items()},
        outputs={execution.step: execution.output} if execution.output else {},
        reused=execution.state == "cached",
    )


def _target(target: Mapping[str, Any], *, is_reference: bool) -> Target:
    return Target(
        name=_TITLES.get(target["name"], target["name"]),
        code_bytes=target["code_bytes"],
        weight_bytes=target["weight_bytes"],
        arena_bytes=target["arena_bytes"],
        latency_seconds=target["latency_ms"] / 1e3,
        max_abs_error=None if is_reference else target["max_abs_error"],
        main_metric=target["main_metric"],
        same_metrics=None if is_reference else target["max_metric_difference"] <= _SAME_METRICS,
    )


def _examples(model: SavedModel, rows: pa.Table) -> tuple[Example, ...]:
    names = _columns(model)
    count = min(_EXAMPLES, rows.num_rows)
    picked = rows.take(pa.array([i * rows.num_rows // count for i in range(count)]))
    return tuple(
        Example({name: _plain(row[name]) for name in names}, _plain(row[model.label]))
        for row in picked.to_pylist()
    )


def _plain(value: object) -> object:
    """Give a cell as a JSON value: NaN as missing, times as ISO 8601 text."""
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
