"""Every operation of the registry with every dtype that it takes, against XLA."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from kolam.graph import Graph
from kolam.lite._compile import compile
from kolam.lite._frontend import read_program
from kolam.lite._frontend.operations import TRANSLATIONS
from kolam.lite._interpret import interpret
from kolam.lite._passes import PASSES
from kolam.lite._program import DTYPES
from kolam.lite._verify import verify
from tests.lite.forms import FORMS, Form, arrays_of, forms_of, kind_letter, module_of, takes

NARROW = ("float16", "bfloat16")


def _assert_agrees(form: Form, found: Any, expected: Any, label: str) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype, label
    if found.dtype.kind not in "fV":
        np.testing.assert_array_equal(found, expected, label)
        return
    facts = ml_dtypes.finfo(found.dtype)
    ours, theirs = found.astype(np.float64), expected.astype(np.float64)
    if not form.special:
        assert np.isfinite(theirs).mean() > 0.5, label
    with np.errstate(all="ignore"):
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        exponent = np.frexp(np.where(np.isfinite(theirs), theirs, 1.0))[1] - 1
        if form.ulps >= 400:  # sums, whose terms may cancel
            exponent = np.full_like(exponent, exponent.max(initial=0))
        # halves are computed in 32 bits, so that both sides round nearly the same number
        most = 8 if form.ulps >= 400 else 2
        ulps = form.ulps if facts.nmant > 10 else min(form.ulps, most)
        room = min(ulps, 64) * np.ldexp(1.0, exponent - facts.nmant)
        room = room + float(facts.smallest_normal)  # XLA takes subnormal numbers for 0
        near = np.abs(ours - theirs) <= room
    wrong = ~(same | near)
    assert not wrong.any(), (label, ours[wrong], theirs[wrong])


def _check(dtype: str, found: list[Any], expected: list[Any], how: str) -> None:
    ours, theirs = iter(found), iter(expected)
    for op, form in forms_of(dtype):
        for _ in form.types:
            _assert_agrees(form, next(ours), next(theirs), f"{op}, {how}: {form.lines}")


def test_every_operation_has_a_test() -> None:
    assert TRANSLATIONS.keys() == FORMS.keys()
    for op, translation in TRANSLATIONS.items():
        for dtype in DTYPES:
            if dtype in NARROW and op in ("stablehlo.cholesky", "stablehlo.triangular_solve"):
                continue  # XLA on the CPU has them for 32 and 64 bits
            if kind_letter(dtype) in translation.kinds:
                assert any(takes(form, dtype) for form in FORMS[op]), (op, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_operation_equals_xla(dtype: str) -> None:
    graph = Graph.from_stablehlo(module_of(dtype, forms_of(dtype)))
    arrays = arrays_of(dtype)
    expected = list(graph.run(*arrays).values())
    static = graph.static_program()
    program = verify(read_program(static.text, "p", [], static.inputs, static.outputs))
    _check(dtype, interpret(program, arrays), expected, "interpreted")
    for step in PASSES:
        program = verify(step(program))
    _check(dtype, interpret(program, arrays), expected, "after all passes")
    for target in ("native", "wasm"):
        _check(dtype, list(compile(graph, target).run(*arrays).values()), expected, target)


@pytest.mark.usefixtures("emulators")
@pytest.mark.parametrize(
    ("target", "dtype"),
    [
        ("cortex-m55", "float32"),
        ("cortex-m0plus", "float64"),
        ("cortex-m4", "float16"),
        ("linux-riscv64", "bfloat16"),
        ("linux-armv7", "int64"),
        ("linux-aarch64", "uint8"),
    ],
)
def test_every_operation_equals_xla_on_other_processors(target: str, dtype: str) -> None:
    graph = Graph.from_stablehlo(module_of(dtype, forms_of(dtype)))
    arrays = arrays_of(dtype)
    expected = list(graph.run(*arrays).values())
    _check(dtype, list(compile(graph, target).run(*arrays).values()), expected, target)
