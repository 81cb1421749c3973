import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from kolam.graph import SavedModel
from kolam.metrics import evaluate
from kolam.statistics import profile
from kolam.web import Check, Curve, Example, LiveModel, Report, Step, Target, write_report

HOSTILE = (
    "<img src=x onerror=\"document.title='broken'\"></script>"
    "<script>document.title='broken'</script>"
)
SECTIONS = [
    *("Try it", "How good it is", "For whom it is good", "Where it runs"),
    *("What is odd in the data", "The columns", "How it learnt", "How it came to be", "Model card"),
]


def make_report(task: str, model: SavedModel, live: LiveModel, table: pa.Table) -> Report:
    """A report in which every text that comes from outside tries to be markup."""
    slices = ["grade", "member", ("grade", "member")]
    evaluation = evaluate(model, table, slices=slices, replicas=20)
    values = {
        name: str(value) if name == "joined" else value
        for name, value in table.slice(3, 1).to_pylist()[0].items()
    }
    digest = "0123456789abcdef" * 4
    return Report(
        title=f"{task} {HOSTILE}",
        label=model.label,
        task=task,
        passed=task != "multiclass",
        checks=(Check(f"auc is at least 0.5 {HOSTILE}", True), Check("drop is small", False)),
        summary=HOSTILE,
        evaluation=evaluation.to_json(),
        profile=profile(table, label=model.label).to_json(),
        anomalies=(
            {
                "column": HOSTILE,
                "kind": "label_leak",
                "severity": "warning",
                "message": HOSTILE,
                "accept": HOSTILE,
            },
            {"column": None, "kind": "few_rows", "severity": "error", "message": "Few rows."},
        ),
        curves=(Curve(f"loss {HOSTILE}", (1.0, 0.5, None, 0.3)), Curve("other", (1.1, 0.7, 0.6))),
        steps=(
            Step("read", 0.5, {HOSTILE: digest}, {"table": digest}),
            Step(HOSTILE, 0.25, {"table": digest}, {}, reused=True),
        ),
        targets=(
            Target("XLA", None, 100, None, 4e-5, None, 0.9),
            Target(HOSTILE, 2000, 100, 64, 4e-7, 3e-8, 0.9, True),
            Target("third", 2000, 100, 64, 4e-7, 3e-2, 0.8, False),
        ),
        versions={"kolam": "0.1.0"},
        card={"note": HOSTILE, "data": {"rows": 400, "names": ["a", HOSTILE]}},
        live=live,
        examples=(Example(values, values[model.label]), Example({"age": None}, None)),
    )


