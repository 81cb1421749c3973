"""A keyed order of the numbers below `n`, computed where it is asked for."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kolam.data._threads import in_parts

_SORTED_BELOW = 1 << 14  # small orders are sorted by hash: exact for every n, and kept
_ROUNDS = 6
_BLOCK = 1 << 17  # numbers computed and kept: 8 ns each, in chunks of a few thousand 40
_PART = 1 << 15  # of these in one task of a thread: its scratch lies in the cache


@dataclass(frozen=True, slots=True)
class Permutation:
    """An order of 0 ... n-1 that takes no memory: position to number by integer arithmetic.

    The same `n`, `seed` and `epoch` give the same order on every machine. Large orders are a
    Feistel network on the next power of two, walked until the number is below `n`.

    Args:
        n: How many numbers.
        seed: Key of the order, at least 0.
        epoch: A second key; each epoch has its own order.

    Example:
        >>> Permutation(5, seed=1)(np.arange(5)).tolist()
        [1, 0, 4, 3, 2]
    """

    n: int
    seed: int
    epoch: int = 0

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Give the numbers at `positions`, int64 as these."""
        if self.n <= _SORTED_BELOW:
            return _sorted_order(self.n, self.seed, self.epoch)[positions]
        if positions.size:
            low, high = int(positions.min()), int(positions.max())
            if high - low < 4 * positions.size:  # neighbours, as when iterating
                first, last = low // _BLOCK, high // _BLOCK
                blocks = [_block(self, number) for number in range(first, last + 1)]
                table = blocks[0] if first == last else np.concatenate(blocks)
                return table.take(positions - first * _BLOCK)
        return self.scattered(positions)

    def scattered(self, positions: np.ndarray) -> np.ndarray:
        """Give the numbers at positions that are no neighbours."""
        bits = (self.n - 1).bit_length()
        dtype = np.dtype(np.uint32 if bits <= 32 else np.uint64)
        keys = _keys(self.seed, self.epoch)
        numbers = positions.astype(dtype)
        in_parts(lambda a, b: _encrypt(numbers[a:b], bits, keys), len(numbers), _PART)
        outside = np.flatnonzero(numbers >= self.n)
        while outside.size:  # at most half of them, then half of the half, ...
            walked = numbers[outside]
            _encrypt(walked, bits, keys)
            numbers[outside] = walked
            outside = outside[walked >= self.n]
        return numbers.astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class GroupedPermutation:
    """An order of rows that lie in groups, in which neighbours come from few groups.

    The groups are permuted; then the rows of every `window` neighbouring groups are permuted among
    themselves. It takes memory for the sizes alone.

    Args:
        sizes: Rows of each group, shape (groups,).
        window: How many groups are mixed.
        seed: Key of the order, at least 0.
        epoch: A second key.

    Example:
        >>> GroupedPermutation(np.array([2, 2, 2]), window=1, seed=1)(np.arange(6)).tolist()
        [3, 2, 1, 0, 4, 5]
    """

    sizes: np.ndarray
    window: int
    seed: int
    epoch: int = 0

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Give the rows at `positions`, int64 as these."""
        groups = Permutation(len(self.sizes), self.seed, self.epoch)(np.arange(len(self.sizes)))
        ends = np.cumsum(self.sizes[groups])
        firsts = (np.cumsum(self.sizes) - self.sizes)[groups]  # first row of each, in the new order
        window_ends = ends[min(self.window, len(ends)) - 1 :: self.window]
        if window_ends[-1] != ends[-1]:
            window_ends = np.append(window_ends, ends[-1])
        window_starts = np.concatenate([[0], window_ends[:-1]])
        windows = np.searchsorted(window_ends, positions, side="right")
        moved = np.empty_like(positions)
        for window in np.unique(windows):
            here = windows == window
            start, size = window_starts[window], window_ends[window] - window_starts[window]
            # a seed of its own for every window, from the same keys
            seed = _keys(self.seed, self.epoch)[0] ^ int(window)
            inside = Permutation(int(size), seed, self.epoch)(positions[here] - start)
            moved[here] = inside + start
        places = np.searchsorted(ends, moved, side="right")
        return firsts[places] + moved - (ends[places] - self.sizes[groups][places])


def _encrypt(numbers: np.ndarray, bits: int, keys: tuple[int, ...]) -> None:
    """Permute the numbers of `bits` bits in place: a round adds a hash of one half to the other."""
    dtype = numbers.dtype.type
    low_bits = bits // 2
    widths = (low_bits, bits - low_bits)
    factor = dtype(0x9E3779B1 if dtype is np.uint32 else 0x9E3779B97F4A7C15)
    half, largest = dtype(numbers.itemsize * 4), int(np.iinfo(dtype).max)
    halves = [numbers & dtype((1 << low_bits) - 1), numbers >> dtype(low_bits)]
    mixed, shifted = np.empty((2, len(numbers)), dtype)
    for turn, key in enumerate(keys):
        read, changed = turn % 2, (turn + 1) % 2
        np.bitwise_xor(halves[read], dtype(key & largest), out=mixed)
        for _ in range(2):
            np.multiply(mixed, factor, out=mixed)
            np.right_shift(mixed, half, out=shifted)
            np.bitwise_xor(mixed, shifted, out=mixed)
        np.bitwise_and(mixed, dtype((1 << widths[changed]) - 1), out=mixed)
        np.bitwise_xor(halves[changed], mixed, out=halves[changed])
    np.left_shift(halves[1], dtype(low_bits), out=numbers)
    np.bitwise_or(numbers, halves[0], out=numbers)


@lru_cache(maxsize=4)
def _block(order: Permutation, number: int) -> np.ndarray:
    start = number * _BLOCK
    return order.scattered(np.arange(start, min(start + _BLOCK, order.n), dtype=np.int64))


@lru_cache(maxsize=8)
def _sorted_order(n: int, seed: int, epoch: int) -> np.ndarray:
    keys = _splitmix(np.arange(n, dtype=np.uint64) ^ np.uint64(_keys(seed, epoch)[0]))
    return np.argsort(keys, kind="stable").astype(np.int64)


@lru_cache(maxsize=64)
def _keys(seed: int, epoch: int) -> tuple[int, ...]:
    first = _splitmix(np.array([seed], np.uint64))[0]
    second = _splitmix(np.array([epoch], np.uint64) + first)[0]
    return tuple(map(int, _splitmix(second + np.arange(1, _ROUNDS + 1, dtype=np.uint64))))


def _splitmix(numbers: np.ndarray) -> np.ndarray:
    """Hash each of uint64 `numbers` (the finaliser of SplitMix64; Steele et al., OOPSLA 2014)."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def uniform(seed: int, epochs: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Give numbers in [0, 1) that hang on seed, epoch and position alone."""
    numbers = np.empty(len(positions))
    for epoch in np.unique(epochs):
        here = epochs == epoch
        hashed = _splitmix(
            positions[here].astype(np.uint64) ^ np.uint64(_keys(seed, int(epoch))[0])
        )
        numbers[here] = (hashed >> np.uint64(11)) * 2.0**-53
    return numbers
