"""Two scratch memories: what is hot lies in the fast one, and nothing else changes."""

import re
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolam.core import InvalidArgumentError
from kolam.graph import Graph
from kolam.lite import TooLargeError, compile, export
from kolam.lite._memory import Lifetime, place_hot_buffers

ARRAYS = st.dictionaries(
    st.integers(0, 20),
    st.tuples(st.integers(1, 900), st.integers(0, 12), st.integers(0, 6), st.floats(0, 9)),
    max_size=20,
)


def _network(weights: dict[str, Any], x: Any) -> Any:
    hidden = jnp.tanh(x @ weights["w0"])  # touched by two products
    return jnp.exp(hidden @ weights["w1"]) - hidden[:, :5] + jnp.sum(jnp.sin(x * 2))


@pytest.fixture(scope="module")
def graph() -> Graph:
    random = np.random.default_rng(0)
    weights = {
        "w0": random.standard_normal((30, 64)).astype("f"),
        "w1": random.standard_normal((64, 5)).astype("f") / 8,
    }
    return Graph.from_function(_network, np.zeros((4, 30), "f"), weights=weights, name="network")


@given(ARRAYS, st.integers(0, 3000))
def test_hot_arrays_fit_and_do_not_overlap(arrays: Any, room: int) -> None:
    lifetimes = {key: Lifetime(a, b, b + c) for key, (a, b, c, _) in arrays.items()}
    heat = {key: item[3] for key, item in arrays.items()}
    offsets, used = place_hot_buffers(lifetimes, heat, 8, room)
    assert used <= room
    for one, start in offsets.items():
        a = lifetimes[one]
        assert start % 8 == 0
        assert start + a.bytes <= used
        for two, other in offsets.items():
            b = lifetimes[two]
            together = one < two and a.first <= b.last and b.first <= a.last
            apart = start + a.bytes <= other or other + b.bytes <= start
            assert apart or not together


@given(ARRAYS)
def test_the_hottest_array_is_fast_if_it_fits(arrays: Any) -> None:
    lifetimes = {key: Lifetime(a, b, b + c) for key, (a, b, c, _) in arrays.items()}
    heat = {key: item[3] for key, item in arrays.items()}
    offsets, _ = place_hot_buffers(lifetimes, heat, 8, 904)
    hottest = max(heat.values(), default=0)
    assert not arrays or any(heat[key] == hottest for key in offsets)


@pytest.mark.usefixtures("emulators")
@pytest.mark.parametrize("fast", [0, 600, 4096])
@pytest.mark.parametrize("target", ["native", "wasm", "cortex-m4"])
def test_programs_on_two_regions_equal_xla(target: str, fast: int, graph: Graph) -> None:
    compiled = compile(graph, target, regions={"fast": fast, "slow": 4096}, check=True)
    (_, slow), (_, used) = compiled.plan.regions
    assert used <= fast
    assert compiled.arena_bytes == slow + used
    assert bool(used) == (fast > 0)
    assert bool(slow) == (fast < 1100)


def test_the_array_that_products_read_is_the_fast_one(graph: Graph) -> None:
    compiled = compile(graph, regions={"fast": 1030, "slow": 4096})
    fast = [item.bytes for item in compiled.plan.scratch if item.region == "fast"]
    assert 4 * 64 * 4 in fast


def test_header_gives_both_sizes_and_the_function_takes_both(graph: Graph) -> None:
    header = compile(graph, "cortex-m4", regions={"fast": 600, "slow": 4096}).header
    sizes = dict(re.findall(r"#define NETWORK_(ARENA|FAST)_BYTES (\d+)", header))
    assert 0 < int(sizes["FAST"]) <= 600
    assert int(sizes["ARENA"]) > 0
    assert "const void *weights, void *arena, void *fast);" in header


def test_exported_example_has_a_fast_array(graph: Graph, tmp_path: Any) -> None:
    export(graph, tmp_path / "out", "cortex-m4", regions={"fast": 600, "slow": 4096})
    text = (tmp_path / "out" / "main.c").read_text()
    assert re.search(r"static unsigned char fast\[\d+\].*fastest memory", text)
    assert "network_run(inputs, outputs, network_weights, arena, fast);" in text


def test_slow_arrays_that_do_not_fit_are_refused(graph: Graph) -> None:
    with pytest.raises(TooLargeError) as caught:
        compile(graph, regions={"fast": 100, "slow": 700})
    text = str(caught.value)
    assert re.search(r"takes [\d,]+ bytes of slow memory besides the fast, [\d,]+ more than", text)
    assert re.search(r"1,024 bytes  .*test_regions\.py:\d+", text)


@pytest.mark.parametrize("regions", [{"fast": 100}, {"fast": 1, "slow": -1}, {"quick": 1}])
def test_regions_must_be_two_sizes(regions: dict[str, int], graph: Graph) -> None:
    with pytest.raises(InvalidArgumentError, match=r"regions is [\s\S]*'slow': 262144"):
        compile(graph, regions=regions)


def test_without_a_fast_memory_nothing_lies_there() -> None:
    assert place_hot_buffers({1: Lifetime(0, 0, 1)}, {1: 9.0}, 8, None) == ({}, 0)
