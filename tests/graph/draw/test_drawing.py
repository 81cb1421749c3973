"""Pictures and pages of programs: what they show, and that they stand alone."""

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from jax import lax

from kolam.core import InvalidArgumentError, TensorSpec, UnknownNameError
from kolam.graph import Builder, Graph, function, name

SVG = "{http://www.w3.org/2000/svg}"
WEIGHTS = {
    "first": np.ones((784, 128), np.float32),
    "bias": np.zeros(128, np.float32),
    "second": np.ones((128, 10), np.float32),
}


def dense(weights: Any, x: Any) -> Any:
    hidden = name("hidden", jax.nn.relu(x @ weights["first"] + weights["bias"]))
    scores = hidden @ weights["second"]
    return {"probs": jax.nn.softmax(scores), "confidence": scores.max(-1)}


@function
def control(values: Any, limit: Any) -> Any:
    total = jnp.float32(0)
    for value in values:
        if value > limit:
            continue
        total += jnp.sqrt(jnp.abs(value))
    while total > 10.0:
        total = total / 2
    return jnp.sort(values) * total if total > 5 else values - total


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Graph.from_function(dense, TensorSpec(("batch", 784)), weights=WEIGHTS)


@pytest.fixture(scope="module")
def loops() -> Graph:
    return control.graph(TensorSpec(("n",)), TensorSpec(()))


def picture(graph: Graph, folder: Path) -> Element:
    graph.draw(folder / "graph.svg")
    return fromstring((folder / "graph.svg").read_text())


def page(graph: Graph, folder: Path, sizes: dict[str, int] | None = None) -> str:
    graph.draw(folder / "graph.html", sizes)
    return (folder / "graph.html").read_text()


def boxes(svg: Element) -> list[list[str]]:
    """Texts of each box, the title first."""
    groups = [item for item in svg.iter(f"{SVG}g") if "box" in item.get("class", "").split()]
    return [[str(text.text) for text in group.iter(f"{SVG}text")] for group in groups]


