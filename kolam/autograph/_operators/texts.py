"""Text with run-time values in it, or chosen by data."""

import functools
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators.bounded import HIDDEN, bounded_of
from kolam.autograph._operators.options import OneOf
from kolam.autograph._operators.records import Record, as_record, rebuild
from kolam.autograph._operators.values import HasTruth, Maybe, is_traced, uses

_CONVERSIONS = {115: str, 114: repr, 97: ascii}  # the codes of `ast.FormattedValue.conversion`


class RuntimeText(HasTruth):
    """A text that is known once the program runs.

    It is no dataclass, for functions such as `dataclasses.asdict` would take it apart.

    Attributes:
        parts: Text, or a value with its conversion and its format.
    """

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self.parts = parts

    def __add__(self, other: Any) -> "RuntimeText":
        return RuntimeText((*self.parts, _only_text(other)))

    def __radd__(self, other: Any) -> "RuntimeText":
        return RuntimeText((_only_text(other), *self.parts))

    def __mul__(self, times: Any) -> Any:
        return RuntimeText(self.parts * times) if times > 0 else ""

    __rmul__ = __mul__

    def __eq__(self, other: object) -> Any:
        is_text = isinstance(other, (str, RuntimeText)) or as_texts(other) is not None
        return uses.text.equal_texts(self, other) if is_text else False

    def __ne__(self, other: object) -> Any:
        same = self == other
        return jnp.logical_not(same) if is_traced(same) else not same

    def __lt__(self, other: Any) -> Any:
        raise uses.text.unknown("The order")

    __le__ = __gt__ = __ge__ = __lt__
    __hash__ = None  # type: ignore[assignment]

    def as_truth(self) -> Any:
        """Tell whether the text is not empty."""
        if any(isinstance(part, Quoted) or (part and isinstance(part, str)) for part in self.parts):
            return True
        return self != ""

    def __bool__(self) -> bool:
        return bool(self.as_truth())

    def __getitem__(self, index: Any) -> Any:
        return uses.text.item_of(self, index)

    def __iter__(self) -> Iterator[Any]:
        letters = uses.text.known_letters(self, "The number of letters")
        if bounded_of(letters) is not None:
            raise TypeError("the number of letters of a RuntimeText is known only at run time")
        return iter(letters)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"a RuntimeText has no attribute {name}")
        if not hasattr(str, name):
            raise AttributeError(f"'str' object has no attribute '{name}'")
        return uses.text.method_of(self, name)

    def __copy__(self) -> "RuntimeText":
        return self

    def __deepcopy__(self, memo: Any) -> "RuntimeText":
        return self

    def __str__(self) -> str:
        # Python wants a str here; what asks for one outside print, assert and raise has no text
        raise TypeError("the letters of a RuntimeText are known only at run time")

    __repr__ = __str__


def _only_text(value: Any) -> Any:
    if isinstance(value, (str, RuntimeText)) or as_texts(value) is not None:
        return value
    kind = type(value).__name__
    raise TypeError(f'can only concatenate str (not "{kind}") to str')


class Quoted:
    """One value in a text, with its conversion ("", "s", "r", "a" as codes) and format."""

    __slots__ = ("conversion", "spec", "value")

    def __init__(self, value: Any, conversion: int, spec: Any) -> None:
        self.value, self.conversion, self.spec = value, conversion, spec


@dataclass(frozen=True, eq=False, slots=True)
class Joined:
    """The items of a list of traced length, as ``separator.join(items)`` puts them together."""

    separator: Any
    items: Any


@dataclass(frozen=True, eq=False, slots=True)
class _Raised:
    """An exception in a text, whose arguments are split."""

    kind: type[BaseException]
    args: Any


@dataclass(frozen=True, eq=False, slots=True)
class _Items:
    """A list of traced length in a text: its contents, whose buffers are holes."""

    item: Any
    buffers: tuple[Any, ...]
    count: Any
    as_tuple: bool


