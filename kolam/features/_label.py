"""Labels to what a model learns, and scores back to labels in their own type."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kolam.core import DataError, InvalidArgumentError
from kolam.features._read import SAFE_INTEGER, Floats, is_numeric, plain, read_number, shown

Task = Literal["binary", "multiclass", "regression"]
LabelValue = str | int | float | bool


@dataclass(frozen=True, slots=True)
class LabelProgram:
    """The label of a table: its task, its classes and its type.

    Args:
        name: Name of the column.
        task: ``"binary"``, ``"multiclass"`` or ``"regression"``.
        type: Arrow's name of the type that `decode` gives, such as ``"int64"``. A regression on
            whole numbers gives ``"double"``, for a mean is no whole number.
        classes: The classes in increasing order, `None` for regression. Scores have one column
            per class in this order.
    """

    name: str
    task: Task
    type: str
    classes: tuple[LabelValue, ...] | None = None

    def encode(self, column: Any) -> np.ndarray[tuple[int], np.dtype[Any]]:
        """Give what a model learns.

        Args:
            column: Labels: an Arrow or NumPy array, a pandas series or a list, ``[rows]``.

        Returns:
            Indices into `classes` as int32, or the values as float32, ``[rows]``.

        Raises:
            DataError: A label is missing, infinite, of another type, or of no known class.
        """
        # Any above: whatever Arrow takes for a column
        array = label_array(column)
        check_complete(self.name, array)
        if self.classes is None:
            return check_range(self.name, regression_values(self.name, array)).astype(np.float32)
        known = pa.array(self.classes, pa.type_for_alias(self.type))
        found = pc.index_in(self._cast(array, known.type), value_set=known)
        if found.null_count:
            row = int(np.argmax(~found.is_valid().to_numpy(zero_copy_only=False)))
            raise DataError(
                f"The label '{self.name}' holds {shown(array[row].as_py())} in row {row}, which "
                "is none of its classes.",
                column=self.name,
                how=f"The classes are {', '.join(map(shown, self.classes[:20]))}.",
            )
        return found.to_numpy(zero_copy_only=False).astype(np.int32)

    def decode(self, scores: Any) -> pa.Array:
        """Give the labels that scores mean.

        Args:
            scores: Float32 ``[rows, classes]``, or ``[rows, 1]`` for regression.

        Returns:
            The class with the highest score (the first one of equals), or the value; ``[rows]``
            in the label's own type.

        Raises:
            InvalidArgumentError: The shape is another, or a score is NaN.
        """
        # Any above: a NumPy or JAX array
        values = np.asarray(scores)
        wanted = len(self.classes) if self.classes is not None else 1
        if values.ndim != 2 or values.shape[1] != wanted:
            raise InvalidArgumentError(
                f"Scores of the label '{self.name}' have the shape {values.shape}.",
                how=f"Give [rows, {wanted}].",
            )
        if np.isnan(values).any():
            row = int(np.isnan(values).any(axis=1).argmax())
            raise InvalidArgumentError(
                f"Scores of the label '{self.name}' hold NaN in row {row}.",
                how="Look at what the model was given in this row; weights may be NaN as well.",
            )
        kind = pa.type_for_alias(self.type)
        if self.classes is None:
            return pa.array(values[:, 0].astype(np.float64)).cast(kind, safe=False)
        best = values.argmax(axis=1) if len(values) else np.zeros(0, np.int64)
        return pa.array(self.classes, kind).take(pa.array(best))

    def _cast(self, array: pa.Array, kind: pa.DataType) -> pa.Array:
        numbers = is_numeric(kind) or pa.types.is_boolean(kind)
        if (pa.types.is_string(array.type) and numbers) or not _is_label_type(array.type):
            raise _wrong_type(self.name, array.type, f"{kind}, as it was fitted")
        try:
            return array.cast(kind)
        except pa.ArrowInvalid as error:
            raise DataError(
                f"The label '{self.name}' holds values of type {array.type} that do not fit its "
                f"own type {kind}: {error}.",
                column=self.name,
                how=f"The classes are {', '.join(map(shown, (self.classes or ())[:20]))}.",
            ) from error


def label_array(column: Any) -> pa.Array:
    """Give any column as one plain Arrow array; NaN and empty text become null."""
    # Any: whatever Arrow takes for a column
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not isinstance(column, pa.Array):
        column = pa.array(column, from_pandas=True)
    array = plain(column)
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
    if pa.types.is_string(array.type):
        array = pc.if_else(pc.equal(array, ""), pa.scalar(None, pa.string()), array)
    return array


def fit_label(name: str, column: pa.Array, task: str) -> LabelProgram:
    """Learn task, classes and type of a label.

    Text and booleans are classes. So are whole numbers with at most 20 different values that
    occur three times each on average, or with two. All other numbers are a regression.

    Args:
        name: Name of the column.
        column: All labels, ``[rows]``.
        task: ``"auto"``, ``"classification"``, ``"binary"``, ``"multiclass"``, ``"regression"``.

    Raises:
        DataError: A label is missing or infinite, there is one class only, there are as many
            classes as rows, or the label of a regression is no number.
        InvalidArgumentError: The task is unknown, or does not fit the number of classes.
    """
    if task not in _TASKS:
        raise InvalidArgumentError(f"`task` is {task!r}.", how=f"Give one of {', '.join(_TASKS)}.")
    array = label_array(column)
    if not _is_label_type(array.type):
        raise _wrong_type(name, array.type, "numbers, text or booleans")
    check_complete(name, array)
    if not len(array):
        raise DataError(f"The label '{name}' has no rows.", column=name, how="Give some rows.")
    if is_numeric(array.type):
        read_number(array, name)  # refuses infinities
    if task == "regression" or (task == "auto" and not _is_classes(array)):
        check_range(name, regression_values(name, array))
        kind = "float" if pa.types.is_float32(array.type) else "double"
        return LabelProgram(name, "regression", kind)
    classes = _classes(name, array)
    found: Task = "binary" if len(classes) == 2 else "multiclass"
    if task in ("binary", "multiclass") and task != found:
        raise InvalidArgumentError(
            f"The label '{name}' has {len(classes)} classes, so its task is {found}, not {task}.",
            how=f"The classes are {', '.join(map(shown, classes[:20]))}. Leave `task` out.",
        )
    return LabelProgram(name, found, str(array.type), classes)


def check_complete(name: str, array: pa.Array) -> None:
    """Refuse missing labels: how many there are, and the first row."""
    if array.null_count:
        valid = array.is_valid().to_numpy(zero_copy_only=False)
        raise DataError(
            f"The label '{name}' is missing in {array.null_count} of {len(array)} rows, "
            f"first in row {int(np.argmin(valid))}.",
            column=name,
            how="Leave these rows out, or fill in their labels: a model cannot learn from them.",
        )


def regression_values(name: str, array: pa.Array) -> Floats:
    """Give the numbers of a regression label as float64, refusing everything else."""
    if not is_numeric(array.type) and not pa.types.is_boolean(array.type):
        example = f", for example {shown(array[0].as_py())}" if len(array) else ""
        raise DataError(
            f"The label '{name}' has the type {array.type}{example}, but regression needs numbers.",
            column=name,
            how="Give a column of numbers, or leave `task` out to predict classes.",
        )
    return read_number(array, name)


def check_range(name: str, values: Floats) -> Floats:
    """Refuse numbers that no float32 holds."""
    if len(values) and np.abs(values).max() > np.finfo(np.float32).max:
        row = int(np.abs(values).argmax())
        raise DataError(
            f"The label '{name}' holds {values[row]} in row {row}, too large for float32.",
            column=name,
            how="Give it in a larger unit, or learn its logarithm.",
        )
    return values


def class_to_json(value: LabelValue) -> LabelValue:
    """Give a class as JSON holds it in every language: large whole numbers as text."""
    if isinstance(value, int) and abs(value) > SAFE_INTEGER:
        return str(value)
    return value


_TASKS = ("auto", "classification", "binary", "multiclass", "regression")
_MAX_CLASSES = 20  # of numbers, unless asked for; text may have more


def _is_label_type(kind: pa.DataType) -> bool:
    return bool(is_numeric(kind) or pa.types.is_string(kind) or pa.types.is_boolean(kind))


def _is_classes(array: pa.Array) -> bool:
    if not is_numeric(array.type):
        return True
    distinct = array.unique()
    if len(distinct) > _MAX_CLASSES:
        return False
    whole = bool((read_number(distinct, "") % 1 == 0).all())
    return whole and (len(distinct) <= 2 or 3 * len(distinct) <= len(array))


def _classes(name: str, array: pa.Array) -> tuple[LabelValue, ...]:
    distinct = array.unique()
    if len(distinct) == 1:
        raise DataError(
            f"The label '{name}' has only one class: {shown(distinct[0].as_py())}.",
            column=name,
            how="Give rows of at least two classes, or name another label.",
        )
    if len(distinct) == len(array) and len(array) > 2:
        raise DataError(
            f"The label '{name}' has {len(distinct)} different values in {len(array)} rows, "
            "so it is neither a class nor a number.",
            column=name,
            how="Name another label; this one looks like an identifier.",
        )
    return tuple(sorted(distinct.to_pylist()))


def _wrong_type(name: str, kind: pa.DataType, wanted: str) -> DataError:
    return DataError(
        f"The label '{name}' has the type {kind}, which is not {wanted}.",
        column=name,
        how="Turn the column into that type, or name another label.",
    )
