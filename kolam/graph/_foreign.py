"""What a program calls beside its own operations: known to XLA, to one platform, or refused."""

import re
from collections.abc import Iterator
from typing import Any

from kolam.core import UnsupportedError
from kolam.graph._stablehlo import ir

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
OUTSIDE = {f"stablehlo.{name}" for name in ("infeed", "outfeed", "send", "recv")}

# calls of libraries that one platform has
_OF_PLATFORM = {
    "cpu": re.compile(r"lapack_\w+"),
    "cuda": re.compile(r"cu(solver|blas|dnn|fft)\w*"),
    "rocm": re.compile(r"hip(solver|blas)\w*"),
    "tpu": re.compile(r"LuDecomposition"),
}
# calls that XLA itself understands, wherever it runs; any other could be a call into the process
# that runs the program, with an address of the writer's choice
_OF_XLA = re.compile(
    r"stablehlo\.dynamic_\w+|(mhlo|chlo)\.\w+|Sharding|SPMD(FullToShard|ShardToFull)Shape|TopK"
    r"|ApproxTopK|PartialReduce|Eigh|Qr|QrDecomposition|Cholesky"
    r"|ProductOfElementaryHouseholderReflectors"
)


def refuse_foreign_calls(module: ir.Module) -> None:
    """Check that a program computes and does nothing else.

    Raises:
        UnsupportedError: It calls something outside of itself, such as a Python callback.
    """
    known = [_OF_XLA, *_OF_PLATFORM.values()]
    for name in _calls(module):
        if not any(pattern.fullmatch(name) for pattern in known):
            raise UnsupportedError(
                f"The program calls {name!r}, which is outside of it.",
                how="A Graph computes from its inputs alone: take out prints, callbacks and other "
                "calls into Python or the host.",
            )


def platforms_of(module: ir.Module) -> tuple[str, ...]:
    """Give the platforms on which a program runs: all, unless it calls a library of one."""
    needed = {
        platform
        for name in _calls(module)
        for platform, pattern in _OF_PLATFORM.items()
        if pattern.fullmatch(name)
    }
    return tuple(platform for platform in PLATFORMS if needed <= {platform})


def _calls(module: ir.Module) -> Iterator[str]:
    found: list[str] = []

    def note(operation: Any) -> Any:  # Any: MLIR's operation and its walk result
        if operation.name in OUTSIDE:
            found.append(operation.name)
        elif operation.name == "stablehlo.custom_call":
            found.append(ir.StringAttr(operation.attributes["call_target_name"]).value)
        return ir.WalkResult.ADVANCE

    module.operation.walk(note)
    yield from found
