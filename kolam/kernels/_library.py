"""The library of kernels: compiled at first use, loaded once, made known to XLA."""

import ctypes
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import jax

from kolam.core import KolamError, UnsupportedError
from kolam.kernels._build import build, processor

_FOLDER = files("kolam.kernels") / "_csrc"
TARGETS = (
    *("kolam_convolution", "kolam_kernel_gradient"),
    *("kolam_depthwise_convolution", "kolam_depthwise_gradient"),
    *("kolam_max_pool", "kolam_max_pool_gradient"),
    *("kolam_products", "kolam_row_program"),
)
_FLAGS = (
    *("-mcpu=native", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-strict-aliasing"),
    *("-std=c11", "-fvisibility=hidden", "-fno-sanitize=all", "-g0", "-s"),
    *("-fno-inline-functions", "-fno-slp-vectorize"),  # what should be inline or a vector says so
    *("-shared", "-fPIC", "-nostdlib", "-fno-unwind-tables"),
)
_LOCK = threading.Lock()


class KernelsWarning(UserWarning):
    """XLA's own code runs where a kernel of ours would be faster."""


def is_available() -> bool:
    """Tell whether the kernels can be used here, and make them known to XLA if so.

    The first call of a process loads the library; the first on a machine compiles it, which takes
    a second or two. Where that fails, one warning says why, and the answer stays no.

    A program out of JAX's persistent cache calls kernels by name: this must have run before such a
    program is loaded. Every function of this room that stands in a traced program sees to it.
    """
    return _reason() is None


def has_failed() -> bool:
    """Tell whether the kernels were asked for in this process, and could not be had."""
    with _LOCK:
        return bool(_reason_once.cache_info().currsize) and _reason_once() is not None


def check_available() -> None:
    """Refuse with the reason where the kernels cannot be used."""
    reason = _reason()
    if reason is not None:
        raise UnsupportedError(
            f"The kernels of kolam.kernels cannot be used here: {reason}",
            how="Ask kolam.kernels.is_available() first; leave the work to XLA where it says no.",
        )


def _reason() -> str | None:
    with _LOCK:  # the second thread waits, and finds what the first has loaded
        return _reason_once()


@cache
def _reason_once() -> str | None:
    """Load and register; give the reason where that is impossible."""
    try:
        library = _load()
    except (KolamError, OSError) as error:
        reason = error.what if isinstance(error, KolamError) else str(error)
        warnings.warn(
            f"Convolutions and their like run as XLA's own code, which is slower. {reason}",
            KernelsWarning,
            stacklevel=4,
        )
        return reason
    for name in TARGETS:
        target = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(name, target, platform="cpu")
    return None


def _load() -> ctypes.CDLL:
    if sys.platform not in ("linux", "darwin"):
        raise UnsupportedError(f"There are no kernels for {sys.platform}.")
    return load(compile_library())


def load(library: bytes) -> ctypes.CDLL:
    """Load a shared library into the process, which keeps it; no file is left."""
    handle, name = tempfile.mkstemp(prefix="kolam-kernels-", suffix=".so")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(library)
        return ctypes.CDLL(name)
    finally:
        Path(name).unlink()


def compile_library(extra_flags: tuple[str, ...] = ()) -> bytes:
    """Compile all kernels for this processor.

    Args:
        extra_flags: After our own, for the compiler.

    Returns:
        The shared library.
    """
    sources = {file.name: file.read_bytes() for file in _FOLDER.iterdir()}
    return compile_sources(sources, extra_flags)


def compile_sources(sources: Mapping[str, bytes], extra_flags: tuple[str, ...]) -> bytes:
    """Compile C for this processor, beside the headers of this room and XLA's own."""
    headers = {
        file.name: file.read_bytes() for file in _FOLDER.iterdir() if file.name.endswith(".h")
    }
    api = Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api" / "c_api.h"
    everything = {**headers, "c_api.h": api.read_bytes(), **sources}
    return build(everything, (*_FLAGS, *extra_flags), machine=processor(), apart=True)
