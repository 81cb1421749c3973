"""StableHLO as a function of JAX: what gives a stored program gradients, maps and parts.

In comes a module as records, out goes a `Program`, a plain function of arrays that JAX can trace,
differentiate and vectorise. It refuses operations that JAX has no word for, with their line.
"""

from kolam.graph._interpret.programs import Program

__all__ = ["Program"]
