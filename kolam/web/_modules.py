"""The JavaScript of the room: which modules a page needs, and how one page carries them all."""

import base64
import gzip
import re
from pathlib import Path
from posixpath import dirname, join, normpath

from kolam.core import canonical_json

STATIC = Path(__file__).parent / "_static"

# our modules keep to one form: a static import or export ends with `from "./name.js";`
# (the same expression stands in _static/boot.js)
_IMPORT = re.compile(
    r"""^((?:import|export)\b[^;'"]*?\bfrom\s+)["'](\.{1,2}/[^"']+)["'];""", re.MULTILINE
)


def module_closure(*entries: str) -> tuple[str, ...]:
    """Give the names of some modules and of all that they import, what is imported first.

    Args:
        entries: Paths below `_static`, as in ``"runtime/model.js"``.

    Example:
        >>> module_closure("runtime/parcel.js")
        ('runtime/errors.js', 'runtime/sha256.js', 'runtime/parcel.js')
    """
    found: dict[str, None] = {}

    def visit(name: str) -> None:
        if name not in found:
            for _, path in _IMPORT.findall((STATIC / name).read_text()):
                visit(normpath(join(dirname(name), path)))
            found[name] = None

    for entry in entries:
        visit(entry)
    return tuple(found)


def packed_modules(entry: str) -> str:
    """Give a module and all it imports as one text that `_static/boot.js` starts from.

    The sources are the files as they are, in order, so that each import is made before it is
    needed. JSON, gzip, base64: a fifth of the plain text.
    """
    modules = [[name, (STATIC / name).read_text()] for name in module_closure(entry)]
    return base64.b64encode(gzip.compress(canonical_json(modules), 9, mtime=0)).decode()
