"""Objects, dataclasses, named tuples, dicts: state that programs carry around."""

# mypy: ignore-errors

import dataclasses
import functools
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tests.autograph.battery.conftest import program


class InsufficientFunds(Exception):
    pass


class Account:
    def __init__(self, balance):
        self.balance = balance
        self.fees = 0

    def withdraw(self, amount):
        if amount <= 0:
            raise ValueError("the amount must be positive")
        if amount > self.balance:
            raise InsufficientFunds(f"only {self.balance} left")
        self.balance -= amount
        if amount > 50:
            self.fees += 1

    @property
    def is_empty(self):
        return self.balance == 0


@program((100, [10, 60]), (60, [60, 0]), (60, [50, 20]), raises=(ValueError, InsufficientFunds))
def bank_account(start, amounts):
    account = Account(start)
    for amount in amounts:
        account.withdraw(amount)
    return account.balance, account.fees, account.is_empty


class Counter:
    def __init__(self):
        self.count = 0

    def __call__(self, x):
        if x > 0:
            self.count += 1
        return self.count


@program((np.array([1, -1, 2, 0], np.int32),), (np.zeros(4, np.int32),), vmap=True)
def callable_object(values):
    counter = Counter()
    for v in values:
        last = counter(v)
    return last, counter.count


class Particle(NamedTuple):
    x: float
    v: float
    alive: bool


@program((1.0, 0.5, 10), (0.2, -0.5, 10), (0.0, 0.0, 0), vmap=True)
def named_tuple_state(x, v, steps):
    p = Particle(x, v, True)
    for _ in range(steps):
        if p.x < 0:
            p = p._replace(alive=False, v=0.0)
        else:
            p = Particle(p.x + 0.1 * p.v, p.v - 0.05, p.alive)
    return p


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    @property
    def width(self):
        return self.high - self.low

    def halve(self, keep_left):
        middle = (self.low + self.high) / 2
        if keep_left:
            return Interval(self.low, middle)
        return replace(self, low=middle)


@program((2.0,), (7.0,), vmap=True)
def frozen_dataclass(target):
    interval = Interval(0.0, 8.0)
    while interval.width > 0.5:
        middle = (interval.low + interval.high) / 2
        interval = interval.halve(middle * middle > target)
    return interval.low


@dataclass
class Adam:
    rate: float = 0.1
    steps: int = 0
    m: float = 0.0
    v: float = 0.0

    def update(self, w, g):
        self.steps += 1
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.99 * self.v + 0.01 * g * g
        m = self.m / (1 - 0.9**self.steps)
        v = self.v / (1 - 0.99**self.steps)
        return w - self.rate * m / (v**0.5 + 1e-8)


@program((3.0, 40), (-1.0, 5), (0.5, 0), vmap=True)
def adam_in_a_dataclass(w, most):
    adam = Adam()
    for _ in range(most):
        g = 2 * (w - 1)
        if abs(g) < 0.05:
            break
        w = adam.update(w, g)
    return w, adam.steps


@program((1.0, 3), (2.0, 0), vmap=True)
def dict_state(x, steps):
    state = {"position": x, "count": 0}
    for _ in range(steps):
        state["position"] = state["position"] * 0.5
        state["count"] += 1
        if state["position"] < 0.3:
            state["position"] = 1.0
    return state


class Stack:
    def __init__(self, size):
        self.items = [0] * size
        self.top = 0

    def push(self, x):
        self.items[self.top] = x
        self.top += 1

    def pop(self):
        if self.top == 0:
            raise IndexError("pop from an empty stack")
        self.top -= 1
        return self.items[self.top]


ADD, MULTIPLY = -1, -2


@program(
    ([2, 3, ADD, 4, MULTIPLY],),
    ([2, 3, 4, MULTIPLY, ADD],),
    ([2, ADD, 3, 4, ADD],),
    raises=(IndexError,),
    vmap=True,
)
def postfix_calculator(codes):
    stack = Stack(6)
    for code in codes:
        if code == ADD:
            stack.push(stack.pop() + stack.pop())
        elif code == MULTIPLY:
            stack.push(stack.pop() * stack.pop())
        else:
            stack.push(code)
    return stack.pop()


class Shape:
    sides = 0

    @classmethod
    def of(cls, size):
        shape = cls()
        shape.size = size
        return shape

    @staticmethod
    def clip(x):
        return x if x > 0 else 0.0

    def area(self):
        raise NotImplementedError


class Square(Shape):
    sides = 4

    def area(self):
        return self.clip(self.size) ** 2


class Circle(Shape):
    def area(self):
        return 3.0 * self.clip(self.size) ** 2


@program((2.0, 1), (-2.0, 1), (3.0, 0), grad=0, vmap=True)
def classes_and_inheritance(size, which):
    if which == 1:
        return Square.of(size).area()
    return Circle.of(size).area()


@jax.tree_util.register_dataclass
@dataclass
class Layer:
    w: jax.Array
    b: jax.Array

    def __call__(self, x):
        y = x @ self.w + self.b
        if jnp.max(y) > 1.0:
            y = y / jnp.max(y)
        return y


LAYERS = [Layer(jnp.eye(2) * k, jnp.full(2, 0.1 * k)) for k in (1.0, 2.0)]


