"""Changes to programs in MLIR form: their signature, their outputs, their static shapes.

The normal form of a program is a module with a public function `main`, which takes weights, then
inputs, and gives outputs, then named nodes. Its arguments and results carry the attributes
``kolam.name``, ``kolam.role`` and ``kolam.shape`` (with the names of symbolic sizes), so text and
bytes describe themselves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kolam.core import InvalidArgumentError, TensorSpec, UnsupportedError
from kolam.graph._composites import COMPOSITES, FUNCTIONS, PREFIX
from kolam.graph._foreign import OUTSIDE
from kolam.graph._stablehlo import func, ir, refine, stablehlo, text_of

_DTYPE_OF_TYPE = {
    **{"i1": "bool", "f16": "float16", "bf16": "bfloat16", "f32": "float32", "f64": "float64"},
    **{f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"ui{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True, slots=True)
class Annotated:
    """One argument or result of `main`: its spec, and its part in the program.

    Attributes:
        spec: Name, dtype and shape.
        role: "weight" or "input" of an argument, "output" or "node" of a result; empty where the
            module does not say.
        assigns: The weight whose next value a result is, if it is one.
    """

    spec: TensorSpec
    role: str = ""
    assigns: str = ""


def signature(module: ir.Module) -> tuple[list[Annotated], list[Annotated]]:
    """Read arguments and results of `main`, with what its attributes say of them.

    Raises:
        InvalidArgumentError: There is no function `main`.
        UnsupportedError: An argument or result is no ranked tensor of a known dtype.
    """
    main = _main(module)
    arguments = _annotations(main, "arg_attrs", list(main.type.inputs))
    return arguments, _annotations(main, "res_attrs", list(main.type.results))


def module_name(module: ir.Module) -> str:
    """Give the name of a module, empty if it has none."""
    attributes = module.operation.attributes
    return str(ir.StringAttr(attributes["sym_name"]).value) if "sym_name" in attributes else ""


def name_specs(
    module: ir.Module,
    arguments: Sequence[Annotated],
    results: Sequence[Annotated],
    *,
    name: str | None = None,
) -> None:
    """Write names, roles and symbolic shapes into the attributes of `main`, in place."""
    main = _main(module)
    with module.context:
        for key, records in (("arg_attrs", arguments), ("res_attrs", results)):
            main.attributes[key] = ir.ArrayAttr.get([_attributes(record) for record in records])
        if name is not None:
            module.operation.attributes["sym_name"] = ir.StringAttr.get(name)


def _attributes(record: Annotated) -> ir.Attribute:
    i64 = ir.IntegerType.get_signless(64)
    shape = [
        ir.StringAttr.get(size) if isinstance(size, str) else ir.IntegerAttr.get(i64, size)
        for size in record.spec.shape
    ]
    assigns = {"kolam.assigns": ir.StringAttr.get(record.assigns)} if record.assigns else {}
    return ir.DictAttr.get(
        {
            **assigns,
            "kolam.name": ir.StringAttr.get(record.spec.name or ""),
            "kolam.role": ir.StringAttr.get(record.role),
            "kolam.shape": ir.ArrayAttr.get(shape),
        }
    )


def _annotations(main: Any, key: str, types: list[Any]) -> list[Annotated]:
    # Any above: MLIR's Python objects are untyped
    kind = "input" if key == "arg_attrs" else "output"
    noted = list(main.attributes[key]) if key in main.attributes else [{}] * len(types)
    return [
        _annotation(dict(_pairs(attributes)), item, f"{kind}_{index}")
        for index, (attributes, item) in enumerate(zip(noted, types, strict=True))
    ]


def _pairs(attributes: Any) -> list[tuple[str, Any]]:
    # Any: MLIR's dictionary attribute; iterating one gives names in one version, pairs in another
    names = [getattr(item, "name", item) for item in attributes]
    return [(name, attributes[name]) for name in names]


def _annotation(attributes: dict[str, Any], item: Any, fallback: str) -> Annotated:
    # Any above: MLIR's attributes and types
    sizes, dtype = _tensor_type(item)
    name = ir.StringAttr(attributes["kolam.name"]).value if "kolam.name" in attributes else None
    role = ir.StringAttr(attributes["kolam.role"]).value if "kolam.role" in attributes else ""
    assigns = attributes.get("kolam.assigns")
    noted: Sequence[int | str | None] = sizes
    if "kolam.shape" in attributes:
        noted = [getattr(size, "value", None) for size in attributes["kolam.shape"]]
    if len(noted) != len(sizes) or any(
        size is not None and size != said for size, said in zip(sizes, noted, strict=True)
    ):
        raise InvalidArgumentError(
            f"{name or fallback!r} has shape {tuple(sizes)} in its type and "
            f"{tuple(noted)} in its attribute kolam.shape.",
            how="Correct one of the two, or remove the attribute.",
        )
    label = name or fallback
    shape = tuple(
        size if size is not None else f"{_identifier(label)}_size_{axis}"
        for axis, size in enumerate(noted)
    )
    return Annotated(
        TensorSpec(shape, dtype, name),
        role,
        "" if assigns is None else ir.StringAttr(assigns).value,
    )


def _identifier(name: str) -> str:
    text = "".join(letter if letter.isalnum() else "_" for letter in name)
    return text if text.isidentifier() else f"_{text}"


def _tensor_type(item: Any) -> tuple[list[int | None], str]:  # Any: MLIR's type
    try:
        ranked = ir.RankedTensorType(item)
        dtype = _DTYPE_OF_TYPE[str(ranked.element_type)]
    except (ValueError, KeyError) as error:
        raise UnsupportedError(
            f"`main` has an argument or result of type {item}.",
            how="A Graph takes and gives tensors of known rank of bool, integers or floats.",
        ) from error
    return [
        None if ranked.is_dynamic_dim(axis) else ranked.get_dim_size(axis)
        for axis in range(ranked.rank)
    ], dtype


# ------------------------------------------------------------------------------------- changes


def restrict_outputs(module: ir.Module, keep: Sequence[int]) -> None:
    """Keep only the results `keep` of `main`, in that order, and drop what nobody needs, in place.

    Operations without use go, then arguments without use that are not inputs.
    """
    main = _main(module)
    returned = _terminator(main)
    with module.context, ir.Location.unknown():
        kept = [returned.operands[index] for index in keep]
        if "res_attrs" in main.attributes:
            noted = list(main.attributes["res_attrs"])
            main.attributes["res_attrs"] = ir.ArrayAttr.get([noted[index] for index in keep])
        with ir.InsertionPoint(returned), returned.location:
            func.ReturnOp(kept)
        returned.operation.erase()
        _retype(main)
    remove_dead(module)


def feed_results(module: ir.Module, positions: Sequence[int]) -> None:
    """Make results of `main` arguments of their own, behind the others, in place.

    Whatever was computed from such a result is computed from the argument.

    Raises:
        InvalidArgumentError: Two of them are one value.
    """
    main = _main(module)
    block = main.entry_block
    _, results = signature(module)
    returned = _terminator(main)
    values = [returned.operands[position] for position in positions]
    for first, one in enumerate(values):
        for second in range(first):
            if one == values[second]:
                names = [results[positions[place]].spec.name for place in (second, first)]
                raise InvalidArgumentError(
                    f"The nodes {names[0]!r} and {names[1]!r} are one value.",
                    how="Feed one of them.",
                )
    with module.context, ir.Location.unknown():
        noted = list(main.attributes["arg_attrs"])
        for position, value in zip(positions, values, strict=True):
            fed = block.add_argument(value.type, ir.Location.unknown())
            value.replace_all_uses_with(fed)
            noted.append(_attributes(Annotated(results[position].spec, "input")))
        main.attributes["arg_attrs"] = ir.ArrayAttr.get(noted)
        _retype(main)


def share_sizes(module: ir.Module) -> None:
    """Read sizes from arguments that are needed anyway, in place.

    An argument that is only asked for a size which another one has as well is then without use.
    """
    main = _main(module)
    records, _ = signature(module)
    arguments = list(zip(main.entry_block.arguments, records, strict=True))
    needed = [pair for pair in arguments if not _is_asked_for_sizes_only(pair[0])]
    with module.context:
        for argument, record in arguments:
            if not _is_asked_for_sizes_only(argument):
                continue
            for use in list(argument.uses):
                axis = ir.IntegerAttr(use.owner.attributes["dimension"]).value
                _ask_another(use.owner, record.spec.shape[axis], needed)


def _is_asked_for_sizes_only(argument: Any) -> bool:  # Any: MLIR's value
    return all(use.owner.name == "stablehlo.get_dimension_size" for use in argument.uses)


def _ask_another(
    operation: Any, size: int | str, arguments: Sequence[tuple[Any, Annotated]]
) -> None:
    # Any above: MLIR's operation and values
    for argument, record in arguments:
        if isinstance(size, str) and size in record.spec.shape:
            i64 = ir.IntegerType.get_signless(64)
            operation.operands[0] = argument
            operation.attributes["dimension"] = ir.IntegerAttr.get(
                i64, record.spec.shape.index(size)
            )
            return


def drop_arguments(module: ir.Module, keep: Callable[[Annotated], bool]) -> list[int]:
    """Drop arguments of `main` that nothing uses and that `keep` does not hold, in place.

    Returns:
        Positions of the arguments that stay.
    """
    main = _main(module)
    block = main.entry_block
    records, _ = signature(module)
    stay = [
        index
        for index, record in enumerate(records)
        if keep(record) or next(iter(block.arguments[index].uses), None) is not None
    ]
    with module.context:
        if "arg_attrs" in main.attributes:
            noted = list(main.attributes["arg_attrs"])
            main.attributes["arg_attrs"] = ir.ArrayAttr.get([noted[index] for index in stay])
        for index in reversed(range(len(records))):
            if index not in stay:
                block.erase_argument(index)
        _retype(main)
    return stay


def remove_dead(module: ir.Module) -> None:
    """Erase operations whose results nobody uses, and functions that nobody calls, in place."""
    functions = list(module.body.operations)
    for function in functions:
        for region in function.operation.regions:
            for block in region.blocks:
                _erase_unused(block)
    _erase_uncalled(module)


def specialise(module: ir.Module, shapes: Sequence[tuple[int, ...]]) -> str:
    """Give the text of the module for arguments of these shapes, without any symbolic size."""
    records, results = signature(module)
    write_out_composites(module)
    if not all(record.spec.is_static for record in (*records, *results)):
        _set_argument_shapes(module, shapes)
        module = refine(module)
        with module.context:
            _remove_empty_conversions(module)
            remove_dead(module)
            _restate_shapes(module)
    return text_of(module)


def write_out_composites(module: ir.Module) -> None:
    """Replace what is kept by name by a call of what it is made of, in place."""

    def replace(operation: Any) -> Any:  # Any: MLIR's operation and its walk result
        if _kept_name(operation):
            with ir.InsertionPoint(operation), operation.location:
                types = [result.type for result in operation.results]
                symbol = ir.FlatSymbolRefAttr(operation.attributes["decomposition"])
                call = func.CallOp(types, symbol, list(operation.operands))
            for old, new in zip(operation.results, call.results, strict=True):
                old.replace_all_uses_with(new)
            operation.erase()
        return ir.WalkResult.ADVANCE

    with module.context:
        module.operation.walk(replace)
    _erase_uncalled(module)


def holds_native_composites(module: ir.Module) -> bool:
    """Whether a program holds operations for which each platform has an algorithm of its own."""
    found = False

    def check(operation: Any) -> Any:  # Any: MLIR's operation and its walk result
        nonlocal found
        composite = COMPOSITES.get(_kept_name(operation).removeprefix(PREFIX))
        found = found or (composite is not None and composite.is_native)
        return ir.WalkResult.ADVANCE

    module.operation.walk(check)
    return found


def _kept_name(operation: Any) -> str:  # Any: MLIR's operation
    if operation.name != "stablehlo.composite":
        return ""
    name: str = ir.StringAttr(operation.attributes["name"]).value
    return name if name.startswith(PREFIX) else ""


def _set_argument_shapes(module: ir.Module, shapes: Sequence[tuple[int, ...]]) -> None:
    main = _main(module)
    block = main.entry_block
    with module.context, ir.Location.unknown(), ir.InsertionPoint.at_block_begin(block):
        for argument, shape in zip(block.arguments, shapes, strict=True):
            general = ir.RankedTensorType(argument.type)
            if all(not general.is_dynamic_dim(axis) for axis in range(general.rank)):
                continue
            argument.set_type(ir.RankedTensorType.get(shape, general.element_type))
            users = [(use.owner, use.operand_number) for use in argument.uses]
            # every use still expects the general type, a call above all
            conversion = stablehlo.ConvertOp(general, argument)
            for owner, position in users:
                owner.operands[position] = conversion.result
        _retype(main)


def _remove_empty_conversions(module: ir.Module) -> None:
    def remove(operation: Any) -> Any:  # Any: MLIR's operation and its walk result
        if (
            operation.name == "stablehlo.convert"
            and operation.operands[0].type == operation.results[0].type
        ):
            operation.results[0].replace_all_uses_with(operation.operands[0])
        return ir.WalkResult.ADVANCE

    module.operation.walk(remove)


def _restate_shapes(module: ir.Module) -> None:
    main = _main(module)
    for key, types in (("arg_attrs", main.type.inputs), ("res_attrs", main.type.results)):
        if key not in main.attributes:
            continue
        i64 = ir.IntegerType.get_signless(64)
        records = []
        for noted, item in zip(main.attributes[key], types, strict=True):
            sizes = [ir.IntegerAttr.get(i64, size) for size in ir.RankedTensorType(item).shape]
            pairs = dict(_pairs(noted))
            if "kolam.shape" in pairs:
                pairs["kolam.shape"] = ir.ArrayAttr.get(sizes)
            records.append(ir.DictAttr.get(pairs))
        main.attributes[key] = ir.ArrayAttr.get(records)
    if "jax.uses_shape_polymorphism" in module.operation.attributes:
        del module.operation.attributes["jax.uses_shape_polymorphism"]


def normalise(module: ir.Module) -> None:
    """Merge JAX's wrapper into `main`, and drop its shape checks: ours come before the call."""
    main = _main(module)
    with module.context, ir.Location.unknown():
        symbols = ir.SymbolTable(module.operation)
        for operation in list(main.entry_block.operations):
            if operation.operation.name == "stablehlo.custom_call" and (
                ir.StringAttr(operation.operation.attributes["call_target_name"]).value
                == "shape_assertion"
            ):
                operation.operation.erase()
            elif operation.operation.name == "func.call":
                callee = ir.FlatSymbolRefAttr(operation.operation.attributes["callee"]).value
                if callee == "_wrapped_jax_export_main":
                    _inline(operation.operation, symbols[callee])
    remove_dead(module)