@pytest.fixture(scope="session")
def reports(
    models: dict[str, SavedModel],
    lives: dict[str, LiveModel],
    table: pa.Table,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with the report of each task."""
    root = tmp_path_factory.mktemp("reports")
    for task, model in models.items():
        write_report(make_report(task, model, lives[task], table), root / f"{task}.html")
    return root


def test_equal_reports_give_equal_bytes(
    models: dict[str, SavedModel],
    lives: dict[str, LiveModel],
    table: pa.Table,
    reports: Path,
    tmp_path: Path,
) -> None:
    report = make_report("binary", models["binary"], lives["binary"], table)
    again = write_report(report, tmp_path / "again.html")
    assert again.read_bytes() == (reports / "binary.html").read_bytes()


def test_a_page_without_data_is_at_most_80_kilobytes(tmp_path: Path) -> None:
    path = write_report(Report("empty", "y", "binary"), tmp_path / "empty.html")
    assert path.stat().st_size <= 80 * 1024


@pytest.mark.needs_browser
class TestInTheBrowser:
    @pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
    def test_it_opens_from_a_file_without_errors_and_fetches_nothing(
        self, task: str, browser: Any, reports: Path
    ) -> None:
        url = (reports / f"{task}.html").as_uri()
        trace = browser.visit(url, "trace")
        assert trace == {"console": [], "errors": [], "requests": [url]}

    def test_it_has_every_part(self, browser: Any, reports: Path) -> None:
        url = (reports / "binary.html").as_uri()
        assert browser.visit(url, "texts", "section > h2") == SECTIONS
        assert browser.visit(url, "texts", "#contents a") == SECTIONS

    @pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
    def test_no_text_becomes_markup(self, task: str, browser: Any, reports: Path) -> None:
        url = (reports / f"{task}.html").as_uri()
        assert browser.visit(url, "count", "main img, main script, main b > b") == 0
        assert browser.visit(url, "title") == f"{task} {HOSTILE}"

    @pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
    def test_the_form_gives_the_scores_of_the_graph(
        self,
        task: str,
        browser: Any,
        reports: Path,
        models: dict[str, SavedModel],
        rows: list[dict[str, object]],
        table: pa.Table,
    ) -> None:
        answers = browser.visit((reports / f"{task}.html").as_uri(), "answers", rows[:60])
        expected = models[task].predict_scores(table.slice(0, 60))
        scale = 1000.0 if task == "regression" else 1.0
        found = [answer["scores"] for answer in answers]
        np.testing.assert_allclose(found, expected, atol=1e-5 * scale)

    def test_a_report_of_nothing_still_opens(self, browser: Any, tmp_path: Path) -> None:
        path = write_report(Report("empty", "y", "regression"), tmp_path / "empty.html")
        assert browser.visit(path.as_uri(), "trace")["errors"] == []
        assert browser.visit(path.as_uri(), "texts", "h1") == ["empty"]
        assert browser.visit(path.as_uri(), "count", "section") == 0

    @pytest.mark.parametrize("width", [320, 390, 768, 1280])
    @pytest.mark.parametrize("task", ["multiclass", "regression"])
    def test_nothing_sticks_out_at_any_width(
        self, task: str, width: int, browser: Any, reports: Path
    ) -> None:
        url = (reports / f"{task}.html").as_uri()
        assert browser.visit(url, "overflow", width=width) == {"beyond": 0, "parts": []}

    @pytest.mark.parametrize("dark", [False, True])
    def test_every_text_has_the_contrast_of_level_aa(
        self, dark: bool, browser: Any, reports: Path
    ) -> None:
        worst = browser.visit((reports / "multiclass.html").as_uri(), "contrast", dark=dark)
        assert worst["ratio"] >= 4.5, worst

    @pytest.mark.parametrize("task", ["binary", "regression"])
    def test_a_screen_reader_finds_its_way(self, task: str, browser: Any, reports: Path) -> None:
        found = browser.visit((reports / f"{task}.html").as_uri(), "accessibility")
        assert found["language"] == "en"
        assert found["landmarks"] == ["HEADER", "NAV", "MAIN"]
        assert found["firstHeadings"] == 1
        steps = zip(found["headings"], found["headings"][1:], strict=False)
        assert all(after <= before + 1 for before, after in steps)
        assert found["unnamed"] == []
        assert found["pictures"] == []
        assert found["repeatedIds"] == []
        assert found["tablesWithoutHead"] == 0
        assert found["live"] == 1
        assert found["positiveTabindex"] == 0

    def test_the_keyboard_reaches_the_form_in_order_and_shows_where_it_is(
        self, browser: Any, reports: Path
    ) -> None:
        seen = browser.visit((reports / "binary.html").as_uri(), "tabs", 20)
        names = [stop["name"] for stop in seen]
        assert names[0] == "Skip to the content"
        assert names[1] == "Dark colours"
        assert names[2:11] == SECTIONS
        assert names[11:14] == ["typical", "row 1", "row 2"]
        assert names[14:17] == ["age: missing", "age", "income & costs: missing"]
        assert all(stop["shows"] for stop in seen)

    def test_typing_moves_the_answer(self, browser: Any, reports: Path) -> None:
        found = browser.visit((reports / "binary.html").as_uri(), "typing", 20)
        assert found["before"] != found["after"]

    def test_the_theme_button_turns_the_colours(self, browser: Any, reports: Path) -> None:
        url = (reports / "binary.html").as_uri()
        found = browser.visit(url, "theme")
        assert found["before"] != found["after"]
        assert found["label"] == "Light colours"
        assert browser.visit(url, "theme", dark=True)["after"] == found["before"]

    def test_slices_can_be_ordered(
        self, browser: Any, reports: Path, models: dict[str, SavedModel], table: pa.Table
    ) -> None:
        url = (reports / "binary.html").as_uri()
        named = browser.visit(url, "slices", ["auc", "by name"])
        assert named[0] == "all rows"
        evaluation = evaluate(
            models["binary"], table, slices=["grade", "member", ("grade", "member")], replicas=20
        )
        assert sorted(named[1:]) == sorted(result.name for result in evaluation.slices)
        worst = browser.visit(url, "slices", ["auc", "worst first"])
        assert worst[1] == evaluation.worst_slices(1)[0].name

    def test_a_failed_gate_says_so_in_words(self, browser: Any, reports: Path) -> None:
        url = (reports / "multiclass.html").as_uri()
        assert "Gate failed" in browser.visit(url, "text")
        assert browser.visit(url, "texts", ".verdict li .hidden") == ["holds: ", "fails: "]

    def test_an_altered_model_is_not_run(
        self, browser: Any, lives: dict[str, LiveModel], tmp_path: Path
    ) -> None:
        page = write_report(
            Report("x", "left", "binary", live=lives["binary"]), tmp_path / "page.html"
        )
        told = lives["binary"].manifest()["files"]["model.weights"]["sha256"]  # type: ignore[index]
        page.write_text(page.read_text().replace(told, "0" * 64))
        assert "SHA-256" in browser.visit(page.as_uri(), "text")

    def test_a_wide_table_starts_folded(
        self, browser: Any, lives: dict[str, LiveModel], tmp_path: Path
    ) -> None:
        wide = pa.table({f"column {at}": pa.array(np.arange(50.0) + at) for at in range(70)})
        report = dataclasses.replace(
            Report("wide", "column 0", "regression"), profile=profile(wide).to_json()
        )
        url = write_report(report, tmp_path / "wide.html").as_uri()
        assert browser.visit(url, "count", ".columns > li") == 30
        assert browser.visit(url, "texts", "#columns .unfold") == ["Show 40 more columns"]
