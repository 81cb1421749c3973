"""What a caller gave, checked before anything runs."""

from typing import Any

import numpy as np
import pytest

from kolam.core import InvalidArgumentError, InvalidTypeError, TensorSpec, UnknownNameError
from kolam.graph._arguments import bind_inputs, bind_sizes

INPUTS = (
    TensorSpec(("batch", 3), "float32", "x"),
    TensorSpec(("batch",), "int32", "y"),
)
X, Y = np.zeros((2, 3), np.float32), np.zeros(2, np.int32)


def bind(*arrays: Any, **named: Any) -> list[Any]:
    return bind_inputs(INPUTS, arrays, named, of="model")


def test_positions_and_names_mix() -> None:
    assert bind(X, y=Y)[1] is Y


def test_python_numbers_take_the_dtype_of_the_spec() -> None:
    x, y = bind([[1, 2, 3]], [True])
    assert (x.dtype, y.dtype) == (np.float32, np.int32)


def test_symbolic_sizes_are_found() -> None:
    assert bind_sizes(INPUTS, [(4, 3), (4,)]) == {"batch": 4}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((X,), r"'model' needs the input y.\n.*x float32 \(batch, 3\), y int32 \(batch,\)"),
        ((), "needs the inputs x, y"),
        ((X, Y, Y), r"takes 2 inputs \(x, y\) and got 3"),
        ((X.astype(np.float64), Y), r"'x' has dtype float64; expected x float32 \(batch, 3\)"),
        ((X[0], Y), "It needs 2 axes, not 1"),
        ((X[:, :2], Y), "Axis 1 must be 3, not 2"),
        ((X, Y[:1]), "The size 'batch' is 2 in 'x' axis 0 and 1 in 'y' axis 0"),
        ((X[:0], Y[:0]), "'x' has size 0 on axis 0"),
        ((X, [0.5, 0.5]), "'y' holds numbers of float64; expected y int32"),
        ((X, [1 << 40, 0]), "'y' holds whole numbers beyond int32"),
        (([[1.0], [1.0, 2.0]], Y), "'x' is a ragged list"),
    ],
)
def test_what_does_not_fit_is_refused(arrays: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        bind(*arrays)


def test_text_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="'x' holds <U1; expected x float32"):
        bind([["a", "b", "c"]], Y)


def test_an_input_given_twice_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="'x' of 'model' was given by position and"):
        bind(X, Y, x=X)


def test_an_unknown_name_is_refused_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"no input 'z'.\n.*x, y"):
        bind(X, Y, z=X)
