"""Packages that are heavy, optional, or need a word before their first import."""

import os
import sys
from importlib.util import find_spec
from types import ModuleType

from kolam.core._errors import InvalidArgumentError, MissingExtraError


def require_extra(module: str, extra: str) -> None:
    """Check that an optional package is there.

    Raises:
        MissingExtraError: It is not; the message gives the line that installs it.
    """
    if find_spec(module) is None:
        raise MissingExtraError(
            f"This needs the package {module!r}, which is not installed.",
            how=f"pip install 'kolam[{extra}]'",
        )


def import_keras() -> ModuleType:
    """Import Keras on its JAX back end (two seconds the first time).

    Raises:
        InvalidArgumentError: Keras is already loaded on another back end, or KERAS_BACKEND asks
            for one.
    """
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras  # here: costs two seconds

    if keras.backend.backend() != "jax":
        raise InvalidArgumentError(
            f"Keras runs on its {keras.backend.backend()!r} back end; Kolam needs 'jax'.",
            how="Set KERAS_BACKEND=jax before Python starts, or `import kolam` and use it "
            "before Keras.",
        )
    module: ModuleType = keras
    return module
