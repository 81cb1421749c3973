"""Scalar expressions as C."""

import re
from typing import Any

import numpy as np

from kolam.lite._elementwise import COMPARISONS, OPERATIONS, kind_of
from kolam.lite._loops import Affine, Apply, Expression, Literal, Load, Name, Position
from kolam.lite._program import FLOATS, HALVES

C_TYPES = {
    **dict.fromkeys(HALVES, "uint16_t"),
    "float32": "float",
    "float64": "double",
    "bool": "uint8_t",
    "index": "int",
    **{name: f"{name}_t" for name in ("int8", "int16", "int32", "int64")},
    **{name: f"{name}_t" for name in ("uint8", "uint16", "uint32", "uint64")},
}
_SHORT = {
    **{"float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64"},
    **{"bool": "b8", "index": "i32"},
}
# an atom, or one call: what needs no parentheses as an operand
_ATOM = re.compile(r"-?[\w.]+|\w+\([^()]*\)|\w+\[[^\[\]]*\]")


def short_name(dtype: str) -> str:
    """Give the letter and the bits of a dtype.

    Example:
        >>> short_name("uint8")
        'u8'
    """
    return _SHORT.get(dtype) or dtype.replace("uint", "u").replace("int", "i")


def wrap_type(dtype: str) -> str:
    """Give the unsigned C type in which arithmetic of `dtype` may wrap."""
    return "uint64_t" if dtype.endswith("64") else "uint32_t"


def index_text(index: Affine) -> str:
    """Write an index.

    Example:
        >>> index_text(Affine((("i0", 4), ("i1", 1)), 3)), index_text(Affine((("i0", -1),), 7))
        ('i0 * 4 + i1 + 3', '7 - i0')
    """
    text = ""
    if index.constant > 0 and all(factor < 0 for _, factor in index.terms):
        text = str(index.constant)
    for name, factor in sorted(index.terms, key=lambda term: -term[1]):
        part = name if abs(factor) == 1 else f"{name} * {abs(factor)}"
        sign = " - " if factor < 0 else " + "
        text = f"{text}{sign}{part}" if text else f"-{part}" if factor < 0 else part
    if (
        index.constant
        and text != str(index.constant)
        and not text.startswith(f"{index.constant} - ")
    ):
        text += f" + {index.constant}" if index.constant > 0 else f" - {-index.constant}"
    return text or str(index.constant)


def literal_text(value: Any, dtype: str) -> str:  # Any: a NumPy scalar
    """Write a number so that the compiler reads the same bits."""
    if dtype in HALVES:
        return str(int(np.asarray(value, np.dtype(dtype)).view(np.uint16)))
    if dtype in FLOATS:
        return _float_text(np.dtype(dtype).type(value))
    number = int(value)
    if dtype == "int64":
        return "(-INT64_C(9223372036854775807) - 1)" if number == -(2**63) else f"INT64_C({number})"
    if dtype == "uint64":
        return f"UINT64_C({number})"
    if dtype == "int32" and number == -(2**31):
        return "(-2147483647 - 1)"
    return f"{number}u" if dtype == "uint32" else str(number)


def _float_text(value: np.float32 | np.float64) -> str:
    is_wide = isinstance(value, np.float64)
    if not np.isfinite(value):
        if is_wide:
            return f"KL_float_f64(UINT64_C(0x{int(value.view(np.uint64)):016x}))"
        return f"KL_float(0x{int(value.view(np.uint32)):08x}u)"
    text = np.format_float_scientific(value, unique=True, trim="0", exp_digits=1)
    plain = np.format_float_positional(value, unique=True, trim="0")
    return f"{plain if len(plain) <= 12 else text}{'' if is_wide else 'f'}"


def expression_text(expression: Expression) -> str:
    """Write an expression without outer parentheses."""
    match expression:
        case Literal(value, dtype):
            return literal_text(value, dtype)
        case Load(array, index, _):
            return f"{array}[{index_text(index)}]"
        case Name(name, _):
            return name
        case Position(index, dtype):
            if dtype in ("index", "int32"):
                return index_text(index)
            return f"({C_TYPES[dtype]})({index_text(index)})"
        case Apply():
            return _apply_text(expression)


def atom_text(expression: Expression) -> str:
    """Write an expression, in parentheses unless it needs none."""
    text = expression_text(expression)
    return text if _ATOM.fullmatch(text) else f"({text})"


def _apply_text(node: Apply) -> str:
    template = template_of(node)
    dtype = operand_dtype(node)
    argument_only = re.fullmatch(r"(\{C\})?KL_[\w{}]+\(\{0\}(, \{1\})?\)", template) is not None
    write = expression_text if argument_only else atom_text
    texts = [write(operand) for operand in node.operands]
    return template.format(
        *texts,
        T=C_TYPES[dtype],
        U=wrap_type(dtype),
        N=short_name(dtype),
        P="_f64" if dtype == "float64" else "",
        C="(float)" if dtype == "float32" else "",
        F=node.fact,
    )


def operand_dtype(node: Apply) -> str:
    """Give the dtype that chooses the C text of an operation."""
    chosen = node.operands[1] if node.op in ("select", "clamp") else node.operands[0]
    return chosen.dtype


def template_of(node: Apply) -> str:
    """Give the C text of an operation, with places for its operands."""
    dtype = operand_dtype(node)
    if node.op == "compare":
        return f"{{0}} {COMPARISONS[node.fact][0]} {{1}}"
    if node.op == "convert":
        return _convert_template(dtype, node.dtype)
    if node.op == "bitcast":
        return _bitcast_template(dtype, node.dtype)
    if node.op in _INDEX_TEMPLATES:
        return _INDEX_TEMPLATES[node.op]
    return OPERATIONS[node.op].c[kind_of(dtype)]


_INDEX_TEMPLATES = {
    "quotient": "{0} / {F}",
    "remainder_index": "{0} % {F}",
    "index": "KL_index_{N}({0}, {F})",
    "start": "KL_start_{N}({0}, {F})",
    "inside": "(unsigned)({0}) < {F}u",
}


def _convert_template(source: str, target: str) -> str:
    if source in HALVES:
        wide = f"KL_from_{short_name(source)}({{0}})"
        return _convert_template("float32", target).replace("{0}", wide)
    if target in HALVES:
        ending, cast = ("_f64", "") if source == "float64" else ("", "(float)")
        cast = "" if source == "float32" else cast
        return f"KL_to_{short_name(target)}{ending}({cast}{{0}})"
    if target == "bool":
        return "{0} != 0"
    if source in FLOATS and target not in FLOATS:
        start = "to" if source == "float32" else "cut"
        return f"KL_{start}_{short_name(target)}({{0}})"
    return "{0}" if source == target else f"({C_TYPES[target]}){{0}}"


def _bitcast_template(source: str, target: str) -> str:
    if source == target:
        return "{0}"
    if source in FLOATS:
        ending = "_f64" if source == "float64" else ""
        return f"({C_TYPES[target]})KL_bits{ending}({{0}})"
    if target == "float32":
        return "KL_float((uint32_t){0})"
    if target == "float64":
        return "KL_float_f64((uint64_t){0})"
    return f"({C_TYPES[target]}){{0}}"
