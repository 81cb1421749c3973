"""How much of StableHLO's own test files `kolam.lite` compiles and computes right.

The files are those of the project openxla/stablehlo: `stablehlo/testdata/*.mlir` and
`stablehlo/tests/interpret/*.mlir`. Each case is translated by itself; many go into one C file, one
build and one process, and a build or process that fails is cut in halves until the case at fault
stands alone. Scopes: `device` (float32/16, bfloat16, bool, 8- to 32-bit integers; 64-bit integers
only as indices and counters), `wide` (float64 and 64-bit integers as well), `out` (all else).

Prints one JSON object: counts by scope, with and without scatter, and by operation; names what is
wrong, what crashed, and why cases in scope are refused.

Run: ``python benchmarks/lite/stablehlo_conformance.py FOLDER [--target native] [--scope device]``
"""

import argparse
import json
import multiprocessing
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from kolam.core import KolamError, UnsupportedError
from kolam.graph import Block, Module, Operation, TensorType, read_module
from kolam.lite._emit import emit_header, emit_source
from kolam.lite._frontend import translate
from kolam.lite._interpret import interpret
from kolam.lite._passes import PASSES, run_passes
from kolam.lite._program import Program, Region
from kolam.lite._schedule import schedule
from kolam.lite._targets import targets
from kolam.lite._verify import verify

_NARROW = {"float32", "float16", "bfloat16", "bool"} | {
    f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32)
}
_WIDE = _NARROW | {"float64", "int64", "uint64"}
# operations that work on several machines, on streams, on complex numbers, or on sizes that are
# only known during the run
_OUTSIDE = re.compile(
    r"stablehlo\.(all_|collective_|reduce_scatter|partition_id|replica_id|infeed|outfeed|send|recv"
    r"|after_all|create_token|fft|cholesky|triangular_solve|dynamic_(broadcast|conv|gather|iota"
    r"|pad|reshape)|get_dimension_size|set_dimension_size|real|imag|complex|uniform_|rng$)"
    r"|interpreter\.|chlo\.(ragged_dot|scan|mulhi)"
)
_BATCH = 60
_SECONDS = 400


@dataclass(frozen=True, slots=True)
class Case:
    """One test.

    Attributes:
        name: File, and function where a file holds several.
        module: Its entry takes the inputs and returns what is checked.
        arrays: The inputs.
        expected: One array and the kind of check per result.
        scope: `device`, `wide` or `out`.
        operation: What is tested, by the name of the file.
    """

    name: str
    module: Module
    arrays: list[np.ndarray]
    expected: list[tuple[str, np.ndarray]]
    scope: str
    operation: str


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    for file in sorted((folder / "stablehlo/testdata").glob("*.mlir")):
        yield file.stem, file.read_text()
    for file in sorted((folder / "stablehlo/tests/interpret").glob("*.mlir")):
        for number, part in enumerate(re.split(r"^// -----.*$", file.read_text(), flags=re.M)):
            if "check.expect" in part:
                yield f"interpret/{file.stem}/{number}", _plain_checks(part)


def _plain_checks(text: str) -> str:
    """Write checks of a dialect that only the project's own tools know as custom calls."""
    numbers = iter(range(1000))

    def constant(found: re.Match[str]) -> str:
        kind, value, dense, tensor = found.groups()
        name = f"%expected_{next(numbers)}"
        return (
            f"{name} = stablehlo.constant {dense} : {tensor}\n"
            f"stablehlo.custom_call @check.{kind}({value}, {name}) : ({tensor}, {tensor}) -> ()"
        )

    text = re.sub(
        r"check\.(\w+)_const (%[\w#]+),\s+(dense<[^:]*>) *: +(tensor<.*>) *$",
        constant,
        text,
        flags=re.M,
    )
    return re.sub(
        r"check\.(expect_(?:almost_)?eq|expect_close) (%[\w#]+), (%[\w#]+)"
        r"[^:]*: (tensor<\S*>)(?:, tensor<\S*>)?$",
        r"stablehlo.custom_call @check.\1(\2, \3) : (\4, \4) -> ()",
        text,
        flags=re.M,
    )


