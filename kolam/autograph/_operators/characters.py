"""Texts of traced values compared and taken apart, as far as their letters are known by number.

The text of an integer is a list of digits whose length is traced; a text that is one of several has
a row of letters for each. Such lists are lists of bounded length whose items are one of several
letters, so all that these can do is there. The text of a float is only compared: a known text is
the text of few numbers, or of none.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kolam.autograph._operators import lists
from kolam.autograph._operators.bounded import Bounded, attach, bounded_of
from kolam.autograph._operators.check import record_failure
from kolam.autograph._operators.lists import gathered
from kolam.autograph._operators.options import OneOf, chosen
from kolam.autograph._operators.regions import note_birth, user_location
from kolam.autograph._operators.texts import (
    Changed,
    Letters,
    Quoted,
    RuntimeText,
    Texts,
    as_python,
    format_known,
    refilled,
)
from kolam.autograph._operators.values import Slot, as_weak, is_traced, uses
from kolam.autograph._operators.weak import as_number
from kolam.core import ConversionError

# formats of integers: their base, and what stands in front
_BASES = {
    **{"": (10, ""), "d": (10, ""), "b": (2, ""), "o": (8, ""), "x": (16, "")},
    **{"#b": (2, "0b"), "#o": (8, "0o"), "#x": (16, "0x")},
}
_COUNT = Slot((), np.dtype(np.int32), weak=True)
_MOST = 256  # texts that one text may be
_UNKNOWN = object()
_Atoms = tuple[Any, ...]


def unknown(what: str) -> ConversionError:
    """Refuse what needs the letters of a text that are not known by number."""
    return ConversionError(
        f"{what} of a text made of traced values is known only at run time.",
        where=user_location(),
        how="Take it of the text after the call, or compute with the numbers in it.",
    )


def alternatives(text: Any) -> tuple[list[_Atoms], Any] | None:
    """Give the texts that a text may be, in pieces, and a number that tells which; None if many.

    A piece is a `str`, or a number with its format. The number is None if there is one text.
    """
    found: list[_Atoms] = [()]
    index: Any = None
    for part in text.parts if isinstance(text, RuntimeText) else (text,):
        pieces, which = _pieces(part)
        if which is not None:
            index = which if index is None else index * len(pieces) + which
        found = [left + right for left in found for right in pieces]
        if len(found) > _MOST:
            return None
    return list(map(_merged, found)), index


def _merged(atoms: _Atoms) -> _Atoms:
    """Join neighbours that are known."""
    found: list[Any] = []
    for atom in atoms:
        if atom == "" if isinstance(atom, str) else False:
            continue
        if isinstance(atom, str) and found and isinstance(found[-1], str):
            found[-1] += atom
        else:
            found.append(atom)
    return tuple(found)


def _pieces(part: Any) -> tuple[list[_Atoms], Any]:
    if isinstance(part, OneOf):
        return [(option,) for option in part.options], part.index
    if isinstance(part, RuntimeText):
        inner = alternatives(part)
        return ([(part,)], None) if inner is None else inner
    if isinstance(part, Texts):
        return _pieces_of_texts(part)
    if isinstance(part, Quoted) and isinstance(part.value, OneOf) and isinstance(part.spec, str):
        texts = [format_known(Quoted(o, part.conversion, part.spec)) for o in part.value.options]
        return [(text,) for text in texts], part.value.index
    return [(part,)], None


def _pieces_of_texts(part: Texts) -> tuple[list[_Atoms], Any]:
    found: list[_Atoms] = []
    numbers = []
    for option, arrays in zip(part.options, part.arrays, strict=True):
        inner = alternatives(refilled(option, arrays))
        if inner is None:
            return [(part,)], None
        numbers.append(len(found) if inner[1] is None else len(found) + inner[1])
        found += inner[0]
    return found, jnp.stack([jnp.asarray(number) for number in numbers])[part.index]


def equal_texts(left: Any, right: Any) -> Any:
    """Tell whether two texts are equal, of which one at least is made of traced values.

    Raises:
        ConversionError: It cannot be told from the numbers in them.
    """
    first, second = alternatives(left), alternatives(right)
    if first is None or second is None:
        raise unknown("The comparison")
    (mine, at), (yours, other) = first, second
    table = [_same(one, two) for one in mine for two in yours]
    if any(same is _UNKNOWN for same in table):
        raise unknown("The comparison")
    index = at if other is None else other if at is None else at * len(yours) + other
    if index is None:
        return table[0]
    return chosen(table, index)


def _same(left: _Atoms, right: _Atoms) -> Any:
    for one, other in ((left, right), (right, left)):
        if all(isinstance(atom, str) for atom in other):
            if all(isinstance(atom, (str, Quoted)) for atom in one):
                return _matches(one, "".join(other))
            return _same_letters(one, other)
    if len(left) == len(right) == 1 and all(isinstance(a, Quoted) for a in (*left, *right)):
        found = _same_number(left[0], right[0])
        if found is not _UNKNOWN:
            return found
    return _same_letters(left, right)


def _same_letters(left: _Atoms, right: _Atoms) -> Any:
    sides = [letters_of(RuntimeText(side)) for side in (left, right)]
    if sides[0] is None or sides[1] is None:
        return _UNKNOWN
    return uses.compare("Eq", *sides)


def _same_number(left: Quoted, right: Quoted) -> Any:
    """Compare the texts of two numbers: those of one type differ if the numbers do."""
    mine, yours = left.value, right.value
    if not (_is_scalar(mine) and _is_scalar(yours)) or (left.spec, right.spec) != ("", ""):
        return _UNKNOWN
    types = [
        (jnp.asarray(one).dtype, bool(getattr(one, "weak_type", True))) for one in (mine, yours)
    ]
    if types[0] != types[1] or left.conversion != right.conversion:
        return _UNKNOWN
    same = mine == yours
    if jnp.issubdtype(types[0][0], jnp.floating):
        same = same & (jnp.signbit(mine) == jnp.signbit(yours))
        same = same | (jnp.isnan(mine) & jnp.isnan(yours))
    return same


def _is_scalar(value: Any) -> bool:
    if isinstance(value, (bool, int, float)):
        return True
    return isinstance(value, jax.Array) and not value.ndim and not jnp.iscomplexobj(value)


def _matches(atoms: _Atoms, text: str) -> Any:
    """Tell whether the text of `atoms` is `text`: True, False, traced or not known."""
    if not atoms:
        return text == ""
    head, rest = atoms[0], atoms[1:]
    if isinstance(head, str):
        return _matches(rest, text[len(head) :]) if text.startswith(head) else False
    found: Any = False
    for end in range(1, len(text) + 1) if rest else [len(text)]:
        here = _is_text_of(head, text[:end])
        if here is False:
            continue
        later = _matches(rest, text[end:])
        if later is False:
            continue
        if here is _UNKNOWN or later is _UNKNOWN:
            return _UNKNOWN
        both = here if later is True else here & later
        found = both if found is False else found | both
    return found


def _is_text_of(quoted: Quoted, text: str) -> Any:
    """Tell whether a traced number is written as `text`."""
    value, spec = quoted.value, quoted.spec
    if not _is_scalar(value) or not isinstance(spec, str):
        return _UNKNOWN
    dtype, weak = value.dtype, bool(value.weak_type)

    def written(number: Any) -> str:
        known = as_python(np.asarray(number, dtype), weak)
        return format_known(Quoted(known, quoted.conversion, spec))

    if dtype == np.bool_:
        fits = [truth for truth in (False, True) if written(truth) == text]
        return False if not fits else True if len(fits) == 2 else value == fits[0]
    if jnp.issubdtype(dtype, jnp.integer):
        if spec and spec[-1] in "eEfFgG%":
            return _UNKNOWN
        numbers = [n for n in _integers(text) if jnp.iinfo(dtype).min <= n <= jnp.iinfo(dtype).max]
        found = [number for number in numbers if written(number) == text]
        return value == found[0] if found else False
    return _is_text_of_float(value, text, written, spec)


def _integers(text: str) -> set[int]:
    """Give the integers that a text may be the text of."""
    inner = text[text.find("(") + 1 : text.rfind(")")] if text.startswith("np.") else text
    inner = inner.strip(" ").replace(",", "").replace("_", "")
    found = set()
    for base in (10, 16, 2, 8):
        try:
            found.add(int(inner, base))
        except ValueError:
            continue
    return found


def _is_text_of_float(value: Any, text: str, written: Callable[[Any], str], spec: str) -> Any:
    inner = text[text.find("(") + 1 : text.rfind(")")] if text.startswith("np.") else text
    inner = inner.strip(" ").replace(",", "").replace("_", "")
    percent = inner.endswith("%")
    try:
        number = float(inner.removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        return _UNKNOWN if spec and not spec[-1].isalnum() else False
    dtype = np.dtype(value.dtype)
    if dtype not in (np.float32, np.float64):
        return _UNKNOWN
    if math.isnan(number):
        return jnp.isnan(value) if written(np.nan) == text else False
    near = dtype.type(number)
    if written(near) != text:
        return False if not spec else _UNKNOWN
    low, high = _range_of(abs(near), lambda size: written(np.copysign(size, near)) == text)
    negative = jnp.signbit(value) if np.signbit(near) else ~jnp.signbit(value)
    return negative & (abs(value) >= low) & (abs(value) <= high)


def _range_of(size: Any, fits: Callable[[Any], bool]) -> tuple[Any, Any]:
    """Give the smallest and the largest number around `size` that are written in the same way."""
    bits = np.uint32 if size.dtype == np.float32 else np.uint64
    middle = int(size.view(bits))
    top = int(np.asarray(np.inf, size.dtype).view(bits))

    def number(code: int) -> Any:
        return np.asarray(code, bits).view(size.dtype)[()]

    def edge(inside: int, outside: int) -> int:
        if fits(number(outside)):
            return outside
        while abs(outside - inside) > 1:
            half = (inside + outside) // 2
            inside, outside = (half, outside) if fits(number(half)) else (inside, half)
        return inside

    return number(edge(middle, 0)), number(edge(middle, top))


def letters_of(text: Any) -> list[Any] | None:
    """Give a text as a list of letters; None if they are not known by number."""
    if isinstance(text, str):
        return note_birth(list(text))
    if isinstance(text, OneOf):
        return note_birth(text.as_list())
    found: list[Any] = note_birth([])
    for part in text.parts:
        letters = _letters_of_part(part)
        if letters is None:
            return None
        lists.extend(found, letters)
    return found


def _letters_of_part(part: Any) -> list[Any] | None:
    if isinstance(part, (str, OneOf, RuntimeText)):
        return letters_of(part)
    if isinstance(part, Letters):
        return _listed(part) if not part.separator and _are_letters(part.options) else None
    if isinstance(part, Changed):
        inner = letters_of(part.text)
        if inner is None or part.method not in ("upper", "lower") or part.args:
            return None
        return _changed(inner, getattr(str, part.method))
    if isinstance(part, Texts):
        found = [letters_of(refilled(o, a)) for o, a in zip(part.options, part.arrays, strict=True)]
        known = [one for one in found if one is not None]
        return uses.join(known, part.index) if len(known) == len(found) else None
    if isinstance(part, Quoted) and _is_scalar(part.value) and part.spec in _BASES:
        value = part.value
        shows_type = part.conversion in (97, 114) and not getattr(value, "weak_type", True)
        if not shows_type and jnp.issubdtype(jnp.asarray(value).dtype, jnp.integer):
            return _digits(jnp.asarray(value), *_BASES[part.spec])
    return None


def _changed(letters: list[Any], change: Callable[[str], str]) -> list[Any]:
    contents = bounded_of(letters)
    if contents is None:
        return note_birth([uses.resolve(change)(letter) for letter in letters])
    if not isinstance(contents.item, OneOf):
        return letters
    changed = list(map(change, contents.item.options))
    options = tuple(dict.fromkeys(changed))
    table = jnp.array([options.index(one) for one in changed])
    codes = as_weak(table[contents.buffers[0]], np.dtype(np.int32))
    return _listed(Letters(options, codes, contents.length, contents.capacity, ""))


def _are_letters(options: Sequence[str]) -> bool:
    return all(len(option) == 1 for option in options)


def _listed(part: Letters) -> list[Any]:
    made: list[Any] = note_birth([])
    contents = Bounded(OneOf(part.options, _COUNT), (part.codes,), part.capacity, part.capacity)
    attach(made, gathered(contents, jnp.arange(part.capacity), part.length))
    return made


def _digits(value: Any, base: int, prefix: str) -> list[Any]:
    """Give the sign, the prefix and the digits of an integer as a list of letters."""
    most = int(jnp.iinfo(value.dtype).max) + 1
    unsigned = np.dtype(f"uint{value.dtype.itemsize * 8}")
    powers = [base**k for k in range(most.bit_length()) if base**k <= most]
    negative = value < 0
    size = value.astype(unsigned)
    size = jnp.where(negative, ~size + unsigned.type(1), size)
    steps = jnp.array(powers, unsigned)
    digits = ((size // steps) % unsigned.type(base)).astype(np.int32)
    length = jnp.maximum((size >= steps).sum(), 1)
    place = jnp.arange(len(powers))
    codes = as_weak(digits[jnp.clip(length - 1 - place, 0, len(powers) - 1)], np.dtype(np.int32))
    options = tuple("0123456789abcdef"[:base])
    found: list[Any] = note_birth([])
    minus = as_weak(jnp.zeros(1, np.int32), np.dtype(np.int32))
    lists.extend(found, _listed(Letters(("-",), minus, negative.astype(np.int32), 1, "")))
    lists.extend(found, list(prefix))
    lists.extend(found, _listed(Letters(options, codes, length, len(powers), "")))
    return found


def text_of_list(separator: str, items: list[Any]) -> Any:
    """Do ``separator.join(items)`` for a list whose length is traced; None if it cannot be told."""
    contents = bounded_of(items)
    assert contents is not None
    if isinstance(contents.item, str):
        codes = jnp.zeros(contents.capacity, np.int32)
        options: tuple[Any, ...] = (contents.item,)
    elif isinstance(contents.item, OneOf):
        (codes,), options = contents.buffers, contents.item.options
    else:
        return None
    if not all(isinstance(option, str) for option in options):
        return None
    return RuntimeText((Letters(options, codes, contents.length, contents.capacity, separator),))


def joined_text(items: list[Any]) -> Any:
    """Give letters as a text."""
    if bounded_of(items) is not None:
        return text_of_list("", items)
    return "".join(items) if all(isinstance(i, str) for i in items) else RuntimeText(tuple(items))


def known_letters(text: Any, what: str) -> list[Any]:
    """Give a text as a list of letters.

    Raises:
        ConversionError: They are not known by number.
    """
    found = letters_of(text)
    if found is None:
        raise unknown(what)
    return found


def item_of(text: RuntimeText, index: Any) -> Any:
    """Do ``text[index]``."""
    letters = known_letters(text, "A part")
    if isinstance(index, slice):
        if bounded_of(letters) is not None:
            return joined_text(lists.get(letters, index))
        return joined_text(letters[index])
    if bounded_of(letters) is None:
        return letters[index]
    return lists.get(letters, index, kind="string")


def as_integer(text: RuntimeText) -> Any:
    """Do ``int(text)``."""
    (part, *more) = text.parts
    plain = isinstance(part, Quoted) and part.spec == "" and _is_scalar(part.value)
    if plain and not more and not jnp.issubdtype(jnp.asarray(part.value).dtype, jnp.floating):
        return as_number(part.value, int)
    letters = known_letters(text, "The number")
    contents = lists.make_bounded(letters)
    options = contents.item.options if isinstance(contents.item, OneOf) else (contents.item,)
    codes = contents.buffers[0] if contents.buffers else jnp.zeros(contents.capacity, np.int32)
    values = jnp.array([int(one) if one.isdigit() else -1 for one in options])[codes]
    minus = jnp.array([one == "-" for one in options])[codes]
    place = jnp.arange(contents.capacity)
    inside = place < contents.length
    negative = minus[0] & (contents.length > 1)
    counts = inside & ~(negative & (place == 0))
    wrong = (counts & (values < 0)).any() | (contents.length == 0)
    shown = RuntimeText(("invalid literal for int() with base 10: ", Quoted(text, 114, "")))
    record_failure(wrong, ValueError(shown))

    def step(found: Any, at: Any) -> Any:
        number, large = found
        digit = jnp.maximum(values[at], 0)
        most = (jnp.iinfo(number.dtype).max - digit) // 10
        new = jnp.where(counts[at], number * 10 + digit, number)
        return (new, large | (counts[at] & (number > most))), None

    start = (jnp.asarray(0), jnp.asarray(False))
    (number, large), _ = jax.lax.scan(step, start, place)
    record_failure(large, unknown("The number, too large for an array,"))
    return as_number(jnp.where(negative, -number, number), int)


def as_float(text: RuntimeText) -> Any:
    """Do ``float(text)``."""
    (part, *more) = text.parts
    plain = isinstance(part, Quoted) and part.spec == "" and _is_scalar(part.value)
    if more or not plain or jnp.asarray(part.value).dtype == bool:
        return as_number(as_integer(text), float)
    return as_number(part.value, float)


_GIVE_TEXT = frozenset(
    {
        *("capitalize", "casefold", "center", "expandtabs", "ljust", "lower", "lstrip"),
        *("removeprefix", "removesuffix", "replace", "rjust", "rstrip", "strip", "swapcase"),
        *("title", "translate", "upper", "zfill"),
    }
)


def method_of(text: RuntimeText, name: str) -> Callable[..., Any]:
    """Give a method of a text."""

    def call(*args: Any, **kwargs: Any) -> Any:
        every = alternatives(text)
        if every is not None and all(isinstance(a, str) for atoms in every[0] for a in atoms):
            options = ["".join(atoms) for atoms in every[0]]
            index = 0 if every[1] is None else every[1]
            return getattr(chosen(options, index), name)(*args, **kwargs)
        known = not kwargs and all(isinstance(one, (str, int, type(None))) for one in args)
        if name in _GIVE_TEXT and known and not any(map(is_traced, args)):
            return RuntimeText((Changed(name, text, args),))
        if name in ("startswith", "endswith") and len(args) == 1 and isinstance(args[0], str):
            size = len(args[0])
            start = item_of(text, slice(None, size) if name == "startswith" else slice(-size, None))
            return equal_texts(start, args[0]) if size else True
        if name in ("count", "index") and len(args) == 1 and isinstance(args[0], str):
            letters = known_letters(text, f"The result of `.{name}`")
            if len(args[0]) == 1:
                return lists.METHODS[name](letters, args[0])
        raise unknown(f"The result of `.{name}`")

    return call


def has_letter(text: Any, item: Any) -> Any:
    """Do ``item in text``, of which one at least is made of traced values."""
    single = (isinstance(item, str) and len(item) == 1) or (
        isinstance(item, OneOf) and _are_letters(item.options)
    )
    if not single:
        raise unknown("The search")
    return uses.contains(item, known_letters(text, "The search"))
