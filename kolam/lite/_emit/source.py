"""The whole C file: types and functions that are used, one function per distinct kernel, `run`."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.resources import files

import numpy as np

from kolam.lite._emit.expressions import C_TYPES, short_name, wrap_type
from kolam.lite._emit.inlining import inline_single_uses, remove_unused
from kolam.lite._emit.lines import indented
from kolam.lite._emit.statements import body_lines
from kolam.lite._loops import Kernel, Parameter
from kolam.lite._program import Value
from kolam.lite._schedule import Branch, Call, Loop, Place, Plan, Step, calls_of

_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
# a note that begins with the name, then a function or a type up to an empty line
_FUNCTION = re.compile(r"/\* @(\w+): (.*?) \*/\n(.*?\n(?:}|#endif)\n)(?=\n|\Z)", re.DOTALL)
_KEYS = {"integer.h": "_@N@", "lanes.h": "@", "dots.h": "@"}
_BUILTINS = ("floorf", "ceilf", "rintf", "sqrtf", "floor", "ceil", "rint", "sqrt")
_FILES = ("math.h", "double.h", "half.h", "integer.h", "lanes.h", "dots.h", "codes.h")


def emit_header(plan: Plan) -> str:
    """Write the header: sizes and the one function."""
    name, upper = plan.name, plan.name.upper()
    lines = [
        f"/* {name}: compiled by Kolam. */",
        f"#ifndef {upper}_H",
        f"#define {upper}_H",
        "",
        f"/* bytes of the weights blob and of the scratch memory; align all to {plan.alignment} */",
        f"#define {upper}_WEIGHT_BYTES {len(plan.weights)}",
        *(f"#define {upper}_{region.upper()}_BYTES {size}" for region, size in plan.regions),
        "",
        "/*",
        *_described("inputs", plan.inputs),
        *_described("outputs", plan.outputs),
        " * Arrays are dense and row-major, each aligned as its element. No state is kept between",
        " * calls: two threads may run at once when each has an arena of its own.",
        " */",
        *signature(plan, "run", ";"),
        "",
        "#endif",
        "",
    ]
    return "\n".join(lines)


def emit_source(plan: Plan, *, header: str) -> str:
    """Write the C file.

    Args:
        plan: Kernels, order and places.
        header: Name of the header file.

    Returns:
        C99; the same text for the same plan.
    """
    names, kernels = _named(plan)
    functions = [line for name, kernel in kernels for line in _function(name, kernel)]
    body = "\n".join([*functions, *_run(plan, names)])
    support = _support(body)
    text = f'#include <stdint.h>\n\n#include "{header}"\n\n{support}{body}\n'
    return text.replace("KL_", f"{plan.name}_")


def kernel_names(plan: Plan) -> dict[Kernel, str]:
    """Name the C function of every kernel; ``KL_`` stands for the prefix."""
    return _named(plan)[0]


def _described(kind: str, values: tuple[tuple[str, Value], ...]) -> list[str]:
    lines = []
    for number, (name, value) in enumerate(values):
        facts = f"{value.dtype} {list(value.shape)}, {value.bytes} bytes"
        lines.append(f" * {kind}[{number}]: {_in_comment(name)}, {facts}")
    return lines


def _named(plan: Plan) -> tuple[dict[Kernel, str], list[tuple[str, Kernel]]]:
    """Name the distinct kernels; equal ones get one function."""
    names: dict[Kernel, str] = {}
    by_body: dict[Kernel, str] = {}
    kernels: list[tuple[str, Kernel]] = []
    counts: dict[str, int] = {}
    for kernel in (call.kernel for call in calls_of(plan.steps)):
        if kernel in names:
            continue
        plain = replace(kernel, label="", where=None)
        if plain not in by_body:
            number = counts[kernel.label] = counts.get(kernel.label, 0) + 1
            by_body[plain] = f"KL_{kernel.label}_{number}"
            kernels.append((by_body[plain], kernel))
        names[kernel] = by_body[plain]
    return names, kernels


def _function(name: str, kernel: Kernel) -> list[str]:
    parameters = ", ".join(_parameter(item) for item in kernel.parameters)
    where = kernel.where
    note = f"{kernel.label.replace('_', ' ')}"
    if where is not None:
        inside = f", in {where.function}" if where.function else ""
        note = f"{_file_name(where.file)}:{where.line}{inside}: {note}"
    return [
        f"/* {_in_comment(note)} */",
        f"static void {name}({parameters}) {{",
        *indented(body_lines(inline_single_uses(remove_unused(kernel.body)))),
        "}",
        "",
    ]


def _in_comment(text: str) -> str:
    """Make text that came from elsewhere safe inside a comment: it must not end it."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return printable.replace("*/", "* /").replace("/*", "/ *").replace("??/", "? ?/")


def _file_name(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def _parameter(item: Parameter) -> str:
    qualifier = "" if item.is_written else "const "
    return f"{qualifier}{C_TYPES[item.dtype]} *restrict {item.name}"


def _run(plan: Plan, names: dict[Kernel, str]) -> list[str]:
    lines = step_lines(plan.steps, names)
    return [
        *signature(plan, "run", " {"),
        *indented([*arrays_lines(plan, "\n".join(lines)), *lines]),
        "}",
    ]


def signature(plan: Plan, function: str, end: str, more: str = "") -> list[str]:
    """Write the head of a function on the arrays of a program."""
    head = f"void {plan.name}_{function}("
    scratch = "".join(f", void *{region}" for region, _ in plan.regions)
    return [
        f"{head}const void *const *inputs, void *const *outputs,",
        f"{' ' * len(head)}const void *weights{scratch}{more}){end}",
    ]


def arrays_lines(plan: Plan, text: str) -> list[str]:
    """Write what comes before the calls in `text`: names for weights and scratch memory."""
    setup = []
    scratch = [(region[0], "", region) for region, _ in plan.regions]
    for name, kind, source in (("w", "const ", "weights"), *scratch):
        if f"({name} + " in text:
            setup.append(f"{kind}unsigned char *const {name} = {source};")
        else:
            setup.append(f"(void){source};")
    if "inputs[" not in text:
        setup.append("(void)inputs;")
    if "outputs[" not in text:
        setup.append("(void)outputs;")
    return sorted(setup, key=lambda line: line.startswith("(void)"))


def step_lines(
    steps: tuple[Step, ...],
    names: dict[Kernel, str],
    wrap: Callable[[str], list[str]] = lambda call: [call],
) -> list[str]:
    """Write steps; `wrap` may put lines round a call."""
    lines: list[str] = []
    for step in steps:
        match step:
            case Call(kernel, arguments, _):
                pairs = zip(arguments, kernel.parameters, strict=True)
                texts = ", ".join(_pointer(place, item.is_written) for place, item in pairs)
                lines += wrap(f"{names[kernel]}({texts});")
            case Loop(condition, flag, body):
                test = f"if (!*(const uint8_t *){_pointer(flag, False)}) break;"
                inner = [*step_lines(condition, names, wrap), test]
                inner += step_lines(body, names, wrap)
                lines += ["for (;;) {", *indented(inner), "}"]
            case Branch(index, dtype, alternatives):
                lines += _branch_lines(index, dtype, alternatives, names, wrap)
    return lines


def _branch_lines(
    index: Place,
    dtype: str,
    alternatives: tuple[tuple[Step, ...], ...],
    names: dict[Kernel, str],
    wrap: Callable[[str], list[str]],
) -> list[str]:
    value = f"*(const {C_TYPES[dtype]} *){_pointer(index, False)}"
    lines = [f"switch ({value}) {{"]
    for number, steps in enumerate(alternatives):
        head = "default:" if number == len(alternatives) - 1 else f"case {number}:"
        lines += [head, *indented([*step_lines(steps, names, wrap), "break;"])]
    return [*lines, "}"]


def _pointer(place: Place, is_written: bool) -> str:
    qualifier = "" if is_written else "const "
    match place.kind:
        case "input":
            return f"inputs[{place.offset}]"
        case "output":
            return f"outputs[{place.offset}]"
        case "weights":
            return f"(const void *)(w + {place.offset})"
        case _:
            return f"({qualifier}void *)({place.kind[0]} + {place.offset})"


def _support(body: str) -> str:
    """Give the functions of `_csrc` that `body` uses, those they use themselves first."""
    ordered: dict[str, str] = {}

    def need(text: str) -> None:
        for word in dict.fromkeys(re.findall(r"\bKL_(i?vec\d+|\w+(?=\())", text)):
            if word in ordered or not (found := _helper(word)):
                continue
            need(re.sub(rf"\bKL_{word}\b", "", found))
            ordered[word] = found

    need(body)
    parts = list(ordered.values())
    if re.search(r"KL_i?vec", body):
        parts.insert(0, (files("kolam.lite") / "_csrc" / "vector.h").read_text().rstrip())
    text = "\n\n".join(parts)
    builtins = [name for name in _BUILTINS if f"KL_builtin_{name}(" in text]
    if builtins:
        text = f"{_builtin_part(builtins)}\n{text}"
    return f"{text}\n\n" if text else ""


def _builtin_part(names: list[str]) -> str:
    known = "\n".join(f"#define KL_builtin_{name} __builtin_{name}" for name in names)
    other = "\n".join(f"#define KL_builtin_{name} {name}" for name in names)
    return f"#if defined(__GNUC__)\n{known}\n#else\n#include <math.h>\n{other}\n#endif\n"


def _helper(word: str) -> str | None:
    table = _functions()
    if word in table:
        return table[word]
    if (vector := re.fullmatch(r"([a-z]+)(\d+)", word)) and f"{vector[1]}@" in table:
        lanes = int(vector[2])
        text = table[f"{vector[1]}@"]
        sizes = {"LANES": lanes, "BYTES": 4 * lanes, "BITS": 32 * lanes}
        return re.sub(r"@(\w+)@", lambda found: str(sizes[found[1]]), text)
    stem, _, suffix = word.rpartition("_")
    for dtype in _INTEGERS:
        if short_name(dtype) == suffix and f"{stem}_@N@" in table:
            return _typed(table[f"{stem}_@N@"], dtype)
    return None


def _typed(text: str, dtype: str) -> str:
    limits = np.iinfo(dtype)
    bits = limits.bits
    signed = limits.min < 0
    suffix = "_C" if bits == 64 else ""
    kind = "UINT64" if dtype == "uint64" else "INT64"
    fields = {
        "T": C_TYPES[dtype],
        "U": wrap_type(dtype),
        "B": f"uint{bits}_t",
        "S": f"int{bits}_t",
        "W": "uint64_t",
        "N": short_name(dtype),
        "BITS": str(bits),
        "SIGNED": "1" if signed else "0",
        "MAX": f"{kind}{suffix}({limits.max})" if bits == 64 else f"{dtype.upper()}_MAX",
        "MIN": f"{dtype.upper()}_MIN" if signed else "0",
        "ABOVE": f"{float(2 ** (bits - signed))}",
        "BELOW": f"{float(limits.min)}",
    }
    return re.sub(r"@(\w+)@", lambda found: fields[found[1]], text)


@cache
def _functions() -> dict[str, str]:
    """Read the functions of `_csrc` by name.

    The names of those for each whole dtype end in ``_@N@``, of those for vectors in ``@``.
    """
    found: dict[str, str] = {}
    for file in _FILES:
        text = (files("kolam.lite") / "_csrc" / file).read_text()
        for name, note, body in re.findall(_FUNCTION, text):
            key = f"{name}{_KEYS.get(file, '')}"
            found[key] = f"/* {note} */\n{body.rstrip()}"
    return found
