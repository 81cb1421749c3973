"""Programs on rows: functions of elements and sums along rows, in one pass over memory.

A layer norm, a softmax, a loss or the step of an optimiser is one call of one kernel, which
interprets a byte code on tiles that stay in the first cache. Nothing is compiled for it.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from kolam.kernels._library import check_available
from kolam.kernels._row_code import write_code
from kolam.kernels._row_records import RowProgram, RowResult, check_program


def run_row_program(program: RowProgram, operands: Sequence[jax.Array]) -> list[jax.Array]:
    """Run a program on rows.

    Sums are taken in an order that depends on shapes alone: any number of threads gives the same
    bits. Functions are exact to a few ulp; maxima and minima hand NaN on.

    Args:
        program: What is done.
        operands: Float32 or bool (a truth), one per input, of any shape.

    Returns:
        One array per result; bool if the value is a truth.

    Raises:
        InvalidArgumentError: The program is none, or the operands are not those of it.
    """
    kinds = check_program(program, operands)
    shapes = [
        jax.ShapeDtypeStruct(
            _shape(program, result), "bool" if kinds[result.value] == "t" else "f4"
        )
        for result in program.results
    ]
    if 0 in program.shape[:-1]:
        return [jnp.zeros(shape.shape, shape.dtype) for shape in shapes]
    check_available()
    code = write_code(program, tuple(operand.dtype == bool for operand in operands))
    call = jax.ffi.ffi_call("kolam_row_program", shapes, vmap_method="sequential")
    numbers = {name: np.array(values, np.int64) for name, values in code.items()}
    return list(call(*operands, **numbers))


def _shape(program: RowProgram, result: RowResult) -> tuple[int, ...]:
    shapes = {"all": program.shape, "row": program.shape[:-1], "column": program.shape[-1:]}
    return shapes[result.kind]
