"""Loops over time whose rows do not see each other: one call, written in C for the loop.

A recurrent layer does little in each step: a product of some rows by a matrix, and functions of its
elements. XLA starts a dozen kernels for that. Here a thread takes some of the rows through all
steps: weights and values stay in its caches, and nothing is waited for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import jax
import numpy as np

from kolam.kernels._generated import register

Atom = int | float  # number of a value, or a literal

# C for the elements of operands, in vectors of the processor; truths are masks of bits
FUNCTIONS: Mapping[str, str] = {
    "abs": "magnitude({0})",
    "add": "{0} + {1}",
    "and": "(Vector)((Mask){0} & (Mask){1})",
    "div": "{0} / {1}",
    "eq": "(Vector)({0} == {1})",
    "exp": "exponential({0})",
    "ge": "(Vector)({0} >= {1})",
    "gt": "(Vector)({0} > {1})",
    "le": "(Vector)({0} <= {1})",
    "logistic": "each_logistic({0})",
    "lt": "(Vector)({0} < {1})",
    "max": "larger({0}, {1})",
    "min": "smaller({0}, {1})",
    "mul": "{0} * {1}",
    "ne": "(Vector)({0} != {1})",
    "neg": "-({0})",
    "not": "(Vector)~(Mask){0}",
    "or": "(Vector)((Mask){0} | (Mask){1})",
    "rsqrt": "1.0f / each_sqrt({0})",
    "same": "{0}",  # one number per row becomes as many as the result is wide
    "select": "either((Mask){0}, {2}, {1})",  # truth, where false, where true
    "sqrt": "each_sqrt({0})",
    "square": "{0} * {0}",
    "sub": "{0} - {1}",
    "tanh": "each_tanh({0})",
    "xor": "(Vector)((Mask){0} ^ (Mask){1})",
}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One operation on rows.

    Attributes:
        name: "product" (of rows by a matrix), "slice", "concatenate", "pad" (with zeros), or one
            of `FUNCTIONS`.
        operands: Values or literals.
        width: Columns of the result.
        first: First column of a slice, or of what is padded; 1 if the matrix of a product is read
            transposed.
    """

    name: str
    operands: tuple[Atom, ...]
    width: int
    first: int = 0


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A loop over time. Values are numbered: constants, carries, inputs of a step, results.

    Attributes:
        constants: Kind and width of each: "matrix", "row" (the same for all rows), "rows".
        carries: Widths.
        inputs: Widths of what each step reads.
        instructions: Each makes the next value.
        carried: What the next step gets, by carry.
        given: What each step gives.
        reverse: Whether time runs backwards.
    """

    constants: tuple[tuple[str, int], ...]
    carries: tuple[int, ...]
    inputs: tuple[int, ...]
    instructions: tuple[Instruction, ...]
    carried: tuple[Atom, ...]
    given: tuple[Atom, ...]
    reverse: bool


def run_recurrence(
    recurrence: Recurrence, operands: Sequence[jax.Array], length: int
) -> list[jax.Array]:
    """Run a loop over time.

    Args:
        recurrence: The loop.
        operands: Float32 each: constants, first carries (rows, width), inputs (length, rows,
            width).
        length: Number of steps.

    Returns:
        The last carries, then what the steps gave (length, rows, width).
    """
    rows = operands[len(recurrence.constants)].shape[0]
    widths = _widths(recurrence)
    shapes = [
        *(jax.ShapeDtypeStruct((rows, width), "float32") for width in recurrence.carries),
        *(
            jax.ShapeDtypeStruct((length, rows, widths[int(atom)]), "float32")
            for atom in recurrence.given
        ),
    ]
    call = jax.ffi.ffi_call(
        register(source_of(recurrence)), shapes, vmap_method="sequential", has_side_effect=False
    )
    return list(call(*operands, length=np.array([length], np.int64)))


def _widths(recurrence: Recurrence) -> list[int]:
    return [
        *(width for _, width in recurrence.constants),
        *recurrence.carries,
        *recurrence.inputs,
        *(instruction.width for instruction in recurrence.instructions),
    ]


@cache
def source_of(recurrence: Recurrence) -> str:
    """Write the C of a loop."""
    return _Writer(recurrence).source()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the rows of a value stand: `pointer + row * stride`; stride 0 for one row for all."""

    pointer: str
    stride: int

    def at(self, first: int) -> "_Place":
        return _Place(f"{self.pointer} + {first}", self.stride) if first else self