@dataclass(frozen=True, eq=False, slots=True)
class Changed:
    """A text on which a method of `str` is called once it is known."""

    method: str
    text: Any
    args: tuple[Any, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Letters:
    """Several of a few known texts, one after the other.

    Attributes:
        options: The texts.
        codes: Which of them, in order: ``[capacity]``.
        length: How many of them count.
        capacity: How many there is room for.
        separator: What stands between them.
    """

    options: tuple[str, ...]
    codes: Any
    length: Any
    capacity: int
    separator: str


class Texts:
    """One of several texts, chosen by data; each may have run-time values in it.

    Attributes:
        options: The texts, as `split` leaves them; no two are the same.
        index: Which of them: a traced integer, or a `Slot` in a plan.
        arrays: For each option the arrays in it.
    """

    __slots__ = ("arrays", "index", "options")

    def __init__(
        self, options: tuple[Any, ...], index: Any, arrays: tuple[tuple[Any, ...], ...]
    ) -> None:
        self.options, self.index, self.arrays = options, index, arrays


def as_texts(value: Any) -> Texts | None:
    """Give a text as one of several; None if it is no text."""
    if isinstance(value, Texts):
        return value
    if isinstance(value, RuntimeText):
        if len(value.parts) == 1 and isinstance(value.parts[0], Texts):
            return value.parts[0]
        arrays, rest = split(value)
        return Texts((rest,), 0, (tuple(arrays),))
    if isinstance(value, str):
        return Texts((value,), 0, ((),))
    if isinstance(value, OneOf) and all(isinstance(option, str) for option in value.options):
        return Texts(value.options, value.index, ((),) * len(value.options))
    return None


def key_of_text(rest: Any) -> Any:
    """Give what is equal for equal texts, whose run-time values may differ."""
    if isinstance(rest, RuntimeText):
        return ("text", *map(key_of_text, rest.parts))
    if isinstance(rest, Quoted):
        return ("value", key_of_text(rest.value), rest.conversion, key_of_text(rest.spec))
    if isinstance(rest, Texts):
        return ("texts", *map(key_of_text, rest.options))
    if isinstance(rest, Changed):
        return ("changed", rest.method, rest.args, key_of_text(rest.text))
    if isinstance(rest, Letters):
        return ("letters", rest.options, rest.capacity, rest.separator)
    if isinstance(rest, Maybe):
        return ("maybe", key_of_text(rest.value))
    if isinstance(rest, OneOf):
        return ("one of", *rest.options)
    if isinstance(rest, _Hole):
        return ("hole", rest.weak)
    if isinstance(rest, Joined):
        return ("joined", key_of_text(rest.separator), key_of_text(rest.items))
    if isinstance(rest, _Items):
        return ("items", str(rest.item))
    leaves, tree = jax.tree.flatten(rest)
    if len(leaves) == 1 and leaves[0] is rest:
        return rest
    return (str(tree), *map(key_of_text, leaves))


def has_runtime(value: Any) -> bool:
    """Whether a value, or a part of it, is known only at run time."""
    if isinstance(value, (RuntimeText, Maybe, OneOf)):
        return True
    leaves = jax.tree.leaves(value)
    if any(is_traced(leaf) or isinstance(leaf, RuntimeText) or leaf is HIDDEN for leaf in leaves):
        return True
    return any(_runtime_record(leaf) is not None or _is_runtime_error(leaf) for leaf in leaves)


def _is_runtime_error(leaf: Any) -> bool:
    return isinstance(leaf, BaseException) and has_runtime(leaf.args)


def fstring(*parts: Any) -> Any:
    """Build an f-string; values come as ``(value, conversion, spec)``."""
    quoted = [_known_choice(part) if isinstance(part, tuple) else part for part in parts]
    if any(isinstance(part, OneOf) for part in quoted) and all(
        isinstance(part, (str, OneOf)) for part in quoted
    ):
        return functools.reduce(operator.add, quoted)
    if any(isinstance(part, Quoted) and has_runtime((part.value, part.spec)) for part in quoted):
        return RuntimeText(tuple(quoted))
    return "".join(part if isinstance(part, str) else format_known(part) for part in quoted)


def _known_choice(part: tuple[Any, int, Any]) -> Any:
    """Give a value in an f-string; the texts of one of several known ones are known."""
    value, conversion, spec = part
    is_known = isinstance(value, OneOf) and isinstance(spec, str)
    if not is_known or len(value.options) > _FEW or any(map(has_runtime, value.options)):
        return Quoted(value, conversion, spec)
    return value.map(lambda option: format_known(Quoted(option, conversion, spec)))


_FEW = 16  # options whose texts are made at once


def text_of(value: Any) -> Any:
    """Stand in for `str(value)`."""
    if isinstance(value, RuntimeText):
        return value
    if isinstance(value, OneOf) and not any(map(has_runtime, value.options)):
        return value.map(str)
    return RuntimeText((Quoted(value, 115, ""),)) if has_runtime(value) else str(value)


def repr_of(value: Any) -> Any:
    """Stand in for `repr(value)`."""
    return RuntimeText((Quoted(value, 114, ""),)) if has_runtime(value) else repr(value)


def ascii_of(value: Any) -> Any:
    """Stand in for `ascii(value)`."""
    return RuntimeText((Quoted(value, 97, ""),)) if has_runtime(value) else ascii(value)


def format_known(part: Quoted) -> str:
    value, spec = part.value, part.spec
    if part.conversion in _CONVERSIONS:
        convert: Any = _CONVERSIONS[part.conversion]
        value = convert(value)
    return format(value, spec)


def split(value: Any) -> tuple[list[Any], Any]:
    """Split into traced leaves and a rest that `join` puts them back into."""
    arrays: list[Any] = []
    return arrays, split_onto(value, arrays)


def split_onto(value: Any, arrays: list[Any]) -> Any:
    """Split as `split` does; the traced leaves go behind those in `arrays`."""
    return _split(value, arrays)


@dataclass(frozen=True, slots=True)
class _Hole:
    index: int
    weak: bool


def _split(value: Any, arrays: list[Any]) -> Any:
    if isinstance(value, RuntimeText):
        return RuntimeText(tuple(_split(part, arrays) for part in value.parts))
    if isinstance(value, Quoted):
        return Quoted(_split(value.value, arrays), value.conversion, _split(value.spec, arrays))
    if isinstance(value, Texts):
        inner = tuple(tuple(_split(one, arrays) for one in part) for part in value.arrays)
        return Texts(value.options, _split(value.index, arrays), inner)
    if isinstance(value, OneOf):
        options = tuple(_split(option, arrays) for option in value.options)
        return OneOf(options, _split(value.index, arrays))
    if isinstance(value, Maybe):
        present = _split(value.present, arrays)
        return Maybe(_split(value.value, arrays), present, value.missing)
    if isinstance(value, Changed):
        return Changed(value.method, _split(value.text, arrays), value.args)
    if isinstance(value, Letters):
        codes, length = _split(value.codes, arrays), _split(value.length, arrays)
        return Letters(value.options, codes, length, value.capacity, value.separator)
    if isinstance(value, Joined):
        return Joined(_split(value.separator, arrays), _split(value.items, arrays))
    contents = bounded_of(value)
    if contents is not None:
        buffers = tuple(_split(buffer, arrays) for buffer in contents.buffers)
        return _Items(contents.item, buffers, _split(contents.length, arrays), contents.as_tuple)

    def leaf_split(leaf: Any) -> Any:
        if isinstance(leaf, (RuntimeText, OneOf, Maybe)) or bounded_of(leaf) is not None:
            return _split(leaf, arrays)
        if _is_runtime_error(leaf):
            return _Raised(type(leaf), _split(leaf.args, arrays))
        record = _runtime_record(leaf)
        if record is not None:
            inner = tuple(_split(value, arrays) for value in record.values)
            return Record(record.kind, record.names, inner)
        if not isinstance(leaf, jax.core.Tracer):
            return leaf
        arrays.append(leaf)
        return _Hole(len(arrays) - 1, leaf.weak_type)

    return jax.tree.map(leaf_split, value, is_leaf=_is_chosen)


def _is_chosen(value: Any) -> bool:
    return isinstance(value, (OneOf, Record, Maybe)) or bounded_of(value) is not None


def _runtime_record(leaf: Any) -> Record | None:
    """Take an object apart whose attributes hold traced values; None for everything else."""
    if isinstance(leaf, (jax.Array, str, int, float)):
        return None
    record = as_record(leaf)
    return record if record is not None and has_runtime(record.values) else None


def join(rest: Any, arrays: list[Any]) -> Any:
    """Put run-time arrays into what `split` left; texts become `str`."""
    if isinstance(rest, RuntimeText):
        return "".join(_show(join(part, arrays)) for part in rest.parts)
    if isinstance(rest, Texts):
        number = int(join(rest.index, arrays))
        return join(rest.options[number], [join(one, arrays) for one in rest.arrays[number]])
    if isinstance(rest, OneOf):
        return join(rest.options[int(join(rest.index, arrays))], arrays)
    if isinstance(rest, Joined):
        return join(rest.separator, arrays).join(map(_show, join(rest.items, arrays)))
    if isinstance(rest, _Raised):
        error = rest.kind.__new__(rest.kind)
        error.args = join(rest.args, arrays)
        return error
    if isinstance(rest, _Items):
        return _join_items(rest, arrays)
    if isinstance(rest, Maybe):
        return join(rest.value, arrays) if join(rest.present, arrays) else rest.missing
    if isinstance(rest, Changed):
        return getattr(join(rest.text, arrays), rest.method)(*rest.args)
    if isinstance(rest, Letters):
        codes = np.asarray(join(rest.codes, arrays))[: int(join(rest.length, arrays))]
        return rest.separator.join(rest.options[code] for code in codes)
    if isinstance(rest, Quoted):
        return format_known(
            Quoted(join(rest.value, arrays), rest.conversion, join(rest.spec, arrays))
        )

    def leaf_join(leaf: Any) -> Any:
        if isinstance(leaf, (RuntimeText, OneOf, Maybe, _Items, _Raised)):
            return join(leaf, arrays)
        if isinstance(leaf, Record):
            values = tuple(join(value, arrays) for value in leaf.values)
            return rebuild(Record(leaf.kind, leaf.names, values))
        return as_python(arrays[leaf.index], leaf.weak) if isinstance(leaf, _Hole) else leaf

    return jax.tree.map(leaf_join, rest, is_leaf=_is_chosen)


def refilled(rest: Any, arrays: Any) -> Any:
    """Put traced arrays back into what `split` left; it is a text of run-time values again."""
    if isinstance(rest, RuntimeText):
        return RuntimeText(tuple(refilled(part, arrays) for part in rest.parts))
    if isinstance(rest, Texts):
        inner = tuple(tuple(refilled(one, arrays) for one in part) for part in rest.arrays)
        return Texts(rest.options, refilled(rest.index, arrays), inner)
    if isinstance(rest, OneOf):
        options = tuple(refilled(option, arrays) for option in rest.options)
        return OneOf(options, refilled(rest.index, arrays))
    if isinstance(rest, Quoted):
        return Quoted(refilled(rest.value, arrays), rest.conversion, refilled(rest.spec, arrays))
    if isinstance(rest, Changed):
        return Changed(rest.method, refilled(rest.text, arrays), rest.args)
    if isinstance(rest, Letters):
        codes, length = refilled(rest.codes, arrays), refilled(rest.length, arrays)
        return Letters(rest.options, codes, length, rest.capacity, rest.separator)
    if isinstance(rest, _Hole):
        return arrays[rest.index]
    if isinstance(rest, Record):
        inner = tuple(refilled(value, arrays) for value in rest.values)
        return rebuild(Record(rest.kind, rest.names, inner))

    def leaf(part: Any) -> Any:
        return part if part is rest else refilled(part, arrays)

    return jax.tree.map(leaf, rest, is_leaf=lambda part: part is not rest)


def _join_items(rest: _Items, arrays: list[Any]) -> Any:
    def leaf(buffer: Any, weak: bool, k: int) -> Any:
        return as_python(np.asarray(arrays[buffer.index] if is_hole(buffer) else buffer)[k], weak)

    def is_hole(buffer: Any) -> bool:
        return isinstance(buffer, _Hole)

    weak = [slot.weak for slot in uses.slots(rest.item)]
    found = []
    for k in range(int(join(rest.count, arrays))):
        row = iter([leaf(one, w, k) for one, w in zip(rest.buffers, weak, strict=True)])
        inner: list[Any] = []
        item = _split(uses.fill(rest.item, lambda row=row: next(row)), inner)  # type: ignore[misc]
        found.append(join(item, inner))
    return tuple(found) if rest.as_tuple else found


def _show(part: Any) -> str:
    return part if isinstance(part, str) else str(part)


def as_python(array: Any, weak: bool) -> Any:
    """Give an array as plain Python would have it: numbers where it computed with numbers."""
    array = np.asarray(array)
    if array.ndim:
        return array
    if array.dtype == np.float32 and weak:  # the shortest text of the float32, not of its float64
        return float(str(array))
    return array.item() if weak or array.dtype == bool else array[()]
