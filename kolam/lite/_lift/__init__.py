"""From a `Program` to a `Network`: arrays become operators, one file per family."""

from kolam.lite._lift.lift import lift, read_network

__all__ = ["lift", "read_network"]
