"""The example of an exported program: made-up inputs that C and Python draw alike."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from kolam.lite._emit.expressions import C_TYPES
from kolam.lite._program import Value
from kolam.lite._schedule import Plan

# elements of an output that the example compares
_COMPARED = 8


@dataclass(frozen=True, slots=True)
class _Kind:
    """How an element of a dtype is drawn, in C and in NumPy."""

    c: str
    numpy: Callable[[np.ndarray], np.ndarray]


_FLOAT = _Kind(
    "({T})(drawn() >> 8) * ({T})(1.0 / 8388608.0) - ({T})1.0",
    lambda bits: (bits >> 8).astype("float64") / 8388608.0 - 1.0,
)
_WHOLE = _Kind("({T})(drawn() >> 30)", lambda bits: bits >> 30)
_TRUTH = _Kind("({T})(drawn() >> 31)", lambda bits: bits >> 31)
# numbers that C only stores: all bits zero
_STORED = _Kind("({T})(drawn() * 0u)", lambda bits: bits * 0)


def example_inputs(plan: Plan) -> list[np.ndarray]:
    """Draw the inputs of the example."""
    state, arrays = 1, []
    for _, value in plan.inputs:
        bits = np.empty(value.size, np.uint32)
        for place in range(value.size):
            state = (state * 1664525 + 1013904223) % 2**32
            bits[place] = state
        numbers = _kind_of(value.dtype).numpy(bits).astype(value.dtype)
        arrays.append(numbers.reshape(value.shape))
    return arrays


def example_source(plan: Plan, expected: list[np.ndarray], *, is_hosted: bool) -> str:
    """Write ``main.c``.

    Args:
        plan: The program.
        expected: Its outputs for `example_inputs`.
        is_hosted: Whether there is a C library that can print.
    """
    arrays, fill, compare = [], [], []
    for number, (_, value) in enumerate(plan.inputs):
        arrays.append(_array(f"input_{number}", value, plan.alignment))
        fill.append(_loop(value, f"input_{number}[i] = {_kind_of(value.dtype).c};"))
    for number, (name, value) in enumerate(plan.outputs):
        arrays.append(_array(f"output_{number}", value, plan.alignment))
        compare += _compared(number, name, value, expected[number], is_hosted)
    arrays += [
        *scratch_lines(plan),
        f"static const void *const inputs[] = {{{_names('input', len(plan.inputs))}}};",
        f"static void *const outputs[] = {{{_names('output', len(plan.outputs))}}};",
    ]
    facts = {
        "ARRAYS": "\n".join(arrays),
        "FILL": "\n".join(fill),
        "COMPARE": "\n".join(compare),
        "STDIO": "#include <stdio.h>\n\n" if is_hosted else "\n",
        "SCRATCH": ", ".join(region for region, _ in plan.regions),
        "NAME": plan.name,
    }
    return filled("example.c", facts)


def scratch_lines(plan: Plan) -> list[str]:
    """Write the scratch memory as static arrays; a comment says which is to be the fast one."""
    notes = {"fast": " /* in the fastest memory that there is */"}
    return [
        f"static unsigned char {region}[{max(1, size)}] "
        f"__attribute__((aligned({plan.alignment})));{notes.get(region, '')}"
        for region, size in plan.regions
    ]


def filled(file: str, facts: dict[str, str]) -> str:
    """Read a template of `_csrc` and put facts in place of their names between @ signs."""
    text = (files("kolam.lite") / "_csrc" / file).read_text()
    for key, value in facts.items():
        text = text.replace(f"@{key}@", value)
    return text


def _kind_of(dtype: str) -> _Kind:
    if dtype in ("float32", "float64"):
        return _FLOAT
    if dtype == "bool":
        return _TRUTH
    return _WHOLE if "int" in dtype else _STORED


def _array(name: str, value: Value, alignment: int) -> str:
    size = max(1, value.size)
    return f"static {C_TYPES[value.dtype]} {name}[{size}] __attribute__((aligned({alignment})));"


def _names(kind: str, count: int) -> str:
    return ", ".join(f"{kind}_{number}" for number in range(count)) or "0"


def _loop(value: Value, text: str) -> str:
    text = text.replace("{T}", C_TYPES[value.dtype])
    return f"    for (int i = 0; i < {value.size}; ++i) {{\n        {text}\n    }}"


def _compared(
    number: int, name: str, value: Value, expected: np.ndarray, is_hosted: bool
) -> list[str]:
    numbers = expected.reshape(-1)[:_COMPARED]
    if value.dtype not in C_TYPES or not numbers.size or not np.isfinite(expected).all():
        return []
    limit = _float_text(np.max(np.abs(expected.astype("float64"))))
    listed = ", ".join(_float_text(item) for item in numbers)
    shown = "".join(letter if letter.isalnum() or letter in " _-" else "?" for letter in name)
    line = f'printf("{shown}[%d] = %g\\n", i, (double)output_{number}[i]);'
    return [
        f"    static const float expected_{number}[] = {{{listed}}};",
        f"    for (int i = 0; i < {numbers.size}; ++i) {{",
        *([f"        {line}"] if is_hosted else []),
        f"        wrong += differs((float)output_{number}[i], expected_{number}[i], {limit});",
        "    }",
    ]


def _float_text(number: np.generic) -> str:
    return f"{float(np.float32(number))!r}f"
