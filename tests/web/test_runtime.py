import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from kolam.graph import SavedModel
from kolam.web._modules import STATIC, module_closure

HERE = Path(__file__).parent


def test_the_runtime_keeps_its_promises_in_node(run_node: Any, exports: Path) -> None:
    run_node.run("--test", str(HERE / "runtime.test.mjs"), KOLAM_EXPORT=str(exports / "binary"))


def test_the_arithmetic_of_charts_holds_in_node(run_node: Any) -> None:
    run_node.run("--test", str(HERE / "charts.test.mjs"))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_node_gives_the_scores_of_the_graph(
    task: str,
    run_node: Any,
    exports: Path,
    models: dict[str, SavedModel],
    rows: list[dict[str, object]],
    table: pa.Table,
    tmp_path: Path,
) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    script = """
        import { readFileSync } from "node:fs";
        const { load } = await import(process.env.DOOR);
        const model = await load();
        const rows = JSON.parse(readFileSync(process.env.ROWS, "utf8"));
        const answers = rows.map(row => model.predict(row));
        console.log(JSON.stringify(answers.map(({label, scores}) => [label, [...scores]])));
    """
    door = (exports / task / "model.js").as_uri()
    answers = json.loads(
        run_node.run(
            "--input-type=module", "--eval", script, DOOR=door, ROWS=str(tmp_path / "rows.json")
        )
    )
    model = models[task]
    expected = model.predict_scores(table)
    scale = 1000.0 if task == "regression" else 1.0
    np.testing.assert_allclose([scores for _, scores in answers], expected, atol=1e-5 * scale)
    if task != "regression":
        assert [label for label, _ in answers] == model.predict(table).to_pylist()


def test_what_a_page_loads_to_run_a_model_is_small() -> None:
    sources = [(STATIC / name).read_bytes() for name in module_closure("runtime/model.js")]
    assert len(gzip.compress(b"".join(sources), 9)) < 4_200


def test_the_javascript_is_clean_under_strict_types(run_node: Any, node_modules: Path) -> None:
    tsc = node_modules / "typescript" / "bin" / "tsc"
    said = run_node.run(str(tsc), "--project", str(node_modules.parent / "tsconfig.json"))
    assert said == ""
