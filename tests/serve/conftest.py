"""Two small models, and a real server on a free port."""

import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from kolam import features
from kolam.core import TensorSpec
from kolam.graph import Graph, SavedModel
from kolam.serve import Limits, create_app
from kolam.serve._protocol import PunctualProtocol
from kolam.serve._run import make_server

TABLE = {
    "age": [63.0, 37.0, 41.0, 56.0, 57.0, 44.0, None, 52.0] * 4,
    "thal": ["normal", "fixed", "normal", "reversible", "fixed", "normal", "normal", None] * 4,
    "smokes": [True, False, True, True, False, False, True, None] * 4,
    "target": ["sick", "well", "sick", "sick", "well", "well", "sick", "well"] * 4,
}


@pytest.fixture(scope="session")
def table_model() -> SavedModel:
    import jax

    program = features.fit(TABLE, label="target")
    weights = np.linspace(-1, 1, program.width * 2, dtype=np.float32).reshape(-1, 2)
    graph = Graph.from_function(
        lambda w, x: jax.nn.softmax(x @ w["w"]),
        TensorSpec(("batch", program.width), name="features"),
        weights={"w": weights},
        output_names=("scores",),
    )
    return SavedModel(graphs={"predict": graph}, features=program)


@pytest.fixture(scope="session")
def array_model() -> SavedModel:
    graph = Graph.from_function(
        lambda x, y: {"sum": x + y, "product": x * y},
        TensorSpec(("batch", 2), name="x"),
        TensorSpec(("batch", 2), name="y"),
    )
    return SavedModel(graphs={"predict": graph})


@pytest.fixture(scope="session")
def server(table_model: SavedModel, array_model: SavedModel) -> Iterator[str]:
    """Address of a running server, as host:port; it waits a second for the head of a request."""
    patient = PunctualProtocol.head_seconds
    PunctualProtocol.head_seconds = 1.0
    app = create_app(
        {"heart": {"1": table_model, "12": table_model}, "arrays": array_model},
        limits=Limits(body_bytes=200_000, read_seconds=1.0, rows=1_000),
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        runner = make_server(app)
        thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        runner.should_exit = True
        thread.join(timeout=30)
    PunctualProtocol.head_seconds = patient
