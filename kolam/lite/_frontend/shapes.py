"""Constants, views and what moves elements by static or computed starts."""

import numpy as np

from kolam.lite._frontend.step import Step, Translation, Values

_ANY = "fiub"


def _plain(op: str, *names: str, **renamed: str) -> Translation:
    """Keep an operation as it is, with the named attributes (new name=old name)."""
    table = {**{name: name for name in names}, **renamed}

    def translate(step: Step) -> Values:
        fields = {new: step.operation.attributes[old] for new, old in table.items()}
        return step.emit(op, step.operands, **fields)

    return Translation(translate, _ANY)


def _constant(step: Step) -> Values:
    dtype, shape = step.type
    value = np.ascontiguousarray(step.attribute("value"), dtype=np.dtype(dtype))
    return step.emit("constant", (), value=value.reshape(shape))


def _iota(step: Step) -> Values:
    """Halves count in float32, which knows all whole numbers that they tell apart."""
    dtype, shape = step.type
    counted = step.build.iota(
        "float32" if dtype in ("float16", "bfloat16") else dtype,
        shape,
        int(step.attribute("iota_dimension")),
    )
    return (step.build.convert(counted, dtype),)


SHAPES: dict[str, Translation] = {
    "chlo.constant": Translation(_constant, _ANY),
    "stablehlo.broadcast_in_dim": _plain("broadcast", axes="broadcast_dimensions"),
    "stablehlo.concatenate": _plain("concatenate", axis="dimension"),
    "stablehlo.constant": Translation(_constant, _ANY),
    "stablehlo.dynamic_slice": _plain("dynamic_slice", sizes="slice_sizes"),
    "stablehlo.dynamic_update_slice": _plain("dynamic_update_slice"),
    "stablehlo.iota": Translation(_iota, "fiu"),
    "stablehlo.pad": _plain(
        "pad", low="edge_padding_low", high="edge_padding_high", interior="interior_padding"
    ),
    "stablehlo.reshape": _plain("reshape"),
    "stablehlo.reverse": _plain("reverse", axes="dimensions"),
    "stablehlo.slice": _plain(
        "slice", starts="start_indices", limits="limit_indices", strides="strides"
    ),
    "stablehlo.transpose": _plain("transpose", "permutation"),
}
