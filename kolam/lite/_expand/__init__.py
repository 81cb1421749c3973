"""From a `Network` to a `Program`: every operator becomes plain nodes, floats and codes alike."""

from kolam.lite._expand.expand import expand

__all__ = ["expand"]
