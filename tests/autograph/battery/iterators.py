"""Generators, iterators and the tools of `itertools`, where data decide what they give."""

# mypy: ignore-errors

import functools
import itertools

import numpy as np

import kolam as kl
from tests.autograph.battery.conftest import program

X = np.array([3.0, -1.0, 4.0, 1.0, -5.0], np.float32)
I = np.array([4, 1, 3, 1, 2], np.int32)
LONG = np.linspace(-1.0, 2.0, 1000, dtype=np.float32)


def positives(v):
    for a in v:
        if a > 0:
            yield a


def doubled(v):
    for a in v:
        yield a * 2


def fibonacci():
    a, b = 0, 1
    while True:
        yield a
        a, b = b, a + b


def halvings(n):
    while n > 1:
        yield n
        n = n // 2 if n % 2 == 0 else 3 * n + 1
    yield 1


@program((X,), (-X,), (LONG,), grad=(0,))
def generator_in_a_loop(v):
    s = 0.0
    for p in positives(v):
        s += p * p
    return s


@program((X,), (-X,), (X * 0,))
def generator_consumed(v):
    return (
        list(positives(v)),
        sum(positives(v)),
        any(p > 3 for p in positives(v)),
        max(positives(v), default=-1.0),
        sorted(positives(v)),
        [p + 1 for p in positives(v) if p > 1],
        2.0 in doubled(v),
    )


@program((X,), (LONG,))
def generator_left(v):
    s = 0.0
    for a in doubled(v):
        if a > 3:
            break
        s += a
    else:
        s = -1.0
    return s


@program((X,), (-X,), (LONG,))
def return_from_a_generator_loop(v):
    for number, a in enumerate(positives(v)):
        if number == 1:
            return a
    return -1.0


@program((X,))
def nested_generators(v):
    for a in positives(v):
        for b in doubled(v):
            if b < a:
                return a, b
    return 0.0, 0.0


@program((I,), (I * 0,))
def generator_gone_on_with(v):
    found = positives(v)
    first = next(found, -1)
    s = 0
    for a in found:
        s += a
        if a == 3:
            break
    return first, s, list(found), next(found, None) is None


@program((I,))
def generator_that_writes(v):
    seen = []

    def larger():
        for a in v:
            seen.append(int(a))
            if a > 2:
                yield a

    s = 0
    for a in larger():
        seen.append(-1)
        if a == 3:
            break
        s += a
    return s, seen


@program((I,))
def generator_that_prints(v):
    def larger():
        try:
            for a in v:
                print("give", a)
                if a > 2:
                    yield a
                print("after", a)
        finally:
            print("closed")

    for a in larger():
        print("got", a)
        if a == 3:
            break
    print("end")
    return 0


@program((I,), (-I,), raises=(ValueError,))
def generator_that_raises(v):
    def checked():
        for a in v:
            if a < 0:
                raise ValueError(f"bad {a}")
            yield a

    return sum(checked())


@program((1.0,), (2.0,))
def generator_of_a_tree(x):
    tree = (1, (2, (3, None, None), None), (4, None, None))

    def walk(node):
        if node is None:
            return
        value, left, right = node
        yield from walk(left)
        if value * x > 2:
            yield value * x
        yield from walk(right)

    return list(walk(tree)), sum(walk(tree))


class Larger:
    def __init__(self, items):
        self.items = items

    def __iter__(self):
        for a in self.items:
            if a > 1:
                yield a

    def numbered(self):
        for number, a in enumerate(self.items):
            if a > 1:
                yield number, a


@program((I,), (I - 2,))
def object_that_is_iterated(v):
    s = 0
    for a in Larger(v):
        s = s * 3 + a
    for number, a in Larger(v).numbered():
        s += number * a
    return s, list(Larger(v)), sum(Larger(v))


@program((50,), (3,), (0,))
def endless_generator(n):
    found = 0
    for f in fibonacci():
        if f > n:
            found = f
            break
    return found, next(f for f in fibonacci() if f > n), list(itertools.islice(fibonacci(), 5))


