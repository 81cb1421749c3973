"""What an evaluation says: estimates with intervals, per slice, and the data of its plots."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from kolam.core import DataError, InvalidArgumentError
from kolam.metrics._measures import MAIN_METRIC, MEASURES

# below this many rows a slice is flagged; its interval is wide, and says how wide
SMALL_SLICE_ROWS = 30
_FORMAT_VERSION = 1

SliceValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value with its 95 % interval.

    Attributes:
        value: The measure on the rows at hand; `None` where it is undefined.
        low: Lower end of the interval, at most `value`; `None` where nothing can be said.
        high: Upper end of the interval, at least `value`; `None` where nothing can be said.
        reason: Why `value` or the interval is missing, else empty.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SliceResult:
    """The measures of the rows that share some values.

    Attributes:
        slice: Column name to value; empty for all rows. A missing value is `None`; a bucket of
            numbers is named by its edges, as in ``"54 to under 61"``.
        rows: Number of rows.
        metrics: Name of the measure to its estimate.
    """

    slice: dict[str, SliceValue]
    rows: int
    metrics: dict[str, Estimate]

    @property
    def name(self) -> str:
        """How the slice reads: ``"all rows"``, ``"sex = 1, cp = missing"``."""
        shown = (
            f"{column} {'=' if value is not None else 'is'} {'missing' if value is None else value}"
            for column, value in self.slice.items()
        )
        return ", ".join(shown) or "all rows"

    @property
    def is_small(self) -> bool:
        """Whether the slice has too few rows to be read without its interval."""
        return self.rows < SMALL_SLICE_ROWS


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows whose confidence lies in one tenth of [0, 1].

    Attributes:
        low: Lower edge.
        high: Upper edge.
        rows: Number of rows.
        confidence: Mean confidence of these rows (binary: probability of the second class;
            multiclass: probability of the class that was chosen); `None` in an empty bin.
        observed: Share of these rows that are of that class; `None` in an empty bin.
    """

    low: float
    high: float
    rows: int
    confidence: float | None
    observed: float | None


@dataclass(frozen=True, slots=True)
class Plots:
    """Data of the plots, over all rows; what does not belong to the task is empty.

    Attributes:
        confusion: Row counts, true class by predicted class, in the order of the classes.
        calibration: Ten bins of confidence.
        roc: (false positive rate, true positive rate) of falling thresholds, from (0, 0) to
            (1, 1); binary alone.
        residual_edges: Edges of the bins of `residual_counts`, in the units of the label.
        residual_counts: Rows by predicted minus actual value; the outermost bins take the tails.
        sample: (actual, predicted) of at most 500 rows drawn at random; regression alone.
    """

    confusion: tuple[tuple[int, ...], ...] = ()
    calibration: tuple[CalibrationBin, ...] = ()
    roc: tuple[tuple[float, float], ...] = ()
    residual_edges: tuple[float, ...] = ()
    residual_counts: tuple[int, ...] = ()
    sample: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good a model is, on all rows and on slices of them.

    Attributes:
        task: ``"binary"``, ``"multiclass"`` or ``"regression"``.
        main_metric: The measure by which models of this task are compared.
        overall: All rows.
        slices: Each value of each slice column, in the order asked for.
        plots: Data of the plots, over all rows.
        classes: The classes as text, in the order of the confusion matrix; empty for regression.
    """

    task: str
    main_metric: str
    overall: SliceResult
    slices: tuple[SliceResult, ...] = ()
    plots: Plots = field(default_factory=Plots)
    classes: tuple[str, ...] = ()

    @property
    def main(self) -> Estimate:
        """The main metric on all rows."""
        return self.overall.metrics[self.main_metric]

    def worst_slices(self, n: int = 5, *, metric: str | None = None) -> tuple[SliceResult, ...]:
        """Give the slices that are bad beyond chance, the worst first.

        Slices are ordered by the *favourable* end of the interval, so that a slice of a few unlucky
        rows does not stand before a large one that is surely bad.

        Args:
            n: How many at most.
            metric: The measure to order by; the main metric if not given.

        Raises:
            InvalidArgumentError: The task has no such measure.
        """
        metric = metric or self.main_metric
        if metric not in self.overall.metrics:
            raise InvalidArgumentError(
                f"A {self.task} evaluation has no metric {metric!r}.",
                how=f"Give one of {', '.join(self.overall.metrics)}.",
            )
        sign = 1.0 if MEASURES[metric].greater_is_better else -1.0

        def badness(result: SliceResult) -> tuple[float, float]:
            estimate = result.metrics[metric]
            favourable = estimate.high if sign > 0 else estimate.low
            value = estimate.value or 0.0
            return sign * (value if favourable is None else favourable), sign * value

        known = [
            result
            for result in self.slices
            if result.metrics[metric].value is not None and result.metrics[metric].low is not None
        ]
        return tuple(sorted(known, key=badness)[:n])

    def __iter__(self) -> Iterator[SliceResult]:
        yield self.overall
        yield from self.slices

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form: plain dicts, lists, numbers and `None`, never NaN."""
        record = asdict(self)
        for result, written in zip(
            self, [record["overall"], *record["slices"]], strict=True
        ):  # for readers in other languages, which have no properties
            written["name"] = result.name
            written["is_small"] = result.is_small
        return {"version": _FORMAT_VERSION, **_lists(record)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Evaluation":
        """Read the form that `to_json` gives.

        Raises:
            DataError: The record was written by a newer version, or is no evaluation.
        """
        # Any in both: JSON has no type of its own
        if record.get("version") != _FORMAT_VERSION:
            raise DataError(
                f"This evaluation has format version {record.get('version')!r}; "
                f"this Kolam reads {_FORMAT_VERSION}.",
                how="Evaluate again, or install the Kolam that wrote it.",
            )
        plots = record["plots"]
        bins = tuple(CalibrationBin(**entry) for entry in plots["calibration"])
        others = {name: _tuples(value) for name, value in plots.items() if name != "calibration"}
        return cls(
            task=record["task"],
            main_metric=record["main_metric"],
            overall=_read_slice(record["overall"]),
            slices=tuple(map(_read_slice, record["slices"])),
            plots=Plots(calibration=bins, **others),
            classes=tuple(record["classes"]),
        )


def main_metric(task: str) -> str:
    """Give the measure by which models of `task` are compared.

    Raises:
        InvalidArgumentError: There is no such task.
    """
    if task not in MAIN_METRIC:
        raise InvalidArgumentError(
            f"The task is {task!r}.", how=f"Give one of {', '.join(MAIN_METRIC)}."
        )
    return MAIN_METRIC[task]


def _read_slice(record: dict[str, Any]) -> SliceResult:
    metrics = {name: Estimate(**entry) for name, entry in record["metrics"].items()}
    return SliceResult(record["slice"], record["rows"], metrics)


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(entry) for key, entry in value.items()}
    return [_lists(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
