"""The machines that programs are compiled for."""

from functools import partial

from kolam.lite._targets.listing import Targets
from kolam.lite._targets.machines import CORTEX_M, LINUX, Machine
from kolam.lite._targets.native import X86, Native
from kolam.lite._targets.process import RunError
from kolam.lite._targets.standalone import Firmware, Linux
from kolam.lite._targets.target import Built, Facts, Runner, Target, Tool
from kolam.lite._targets.wasm import Wasm

targets = Targets(
    {
        "native": Native,
        **{name: partial(Native, name) for name in X86},
        "wasm": Wasm,
        "wasm-relaxed": partial(Wasm, is_relaxed=True),
        **{machine.facts.name: partial(Linux, machine) for machine in LINUX},
        **{machine.facts.name: partial(Firmware, machine) for machine in CORTEX_M},
    }
)

__all__ = [
    "Built",
    "Facts",
    "Firmware",
    "Machine",
    "Native",
    "RunError",
    "Runner",
    "Target",
    "Tool",
    "targets",
]
