"""Graphs compiled ahead of time to C99: native code, browsers, small devices.

In comes a `Graph`, out goes a `Compiled`: readable C with a static memory plan and no runtime, no
libc, no allocation, and what it was built to. An operation without C is refused in Python, with
the line of the user's code, before anything is built.
"""

from kolam.kernels import BuildError
from kolam.lite._check import Check, CheckedOperator, check
from kolam.lite._compile import Compiled, compile
from kolam.lite._export import export
from kolam.lite._limits import TooLargeError
from kolam.lite._lower import Tiling
from kolam.lite._quantize import (
    Comparison,
    Histogram,
    LayerError,
    LayerErrors,
    Quantized,
    SliceChange,
    compare_metrics,
    fake_quantize,
    layer_errors,
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
    "Check",
    "CheckedOperator",
    "Comparison",
    "Compiled",
    "Facts",
    "Firmware",
    "Histogram",
    "KernelReport",
    "LayerError",
    "LayerErrors",
    "Machine",
    "Quantized",
    "Report",
    "RunError",
    "SliceChange",
    "Target",
    "Tiling",
    "TooLargeError",
    "Tool",
    "check",
    "compare_metrics",
    "compile",
    "export",
    "fake_quantize",
    "layer_errors",
    "least_squares",
    "min_max",
    "percentile",
    "quantize",
    "targets",
    "to_tflite",
]
