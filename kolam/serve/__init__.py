"""Answers requests with models over HTTP.

In: saved models by name. Out: TensorFlow Serving's REST form (``/v1/models/NAME:predict``) and the
Open Inference Protocol v2 (``/v2/models/NAME/infer``, JSON and binary tensors), health, metadata.
Refused: requests that do not fit the model's signature, are too large, or too slow; the server
says why and goes on.
"""

from kolam.serve._app import create_app
from kolam.serve._limits import Limits
from kolam.serve._model import ServedModel
from kolam.serve._run import run

__all__ = ["Limits", "ServedModel", "create_app", "run"]
