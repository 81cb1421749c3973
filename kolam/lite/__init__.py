"""Graphs compiled ahead of time to C99: native code, browsers, small devices.

In comes a `Graph`, out goes a `Compiled`: readable C with a static memory plan and no runtime, no
libc, no allocation, and what it was built to. An operation without C is refused in Python, with
the line of the user's code, before anything is built.
"""

from kolam.lite._build import BuildError
from kolam.lite._compile import Compiled, compile
from kolam.lite._export import export
from kolam.lite._limits import TooLargeError
from kolam.lite._lower import Tiling
from kolam.lite._quantize import (
    Histogram,
    Quantized,
    least_squares,
    min_max,
    percentile,
    quantize,
)
from kolam.lite._report import KernelReport, Report
from kolam.lite._targets import (
    Built,
    Facts,
    Firmware,
    Machine,
    RunError,
    Target,
    Tool,
    targets,
)
from kolam.lite._tflite import to_tflite

__all__ = [
    "BuildError",
    "Built",
    "Compiled",
    "Facts",
    "Firmware",
    "Histogram",
    "KernelReport",
    "Machine",
    "Quantized",
    "Report",
    "RunError",
    "Target",
    "Tiling",
    "TooLargeError",
    "Tool",
    "compile",
    "export",
    "least_squares",
    "min_max",
    "percentile",
    "quantize",
    "targets",
    "to_tflite",
]
