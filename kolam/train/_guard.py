"""What keeps a run from losing its state: at NaN, when memory runs out, when a step fails."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.core import NotANumberError, OutOfMemoryError
from kolam.train._blame import find_nan
from kolam.train._feed import Stretch
from kolam.train._program import Program
from kolam.train._trainee import State, Trainee

_COST = 50  # a copy of the state is made only when it has taken less than this part of the time
_SHOWN = 8  # row numbers in a message


class Guard:
    """Keeps a copy of the state, and looks for NaN after every call.

    At NaN the calls since the copy are run again step by step, which gives the same bits, up to the
    step that made it; the trainee gets the state before that step.

    Args:
        trainee: Whose state it is.
        stops_at_nan: Whether NaN ends the run.
    """

    def __init__(self, trainee: Trainee, *, stops_at_nan: bool) -> None:
        self._trainee, self._stops = trainee, stops_at_nan
        self._copy: Any = None
        self._calls: list[tuple[Program, Stretch, int, int]] = []
        self._epoch = self._step = 0  # where the copy was made
        self._is_exact = True  # whether the calls since the copy lead to the present state
        self._made_at = -float("inf")
        self._seconds = 0.0
        self._ignored: frozenset[str] | None = None  # held NaN from the start

    def before(self, state: State, epoch: int, step: int, *, may_have_changed: bool) -> None:
        """Copy the state, if that costs little, before its arrays are used up.

        Args:
            state: What the next call takes.
            epoch: Number of the epoch.
            step: Number of the step in it.
            may_have_changed: Whether hooks may have set something since the last call.
        """
        if self._ignored is None:
            self._ignored = frozenset(_with_nan(self._trainee.watched(state)))
        begun = time.perf_counter()
        if self._copy is None or begun - self._made_at > _COST * self._seconds:
            self._copy = jax.tree.map(_to_host, state)
            self._calls, self._is_exact = [], True
            self._epoch, self._step = epoch, step
            self._made_at = time.perf_counter()
            self._seconds = self._made_at - begun
        elif may_have_changed:
            self._calls, self._is_exact = [], False

    def call(
        self, program: Program, state: State, stretch: Stretch, first: int, count: int
    ) -> tuple[State, Any, Any]:
        """Run a program; when it fails, the trainee has a state all the same.

        Raises:
            OutOfMemoryError: There was no room for it.
        """
        result = None
        try:
            result = program(state, stretch.data, stretch.order, stretch.place(first), count)
            jax.block_until_ready(result[0])
        except BaseException as error:
            is_memory = isinstance(error, jax.errors.JaxRuntimeError | MemoryError)
            is_done = result is not None and not is_memory  # the user interrupted the wait for it
            kept = result[0] if result is not None and is_done else self._rescued(state)
            self._trainee.lend(kept)
            if is_memory and ("RESOURCE_EXHAUSTED" in str(error) or "memory" in str(error)):
                raise self._out_of_memory(program, kept, stretch, first, error) from error
            raise
        if self._is_exact:
            self._calls.append((program, stretch, first, count))
        return result

    def after(self, state: State, stretch: Stretch, epoch: int, first: int, count: int) -> None:
        """Look for NaN.

        Raises:
            NotANumberError: There is some; the trainee has the state before it.
        """
        if not self._stops:
            return
        found = self._nan_names(state)
        if not found:
            return
        if self._is_exact:
            self._raise_at_step(found)
        self._trainee.lend(self._rescued(None))
        raise NotANumberError(
            f"{_subject(found)} NaN in steps {first} to {first + count - 1} of epoch {epoch + 1}.",
            how=f"The {self._trainee.kind} is as it was before step {self._step} of epoch "
            f"{self._epoch + 1}. Look at the data, or lower the learning rate; "
            "stop_at_nan=False goes on all the same.",
        )

    def _nan_names(self, state: State) -> list[str]:
        ignored = self._ignored or frozenset()
        return [name for name in _with_nan(self._trainee.watched(state)) if name not in ignored]

    def _raise_at_step(self, found: list[str]) -> None:
        """Run the calls again step by step, and raise at the first that makes NaN."""
        steps = [
            (program, stretch, step)
            for program, stretch, first, count in self._calls
            for step in range(first, first + count)
        ]
        state, good = self._rescued(None), None
        for number, (program, stretch, step) in enumerate(steps, 1):
            kept, batch = jax.tree.map(_to_host, state), stretch.batch_of(step)
            state, *_ = program(state, stretch.data, stretch.order, stretch.place(step), 1)
            names = self._nan_names(state)
            if names or number == len(steps):
                self._trainee.lend(jax.tree.map(_to_device, kept))
                cause = find_nan(program.step, jax.tree.map(_to_device, kept), batch, good)
                raise self._nan_at(names or found, stretch, step, cause)
            good = jax.tree.map(_to_device, kept), batch

    def _nan_at(self, names: list[str], stretch: Stretch, step: int, cause: str) -> NotANumberError:
        rows = stretch.rows_of(step)
        if rows is None:
            batch = f"batch {step}, {stretch.batch} examples"
        else:
            shown = ", ".join(map(str, rows[:_SHOWN])) + (", ..." if len(rows) > _SHOWN else "")
            batch = f"rows {shown} of the data"
        lines = [f"{_subject(names)} NaN at step {step} of epoch {self._epoch + 1} ({batch})."]
        lines += [cause] if cause else []
        lines += _nan_in_data(stretch.batch_of(step), rows)
        return NotANumberError(
            "\n".join(lines),
            how=f"The {self._trainee.kind} is as it was before that step. Look at the data, or "
            "lower the learning rate; stop_at_nan=False goes on all the same.",
            step=step,
            epoch=self._epoch,
            rows=None if rows is None else rows.tolist(),
        )

    def _rescued(self, state: State | None) -> State:
        """Give the state if its arrays were not used up, else the copy."""
        leaves = jax.tree.leaves(state)
        if leaves and not any(leaf.is_deleted() for leaf in leaves):
            return state
        return jax.tree.map(_to_device, self._copy)

    def _out_of_memory(
        self, program: Program, state: State, stretch: Stretch, first: int, error: BaseException
    ) -> OutOfMemoryError:
        steps = max(1, len(stretch.order)) if stretch.order is not None else 1
        table = _bytes(stretch.data)
        asked = str(error).partition("\n")[0]
        temporary = program.temporary_bytes(state, stretch.data, stretch.order)
        parts = {
            "weights, optimiser and metrics": _bytes(state),
            "data on the device": table,
            f"one batch of {stretch.batch}": table // steps if stretch.order is not None else table,
            "what a step computes in between": temporary,
        }
        listing = ", ".join(f"{name} {_size(size)}" for name, size in parts.items() if size)
        return OutOfMemoryError(
            f"Memory ran out in step {first} of epoch {self._epoch + 1}: {listing}. ({asked})",
            how="Try a smaller batch_size (the optimiser's gradient_accumulation_steps keeps the "
            "batch of an update), keras.mixed_precision, or, if the data are large, a Dataset "
            f"instead of arrays. The {self._trainee.kind} is as it was before step "
            f"{self._step} of epoch {self._epoch + 1}.",
        )


def _with_nan(watched: dict[str, Any]) -> list[str]:
    """Give the names of the arrays that hold NaN."""
    if all(_is_on_cpu(array) for array in watched.values()):
        return [name for name, array in watched.items() if _host_has_nan(np.asarray(array))]
    flags = np.asarray(_nan_flags(list(watched.values())))
    return [name for name, flag in zip(watched, flags, strict=True) if flag]


def _host_has_nan(array: np.ndarray) -> bool:
    if array.size == 0 or not jnp.issubdtype(array.dtype, jnp.inexact):
        return False
    if array.dtype.kind == "f":
        return bool(np.isnan(array.min()))  # a minimum hands NaN on, at the speed of memory
    return bool(np.isnan(array.astype(np.complex64 if array.dtype.kind == "c" else float)).any())


@jax.jit
def _nan_flags(arrays: list[jax.Array]) -> jax.Array:
    return jnp.stack([jnp.isnan(array).any() for array in arrays])


def _is_on_cpu(array: jax.Array) -> bool:
    return all(device.platform == "cpu" for device in array.devices())


class _Kept:
    """A leaf on the host, and how it goes back."""

    def __init__(self, leaf: Any) -> None:
        self.is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        self.impl = jax.random.key_impl(leaf) if self.is_key else None
        data = jax.random.key_data(leaf) if self.is_key else leaf
        self.array, self.sharding = np.array(data), data.sharding


def _to_host(leaf: Any) -> _Kept:
    return _Kept(leaf)


def _to_device(kept: _Kept) -> Any:
    # a copy: what is donated on the CPU would be the memory of NumPy
    array = jax.device_put(kept.array.copy(), kept.sharding)
    return jax.random.wrap_key_data(array, impl=kept.impl) if kept.is_key else array


def _nan_in_data(batch: Any, rows: np.ndarray | None) -> list[str]:
    """Say which rows of the batch hold NaN or infinity already."""
    found = []
    leaves, _ = jax.tree_util.tree_flatten_with_path(batch)
    for path, leaf in leaves:
        array = np.asarray(leaf)
        if array.dtype.kind != "f" or not array.size or np.isfinite(array).all():
            continue
        place = np.argwhere(~np.isfinite(array))[0]
        name = jax.tree_util.keystr(path) or "the batch"
        row = f"row {rows[place[0]]}" if rows is not None else f"example {place[0]} of the batch"
        found.append(f"The data hold {array[tuple(place)]} in {row}, part {name}.")
    return found


def _subject(names: list[str]) -> str:
    if any(name.startswith("loss") for name in names):
        return "The loss is"
    return f"{names[0]!r} becomes"


def _bytes(tree: Any) -> int:
    return sum(getattr(leaf, "nbytes", 0) for leaf in jax.tree.leaves(tree))


def _size(number: int) -> str:
    size, unit = float(number), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.3g} {unit}"