def _inline(call: Any, callee: Any) -> None:  # Any: MLIR's operations
    # JAX's wrapper calls the callee once, so its operations may move
    for argument, value in zip(callee.entry_block.arguments, call.operands, strict=True):
        argument.replace_all_uses_with(value)
    for operation in list(callee.entry_block.operations):
        if operation.operation.name == "func.return":
            for result, value in zip(call.results, operation.operation.operands, strict=True):
                result.replace_all_uses_with(value)
            operation.operation.erase()
        else:
            operation.operation.move_before(call)
    call.erase()
    callee.operation.erase()


def _erase_unused(block: Any) -> None:  # Any: MLIR's block
    for operation in reversed(list(block.operations)):
        inner = operation.operation
        if len(inner.results) and not _is_used(inner) and not _has_effect(inner):
            inner.erase()
            continue
        for region in inner.regions:
            for nested in region.blocks:
                _erase_unused(nested)


def _is_used(operation: Any) -> bool:  # Any: MLIR's operation
    return any(next(iter(result.uses), None) is not None for result in operation.results)


def _has_effect(operation: Any) -> bool:  # Any: MLIR's operation
    attributes = operation.attributes
    if operation.name == "stablehlo.custom_call" and "has_side_effect" in attributes:
        return bool(ir.BoolAttr(attributes["has_side_effect"]).value)
    return operation.name in OUTSIDE


