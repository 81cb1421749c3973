"""The main job: a table to a judged, shipped model."""

import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kolam.core import (
    DataError,
    InvalidArgumentError,
    StorageError,
    UnknownNameError,
    atomic_folder,
    canonical_json,
    digest_file,
    write_atomic,
)
from kolam.data import read
from kolam.graph import load as load_model
from kolam.hub import check_name, publish, versions_of
from kolam.hub import load as load_published
from kolam.metrics import Evaluation, SliceResult
from kolam.pipeline import _steps as steps
from kolam.pipeline._gate import Gate, Verdict
from kolam.pipeline._judging import Candidates
from kolam.pipeline._lock import alone_in
from kolam.pipeline._pipeline import Observer, Pipeline
from kolam.pipeline._rejection import is_accepted, reject
from kolam.pipeline._report import make_report
from kolam.pipeline._store import Artifact, Store
from kolam.statistics import Anomaly
from kolam.web import export as export_page
from kolam.web import write_report

_TASKS = ("auto", "binary", "multiclass", "regression")


@dataclass(frozen=True, slots=True)
class TableJob:
    """What to do with a table.

    Attributes:
        source: File: CSV, Parquet or Arrow.
        label: Name of the column to predict.
        out: Folder for everything that the job makes; a run that was killed goes on in it.
        drop: Columns that must not be used.
        task: ``"auto"``, ``"binary"``, ``"multiclass"`` or ``"regression"``.
        accept: Anomalies to go on with, as ``"kind:column"``.
        slices: Columns to judge by; chosen from the columns of few values when empty.
        gate: Rules as `Gate.parse` reads them; the default gate of the task when empty.
        name: Name in the hub; the name of the file when empty.
        hub: Folder of the hub; the local one when `None`.
        schema: Schema file; the one in `out` when `None`, inferred when there is none.
        seed: Of the split, the training and the intervals.
    """

    source: Path
    label: str
    out: Path
    drop: tuple[str, ...] = ()
    task: str = "auto"
    accept: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    gate: tuple[str, ...] = ()
    name: str = ""
    hub: Path | None = None
    schema: Path | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TableResult:
    """What came of a job.

    Attributes:
        evaluation: Whole and by slice.
        verdict: What the gate says.
        targets: The JSON of each target's result.
        anomalies: What validation found.
        model: ``"name@version"``, or `None` when the gate did not let it pass.
        digest: Digest of the model.
        report: The report page.
        candidate: Name of the estimator that was chosen.
        judged_by: How the scores came about.
        seconds: Stage to seconds of this run.
    """

    evaluation: Evaluation
    verdict: Verdict
    targets: tuple[Mapping[str, Any], ...]  # Any: JSON values
    anomalies: tuple[Anomaly, ...]
    model: str | None
    digest: str
    report: Path
    candidate: str
    judged_by: str
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Give what ``kolam run --json`` prints."""
        main = self.evaluation.main
        return {
            "task": self.evaluation.task,
            "metric": self.evaluation.main_metric,
            "value": main.value,
            "interval": [main.low, main.high],
            "slices": [self._slice_json(item) for item in self.evaluation.slices],
            "gate": self.verdict.to_json(),
            "targets": {
                target["name"]: {
                    key: target[key] for key in ("size_bytes", "latency_ms", "max_abs_error")
                }
                for target in self.targets
            },
            "anomalies": [anomaly.to_json() for anomaly in self.anomalies],
            "model": self.model,
            "digest": self.digest,
            "report": str(self.report),
            "estimator": self.candidate,
            "judged_by": self.judged_by,
            "seconds": dict(self.seconds),
        }

    def _slice_json(self, item: SliceResult) -> dict[str, object]:
        estimate = item.metrics[self.evaluation.main_metric]
        return {
            "slice": dict(item.slice),
            "value": estimate.value,
            "interval": [estimate.low, estimate.high],
            "rows": item.rows,
        }


def run_table(
    job: TableJob,
    *,
    classifiers: Candidates,
    regressors: Candidates,
    observer: Observer | None = None,
) -> TableResult:
    """Profile, validate, train, judge, compile, gate, publish and report.

    Steps that ran before on the same content are skipped, so a run that was killed goes on where
    it was and ends with the same model.

    Args:
        job: What to do.
        classifiers: Name to class of each candidate for classes; the best one is taken.
        regressors: The same for numbers.
        observer: Told of each stage.

    Raises:
        DataError: The file cannot be read, or its label cannot be learnt.
        RejectedDataError: Validation found errors that are not accepted; nothing was trained.
        UnknownNameError: A column that is named does not exist.
        StorageError: A folder cannot be written.
        ParityError: A target gives other answers than XLA.
    """
    _check(job)
    watch = _Watch(observer)
    is_new = not job.out.exists()
    with alone_in(job.out / ".kolam", watch.stage("wait")):
        try:
            with closing(Store(job.out / ".kolam")) as store:
                return _Run(job, store, classifiers, regressors, watch).all()
        finally:
            if is_new:
                _remove_if_nothing_came(job.out)


class _Run:
    def __init__(
        self,
        job: TableJob,
        store: Store,
        classifiers: Candidates,
        regressors: Candidates,
        watch: "_Watch",
    ) -> None:
        self.job = job
        self.name = _name(job)
        self.source_digest = _digest(job.source)
        self.watch = watch
        self.pipeline = Pipeline(store, self.name, observer=watch)
        self.train = steps.make_train_step(classifiers, regressors)

    def all(self) -> TableResult:
        job, step = self.job, self.pipeline.step
        table = step(
            steps.read_table_step,
            name="read",
            source=str(job.source),
            digest=self.source_digest,
            label=job.label,
            task=job.task,
        )
        self._check_columns(table)
        profile = step(steps.profile_step, name="profile", table=table, label=job.label)
        anomalies = self._validated(profile)
        trained = step(
            self.train,
            table=table,
            label=job.label,
            task=job.task,
            drop=sorted(job.drop),
            seed=job.seed,
        )
        choice = json.loads((trained.path / "choice.json").read_text())
        slices = list(job.slices) or choice["slices"]
        judged = step(
            steps.evaluate_step,
            name="evaluate",
            table=table,
            trained=trained,
            slices=slices,
            seed=job.seed,
        )
        model = step(
            steps.package_step,
            name="package",
            trained=trained,
            evaluation=judged,
            facts=self._facts(table),
        )
        compiled = step(
            steps.compile_step, name="compile", table=table, trained=trained, model=model,
            slices=slices,
        )  # fmt: skip
        evaluation = steps.load_evaluation(judged.path)
        with self.watch.stage("gate"):
            verdict = self._judged(evaluation)
        with self.watch.stage("publish"):
            saved = load_model(model.path / "model")
            _copy(model.path / "model", job.out / "model")
            _copy(compiled.path, job.out / "targets")
            export_page(saved, job.out / "web")
            published = publish(saved, self.name, hub=job.hub) if verdict.passed else None
        targets = json.loads((compiled.path / "targets.json").read_text())
        digest = digest_file(job.out / "model" / "manifest.json")
        with self.watch.stage("report"):
            report = make_report(
                title=job.source.name,
                model=saved,
                rows=steps.load_table(table.path),
                profile=json.loads((profile.path / "profile.json").read_text()),
                anomalies=anomalies,
                evaluation=evaluation,
                verdict=verdict,
                targets=targets,
                curves=choice["curves"],
                executions=self.pipeline.executions(),
                digest=digest,
                published=published,
            )
            path = write_report(report, job.out / "report.html")
        write_atomic(job.out / "profile.json", (profile.path / "profile.json").read_bytes())
        result = TableResult(
            evaluation=evaluation,
            verdict=verdict,
            targets=tuple(targets),
            anomalies=tuple(anomalies),
            model=published,
            digest=digest,
            report=path,
            candidate=choice["candidate"],
            judged_by=choice["judged_by"],
            seconds=self.watch.seconds,
        )
        write_atomic(job.out / "result.json", canonical_json(result.to_json()))
        return result

    def _check_columns(self, table: Artifact) -> None:
        names = steps.load_table(table.path).column_names
        for name in (*self.job.drop, *self.job.slices):
            if name not in names:
                raise UnknownNameError.among("column", name, names)
        if set(names) <= {self.job.label, *self.job.drop}:
            raise DataError(
                f"There is no column to predict {self.job.label!r} from.",
                how="Drop fewer columns." if self.job.drop else "Add columns.",
            )

    def _validated(self, profile: Artifact) -> list[Anomaly]:
        job = self.job
        schema = job.schema or job.out / "schema.yaml"
        is_given = job.schema is not None or schema.is_file()
        baseline = job.out / "profile.json"
        content = (profile.path / "profile.json").read_text()
        earlier = _read_text(baseline, "Delete it.") if baseline.is_file() else None
        validated = self.pipeline.step(
            steps.validate_step,
            name="validate",
            data=profile,
            schema=_read_text(schema, "Give another --schema file.") if is_given else None,
            baseline=None if earlier == content else earlier,
        )
        write_atomic(job.out / "schema.yaml", (validated.path / "schema.yaml").read_bytes())
        records = json.loads((validated.path / "anomalies.json").read_text())
        anomalies = [
            anomaly for anomaly in map(Anomaly.from_json, records) if anomaly.column not in job.drop
        ]
        open_ones = [item for item in anomalies if not is_accepted(item, job.accept)]
        reject(open_ones, schema, job.label)
        return anomalies

    def _facts(self, table: Artifact) -> dict[str, Any]:  # Any: JSON values
        rows = steps.load_table(table.path)
        return {
            "name": self.name,
            "data": {
                "file": self.job.source.name,
                "digest": self.source_digest,
                "rows": rows.num_rows,
                "columns": rows.num_columns,
                "dropped": sorted(self.job.drop),
            },
            "label": self.job.label,
            "seed": self.job.seed,
        }

    def _judged(self, evaluation: Evaluation) -> Verdict:
        gate = Gate.parse(self.job.gate)
        if not gate.rules:
            gate = Gate.default(evaluation.task, len(evaluation.classes))
        return gate.judge(evaluation, self._blessed(evaluation.task))

    def _blessed(self, task: str) -> Evaluation | None:
        """Give how the last published model of this name was judged, if it had the same task."""
        if not versions_of(self.name, hub=self.job.hub):
            return None
        record = load_published(self.name, hub=self.job.hub).card.get("evaluation")
        earlier = Evaluation.from_json(record) if isinstance(record, dict) else None
        return earlier if earlier is not None and earlier.task == task else None


class _Watch:
    """Hands progress on, and keeps the seconds of each stage."""

    def __init__(self, observer: Observer | None) -> None:
        self._observer = observer
        self._begun = 0.0
        self.seconds: dict[str, float] = {}

    def started(self, step: str) -> None:
        self._begun = time.perf_counter()
        if self._observer:
            self._observer.started(step)

    def finished(self, step: str, seconds: float, *, is_cached: bool) -> None:
        self.seconds[step] = round(time.perf_counter() - self._begun, 4)
        if self._observer:
            self._observer.finished(step, seconds, is_cached=is_cached)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Watch something that is no step: it is done anew in every run."""
        self.started(name)
        yield
        self.finished(name, time.perf_counter() - self._begun, is_cached=False)