def read_case(name: str, text: str) -> Case | None:
    """Read one test; `None` if it checks nothing or is no static StableHLO."""
    try:
        module = read_module(text)
    except KolamError:
        return None
    operation = name.split("/")[1] if "/" in name else re.split(r"_(?=\w*\d)", name)[0]
    entries = [f for f in module.functions.values() if any(map(_check_of, f.body.operations))]
    if not entries:
        return None
    entry = entries[0].body
    scope = _scope(module)
    if scope == "out":
        return Case(name, module, [], [], scope, operation)
    known: dict[int, np.ndarray] = {}
    arguments: list[int] = []
    types: list[TensorType] = []
    arrays: list[np.ndarray] = []
    checks: list[tuple[str, int, int]] = []
    rest: list[Operation] = []
    made_of_files = "/" not in name
    for item in entry.operations:
        kind = _check_of(item)
        if kind:
            checks.append((kind, *item.operands))
        elif item.name == "func.call" and item.attributes["callee"] in ("inputs", "expected"):
            values = _constants(module.functions[item.attributes["callee"]].body)
            known |= dict(zip(item.results, values, strict=True))
            if item.attributes["callee"] == "inputs":
                arguments += item.results
                types += item.types
                arrays += values
        elif item.name == "stablehlo.constant" and not made_of_files:
            known[item.results[0]] = item.attributes["value"]
            arguments += item.results
            types += item.types
            arrays.append(item.attributes["value"])
        else:
            if item.name == "stablehlo.constant":
                known[item.results[0]] = item.attributes["value"]
            rest.append(item)
    expected = [(kind, known[right]) for kind, _, right in checks]
    used = {left for _, left, _ in checks} | set(_uses(tuple(rest)))
    kept = [index for index, identity in enumerate(arguments) if identity in used]
    block = Block(
        tuple(arguments[index] for index in kept),
        tuple(types[index] for index in kept),
        tuple(rest),
        tuple(left for _, left, _ in checks),
    )
    functions = {**module.functions, "main": replace(entries[0], name="main", body=block)}
    return Case(
        name, Module(functions), [arrays[index] for index in kept], expected, scope, operation
    )


def _uses(operations: tuple[Operation, ...]) -> Iterator[int]:
    for item in operations:
        yield from item.operands
        for block in item.regions:
            yield from _uses(block.operations)
            yield from block.returns


def _check_of(operation: Operation) -> str:
    target = str(operation.attributes.get("call_target_name", ""))
    return target.removeprefix("check.") if target.startswith("check.") else ""


def _constants(body: Block) -> list[np.ndarray]:
    table = {
        item.results[0]: item.attributes["value"]
        for item in body.operations
        if item.name == "stablehlo.constant"
    }
    return [table[identity] for identity in body.returns]


def _scope(module: Module) -> str:
    operations = list(_walk(module))
    if any(_OUTSIDE.match(operation.name) for operation in operations):
        return "out"
    kinds = [(o.name, kind) for o in operations for kind in o.types]
    dtypes = {kind.dtype for name, kind in kinds if not kind.dtype.startswith("tuple")}
    if not dtypes <= _WIDE or any(None in kind.shape for _, kind in kinds):
        return "out"
    calls = [o for o in operations if o.name == "func.call"]
    checked = {kind.dtype for o in calls for kind in o.types} or dtypes
    return "device" if checked <= _NARROW else "wide"


def _walk(module: Module) -> Iterator[Operation]:
    def inside(block: Block) -> Iterator[Operation]:
        for operation in block.operations:
            if not _check_of(operation):
                yield operation
            for inner in operation.regions:
                yield from inside(inner)

    for function in module.functions.values():
        yield from inside(function.body)


def to_program(case: Case) -> Program:
    inputs = tuple(f"in_{i}" for i in range(len(case.arrays)))
    outputs = tuple(f"out_{i}" for i in range(len(case.expected)))
    return verify(translate(case.module, "case", [], inputs, outputs))


def agrees(kind: str, found: np.ndarray, wanted: np.ndarray) -> bool:
    """Compare as the project's own checker does."""
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        return False
    if found.dtype.kind not in "fV" or kind == "expect_eq":
        return bool(np.array_equal(*(_doubles(a) for a in (found, wanted)), equal_nan=True))
    ours, theirs = _doubles(found), _doubles(wanted)
    with np.errstate(all="ignore"):
        difference = np.abs(ours - theirs)
        if kind == "expect_almost_eq":
            room: Any = 1e-3  # Any: a number or an array
        else:
            room = 3 * _spacing(np.maximum(np.abs(ours), np.abs(theirs)), found.dtype)
        near = (difference <= room) | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    return bool(near.all())


