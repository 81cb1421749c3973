"""`kl.function`: plain Python, converted and compiled, at the price of `jax.jit`."""

import inspect
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from functools import cached_property, partial, update_wrapper
from types import MethodType
from typing import Any, Generic, ParamSpec, TypeVar, overload

import jax
import numpy as np

from kolam.autograph import (
    OutOfRoom,
    Room,
    convert,
    converted_source,
    finish,
    in_order,
    watching_variables,
    with_checks,
)
from kolam.core import InvalidTypeError, prepare_jax
from kolam.graph._graph import Graph
from kolam.graph._layers import holds_variables, is_traced_by_keras, with_variables
from kolam.graph._lowering.lower import lower, passes_of
from kolam.graph._seen import CONTAINERS, PLAIN, Seen
from kolam.graph._stablehlo import is_under_jit, known_value

P = ParamSpec("P")
R = TypeVar("R")


class Function(Generic[P, R]):
    """A Python function that runs as one compiled program; made by `kl.function`.

    Arrays and numbers are traced. Every other argument is static: texts, booleans, `None`,
    functions, enums, modules, and whatever else can be hashed; each new value of one compiles
    anew. Static values may stand inside lists and dicts of arrays. The object of a method is
    static too, by identity, unless it is a pytree.

    Inside `jax.jit`, `jax.grad`, `jax.vmap` or another `kl.function` it becomes part of that
    program. An `assert` or `raise` on data then belongs to the outermost `kl.function`, which
    raises it after its call; under a bare `jax.jit` it is raised while the program runs, as a
    `jax.errors.JaxRuntimeError` whose text quotes it.

    Attributes:
        converted_source: What autograph made of the source.
    """

    def __init__(
        self,
        fn: Callable[P, R],
        *,
        lowering: str = "fast",
        _receiver: "weakref.ref[Any] | None" = None,
    ) -> None:
        # Any above: the object whose method this is
        passes_of(lowering)
        if not callable(fn):
            raise InvalidTypeError(
                f"`kl.function` takes a function, not a {type(fn).__name__}.",
                how="Write `@kl.function` above a `def`, or `kl.function(fn)`.",
            )
        update_wrapper(self, fn)
        self._fn = fn
        self._lowering = lowering
        self._receiver = _receiver
        self.__self__: object = None
        self._static: dict[Hashable, Callable[..., Any]] = {}
        self._bound: dict[int, Function[..., Any]] = {}
        self._seen = Seen()
        self._room = Room()
        if _receiver is not None:
            with suppress(TypeError, ValueError):  # some callables have none
                self.__signature__ = inspect.signature(MethodType(fn, _receiver()))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run, compiled once per shapes, dtypes and static values."""
        # every line counts here: see benchmarks/function_call.py
        for value in args:
            if type(value) not in PLAIN:
                if kwargs or type(value) not in CONTAINERS or not self._seen.fits(args):
                    return self._call_mixed(args, kwargs)
                break
        if kwargs:
            if len(kwargs) > 1:
                return self._call_mixed(args, kwargs)
            for value in kwargs.values():
                if type(value) not in PLAIN:
                    return self._call_mixed(args, kwargs)
        try:
            result, checks = self._jitted(*args, **kwargs) if kwargs else self._jitted(*args)
        except TypeError:
            if not self._seen.is_unsure_of(args):
                raise
            return self._call_mixed(args, kwargs)
        if checks:
            return self._checked(result, checks, args, kwargs)
        return result

    def graph(
        self,
        *specs: Any,
        weights: Any = None,
        name: str | None = None,
        output_names: Sequence[str] | None = None,
        **static: Any,
    ) -> Graph:
        """Trace into a `Graph`; the arguments are those of `Graph.from_function`.

        Args:
            specs: A `TensorSpec`, an array, or a pytree of them, per argument.
            weights: Pytree of arrays that the function takes first.
            name: Name of the program.
            output_names: One per output.
            static: Values of static keyword arguments.
        """
        # Any above: pytrees and static values
        fn: Callable[..., Any] = self._fn
        if self._receiver is not None:
            fn = MethodType(fn, self._receiver())
        if static:
            fn = update_wrapper(partial(fn, **static), self._fn)
        return Graph.from_function(
            fn, *specs, weights=weights, name=name, output_names=output_names
        )

    @property
    def converted_source(self) -> str:
        """What autograph made of the source, readable."""
        return converted_source(self._fn)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        # Any: a Function of one argument less, which ParamSpec cannot say
        if instance is None:
            return self
        if not jax.tree_util.all_leaves([instance]) or not _takes_weak_references(instance):
            return MethodType(self, instance)
        key = id(instance)
        if key not in self._bound:
            # weak both ways: neither the object nor its compiled programs outlive the other
            reference = weakref.ref(instance)
            weakref.finalize(instance, self._bound.pop, key, None)
            kind = _LayerMethod if holds_variables(instance) else Function
            self._bound[key] = kind(self._fn, lowering=self._lowering, _receiver=reference)
        shared = self._bound[key]
        shared._prepare()  # made once, for all views
        view = object.__new__(type(shared))
        view.__dict__.update(shared.__dict__)
        view.__self__ = instance  # alive while somebody holds the method
        return view

    def __repr__(self) -> str:
        return f"<kl.function {getattr(self, '__qualname__', repr(self._fn))}>"

    @cached_property
    def _converted(self) -> Callable[..., Any]:
        converted: Callable[..., Any] = convert(self._fn)
        return converted if self._receiver is None else _method(converted, self._receiver)

    def _prepare(self) -> None:
        _ = self._jitted

    @cached_property
    def _jitted(self) -> Callable[..., Any]:
        prepare_jax()
        return jax.jit(self._seen.guard(lower(self._with_checks(), mode=self._lowering)))

    def _call_mixed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # Any above: the arguments of the user's function
        given, names = in_order(args), tuple(kwargs)
        values = tuple(map(in_order, kwargs.values()))
        leaves, tree = jax.tree_util.tree_flatten((given, values))
        is_sorted = list(names) == sorted(names)  # JAX sorts keywords; `**kwargs` has an order
        if is_sorted and PLAIN.issuperset(map(type, leaves)):
            result, checks = self._call_looked_at(given, names, values)
            return self._checked(result, checks, args, kwargs) if checks else result
        traced, fixed, kinds, is_nested = _split(leaves)
        if is_nested and is_under_jit():
            return self._converted(*args, **kwargs)
        if fixed or not is_sorted:
            # types as well: 1 and True are equal, and so are members of different enums
            result, checks = self._specialised((tree, names, *kinds, *fixed), kinds)(traced)
        else:
            result, checks = self._call_looked_at(given, names, values)
        return self._checked(result, checks, args, kwargs) if checks else result

    def _call_looked_at(self, args: Any, names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
        # Any above: as in `_call_mixed`
        return self._seen.call(self._jitted, args, dict(zip(names, values, strict=True)))

    def _specialised(
        self, key: tuple[Any, ...], kinds: Sequence[type | None]
    ) -> Callable[..., Any]:
        """Give the program for these static values; `grad` and `vmap` see its checks as well."""
        # Any above: JAX's tree definition and static values
        try:
            known = self._static.get(key)
        except TypeError as error:
            culprit = next(value for value in key if not _is_hashable(value))
            raise InvalidTypeError(
                f"{self!r} got a {type(culprit).__name__}, which is neither an array nor hashable.",
                how="Give arrays, numbers, lists and dicts of them, or values that can be hashed.",
            ) from error
        if known is not None:
            return known
        tree, names, *rest = key
        fixed = rest[len(kinds) :]
        inner = self._with_checks()

        def run(traced: list[Any]) -> Any:
            dynamic, static = iter(traced), iter(fixed)
            leaves = [next(dynamic if kind is None else static) for kind in kinds]
            args, values = jax.tree_util.tree_unflatten(tree, leaves)
            return inner(*args, **dict(zip(names, values, strict=True)))

        prepare_jax()
        self._static[key] = jax.jit(lower(run, mode=self._lowering))
        return self._static[key]

    def _with_checks(self) -> Callable[..., Any]:
        # Any above: what `convert` gives
        return with_checks(self._converted, decodes=True, room=self._room)

    def _checked(
        self, result: Any, checks: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        # Any above: pytrees, and the arguments of the user's function
        code = known_value(checks.code)
        if isinstance(code, jax.core.Tracer):
            # no argument was traced, but a captured variable is: the checks belong outside
            return self._converted(*args, **kwargs)
        known = checks
        if code is not checks.code or code.any():  # the message may quote what `grad` traces
            known = jax.tree_util.tree_map(known_value, checks)
        try:
            return finish(result, known)
        except OutOfRoom:
            # a program is pure: it may run again, unless somebody has read what it printed
            if known.inbox.printed or not self._room.grow():
                raise
        finally:
            known.inbox.printed = False
        self._jitted.clear_cache()  # type: ignore[attr-defined]
        self._static.clear()
        return self(*args, **kwargs)


class _LayerMethod(Function[..., Any]):
    """A method of a Keras layer or metric: what its variables hold goes in and out.

    Where Keras or JAX traces it is a part of their program.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # Any above: the arguments of the user's method
        if is_traced_by_keras((args, kwargs)):
            return self._converted(*args, **kwargs)
        assert self._receiver is not None
        # Any: Keras is untyped
        variables: Any = getattr(self._receiver(), "variables")  # noqa: B009 - of an object
        result, changed = self._program([one.value for one in variables], args, kwargs)
        for index, value in changed.items():
            variables[index].assign(value)
        return result

    def _prepare(self) -> None:
        _ = self._program

    @cached_property
    def _converted(self) -> Callable[..., Any]:
        assert self._receiver is not None
        return _method(watching_variables(convert(self._fn)), self._receiver)

    @cached_property
    def _program(self) -> Function[..., Any]:
        assert self._receiver is not None
        return Function(with_variables(self._converted, self._receiver), lowering=self._lowering)


