"""What the step of a model of library code is traced from, as one digest."""

import copyreg
import enum
import hashlib
import io
import os
import pickle
import sys
import types
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from kolam.core import digest_bytes
from kolam.kernels import processor

# Any in this file: a model holds objects of every kind

# Their code changes with their versions only; that of other packages may be the user's own.
_LIBRARIES = {"keras", "jax", "numpy", "ml_dtypes", "optree", "kolam"}
_VERSIONS = ("keras", "jax", "jaxlib", "numpy", "ml_dtypes", "optree")
_KNOWN = _LIBRARIES | sys.stdlib_module_names
_SETTINGS = ("XLA_", "KERAS_")  # beginnings of environment variables that compilers read
_OWN_STATE = {  # of a model: what training leaves in it, and what only saving it reads
    *("_jax_state", "_jax_state_synced", "_kolam_programs", "_compile_config", "history"),
    *("train_function", "test_function", "predict_function"),
    *("stop_training", "stop_evaluating", "stop_predicting", "_initial_epoch"),
}
_ADDRESSES = {"_nodes", "stored_ids", "_trainable_variables_indices"}  # of what is told elsewhere
_SEEDS = {"seed", "_initial_seed", "_init_seed"}  # drawn anew in each process; state holds them
_STEERING = ("keras.src.backend.config", "kolam.graph._lowering", "kolam.kernels")
_COUNTERS = {"object_name_uids", "global_random_seed", "global_seed_generator"}


class _UnknownError(Exception):
    """An object of which it cannot be told what a trace reads from it."""


def model_identity(model: Any, variables: Sequence[Any]) -> str | None:
    """Give a digest of all from which a step of a model is traced, beside its arguments.

    That is the model with its layers, loss, metrics and optimiser, as objects; the settings of
    Keras, JAX and XLA; the versions of the libraries; the processor. Two processes that find the
    same digest would trace the same program.

    Args:
        model: A compiled Keras model that is built.
        variables: All of them, in the order in which a step takes their values.

    Returns:
        The digest; `None` if any of the code is the user's own, if something in Keras or Kolam
        was exchanged, or if an object is of a kind that this function does not know. The step
        must be traced then.
    """
    import keras  # here: loaded by core.import_keras with the right back end

    found = io.BytesIO()
    writer = _Writer(found, variables, keras)
    try:
        writer.write((model, _keras_state(keras), _module_settings()))
    except (_UnknownError, pickle.PicklingError, TypeError, ValueError):
        return None
    return digest_bytes(found.getvalue() + surroundings().encode())


class _Writer(pickle.Pickler):
    """Writes objects down by their kind and content; nothing of it is ever read back.

    Pickle walks through objects that refer to each other, at the speed of C. What stands for an
    object of a class is decided here, never by its own `__reduce__`: a number, and after all else
    what it holds. A graph of a thousand layers is a chain of objects, too deep for one walk.
    """

    def __init__(self, file: io.BytesIO, variables: Sequence[Any], keras: Any) -> None:
        super().__init__(file, protocol=5)
        self._keras = keras
        self._places = {id(variable): place for place, variable in enumerate(variables)}
        self._objects: list[Any] = []  # by their numbers

    def write(self, value: Any) -> None:
        """Write a value and all that it refers to."""
        self.dump(value)
        for found in self._objects:  # grows meanwhile
            self.dump((self._content(found), _items(found)))

    def reducer_override(self, value: Any) -> Any:
        if value is _stand_in:
            return NotImplemented  # by its name
        kind = type(value)
        match value:
            case type():
                _check_class(value)
                return _stand_in, ("class", value.__module__, value.__qualname__)
            case types.FunctionType():
                _check_library(_home(value), value)
                return _stand_in, ("function", value.__code__.co_code), _held_by(value)
            case types.MethodType():
                return _stand_in, ("method",), (value.__func__, value.__self__)
            case types.ModuleType():
                return _stand_in, ("module", value.__name__)
            case types.BuiltinFunctionType():
                return _stand_in, ("builtin", value.__qualname__, value.__self__)
            case types.MappingProxyType():
                return _stand_in, ("mapping",), (dict(value),)
            case np.dtype():
                return _stand_in, ("dtype", str(value))
            case enum.Enum():
                return _stand_in, (kind, value.name)
            case np.ndarray() | np.generic() | jax.Array():
                return _stand_in, _array_parts(value)
        self._objects.append(value)  # pickle asks once for each
        return _stand_in, (kind, len(self._objects))

    def _content(self, value: Any) -> dict[str, Any]:
        keras, names = self._keras, copyreg._slotnames(type(value))  # type: ignore[attr-defined]
        content = dict(getattr(value, "__dict__", {}))
        content |= {name: getattr(value, name) for name in names if hasattr(value, name)}
        dropped: set[str] = set()
        if isinstance(value, keras.Model):
            dropped = _OWN_STATE
        elif isinstance(value, keras.Variable):
            if id(value) not in self._places:
                raise _UnknownError(value)  # its value would be a constant of the program
            content["place in the state"] = self._places[id(value)]
            dropped = {"_value", "_initializer"}
        elif isinstance(value, keras.random.SeedGenerator | keras.initializers.Initializer):
            dropped = _SEEDS
        elif not (names or hasattr(value, "__dict__") or isinstance(value, _CONTAINERS)):
            raise _UnknownError(value)  # it may hold anything, in C
        return {
            name: sorted(part, key=repr) if isinstance(part, set | frozenset) else part
            for name, part in content.items()
            if name not in dropped | _ADDRESSES
        }


