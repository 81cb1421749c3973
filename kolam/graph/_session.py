"""Fetch by name, feed by name, and keep variables between runs, as sessions of old did."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import jax
import numpy as np

from kolam.core import (
    IntegrityError,
    InvalidArgumentError,
    InvalidTypeError,
    TensorSpec,
    UnknownNameError,
    prepare_jax,
)
from kolam.graph._arguments import bind_inputs
from kolam.graph._graph import Graph
from kolam.graph._partial import PartialRun, Plan
from kolam.graph._tensors import read_variables, write_variables
from kolam.graph._trace import check_weights


class Source(Protocol):
    """What a session runs parts of: a `Graph`, or a `Builder` whose graph is still open."""

    name: str
    weights: Mapping[str, Any]  # Any: arrays of NumPy or JAX

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Spec of each input."""

    @property
    def updates(self) -> Mapping[str, str]:
        """The weight that a node assigns, by its name."""

    def expand(self, name: str) -> list[str]:
        """Give the outputs and nodes that a name stands for."""

    def label_of(self, value: object) -> str | None:
        """Give the name of a value that is no text; `None` if it is none of its values."""

    def fetch(self, *names: str, feeds: Sequence[str] = ()) -> Graph:
        """Give the program that yields these and computes nothing else."""


class Session:
    """Runs parts of one graph; each set of fetches is pruned and compiled once.

    The weights of the graph are the variables of the session: they begin with the graph's values,
    and change when a node that assigns one is fetched. Sessions of one graph know nothing of each
    other, and the graph stays as it is.

    Args:
        graph: What to run: a `Graph`, or a `Builder`.

    Attributes:
        graph: What it runs.

    Example:
        >>> import jax.numpy as jnp
        >>> from kolam.graph import name
        >>> graph = Graph.from_function(
        ...     lambda x: jnp.sum(name("squares", x * x)), TensorSpec((2,), name="x")
        ... )
        >>> Session(graph).run(["squares", "output"], feed_dict={"x": [1.0, 2.0]})
        [Array([1., 4.], dtype=float32), Array(5., dtype=float32)]
    """

    def __init__(self, graph: Source) -> None:
        self.graph = graph
        self._values: dict[str, jax.Array] = {}
        self._parts: dict[tuple[tuple[str, ...], tuple[str, ...]], Graph] = {}
        self._plans: dict[tuple[tuple[str, ...], tuple[str, ...]], Plan] = {}

    def run(self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None) -> Any:
        """Compute what `fetches` names, and nothing else.

        Args:
            fetches: A name, a list or tuple of names, or a dict with names as values; nested as
                you like. A name is that of an output, a node, a variable, or a pytree of nodes,
                which gives a dict. Of a `Builder` its values themselves as well. A node that
                assigns gives the variable its new value after all else is computed.
            feed_dict: Array by name: of inputs, and of nodes and variables whose own value it
                takes the place of in this run. What the fetches do not need may be left out.

        Returns:
            Arrays in the form of `fetches`.

        Raises:
            UnknownNameError: A name is no output, node, variable or input.
            InvalidArgumentError: A needed input lacks or does not fit, or one variable would get
                two values.
        """
        # Any above: nested fetches, arrays
        feeds = self._by_name(feed_dict)
        labels = self._labels(fetches)
        self._check_one_update(labels)
        variables = self._with_fed(feeds)
        found = {label: variables[label] for label in labels if label in self.graph.weights}
        computed = [label for label in labels if label not in found]
        if computed:
            found |= self._compute(tuple(computed), feeds, variables)
        self._keep_updates(found)
        return _fill(fetches, self._name_of, found, self._expand)

    # ----------------------------------------------------------------------------- in steps

    def partial_run_setup(self, fetches: Any, feeds: Any = ()) -> PartialRun:
        """Announce a run in steps, whose feeds come one after the other.

        Args:
            fetches: All that any step will ask for, as `run` takes it.
            feeds: Names of all that the steps will feed.

        Returns:
            What `partial_run` continues. Variables have the values of now in all its steps.

        Raises:
            UnknownNameError: A name is no output, node or input.
        """
        # Any above: nested names
        labels, fed = self._labels(fetches), [self._name_of(item) for item in _leaves(feeds)]
        self._check_one_update(labels)
        for label in fed:
            self._check_feed(label)
        for label in [*labels, *fed]:
            if label in self.graph.weights:
                raise InvalidArgumentError(
                    f"{label!r} is a variable, which a partial run takes as it is.",
                    how="Read it from `session.variables`, or set it with `session.assign`.",
                )
        key = (labels, tuple(dict.fromkeys(fed)))
        if key not in self._plans:
            inner = [label for label in key[1] if label not in self._input_names()]
            self._plans[key] = Plan(self.graph.fetch(*labels, feeds=inner))
        plan = self._plans[key]
        variables = self._current()
        values = {number: variables[label] for label, number in plan.weights.items()}
        return PartialRun(plan, values, set(key[1]))

    def partial_run(
        self, run: PartialRun, fetches: Any, feed_dict: Mapping[Any, Any] | None = None
    ) -> Any:
        """Continue a run in steps; what earlier steps computed is not computed again.

        Args:
            run: What `partial_run_setup` gave.
            fetches: What this step asks for, as `run` takes it; all of it announced.
            feed_dict: Array by name, announced and not fed before.

        Returns:
            Arrays in the form of `fetches`.

        Raises:
            InvalidArgumentError: A name was not announced, was fed before, or lacks a feed.

        Example:
            >>> graph = Graph.from_function(
            ...     lambda a, b: {"double": 2 * a, "sum": 2 * a + b},
            ...     TensorSpec(()), TensorSpec(()),
            ... )
            >>> session = Session(graph)
            >>> steps = session.partial_run_setup(["double", "sum"], ["a", "b"])
            >>> double = session.partial_run(steps, "double", {"a": 3.0})
            >>> float(session.partial_run(steps, "sum", {"b": 1 + double}))
            13.0
        """
        # Any above: nested fetches, arrays
        feeds = self._by_name(feed_dict)
        labels = self._labels(fetches)
        for kind, asked, announced in (
            ("fetched", labels, run.plan.results),
            ("fed", feeds, run.announced),
        ):
            for label in asked:
                if label not in announced:
                    raise InvalidArgumentError(
                        f"{label!r} is {kind}, but was not announced for this partial run.",
                        how="Name it in `partial_run_setup`.",
                    )
        specs = [spec for spec in run.plan.graph.inputs if str(spec.name) in feeds]
        given = {str(spec.name): feeds[str(spec.name)] for spec in specs}
        checked = bind_inputs(specs, (), given, of=self.graph.name)
        run.feed(dict.fromkeys(feeds) | dict(zip(given, checked, strict=True)))
        found = run.fetch(labels)
        self._keep_updates(found)
        return _fill(fetches, self._name_of, found, self._expand)

    # ---------------------------------------------------------------------------- variables

    @property
    def variables(self) -> dict[str, jax.Array]:
        """The variables by name, as they are now."""
        return dict(self._current())

    def assign(self, values: Mapping[Any, Any]) -> None:
        """Set variables.

        Args:
            values: Array by name, with the variable's shape and dtype.

        Raises:
            UnknownNameError: A name is no variable.
            InvalidArgumentError: An array has another shape or dtype.
        """
        # Any above: arrays of any library
        named = {self._name_of(key): value for key, value in values.items()}
        for label in named:
            if label not in self.graph.weights:
                raise UnknownNameError.among("variable", label, self.graph.weights)
        self._values |= self._as_variables(named)

    def reset(self) -> None:
        """Give all variables their first values again."""
        self._values = {}

    def save(self, path: str | Path) -> None:
        """Write the variables to one file, as safetensors.

        Args:
            path: File on this machine; an older one is replaced, or stays if this fails.

        Raises:
            StorageError: It cannot be written.
        """
        write_variables(Path(path), self._current())

    def restore(self, path: str | Path) -> None:
        """Read the variables from a file that `save` wrote.

        Args:
            path: File on this machine.

        Raises:
            IntegrityError: There is no such file, or it is damaged, or of another graph.
        """
        found = read_variables(Path(path))
        specs = [TensorSpec(a.shape, str(a.dtype), k) for k, a in self._current().items()]
        try:
            check_weights(specs, found)
        except InvalidArgumentError as error:
            raise IntegrityError(
                f"{path} holds the variables of another graph: {error.what}",
                how="Give the file that a session of this graph saved.",
            ) from error
        self._values = self._as_variables(found)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del kind, error, trace  # nothing to close: arrays go when nobody holds them

    # ------------------------------------------------------------------------------- inside

    def _compute(
        self, labels: tuple[str, ...], feeds: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> dict[str, Any]:
        # Any above: arrays
        inner = tuple(sorted(set(feeds) - self._input_names() - set(self.graph.weights)))
        key = (labels, inner)
        if key not in self._parts:
            self._parts[key] = self.graph.fetch(*labels, feeds=inner)
        part = self._parts[key]
        needed = {str(spec.name) for spec in part.inputs}
        given = {label: value for label, value in feeds.items() if label in needed}
        values = bind_inputs(part.inputs, (), given, of=part.name)
        results = part._runnable(values, variables)
        return {str(s.name): value for s, value in zip(part.outputs, results, strict=True)}

    def _current(self) -> dict[str, jax.Array]:
        # a builder may have got more variables since
        first = {k: v for k, v in self.graph.weights.items() if k not in self._values}
        if first:
            self._values |= self._as_variables(first)
        return {label: self._values[label] for label in self.graph.weights}

    def _as_variables(self, values: Mapping[str, Any]) -> dict[str, jax.Array]:
        prepare_jax()
        wide = any(np.asarray(w).dtype.itemsize == 8 for w in self.graph.weights.values())
        with jax.enable_x64(wide or bool(jax.config.jax_enable_x64)):
            specs = [
                TensorSpec(np.shape(w), str(np.asarray(w).dtype), label)
                for label, w in self.graph.weights.items()
                if label in values
            ]
            given = {str(spec.name): values[str(spec.name)] for spec in specs}
            checked = bind_inputs(specs, (), given, of=self.graph.name, allow_empty=True)
            # copies: nobody else may hold what a session keeps
            return {label: jax.numpy.array(a) for label, a in zip(given, checked, strict=True)}

    def _with_fed(self, feeds: Mapping[str, Any]) -> dict[str, jax.Array]:
        fed = {label: value for label, value in feeds.items() if label in self.graph.weights}
        return self._current() | (self._as_variables(fed) if fed else {})

    def _keep_updates(self, found: Mapping[str, Any]) -> None:
        updates = self.graph.updates
        self._values |= {updates[k]: value for k, value in found.items() if k in updates}

    def _check_one_update(self, labels: Sequence[str]) -> None:
        updates = self.graph.updates
        assigned: dict[str, str] = {}
        for label in labels:
            weight = updates.get(label)
            if weight is None:
                continue
            if weight in assigned:
                raise InvalidArgumentError(
                    f"{assigned[weight]!r} and {label!r} both assign the variable {weight!r}.",
                    how="Fetch one of them; a run gives a variable one new value.",
                )
            assigned[weight] = label

    def _labels(self, fetches: Any) -> tuple[str, ...]:  # Any: nested fetches
        names = [self._name_of(item) for item in _leaves(fetches) if not _is_array(item)]
        return tuple(dict.fromkeys(label for name in names for label in self._expand(name)))

    def _expand(self, name: str) -> list[str]:
        return [name] if name in self.graph.weights else self.graph.expand(name)

    def _by_name(self, feed_dict: Mapping[Any, Any] | None) -> dict[str, Any]:  # Any: arrays
        feeds = {self._name_of(key): value for key, value in (feed_dict or {}).items()}
        for label in feeds:
            self._check_feed(label)
        return feeds

    def _check_feed(self, label: str) -> None:
        known = [*self._input_names(), *self.graph.weights]
        if label in known:
            return
        try:
            found = self.graph.expand(label)
        except UnknownNameError:
            found = []
        if found != [label]:
            raise UnknownNameError.among("input, node or variable", label, known)

    def _input_names(self) -> set[str]:
        return {str(spec.name) for spec in self.graph.inputs}

    def _name_of(self, item: Any) -> str:  # Any: what the user gave
        if isinstance(item, str):
            return item
        label = self.graph.label_of(item)
        if label is None:
            raise InvalidTypeError(
                f"A fetch or feed is a {type(item).__name__}.",
                how="Give a name, a value of the graph's builder, or lists and dicts of them.",
            )
        return label


def _leaves(fetches: Any) -> list[Any]:  # Any: nested fetches
    if isinstance(fetches, Mapping):
        return [leaf for item in fetches.values() for leaf in _leaves(item)]
    if isinstance(fetches, (list, tuple)):
        return [leaf for item in fetches for leaf in _leaves(item)]
    return [fetches]


def _is_array(item: Any) -> bool:  # Any: what the user gave
    return isinstance(item, (jax.Array, np.ndarray)) and not isinstance(item, jax.core.Tracer)


def _fill(fetches: Any, name_of: Any, values: Mapping[str, Any], expand: Any) -> Any:
    # Any above: nested fetches, arrays, and the session's own look-ups
    if isinstance(fetches, Mapping):
        return {key: _fill(item, name_of, values, expand) for key, item in fetches.items()}
    if isinstance(fetches, (list, tuple)):
        filled = [_fill(item, name_of, values, expand) for item in fetches]
        return type(fetches)(*filled) if hasattr(fetches, "_fields") else type(fetches)(filled)
    if _is_array(fetches):  # of a builder: what needed no symbol was computed at once
        return fetches
    name = name_of(fetches)
    if name in values:
        return values[name]
    return {label.removeprefix(f"{name}/"): values[label] for label in expand(name)}
