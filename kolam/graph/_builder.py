"""A graph by hand: placeholders, variables, and any function of JAX on them."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import jax
import jax.export
import numpy as np
from jax.extend.core import set_current_trace
from jax.tree_util import tree_flatten, tree_flatten_with_path, tree_unflatten

from kolam.autograph import without_effects
from kolam.core import InvalidArgumentError, InvalidTypeError, TensorSpec, UnknownNameError
from kolam.graph._graph import Graph, trace_flat
from kolam.graph._recorded import evaluate, needed_roots
from kolam.graph._stablehlo import current_line
from kolam.graph._symbols import Symbol, SymbolTrace, Variable
from kolam.graph._trace import Results, as_weight, check_dtype, join_path, refuse_repeats


class Builder:
    """Builds a graph by hand, as programs of old were built.

    Inside ``with builder:`` placeholders and variables are symbols, on which operators and any
    function of `jax.numpy`, `jax.nn` or `jax.lax` work, `jax.grad` and loops included. What needs
    no symbol, such as a random first value, is computed at once. Values are named by
    `kl.graph.name`. A `Session` of the builder runs what is built so far; `graph` gives a `Graph`,
    to save or compile. The block may be entered again to add more.

    Args:
        name: Name of the program.

    Example:
        >>> import jax.numpy as jnp
        >>> from kolam.graph import Builder, Session, gradients
        >>> with Builder("line") as builder:
        ...     x = builder.placeholder("x", ("batch",))
        ...     y = builder.placeholder("y", ("batch",))
        ...     slope = builder.variable("slope", 0.0)
        ...     loss = jnp.mean((slope * x - y) ** 2)
        ...     [by_slope] = gradients(loss, [slope])
        ...     step = slope.assign_sub(0.1 * by_slope)
        >>> session = Session(builder)
        >>> for _ in range(50):
        ...     _ = session.run(step, {x: [1.0, 2.0], y: [3.0, 6.0]})
        >>> print(round(float(session.run(slope)), 3))
        3.0
    """

    def __init__(self, name: str = "graph") -> None:
        self.name = name
        self._trace = SymbolTrace(name)
        self._scope = jax.export.SymbolicScope()
        self._sizes: dict[str, Any] = {}  # Any: JAX's symbolic sizes have no public type
        self._placeholders: dict[str, tuple[Symbol, TensorSpec]] = {}
        self._variables: dict[str, tuple[Variable, np.ndarray]] = {}
        self._unnamed: dict[str, Symbol] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._trace.is_open:
            raise InvalidArgumentError(
                f"The builder {self.name!r} is entered already.",
                where=current_line(),
                how="Go on in the block that is open.",
            )
        # a program has nobody to raise to, and no terminal
        self._stack.enter_context(without_effects())
        self._stack.enter_context(set_current_trace(self._trace))
        self._trace.is_open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del kind, error, trace
        self._trace.is_open = False
        self._stack.close()

    # ------------------------------------------------------------------------------- roots

    def placeholder(
        self, name: str, shape: Sequence[int | str] = (), dtype: Any = "float32"
    ) -> Symbol:
        """Give a value that each run is fed.

        Args:
            name: Name of the input.
            shape: Sizes; a text such as ``"batch"`` is a symbolic size, the same wherever it
                stands.
            dtype: As `TensorSpec` takes it.

        Raises:
            InvalidArgumentError: The name is taken, or shape or dtype cannot be.
        """
        # Any above: whatever NumPy takes for a dtype
        spec = TensorSpec(tuple(shape), dtype, self._take(name))
        check_dtype(spec)
        symbol = Symbol(self._trace, self._aval(spec), name, None)
        self._placeholders[name] = (symbol, spec)
        self._trace.named[name] = symbol
        return symbol

    def variable(self, name: str, initial: Any) -> Any:
        """Give a value that a session keeps from run to run.

        Args:
            name: Name of the variable; the leaves of a pytree get ``name/key``.
            initial: The first value: array or number, or a pytree of them. A list of numbers is
                one array, of float32 or int32.

        Returns:
            A `Variable`, or a pytree of them.

        Raises:
            InvalidArgumentError: The name is taken, or the first value is a symbol.
            InvalidTypeError: It is no array or number.
        """
        # Any above: a pytree of arrays in, of variables out
        leaves, tree = tree_flatten_with_path(initial, is_leaf=_is_numbers)
        found = [self._variable(join_path(name, path), leaf) for path, leaf in leaves]
        return tree_unflatten(tree, found)

    def _variable(self, name: str, initial: Any) -> Variable:  # Any: array or number
        if isinstance(initial, Symbol):
            raise InvalidArgumentError(
                f"The first value of the variable {name!r} is {initial!r}, which has no value yet.",
                where=current_line(),
                how="Give an array or a number; to set it in a run, fetch what `assign` gives.",
            )
        array = as_weight(self._take(name), _narrow(initial))
        spec = TensorSpec(array.shape, str(array.dtype), name)
        check_dtype(spec)
        variable = Variable(self._trace, self._aval(spec), name, None)
        self._variables[name] = (variable, array)
        self._trace.named[name] = variable
        return variable

    def assign(self, variables: Any, values: Any, *, name: str = "assign") -> Any:
        """Give the nodes that make values the next ones of variables, of all in a pytree.

        Args:
            variables: A `Variable`, or a pytree of them.
            values: The next values, in the same structure.
            name: Name of the node; those of a pytree are ``name/key``, and ``name`` fetches all.

        Returns:
            The nodes, in the same structure.

        Raises:
            InvalidTypeError: One is no variable.
            InvalidArgumentError: Structure, shape or dtype of the values is another.
        """
        # Any above: pytrees of variables and of symbols or arrays
        leaves, tree = tree_flatten_with_path(variables)
        given, other = tree_flatten(values)
        if tree != other:
            raise InvalidArgumentError(
                f"The variables have the structure {tree} and the values {other}.",
                where=current_line(),
            )
        for _, leaf in leaves:
            if not isinstance(leaf, Variable):
                raise InvalidTypeError(
                    f"A {type(leaf).__name__} cannot be assigned.",
                    where=current_line(),
                    how="Give what `builder.variable` gave.",
                )
        nodes = [
            leaf.assign(value, name=join_path(name, path))
            for (path, leaf), value in zip(leaves, given, strict=True)
        ]
        return tree_unflatten(tree, nodes)

    @property
    def variables(self) -> list[Variable]:
        """The variables, in the order in which they were made."""
        return [variable for variable, _ in self._variables.values()]

    # ------------------------------------------------------------------------------ results

    def graph(self, outputs: Any, *, name: str | None = None) -> Graph:
        """Give the graph of what is built so far.

        Placeholders are its inputs, variables its weights; every named value can be fetched.

        Args:
            outputs: A symbol, or a pytree of them. An output is named as `Graph.from_function`
                names it, or as itself where it has a name.
            name: Name of the program; that of the builder by default.

        Raises:
            InvalidArgumentError: There is no output, or names repeat.
            InvalidTypeError: An output is no symbol of this builder.
        """
        # Any above: a pytree of symbols
        leaves, tree = tree_flatten(outputs)
        leaves = [self._own(leaf) for leaf in leaves]
        own = [label for label, symbol in self._trace.named.items() if symbol.maker is not None]
        names = [leaf.label for leaf in leaves if leaf.label in self._trace.named]
        is_named = len(names) == len(leaves) and not isinstance(outputs, Mapping)
        return self._traced(
            leaves,
            [self._trace.named[label] for label in own],
            [(symbol, spec) for symbol, spec in self._placeholders.values()],
            Results(names if is_named and names else None),
            rebuild=lambda values: tree_unflatten(tree, values),
            label=name or self.name,
        )

    # ------------------------------------------------------- what a session runs the parts of

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Spec of each placeholder."""
        return tuple(spec for _, spec in self._placeholders.values())

    @property
    def weights(self) -> Mapping[str, np.ndarray]:
        """First value of each variable, by name."""
        return {label: array for label, (_, array) in self._variables.items()}

    @property
    def updates(self) -> Mapping[str, str]:
        """The variable that a node assigns, by the node's name."""
        named = self._trace.named.items()
        return {label: symbol.assigns for label, symbol in named if symbol.assigns}

    def label_of(self, value: object) -> str | None:
        """Give the name of a symbol of this builder; `None` for anything else."""
        if not isinstance(value, Symbol) or value._trace is not self._trace:
            return None
        if value.label not in self._trace.named:
            self._unnamed[value.label] = value
        return value.label

    def expand(self, name: str) -> list[str]:
        """Give the values that a name stands for: one, or those of a pytree.

        Raises:
            UnknownNameError: It stands for none.
        """
        if name in self._trace.named or name in self._unnamed:
            return [name]
        inside = [label for label in self._trace.named if label.startswith(f"{name}/")]
        if not inside:
            raise UnknownNameError.among("value", name, self._trace.named)
        return inside

    def fetch(self, *names: str, feeds: Sequence[str] = ()) -> Graph:
        """Give the graph that yields these values and computes nothing else.

        Args:
            names: Names of values, as `Graph.fetch` takes them.
            feeds: Names of values that become inputs.

        Raises:
            UnknownNameError: A name is none of a value.
            InvalidArgumentError: Nothing is fetched, or what is fed has a size that is computed.
        """
        if not names:
            raise InvalidArgumentError("Nothing to fetch.", how="Give at least one name.")
        refuse_repeats("feed", feeds)
        labels = list(dict.fromkeys(item for label in names for item in self.expand(label)))
        known = self._unnamed | self._trace.named
        wanted = [known[label] for label in labels]
        fed = [known[label] for item in feeds for label in self.expand(item)]
        roots = needed_roots(wanted, fed)
        inputs = [pair for pair in self._placeholders.values() if pair[0].place in roots]
        inputs += [(symbol, self._spec_of(symbol)) for symbol in fed if symbol.place in roots]
        return self._traced(wanted, [], inputs, Results(labels), rebuild=list, label=self.name)

    # ------------------------------------------------------------------------------- inside

    def _traced(
        self,
        wanted: Sequence[Symbol],
        beside: Sequence[Symbol],
        inputs: Sequence[tuple[Symbol, TensorSpec]],
        results: Results,
        *,
        rebuild: Any,
        label: str,
    ) -> Graph:
        # Any above: from flat values to a pytree
        variables = list(self._variables.values())
        roots = [*(variable for variable, _ in variables), *(symbol for symbol, _ in inputs)]

        def call(*values: Any) -> tuple[Any, dict[str, Any]]:  # Any: tracers
            given = {root.place: value for root, value in zip(roots, values, strict=True)}
            found = evaluate([*wanted, *beside], given)
            nodes = zip((item.label for item in beside), found[len(wanted) :], strict=True)
            return rebuild(found[: len(wanted)]), dict(nodes)

        arrays = [jax.ShapeDtypeStruct(root.aval.shape, root.aval.dtype) for root in roots]
        results.assigns |= {item.label: item.assigns for item in [*wanted, *beside]}
        flat = results.flatten(call, lambda values: tuple(values))
        named = {variable.label: array for variable, array in variables}
        return trace_flat(flat, results, named, [spec for _, spec in inputs], label, arrays)

    def _aval(self, spec: TensorSpec) -> Any:  # Any: JAX's abstract array
        for size in spec.symbols:
            if size not in self._sizes:
                (self._sizes[size],) = jax.export.symbolic_shape(size, scope=self._scope)
        shape = tuple(self._sizes[size] if isinstance(size, str) else size for size in spec.shape)
        return jax.core.ShapedArray(shape, np.dtype(spec.dtype))

    def _spec_of(self, symbol: Symbol) -> TensorSpec:
        shape = tuple(size if isinstance(size, int) else str(size) for size in symbol.shape)
        computed = [size for size in shape if isinstance(size, str) and size not in self._sizes]
        if computed:
            raise InvalidArgumentError(
                f"{symbol!r} cannot be fed: its size {computed[0]!r} is computed from another.",
                how="Feed what it is computed from.",
            )
        return TensorSpec(shape, str(symbol.dtype), symbol.label)

    def _take(self, name: str) -> str:
        if not isinstance(name, str) or not name:
            raise InvalidArgumentError(
                f"A placeholder or variable is named {name!r}.",
                where=current_line(),
                how="Give a text that is not empty.",
            )
        return self._trace.free_label(name, is_given=True)

    def _own(self, value: Any) -> Symbol:  # Any: what the user gave
        if isinstance(value, (jax.Array, np.ndarray)) and not isinstance(value, jax.core.Tracer):
            lifted: Symbol = self._trace.lift(value)  # computed at once, for it needed no symbol
            return lifted
        if not isinstance(value, Symbol) or value._trace is not self._trace:
            raise InvalidTypeError(
                f"An output of {self.name!r} is a {type(value).__name__}, not one of its symbols.",
                how="Give what was computed from its placeholders and variables.",
            )
        return value

    def __repr__(self) -> str:
        count = len(self._variables)
        inputs = ", ".join(self._placeholders)
        return f"Builder({self.name!r}, {inputs or 'no placeholder'}, {count} variables)"


