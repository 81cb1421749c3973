"""tf.Example messages: the three kinds of lists that they are made of, read and written.

The wire format is that of Protocol Buffers: a key (field number and kind) before each value. Only
what `Example` needs is here, and fields that are not known are skipped, as the format asks.

    Example   {1: Features}
    Features  {1: repeated entry {1: name, 2: Feature}}
    Feature   {1: BytesList | 2: FloatList | 3: Int64List}, each {1: repeated value}
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kolam.core import DataError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3
_MASK64 = (1 << 64) - 1

# a feature: bytes objects, or an array of float32 or int64
Values = list[bytes] | np.ndarray


def parse_example(message: bytes) -> dict[str, Values]:
    """Read the features of one example.

    A name that stands twice has its last value; a feature without any list is left out.

    Raises:
        DataError: The bytes are no such message.
    """
    try:
        features: dict[str, Values] = {}
        for field, content in _fields(message):
            if field == 1:
                _read_features(content, features)
    except (IndexError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise DataError(
            f"it is no tf.Example: {error}", how="Check what the file was written with."
        ) from error
    return features


def write_example(features: Mapping[str, Any]) -> bytes:  # Any: whatever NumPy takes
    """Write one example; numbers of any shape become flat lists.

    Fractions are stored as float32 and whole numbers and booleans as int64: `Example` has no
    others. Text is stored as UTF-8.

    Raises:
        DataError: A value is neither number nor text nor bytes, or is too large for int64.
    """
    entries = b"".join(
        _delimited(1, _delimited(1, name.encode()) + _delimited(2, _feature(name, value)))
        for name, value in sorted(features.items())
    )
    return _delimited(1, entries)


def _read_features(message: Any, features: dict[str, Values]) -> None:
    for field, entry in _fields(message):
        if field != 1:
            continue
        name, feature = b"", b""
        for inner, content in _fields(entry):
            if inner == 1:
                name = bytes(content)
            elif inner == 2:
                feature = content
        if (values := _read_feature(feature)) is not None:
            features[name.decode()] = values


def _read_feature(message: Any) -> Values | None:
    values: Values | None = None
    kind = 0
    for field, content in _fields(message):
        if field not in (_BYTES_LIST, _FLOAT_LIST, _INT64_LIST):
            continue
        read = (_read_bytes, _read_floats, _read_integers)[field - 1](content)
        if field == kind and values is not None:  # two pieces of one list belong together
            read = [*values, *read] if field == _BYTES_LIST else np.concatenate([values, read])
        values, kind = read, field
    return values


def _read_bytes(message: Any) -> list[bytes]:
    return [bytes(content) for field, content in _fields(message) if field == 1]


def _read_floats(message: Any) -> np.ndarray:
    parts = [content for field, content in _fields(message) if field == 1]
    return np.frombuffer(b"".join(parts), "<f4")


def _read_integers(message: Any) -> np.ndarray:
    parts: list[np.ndarray] = []
    for field, content in _fields(message):
        if field == 1:
            packed = not isinstance(content, int)
            parts.append(_read_varints(content) if packed else _signed([content]))
    return np.concatenate(parts) if parts else _signed([])


def _signed(values: list[int]) -> np.ndarray:
    return np.array(values, np.uint64).view(np.int64)


def _read_varints(content: Any) -> np.ndarray:
    """Read whole numbers of 7 bits per byte, least significant first, a high bit on all but one."""
    digits = np.frombuffer(content, np.uint8)
    if not len(digits) or (digits < 128).all():
        return digits.astype(np.int64)
    stops = np.flatnonzero(digits < 128) + 1
    if not len(stops) or stops[-1] != len(digits):
        raise ValueError("a number is cut")
    starts = np.concatenate([[0], stops[:-1]])
    lengths = stops - starts
    if lengths.max() > 10:
        raise ValueError("a number has more than 64 bits")
    values = np.zeros(len(stops), np.uint64)
    for place in range(int(lengths.max())):
        has = lengths > place
        digit = digits[starts[has] + place].astype(np.uint64) & np.uint64(127)
        values[has] |= digit << np.uint64(7 * place)
    return values.view(np.int64)


def _fields(message: Any) -> Iterator[tuple[int, Any]]:
    """Give number and content of each field: a view of bytes, or an int."""
    view, place = memoryview(message), 0
    while place < len(view):
        key, place = _varint(view, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(view, place)
            yield number, value
            continue
        if kind == _BYTES:
            size, place = _varint(view, place)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"there is no wire type {kind}, at byte {place}")
        if number == 0:
            raise ValueError(f"there is no field 0, at byte {place}")
        if place + size > len(view):
            raise ValueError(f"a field of {size} bytes at byte {place} ends behind the message")
        yield number, view[place : place + size]
        place += size


def _varint(view: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        digit = view[place]
        place += 1
        value |= (digit & 127) << shift
        if digit < 128:
            return value & _MASK64, place
        shift += 7
        if shift > 63:
            raise ValueError(f"a number has more than 64 bits, at byte {place}")


def _feature(name: str, value: Any) -> bytes:
    if isinstance(value, bytes | str):
        value = [value]
    array = value if isinstance(value, list) else np.asarray(value)
    flat = array if isinstance(array, list) else array.ravel().tolist()
    if flat and all(isinstance(item, bytes | str) for item in flat):
        texts = (item.encode() if isinstance(item, str) else item for item in flat)
        return _delimited(_BYTES_LIST, b"".join(_delimited(1, text) for text in texts))
    numbers = np.asarray(value)
    if numbers.dtype.kind == "f" or numbers.dtype.name == "bfloat16":
        floats = numbers.astype("<f4").ravel()
        return _delimited(_FLOAT_LIST, _delimited(1, floats.tobytes()))
    if numbers.dtype.kind in "iub" and not (numbers > np.iinfo(np.int64).max).any():
        integers = numbers.astype(np.int64).ravel().view(np.uint64).tolist()
        return _delimited(_INT64_LIST, _delimited(1, b"".join(map(_as_varint, integers))))
    raise DataError(
        f"Feature {name!r} is {type(value).__name__} of {numbers.dtype}, which a tf.Example cannot "
        "hold.",
        column=name,
        how="Give numbers that fit float32 or int64, text, bytes, or arrays or lists of one kind.",
    )


def _delimited(field: int, content: bytes) -> bytes:
    return _as_varint(field << 3 | _BYTES) + _as_varint(len(content)) + content


def _as_varint(value: int) -> bytes:
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    digits.append(value)
    return bytes(digits)
