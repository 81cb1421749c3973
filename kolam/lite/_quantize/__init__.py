"""From a float `Network` to one on int8 codes, and how far the two are apart."""

from kolam.lite._quantize.compare import Comparison, SliceChange, compare_metrics
from kolam.lite._quantize.errors import LayerError, LayerErrors, layer_errors
from kolam.lite._quantize.fake import fake_quantize
from kolam.lite._quantize.histogram import Histogram, least_squares, min_max, percentile
from kolam.lite._quantize.quantize import quantize
from kolam.lite._quantize.quantized import Quantized

__all__ = [
    "Comparison",
    "Histogram",
    "LayerError",
    "LayerErrors",
    "Quantized",
    "SliceChange",
    "compare_metrics",
    "fake_quantize",
    "layer_errors",
    "least_squares",
    "min_max",
    "percentile",
    "quantize",
]
