"""Convolutions in float64 by NumPy, tap by tap: slow, and plainly right."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

# Sums of n products differ by sqrt(n) roundings of their partial sums, which are sqrt(n) times less
# than the sum of absolute products: a few ulp of the latter, whatever n is.
ROUNDING = 8 * np.finfo(np.float32).eps


@dataclass(frozen=True)
class Case:
    """One convolution: shapes and settings."""

    x: tuple[int, ...]
    w: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    input_dilation: tuple[int, ...]
    kernel_dilation: tuple[int, ...]
    groups: int

    def settings(self) -> dict[str, Any]:
        return {
            "strides": self.strides,
            "padding": self.padding,
            "input_dilation": self.input_dilation,
            "kernel_dilation": self.kernel_dilation,
            "groups": self.groups,
        }

    def arrays(self, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(self.x, dtype=np.float32)
        return x, rng.standard_normal(self.w, dtype=np.float32)


def _padded(x: Floats, case: Case) -> Floats:
    """Dilate and pad; negative padding cuts."""
    for axis, ((low, high), dilation) in enumerate(
        zip(case.padding, case.input_dilation, strict=True), start=1
    ):
        size = max(0, (x.shape[axis] - 1) * dilation + 1)
        whole = np.zeros((*x.shape[:axis], size, *x.shape[axis + 1 :]))
        whole[(slice(None),) * axis + (slice(None, None, dilation),)] = x
        widths = [(0, 0)] * x.ndim
        widths[axis] = (max(0, low), max(0, high))
        whole = np.pad(whole, widths)
        cut = slice(max(0, -low), max(whole.shape[axis] - max(0, -high), max(0, -low)))
        x = whole[(slice(None),) * axis + (cut,)]
    return x


def _taps(x: Floats, case: Case) -> Iterator[tuple[tuple[int, ...], Floats]]:
    """Give each tap with what all outputs see through it."""
    padded, window = _padded(x, case), case.w[:-2]
    outputs = [
        max(0, (size - (taps - 1) * dilation - 1) // stride + 1)
        for size, taps, dilation, stride in zip(
            padded.shape[1:-1], window, case.kernel_dilation, case.strides, strict=True
        )
    ]
    for tap in product(*map(range, window)):
        starts = [t * dilation for t, dilation in zip(tap, case.kernel_dilation, strict=True)]
        cut = tuple(
            slice(start, start + max(0, (count - 1) * stride + 1), stride) if count else slice(0)
            for start, count, stride in zip(starts, outputs, case.strides, strict=True)
        )
        yield tap, padded[(slice(None), *cut)]


def convolve(x: Floats, w: Floats, case: Case) -> Floats:
    """Give y in float64."""
    groups = case.groups
    y: Floats | None = None
    for tap, seen in _taps(x, case):
        split = seen.reshape(*seen.shape[:-1], groups, w.shape[-2])
        weights = w[tap].astype(np.float64).reshape(w.shape[-2], groups, w.shape[-1] // groups)
        part = np.einsum("...gi,igo->...go", split, weights)
        part = part.reshape(*seen.shape[:-1], w.shape[-1])
        y = part if y is None else y + part
    assert y is not None
    return y


def kernel_gradient(x: Floats, dy: Floats, case: Case) -> Floats:
    """Give the gradient of the weights in float64."""
    dw = np.zeros(case.w)
    given = dy.astype(np.float64).reshape(-1, case.groups, case.w[-1] // case.groups)
    for tap, seen in _taps(x, case):
        split = seen.reshape(-1, case.groups, case.w[-2])
        dw[tap] = np.einsum("pgi,pgo->igo", split, given).reshape(case.w[-2:])
    return dw


@st.composite
def cases(draw: st.DrawFn, *, dilates_input: bool = True) -> Case:
    """Any small geometry whose padded input is not smaller than nothing."""
    rank = draw(st.integers(1, 3))

    def each(values: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(values) for _ in range(rank))

    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    channels = draw(st.integers(1, 7)) * groups
    outputs = draw(st.sampled_from([1, 3, 8, 16, 17, 33, 50])) * groups
    if draw(st.integers(0, 3)) == 0:  # each channel for itself
        groups = channels = draw(st.sampled_from([2, 5, 8, 16, 20, 33]))
        outputs = channels * draw(st.sampled_from([1, 1, 2, 3]))
    window = each(st.integers(1, 4))
    return Case(
        x=(draw(st.integers(1, 5)), *each(st.integers(1, 14)), channels),
        w=(*window, channels // groups, outputs),
        strides=each(st.integers(1, 3)),
        padding=tuple((draw(st.integers(-2, 4)), draw(st.integers(-2, 4))) for _ in range(rank)),
        input_dilation=each(st.sampled_from([1, 1, 2, 3])) if dilates_input else (1,) * rank,
        kernel_dilation=each(st.sampled_from([1, 1, 2, 3])),
        groups=groups,
    )
