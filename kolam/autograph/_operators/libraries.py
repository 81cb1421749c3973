"""Which modules are libraries: their code runs as it is."""

import sys

_LIBRARIES = frozenset(
    {
        *("jax", "jaxlib", "numpy", "scipy", "keras", "optax", "flax", "equinox", "chex", "haiku"),
        *("pandas", "polars", "pyarrow", "sklearn", "orbax", "tensorflow", "torch", "kolam"),
        *("pytest", "_pytest", "hypothesis", "matplotlib", "ml_dtypes"),
        *sys.stdlib_module_names,
    }
)


def is_library(module: str | None) -> bool:
    """Whether code of a module runs as it is."""
    return str(module or "").partition(".")[0] in _LIBRARIES
