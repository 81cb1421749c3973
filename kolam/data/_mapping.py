"""A user's function over many examples: compiled once and called wide, or Python that says so."""

import traceback
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from kolam.core import DataError, KolamError, SourceLocation, TensorSpec, prepare_jax
from kolam.data._threads import in_parts, num_threads
from kolam.data._trees import Tree, leaves, map_tree

# What tracing raises when a function needs values and not just shapes: JAX's concretisation errors
# are TypeErrors and IndexErrors, autograph's ConversionError is a TypeError, strings are TypeErrors
_LARGEST_PART = 64  # examples per task of a thread, where the function runs in Python
_UNTRACEABLE = (TypeError, AttributeError, IndexError, NotImplementedError)


class Mapped:
    """A function of one example, applied to many.

    It is converted by autograph, so that its `if` and `for` may depend on values, and run by XLA
    over all examples of a chunk in one call, on the processor and with NumPy's dtypes (float64
    stays float64). A function that cannot be traced runs in Python, in threads that take several
    examples each, after a warning that gives the reason.

    Args:
        fn: Takes one example (a tree of arrays and scalars) and gives a tree of arrays.
        compiled: False runs Python from the start, without a warning.
        seed: If given, `fn` also takes a random key that hangs on this, epoch and position alone.
    """

    def __init__(
        self, fn: Callable[..., Any], *, compiled: bool = True, seed: int | None = None
    ) -> None:
        self._fn = fn
        self._compiled = compiled
        self._seed = seed
        self._wide: Callable[..., Tree] | None = None
        self._single: Callable[..., Tree] | None = None
        self._width = 0
        self._outline: Tree = None

    def many(self, examples: Tree, epochs: np.ndarray, positions: np.ndarray) -> Tree:
        """Apply to examples stacked along axis 0, which stand at these positions of epochs."""
        import jax  # here: costs 0.7 s

        count = len(positions)
        if count == 0 or not self._is_traceable(map_tree(lambda leaf: leaf[0], examples)):
            return self._in_threads(examples, epochs, positions)
        self._width = max(self._width, count)
        padded = map_tree(
            lambda leaf: _padded(leaf, self._width), (examples, *self._words(epochs, positions))
        )
        with _numpy_semantics():
            if self._wide is None:
                self._wide = jax.jit(jax.vmap(self._keyed()))
            result = self._wide(*padded)
        return map_tree(lambda _, leaf: np.asarray(leaf)[:count], self._outline, result)

    def single(self, example: Tree, epoch: int, position: int) -> Tree:
        """Apply to one element alone, such as a batch."""
        import jax  # here: costs 0.7 s

        words = self._words(np.array([epoch]), np.array([position]))
        if not self._is_traceable(example):
            return map_tree(_as_array, self._call(example, position, self._keys(words), 0))
        with _numpy_semantics():
            if self._single is None:
                self._single = jax.jit(self._keyed())
            result = self._single(example, *(word[0] for word in words))
        return map_tree(lambda _, leaf: np.asarray(leaf), self._outline, result)

    def spec(self, element: Tree) -> Tree | None:
        """Give the specs of the result from those of an element; `None` if it must be run."""
        import jax  # here: costs 0.7 s

        if any(leaf.dtype == "string" or not leaf.is_static for leaf in leaves(element)):
            return None
        shapes = map_tree(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), element)
        if not self._is_traceable(shapes):
            return None
        with _numpy_semantics():
            result = jax.eval_shape(self._keyed(), shapes, *self._word_shapes())
        return map_tree(
            lambda _, leaf: TensorSpec(leaf.shape, str(leaf.dtype)), self._outline, result
        )

    def _converted(self) -> Callable[..., Tree]:
        from kolam.autograph import convert  # here: loads JAX

        converted = convert(self._fn)

        def traced(*arguments: Any) -> Tree:
            result = converted(*arguments)
            self._outline = map_tree(lambda leaf: 0, result)  # JAX would sort the keys of dicts
            return result

        return traced

    def _is_traceable(self, example: Tree) -> bool:
        """Try it once; a refusal is said once and holds from then on."""
        import jax  # here: costs 0.7 s

        if not self._compiled or self._wide is not None or self._single is not None:
            return self._compiled
        try:
            with _numpy_semantics():
                jax.eval_shape(self._keyed(), example, *self._word_shapes())
        except _UNTRACEABLE as error:
            self._compiled = False
            warnings.warn(self._slow_message(error), stacklevel=2)
        return self._compiled

    def _slow_message(self, error: Exception) -> str:
        reason = str(error.what if isinstance(error, KolamError) else error).partition("\n")[0]
        place = _place(self._fn, error)
        return (
            f"The function of map() runs in Python, in threads, not compiled: {reason}"
            + (f"\n\n{place.quote()}\n\n" if place else "\n")
            + "Use jax.numpy on numbers to have it compiled, "
            "or say map(fn, compiled=False) to accept this."
        )

    def _in_threads(self, examples: Tree, epochs: np.ndarray, positions: np.ndarray) -> Tree:
        keys = self._keys(self._words(epochs, positions))

        def work(start: int, stop: int) -> list[Tree]:
            return [
                self._call(
                    map_tree(lambda leaf: leaf[place], examples),  # noqa: B023 - called at once
                    int(positions[place]),
                    keys,
                    place,
                )
                for place in range(start, stop)
            ]

        count = len(positions)
        size = min(_LARGEST_PART, -(-count // (4 * num_threads())))
        return stack([result for part in in_parts(work, count, size) for result in part])

    def _call(self, example: Tree, position: int, keys: Any, place: int) -> Tree:
        with _Noted(position):
            return self._fn(example) if keys is None else self._fn(example, keys[place])

    def _keyed(self) -> Callable[..., Tree]:
        """Give the converted function of an example and the words that make its key."""
        converted = self._converted()
        if self._seed is None:
            return converted
        return lambda example, *words: converted(example, _key(self._seed, *words))

    def _keys(self, words: tuple[np.ndarray, ...]) -> Any:  # Any: JAX's arrays of keys
        import jax  # here: costs 0.7 s

        if self._seed is None or not len(words[0]):
            return None
        with _numpy_semantics():
            return jax.vmap(lambda *words: _key(self._seed, *words))(*words)

    def _word_shapes(self) -> list[Any]:
        import jax  # here: costs 0.7 s

        words = self._words(np.zeros(1, np.int64), np.zeros(1, np.int64))
        return [jax.ShapeDtypeStruct((), word.dtype) for word in words]

    def _words(self, epochs: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, ...]:
        """Give epochs and positions as the 32-bit words that a key is made of."""
        if self._seed is None:
            return ()
        return tuple(
            (numbers & 0xFFFFFFFF).astype(np.uint32)
            for numbers in (epochs, positions >> 32, positions)
        )


def _key(seed: int | None, *words: Any) -> Any:  # Any: JAX's keys and traced numbers
    import jax  # here: costs 0.7 s

    key = jax.random.key(seed, impl="threefry2x32")
    for word in words:
        key = jax.random.fold_in(key, word)
    return key


def stack(elements: list[Tree]) -> Tree:
    """Stack elements of equal structure along a new first axis.

    Raises:
        DataError: Their shapes or structures differ.
    """
    try:
        return map_tree(lambda *leaves: _stack_leaves(leaves), *elements)
    except ValueError as error:
        raise DataError(
            f"Elements differ in shape or structure, so they cannot be stacked: {error}",
            how="Give every element the same keys and shapes: pad or crop them in map().",
        ) from error


class _Noted:
    """Add to whatever the user's function raises for which element it was."""

    def __init__(self, place: int) -> None:
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.add_note(f"The function of map() raised this for element {self._place}.")


def _stack_leaves(leaves: tuple[Any, ...]) -> np.ndarray:
    return np.stack([_as_array(leaf) for leaf in leaves])


def _as_array(leaf: Any) -> np.ndarray:
    array = np.asarray(leaf)
    return array.astype(object) if array.dtype.kind in "UST" else array


def _padded(leaf: np.ndarray, width: int) -> np.ndarray:
    """Repeat the last row up to `width`, so that a shorter chunk needs no program of its own."""
    missing = width - len(leaf)
    if missing == 0:
        return leaf
    return np.concatenate([leaf, np.broadcast_to(leaf[-1:], (missing, *leaf.shape[1:]))])


def _numpy_semantics() -> ExitStack:
    """Run on the processor with 64-bit numbers allowed, for data is not a model's weights."""
    import jax  # here: costs 0.7 s

    prepare_jax()
    stack = ExitStack()
    # elements are asked for while a program that goes through them is traced, too
    stack.enter_context(jax.ensure_compile_time_eval())
    stack.enter_context(jax.enable_x64(True))
    stack.enter_context(jax.default_device(jax.local_devices(backend="cpu")[0]))
    return stack


def _place(fn: Callable[..., Any], error: Exception) -> SourceLocation | None:
    if isinstance(error, KolamError) and error.where is not None:
        return error.where
    code = getattr(fn, "__code__", None)
    if code is None:
        return None
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == code.co_filename and frame.lineno:
            return SourceLocation(frame.filename, frame.lineno, frame.name)
    return SourceLocation(code.co_filename, code.co_firstlineno, fn.__qualname__)
