from functools import partial

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import kolam as kl
from kolam.core import InvalidArgumentError
from kolam.graph import lower

SIZES = st.integers(1, 4)


def _random(shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def _programs(text, name):
    return text.count(f"{name}[")


@st.composite
def products(draw):
    batch = draw(st.lists(SIZES, max_size=2))
    contracting = draw(st.lists(SIZES, max_size=2))
    free = [draw(st.lists(SIZES, max_size=2)) for _ in range(2)]
    operands, axes = [], []
    for own in free:
        kinds = [("b", i) for i in range(len(batch))] + [("c", i) for i in range(len(contracting))]
        kinds += [("f", i) for i in range(len(own))]
        order = draw(st.permutations(kinds))
        sizes = {"b": batch, "c": contracting, "f": own}
        operands.append(tuple(sizes[kind][i] for kind, i in order))
        axes.append({pair: place for place, pair in enumerate(order)})
    numbers = tuple(
        tuple(tuple(axes[side][kind, i] for i in range(len(sizes))) for side in range(2))
        for kind, sizes in (("c", contracting), ("b", batch))
    )
    return operands, numbers


@settings(max_examples=25, deadline=None)
@given(products(), st.sampled_from([np.float32, np.int32]))
def test_a_product_is_the_same_in_exact_mode(case, dtype):
    (left, right), numbers = case
    x, y = _random(left, 1).astype(dtype), _random(right, 2).astype(dtype)
    fn = partial(jax.lax.dot_general, dimension_numbers=numbers)
    expected = jax.jit(fn)(x, y)
    found = jax.jit(lower(fn, mode="exact"))(x, y)
    # of small numbers: products of another shape may be summed by another kernel of XLA
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)
    assert found.dtype == expected.dtype


def test_products_of_a_dense_layer_have_rank_two_after_differentiation():
    x, w = _random((3, 5, 4)), _random((4, 6))
    text = str(jax.make_jaxpr(lower(jax.grad(lambda w: ((x @ w) ** 2).sum())))(w))
    assert "([0, 1], [0, 1])" not in text
    assert _programs(text, "dot_general") == 2


def test_gradients_of_a_dense_layer_keep_their_bits():
    x, w = jnp.asarray(_random((8, 16, 32))), jnp.asarray(_random((32, 64), 1))
    fn = jax.grad(lambda w, x: (jax.nn.gelu(x @ w) ** 2).sum(), (0, 1))
    plain, ours = jax.jit(fn)(w, x), jax.jit(lower(fn, mode="exact"))(w, x)
    for a, b in zip(plain, ours, strict=True):
        np.testing.assert_array_equal(a, b)


