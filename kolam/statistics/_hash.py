"""Sixty-four bit hashes of cells and rows, the same in every process and for every split."""

import zlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NULL = np.uint64(0x5851F42D4C957F2D)
NAN = np.uint64(0x14057B7EF767814F)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(keys: np.ndarray) -> np.ndarray:
    """Scatter 64-bit keys, one to one, so that equal bits of two hashes are chance.

    Args:
        keys: uint64, any shape.

    Returns:
        uint64 of the same shape.

    References:
        Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014.
    """
    keys = keys + _GOLDEN
    keys ^= keys >> np.uint64(30)
    keys *= np.uint64(0xBF58476D1CE4E5B9)
    keys ^= keys >> np.uint64(27)
    keys *= np.uint64(0x94D049BB133111EB)
    keys ^= keys >> np.uint64(31)
    return keys


def hash_numbers(values: np.ndarray, residual: np.ndarray | None = None) -> np.ndarray:
    """Hash float64 values; 0 and -0 are one value.

    Args:
        values: float64 ``[n]``.
        residual: What is lost by writing a large integer as float64, int64 ``[n]``.
    """
    keys = (values + 0.0).view(np.uint64)
    return mix(keys if residual is None else keys ^ residual.view(np.uint64) * _GOLDEN)


def hash_strings(strings: pa.Array) -> np.ndarray:
    """Hash UTF-8 strings eight bytes at a time, all strings side by side.

    Args:
        strings: Arrow ``string`` array without nulls.

    Returns:
        uint64 ``[n]``.
    """
    lengths = pc.binary_length(strings).to_numpy(zero_copy_only=False).astype(np.int64)
    hashes = mix(lengths.view(np.uint64))
    _, offsets_buffer, data_buffer = strings.buffers()
    if data_buffer is None or not lengths.any():
        return hashes
    offsets = np.frombuffer(offsets_buffer, np.int32)[strings.offset :][: len(strings)]
    first = int(offsets[0])
    used = np.frombuffer(data_buffer, np.uint8)[first : int(offsets[-1] + lengths[-1])]
    padded = np.concatenate([used, np.zeros(8, np.uint8)])
    words: np.ndarray = np.ndarray(len(used) + 1, np.dtype("<u8"), padded.data, strides=(1,))
    active = np.flatnonzero(lengths)
    position = offsets[active].astype(np.int64) - first
    left = lengths[active]
    while active.size:
        keep = (np.minimum(left, 8) * 8).astype(np.uint64)
        word = words[position] & (np.uint64(0xFFFFFFFFFFFFFFFF) >> (np.uint64(64) - keep))
        hashes[active] = mix(hashes[active] ^ word)
        more = left > 8
        active, position, left = active[more], position[more] + 8, left[more] - 8
    return hashes


def combine_columns(total: np.ndarray, name: str, cells: np.ndarray) -> None:
    """Add the cells of one column to the row hashes, in place; the order of columns is free."""
    salt = np.uint64(zlib.crc32(name.encode()) * 0x9E3779B1 & 0xFFFFFFFFFFFFFFFF)
    total += mix(cells ^ salt)