class _Writer:
    """Places for values, then text: runs of functions of equal width become one loop each."""

    def __init__(self, recurrence: Recurrence) -> None:
        self._loop = recurrence
        self._widths = _widths(recurrence)
        self._num_constants = len(recurrence.constants)
        self._first = self._num_constants + len(recurrence.carries) + len(recurrence.inputs)
        self._room = 0  # floats of one row of the scratch memory
        self._scratch: list[tuple[str, int, int]] = []  # name, width, floats before it per row
        self._places: dict[int, _Place] = {}
        self._packs: list[tuple[int, bool, int, int]] = []  # constant, transposed, terms, columns

    def source(self) -> str:
        loop = self._loop
        carries = [self._new_scratch(f"carry{i}", width) for i, width in enumerate(loop.carries)]
        self._name_operands(carries)
        body = self._body()
        body += self._ends(carries)
        return self._frame(body, carries)

    def _name_operands(self, carries: Sequence[_Place]) -> None:
        for index, (kind, width) in enumerate(self._loop.constants):
            if kind == "rows":
                self._places[index] = _Place(f"(in[{index}] + begin * {width})", width)
            elif kind == "row":
                self._places[index] = _Place(f"in[{index}]", 0)
        for number, place in enumerate(carries):
            self._places[self._num_constants + number] = place
        first = self._num_constants + len(carries)
        for number, width in enumerate(self._loop.inputs):
            pointer = f"(in[{first + number}] + (t * all_rows + begin) * {width})"
            self._places[first + number] = _Place(pointer, width)

    def _body(self) -> list[str]:
        text: list[str] = []
        pending: list[int] = []
        for offset, instruction in enumerate(self._loop.instructions):
            value = self._first + offset
            if instruction.name in FUNCTIONS:
                if pending and not self._joins(pending, value):
                    text += self._run(pending)
                    pending = []
                pending.append(value)
                continue
            text += self._run(pending)
            pending = []
            text += self._other(value, instruction)
        return text + self._run(pending)

    def _joins(self, pending: Sequence[int], value: int) -> bool:
        """Whether a function belongs into the loop of those before it."""
        return self._widths[value] == self._widths[pending[0]]

    def _other(self, value: int, instruction: Instruction) -> list[str]:
        width = instruction.width
        if instruction.name == "slice":
            self._places[value] = self._place(instruction.operands[0]).at(instruction.first)
            return []
        place = self._places[value] = self._new_scratch(f"v{value}", width)
        if instruction.name == "concatenate":
            text, first = [], 0
            for operand in instruction.operands:
                part = self._widths[int(operand)]
                text.append(self._copy(self._place(operand), place.at(first), part))
                first += part
            return text
        if instruction.name == "pad":
            (operand,) = instruction.operands
            inside = place.at(instruction.first)
            return [
                f"clear_rows({place.pointer}, {width}, rows);",
                self._copy(self._place(operand), inside, self._widths[int(operand)]),
            ]
        x, matrix = self._place(instruction.operands[0]), int(instruction.operands[1])
        terms = self._widths[int(instruction.operands[0])]
        pack = (matrix, bool(instruction.first), terms, width)
        if pack not in self._packs:
            self._packs.append(pack)
        return [
            f"product({x.pointer}, {x.stride}, 1, packed{self._packs.index(pack)}, {terms}, "
            f"{place.pointer}, {place.stride}, {width}, rows);"
        ]

    def _run(self, values: Sequence[int]) -> list[str]:
        """Write one loop over the elements of rows, for functions of one width."""
        if not values:
            return []
        width, inside = self._widths[values[0]], set(values)
        loads = dict.fromkeys(
            int(operand)
            for value in values
            for operand in self._instruction(value).operands
            if isinstance(operand, int) and operand not in inside
        )
        stored = [value for value in values if self._is_used_outside(value, inside)]
        for value in stored:
            self._places[value] = self._new_scratch(f"v{value}", width)
        text = ["for (long row = 0; row < rows; ++row) {"]
        for value in [*loads, *stored]:
            place = self._place(value)
            kind = "float *" if value in inside else "const float *"
            text.append(f"    {kind}const p{value} = {place.pointer} + row * {place.stride};")
        text.append(f"    for (long j = 0; j < {width}; j += LANES) {{")
        text.append(f"        const long left = {width} - j;")
        for value in loads:
            if self._widths[value] == 1 and width != 1:
                text.append(f"        const Vector x{value} = fill(*p{value});")
            else:
                text.append(f"        const Vector x{value} = load_left(p{value} + j, left);")
        for value in values:
            instruction = self._instruction(value)
            names = [self._operand(operand) for operand in instruction.operands]
            text.append(
                f"        const Vector x{value} = {FUNCTIONS[instruction.name].format(*names)};"
            )
        text += [f"        store_left(p{value} + j, x{value}, left);" for value in stored]
        return [*text, "    }", "}"]

    def _ends(self, carries: Sequence[_Place]) -> list[str]:
        """Write what a step gives, then what it hands on; both from values of this step."""
        text, outputs = [], len(carries)
        for number, atom in enumerate(self._loop.given):
            width = self._widths[int(atom)]
            pointer = f"(out[{outputs + number}] + (t * all_rows + begin) * {width})"
            text.append(self._copy(self._place(atom), _Place(pointer, width), width))
        own = {place.pointer for place in carries}
        late = []
        for number, (atom, place) in enumerate(zip(self._loop.carried, carries, strict=True)):
            source = self._place(atom)
            if source == place:
                continue
            if any(source.pointer.startswith(pointer) for pointer in own):  # another's old value
                kept = self._new_scratch(f"kept{number}", place.stride)
                text.append(self._copy(source, kept, place.stride))
                source = kept
            late.append(self._copy(source, place, place.stride))
        return text + late

    def _frame(self, body: Sequence[str], carries: Sequence[_Place]) -> str:
        loop = self._loop
        packs = [
            f"    float *const packed{i} = memory + offset; offset += packed_floats({terms}, {n});"
            for i, (_, _, terms, n) in enumerate(self._packs)
        ]
        filled = [
            f"    pack_weights(work.in[{matrix}], {1 if turned else n}, {terms if turned else 1}, "
            f"{terms}, {n}, packed{i}); work.packed[{i}] = packed{i};"
            for i, (matrix, turned, terms, n) in enumerate(self._packs)
        ]
        sizes = "".join(f" + packed_floats({terms}, {n})" for _, _, terms, n in self._packs)
        names = [
            f"    const float *const packed{i} = work->packed[{i}]; (void)packed{i};"
            for i in range(len(self._packs))
        ]
        scratch = [
            f"    float *const {name} = room + {before} * work->block;"
            for name, _, before in self._scratch
        ]
        first, last = [], []
        for number, place in enumerate(carries):
            pointer = f"(in[{self._num_constants + number}] + begin * {place.stride})"
            outside = _Place(pointer, place.stride)
            first.append(self._copy(outside, place, place.stride))
            result = _Place(f"(out[{number}] + begin * {place.stride})", place.stride)
            last.append(self._copy(place, result, place.stride))
        step = "work->length - 1 - step" if loop.reverse else "step"
        count_in = self._first
        count_out = len(loop.carries) + len(loop.given)
        return _TEMPLATE.format(
            count_in=max(1, count_in),
            count_out=max(1, count_out),
            num_in=count_in,
            num_out=count_out,
            num_packs=max(1, len(self._packs)),
            first_carry=self._num_constants,
            row_floats=self._room,
            packed_sizes=sizes,
            packs="\n".join([*packs, *filled]),
            names="\n".join([*names, *scratch]),
            first="\n".join(f"    {line}" for line in first),
            body="\n".join(f"        {line}" for line in body),
            last="\n".join(f"    {line}" for line in last),
            step=step,
        )

    def _instruction(self, value: int) -> Instruction:
        return self._loop.instructions[value - self._first]

    def _is_used_outside(self, value: int, inside: set[int]) -> bool:
        if value in (*self._loop.carried, *self._loop.given):
            return True
        return any(
            self._first + offset not in inside
            and any(isinstance(atom, int) and atom == value for atom in instruction.operands)
            for offset, instruction in enumerate(self._loop.instructions)
        )

    def _operand(self, operand: Atom) -> str:
        if isinstance(operand, int):
            return f"x{operand}"
        return f"fill({_number(operand)})"

    def _place(self, atom: Atom) -> _Place:
        return self._places[int(atom)]

    def _new_scratch(self, name: str, width: int) -> _Place:
        self._scratch.append((name, width, self._room))
        self._room += width
        return _Place(name, width)

    def _copy(self, source: _Place, target: _Place, width: int) -> str:
        return (
            f"copy_rows({source.pointer}, {source.stride}, {target.pointer}, {target.stride}, "
            f"{width}, rows);"
        )


