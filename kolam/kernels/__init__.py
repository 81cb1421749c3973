"""C compiled at first use: the compiler with its cache.

In comes C, out goes a library or module. A compiler that refuses what we wrote is an error with
what it said.
"""

from kolam.kernels._build import BuildError, build, processor

__all__ = ["BuildError", "build", "processor"]
