"""Convolutions and their gradients as NumPy and XLA compute them, in every geometry."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax import lax

from kolam.core import InvalidArgumentError
from kolam.kernels import convolution, is_available, kernel_gradient
from tests.kernels import oracle
from tests.kernels.oracle import ROUNDING, Case, cases, convolve

BIG = [
    Case((2, 33, 31, 3), (7, 7, 3, 64), (2, 2), ((3, 3), (3, 3)), (1, 1), (1, 1), 1),
    Case((3, 40, 40, 32), (3, 3, 32, 48), (1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1),
    Case((70, 2, 2, 40), (3, 3, 40, 40), (1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1),
    Case((4, 9, 9, 256), (1, 1, 256, 100), (1, 1), ((0, 0), (0, 0)), (1, 1), (1, 1), 1),
    Case((2, 15, 15, 64), (3, 3, 64, 64), (1, 1), ((2, 2), (2, 2)), (2, 2), (1, 1), 1),
    Case((5, 40, 37, 20), (5, 3, 20, 3), (1, 1), ((2, 2), (1, 1)), (1, 1), (1, 1), 1),
    Case((1, 5000, 40), (5, 40, 20), (1,), ((4, 0),), (1,), (1,), 1),
    Case((1, 12, 14, 16, 20), (3, 3, 3, 10, 24), (1, 1, 1), ((1, 1),) * 3, (1,) * 3, (1,) * 3, 2),
]


def check(case: Case) -> None:
    x, w = case.arrays()
    y = np.asarray(convolution(jnp.asarray(x), jnp.asarray(w), **case.settings()))
    expected = convolve(x, w, case)
    assert y.shape == expected.shape
    bound = ROUNDING * convolve(abs(x), abs(w), case)
    assert (abs(y - expected) <= bound).all()


def gradient_of(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give x, dy and our gradient of the weights."""
    x, w = case.arrays()
    shape = convolve(x[:1], w, case).shape
    dy = np.random.default_rng(1).standard_normal((len(x), *shape[1:]), dtype=np.float32)
    dw = kernel_gradient(jnp.asarray(x), jnp.asarray(dy), window=case.w[:-2], **case.settings())
    return x, dy, np.asarray(dw)


def check_gradient(case: Case) -> None:
    x, dy, dw = gradient_of(case)
    assert dw.shape == case.w
    difference = abs(dw - oracle.kernel_gradient(x, dy, case))
    assert (difference <= ROUNDING * oracle.kernel_gradient(abs(x), abs(dy), case)).all()


