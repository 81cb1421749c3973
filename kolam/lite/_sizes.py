"""Symbolic sizes of models that have their sizes already."""

from collections.abc import Mapping

from kolam.core import InvalidArgumentError, UnknownNameError


def check_fixed(fixed: Mapping[str, int], given: Mapping[str, int] | None) -> None:
    """Check that sizes are those that a model was quantised for.

    Raises:
        UnknownNameError: The model has no such size.
        InvalidArgumentError: It was quantised for another one.
    """
    for name, size in (given or {}).items():
        if name not in fixed:
            raise UnknownNameError.among("symbolic size", name, fixed)
        if size != fixed[name]:
            raise InvalidArgumentError(
                f"The model was quantised for {name} = {fixed[name]}, not {size}.",
                how=f"Quantise it with `sizes={{{name!r}: {size}}}`.",
            )
