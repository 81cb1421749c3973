"""The machines that programs are compiled for. Third parties add theirs as `kolam.targets`."""

from collections.abc import Callable

from kolam.core import Registry
from kolam.lite._targets.native import Native
from kolam.lite._targets.target import Built, Runner, Target
from kolam.lite._targets.wasm import Wasm

TARGETS: Registry[Callable[[], Target]] = Registry(
    "target", {"native": Native, "wasm": Wasm}, group="kolam.targets"
)

__all__ = ["TARGETS", "Built", "Runner", "Target"]
