"""Random bits from a state: Threefry and Philox, the same bits as XLA gives.

References:
    Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.
"""

from math import prod

from kolam.lite._frontend.elementwise import bits_of
from kolam.lite._frontend.step import Builder, Step, Translation, Values
from kolam.lite._program import Value

Words = tuple[Value, ...]
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_PHILOX_FACTORS = (0xD2511F53, 0xCD9E8D57)
_PHILOX_STEPS = (0x9E3779B9, 0xBB67AE85)


def threefry(build: Builder, key: Words, counter: Words) -> Words:
    """Mix two words of 32 bits with a key, in twenty rounds."""
    parity = build.apply("xor", build.apply("xor", *key), _PARITY)
    keys = (*key, parity)
    left = build.apply("add", counter[0], keys[0])
    right = build.apply("add", counter[1], keys[1])
    for group in range(5):
        for distance in _ROTATIONS[group % 2]:
            left = build.apply("add", left, right)
            right = build.apply("xor", left, _rotated(build, right, distance))
        left = build.apply("add", left, keys[(group + 1) % 3])
        added = build.apply("add", keys[(group + 2) % 3], group + 1)
        right = build.apply("add", right, added)
    return left, right


def _rotated(build: Builder, word: Value, distance: int) -> Value:
    high = build.apply("shift_left", word, distance)
    return build.apply("or", high, build.apply("shift_right_logical", word, 32 - distance))


def philox(build: Builder, key: Words, counter: Words) -> Words:
    """Mix four words of 32 bits with a key of two, in ten rounds."""
    words = counter
    for _ in range(10):
        (high0, low0), (high1, low1) = (
            _product(build, word, factor)
            for word, factor in zip(words[::2], _PHILOX_FACTORS, strict=True)
        )
        first = build.apply("xor", build.apply("xor", high1, words[1]), key[0])
        third = build.apply("xor", build.apply("xor", high0, words[3]), key[1])
        words = (first, low1, third, low0)
        key = tuple(
            build.apply("add", part, step) for part, step in zip(key, _PHILOX_STEPS, strict=True)
        )
    return words


def _product(build: Builder, word: Value, factor: int) -> Words:
    return _halves(build, build.apply("multiply", build.convert(word, "uint64"), factor))[::-1]


def _halves(build: Builder, value: Value) -> Words:
    """Give the lower and the upper word of 64 bits."""
    high = build.apply("shift_right_logical", value, 32)
    return build.convert(value, "uint32"), build.convert(high, "uint32")


def _joined(build: Builder, low: Value, high: Value) -> Value:
    upper = build.apply("shift_left", build.convert(high, "uint64"), 32)
    return build.apply("or", build.convert(low, "uint64"), upper)


def _bits(step: Step) -> Values:
    (state,), build = step.operands, step.build
    algorithm = str(step.attribute("rng_algorithm", "DEFAULT"))
    dtype, shape = step.types[1]
    words = _state_words(build, state)
    generate = _by_threefry if algorithm == "THREE_FRY" else _by_philox
    found, new = generate(build, words, shape, bits_of(dtype))
    width = bits_of(dtype)
    found = build.convert(found, f"uint{width}")
    return _state(build, state, new), build.bitcast(build.reshape(found, shape), dtype)


def _state_words(build: Builder, state: Value) -> Words:
    """Read the state as scalars of 64 bits."""
    (size,) = state.shape
    parts = [
        build.reshape(
            build.node(
                "slice", (state,), state.dtype, (1,), starts=(i,), limits=(i + 1,), strides=(1,)
            ),
            (),
        )
        for i in range(size)
    ]
    if state.dtype != "uint32":
        return tuple(parts)
    return tuple(
        _joined(build, low, high) for low, high in zip(parts[::2], parts[1::2], strict=True)
    )


def _state(build: Builder, state: Value, words: Words) -> Value:
    if state.dtype == "uint32":
        words = tuple(half for word in words for half in _halves(build, word))
    ones = tuple(build.reshape(word, (1,)) for word in words)
    return build.node("concatenate", ones, state.dtype, state.shape, axis=0)


def _counted(build: Builder, start: Value, size: int) -> Value:
    counter = build.iota("uint64", (size,), 0)
    return build.apply("add", build.broadcast(start, (size,)), counter)


def _spread(build: Builder, words: Words, size: int) -> Words:
    return tuple(build.broadcast(word, (size,)) for word in words)


def _by_threefry(
    build: Builder, words: Words, shape: tuple[int, ...], width: int
) -> tuple[Value, Words]:
    """Every count gives two words: one number of 64 bits, or numbers of both halves of an axis."""
    key, start = words
    half, axis = (shape, 0) if width == 64 else _half(shape)
    size = prod(half)
    left, right = threefry(
        build,
        _spread(build, _halves(build, key), size),
        _halves(build, _counted(build, start, size)),
    )
    new = (key, build.apply("add", start, size))
    if width == 64:
        return _joined(build, left, right), new
    if not shape:
        return left, new
    parts = tuple(
        build.reshape(word, (*half[: axis + 1], 1, *half[axis + 1 :])) for word in (left, right)
    )
    both = (*half[: axis + 1], 2, *half[axis + 1 :])
    pairs = build.node("concatenate", parts, "uint32", both, axis=axis + 1)
    full = tuple(2 * n if i == axis else n for i, n in enumerate(half))
    zeros, ones = (0,) * len(full), (1,) * len(full)
    return build.node(
        "slice",
        (build.reshape(pairs, full),),
        "uint32",
        shape,
        starts=zeros,
        limits=shape,
        strides=ones,
    ), new


def _half(shape: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """Halve the first even axis, else the longest; also give which."""
    if not shape:
        return (1,), 0
    even = [axis for axis, size in enumerate(shape) if size % 2 == 0]
    axis = even[0] if even else shape.index(max(shape))
    return tuple(-(-n // 2) if i == axis else n for i, n in enumerate(shape)), axis


def _by_philox(
    build: Builder, words: Words, shape: tuple[int, ...], width: int
) -> tuple[Value, Words]:
    """Every count gives four words, which lie side by side.

    A state of two words has no upper half of the count: the key stands for it.
    """
    key, low, high = (*words, words[0])[:3]
    size = prod(shape)
    count = -(-size * max(1, width // 32) // 4)
    lower = _counted(build, low, count)
    upper = _carried(build, lower, low, high)
    counter = (*_halves(build, lower), *_halves(build, upper))
    found = philox(build, _spread(build, _halves(build, key), count), counter)
    if width == 64:
        found = _joined(build, *found[:2]), _joined(build, *found[2:])
    columns = tuple(build.reshape(word, (count, 1)) for word in found)
    dtype, wide = columns[0].dtype, len(columns)
    table = build.node("concatenate", columns, dtype, (count, wide), axis=1)
    line = build.reshape(table, (count * wide,))
    bits = build.node("slice", (line,), dtype, (size,), starts=(0,), limits=(size,), strides=(1,))
    new_low = build.apply("add", low, count)
    return bits, (key, new_low, _carried(build, new_low, low, high))[: len(words)]


def _carried(build: Builder, total: Value, low: Value, high: Value) -> Value:
    """Add what adding to the lower word carried over to the upper one."""
    overflows = build.compare(total, "LT", build.broadcast(low, total.shape))
    upper = build.broadcast(high, total.shape)
    return build.apply("add", upper, build.convert(overflows, "uint64"))


RANDOMS: dict[str, Translation] = {
    "stablehlo.rng_bit_generator": Translation(_bits, "u", "Threefry and Philox, bits as in XLA"),
}
