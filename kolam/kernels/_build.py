"""zig as the C compiler, with a cache: the same source and flags are never built twice."""

import os
import platform
import subprocess
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from kolam.core import (
    KolamError,
    MissingExtraError,
    StorageError,
    canonical_json,
    digest_bytes,
    home_folder,
    write_atomic,
)


class BuildError(KolamError, RuntimeError):
    """The C compiler refused what this package wrote: a defect of it."""


class CacheWarning(UserWarning):
    """Programs are built anew each time, for the cache folder cannot be written."""


def build(
    sources: Mapping[str, str | bytes],
    flags: tuple[str, ...],
    *,
    machine: str = "",
    apart: bool = False,
) -> bytes:
    """Compile C to one library or module.

    Args:
        sources: Content by file name; the ``.c`` and ``.s`` files are compiled, in order of
            their names.
        flags: For the compiler and the linker.
        machine: What the result depends on besides, such as the processor for native code.
        apart: Compile the files side by side, each in a process of its own. The flags may then
            say nothing that zig takes as a part of the program, such as a linker script.

    Returns:
        The file that the linker wrote.

    Raises:
        BuildError: The compiler refused; the message holds what it said.
        MissingExtraError: There is no compiler; the message gives the line that installs it.
    """
    folder = home_folder() / "cache" / "c"
    contents = {file: digest_bytes(_bytes(content)) for file, content in sources.items()}
    record = [contents, list(flags), machine, _zig_version()]
    cached = folder / f"{digest_bytes(canonical_json(record))}.bin"
    known = _entry(cached)
    if known is not None:
        return known
    library = _compile(sources, flags, folder, apart=apart)
    try:
        write_atomic(cached, sha256(library).digest() + library)
    except StorageError as error:
        _warn(folder, error.what)
    return library


def _entry(cached: Path) -> bytes | None:
    """Read an entry, which begins with its digest; `None` if there is none, or not a whole one."""
    try:
        content = cached.read_bytes()
    except OSError:
        return None
    digest, library = content[:32], content[32:]
    return library if sha256(library).digest() == digest else None


def _zig_version() -> str:
    try:
        return version("ziglang")
    except PackageNotFoundError as error:
        raise MissingExtraError(
            "The C compiler of kolam, the package 'ziglang', is not installed.",
            how="pip install ziglang",
        ) from error


def _warn(folder: Path, reason: str) -> None:
    warnings.warn(
        f"Compiled programs are not kept in {folder}: {reason} Building takes a second longer "
        "each time. Set KOLAM_HOME to a folder that can be written.",
        CacheWarning,
        stacklevel=2,
    )


def _zig_folder(folder: Path, work: Path) -> Path:
    """Give the cache of zig, which must be able to write; `work` holds one where it cannot."""
    kept = folder / "zig"
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError:
        return work / "zig"
    return kept if os.access(kept, os.W_OK) else work / "zig"


def _compile(
    sources: Mapping[str, str | bytes], flags: tuple[str, ...], folder: Path, *, apart: bool
) -> bytes:
    with tempfile.TemporaryDirectory(prefix="kolam-c-") as name:
        work = Path(name)
        zig = str(_zig_folder(folder, work))
        environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": zig, "ZIG_LOCAL_CACHE_DIR": zig}
        for file, content in sources.items():
            (work / file).write_bytes(_bytes(content))
        names = sorted(file for file in sources if file.endswith((".c", ".s")))
        command = [_zig(), "cc", *flags]
        if apart and len(names) > 1:
            _compile_each(command, names, work, environment)
            names = [f"{file}.o" for file in names]
        _run([*command, "-o", "built", *names], work, environment)
        return (work / "built").read_bytes()


def _compile_each(
    command: Sequence[str], names: Sequence[str], work: Path, environment: Mapping[str, str]
) -> None:
    """Write an object for each file. One process would compile them one after the other."""

    def compile_one(name: str) -> None:
        _run([*command, "-c", "-o", f"{name}.o", name], work, environment)

    longest_first = sorted(names, key=lambda name: -(work / name).stat().st_size)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, longest_first))


def _run(command: Sequence[str], work: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(
            f"The C compiler refused a program that kolam wrote:\n{done.stderr[-4000:]}",
            how="This is a defect of kolam. Please report it with the graph or the call.",
        )


def _zig() -> str:
    """Give the compiler itself: `python -m ziglang` starts a Python for it, a tenth of the time."""
    package = find_spec("ziglang")
    assert package, "its version is known by now"
    return str(Path(str(package.origin)).with_name("zig"))


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


@cache
def processor() -> str:
    """Describe this processor as far as code for it depends on it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # no such file on macOS and Windows
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("flags", "Features", "model name", "CPU part")
    found = dict.fromkeys(line for line in lines if line.startswith(wanted))
    return f"{platform.machine()} {' '.join(found)}"