def _check(job: TableJob) -> None:
    if job.task not in _TASKS:
        raise InvalidArgumentError(
            f"The task is {job.task!r}.", how=f"Give one of {', '.join(_TASKS)}."
        )
    if job.label in job.drop:
        raise InvalidArgumentError(
            f"The label {job.label!r} is also to be dropped.", how="Leave out that --drop."
        )
    check_name(_name(job))
    Gate.parse(job.gate)
    if job.schema is not None:
        _read_text(job.schema, "Give another --schema file.")
    if not job.source.is_file():
        read(job.source)  # raises: no such file, a folder, an unknown suffix


def _name(job: TableJob) -> str:
    """Give the name in the hub: the one of the job, or one made of the name of its file."""
    slug = re.sub(r"[^a-z0-9._-]+", "-", job.source.stem.lower())
    return job.name or slug.strip("-._")[:64] or "model"


def _remove_if_nothing_came(out: Path) -> None:
    store = out / ".kolam"
    if store.is_dir() and not any((store / "objects").glob("*/*")):
        shutil.rmtree(store)
        with suppress(OSError):  # not empty: something came after all
            out.rmdir()


def _digest(source: Path) -> str:
    try:
        return digest_file(source)
    except OSError as error:
        raise StorageError(
            f"Cannot read {source}: {error.strerror}.", how="Check the permissions of the file."
        ) from error


def _read_text(path: Path, how: str) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise StorageError(f"Cannot read {path}: {error.strerror}.", how=how) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text.", how=how) from error


def _copy(source: Path, target: Path) -> None:
    with atomic_folder(target) as folder:
        for path in sorted(source.rglob("*")):  # copytree would report every file of a full disk
            place = folder / path.relative_to(source)
            if path.is_dir():
                place.mkdir()
            else:
                shutil.copyfile(path, place)
