"""Checksums and fields are those that other programs read."""

import pytest

from kolam.core import bytes_field, float_field, frame_record, masked_crc, varint_field

# the examples of RFC 3720, B.4, and the usual check value
CHECKSUMS = [
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (b"123456789", 0xE3069283),
]


@pytest.mark.parametrize(("content", "crc"), CHECKSUMS)
def test_the_checksum_is_castagnolis_rotated_by_fifteen_bits(content: bytes, crc: int) -> None:
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    assert masked_crc(content) == (rotated + 0xA282EAD8) % 2**32


def test_a_record_is_framed_by_its_length_and_two_checksums() -> None:
    framed = frame_record(b"abc")
    assert framed[:8] == (3).to_bytes(8, "little")
    assert framed[12:15] == b"abc"
    assert int.from_bytes(framed[15:], "little") == masked_crc(b"abc")


def test_fields_are_those_of_protocol_buffers() -> None:
    assert varint_field(1, 300) == bytes([0x08, 0xAC, 0x02])
    assert bytes_field(2, b"hi") == b"\x12\x02hi"
    assert float_field(2, 1.0) == b"\x15\x00\x00\x80\x3f"
