"""From the user's tree to the tree of operator calls: jumps first, then statements."""

from kolam.autograph._rewrites.jumps import CannotRewrite, lower_jumps
from kolam.autograph._rewrites.statements import rewrite_function

__all__ = ["CannotRewrite", "lower_jumps", "rewrite_function"]
