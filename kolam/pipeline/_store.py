"""Artefacts by content, and the record of how each came to be.

``objects/ab/cdef...`` holds one folder per artefact under the digest of its content;
``metadata.sqlite`` holds runs, executions and which artefacts went in and came out.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.exc import DatabaseError

from kolam.core import (
    IntegrityError,
    KolamError,
    StorageError,
    digest_folder,
    is_process_alive,
    storage_errors,
    sync_folder,
    temporary_folder,
)

_SCHEMA_VERSION = 1

_metadata = sql.MetaData()
_runs = sql.Table(
    "run",
    _metadata,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("name", sql.String, nullable=False),
    sql.Column("started", sql.Float, nullable=False),
)
_artifacts = sql.Table(
    "artifact",
    _metadata,
    sql.Column("digest", sql.String, primary_key=True),
    sql.Column("size_bytes", sql.Integer, nullable=False),
)
_executions = sql.Table(
    "execution",
    _metadata,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("run", sql.ForeignKey("run.id"), nullable=False),
    sql.Column("step", sql.String, nullable=False),
    sql.Column("fingerprint", sql.String, nullable=False, index=True),
    sql.Column("state", sql.String, nullable=False),  # running, complete, failed, cached, killed
    sql.Column("process", sql.Integer, nullable=False),
    sql.Column("started", sql.Float, nullable=False),
    sql.Column("seconds", sql.Float),
)
_events = sql.Table(
    "event",
    _metadata,
    sql.Column("execution", sql.ForeignKey("execution.id"), nullable=False),
    sql.Column("role", sql.String, nullable=False),  # in, out
    sql.Column("name", sql.String, nullable=False),
    sql.Column("artifact", sql.ForeignKey("artifact.digest"), nullable=False, index=True),
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """What one step made: a folder under the digest of its content."""

    digest: str
    path: Path


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of one step, as the record tells it.

    Attributes:
        step: Name of the step.
        state: ``complete``, ``cached`` (an earlier result was taken), ``failed``, ``killed``
            or ``running``.
        seconds: How long it took; of a cached one, how long the original took.
        inputs: Argument name to digest of the artefact that went in.
        output: Digest of the artefact that came out, if one did.
    """

    step: str
    state: str
    seconds: float | None
    inputs: Mapping[str, str]
    output: str | None