@program((LAYERS, jnp.array([0.5, 0.2])), (LAYERS, jnp.array([-0.5, -3.0])), grad=(0, 1), vmap=True)
def pytree_dataclass_layers(layers, x):
    for layer in layers:
        x = layer(x)
    return jnp.sum(x)


class Running:
    def __init__(self):
        self.n = 0
        self.mean = 0.0
        self.m2 = 0.0

    def add(self, x):
        self.n += 1
        delta = x - self.mean
        self.mean += delta / self.n
        self.m2 += delta * (x - self.mean)

    @property
    def variance(self):
        return self.m2 / (self.n - 1) if self.n > 1 else 0.0


@program(
    (jnp.array([1.0, 4.0, -2.0, 8.0]), 0.0),
    (jnp.array([-1.0, -4.0, -2.0, 8.0]), 0.0),
    grad=0,
)
def running_variance(values, floor):
    stats = Running()
    for v in values:
        if v > floor:
            stats.add(v)
    return stats.variance


@dataclass
class Machine:
    registers: list = field(default_factory=lambda: [0, 0, 0])
    pc: int = 0


PROGRAM = np.array([[0, 0, 5], [0, 1, 0], [1, 1, 0], [2, 0, 1], [3, 0, 2], [4, 0, 0]], np.int32)


@program((PROGRAM, 40), (PROGRAM, 3))
def register_machine(code, most):
    machine = Machine()
    for _ in range(most):
        op, a, b = code[machine.pc]
        machine.pc += 1
        if op == 0:
            machine.registers[a] = b
        elif op == 1:
            machine.registers[a] += machine.registers[b]
        elif op == 2:
            machine.registers[a] -= b
        elif op == 3:
            if machine.registers[a] > 0:
                machine.pc = b
        else:
            break
    return machine.registers, machine.pc


class Node(NamedTuple):
    left: object
    value: float
    right: object


@program((3.0,), (5.5,), (0.0,), vmap=True)
def tree_of_tuples(wanted):
    tree = Node(Node(None, 2.0, None), 4.0, Node(Node(None, 5.0, None), 6.0, None))

    def nearest(node, best):
        if node is None:
            return best
        if abs(node.value - wanted) < abs(best - wanted):
            best = node.value
        best = nearest(node.left, best)
        return nearest(node.right, best)

    return nearest(tree, 100.0)


@program((5,), (1,))
def static_recursion(x):
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    def power(y, n):
        if n == 0:
            return 1
        half = power(y, n // 2)
        if y > 100:
            half = 1
        return half * half * (y if n % 2 else 1)

    return fib(5) * x + power(x, 5)


def logged(fn):
    @functools.wraps(fn)
    def wrapper(x, *args, **kwargs):
        result = fn(x, *args, **kwargs)
        if x < 0:
            return -result
        return result

    return wrapper


@logged
def scaled(x, factor=2.0):
    if x > 10:
        return x
    return x * factor


@program((3.0,), (-3.0,), (30.0,), grad=0, vmap=True)
def decorated(x):
    triple = functools.partial(scaled, factor=3.0)
    return scaled(x) + triple(x)


class Vector:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __len__(self):
        return 2

    def __getitem__(self, i):
        return (self.x, self.y)[i]

    def __iter__(self):
        yield self.x
        yield self.y


@program((1.0, 2.0), (-1.0, 2.0), grad=(0, 1), vmap=True)
def operators_of_a_class(x, y):
    v = Vector(x, y)
    if x > 0:
        w = v + Vector(1.0, 1.0)
    else:
        w = v
    total = 0.0
    for part in w:
        total = total + part * part
    return total + len(w) + w[0]


@dataclass
class Config:
    rate: float = 0.1
    layers: tuple = (2, 3)
    name: str = "small"


@program((2.0,), (-2.0,), grad=0, vmap=True)
def configuration_object(x):
    config = dataclasses.replace(Config(), rate=0.5)
    for size in config.layers:
        if x > 0:
            x = x * config.rate * size
    return x + (1.0 if config.name == "small" else 0.0)


@program(
    (np.array([2, 0, 1, 2, 9], np.int32),),
    (np.array([0, 0, 0, 0, 0], np.int32),),
    raises=(KeyError,),
)
def dict_look_up_by_data(codes):
    price = {0: 10, 1: 25, 2: 40}
    total = 0
    for code in codes:
        total += price[int(code)]
    return total


@program((2,), (7,), vmap=True)
def dict_get_by_data(code):
    names = {1: 10, 2: 20, 3: 30}
    if code in names:
        return names[code]
    return names.get(code, -1)


@program((np.array([2, 0, 1, 2], np.int32),), (np.array([0, 0, 0, 0], np.int32),))
def counts_in_a_dict(codes):
    counts = {0: 0, 1: 0, 2: 0}
    for code in codes:
        counts[int(code)] += 1
    return counts


@program(
    (np.array([2, 0, 1, 2], np.int32), 1.5), (np.array([1, 1, 1, 1], np.int32), -2.0), vmap=True
)
def lambdas_in_a_list(codes, x):
    functions = [lambda v: v + 1, lambda v: v * 2, lambda v: -v]
    for code in codes:
        x = functions[code](x)
    return x


@program(("double", 2.0), ("negate", 2.0), ("negate", -2.0))
def lambdas_in_a_dict(name, x):
    actions = {"double": lambda v: 2 * v, "negate": lambda v: -v if v > 0 else v}
    return actions[name](x)
