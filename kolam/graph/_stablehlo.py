"""The one file that touches JAX's internals: MLIR modules in and out.

Everything else of Kolam sees StableHLO as text, as portable bytes, or as the plain records of
`kolam.graph._operations`.
"""

import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.export  # a submodule that `import jax` does not load
from jax._src import config as _config
from jax._src import core as _jax_core
from jax._src import source_info_util as _source_info_util
from jax._src.array import ArrayImpl
from jax._src.interpreters import ad as _ad
from jax._src.interpreters import batching as _batching
from jax._src.interpreters import mlir as _mlir
from jax._src.lax import linalg as _linalg
from jax.extend import core as _core
from jax.extend import source_info_util as _source_info
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import func, stablehlo

from kolam.core import (
    IntegrityError,
    InvalidArgumentError,
    SourceLocation,
    TensorSpec,
    UnsupportedError,
)

__all__ = [
    "ArrayImpl",
    "bind_composite",
    "current_line",
    "export",
    "files_of",
    "func",
    "ir",
    "is_top_level",
    "is_under_jit",
    "known_value",
    "line_of",
    "parse_module",
    "portable_lu",
    "read_portable",
    "refine",
    "run_program",
    "stablehlo",
    "symbolic_arrays",
    "text_of",
    "traced_under",
    "write_portable",
]


def known_value(value: Any) -> Any:
    """Give the array inside a tracer of an eager `grad` or `vmap`; other values as they are.

    The examples of a batch are the leading axes. Under `jax.jit` the value is not known, and the
    tracer comes back.
    """
    # Any above: arrays and tracers
    known = value
    while isinstance(known, jax.core.Tracer):
        if hasattr(known, "batch_dim"):
            axis, size = known.batch_dim, known._trace.axis_data.size
            inner = known_value(known.val)
            if isinstance(inner, jax.core.Tracer):
                return value
            if axis is None:
                return jax.numpy.broadcast_to(inner, (size, *inner.shape))
            return jax.numpy.moveaxis(inner, axis, 0)
        if not hasattr(known, "primal"):
            return value
        known = known.primal
    return known


# ------------------------------------------------------------------------------ text and bytes

# what a context reads before another takes its place: it keeps every constant that it has seen
_CONTEXT_BYTES = 2**22
_reading = threading.local()


def _context(size_bytes: int) -> ir.Context:
    """Give a context of MLIR for reading a program of so many bytes.

    Making one takes 4 ms, longer than reading most programs, so each thread keeps its own.
    """
    if size_bytes > _CONTEXT_BYTES:
        return _mlir.make_ir_context()
    left = getattr(_reading, "left", 0) - size_bytes
    if left < 0:
        _reading.context, left = _mlir.make_ir_context(), _CONTEXT_BYTES - size_bytes
    _reading.left = left
    return _reading.context


def parse_module(text: str) -> ir.Module:
    """Parse StableHLO text.

    Raises:
        InvalidArgumentError: The text is not a valid module; the message is MLIR's own.
    """
    try:
        with _context(len(text)), ir.Location.unknown():
            return ir.Module.parse(text)
    except ir.MLIRError as error:
        raise InvalidArgumentError(f"This is not a StableHLO module: {error}") from error


def text_of(module: ir.Module) -> str:
    """Print a module with its source locations."""
    text: str = module.operation.get_asm(enable_debug_info=True)
    return text


def write_portable(module: ir.Module) -> bytes:
    """Write a module as a portable artefact: equal text gives equal bytes.

    A StableHLO of up to twelve weeks ago reads it, and every later one for five years.
    """
    # through text: the bytes would show the order in which uses were made
    module = parse_module(text_of(module))
    version = stablehlo.get_version_from_compatibility_requirement(
        stablehlo.StablehloCompatibilityRequirement.WEEK_12
    )
    # other dialects: CHLO (erf, top_k) has no portable form of its own
    content: bytes = stablehlo.serialize_portable_artifact(module, version, True)
    return content


