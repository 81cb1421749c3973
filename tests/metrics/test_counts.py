"""Sums over weighted rows."""

import numpy as np

from kolam.metrics._counts import weighted_sums


def test_weighted_sums_are_those_of_each_value_alone() -> None:
    values, weights = np.arange(6.0).reshape(2, 3), np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]])
    np.testing.assert_array_equal(weighted_sums(tuple(values), weights), values @ weights)
