"""From a Python function to a program: arguments by name, results by name, named nodes."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax.ad_checkpoint import checkpoint_name
from jax.tree_util import tree_flatten_with_path, tree_structure, tree_unflatten

from kolam.core import (
    InvalidArgumentError,
    InvalidTypeError,
    TensorSpec,
    UnknownNameError,
    UnsupportedError,
)
from kolam.graph._jaxprs import Nodes, evaluate, mark, refuse_callbacks
from kolam.graph._module import Annotated
from kolam.graph._stablehlo import files_of


def name(label: str, value: Any) -> Any:
    """Name a value inside a function, so that `Graph.fetch` and `Session.run` can ask for it.

    Outside a graph it gives `value` unchanged and costs nothing. Use what it returns: JAX drops a
    value that nobody uses.

    Args:
        label: Name, unique in the function. A pytree of several arrays gets ``label/key``.
        value: Array of any shape, or a pytree of arrays.

    Returns:
        `value`.

    Raises:
        InvalidArgumentError: `label` is empty or no text.

    Example:
        >>> import jax.numpy as jnp
        >>> float(name("doubled", 2 * jnp.float32(4)))
        8.0
    """
    # Any above: a pytree
    if not isinstance(label, str) or not label:
        raise InvalidArgumentError(
            f"A node is named {label!r}.", how="Give a text that is not empty."
        )
    leaves, tree = tree_flatten_with_path(value)
    named = [checkpoint_name(leaf, mark(join_path(label, path))) for path, leaf in leaves]
    return tree_unflatten(tree, named)


def assign(weight: str, value: Any, *, name: str | None = None) -> Any:
    """Make a value the next one of a weight, inside a function that is traced with weights.

    Nothing happens unless a `Session` is asked for the node: then it keeps `value` as the weight's
    from the next run on. All reads in a run see the values from before it.

    Args:
        weight: Name of the weight, such as ``"dense/kernel"``; or of a part of the pytree.
        value: Array with the weight's shape and dtype, or a pytree like that part.
        name: Name of the node; ``assign/`` and the weight's by default. A pytree of several arrays
            gets ``name/key``.

    Returns:
        `value`.

    Raises:
        InvalidArgumentError: A name is empty or no text.

    Example:
        >>> import jax.numpy as jnp
        >>> from kolam.graph import Graph, Session
        >>> graph = Graph.from_function(
        ...     lambda weights: assign("count", weights["count"] + 1), weights={"count": 0}
        ... )
        >>> session = Session(graph)
        >>> [int(session.run("assign/count")) for _ in range(3)]
        [1, 2, 3]
    """
    # Any above: a pytree
    for text in (weight, name or "assign"):
        if not isinstance(text, str) or not text:
            raise InvalidArgumentError(
                f"`assign` got the name {text!r}.", how="Give a text that is not empty."
            )
    label = name or f"assign/{weight}"
    leaves, tree = tree_flatten_with_path(value)
    marked = [
        checkpoint_name(leaf, mark(join_path(label, path), join_path(weight, path)))
        for path, leaf in leaves
    ]
    return tree_unflatten(tree, marked)


def join_path(prefix: str, path: Sequence[Any]) -> str:
    """Write a path of a pytree as a name: ``prefix/key/0``."""
    # Any above: JAX's path entries
    parts = [
        str(getattr(entry, "key", getattr(entry, "name", getattr(entry, "idx", entry))))
        for entry in path
    ]
    return "/".join([prefix, *parts] if prefix else parts)


def flatten_weights(weights: Any) -> tuple[dict[str, np.ndarray], Any]:
    """Flatten a pytree of arrays to names such as ``dense/kernel``, and give its structure.

    Raises:
        InvalidTypeError: A leaf is no array or number.
        InvalidArgumentError: Two leaves have the same name.
    """
    # Any above: a pytree in, JAX's tree definition out

    leaves, tree = tree_flatten_with_path(weights)
    named: dict[str, np.ndarray] = {}
    for path, leaf in leaves:
        label = join_path("", path) or "weights"
        if label in named:
            raise InvalidArgumentError(
                f"Two weights have the name {label!r}.", how="Rename one key of the pytree."
            )
        named[label] = as_weight(label, leaf)
    return named, tree


def as_weight(label: str, leaf: Any) -> np.ndarray:
    """Read one weight as a NumPy array in C order.

    Raises:
        InvalidTypeError: It is no array or number.
    """
    # Any above: whatever the user gave
    array = np.asarray(leaf)
    try:
        TensorSpec(array.shape, str(array.dtype))
        if array.dtype == object or array.dtype.kind in "SUO":
            raise InvalidArgumentError("text")
    except InvalidArgumentError:
        raise InvalidTypeError(
            f"The weight {label!r} is a {type(leaf).__name__}, not an array.",
            how="Give arrays of numbers; a random key goes in as `jax.random.key_data(key)`.",
        ) from None
    # Python's own numbers count as JAX counts them: float32 and int32
    if isinstance(leaf, float):
        array = array.astype(np.float32)
    elif isinstance(leaf, int) and not isinstance(leaf, bool):
        array = array.astype(np.int32)
    return np.require(array, requirements="C")


def name_inputs(
    fn: Callable[..., Any], specs: Sequence[Any], *, skip: int
) -> tuple[list[TensorSpec], Any]:
    """Give the flat, named inputs of `fn`, and the structure to rebuild its arguments.

    A name is that of the spec, else of the parameter, else ``input_0``; leaves of a pytree get
    ``parameter/key``.

    Args:
        fn: Takes `skip` arguments, then one per spec.
        specs: A `TensorSpec` or a pytree of them, per argument.
        skip: Arguments before the inputs: 1 when `fn` takes weights first.

    Raises:
        InvalidTypeError: A spec is none.
        InvalidArgumentError: Two inputs have the same name, or one is of text.
    """
    # Any above: a user's function, pytrees of specs, and JAX's tree definition

    parameters = _parameter_names(fn)[skip:]
    inputs: list[TensorSpec] = []
    for index, spec in enumerate(specs):
        outer = parameters[index] if index < len(parameters) else f"input_{index}"
        leaves, _ = tree_flatten_with_path(spec)
        for path, leaf in leaves:
            checked = _as_spec(leaf, join_path(outer, path))
            inputs.append(checked)
    tree = tree_structure(tuple(specs))
    refuse_repeats("input", [str(spec.name) for spec in inputs])
    return inputs, tree


def _as_spec(leaf: Any, fallback: str) -> TensorSpec:  # Any: what the user gave as a spec
    if isinstance(leaf, TensorSpec):
        spec = leaf if leaf.name else replace(leaf, name=fallback)
    elif hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
        spec = TensorSpec(tuple(leaf.shape), str(leaf.dtype), fallback)
    else:
        raise InvalidTypeError(
            f"The spec of {fallback!r} is a {type(leaf).__name__}.",
            how="Give `kl.TensorSpec(shape, dtype)`, or an array to take shape and dtype from.",
        )
    check_dtype(spec)
    return spec


def check_dtype(spec: TensorSpec) -> None:
    """Refuse dtypes that a program cannot take or that JAX would narrow in silence.

    Raises:
        UnsupportedError: Text.
        InvalidArgumentError: 64 bits, and JAX's 64-bit mode is off.
    """
    if spec.dtype == "string":
        raise UnsupportedError(
            f"The input {spec.name!r} is of text, and a Graph computes with numbers only.",
            how="Turn text into numbers with `kl.features`; the SavedModel carries both.",
        )
    if spec.dtype.endswith("64") and not jax.config.jax_enable_x64:
        raise InvalidArgumentError(
            f"{spec.name!r} has dtype {spec.dtype}, but JAX's 64-bit mode is off.",
            how=f"Use {spec.dtype[:-2]}32, or set `jax.config.update('jax_enable_x64', True)`.",
        )


def refuse_repeats(kind: str, labels: Sequence[str]) -> None:
    """Check that names are unique.

    Raises:
        InvalidArgumentError: One stands twice.
    """
    for label in labels:
        if labels.count(label) > 1:
            raise InvalidArgumentError(
                f"Two {kind}s have the name {label!r}.", how="Give each a name of its own."
            )


def _parameter_names(fn: Callable[..., Any]) -> list[str]:  # Any: a user's function
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [parameter.name for parameter in parameters if parameter.kind in positional]


class Results:
    """What a traced function gave: names of its outputs and of its nodes, in flat order.

    Beside them the weight that an output or node assigns, by its name, and the user's files whose
    lines were traced.

    Filled while JAX traces what `flatten` gives; read after.
    """

    def __init__(self, output_names: Sequence[str] | None = None) -> None:
        self._wanted = output_names
        self.outputs: list[str] = []
        self.nodes: list[str] = []
        self.assigns: dict[str, str] = {}
        self.files: set[str] = set()

    def flatten(
        self,
        fn: Callable[..., tuple[Any, Mapping[str, Any]]],
        rebuild: Callable[[Sequence[Any]], tuple[Any, ...]],
    ) -> Callable[..., tuple[Any, ...]]:
        """Give the function of flat arrays to flat outputs, then nodes.

        Args:
            fn: Gives its outputs, and nodes by name beside those that `name` has named.
            rebuild: From flat arrays to the arguments of `fn`.
        """
        # Any above: arrays or tracers, and pytrees of them

        def given(*inner: Any) -> tuple[list[Any], dict[str, Any]]:
            outputs, extra = fn(*rebuild(inner))
            leaves, _ = tree_flatten_with_path(outputs)
            self.outputs = self._name_outputs([path for path, _ in leaves])
            return [jax.numpy.asarray(leaf) for _, leaf in leaves], dict(extra)

        def flat(*arrays: Any) -> tuple[Any, ...]:
            closed, shape = jax.make_jaxpr(given, return_shape=True)(*arrays)
            refuse_callbacks(closed.jaxpr)
            self.files |= files_of(closed.jaxpr)
            named = Nodes()
            values = evaluate(closed, arrays, named)
            outputs, nodes = tree_unflatten(tree_structure(shape), values)
            nodes |= named.values
            self.assigns |= named.assigns
            # an output that has been named is that output
            self.nodes = [label for label in nodes if label not in self.outputs]
            return (*outputs, *(nodes[label] for label in self.nodes))

        return flat

    def _name_outputs(self, paths: Sequence[Sequence[Any]]) -> list[str]:  # Any: path entries
        if self._wanted is not None:
            if len(self._wanted) != len(paths):
                raise InvalidArgumentError(
                    f"The function gives {len(paths)} outputs, but {len(self._wanted)} "
                    f"output_names: {list(self._wanted)}.",
                    how="Give one name per output, in order.",
                )
            labels = list(self._wanted)
        elif len(paths) == 1 and not paths[0]:
            labels = ["output"]
        else:
            labels = [
                f"output_{joined}" if joined[0].isdigit() else joined
                for path in paths
                for joined in [join_path("", path)]
            ]
        if not labels:
            raise InvalidArgumentError(
                "The function gives nothing.", how="Return at least one array."
            )
        refuse_repeats("output", labels)
        return labels


def check_updates(results: Sequence[Annotated], weights: Sequence[TensorSpec]) -> None:
    """Check that what assigns a weight can be its value.

    Raises:
        UnknownNameError: There is no such weight.
        InvalidArgumentError: It has another shape or dtype.
    """
    wanted = {str(spec.name): spec for spec in weights}
    for item in results:
        if not item.assigns:
            continue
        if item.assigns not in wanted:
            raise UnknownNameError.among("weight", item.assigns, wanted)
        spec = wanted[item.assigns]
        if item.spec.shape != spec.shape or item.spec.dtype != spec.dtype:
            raise InvalidArgumentError(
                f"The node {item.spec.name!r} assigns {item.spec.dtype} {item.spec.shape} to the "
                f"weight {item.assigns!r}, which is {spec.dtype} {spec.shape}.",
                how="Give a value of the weight's own shape and dtype.",
            )


def check_weights(program: Sequence[TensorSpec], weights: Mapping[str, np.ndarray]) -> None:
    """Check that `weights` are what a program takes, by name, shape and dtype.

    Raises:
        InvalidArgumentError: One lacks, is too many, or has another shape or dtype.
    """
    wanted = {str(spec.name): spec for spec in program}
    if set(wanted) != set(weights):
        missing, extra = sorted(set(wanted) - set(weights)), sorted(set(weights) - set(wanted))
        raise InvalidArgumentError(
            f"The program takes {len(wanted)} weights and got {len(weights)}; "
            f"missing: {missing}, unknown: {extra}.",
            how="Give `weights={name: array}` with exactly the names of the program.",
        )
    for label, spec in wanted.items():
        array = weights[label]
        if tuple(array.shape) != spec.shape or str(array.dtype) != spec.dtype:
            raise InvalidArgumentError(
                f"The weight {label!r} has shape {tuple(array.shape)} and dtype {array.dtype}; "
                f"the program takes {spec.shape} and {spec.dtype}.",
            )