def read_portable(content: bytes) -> ir.Module:
    """Read what `write_portable` wrote.

    Raises:
        IntegrityError: The bytes are no portable artefact that this version can read.
    """
    context = _context(len(content))
    try:
        if not content.startswith(b"ML\xefR"):  # the parser would take text as well
            raise ValueError("it does not start as one")
        with context:
            return stablehlo.deserialize_portable_artifact(context, content)
    except (ValueError, ir.MLIRError) as error:
        raise IntegrityError(
            f"A program of {len(content)} bytes is no StableHLO that this version reads: {error}",
            how="It is damaged, or was written by a much newer version of JAX.",
        ) from error


# ------------------------------------------------------------------------------------- tracing


@cache
def _hide_kolam() -> None:
    # the user's own line is wanted, not ours between it and JAX
    _source_info.register_exclusion(str(Path(__file__).parents[1]))


def export(
    fn: Callable[..., Any],
    arguments: Sequence[TensorSpec],
    avals: Sequence[jax.ShapeDtypeStruct] | None = None,
) -> tuple[ir.Module, tuple[TensorSpec, ...]]:
    """Trace `fn` into a module as JAX exports it: a `main` that calls the traced function.

    Args:
        fn: Takes one array per argument and gives a flat tuple of arrays.
        arguments: Shapes and dtypes; a symbolic size has the same value wherever it stands.
        avals: The same with sizes of JAX that `fn` knows already, if it does.

    Returns:
        The module, and the spec of each result, unnamed.
    """
    # Any above: what JAX traces has no narrower type
    _hide_kolam()
    avals = symbolic_arrays(arguments) if avals is None else avals
    # base names only, and no callers: two checkouts must give the same bytes
    with (
        _config.hlo_source_file_canonicalization_regex(r".*[/\\]"),
        _config.include_full_tracebacks_in_locations(False),
    ):
        jitted = jax.jit(fn, keep_unused=True)
        exported = jax.export.export(jitted, platforms=("cpu",))(*avals)
    results = tuple(
        TensorSpec(_sizes_of(aval.shape, index), _dtype_of(aval))
        for index, aval in enumerate(exported.out_avals)
    )
    module = read_portable(exported.mlir_module_serialized)
    return _without_line(module, _source_info.current()), results


def _without_line(module: ir.Module, here: Any) -> ir.Module:  # Any: JAX's source information
    # what stands on the line that asked for the trace, such as constants, has no line of its own:
    # the same function traced from elsewhere is the same program
    frame = _source_info_util.user_frame(here.traceback)
    if frame is None:
        return module
    place = f'"{Path(frame.file_name).name}":{frame.start_line}:{frame.start_column}'
    return parse_module(text_of(module).replace(f"loc({place})", "loc(unknown)"))


def symbolic_arrays(arguments: Sequence[TensorSpec]) -> list[jax.ShapeDtypeStruct]:
    """Give the abstract arrays of `arguments`, their symbolic sizes in one common scope."""
    symbols = dict.fromkeys(symbol for spec in arguments for symbol in spec.symbols)
    sizes: dict[str, Any] = {}  # Any: JAX's symbolic size has no public type
    if symbols:
        sizes = dict(zip(symbols, jax.export.symbolic_shape(",".join(symbols)), strict=True))
    return [
        jax.ShapeDtypeStruct(
            tuple(sizes[size] if isinstance(size, str) else size for size in spec.shape),
            spec.dtype,
        )
        for spec in arguments
    ]


def traced_under(equation: Any) -> Any:
    """Give a context in which new operations count as standing on the line of `equation`."""
    # Any above: a jaxpr equation; and the context of JAX has no type
    stack = _source_info.current_name_stack() + equation.source_info.name_stack
    return _source_info.user_context(equation.source_info.traceback, name_stack=stack)


def line_of(equation: Any) -> SourceLocation | None:  # Any: a jaxpr equation
    """Give the user's own line that made an equation, if it is known."""
    _hide_kolam()
    frame = _source_info_util.user_frame(equation.source_info.traceback)
    if frame is None:
        return None
    return SourceLocation(frame.file_name, frame.start_line, frame.function_name)


