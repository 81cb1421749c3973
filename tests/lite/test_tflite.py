"""Files for LiteRT, read by LiteRT."""

import io
import zipfile
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kolam.core import InvalidArgumentError, TensorSpec, UnknownNameError, import_keras
from kolam.graph import Graph, trace
from kolam.lite import to_tflite
from kolam.lite._network import Network, Operator, Tensor
from kolam.lite._tflite.schema import BUILTINS, DTYPES
from kolam.lite._tflite.write import write_model
from tests.lite.litert import open_litert, outputs_of, run_litert
from tests.lite.tiny_models import NAMES, tiny_inputs, tiny_model


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float = 2e-5) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    scale = max(float(np.abs(expected).max()), 1e-30)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("name", NAMES)
def test_litert_gives_the_answers_of_keras(name: str) -> None:
    model, inputs = tiny_model(name), tiny_inputs(name, 3)
    graph = Graph.from_keras(model)
    file = to_tflite(graph, sizes={"batch": 3})
    (found,) = run_litert(file, {graph.inputs[0].name: inputs}).values()
    # the bar for every target: sums of up to 1,600 products in another order
    assert_close(found, np.asarray(model(inputs)))


def test_the_same_model_gives_the_same_bytes() -> None:
    first, second = (to_tflite(Graph.from_keras(tiny_model("kws"))) for _ in range(2))
    assert first == second


def test_a_symbolic_batch_is_one() -> None:
    file = to_tflite(Graph.from_keras(tiny_model("ad")))
    assert open_litert(file).get_input_details()[0]["shape"].tolist() == [1, 640]


@pytest.fixture(scope="module")
def halves() -> dict[str, Graph]:
    keras = import_keras()
    x = inputs = keras.Input((20,), name="x")
    x = keras.layers.Dense(30, "relu")(x)
    model = keras.Model(inputs, [x, keras.layers.Dense(4)(x)])
    graph = Graph.from_keras(model)
    first, second = graph.outputs
    return {"features": graph.fetch(first.name), "scores": graph.fetch(second.name)}


def test_each_signature_runs(halves: dict[str, Graph]) -> None:
    x = np.random.default_rng(0).standard_normal((1, 20)).astype("f")
    file = to_tflite(halves)
    for name, graph in halves.items():
        (found,) = run_litert(file, {"x": x}, name).values()
        assert_close(found, np.asarray(graph.run(x)))


def test_signatures_share_their_weights(halves: dict[str, Graph]) -> None:
    both, single = to_tflite(halves), to_tflite(halves["scores"])
    weight_bytes = 20 * 30 * 4
    assert len(both) < len(single) + weight_bytes


def test_labels_are_a_file_behind_the_model() -> None:
    words = [f"word {i}" for i in range(12)]
    file = to_tflite(Graph.from_keras(tiny_model("kws")), labels=words)
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        (name,) = archive.namelist()
        assert archive.read(name).decode().splitlines() == words
    x = tiny_inputs("kws")
    (found,) = run_litert(file, {"input": x}).values()
    assert_close(found, np.asarray(tiny_model("kws")(x)))


def test_metadata_names_the_file_of_an_output() -> None:
    import flatbuffers.table
    from flatbuffers import encode, number_types

    graph = trace(lambda x: (x * 2, jnp.tanh(x)), TensorSpec((3,), name="x"))
    buffer = read_metadata(to_tflite(graph, labels={"output_1": ["a", "b", "c"]}))[
        "TFLITE_METADATA"
    ]
    table = flatbuffers.table.Table(
        buffer, encode.Get(number_types.UOffsetTFlags.packer_type, buffer, 0)
    )

    def inner(table: Any, number: int, index: int = 0) -> Any:
        start = table.Vector(table.Offset(4 + 2 * number)) + 4 * index
        return flatbuffers.table.Table(buffer, table.Indirect(start))

    # numbers of the public schema: the outputs of the subgraph, their files, the name and the type
    file = inner(inner(inner(table, 3), 3, index=1), 6)
    assert buffer[4:8] == b"M001"
    assert file.String(file.Offset(4) + file.Pos) == b"labels_output_1.txt"
    assert file.Get(number_types.Int8Flags, file.Offset(8) + file.Pos) == 2


