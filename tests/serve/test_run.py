"""The server as a process: where it listens, and how it ends."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kolam.core import StorageError
from kolam.graph import SavedModel
from kolam.serve import run


@pytest.fixture
def process(array_model: SavedModel, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    array_model.save(tmp_path / "arrays")
    words = ["serve", str(tmp_path / "arrays"), "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-c", "from kolam.cli import main; main()", *words],
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        yield started
        started.kill()


def test_process_says_where_it_listens_and_ends_by_sigterm_after_its_answer(
    process: subprocess.Popen[str],
) -> None:
    assert process.stderr is not None
    found = re.search(r"http://(\S+):(\d+)", process.stderr.readline())
    assert found is not None
    url, address = found[0], (found[1], int(found[2]))
    assert httpx.get(f"{url}/v2/health/ready", timeout=60).status_code == 200

    body = json.dumps({"inputs": {"x": [[1, 2]], "y": [[3, 4]]}}).encode()
    head = f"POST /v1/models/arrays:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert b"100 Continue" in connection.recv(4096)  # the request is being answered
        process.send_signal(signal.SIGTERM)
        connection.sendall(body)
        answer = connection.makefile("rb").read()
    assert b'"sum":[[4.0,6.0]]' in answer
    assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert "Traceback" not in process.stderr.read()


def test_port_that_is_taken_is_named(array_model: SavedModel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StorageError, match=rf"Cannot listen on 127.0.0.1:{port}.*\n.*--port"):
            run({"arrays": array_model}, port=port)
