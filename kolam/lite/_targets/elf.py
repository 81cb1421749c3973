"""Sizes in ELF files, as far as a linker writes them."""

import struct
from dataclasses import dataclass

_BITS, _NO_BITS = 1, 8
_WRITE, _LOADED = 1, 2


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a program takes.

    Attributes:
        stored: Bytes of code, constants and first values: what a flash holds.
        memory: Bytes that change: what lies in RAM.
    """

    stored: int
    memory: int


def elf_sizes(library: bytes) -> Sizes:
    """Add up the loaded sections of an ELF file, of 32 or 64 bits, little endian."""
    if library[:6] not in (b"\x7fELF\x01\x01", b"\x7fELF\x02\x01"):
        return Sizes(len(library), 0)  # of another system: nothing is known but its length
    wide = library[4] == 2
    (start,) = struct.unpack_from("<Q" if wide else "<I", library, 0x28 if wide else 0x20)
    size, count = struct.unpack_from("<HH", library, 0x3A if wide else 0x2E)
    stored = memory = 0
    for number in range(count):
        place = start + number * size + 4
        kind, flags, _, _, length = struct.unpack_from("<IQQQQ" if wide else "<5I", library, place)
        if flags & _LOADED:
            stored += length if kind == _BITS else 0
            memory += length if kind in (_BITS, _NO_BITS) and flags & _WRITE else 0
    return Sizes(stored, memory)
