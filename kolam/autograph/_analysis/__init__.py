"""What the rewriting needs to know of a function: its names, which live on, which may lack."""

from kolam.autograph._analysis.definitions import uncertain_names
from kolam.autograph._analysis.liveness import live_before, loop_head
from kolam.autograph._analysis.names import (
    bound_names,
    captured_names,
    contains,
    declared,
    own_nodes,
    parameters,
    read_names,
    target_names,
)

__all__ = [
    "bound_names",
    "captured_names",
    "contains",
    "declared",
    "live_before",
    "loop_head",
    "own_nodes",
    "parameters",
    "read_names",
    "target_names",
    "uncertain_names",
]
