"""From a float `Network` to one on int8 codes, and how far the two are apart."""

from kolam.lite._quantize.histogram import Histogram, least_squares, min_max, percentile
from kolam.lite._quantize.quantize import quantize
from kolam.lite._quantize.quantized import Quantized

__all__ = ["Histogram", "Quantized", "least_squares", "min_max", "percentile", "quantize"]
