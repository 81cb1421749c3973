"""Compiled programs that a later process finds before it has traced anything."""

import json
import pickle
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax
from jax._src import config as _config
from jax.experimental.serialize_executable import deserialize_and_load, serialize
from jax.tree_util import PyTreeDef, default_registry

from kolam.core import KolamError, StorageError, digest_bytes, write_atomic
from kolam.kernels import handlers_in, has_failed, provide
from kolam.train._identity import surroundings

# Any in this file: arrays and pytrees of them

Identify = Callable[[], str | None]
_DEBUGGING = ("jax_disable_jit", "jax_debug_nans", "jax_debug_infs")
_CALLBACK = b"python_cpu_callback"  # calls back into this very process


class KeptProgram:
    """A function that is compiled once on a machine, and traced again only when it has changed.

    JAX finds a compiled program by what was traced. Here it is found by what would be traced, so a
    second process begins without a trace; where that differs and the program is the same all the
    same, it is found by the program. Entries lie in a folder within that of JAX's own. Without it,
    for other back ends and where no identity is told, all is left to JAX.

    Args:
        fn: Its first argument is donated.
        label: Tells it from other functions with the same identity.
        identify: Gives a digest of all that a trace of `fn` reads, beside the shapes and types of
            the arguments, which are jax.Arrays; `None` if that cannot be told.
    """

    def __init__(self, fn: Callable[..., Any], label: str, identify: Identify | None) -> None:
        self._fn, self._label, self._identify = fn, label, identify
        self.jitted = jax.jit(fn, donate_argnums=0)
        self._compiled: dict[Any, Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Call `fn`; the first call with arguments of new shapes finds or compiles a program."""
        if self._identify is None or any(getattr(jax.config, name) for name in _DEBUGGING):
            return self.jitted(*arguments)
        leaves, structure = jax.tree.flatten(arguments)
        settings = _config.trace_context()
        key = (structure, settings, *((leaf.shape, leaf.dtype, leaf.weak_type) for leaf in leaves))
        run = self._compiled.get(key)
        if run is None:
            run = self._compiled[key] = self._find(arguments, leaves, self._identify)
        return run(*arguments)

    def _find(
        self, arguments: tuple[Any, ...], leaves: list[Any], identify: Identify
    ) -> Callable[..., Any]:
        folder = _folder()
        devices = {device for leaf in leaves for device in leaf.devices()}
        if folder is None or devices != {jax.devices("cpu")[0]}:
            return self.jitted
        identity = identify()
        if identity is None:
            return self.jitted
        kinds = [f"{leaf.dtype} {leaf.shape} {leaf.weak_type}" for leaf in leaves]
        structure = jax.tree.structure((arguments, {}))
        asked = folder / _digest(identity, self._label, str(structure), *kinds)
        run = _load(folder, _read(asked), structure)
        return self._compile(arguments, folder, asked) if run is None else run

    def _compile(self, arguments: tuple[Any, ...], folder: Path, asked: Path) -> Callable[..., Any]:
        """Trace; compile unless the program is known; keep both answers."""

        def kept_program(*arguments: Any) -> Any:  # a name that no program of JAX's cache has:
            return self._fn(*arguments)  # XLA cannot write down what was loaded from there

        lowered = jax.jit(kept_program, donate_argnums=0).lower(*arguments)
        name = _digest(lowered.as_text(), surroundings()).encode()
        run = _load(folder, name, jax.tree.structure((arguments, {})))
        if run is None:
            with _config.persistent_cache_min_compile_time_secs(float("inf")):
                run = lowered.compile()
            content = _written(run)
            if content is None:
                return run
            _write(folder / name.decode(), content)
        _write(asked, name)
        return run


def _folder() -> Path | None:
    """Give the folder of entries; `None` where the user has turned JAX's cache off."""
    folder = jax.config.jax_compilation_cache_dir
    if not folder or "://" in folder or not jax.config.jax_enable_compilation_cache:
        return None
    return Path(folder) / "kolam"


def _digest(*words: str) -> str:
    return digest_bytes("\n".join(words).encode())


def _written(compiled: jax.stages.Compiled) -> bytes | None:
    """Write a compiled program; `None` if another process could not run it."""
    try:
        program, _, out = serialize(compiled)
        tree = out.serialize_using_proto()
    except (jax.errors.JaxRuntimeError, NotImplementedError, pickle.PickleError, ValueError):
        return None
    if _CALLBACK in program or has_failed():  # with kernels it would be another
        return None
    head = {"handlers": handlers_in(program), "tree": tree.hex()}
    return zlib.compress(json.dumps(head).encode() + b"\n" + program, level=1)


def _load(folder: Path, name: bytes | None, structure: Any) -> jax.stages.Compiled | None:
    """Load the program with a name; `None` if there is none that can be run here."""
    content = _read(folder / name.decode()) if name else None
    if content is None:
        return None
    try:
        head, _, program = zlib.decompress(content).partition(b"\n")
        record = json.loads(head)
        if not provide(record["handlers"]):
            return None
        tree = PyTreeDef.deserialize_using_proto(default_registry, bytes.fromhex(record["tree"]))
        devices = jax.devices("cpu")[:1]
        return deserialize_and_load(program, structure, tree, execution_devices=devices)
    except (jax.errors.JaxRuntimeError, pickle.PickleError, ValueError, zlib.error, KolamError):
        return None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _write(path: Path, content: bytes) -> None:
    with suppress(StorageError):  # JAX warns of a folder that cannot be written
        write_atomic(path, content)
