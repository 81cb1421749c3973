"""TensorFlow Serving's REST form: ``instances`` by row, ``inputs`` by column."""

import base64
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException

from kolam.serve._model import ServedModel


def predict(model: ServedModel, body: dict[str, object], max_rows: int) -> dict[str, object]:
    """Answer the body of a ``:predict`` request.

    Args:
        model: The model.
        body: ``{"instances": [...]}``, a row each, or ``{"inputs": {...}}``, a column each.
        max_rows: Rows of one request.

    Returns:
        ``{"predictions": [...]}`` for instances, ``{"outputs": {...}}`` for inputs.

    Raises:
        HTTPException: 400, the body has neither form, or too many rows.
    """
    signature = body.get("signature_name", "serving_default")
    if signature not in ("serving_default", "predict"):
        raise HTTPException(400, f"There is no signature {signature!r}; there is 'predict'.")
    if ("instances" in body) == ("inputs" in body):
        raise HTTPException(400, "Give either 'instances' (rows) or 'inputs' (columns).")
    if "instances" in body:
        rows = _checked_list(body["instances"], "instances", max_rows)
        outputs = model.predict(model.columns_of_rows([_decoded(row) for row in rows]))
        return {"predictions": _rows_of(outputs, len(rows))}
    columns = _decoded(body["inputs"])
    if not isinstance(columns, dict):
        if len(model.inputs) != 1:
            raise HTTPException(400, "'inputs' must be an object with one list per input.")
        columns = {model.inputs[0].name or "": columns}
    listed = {name: _checked_list(value, name, max_rows) for name, value in columns.items()}
    outputs = model.predict(listed)
    if len(outputs) == 1:
        return {"outputs": plain(next(iter(outputs.values())))}
    return {"outputs": {name: plain(value) for name, value in outputs.items()}}


def plain(array: np.ndarray[Any, Any]) -> object:
    """Give an array as JSON values; what is not finite as `null`, which JSON can say."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        values = array.astype(object)
        values[~np.isfinite(array)] = None
        return values.tolist()
    return array.tolist()


def metadata(model: ServedModel) -> dict[str, object]:
    """Describe the model as TensorFlow Serving's ``/metadata`` does."""
    return {
        "model_spec": {"name": model.name, "signature_name": "", "version": model.version},
        "metadata": {
            "signature_def": {
                "signature_def": {
                    "serving_default": {
                        "inputs": {spec.name: _tensor_info(spec) for spec in model.inputs},
                        "outputs": {spec.name: _tensor_info(spec) for spec in model.outputs},
                        "method_name": "tensorflow/serving/predict",
                    }
                }
            }
        },
    }


_DATATYPES = {
    **{"float32": "DT_FLOAT", "float64": "DT_DOUBLE", "string": "DT_STRING", "bool": "DT_BOOL"},
    **{"float16": "DT_HALF", "bfloat16": "DT_BFLOAT16"},
}


def _tensor_info(spec: Any) -> dict[str, object]:  # Any: TensorSpec; mypy sees it through graph
    sizes = [
        {"size": str(size if isinstance(size, int) else -1), "name": ""} for size in spec.shape
    ]
    return {
        "dtype": _DATATYPES.get(spec.dtype, f"DT_{spec.dtype.upper()}"),
        "tensor_shape": {"dim": sizes, "unknown_rank": False},
        "name": spec.name,
    }


def _checked_list(value: object, name: str, max_rows: int) -> list[object]:
    if not isinstance(value, list):
        raise HTTPException(400, f"{name!r} must be a list, one item a row.")
    if len(value) > max_rows:
        raise HTTPException(413, f"{name!r} has {len(value)} rows; at most {max_rows} are taken.")
    if not value:
        raise HTTPException(400, f"{name!r} is empty.")
    return value


def _decoded(value: object) -> Any:  # Any: the JSON value with its bytes in place
    """Replace every ``{"b64": text}`` by its bytes."""
    if isinstance(value, dict):
        if set(value) == {"b64"}:
            try:
                return base64.b64decode(str(value["b64"]), validate=True)
            except ValueError as error:
                raise HTTPException(400, f"A 'b64' value is not base64: {error}.") from error
        return {key: _decoded(item) for key, item in value.items()}
    return [_decoded(item) for item in value] if isinstance(value, list) else value


def _rows_of(outputs: dict[str, np.ndarray[Any, Any]], rows: int) -> list[object]:
    columns = {name: plain(array) for name, array in outputs.items()}
    for name, column in columns.items():
        if not isinstance(column, list) or len(column) != rows:
            raise HTTPException(
                400, f"The output {name!r} is not one item a row; ask with 'inputs' instead."
            )
    if len(columns) == 1:
        only = next(iter(columns.values()))
        assert isinstance(only, list)
        return only
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
