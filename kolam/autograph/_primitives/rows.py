"""Rows of things of which some are marked."""

from collections.abc import Sequence
from typing import Any


def chosen(items: Sequence[Any], marks: Sequence[bool]) -> list[Any]:
    """Choose the items that are marked."""
    return [item for item, mark in zip(items, marks, strict=True) if mark]


def joined(marks: Sequence[bool], marked: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Undo a choice: put the marked items and the others back in one row."""
    left, right = iter(marked), iter(others)
    return [next(left) if mark else next(right) for mark in marks]
