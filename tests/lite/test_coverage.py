"""The guide of operations and the registry that it is made from."""

from pathlib import Path
from typing import Any

import pytest
from jaxlib.mlir.dialects import _chlo_ops_gen, _stablehlo_ops_gen

from kolam.core import UnsupportedError
from kolam.lite._coverage import coverage_page
from kolam.lite._frontend import read_program
from kolam.lite._frontend.operations import REFUSED, TRANSLATIONS

GUIDE = Path(__file__).parents[2] / "docs/guides/what-compiles.md"


def _known_to_mlir(dialect: Any) -> set[str]:  # Any: a generated module
    found = {getattr(item, "OPERATION_NAME", None) for item in vars(dialect).values()}
    return {name for name in found if name and not name.endswith(".return")}


def test_the_guide_is_current() -> None:
    assert GUIDE.read_text() == coverage_page(), "run scripts/write-coverage"


def test_every_operation_is_compiled_or_refused_with_a_way_round() -> None:
    assert not TRANSLATIONS.keys() & REFUSED.keys()
    known = _known_to_mlir(_stablehlo_ops_gen) | _known_to_mlir(_chlo_ops_gen)
    # a newer or an older jaxlib may know some more or less
    assert len(known ^ (TRANSLATIONS.keys() - {"func.call"}) ^ REFUSED.keys()) <= 3


def test_a_refused_operation_names_its_way_round() -> None:
    text = (
        "func.func @main(%x: tensor<4xf32>) -> tensor<i32> { "
        "%0 = stablehlo.get_dimension_size %x, dim = 0 : (tensor<4xf32>) -> tensor<i32> "
        "return %0 : tensor<i32> }"
    )
    with pytest.raises(UnsupportedError, match=r"get_dimension_size cannot[\s\S]*sizes="):
        read_program(text, "p", [], (), ())