class Store:
    """A folder of artefacts with their lineage; made on first use.

    Args:
        folder: Where it lies. Several processes may use it at once.

    Raises:
        StorageError: The folder or its database cannot be written.
        IntegrityError: The database was written by another version of the store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with storage_errors(folder):
            (folder / "objects").mkdir(parents=True, exist_ok=True)
        self._engine = sql.create_engine(
            f"sqlite:///{folder / 'metadata.sqlite'}", connect_args={"timeout": 30}
        )
        sql.event.listen(self._engine, "connect", _prepare_connection)
        sql.event.listen(self._engine, "begin", _begin_immediate)
        try:
            self._make_tables()
        except KolamError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Give an empty folder for a step to fill; it is gone after the block."""
        with temporary_folder(self.folder / "staging" / "step") as path:
            yield path

    def keep(self, filled: Path) -> Artifact:
        """Move a filled folder to its place by content; an equal one that is there wins."""
        digest = digest_folder(filled)
        place = self._place(digest)
        with storage_errors(place):
            place.parent.mkdir(exist_ok=True)
            sync_folder(filled)
            try:
                filled.rename(place)
            except OSError:
                if not place.exists():
                    raise
        return Artifact(digest, place)

    def artifact(self, digest: str) -> Artifact | None:
        """Give a stored artefact, or `None` when it is gone or no longer what it was."""
        place = self._place(digest)
        if place.is_dir() and digest_folder(place) == digest:
            return Artifact(digest, place)
        if place.is_dir():  # damaged: out of the way, so that it is made again
            shutil.rmtree(place)
        return None

    def begin_run(self, name: str) -> int:
        """Record a new run; executions whose process died before are marked killed."""
        with self._transaction() as connection:
            running = connection.execute(
                sql.select(_executions.c.id, _executions.c.process).where(
                    _executions.c.state == "running"
                )
            ).all()
            dead = [row.id for row in running if not is_process_alive(row.process)]
            connection.execute(
                sql.update(_executions).where(_executions.c.id.in_(dead)).values(state="killed")
            )
            row = connection.execute(sql.insert(_runs).values(name=name, started=time.time()))
            return _new_id(row)

    def cached(self, fingerprint: str) -> tuple[Artifact, float] | None:
        """Give the artefact of a complete execution with this fingerprint, and its seconds."""
        with self._transaction() as connection:
            rows = connection.execute(
                sql.select(_events.c.artifact, _executions.c.seconds)
                .join(_executions, _events.c.execution == _executions.c.id)
                .where(_executions.c.fingerprint == fingerprint)
                .where(_executions.c.state == "complete")
                .where(_events.c.role == "out")
                .order_by(_executions.c.id.desc())
            ).all()
        for digest, seconds in rows:
            artifact = self.artifact(digest)
            if artifact is not None:
                return artifact, seconds
        return None

    def begin(self, run: int, step: str, fingerprint: str, inputs: Mapping[str, Artifact]) -> int:
        """Record that a step starts, with the artefacts that go in."""
        with self._transaction() as connection:
            row = connection.execute(
                sql.insert(_executions).values(
                    run=run,
                    step=step,
                    fingerprint=fingerprint,
                    state="running",
                    process=os.getpid(),
                    started=time.time(),
                )
            )
            execution = _new_id(row)
            for name, artifact in inputs.items():
                _record_event(connection, execution, "in", name, artifact)
            return execution

    def end(
        self, execution: int, state: str, seconds: float, output: Artifact | None = None
    ) -> None:
        """Record how a step ended, with the artefact that came out."""
        with self._transaction() as connection:
            if output is not None:
                _record_event(connection, execution, "out", "out", output)
            connection.execute(
                sql.update(_executions)
                .where(_executions.c.id == execution)
                .values(state=state, seconds=seconds)
            )

    def executions(self, run: int) -> tuple[Execution, ...]:
        """List the executions of one run, in order."""
        with self._transaction() as connection:
            rows = connection.execute(
                sql.select(_executions).where(_executions.c.run == run).order_by(_executions.c.id)
            ).all()
            return tuple(_with_events(connection, row) for row in rows)

    def lineage(self, digest: str) -> tuple[Execution, ...]:
        """List every execution that an artefact stands on, the first ones first.

        Args:
            digest: Digest of the artefact, whole.
        """
        found: dict[int, Execution] = {}
        wanted = [digest]
        with self._transaction() as connection:
            while wanted:
                row = connection.execute(
                    sql.select(_executions)
                    .join(_events, _events.c.execution == _executions.c.id)
                    .where(_events.c.artifact == wanted.pop(), _events.c.role == "out")
                    .where(_executions.c.state == "complete")
                    .order_by(_executions.c.id)
                ).first()
                if row is not None and row.id not in found:
                    found[row.id] = _with_events(connection, row)
                    wanted += found[row.id].inputs.values()
        return tuple(found[key] for key in sorted(found))

    def _make_tables(self) -> None:
        with self._transaction() as connection:
            found = connection.execute(sql.text("PRAGMA user_version")).scalar_one()
            if found not in (0, _SCHEMA_VERSION):
                raise IntegrityError(
                    f"{self.folder} was written by another version (store format {found}).",
                    how="Give another --out folder, or delete this one.",
                )
            _metadata.create_all(connection)
            connection.execute(sql.text(f"PRAGMA user_version = {_SCHEMA_VERSION}"))

    def _place(self, digest: str) -> Path:
        return self.folder / "objects" / digest[:2] / digest[2:]

    @contextmanager
    def _transaction(self) -> Iterator[sql.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except DatabaseError as error:
            raise StorageError(
                f"Cannot use the record {self.folder / 'metadata.sqlite'}: {error.orig}.",
                how="Free some space, or give another --out folder.",
            ) from error


def _prepare_connection(connection: sql.engine.interfaces.DBAPIConnection, _: object) -> None:
    connection.isolation_level = None  # sqlite3: we say BEGIN ourselves
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_immediate(connection: sql.Connection) -> None:
    # a deferred transaction that reads and then writes fails at once when another one writes
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _record_event(
    connection: sql.Connection, execution: int, role: str, name: str, artifact: Artifact
) -> None:
    size = sum(file.stat().st_size for file in artifact.path.rglob("*") if file.is_file())
    known = sql.select(_artifacts.c.digest).where(_artifacts.c.digest == artifact.digest)
    if connection.execute(known).first() is None:
        connection.execute(sql.insert(_artifacts).values(digest=artifact.digest, size_bytes=size))
    connection.execute(
        sql.insert(_events).values(
            execution=execution, role=role, name=name, artifact=artifact.digest
        )
    )


def _with_events(connection: sql.Connection, row: sql.Row[tuple[object, ...]]) -> Execution:
    events = connection.execute(sql.select(_events).where(_events.c.execution == row.id)).all()
    return Execution(
        step=row.step,
        state=row.state,
        seconds=row.seconds,
        inputs={event.name: event.artifact for event in events if event.role == "in"},
        output=next((event.artifact for event in events if event.role == "out"), None),
    )


def _new_id(result: sql.CursorResult[tuple[object, ...]]) -> int:
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])
