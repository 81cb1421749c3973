"""Statements without loops: writes, tests, jumps, errors, prints, objects, inner functions."""

from collections.abc import Callable

from tests.autograph.fuzz.expressions import MODES, Expressions

Form = tuple[Callable[[], None], int]


class Statements(Expressions):
    depth = 0
    result = "{int}, {float}"

    def suite(self, most: int = 3) -> None:
        """One to `most` statements."""
        start = len(self.lines)
        for _ in range(self.number(1, most)):
            self.statement()
        if len(self.lines) == start:
            self.put("pass")

    def statement(self) -> None:
        if self.budget <= 0:
            self.assign()
            return
        self.budget -= 1
        self.weighted(self.forms())()

    def forms(self) -> list[Form]:
        forms: list[Form] = [
            (self.assign, 8),
            (self.augment, 5),
            (self.new, 3),
        ]
        optional: list[tuple[str, Callable[[], None], int]] = [
            ("unpack", self.unpack, 3),
            ("print", self.print_, 3),
            ("errors", self.assert_, 2),
            ("errors", self.raise_, 2),
            ("text", self.text, 4),
            ("maybe", self.maybe, 4),
            ("number", self.promoted, 4),
            ("list", self.list_, 5),
            ("box", self.box, 4),
            ("table", self.table, 4),
            ("triple", self.triple, 4),
        ]
        forms += [(write, weight) for name, write, weight in optional if self.has(name)]
        if self.has("arrays"):
            forms += [(self.write_item, 6), (self.vector, 3)]
        if self.depth < 4:
            forms += self.deeper()
        if self.loops:
            forms += [(self.jump, 5)]
        if self.returns and self.has("returns"):
            forms += [(self.early, 3)]
        return forms

    def deeper(self) -> list[Form]:
        forms: list[Form] = [(self.if_, 8)]
        optional: list[tuple[str, Callable[[], None], int]] = [
            ("undefined", self.undefined, 4),
            ("match", self.match, 4),
            ("walrus", self.walrus, 4),
            ("try", self.try_, 3),
        ]
        if self.indent == 1:
            optional += [("inner", self.inner, 5), ("functions", self.functions, 5)]
        return forms + [(write, weight) for name, write, weight in optional if self.has(name)]

    def assign(self) -> None:
        kind = self.pick(["int", "float"])
        if kind == "int" and (names := self.named("int", free=True)):
            self.put(f"{self.pick(names)} = {self.int_()}")
        elif names := self.named("float", free=True):
            self.put(f"{self.pick(names)} = {self.float_()}")

    def augment(self) -> None:
        names = self.named("int", "float", free=True)
        if not names:
            return
        name = self.pick(names)
        if self.scope[name] == "int":
            self.put(f"{name} {self.pick(['+=', '-='])} {self.int_(1)}")
        elif self.chance(25):
            self.put(f"{name} *= {self.pick(['0.5', '-0.5', '1.5'])}")
        else:
            self.put(f"{name} {self.pick(['+=', '-='])} {self.float_(1)}")

    def new(self) -> None:
        kind = self.pick(["int", "float", "bool"])
        name = self.fresh({"int": "i", "float": "f", "bool": "b"}[kind])
        text = {"int": self.int_, "float": self.float_, "bool": self.bool_}[kind]()
        self.put(f"{name} = {text}")
        self.bind(name, kind)

    def unpack(self) -> None:
        ints, floats = self.named("int", free=True), self.named("float", free=True)
        if not ints or not floats:
            return
        n, x = self.pick(ints), self.pick(floats)
        if self.chance(30) and len(ints) > 1:
            m = self.pick([name for name in ints if name != n])
            self.put(f"{n}, {m} = {m}, {n}")
        elif self.chance(30):
            self.put(f"{n}, ({x}, _) = {self.int_(1)}, ({self.float_(1)}, 0)")
        else:
            self.put(f"{n}, {x} = {self.int_(1)}, {self.float_(1)}")

    def print_(self) -> None:
        name = self.pick(["n", *self.named("int", "bool", "text")])
        if name not in self.scope:
            self.put("print('here')")
        elif self.chance(40):
            self.put(f"print({name}, {self.int_(0)})")
        else:
            self.put(f"print(f'{self.fresh('at')} {{{name}}}')")

    def assert_(self) -> None:
        shown = self.pick(self.named("int") or ["0"])
        self.put(f"assert {self.bool_(1)}, f'found {{{shown}}}'")

    def raise_(self) -> None:
        error = self.pick(["ValueError", "Stop", "IndexError"])
        self.needs.add(error)
        shown = self.pick(self.named("int") or ["0"])
        with self.inside(f"if {self.bool_(1)}:"):
            self.put(f"raise {error}(f'bad {{{shown}}}')")

    def jump(self) -> None:
        with self.inside(f"if {self.bool_(1)}:"):
            self.put(self.pick(["break", "continue"]))

    def early(self) -> None:
        with self.inside(f"if {self.bool_(1)}:"):
            self.return_()

    def return_(self) -> None:
        self.put(f"return {self.filled()}")

    def filled(self) -> str:
        """The result: the same structure at every return."""
        text = self.result
        for kind in ("int", "float", "bool", "reals", "ints", "bytes", "grid"):
            while f"{{{kind}}}" in text:
                text = text.replace(f"{{{kind}}}", self.outcome(kind), 1)
        return text

    def outcome(self, kind: str) -> str:
        names = self.named(kind, "number") if kind == "float" else self.named(kind)
        if names:
            return self.pick(list(reversed(names)))
        return self.int_(0) if kind == "int" else self.float_(0)

    def if_(self) -> None:
        self.depth += 1
        with self.inside(f"if {self.bool_()}:"):
            self.suite()
        if self.chance(25):
            with self.inside(f"elif {self.bool_()}:"):
                self.suite()
        if self.chance(50):
            with self.inside("else:"):
                self.suite()
        self.depth -= 1

    def walrus(self) -> None:
        name = self.fresh("w")
        self.depth += 1
        kept = dict(self.scope)
        test = self.pick([f"({name} := {self.int_()}) > {self.number(0, 5)}"])
        self.bind(name, "int")
        with self.inside(f"if {test}:"):
            self.suite()
        self.depth -= 1
        self.scope = {**kept, name: "int"}

    def undefined(self) -> None:
        """A name with a value on one path alone, used later on another or the same."""
        name = self.fresh("u")
        test = self.bool_(1)
        with self.inside(f"if {test}:"):
            self.put(f"{name} = {self.int_(1)}")
        self.depth += 1
        with self.inside(f"if {self.pick([test, self.bool_(1)])}:"):
            self.bind(name, "int")
            self.locked.add(name)
            self.put(f"{self.fresh('i')} = {name} + 1")
            self.suite(2)
        self.depth -= 1

    def text(self) -> None:
        names = self.named("text", free=True)
        name = self.pick(names) if names else self.fresh("s")
        form = self.pick([repr(self.pick(MODES)), ""])
        if not form or not names:
            a, b = self.pick(MODES), self.pick(MODES)
            form = f"{a!r} if {self.bool_(1)} else {b!r}"
        self.put(f"{name} = {form}")
        self.bind(name, "text")

    def maybe(self) -> None:
        names = self.named("maybe", free=True)
        name = self.pick(names) if names else self.fresh("o")
        if not names:
            self.put(f"{name} = None")
            self.bind(name, "maybe")
        better = f"{self.int_(0)} > {name}"
        with self.inside(f"if {name} is None or {better}:"):
            self.put(f"{name} = {self.int_(1)}")
        if self.chance(20):
            with self.inside(f"if {self.bool_(1)}:"):
                self.put(f"{name} = None")

    def promoted(self) -> None:
        name = self.fresh("z")
        self.put(f"{name} = {self.int_(1)}")
        with self.inside(f"if {self.bool_(1)}:"):
            self.put(f"{name} = {self.float_(1)}")
        self.bind(name, "number")

    def list_(self) -> None:
        names = self.named("list", "floats", free=True)
        if not names or self.chance(20):
            name = self.fresh("l")
            kind = self.pick(["list", "floats"])
            item = self.int_(0) if kind == "list" else self.float_(0)
            self.put(f"{name} = {self.pick(['[]', f'[{item}]'])}")
            self.bind(name, kind)
            return
        name = self.pick(names)
        item = self.int_(1) if self.scope[name] == "list" else self.float_(1)
        if self.chance(25):
            with self.inside(f"if len({name}) > {self.number(0, 2)}:"):
                self.put(self.pick([f"{name}.pop()", f"{name}[-1] = {item}", f"{name}.pop(0)"]))
        else:
            self.put(f"{name}.append({item})")

    def triple(self) -> None:
        names = self.named("triple", free=True)
        if not names:
            name = self.fresh("t")
            self.put(f"{name} = [{self.int_(0)}, {self.int_(0)}, {self.int_(0)}]")
            self.bind(name, "triple")
        else:
            sign = self.pick(["=", "+="])
            self.put(f"{self.pick(names)}[{self.index(3)}] {sign} {self.int_(1)}")

    def box(self) -> None:
        self.needs.add("Box")
        names = self.named("box")
        if not names:
            name = self.fresh("box")
            self.put(f"{name} = Box({self.int_(0)}, {self.float_(0)})")
            self.bind(name, "box")
            return
        name = self.pick(names)
        self.put(
            self.pick(
                [
                    f"{name}.n = {self.int_(1)}",
                    f"{name}.x += {self.float_(1)}",
                    f"{name}.step({self.int_(0)})",
                    f"{name}.n -= {self.int_(0)}",
                ]
            )
        )

    def table(self) -> None:
        names = self.named("table")
        if not names:
            name = self.fresh("d")
            self.put(f"{name} = {{'n': {self.int_(0)}, 'x': {self.float_(0)}}}")
            self.bind(name, "table")
            return
        name = self.pick(names)
        self.put(self.pick([f"{name}['n'] = {self.int_(1)}", f"{name}['x'] += {self.float_(1)}"]))

    def vector(self) -> None:
        kinds = [kind for kind in ("reals", "ints", "bytes", "grid") if self.named(kind)]
        if not kinds:
            return
        kind = self.pick(kinds)
        text = {"reals": self.reals_, "ints": self.ints_, "bytes": self.bytes_, "grid": self.grid_}
        names = self.named(kind, free=True)
        name = self.pick(names) if names and self.chance(60) else self.fresh("r")
        self.put(f"{name} = {text[kind]()}")
        self.bind(name, kind)

    def write_item(self) -> None:
        names = self.named("reals", "ints", "bytes", "grid", free=True)
        if not names:
            return
        name = self.pick(names)
        kind = self.scope[name]
        sign = self.pick(["=", "+="])
        if kind == "grid":
            self.put(f"{name}[{self.index(3)}, {self.index(3)}] {sign} {self.float_(1)}")
        elif kind == "reals" and self.chance(20):
            start = f"{self.int_(0)} % {self.length - 1}" if self.chance(50) else "1"
            i = self.fresh("i")
            self.put(f"{i} = {start}")
            self.put(f"{name}[{i}:{i} + 2] {sign} {self.float_(0)}")
        elif kind == "reals":
            self.put(f"{name}[{self.index(self.length)}] {sign} {self.float_(1)}")
        elif kind == "ints":
            self.put(f"{name}[{self.index(self.length)}] {sign} {self.int_(1)}")
        else:
            self.put(f"{name}[{self.index(self.length)}] = {self.int_(1)} % 50")

    def match(self) -> None:
        self.depth += 1
        subject = self.pick([*self.named("text"), self.int_(1)])
        is_text = subject in self.named("text")
        self.put(f"match {subject}:")
        self.indent += 1
        for _ in range(self.number(1, 2)):
            case = repr(self.pick(MODES)) if is_text else self.pick(["0", "1 | 2", "3", "5"])
            guard = f" if {self.bool_(1)}" if self.chance(25) else ""
            with self.inside(f"case {case}{guard}:"):
                self.suite(2)
        if self.chance(50):
            with self.inside("case _:"):
                self.suite(2)
        self.indent -= 1
        self.depth -= 1

    def try_(self) -> None:
        self.depth += 1
        with self.inside("try:"):
            self.suite(2)
        with self.inside("finally:"):
            self.assign()
            self.put("pass")
        self.depth -= 1

    def functions(self) -> None:
        name = self.fresh("fns")
        first, second = self.number(1, 3), self.number(2, 4)
        c = self.pick(self.named("int"))
        self.put(f"{name} = [lambda e: e + {first}, lambda e: e * {second} % 7, lambda e: {c} - e]")
        self.bind(name, "functions")

    def inner(self) -> None:
        name, given = self.fresh("inner"), self.fresh("e")
        writes = self.pick(self.named("int", free=True) or [""])
        kept = (self.returns, self.loops, self.scope)
        self.returns, self.loops, self.scope = False, 0, dict(self.scope)
        self.depth += 1
        with self.inside(f"def {name}({given}):"):
            self._inner_body(given, writes)
        self.depth -= 1
        self.returns, self.loops, self.scope = kept
        self.bind(name, "inner")

    def _inner_body(self, given: str, writes: str) -> None:
        if writes:
            self.put(f"nonlocal {writes}")
        for other in list(self.scope):
            if other != writes:
                self.locked.add(other)
        self.bind(given, "int")
        if self.chance(40):
            with self.inside(f"if {self.bool_(1)}:"):
                self.put(f"return {self.int_(1)}")
        self.suite(2)
        self.put(f"return {self.int_(1)}")
