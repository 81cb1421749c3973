"""Exceptions that Python raises while a path is traced: the user's, or those of tracing itself."""

import re
import sys
from types import FrameType, TracebackType
from typing import Any

import jax

from kolam.core import KolamError

_OPERATORS = "/kolam/autograph/_operators/"
# errors that say nothing about the user's program, and ends that are no errors
_NEVER = (
    *(KolamError, jax.errors.JAXTypeError, jax.errors.JAXIndexError, jax.errors.JaxRuntimeError),
    *(jax.errors.UnexpectedTracerError, RecursionError, MemoryError, StopIteration),
    *(StopAsyncIteration, GeneratorExit),
)
# libraries of arrays, whose errors are about shapes and dtypes: they hold for every run
_OF_ARRAYS = frozenset(
    {"jax", "jaxlib", "keras", "optax", "flax", "equinox", "haiku", "chex", "tensorflow", "torch"}
)
# operators that do what Python does with values that are known
_AS_PYTHON = frozenset(
    {
        *("<lambda>", "__getattr__", "__getitem__", "_abs", "_best", "_bool", "_chain", "_complex"),
        *("_float", "_format", "_formatted", "_index", "_int", "_len", "_list", "_of_range"),
        *("_plainly", "_round", "_split", "_sum", "_text_method", "_truncated", "_type"),
        *("ascii_of", "binary", "call", "choose", "contains", "count_", "counted"),
        *("defined_truth", "delete_attribute", "delete_item", "enumerate_", "for_", "fstring"),
        *("get_item", "inplace", "inplace_at", "listed", "make", "map", "not_", "of", "old_item"),
        *("onto", "percent", "power", "range_", "reduced", "repr_of", "reversed_", "set_attribute"),
        *("set_item", "signed", "sorted_", "text_of", "unpacked", "unroll", "zip_"),
    }
)
# what stands for a value in a traced program, as Python names it in its messages
_STAND_INS = re.compile(
    r"Tracer\b|\b(OneOf|RuntimeText|_Hidden|ArrayImpl|ShapedArray)\b"
    r"|'(Maybe|Range|Rows|Items|Zipped|Enumerated|Backwards|ListItems|Window|At|_Of)'"
)


def is_of_python(error: Exception) -> bool:
    """Whether plain Python raises this exception at this place too, so that it is the user's.

    Not so are errors of tracing, of the shapes of arrays, and those about what stands for a value
    here: no run of the plain program shows them.
    """
    if isinstance(error, _NEVER) or names_stand_in(error) or _is_filtered(error):
        return False
    frames = _frames(error.__traceback__)
    if not frames:
        return False
    last = frames[-1]
    if _OPERATORS in last.f_code.co_filename and last.f_code.co_name not in _AS_PYTHON:
        return False
    for frame in reversed(frames):
        home = _home(frame)
        if home in _OF_ARRAYS:
            return False
        if _OPERATORS in frame.f_code.co_filename:
            continue
        if home not in sys.stdlib_module_names and home != "numpy":
            return True
        if any(_is_stand_in(value) for value in frame.f_locals.values()):
            return False  # a library met a traced value and says so in its own words
    return True


def names_stand_in(error: BaseException) -> bool:
    """Whether a message is about what stands for a value here."""
    return _STAND_INS.search(message_of(error)) is not None


def message_of(error: BaseException) -> str:
    """Give the text of an exception as far as it is known: texts of run-time values are not."""
    return " ".join(part for part in error.args if isinstance(part, str))


def _is_stand_in(value: Any) -> bool:
    parts = value if type(value) in (list, tuple) else (value,)
    return any(
        isinstance(part, jax.core.Tracer) or _OPERATORS in _file_of(type(part)) for part in parts
    )


def _file_of(kind: type) -> str:
    return f"/{kind.__module__.replace('.', '/')}/"


def _is_filtered(error: BaseException) -> bool:
    """Whether JAX has taken its own frames away, which leaves the user's line as the last one."""
    return any("JAX has removed its internal frames" in n for n in vars(error).get("__notes__", ()))


def _frames(step: TracebackType | None) -> list[FrameType]:
    found = []
    while step is not None:
        found.append(step.tb_frame)
        step = step.tb_next
    return found


def _home(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
