"""Random programs are the same with the lowering; benchmarks/lowering_fuzz.py runs thousands."""

import pytest

from kolam.graph import lower
from tests.graph.lowering_programs import difference, random_program

# seeds that differed once: a view read twice, in two ways
_FOUND = (7, 1395, 1503)


@pytest.mark.parametrize("seed", [*_FOUND, *range(12)])
def test_a_random_program_is_the_same_with_the_lowering(seed):
    program = random_program(seed)
    assert difference(program, lower) is None, str(program)
