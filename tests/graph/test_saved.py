"""Saved models: whole folders, shared weights, tables in and labels out."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolam import features
from kolam.core import (
    IntegrityError,
    InvalidArgumentError,
    InvalidTypeError,
    StorageError,
    TensorSpec,
    UnknownNameError,
    UnsupportedError,
    canonical_json,
    digest_bytes,
    digest_file,
)
from kolam.graph import Graph, SavedModel, load

KERNEL = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
X = TensorSpec(("batch", 4), name="x")


def scorer(weights: Any, x: jax.Array) -> jax.Array:
    return jax.nn.softmax(x @ weights["kernel"])


@pytest.fixture(scope="module")
def saved() -> SavedModel:
    weights = {"kernel": KERNEL}
    return SavedModel(
        {
            "predict": Graph.from_function(scorer, X, weights=weights),
            "norm": Graph.from_function(lambda w, x: (x @ w["kernel"]) ** 2, X, weights=weights),
        },
        card={"metrics": {"auc": 0.9}, "seeds": (1, 2)},
    )


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(0)
    rows = 300
    age = rng.normal(50, 10, rows)
    smokes = rng.choice(["yes", "no"], rows)
    ill = np.where(age + 10 * (smokes == "yes") > 55, "ill", "well")
    return pa.table({"age": age, "smokes": smokes, "outcome": ill})


@pytest.fixture(scope="module")
def tabular(table: pa.Table) -> SavedModel:
    program = features.fit(table, label="outcome")
    rng = np.random.default_rng(1)
    weights = {"kernel": rng.normal(size=(program.width, 2)).astype(np.float32)}
    spec = TensorSpec(("batch", program.width), name="features")
    graph = Graph.from_function(scorer, spec, weights=weights, output_names=["scores"])
    return SavedModel({"predict": graph}, features=program, card={})


def test_loading_gives_what_was_saved(saved: SavedModel, tmp_path: Path) -> None:
    saved.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.graphs == saved.graphs
    assert again.card == {"metrics": {"auc": 0.9}, "seeds": [1, 2]}


def test_equal_models_give_equal_bytes(saved: SavedModel, tmp_path: Path) -> None:
    first = saved.save(tmp_path / "a")
    load(tmp_path / "a").save(tmp_path / "b")
    assert first == digest_file(tmp_path / "b" / "manifest.json")
    for file in (tmp_path / "a").rglob("*.*"):
        assert file.read_bytes() == (tmp_path / "b" / file.relative_to(tmp_path / "a")).read_bytes()


def test_shared_weights_are_stored_once_and_stay_shared(saved: SavedModel, tmp_path: Path) -> None:
    saved.save(tmp_path / "model")
    assert (tmp_path / "model" / "weights.safetensors").stat().st_size < 2 * KERNEL.nbytes + 80
    graphs = load(tmp_path / "model").graphs
    assert graphs["norm"].weights["kernel"] is graphs["predict"].weights["kernel"]


def test_weights_of_one_name_and_other_values_are_both_kept(tmp_path: Path) -> None:
    graphs = {
        name: Graph.from_function(scorer, X, weights={"kernel": KERNEL * factor})
        for name, factor in (("a", 1), ("b", 2))
    }
    SavedModel(graphs).save(tmp_path / "model")
    again = load(tmp_path / "model").graphs
    np.testing.assert_array_equal(again["b"].weights["kernel"], 2 * again["a"].weights["kernel"])


PROGRAM = """
import jax.numpy as jnp, numpy as np, sys
from kolam.core import TensorSpec
from kolam.graph import Graph, SavedModel
def fn(weights, x):
    return jnp.tanh(x @ weights["k"])
