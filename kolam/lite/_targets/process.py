"""Programs that run beside Python: inputs by their standard input, outputs by their output."""

import subprocess
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path

import numpy as np

from kolam.core import KolamError
from kolam.lite._schedule import Plan
from kolam.lite._targets.target import Built


class RunError(KolamError, RuntimeError):
    """A compiled program stopped before it gave its outputs."""


class ProcessRunner:
    """Keeps one process for all calls, from the first on; calls from several threads take turns.

    Args:
        plan: The program.
        built: What was built of it.
        command: Gives the command line for the path of the program.
    """

    def __init__(self, plan: Plan, built: Built, command: Callable[[str], list[str]]) -> None:
        self._program = built.library
        self._outputs = [(value.shape, np.dtype(value.dtype)) for _, value in plan.outputs]
        self._command = command
        self._lock = threading.Lock()
        self._errors = Path()
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        with self._lock:
            if self._process is None:
                self._process = self._started()
            try:
                return self._round(self._process, arrays)
            except (BrokenPipeError, EOFError) as error:
                process, self._process = self._process, None
                raise RunError(
                    f"The program ended with status {process.wait()}: {self._said()}",
                    how="If the stack was too small, that is a defect of kolam.lite: please "
                    "report it with the graph.",
                ) from error

    def _started(self) -> "subprocess.Popen[bytes]":
        folder = tempfile.TemporaryDirectory(prefix="kolam-lite-")
        path = Path(folder.name) / "program"
        try:
            command = self._command(str(path))
            path.write_bytes(self._program)
            path.chmod(0o700)
            with open(Path(folder.name) / "errors", "wb") as errors:
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
                )
        except BaseException:
            folder.cleanup()
            raise
        weakref.finalize(self, _stop, process, folder)
        self._errors = Path(folder.name) / "errors"
        return process

    def _round(
        self, process: "subprocess.Popen[bytes]", arrays: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\1" + b"".join(array.tobytes() for array in arrays))
        process.stdin.flush()
        outputs = []
        for shape, dtype in self._outputs:
            size = prod(shape) * dtype.itemsize
            content = process.stdout.read(size)
            if len(content) < size:
                raise EOFError
            outputs.append(np.frombuffer(bytearray(content), dtype).reshape(shape))
        return outputs

    def _said(self) -> str:
        return self._errors.read_text(errors="replace")[-500:].strip() or "no message"


def _stop(process: "subprocess.Popen[bytes]", folder: "tempfile.TemporaryDirectory[str]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:  # what was not sent to a program that had ended
                continue
    folder.cleanup()
