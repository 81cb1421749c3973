"""A keyed order of the numbers below `n`, computed where it is asked for."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kolam.data._threads import in_parts

_SORTED_BELOW = 1 << 14  # small orders are sorted by hash: exact for every n, and kept
_ROUNDS = 6
_BLOCK = 1 << 17  # numbers computed and kept: 7 ns each, in chunks of a few thousand 40
_PART = 1 << 16  # of these at a time in each thread: what it works on lies in the cache


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
        low_bits, _, dtype = self._form
        low = (positions & ((1 << low_bits) - 1)).astype(dtype)
        high = (positions >> low_bits).astype(dtype)
        return self._walked(self._encrypted(low, high)).astype(np.int64)

    def neighbours(self, start: int, stop: int) -> np.ndarray:
        """Give the numbers at positions from `start`, a multiple of 65536, up to `stop`."""
        low_bits, _, dtype = self._form
        numbers = np.empty(stop - start, np.int64)

        def encrypt(first: int, end: int) -> None:
            # positions are a grid of high and low bits: no half is repeated before it must be
            high, low = divmod(start + first, 1 << low_bits)
            lows = np.arange(low, low + min(_PART, 1 << low_bits), dtype=dtype)
            highs = np.arange(high, high + max(1, _PART >> low_bits), dtype=dtype)
            found = self._encrypted(lows, highs[:, None]).reshape(-1)
            numbers[first:end] = self._walked(found[: end - first])

        in_parts(encrypt, len(numbers), _PART)
        return numbers

    def _walked(self, numbers: np.ndarray) -> np.ndarray:
        """Encrypt again what is not below n, until it is."""
        low_bits, _, dtype = self._form
        outside = np.flatnonzero(numbers >= self.n)
        while outside.size:  # at most half of them, then half of the half, ...
            walked = numbers[outside]
            mask = dtype.type((1 << low_bits) - 1)
            walked = self._encrypted(walked & mask, walked >> dtype.type(low_bits))
            numbers[outside] = walked
            outside = outside[walked >= self.n]
        return numbers

    def _encrypted(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Permute the numbers of two halves: a round adds a hash of one half to the other."""
        low_bits, high_bits, dtype = self._form
        for turn, key in enumerate(_keys(self.seed, self.epoch)):
            if turn % 2:
                low = low ^ _hashed(high, key, low_bits)
            else:
                high = high ^ _hashed(low, key, high_bits)
        return (high << dtype.type(low_bits)) | low

    @property
    def _form(self) -> tuple[int, int, np.dtype]:
        """Bits of the two halves of a number, and the dtype of both."""
        bits = (self.n - 1).bit_length()
        return bits // 2, bits - bits // 2, np.dtype(np.uint32 if bits <= 32 else np.uint64)


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


def _hashed(half: np.ndarray, key: int, bits: int) -> np.ndarray:
    """Hash each of `half` to a number of `bits` bits."""
    dtype = half.dtype.type
    factor = dtype(0x9E3779B1 if dtype is np.uint32 else 0x9E3779B97F4A7C15)
    shift, largest = dtype(half.itemsize * 4), int(np.iinfo(dtype).max)
    mixed = half ^ dtype(key & largest)
    for _ in range(2):
        mixed *= factor
        mixed ^= mixed >> shift
    mixed &= dtype((1 << bits) - 1)
    return mixed


@lru_cache(maxsize=4)
def _block(order: Permutation, number: int) -> np.ndarray:
    return order.neighbours(number * _BLOCK, min((number + 1) * _BLOCK, order.n))


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
