"""Models of every task, their exports, Node and one real browser for all tests of the room."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from kolam import features
from kolam.core import TensorSpec
from kolam.graph import Graph, SavedModel
from kolam.web import LiveModel, export, live_model

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent

# a name and values that would run if they ever became markup
HOSTILE_NAME = "</script><img src=x onerror=\"document.title='broken'\">"
HOSTILE_VALUES = ["<b>bold</b>", "*/ }; alert(1); /*", "quote \" and ' and `", "&lt;tag&gt;"]


@pytest.fixture(scope="session")
def table() -> pa.Table:
    """A table with every kind of column, missing values, and names that try to be markup."""
    rng = np.random.default_rng(0)
    rows = 400
    first = date(2021, 3, 1)
    age = rng.normal(50, 12, rows)
    age[::17] = np.nan
    return pa.table(
        {
            "age": pa.array(age, from_pandas=True),
            "income & costs": pa.array(np.round(rng.lognormal(10, 1, rows), 2)),
            "rooms": pa.array(rng.integers(1, 12, rows) * 7 + 1000),
            HOSTILE_NAME: pa.array(rng.choice(HOSTILE_VALUES, rows)),
            "grade": pa.array(rng.choice([1, 2, 3], rows)),
            "member": pa.array(
                [None if i % 31 == 0 else bool(i % 3) for i in range(rows)], pa.bool_()
            ),
            "joined": pa.array(
                [first + timedelta(days=int(d)) for d in rng.integers(0, 900, rows)]
            ),
            "left": pa.array(rng.choice([False, True], rows)),
            "kind": pa.array(rng.choice(["low", "middle", "<i>high</i>"], rows)),
            "price": pa.array(rng.normal(1000, 250, rows)),
        }
    )


def make_model(table: pa.Table, label: str) -> SavedModel:
    """A two-layer network with random weights: what is tested is that it answers the same."""
    others = {"left", "kind", "price"} - {label}
    program = features.fit(table, label=label, exclude=others)
    rng = np.random.default_rng(1)
    outputs = len(program.label.classes or (0,))
    weights = {
        "hidden": {"kernel": rng.normal(0, 0.4, (program.width, 16)), "bias": rng.normal(size=16)},
        "out": {"kernel": rng.normal(0, 0.6, (16, outputs)), "bias": rng.normal(size=outputs)},
    }
    weights = {
        layer: {name: array.astype(np.float32) for name, array in arrays.items()}
        for layer, arrays in weights.items()
    }

    def predict(weights: Any, features: Any) -> Any:  # Any: arrays or tracers
        hidden = jnp.maximum(features @ weights["hidden"]["kernel"] + weights["hidden"]["bias"], 0)
        logits = hidden @ weights["out"]["kernel"] + weights["out"]["bias"]
        if outputs == 1:
            return 100.0 * logits + 1000.0
        powers = jnp.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    graph = Graph.from_function(
        predict,
        TensorSpec(("batch", program.width), "float32", name="features"),
        weights=weights,
        name="predict",
        output_names=["scores"],
    )
    return SavedModel({"predict": graph}, features=program, card={"estimator": "test"})


@pytest.fixture(scope="session")
def models(table: pa.Table) -> dict[str, SavedModel]:
    """One model per task."""
    return {
        "binary": make_model(table, "left"),
        "multiclass": make_model(table, "kind"),
        "regression": make_model(table, "price"),
    }


@pytest.fixture(scope="session")
def lives(models: dict[str, SavedModel]) -> dict[str, LiveModel]:
    """The compiled form of each model."""
    return {task: live_model(model) for task, model in models.items()}


@pytest.fixture(scope="session")
def exports(lives: dict[str, LiveModel], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the export of each task, and the same as one page each."""
    root = tmp_path_factory.mktemp("exports")
    for task, live in lives.items():
        export(live, root / task)
        export(live, root / f"{task}.html", single_file=True)
    return root


@pytest.fixture(scope="session")
def rows(models: dict[str, SavedModel], table: pa.Table) -> list[dict[str, object]]:
    """The rows of the table as JavaScript gets them: the columns of the models, dates as text."""
    program = models["binary"].features
    assert program is not None
    names = [column.name for column in program.columns]
    return [
        {name: str(row[name]) if isinstance(row[name], date) else row[name] for name in names}
        for row in table.to_pylist()
    ]


@pytest.fixture(scope="session")
def server(exports: Path) -> Iterator[str]:
    """URL of a static server of the exports."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=exports)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of TypeScript and playwright-core."""
    folder = ROOT / "node_modules"
    if not (folder / "playwright-core").is_dir() or not (folder / "typescript").is_dir():
        reason = "the JavaScript tools are not installed (npm install)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"with CI=true nothing may be missing: {reason}")
        pytest.skip(reason)
    return folder


class Browser:
    """A real Chromium behind a Node process that takes one JSON line per visit."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def visit(
        self,
        url: str,
        check: str,
        argument: object = None,
        *,
        width: int = 1280,
        dark: bool = False,
    ) -> Any:  # Any: JSON
        """Open a page, wait until it is drawn, and give what `check` of browser.mjs finds."""
        assert self.process.stdin
        assert self.process.stdout
        visit = {"url": url, "check": check, "argument": argument, "width": width, "dark": dark}
        self.process.stdin.write(json.dumps(visit) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "failure" not in answer, answer["failure"]
        return answer["found"]


@pytest.fixture(scope="session")
def browser(node: str, chromium: str, node_modules: Path) -> Iterator[Browser]:
    """One browser for all tests."""
    with subprocess.Popen(
        [node, str(HERE / "browser.mjs"), chromium],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        yield Browser(process)
        assert process.stdin
        process.stdin.close()
        process.wait(timeout=30)


class Node:
    """Node, run to its end; a failure shows all it said."""

    def __init__(self, executable: str) -> None:
        self.executable = executable

    def run(self, *arguments: str, **environment: str) -> str:
        """Give what it prints."""
        done = subprocess.run(
            [self.executable, *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            env={**os.environ, **environment},
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def run_node(node: str) -> Node:
    """Node, ready to run."""
    return Node(node)
