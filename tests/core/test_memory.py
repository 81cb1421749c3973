import gc
import os
import subprocess
import sys
from contextlib import suppress

import pytest

from kolam.core import collector_paused

# counts the page faults of calls of a program that needs 64 MB
_COUNT = """
import resource
import jax, jax.numpy as jnp
from kolam.core import prepare_jax
prepare_jax()
f = jax.jit(lambda x: (jnp.cumsum(jnp.sin(x))[::-1] * x).sum())
x = jnp.ones(8 << 20)
for _ in range(3):
    f(x).block_until_ready()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    f(x).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(**environment):
    done = subprocess.run(
        [sys.executable, "-c", _COUNT],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_calls_of_a_program_use_the_memory_of_earlier_ones():
    assert _faults() < _faults(KOLAM_KEEP_MEMORY="0") / 10


@pytest.mark.parametrize("before", [True, False])
def test_the_collector_waits_and_is_then_as_it_was(before):
    is_on = gc.isenabled()
    (gc.enable if before else gc.disable)()
    try:
        with suppress(KeyError), collector_paused():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() == before
    finally:
        (gc.enable if is_on else gc.disable)()
