"""Expressions of each kind, as text. What they mean is the same in plain Python and converted."""

from collections.abc import Callable

from tests.autograph.fuzz.writing import Pen

REALS = ("0.5", "1.5", "2.0", "0.25", "-1.0", "0.75", "3.0")
MODES = ("up", "down", "flat")


class Expressions(Pen):
    def int_(self, depth: int = 2) -> str:
        names = self.named("int")
        plain: list[tuple[Callable[[int], str], int]] = [
            (lambda _: str(self.number(0, 9)), 3),
        ]
        if names:
            plain.append((lambda _: self.pick(names), 7))
        if depth == 0:
            return self.weighted(plain)(0)
        return self.weighted([*plain, *self._int_forms()])(depth - 1)

    def _int_forms(self) -> list[tuple[Callable[[int], str], int]]:
        forms: list[tuple[Callable[[int], str], int]] = [
            (lambda d: f"({self.int_(d)} + {self.int_(d)})", 3),
            (lambda d: f"({self.int_(d)} - {self.int_(d)})", 2),
            (lambda d: f"({self.int_(d)} * {self.number(2, 3)} % {self.pick([7, 11])})", 2),
            (lambda d: f"({self.int_(d)} // {self.number(2, 5)})", 1),
            (lambda d: f"({self.int_(d)} % {self.number(2, 5)})", 2),
            (lambda d: f"-{self.int_(0)}", 1),
        ]
        if self.has("builtins"):
            forms += [
                (lambda d: f"abs({self.int_(d)})", 1),
                (lambda d: f"{self.pick(['min', 'max'])}({self.int_(d)}, {self.int_(d)})", 2),
                (lambda d: f"{self.pick(['int', 'round'])}({self.float_(d)})", 2),
                (lambda d: f"int({self.bool_(d)})", 1),
                (lambda d: f"divmod({self.int_(d)}, {self.number(2, 5)})[{self.number(0, 1)}]", 1),
                (lambda d: f"(bool({self.ordered(0)}) + bool({self.ordered(0)}))", 1),
            ]
        if self.has("bits"):
            forms += [
                (lambda d: f"({self.int_(d)} {self.pick(['&', '|', '^'])} {self.number(1, 6)})", 2),
                (lambda d: f"({self.int_(d)} >> {self.number(1, 2)})", 1),
                (lambda d: f"~{self.int_(0)}", 1),
                (lambda d: f"2 ** ({self.int_(0)} % 4)", 1),
            ]
        if self.has("globals"):
            forms += [(lambda d: "OFFSET", 2), (lambda d: f"STEPS[{self.index(3)}]", 3)]
        if self.has("values"):
            forms += [
                (lambda d: f"({self.int_(d)} or {self.int_(d)})", 1),
                (lambda d: f"({self.int_(d)} and {self.int_(d)})", 1),
            ]
        if self.has("ternary"):
            forms.append((lambda d: f"({self.int_(d)} if {self.bool_(d)} else {self.int_(d)})", 3))
        return [*forms, *self._int_members()]

    def _int_members(self) -> list[tuple[Callable[[int], str], int]]:
        forms: list[tuple[Callable[[int], str], int]] = []
        if vectors := self.named("ints"):
            forms += [
                (lambda d: f"{self.pick(vectors)}[{self.index(self.length)}]", 3),
                (lambda d: f"{self.pick(vectors)}.sum()", 1),
                (lambda d: f"len({self.pick(vectors)})", 1),
            ]
            if self.has("builtins"):
                forms.append(
                    (lambda d: f"{self.pick(['sum', 'max', 'min'])}({self.pick(vectors)})", 1)
                )
        if small := self.named("bytes"):
            forms.append((lambda d: f"int({self.pick(small)}[{self.index(self.length)}])", 2))
        if lists := self.named("list", "floats"):
            forms.append((lambda d: f"len({self.pick(lists)})", 2))
        if counted := self.named("list"):
            forms.append((lambda d: f"sum({self.pick(counted)})", 2))
        if fixed := self.named("triple"):
            forms.append((lambda d: f"{self.pick(fixed)}[{self.index(3)}]", 3))
        if boxes := self.named("box", "record"):
            forms.append((lambda d: f"{self.pick(boxes)}.n", 3))
        if tables := self.named("table"):
            forms.append((lambda d: f"{self.pick(tables)}['n']", 3))
        if modes := self.named("text"):
            forms.append((lambda d: f"{self._lookup(d)}[{self.pick(modes)}]", 3))
        if pairs := self.named("pair"):
            forms.append((lambda d: f"{self.pick(pairs)}[0]", 3))
        if trees := self.named("tree"):
            part = self.pick(["['in']['n']", "['box'].n", f"['rows'][{self.index(2)}][1]"])
            forms.append((lambda d: f"{self.pick(trees)}{part}", 3))
        if self.has("more lists") and (counted := self.named("list")):
            forms.append((lambda d: self._of_list(self.pick(counted)), 3))
        if functions := self.named("functions"):
            forms.append((lambda d: f"{self.pick(functions)}[{self.index(3)}]({self.int_(d)})", 3))
        if inner := self.named("inner"):
            forms.append((lambda d: f"{self.pick(inner)}({self.int_(0)})", 3))
        if self.has("comprehension") and (rows := self.named("ints", "reals", "triple")):
            forms.append((lambda d: self._count(self.pick(rows)), 2))
        return forms

    def _of_list(self, name: str) -> str:
        return self.pick(
            [
                f"({name}[-1] if {name} else 0)",
                f"({name}[{self.int_(0)} % len({name})] if len({name}) > 0 else 1)",
                f"(max({name}) if {name} else 2)",
                f"sum([v + 1 for v in {name}])",
                f"sum(v for v in {name} if v > 1)",
                f"len({name}[1:])",
            ]
        )

    def _lookup(self, depth: int) -> str:
        one, other, last = (self.int_(0) for _ in range(3))
        return f"{{'up': {one}, 'down': {other}, 'flat': {last}}}"

    def _count(self, rows: str) -> str:
        v, w = self.fresh("v"), self.fresh("v")
        test = f"{v} > {self.pick(REALS)}"
        n = self.int_(0)
        return self.pick(
            [
                f"sum(1 for {v} in {rows} if {test})",
                f"sum([{n} + {v} for {v} in range(3) if {v} != 1])",
                f"sum({{{v}: {v} * {n} for {v} in range(3)}}.values())",
                f"sum([{v} if {n} > {v} else {w} for {v} in range(2) for {w} in (1, 2)])",
                f"len([{v} for {v} in {rows} if {test}])",
                f"sum([1 if {test} else 2 for {v} in {rows}])",
            ]
        )

    def float_(self, depth: int = 2) -> str:
        names = self.named("float")
        plain: list[tuple[Callable[[int], str], int]] = [(lambda _: self.pick(REALS), 2)]
        if names:
            plain.append((lambda _: self.pick(names), 8))
        if numbers := self.named("number"):
            plain.append((lambda _: self.pick(numbers), 3))
        if depth == 0:
            return self.weighted(plain)(0)
        return self.weighted([*plain, *self._float_forms()])(depth - 1)

    def _float_forms(self) -> list[tuple[Callable[[int], str], int]]:
        forms: list[tuple[Callable[[int], str], int]] = [
            (lambda d: f"({self.float_(d)} + {self.float_(d)})", 3),
            (lambda d: f"({self.float_(d)} - {self.float_(d)})", 2),
            (lambda d: f"({self.float_(d)} * {self.pick(REALS)})", 3),
            (lambda d: f"({self.float_(d)} * {self.float_(0)})", 1),
            (lambda d: f"({self.float_(d)} / (1.0 + abs({self.float_(0)})))", 1),
            (lambda d: f"({self.int_(d)} * {self.pick(REALS)})", 2),
            (lambda d: f"({self.int_(d)} / {self.number(2, 4)})", 1),
        ]
        if self.has("builtins"):
            forms += [
                (lambda d: f"abs({self.float_(d)})", 1),
                (lambda d: f"{self.pick(['min', 'max'])}({self.float_(d)}, {self.float_(d)})", 2),
                (lambda d: f"float({self.int_(d)})", 1),
                (lambda d: f"round({self.float_(d)}, 1)", 1),
                (lambda d: f"max({self.float_(0)}, {self.float_(0)}, 0.5)", 1),
            ]
        if self.has("ternary"):
            forms.append(
                (lambda d: f"({self.float_(d)} if {self.bool_(d)} else {self.float_(d)})", 3)
            )
        if self.has("math"):
            forms.append((self._math, 5))
        if self.has("globals"):
            forms += [(lambda d: "SCALE", 2), (lambda d: f"WEIGHTS[{self.index(3)}]", 3)]
        if self.has("powers"):
            forms += [
                (lambda d: f"({self.float_(d)} // 0.5)", 1),
                (lambda d: f"({self.float_(d)} % 1.5)", 1),
                (lambda d: f"(abs({self.float_(0)}) + 0.5) ** 0.5", 1),
                (lambda d: f"2.0 ** ({self.int_(0)} % 4)", 1),
                (lambda d: f"({self.float_(0)} ** {self.number(2, 3)})", 1),
            ]
        return [*forms, *self._float_members()]

    def _math(self, depth: int) -> str:
        x = self.float_(depth)
        return self.pick(
            [
                f"math.sin({x})",
                f"math.cos({x})",
                f"math.tanh({x})",
                f"math.exp(-abs({x}))",
                f"math.sqrt(abs({x}) + 0.5)",
                f"math.log(abs({x}) + 1.0)",
                f"float(math.floor({x}))",
                f"math.ceil({x}) * 0.5",
                f"math.hypot({x}, 1.5)",
                f"math.atan2({x}, 2.0)",
                f"math.fabs({x})",
                f"({x} + math.pi)",
                f"math.pow(abs({x}) + 0.5, 1.5)",
            ]
        )

    def _float_members(self) -> list[tuple[Callable[[int], str], int]]:
        forms: list[tuple[Callable[[int], str], int]] = []
        if vectors := self.named("reals"):
            forms += [
                (lambda d: f"{self.pick(vectors)}[{self.index(self.length)}]", 4),
                (lambda d: f"{self.pick(vectors)}.{self.pick(['sum', 'max', 'mean'])}()", 1),
                (lambda d: f"({self.pick(vectors)} @ {self.pick(vectors)})", 1),
            ]
            if self.has("builtins"):
                forms.append(
                    (lambda d: f"{self.pick(['sum', 'max', 'min'])}({self.pick(vectors)})", 1)
                )
            if self.has("slices"):
                forms.append((lambda d: self._slice(self.pick(vectors)), 3))
        if grids := self.named("grid"):
            forms += [
                (lambda d: f"{self.pick(grids)}[{self.index(3)}, {self.index(3)}]", 3),
                (lambda d: f"{self.pick(grids)}[{self.index(3)}].sum()", 1),
                (lambda d: f"{self.pick(grids)}.sum(axis={self.number(0, 1)})[{self.index(3)}]", 1),
            ]
        if boxes := self.named("box", "record"):
            forms.append((lambda d: f"{self.pick(boxes)}.x", 3))
        if tables := self.named("table"):
            forms.append((lambda d: f"{self.pick(tables)}['x']", 3))
        if pairs := self.named("pair"):
            forms.append((lambda d: f"{self.pick(pairs)}[1]", 3))
        if lists := self.named("floats"):
            forms.append((lambda d: self.sum_of(self.pick(lists)), 3))
        if self.has("comprehension") and (rows := self.named("reals")):
            forms.append((lambda d: self._total(self.pick(rows)), 2))
        return forms

    def sum_of(self, floats: str) -> str:
        """The sum of a list of floats; of an empty one, Python gives an int."""
        if self.chance(30):
            self.promotes = True
            return f"sum({floats})"
        return f"sum({floats}, 0.0)"

    def _slice(self, rows: str) -> str:
        n, size = self.pick(self.named("int")), self.length - 1
        bounds = self.pick(["1:", ":2", "::2", "-2:", f"{n} % {size}:{n} % {size} + 2"])
        return f"{rows}[{bounds}].sum()"

    def _total(self, rows: str) -> str:
        v = self.fresh("v")
        return self.pick(
            [
                self.sum_of(f"[{v} for {v} in {rows} if {v} > {self.pick(REALS)}]"),
                f"sum(({v} for {v} in {rows} if {v} > {self.pick(REALS)}), 0.0)",
                f"sum([{v} * 2.0 for {v} in {rows}])",
                f"max([{v} if {v} > {self.pick(REALS)} else 0.25 for {v} in {rows}])",
            ]
        )

    def bool_(self, depth: int = 2) -> str:
        forms: list[tuple[Callable[[int], str], int]] = [(self.ordered, 6)]
        if names := self.named("bool"):
            forms.append((lambda d: self.pick(names), 4))
        if masks := self.named("mask"):
            forms += [
                (lambda d: f"bool({self.pick(masks)}[{self.index(self.length)}])", 3),
                (lambda d: f"bool({self.pick(masks)}.{self.pick(['any', 'all'])}())", 3),
            ]
        if modes := self.named("text"):
            forms += [
                (lambda d: f"{self.pick(modes)} == {self.pick(MODES)!r}", 4),
                (lambda d: f"{self.pick(modes)} in ('up', 'flat')", 1),
                (lambda d: f"{self.pick(modes)}.upper() != 'UP'", 1),
                (lambda d: f"len({self.pick(modes)}) > 3", 1),
            ]
        if colors := self.named("color"):
            word = self.pick(["is", "==", "!="])
            forms += [
                (lambda d: f"{self.pick(colors)} {word} Color.BLUE", 4),
                (lambda d: f"{self.pick(colors)}.value == 'red'", 1),
            ]
        if lists := self.named("list", "floats"):
            forms += [
                (lambda d: f"len({self.pick(lists)}) > {self.number(0, 2)}", 2),
                (lambda d: f"bool({self.pick(lists)})", 1),
            ]
        if self.has("more lists") and (counted := self.named("list", "triple")):
            forms.append((lambda d: f"{self.int_(0)} in {self.pick(counted)}", 2))
        if tables := self.named("table"):
            forms.append((lambda d: f"{self.pick(['n', 'z'])!r} in {self.pick(tables)}", 1))
        if maybe := self.named("maybe"):
            how = self.pick(["is None", "is not None"])
            forms.append((lambda d: f"{self.pick(maybe)} {how}", 4))
        if depth > 0:
            forms += [
                (lambda d: f"({self.bool_(d)} and {self.bool_(d)})", 2),
                (lambda d: f"({self.bool_(d)} or {self.bool_(d)})", 2),
                (lambda d: f"(not {self.bool_(d)})", 1),
                (lambda d: f"(({self.bool_(0)}) {self.pick(['==', '!='])} ({self.bool_(0)}))", 1),
            ]
        if depth > 0 and self.has("guards"):
            forms.append((self._guarded, 3))
        if depth > 0 and self.has("comprehension") and (rows := self.named("reals", "ints")):
            forms.append((lambda d: self._quantified(self.pick(rows)), 3))
        return self.weighted(forms)(max(depth - 1, 0))

    def _guarded(self, depth: int) -> str:
        n = self.pick(self.named("int") or ["2"])
        return self.pick(
            [f"({n} != 0 and {self.int_(0)} // {n} > 1)", f"({n} == 0 or 7 % {n} == 1)"]
        )

    def _quantified(self, rows: str) -> str:
        v = self.fresh("v")
        test = f"{v} > {self.pick(REALS)}"
        word = self.pick(["any", "all"])
        return self.pick(
            [f"{word}({test} for {v} in {rows})", f"{word}([{test} for {v} in {rows}])"]
        )

    def ordered(self, depth: int = 0) -> str:
        """A comparison; of pure Python numbers alone, so that its value can be added."""
        low, high = self.number(0, 3), self.number(4, 9)
        return self.weighted(
            [
                (lambda: f"{self.int_(depth)} {self._sign()} {self.int_(depth)}", 4),
                (lambda: f"{self.float_(depth)} {self.pick(['<', '>'])} {self.float_(depth)}", 4),
                (lambda: f"{low} < {self.int_(depth)} <= {high}", 1),
                (lambda: f"{self.int_(depth)} % 3 == {self.number(0, 2)}", 2),
                (lambda: f"{self.int_(depth)} {self.pick(['in', 'not in'])} (1, 2, 5)", 1),
                (lambda: f"{self.float_(0)} < {self.float_(depth)} < {self.float_(0)}", 1),
            ]
        )()

    def _sign(self) -> str:
        return self.pick(["<", ">", "<=", ">=", "==", "!="])

    def index(self, size: int) -> str:
        """An index that is in bounds; with the feature `traps`, perhaps not."""
        forms: list[tuple[Callable[[], str], int]] = [
            (lambda: str(self.number(0, size - 1)), 3),
            (lambda: f"{self.int_(0)} % {size}", 4),
            (lambda: f"-{self.number(1, size)}", 1),
        ]
        if self.has("traps"):
            forms.append((lambda: self.int_(0), 1))
        return self.weighted(forms)()

    def reals_(self, depth: int = 1) -> str:
        """A new float32 vector, one that shares no memory with another."""
        a = self.pick(self.named("reals") or [f"xp.zeros({self.length})"])
        forms: list[tuple[Callable[[], str], int]] = [
            (lambda: f"{a} * {self.pick(REALS)}", 3),
            (lambda: f"{a} + {self.float_(depth)}", 3),
            (lambda: f"-{a}", 1),
            (lambda: f"xp.where({a} > {self.float_(0)}, {a}, {self.pick(REALS)})", 2),
            (lambda: f"xp.sin({a})", 1),
            (lambda: f"xp.minimum({a}, {self.float_(0)})", 1),
            (lambda: f"{a}[::-1] * 1", 1),
            (lambda: f"abs({a})", 1),
            (lambda: f"xp.array([{', '.join(self.float_(0) for _ in range(self.length))}])", 1),
            (lambda: f"xp.zeros({self.length}) + {self.float_(0)}", 1),
            (lambda: f"xp.cumsum({a})", 1),
        ]
        if masks := self.named("mask"):
            forms.append((lambda: f"xp.where({self.pick(masks)}, {a}, {self.float_(0)})", 3))
        if places := self.named("ints"):
            forms.append((lambda: f"{a}[{self.pick(places)} % {self.length}]", 1))
        if depth and self.has("ternary"):
            forms.append(
                (lambda: f"({self.reals_(0)} if {self.bool_(1)} else {self.reals_(0)})", 2)
            )
        return self.weighted(forms)()

    def ints_(self) -> str:
        k = self.pick(self.named("ints"))
        if self.chance(15) and (masks := self.named("mask")):
            return f"{self.pick(masks)} * {k}"
        return self.pick([f"{k} + {self.int_(0)}", f"{k} * 2 % 7", f"abs({k})", f"-{k}"])

    def bytes_(self) -> str:
        q = self.pick(self.named("bytes"))
        return self.pick([f"{q} + 1", f"{q} * 2", f"-{q}", f"{q} // 2", f"{q} + {q}"])

    def grid_(self) -> str:
        g = self.pick(self.named("grid"))
        return self.pick([f"{g} * 0.5", f"{g}.T * 1", f"{g} + {self.float_(0)}", f"xp.cos({g})"])