def files_of(jaxpr: Any) -> set[str]:  # Any: a jaxpr
    """Give the paths of the user's files whose lines made the equations of a jaxpr."""
    _hide_kolam()
    files = set[str]()
    for equation in jaxpr.eqns:
        frame = _source_info_util.user_frame(equation.source_info.traceback)
        if frame is not None:
            files.add(frame.file_name)
        for inner in _core.jaxprs_in_params(equation.params):
            files |= files_of(inner)
    return files


def current_line() -> SourceLocation | None:
    """Give the user's own line that is under way, if it is known."""
    _hide_kolam()
    frame = _source_info_util.user_frame(_source_info.current().traceback)
    if frame is None:
        return None
    return SourceLocation(frame.file_name, frame.start_line, frame.function_name)


def _sizes_of(shape: Sequence[Any], index: int) -> tuple[int | str, ...]:
    # Any: int or symbolic expression; one such as `2*batch` has no name of its own
    return tuple(
        size
        if isinstance(size, int)
        else str(size)
        if str(size).isidentifier()
        else f"output_{index}_size_{axis}"
        for axis, size in enumerate(shape)
    )


def _dtype_of(aval: Any) -> str:  # Any: JAX's abstract array
    if jax.dtypes.issubdtype(aval.dtype, jax.dtypes.prng_key):
        raise UnsupportedError(
            "A program cannot give a typed random key.",
            how="Return `jax.random.key_data(key)` instead.",
        )
    return str(aval.dtype)


is_top_level: Callable[[], bool] = _jax_core.trace_ctx.is_top_level
"""Whether no transformation of JAX is under way in this thread."""


def is_under_jit() -> bool:
    """Whether a `jax.jit`, a loop or a branch is being traced right now."""
    return bool(_core.unsafe_am_i_under_a_jit_DO_NOT_USE())


def refine(module: ir.Module) -> ir.Module:
    """Give the module with every size known; the arguments of its `main` are static already."""
    return _mlir.refine_polymorphic_shapes(module)


# ---------------------------------------------------------------------------------- composites

_composite_p = _core.Primitive("kolam_composite")
_composite_p.multiple_results = True


def bind_composite(*values: Any, **parameters: Any) -> list[Any]:
    """Put a composite into the program under way.

    Args:
        values: Operands.
        parameters: ``name`` of the composite; ``attributes`` as pairs; ``decomposition`` as a
            closed jaxpr, ``label`` as the name of its function, and ``functions`` as pairs of a key
            and one more; ``platform`` whose lowering writes the decomposition, `None` for that
            under way.
    """
    # Any above: arrays or tracers, and jaxprs
    results: list[Any] = _composite_p.bind(*values, **parameters)
    return results


def portable_lu(matrix: Any) -> Any:  # Any: arrays or tracers
    """Factor a matrix by operations that every platform has."""
    return _linalg._lu_python(matrix)


@_composite_p.def_abstract_eval
def _abstract_composite(*_: Any, decomposition: Any, **__: Any) -> list[Any]:
    # Any above: abstract arrays and jaxprs
    return list(decomposition.out_avals)


def _lower_composite(
    ctx: Any,
    *operands: Any,
    name: str,
    label: str,
    attributes: tuple[tuple[str, Any], ...],
    decomposition: Any,
    functions: tuple[tuple[str, Any], ...],
    platform: str | None,
) -> Any:
    # Any above: the lowering interface of JAX is untyped
    context = ctx.module_context
    inside = context.replace(platforms=(platform,)) if platform else context
    forward = _lower_function(inside, ctx, label, decomposition)
    noted = {key: _mlir_attribute(value) for key, value in attributes}
    for key, closed in functions:
        function = _lower_function(context, ctx, key, closed)
        noted[key] = ir.FlatSymbolRefAttr.get(function.sym_name.value)
    leading = list(ctx.dim_var_values)  # a function takes the symbolic sizes first
    if leading:
        noted["sizes"] = _mlir_attribute(len(leading))
    composite = stablehlo.CompositeOp(
        list(forward.type.results),
        [*leading, *operands],
        name=ir.StringAttr.get(name),
        decomposition=ir.FlatSymbolRefAttr.get(forward.sym_name.value),
        composite_attributes=ir.DictAttr.get(noted),
        version=_mlir.i32_attr(1),
    )
    return list(composite.results)


