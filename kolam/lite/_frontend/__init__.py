"""From the plain records of a StableHLO module to a `Program`, one file per family."""

from kolam.lite._frontend.read import read_program, translate

__all__ = ["read_program", "translate"]
