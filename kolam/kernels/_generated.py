"""Handlers whose C is written for one program: built, loaded and made known to XLA once."""

from functools import cache

import jax

from kolam.core import digest_bytes
from kolam.kernels._library import compile_sources, load


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
    return name
