"""The server, asked by real clients: httpx, and tritonclient for the Open Inference Protocol."""

import gzip
import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.utils import InferenceServerException

from kolam.core import InvalidArgumentError
from kolam.graph import SavedModel
from kolam.serve import create_app

ROWS = [
    {"age": 63, "thal": "normal", "smokes": True},
    {"age": None, "thal": "never seen", "smokes": None},
    {"age": 44.5},
]
COLUMNS = {
    "age": [63.0, None, 44.5],
    "thal": ["normal", "never seen", None],
    "smokes": [True, None, None],
}


@pytest.fixture(scope="session")
def expected(table_model: SavedModel) -> np.ndarray:
    import pyarrow as pa

    return table_model.predict_scores(pa.table(COLUMNS))


def post(server: str, path: str, body: object, **options: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"http://{server}{path}", content=content, timeout=30, **options)


# ------------------------------------------------------------------ TensorFlow Serving's form


def test_instances_give_a_label_and_scores_a_row(server: str, expected: np.ndarray) -> None:
    answer = post(server, "/v1/models/heart:predict", {"instances": ROWS}).json()
    scores = [row["scores"] for row in answer["predictions"]]
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert {row["label"] for row in answer["predictions"]} <= {"sick", "well"}


def test_inputs_by_column_give_outputs_by_name(server: str, expected: np.ndarray) -> None:
    answer = post(server, "/v1/models/heart:predict", {"inputs": COLUMNS}).json()
    np.testing.assert_allclose(answer["outputs"]["scores"], expected, atol=1e-6)


def test_arrays_in_arrays_out(server: str) -> None:
    body = {"inputs": {"x": [[1, 2]], "y": [[3, 4]]}}
    answer = post(server, "/v1/models/arrays:predict", body).json()
    assert answer["outputs"] == {"sum": [[4.0, 6.0]], "product": [[3.0, 8.0]]}


@pytest.mark.parametrize("version", ["1", "12"])
def test_each_version_has_an_address(server: str, version: str) -> None:
    answer = httpx.get(f"http://{server}/v1/models/heart/versions/{version}").json()
    assert answer["model_version_status"][0]["version"] == version


def test_status_lists_every_version(server: str) -> None:
    answer = httpx.get(f"http://{server}/v1/models/heart").json()
    assert [item["version"] for item in answer["model_version_status"]] == ["1", "12"]


def test_metadata_gives_the_signature(server: str) -> None:
    answer = httpx.get(f"http://{server}/v1/models/heart/metadata").json()
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["age"]["dtype"] == "DT_DOUBLE"
    assert signature["outputs"]["scores"]["tensor_shape"]["dim"][1]["size"] == "2"


def test_bytes_in_base64_are_text(server: str) -> None:
    rows = [{"thal": {"b64": "bm9ybWFs"}}, {"thal": "normal"}]
    answer = post(server, "/v1/models/heart:predict", {"instances": rows}).json()["predictions"]
    assert answer[0] == answer[1]


def test_compressed_bodies_are_read(server: str, expected: np.ndarray) -> None:
    body = gzip.compress(json.dumps({"instances": ROWS}).encode())
    answer = post(
        server, "/v1/models/heart:predict", body, headers={"content-encoding": "gzip"}
    ).json()
    np.testing.assert_allclose(answer["predictions"][0]["scores"], expected[0], atol=1e-6)


# ------------------------------------------------------------------ Open Inference Protocol v2


@pytest.fixture
def client(server: str) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(server)


def tensors(binary: bool) -> list[triton.InferInput]:
    age = triton.InferInput("age", [3], "FP64")
    age.set_data_from_numpy(np.array([63.0, np.nan, 44.5]), binary_data=binary)
    thal = triton.InferInput("thal", [3], "BYTES")
    thal.set_data_from_numpy(
        np.array(["normal", "never seen", ""], dtype=object), binary_data=binary
    )
    return [age, thal]


