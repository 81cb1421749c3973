"""Loops: every one ends, most after few trips."""

from collections.abc import Callable

from tests.autograph.fuzz.expressions import REALS
from tests.autograph.fuzz.statements import Form, Statements


class Loops(Statements):
    def deeper(self) -> list[Form]:
        forms = super().deeper()
        if self.trips > 60:
            return forms
        optional: list[tuple[str, Callable[[], None], int]] = [
            ("range", self.range_, 8),
            ("while", self.while_, 8),
            ("rows", self.rows, 8),
            ("pairs", self.pairs, 6),
            ("items", self.items, 4),
        ]
        return forms + [(write, weight) for name, write, weight in optional if self.has(name)]

    def body(self, head: str, trips: int, *first: str, **bound: str) -> None:
        """A loop with its suite and perhaps its `else`."""
        self.depth += 1
        with self.inside(head, trips=trips, lock=list(bound)):
            for line in first:
                self.put(line)
            self.scope.update(bound)
            self.suite()
        if self.has("else") and self.chance(40):
            with self.inside("else:"):
                self.suite(2)
        self.depth -= 1

    def range_(self) -> None:
        i = self.fresh("j")
        n = self.int_(0)
        bounds, trips = self.pick(
            [
                ("3", 3),
                (f"{n} % 5", 4),
                (n, 9),
                ("12", 12),
                (f"1, {n} % 7", 6),
                (f"{n} % 4, -3, -1", 6),
                ("0, 9, 4", 3),
            ]
        )
        wrapped = f"reversed(range({bounds}))" if self.chance(15) else f"range({bounds})"
        self.body(f"for {i} in {wrapped}:", trips, **{i: "int"})

    def while_(self) -> None:
        t = self.fresh("t")
        self.pick([self._counted, self._forever, self._halving, self._counted_walrus])(t)

    def _counted(self, t: str) -> None:
        self.put(f"{t} = {self.pick(['0', self.int_(0)])}")
        self.bind(t, "int")
        test = self.pick([f"{t} < 6", f"{t} < 5 and {self.bool_(1)}"])
        self.locked.add(t)
        self.body(f"while {test}:", 6, f"{t} += {self.number(1, 2)}", **{t: "int"})

    def _forever(self, t: str) -> None:
        self.put(f"{t} = 0")
        self.bind(t, "int")
        self.locked.add(t)
        stop = self.pick([f"{t} > 4 or {self.bool_(1)}", f"{t} > 3"])
        how = "return " + self.filled() if self.returns and self.chance(20) else "break"
        first = (f"{t} += 1", f"if {stop}:", f"    {how}")
        self.body("while True:", 5, *first, **{t: "int"})

    def _halving(self, t: str) -> None:
        self.put(f"{t} = abs({self.float_(1)}) + 1.0")
        self.bind(t, "float")
        self.locked.add(t)
        self.body(f"while {t} > 0.3:", 9, f"{t} *= 0.5", **{t: "float"})

    def _counted_walrus(self, t: str) -> None:
        self.put(f"{t} = 0")
        self.bind(t, "int")
        self.locked.add(t)
        self.body(f"while ({t} := {t} + 1) < {self.pick(['5', self.int_(0)])}:", 9, **{t: "int"})

    def rows(self) -> None:
        v = self.fresh("v")
        rows = self.named("reals", "ints", "grid", "list", "floats")
        if not rows:
            self.range_()
            return
        name = self.pick(rows)
        kind = {"reals": "float", "ints": "int", "grid": "row", "list": "int", "floats": "float"}
        head = f"for {v} in {self.pick([name, name, f'reversed({name})'])}:"
        if self.scope[name] == "grid":
            x = self.pick(self.named("float", free=True) or ["x"])
            self.body(head, 3, f"{x} = {x} * 0.5 + {v}[{self.index(3)}]", **{name: "grid"})
            return
        self.body(head, self.length, **{name: self.scope[name], v: kind[self.scope[name]]})

    def pairs(self) -> None:
        i, v, w = self.fresh("j"), self.fresh("v"), self.fresh("v")
        reals, ints = self.named("reals"), self.named("ints")
        if not reals or not ints:
            self.range_()
            return
        a, k = self.pick(reals), self.pick(ints)
        head, bound = self.pick(
            [
                (f"for {i}, {v} in enumerate({a}):", {i: "int", v: "float"}),
                (f"for {v}, {w} in zip({a}, {k}):", {v: "float", w: "int"}),
                (f"for {i}, {v} in enumerate({a}, 2):", {i: "int", v: "float"}),
                (f"for {i}, {v} in zip(range(3), {a}):", {i: "int", v: "float"}),
                (
                    f"for {i}, ({v}, {w}) in enumerate(zip({a}, {k})):",
                    {i: "int", v: "float", w: "int"},
                ),
            ]
        )
        self.body(head, self.length, **{a: "reals", k: "ints", **bound})

    def items(self) -> None:
        key, v = self.fresh("key"), self.fresh("v")
        literal = f"{{'p': {self.float_(0)}, 'q': {self.float_(0)}, 'r': {self.pick(REALS)}}}"
        head, bound = self.pick(
            [
                (f"for {key}, {v} in {literal}.items():", {v: "float"}),
                (f"for {v} in ({self.int_(0)}, {self.int_(0)}, 4):", {v: "int"}),
                (f"for {v} in [{self.float_(0)}, {self.float_(0)}]:", {v: "float"}),
            ]
        )
        self.body(head, 3, **bound)
