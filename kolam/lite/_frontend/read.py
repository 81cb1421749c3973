"""The walk over functions and blocks: calls are inlined, regions closed, operations translated."""

import re
from dataclasses import replace

import numpy as np

from kolam.core import SourceLocation, TensorSpec, UnsupportedError
from kolam.graph import Block, Module, Operation, read_module
from kolam.lite._frontend.indexing import INDEXING
from kolam.lite._frontend.shapes import SHAPES
from kolam.lite._program import DTYPES, Node, Program, Region, Value, make_constant

# what passes its operand on unchanged
_IDENTITIES = ("stablehlo.optimization_barrier",)
_WAYS_ROUND = {
    "stablehlo.custom_call": "Write this step with plain `jax.numpy` operations.",
    "stablehlo.sort": "Sort outside the compiled program, or take one maximum with `jnp.argmax`.",
    "chlo.top_k": "Take one maximum with `jnp.argmax`, or sort the scores outside.",
}
_ANY_WAY_ROUND = (
    "Write this line with other `jax.numpy` operations, or run the graph by XLA with `graph.run`."
)


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
    reader = _Reader(module)
    values: dict[int, Value] = {}
    nodes: list[Node] = []
    arguments = []
    for index, (argument, kind) in enumerate(zip(main.arguments, main.types, strict=True)):
        value = _value(kind.dtype, kind.shape, None)
        if index < len(weights):
            array = np.asarray(weights[index], dtype=value.dtype).reshape(value.shape)
            nodes.append(make_constant(array))
            value = nodes[-1].result
        else:
            arguments.append(value)
        values[argument] = value
    nodes += reader.operations(main.operations, values)
    results = tuple(values[identity] for identity in main.returns)
    region = Region(tuple(arguments), tuple(nodes), results)
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


class _Reader:
    """Translates operations; `values` maps ids of the module to values of the program."""

    def __init__(self, module: Module) -> None:
        self._module = module

    def operations(
        self,
        operations: tuple[Operation, ...],
        values: dict[int, Value],
        where: SourceLocation | None = None,
    ) -> list[Node]:
        """Translate operations; one without a place of its own stands at `where`."""
        nodes: list[Node] = []
        for operation in operations:
            if operation.where is None and where is not None:
                operation = replace(operation, where=where)
            nodes += self._operation(operation, values)
        return nodes

    def _operation(self, operation: Operation, values: dict[int, Value]) -> list[Node]:
        name = operation.name
        operands = tuple(values[identity] for identity in operation.operands)
        if name in ("func.call", "stablehlo.composite"):
            key = "callee" if name == "func.call" else "decomposition"
            return self._call(operation.attributes[key].lstrip("@"), operation, operands, values)
        if name in _IDENTITIES:
            values.update(zip(operation.results, operands, strict=True))
            return []
        results = tuple(_value(kind.dtype, kind.shape, operation.where) for kind in operation.types)
        if name in ("stablehlo.while", "stablehlo.if", "stablehlo.case"):
            node = self._control(operation, operands, results, values)
        elif name in INDEXING:
            bodies = tuple(self._closed(block, operation, []) for block in operation.regions)
            op, fields = name.removeprefix("stablehlo."), INDEXING[name](operation)
            node = Node(op, operands, results, fields, bodies, operation.where)
        elif name in SHAPES:
            node = SHAPES[name](operation, operands, results)
        else:
            raise _unsupported(operation)
        values.update(zip(operation.results, node.results, strict=False))  # a loop gives more
        return [node]

    def _call(
        self,
        name: str,
        operation: Operation,
        operands: tuple[Value, ...],
        values: dict[int, Value],
    ) -> list[Node]:
        body = self._module.functions[name].body
        inner = dict(zip(body.arguments, operands, strict=True))
        nodes = self.operations(body.operations, inner, operation.where)
        values.update(
            zip(operation.results, (inner[identity] for identity in body.returns), strict=True)
        )
        return nodes

    def _control(
        self,
        operation: Operation,
        operands: tuple[Value, ...],
        results: tuple[Value, ...],
        values: dict[int, Value],
    ) -> Node:
        """Close the regions of a loop or branch: what they capture becomes an argument."""
        captured = list(dict.fromkeys(_captures(operation.regions)))
        outer = [values[identity] for identity in captured]
        regions = tuple(
            self._closed(block, operation, captured, values) for block in operation.regions
        )
        if operation.name == "stablehlo.while":
            condition, body = regions
            kept = body.arguments[len(operands) :]
            body = Region(body.arguments, body.nodes, body.results + kept)
            extra = tuple(value.like() for value in outer)
            return Node(
                "while",
                (*operands, *outer),
                (*results, *extra),
                {},
                (condition, body),
                operation.where,
            )
        return Node(
            "case",
            (*operands, *outer),
            results,
            {},
            regions if operation.name == "stablehlo.case" else regions[::-1],
            operation.where,
        )

    def _closed(
        self,
        block: Block,
        operation: Operation,
        captured: list[int],
        values: dict[int, Value] | None = None,
    ) -> Region:
        own = tuple(_value(kind.dtype, kind.shape, operation.where) for kind in block.types)
        more = tuple(values[identity].like() for identity in captured) if values else ()
        inner = dict(zip((*block.arguments, *captured), (*own, *more), strict=True))
        nodes = self.operations(block.operations, inner, operation.where)
        return Region(
            (*own, *more), tuple(nodes), tuple(inner[identity] for identity in block.returns)
        )


def _captures(blocks: tuple[Block, ...]) -> list[int]:
    """List the ids that blocks use and do not define, in order of use."""
    defined: set[int] = set()
    used: list[int] = []

    def visit(block: Block) -> None:
        defined.update(block.arguments)
        for operation in block.operations:
            used.extend(operation.operands)
            for region in operation.regions:
                visit(region)
            defined.update(operation.results)
        used.extend(block.returns)

    for block in blocks:
        visit(block)
    return [identity for identity in used if identity not in defined]


def _value(dtype: str, shape: tuple[int | None, ...], where: SourceLocation | None) -> Value:
    if dtype not in DTYPES:
        raise UnsupportedError(
            f"The compiler has no arrays of {dtype}.",
            where=where,
            how=f"Convert to one of {', '.join(DTYPES)}, for example with `x.astype('float32')`.",
        )
    static = tuple(size for size in shape if size is not None)
    if len(static) != len(shape):
        raise UnsupportedError(
            f"An array has the shape {shape}, where None is only known during the run.",
            where=where,
            how="Give every symbolic size: `compile(graph, sizes={'batch': 1})`.",
        )
    return Value.new(dtype, static)


def _unsupported(operation: Operation) -> UnsupportedError:
    target = operation.attributes.get("call_target_name")
    what = f"{operation.name} ({target})" if target else operation.name
    return UnsupportedError(
        f"The operation {what} cannot be compiled to C yet (kolam.lite).",
        where=operation.where,
        how=_WAYS_ROUND.get(operation.name, _ANY_WAY_ROUND),
    )
