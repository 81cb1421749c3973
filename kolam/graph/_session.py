"""Fetch by name and feed by name, as sessions of old did."""

from collections.abc import Mapping, Sequence
from typing import Any

from kolam.core import InvalidTypeError, UnknownNameError
from kolam.graph._graph import Graph


class Session:
    """Runs parts of one graph; each set of fetches is pruned and compiled once.

    Args:
        graph: What to run.

    Example:
        >>> import jax.numpy as jnp
        >>> from kolam.core import TensorSpec
        >>> from kolam.graph import name
        >>> graph = Graph.from_function(
        ...     lambda x: jnp.sum(name("squares", x * x)), TensorSpec((2,), name="x")
        ... )
        >>> Session(graph).run(["squares", "output"], feed_dict={"x": [1.0, 2.0]})
        [Array([1., 4.], dtype=float32), Array(5., dtype=float32)]
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._fetched: dict[tuple[str, ...], Graph] = {}

    def run(
        self,
        fetches: str | Sequence[str] | Mapping[str, Any],
        feed_dict: Mapping[str, Any] | None = None,
    ) -> Any:
        """Compute what `fetches` names, and nothing else.

        Args:
            fetches: A name, a list or tuple of names, or a dict with names as values; nested as
                you like. A name is an output or a named node.
            feed_dict: Array by input name. What the fetches do not need may be left out.

        Returns:
            Arrays in the form of `fetches`.

        Raises:
            UnknownNameError: A name is no output, node or input.
            InvalidArgumentError: A needed input lacks or does not fit.
        """
        # Any above: nested fetches, arrays
        feed = dict(feed_dict or {})
        known = [str(spec.name) for spec in self.graph.inputs]
        for label in feed:
            if label not in known:
                raise UnknownNameError.among("input", label, known)
        labels = tuple(dict.fromkeys(_names(fetches)))
        if not labels:
            return _fill(fetches, {})
        if labels not in self._fetched:
            self._fetched[labels] = self.graph.fetch(*labels)
        part = self._fetched[labels]
        needed = {str(spec.name) for spec in part.inputs}
        result = part.run(**{label: value for label, value in feed.items() if label in needed})
        return _fill(fetches, {labels[0]: result} if len(labels) == 1 else result)


def _names(fetches: Any) -> list[str]:  # Any: nested fetches
    if isinstance(fetches, str):
        return [fetches]
    if isinstance(fetches, Mapping):
        return [label for item in fetches.values() for label in _names(item)]
    if isinstance(fetches, (list, tuple)):
        return [label for item in fetches for label in _names(item)]
    raise InvalidTypeError(
        f"A fetch is a {type(fetches).__name__}.",
        how="Give a name, a list of names, or a dict with names as values.",
    )


def _fill(fetches: Any, values: Mapping[str, Any]) -> Any:  # Any: nested fetches, arrays
    if isinstance(fetches, str):
        return values[fetches]
    if isinstance(fetches, Mapping):
        return {key: _fill(item, values) for key, item in fetches.items()}
    return type(fetches)(_fill(item, values) for item in fetches)