@overload
def function(fn: Callable[P, R]) -> Function[P, R]: ...
@overload
def function(*, lowering: str = "fast") -> Callable[[Callable[P, R]], Function[P, R]]: ...
def function(fn: Callable[..., Any] | None = None, *, lowering: str = "fast") -> Any:
    """Compile a plain Python function: its control flow may depend on arrays.

    Use it as ``@kl.function`` or ``@kl.function()``, on functions, methods and lambdas. A warm
    call costs about what one of `jax.jit` costs (benchmarks/function_call.py).

    Args:
        fn: The function.
        lowering: What is rewritten for the CPU (see `kl.graph.lower`): "fast" is equal to
            rounding, "exact" sums the same terms in the same order, "off"
            leaves it to XLA.

    Returns:
        A `Function`.

    Raises:
        InvalidTypeError: `fn` cannot be called.
        InvalidArgumentError: There is no such lowering.

    Example:
        >>> import jax.numpy as jnp
        >>> @function
        ... def scaled(x, mode):
        ...     return 2 * x if mode == "double" else x
        >>> scaled(jnp.arange(3.0), "double")
        Array([0., 2., 4.], dtype=float32)
    """
    # Any above: the overloads say it
    return partial(Function, lowering=lowering) if fn is None else Function(fn, lowering=lowering)


