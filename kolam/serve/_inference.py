"""The Open Inference Protocol, version 2: tensors as JSON or as raw little-endian bytes."""

import json
import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException

from kolam.core import TensorSpec
from kolam.serve._limits import parse_json
from kolam.serve._model import ServedModel
from kolam.serve._rest import plain

_DATATYPES = {
    "bool": "BOOL",
    **{
        f"{kind}{bits}": f"{kind.upper()}{bits}"
        for kind in ("int", "uint")
        for bits in (8, 16, 32, 64)
    },
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "string": "BYTES",
}
_DTYPES = {datatype: dtype for dtype, datatype in _DATATYPES.items()}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: the JSON part, then raw tensors.

    Attributes:
        content: The body.
        json_bytes: Length of the JSON part when raw tensors follow, else `None`.
    """

    content: bytes
    json_bytes: int | None


def describe(model: ServedModel, versions: list[str]) -> dict[str, object]:
    """Give a model's metadata."""
    return {
        "name": model.name,
        "versions": versions,
        "platform": "kolam",
        "inputs": [_described(spec) for spec in model.inputs],
        "outputs": [_described(spec) for spec in model.outputs],
    }


def infer(model: ServedModel, body: bytes, json_bytes: int | None, max_rows: int) -> Answer:
    """Answer an inference request.

    Args:
        model: The model.
        body: JSON, followed by the raw tensors.
        json_bytes: Length of the JSON part, `None` when it is all.
        max_rows: Rows of one request.

    Raises:
        HTTPException: 400, the request is not of the protocol or does not fit the model.
    """
    if json_bytes is not None and not 0 <= json_bytes <= len(body):
        raise HTTPException(400, f"Inference-Header-Content-Length {json_bytes} is not right.")
    request = parse_json(body if json_bytes is None else body[:json_bytes])
    raw = b"" if json_bytes is None else body[json_bytes:]
    outputs = model.predict(_read_inputs(model, request, raw, max_rows))
    wanted, binary = _wanted_outputs(request, list(outputs))
    return _write(model, request.get("id"), {name: outputs[name] for name in wanted}, binary)


def _described(spec: TensorSpec) -> dict[str, object]:
    return {
        "name": spec.name,
        "datatype": _DATATYPES[spec.dtype],
        "shape": [size if isinstance(size, int) else -1 for size in spec.shape],
    }


def _read_inputs(
    model: ServedModel, request: dict[str, object], raw: bytes, max_rows: int
) -> dict[str, np.ndarray[Any, Any]]:
    listed = request.get("inputs")
    if not isinstance(listed, list) or not listed:
        raise HTTPException(400, "'inputs' must be a list of tensors.")
    known = {spec.name: spec for spec in model.inputs}
    arrays = {}
    for tensor in listed:
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise HTTPException(400, "Each input must be an object with a 'name'.")
        if tensor["name"] in arrays:
            raise HTTPException(400, f"The input {tensor['name']!r} is there twice.")
        array, raw = _read_tensor(tensor, raw)
        if array.ndim and len(array) > max_rows:
            raise HTTPException(413, f"At most {max_rows} rows are taken at once.")
        arrays[tensor["name"]] = _fitted(array, known.get(tensor["name"]))
    if raw:
        raise HTTPException(400, f"{len(raw)} bytes follow the last tensor.")
    return arrays


def _fitted(array: np.ndarray[Any, Any], spec: TensorSpec | None) -> np.ndarray[Any, Any]:
    """Bring an array to the rank of the signature: columns may come as (n, 1)."""
    if spec is not None and len(spec.shape) == 1 and array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if spec is not None and array.ndim != len(spec.shape):
        raise HTTPException(
            400, f"The input {spec.name!r} has shape {array.shape}, expected {spec.shape}."
        )
    return array


def _read_tensor(
    tensor: dict[str, Any],  # Any: JSON
    raw: bytes,
) -> tuple[np.ndarray[Any, Any], bytes]:
    name, shape, datatype = tensor["name"], tensor.get("shape"), tensor.get("datatype")
    if not isinstance(datatype, str) or datatype not in _DTYPES:
        raise HTTPException(
            400, f"The datatype {datatype!r} of {name!r} is none of {', '.join(_DTYPES)}."
        )
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise HTTPException(400, f"The shape of {name!r} must be a list of whole numbers.")
    dtype = _DTYPES[datatype]
    size = _parameters(tensor).get("binary_data_size")
    if size is None:
        values = _from_json(name, tensor.get("data"), dtype)
        rest = raw
    else:
        if type(size) is not int or not 0 <= size <= len(raw):
            raise HTTPException(400, f"The binary_data_size of {name!r} is not in the body.")
        values, rest = _from_bytes(name, raw[:size], dtype), raw[size:]
    if values.size != math.prod(shape):
        raise HTTPException(
            400, f"The input {name!r} has {values.size} values, its shape {shape} needs others."
        )
    return values.reshape(shape), rest


