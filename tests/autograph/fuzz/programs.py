"""Random programs over the constructs that autograph converts, as Python source text."""

import linecache
import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from types import CodeType
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.autograph.fuzz.loops import Loops
from tests.autograph.fuzz.writing import Below

FEATURES = (
    "arrays", "best", "bits", "box", "broadcast", "builtins", "comprehension", "dataset", "delete",
    "else", "enum", "errors", "filled", "functions", "generator", "globals", "grown", "guards",
    "inner", "items", "keys", "labelled", "lambda", "layers", "list", "mask", "match", "math",
    "maybe", "message", "more lists", "narrow", "nested", "number", "pairs", "powers", "print",
    "range", "record", "recursion", "returns", "rows", "search", "slices", "sort", "stack",
    "table", "ternary", "text", "traps", "triple", "try", "tuple", "undefined", "unpack",
    "values", "walrus", "while", "with", "worklist", "wrapped",
)  # fmt: skip
VECTORS = {
    "arrays", "best", "broadcast", "filled", "mask", "narrow", "pairs", "rows", "search", "slices",
    "sort", "stack",
}  # fmt: skip

PARAMETERS = {
    "n": "int", "m": "int", "x": "float", "y": "float", "p": "bool",
    "a": "reals", "k": "ints", "q": "bytes", "g": "grid",
}  # fmt: skip

RESULTS = (
    "{int}, {float}",
    "{float}",
    "{int}, {int}, {float}, {float}, {bool}",
    "{{'n': {int}, 'x': [{float}, {float}]}}".replace("{{", "{").replace("}}", "}"),
    "{int}, {float}, {reals}, {ints}",
    "{reals}, {bytes}, {grid}",
)
TEXT_RESULT = "{int}, {text}"

_IMPORTED = {
    "jax": "import jax",
    "np": "import numpy as np",
    "bound": "from kolam.autograph import bound",
    "Dataset": "from kolam.data import Dataset",
    "contextmanager": "from contextlib import contextmanager",
    "dataclass": "from dataclasses import dataclass",
    "replace": "from dataclasses import replace",
    "Enum": "from enum import Enum",
    "partial": "from functools import partial",
    "wraps": "from functools import wraps",
    "Any": "from typing import Any",
    "NamedTuple": "from typing import NamedTuple",
}
DEFINITIONS = {
    "OFFSET": "OFFSET = 3\n",
    "STEPS": "STEPS = [2, 0, 1]\n",
    "SCALE": "SCALE = 0.5\n",
    "WEIGHTS": "WEIGHTS = (0.5, 1.5, -1.0)\n",
    "ROWS": (
        "U, V = np.float32([0.5, -1.0, 2.0]), np.int32([3, 0, 6])\n"
        "ROWS = Dataset.from_arrays({'u': U, 'v': V})\n"
    ),
    "Stop": """
class Stop(Exception):
    pass
""",
    "Color": """
class Color(Enum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"
""",
    "Pair": """
class Pair(NamedTuple):
    n: Any
    x: Any
""",
    "Point": """
@dataclass(frozen=True)
class Point:
    n: Any
    x: Any
""",
    "Box": """
class Box:
    def __init__(self, n, x):
        self.n = n
        self.x = x

    def step(self, d):
        if self.n > d:
            self.n -= 2
        else:
            self.x += 0.5

    def __call__(self, e):
        return self.x if e > self.x else e

    @property
    def half(self):
        return self.x * 0.5 if self.n > 2 else 0.25

    @staticmethod
    def clip(n):
        return 3 if n > 3 else n

    @classmethod
    def make(cls, n, x):
        return cls(n, x if n > 1 else x + 1.0)
""",
    "scope": """
@contextmanager
def scope(e):
    yield e
""",
    "twice": """
def twice(fn):
    @wraps(fn)
    def both(*args, **kwargs):
        return fn(fn(*args, **kwargs))
    return both
""",
}


