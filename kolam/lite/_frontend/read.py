"""The walk over functions and blocks: calls are inlined, regions closed, operations translated."""

import re
from dataclasses import replace
from math import prod

import numpy as np

from kolam.core import SourceLocation, TensorSpec, UnsupportedError
from kolam.graph import Block, Module, Operation, read_module
from kolam.lite._frontend.bodies import flatten
from kolam.lite._frontend.control import captures
from kolam.lite._frontend.operations import REFUSED, TRANSLATIONS
from kolam.lite._frontend.step import ANY_WAY_ROUND, Builder, Step, Values, unsupported
from kolam.lite._program import DTYPES, Program, Region, Value, make_constant

# indices are int in C
_MOST_ELEMENTS = 2**31 - 1


def read_program(
    text: str,
    name: str,
    weights: list[np.ndarray],
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
) -> Program:
    """Read static StableHLO whose first arguments are the weights.

    Args:
        text: The module.
        name: Name of the graph; becomes the prefix of C names.
        weights: Values of the first arguments of main.
        inputs: Specs of the other arguments.
        outputs: Specs of the results.

    Returns:
        The program, with the weights as constants and all calls inlined.

    Raises:
        UnsupportedError: An operation or a dtype that cannot be compiled; nothing was built.
    """
    return translate(
        read_module(text),
        name,
        weights,
        tuple(spec.name or f"input_{i}" for i, spec in enumerate(inputs)),
        tuple(spec.name or f"output_{i}" for i, spec in enumerate(outputs)),
    )


def translate(
    module: Module,
    name: str,
    weights: list[np.ndarray],
    input_names: tuple[str, ...],
    output_names: tuple[str, ...],
) -> Program:
    """Translate the records of a module; `read_program` says what the arguments are."""
    main = module.main.body
    values: dict[int, Value] = {}
    build = Builder(None)
    arguments = []
    for index, (argument, kind) in enumerate(zip(main.arguments, main.types, strict=True)):
        value = _value(kind.dtype, kind.shape, None)
        if index < len(weights):
            array = np.asarray(weights[index], dtype=value.dtype).reshape(value.shape)
            (value,) = build.add(make_constant(array))
        else:
            arguments.append(value)
        values[argument] = value
    _Scope(module, values, None).run(main, build)
    results = tuple(values[identity] for identity in main.returns)
    region = build.region(tuple(arguments), results)
    return Program(c_identifier(name), region, input_names, output_names)


def c_identifier(name: str) -> str:
    """Make a C identifier of a name, always the same one.

    Example:
        >>> c_identifier("my model-2"), c_identifier("2")
        ('my_model_2', 'model_2')
    """
    word = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_")
    if word[:1].isalpha():
        return word
    return f"model_{word}" if word else "model"


class _Scope:
    """Translates the operations of a block.

    Args:
        module: For the functions that are called.
        values: Values of the program by ids of the module; grows with every operation.
        where: The place of an operation that has none of its own.
        calls: Functions that are being inlined.
    """

    def __init__(
        self,
        module: Module,
        values: dict[int, Value],
        where: SourceLocation | None,
        calls: tuple[str, ...] = (),
    ) -> None:
        self._module = module
        self._values = values
        self._where = where
        self._calls = calls

    def run(self, block: Block, build: Builder) -> Values:
        """Translate a block and give what it returns."""
        for operation in _placed(block.operations, self._where):
            self._operation(operation, build)
        return tuple(self._values[identity] for identity in block.returns)

    def _operation(self, operation: Operation, build: Builder) -> None:
        name = operation.name
        for kind in operation.types:
            _value(kind.dtype, kind.shape, operation.where)
        if name not in TRANSLATIONS:
            how = REFUSED.get(name, ANY_WAY_ROUND)
            raise unsupported(operation, f"The operation {name}", how)
        build.where = operation.where
        operands = tuple(self._values[identity] for identity in operation.operands)
        step = Step(operation, operands, build, self)
        results = TRANSLATIONS[name].translate(step)
        build.where = operation.where
        for identity, result, wanted in zip(operation.results, results, step.types, strict=True):
            assert result.type == wanted, f"{name} gives {result.type}, not {wanted}"
            self._values[identity] = result

    def value(self, identity: int) -> Value:
        """Give the value that stands for one of the module."""
        return self._values[identity]

    def call(self, operation: Operation, name: str, operands: Values, build: Builder) -> Values:
        """Inline a function of the module."""
        if name in self._calls or name not in self._module.functions:
            raise unsupported(operation, f"The call of {name!r}, which never ends,")
        body = self._module.functions[name].body
        inner = dict(zip(body.arguments, operands, strict=True))
        scope = _Scope(self._module, inner, operation.where, (*self._calls, name))
        return scope.run(body, build)

    def body(self, block: Block, operation: Operation) -> tuple[Region, Values]:
        """Close a body of scalars; what it captures becomes its last arguments."""
        captured = captures((block,))
        region = flatten(self.closed(block, operation, captured), operation)
        return region, tuple(self._values[identity] for identity in captured)

    def closed(self, block: Block, operation: Operation, captured: list[int]) -> Region:
        """Close a body of any kind; what it captures becomes its last arguments."""
        own = tuple(_value(kind.dtype, kind.shape, operation.where) for kind in block.types)
        more = tuple(self._values[identity].like() for identity in captured)
        inner = dict(zip((*block.arguments, *captured), (*own, *more), strict=True))
        build = Builder(operation.where)
        results = _Scope(self._module, inner, operation.where, self._calls).run(block, build)
        return build.region((*own, *more), results)


def _placed(operations: tuple[Operation, ...], where: SourceLocation | None) -> list[Operation]:
    """Give every operation a place: its own, that of the block, or that of the one it precedes.

    Constants have none of their own and stand just before what they are for.
    """
    placed: list[Operation] = []
    following = where
    for operation in reversed(operations):
        if operation.where is None and following is not None:
            operation = replace(operation, where=following)
        following = where or operation.where
        placed.append(operation)
    return placed[::-1]


def _value(dtype: str, shape: tuple[int | None, ...], where: SourceLocation | None) -> Value:
    if dtype not in DTYPES:
        raise UnsupportedError(
            f"The compiler has no arrays of {dtype}.",
            where=where,
            how="Compute with real and imaginary parts, as two arrays of floats."
            if dtype.startswith("complex")
            else f"Convert to one of {', '.join(DTYPES)}, for example with `x.astype('float32')`.",
        )
    static = tuple(size for size in shape if size is not None)
    if len(static) != len(shape):
        raise UnsupportedError(
            f"An array has the shape {shape}, where None is only known during the run.",
            where=where,
            how="Give every symbolic size: `compile(graph, sizes={'batch': 1})`.",
        )
    if prod(static) > _MOST_ELEMENTS:
        raise UnsupportedError(
            f"An array of the shape {static} has more than {_MOST_ELEMENTS:,} elements.",
            where=where,
            how="Work on parts of it, for example with `jax.lax.map` over rows.",
        )
    return Value.new(dtype, static)
