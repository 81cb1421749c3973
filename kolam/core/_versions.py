"""The versions that an answer depends on."""

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    *("kolam", "jax", "jaxlib", "keras", "numpy", "pyarrow", "safetensors"),
    *("scikit-learn", "wasmtime", "ziglang"),
)


def versions() -> dict[str, str]:
    """Give the versions of Python and of the packages that Kolam stands on.

    Returns:
        Package name to version, without those that are not installed.
    """
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def show_versions() -> None:
    """Print what a bug report needs: the system and the versions of what Kolam stands on."""
    lines = {"system": platform.platform(), **versions()}
    print("\n".join(f"{name:14s} {value}" for name, value in lines.items()))  # noqa: T201 - its job
