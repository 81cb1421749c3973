"""Specs of arrays: normal forms and refusals."""

import numpy as np
import pytest

from kolam.core import InvalidArgumentError, Registry, TensorSpec, UnknownNameError


def test_json_round_trip() -> None:
    spec = TensorSpec(("batch", 3), np.float32, "x")
    assert TensorSpec.from_json(spec.to_json()) == spec


def test_symbols_are_listed_once_in_order() -> None:
    assert TensorSpec(("b", "a", "b")).symbols == ("b", "a")


@pytest.mark.parametrize("size", [-1, 1.5, "not a name", True])
def test_wrong_sizes_are_refused(size: object) -> None:
    with pytest.raises(InvalidArgumentError, match="A size of a shape is"):
        TensorSpec((size,))  # type: ignore[arg-type]


def test_unknown_dtype_is_refused_with_the_list() -> None:
    with pytest.raises(InvalidArgumentError, match=r"'floaty' is unknown[\s\S]*float32"):
        TensorSpec((1,), "floaty")


def test_registry_suggests_near_names() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'native'"):
        Registry("target", {"native": str}).get("nativ")
