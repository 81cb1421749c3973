"""Random programs: what LiteRT computes from the file is what XLA computes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax import lax

from kolam.core import TensorSpec
from kolam.graph import trace
from tests.lite.litert import outputs_of

Draw = Callable[[Any], Any]
EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)


def check(function: Callable[..., Any], *arrays: np.ndarray) -> None:
    specs = [TensorSpec(x.shape, x.dtype.name, name=f"x{i}") for i, x in enumerate(arrays)]
    graph = trace(lambda *xs: tuple(jax.tree.leaves(function(*xs))), *specs)
    for found, expected in zip(*outputs_of(graph, list(arrays)), strict=True):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        # pools of LiteRT give the largest finite number for infinity
        ends = np.abs(expected) > 1e38
        np.testing.assert_array_equal(np.abs(found) > 1e38, ends)
        found, expected = np.where(ends, 0, found), np.where(ends, 0, expected)
        # sums of up to some hundred products, in another order
        scale = float(np.max(np.abs(expected), initial=1e-30))
        np.testing.assert_allclose(found, expected, rtol=0, atol=5e-6 * scale)


def draw_array(draw: Draw, *shape: int) -> np.ndarray:
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    return random.standard_normal(shape).astype("f")


@st.composite
def convolutions(draw: Draw) -> tuple[Callable[..., Any], np.ndarray, np.ndarray]:
    rank = draw(st.integers(1, 2))
    few = st.integers(1, 4)
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    depth = draw(st.integers(1, 2))  # channels per group
    channels, outputs = groups * depth, groups * draw(few)
    sizes = [draw(st.integers(3, 9)) for _ in range(rank)]
    window = [draw(few) for _ in range(rank)]
    dilation = [draw(st.sampled_from([1, 1, 2])) for _ in range(rank)]
    gaps = [draw(st.sampled_from([1, 1, 1, 2, 3])) for _ in range(rank)]
    pairs = [(draw(st.integers(-1, 3)), draw(st.integers(-1, 3))) for _ in range(rank)]
    names = ["SAME", "VALID"] if gaps == [1] * rank else []
    padding = draw(st.sampled_from([pairs, *names]))
    lhs = draw(st.permutations(["N", "C", *"HW"[:rank]]))
    rhs = draw(st.permutations(["I", "O", *"HW"[:rank]]))
    out = draw(st.permutations(["N", "C", *"HW"[:rank]]))
    table = {
        **dict(zip("HW", sizes, strict=False)),
        "N": draw(st.integers(1, 2)),
        "C": channels,
    }
    kernel = {**dict(zip("HW", window, strict=False)), "I": depth, "O": outputs}
    strides = [draw(st.integers(1, 3)) for _ in range(rank)]

    def convolve(x: Any, w: Any) -> Any:
        return lax.conv_general_dilated(
            x,
            w,
            strides,
            padding,
            lhs_dilation=gaps,
            rhs_dilation=dilation,
            dimension_numbers=("".join(lhs), "".join(rhs), "".join(out)),
            feature_group_count=groups,
        )

    x = draw_array(draw, *(table[letter] for letter in lhs))
    w = draw_array(draw, *(kernel[letter] for letter in rhs))
    assume(jax.eval_shape(convolve, x, w).size > 0)
    return convolve, x, w


@EXAMPLES
@given(convolutions(), st.booleans())
def test_convolutions_of_any_layout(drawn: Any, weights_are_known: bool) -> None:
    convolve, x, w = drawn
    if weights_are_known:
        check(lambda x: convolve(x, w), x)
    else:
        check(convolve, x, w)


@st.composite
def windows(draw: Draw) -> tuple[Callable[[Any], Any], np.ndarray]:
    shape = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    window = [draw(st.integers(1, min(3, n))) for n in shape]
    strides = [draw(st.integers(1, 3)) for _ in shape]
    padding = draw(
        st.one_of(
            st.sampled_from(["SAME", "VALID"]),
            st.tuples(*(st.tuples(st.integers(0, 2), st.integers(0, 2)) for _ in shape)),
        )
    )
    base = [draw(st.sampled_from([1, 1, 1, 2])) for _ in shape]
    start, reducer = draw(st.sampled_from([(0.0, lax.add), (-np.inf, lax.max), (np.inf, lax.min)]))
    # XLA leaves out the start in padded places, against the specification: there it must be neutral
    if padding == "VALID" and base == [1] * len(base):
        start += draw(st.sampled_from([0.0, 1.5]))

    def pool(x: Any) -> Any:
        return lax.reduce_window(
            x, np.float32(start), reducer, window, strides, padding, base_dilation=base
        )

    x = draw_array(draw, *shape)
    assume(jax.eval_shape(pool, x).size > 0)
    return pool, x


@EXAMPLES
@given(windows())
def test_windows_of_any_shape(drawn: Any) -> None:
    check(*drawn)


@EXAMPLES
@given(st.data())
def test_pictures_of_any_size(data: Any) -> None:
    draw: Draw = data.draw
    x = draw_array(draw, *(draw(st.integers(1, 9)) for _ in range(draw(st.integers(2, 4)))))
    shape = [draw(st.one_of(st.just(n), st.integers(1, 20))) for n in x.shape]
    method = draw(st.sampled_from(["nearest", "bilinear", "cubic"]))
    antialias = draw(st.booleans())
    check(lambda x: jax.image.resize(x, shape, method, antialias=antialias), x)


@EXAMPLES
@given(st.data())
def test_blocks_written_at_known_places(data: Any) -> None:
    draw: Draw = data.draw
    x = draw_array(draw, *draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    index: list[Any] = []
    for size in x.shape:
        start = draw(st.integers(0, size - 1))
        index.append(draw(st.sampled_from([slice(None), start, slice(start, None), size + 3])))
    place = tuple(index[: draw(st.integers(1, len(index)))])
    factor = draw(st.sampled_from([1.0, -2.5]))
    method = draw(st.sampled_from(["set", "add", "multiply", "max", "min"]))

    def write(x: Any) -> Any:
        block = getattr(x.at[place], method)(x.mean())
        return getattr(block.at[place], method)(factor * x.max())

    check(write, x)


@EXAMPLES
@given(st.data())
def test_orders_with_ties(data: Any) -> None:
    draw: Draw = data.draw
    shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    x = np.round(draw_array(draw, *shape) * 2) + 0.0  # no -0: only top_k tells it from 0
    axis = axis_of(draw, x.shape)
    count = draw(st.integers(1, x.shape[-1]))
    order = draw(
        st.sampled_from(
            [
                lambda x: jnp.sort(x, axis),
                lambda x: jnp.sort(x, axis, descending=True),
                lambda x: jnp.argsort(x, axis),
                lambda x: lax.top_k(x, count),
                lambda x: jnp.median(x, axis),
            ]
        )
    )
    check(order, x)


@EXAMPLES
@given(st.data())
def test_loops_that_write_rows(data: Any) -> None:
    draw: Draw = data.draw
    x = draw_array(draw, draw(st.integers(1, 6)), 3)
    steps = draw(st.integers(1, 8))
    places = np.array([draw(st.integers(-1, 6)) for _ in range(steps)])
    row = draw(st.sampled_from([1, 2])) if len(x) > 1 else 1

    def write(k: Any, state: Any) -> Any:
        update = x[:row] * (k + 1) + state[:1]
        return lax.dynamic_update_slice(state, update, (jnp.asarray(places)[k], 0))

    check(lambda x: lax.fori_loop(0, steps, write, x), x)


def test_each_of_three_axes_is_pooled_once() -> None:
    x = np.arange(3 * 5 * 4 * 2, dtype="f").reshape(3, 5, 4, 2) % 7
    strides = (1, 1, 1, 1)
    check(lambda x: lax.reduce_window(x, 0.0, lax.add, (2, 2, 2, 1), strides, "SAME"), x)
    check(lambda x: lax.reduce_window(x, -np.inf, lax.max, (2, 3, 2, 1), strides, "VALID"), x)


@st.composite
def products(draw: Draw) -> tuple[Callable[..., Any], np.ndarray, np.ndarray]:
    letters = "abcdef"
    sizes = {letter: draw(st.integers(1, 4)) for letter in letters}
    batch = draw(st.integers(0, 2))
    inner = draw(st.integers(1, 2))
    shared = list(letters[: batch + inner])
    free = list(letters[batch + inner :])
    cut = draw(st.integers(0, len(free)))
    lhs = draw(st.permutations([*shared, *free[:cut]]))
    rhs = draw(st.permutations([*shared, *free[cut:]]))
    pairs = [
        (tuple(map(lhs.index, group)), tuple(map(rhs.index, group)))
        for group in (shared[batch:], shared[:batch])
    ]

    def multiply(x: Any, y: Any) -> Any:
        return lax.dot_general(x, y, (pairs[0], pairs[1]))

    shapes = [[sizes[letter] for letter in side] for side in (lhs, rhs)]
    return multiply, draw_array(draw, *shapes[0]), draw_array(draw, *shapes[1])


@EXAMPLES
@given(products(), st.sampled_from(["none", "left", "right"]))
def test_products_along_any_axes(drawn: Any, known: str) -> None:
    multiply, x, y = drawn
    if known == "none":
        check(multiply, x, y)
    elif known == "right":
        check(lambda x: multiply(x, y), x)
    else:
        check(lambda y: multiply(x, y), y)


@st.composite
def gathers(draw: Draw) -> tuple[Callable[..., Any], np.ndarray, np.ndarray]:
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    rank = len(shape)
    chosen = draw(st.permutations(range(rank)))[: draw(st.integers(1, rank))]
    blocks = [
        draw(st.integers(1, n)) if axis in chosen or draw(st.booleans()) else n
        for axis, n in enumerate(shape)
    ]
    collapsed = [
        axis for axis in range(rank) if blocks[axis] == 1 and axis in chosen and draw(st.booleans())
    ]
    batch = draw(st.lists(st.integers(1, 3), max_size=2))
    window = rank - len(collapsed)
    places = sorted(draw(st.permutations(range(window + len(batch))))[:window])
    numbers = lax.GatherDimensionNumbers(
        offset_dims=tuple(places),
        collapsed_slice_dims=tuple(collapsed),
        start_index_map=tuple(chosen),
    )
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    indices = random.integers(-2, 6, (*batch, len(chosen))).astype("int32")

    def take(x: Any, indices: Any) -> Any:
        return lax.gather(x, indices, numbers, tuple(blocks), mode="clip")

    return take, draw_array(draw, *shape), indices


@EXAMPLES
@given(gathers(), st.booleans())
def test_gathers_of_any_form(drawn: Any, places_are_known: bool) -> None:
    take, x, indices = drawn
    if places_are_known:
        check(lambda x: take(x, indices), x)
    else:
        check(take, x, indices)


Step = Callable[[Any], Any]
Shape = tuple[int, ...]


def axis_of(draw: Draw, shape: Shape) -> int:
    return draw(st.integers(0, len(shape) - 1))


def constant(draw: Draw, shape: Shape) -> np.ndarray:
    return draw_array(draw, *(draw(st.sampled_from([1, n])) for n in shape))


def on_axis(function: Callable[[Any, int], Any]) -> Callable[[Draw, Shape], Step]:
    def step(draw: Draw, shape: Shape) -> Step:
        axis = axis_of(draw, shape)
        return lambda x: function(x, axis)

    return step


def with_constant(function: Callable[[Any, Any], Any]) -> Callable[[Draw, Shape], Step]:
    def step(draw: Draw, shape: Shape) -> Step:
        other = constant(draw, shape)
        return lambda x: function(x, other)

    return step


def chosen(function: Callable[[Any, Any], Any], *choices: Any) -> Callable[[Draw, Shape], Step]:
    def step(draw: Draw, shape: Shape) -> Step:
        choice = draw(st.sampled_from(choices))
        return lambda x: function(x, choice)

    return step


def permuted(function: Callable[[Any, Any], Any]) -> Callable[[Draw, Shape], Step]:
    def step(draw: Draw, shape: Shape) -> Step:
        order = draw(st.permutations(range(len(shape))))
        return lambda x: function(x, order)

    return step


STEPS: tuple[Callable[[Draw, Shape], Step], ...] = (
    chosen(lambda x, f: f(x), jnp.tanh, jnp.abs, jax.nn.relu, jax.nn.relu6, jax.nn.sigmoid),
    chosen(lambda x, f: f(x), jax.nn.silu, jax.nn.elu, jax.nn.softplus, jax.nn.hard_swish),
    permuted(lambda x, order: x.transpose(order)),
    permuted(lambda x, order: x.reshape([x.shape[k] for k in order])),
    chosen(lambda x, i: jnp.expand_dims(x, i) if x.ndim < 5 else x, 0, -1, 1),
    chosen(lambda x, i: x.reshape((-1, *x.shape[2:])) if x.ndim > 1 else x, 0),
    on_axis(lambda x, i: x + x.mean(i, keepdims=True)),
    on_axis(lambda x, i: x - x.var(i, keepdims=True)),
    on_axis(lambda x, i: jnp.maximum(x, x.max(i, keepdims=True) * 0.5)),
    on_axis(lambda x, i: jnp.minimum(x, x.min(i, keepdims=True) + 1)),
    on_axis(lambda x, i: x * jax.nn.softmax(x, i)),
    on_axis(lambda x, i: jax.nn.log_softmax(x, i)),
    on_axis(lambda x, i: (x * x).sum(i, keepdims=True) + x),
    on_axis(lambda x, i: jnp.cumsum(x, i)),
    on_axis(lambda x, i: jnp.concatenate([x, jnp.flip(x, i)], i)),
    on_axis(lambda x, i: jnp.stack([x, -x], i) if x.ndim < 5 else x),
    on_axis(lambda x, i: jnp.argmax(x, i, keepdims=True).astype("float32") + x),
    on_axis(lambda x, i: jnp.repeat(x, 2, i)),
    on_axis(lambda x, i: sum(jnp.split(x, x.shape[i], i), start=x)),
    with_constant(lambda x, c: x * c),
    with_constant(lambda x, c: x - c),
    with_constant(lambda x, c: c - x),
    with_constant(lambda x, c: jnp.where(c > 0, x, x * x)),
    chosen(lambda x, a: jax.nn.gelu(x, approximate=a), True, False),
    chosen(lambda x, a: jax.nn.leaky_relu(x, a), 0.01, 0.3, 2.0),
    chosen(lambda x, a: x * jnp.float32(a) / 4, 0.5, 4.0, 1.0),
    chosen(lambda x, k: x[..., ::k], 1, 2, -1),
    chosen(lambda x, k: x @ jnp.full((x.shape[-1], k), 0.3), 1, 3),
    chosen(lambda x, k: jnp.broadcast_to(x[None], (k, *x.shape)) if x.ndim < 5 else x, 1, 2),
    chosen(lambda x, k: jnp.pad(x, [(k, 1)] * x.ndim), 0, 1),
)


@st.composite
def chains(draw: Draw) -> tuple[list[Step], np.ndarray]:
    x = draw_array(draw, *draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    shape, steps = x.shape, []
    for make in draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=7)):
        steps.append(make(draw, shape))
        shape = jax.eval_shape(steps[-1], jax.ShapeDtypeStruct(shape, "float32")).shape
        if np.prod(shape) > 2000:
            break
    return steps, x


@settings(max_examples=60, deadline=None, derandomize=True)
@given(chains())
def test_chains_of_operations(drawn: Any) -> None:
    steps, x = drawn

    def program(x: Any) -> Any:
        results = []
        for step in steps:
            x = step(x)
            results.append(x)
        return results[-2:]

    check(program, x)