def _lower_function(context: Any, ctx: Any, label: str, closed: Any) -> Any:
    # Any above: the lowering interface of JAX is untyped
    assert not _jax_core.jaxpr_const_args(closed.jaxpr), "constants are part of the function"
    function, _, _ = _mlir.lower_called_computation(
        label, closed, context, 0, closed.in_avals, closed.out_avals, ctx.tokens_in
    )
    return function


def _mlir_attribute(value: Any) -> ir.Attribute:  # Any: a number, a text or a tuple of integers
    if isinstance(value, bool):
        return ir.BoolAttr.get(value)
    if isinstance(value, int):
        return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)
    if isinstance(value, str):
        return ir.StringAttr.get(value)
    return ir.DenseI64ArrayAttr.get([int(item) for item in value])


_mlir.register_lowering(_composite_p, _lower_composite)

# ------------------------------------------------------------------------------------- running

_run_p = _core.Primitive("kolam_graph")
_run_p.multiple_results = True


def run_program(
    text: str,
    results: tuple[TensorSpec, ...],
    arguments: Sequence[Any],
    evaluate: Callable[..., list[Any]],
) -> list[Any]:
    """Run a static module on arrays, or on what stands for them inside a transformation of JAX.

    Args:
        text: Module without symbolic sizes.
        results: What its `main` gives.
        arguments: Arrays, one per argument of `main`.
        evaluate: The same program as operations of JAX, for derivatives and maps; one object per
            program.
    """
    # Any above: arrays or tracers
    outputs: list[Any] = _run_p.bind(*arguments, text=text, results=results, evaluate=evaluate)
    return outputs


@_run_p.def_abstract_eval
def _abstract_run(*_: Any, results: tuple[TensorSpec, ...], **__: Any) -> list[Any]:
    # Any above: abstract arrays in, abstract arrays out
    return [
        jax.core.ShapedArray(tuple(map(int, spec.shape)), jax.numpy.dtype(spec.dtype))
        for spec in results
    ]


def _differentiate_run(
    primals: Sequence[Any], tangents: Sequence[Any], *, evaluate: Any, **_: Any
) -> tuple[list[Any], list[Any]]:
    # Any above: arrays or tracers
    moving = [position for position, item in enumerate(tangents) if type(item) is not _ad.Zero]

    def fn(*moved: Any) -> list[Any]:
        values = list(primals)
        for position, value in zip(moving, moved, strict=True):
            values[position] = value
        results: list[Any] = evaluate(*values)
        return results

    results, found = jax.jvp(
        fn, [primals[position] for position in moving], [tangents[position] for position in moving]
    )
    return results, [
        _ad.Zero(jax.typeof(tangent)) if tangent.dtype == jax.dtypes.float0 else tangent
        for result, tangent in zip(results, found, strict=True)
    ]


def _map_run(
    values: Sequence[Any], axes: Sequence[Any], *, evaluate: Any, **_: Any
) -> tuple[list[Any], list[int]]:
    # Any above: arrays or tracers, and axes of JAX
    results = jax.vmap(evaluate, in_axes=tuple(axes))(*values)
    return results, [0] * len(results)


def _lower_run(ctx: Any, *arguments: Any, text: str, **_: Any) -> Any:
    # Any above: the lowering interface of JAX is untyped
    if "lapack_" in text:
        _linalg.initialize_lapack()  # JAX does so when it lowers its own operations
    context = ctx.module_context
    with context.module.context:
        module = ir.Module.parse(text)
    main = ir.SymbolTable(module.operation)["main"]
    types = list(main.type.results)
    name = _mlir.merge_mlir_modules(
        context.module, "kolam_graph", module, dst_symtab=context.symbol_table
    )
    symbol = ir.FlatSymbolRefAttr.get(name)
    return list(func.CallOp(types, symbol, list(arguments)).results)


_mlir.register_lowering(_run_p, _lower_run)
_ad.primitive_jvps[_run_p] = _differentiate_run
_batching.primitive_batchers[_run_p] = _map_run
