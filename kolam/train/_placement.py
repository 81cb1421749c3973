"""Where arrays live: on one device, or batches shared out over the devices of a mesh."""

from collections.abc import Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from kolam.core import InvalidArgumentError, InvalidTypeError, UnsupportedError

_ALIGNMENT = 64  # bytes; XLA's CPU back end copies what is not aligned to that


class Placement(Protocol):
    """Puts what is trained, and what it is trained on, where the programs run.

    Attributes:
        key: Tells programs for one placement from those for another.
    """

    key: Any

    def state(self, state: Any) -> Any:
        """Place a state."""
        ...

    def back(self, state: Any) -> Any:
        """Give a state as it is outside of training."""
        ...

    def has_room(self, tree: Any) -> bool:
        """Whether host arrays may be placed as a whole."""
        ...

    def table(self, tree: Any) -> Any:
        """Place host arrays from which batches are gathered."""
        ...

    def batch(self, tree: Any) -> Any:
        """Place the host arrays of one batch."""
        ...

    def gathered(self, tree: Any) -> Any:
        """Say within a program where a gathered batch shall be."""
        ...


class OneDevice:
    """Everything on the default device."""

    key = None

    def state(self, state: Any) -> Any:
        """Leave it where it is."""
        return state

    def back(self, state: Any) -> Any:
        """Leave it where it is."""
        return state

    def has_room(self, tree: Any) -> bool:
        """Whether the arrays take at most half of what is free."""
        return _fits(tree, jax.devices()[0].memory_stats())

    def table(self, tree: Any) -> Any:
        """Put arrays on the device, once."""
        return jax.tree.map(_on_device, tree)

    def batch(self, tree: Any) -> Any:
        """Put a batch on the device."""
        return jax.tree.map(jnp.asarray, tree)

    def gathered(self, tree: Any) -> Any:
        """Leave it where it is."""
        return tree


class DataParallel:
    """Batches are shared out over the devices of a mesh, every device has the whole state.

    Args:
        mesh: Its devices lie along one axis.

    Raises:
        InvalidTypeError: It is no mesh.
        UnsupportedError: It has several axes, or devices of other processes.
    """

    def __init__(self, mesh: Mesh) -> None:
        if not isinstance(mesh, Mesh):
            raise InvalidTypeError(
                f"mesh is a {type(mesh).__name__}.",
                how='Give a jax.sharding.Mesh, such as jax.make_mesh((8,), ("batch",)).',
            )
        axes = [name for name, size in mesh.shape.items() if size > 1] or list(mesh.shape)[:1]
        if len(axes) > 1:
            raise UnsupportedError(
                f"mesh has the axes {dict(mesh.shape)}; only batches are shared out.",
                how='Give a mesh with one axis, such as jax.make_mesh((8,), ("batch",)).',
            )
        if any(device.process_index != jax.process_index() for device in mesh.devices.flat):
            raise UnsupportedError(
                "mesh has devices of other processes.", how="Give the devices of this process."
            )
        # the axes of a mesh may be explicit, which no step written for one device understands
        self._mesh = Mesh(mesh.devices.reshape(-1), ("batch",))
        self.key = tuple(device.id for device in self._mesh.devices)
        self._whole = NamedSharding(self._mesh, PartitionSpec())
        self._shared = NamedSharding(self._mesh, PartitionSpec("batch"))

    def state(self, state: Any) -> Any:
        """Put the whole state on every device."""
        return jax.device_put(state, self._whole)

    def back(self, state: Any) -> Any:
        """Put the state on the default device, as one that was made there."""
        device = jax.devices()[0]

        def one(leaf: Any) -> Any:  # by the host: a jax.Array would stay bound to its device
            if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                return jax.device_put(leaf, device)
            return jnp.asarray(np.asarray(leaf))

        return jax.tree.map(one, state)

    def has_room(self, tree: Any) -> bool:
        """Whether the shares of the arrays take at most half of what is free."""
        return _fits(tree, self._mesh.devices[0].memory_stats(), share=self._mesh.size)

    def table(self, tree: Any) -> Any:
        """Share the rows out; rows that nobody asks for fill the last share."""

        def one(array: np.ndarray) -> jax.Array:
            over = -len(array) % self._mesh.size
            if over:
                array = np.pad(array, [(0, over), *[(0, 0)] * (array.ndim - 1)])
            return jax.device_put(array, self._shared)

        return jax.tree.map(one, tree)

    def batch(self, tree: Any) -> Any:
        """Share a batch out, or give it whole to every device if it cannot be divided."""
        size = len(jax.tree.leaves(tree)[0])
        sharding = self._whole if size % self._mesh.size else self._shared
        return jax.device_put(tree, sharding)

    def gathered(self, tree: Any) -> Any:
        """Share a gathered batch out.

        Raises:
            InvalidArgumentError: It cannot be divided.
        """
        size = len(jax.tree.leaves(tree)[0])
        if size % self._mesh.size:
            raise InvalidArgumentError(
                f"A batch of {size} cannot be shared out evenly over {self._mesh.size} devices.",
                how=f"Give a batch_size that is a multiple of {self._mesh.size}.",
            )
        return jax.lax.with_sharding_constraint(tree, self._shared)


def _fits(tree: Any, stats: Mapping[str, int] | None, share: int = 1) -> bool:
    """Whether arrays take at most half of what a device says is free; the other half is for steps.

    The CPU says nothing: it reads the arrays where they are.
    """
    if not stats or "bytes_limit" not in stats:
        return True
    free = stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree)) / share <= free / 2


def _on_device(array: np.ndarray) -> jax.Array:
    """Put an array on the device; the CPU reads the very memory of one that is aligned.

    A copy for the CPU is made by NumPy, which asks for huge pages: a fifth of the time of XLA's
    own copy, most of which are page faults (100 MB in 10 instead of 50 ms).
    """
    if jax.default_backend() == "cpu" and (
        array.ctypes.data % _ALIGNMENT or not array.flags.c_contiguous
    ):
        memory = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % _ALIGNMENT
        aligned = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        np.copyto(aligned, array)
        array = aligned
    return jax.device_put(array, may_alias=True)
