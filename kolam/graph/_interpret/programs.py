"""The interpreter: a module of StableHLO as a function of JAX."""

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax

from kolam.core import UnsupportedError
from kolam.graph._interpret import (
    calls,
    control,
    elementwise,
    indexing,
    known,
    normalisation,
    products,
    reductions,
    shapes,
)
from kolam.graph._interpret.lines import on_line_of
from kolam.graph._interpret.steps import Step, Value, as_array
from kolam.graph._operations import Block, Module, Operation, TensorType

RULES: Mapping[str, Callable[[Step], list[Value]]] = {
    "stablehlo.constant": known.constant,
    "stablehlo.get_dimension_size": known.dimension_size,
    **calls.RULES,
    **control.RULES,
    **elementwise.RULES,
    **indexing.RULES,
    **normalisation.RULES,
    **products.RULES,
    **reductions.RULES,
    **shapes.RULES,
}


class Program:
    """A module that JAX evaluates operation by operation, so that every transformation works.

    Args:
        module: What `read_module` gave. Symbolic sizes become those of the arguments.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self._types = dict(_types(module))
        self._is_wide = any(kind.dtype.endswith("64") for kind in self._types.values())

    def __call__(self, *arrays: Any) -> list[Any]:
        """Evaluate `main`.

        Args:
            arrays: One per argument of `main`, of its dtype.

        Raises:
            UnsupportedError: An operation that JAX has no word for; the message names its line.
        """
        with jax.enable_x64(self._is_wide or bool(jax.config.jax_enable_x64)):
            body = self.module.main.body
            results = self._function(body, arrays)
            return [
                as_array(value, self._types[label])
                for value, label in zip(results, body.returns, strict=True)
            ]

    def run(self, operations: Sequence[Operation], values: dict[int, Value]) -> None:
        """Evaluate some operations of `main` and note their results in `values`."""
        for operation in operations:
            self._operation(operation, ChainMap(values))

    def array(self, label: int, value: Value) -> Any:
        """Give a value of this id as an array."""
        return as_array(value, self._types[label])

    def _function(self, body: Block, arguments: Sequence[Value]) -> list[Value]:
        return self._block(body, arguments, ChainMap())

    def _block(
        self, block: Block, arguments: Sequence[Value], outer: ChainMap[int, Value]
    ) -> list[Value]:
        values = outer.new_child(dict(zip(block.arguments, arguments, strict=True)))
        for label, value in zip(block.arguments, arguments, strict=True):
            self.note(label, value)
        for operation in block.operations:
            self._operation(operation, values)
        return [values[label] for label in block.returns]

    def _operation(self, operation: Operation, values: ChainMap[int, Value]) -> None:
        step = Step(
            operation=operation,
            operands=tuple(values[label] for label in operation.operands),
            operand_types=tuple(self._types[label] for label in operation.operands),
            regions=tuple(self._region(block, values) for block in operation.regions),
            module=self.module,
            call=self._call,
            values=values,
        )
        results = known.fold(step)
        if results is None:
            rule = RULES.get(operation.name)
            if rule is None:
                raise UnsupportedError(
                    f"The operation {operation.name!r} cannot be evaluated by JAX.",
                    where=operation.where,
                    how="Run the graph as it is; it has no derivative and cannot be mapped.",
                )
            results = on_line_of(operation.where, partial(rule, step))
        for label, value in zip(operation.results, results, strict=True):
            values[label] = value
            self.note(label, value)

    def note(self, label: int, value: Value) -> None:
        """Take note of a value; here nobody does."""

    def _region(self, block: Block, outer: ChainMap[int, Value]) -> Callable[..., list[Value]]:
        return lambda *arguments: self._block(block, arguments, outer)

    def _call(self, name: str, arguments: Sequence[Value]) -> list[Value]:
        return self._function(self.module.functions[name].body, arguments)


def _types(module: Module) -> Iterator[tuple[int, TensorType]]:
    for function in module.functions.values():
        yield from _types_of(function.body)


def _types_of(block: Block) -> Iterator[tuple[int, TensorType]]:
    yield from zip(block.arguments, block.types, strict=True)
    for operation in block.operations:
        yield from zip(operation.results, operation.types, strict=True)
        for region in operation.regions:
            yield from _types_of(region)
