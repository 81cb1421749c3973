"""Loops: every one ends, most after few trips."""

from tests.autograph.fuzz.expressions import REALS
from tests.autograph.fuzz.functions import Functions
from tests.autograph.fuzz.state import Form

PARAMETERS_OF_INT = ("n", "m")


class Loops(Functions):
    def deeper(self) -> list[Form]:
        forms = super().deeper()
        if self.trips > 60:
            return forms
        return [
            *forms,
            *self.enabled(
                ("range", self.range_, 8),
                ("while", self.while_, 8),
                ("rows", self.rows, 8),
                ("pairs", self.pairs, 6),
                ("items", self.items, 4),
                ("best", self.best, 5),
                ("filled", self.fill, 5),
                ("stack", self.stack, 5),
                ("search", self.search, 4),
                ("grown", self.grown, 4),
                ("worklist", self.worklist, 4),
                ("sort", self.sort, 4),
                ("labelled", self.labelled, 3),
                ("dataset", self.dataset, 3),
            ),
        ]

    def body(self, head: str, trips: int, *first: str, **bound: str) -> None:
        """A loop with its suite and perhaps its `else`."""
        self.depth += 1
        with self.inside(head, trips=trips, lock=list(bound)):
            self.bounded(head)
            for line in first:
                self.put(line)
            self.scope.update(bound)
            self.suite()
        if self.has("else") and self.chance(40):
            with self.inside("else:"):
                self.suite(2)
        self.depth -= 1

    def bounded(self, head: str) -> None:
        """Say how often the loop runs at the most, without which no list may grow in it."""
        is_open = head.startswith("while") or "range(" in head
        if is_open and (self.named("list", "floats") or self.has("list")):
            self.put("bound(40)")

    def range_(self) -> None:
        i = self.fresh("j")
        n = self.int_(0)
        bounds, trips = self.pick(
            [
                ("3", 3),
                (f"{n} % 5", 4),
                (f"min({n}, 9)", 9),
                (n if n in PARAMETERS_OF_INT else "2", 9),
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
        how = "return " + self.filled() if self.has("returns") and self.chance(40) else "break"
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
            x = self.pick([*self.named("float", free=True), "total"])
            if x == "total":
                self.put("total = 0.5")
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

    def best(self) -> None:
        """The largest so far, None before the first."""
        vectors = self.named("reals", "ints")
        if not vectors:
            return
        name, v, place = self.fresh("best"), self.fresh("v"), self.fresh("i")
        rows = self.pick(vectors)
        kind = "float" if self.scope[rows] == "reals" else "int"
        self.put(f"{name} = None")
        self.put(f"{place} = -1")
        start = f" and {v} > {self.float_(0)}" if self.chance(40) else ""
        test = f"if ({name} is None or {v} > {name}){start}:"
        with self.inside(f"for j, {v} in enumerate({rows}):"), self.inside(test):
            self.put(f"{name}, {place} = {v}, j")
        self.bind(place, "int")
        if not start:
            self.bind(name, kind)
            return
        with self.inside(f"if {name} is not None:"):
            self.bind(name, kind)
            self.assign()
            self.put(f"{self.fresh('f')} = {name} + 1")

    def fill(self) -> None:
        """A vector written item by item."""
        vectors = self.named("reals", free=True)
        if not vectors:
            return
        a, j = self.pick(vectors), self.fresh("j")
        locked = set(self.locked)
        self.locked.add(a)
        size = self.pick([f"len({a})", str(self.length - 1)])
        how = self.pick([f"{a}[{j}] * 0.5", f"{a}[{j} - 1] + 1.0", f"{j} * 0.5"])
        with self.inside(f"for {j} in range({size}):"):
            if self.chance(50):
                with self.inside(f"if {self.pick([f'{a}[{j}] > 0.5', self.bool_(1)])}:"):
                    self.put(f"{a}[{j}] = {how}")
            else:
                self.put(f"{a}[{j}] {self.pick(['=', '+='])} {how}")
        self.locked = locked

    def stack(self) -> None:
        """A list with one item a trip, stacked after the loop."""
        x = self.pick(self.named("float", free=True) or [""])
        if not x:
            return
        name, rows = self.fresh("l"), self.fresh("r")
        self.put(f"{name} = []")
        with self.inside(f"for {self.fresh('j')} in range({self.length}):"):
            if self.chance(40):
                with self.inside(f"if {self.bool_(1)}:"):
                    self.put(f"{x} = {self.float_(1)}")
            self.put(f"{x} = {x} * 0.5 + {self.pick(['1.0', '0.25'])}")
            self.put(f"{name}.append({x})")
        self.put(f"{rows} = xp.{self.pick(['stack', 'array'])}({name})")
        self.bind(rows, "reals")

    def search(self) -> None:
        """A flag that a loop sets, then breaks."""
        vectors = self.named("reals", "ints", "triple")
        if not vectors:
            return
        found, v = self.fresh("b"), self.fresh("v")
        self.put(f"{found} = False")
        loop = f"for {v} in {self.pick(vectors)}:"
        with self.inside(loop), self.inside(f"if {v} > {self.pick(REALS)}:"):
            self.put(f"{found} = True")
            self.put("break")
        self.bind(found, "bool")

    def grown(self) -> None:
        """A list whose length is data, then read."""
        name, j = self.fresh("l"), self.fresh("j")
        self.put(f"{name} = []")
        with self.inside(f"for {j} in range({self.pick(['4', '10'])}):"):
            self.bind(j, "int")
            self.locked.add(j)
            with self.inside(f"if {self.bool_(1)}:"):
                self.put(f"{name}.append({self.pick([j, self.int_(1)])})")
        self.bind(name, "list")

    def worklist(self) -> None:
        """A list that a loop takes from and adds to until it is empty."""
        name, t, item = self.fresh("l"), self.fresh("t"), self.fresh("i")
        self.put(f"{name} = [{self.int_(0)}, {self.int_(0)}]")
        self.put(f"{t} = 0")
        more = self.pick([f"if {item} > 1:", f"if {item} % 2 == 1:"])
        self.bind(t, "int")
        self.locked.update((t, name))
        with self.inside(f"while {self.pick([name, f'len({name}) > 0'])} and {t} < 7:"):
            self.put("bound(8)")
            self.put(f"{t} += 1")
            self.put(f"{item} = {name}.pop()")
            self.bind(item, "int")
            if self.chance(50):
                self.assign()
            with self.inside(more):
                self.put(f"{name}.append({item} {self.pick(['- 2', '// 2', '- 1'])})")
        self.bind(name, "list")

    def sort(self) -> None:
        """Neighbours of a vector, or entries of a grid, that change places."""
        grids = self.named("grid", free=True)
        vectors = self.named("reals", "ints", free=True)
        i, j = self.fresh("i"), self.fresh("j")
        if grids and (not vectors or self.chance(40)):
            g = self.pick(grids)
            test = self.pick([f"{g}[{i}, {j}] > 0.5", f"{i} > {j}", f"{g}[{j}, {i}] < 0.25"])
            loops = (f"for {i} in range(3):", f"for {j} in range(3):", f"if {test}:")
            with self.inside(loops[0]), self.inside(loops[1]), self.inside(loops[2]):
                self.put(f"{g}[{i}, {j}] = {g}[{j}, {i}] * 0.5")
        elif vectors:
            a = self.pick(vectors)
            loop = f"for {i} in range({self.pick([f'len({a}) - 1', '2'])}):"
            with self.inside(loop), self.inside(f"if {a}[{i}] > {a}[{i} + 1]:"):
                self.put(f"{a}[{i}], {a}[{i} + 1] = {a}[{i} + 1], {a}[{i}]")

    def labelled(self) -> None:
        """Rows that carry a static text."""
        name, v = self.fresh("label"), self.fresh("v")
        x = self.pick([*self.named("float", free=True), ""])
        rows = f"[('a', {self.float_(0)}), ('b', {self.float_(0)}), ('c', {self.int_(0)} * 0.5)]"
        self.depth += 1
        with self.inside(f"for {name}, {v} in {rows}:"):
            self.bind(v, "float")
            if x:
                with self.inside(f"if {name} == 'b' and {self.bool_(1)}:"):
                    self.put(f"{x} = {v}")
            self.suite(2)
        self.depth -= 1

    def dataset(self) -> None:
        """The rows of a dataset, in their order."""
        row = self.fresh("row")
        x = self.pick([*self.named("float", free=True), ""])
        self.depth += 1
        with self.inside(f"for {row} in ROWS:"):
            if x:
                self.put(f"{x} = {x} * 0.5 + float({row}['u'])")
            with self.inside(f"if {row}['v'] > {self.int_(0)}:"):
                self.suite(2)
        self.depth -= 1
