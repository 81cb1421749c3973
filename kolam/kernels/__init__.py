"""C compiled at first use: the compiler with its cache, and kernels that XLA's programs call.

In come arrays of a traced program, channels last; out go arrays. XLA's CPU back end runs
convolutions on one thread, and far slower inside loops; these run on all of its threads.
Where there is no compiler, `is_available` says no after one warning, and nothing else changes.
Float32 and the CPU alone; derivatives are calls of their own, not rules for JAX.
"""

from kolam.kernels._build import BuildError, build, processor
from kolam.kernels._convolution import convolution, kernel_gradient
from kolam.kernels._generated import handlers_in, provide
from kolam.kernels._library import KernelsWarning, has_failed, is_available
from kolam.kernels._pooling import max_pool, max_pool_gradient, sum_pool
from kolam.kernels._products import Layout, products
from kolam.kernels._recurrence import FUNCTIONS, Instruction, Recurrence, run_recurrence
from kolam.kernels._row_program import run_row_program
from kolam.kernels._row_records import (
    ROW_FUNCTIONS,
    RowInput,
    RowInstruction,
    RowProgram,
    RowResult,
)

__all__ = [
    "FUNCTIONS",
    "ROW_FUNCTIONS",
    "BuildError",
    "Instruction",
    "KernelsWarning",
    "Layout",
    "Recurrence",
    "RowInput",
    "RowInstruction",
    "RowProgram",
    "RowResult",
    "build",
    "convolution",
    "handlers_in",
    "has_failed",
    "is_available",
    "kernel_gradient",
    "max_pool",
    "max_pool_gradient",
    "processor",
    "products",
    "provide",
    "run_recurrence",
    "run_row_program",
    "sum_pool",
]
