"""The routes: health, metadata, and the two ways to ask for a prediction."""

import json
import re
from collections.abc import Callable, Mapping

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kolam.core import InvalidArgumentError, KolamError, UnknownNameError, versions
from kolam.graph import SavedModel
from kolam.serve._inference import describe, infer
from kolam.serve._limits import Limits, parse_json, read_body
from kolam.serve._model import ServedModel
from kolam.serve._rest import metadata, predict

_HEADER_LENGTH = "Inference-Header-Content-Length"
_LENGTH = re.compile(r"[0-9]{1,15}")


def create_app(
    models: Mapping[str, SavedModel | Mapping[str, SavedModel]], *, limits: Limits | None = None
) -> Starlette:
    """Make the ASGI application that serves some models.

    Args:
        models: Name to a model, or to several by version; the highest version answers requests
            that name none.
        limits: What a request may cost.

    Raises:
        InvalidArgumentError: There is no model, or one has no ``predict`` graph.

    References:
        TensorFlow Serving's REST interface; the Open Inference Protocol, version 2.
    """
    if not models:
        raise InvalidArgumentError("There is no model to serve.", how="Give at least one.")
    served = {
        name: {
            version: ServedModel(name, version, saved)
            for version, saved in (found.items() if isinstance(found, Mapping) else [("1", found)])
        }
        for name, found in models.items()
    }
    server = _Server(served, limits or Limits())
    return Starlette(
        routes=server.routes(),
        exception_handlers={HTTPException: _refuse, KolamError: _refuse_ours, Exception: _fail},
    )


class _Server:
    def __init__(self, models: Mapping[str, Mapping[str, ServedModel]], limits: Limits) -> None:
        self._models = models
        self._limits = limits

    def routes(self) -> list[Route]:
        get, post = ["GET"], ["POST"]
        listed: list[tuple[str, Callable[..., object], list[str]]] = [
            ("/v2", self.server_metadata, get),
            ("/v2/health/live", self.live, get),
            ("/v2/health/ready", self.live, get),
        ]
        for root in ("/v2/models/{name:path}/versions/{version}", "/v2/models/{name:path}"):
            listed += [
                (f"{root}/ready", self.model_ready, get),
                (f"{root}/infer", self.infer, post),
                (f"{root}/infer", self.only_post, get),
            ]
        for root in ("/v1/models/{name:path}/versions/{version}", "/v1/models/{name:path}"):
            listed += [
                (f"{root}:predict", self.predict, post),
                (f"{root}:predict", self.only_post, get),
                (f"{root}/metadata", self.rest_metadata, get),
            ]
        listed += [
            ("/v2/models/{name:path}/versions/{version}", self.model_metadata, get),
            ("/v2/models/{name:path}", self.model_metadata, get),
            ("/v1/models/{name:path}/versions/{version}", self.rest_status, get),
            ("/v1/models/{name:path}", self.rest_status, get),
        ]
        return [Route(path, endpoint, methods=methods) for path, endpoint, methods in listed]

    async def live(self, _: Request) -> Response:
        return Response()

    async def only_post(self, _: Request) -> Response:
        # without this the name of the model would be taken to be "heart:predict"
        raise HTTPException(405, "Ask for predictions by POST.", headers={"Allow": "POST"})

    async def server_metadata(self, _: Request) -> Response:
        return JSONResponse(
            {
                "name": "kolam",
                "version": versions()["kolam"],
                "extensions": ["binary_tensor_data"],
                "models": sorted(self._models),
            }
        )

    async def model_ready(self, request: Request) -> Response:
        self._find(request)
        return Response()

    async def model_metadata(self, request: Request) -> Response:
        model = self._find(request)
        return JSONResponse(describe(model, list(self._models[model.name])))

    async def rest_metadata(self, request: Request) -> Response:
        return JSONResponse(metadata(self._find(request)))

    async def rest_status(self, request: Request) -> Response:
        model = self._find(request)
        wanted = [model.version] if "version" in request.path_params else self._models[model.name]
        status = [
            {
                "version": version,
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
            for version in wanted
        ]
        return JSONResponse({"model_version_status": status})

    async def predict(self, request: Request) -> Response:
        model = self._find(request)
        body = parse_json(await read_body(request, self._limits))
        return JSONResponse(await run_in_threadpool(predict, model, body, self._limits.rows))

    async def infer(self, request: Request) -> Response:
        model = self._find(request)
        header = request.headers.get(_HEADER_LENGTH)
        if header is not None and not _LENGTH.fullmatch(header):
            raise HTTPException(400, f"{_HEADER_LENGTH} must be a whole number.")
        body = await read_body(request, self._limits)
        length = int(header) if header is not None else None
        answer = await run_in_threadpool(infer, model, body, length, self._limits.rows)
        if answer.json_bytes is None:
            return Response(answer.content, media_type="application/json")
        return Response(
            answer.content,
            media_type="application/octet-stream",
            headers={_HEADER_LENGTH: str(answer.json_bytes)},
        )

    def _find(self, request: Request) -> ServedModel:
        name = request.path_params["name"]
        found = self._models.get(name)
        if found is None:
            raise HTTPException(404, str(UnknownNameError.among("model", name, self._models)))
        version = request.path_params.get("version")
        if version is None:
            return found[max(found, key=_version_order)]
        if version not in found:
            unknown = UnknownNameError.among(f"version of {name!r}", version, found)
            raise HTTPException(404, str(unknown))
        return found[version]


def _version_order(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdecimal() else (-1, version)


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail, error.headers)


async def _refuse_ours(_: Request, error: Exception) -> Response:
    return _error(400, str(error))


async def _fail(_: Request, error: Exception) -> Response:
    # the cause is raised on by Starlette, so that it stands in the log of the server
    return _error(500, f"The server failed: {type(error).__name__}. Its log tells more.")


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        json.dumps({"error": message}),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )
