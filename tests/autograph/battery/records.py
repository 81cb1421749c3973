"""Records, enums and texts that programs hand around."""

# mypy: ignore-errors

import enum
from dataclasses import asdict, astuple, dataclass, field
from typing import NamedTuple

import numpy as np

from tests.autograph.battery.conftest import program

X = np.array([3.0, -1.0, 4.0], np.float32)
P = ((3,), (-3,), (0,))
GC = {"a": 1.5, "b": 2.5}


class Dir(enum.Enum):
    N = (0, 1)
    E = (1, 0)
    S = (0, -1)
    W = (-1, 0)

    def right(self):
        order = list(Dir)
        return order[(order.index(self) + 1) % 4]

    @property
    def dx(self):
        return self.value[0]


class Flag(enum.Flag):
    A = 1
    B = 2
    C = 4


class SE(str, enum.Enum):  # noqa: UP042 - as many still write it
    X = "x"
    Y = "y"


@program((np.array([0, 1, 0, 2, 0], np.int32),), (np.array([1, 1, 1, 1, 1], np.int32),))
def robot(cmds):
    d = Dir.N
    x = y = 0
    for cmd in cmds:
        if cmd == 0:
            x += d.value[0]
            y += d.value[1]
        elif cmd == 1:
            d = d.right()
        else:
            d = d.right().right()
    return x, y, d


@program(*P)
def enum_compare(n):
    d = Dir.N if n > 0 else Dir.S
    return d == Dir.N, d != Dir.S, d in (Dir.N, Dir.E), d.dx, d.name, {Dir.N: 10, Dir.S: 20}[d]


@program(*P, may_refuse=True)
def enum_flag(n):
    f = Flag.A
    if n > 0:
        f |= Flag.B
    if n < 0:
        f = Flag.C
    return f, bool(f & Flag.B)


@program(*P)
def str_enum(n):
    s = SE.X if n > 0 else SE.Y
    return s.value, s == "x", s is SE.Y


@program(*P, may_refuse=True)
def enum_by_value(n):
    return SE("x" if n > 0 else "y")


@program((1,), (2,), (4,), may_refuse=True)
def enum_from_int(n):
    try:
        f = Flag(n)
    except ValueError:
        f = None
    return f


@program(*P)
def text_ops(n):
    s = "Hello" if n > 0 else "World" if n < 0 else ""
    return (
        s.lower(),
        s + "!",
        s * 2,
        len(s),
        s[:1],
        "o" in s,
        s.replace("l", "L"),
        bool(s),
        s or "empty",
        s.count("l"),
        s.find("o"),
    )


@program(*P)
def text_format(n):
    s = "pos" if n > 0 else "neg"
    return (
        f"{s:>6}|{n:+d}|{n:03d}",
        f"{s}-{n}",
        s + "=" + str(n),
        s.center(7, "*"),
        s.join(["1", "2"]),
    )


@program(*P, may_refuse=True)
def text_compare(n):
    s = "b" if n > 0 else "d"
    return s < "c", s >= "b", max(s, "c"), sorted([s, "c"]), s != "b"


@program(*P)
def text_split(n):
    s = "a,b" if n > 0 else "c,d"
    a, b = s.split(",")
    return a, b


@program(*P)
def number_text(n):
    return str(n), repr(n), f"{n}", str(n) + "!"


@program((3.5,), (-0.25,))
def float_text(x):
    return f"{x}", f"{x:.3e}", f"{x:8.2f}", str(x)


@program(*P, may_refuse=True)
def text_to_number(n):
    s = "12" if n > 0 else "7"
    return int(s) + n, float(s)


@program(*P)
def text_loop(n):
    s = ""
    for i in range(3):
        if n > i - 1:
            s += "x"
        else:
            s += "y"
    return s


@program(*P)
def text_in_list(n):
    names = []
    if n > 0:
        names.append("a")
    else:
        names.append("b")
    names.append("c")
    return names, "".join(names)


@program(*P)
def text_dict_value(n):
    d = {"state": "idle", "n": 0}
    if n > 0:
        d["state"] = "busy"
        d["n"] += n
    return d, d["state"].upper()


@dataclass
class Job:
    name: str
    cost: float = 1.0
    state: str = "new"
    tags: list = field(default_factory=list)

    def run(self, n):
        if n > 0:
            self.state = "done"
            self.cost *= 2
        return self


