"""Steps come back to the bit, are whole or not there, and say so when they are damaged."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.checkpoint import Checkpoints
from kolam.core import IntegrityError, InvalidArgumentError, StorageError


class Moments(NamedTuple):
    first: jax.Array
    second: np.ndarray


def _state(value: float = 1.5) -> dict[str, Any]:
    return {
        "weights": [jnp.full((3, 2), float(value)), jnp.ones((4,), jnp.bfloat16)],
        "moments": Moments(jnp.arange(5.0), np.zeros((0, 3))),
        "a/b": np.int64(2**40),
        "step": 7,
        "key": jax.random.key(3),
    }


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """Steps 1, 2 and 5; never altered."""
    checkpoints = Checkpoints(tmp_path_factory.mktemp("saved") / "run", keep=3)
    for step in (0, 1, 2, 5):
        checkpoints.save(step, _state(step), data_state={"position": step}, metadata={"n": "é"})
    return checkpoints


@pytest.fixture
def small(tmp_path: Path) -> Checkpoints:
    """Steps 1 and 2 of one small array."""
    checkpoints = Checkpoints(tmp_path / "run")
    for step in (1, 2):
        checkpoints.save(step, {"w": np.full(3, step)})
    return checkpoints


def test_the_newest_step_comes_back_to_the_bit(saved: Checkpoints) -> None:
    restored = saved.restore(like=_state())
    expected, found = jax.tree.leaves(_state(5)), jax.tree.leaves(restored.state)
    for one, other in zip(expected, found, strict=True):
        if jnp.issubdtype(getattr(one, "dtype", int), jax.dtypes.prng_key):
            one, other = jax.random.key_data(one), jax.random.key_data(other)
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert jax.tree.structure(restored.state) == jax.tree.structure(_state())
    assert (restored.step, restored.data_state, restored.metadata) == (
        5,
        {"position": 5},
        {"n": "é"},
    )


def test_the_oldest_steps_beyond_keep_are_removed(saved: Checkpoints) -> None:
    assert (saved.steps, saved.latest_step) == ((1, 2, 5), 5)
    assert sorted(path.name[-1] for path in saved.folder.iterdir()) == ["1", "2", "5"]


def test_without_like_the_state_is_arrays_by_name(saved: Checkpoints) -> None:
    arrays = saved.restore(1).state
    assert set(arrays) == {
        *("weights/0", "weights/1", "moments/first", "moments/second", "a/b", "step", "key"),
    }
    assert arrays["weights/0"].tolist() == [[1.0, 1.0]] * 3


def test_a_step_that_is_not_there_is_named(saved: Checkpoints) -> None:
    with pytest.raises(StorageError, match=r"has no step 3\.\n  Its steps: 1, 2, 5"):
        saved.restore(3)


def test_an_empty_folder_has_no_step(tmp_path: Path) -> None:
    empty = Checkpoints(tmp_path / "new")
    assert (empty.steps, empty.latest_step) == ((), None)
    with pytest.raises(StorageError, match=r"has no step\.\n  Its steps: none"):
        empty.restore()


def test_another_structure_is_refused(saved: Checkpoints) -> None:
    with pytest.raises(InvalidArgumentError, match=r"7 arrays, 8 are asked for: 'more' was not"):
        saved.restore(like={**_state(), "more": np.zeros(2)})


def test_another_shape_is_refused(small: Checkpoints) -> None:
    with pytest.raises(InvalidArgumentError, match=r"'w' was saved as int64 of shape \(3,\), but"):
        small.restore(like={"w": np.zeros(4)})


@pytest.mark.parametrize("harm", ["truncate", "remove", "add", "manifest", "no manifest"])
def test_a_damaged_step_is_named_with_the_last_good_one(harm: str, small: Checkpoints) -> None:
    folder = small.folder / "step-000000000002"
    largest = max((f for f in folder.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    match harm:
        case "truncate":
            os.truncate(largest, largest.stat().st_size // 2)
        case "remove":
            largest.unlink()
        case "add":
            (folder / "state" / "more").write_text("x")
        case "manifest":
            manifest = folder / "manifest.json"
            manifest.write_bytes(manifest.read_bytes().replace(b'"step":2', b'"step":9'))
        case "no manifest":
            (folder / "manifest.json").unlink()
    with pytest.raises(IntegrityError, match=r"Step 2 in .* is damaged: .*\n.*whole step is 1: re"):
        small.restore()
    assert small.restore(1).state["w"].tolist() == [1, 1, 1]


def test_when_no_step_is_whole_it_is_said(small: Checkpoints) -> None:
    for step in small.steps:
        (small.folder / f"step-{step:012d}" / "manifest.json").write_text("{}")
    with pytest.raises(IntegrityError, match="No step of this folder is whole"):
        small.restore()


def test_a_step_is_replaced_by_saving_it_again(small: Checkpoints) -> None:
    small.save(2, {"w": np.full(3, 9)})
    assert small.restore().state["w"].tolist() == [9, 9, 9]
    assert small.steps == (1, 2)


@pytest.mark.parametrize(("keep", "step"), [(0, 1), (1, -1)])
def test_impossible_numbers_are_refused(keep: int, step: int, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"Keep at least 1 step|Count steps from 0"):
        Checkpoints(tmp_path, keep=keep).save(step, {"w": np.zeros(1)})


def test_a_process_killed_while_saving_leaves_whole_steps(tmp_path: Path) -> None:
    program = (
        "import itertools, sys, numpy as np\n"
        "from kolam.checkpoint import Checkpoints\n"
        "checkpoints = Checkpoints(sys.argv[1])\n"
        "for step in itertools.count():\n"
        "    checkpoints.save(step, {'w': np.full(10_000, step)})\n"
        "    print(step, flush=True)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != "4":
            assert process.poll() is None
        process.kill()
    checkpoints = Checkpoints(tmp_path)
    for step in checkpoints.steps:
        assert set(checkpoints.restore(step).state["w"]) == {step}
    assert checkpoints.latest_step is not None
    assert checkpoints.latest_step >= 4
    checkpoints.save(10**6, {"w": np.zeros(1)})
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
