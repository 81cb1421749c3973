"""The one file that touches JAX's internals: MLIR modules in and out.

Everything else of Kolam sees StableHLO as text, as portable bytes, or as the plain records of
`kolam.graph._operations`.
"""

from jax._src.interpreters import mlir as _mlir
from jaxlib.mlir import ir

from kolam.core import InvalidArgumentError

__all__ = ["ir", "parse_module"]


def parse_module(text: str) -> ir.Module:
    """Parse StableHLO text.

    Raises:
        InvalidArgumentError: The text is not a valid module; the message is MLIR's own.
    """
    context = _mlir.make_ir_context()
    try:
        with context, ir.Location.unknown():
            return ir.Module.parse(text)
    except ir.MLIRError as error:
        raise InvalidArgumentError(f"This is not a StableHLO module: {error}") from error
