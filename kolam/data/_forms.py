"""The form that all elements of a user's own source must have."""

from typing import Any

import numpy as np

from kolam.core import DataError, TensorSpec
from kolam.data._chunks import as_array
from kolam.data._columns import spec_dtype
from kolam.data._trees import Tree, map_tree, outline


class Form:
    """Structure, dtypes and shapes of elements.

    Args:
        spec: Tree of `TensorSpec`.
        is_given: Whether the user gave it, or it is that of the first element; for messages.
    """

    def __init__(self, spec: Tree, *, is_given: bool) -> None:
        self.spec = spec
        self._others = "spec= says" if is_given else "the first is"

    @classmethod
    def of(cls, element: Tree) -> "Form":
        """Give the form that one element has."""
        return cls(map_tree(_leaf_spec, element), is_given=False)

    def fitted(self, element: Tree, where: str) -> Tree:
        """Give an element as arrays and texts.

        Args:
            element: A tree of whatever NumPy takes, texts and bytes.
            where: Which one it is, for messages.

        Raises:
            DataError: It has another form.
        """
        is_text = isinstance(self.spec, TensorSpec) and self.spec.dtype == "string"
        if element is None and not is_text:
            raise DataError(
                f"{where} is None.",
                how="A filter of Grain gives None for what it drops: give "
                "dataset.to_iter_dataset() to Dataset.from_generator, or filter() here.",
            )
        if outline(element) != outline(self.spec):
            raise DataError(
                f"{where} is {outline(element)}, where {self._others} {outline(self.spec)}.",
                how="Give every element the same structure: the same keys.",
            )
        return map_tree(lambda spec, leaf: self._leaf(spec, leaf, where), self.spec, element)

    def _leaf(self, spec: TensorSpec, leaf: Any, where: str) -> Any:
        is_text = isinstance(leaf, str | bytes) or leaf is None
        if is_text and spec.dtype == "string" and not spec.shape:
            return leaf
        array = as_array(leaf)
        found = spec_dtype(array.dtype)
        is_number = isinstance(leaf, int | float | bool)  # has no dtype of its own
        if is_number and found != spec.dtype and spec.dtype != "string":
            array, found = _number(array, spec.dtype)
        fits = found == spec.dtype and array.ndim == len(spec.shape)
        if not fits or any(
            isinstance(size, int) and size != here
            for size, here in zip(spec.shape, array.shape, strict=True)
        ):
            raise DataError(
                f"{where} has {found} of shape {array.shape}, where {self._others} {spec.dtype} of "
                f"shape {spec.shape}.",
                how="Give every element this form; or say which sizes differ, as in "
                'spec=TensorSpec(("steps", 3), "float32").',
            )
        return array


def _number(array: np.ndarray, dtype: str) -> tuple[np.ndarray, str]:
    """Give a number of Python in a dtype: a fraction is rounded, all else must fit."""
    target = np.dtype(dtype)
    if array.dtype.kind == "f" and target.kind != "f":
        return array, str(array.dtype)
    with np.errstate(over="ignore"):
        cast = array.astype(target)
    exact = array.dtype.kind == "f" or cast == array
    return (cast, dtype) if exact else (array, str(array.dtype))


def _leaf_spec(leaf: Any) -> TensorSpec:
    if isinstance(leaf, str | bytes):
        return TensorSpec((), "string")
    array = as_array(leaf)
    return TensorSpec(array.shape, spec_dtype(array.dtype))
