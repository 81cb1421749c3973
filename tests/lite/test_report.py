"""The report of a compiled program: work, memory, times, and the picture of the arena."""

from typing import Any
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.graph import Graph
from kolam.lite import Compiled, Report, compile

SVG = "{http://www.w3.org/2000/svg}"


def _network(weights: dict[str, Any], x: Any) -> Any:
    hidden = jax.nn.relu(x @ weights["w0"])
    scores = hidden @ weights["w1"]
    return scores - scores.max()


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    random = np.random.default_rng(0)
    weights = {
        "w0": random.standard_normal((30, 24)).astype("f"),
        "w1": random.standard_normal((24, 3)).astype("f"),
    }
    graph = Graph.from_function(_network, np.zeros((2, 30), "f"), weights=weights, name="network")
    return compile(graph, "native")


@pytest.fixture(scope="module")
def report(compiled: Compiled) -> Report:
    return compiled.report()


def test_work_of_products_is_what_the_shapes_say(report: Report) -> None:
    first, second = report.kernels[:2]
    assert (first.macs, second.macs) == (2 * 24 * 30, 2 * 3 * 24)
    assert first.operations == 2 * first.macs + 2 * 24
    assert first.bytes_written == 2 * 24 * 4
    assert first.bytes_read == 2 * 30 * 4 + first.weight_bytes
    assert first.weight_bytes >= 30 * 24 * 4


def test_kernels_name_the_line_and_the_function_in_c(report: Report, compiled: Compiled) -> None:
    line = _network.__code__.co_firstlineno
    assert [kernel.where and kernel.where.line for kernel in report.kernels[:2]] == [
        line + 1,
        line + 2,
    ]
    for kernel in report.kernels:
        assert f"static void {kernel.name}(" in compiled.source


def test_convolutions_count_each_place_of_their_window() -> None:
    def convolve(x: Any) -> Any:
        return jax.lax.conv_general_dilated(
            x, jnp.ones((3, 3, 2, 4)), (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=2,
        )  # fmt: skip

    graph = Graph.from_function(convolve, np.zeros((1, 9, 9, 4), "f"))
    kernels = compile(graph).report(measure=False).kernels
    assert sum(kernel.macs for kernel in kernels) == 4 * 4 * 4 * 9 * 2


def test_memory_adds_up(report: Report, compiled: Compiled) -> None:
    assert report.flash_bytes == report.code_bytes + report.weight_bytes
    assert report.arena_bytes == compiled.arena_bytes
    assert report.ram_bytes == compiled.arena_bytes + 2 * 30 * 4 + 2 * 3 * 4
    assert report.peak_bytes == max(kernel.live_bytes for kernel in report.kernels)
    assert report.peak_bytes <= report.arena_bytes


def test_native_kernels_are_timed(report: Report) -> None:
    times = [kernel.microseconds for kernel in report.kernels]
    assert all(time is not None and 0 <= time < 1e5 for time in times)
    assert sum(time or 0 for time in times) > 0


def test_the_slow_kernel_is_the_one_that_takes_the_time() -> None:
    weights = {"w": np.random.default_rng(0).standard_normal((256, 256)).astype("f")}
    graph = Graph.from_function(
        lambda w, x: jnp.exp(x @ w["w"]).sum(), np.zeros((64, 256), "f"), weights=weights
    )
    product, total = compile(graph).report().kernels
    assert product.macs == 64 * 256 * 256
    assert (product.microseconds or 0) > (total.microseconds or 0)


def test_what_cannot_be_timed_has_no_time() -> None:
    graph = Graph.from_function(lambda x: x + 1, np.zeros(3, "f"))
    for target in ("wasm", "cortex-m3"):
        report = compile(graph, target).report()
        assert [kernel.microseconds for kernel in report.kernels] == [None]
        assert str(report).splitlines()[-4].endswith(" -")
    assert compile(graph).report(measure=False).kernels[0].microseconds is None


def test_ram_of_firmware_holds_its_stack() -> None:
    graph = Graph.from_function(lambda x: x + 1, np.zeros(3, "f"))
    assert 8192 < compile(graph, "cortex-m3").report().ram_bytes < 8192 + 256


def test_report_prints_a_table(report: Report) -> None:
    title, _, head, first, *_ = str(report).splitlines()
    assert title == "network for native"
    words = ["kernel", "line", "MACs", "operations", "read", "written", "live", "µs"]
    assert head.split() == words
    line = _network.__code__.co_firstlineno + 1
    assert first.startswith(f"dense maximum  test_report.py:{line}")
    assert "1,440" in first
    assert f"flash {report.flash_bytes:,} bytes" in str(report)


def test_loops_and_branches_are_reported_and_timed() -> None:
    def step(x: Any) -> Any:
        grown = jax.lax.fori_loop(0, 5, lambda i, s: jnp.tanh(s * 2), x)
        return jax.lax.cond(grown.sum() > 0, jnp.exp, jnp.abs, grown)

    report = compile(Graph.from_function(step, np.zeros(64, "f"))).report()
    assert {"tanh", "exponential", "abs"} <= {
        word for kernel in report.kernels for word in kernel.does.split()
    }
    assert all(kernel.microseconds is not None for kernel in report.kernels)


def test_picture_shows_every_array_where_and_when_it_lives() -> None:
    def chain(x: Any) -> Any:
        grown = jnp.sin(x[:, None] * x[None, :])
        return (grown @ grown + grown).sum(0)

    report = compile(Graph.from_function(chain, np.zeros(40, "f"), name="chain")).report()
    svg = ElementTree.fromstring(report.svg)
    boxes = [group for group in svg.iter(f"{SVG}g") if group.find(f"{SVG}rect") is not None]
    titles = [group.findtext(f"{SVG}title") or "" for group in boxes]
    line = chain.__code__.co_firstlineno
    assert any(title.startswith("6,400 bytes of arena from 0: ") for title in titles)
    assert any(f"test_report.py:{line + 1}; calls 1 to 3" in title for title in titles)
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    for group in boxes:
        rect = group.find(f"{SVG}rect")
        assert rect is not None
        place = {key: float(rect.attrib[key]) for key in ("x", "y", "width", "height")}
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= width
        assert place["y"] + place["height"] <= height
    assert any(group.attrib.get("class") == "peak" for group in boxes)
    assert "prefers-color-scheme: dark" in report.svg


def test_picture_of_an_empty_arena_is_a_picture() -> None:
    report = compile(Graph.from_function(lambda x: x + 1, np.zeros(3, "f"))).report()
    assert report.arena_bytes == 0
    assert ElementTree.fromstring(report.svg).tag == f"{SVG}svg"