def by_xla(x: jax.Array, w: jax.Array, case: Case) -> jax.Array:
    spatial = "DHW"[5 - x.ndim :]
    return lax.conv_general_dilated(
        x,
        w,
        case.strides,
        case.padding,
        lhs_dilation=case.input_dilation,
        rhs_dilation=case.kernel_dilation,
        dimension_numbers=(f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"),
        feature_group_count=case.groups,
    )


def test_the_kernels_can_be_built_here() -> None:
    assert is_available()


@given(case=cases())
@settings(max_examples=100, deadline=None)
def test_any_convolution_is_numpy_s(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", BIG, ids=str)
def test_large_convolutions_on_all_threads_are_numpy_s(case: Case) -> None:
    check(case)


@given(case=cases())
@settings(max_examples=100, deadline=None)
def test_any_kernel_gradient_is_numpy_s(case: Case) -> None:
    check_gradient(case)


@pytest.mark.parametrize("case", BIG, ids=str)
def test_large_kernel_gradients_on_all_threads_are_numpy_s(case: Case) -> None:
    check_gradient(case)


@pytest.mark.parametrize("case", BIG[:3], ids=str)
def test_gradients_are_those_that_jax_derives(case: Case) -> None:
    x, dy, ours = gradient_of(case)
    w = jnp.asarray(case.arrays()[1])
    _, backward = jax.vjp(lambda x, w: by_xla(x, w, case), jnp.asarray(x), w)
    dx, dw = backward(jnp.asarray(dy))
    assert (abs(ours - dw) <= ROUNDING * oracle.kernel_gradient(abs(x), abs(dy), case)).all()
    flipped = jnp.flip(w, (0, 1)).swapaxes(2, 3)
    reach = [taps - 1 for taps in case.w[:2]]
    low = [r - pair[0] for r, pair in zip(reach, case.padding, strict=True)]
    high = [
        size + r - left - (outputs - 1) * stride - 1
        for size, r, left, outputs, stride in zip(
            case.x[1:3], reach, low, dy.shape[1:3], case.strides, strict=True
        )
    ]
    settings = {"padding": tuple(zip(low, high, strict=True)), "input_dilation": case.strides}
    back = convolution(jnp.asarray(dy), flipped, **settings)
    bound = ROUNDING * convolution(jnp.asarray(abs(dy)), abs(flipped), **settings)
    assert (abs(back - dx) <= bound).all()


@pytest.mark.parametrize("case", BIG[:3], ids=str)
def test_large_convolutions_are_xla_s(case: Case) -> None:
    x, w = map(jnp.asarray, case.arrays())
    difference = abs(convolution(x, w, **case.settings()) - by_xla(x, w, case))
    assert (difference <= ROUNDING * by_xla(abs(x), abs(w), case)).all()


def test_the_same_bits_come_each_time() -> None:
    x, w = map(jnp.asarray, BIG[1].arrays())
    first = np.asarray(convolution(x, w, **BIG[1].settings()))
    for _ in range(5):
        again = np.asarray(convolution(x, w, **BIG[1].settings()))
        assert again.tobytes() == first.tobytes()


def test_kernel_gradients_have_the_same_bits_on_one_thread_and_on_all() -> None:
    code = (
        "import numpy as np\n"
        "from tests.kernels.test_convolution import BIG, gradient_of\n"
        "print(gradient_of(BIG[1])[2].tobytes().hex()[:4000])\n"
    )
    alone = os.sched_getaffinity(0).pop()
    limited = subprocess.run(
        [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, [{alone}])\n{code}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert limited.stdout.strip() == gradient_of(BIG[1])[2].tobytes().hex()[:4000]


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_numbers_pass_as_through_xla(special: float) -> None:
    case = Case((1, 9, 9, 4), (3, 3, 4, 20), (1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)
    x, w = case.arrays()
    x[0, 4, 5, 2] = special
    ours = convolution(jnp.asarray(x), jnp.asarray(w), **case.settings())
    theirs = by_xla(jnp.asarray(x), jnp.asarray(w), case)
    for kind in (jnp.isnan, jnp.isposinf, jnp.isneginf):
        assert (kind(ours) == kind(theirs)).all()


@pytest.mark.parametrize(
    ("x", "w", "shape"),
    [
        ((0, 5, 5, 3), (3, 3, 3, 8), (0, 3, 3, 8)),
        ((2, 5, 5, 0), (3, 3, 0, 8), (2, 3, 3, 8)),
        ((2, 5, 5, 3), (3, 3, 3, 0), (2, 3, 3, 0)),
        ((2, 2, 5, 3), (3, 3, 3, 8), (2, 0, 3, 8)),
    ],
)
def test_nothing_in_gives_zeros_or_nothing(
    x: tuple[int, ...], w: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    y = convolution(jnp.ones(x), jnp.ones(w))
    assert y.shape == shape
    assert not y.any()


def test_it_runs_inside_loops_branches_and_vmap() -> None:
    case = Case((2, 8, 8, 4), (3, 3, 4, 4), (1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)
    x, w = map(jnp.asarray, case.arrays())

    def once(x: jax.Array) -> jax.Array:
        return convolution(x, w / 6, **case.settings())

    def program(x: jax.Array) -> jax.Array:
        x, _ = lax.scan(lambda x, _: (once(x), None), x, length=2)
        x = lax.fori_loop(0, x.shape[0], lambda _, x: once(x), x)
        return lax.cond(x.sum() > 1e9, lambda x: x, once, x)

    expected = x
    for _ in range(5):
        expected = once(expected)
    np.testing.assert_allclose(jax.jit(program)(x), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        jax.vmap(once)(jnp.stack([x, 2 * x])), [once(x), once(2 * x)], rtol=1e-6
    )


def test_several_programs_share_the_threads() -> None:
    case = BIG[1]
    x, w = map(jnp.asarray, case.arrays())
    program = jax.jit(lambda x: convolution(x, w, **case.settings()))
    expected = np.asarray(program(x))
    with ThreadPoolExecutor(6) as pool:
        for result in pool.map(lambda _: np.asarray(program(x)), range(60)):
            assert (result == expected).all()


@pytest.mark.parametrize(
    ("x", "w", "given", "message"),
    [
        ((2, 5, 5, 3), (3, 3, 4, 8), {}, r"do not fit: x \(2, 5, 5, 3\), w \(3, 3, 4, 8\)"),
        ((2, 5, 5, 4), (3, 3, 2, 9), {"groups": 2}, r"groups 2.*"),
        ((2, 5, 3), (3, 3, 3, 8), {}, r"equal ranks; got x float32\(2, 5, 3\)"),
        ((2, 5, 5, 3), (3, 3, 3, 8), {"strides": (0, 1)}, r"strides is \(0, 1\), for 2 spatial"),
        ((2, 5, 5, 3), (3, 3, 3, 8), {"padding": ((1, 1),)}, r"padding is \(\(1, 1\),\), for 2"),
    ],
)
def test_what_does_not_fit_is_refused(
    x: tuple[int, ...], w: tuple[int, ...], given: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        convolution(jnp.ones(x), jnp.ones(w), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dy", "given", "message"),
    [
        ((2, 4, 4, 8), {}, r"dy is \(2, 4, 4, 8\); .* gives \(2, 3, 3, 'channels'\)"),
        ((2, 3, 3, 8), {"groups": 2}, r"do not fit: x \(2, 5, 5, 3\), dy \(2, 3, 3, 8\), groups 2"),
        ((2, 3, 3, 8), {"window": (3,)}, r"window is \(3,\), for 2 spatial axes"),
    ],
)
def test_gradients_that_do_not_fit_are_refused(
    dy: tuple[int, ...], given: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        kernel_gradient(jnp.ones((2, 5, 5, 3)), jnp.ones(dy), **{"window": (3, 3), **given})  # type: ignore[arg-type]


def test_other_dtypes_are_refused() -> None:
    with pytest.raises(
        InvalidArgumentError, match=re.escape("takes float32; got x int32(1, 4, 2)")
    ):
        convolution(jnp.ones((1, 4, 2), jnp.int32), jnp.ones((1, 2, 2)))
