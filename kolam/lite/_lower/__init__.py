"""From one fused node to one kernel of the loop IR."""

from kolam.lite._lower.kernel import Lowered, lower_copy, lower_kernel
from kolam.lite._lower.products import PackedWeights, Tiling

__all__ = ["Lowered", "PackedWeights", "Tiling", "lower_copy", "lower_kernel"]