@st.composite
def convolutions(draw):
    spatial = draw(st.integers(1, 3))
    groups, batch_groups = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (3, 1), (1, 2)]))
    image = [draw(st.integers(1, 6)) for _ in range(spatial)]
    window = [draw(st.integers(1, 3)) for _ in range(spatial)]
    numbers = [draw(st.permutations(range(spatial + 2))) for _ in range(3)]
    options = {
        "window_strides": [draw(st.integers(1, 2)) for _ in range(spatial)],
        "padding": [(draw(st.integers(-1, 2)), draw(st.integers(0, 2))) for _ in range(spatial)],
        "lhs_dilation": [draw(st.integers(1, 2)) for _ in range(spatial)],
        "rhs_dilation": [draw(st.integers(1, 2)) for _ in range(spatial)],
        "feature_group_count": groups,
        "batch_group_count": batch_groups,
    }
    features = groups * draw(st.integers(1, 3))
    per_group = groups * batch_groups * draw(st.integers(1, 3))
    sizes = [
        (batch_groups * draw(SIZES), features, *image),
        (per_group, features // groups, *window),
    ]
    shapes = []
    for size, order in zip(sizes, numbers, strict=False):
        shape = [0] * len(size)
        for value, axis in zip(size, order, strict=True):
            shape[axis] = value
        shapes.append(tuple(shape))
    options["dimension_numbers"] = jax.lax.ConvDimensionNumbers(*map(tuple, numbers))
    reach = [
        (n - 1) * dilation + 1 + low + high - ((k - 1) * gap + 1)
        for n, dilation, (low, high), k, gap in zip(
            image,
            options["lhs_dilation"],
            options["padding"],
            window,
            options["rhs_dilation"],
            strict=True,
        )
    ]
    return shapes, options, min(reach) >= 0


@settings(max_examples=15, deadline=None)
@given(case=convolutions(), mode=st.sampled_from(["exact", "fast", "fast"]))
def test_a_convolution_and_its_gradients_are_those_of_xla(case, mode):
    (image, kernel), options, is_valid = case
    if not is_valid:
        return
    x, w = jnp.asarray(_random(image, 1)), jnp.asarray(_random(kernel, 2))

    def fn(x, w):
        y, pull = jax.vjp(partial(jax.lax.conv_general_dilated, **options), x, w)
        return y, pull(jnp.cos(y))

    for a, b in zip(
        jax.tree.leaves(jax.jit(fn)(x, w)),
        jax.tree.leaves(jax.jit(lower(fn, mode=mode))(x, w)),
        strict=True,
    ):
        # at most 3 * 3 * 3 * 3 products or 6 ** 3 places of a sum of numbers around 1
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def _recurrence(w, x):
    def step(carry, row):
        h = jnp.tanh(row + carry @ w)
        return h, h * 2

    h, ys = jax.lax.scan(step, jnp.zeros(x.shape[1:]), x)
    return (h**2).sum() + (ys**3).sum()


def test_the_sum_of_a_recurrent_weights_gradient_leaves_the_loop():
    w, x = jnp.asarray(_random((8, 8)) / 4), jnp.asarray(_random((12, 4, 8), 1))
    grad = jax.grad(_recurrence, (0, 1))
    for a, b in zip(grad(w, x), jax.jit(lower(grad))(w, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    scans = [
        equation
        for equation in _all_equations(jax.make_jaxpr(lower(grad))(w, x).jaxpr)
        if equation.primitive.name == "scan"
    ]
    assert all((8, 8) not in _carried(scan) for scan in scans)


def _all_equations(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            yield from _all_equations(inner)


def _carried(scan):
    first = scan.params["num_consts"]
    return [var.aval.shape for var in scan.invars[first : first + scan.params["num_carry"]]]


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_a_loop_with_sums_of_every_kind_keeps_its_meaning(data):
    length, n = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    reverse = data.draw(st.booleans())
    terms = data.draw(
        st.lists(st.sampled_from(["product", "sum", "values", "twice", "used"]), max_size=4)
    )
    x = jnp.asarray(_random((length, n, n)))

    def step(carry, row):
        h, totals = carry
        h = jnp.sin(h + row)
        made = {
            "product": lambda t: t + (row.T @ h).T,
            "sum": lambda t: t + h.sum(0),
            "values": lambda t: h + t,
            "twice": lambda t: t + t @ h,
            "used": lambda t: t + h @ row,
        }
        new = [made[kind](total) for kind, total in zip(terms, totals, strict=True)]
        return (h, new), [new[i] if kind == "used" else h for i, kind in enumerate(terms)]

    def fn(x):
        start = [jnp.ones((n,) if kind == "sum" else (n, n)) for kind in terms]
        return jax.lax.scan(step, (x[0], start), x, reverse=reverse)

    for a, b in zip(jax.tree.leaves(fn(x)), jax.tree.leaves(jax.jit(lower(fn))(x)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_what_was_lowered_can_be_differentiated_and_vectorised():
    w, x = _random((4, 4)), _random((6, 2, 4), 1)
    ours = lower(_recurrence)
    np.testing.assert_allclose(
        jax.grad(ours)(w, x), jax.grad(_recurrence)(w, x), rtol=1e-5, atol=1e-5
    )
    many = jnp.stack([x, x + 1])
    np.testing.assert_allclose(
        jax.vmap(ours, (None, 0))(w, many),
        jax.vmap(_recurrence, (None, 0))(w, many),
        rtol=1e-5,
    )


def test_branches_and_loops_are_rewritten_inside():
    x = jnp.asarray(_random((2, 3, 4, 5)))

    def product(x):
        return jnp.einsum("abij,abkj->abik", x, x)

    def fn(x, n):
        def body(i, total):
            return total + jax.lax.cond(i > 1, product, lambda x: -product(x), x)

        return jax.lax.fori_loop(0, n, body, jnp.zeros((2, 3, 4, 4)))

    np.testing.assert_allclose(jax.jit(lower(fn))(x, 4), fn(x, 4), rtol=1e-5, atol=1e-5)
    assert "([3], [3]), ([0, 1], [0, 1])" not in str(jax.make_jaxpr(lower(fn))(x, 4))


def test_a_program_without_products_is_left_as_it_is():
    closed = jax.make_jaxpr(lower(lambda x: jnp.sin(x) + 1))(1.0)
    assert [equation.primitive.name for equation in closed.eqns] == ["jit"]


def test_a_function_takes_its_lowering_as_an_option():
    x = jnp.asarray(_random((2, 3, 4)))
    fast = kl.function(lambda x: jnp.einsum("bij,bkj->ik", x, x))
    off = kl.function(lowering="off")(lambda x: jnp.einsum("bij,bkj->ik", x, x))
    np.testing.assert_allclose(fast(x), off(x), rtol=1e-6)


def test_an_unknown_lowering_is_refused_with_the_choices():
    with pytest.raises(InvalidArgumentError, match="'fast', 'exact', 'off'"):
        kl.function(lowering="quick")(jnp.sin)
    with pytest.raises(InvalidArgumentError, match="'quick'"):
        lower(jnp.sin, mode="quick")


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_pooling_and_its_gradients_are_those_of_xla(data):
    spatial = data.draw(st.integers(1, 2))
    kind = data.draw(st.sampled_from(["max", "sum"]))
    first = data.draw(st.booleans())  # channels first
    window = [data.draw(st.integers(1, 3)) for _ in range(spatial)]
    strides = [data.draw(st.integers(1, 3)) for _ in range(spatial)]
    padding = [(data.draw(st.integers(0, 1)), data.draw(st.integers(0, 1))) for _ in window]
    image = [data.draw(st.integers(3, 7)) for _ in range(spatial)]
    shape, ones, none = ((2, 3, *image), (1, 1), [(0, 0), (0, 0)])
    sizes = [(*ones, *window), (*ones, *strides), [*none, *padding]]
    if not first:
        shape = (2, *image, 3)
        sizes = [(1, *window, 1), (1, *strides, 1), [(0, 0), *padding, (0, 0)]]
    x = jnp.asarray(np.random.default_rng(0).integers(-3, 4, shape), jnp.float32)
    start, join = (-jnp.inf, jax.lax.max) if kind == "max" else (0.0, jax.lax.add)

    def fn(x):
        y, pull = jax.vjp(lambda x: jax.lax.reduce_window(x, start, join, *sizes), x)
        return y, pull(jnp.cos(y) + 1)

    for a, b in zip(jax.jit(fn)(x), jax.jit(lower(fn))(x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def _convolved(w, x):
    inside = jax.checkpoint(
        lambda w, x: jnp.tanh(
            jax.lax.conv_general_dilated(
                x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        )
    )
    return (inside(w, x) ** 2).sum()


@pytest.mark.parametrize(
    "transform",
    [
        lambda fn: jax.grad(fn),
        lambda fn: jax.jit(jax.grad(fn)),
        lambda fn: jax.hessian(fn),
        lambda fn: lambda w, x: jax.vmap(fn, (None, 0))(w, x[:, None]),
        lambda fn: lambda w, x: jax.jvp(fn, (w, x), (w, x)),
        lambda fn: jax.jit(lambda w, x: jax.lax.cond(w.sum() > 0, fn, lambda w, x: 0.0, w, x)),
    ],
    ids=["grad", "jit of grad", "hessian", "vmap", "jvp", "cond"],
)
def test_a_function_with_kernels_goes_through_every_transformation(transform):
    w, x = jnp.asarray(_random((3, 3, 2, 2))), jnp.asarray(_random((2, 4, 4, 2), 1))
    expected = transform(_convolved)(w, x)
    for ours in (kl.function(_convolved), lower(_convolved)):
        for a, b in zip(
            jax.tree.leaves(transform(ours)(w, x)), jax.tree.leaves(expected), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("spatial", [0, 4])
def test_convolutions_with_no_or_many_axes_are_left_to_xla(spatial):
    x, w = _random((256, 64, *(3,) * spatial)), _random((64, 64, *(2,) * spatial), 1)

    def fn(x, w):
        return jax.lax.conv_general_dilated(x[: 256 >> 2 * spatial], w, (1,) * spatial, "VALID")

    np.testing.assert_allclose(jax.jit(lower(fn))(x, w), jax.jit(fn)(x, w), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: jnp.exp(x) * 2,
        lambda x: jax.lax.conv(
            x.reshape(8, 8, 16, 16), x.reshape(64, 8, 8, 4)[:8, :, :3, :3], (1, 1), "SAME"
        ),
        lambda x: jnp.matmul(x.reshape(16, 8, 128), x.reshape(16, 128, 8)),
        lambda x: jax.lax.reduce_window(
            x[None, ..., None], -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME"
        ),
    ],
    ids=["rows", "convolution", "products", "pooling"],
)
def test_weak_types_stay_weak(fn):
    def spread(number):
        return jax.tree.leaves(fn(jnp.broadcast_to(number, (128, 128))))

    for one, other in zip(jax.jit(lower(spread))(1.0), jax.jit(spread)(1.0), strict=True):
        assert (one.weak_type, one.dtype) == (other.weak_type, other.dtype)
        assert other.weak_type


def test_programs_with_tokens_are_rewritten_around_them():
    def fn(x):
        jax.lax.create_token(x.sum())
        return jax.nn.softmax(x)

    x = _random((128, 128))
    np.testing.assert_allclose(jax.jit(lower(fn))(x), jax.jit(fn)(x), rtol=1e-5)


def test_a_reshape_that_also_transposes_is_understood():
    def normalised(x):
        y = (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-3)
        return y.reshape(64, 48, 4), y.reshape(32, 96, 4)

    x = _random((2, 64, 16, 3, 4))
    fn = jax.vmap(normalised, 0, 2)
    assert "dimensions=(" in str(jax.make_jaxpr(fn)(x))
    for one, other in zip(jax.jit(lower(fn))(x), jax.jit(fn)(x), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def _network(w, x):
    y = jax.nn.relu(jax.lax.conv(x, w, (1, 1), "SAME"))
    y = jax.lax.reduce_window(y, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "SAME")
    return (jax.nn.log_softmax(y.reshape(x.shape[0], -1)) ** 2).sum()


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_arrays_on_several_devices_stay_where_they_are(kind):
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(kind,), devices=jax.devices()[:4])
    x = jax.device_put(_random((8, 8, 16, 16)), NamedSharding(mesh, PartitionSpec("batch")))
    w = jax.device_put(_random((8, 8, 3, 3), 1), NamedSharding(mesh, PartitionSpec()))
    fn = jax.value_and_grad(_network, (0, 1))
    expected, found = jax.jit(fn)(w, x), kl.function(fn)(w, x)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.sharding.is_equivalent_to(other.sharding, one.ndim)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_a_part_of_a_program_on_several_devices_is_left_to_xla():
    mesh = jax.make_mesh((4,), ("d",), axis_types=(AxisType.Auto,), devices=jax.devices()[:4])
    specs = {"in_specs": PartitionSpec("d"), "out_specs": PartitionSpec("d")}
    x = _random((128, 128))
    ours = jax.shard_map(lower(jax.nn.softmax), mesh=mesh, **specs)
    np.testing.assert_allclose(jax.jit(ours)(x), jax.nn.softmax(x), rtol=1e-5)


def test_sizes_that_are_not_known_are_no_obstacle():
    def fn(x):
        def step(carry, row):
            return carry + row.sum(0), jax.nn.softmax(row @ row.T)

        ys = jax.lax.scan(step, jnp.zeros(4), x)[1]
        return ys + jax.lax.scan(lambda h, row: (jnp.tanh(h @ h.T @ row), h), x[0], x)[1].sum()

    x = _random((6, 4, 4))
    (size,) = jax.export.symbolic_shape("n")
    spec = jax.ShapeDtypeStruct((size, 4, 4), "float32")
    exported = jax.export.export(jax.jit(lower(fn)))(spec)
    np.testing.assert_allclose(exported.call(x), fn(x), rtol=1e-4, atol=1e-5)


def test_depthwise_windows_larger_than_the_image_become_kernels():
    x, w = _random((8, 4, 4, 64)), _random((5, 5, 1, 64), 1)

    def fn(x, w):
        y = jax.lax.conv_general_dilated(
            x, w, (1, 1), "SAME", feature_group_count=64, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return (jnp.sin(y) * x).sum()

    grads = jax.value_and_grad(fn, (0, 1))
    names = [e.primitive.name for e in _all_equations(jax.make_jaxpr(lower(grads))(x, w).jaxpr)]
    assert names.count("ffi_call") >= 3
    for one, other in zip(
        jax.tree.leaves(jax.jit(lower(grads))(x, w)),
        jax.tree.leaves(jax.jit(grads)(x, w)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
