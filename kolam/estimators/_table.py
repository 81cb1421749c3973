"""What every estimator does with its table: checks, standardising, class weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from kolam.core import DataError, InvalidArgumentError

Floats = NDArray[np.float64]

_TAILS = (0.005, 0.995)


@dataclass(frozen=True, slots=True)
class Standardizer:
    """Columns to about mean 0 and spread 1: ``(x - offset) * scale``.

    Attributes:
        offset: What is taken from each column, float32 [columns].
        scale: What it is multiplied by then, float32 [columns]; 0 for a constant column.
    """

    offset: NDArray[np.float32]
    scale: NDArray[np.float32]

    @classmethod
    def by_moments(cls, columns: NDArray[np.float32], sample_weight: Floats) -> "Standardizer":
        """Take the weighted mean and standard deviation."""
        values = columns.astype(np.float64)
        share = sample_weight / sample_weight.sum()
        mean = share @ values
        spread = np.sqrt(share @ (values - mean) ** 2)
        return cls._of(mean, spread)

    @classmethod
    def by_most_rows(cls, columns: NDArray[np.float32]) -> "Standardizer":
        """Take mean and standard deviation with the far tails pulled in, so they do not rule.

        A column of two values becomes 0 and 1, so that a rare one is not blown up.
        """
        values = columns.astype(np.float64)
        least, greatest = values.min(axis=0), values.max(axis=0)
        inner = np.clip(values, *np.quantile(values, _TAILS, axis=0))
        spread = inner.std(axis=0)
        # where what varies lies in the tails alone, they are all there is
        is_flat = spread <= 1e-6 * np.maximum(np.abs(inner.mean(axis=0)), 1e-30)
        offset = np.where(is_flat, values.mean(axis=0), inner.mean(axis=0))
        spread = np.where(is_flat, values.std(axis=0), spread)
        is_binary = ((values == least) | (values == greatest)).all(axis=0)
        return cls._of(
            np.where(is_binary, least, offset), np.where(is_binary, greatest - least, spread)
        )

    @classmethod
    def _of(cls, offset: Floats, spread: Floats) -> "Standardizer":
        # float32 columns carry seven digits: less spread than that is none
        is_constant = spread <= 1e-6 * np.maximum(np.abs(offset), 1e-30)
        scale = np.where(is_constant, 0.0, 1 / np.where(is_constant, 1.0, spread))
        return cls(offset.astype(np.float32), scale.astype(np.float32))

    def apply(self, columns: NDArray[np.float32]) -> Floats:
        """Standardise columns [rows, columns], in float64."""
        return (columns.astype(np.float64) - self.offset) * self.scale.astype(np.float64)


def check_table(estimator: Any, X: Any, y: Any) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Check the table and label of a fit, as scikit-learn words it.

    Returns:
        Columns as float32 [rows, columns], and the label [rows].
    """
    # Any: estimators and array-likes of every library
    return validate_data(estimator, X, y, dtype=np.float32, order="C", multi_output=False)


def check_columns(estimator: Any, X: Any) -> NDArray[np.float32]:
    """Check the table of a prediction."""
    return validate_data(estimator, X, dtype=np.float32, order="C", reset=False)


def check_weights(sample_weight: Any, columns: NDArray[np.float32]) -> Floats:
    """Check the weights of the rows; 1 for each if there are none."""
    return _check_sample_weight(sample_weight, columns, dtype=np.float64, ensure_non_negative=True)


def encode_classes(estimator: Any, y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Give the classes, sorted, and the class index of each row.

    Raises:
        DataError: There is only one class.
    """
    check_classification_targets(y)
    classes, indices = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise DataError(
            f"{type(estimator).__name__} can't train when only one class is present: "
            f"every label is {classes[0]!r}.",
            how="Give rows of at least two classes.",
        )
    return classes, indices.astype(np.int64)


ClassWeight = Mapping[Any, float] | str | None  # Any: the classes are of the label's type


def weigh_classes(
    class_weight: ClassWeight, classes: NDArray[Any], indices: NDArray[np.int64], weights: Floats
) -> Floats:
    """Multiply the weights of the rows by that of their class.

    Args:
        class_weight: `None` for 1 each; ``"balanced"`` so that every class weighs the same in
            total; or class to weight, 1 where a class is not named.
        classes: The classes.
        indices: Class index of each row.
        weights: Weight of each row.

    Raises:
        InvalidArgumentError: `class_weight` is none of these.
    """
    if class_weight is None:
        return weights
    if isinstance(class_weight, Mapping):
        factors = np.array([float(class_weight.get(name, 1.0)) for name in classes.tolist()])
    elif class_weight == "balanced":
        totals = np.bincount(indices, weights, len(classes))
        is_there = totals > 0
        mean = weights.sum() / is_there.sum()
        factors = np.where(is_there, mean / np.where(is_there, totals, 1.0), 0.0)
    else:
        raise InvalidArgumentError(
            f"class_weight is {class_weight!r}.",
            how="Give None, 'balanced', or a mapping of class to weight.",
        )
    return weights * factors[indices]


def check_number(name: str, value: Any, *, low: float, whole: bool = False) -> None:
    """Check a hyper-parameter.

    Raises:
        InvalidArgumentError: It is no number, below `low`, or not whole where it must be.
    """
    # Any: users give anything
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if not isinstance(value, kinds) or isinstance(value, bool) or not value >= low:
        raise InvalidArgumentError(
            f"{name} is {value!r}.",
            how=f"Give a {'whole ' if whole else ''}number of at least {low:g}.",
        )


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Check a hyper-parameter that is one of a few words.

    Raises:
        InvalidArgumentError: It is none of them.
    """
    if value not in choices:
        raise InvalidArgumentError(
            f"{name} is {value!r}.", how=f"Give one of {', '.join(map(repr, choices))}."
        )