@program((7,), (1,))
def generator_by_a_while(n):
    return sum(halvings(n)), sum(1 for _ in halvings(n)), max(halvings(n))


@program((X,), (-X,))
def best_of_a_generator(v):
    best = None
    for a in positives(v):
        if best is None or a > best:
            best = a
    return best


@program((I,))
def batches_of_a_generator(v):
    def batches():
        batch = []
        for a in v:
            batch.append(a)
            if len(batch) == 2:
                yield batch
                batch = []
        if batch:
            yield batch

    return [sum(batch) for batch in batches()]


@program((I,), (I[::-1].copy(),))
def rises_of_a_generator(v):
    def rises():
        before = None
        for a in v:
            if before is not None and a > before:
                yield before, a
            before = a

    return sum(b - a for a, b in rises()), list(rises())


@program((I,), (I + 10,))
def iterator_left_on_data(v):
    it = iter(v)
    s = 0
    for a in it:
        if a == 3:
            break
        s += a
    return s, sum(it)


@program((3,), (0,), (1,))
def iterator_in_staged_loop(n):
    it = iter([5, 6, 7])
    s = 0
    for _ in range(n):
        s = s * 10 + next(it)
    return s, next(it, -1)


@program((I,))
def tools_by_data(v):
    return (
        list(itertools.accumulate(v, max)),
        list(itertools.accumulate(v)),
        list(itertools.dropwhile(lambda a: a > 3, v)),
        list(itertools.filterfalse(lambda a: a > 2, v)),
        list(itertools.compress(v, v > 1)),
        list(itertools.chain(positives(v - 2), v)),
        list(itertools.pairwise(positives(v - 1))),
        list(zip(positives(v - 1), itertools.count(1))),
        functools.reduce(lambda a, b: a + b if a > b else b, v, 5),
    )


@program((I,))
def mapped_and_filtered(v):
    kept = [a for a in v if a > 1]
    return (
        list(map(lambda a: a * 2 if a > 2 else a, kept)),
        list(filter(lambda a: a > 2, kept)),
        list(map(max, v, v[::-1])),
        sum(map(lambda a: a * a, filter(None, v - 1))),
        dict(zip("ab", map(lambda a: a + 1, v))),
        [*positives(v - 2), 7],
    )


@program((I,), (I + 10,))
def generator_expression_kept(v):
    found = (a * 2 for a in v if a > 1)
    s = 0
    for number, a in enumerate(found):
        s += number * a
    return s


@program((I,), (I[::-1].copy(),))
def next_of_what_is_numbered(v):
    pairs = enumerate(v)
    first, a = next(pairs)
    second, b = next(pairs)
    return first + second, a * b, [x for _, x in pairs], next(pairs, None)


@program((I,), (np.sort(I),))
def zip_left_on_data(v):
    pairs = zip(v, v[1:])
    first = next(pairs)
    s = 0
    for p, q in pairs:
        if p > q:
            break
        s += p * q
    return first, s, list(pairs)


@program((30,), (5,))
def count_gone_on_with(n):
    numbers = itertools.count(5, 2)
    a, s = next(numbers), 0
    for k in numbers:
        s += k
        if s > n:
            break
    return a, s, next(numbers)


@program((5,), (2,))
def next_in_staged_loop(n):
    ids = itertools.count()
    out = []
    for k in range(n):
        kl.autograph.bound(10)
        if k % 2:
            out.append(next(ids))
    return out, next(ids)


@program((I,))
def reversed_in_steps(v):
    back = reversed(v)
    return next(back), list(back), next(back, -1)


@program((I,))
def extremes_of_pairs(v):
    pairs = ((number, a) for number, a in enumerate(v))
    return max(enumerate(v), key=lambda pair: pair[1]), min(pairs, key=lambda pair: pair[1])


@program((9.0,), (0.5,), grad=(0,))
def halvings_of_a_generator(x):
    def steps():
        y = x
        while y > 1:
            yield y
            y = y / 2

    total = 0.0
    for y in steps():
        total += y * y
    return total
