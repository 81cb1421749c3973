"""``"%d of %s" % values`` with run-time values: the fields become those of an f-string."""

import re
from typing import Any

import jax.numpy as jnp

from kolam.autograph._operators.numeric import to_integer
from kolam.autograph._operators.regions import user_location
from kolam.autograph._operators.texts import Quoted, RuntimeText
from kolam.autograph._operators.weak import is_tracer
from kolam.core import ConversionError

_FIELD = re.compile(
    r"%(?:\((?P<key>[^)]*)\))?(?P<flags>[-+ #0]*)(?P<width>\d*|\*)(?:\.(?P<digits>\d*|\*))?"
    r"[hlL]?(?P<kind>.)",
    re.DOTALL,
)
_whole = to_integer("int", jnp.trunc)
_CONVERSIONS = {"s": 115, "r": 114, "a": 97}


def percent(text: str, values: Any) -> RuntimeText:
    """Do ``text % values``.

    Raises:
        ConversionError: A field is of a kind that has no text at run time.
        TypeError: There are more fields than values, or fewer.
    """
    given = iter(values if isinstance(values, tuple) else (values,))
    parts: list[Any] = []
    at = 0
    named = False
    for field in _FIELD.finditer(text):
        parts.append(text[at : field.start()])
        at = field.end()
        if field["kind"] == "%":
            parts.append("%")
            continue
        if field["key"] is not None:
            named = True
            value = values[field["key"]]
        else:
            value = next(given, given)
            if value is given:
                raise TypeError("not enough arguments for format string")
        parts.append(_quoted(field, value))
    if not named and next(given, given) is not given:
        raise TypeError("not all arguments converted during string formatting")
    return RuntimeText((*parts, text[at:]))


def _quoted(field: re.Match[str], value: Any) -> Quoted:
    kind, flags = field["kind"], field["flags"]
    width, digits = field["width"], field["digits"]
    if "*" in (width, digits) or kind not in "sradiufFeEgGxXo":
        raise ConversionError(
            f"`{field.group()}` formats a value that is known only at run time.",
            where=user_location(),
            how="Write an f-string.",
        )
    align = "<" if "-" in flags else (">" if kind in _CONVERSIONS else "")
    if kind in _CONVERSIONS:
        spec = (align + width if width else "") + (f".{digits}" if digits is not None else "")
        return Quoted(value, _CONVERSIONS[kind], spec)
    sign = "+" if "+" in flags else " " if " " in flags else ""
    zero = "0" if "0" in flags and not align else ""
    sharp = "#" if "#" in flags and kind in "xXo" else ""
    precision = f".{digits or 0}" if digits is not None and kind in "fFeEgG" else ""
    letter = "d" if kind in "iu" else kind
    spec = f"{align}{sign}{sharp}{zero}{width}{precision}{letter}"
    if letter == "d":  # it cuts a float
        value = _whole(value) if is_tracer(value) else int(value)
    return Quoted(value, -1, spec)
