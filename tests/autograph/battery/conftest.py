"""What the battery is made of: a program, its arguments, and what must hold for it."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax

import kolam as kl

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Program:
    """An everyday program and what is checked of it.

    Attributes:
        fn: The program, in plain Python.
        sets: Argument sets; each takes another path through the program.
        raises: Exceptions that some of the sets lead to; no other may come out of plain Python.
        grad: Positions of the arguments in which its scalar result is differentiated.
        differences: Whether finite differences in 64 bits say what the derivatives are, because
            JAX cannot follow the plain program (`math`, NumPy, `float`); else JAX says it.
        second: Whether second derivatives are compared as well.
        vmap: Whether the sets are stacked and mapped.
        rtol: Tolerance of values, relative and absolute; the default is some 200 units of float32.
        grad_rtol: Tolerance of derivatives.
        may_refuse: Whether a `KolamError` is as good an answer: it changes objects that no
            program can hold, and then it must be right or refused, never wrong.
        like: The same program written so that plain Python can run it, where it cannot run `fn`
            (a Python `if` under `jax.vmap`).
    """

    fn: Callable[..., Any]
    sets: tuple[tuple[Any, ...], ...]
    raises: tuple[type[Exception], ...] = ()
    grad: tuple[int, ...] = ()
    differences: bool = False
    second: bool = False
    vmap: bool = False
    rtol: float = 2e-5
    grad_rtol: float = 2e-4
    may_refuse: bool = False
    like: Callable[..., Any] | None = None

    @property
    def name(self) -> str:
        """Theme and function."""
        return f"{Path(self.fn.__code__.co_filename).stem}:{self.fn.__name__}"

    @property
    def plain(self) -> Callable[..., Any]:
        """What runs as plain Python, the oracle."""
        return self.like or self.fn

    @cached_property
    def compiled(self) -> Callable[..., Any]:
        """The program under `kl.function`; one for all checks, so that they share its traces."""
        return kl.function(self.fn)

    @cached_property
    def forward(self) -> Callable[..., Any]:
        """Its derivative in forward mode."""
        return jax.jit(jax.jacfwd(self.compiled, self.grad))

    @cached_property
    def curvature(self) -> Callable[..., Any]:
        """Its second derivative."""
        return jax.jit(jax.hessian(self.compiled, self.grad))


_FOUND: dict[str, Program] = {}


def program(
    *sets: tuple[Any, ...], grad: int | tuple[int, ...] = (), **expected: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a function to the battery; it stays the plain function that it is."""
    # Any above: arguments of any kind

    def add(fn: Callable[..., Any]) -> Callable[..., Any]:
        wanted = (grad,) if isinstance(grad, int) else tuple(grad)
        entry = Program(fn, sets, grad=wanted, **expected)
        _FOUND[entry.name] = entry
        return fn

    return add


def programs() -> list[Program]:
    """Load every theme of this folder and give what is in them."""
    for path in sorted(HERE.glob("*.py")):
        name = f"tests.autograph.battery.{path.stem}"
        if path.stem.startswith(("_", "test_")) or path.stem == "conftest" or name in sys.modules:
            continue
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sorted(_FOUND.values(), key=lambda entry: entry.name)
