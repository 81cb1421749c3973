"""StableHLO text as plain records: what rooms without MLIR read programs from."""

import re
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from kolam.core import SourceLocation, UnsupportedError
from kolam.graph._stablehlo import ir, parse_module

_DTYPES = {
    **{"i1": "bool", "f16": "float16", "bf16": "bfloat16", "f32": "float32", "f64": "float64"},
    **{f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"ui{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}
# element types that no array of a user has, but a program may compute with
_INNER_DTYPES: dict[str, Any] = {  # Any: NumPy's and ml_dtypes' scalar types
    **{"complex<f32>": np.complex64, "complex<f64>": np.complex128, "bf16": ml_dtypes.bfloat16},
    **{"f8E4M3FN": ml_dtypes.float8_e4m3fn, "f8E5M2": ml_dtypes.float8_e5m2},
    **{"f8E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "f8E5M2FNUZ": ml_dtypes.float8_e5m2fnuz},
    **{"i4": ml_dtypes.int4, "ui4": ml_dtypes.uint4},
}
_PACKAGE = str(Path(__file__).resolve().parent.parent)


@dataclass(frozen=True, slots=True)
class TensorType:
    """Type of one value.

    Attributes:
        dtype: A name of `core.DTYPES`, or MLIR's own spelling for what has no such name.
        shape: Sizes; `None` is one that is not known before the run.
    """

    dtype: str
    shape: tuple[int | None, ...]

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The dtype as NumPy and JAX know it.

        Raises:
            UnsupportedError: They have no such type.
        """
        return _numpy_dtype(self.dtype)


@dataclass(frozen=True, slots=True)
class Block:
    """A sequence of operations with arguments.

    Attributes:
        arguments: Value ids of the arguments.
        types: Their types.
        operations: In order; every operand stands before its use or in an enclosing block.
        returns: Value ids that the block gives.
    """

    arguments: tuple[int, ...]
    types: tuple[TensorType, ...]
    operations: tuple["Operation", ...]
    returns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        name: Full name, such as ``"stablehlo.add"``.
        operands: Value ids, unique in the module.
        results: Value ids of the results.
        types: Types of the results.
        attributes: By name: Python integers, floats, booleans, strings, tuples, dictionaries, or
            arrays for dense elements.
        regions: The blocks inside, such as the body of a loop.
        where: The line of the user's own code that made it, if known.
    """

    name: str
    operands: tuple[int, ...]
    results: tuple[int, ...]
    types: tuple[TensorType, ...]
    attributes: dict[str, Any] = field(hash=False)  # Any: the union of the list above
    regions: tuple[Block, ...]
    where: SourceLocation | None


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a module, entered by its name."""

    name: str
    body: Block


@dataclass(frozen=True, slots=True)
class Module:
    """All functions of one module.

    Attributes:
        functions: By name; ``"main"`` is the entry.
    """

    functions: dict[str, Function] = field(hash=False)

    @property
    def main(self) -> Function:
        """The entry function."""
        return self.functions.get("main") or next(iter(self.functions.values()))


def read_module(text: str) -> Module:
    """Read StableHLO text.

    Args:
        text: A module as `Graph.stablehlo` prints it. Locations are kept if it has them.

    Returns:
        Its functions as records.

    Raises:
        InvalidArgumentError: The text is not a valid module.
        UnsupportedError: It holds a constant of an element type that NumPy lacks.

    Example:
        >>> module = read_module(
        ...     "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {"
        ...     " %0 = stablehlo.add %x, %x : tensor<2xf32> return %0 : tensor<2xf32> }"
        ... )
        >>> [operation.name for operation in module.main.body.operations]
        ['stablehlo.add']
    """
    module = parse_module(text)
    with module.context:
        reader = _Reader(_resources(text))
        functions = [
            reader.function(operation)
            for operation in module.body.operations
            if operation.operation.name == "func.func"
        ]
    return Module({function.name: function for function in functions})


class _Reader:
    """Numbers values and reads operations one after the other."""

    def __init__(self, resources: dict[str, bytes]) -> None:
        self._ids: dict[Any, int] = {}  # keys: MLIR values, which have no Python type of their own
        self._count = 0
        self._resources = resources

    def function(self, operation: Any) -> Function:
        name = ir.StringAttr(operation.attributes["sym_name"]).value
        blocks = operation.regions[0].blocks
        return Function(name, self._block(blocks[0]))

    def _block(self, block: Any) -> Block:
        arguments = tuple(self._new(value) for value in block.arguments)
        types = tuple(_type(value.type) for value in block.arguments)
        operations = [self._operation(item.operation) for item in block.operations]
        *body, last = operations
        return Block(arguments, types, tuple(body), last.operands)

    def _operation(self, operation: Any) -> Operation:
        operands = tuple(self._ids[value] for value in operation.operands)
        regions = tuple(
            self._block(block) for region in operation.regions for block in region.blocks
        )
        return Operation(
            operation.name,
            operands,
            tuple(self._new(value) for value in operation.results),
            tuple(_type(value.type) for value in operation.results),
            self._attributes(operation),
            regions,
            _where(operation.location),
        )

    def _new(self, value: Any) -> int:
        self._ids[value] = self._count
        self._count += 1
        return self._ids[value]

    def _attributes(self, operation: Any) -> dict[str, Any]:
        try:
            return {
                name: self._attribute(operation.attributes[name]) for name in operation.attributes
            }
        except TypeError:  # the binding cannot hand out complex constants at all
            text = operation.get_asm(large_elements_limit=None).removesuffix("\n")
            return {"value": _elements(None, text[text.index("dense<") :])}

    def _attribute(self, attribute: Any) -> Any:
        text = str(attribute)
        if text.startswith("dense_resource<"):
            return self._resource(text)
        if isinstance(attribute, ir.DenseElementsAttr):
            return _elements(attribute, text)
        if isinstance(attribute, (ir.IntegerAttr, ir.FloatAttr, ir.StringAttr, ir.BoolAttr)):
            return attribute.value
        if isinstance(attribute, ir.FlatSymbolRefAttr):
            return attribute.value
        if isinstance(attribute, ir.ArrayAttr):
            return tuple(self._attribute(item) for item in attribute)
        if isinstance(attribute, ir.DictAttr):
            # iterating gives names in one version, pairs in another
            names = [getattr(item, "name", item) for item in attribute]
            return {name: self._attribute(attribute[name]) for name in names}
        if text.startswith("array<"):
            return _numbers(text[text.index(":") + 1 : -1] if ":" in text else "")
        if text.startswith("#"):
            return _dialect_attribute(text)
        return text

    def _resource(self, text: str) -> np.ndarray:
        found = re.fullmatch(r'dense_resource<"?(.+?)"?> : tensor<(.+)>', text, re.DOTALL)
        assert found is not None, text
        shape, dtype = _parse_tensor(found[2])
        array = np.frombuffer(self._resources[found[1]], _numpy_dtype(dtype)).reshape(shape)
        return array.copy()


def _resources(text: str) -> dict[str, bytes]:
    """Read the blobs at the end of a module; the first four bytes of each are its alignment."""
    start = text.rfind("{-#")
    found = re.findall(r'"?([\w.]+)"?: "0x([0-9A-Fa-f]+)"', text[start:]) if start >= 0 else []
    return {name: bytes.fromhex(digits)[4:] for name, digits in found}


def _type(kind: Any) -> TensorType:
    text = str(kind)
    if not text.startswith("tensor<"):
        return TensorType(text, ())
    ranked = ir.RankedTensorType(kind)
    shape = tuple(None if ranked.is_dynamic_dim(i) else size for i, size in enumerate(ranked.shape))
    element = str(ranked.element_type)
    return TensorType(_DTYPES.get(element, element), shape)


def _elements(attribute: Any, text: str) -> np.ndarray:
    shape, dtype = _parse_tensor(text[text.rindex("tensor<") + 7 : -1])
    numpy_dtype, size = _numpy_dtype(dtype), prod(shape)
    if dtype in _DTYPES and dtype not in ("bf16", "f16"):
        return np.array(attribute).reshape(shape)
    # the binding hands out neither short floats nor complex numbers, so the digits are read
    body = text[text.index("<") + 1 : text.rindex("> : ")]
    if body.startswith('"0x'):
        flat = np.frombuffer(bytes.fromhex(body[3:-1]), numpy_dtype)
    else:
        words = re.findall(r"0x[0-9A-Fa-f]+|[-+.\w]+", body)
        kind = np.dtype(f"f{numpy_dtype.itemsize // 2}") if "complex" in dtype else numpy_dtype
        flat = np.array([_number(word, kind) for word in words], kind).view(numpy_dtype)
    return np.broadcast_to(flat if flat.size == size else flat[:1], (size,)).reshape(shape)


def _number(word: str, dtype: np.dtype[Any]) -> Any:  # Any: a NumPy scalar
    if word.startswith("0x"):
        bits = np.dtype(f"u{dtype.itemsize}")
        return np.array(int(word, 16), bits).view(dtype)[()]
    return dtype.type(float(word))


def _parse_tensor(text: str) -> tuple[tuple[int, ...], str]:
    sizes, dtype = re.fullmatch(r"((?:\d+x)*)([^,]+).*", text, re.DOTALL).groups()  # type: ignore[union-attr]  # MLIR printed it
    return tuple(int(size) for size in sizes.split("x")[:-1]), dtype


def _numpy_dtype(dtype: str) -> np.dtype[Any]:
    name = _DTYPES.get(dtype, dtype)
    if name == "bfloat16":
        return np.dtype(ml_dtypes.bfloat16)
    if name not in _DTYPES.values() and name not in _INNER_DTYPES:
        raise UnsupportedError(
            f"A value has the element type {dtype}.",
            how=f"Use one of {', '.join(_DTYPES.values())}.",
        )
    return np.dtype(_INNER_DTYPES.get(name, name))


def _numbers(text: str) -> tuple[Any, ...]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    return tuple(word == "true" if word in ("true", "false") else int(word) for word in words)


def _dialect_attribute(text: str) -> Any:
    """Read ``#stablehlo.gather<offset_dims = [1], index_vector_dim = 1>`` and the plain enums."""
    body = text[text.index("<") + 1 : -1] if "<" in text else text
    if text.startswith("#stablehlo.conv<"):
        return _layouts(body)
    if "=" not in body:
        return body.split()[-1] if body.strip() else {}
    fields = re.findall(r"(\w+) = (\[[^\]]*\]|[^,\[\]]+)", body)
    return {
        name: _numbers(value[1:-1]) if value.startswith("[") else _scalar(value)
        for name, value in fields
    }


def _layouts(text: str) -> dict[str, tuple[int | str, ...]]:
    """Read ``[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]``, the axes of a convolution."""
    found = re.findall(r"\[([^\]]*)\]", text)
    return {
        key: tuple(_scalar(word) for word in words.split(","))
        for key, words in zip(("input", "kernel", "output"), found, strict=True)
    }


def _scalar(text: str) -> int | str:
    return int(text) if re.fullmatch(r"-?\d+", text.strip()) else text.strip()


def _where(location: Any) -> SourceLocation | None:
    """Give the innermost frame that is the user's: not of an installed package, not ours."""
    frames = list(_frames(location, ""))
    for frame in frames:
        if "site-packages" not in frame.file and not frame.file.startswith(_PACKAGE):
            return frame
    return frames[0] if frames else None


def _frames(location: Any, function: str) -> Any:
    kind = type(location).__name__
    if kind == "CallSiteLoc":
        yield from _frames(location.callee, function)
        yield from _frames(location.caller, "")
    elif kind == "FusedLoc":
        for part in location.locations:
            yield from _frames(part, function)
    elif kind == "NameLoc":
        # outermost the operation ("dot_general"), then the scopes ("jit(f)/dense"), then frames,
        # each in the name of its function
        scopes = [part for part in location.name_str.split("/") if not set(part) & set("(:")]
        yield from _frames(location.child_loc, "/".join(scopes))
    elif kind == "FileLineColLoc":
        column = max(0, location.start_col - 1)
        yield SourceLocation(location.filename, location.start_line, function, column)