def _from_json(name: str, data: object, dtype: str) -> np.ndarray[Any, Any]:
    if not isinstance(data, list):
        raise HTTPException(400, f"The input {name!r} has neither 'data' nor binary data.")
    flat = list(_flattened(data))
    if dtype == "string":
        return np.array(flat, dtype=object)
    if not all(value is None or isinstance(value, (int, float)) for value in flat):
        raise HTTPException(400, f"The input {name!r} has a value that is no {dtype}.")
    if dtype.startswith("float"):
        flat = [math.nan if value is None else value for value in flat]
    try:
        return np.array(flat, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise HTTPException(400, f"The input {name!r} is no {dtype}: {error}.") from error


def _flattened(data: list[Any]) -> Any:  # Any: nested JSON lists
    for item in data:
        if isinstance(item, list):
            yield from _flattened(item)
        else:
            yield item


def _from_bytes(name: str, raw: bytes, dtype: str) -> np.ndarray[Any, Any]:
    if dtype != "string":
        kind = np.dtype(dtype).newbyteorder("<")
        if len(raw) % kind.itemsize:
            raise HTTPException(400, f"The bytes of {name!r} are no whole number of {dtype}.")
        return np.frombuffer(raw, kind).astype(dtype)
    texts: list[object] = []
    at = 0
    while at < len(raw):
        if at + 4 > len(raw):
            raise HTTPException(400, f"The bytes of {name!r} end inside a length.")
        (length,) = struct.unpack_from("<I", raw, at)
        if at + 4 + length > len(raw):
            raise HTTPException(400, f"The bytes of {name!r} end inside a text.")
        texts.append(raw[at + 4 : at + 4 + length])
        at += 4 + length
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


def _wanted_outputs(request: dict[str, object], known: list[str]) -> tuple[list[str], set[str]]:
    """Give the names of the outputs that are asked for, and of those that come as bytes."""
    every = _parameters(request).get("binary_data_output") is True
    listed = request.get("outputs")
    if not listed:
        return known, set(known) if every else set()
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise HTTPException(400, "'outputs' must be a list of objects with a 'name'.")
    wanted, binary = [], set()
    for item in listed:
        name = item.get("name")
        if name not in known:
            raise HTTPException(400, f"There is no output {name!r}; there are {', '.join(known)}.")
        wanted.append(name)
        if _parameters(item).get("binary_data", every):
            binary.add(name)
    return wanted, binary


def _parameters(record: dict[str, Any]) -> dict[str, object]:  # Any: JSON
    """Give the parameters of a request, an input or an output."""
    found = record.get("parameters")
    if found is not None and not isinstance(found, dict):
        raise HTTPException(400, "'parameters' must be an object.")
    return found or {}


def _write(
    model: ServedModel,
    request_id: object,
    outputs: dict[str, np.ndarray[Any, Any]],
    binary: set[str],
) -> Answer:
    described, blobs = [], []
    for name, array in outputs.items():
        dtype = "string" if array.dtype == object else array.dtype.name
        record: dict[str, object] = {
            "name": name,
            "datatype": _DATATYPES[dtype],
            "shape": list(array.shape),
        }
        if name in binary:
            blob = _to_bytes(array)
            record["parameters"] = {"binary_data_size": len(blob)}
            blobs.append(blob)
        else:
            record["data"] = plain(array.reshape(-1))
        described.append(record)
    response: dict[str, object] = {
        "model_name": model.name,
        "model_version": model.version,
        "outputs": described,
    }
    if isinstance(request_id, str):
        response["id"] = request_id
    text = json.dumps(response, allow_nan=False).encode()
    return Answer(b"".join([text, *blobs]), len(text) if blobs else None)


def _to_bytes(array: np.ndarray[Any, Any]) -> bytes:
    if array.dtype != object:
        return array.astype(array.dtype.newbyteorder("<")).tobytes()
    texts = [str(value).encode() for value in array.reshape(-1)]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)
