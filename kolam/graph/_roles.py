"""What a module from elsewhere does not say of its arguments and results: role and name."""

from collections.abc import Sequence
from dataclasses import replace

from kolam.core import InvalidArgumentError
from kolam.graph._module import Annotated
from kolam.graph._trace import refuse_repeats


def fill_roles(
    items: list[Annotated], role: str, weights: list[str], names: Sequence[str] | None
) -> list[Annotated]:
    """Fill in role and name where they lack.

    Raises:
        InvalidArgumentError: Weights or names do not fit, or names repeat.
    """
    if not all(item.role for item in items):
        if len(weights) > len(items):
            raise InvalidArgumentError(
                f"`main` takes {len(items)} arguments, which is fewer than {len(weights)} weights."
            )
        items = [
            replace(item, role="weight", spec=replace(item.spec, name=weights[index]))
            if index < len(weights)
            else replace(item, role=role)
            for index, item in enumerate(items)
        ]
    own = [item for item in items if item.role == role]
    if names is not None and len(names) != len(own):
        raise InvalidArgumentError(
            f"`main` has {len(own)} {role}s, but there are {len(names)} {role}_names: "
            f"{list(names)}.",
            how="Give one name per item, in order.",
        )
    filled = iter(
        replace(
            item,
            spec=replace(
                item.spec,
                name=names[index] if names is not None else item.spec.name or f"{role}_{index}",
            ),
        )
        for index, item in enumerate(own)
    )
    named = [next(filled) if item.role == role else item for item in items]
    refuse_repeats("argument" if role == "input" else "result", [str(i.spec.name) for i in named])
    return named
