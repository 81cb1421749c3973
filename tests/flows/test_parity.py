"""What ships is what was judged: every target answers alike, on the same sliced metrics."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
import uvicorn

from kolam import hub, zoo
from kolam.graph import SavedModel, load
from kolam.lite import compile as compile_graph
from kolam.metrics import Evaluation, evaluate_scores
from kolam.serve import create_app
from tests.flows.conftest import Run

Scores = np.ndarray[Any, Any]  # Any: [rows, classes], any float


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return zoo.table("breast_cancer").slice(0, 120)


@pytest.fixture(scope="module")
def model(finished: Run) -> SavedModel:
    return load(finished.out / "model")


@pytest.fixture(scope="module")
def rows(table: pa.Table) -> list[dict[str, object]]:
    return table.drop_columns(["diagnosis"]).to_pylist()


@pytest.fixture(scope="module")
def expected(model: SavedModel, table: pa.Table) -> Scores:
    return model.predict_scores(table)


@pytest.fixture(scope="module")
def server(finished: Run) -> Iterator[str]:
    app = create_app({"breast_cancer": hub.load(finished.result["model"])})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        running.should_exit = True
        thread.join(timeout=30)


def judged(model: SavedModel, table: pa.Table, scores: Scores) -> Evaluation:
    assert model.features is not None
    assert model.features.label is not None
    return evaluate_scores(
        np.asarray(scores, np.float32),
        model.features.label.encode(table["diagnosis"]),
        task=model.task,
        classes=model.classes,
        slices={"mean radius": table["mean radius"], "mean texture": table["mean texture"]},
        replicas=0,
    )


def assert_same(model: SavedModel, table: pa.Table, expected: Scores, scores: Scores) -> None:
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    for mine, reference in zip(
        judged(model, table, scores), judged(model, table, expected), strict=True
    ):
        values = {name: estimate.value for name, estimate in mine.metrics.items()}
        others = {name: estimate.value for name, estimate in reference.metrics.items()}
        assert values == pytest.approx(others, abs=1e-5)


@pytest.mark.parametrize("target", ["native", "wasm"])
def test_compiled_targets(
    target: str, model: SavedModel, table: pa.Table, expected: Scores
) -> None:
    assert model.features is not None
    compiled = compile_graph(model.graphs["predict"], target=target, sizes={"batch": 1})
    matrix = model.features.apply(table)
    scores = np.concatenate([np.asarray(compiled.run(row[None])) for row in matrix])
    assert_same(model, table, expected, scores.reshape(expected.shape))


def test_wasm_in_node(
    finished: Run,
    run_node: Any,
    model: SavedModel,
    table: pa.Table,
    rows: list[dict[str, object]],
    expected: Scores,
    tmp_path: Path,
) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    script = """
        import { readFileSync } from "node:fs";
        const { load } = await import(process.env.DOOR);
        const model = await load();
        const rows = JSON.parse(readFileSync(process.env.ROWS, "utf8"));
        console.log(JSON.stringify(rows.map(row => [...model.predict(row).scores])));
    """
    out = run_node.run(
        *("--input-type=module", "--eval", script),
        DOOR=(finished.out / "web" / "model.js").as_uri(),
        ROWS=str(tmp_path / "rows.json"),
    )
    assert_same(model, table, expected, np.array(json.loads(out)))


def test_wasm_in_the_report_in_a_real_browser(
    finished: Run,
    browser: Any,
    model: SavedModel,
    table: pa.Table,
    rows: list[dict[str, object]],
    expected: Scores,
) -> None:
    answers = browser.visit(Path(finished.result["report"]).as_uri(), "answers", rows)
    assert_same(model, table, expected, np.array([answer["scores"] for answer in answers]))


def test_server_with_rows(
    server: str,
    model: SavedModel,
    table: pa.Table,
    rows: list[dict[str, object]],
    expected: Scores,
) -> None:
    answer = httpx.post(
        f"{server}/v1/models/breast_cancer:predict", json={"instances": rows}, timeout=60
    )
    predictions = answer.json()["predictions"]
    assert_same(model, table, expected, np.array([row["scores"] for row in predictions]))
    assert [row["label"] for row in predictions] == model.predict(table).to_pylist()


def test_report_opens_without_a_network_and_without_errors(finished: Run, browser: Any) -> None:
    url = Path(finished.result["report"]).as_uri()
    trace = browser.visit(url, "trace")
    assert trace == {"console": [], "errors": [], "requests": [url]}