graph = Graph.from_function(fn, TensorSpec(("batch", 2)), weights={"k": np.ones((2, 2), "f")})
print(SavedModel({"predict": graph}).save(sys.argv[1]))
"""


def test_two_checkouts_give_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for place in ("one", "another/place"):
        (tmp_path / place).mkdir(parents=True)
        script = tmp_path / place / "train.py"
        script.write_text(PROGRAM)
        command = [sys.executable, str(script), str(tmp_path / place / "model")]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        digests.append(done.stdout)
    assert digests[0] == digests[1]


@settings(max_examples=25, deadline=None)
@given(
    dtype=st.sampled_from(["float32", "float16", "bfloat16", "int8", "uint32", "bool"]),
    shape=st.lists(st.integers(0, 3), max_size=3),
    rows=st.integers(1, 4),
)
def test_any_weight_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, dtype: str, shape: list[int], rows: int
) -> None:
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    weight = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(kind)
    graph = Graph.from_function(
        lambda w, x: (w["w"], x * 2), TensorSpec(("batch",), name="x"), weights={"w": weight}
    )
    path = tmp_path_factory.mktemp("any") / "model"
    SavedModel({"g": graph}).save(path)
    again = load(path).graphs["g"]
    assert again == graph
    x = np.arange(rows, dtype=np.float32)
    for label, value in graph.run(x).items():
        np.testing.assert_array_equal(again.run(x)[label], value)


def test_saving_over_a_saved_model_replaces_it(saved: SavedModel, tmp_path: Path) -> None:
    for _ in range(2):
        saved.save(tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_saving_over_anything_else_is_refused(saved: SavedModel, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InvalidArgumentError, match="exists and is no saved model"):
        saved.save(tmp_path)
    with pytest.raises(InvalidArgumentError, match="exists and is no saved model"):
        saved.save(tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_place_that_cannot_be_written_is_a_storage_error(saved: SavedModel) -> None:
    with pytest.raises(StorageError, match="Cannot write"):
        saved.save("/proc/no/model")


def test_arrays_are_predicted_in_chunks(saved: SavedModel) -> None:
    x = np.random.default_rng(0).normal(size=(9000, 4)).astype(np.float32)
    np.testing.assert_allclose(
        saved.predict(x), saved.graphs["predict"].run(x), rtol=1e-6, atol=1e-7
    )
    assert saved.predict(x=x[:0]).shape == (0, 3)


def test_any_number_of_rows_compiles_few_programs() -> None:
    graph = Graph.from_function(scorer, X, weights={"kernel": KERNEL})
    saved = SavedModel({"predict": graph})
    for rows in range(1, 33):
        assert saved.predict(np.ones((rows, 4), np.float32)).shape == (rows, 3)
    assert graph._runnable._lowered._cache_size() == 6


def test_several_outputs_are_predicted_by_name() -> None:
    graph = Graph.from_function(lambda x: {"up": x + 1, "down": x - 1}, X)
    got = SavedModel({"predict": graph}).predict(np.ones((3, 4), np.float32))
    assert {label: value.shape for label, value in got.items()} == {"up": (3, 4), "down": (3, 4)}


def test_a_program_without_rows_runs_at_once() -> None:
    graph = Graph.from_function(lambda x: jnp.sum(x), X)
    assert float(SavedModel({"predict": graph}).predict(np.ones((3, 4), np.float32))) == 12


def test_a_table_gives_scores_and_labels(tabular: SavedModel, table: pa.Table) -> None:
    scores = tabular.predict_scores(table)
    assert (scores.shape, scores.dtype) == ((300, 2), np.float32)
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)
    labels = tabular.predict(table)
    assert labels.to_pylist() == [tabular.classes[index] for index in scores.argmax(1)]
    assert (tabular.task, tabular.label) == ("binary", "outcome")


def test_every_kind_of_table_gives_the_same_labels(tabular: SavedModel, table: pa.Table) -> None:
    wanted = tabular.predict(table.slice(0, 7))
    rows = table.slice(0, 7).drop_columns("outcome")
    for given_as in (
        rows,
        rows.to_pylist(),
        rows.to_pydict(),
        pd.DataFrame(rows.to_pydict()),
        pl.from_arrow(rows),
    ):
        assert tabular.predict(given_as).equals(wanted)


def test_a_loaded_table_model_judges_alike(
    tabular: SavedModel, table: pa.Table, tmp_path: Path
) -> None:
    tabular.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_scores(table), tabular.predict_scores(table))
    assert again.classes == tabular.classes


@pytest.mark.parametrize("content", [b"{}", b'{"version":99}', b'{"columns":[]}', b"[]"])
def test_features_that_are_none_are_refused(
    tabular: SavedModel, tmp_path: Path, content: bytes
) -> None:
    tabular.save(tmp_path / "model")
    (tmp_path / "model" / "features.json").write_bytes(content)
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    manifest["files"]["features.json"] = {
        "sha256": digest_bytes(content),
        "size_bytes": len(content),
    }
    (tmp_path / "model" / "manifest.json").write_bytes(canonical_json(manifest))
    with pytest.raises(IntegrityError, match=r"feature|holds no JSON object"):
        load(tmp_path / "model")


def test_a_model_of_arrays_has_no_labels(saved: SavedModel) -> None:
    for ask in (
        lambda: saved.task,
        lambda: saved.label,
        lambda: saved.classes,
        lambda: saved.predict_scores({"x": [1]}),
    ):
        with pytest.raises(UnsupportedError, match="takes arrays, not tables"):
            ask()


def test_features_without_a_label_give_scores_only(table: pa.Table) -> None:
    program = features.fit(table.drop_columns("outcome"))
    spec = TensorSpec(("batch", program.width))
    graph = Graph.from_function(lambda x: x[:, :2], spec)
    model = SavedModel({"predict": graph}, features=program)
    assert model.predict_scores(table).shape == (300, 2)
    with pytest.raises(UnsupportedError, match="fitted without a label"):
        model.predict(table)


def test_a_model_of_tables_takes_one_table(tabular: SavedModel) -> None:
    with pytest.raises(InvalidArgumentError, match="takes one table and got 2"):
        tabular.predict({}, {})
    with pytest.raises(InvalidArgumentError, match="list of rows is empty"):
        tabular.predict([])
    with pytest.raises(InvalidTypeError, match="A table is needed"):
        tabular.predict(3)


def test_features_that_do_not_fit_the_program_are_refused(
    tabular: SavedModel, saved: SavedModel
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"give one matrix of . columns, but 'predict'"):
        SavedModel(
            {"predict": Graph.from_function(lambda x: x, TensorSpec(("batch", 99)))},
            features=tabular.features,
        )


@pytest.mark.parametrize(
    ("graphs", "card", "error", "message"),
    [
        ({}, None, InvalidArgumentError, "at least one graph"),
        ({"../x": 1}, None, InvalidArgumentError, "A graph is named '../x'"),
        ({"x": 1}, None, InvalidTypeError, "The graph 'x' is a int"),
        (None, {"a": float("nan")}, InvalidArgumentError, "The card is no JSON"),
        (None, {"a": object()}, InvalidArgumentError, "The card is no JSON"),
    ],
)
def test_what_cannot_be_saved_is_refused(
    saved: SavedModel, graphs: Any, card: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        SavedModel(saved.graphs if graphs is None else graphs, card=card)


def test_predict_needs_a_graph_of_that_name(saved: SavedModel) -> None:
    with pytest.raises(UnknownNameError, match=r"no graph 'predict'.\n.*norm"):
        SavedModel({"norm": saved.graphs["norm"]}).predict(np.ones((1, 4), np.float32))
