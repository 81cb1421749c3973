"""From kernels and a plan to one C99 file and its header."""

from kolam.lite._emit.source import emit_header, emit_source

__all__ = ["emit_header", "emit_source"]
