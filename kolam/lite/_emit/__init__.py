"""From kernels and a plan to one C99 file and its header."""

from kolam.lite._emit.source import emit_header, emit_source, kernel_names
from kolam.lite._emit.timed import emit_timed

__all__ = ["emit_header", "emit_source", "emit_timed", "kernel_names"]
