"""tf.Example messages: the three kinds of lists that they are made of, read and written.

The wire format is that of Protocol Buffers: a key (field number and kind) before each value. Only
what `Example` needs is here, and fields that are not known are skipped, as the format asks.

    Example   {1: Features}
    Features  {1: repeated entry {1: name, 2: Feature}}
    Feature   {1: BytesList | 2: FloatList | 3: Int64List}, each {1: repeated value}
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kolam.core import DataError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3
_MASK64 = (1 << 64) - 1

# a feature of one example: bytes objects, or an array of float32 or int64
Values = list[bytes] | np.ndarray
# a feature of several: a list of these per example, or an array of shape (examples, values)
Columns = list[list[bytes]] | np.ndarray
# of a feature: the kind of its list, and where in the message its values lie
_Layout = dict[str, tuple[int, list[slice]]]


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """Examples whose features have the same names, kinds and numbers of values.

    Attributes:
        places: Which of the messages they are, shape (examples,).
        features: The features by name.
    """

    places: np.ndarray
    features: dict[str, Columns]


def parse_examples(messages: Sequence[bytes]) -> Iterator[Alike]:
    """Read examples; those that differ in nothing but values are read at once.

    A name that stands twice has its last value; a feature without any list is left out.

    Raises:
        ExampleError: A message is no example.
    """
    lengths = np.array([len(message) for message in messages])
    for length in np.unique(lengths):
        left = np.flatnonzero(lengths == length)
        while len(left):
            layout = _layout(messages[left[0]], int(left[0]))
            alike = left[_are_alike(messages, left, layout)]
            yield Alike(alike, _values(messages, alike, layout))
            left = np.setdiff1d(left, alike, assume_unique=True)


def parse_example(message: bytes) -> dict[str, Values]:
    """Read one example.

    Raises:
        DataError: The bytes are no such message.
    """
    (alike,) = parse_examples([message])
    return {name: values[0] for name, values in alike.features.items()}


class ExampleError(DataError):
    """A message that is no example.

    Args:
        what: What was wrong.
        number: Which of the messages it is.
    """

    def __init__(self, what: str, number: int) -> None:
        super().__init__(f"it is no tf.Example: {what}", how="Check what wrote the file.")
        self.number = number


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


def _layout(message: bytes, number: int) -> _Layout:
    layout: _Layout = {}
    try:
        for field, features in _fields(message, slice(0, len(message))):
            if field == 1:
                for inner, entry in _fields(message, features):
                    if inner == 1:
                        _add_entry(message, entry, layout)
    except (IndexError, UnicodeDecodeError, ValueError) as error:
        raise ExampleError(str(error), number) from error
    return layout


def _add_entry(message: bytes, entry: slice, layout: _Layout) -> None:
    name, feature = "", slice(0, 0)
    for field, content in _fields(message, entry):
        if field == 1:
            name = message[content].decode()
        elif field == 2:
            feature = content
    kind = 0
    pieces: list[slice] = []
    for field, content in _fields(message, feature):
        if field not in (_BYTES_LIST, _FLOAT_LIST, _INT64_LIST):
            continue
        values = [piece for inner, piece in _fields(message, content) if inner == 1]
        # two pieces of one list belong together; of lists of two kinds the last counts
        kind, pieces = field, [*pieces, *values] if field == kind else values
    for piece in pieces:
        _check(message, kind, piece)
    if kind:
        layout[name] = (kind, pieces)


def _check(message: bytes, kind: int, piece: slice) -> None:
    size = piece.stop - piece.start
    if kind == _FLOAT_LIST and size % 4:
        raise ValueError(f"{size} bytes at byte {piece.start} are no fractions")
    if kind == _INT64_LIST and size and message[piece.stop - 1] > 127:
        raise ValueError(f"the last number at byte {piece.start} is cut")


def _are_alike(messages: Sequence[bytes], places: np.ndarray, layout: _Layout) -> np.ndarray:
    """Find the messages of one length that differ from the first only in values."""
    if len(places) == 1:
        return np.ones(1, bool)
    table = _table(messages, places)
    is_frame = np.ones(table.shape[1], bool)
    for _, pieces in layout.values():
        for piece in pieces:
            is_frame[piece] = False
    alike: np.ndarray = (table[:, is_frame] == table[0, is_frame]).all(axis=1)
    for kind, pieces in layout.values():
        for piece in pieces if kind == _INT64_LIST else ():
            if piece.start < piece.stop:  # as many numbers, the last of which ends
                ends = table[:, piece] < 128
                alike &= ends[:, -1] & (ends.sum(axis=1) == ends[0].sum())
    return alike


def _values(messages: Sequence[bytes], places: np.ndarray, layout: _Layout) -> dict[str, Columns]:
    table = _table(messages, places)
    columns: dict[str, Columns] = {}
    for name, (kind, pieces) in layout.items():
        if kind == _BYTES_LIST:
            columns[name] = [[messages[place][piece] for piece in pieces] for place in places]
            continue
        parts = [table[:, piece] for piece in pieces]
        content = np.concatenate(parts, axis=1) if parts else table[:, :0]
        if kind == _FLOAT_LIST:
            columns[name] = np.ascontiguousarray(content).view("<f4")
            continue
        try:
            integers = _read_varints(content.ravel())
        except ValueError as error:
            raise ExampleError(str(error), int(places[0])) from error
        columns[name] = integers.reshape(len(places), integers.size // len(places))
    return columns


def _table(messages: Sequence[bytes], places: np.ndarray) -> np.ndarray:
    content = b"".join([messages[place] for place in places])
    return np.frombuffer(content, np.uint8).reshape(len(places), len(content) // len(places))


def _read_varints(digits: np.ndarray) -> np.ndarray:
    """Read whole numbers of 7 bits per byte, least significant first, a high bit on all but one."""
    if (digits < 128).all():
        return digits.astype(np.int64)
    stops = np.flatnonzero(digits < 128) + 1
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


def _fields(message: bytes, within: slice) -> Iterator[tuple[int, slice]]:
    """Give the number of each field, and where its content lies; of a number, its digits."""
    place, stop = within.start, within.stop
    while place < stop:
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError(f"there is no field 0, at byte {place}")
        start = place
        if kind == _VARINT:
            _, place = _varint(message, place)
        elif kind == _BYTES:
            size, start = _varint(message, place)
            place = start + size
        elif kind in (_FIXED32, _FIXED64):
            place += 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"there is no wire type {kind}, at byte {place}")
        if place > stop:
            raise ValueError(f"the field at byte {start} ends behind what it is in")
        yield number, slice(start, place)


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        digit = message[place]
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
