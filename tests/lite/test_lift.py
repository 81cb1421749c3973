"""Which operators programs become."""

from collections import Counter

import pytest

from kolam.graph import Graph
from kolam.lite._lift import read_network
from tests.lite.tiny_models import tiny_model

OPERATORS = {
    "kws": {
        "CONV_2D": 5,
        "DEPTHWISE_CONV_2D": 4,
        "AVERAGE_POOL_2D": 1,
        "RESHAPE": 1,
        "FULLY_CONNECTED": 1,
        "SOFTMAX": 1,
    },
    "ic": {
        "CONV_2D": 9,
        "ADD": 3,
        "AVERAGE_POOL_2D": 1,
        "RESHAPE": 1,
        "FULLY_CONNECTED": 1,
        "SOFTMAX": 1,
    },
    "vww": {
        "CONV_2D": 14,
        "DEPTHWISE_CONV_2D": 13,
        "AVERAGE_POOL_2D": 1,
        "RESHAPE": 1,
        "FULLY_CONNECTED": 1,
        "SOFTMAX": 1,
    },
    "ad": {"FULLY_CONNECTED": 10},
    "sww": {
        "CONV_2D": 4,
        "DEPTHWISE_CONV_2D": 4,
        "RESHAPE": 1,
        "FULLY_CONNECTED": 1,
        "SOFTMAX": 1,
    },
}


@pytest.mark.parametrize("name", OPERATORS)
def test_layers_become_one_operator_each(name: str) -> None:
    network = read_network(Graph.from_keras(tiny_model(name)))
    assert Counter(operator.op for operator in network.operators) == OPERATORS[name]
