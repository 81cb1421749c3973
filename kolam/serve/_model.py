"""One model behind a server: its signature, and how requests become tables or arrays."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from kolam.core import DataError, InvalidArgumentError, TensorSpec, UnknownNameError
from kolam.graph import SavedModel

# how a column of a table travels as a tensor
_DTYPE_OF_READING = {"number": "float64", "text": "string", "boolean": "bool", "date": "string"}
_ARROW_OF_READING = {
    "number": pa.float64(),
    "text": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.string(),
}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can say it, UTF-8 cannot
Values = Sequence[object] | np.ndarray[Any, Any]  # Any: dtype and shape come from the wire


class ServedModel:
    """A saved model with the signature that requests are held to.

    A model with a feature program takes one input per column of its table, each of shape
    ``(batch,)``, and gives ``label`` (batch,) and ``scores`` (batch, n). A missing value is
    ``null`` in JSON, NaN in a tensor of numbers and the empty string in one of text. A model
    without takes and gives the arrays of its ``predict`` graph.

    Args:
        name: Name in the URL.
        version: Version in the URL.
        saved: The model.

    Raises:
        InvalidArgumentError: The model has no ``predict`` graph.
    """

    def __init__(self, name: str, version: str, saved: SavedModel) -> None:
        if "predict" not in saved.graphs:
            raise InvalidArgumentError(
                f"The model {name!r} has no graph 'predict', only {', '.join(saved.graphs)}.",
                how="Save it with SavedModel(graphs={'predict': ...}).",
            )
        self.name = name
        self.version = version
        self._saved = saved
        self._graph = saved.graphs["predict"]
        features = saved.features
        self._readings: dict[str, str] | None = (
            {column.name: column.reads for column in features.columns} if features else None
        )
        self.inputs: tuple[TensorSpec, ...] = self._graph.inputs
        self.outputs: tuple[TensorSpec, ...] = self._graph.outputs
        if self._readings is not None:
            self.inputs = tuple(
                TensorSpec(("batch",), _DTYPE_OF_READING[reading], name)
                for name, reading in self._readings.items()
            )
            labels = self.predict({name: [None] for name in self._readings})["label"]
            self.outputs = (
                TensorSpec(("batch",), _dtype_of(labels), "label"),
                TensorSpec(("batch", *self._graph.outputs[0].shape[1:]), "float32", "scores"),
            )

    def predict(self, inputs: Mapping[str, Values]) -> dict[str, np.ndarray[Any, Any]]:
        """Answer one request.

        Args:
            inputs: Name of each input to its values; columns that are left out are missing.

        Returns:
            Name of each output to its array; text as an array of `str` objects.

        Raises:
            UnknownNameError: There is no input of such a name.
            InvalidArgumentError: An input is missing, or has the wrong type, shape or length.
            DataError: A value cannot be read as what its column holds.
        """
        known = [spec.name or "" for spec in self.inputs]
        for name in inputs:
            if name not in known:
                raise UnknownNameError.among(f"input of model {self.name!r}", name, known)
        if self._readings is None:
            return self._run_graph(inputs)
        table = _table(inputs, self._readings)
        scores = self._saved.predict_scores(table)
        assert self._saved.features is not None
        assert self._saved.features.label is not None
        labels = self._saved.features.label.decode(scores)
        return {"label": _label_array(labels), "scores": np.asarray(scores)}

    def columns_of_rows(self, rows: Iterable[object]) -> dict[str, list[object]]:
        """Turn a list of rows, as TensorFlow Serving's ``instances``, into named columns.

        Raises:
            InvalidArgumentError: A row is not an object with the input's names (or, where there
                is one input only, its value).
        """
        listed = list(rows)
        names = [spec.name or "" for spec in self.inputs]
        if len(names) == 1 and not any(isinstance(row, Mapping) for row in listed):
            return {names[0]: listed}
        for number, row in enumerate(listed):
            if not isinstance(row, Mapping):
                raise InvalidArgumentError(
                    f"Instance {number} is a {type(row).__name__}, not an object.",
                    how=f"Give each instance as an object with {', '.join(names[:8])}.",
                )
        present = dict.fromkeys(key for row in listed if isinstance(row, Mapping) for key in row)
        return {
            name: [row.get(name) for row in listed if isinstance(row, Mapping)] for name in present
        }

    def _run_graph(self, inputs: Mapping[str, Values]) -> dict[str, np.ndarray[Any, Any]]:
        arrays = {}
        for spec in self.inputs:
            name = spec.name or ""
            if name not in inputs:
                raise InvalidArgumentError(
                    f"The input {name!r} is missing.",
                    how=f"Give {name!r} with shape {spec.shape} and dtype {spec.dtype}.",
                )
            try:
                arrays[name] = np.asarray(inputs[name], dtype=spec.dtype)
            except (ValueError, TypeError, OverflowError) as error:
                raise InvalidArgumentError(
                    f"The input {name!r} is no array of {spec.dtype}: {error}.",
                    how=f"Give numbers in shape {spec.shape}.",
                ) from error
        result = self._graph.run(**arrays)
        if not isinstance(result, Mapping):
            result = {self.outputs[0].name or "output": result}
        return {name: np.asarray(value) for name, value in result.items()}


def _table(inputs: Mapping[str, Values], readings: Mapping[str, str]) -> pa.Table:
    lengths = {name: len(values) for name, values in inputs.items()}
    if not lengths:
        raise InvalidArgumentError(
            "The request has no column.", how=f"Give at least one of {', '.join(readings)}."
        )
    if len(set(lengths.values())) > 1:
        raise InvalidArgumentError(
            f"The columns have different lengths: {lengths}.", how="Give one value per row."
        )
    rows = next(iter(lengths.values()))
    if rows == 0:
        raise InvalidArgumentError("The request has no row.", how="Give at least one row.")
    columns = {
        name: _column(name, inputs[name], reading) if name in inputs else pa.nulls(rows, kind)
        for name, reading in readings.items()
        for kind in [_ARROW_OF_READING[reading]]
    }
    return pa.table(columns)


def _column(name: str, values: Values, reading: str) -> pa.Array:
    kind = _ARROW_OF_READING[reading]
    listed = values.reshape(-1).tolist() if isinstance(values, np.ndarray) else list(values)
    cleaned = [_cleaned(value, reading) for value in listed]
    wrong = next((row for row, value in enumerate(cleaned) if not _fits(value, reading)), None)
    if wrong is not None:
        raise DataError(
            f"The value {listed[wrong]!r} in row {wrong} of column {name!r} is no {reading}.",
            column=name,
            how=f"Give a {reading}, or null when it is missing.",
        )
    return pa.array(cleaned, kind)


def _cleaned(value: object, reading: str) -> object:
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if value == "" or value is None:
        return None
    if reading == "number" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number(value)
    if reading == "text" and isinstance(value, (int, float)):
        return str(value)
    return value


def _number(value: float) -> object:
    """Give a number as a float, NaN as missing, and as it is when no float can hold it."""
    try:
        number = float(value)
    except OverflowError:
        return value
    return None if number != number else number


def _fits(value: object, reading: str) -> bool:
    if value is None:
        return True
    if reading == "number":
        return isinstance(value, float)
    if reading == "boolean":
        return isinstance(value, bool)
    return isinstance(value, str) and not _LONE_SURROGATE.search(value)


def _label_array(labels: pa.Array) -> np.ndarray[Any, Any]:
    if pa.types.is_string(labels.type) or pa.types.is_large_string(labels.type):
        return np.array(labels.to_pylist(), dtype=object)
    array: np.ndarray[Any, Any] = labels.to_numpy(zero_copy_only=False)
    return array


def _dtype_of(labels: np.ndarray[Any, Any]) -> str:
    return "string" if labels.dtype == object else labels.dtype.name
