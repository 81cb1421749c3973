"""The registry of what can be compiled: every operation of StableHLO and CHLO by its name."""

from kolam.lite._frontend.control import CONTROL
from kolam.lite._frontend.elementwise import ELEMENTWISE
from kolam.lite._frontend.indexing import INDEXING
from kolam.lite._frontend.norms import NORMS
from kolam.lite._frontend.products import PRODUCTS
from kolam.lite._frontend.randoms import RANDOMS
from kolam.lite._frontend.shapes import SHAPES
from kolam.lite._frontend.sorting import SORTING
from kolam.lite._frontend.step import Translation
from kolam.lite._frontend.windows import WINDOWS

TRANSLATIONS: dict[str, Translation] = {
    **CONTROL,
    **ELEMENTWISE,
    **INDEXING,
    **NORMS,
    **PRODUCTS,
    **RANDOMS,
    **SHAPES,
    **SORTING,
    **WINDOWS,
}
