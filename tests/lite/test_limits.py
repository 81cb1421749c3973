"""Programs that do not fit: by how much, and which lines."""

import re
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import InvalidArgumentError
from kolam.graph import Graph
from kolam.lite import TooLargeError, compile


def _line(fn: Any, offset: int) -> int:
    return int(fn.__code__.co_firstlineno) + offset


def _drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype("f")


def _wide(weights: dict[str, Any], x: Any) -> Any:
    hidden = jnp.tanh(x @ weights["first"])
    return hidden @ weights["second"]


@pytest.fixture(scope="module")
def wide() -> Graph:
    weights = {"first": _drawn(16, 1000), "second": _drawn(1000, 4)}
    return Graph.from_function(_wide, np.zeros((8, 16), "f"), weights=weights, name="wide")


def _outer(x: Any) -> Any:
    grown = x[:, None] * x[None, :]
    return jnp.exp(grown - grown.sum(0)[None, :]).sum(1)


def test_weights_beyond_flash_name_the_excess_and_the_layers(wide: Graph) -> None:
    with pytest.raises(TooLargeError) as caught:
        compile(wide, "cortex-m4", flash_bytes=65_536)
    text = str(caught.value)
    taken, excess = re.findall(r"takes ([\d,]+) bytes of flash.*, ([\d,]+) more than", text)[0]
    assert int(taken.replace(",", "")) - int(excess.replace(",", "")) == 65_536
    first, second = re.findall(r"(\d+,\d+) bytes  (.*)", text.split("Largest weights:")[1])
    assert int(first[0].replace(",", "")) >= 64_000
    assert first[1] == f"dense tanh, test_limits.py:{_line(_wide, 1)}"
    assert second[1] == f"dense, test_limits.py:{_line(_wide, 2)}"
    assert re.search(r"\n\n  Use smaller.*int8.*`flash_bytes=`", text)


def test_the_flash_that_the_message_names_is_enough(wide: Graph) -> None:
    with pytest.raises(TooLargeError) as caught:
        compile(wide, "cortex-m4", flash_bytes=81_000)  # room for the weights, none for code
    needed = int(re.findall(r"takes ([\d,]+) bytes", str(caught.value))[0].replace(",", ""))
    with pytest.raises(TooLargeError, match=", 1 more than"):
        compile(wide, "cortex-m4", flash_bytes=needed - 1)
    compile(wide, "cortex-m4", flash_bytes=needed)


def test_arrays_beyond_ram_name_the_excess_and_the_lines() -> None:
    graph = Graph.from_function(_outer, np.zeros(200, "f"), name="outer")
    with pytest.raises(TooLargeError) as caught:
        compile(graph, "cortex-m3", ram_bytes=100_000)
    text = str(caught.value)
    assert re.search(r"bytes of RAM, [\d,]+ more than the 100,000 that there are", text)
    assert re.search(rf"160,000 bytes  multiply, test_limits\.py:{_line(_outer, 1)}\n", text)
    assert "the input 'x'" in text
    compile(graph, "cortex-m3", ram_bytes=172_032)


def test_a_model_beyond_the_default_of_its_board_is_refused() -> None:
    weights = {"w": _drawn(1200, 1000)}
    graph = Graph.from_function(lambda w, x: x @ w["w"], np.zeros((1, 1200), "f"), weights=weights)
    with pytest.raises(TooLargeError, match=r"605,696 more than the 4,194,304"):
        compile(graph, "cortex-m4")


def test_weights_that_are_all_zero_lie_in_flash() -> None:
    weights = {"first": np.zeros((16, 1000), "f"), "second": np.zeros((1000, 4), "f")}
    graph = Graph.from_function(_wide, np.zeros((8, 16), "f"), weights=weights, name="zero")
    compiled = compile(graph, "cortex-m4", check=True)
    # of equal arrays one is kept, so 64,000 bytes or more; besides that one array [8, 1000]
    assert compiled.weight_bytes >= 64_000
    assert compiled.arena_bytes == 32_000


def test_limits_hold_on_every_target(wide: Graph) -> None:
    with pytest.raises(TooLargeError, match="'native'"):
        compile(wide, "native", flash_bytes=1000)


@pytest.mark.parametrize("name", ["flash_bytes", "ram_bytes"])
def test_a_memory_without_bytes_is_refused(wide: Graph, name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"{name} is 0\.\n.*above 0"):
        compile(wide, "cortex-m4", **{name: 0})
