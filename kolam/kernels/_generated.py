"""Handlers whose C is written for one program: built, loaded and made known to XLA once."""

from collections.abc import Mapping
from functools import cache

import jax

from kolam.core import digest_bytes
from kolam.kernels._library import TARGETS, compile_sources, is_available, load

_SOURCES: dict[str, str] = {}  # by name, of the handlers that this process knows


@cache
def register(source: str) -> str:
    """Compile a handler and make it known to XLA.

    Args:
        source: C that includes the headers of this room and defines one exported handler, whose
            name stands as ``HANDLER``.

    Returns:
        The name under which programs call it: a digest of the source is part of it.
    """
    name = f"kolam_{digest_bytes(source.encode())[:24]}"
    library = load(compile_sources({"generated.c": source.encode()}, (f"-DHANDLER={name}",)))
    jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(getattr(library, name)), platform="cpu")
    _SOURCES[name] = source
    return name


def handlers_in(program: bytes) -> dict[str, str]:
    """Give what a compiled program calls of this room: sources by name, "" for the library's own.

    Args:
        program: As XLA writes it.
    """
    known = dict.fromkeys(TARGETS, "") | _SOURCES
    return {name: source for name, source in known.items() if name.encode() in program}


def provide(handlers: Mapping[str, str]) -> bool:
    """Make known to XLA what `handlers_in` gave in another process; `False` if that cannot be."""
    if handlers and not is_available():
        return False
    for source in filter(None, handlers.values()):
        register(source)
    return True
