"""Folding all elements of a plan to one value."""

import warnings
from collections.abc import Callable, Iterator
from functools import reduce as fold
from typing import Any

import numpy as np

from kolam.core import ConversionError
from kolam.data._chunks import Chunk, is_ragged
from kolam.data._mapping import UNTRACEABLE, numpy_semantics, padded, round_width, slow_message
from kolam.data._trees import Tree, leaves, map_tree


def reduced(
    chunks: Iterator[Chunk], fn: Callable[[Any, Any], Any], initial: Tree, *, compiled: bool
) -> Tree:
    """Give `fn(... fn(fn(initial, first), second) ..., last)`."""
    folding: _Folding | None = None
    value = initial
    for chunk in chunks:
        if chunk.count == 0:
            continue
        if compiled and folding is None:
            try:
                folding = _Folding(fn, value, chunk)
            except UNTRACEABLE as error:
                warnings.warn(slow_message("reduce", fn, error, "not compiled"), stacklevel=3)
                compiled = False
        if folding is not None and compiled:
            value = folding(value, chunk)
        else:
            value = fold(fn, chunk.elements(), value)
    return map_tree(lambda leaf: leaf[()] if isinstance(leaf, np.ndarray) else leaf, value)


class _Folding:
    """A compiled loop over the elements of chunks of any length.

    Args:
        fn: Takes the value so far and an element, gives the next value.
        value: The first value; numbers get the dtype that `fn` gives them.
        chunk: Elements like all that follow.
    """

    def __init__(self, fn: Callable[[Any, Any], Any], value: Tree, chunk: Chunk) -> None:
        import jax  # here: costs 0.7 s
        import jax.numpy as jnp

        from kolam.autograph import with_checks

        if any(is_ragged(leaf) or leaf.dtype.hasobject for leaf in leaves(chunk.tree)):
            raise TypeError("its elements have different shapes, or are texts")
        checked = with_checks(fn)

        def step(value: Tree, item: tuple[Tree, Any]) -> tuple[Tree, Any]:
            element, is_there = item
            after, checks = checked(value, element)
            return jax.tree.map(lambda a, b: jnp.where(is_there, a, b), after, value), checks

        with numpy_semantics():
            self._dtypes = self._settled(jax, checked, value, chunk.element(0))
            self._loop = jax.jit(lambda value, items: jax.lax.scan(step, value, items))

    def __call__(self, value: Tree, chunk: Chunk) -> Tree:
        """Fold the elements of a chunk."""
        from kolam.autograph import failures  # here: loads JAX

        width = round_width(chunk.count)
        items = map_tree(lambda leaf: padded(leaf, width), chunk.tree)
        value = map_tree(np.asarray, map_tree(lambda v, d: np.asarray(v, d), value, self._dtypes))
        with numpy_semantics():
            result, checks = self._loop(value, (items, np.arange(width) < chunk.count))
        for (place,), error in failures(checks):
            if place < chunk.count:
                number = chunk.place(place)
                error.add_note(f"The function of reduce() raised this for element {number}.")
                raise error
        return map_tree(lambda _, leaf: np.asarray(leaf), self._dtypes, result)

    @staticmethod
    def _settled(jax: Any, fn: Callable[..., Any], value: Tree, element: Tree) -> Tree:
        """Find dtypes that the function keeps: 0 becomes 0.0 where fractions are added."""
        value = map_tree(np.asarray, value)
        for _ in range(3):
            program, (after, _) = jax.make_jaxpr(fn, return_shape=True)(value, element)
            if program.effects:
                raise TypeError("it prints, or calls back to Python")
            before = map_tree(lambda leaf: (leaf.shape, str(leaf.dtype)), value)
            if map_tree(lambda leaf: (leaf.shape, str(leaf.dtype)), after) == before:
                return map_tree(lambda leaf: leaf.dtype, value)
            value = map_tree(lambda v, a: np.asarray(v, a.dtype), value, after)
        raise ConversionError("the function of reduce() gives a value of another shape or dtype")
