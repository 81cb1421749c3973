"""Files for LiteRT (TensorFlow Lite): networks and their description as bytes."""

from kolam.lite._tflite.convert import to_tflite

__all__ = ["to_tflite"]
