import numpy as np
import pyarrow as pa
import pytest

from kolam.core import InvalidArgumentError, TensorSpec, digest_bytes
from kolam.graph import Graph, SavedModel
from kolam.lite import compile as compile_graph
from kolam.web import LiveModel, live_model


def test_the_manifest_lists_every_file_with_its_digest(lives: dict[str, LiveModel]) -> None:
    live = lives["binary"]
    listed = live.manifest()["files"]
    assert listed == {
        name: {"bytes": len(content), "sha256": digest_bytes(content)}
        for name, content in live.files.items()
    }
    assert set(live.files) == {"model.wasm", "model.weights", "features.json"}


def test_a_model_compiled_before_is_not_compiled_again(models: dict[str, SavedModel]) -> None:
    model = models["regression"]
    compiled = compile_graph(model.graphs["predict"], target="wasm", sizes={"batch": 1})
    assert live_model(model, compiled=compiled).module is compiled.module


def test_another_target_is_refused(models: dict[str, SavedModel]) -> None:
    model = models["regression"]
    compiled = compile_graph(model.graphs["predict"], target="native", sizes={"batch": 1})
    with pytest.raises(InvalidArgumentError, match="compiled model is for 'native'") as caught:
        live_model(model, compiled=compiled)
    assert "target='wasm'" in str(caught.value)


def test_a_model_without_features_is_refused() -> None:
    graph = Graph.from_function(lambda x: x * 2, TensorSpec(("batch", 2), name="x"))
    with pytest.raises(
        InvalidArgumentError, match=r"graphs \['predict'\] and no feature"
    ) as caught:
        live_model(SavedModel({"predict": graph}))
    assert "SavedModel(graphs=" in str(caught.value)


def test_the_compiled_model_answers_as_the_graph_does(
    models: dict[str, SavedModel], table: pa.Table
) -> None:
    model = models["multiclass"]
    assert model.features is not None
    compiled = compile_graph(model.graphs["predict"], target="wasm", sizes={"batch": 1})
    matrix = model.features.apply(table)[:20]
    answers = np.concatenate([np.asarray(compiled.run(row[None])) for row in matrix])
    np.testing.assert_allclose(
        answers.reshape(20, -1), model.predict_scores(table.slice(0, 20)), atol=1e-5
    )
