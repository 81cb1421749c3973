"""Steps as plain functions, run once per content of what goes in."""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Protocol, TypeAlias

from kolam.core import InvalidTypeError, canonical_json, digest_bytes, digest_file, versions
from kolam.pipeline._store import Artifact, Execution, Store

JsonValue: TypeAlias = (
    str | int | float | bool | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None
)


class Observer(Protocol):
    """What is told of the progress of a run."""

    def started(self, step: str) -> None:
        """A step starts."""

    def finished(self, step: str, seconds: float, *, is_cached: bool) -> None:
        """A step ended well, or its earlier result was taken."""


class Pipeline:
    """One run of steps over a store; steps that already ran on the same inputs are skipped.

    A step is a plain function ``step(out, **inputs)``: `out` is an empty folder that it fills; an
    input is the folder of another step's artefact, or a JSON value. Its fingerprint covers its
    name, its code with closure and defaults, its inputs by content, and the versions of Kolam and
    of what it stands on.

    Args:
        store: Where artefacts and their lineage are kept.
        name: Name of the run in the record.
        observer: Told of each step, for a progress display.

    Example:
        >>> import tempfile
        >>> def shout(out, text):
        ...     (out / "text").write_text(text.upper())
        >>> pipeline = Pipeline(Store(Path(tempfile.mkdtemp())), "example")
        >>> (pipeline.step(shout, text="hi").path / "text").read_text()
        'HI'
    """

    def __init__(self, store: Store, name: str, *, observer: Observer | None = None) -> None:
        self.store = store
        self._observer = observer
        self._run = store.begin_run(name)

    def step(
        self,
        function: Callable[..., None],
        *,
        name: str | None = None,
        **inputs: Artifact | JsonValue,
    ) -> Artifact:
        """Run one step, or take the artefact that it made of the same inputs before.

        Args:
            function: ``function(out, **inputs)``, which fills the folder `out`.
            name: Name in the record; the function's own by default, without underscores in front.
            **inputs: Artefacts of earlier steps, and JSON values.

        Returns:
            What it made.

        Raises:
            InvalidTypeError: An input is no JSON value, or the function closes over one that is
                not, so that the step could not be told from another one.
        """
        name = name or function.__name__.lstrip("_")
        artifacts = {key: value for key, value in inputs.items() if isinstance(value, Artifact)}
        fingerprint = _fingerprint(name, function, inputs)
        if self._observer:
            self._observer.started(name)
        found = self.store.cached(fingerprint)
        execution = self.store.begin(self._run, name, fingerprint, artifacts)
        if found is not None:
            artifact, seconds = found
            self.store.end(execution, "cached", seconds, artifact)
        else:
            artifact, seconds = self._execute(function, execution, inputs)
        if self._observer:
            self._observer.finished(name, seconds, is_cached=found is not None)
        return artifact

    def executions(self) -> tuple[Execution, ...]:
        """List what this run did so far."""
        return self.store.executions(self._run)

    def _execute(
        self,
        function: Callable[..., None],
        execution: int,
        inputs: dict[str, Artifact | JsonValue],
    ) -> tuple[Artifact, float]:
        values = {
            key: value.path if isinstance(value, Artifact) else value
            for key, value in inputs.items()
        }
        begun = time.perf_counter()
        state = "failed"
        artifact = None
        with self.store.staging() as out:
            try:
                function(out, **values)
                artifact = self.store.keep(out)
                state = "complete"
            finally:
                seconds = time.perf_counter() - begun
                self.store.end(execution, state, seconds, artifact)
        return artifact, seconds


def _fingerprint(
    name: str, function: Callable[..., None], inputs: dict[str, Artifact | JsonValue]
) -> str:
    described = {
        key: {"artifact": value.digest} if isinstance(value, Artifact) else {"value": value}
        for key, value in inputs.items()
    }
    try:
        record = {
            "step": name,
            "code": _code_record(function),
            "inputs": described,
            "kolam": _package_digest(),
            "versions": versions(),
        }
        return digest_bytes(canonical_json(record))
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(
            f"An input of step {name!r} is neither an artefact nor a JSON value: {error}.",
            how="Pass a path as a string, an array as an artefact of an earlier step.",
        ) from error


def _code_record(function: object) -> object:
    """Give what a function does as a JSON value: code, defaults, closure."""
    if not isinstance(function, FunctionType):
        raise InvalidTypeError(
            f"A step is a plain function, but this is a {type(function).__name__}.",
            how="Write `def step(out, ...):` and pass values as arguments.",
        )
    return {
        "code": _code_digest(function.__code__),
        "defaults": _value_record(list(function.__defaults__ or ())),
        "keyword_defaults": _value_record(function.__kwdefaults__ or {}),
        "closure": [_value_record(cell.cell_contents) for cell in function.__closure__ or ()],
    }


def _value_record(value: object) -> object:
    """Give a JSON value for a constant, a function, a class, or a collection of these."""
    if isinstance(value, FunctionType):
        return _code_record(value)
    if isinstance(value, type):
        source = inspect.getsourcefile(value)
        return {
            "class": f"{value.__module__}.{value.__qualname__}",
            "source": digest_file(Path(source)) if source else "",
        }
    if isinstance(value, Mapping):
        return {str(key): _value_record(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_value_record(item) for item in value]
    return value


def _code_digest(code: CodeType) -> str:
    constants = [
        _code_digest(value)
        if isinstance(value, CodeType)
        # the order of a set of strings differs from process to process
        else repr(sorted(value, key=repr) if isinstance(value, frozenset) else value)
        for value in code.co_consts
    ]
    return digest_bytes(
        code.co_code + canonical_json([constants, list(code.co_names), list(code.co_varnames)])
    )


@cache
def _package_digest() -> str:
    """Give one digest over the Python, C and page sources of Kolam itself."""
    package = Path(__file__).parent.parent
    sources = sorted(
        path
        for path in package.rglob("*")
        if path.suffix in {".py", ".h", ".c", ".js", ".html", ".css", ".json"}
    )
    listing = {path.relative_to(package).as_posix(): digest_file(path) for path in sources}
    return digest_bytes(canonical_json(listing))
