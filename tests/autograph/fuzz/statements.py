"""Statements that need no object: writes to names, tests, jumps, errors, prints."""

import re
from collections.abc import Callable

from tests.autograph.fuzz.state import Form, State


class Statements(State):
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
        forms: list[Form] = [(self.assign, 5), (self.augment, 3), (self.new, 1)]
        forms += self.enabled(
            ("unpack", self.unpack, 3),
            ("print", self.print_, 4),
            ("errors", self.assert_, 2),
            ("errors", self.raise_, 2),
            ("delete", self.delete, 2),
        )
        forms += self.state_forms()
        if self.depth < 4:
            forms += self.deeper()
        if self.loops:
            forms += [(self.jump, 5)]
        if self.has("returns"):
            forms += [(self.early, 3)]
        return forms

    def deeper(self) -> list[Form]:
        """Statements with suites of their own."""
        return [
            (self.if_, 6),
            *self.enabled(
                ("undefined", self.undefined, 4),
                ("match", self.match, 4),
                ("walrus", self.walrus, 4),
                ("try", self.try_, 3),
                ("with", self.with_, 3),
            ),
        ]

    def enabled(self, *rows: tuple[str, Callable[[], None], int]) -> list[Form]:
        return [(write, weight) for name, write, weight in rows if self.has(name)]

    def assign(self) -> None:
        names = self.named("int", "float", "bool", free=True)
        if not names:
            self.new()
            return
        name = self.pick(names)
        text = {"int": self.int_, "float": self.float_, "bool": self.bool_}[self.scope[name]]()
        self.put(f"{name} = {text}")

    def augment(self) -> None:
        names = self.named("int", "float", free=True)
        if not names:
            return
        name = self.pick(names)
        if self.scope[name] == "int" and self.chance(20):
            self.put(f"{name} {self.pick(['//=', '%=', '*='])} {self.number(2, 3)}")
        elif self.scope[name] == "int":
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
        m = self.pick(ints)
        self.put(
            self.pick(
                [
                    f"{n}, {x} = {self.int_(1)}, {self.float_(1)}",
                    f"{n}, {m} = {m}, {n}",
                    f"{n}, ({x}, _) = {self.int_(1)}, ({self.float_(1)}, 0)",
                    f"{n}, *_ = [{self.int_(1)}, {self.int_(0)}, 3]",
                    f"{n} = {m} = {self.int_(1)}",
                    f"{n}, {m} = divmod({self.int_(1)}, {self.number(2, 5)})",
                ]
            )
        )

    def print_(self) -> None:
        name = self.pick(["", *self.named("int", "bool", "text", "float", "color")])
        if not name:
            self.put("print('here')")
            return
        at = self.fresh("at")
        forms = [f"print({name}, {self.int_(0)})", f"print(f'{at} {{{name}}}')"]
        if self.scope[name] == "float":
            forms.append(f"print(f'{at} {{{name}:.2f}}')")
        if self.scope[name] == "int":
            forms.append(f"print('{at}', {name}, sep='=', end=';')")
        self.put(self.pick(forms))

    def delete(self) -> None:
        name = self.fresh("i")
        self.put(f"{name} = {self.int_(1)}")
        self.bind(name, "int")
        self.assign()
        self.put(f"del {name}")
        del self.scope[name]

    def assert_(self) -> None:
        shown = self.pick(self.named("int") or ["0"])
        message = self.pick([f", f'found {{{shown}}}'", ", 'not so'", ""])
        self.put(f"assert {self.bool_(1)}{message}")

    def raise_(self) -> None:
        error = self.pick(["ValueError", "Stop", "IndexError", "KeyError"])
        shown = self.pick(self.named("int") or ["0"])
        message = self.pick([f"(f'bad {{{shown}}}')", "('bad')", f"('bad', int({shown}))"])
        with self.inside(f"if {self.bool_(1)}:"):
            self.put(f"raise {error}{message}")

    def jump(self) -> None:
        with self.inside(f"if {self.bool_(1)}:"):
            if self.chance(30):
                self.assign()
            self.put(self.pick(["break", "continue"]))

    def early(self) -> None:
        with self.inside(f"if {self.bool_(1)}:"):
            if self.chance(30):
                self.assign()
            self.return_()

    def return_(self) -> None:
        self.put(f"return {self.filled()}")

    def filled(self) -> str:
        """The result: the same structure at every return."""
        text = self.result
        for kind in ("int", "float", "bool", "reals", "ints", "bytes", "grid", "text"):
            while f"{{{kind}}}" in text:
                text = text.replace(f"{{{kind}}}", self.outcome(kind), 1)
        return text

    def outcome(self, kind: str) -> str:
        """A name of the kind, the newest first; or what a container of such holds."""
        names = self.named(kind, "number") if kind == "float" else self.named(kind)
        if kind == "int":
            names += [f"{name}.n" for name in self.named("box", "record")]
            names += [f"{name}['n']" for name in self.named("table")]
            names += [f"len({name})" for name in self.named("list", "floats")]
            names += [f"{name}[1]" for name in self.named("triple")]
        if kind == "float":
            names += [f"{name}.x" for name in self.named("box", "record")]
            names += [self.sum_of(name) for name in self.named("floats")]
        if kind == "text":
            return self.pick([*reversed(names), "'up'"])
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
        test, certain = self.pick(
            [
                (f"({name} := {self.int_()}) > {self.number(0, 5)}", True),
                (f"{self.ordered()} and ({name} := {self.int_()}) > {self.number(0, 5)}", False),
            ]
        )
        self.bind(name, "int")
        with self.inside(f"if {test}:"):
            self.suite()
        self.depth -= 1
        self.scope = {**kept, name: "int"} if certain else kept

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

    def match(self) -> None:
        self.depth += 1
        kept = dict(self.scope)
        subject, cases = self.pick(
            [
                (self.pick(self.named("text") or ["'up'"]), ["'up'", "'down' | 'flat'", "'flat'"]),
                (self.int_(1), ["0", "1 | 2", "3", "-1", "5"]),
                (self.int_(1), ["0", self.fresh("c")]),
                (f"{self.int_(0)}, {self.int_(0)}", ["0, 0", f"0, {self.fresh('c')}", "_, 1"]),
                *self._structures(),
            ]
        )
        self.put(f"match {subject}:")
        self.indent += 1
        for _ in range(self.number(1, 2)):
            self._case(self.pick(cases))
        if self.chance(50):
            with self.inside("case _:"):
                self.suite(2)
        self.indent -= 1
        self.depth -= 1
        self.scope = kept

    def _structures(self) -> list[tuple[str, list[str]]]:
        c = self.fresh("c")
        found = [
            (name, [f"{'Pair' if name.startswith('pair') else 'Point'}(n={n})" for n in (0, 3)])
            for name in self.named("record")
        ]
        found += [(name, ["{'n': 0}", "{'n': 2 | 3}"]) for name in self.named("table")]
        found += [
            (name, ["[0, *_]", f"[_, 1, {c}]", f"[2, {c}, _]"]) for name in self.named("triple")
        ]
        return found

    def _case(self, pattern: str) -> None:
        captured = re.findall(r"\bc\d+", pattern)
        for name in captured:
            self.bind(name, "int")
        # a bare name matches everything: Python wants a guard unless it stands last
        needed = captured and pattern == captured[0]
        guard = f" if {self.bool_(1)}" if needed or self.chance(25) else ""
        with self.inside(f"case {pattern}{guard}:", lock=captured):
            self.suite(2)
        for name in captured:
            del self.scope[name]

    def try_(self) -> None:
        """Nothing in the suites raises on data: catching that is refused."""
        self.depth += 1
        kept, self.features = self.features, self.features - {"errors", "traps", "undefined"}
        with self.inside("try:"):
            self.suite(2)
        if self.chance(40):
            with self.inside("except (OSError, RecursionError):"):
                self.assign()
                self.put("pass")
        else:
            with self.inside("finally:"):
                self.assign()
                self.put("pass")
        self.features = kept
        self.depth -= 1

    def with_(self) -> None:
        self.depth += 1
        name = self.fresh("s")
        with self.inside(f"with scope({self.int_(0)}) as {name}:"):
            self.bind(name, "int")
            self.suite(2)
        self.depth -= 1
