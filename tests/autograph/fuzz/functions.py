"""Functions inside the program: closures, lambdas, layers, recursion, generators, wrappers."""

from collections.abc import Callable

from tests.autograph.fuzz.state import Form
from tests.autograph.fuzz.statements import Statements


class Functions(Statements):
    def deeper(self) -> list[Form]:
        forms = super().deeper()
        if self.indent > 1:
            return [*forms, *self.enabled(("layers", self.layers, 4), ("lambda", self.lambda_, 3))]
        return [
            *forms,
            *self.enabled(
                ("inner", self.inner, 6),
                ("functions", self.functions, 5),
                ("layers", self.layers, 4),
                ("lambda", self.lambda_, 4),
                ("recursion", self.recursion, 4),
                ("generator", self.generator, 4),
                ("wrapped", self.wrapped, 4),
            ),
        ]

    def functions(self) -> None:
        name = self.fresh("fns")
        first, second = self.number(1, 3), self.number(2, 4)
        c = self.pick(self.named("int"))
        self.put(f"{name} = [lambda e: e + {first}, lambda e: e * {second} % 7, lambda e: {c} - e]")
        self.bind(name, "functions")

    def lambda_(self) -> None:
        name, given = self.fresh("fn"), self.fresh("e")
        kept = dict(self.scope)
        self.bind(given, "int")
        self.put(f"{name} = lambda {given}: {self.int_()}")
        self.scope = {**kept, name: "inner"}

    def layers(self) -> None:
        x = self.pick(self.named("float", free=True) or [""])
        if not x:
            return
        layer, e = self.fresh("layer"), self.fresh("e")
        first = f"lambda {e}: {e} * {self.pick(['0.5', '1.5'])}"
        second = f"lambda {e}: {e} + 1.0 if {e} < {self.float_(0)} else {e}"
        with self.inside(f"for {layer} in ({first}, {second}, math.sin):"):
            self.put(f"{x} = {layer}({x})")
            if self.chance(40):
                with self.inside(f"if {self.bool_(1)}:"):
                    self.put(self.pick(["break", "continue"]))

    def recursion(self) -> None:
        name = self.fresh("rec")
        with self.inside(f"def {name}(e, d=3):"):
            with self.inside("if d == 0:"):
                self.put("return e")
            with self.inside(f"if {self._of_e()}:"):
                self.put(f"return {name}(e - {self.number(1, 3)}, d - 1) + 1")
            self.put(f"return {name}(e + 2, d - 1)")
        self.bind(name, "inner")

    def _of_e(self) -> str:
        return self.pick(["e > 3", "e % 2 == 0", "0 < e < 5"])

    def generator(self) -> None:
        name, v = self.fresh("gen"), self.fresh("v")
        loop = f"for d in range({self.number(1, 4)}):"
        with self.inside(f"def {name}(e):"), self.inside(loop):
            with self.inside(f"if {self._of_e()}:"):
                self.put("e -= d")
            self.put("yield e + d")
        n = self.pick(self.named("int", free=True) or [""])
        if not n:
            return
        self.body(f"for {v} in {name}({self.int_(0)}):", 4, **{v: "int"})

    def wrapped(self) -> None:
        """A function behind a decorator or a partial."""
        name = self.fresh("deco")
        kind = self.pick(["twice", "partial", "default"])
        if kind == "twice":
            self.put("@twice")
        head = f"def {name}(e, step={self.number(1, 3)}, *more, scale=2):"
        with self.inside(head):
            with self.inside(f"if {self._of_e()}:"):
                self.put("return e - step")
            self.put("return e * scale % 7")
        if kind == "partial":
            self.put(f"{name} = partial({name}, scale={self.int_(0)})")
        self.bind(name, "inner")

    def inner(self) -> None:
        """A closure that may write a variable of the program."""
        name, given = self.fresh("inner"), self.fresh("e")
        writes = self.pick([*self.named("int", "float", free=True), ""])
        kept = (self.result, self.loops, self.scope)
        self.result, self.loops, self.scope = "{int}", 0, dict(self.scope)
        self.depth += 1
        with self.inside(f"def {name}({given}):"):
            self._inner_body(given, writes)
        self.depth -= 1
        self.result, self.loops, self.scope = kept
        self.bind(name, "inner")

    def _inner_body(self, given: str, writes: str) -> None:
        if writes:
            self.put(f"nonlocal {writes}")
        self.locked.update(other for other in self.scope if other != writes)
        self.bind(given, "int")
        if self.chance(40):
            with self.inside(f"if {self.bool_(1)}:"):
                self.put(f"return {self.int_(1)}")
        self.suite(2)
        self.put(f"return {self.int_(1)}")

    # what loops add, which generators are read by
    body: Callable[..., None]
