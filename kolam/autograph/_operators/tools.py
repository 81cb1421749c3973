"""Python's tools for iterators, written in Python: they are converted as the user's code is.

Each gives what the tool of the same name gives, one item at a time.
"""

from collections.abc import Iterator
from typing import Any

MARK = "__kolam_tool__"  # attribute of functions of this library that are converted all the same


class Cursor:
    """What `iter` of a sequence gives: the sequence, and how far it was gone through."""

    def __init__(self, items: Any) -> None:
        self.items = items
        self.position: Any = 0
        self.is_used = False  # whether `next` was called, so that its sequence is gone on with

    def __iter__(self) -> "Cursor":
        return self

    def __next__(self) -> Any:
        if self.position >= len(self.items):
            raise StopIteration
        self.position += 1
        return self.items[self.position - 1]


def rest(cursor: Any) -> Iterator[Any]:
    for _ in cursor.items:  # at the most so often
        if cursor.position >= len(cursor.items):
            break
        item = cursor.items[cursor.position]
        cursor.position += 1
        yield item


def rest_endless(cursor: Any) -> Iterator[Any]:
    while True:
        item = cursor.items.start + cursor.position * cursor.items.step
        cursor.position += 1
        yield item


def next_endless(cursor: Any) -> Any:
    item = cursor.items.start + cursor.position * cursor.items.step
    cursor.position += 1
    return item


def next_of(cursor: Any) -> Any:
    if cursor.position >= len(cursor.items):
        raise StopIteration
    item = cursor.items[cursor.position]
    cursor.position += 1
    return item


def next_or(cursor: Any, default: Any) -> Any:
    if cursor.position < len(cursor.items):
        item = cursor.items[cursor.position]
        cursor.position += 1
        return item
    return default


def listed(items: Any) -> list[Any]:
    found = []
    for item in items:
        found.append(item)
    return found


def summed(items: Any, start: Any) -> Any:
    for item in items:
        start = start + item
    return start


def any_of(items: Any) -> Any:
    for item in items:  # noqa: SIM110 - the loop is what is converted
        if item:
            return True
    return False


def all_of(items: Any) -> Any:
    for item in items:  # noqa: SIM110 - the loop is what is converted
        if not item:
            return False
    return True


def holds(wanted: Any, items: Any) -> Any:
    for item in items:  # noqa: SIM110 - the loop is what is converted
        if item == wanted:
            return True
    return False


def first(items: Any) -> Any:
    for item in items:
        return item
    raise StopIteration


def first_or(items: Any, default: Any) -> Any:
    for item in items:
        return item
    return default


def reduced(function: Any, items: Any) -> Any:
    is_first = True
    for item in items:
        if is_first:
            found = item
            is_first = False
        else:
            found = function(found, item)
    if is_first:
        raise TypeError("reduce() of empty iterable with no initial value")
    return found


def reduced_from(function: Any, items: Any, start: Any) -> Any:
    for item in items:
        start = function(start, item)
    return start


def best_of(choose: Any, items: Any, empty: str) -> Any:
    is_first = True
    for item in items:
        if is_first:
            found = item
            is_first = False
        else:
            found = choose(found, item)
    if is_first:
        raise ValueError(empty)
    return found


def best_or(choose: Any, items: Any, default: Any) -> Any:
    is_first = True
    found = default
    for item in items:
        if is_first:
            found = item
            is_first = False
        else:
            found = choose(found, item)
    return found


def numbered(items: Any, number: Any) -> Iterator[Any]:
    for item in items:
        yield number, item
        number = number + 1


def mapped(function: Any, items: Any) -> Iterator[Any]:
    for item in items:
        yield function(item)


def mapped_together(function: Any, items: Any) -> Iterator[Any]:
    for group in items:
        yield function(*group)


def kept(test: Any, items: Any) -> Iterator[Any]:
    for item in items:
        if test(item):
            yield item


def kept_true(items: Any) -> Iterator[Any]:
    for item in items:
        if item:
            yield item


def kept_false(test: Any, items: Any) -> Iterator[Any]:
    for item in items:
        if not test(item):
            yield item


def takewhile(test: Any, items: Any) -> Iterator[Any]:
    for item in items:
        if not test(item):
            break
        yield item


def dropwhile(test: Any, items: Any) -> Iterator[Any]:
    drops = True
    for item in items:
        if drops:
            drops = test(item)
        if not drops:
            yield item


def accumulated(function: Any, items: Any) -> Iterator[Any]:
    is_first = True
    for item in items:
        if is_first:
            found = item
            is_first = False
        else:
            found = function(found, item)
        yield found


def accumulated_from(function: Any, items: Any, start: Any) -> Iterator[Any]:
    yield start
    for item in items:
        start = function(start, item)
        yield start


def compressed(items: Any, wanted: Any) -> Iterator[Any]:
    for item, is_wanted in zip(items, wanted, strict=False):
        if is_wanted:
            yield item


def neighbours(items: Any) -> Iterator[Any]:
    before = None
    for item in items:
        if before is not None:
            yield before[0], item
        before = (item,)


def chained(groups: Any) -> Iterator[Any]:
    for group in groups:
        yield from group


def sliced(items: Any, start: Any, stop: Any, step: Any) -> Iterator[Any]:
    number = 0
    if stop > 0:
        for item in items:
            if number >= start and (number - start) % step == 0:
                yield item
            number += 1
            if number >= stop:
                break


def counted_left(items: Any, number: Any, step: Any) -> Iterator[Any]:
    for item in items:
        yield item, number
        number = number + step


def counted_right(items: Any, number: Any, step: Any) -> Iterator[Any]:
    for item in items:
        yield number, item
        number = number + step


def zipped_left(items: Any, cursor: Any) -> Iterator[Any]:
    for item in items:
        if cursor.position >= len(cursor.items):
            break
        other = cursor.items[cursor.position]
        cursor.position += 1
        yield item, other


def zipped_right(items: Any, cursor: Any) -> Iterator[Any]:
    for item in items:
        if cursor.position >= len(cursor.items):
            break
        other = cursor.items[cursor.position]
        cursor.position += 1
        yield other, item


for _tool in list(vars().values()):
    if getattr(_tool, "__module__", "") == __name__ and not isinstance(_tool, type):
        setattr(_tool, MARK, True)
