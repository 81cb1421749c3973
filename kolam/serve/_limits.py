"""Requests are read only so far and only so long."""

import asyncio
import json
import zlib
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may cost.

    Attributes:
        body_bytes: Size of a body, after decompression too.
        read_seconds: Time in which a body must have arrived.
        rows: Rows of one request.
    """

    body_bytes: int = 16 * 2**20
    read_seconds: float = 10.0
    rows: int = 65_536


async def read_body(request: Request, limits: Limits) -> bytes:
    """Read the whole body, decompressed.

    Raises:
        HTTPException: 413 too large, 408 too slow, 415 an unknown encoding, 400 broken bytes.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.read_seconds):
            async for part in request.stream():
                size += len(part)
                if size > limits.body_bytes:
                    raise _too_large(limits)
                parts.append(part)
    except TimeoutError as error:
        raise HTTPException(
            408, f"The body did not arrive within {limits.read_seconds:g} seconds."
        ) from error
    except ClientDisconnect as error:
        raise HTTPException(400, "The client went away before the body was whole.") from error
    return _decompress(b"".join(parts), request.headers.get("content-encoding", ""), limits)


def parse_json(body: bytes) -> dict[str, object]:
    """Read a JSON object.

    Raises:
        HTTPException: 400, with the place of the mistake.
    """
    try:
        text = body.decode("utf-8")
        _check_depth(text)
        value = json.loads(text)
    except ValueError as error:  # bytes that are no text, text that is no JSON, endless digits
        raise HTTPException(400, f"The body is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise HTTPException(
            400, f"The body is a JSON {type(value).__name__}; an object is expected."
        )
    return value


def _check_depth(text: str) -> None:
    # the parser recurses: refuse before it does. Brackets in strings only make this stricter.
    depth = deepest = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > _MAX_DEPTH:
                raise HTTPException(400, f"The JSON is nested deeper than {_MAX_DEPTH} levels.")
        elif character in "]}":
            depth -= 1


def _decompress(body: bytes, encoding: str, limits: Limits) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "deflate"):
        raise HTTPException(415, f"The encoding {encoding!r} is unknown; use gzip or deflate.")
    reader = zlib.decompressobj(wbits=47)  # finds out gzip or zlib by itself
    try:
        plain = reader.decompress(body, limits.body_bytes + 1)
    except zlib.error as error:
        raise HTTPException(400, f"The body is not {encoding}: {error}.") from error
    if len(plain) > limits.body_bytes:
        raise _too_large(limits)
    if not reader.eof:
        raise HTTPException(400, f"The {encoding} body ends too early.")
    return plain


def _too_large(limits: Limits) -> HTTPException:
    return HTTPException(
        413, f"The body is larger than {limits.body_bytes} bytes; send fewer rows at once."
    )