def test_health_and_metadata_by_the_real_client(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("heart", "12")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    found = client.get_model_metadata("heart")
    assert found["versions"] == ["1", "12"]
    assert {"name": "age", "datatype": "FP64", "shape": [-1]} in found["inputs"]


@pytest.mark.parametrize("binary", [True, False])
def test_tensors_as_bytes_and_as_json_give_the_same(
    client: triton.InferenceServerClient, table_model: SavedModel, binary: bool
) -> None:
    outputs = [triton.InferRequestedOutput(n, binary_data=binary) for n in ("scores", "label")]
    inputs = tensors(True)  # the client cannot write NaN as JSON
    answer = client.infer("heart", inputs, outputs=outputs, request_id="7")
    import pyarrow as pa

    table = pa.table({"age": COLUMNS["age"], "thal": COLUMNS["thal"]})
    table = table.append_column("smokes", pa.nulls(3, pa.bool_()))
    np.testing.assert_allclose(
        answer.as_numpy("scores"), table_model.predict_scores(table), atol=1e-6
    )
    labels = [
        text.decode() if isinstance(text, bytes) else text for text in answer.as_numpy("label")
    ]
    assert labels == table_model.predict(table).to_pylist()
    assert answer.get_response()["id"] == "7"


def test_outputs_that_nobody_names_all_come(client: triton.InferenceServerClient) -> None:
    x = triton.InferInput("x", [1, 2], "FP32")
    x.set_data_from_numpy(np.ones((1, 2), np.float32))
    y = triton.InferInput("y", [1, 2], "FP32")
    y.set_data_from_numpy(np.full((1, 2), 3, np.float32))
    answer = client.infer("arrays", [x, y])
    np.testing.assert_array_equal(answer.as_numpy("sum"), [[4, 4]])
    np.testing.assert_array_equal(answer.as_numpy("product"), [[3, 3]])


def test_real_client_is_told_what_is_wrong(client: triton.InferenceServerClient) -> None:
    wrong = triton.InferInput("aage", [1], "FP64")
    wrong.set_data_from_numpy(np.ones(1))
    with pytest.raises(InferenceServerException, match="Did you mean 'age'"):
        client.infer("heart", [wrong])


# ------------------------------------------------------------------ refusals; the server goes on


def tensor(**changes: object) -> dict[str, list[dict[str, object]]]:
    good = {"shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
    return {"inputs": [{"name": "x", **good, **changes}, {"name": "y", **good}]}


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/v1/models/hart:predict", {"instances": ROWS}, 404, "Did you mean 'heart'"),
        ("/v1/models/heart/versions/3:predict", {"instances": ROWS}, 404, "There are: 1, 12"),
        ("/v1/models/heart:predict", b"{", 400, "not JSON"),
        ("/v1/models/heart:predict", b"\xff\xfe", 400, "not JSON"),
        ("/v1/models/heart:predict", [1], 400, "an object is expected"),
        ("/v1/models/heart:predict", {}, 400, "either 'instances'"),
        ("/v1/models/heart:predict", {"instances": []}, 400, "is empty"),
        ("/v1/models/heart:predict", {"instances": [[1, 2]]}, 400, "Instance 0 is a list"),
        ("/v1/models/heart:predict", {"instances": [{"agee": 1}]}, 400, "Did you mean 'age'"),
        ("/v1/models/heart:predict", {"instances": [{"age": "old"}]}, 400, "is no number"),
        ("/v1/models/heart:predict", {"inputs": {"age": [1, 2], "thal": ["a"]}}, 400, "different"),
        ("/v1/models/heart:predict", {"instances": [{}] * 1001}, 413, "at most 1000"),
        ("/v1/models/heart:predict", b'{"instances": "' + b"x" * 300_000 + b'"}', 413, "larger"),
        ("/v1/models/heart:predict", b"[" * 100 + b"]" * 100, 400, "nested deeper"),
        ("/v1/models/arrays:predict", {"inputs": {"x": [[1, 2]]}}, 400, "'y' is missing"),
        ("/v1/models/arrays:predict", {"inputs": {"x": [["a"]], "y": [[1]]}}, 400, "float32"),
        ("/v2/models/heart/infer", {"inputs": []}, 400, "list of tensors"),
        (
            "/v2/models/heart/infer",
            {"inputs": [{"name": "age", "shape": [2], "datatype": "FP64", "data": [1]}]},
            400,
            "has 1 values",
        ),
        (
            "/v2/models/heart/infer",
            {"inputs": [{"name": "age", "shape": [1], "datatype": "FP65", "data": [1]}]},
            400,
            "is none of",
        ),
        ("/v2/models/arrays/infer", tensor(datatype=["FP32"]), 400, "is none of"),
        ("/v2/models/arrays/infer", tensor(parameters=[1]), 400, "'parameters' must be an object"),
        ("/v2/models/arrays/infer", tensor(data=[10**400, 1]), 400, "is no float32"),
        ("/v2/models/arrays/infer", {"inputs": tensor()["inputs"] * 2}, 400, "there twice"),
        (
            "/v2/models/arrays/infer",
            tensor() | {"outputs": [{"name": "sum", "parameters": "x"}]},
            400,
            "'parameters' must be an object",
        ),
        ("/v1/models/arrays:predict", {"inputs": {"x": [[10**400]], "y": [[1]]}}, 400, "float32"),
        ("/v1/models/heart:predict", {"instances": [{"age": 10**400}]}, 400, "is no number"),
        ("/v1/models/heart:predict", b'{"a": ' + b"9" * 5000 + b"}", 400, "not JSON"),
        ("/v1/models/heart:predict", {"instances": [{"thal": "\ud800"}]}, 400, "is no text"),
        ("/v1/models/heart:predict", {"instances": [{"thal": {"b64": "é"}}]}, 400, "not base64"),
    ],
)  # fmt: skip
def test_bad_requests_are_refused_with_a_reason(
    server: str, path: str, body: object, status: int, text: str
) -> None:
    answer = post(server, path, body)
    assert (answer.status_code, text in answer.json()["error"]) == (status, True), answer.text
    assert httpx.get(f"http://{server}/v2/health/live").status_code == 200