def trace(
    fn: Callable[..., Any],
    *specs: Any,
    weights: Any = None,
    name: str | None = None,
    output_names: Sequence[str] | None = None,
) -> Graph:
    """Trace a function into a `Graph`: short for `Graph.from_function`."""
    # Any above: functions and pytrees of users
    return Graph.from_function(fn, *specs, weights=weights, name=name, output_names=output_names)


def _method(converted: Callable[..., Any], reference: "weakref.ref[Any]") -> Callable[..., Any]:
    # Any above: a converted method and its object
    def method(*args: Any, **kwargs: Any) -> Any:
        return converted(reference(), *args, **kwargs)

    return method


def _split(
    leaves: Sequence[Any],
) -> tuple[list[Any], list[Hashable], list[type | None], bool]:
    """Split leaves into traced and static ones.

    Returns:
        The traced ones, the static ones, the type of each leaf that is static and `None` of each
        that is traced, and whether one is a tracer of JAX.
    """
    # Any above: the arguments of the user's function
    traced, fixed, kinds, is_nested = [], [], list[type | None](), False
    for leaf in leaves:
        kind = type(leaf)
        if kind in PLAIN or _is_traced(leaf):
            traced.append(leaf)
            kinds.append(None)
            is_nested = is_nested or isinstance(leaf, jax.core.Tracer)
        else:
            fixed.append(leaf)
            kinds.append(kind)
    return traced, fixed, kinds, is_nested


def _is_traced(leaf: object) -> bool:
    if isinstance(leaf, (bool, str, Enum)):
        return False
    return isinstance(
        leaf, (jax.core.Tracer, jax.Array, np.ndarray, np.generic, int, float, complex)
    )


def _is_hashable(leaf: object) -> bool:
    try:
        hash(leaf)
    except TypeError:
        return False
    return True


def _takes_weak_references(instance: object) -> bool:
    try:
        weakref.ref(instance)
    except TypeError:
        return False
    return True