def gradients(scalar: Symbol, wanted: Any) -> Any:
    """Give the gradient of a scalar with respect to other values of a builder, as nodes.

    What lies between is not computed twice: a run that fetches both shares it. A value that is fed
    counts as constant.

    Args:
        scalar: A symbol without axes.
        wanted: Symbols, as a pytree: variables, placeholders or values between.

    Returns:
        A pytree of symbols like `wanted`; zero for what `scalar` does not depend on.

    Raises:
        InvalidTypeError: One is no symbol.
        InvalidArgumentError: `scalar` has axes, or one is of whole numbers.
    """
    # Any above: a pytree of symbols
    leaves, tree = tree_flatten(wanted)
    for value in (scalar, *leaves):
        if not isinstance(value, Symbol):
            raise InvalidTypeError(
                f"`gradients` got a {type(value).__name__}, not a value of a builder.",
                where=current_line(),
                how="In a traced function use `jax.grad`.",
            )
        if not jax.numpy.issubdtype(value.dtype, np.floating):
            raise InvalidArgumentError(
                f"{value!r} has no gradient: it holds {value.dtype}.", where=current_line()
            )
    if scalar.shape:
        raise InvalidArgumentError(
            f"{scalar!r} is no scalar.", where=current_line(), how="Take `jnp.mean` or `jnp.sum`."
        )
    return tree_unflatten(tree, scalar._trace.record_gradient(scalar, leaves))


def _is_numbers(value: Any) -> bool:  # Any: a pytree, or a part of one
    """Whether a list is one array: numbers, or lists of them."""
    if not isinstance(value, (list, tuple)) or not value:
        return False
    return all(isinstance(item, (int, float)) or _is_numbers(item) for item in value)


def _narrow(initial: Any) -> Any:  # Any: array, number or list of numbers
    if not isinstance(initial, (list, tuple)):
        return initial
    array = np.asarray(initial)
    return array.astype({"f": np.float32, "i": np.int32}.get(array.dtype.kind, array.dtype))
