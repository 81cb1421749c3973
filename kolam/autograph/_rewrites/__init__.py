"""From the user's tree to the tree of operator calls: jumps first, then statements."""

from kolam.autograph._rewrites.generators import CONSUME, generator_facts, pushing
from kolam.autograph._rewrites.jumps import CannotRewrite, lower_jumps
from kolam.autograph._rewrites.statements import rewrite_function

__all__ = [
    "CONSUME",
    "CannotRewrite",
    "generator_facts",
    "lower_jumps",
    "pushing",
    "rewrite_function",
]
