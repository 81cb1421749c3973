"""The server process."""

import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from kolam.core import StorageError
from kolam.graph import SavedModel
from kolam.serve._app import create_app
from kolam.serve._limits import Limits

if TYPE_CHECKING:
    import uvicorn


def run(
    models: Mapping[str, SavedModel | Mapping[str, SavedModel]],
    *,
    host: str = "127.0.0.1",
    port: int = 8501,
    limits: Limits | None = None,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Serve some models until the process is told to end.

    Args:
        models: Name to a model, or to several by version.
        host: Address to listen on; ``"0.0.0.0"`` opens it to the network.
        port: Port to listen on; 0 takes a free one.
        limits: What a request may cost.
        on_start: Called with the URL once the port is taken.

    Raises:
        StorageError: The port cannot be taken.
    """
    server = make_server(create_app(models, limits=limits))
    try:
        listener = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        raise StorageError(
            f"Cannot listen on {host}:{port}: {error.strerror}.",
            how="Give another --port, or 0 for a free one.",
        ) from error
    with listener:
        if on_start:
            on_start(f"http://{host}:{listener.getsockname()[1]}")
        server.run(sockets=[listener])


def make_server(app: Starlette) -> "uvicorn.Server":
    """Give a server that bears slow, many and malformed requests."""
    import uvicorn  # here: costs 0.1 s, and only a server needs it

    from kolam.serve._protocol import PunctualProtocol  # here: imports uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=PunctualProtocol,
            ws="none",
            log_level="warning",
            timeout_keep_alive=30,
            limit_concurrency=1024,
            h11_max_incomplete_event_size=64 * 1024,
            timeout_graceful_shutdown=10,
        )
    )
