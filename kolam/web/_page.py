"""One HTML page: the shell, its data, its modules, and the rule that it fetches nothing."""

import base64
import hashlib
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from kolam.core import InvalidTypeError, canonical_json
from kolam.web._live import LiveModel
from kolam.web._modules import STATIC, module_closure, packed_modules

_TEMPLATES = Path(__file__).parent / "_templates"


def single_page(entry: str, data: object, *, title: str, description: str) -> str:
    """Write a page that carries all it needs and may not fetch anything.

    Args:
        entry: The module that draws the page, below `_static`.
        data: What that module reads; see `page_json`.
        title: Title of the page.
        description: One sentence for those who find the page by a search.
    """
    style = (STATIC / "style.css").read_text()
    boot = (STATIC / "boot.js").read_text()
    policy = (
        f"default-src 'none'; img-src data:; style-src {_allowed(style)}; "
        f"script-src blob: 'wasm-unsafe-eval' {_allowed(boot)}"
    )
    return _render(
        title=title,
        description=description,
        policy=policy,
        data=page_json(data),
        style=style,
        boot=boot,
        packed=packed_modules(entry),
        entry="",
        modules=(),
    )


def folder_page(entry: str, data: object, *, title: str, description: str) -> str:
    """Write a page that loads its modules from the folder it lies in, and from nowhere else.

    The arguments are those of `single_page`.
    """
    return _render(
        title=title,
        description=description,
        policy="default-src 'none'; img-src data:; style-src 'self'; connect-src 'self'; "
        "script-src 'self' 'wasm-unsafe-eval'",
        data=page_json(data),
        style="",
        boot="",
        packed="",
        entry=entry,
        modules=module_closure(entry),
    )


def page_json(data: object) -> str:
    r"""Write data for a script element of a page: no text in it can end the element.

    NaN and the infinities become null, dates ISO 8601 text, dataclasses objects.

    Raises:
        InvalidTypeError: A value is of a type that JSON has no form for.

    Example:
        >>> page_json({"name": "</script>", "value": float("nan")})
        '{"name":"\\u003c/script\\u003e","value":null}'
    """
    text = canonical_json(_plain(data)).decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def inlined_model(live: LiveModel) -> dict[str, object]:
    """Give the manifest and the files in base64, as `runtime/parcel.js` opens them."""
    files = {name: base64.b64encode(content).decode() for name, content in live.files.items()}
    return {"manifest": live.manifest(), "files": files}


def _render(**values: object) -> str:
    # here: costs 0.1 s, and nobody needs it who writes no page
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    mark = (_TEMPLATES / "mark.svg").read_text().strip()
    icon = f"data:image/svg+xml,{quote(mark)}"
    return environment.get_template("page.html.j2").render(mark=mark, icon=icon, **values)


def _allowed(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _plain(value: Any) -> Any:  # Any: the point is to take what comes, and to check it
    match value:
        case None | bool() | str() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case np.generic():
            return _plain(value.item())
        case date() | datetime():
            return value.isoformat()
        case Mapping():
            return {str(key): _plain(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_plain(entry) for entry in value]
        case _ if is_dataclass(value):
            return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    raise InvalidTypeError(
        f"A page cannot show a value of type {type(value).__name__}: {value!r:.80}.",
        how="Give text, numbers, booleans, dates, None, or lists and mappings of these.",
    )
