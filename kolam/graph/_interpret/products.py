"""Products: matrices, convolutions, Fourier transforms, linear systems, random bits."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from kolam.graph._interpret.steps import Step, Value

_ALGORITHMS = {
    "DEFAULT": lax.RandomAlgorithm.RNG_DEFAULT,
    "PHILOX": lax.RandomAlgorithm.RNG_PHILOX,
    "THREE_FRY": lax.RandomAlgorithm.RNG_THREE_FRY,
}


def _dot_general(step: Step) -> list[Value]:
    first, second = step.arrays
    noted = step.attribute("dot_dimension_numbers")
    contracting = (
        noted.get("lhs_contracting_dimensions", ()),
        noted.get("rhs_contracting_dimensions", ()),
    )
    batch = (noted.get("lhs_batching_dimensions", ()), noted.get("rhs_batching_dimensions", ()))
    result = lax.dot_general(
        first,
        second,
        (contracting, batch),
        precision=_precision(step),
        preferred_element_type=step.dtype,
    )
    return [result]


def _dot(step: Step) -> list[Value]:
    first, second = step.arrays
    contracting = ((first.ndim - 1,), (0,))
    result = lax.dot_general(
        first,
        second,
        (contracting, ((), ())),
        precision=_precision(step),
        preferred_element_type=step.dtype,
    )
    return [result]


def _precision(step: Step) -> Any:
    algorithm = step.attribute("algorithm")
    if isinstance(algorithm, Mapping):
        return _algorithm(algorithm)
    noted = step.attribute("precision_config")
    if not noted:
        return None
    found = tuple(lax.Precision[str(item)] for item in noted)
    return None if set(found) == {lax.Precision.DEFAULT} else found


def _algorithm(noted: Mapping[str, Any]) -> Any:
    return lax.DotAlgorithm(
        lhs_precision_type=_float(noted["lhs_precision_type"]),
        rhs_precision_type=_float(noted["rhs_precision_type"]),
        accumulation_type=_float(noted["accumulation_type"]),
        lhs_component_count=int(noted["lhs_component_count"]),
        rhs_component_count=int(noted["rhs_component_count"]),
        num_primitive_operations=int(noted["num_primitive_operations"]),
        allow_imprecise_accumulation=str(noted["allow_imprecise_accumulation"]) == "true",
    )


def _float(name: str) -> Any:
    short = {"bf16": "bfloat16", "f16": "float16", "f32": "float32", "f64": "float64"}
    return jnp.dtype(short[name]) if name in short else name


def _convolution(step: Step) -> list[Value]:
    values, kernel = step.arrays
    noted = step.attribute("dimension_numbers")
    axes = len(noted["input"]) - 2
    padding = step.numbers("padding", (0,) * (2 * axes))
    if step.operation.name == "stablehlo.dynamic_conv":
        padding = step.sizes(2)
    reversal = step.attribute("window_reversal", ())
    turned = [noted["kernel"].index(axis) for axis, turns in enumerate(reversal) if turns]
    result = lax.conv_general_dilated(
        values,
        lax.rev(kernel, turned) if turned else kernel,
        window_strides=step.numbers("window_strides", (1,) * axes),
        padding=tuple(zip(padding[::2], padding[1::2], strict=True)),
        lhs_dilation=step.numbers("lhs_dilation", (1,) * axes),
        rhs_dilation=step.numbers("rhs_dilation", (1,) * axes),
        dimension_numbers=lax.ConvDimensionNumbers(
            _layout(noted["input"], "b", "f"),
            _layout(noted["kernel"], "o", "i"),
            _layout(noted["output"], "b", "f"),
        ),
        feature_group_count=int(step.attribute("feature_group_count", 1)),
        batch_group_count=int(step.attribute("batch_group_count", 1)),
        precision=_precision(step),
        preferred_element_type=step.dtype,
    )
    return [result]


def _layout(axes: Sequence[Any], first: str, second: str) -> tuple[int, ...]:
    spatial = [axes.index(axis) for axis in range(len(axes) - 2)]
    return (axes.index(first), axes.index(second), *spatial)


def _fft(step: Step) -> list[Value]:
    kind = str(step.attribute("fft_type"))
    return [lax.fft(step.arrays[0], kind, step.numbers("fft_length", ()))]


def _cholesky(step: Step) -> list[Value]:
    (matrix,) = step.arrays
    if step.attribute("lower", False):
        return [lax.linalg.cholesky(matrix, symmetrize_input=False)]
    factor = lax.linalg.cholesky(_adjoint(matrix), symmetrize_input=False)
    return [_adjoint(factor)]


def _adjoint(matrix: Any) -> Any:
    turned = jnp.swapaxes(matrix, -1, -2)
    return jnp.conj(turned) if np.iscomplexobj(matrix) else turned


def _triangular_solve(step: Step) -> list[Value]:
    matrix, right = step.arrays
    transpose = str(step.attribute("transpose_a", "NO_TRANSPOSE"))
    result = lax.linalg.triangular_solve(
        matrix,
        right,
        left_side=bool(step.attribute("left_side", False)),
        lower=bool(step.attribute("lower", False)),
        transpose_a=transpose != "NO_TRANSPOSE",
        conjugate_a=transpose == "ADJOINT",
        unit_diagonal=bool(step.attribute("unit_diagonal", False)),
    )
    return [result]


def _random_bits(step: Step) -> list[Value]:
    (state,) = step.arrays
    key = state if state.dtype == np.uint32 else lax.bitcast_convert_type(state, np.uint32).ravel()
    shape = tuple(int(size) for size in step.operation.types[1].shape if size is not None)
    return _bits(step, key, shape, state)


def dynamic_random_bits(step: Step) -> list[Value]:
    """Random bits of a symbolic shape: what JAX exports as a custom call."""
    state = step.arrays[0]
    key = state if state.dtype == np.uint32 else lax.bitcast_convert_type(state, np.uint32).ravel()
    return _bits(step, key, step.sizes(1), state)


def _bits(step: Step, key: Any, shape: Sequence[Any], state: Any) -> list[Value]:
    algorithm = str(step.attribute("rng_algorithm", "DEFAULT"))
    new, bits = lax.rng_bit_generator(
        key, shape, step.operation.types[1].numpy_dtype, _ALGORITHMS[algorithm]
    )
    if new.dtype != state.dtype:
        new = lax.bitcast_convert_type(new.reshape(-1, 2), state.dtype)
    return [new, bits]


def _random(step: Step) -> list[Value]:
    low, high, _ = step.arrays
    if step.attribute("rng_distribution") != "UNIFORM":
        raise step.unsupported("draws other than uniform numbers", "Use `jax.random` with a key.")
    return [lax.rng_uniform(low, high, step.sizes(2))]


RULES: dict[str, Callable[[Step], list[Value]]] = {
    "stablehlo.cholesky": _cholesky,
    "stablehlo.convolution": _convolution,
    "stablehlo.dot": _dot,
    "stablehlo.dot_general": _dot_general,
    "stablehlo.dynamic_conv": _convolution,
    "stablehlo.fft": _fft,
    "stablehlo.rng": _random,
    "stablehlo.rng_bit_generator": _random_bits,
    "stablehlo.triangular_solve": _triangular_solve,
}
