"""What a report shows: a record that the pipeline fills and the page draws."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kolam.web._live import LiveModel

# a JSON object as another room's `to_json` gives it
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of the gate.

    Attributes:
        text: What was asked and what was found: ``"auc 0.91 is at least 0.85"``.
        passed: Whether it holds.
    """

    text: str
    passed: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """One quantity over the course of training.

    Attributes:
        name: As in ``"training loss"``; the first curve is drawn as the main one.
        values: One per epoch (or round), in order; `None` where it was not measured.
    """

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the run, for the lineage.

    Attributes:
        name: Name of the step.
        seconds: Wall-clock time it took.
        inputs: Name of what it read to the digest of that.
        outputs: Name of what it made to the digest of that.
        reused: Whether the result of an earlier run was taken instead.
    """

    name: str
    seconds: float
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """One way in which the model runs, and how near it is to the reference.

    Attributes:
        name: As in ``"XLA"``, ``"native C"``, ``"browser wasm"``.
        code_bytes: Size of the code; `None` where the engine is shared.
        weight_bytes: Size of the weights.
        arena_bytes: Working memory.
        latency_seconds: Median time of one row.
        max_abs_error: Greatest distance from the scores of the reference, over all judged rows;
            `None` for the reference itself.
        main_metric: The main metric that this target reaches on the same rows.
        same_metrics: Whether all sliced metrics equal those of the reference within the
            tolerance; `None` for the reference itself.
    """

    name: str
    code_bytes: int | None = None
    weight_bytes: int | None = None
    arena_bytes: int | None = None
    latency_seconds: float | None = None
    max_abs_error: float | None = None
    main_metric: float | None = None
    same_metrics: bool | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One real row to try the model on.

    Attributes:
        values: Column name to value: text, number, boolean, `None` for missing, ISO 8601 text
            for a date.
        label: What the row's label really is.
    """

    values: Mapping[str, object]
    label: object = None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that `report.html` shows. What is empty is left out of the page.

    Attributes:
        title: Headline, as in ``"heart.csv"``.
        label: Name of the column that is predicted.
        task: ``"binary"``, ``"multiclass"`` or ``"regression"``.
        passed: Whether the gate let the model pass; `None` if no gate was asked for.
        checks: The conditions of the gate.
        summary: One or two sentences under the headline.
        evaluation: JSON of `metrics.Evaluation`.
        profile: JSON of `statistics.Profile`.
        anomalies: JSON of each `statistics.Anomaly`.
        curves: Training curves.
        epoch_name: What the curves run over, as in ``"epoch"``.
        steps: The run, in order.
        targets: Where the model runs; the first one is the reference.
        versions: Name of a package to its version.
        card: Further facts for the model card, name to text or number.
        live: The model itself; with it the page has a form that answers.
        examples: Real rows for the form.
    """

    title: str
    label: str
    task: str
    passed: bool | None = None
    checks: tuple[Check, ...] = ()
    summary: str = ""
    evaluation: Json | None = None
    profile: Json | None = None
    anomalies: tuple[Json, ...] = ()
    curves: tuple[Curve, ...] = ()
    epoch_name: str = "epoch"
    steps: tuple[Step, ...] = ()
    targets: tuple[Target, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    card: Mapping[str, object] = field(default_factory=dict)
    live: LiveModel | None = None
    examples: tuple[Example, ...] = ()