@dataclass(frozen=True, slots=True)
class Program:
    """A program and how to call it.

    Attributes:
        text: A module whose `program` is the function.
        parameters: Names of its parameters, keys of `PARAMETERS`.
        length: Length of the vectors.
        promotes: Whether ends of different dtype meet, so that dtypes may differ from Python's.
        seed: Chooses the arguments, and whether numbers come as NumPy's.
    """

    text: str
    parameters: tuple[str, ...]
    length: int
    promotes: bool
    seed: int

    @property
    def file(self) -> str:
        return f"<program {blake2b(self.text.encode(), digest_size=6).hexdigest()}>"

    def compiled(self) -> CodeType:
        """The code of the module; its lines are known to `linecache`."""
        lines = self.text.splitlines(keepends=True)
        linecache.cache[self.file] = (len(self.text), None, lines, self.file)
        return compile(self.text, self.file, "exec")

    def arguments(self, count: int) -> list[list[Any]]:
        """Sets of arguments of the same shapes and dtypes, as plain Python takes them."""
        rng = np.random.default_rng(self.seed)
        return [[_value(name, self.length, rng) for name in self.parameters] for _ in range(count)]


def load(code: CodeType, **names: Any) -> Callable[..., Any]:
    """Run a module and give its `program`; `names` are globals it finds there."""
    home: dict[str, Any] = {"__name__": "fuzz_program", "math": math, **names}
    exec(code, home)
    program: Callable[..., Any] = home["program"]
    return program


def _value(name: str, length: int, rng: np.random.Generator) -> Any:
    kind = PARAMETERS[name]
    if kind == "int":
        return int(rng.integers(-3, 8))
    if kind == "float":
        return float(np.float32(rng.uniform(-3, 3)))
    if kind == "bool":
        return bool(rng.integers(2))
    if kind == "reals":
        return rng.uniform(-2, 2, length).astype(np.float32)
    if kind == "ints":
        return rng.integers(-4, 9, length).astype(np.int32)
    if kind == "bytes":
        return rng.integers(-20, 20, length).astype(np.int8)
    return rng.uniform(-2, 2, (3, 3)).astype(np.float32)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Programs whose choices hypothesis makes, and shrinks."""
    return build(lambda stop: draw(_below(stop)))


def random_program(seed: int) -> tuple[Program, list[int]]:
    """The program of a seed, and its choices: `programs` makes the same of them."""
    rng = random.Random(seed)
    choices: list[int] = []

    def below(stop: int) -> int:
        choices.append(rng.randrange(stop))
        return choices[-1]

    return build(below), choices


def build(below: Below) -> Program:
    """A program: few statements, nested to depth four, over a random few of the constructs."""
    share = (6, 12, 20, 40)[below(4)]
    chosen = [name for name in FEATURES if below(100) >= 100 - share]
    pen = Loops(below, chosen, (3, 4, 11)[below(3)])
    needed = bool(VECTORS & pen.features)
    for name, kind in PARAMETERS.items():
        if kind in ("int", "float", "bool") or needed:
            pen.bind(name, kind)
    pen.prologue()
    results = RESULTS if needed else RESULTS[:4]
    pen.result = pen.pick([*results, TEXT_RESULT] if pen.has("text") else results)
    if pen.chance(60):
        pen.result = pen.everything()
    pen.suite(5)
    pen.return_()
    return _assemble(pen, below(100))


@cache
def _below(stop: int) -> st.SearchStrategy[int]:
    # up to 128 one choice of hypothesis is one integer, so choices made elsewhere can be shrunk
    assert stop <= 128
    return st.integers(0, stop - 1)


def _assemble(pen: Loops, seed: int) -> Program:
    body = "\n".join(pen.lines)
    parameters = tuple(name for name in PARAMETERS if re.search(rf"\b{name}\b", body))
    definitions = [text for name, text in DEFINITIONS.items() if re.search(rf"\b{name}\b", body)]
    used = [name for name in _IMPORTED if re.search(rf"\b{name}\b", "".join(definitions) + body)]
    imports = "".join(f"{_IMPORTED[name]}\n" for name in used)
    head = f"def program({', '.join(parameters)}):"
    text = "\n".join([imports, *definitions, f"\n{head}\n{body}\n"]).strip() + "\n"
    return Program(text, parameters, pen.length, pen.promotes, seed)
