"""Kolam: write plain eager Python, get one graph that runs everywhere.

Everything here is loaded on first use, so that ``import kolam`` costs nothing.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

# Keras reads this when it is imported, and without it asks for TensorFlow: a user who writes
# `import keras` below `import kolam` must not have to know that
os.environ.setdefault("KERAS_BACKEND", "jax")

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "Function",
    "Graph",
    "KolamError",
    "SavedModel",
    "Session",
    "TensorSpec",
    "__version__",
    "autograph",
    "checkpoint",
    "data",
    "do_not_convert",
    "errors",
    "estimators",
    "features",
    "function",
    "graph",
    "hub",
    "lite",
    "load",
    "metrics",
    "pipeline",
    "serve",
    "show_versions",
    "statistics",
    "trace",
    "train",
    "web",
    "zoo",
]

_HOME_OF_NAME = {
    "Dataset": "data",
    "Function": "graph",
    "Graph": "graph",
    "KolamError": "core",
    "SavedModel": "graph",
    "Session": "graph",
    "TensorSpec": "core",
    "do_not_convert": "autograph",
    "function": "graph",
    "load": "graph",
    "show_versions": "core",
    "trace": "graph",
}

if TYPE_CHECKING:
    from kolam import (
        autograph,
        checkpoint,
        data,
        errors,
        estimators,
        features,
        graph,
        hub,
        lite,
        metrics,
        pipeline,
        serve,
        statistics,
        train,
        web,
        zoo,
    )
    from kolam.autograph import do_not_convert
    from kolam.core import KolamError, TensorSpec, show_versions
    from kolam.data import Dataset
    from kolam.graph import Function, Graph, SavedModel, Session, function, load, trace


def __getattr__(name: str) -> object:
    if name in _HOME_OF_NAME:
        value: object = getattr(import_module(f"kolam.{_HOME_OF_NAME[name]}"), name)
    elif name in __all__:
        value = import_module(f"kolam.{name}")
    else:
        raise AttributeError(f"module 'kolam' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
