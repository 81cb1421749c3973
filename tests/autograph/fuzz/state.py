"""State other than numbers: texts, enums, None, lists, dicts, objects, arrays."""

from collections.abc import Callable

from tests.autograph.fuzz.expressions import MODES, REALS, Expressions

WHOLE = {
    "int", "float", "bool", "text", "number", "byte", "triple", "table", "pair",
    "reals", "ints", "bytes", "grid", "mask",
}  # fmt: skip

Form = tuple[Callable[[], None], int]


class State(Expressions):
    def state_forms(self) -> list[Form]:
        rows: list[tuple[str, Callable[[], None], int]] = [
            ("text", self.text, 4),
            ("enum", self.enum, 4),
            ("maybe", self.maybe, 4),
            ("number", self.promoted, 4),
            ("list", self.list_, 6),
            ("box", self.box, 4),
            ("record", self.record, 4),
            ("table", self.table, 4),
            ("triple", self.triple, 4),
            ("arrays", self.write_item, 6),
            ("arrays", self.vector, 3),
            ("narrow", self.narrow, 4),
            ("broadcast", self.broadcast, 3),
            ("mask", self.mask, 4),
            ("keys", self.keys, 4),
            ("message", self.message, 3),
            ("tuple", self.tuple_, 4),
            ("nested", self.nested, 4),
        ]
        return [(write, weight) for name, write, weight in rows if self.has(name)]

    def prologue(self) -> None:
        """State that all of the program sees, and returns."""
        for name, start in (
            ("text", self.text),
            ("enum", self.enum),
            ("maybe", self.maybe),
            ("number", self.promoted),
            ("list", self.list_),
            ("box", self.box),
            ("record", self.record),
            ("table", self.table),
            ("triple", self.triple),
            ("narrow", self.narrow),
            ("mask", self.mask),
            ("keys", self.keys),
            ("tuple", self.tuple_),
            ("nested", self.nested),
        ):
            if self.has(name) and self.chance(75):
                start()

    def everything(self) -> str:
        """A result with all that has a value here."""
        parts = []
        for name, kind in self.scope.items():
            if kind in WHOLE:
                parts.append(name)
            elif kind == "record":
                whole = [name] if name.startswith("pair") else [f"{name}.n", f"{name}.x"]
                parts += self.pick([[f"{name}.n", f"{name}.x"], whole])
            elif kind == "box":
                parts += [f"{name}.n", f"{name}.x"]
            elif kind == "tree":
                parts += [f"{name}['rows']", f"{name}['in']", f"{name}['box'].n"]
            elif kind in ("list", "floats"):
                total = self.sum_of(name) if kind == "floats" else f"sum({name})"
                parts += self.pick([[f"len({name})", total], [name]])
            elif kind == "maybe":
                parts.append(self.pick([f"-99 if {name} is None else {name}", name]))
            elif kind == "color":
                parts.append(self.pick([f"{name} is Color.RED", name]))
        return ", ".join(parts)

    def text(self) -> None:
        names = self.named("text", free=True)
        name = self.pick(names) if names else self.fresh("s")
        form = self.pick([repr(self.pick(MODES)), ""])
        if not form or not names:
            a, b = self.pick(MODES), self.pick(MODES)
            form = f"{a!r} if {self.bool_(1)} else {b!r}"
        self.put(f"{name} = {form}")
        self.bind(name, "text")

    def enum(self) -> None:
        names = self.named("color", free=True)
        name = self.pick(names) if names else self.fresh("e")
        a, b = self.pick(["RED", "BLUE"]), self.pick(["BLUE", "GREEN"])
        form = f"Color.{a}"
        if not names or self.chance(50):
            form = f"Color.{a} if {self.bool_(1)} else Color.{b}"
        self.put(f"{name} = {form}")
        self.bind(name, "color")

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
        """An int on one path, a float on another."""
        names = self.named("number", free=True)
        if names:
            name = self.pick(names)
            sign = self.pick(["=", "+="])
            self.put(f"{name} {sign} {self.pick([self.int_(1), self.float_(1)])}")
            return
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
        if self.chance(30):
            short = self.number(0, 2)
            with self.inside(f"if {self.pick([f'len({name}) > {short}', name])}:"):
                self.put(
                    self.pick([f"{name}.pop()", f"{name}[-1] = {item}", f"{name}[0] += {item}"])
                )
        elif self.has("traps") and self.chance(10):
            self.put(f"{name}.pop()")
        elif self.has("more lists") and self.chance(40):
            self.put(
                self.pick(
                    [
                        f"{name} += [{item}]",
                        f"{name} = {name} + [{item}]",
                        f"{name}.extend([{item}, {item}])",
                        f"{name} = [{item} for _ in range(2)]",
                        f"{name}.insert(0, {item})",
                        f"{name}.clear()",
                        f"{name} = {name}[1:]",
                        f"{name} = {name}[::-1]",
                        f"{name} = list({name})",
                    ]
                )
            )
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
        names = self.named("box")
        if not names:
            name = self.fresh("box")
            maker = self.pick(["Box", "Box.make"])
            self.put(f"{name} = {maker}({self.int_(0)}, {self.float_(0)})")
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
                    f"{name}.x = {name}({self.float_(0)})",
                    f"{name}.n = Box.clip({self.int_(1)})",
                    f"{name}.x -= {name}.half",
                ]
            )
        )

    def record(self) -> None:
        """A NamedTuple or a frozen dataclass: a new one takes the place of the old."""
        names = self.named("record", free=True)
        if not names:
            kind = self.pick(["Pair", "Point"])
            name = self.fresh(kind.lower())
            self.put(f"{name} = {kind}({self.int_(0)}, {self.float_(0)})")
            self.bind(name, "record")
            return
        name = self.pick(names)
        kind = "Pair" if name.startswith("pair") else "Point"
        changed = f"{name}._replace" if kind == "Pair" else f"replace({name}, "
        self.put(
            f"{name} = "
            + self.pick(
                [
                    f"{kind}({self.int_(1)}, {name}.x)",
                    f"{kind}(x={self.float_(1)}, n={name}.n)",
                    f"{changed}{'(' if kind == 'Pair' else ''}n={self.int_(1)})",
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
        self.put(
            self.pick(
                [
                    f"{name}['n'] = {self.int_(1)}",
                    f"{name}['x'] += {self.float_(1)}",
                    f"{name}.update(n={self.int_(1)})",
                ]
            )
        )

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
        if kind in ("reals", "grid") and self.chance(10):
            self.put(f"{name} {self.pick(['+=', '*='])} {self.pick(REALS)}")
        elif kind == "grid" and self.chance(20):
            self.put(f"{name}[{self.index(3)}] {sign} {self.float_(0)}")
        elif kind == "grid":
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

    def mask(self) -> None:
        """A vector of truths, and a write where it holds."""
        vectors = self.named("reals", free=True)
        if not vectors:
            return
        a = self.pick(vectors)
        masks = self.named("mask", free=True)
        if masks and self.chance(50):
            self.put(f"{a}[{self.pick(masks)}] = {self.float_(0)}")
            return
        name = self.pick(masks) if masks else self.fresh("mask")
        self.put(
            self.pick(
                [
                    f"{name} = {a} > {self.pick(REALS)}",
                    f"{name} = ({a} < 1.0) & ({a} > {self.float_(0)})",
                ]
            )
        )
        self.bind(name, "mask")

    def keys(self) -> None:
        """Random numbers from a key that is carried along."""
        names = self.named("key", free=True)
        if not names:
            name = self.fresh("key")
            self.put(f"{name} = jax.random.key({self.number(0, 5)})")
            self.bind(name, "key")
            return
        name, drawn = self.pick(names), self.fresh("f")
        self.put(f"{name}, part = jax.random.split({name})")
        self.put(f"{drawn} = float(jax.random.uniform(part))")
        self.bind(drawn, "float")

    def message(self) -> None:
        """A text with a number in it, printed."""
        name = self.fresh("msg")
        shown = self.pick(self.named("int", "bool", "text"))
        self.put(f"{name} = {self.pick([f'f{chr(39)}<{{{shown}}}>{chr(39)}', f'str({shown})'])}")
        if self.chance(40):
            with self.inside(f"if {self.bool_(1)}:"):
                self.put(f"{name} = 'none'")
        self.put(f"print({name})")

    def tuple_(self) -> None:
        """An int and a float in a tuple that is replaced."""
        names = self.named("pair", free=True)
        name = self.pick(names) if names else self.fresh("tup")
        self.put(f"{name} = {self.int_(1)}, {self.float_(1)}")
        self.bind(name, "pair")

    def nested(self) -> None:
        """Lists in a dict, dicts in a list, an object in a dict."""
        names = self.named("tree")
        if not names:
            name = self.fresh("tree")
            inner = f"'in': {{'n': {self.int_(0)}}}, 'box': Box({self.int_(0)}, {self.float_(0)})"
            self.put(f"{name} = {{'rows': [[{self.int_(0)}, 1], [2, {self.int_(0)}]], {inner}}}")
            self.bind(name, "tree")
            return
        name = self.pick(names)
        self.put(
            self.pick(
                [
                    f"{name}['rows'][{self.number(0, 1)}][{self.index(2)}] = {self.int_(1)}",
                    f"{name}['in']['n'] += {self.int_(1)}",
                    f"{name}['box'].n = {self.int_(1)}",
                    f"{name}['box'].step({self.int_(0)})",
                    f"{name}['in'] = {{'n': {self.int_(1)}}}",
                ]
            )
        )

    def narrow(self) -> None:
        """A number of eight bits: it stays one when a small int is added."""
        names = self.named("byte", free=True)
        if not names:
            vectors = self.named("bytes")
            if vectors:
                name = self.fresh("h")
                self.put(f"{name} = {self.pick(vectors)}[{self.index(self.length)}]")
                self.bind(name, "byte")
            return
        name = self.pick(names)
        other = self.pick(names)
        self.put(
            self.pick([f"{name} = {name} + 1", f"{name} -= 3", f"{name} = {name} // 2 + {other}"])
        )

    def broadcast(self) -> None:
        """A number that becomes a vector in a loop."""
        vectors = self.named("reals")
        if not vectors:
            return
        name, a = self.fresh("r"), self.pick(vectors)
        self.put(f"{name} = 0.0")
        with self.inside(f"for {self.fresh('j')} in range({self.number(1, 3)}):"):
            self.put(f"{name} = {name} * 0.5 + {a}")
        self.bind(name, "reals")