def test_wrong_number_of_labels_is_named() -> None:
    with pytest.raises(InvalidArgumentError, match=r"There are 2 labels .* 12\s+elements"):
        to_tflite(Graph.from_keras(tiny_model("kws")), labels=["yes", "no"])


def test_labels_of_unknown_output_name_the_outputs() -> None:
    graph = trace(jnp.tanh, TensorSpec((2, 3), name="x"))
    with pytest.raises(UnknownNameError, match="There is no output 'scores'"):
        to_tflite(graph, labels={"scores": ["a", "b", "c"]})


def test_unknown_size_is_named() -> None:
    with pytest.raises(UnknownNameError, match="There is no symbolic size 'bacth'"):
        to_tflite(Graph.from_keras(tiny_model("ad")), sizes={"bacth": 2})


def test_no_model_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="the dict of signatures is empty"):
        to_tflite({})


def test_outputs_may_be_inputs_constants_and_the_same_twice() -> None:
    graph = trace(lambda x: (x, x, jnp.zeros(3), x * 2, x * 2), TensorSpec((2,), name="x"))
    found, expected = outputs_of(graph, [np.array([1.0, 2.0], "f")])
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_file_says_which_runtime_it_needs() -> None:
    graph = trace(lambda x: jax.nn.gelu(x), TensorSpec((4,), name="x"))
    buffer = read_metadata(to_tflite(graph))["min_runtime_version"]
    assert buffer.rstrip(b"\0") == b"2.9.0"


def read_metadata(file: bytes) -> dict[str, bytes]:
    from ai_edge_litert.schema_py_generated import ModelT

    model = ModelT.InitFromPackedBuf(file)
    return {
        entry.name.decode(): bytes(model.buffers[entry.buffer].data) for entry in model.metadata
    }


@pytest.fixture(scope="module")
def schema() -> Any:
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


SHARED_OPTIONS = {
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), "Pool2DOptions"),
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), "MaximumMinimumOptions"),
    **dict.fromkeys(
        (
            *("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY"),
            "REDUCE_ALL",
        ),
        "ReducerOptions",
    ),
    "L2_NORMALIZATION": "L2NormOptions",
}


@pytest.mark.parametrize("op", [op for op, builtin in BUILTINS.items() if builtin.options])
def test_options_have_the_numbers_of_the_schema(op: str, schema: Any) -> None:
    members = {name: number for name, number in vars(schema.BuiltinOptions).items()}
    (name,) = (name for name in members if members[name] == BUILTINS[op].options)
    plain = f"{op.replace('_', '')}Options"
    assert name.lower() == SHARED_OPTIONS.get(op, plain).lower()


@pytest.mark.parametrize("op", [op for op, builtin in BUILTINS.items() if builtin.fields])
def test_options_are_read_back(op: str, schema: Any) -> None:
    # from 1: a field that has its default is not in the file
    kinds = {name: kind for name, (_, kind, _) in BUILTINS[op].fields.items()}
    options: dict[str, Any] = {
        name: [3, 4] if kind == "[int]" else kind == "bool" or 1 for name, kind in kinds.items()
    }
    tensor = Tensor.new("x", "float32", (1, 1, 1, 1))
    given = {} if op == "CAST" else options
    operator = Operator(op, (tensor, tensor, tensor), (Tensor.new("y", "int8", (1,)),), given)
    network = Network("one", (tensor,), operator.outputs, (operator,))
    model = schema.ModelT.InitFromPackedBuf(write_model({"main": network}))
    (found,) = model.subgraphs[0].operators
    expected = {"in_data_type": 0, "out_data_type": 9} if op == "CAST" else options
    for name, value in expected.items():
        words = name.split("_")
        attribute = words[0] + "".join(word.title() for word in words[1:])
        assert np.array_equal(getattr(found.builtinOptions, attribute), value), name


def test_operators_have_the_numbers_of_the_schema(schema: Any) -> None:
    assert {op: builtin.code for op, builtin in BUILTINS.items()} == {
        op: getattr(schema.BuiltinOperator, op) for op in BUILTINS
    }


def test_dtypes_have_the_numbers_of_the_schema(schema: Any) -> None:
    assert {name: getattr(schema.TensorType, name.upper()) for name in DTYPES} == DTYPES
