"""Tables in, what they hold and what is wrong with them out."""

from kolam.statistics._profile import Profile, profile
__all__ = ["Profile", "profile"]
