"""Records as TFRecord frames them, and fields as protocol buffers write them."""

import struct

import google_crc32c


def frame_record(content: bytes) -> bytes:
    """Frame a record: its length, the checksum of that, the record, its checksum."""
    length = struct.pack("<Q", len(content))
    parts = (length, masked_crc(length), content, masked_crc(content))
    return b"".join(p if isinstance(p, bytes) else struct.pack("<I", p) for p in parts)


def masked_crc(content: bytes) -> int:
    """Give the checksum as TFRecord stores it: rotated, for data may hold checksums itself."""
    crc: int = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint_field(field: int, value: int) -> bytes:
    """Write a whole number, at least 0, as a field of a message."""
    return _number(field << 3) + _number(value)


def double_field(field: int, value: float) -> bytes:
    """Write a float64 as a field of a message."""
    return _number(field << 3 | 1) + struct.pack("<d", value)


def float_field(field: int, value: float) -> bytes:
    """Write a float32 as a field of a message."""
    return _number(field << 3 | 5) + struct.pack("<f", value)


def bytes_field(field: int, content: bytes) -> bytes:
    """Write a text or a message as a field of a message."""
    return _number(field << 3 | 2) + _number(len(content)) + content


def _number(value: int) -> bytes:
    """Write a whole number, seven bits to a byte, the lowest first."""
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
