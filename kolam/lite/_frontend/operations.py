"""The registry: how every operation of StableHLO and CHLO is compiled, or why it is not."""

from kolam.lite._frontend.control import CONTROL
from kolam.lite._frontend.elementwise import ELEMENTWISE
from kolam.lite._frontend.indexing import INDEXING
from kolam.lite._frontend.linear import LINEAR
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
    **LINEAR,
    **NORMS,
    **PRODUCTS,
    **RANDOMS,
    **SHAPES,
    **SORTING,
    **WINDOWS,
}

_BROADCASTS = (
    *("add", "and", "atan2", "compare", "complex", "divide", "maximum", "minimum", "multiply"),
    *("next_after", "or", "polygamma", "power", "remainder", "select", "shift_left"),
    *("shift_right_arithmetic", "shift_right_logical", "subtract", "xor", "zeta"),
)
# what has no C, by the way round that its error names
_WAYS_ROUND: dict[str, tuple[str, ...]] = {
    "Compute with real and imaginary parts as arrays of their own.": (
        *("stablehlo.complex", "stablehlo.fft", "stablehlo.imag", "stablehlo.real", "chlo.conj"),
        "chlo._asin_acos_kernel",
    ),
    "Compile the program of one device; several devices are for `kl.distribute`.": tuple(
        f"stablehlo.{name}"
        for name in (
            *("all_gather", "all_reduce", "all_to_all", "collective_broadcast"),
            *("collective_permute", "cross-replica-sum", "partition_id", "reduce_scatter"),
            "replica_id",
        )
    ),
    "Give the data as inputs and take the results as outputs.": tuple(
        f"stablehlo.{name}"
        for name in (
            *("after_all", "async_done", "async_start", "create_token", "infeed", "outfeed"),
            *("recv", "send"),
        )
    ),
    "Give every symbolic size: `compile(graph, sizes={'batch': 1})`.": tuple(
        f"stablehlo.{name}"
        for name in (
            *("dynamic_broadcast_in_dim", "dynamic_conv", "dynamic_gather", "dynamic_iota"),
            *("dynamic_pad", "dynamic_reshape", "get_dimension_size", "real_dynamic_slice"),
            "set_dimension_size",
        )
    ),
    "Use `kl.lite.quantize`, which makes whole numbers of it.": (
        *("stablehlo.uniform_dequantize", "stablehlo.uniform_quantize"),
    ),
    "Write it as JAX does today: `broadcast_in_dim`, `dot_general`, `gather`, `while`, "
    "`rng_bit_generator`.": (
        *("stablehlo.broadcast", "stablehlo.einsum", "stablehlo.get_tuple_element"),
        *("stablehlo.rng", "stablehlo.torch_index_select", "stablehlo.tuple"),
        *("stablehlo.unary_einsum", "chlo.constant_like", "chlo.mulhi", "chlo.ragged_dot"),
        *("chlo.scan", *(f"chlo.broadcast_{name}" for name in _BROADCASTS)),
    ),
}
REFUSED: dict[str, str] = {name: how for how, names in _WAYS_ROUND.items() for name in names}
