"""How each library runs a program: one column of the table each.

As a script it runs one column in the Python of an environment that has the library:

    python -m tests.autograph.compared.columns tensorflow
"""

# The libraries are imported inside: only the one that is asked for need be there.
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.autograph.compared import rows
from tests.autograph.compared.judge import Run, Verdict, judge
from tests.autograph.compared.programs import ROWS
from tests.autograph.compared.rows import Row

Column = Callable[[Row], Run]
# Any below: programs, their arguments and results, in four libraries


def kolam_column(row: Row) -> Run:
    """Compile with `kl.function`."""
    import jax

    import kolam as kl

    fn = kl.function(row.fn)
    if row.mode == "size":
        return lambda *args: kl.autograph.explain(row.fn, *args).equations
    return _transformed(row, fn, jax)


def jax_column(row: Row) -> Run:
    """Compile with `jax.jit` alone."""
    import jax

    if row.mode == "size":
        return lambda *args: len(jax.make_jaxpr(row.fn)(*args).jaxpr.eqns)
    return jax.jit(_transformed(row, row.fn, jax))


def _transformed(row: Row, fn: Run, jax: Any) -> Run:
    change: dict[str, Callable[[Run], Run]] = {
        "call": lambda fn: fn,
        "grad": jax.grad,
        "forward": jax.jacfwd,
        "second": lambda fn: jax.grad(jax.grad(fn)),
        "vmap": jax.vmap,
        "vmap grad": lambda fn: jax.vmap(jax.grad(fn)),
    }
    return change[row.mode](fn)


def tensorflow_column(row: Row) -> Run:
    """Compile with `tf.function`: all of AutoGraph's features, NumPy's way of numbers."""
    import tensorflow as tf
    from tensorflow.experimental import numpy as tnp

    tnp.experimental_enable_numpy_behavior(prefer_float32=True)
    every = tf.autograph.experimental.Feature.ALL
    fn = tf.function(row.fn, experimental_autograph_options=every)

    def grad(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = fn(x)
        return tape.gradient(y, x)

    def second(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = grad(x)
        return tape.gradient(y, x)

    def forward(x: Any) -> Any:
        with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as accumulator:
            y = fn(x)
        return accumulator.jvp(y)

    def size(*args: Any) -> int:
        graph = fn.get_concrete_function(*args).graph
        inner = sum(len(one.graph.get_operations()) for one in graph._functions.values())
        return len(graph.get_operations()) + inner

    change: dict[str, Run] = {
        "call": fn,
        "grad": grad,
        "forward": forward,
        "second": second,
        "vmap": lambda *args: tf.vectorized_map(lambda one: fn(*one), args),
        "vmap grad": lambda *args: tf.vectorized_map(grad, *args),
        "size": size,
    }
    return lambda *args: _plainly(change[row.mode](*(tf.constant(_narrow(one)) for one in args)))


def torch_column(row: Row) -> Run:
    """Compile with `torch.compile(fullgraph=True)`; what it captures runs eagerly."""
    import torch

    torch._dynamo.reset()
    sizes: list[int] = []

    def backend(module: Any, _: Any) -> Any:
        sizes.append(len(module.graph.nodes))
        return module.forward

    func = torch.func
    change: dict[str, Callable[[Run], Run]] = {
        "call": lambda fn: fn,
        "size": lambda fn: fn,
        "grad": func.grad,
        "forward": func.jacfwd,
        "second": lambda fn: func.grad(func.grad(fn)),
        "vmap": func.vmap,
        "vmap grad": lambda fn: func.vmap(func.grad(fn)),
    }
    fn = torch.compile(change[row.mode](row.fn), fullgraph=True, backend=backend)

    def run(*args: Any) -> Any:
        found = fn(*(torch.tensor(_narrow(one)) for one in args))
        return sizes[-1] if row.mode == "size" else _plainly(found)

    return run


def _narrow(value: Any) -> np.ndarray:
    """Give a number 32 bits, as all columns have."""
    array = np.asarray(value)
    return array.astype({"f": np.float32, "i": np.int32}[array.dtype.kind])


def _plainly(value: Any) -> Any:
    """Give NumPy's arrays in place of tensors."""
    if isinstance(value, (list, tuple)):
        return [_plainly(one) for one in value]
    value = value.numpy() if hasattr(value, "numpy") else value
    return value.decode() if isinstance(value, bytes) else value


COLUMNS: dict[str, Column] = {
    "kolam": kolam_column,
    "tensorflow": tensorflow_column,
    "torch": torch_column,
    "jax": jax_column,
}


def run_column(name: str) -> dict[str, tuple[Verdict, str]]:
    """Judge every program in one column; gives verdict and reason by the row's label."""
    settle: Callable[[], None] = lambda: None  # noqa: E731
    if name in ("kolam", "jax"):
        import jax
        import jax.numpy as jnp

        settle, rows.stack = jax.effects_barrier, jnp.stack
    else:
        library = __import__(name)
        rows.stack = library.stack
    try:
        return {row.label: judge(row, COLUMNS[name](row), settle) for row in ROWS}
    finally:
        rows.stack = np.stack


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run_column(sys.argv[1])) + "\n")
