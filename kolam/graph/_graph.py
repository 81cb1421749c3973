"""One program: inputs and outputs by name, weights by name, StableHLO within."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

from kolam.autograph import convert, with_checks, without_effects
from kolam.core import (
    InvalidArgumentError,
    TensorSpec,
    UnknownNameError,
    digest_bytes,
    prepare_jax,
)
from kolam.graph._arguments import bind_inputs, describe
from kolam.graph._cost import Cost, cost_of
from kolam.graph._draw import draw, write_tensorboard
from kolam.graph._foreign import platforms_of, refuse_foreign_calls
from kolam.graph._gradient import flat_gradient
from kolam.graph._module import (
    Annotated,
    drop_arguments,
    feed_results,
    module_name,
    name_specs,
    normalise,
    restrict_outputs,
    share_sizes,
    signature,
)
from kolam.graph._operations import read_module
from kolam.graph._roles import fill_roles
from kolam.graph._running import Runnable, StaticProgram
from kolam.graph._stablehlo import (
    export,
    parse_module,
    read_portable,
    text_of,
    write_portable,
)
from kolam.graph._subgraphs import Subgraph, find_subgraphs
from kolam.graph._trace import (
    Results,
    as_weight,
    check_updates,
    check_weights,
    flatten_weights,
    name_inputs,
    refuse_repeats,
)


class Graph:
    """One program with named inputs, outputs and weights; symbolic sizes allowed.

    Made by `Graph.from_function`, `Graph.from_keras`, `Graph.from_stablehlo`, a `kl.function` or a
    `Builder`; never changed afterwards.

    Args:
        program: Portable StableHLO bytes; arguments and results carry their names.
        weights: Array by name, exactly those that the program takes.

    Attributes:
        name: Name of the program.
        inputs: Spec of each input, in order.
        outputs: Spec of each output, in order.
        nodes: Specs of the named nodes.
        weights: Array by name.
        updates: The weight that a node or output assigns when a `Session` runs it, by its name.

    Raises:
        IntegrityError: The bytes are no program.
        UnsupportedError: The program calls into Python or the host.
        InvalidArgumentError: The weights are not those of the program.

    Example:
        >>> import jax.numpy as jnp
        >>> graph = Graph.from_function(
        ...     lambda w, x: jnp.dot(x, w["scale"]),
        ...     TensorSpec(("batch", 2), name="x"),
        ...     weights={"scale": np.ones(2, np.float32)},
        ... )
        >>> graph
        Graph('lambda', x float32 (batch, 2) -> output float32 (batch,), 1 weight)
        >>> graph.run([[1.0, 2.0]])
        Array([3.], dtype=float32)
    """

    def __init__(self, program: bytes, weights: Mapping[str, np.ndarray] | None = None) -> None:

        module = read_portable(program)
        refuse_foreign_calls(module)
        arguments, results = signature(module)
        self._program = program
        self.name: str = module_name(module)
        self.inputs = tuple(item.spec for item in arguments if item.role == "input")
        self.outputs = tuple(item.spec for item in results if item.role == "output")
        self.nodes = tuple(item.spec for item in results if item.role == "node")
        self.updates = {str(item.spec.name): item.assigns for item in results if item.assigns}
        self._weight_specs = tuple(item.spec for item in arguments if item.role == "weight")
        named = {label: as_weight(label, array) for label, array in (weights or {}).items()}
        check_weights(self._weight_specs, named)
        self.weights = {str(spec.name): named[str(spec.name)] for spec in self._weight_specs}
        check_updates(results, self._weight_specs)
        # where the sources are, to quote them; no part of the program
        self._sources: dict[str, str] = {}

    # ------------------------------------------------------------------------------- ways in

    @classmethod
    def from_function(
        cls,
        fn: Callable[..., Any],
        *specs: Any,
        weights: Any = None,
        name: str | None = None,
        output_names: Sequence[str] | None = None,
    ) -> "Graph":
        """Trace a function of arrays.

        Args:
            fn: Called as ``fn(*arrays)``, or as ``fn(weights, *arrays)`` when there are weights.
                Its control flow is converted by `kl.autograph`; an `assert`, `raise` or `print`
                on data is left out, for a program has nobody to raise to.
            specs: A `TensorSpec`, an array, or a pytree of them, per argument. An input is named
                by its spec, else by its parameter.
            weights: Pytree of arrays; names are its paths, such as ``dense/kernel``.
            name: Name of the program; that of the function by default.
            output_names: One per output. By default ``output`` for one array, the keys of a
                mapping, or ``output_0``, ``output_1``, ...

        Raises:
            InvalidArgumentError: Names repeat, or do not fit.
            UnsupportedError: A dtype of text, or a node named inside a loop.
        """
        # Any above: functions and pytrees of users

        inputs, tree = name_inputs(fn, specs, skip=weights is not None)
        named, weights_tree = ({}, None) if weights is None else flatten_weights(weights)

        def rebuild(flat: Sequence[Any]) -> tuple[Any, ...]:  # Any: arrays or tracers
            arguments = jax.tree_util.tree_unflatten(tree, flat[len(named) :])
            if weights_tree is None:
                return tuple(arguments)
            return (jax.tree_util.tree_unflatten(weights_tree, flat[: len(named)]), *arguments)

        converted = with_checks(convert(fn))

        def call(*arguments: Any) -> tuple[Any, dict[str, Any]]:  # Any: pytrees of tracers
            # a program has nobody to raise to, and no terminal
            with without_effects():
                outputs, _ = converted(*arguments)
            return outputs, {}

        results = Results(output_names)
        flat = results.flatten(call, rebuild)
        return trace_flat(flat, results, named, inputs, name or _label(fn))

    @classmethod
    def from_keras(cls, model: Any, *, name: str | None = None) -> "Graph":
        """Trace a Keras model in inference mode, with a symbolic ``batch``.

        Weights get the paths of their Keras variables. The outputs of the layers of a functional
        or sequential model can be fetched by layer name.

        Args:
            model: A built Keras model with one or more inputs and outputs.
            name: Name of the program; that of the model by default.

        Raises:
            InvalidArgumentError: The model is not built, so its input shapes are unknown.
        """
        # Any above: Keras is untyped
        from kolam.graph._keras import flat_model

        fn, results, named, inputs, label = flat_model(model)
        return trace_flat(fn, results, named, inputs, name or label)

    @classmethod
    def from_stablehlo(
        cls,
        text: str,
        *,
        weights: Mapping[str, Any] | None = None,
        input_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        name: str | None = None,
    ) -> "Graph":
        """Read StableHLO text: what `stablehlo()` gave, or a module from elsewhere.

        In a module from elsewhere the first arguments of `main` are the weights, in the order of
        `weights`; a size ``?`` gets a symbolic name of its own.

        Args:
            text: A module with a function `main`.
            weights: Array by name.
            input_names: One per input; ``input_0``, ... by default.
            output_names: One per output; ``output_0``, ... by default.
            name: Name of the program; that of the module by default.

        Raises:
            InvalidArgumentError: The text is no such module, or names or weights do not fit it.
        """
        # Any above: arrays of any library

        module = parse_module(text)
        arguments, results = signature(module)
        named = {label: as_weight(label, array) for label, array in (weights or {}).items()}
        arguments = fill_roles(arguments, "input", list(named), input_names)
        results = fill_roles(results, "output", [], output_names)
        name_specs(module, arguments, results, name=name)
        return cls(write_portable(module), named)

    # ------------------------------------------------------------------------------ ways out

    def stablehlo(self) -> str:
        """Give the program as text; `Graph.from_stablehlo` reads it, with the same weights."""
        return text_of(read_portable(self._program))

    def to_bytes(self) -> bytes:
        """Give the program as portable StableHLO bytes, without the weights."""
        return self._program

    def static_program(self, sizes: Mapping[str, int] | None = None) -> StaticProgram:
        """Fix all symbolic sizes, for a compiler.

        Only the declared outputs are kept, and what they need.

        Args:
            sizes: Value of each symbolic size, such as ``{"batch": 1}``.

        Raises:
            UnknownNameError: A name in `sizes` is no symbolic size.
            InvalidArgumentError: A symbolic size has no value, or one below 1.
        """
        sizes = dict(sizes or {})
        symbols = tuple(dict.fromkeys(symbol for spec in self.inputs for symbol in spec.symbols))
        for label, size in sizes.items():
            if label not in symbols:
                raise UnknownNameError.among("symbolic size", label, symbols)
            if not isinstance(size, (int, np.integer)) or size < 1:
                raise InvalidArgumentError(
                    f"The size {label!r} is {size!r}; it must be at least 1."
                )
        missing = [symbol for symbol in symbols if symbol not in sizes]
        if missing:
            raise InvalidArgumentError(
                f"The symbolic size {missing[0]!r} of {self.name!r} has no value.",
                how=f"Give it, for example `sizes={{{missing[0]!r}: 1}}`.",
            )
        shapes = [
            tuple(sizes[size] if isinstance(size, str) else size for size in spec.shape)
            for spec in self.inputs
        ]
        return self._runnable.static([tuple(map(int, shape)) for shape in shapes])

    # ------------------------------------------------------------------------------- running

    def run(self, *arrays: Any, **named: Any) -> Any:
        """Run the program, compiled once per shape.

        Args:
            arrays: Inputs by position: NumPy or JAX arrays of the very dtype, or Python numbers
                and lists of them. Inside `jax.jit` traced arrays as well.
            named: Inputs by name. A name that is no Python identifier goes in as
                ``graph.run(**{"a/b": x})``.

        Returns:
            The array, if there is one output; else a dict of arrays by output name.

        Raises:
            InvalidArgumentError: An input lacks or does not fit; the message says what was
                expected and what came.
            UnknownNameError: A name is no input.
        """
        # Any above: arrays in, arrays out
        values = bind_inputs(self.inputs, arrays, named, of=self.name)
        results = self._runnable(values)
        if len(self.outputs) == 1:
            return results[0]
        return {str(spec.name): value for spec, value in zip(self.outputs, results, strict=True)}

    def fetch(self, *names: str, feeds: Sequence[str] = ()) -> "Graph":
        """Give the program that yields these outputs or named nodes, and computes nothing else.

        Inputs and weights that they do not need are gone.

        Args:
            names: Outputs, names given by `kl.graph.name`, or layers of a Keras model. The name of
                a pytree stands for all its arrays: ``"parts"`` for ``parts/low``, ``parts/high``.
            feeds: Nodes or outputs that become inputs, behind the others: what was computed from
                them is computed from what is fed.

        Raises:
            UnknownNameError: A name is none of these; the message suggests near ones.
            InvalidArgumentError: Nothing is fetched, or a name stands twice.

        Example:
            >>> import jax.numpy as jnp
            >>> from kolam.graph import name
            >>> graph = Graph.from_function(
            ...     lambda x: jnp.sum(name("squares", x * x)), TensorSpec((2,), name="x")
            ... )
            >>> graph.fetch("output", feeds=["squares"]).run([1.0, 2.0])
            Array(3., dtype=float32)
        """
        if not names:
            raise InvalidArgumentError("Nothing to fetch.", how="Give at least one name.")
        refuse_repeats("fetche", names)
        refuse_repeats("feed", feeds)
        module = read_portable(self._program)
        _, results = signature(module)
        known = [str(item.spec.name) for item in results]
        fed = [known.index(label) for label in feeds if not self._is_input(label)]
        wanted = dict.fromkeys(item for label in names for item in self.expand(label))
        if fed:
            feed_results(module, fed)
        restrict_outputs(module, [known.index(label) for label in wanted])
        share_sizes(module)
        assigned = {self.updates[label] for label in wanted if label in self.updates}
        drop_arguments(
            module, lambda item: item.role == "weight" and str(item.spec.name) in assigned
        )
        arguments, results = signature(module)
        results = [replace(item, role="output") for item in results]
        name_specs(module, arguments, results)
        kept = {str(item.spec.name) for item in arguments if item.role == "weight"}
        weights = {label: array for label, array in self.weights.items() if label in kept}
        return self._like(Graph(write_portable(module), weights))

    def gradient(self, output: str | None = None, wrt: Sequence[str] | None = None) -> "Graph":
        """Give the program that yields the gradient of a scalar, by the rules of JAX.

        Args:
            output: Name of the scalar; the one output by default.
            wrt: Names of inputs and weights; all weights by default. Each is an output of the new
                graph, by the same name.

        Raises:
            UnknownNameError: A name is no output, node, input or weight.
            InvalidArgumentError: The output is no scalar, or there is nothing to differentiate
                with respect to.
            UnsupportedError: An operation has no derivative; the message names its line.

        Example:
            >>> graph = Graph.from_function(lambda x: (x**2).sum(), TensorSpec(("n",), name="x"))
            >>> graph.gradient(wrt=["x"]).run([1.0, 2.0])
            Array([2., 4.], dtype=float32)
        """
        if output is None and len(self.outputs) != 1:
            raise InvalidArgumentError(
                f"{self.name!r} has {len(self.outputs)} outputs, and a gradient is of one.",
                how='Name it: `graph.gradient("loss")`.',
            )
        part = self.fetch(str(self.outputs[0].name) if output is None else output)
        wanted = list(self.weights) if wrt is None else list(wrt)
        fn, results, weights, inputs = flat_gradient(part, wanted, self)
        return self._like(trace_flat(fn, results, weights, inputs, f"gradient of {self.name}"))

    def expand(self, name: str) -> list[str]:
        """Give the outputs and nodes that a name stands for: one, or those of a pytree.

        Raises:
            UnknownNameError: It stands for none.
        """
        known = [str(spec.name) for spec in (*self.outputs, *self.nodes)]
        if name in known:
            return [name]
        inside = [label for label in known if label.startswith(f"{name}/")]
        if not inside:
            raise UnknownNameError.among("output or named node", name, known)
        return inside

    def label_of(self, value: object) -> str | None:
        """Give the name of a value of a `Builder`, if it has one and is part of this graph."""
        label = getattr(value, "label", None)
        known = [*self.weights, *(str(s.name) for s in (*self.inputs, *self.outputs, *self.nodes))]
        return label if isinstance(label, str) and label in known else None

    def with_weights(self, weights: Mapping[str, Any]) -> "Graph":
        """Give the same program with other values of some weights, such as those of a `Session`.

        Args:
            weights: Array by name.

        Raises:
            UnknownNameError: A name is no weight.
            InvalidArgumentError: An array has another shape or dtype than the weight.
        """
        # Any above: arrays of any library
        for label in weights:
            if label not in self.weights:
                raise UnknownNameError.among("weight", label, self.weights)
        return self._like(Graph(self._program, {**self.weights, **weights}))

    def _like(self, other: "Graph") -> "Graph":
        other._sources = self._sources
        return other

    def _is_input(self, label: str) -> bool:
        inputs = [str(spec.name) for spec in self.inputs]
        known = [str(spec.name) for spec in (*self.outputs, *self.nodes)]
        if label not in inputs and label not in known:
            raise UnknownNameError.among("input, output or named node", label, [*inputs, *known])
        return label in inputs

    # ----------------------------------------------------------------------------- looking at

    @cached_property
    def subgraphs(self) -> tuple[Subgraph, ...]:
        """The parts of the program: functions, loop conditions and bodies, branches.

        Each has a name, the types that go in and come out, and the line of the user's code.

        Example:
            >>> import jax
            >>> graph = Graph.from_function(
            ...     lambda x: jax.lax.fori_loop(0, 5, lambda _, c: c * 2, x), TensorSpec(())
            ... )
            >>> [(part.name, part.trips) for part in graph.subgraphs if part.kind == "body"]
            [('main/while_1/body', 5)]
        """
        return find_subgraphs(read_module(self.stablehlo()))

    def cost(self, sizes: Mapping[str, int] | None = None) -> Cost:
        """Count what one run costs: operations and bytes, by kind and by line of the user.

        Args:
            sizes: Value of each symbolic size, such as ``{"batch": 32}``.

        Raises:
            UnknownNameError: A name in `sizes` is no symbolic size.
            InvalidArgumentError: A symbolic size has no value, or one below 1.

        Example:
            >>> import jax.numpy as jnp
            >>> graph = Graph.from_function(jnp.dot, *[TensorSpec(("n", "n"))] * 2)
            >>> graph.cost({"n": 10}).flops
            2000
        """
        program = self.static_program(sizes)
        return cost_of(program, name=self.name, sizes=sizes or {}, sources=self._sources)

    def draw(self, path: str | Path, sizes: Mapping[str, int] | None = None) -> None:
        """Draw the program into a file that needs nothing else.

        Args:
            path: ``.html``: a page of parts (functions, loop bodies, branches, lines of the user)
                that open and close. ``.svg``: one picture of all operations.
            sizes: Value of each symbolic size: then the page shows what a run costs.

        Raises:
            InvalidArgumentError: The name ends otherwise, or the sizes are not those of the graph.
            StorageError: The file cannot be written.
        """
        is_static = all(spec.is_static for spec in self.inputs)
        draw(self, Path(path), self.cost(sizes) if sizes or is_static else None)

    def write_tensorboard(self, folder: str | Path) -> Path:
        """Write the program for the graph page of TensorBoard: ``tensorboard --logdir folder``.

        Scopes are lines of the user or layers, loops, branches and functions.

        Args:
            folder: The log directory, or a run below it. An older graph of ours is replaced.

        Returns:
            The event file.

        Raises:
            StorageError: It cannot be written.
        """
        return write_tensorboard(self, Path(folder))

    @cached_property
    def platforms(self) -> tuple[str, ...]:
        """Platforms on which the program runs: ``"cpu"``, ``"cuda"``, ``"rocm"``, ``"tpu"``.

        All four for what is traced here, linear algebra included; fewer for a program from
        elsewhere that calls a library of one platform.
        """
        return platforms_of(read_portable(self._program))

    @cached_property
    def _runnable(self) -> Runnable:
        return Runnable(self._program, self.weights)

    # ------------------------------------------------------------------------------- as value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Graph):
            return NotImplemented
        return (
            self._program == other._program
            and list(self.weights) == list(other.weights)
            and all(
                self.weights[label].tobytes() == other.weights[label].tobytes()
                for label in self.weights
            )
        )

    def __hash__(self) -> int:
        return hash(digest_bytes(self._program))

    def __repr__(self) -> str:
        inputs = ", ".join(map(describe, self.inputs))
        outputs = ", ".join(map(describe, self.outputs))
        count = len(self.weights)
        weights = f"{count} weight{'' if count == 1 else 's'}"
        return f"Graph({self.name!r}, {inputs} -> {outputs}, {weights})"


def trace_flat(
    fn: Callable[..., tuple[Any, ...]],
    results: Results,
    weights: Mapping[str, np.ndarray],
    inputs: Sequence[TensorSpec],
    label: str,
    arrays: Sequence[jax.ShapeDtypeStruct] | None = None,
) -> Graph:
    """Trace a function of flat weights and inputs, as `Results.flatten` makes them.

    Args:
        fn: Gives its outputs, then its named nodes.
        results: Names of both, filled while `fn` is traced.
        weights: Array by name.
        inputs: Spec of each input.
        label: Name of the program.
        arrays: Weights and inputs with sizes of JAX that `fn` knows already, if it does.
    """
    # Any above: arrays or tracers

    prepare_jax()
    specs = [TensorSpec(array.shape, str(array.dtype), key) for key, array in weights.items()]
    module, given = export(fn, [*specs, *inputs], arrays)
    normalise(module)
    labels = [*results.outputs, *results.nodes]
    roles = ["output"] * len(results.outputs) + ["node"] * len(results.nodes)
    name_specs(
        module,
        [
            *(Annotated(spec, "weight") for spec in specs),
            *(Annotated(spec, "input") for spec in inputs),
        ],
        [
            Annotated(replace(spec, name=item), role, results.assigns.get(item, ""))
            for spec, item, role in zip(given, labels, roles, strict=True)
        ],
        name=label,
    )
    assigned = {results.assigns.get(item, "") for item in labels}
    check_updates(signature(module)[1], specs)
    stay = drop_arguments(
        module, lambda item: item.role != "weight" or str(item.spec.name) in assigned
    )
    kept = {key: weights[key] for index, key in enumerate(weights) if index in stay}
    graph = Graph(write_portable(module), kept)
    graph._sources = {Path(file).name: file for file in sorted(results.files)}
    return graph


def _label(fn: Callable[..., Any]) -> str:  # Any: a user's function
    label = getattr(fn, "__name__", type(fn).__name__)
    return "lambda" if label == "<lambda>" else label
