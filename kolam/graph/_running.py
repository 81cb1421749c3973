"""The declared outputs of a program, made static and compiled once per shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np

from kolam.core import TensorSpec, UnsupportedError, prepare_jax
from kolam.graph._arguments import bind_sizes
from kolam.graph._foreign import PLATFORMS, platforms_of
from kolam.graph._interpret import Program
from kolam.graph._lowering.lower import lower
from kolam.graph._module import (
    drop_arguments,
    holds_native_composites,
    restrict_outputs,
    signature,
    specialise,
)
from kolam.graph._operations import read_module
from kolam.graph._stablehlo import (
    is_top_level,
    parse_module,
    read_portable,
    run_program,
    text_of,
    write_portable,
)

_LOWERED = ("convolution", "dot_general", "reduce_window", "select_and_scatter", "while")


@dataclass(frozen=True, slots=True)
class StaticProgram:
    """A program without symbolic sizes, as a compiler wants it.

    Attributes:
        text: StableHLO with source locations. Its function `main` takes weights, then inputs.
        weights: Specs of the weights, in order.
        inputs: Specs of the inputs, in order.
        outputs: Specs of the outputs, in order.
    """

    text: str
    weights: tuple[TensorSpec, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Runnable:
    """A program reduced to its declared outputs; its weights wait on the device.

    Args:
        program: Portable StableHLO bytes in normal form.
        weights: Array by name; those that the outputs do not need are left out.
    """

    def __init__(self, program: bytes, weights: Mapping[str, np.ndarray]) -> None:
        module = read_portable(program)
        _, results = signature(module)
        outputs = [index for index, item in enumerate(results) if item.role == "output"]
        if len(outputs) < len(results):
            restrict_outputs(module, outputs)
        drop_arguments(module, lambda item: item.role != "weight")
        arguments, results = signature(module)
        self._program = write_portable(module)
        self._inputs = tuple(item.spec for item in arguments if item.role == "input")
        self._weight_specs = tuple(item.spec for item in arguments if item.role == "weight")
        self.weight_names = tuple(str(spec.name) for spec in self._weight_specs)
        self._weights = weights
        self._static: dict[tuple[tuple[int, ...], ...], StaticProgram] = {}
        self._jitted = jax.jit(self._call)
        self._lowered = jax.jit(lower(self._call_for_cpu))
        self._platforms = platforms_of(module)
        self._is_native = holds_native_composites(module)
        self._is_wide = any(item.spec.dtype.endswith("64") for item in (*arguments, *results))

    def __call__(
        self, values: Sequence[Any], weights: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """Run on checked inputs, in order.

        Args:
            values: One array per input.
            weights: Other values than the program's own, by name.
        """
        # Any above: arrays or tracers
        self._check_platform()
        with self.precision():
            given = self._on_device
            if weights is not None:
                given = [weights[label] for label in self.weight_names]
            run = self._lowered if self._has_kernels and is_top_level() else self._jitted
            results: list[Any] = run(given, list(values))
        return results

    def static(self, shapes: Sequence[tuple[int, ...]]) -> StaticProgram:
        """Give the program for inputs of these shapes."""
        key = tuple(shapes)
        if key not in self._static:
            bind_sizes(self._inputs, key)
            own = [tuple(map(int, spec.shape)) for spec in self._weight_specs]
            text = specialise(read_portable(self._program), [*own, *key])
            arguments, results = signature(parse_module(text))
            self._static[key] = StaticProgram(
                text=text,
                weights=tuple(item.spec for item in arguments if item.role == "weight"),
                inputs=tuple(item.spec for item in arguments if item.role == "input"),
                outputs=tuple(item.spec for item in results),
            )
        return self._static[key]

    def _check_platform(self) -> None:
        if len(self._platforms) == len(PLATFORMS):
            return
        here = jax.default_backend()
        if not {"gpu": {"cuda", "rocm"}}.get(here, {here}) & set(self._platforms):
            has = f"only {self._platforms[0]} has" if self._platforms else "no one platform has"
            raise UnsupportedError(
                f"The program calls libraries that {has}, and JAX computes on {here} here.",
                how="Trace the function again with this version: its programs run everywhere.",
            )

    @cached_property
    def _on_device(self) -> list[jax.Array]:
        prepare_jax()
        # eager even when the first call stands inside a trace: no tracer may stay behind
        with jax.ensure_compile_time_eval():
            return [jax.numpy.asarray(self._weights[str(spec.name)]) for spec in self._weight_specs]

    @cached_property
    def evaluate(self) -> Program:
        """The program as operations of JAX: weights, then inputs."""
        return Program(read_module(text_of(read_portable(self._program))))

    def _call(self, weights: list[Any], values: list[Any]) -> list[Any]:  # Any: tracers
        shapes = [tuple(value.shape) for value in values]
        if self._is_native or not all(isinstance(size, int) for shape in shapes for size in shape):
            return self.evaluate(*weights, *values)
        program = self.static(shapes)
        return run_program(
            program.text, program.outputs, [*weights, *values], self._evaluate_lazily
        )

    @cached_property
    def _has_kernels(self) -> bool:
        """Whether there is an operation that `lower` knows to do better."""
        text = text_of(read_portable(self._program))
        return any(f"stablehlo.{name}" in text for name in _LOWERED)

    def _call_for_cpu(self, weights: list[Any], values: list[Any]) -> list[Any]:  # Any: tracers
        try:
            return self.evaluate(*weights, *values)
        except (UnsupportedError, TypeError):  # JAX has no word for it, or not for these dtypes
            return self._call(weights, values)

    def _evaluate_lazily(self, *arrays: Any) -> list[Any]:  # Any: arrays or tracers
        return self.evaluate(*arrays)

    def precision(self) -> Any:  # Any: JAX's context manager has no public type
        """Give the context in which the program keeps all digits of its numbers."""
        # JAX would narrow 64-bit arrays in silence
        return jax.enable_x64(self._is_wide or bool(jax.config.jax_enable_x64))
