"""Arrays that have leading axes for the examples of `vmap`, one for each `vmap` around.

An array need not have all of them: a tuple of bools tells which. The outermost comes first, and
so do the axes of the array.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from kolam.autograph._primitives.face import as_array, is_zero

Flags = tuple[bool, ...]


@dataclass(frozen=True)
class Levels:
    """The `vmap`s around a piece of code.

    Attributes:
        sizes: How many examples each has.
        names: Their names, for code that works across examples; None where there is none.
    """

    sizes: tuple[Any, ...] = ()
    names: tuple[str | None, ...] = ()

    @property
    def every(self) -> Flags:
        """The flags of an array that has the axes of all."""
        return (True,) * len(self.sizes)

    @property
    def none(self) -> Flags:
        """The flags of an array that has no such axis."""
        return (False,) * len(self.sizes)

    def within(self, size: Any, name: Any) -> "Levels":
        """Put another `vmap` around."""
        name = name if isinstance(name, str) else None
        return Levels((size, *self.sizes), (name, *self.names))

    def shape(self, flags: Flags, shape: Sequence[Any]) -> tuple[Any, ...]:
        """Give the shape of an array that has `shape` for one example."""
        return (*(size for size, flag in zip(self.sizes, flags, strict=True) if flag), *shape)

    def lift(
        self,
        fn: Callable[..., list[Any]],
        takes: Sequence[Flags],
        gives: Sequence[Flags],
        which: Flags | None = None,
    ) -> Callable[..., list[Any]]:
        """Let a function for one example run for all.

        Args:
            fn: What to run.
            takes: The flags of what the result takes.
            gives: The flags of what it gives; an array that is the same for all may get an axis.
            which: The levels to lift over; what `fn` takes keeps the axes of the others.
        """
        which = self.every if which is None else which
        for level in reversed(range(len(self.sizes))):
            if which[level]:
                kept = [not one for one in which[:level]]
                fn = jax.vmap(
                    fn,
                    in_axes=tuple(_position(flags, level, kept) for flags in takes),
                    out_axes=[_position(flags, level, kept) for flags in gives],
                    axis_size=self.sizes[level],
                    axis_name=self.names[level],
                )
        return fn

    def spread(self, array: Any, old: Flags, new: Flags) -> Any:
        """Repeat an array along axes that it lacks."""
        if old == new:
            return array
        array = as_array(array)
        own = array.shape[sum(old) :]
        kept = [k for k, level in enumerate(_true(new)) if old[level]]
        axes = (*kept, *range(sum(new), sum(new) + len(own)))
        return lax.broadcast_in_dim(array, self.shape(new, own), axes)

    def filled(
        self,
        arrays: Sequence[Any],
        old: Sequence[Flags],
        new: Sequence[Flags | None],
        types: Sequence[Any],
    ) -> list[Any]:
        """Lay out tangents or cotangents; those that are zero become arrays of zeros.

        Args:
            arrays: Arrays and zeros.
            old: Their flags.
            new: The flags that they are to have; None for what is left out.
            types: Their types for one example.
        """
        found = []
        for array, own, wanted, aval in zip(arrays, old, new, types, strict=True):
            if wanted is not None and is_zero(array):
                found.append(jnp.zeros(self.shape(wanted, aval.shape), aval.dtype))
            elif wanted is not None:
                found.append(self.spread(array, own, wanted))
        return found

    def shrink(self, array: Any, old: Flags, new: Flags) -> Any:
        """Drop axes along which an array is the same for all."""
        for k, level in reversed(list(enumerate(_true(old)))):
            if not new[level]:
                array = lax.index_in_dim(array, 0, k, keepdims=False)
        return array

    def add_up(self, array: Any, old: Flags, new: Flags) -> Any:
        """Sum over the examples of axes that the result is to lack."""
        axes = tuple(k for k, level in enumerate(_true(old)) if not new[level])
        return jnp.sum(array, axes) if axes else array

    def choose(self, mask: Any, held: Flags, on_true: Any, on_false: Any, flags: Flags) -> Any:
        """Select by a mask with flags `held` between arrays that have at least these axes."""
        axes = [k for k, level in enumerate(_true(flags)) if held[level]]
        spread = lax.broadcast_in_dim(mask, on_true.shape, axes)
        return lax.select(spread, on_true, on_false)

    def wanted_only(
        self,
        mask: Any,
        held: Flags,
        arrays: Sequence[Any],
        flags: Sequence[Flags],
        *,
        zeros: bool = False,
    ) -> tuple[list[Any], list[Flags]]:
        """Let the examples that do not want to run have the input of one that does.

        What they make of it is thrown away, and so the way to that one example has no derivative.

        Args:
            mask: Which examples want to run; if none does, what is given has no meaning.
            held: Its flags.
            arrays: Their inputs.
            flags: The flags of these.
            zeros: Give them zeros instead, which costs less.

        Returns:
            What all can run on, and its flags.
        """
        if 0 in self.shape(held, ()):  # there is no example at all
            return list(arrays), list(flags)
        place = {level: 0 for level in _true(held)} if zeros else self._place_of_one(mask, held)
        found, ends = [], []
        for array, own in zip(arrays, flags, strict=True):
            shared = [level for level in place if own[level]]
            if not shared:
                found.append(array)
                ends.append(own)
                continue
            new = tuple(a or b for a, b in zip(own, held, strict=True))
            wide = self.spread(array, own, new)
            if zeros:
                one = jnp.zeros_like(wide)
            else:
                one, rest = array, tuple(a and not b for a, b in zip(own, held, strict=True))
                for level in shared:  # the innermost first: the axes before it stay in place
                    axis = sum(own[:level])
                    one = lax.dynamic_index_in_dim(one, place[level], axis, keepdims=False)
                one = self.spread(lax.stop_gradient(one), rest, new)
            found.append(self.choose(mask, held, wide, one, new))
            ends.append(new)
        return found, ends

    def _place_of_one(self, mask: Any, held: Flags) -> dict[int, Any]:
        """Give the index, in each level, of the first example that a mask holds."""
        levels = _true(held)
        rest = jnp.argmax(jnp.ravel(mask))
        place = {}
        for level in reversed(levels[1:]):
            place[level] = rest % self.sizes[level]
            rest = rest // self.sizes[level]
        return {**place, levels[0]: rest}


def _true(flags: Flags) -> list[int]:
    return [level for level, flag in enumerate(flags) if flag]


def _position(flags: Flags, level: int, kept: Sequence[bool]) -> int | None:
    """Tell at which axis an array has a level, after the levels outside that are not kept."""
    if not flags[level]:
        return None
    return sum(flag and keep for flag, keep in zip(flags, kept, strict=False))


def num_bytes(shape: Sequence[Any], dtype: Any) -> int | None:
    """Give the size of an array; None where only the run knows it."""
    if not all(isinstance(size, int) for size in shape):
        return None
    return math.prod(shape) * int(getattr(dtype, "itemsize", 8))
