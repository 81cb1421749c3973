"""Values as messages name them."""

from typing import Any

import jax
import numpy as np

from kolam.autograph._operators.bounded import Bounded
from kolam.autograph._operators.options import OneOf
from kolam.autograph._operators.records import Record
from kolam.autograph._operators.texts import RuntimeText, Texts
from kolam.autograph._operators.values import Maybe, Slot, slot_of


def show(value: Any) -> str:
    """Describe a value for a message: types of arrays, short text of others."""
    if isinstance(value, (Slot, jax.Array, np.ndarray)):
        return str(slot_of(value))
    if isinstance(value, BaseException):
        return f"a {type(value).__name__}"
    if isinstance(value, Maybe):
        return f"{show(value.value)} or {value.missing}"
    if isinstance(value, OneOf):
        return "one of " + ", ".join(map(show, value.options))
    if isinstance(value, Bounded):
        return f"a list of at most {value.capacity} items {show(value.item)}"
    if isinstance(value, Record):
        pairs = zip(value.names, value.values, strict=True)
        return f"{value.kind.__name__}({', '.join(f'{n}={show(v)}' for n, v in pairs)})"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(show, value[:6])) + (", ..." if len(value) > 6 else "")
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {show(item)}" for key, item in value.items()) + "}"
    text = "a text of traced values" if isinstance(value, (RuntimeText, Texts)) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
