"""All passes, in the order in which they run. A pass is a pure function `Program -> Program`."""

from collections.abc import Callable

from kolam.lite._passes.dead import remove_dead_nodes
from kolam.lite._passes.fold import fold_constants
from kolam.lite._passes.fuse import fuse_kernels
from kolam.lite._passes.layouts import normalize_layouts
from kolam.lite._passes.order import order_kernels
from kolam.lite._passes.padding import fold_padding
from kolam.lite._passes.products import normalize_products
from kolam.lite._passes.scales import fold_scales
from kolam.lite._passes.share import share_equal_nodes
from kolam.lite._passes.simplify import simplify
from kolam.lite._passes.store import store_equal_weights
from kolam.lite._passes.windows import normalize_windows
from kolam.lite._program import Program

Pass = Callable[[Program], Program]

PASSES: tuple[Pass, ...] = (
    normalize_products,  # first: everything later knows one form of a product
    normalize_windows,  # likewise for windows
    normalize_layouts,  # after gaps and cut borders, which may lie along any axis
    simplify,  # turns what JAX spells out into scalars and views, which fold
    fold_constants,  # before sharing, so that equal constants meet
    share_equal_nodes,  # before the second round: equal operands make more rules match
    simplify,  # what folding and sharing uncovered
    fold_constants,
    fold_padding,  # needs numbers in the padding as constants
    fold_scales,  # needs factors and weights as constants
    remove_dead_nodes,  # before fusion: a dead user would hold a value back
    fuse_kernels,  # afterwards a node is a kernel
    store_equal_weights,  # needs to know what is stored, and how it is read
    order_kernels,  # last: it needs to know what is stored
)


def run_passes(program: Program) -> Program:
    """Run all passes in order."""
    for step in PASSES:
        program = step(program)
    return program


__all__ = ["PASSES", "Pass", "run_passes"]
