"""The machines that programs are compiled for. Third parties add theirs as `kolam.targets`."""

from collections.abc import Callable
from functools import partial

from kolam.core import Registry
from kolam.lite._targets.machines import CORTEX_M, LINUX
from kolam.lite._targets.native import Native
from kolam.lite._targets.process import RunError
from kolam.lite._targets.standalone import Firmware, Linux
from kolam.lite._targets.target import Built, Facts, Runner, Target, Tool
from kolam.lite._targets.wasm import Wasm

TARGETS: Registry[Callable[[], Target]] = Registry(
    "target",
    {
        "native": Native,
        "wasm": Wasm,
        **{machine.facts.name: partial(Linux, machine) for machine in LINUX},
        **{machine.facts.name: partial(Firmware, machine) for machine in CORTEX_M},
    },
    group="kolam.targets",
)

__all__ = ["TARGETS", "Built", "Facts", "RunError", "Runner", "Target", "Tool"]
