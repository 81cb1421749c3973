"""Staged control flow that is closed under differentiation and batching, in every order.

In come pieces of code that were traced once; out go the arrays that a branch or loop of them
gives. Python is not run again, by no transformation.
"""

from kolam.autograph._primitives import curvature as _curvature  # noqa: F401 - its rules
from kolam.autograph._primitives.branch import branch
from kolam.autograph._primitives.face import belongs_here, is_under_jit
from kolam.autograph._primitives.face import convert_weakly as weak
from kolam.autograph._primitives.loop import bounded_loop, loop, scan, while_loop
from kolam.autograph._primitives.program import Program, trace
from kolam.autograph._primitives.total import is_cheap, is_total

__all__ = [
    "Program",
    "belongs_here",
    "bounded_loop",
    "branch",
    "is_cheap",
    "is_total",
    "is_under_jit",
    "loop",
    "scan",
    "trace",
    "weak",
    "while_loop",
]
