"""Text, portable bytes and traces at the border to JAX."""

import jax
import jax.numpy as jnp
import pytest

from kolam.core import IntegrityError, InvalidArgumentError, TensorSpec
from kolam.graph._stablehlo import export, parse_module, read_portable, text_of, write_portable

TEXT = """
module @m {
  func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
    %0 = stablehlo.tanh %x : tensor<2xf32> loc("model.py":3:4)
    return %0 : tensor<2xf32>
  }
}"""


def test_bytes_keep_the_text_with_its_lines() -> None:
    text = text_of(read_portable(write_portable(parse_module(TEXT))))
    assert 'loc("model.py":3:4)' in text
    assert "stablehlo.tanh" in text


def test_equal_text_gives_equal_bytes() -> None:
    first = write_portable(parse_module(TEXT))
    assert write_portable(read_portable(first)) == first


@pytest.mark.parametrize(
    "content", [b"", b"garbage", TEXT.encode(), b"ML\xefR", write_portable(parse_module(TEXT))[:-9]]
)
def test_bytes_that_are_no_program_are_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError, match="is no StableHLO that this version reads"):
        read_portable(content)


def test_text_that_is_no_module_is_refused_in_the_words_of_mlir() -> None:
    with pytest.raises(InvalidArgumentError, match="invalid SSA name"):
        parse_module("func.func @main() { %%%")


def test_a_trace_holds_base_names_only() -> None:
    module, _ = export(lambda x: (jnp.tanh(x),), [TensorSpec(("n",))])
    text = text_of(module)
    assert "/" not in "".join(line for line in text.splitlines() if ".py" in line)


def test_the_calling_line_is_forgotten() -> None:
    def fn(x: jax.Array) -> tuple[jax.Array]:
        return (jax.nn.gelu(x),)

    (first, _), (second, _) = export(fn, [TensorSpec(("n",))]), export(fn, [TensorSpec(("n",))])
    assert text_of(first) == text_of(second)