def _erase_uncalled(module: ir.Module) -> None:
    functions = {
        ir.StringAttr(operation.operation.attributes["sym_name"]).value: operation.operation
        for operation in module.body.operations
        if "sym_name" in operation.operation.attributes
    }
    needed, queue = set[str](), ["main"]
    while queue:
        name = queue.pop()
        if name in needed or name not in functions:
            continue
        needed.add(name)
        queue.extend(_callees(functions[name]))
    for name, operation in functions.items():
        if name not in needed:
            operation.erase()


def _callees(function: Any) -> list[str]:  # Any: MLIR's operation
    found: list[str] = []

    def note(operation: Any) -> Any:  # Any: MLIR's operation and its walk result
        for key in ("callee", "decomposition"):
            if key in operation.attributes:
                found.append(ir.FlatSymbolRefAttr(operation.attributes[key]).value)
        if _kept_name(operation) and "composite_attributes" in operation.attributes:
            noted = operation.attributes["composite_attributes"]
            found.extend(_text(noted[key]) for key in FUNCTIONS if key in noted)
        if "called_computations" in operation.attributes:
            found.extend(
                ir.FlatSymbolRefAttr(item).value
                for item in operation.attributes["called_computations"]
            )
        return ir.WalkResult.ADVANCE

    function.walk(note)
    return found


def _text(attribute: Any) -> str:  # Any: MLIR's attribute
    # a symbol in a new module, a text in one that was stored
    return str(attribute.value)


def _main(module: ir.Module) -> Any:  # Any: MLIR's function operation
    symbols = ir.SymbolTable(module.operation)
    if "main" not in symbols:
        raise InvalidArgumentError(
            "The module has no function `main`.",
            how="Name the function to run `@main`; it may call others.",
        )
    return symbols["main"]


def _terminator(main: Any) -> Any:  # Any: MLIR's operations
    return main.entry_block.operations[len(main.entry_block.operations) - 1]


def _retype(main: Any) -> None:  # Any: MLIR's function operation
    kind = ir.FunctionType.get(
        [argument.type for argument in main.entry_block.arguments],
        [value.type for value in _terminator(main).operands],
    )
    main.attributes["function_type"] = ir.TypeAttr.get(kind)
