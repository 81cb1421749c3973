"""`kolam run`: the main job, and the short table at its end."""

from pathlib import Path
from typing import Any

from rich.text import Text

from kolam.cli._output import Output, StageDisplay, printable, shown_bytes
from kolam.core import InvalidArgumentError
from kolam.data import read
from kolam.estimators import LinearClassifier, LinearRegressor, MLPClassifier, MLPRegressor
from kolam.metrics import Estimate
from kolam.pipeline import TableJob, TableResult, run_table
from kolam.zoo import table_file

_STAGES = 10
_GATE_FAILED = 3


def run_table_command(
    data: Path | None, label: str, out: Path | None, output: Output, **options: Any
) -> int:
    """Run the main job and print what came of it.

    Args:
        data: The table; `None` takes the bundled one.
        label: Column to predict.
        out: Folder for the results.
        output: Where to print.
        **options: Further fields of `TableJob`.

    Returns:
        Exit status: 0, or 3 when the gate did not let the model pass.
    """
    # Any above: the fields of TableJob have different types
    name = data.stem if data is not None else "breast_cancer"
    if data is None:
        data, label = table_file(name), label or "diagnosis"
    elif not label:
        columns = read(data).schema.names
        raise InvalidArgumentError(
            "Which column is to be predicted?",
            how=f"Say it by --label. The columns are {_listed(columns)}.",
        )
    job = TableJob(source=data, label=label, out=out or Path("kolam-run") / name, **options)
    with StageDisplay(output, _STAGES) as display:
        result = run_table(
            job,
            classifiers={"linear": LinearClassifier, "mlp": MLPClassifier},
            regressors={"linear": LinearRegressor, "mlp": MLPRegressor},
            observer=display,
        )
    if output.is_json:
        output.json(result.to_json())
    else:
        _print_result(result, output)
    return 0 if result.verdict.passed else _GATE_FAILED


def _listed(columns: list[str]) -> str:
    more = f" and {len(columns) - 30} more" if len(columns) > 30 else ""
    return ", ".join(columns[:30]) + more


def _print_result(result: TableResult, output: Output) -> None:
    evaluation = result.evaluation
    for anomaly in result.anomalies:
        place = "table" if anomaly.column is None else anomaly.column
        output.console.print(
            Text.assemble((anomaly.severity, "yellow"), printable(f" {place}: {anomaly.message}")),
            soft_wrap=True,
        )
    add = output.row
    add("model", f"{result.candidate}, judged by {result.judged_by}")
    add(evaluation.main_metric, _shown(evaluation.main))
    worst_first = evaluation.worst_slices(len(evaluation.slices))
    for worst in [item for item in worst_first if not item.is_small][:3]:
        estimate = worst.metrics[evaluation.main_metric]
        add("", f"{_shown(estimate)}  {worst.name} ({worst.rows} rows)")
    for target in result.targets:
        size, latency = shown_bytes(target["size_bytes"]), target["latency_ms"] * 1e3
        parity = "" if target["name"] == "xla" else f"  off by {target['max_abs_error']:.1e}"
        add(target["name"], f"{size:>9s}  {latency:7.1f} us a row{parity}")
    if result.verdict.passed:
        add("gate", "passed", "green")
    else:
        add("gate", "not passed", "red")
    for finding in result.verdict.findings:
        if not finding.passed:
            add("", f"{finding.rule}: {finding.reason}")
    add("published", result.model or "no")
    add("report", str(result.report))


def _shown(estimate: Estimate) -> str:
    if estimate.value is None:
        return estimate.reason or "undefined"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.4g}"
    return f"{estimate.value:.4g}  [{estimate.low:.4g}, {estimate.high:.4g}]"
