import pytest

from kolam.graph._lowering.costs import Family, _measured, prefers_kernel


def test_every_kind_of_convolution_was_measured():
    kinds = {(family.operation, family.is_depthwise) for family, _ in _measured()}
    names = ("convolution", "kernel_gradient")
    assert kinds == {(name, deep) for name in names for deep in (False, True)}


@pytest.mark.parametrize("index", range(0, 80, 7))
def test_a_measured_family_gets_what_was_faster(index):
    family, ratio = _measured()[index]
    assert prefers_kernel(family) == (ratio <= 1)


def test_another_shape_follows_its_nearest_neighbour():
    family, ratio = next(entry for entry in _measured() if entry[0].is_depthwise)
    near = Family(family.operation, True, 9, 1, 1, family.products + 1)
    assert prefers_kernel(near) == (ratio <= 1)