_CONTAINERS = (list, tuple, dict, set, frozenset, partial)


def _stand_in(*parts: Any) -> None:
    """Mark in what is written that `parts` stand for an object."""


def _held_by(fn: types.FunctionType) -> tuple[Any, ...]:
    """Give name, line, defaults and closure of a function."""
    name, cells = (fn.__module__, fn.__qualname__, fn.__code__.co_firstlineno), fn.__closure__ or ()
    return name, fn.__defaults__, fn.__kwdefaults__, [cell.cell_contents for cell in cells]


def _items(value: Any) -> Any:
    """Give what a container holds beside its attributes."""
    match value:
        case partial():
            return value.func, value.args, value.keywords
        case dict():
            return dict(value)
        case set() | frozenset():
            return sorted(value, key=repr)
        case list() | tuple():
            return list(value)
    return None


def _array_parts(value: Any) -> tuple[Any, ...]:
    if isinstance(value, jax.core.Tracer) or value.dtype.hasobject:
        raise _UnknownError(value)
    array = np.ascontiguousarray(np.asarray(value))
    weak = getattr(value, "weak_type", False)
    return "array", str(value.dtype), array.shape, weak, hashlib.sha256(array.data).digest()


def _home(fn: types.FunctionType) -> Any:
    """Give the module whose code a function runs; `functools.wraps` hides it from `__module__`."""
    return fn.__globals__.get("__name__")


def _check_library(module: Any, value: Any) -> None:
    if not _is_known(module):
        raise _UnknownError(value)


def _is_known(module: Any) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in _KNOWN


def _check_class(cls: type) -> None:
    """Refuse a class that is not a library's, or of which a method was exchanged."""
    for base in cls.__mro__:
        _check_library(base.__module__, base)
        for member in vars(base).values():
            if isinstance(member, types.FunctionType):
                _check_library(_home(member), member)


def _keras_state(keras: Any) -> dict[str, Any]:
    """Give what Keras keeps for this thread: policies, scopes, a distribution."""
    from keras.src.backend.common import global_state  # here: as above

    keras.config.dtype_policy()  # Keras sets some at their first use
    held = vars(global_state.GLOBAL_STATE_TRACKER) | vars(global_state.GLOBAL_SETTINGS_TRACKER)
    unset: tuple[Any, ...] = (None, [], {})
    return {k: held[k] for k in sorted(held) if k not in _COUNTERS and held[k] not in unset}


def _module_settings() -> list[Any]:
    """Give the plain values that steer Keras and the lowering; refuse exchanged functions."""
    found = []
    for name, module in sorted(sys.modules.items()):
        if not name.startswith(("keras.src", "kolam")) or module is None:
            continue
        is_steering = name.startswith(_STEERING)
        for key, value in vars(module).items():
            if isinstance(value, types.FunctionType):
                _check_function(value)
            elif is_steering and isinstance(value, bool | int | float | str):
                found.append((name, key, value))
    return found


def _check_function(fn: types.FunctionType) -> None:
    """Refuse a function of the user's that stands in the place of a library's."""
    file = fn.__code__.co_filename
    is_installed = "site-packages" in file or "dist-packages" in file
    if not (is_installed or _is_known(_home(fn))):
        raise _UnknownError(fn)


def surroundings() -> str:
    """Give a digest of all that decides how a program is written and compiled here.

    That is the processor and its threads, the versions of the libraries, Kolam's own sources, and
    the settings of JAX, XLA and Keras.
    """
    return digest_bytes("\n".join(_surroundings()).encode())


def _surroundings() -> Iterator[str]:
    yield processor()
    yield f"python {sys.version}"
    threads = os.sched_getaffinity(0) if sys.platform == "linux" else range(os.cpu_count() or 1)
    yield f"threads {len(threads)}"
    for name in _VERSIONS:
        yield f"{name} {getattr(sys.modules.get(name), '__version__', '')}"
    yield from _sources(Path(__file__).parent.parent)
    for name, value in sorted(os.environ.items()):
        if name.startswith(_SETTINGS):
            yield f"{name}={value}"
    for name, value in sorted(jax.config.values.items()):
        if "cache" not in name:
            yield f"{name} {value!r}"


@cache
def _sources(folder: Path) -> tuple[str, ...]:
    """Give names, sizes and times of the files from which programs are written."""
    found = []
    for folder_name in ("autograph", "core", "graph", "kernels", "train"):
        for path in sorted((folder / folder_name).rglob("*")):
            if path.suffix in (".py", ".c", ".h", ".json"):
                status = path.stat()
                found.append(f"{path} {status.st_size} {status.st_mtime_ns}")
    return tuple(found)