def test_decompression_bomb_is_refused(server: str) -> None:
    body = gzip.compress(b"0" * 50_000_000)
    answer = post(server, "/v1/models/heart:predict", body, headers={"content-encoding": "gzip"})
    assert answer.status_code == 413


def test_slow_request_is_cut_off(server: str) -> None:
    host, port = server.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(
            b"POST /v1/models/heart:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
        )
        assert b"408" in connection.recv(4096)
    assert httpx.get(f"http://{server}/v2/health/live").status_code == 200


ANYTHING = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.just("FP32"), st.just("\ud800")),
    *(st.just([]), st.just({}), st.just([[1, 2]]), st.just({"binary_data_size": 8})),
)
WHOLE = {
    "inputs": [
        {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2], "parameters": {}},
        {"name": "y", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]},
    ],
    "outputs": [{"name": "sum", "parameters": {"binary_data": True}}],
    "parameters": {"binary_data_output": True},
    "id": "1",
}


def damaged(value: object, draw: Callable[..., object]) -> object:
    """Put something else in some places of a request."""
    if draw(st.integers(0, 9)) == 0:
        return draw(ANYTHING)
    if isinstance(value, dict):
        return {key: damaged(item, draw) for key, item in value.items()}
    return [damaged(item, draw) for item in value] if isinstance(value, list) else value


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_no_request_makes_the_server_fail(server: str, data: st.DataObject) -> None:
    model = data.draw(st.sampled_from(["arrays", "heart"]))
    body = damaged(WHOLE, data.draw)
    answer = post(server, f"/v2/models/{model}/infer", body)
    assert answer.status_code in (200, 400, 413), answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_wrong_method_is_told_the_right_one(server: str, method: str) -> None:
    answer = httpx.request(method, f"http://{server}/v1/models/heart:predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("head", [b"", b"POST /v1/models/heart:predict HTTP/1.1\r\nHost: x\r\n"])
def test_head_that_does_not_come_is_not_waited_for(server: str, head: bytes) -> None:
    host, port = server.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head)
        assert connection.recv(4096) == b""


def test_threads_that_ask_at_once_get_their_own_answers(
    server: str, table_model: SavedModel
) -> None:
    import pyarrow as pa

    ages = pa.table({"age": np.arange(400.0), "thal": ["fixed"] * 400, "smokes": [True] * 400})
    expected = table_model.predict_scores(ages)

    def ask(first: int) -> list[list[float]]:
        rows = ages.slice(first, 1 + first % 7).to_pylist()
        answer = post(server, "/v1/models/heart:predict", {"instances": rows}).json()
        return [row["scores"] for row in answer["predictions"]]

    firsts = list(range(0, 390, 5))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, firsts))
    for first, scores in zip(firsts, answers, strict=True):
        np.testing.assert_allclose(scores, expected[first : first + len(scores)], atol=1e-6)


def test_nothing_to_serve_is_said() -> None:
    with pytest.raises(InvalidArgumentError, match="no model to serve"):
        create_app({})
