from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from kolam.graph import SavedModel

pytestmark = pytest.mark.needs_browser
TASKS = ["binary", "multiclass", "regression"]


@pytest.mark.parametrize("task", TASKS)
def test_a_single_page_opens_from_a_file_and_fetches_nothing(
    task: str, browser: Any, exports: Path
) -> None:
    url = (exports / f"{task}.html").as_uri()
    assert browser.visit(url, "trace") == {"console": [], "errors": [], "requests": [url]}


def test_a_folder_fetches_from_its_own_server_alone(browser: Any, server: str) -> None:
    trace = browser.visit(f"{server}/binary/", "trace")
    assert trace["console"] == []
    assert trace["errors"] == []
    assert {url.removeprefix(f"{server}/binary/").split("/")[0] for url in trace["requests"]} == {
        *("", "style.css", "charts", "demo", "live", "runtime"),
        *("manifest.json", "features.json", "model.wasm", "model.weights"),
    }


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("form", ["folder", "single page"])
def test_the_form_gives_the_scores_of_the_graph(
    task: str,
    form: str,
    browser: Any,
    server: str,
    exports: Path,
    models: dict[str, SavedModel],
    rows: list[dict[str, object]],
    table: pa.Table,
) -> None:
    url = f"{server}/{task}/" if form == "folder" else (exports / f"{task}.html").as_uri()
    answers = browser.visit(url, "answers", rows[100:160])
    expected = models[task].predict_scores(table.slice(100, 60))
    scale = 1000.0 if task == "regression" else 1.0
    found = [answer["scores"] for answer in answers]
    np.testing.assert_allclose(found, expected, atol=1e-5 * scale)


def test_a_page_of_ones_own_can_import_the_model(
    browser: Any,
    server: str,
    models: dict[str, SavedModel],
    rows: list[dict[str, object]],
    table: pa.Table,
) -> None:
    answers = browser.visit(f"{server}/multiclass/", "imported", rows)
    assert [answer["label"] for answer in answers] == models["multiclass"].predict(
        table
    ).to_pylist()


def test_a_folder_opened_from_a_file_says_what_to_do(exports: Path) -> None:
    # browsers do not load modules from file://, so the page stays as it was written
    text = (exports / "binary" / "index.html").read_text()
    assert "single_file=True" in text


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_sticks_out(width: int, browser: Any, exports: Path) -> None:
    url = (exports / "binary.html").as_uri()
    assert browser.visit(url, "overflow", width=width) == {"beyond": 0, "parts": []}


def test_many_answers_leave_the_page_as_it_was(browser: Any, exports: Path) -> None:
    url = (exports / "binary.html").as_uri()
    assert browser.visit(url, "elements", 200) == browser.visit(url, "elements", 1)


def test_a_screen_reader_finds_its_way(browser: Any, exports: Path) -> None:
    found = browser.visit((exports / "multiclass.html").as_uri(), "accessibility")
    assert found["firstHeadings"] == 1
    assert found["unnamed"] == []
    assert found["repeatedIds"] == []
    assert found["pictures"] == []
