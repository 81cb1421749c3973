"""Arrays to an Orbax folder and back."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def write_arrays(folder: Path, arrays: Sequence[np.ndarray]) -> None:
    """Write arrays as one Orbax tree (OCDBT, Zarr 3) whose keys are their places."""
    import orbax.checkpoint as ocp  # here: costs 2 s

    with ocp.Checkpointer(_handler()) as checkpointer:
        checkpointer.save(folder.resolve(), ocp.args.PyTreeSave(_by_place(arrays)))


def read_arrays(folder: Path, count: int) -> list[np.ndarray]:
    """Read the arrays back, in their order."""
    import orbax.checkpoint as ocp  # here: costs 2 s

    wanted = {str(place): ocp.RestoreArgs(restore_type=np.ndarray) for place in range(count)}
    with ocp.Checkpointer(_handler()) as checkpointer:
        found = checkpointer.restore(
            folder.resolve(),
            ocp.args.PyTreeRestore(item=dict.fromkeys(wanted, 0), restore_args=wanted),
        )
    return [np.asarray(found[place]) for place in wanted]


def _by_place(arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    # names of our own would not do: Orbax makes folders of every slash
    return {str(place): array for place, array in enumerate(arrays)}


def _handler() -> object:
    import orbax.checkpoint as ocp  # here: costs 2 s

    return ocp.PyTreeCheckpointHandler(use_ocdbt=True, use_zarr3=True)