@program(*P)
def job(n):
    j = Job("a")
    j.run(n)
    if j.state == "done":
        j.tags.append("fast")
    else:
        j.tags.append("slow")
    return j


@program(*P, may_refuse=True)
def job_dict(n):
    return asdict(Job("a", cost=n).run(n)), astuple(Job("b", n))


@program(*P)
def job_list(n):
    jobs = [Job("a", 3.0), Job("b", 1.0), Job("c", 2.0)]
    for k, j in enumerate(jobs):
        if k < n:
            j.run(1)
    done = [j.name for j in jobs if j.state == "done"]
    return done, sum(j.cost for j in jobs), len(done)


@program(*P)
def job_cheapest(n):
    jobs = [Job("a", 3.0), Job("b", 1.0 + n), Job("c", 2.0)]
    best = jobs[0]
    for j in jobs[1:]:
        if j.cost < best.cost:
            best = j
    return best.name, best.cost


@program(*P)
def job_min(n):
    jobs = [Job("a", 3.0), Job("b", 1.0 + n), Job("c", 2.0)]
    return min(jobs, key=lambda j: j.cost).name


class Pt(NamedTuple):
    x: float
    y: float = 0.0
    label: str = "p"

    def shifted(self, d):
        return self._replace(x=self.x + d) if self.x > 0 else self


@program(*P)
def named(n):
    p = Pt(n * 1.0).shifted(2.0)
    q = p if p.x > 2 else Pt(0.0, label="zero")
    return q, q._asdict(), q.label, q == p, p[0], len(p)


class Temp:
    def __init__(self, v):
        self.v = v

    def __repr__(self):
        return f"Temp({self.v})"

    def __eq__(self, o):
        return isinstance(o, Temp) and self.v == o.v

    def __hash__(self):
        return 1


@program(*P)
def with_repr(n):
    t = Temp(n)
    print(t, [t], f"{t}")
    return t.v


@program(*P)
def eq_user(n):
    return (1 if Temp(n) == Temp(3) else 0), Temp(1) == Temp(1)


@program(*P)
def getattr_dyn(n):
    t = Temp(n)
    name = "v" if n is not None else "w"
    return getattr(t, name), getattr(t, "zzz", 5), hasattr(t, "v")


@program(*P, may_refuse=True)
def getattr_data(n):
    class A:
        x = 1
        y = 2

    return getattr(A, "x" if n > 0 else "y")


@program(*P)
def optional_chain(n):
    cfg = {"a": {"b": n}} if n is not None else {}
    v = cfg.get("a", {}).get("b")
    w = cfg.get("zz", {}).get("b")
    return v if v else -1, w


@program(*P)
def walrus_many(n):
    if (a := n * 2) > 4 and (b := a + 1) < 100:
        return a, b
    return a, -1


@program(*P)
def lambda_rec(n):
    fact = lambda k: 1 if k <= 1 else k * fact(k - 1)
    return fact(4) * n


@program(*P)
def star_args(n):
    def f(*a, k=1):
        return sum(a) * k if n > 0 else len(a)

    return f(*[1, 2], *(3,), k=n), f(*range(3))


@program(*P)
def slices_obj(n):
    s = slice(0, 2)
    l = [n, 1, 2]
    return l[s], l[-1:], X[s].sum() * n


@program(*P)
def global_const_branch(n):
    return GC["a"] if n > 0 else GC["b"]


@program(*P)
def numeric_mix(n):
    a = n
    b = n / 2
    c_ = n // 2
    d = n % 2
    e = n**2
    f = -n
    g = n * 0.5
    return a + b, c_ + d, e - f, g * 2, a / (abs(b) + 1), round(b), int(b), b // 1, b % 1


@program(*P)
def chain_none(n):
    best = None
    prev = None
    for v in (n, n + 1, n - 1):
        if prev is None:
            prev = v
            continue
        d = v - prev
        if best is None:
            best = d
        elif d > best:
            best = d
        prev = v
    return best


@program(*P)
def while_with_flags(n):
    done = False
    k = 0
    why = "none"
    while not done:
        k += 1
        if k > n + 3:
            done = True
            why = "big"
        elif k * k == 4:
            done = True
            why = "four"
    return k, why, done


@program(*P)
def matrix_of_text(n):
    grid = [["." for _ in range(3)] for _ in range(2)]
    if n > 0:
        grid[0][1] = "#"
    grid[1][2] = "@" if n < 0 else "*"
    return ["".join(r) for r in grid]
