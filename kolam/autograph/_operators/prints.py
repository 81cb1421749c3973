"""`print`: at run time where a value is traced or the code is staged."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators.regions import context, in_staged_code
from kolam.autograph._operators.texts import has_runtime, join, split
from kolam.autograph._primitives import is_under_jit


def staged_print(
    *values: Any, sep: str | None = " ", end: str | None = "\n", **options: Any
) -> None:
    """Stand in for `print`: at run time when a value is traced or the code is staged."""
    sep, end = " " if sep is None else sep, "\n" if end is None else end
    # inside `jax.jit` each call prints, not only the one that traces; in `jax.vmap` each example
    known = context.ordered and not in_staged_code() and not is_under_jit()
    if known and not has_runtime(values):
        print(*values, sep=sep, end=end, **options)  # noqa: T201 - the user's own
        return
    if not context.effects:
        return
    arrays, rest = split(values)
    inbox, examples = context.inbox, _examples()
    if inbox is not None:
        inbox.prints = True

    def run(wanted: Any, *known: Any) -> None:
        if wanted:
            if inbox is not None:
                inbox.printed = True
            print(*join(rest, list(known[len(examples) :])), sep=sep, end=end, **options)  # noqa: T201 - the user's

    jax.debug.callback(run, _is_reached(), *examples, *arrays, ordered=context.ordered)


def _examples() -> list[Any]:
    """Give empty parts of the arguments, for a text to be printed once for every example."""
    given = [leaf for region in context.regions for leaf in region.arguments]
    plain = [leaf for leaf in given if not jnp.issubdtype(leaf.dtype, jax.dtypes.extended)]
    return [jnp.ravel(leaf)[:0] for leaf in plain]


def _is_reached() -> Any:
    """Whether plain Python gets to the code that is traced now, for this example of a batch."""
    reached: Any = np.True_
    for region in context.regions:
        for test, outcome in region.alive:
            test = test() if callable(test) else test
            reached = reached & (test if outcome else jnp.logical_not(test))
        if region.failure.code is not None:
            reached = reached & (region.failure.code == 0)
    return reached
