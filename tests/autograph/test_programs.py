"""Random programs: converted under jit they give the values and exceptions of plain Python."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PREAMBLE = (
    "from contextlib import nullcontext\n\n\n"
    "def program(a, b, x, v):\n    c = 1\n    y = 0.5\n    t = [1, 2, 3]\n"
)


class Writer:
    """Writes a program from a seeded source of choices."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.names = 0

    def integer(self) -> str:
        pick = self.random.choice
        name = pick(["a", "b", "c"])
        return pick(
            [
                name,
                str(self.random.randint(-3, 6)),
                f"({name} + {pick(['a', 'b', 'c'])}) % 17",
                f"({name} * 3 - {self.random.randint(0, 9)}) % 23",
                f"(a if {self.test(1)} else c)",
                f"abs({name}) % 9",
            ]
        )

    def real(self) -> str:
        pick = self.random.choice
        return pick(["x", "y", "x * 0.5", "y * 0.25 + 1", f"(x if {self.test(1)} else y)", "v[1]"])

    def test(self, depth: int = 0) -> str:
        pick = self.random.choice
        simple = [
            f"{pick('abc')} > {self.random.randint(-2, 8)}",
            f"{pick('abc')} % 3 == {self.random.randint(0, 2)}",
            "x < y",
            f"0 < {pick('abc')} < 9",
        ]
        if depth:
            return pick(simple)
        both = f"{pick(simple)} {pick(['and', 'or'])} {pick(simple)}"
        return pick([*simple, both, f"not {pick(simple)}", "b != 0 and a // b > 1"])

    def block(self, indent: int, depth: int, in_loop: bool) -> None:
        for _ in range(self.random.randint(1, 3)):
            self.statement(indent, depth, in_loop)

    def put(self, indent: int, text: str) -> None:
        self.lines.append("    " * indent + text)

    def statement(self, indent: int, depth: int, in_loop: bool) -> None:
        kinds = ["int", "int", "real", "item", "look"]
        if depth:
            kinds += [
                "if",
                "if",
                "if",
                "while",
                "for",
                "rows",
                "return",
                "assert",
                "raise",
                "maybe",
                "try",
                "with",
                "walrus",
                "list",
                "inner",
            ]
            kinds += ["break", "continue"] if in_loop else []
        getattr(self, f"do_{self.random.choice(kinds)}")(indent, depth, in_loop)

    def do_int(self, indent: int, depth: int, in_loop: bool) -> None:
        self.put(indent, f"{self.random.choice('abc')} = {self.integer()}")

    def do_real(self, indent: int, depth: int, in_loop: bool) -> None:
        self.put(indent, f"{self.random.choice('xy')} = {self.real()}")

    def do_item(self, indent: int, depth: int, in_loop: bool) -> None:
        self.put(indent, f"v[{self.random.randint(0, 2)}] += {self.real()}")

    def do_look(self, indent: int, depth: int, in_loop: bool) -> None:
        index = self.random.choice(["a % 3", "c % 4", "-1", "b % 3 - 3"])
        self.put(indent, f"y = y * 0.5 + v[{index}]")

    def do_list(self, indent: int, depth: int, in_loop: bool) -> None:
        index = self.random.choice(["a % 3", "1", "c % 3"])
        self.put(indent, f"t[{index}] = (t[{self.random.randint(0, 2)}] + {self.integer()}) % 19")

    def do_try(self, indent: int, depth: int, in_loop: bool) -> None:
        self.put(indent, "try:")
        self.block(indent + 1, depth - 1, in_loop)
        self.put(indent, "finally:")
        self.put(indent + 1, f"c = (c + {self.random.randint(1, 5)}) % 29")

    def do_with(self, indent: int, depth: int, in_loop: bool) -> None:
        self.put(indent, "with nullcontext():")
        self.block(indent + 1, depth - 1, in_loop)

    def do_walrus(self, indent: int, depth: int, in_loop: bool) -> None:
        self.names += 1
        w = f"w{self.names}"
        word = self.random.choice(["and", "or"])
        self.put(indent, f"{w} = 0")
        self.put(indent, f"if {self.test(1)} {word} ({w} := {self.integer()}) > 2:")
        self.block(indent + 1, depth - 1, in_loop)
        self.put(indent, f"c = (c + {w}) % 13")

    def do_inner(self, indent: int, depth: int, in_loop: bool) -> None:
        self.names += 1
        g = f"g{self.names}"
        self.put(indent, f"def {g}(p, q=2):")
        self.put(indent + 1, "nonlocal c")
        self.put(indent + 1, f"if p > {self.random.randint(0, 5)}:")
        self.put(indent + 2, "return p - q")
        self.put(indent + 1, "c = (c + p) % 11")
        self.put(indent + 1, "return q")
        self.put(indent, f"a = {g}({self.integer()}) % 21")

    def do_if(self, indent: int, depth: int, in_loop: bool) -> None:
        self.put(indent, f"if {self.test()}:")
        self.block(indent + 1, depth - 1, in_loop)
        if self.random.random() < 0.3:
            self.put(indent, f"elif {self.test()}:")
            self.block(indent + 1, depth - 1, in_loop)
        if self.random.random() < 0.5:
            self.put(indent, "else:")
            self.block(indent + 1, depth - 1, in_loop)

    def do_while(self, indent: int, depth: int, in_loop: bool) -> None:
        self.names += 1
        k = f"k{self.names}"
        self.put(indent, f"{k} = {self.random.choice(['0', 'a % 4'])}")
        forever = self.random.random() < 0.3
        self.put(indent, "while True:" if forever else f"while {k} < 5 and ({self.test(1)}):")
        self.put(indent + 1, f"{k} += 1")
        if forever:
            self.put(indent + 1, f"if {k} > 4 or {self.test(1)}:")
            self.put(indent + 2, "break")
        self.block(indent + 1, depth - 1, True)
        self.end(indent, depth)

    def do_for(self, indent: int, depth: int, in_loop: bool) -> None:
        self.names += 1
        i = f"i{self.names}"
        bounds = self.random.choice(["3", "12", "a % 5", "1, 9, 3", "b % 4, -3, -1"])
        self.put(indent, f"for {i} in range({bounds}):")
        self.put(indent + 1, f"c = (c + {i}) % 31")
        self.block(indent + 1, depth - 1, True)
        self.end(indent, depth)

    def do_rows(self, indent: int, depth: int, in_loop: bool) -> None:
        self.names += 1
        r = f"r{self.names}"
        self.put(indent, f"for {r} in v * 1:")
        self.put(indent + 1, f"y = y * 0.5 + {r}")
        self.block(indent + 1, depth - 1, True)
        self.end(indent, depth)

    def end(self, indent: int, depth: int) -> None:
        if self.random.random() < 0.25:
            self.put(indent, "else:")
            self.block(indent + 1, 0, False)

    def do_return(self, indent: int, depth: int, in_loop: bool) -> None:
        self.put(indent, f"if {self.test(1)}:")
        self.put(indent + 1, "return a, b, c, x, y, v, t")

    def do_assert(self, indent: int, depth: int, in_loop: bool) -> None:
        test = f"{self.random.choice('abc')} < {self.random.randint(3, 20)}"
        self.put(indent, f"assert {test}, f'at {{a}} and {{c}}'")

    def do_raise(self, indent: int, depth: int, in_loop: bool) -> None:
        self.put(indent, f"if {self.random.choice('abc')} > {self.random.randint(5, 20)}:")
        self.put(indent + 1, "raise ValueError(f'too large: {b}')")

    def do_maybe(self, indent: int, depth: int, in_loop: bool) -> None:
        self.names += 1
        m = f"m{self.names}"
        self.put(indent, f"if {self.test(1)}:")
        self.put(indent + 1, f"{m} = {self.integer()}")
        self.put(indent, f"if {self.test(1)}:")
        self.put(indent + 1, f"c = {m} % 7")

    def do_break(self, indent: int, depth: int, in_loop: bool) -> None:
        self.put(indent, f"if {self.test(1)}:")
        self.put(indent + 1, "break")

    def do_continue(self, indent: int, depth: int, in_loop: bool) -> None:
        self.put(indent, f"if {self.test(1)}:")
        self.put(indent + 1, "continue")

    def program(self) -> str:
        for _ in range(3):
            self.statement(1, 3, False)
        return PREAMBLE + "\n".join(self.lines) + "\n    return a, b, c, x, y, v, t\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32), a=st.integers(-5, 20), b=st.integers(-3, 9))
def test_random_program_is_the_same_as_python(
    seed: int, a: int, b: int, folder: Path, same_as_python: Callable[..., None]
) -> None:
    import numpy as np

    file = folder / f"program_{seed}.py"
    file.write_text(Writer(seed).program())
    home: dict[str, Any] = {"__name__": "programs"}
    exec(compile(file.read_text(), str(file), "exec"), home)

    def fresh(*args: Any) -> Any:
        return home["program"](*args[:-1], args[-1] * 1)

    # each run has its own vector: plain Python writes into it
    same_as_python(fresh, a, b, np.float32(1.25), np.array([1.0, -2.0, 3.0], np.float32))