class Page(HTMLParser):
    """What tests ask of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.outside: list[str] = []
        self.summaries: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(str(value))
            if key == "href" and str(value).startswith("#"):
                self.links.append(str(value)[1:])
            elif key in ("src", "href") or (key == "style" and "url(" in str(value)):
                self.outside.append(str(value))
        if tag == "summary":
            self.summaries.append("")

    def handle_data(self, data: str) -> None:
        if self.summaries and self.tags[-1] in ("summary", "code", "span"):
            self.summaries[-1] += data


def test_a_picture_shows_operations_weights_names_and_types(graph: Graph, tmp_path: Path) -> None:
    shown = boxes(picture(graph, tmp_path))
    assert ["x", "float32 (batch, 784)"] in shown
    assert ["dot_general", "float32 (batch, 128)", "weight first (784, 128)"] in shown
    assert ["add", "float32 (batch, 128)", "weight bias (128,)"] in shown
    assert ["relu", "float32 (batch, 128)", "named hidden"] in shown
    assert ["probs", "float32 (batch, 10)"] in shown


def test_sizes_and_constants_are_no_boxes(graph: Graph, tmp_path: Path) -> None:
    titles = {texts[0] for texts in boxes(picture(graph, tmp_path))}
    assert not titles & {"constant", "get_dimension_size", "broadcast_in_dim", "concatenate"}


def test_a_number_stands_in_the_box_that_uses_it(tmp_path: Path) -> None:
    doubled = Graph.from_function(lambda x: x * 2.5, TensorSpec((3,), name="x"))
    assert ["multiply", "float32 (3,)", "with 2.5"] in boxes(picture(doubled, tmp_path))


def test_loops_and_branches_are_pictures_of_their_own(loops: Graph, tmp_path: Path) -> None:
    svg = picture(loops, tmp_path)
    headings = [str(item.text) for item in svg.iter(f"{SVG}text") if item.get("class") == "heading"]
    assert headings[0] == "main: what a run computes"
    assert any(text.startswith("main/while_1/body: body of a loop") for text in headings)
    assert any("/branch_1: branch, test_drawing.py:" in text for text in headings)
    assert ["loop", "until data end it"] in [texts[:2] for texts in boxes(svg)]


def test_a_loop_of_known_trips_says_how_many(tmp_path: Path) -> None:
    graph = Graph.from_function(
        lambda x: lax.fori_loop(0, 5, lambda _, c: jnp.sin(c), x), TensorSpec((3,), name="x")
    )
    assert ["loop", "5 trips"] in [texts[:2] for texts in boxes(picture(graph, tmp_path))]


def test_a_page_quotes_the_lines_of_the_user(graph: Graph, tmp_path: Path) -> None:
    found = Page(page(graph, tmp_path))
    line = dense.__code__.co_firstlineno + 2
    assert f'scores = hidden @ weights["second"]  test_drawing.py:{line}, 1 operation' in (
        found.summaries
    )


def test_a_page_of_layers_shows_layers(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((8,)), *(keras.layers.Dense(8, "tanh", name=f"layer{i}") for i in range(6))]
    )
    found = Page(page(Graph.from_keras(model), tmp_path))
    assert any(text.startswith("layer0  3 operations") for text in found.summaries)


def test_every_link_of_a_page_leads_to_a_part_of_it(loops: Graph, tmp_path: Path) -> None:
    found = Page(page(loops, tmp_path))
    assert found.links
    assert set(found.links) <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))


@pytest.mark.parametrize("ending", [".html", ".svg"])
def test_a_file_stands_alone_and_runs_nothing(loops: Graph, tmp_path: Path, ending: str) -> None:
    loops.draw(tmp_path / f"graph{ending}")
    text = (tmp_path / f"graph{ending}").read_text()
    found = Page(text)
    assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
    assert found.outside == []
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {"http://www.w3.org/2000/svg"}
    assert "prefers-color-scheme: dark" in text


def test_names_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    evil = '</text><script>alert("x")</script>&'
    with Builder(evil) as builder:
        x = builder.placeholder(evil, (2,))
        y = name(f"{evil}2", x + 1.0)
    graph = builder.graph(y)
    assert "script" not in Page(page(graph, tmp_path)).tags
    assert ["add", "float32 (2,)", "with 1"] in boxes(picture(graph, tmp_path))


def test_a_page_shows_the_cost_where_sizes_are_known(graph: Graph, tmp_path: Path) -> None:
    assert "Cost of a run" not in page(graph, tmp_path)
    text = page(graph, tmp_path, {"batch": 32})
    assert "Cost of a run at batch=32" in text
    assert "dot_general" in text


def test_a_program_that_was_loaded_is_drawn_without_its_sources(
    graph: Graph, tmp_path: Path
) -> None:
    again = Graph(graph.to_bytes(), graph.weights)
    line = dense.__code__.co_firstlineno + 2
    assert f"test_drawing.py:{line}  1 operation" in Page(page(again, tmp_path)).summaries


def test_another_ending_is_refused(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"cannot be drawn into 'graph.png'.\n.*`.html`"):
        graph.draw(tmp_path / "graph.png")


def test_a_wrong_size_is_refused(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'batch'"):
        graph.draw(tmp_path / "graph.html", {"bath": 1})


MEASURE = """<script>
document.querySelectorAll("details").forEach((item) => (item.open = true));
const wide = [...document.querySelectorAll("body *")].filter((item) =>
  !item.closest(".scroll") && item.getBoundingClientRect().right > 320.5);
document.title = `wide: ${wide.map((item) => item.tagName).join(" ") || "none"}`;
</script>"""


@pytest.mark.needs_browser
def test_a_page_fits_a_screen_of_320_pixels(graph: Graph, tmp_path: Path, chromium: str) -> None:
    text = page(graph, tmp_path, {"batch": 32})
    narrow = text.replace("<body>", '<body style="width: 320px">') + MEASURE
    (tmp_path / "narrow.html").write_text(narrow)
    done = subprocess.run(
        [
            *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            f"--user-data-dir={tmp_path / 'profile'}",
            (tmp_path / "narrow.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "<title>wide: none</title>" in done.stdout