def _number(value: float) -> str:
    if value != value:
        return '__builtin_nanf("")'
    if value in (float("inf"), float("-inf")):
        return f"{'-' if value < 0 else ''}__builtin_inff()"
    return f"{value!r}f" if "e" in repr(value) or "." in repr(value) else f"{value!r}.0f"


_TEMPLATE = """\
#include "ffi.h"
#include "rows.h"

INLINE long size_of(const XLA_FFI_Buffer *buffer) {{ return (long)buffer->dims[0]; }}

typedef struct {{
    const float *in[{count_in}];
    float *out[{count_out}];
    const float *packed[{num_packs}];
    float *rooms;
    long length, all_rows, block;
}} Work;

static void through_time(const void *data, long index, long worker) {{
    const Work *const work = data;
    const float *const *const in = work->in;
    float *const *const out = work->out;
    const long all_rows = work->all_rows, begin = index * work->block;
    const long rows = least(work->block, all_rows - begin);
    float *const room = work->rooms + worker * {row_floats} * work->block;
    (void)in;
{names}
{first}
    for (long step = 0; step < work->length; ++step) {{
        const long t = {step};
        (void)t;
{body}
    }}
{last}
}}

KOLAM_EXPORT XLA_FFI_Error *HANDLER(XLA_FFI_CallFrame *frame) {{
    if (answers_query(frame)) return NULL;
    if (frame->args.size != {num_in} || frame->rets.size != {num_out}) return not_understood(frame);
    Work work = {{0}};
    for (long i = 0; i < {num_in}; ++i) {{
        const XLA_FFI_Buffer *const buffer = frame->args.args[i];
        if (!is_float(buffer)) return not_understood(frame);
        work.in[i] = buffer->data;
    }}
    for (long i = 0; i < {num_out}; ++i) {{
        const XLA_FFI_Buffer *const buffer = frame->rets.rets[i];
        if (!is_float(buffer)) return not_understood(frame);
        work.out[i] = buffer->data;
    }}
    work.all_rows = size_of(frame->args.args[{first_carry}]);
    const int64_t *const length = numbers(frame, "length", 1);
    if (length == NULL) return not_understood(frame);
    work.length = (long)length[0];
    const long workers = most_workers(frame);
    const long shared = parts(work.all_rows, workers);
    work.block = most(1, least(64, parts(shared, ROWS) * ROWS));
    float *const memory =
        malloc(sizeof(float) * (size_t)(16 + workers * {row_floats} * work.block{packed_sizes}));
    if (memory == NULL) return out_of_memory(frame);
    long offset = 0;
{packs}
    work.rooms = memory + offset;
    run_tasks(frame, workers, through_time, &work, parts(work.all_rows, work.block));
    free(memory);
    return NULL;
}}
"""