def _doubles(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if array.dtype.kind in "fV" else array


def _spacing(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    facts = ml_dtypes.finfo(dtype)
    exponent = np.maximum(np.frexp(values)[1] - 1, facts.minexp)
    return np.ldexp(1.0, exponent - facts.nmant)


def merged(programs: list[Program], name: str) -> Program:
    """Put programs side by side into one."""
    bodies = [program.body for program in programs]
    region = Region(
        tuple(v for body in bodies for v in body.arguments),
        tuple(n for body in bodies for n in body.nodes),
        tuple(v for body in bodies for v in body.results),
    )
    names = (
        tuple(f"p{i}_{n}" for i, p in enumerate(programs) for n in getattr(p, field))
        for field in ("input_names", "output_names")
    )
    return Program(name, region, *names)


def run_cases(cases: list[Case], target: str) -> list[np.ndarray]:
    """Compile cases into one library or module, run it, and give all results."""
    program = merged([to_program(case) for case in cases], "cases")
    arrays = [np.array(array, order="C") for case in cases for array in case.arrays]
    if target == "interpret":
        return interpret(program, arrays)
    if target == "passes":
        for step in PASSES:
            program = verify(step(program))
        return interpret(program, arrays)
    chosen = targets.make(target)
    plan = schedule(run_passes(program), chosen.facts.tiling)
    header = emit_header(plan)
    source = emit_source(plan, header="model.h")
    return chosen.start(plan, chosen.build(plan, source, header))(arrays)


def _in_process(cases: list[Case], target: str, pipe: Any) -> None:  # Any: a connection
    try:
        pipe.send(("done", run_cases(cases, target)))
    except BaseException as error:  # the edge of a process: every failure is an answer here
        pipe.send(("failed", f"{type(error).__name__}: {str(error)[:1500]}"))


def judge(cases: list[Case], target: str) -> dict[str, tuple[str, str]]:
    """Give `right`, `wrong` or `crash`, and a reason, by the name of the case."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_in_process, args=(cases, target, theirs))
    process.start()
    theirs.close()
    try:
        state, content = (
            ours.recv() if ours.poll(_SECONDS) else ("failed", f"no answer in {_SECONDS} s")
        )
    except EOFError:
        process.join()
        state, content = "failed", f"the process ended with {process.exitcode}"
    process.kill()
    process.join()
    if state == "failed":
        if len(cases) == 1:
            return {cases[0].name: ("crash", str(content))}
        half = len(cases) // 2
        return judge(cases[:half], target) | judge(cases[half:], target)
    results: dict[str, tuple[str, str]] = {}
    outputs = iter(content)
    for case in cases:
        found = [next(outputs) for _ in case.expected]
        pairs = [(ours, *check) for ours, check in zip(found, case.expected, strict=True)]
        bad = [pair for pair in pairs if not agrees(pair[1], pair[0], pair[2])]
        reason = f"{bad[0][1]}: {bad[0][0]!r} for {bad[0][2]!r}" if bad else ""
        results[case.name] = ("wrong" if bad else "right", reason[:600])
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a checkout of openxla/stablehlo")
    parser.add_argument("--target", default="native", help="or wasm, interpret, passes")
    parser.add_argument("--scope", choices=["device", "wide"], default="wide")
    parser.add_argument("--only", default="", help="pattern that names of cases must match")
    parser.add_argument("--limit", type=int, default=None)
    options = parser.parse_args()
    chosen = [item for item in texts(options.folder) if re.search(options.only, item[0])]
    read = [read_case(*item) for item in chosen[: options.limit]]
    cases = [case for case in read if case is not None]
    scopes = ("device",) if options.scope == "device" else ("device", "wide")
    results: dict[str, tuple[str, str]] = {}
    ready: list[Case] = []
    for case in cases:
        if case.scope not in scopes:
            continue
        try:
            to_program(case)
            ready.append(case)
        except UnsupportedError as error:
            results[case.name] = ("unsupported", str(error).splitlines()[0])
        except Exception as error:  # one bad case must not end the run
            results[case.name] = ("crash", f"{type(error).__name__}: {error}"[:300])
    for start in range(0, len(ready), _BATCH):
        results |= judge(ready[start : start + _BATCH], options.target)
    print(json.dumps(_report(cases, results, len(read) - len(cases), options), indent=1))


def _report(
    cases: list[Case], results: dict[str, tuple[str, str]], unread: int, options: Any
) -> dict[str, Any]:  # Any: JSON; what argparse gives
    known = [(case, *results[case.name]) for case in cases if case.name in results]
    counts: dict[str, Counter[str]] = {}
    by_operation: dict[str, Counter[str]] = {}
    for case, state, _ in known:
        rest = "scatter" if case.operation.startswith("scatter") else "without scatter"
        for key in ("all", case.scope, f"{case.scope}, {rest}"):
            counts.setdefault(key, Counter())[state] += 1
        if state != "right":
            by_operation.setdefault(case.operation, Counter())[state] += 1
    reasons = Counter(reason for _, state, reason in known if state == "unsupported")
    return {
        "target": options.target,
        "counts": {key: {**count, "total": count.total()} for key, count in sorted(counts.items())},
        "out of scope": sum(case.scope == "out" for case in cases),
        "not read": unread,
        "not right, by operation": {key: dict(item) for key, item in sorted(by_operation.items())},
        "refused because": dict(reasons.most_common(80)),
        "wrong": {case.name: reason for case, state, reason in known if state == "wrong"},
        "crash": {case.name: reason for case, state, reason in known if state == "crash"},
    }


if __name__ == "__main__":
    main()
