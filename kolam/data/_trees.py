"""Trees of arrays whose dicts keep their order; JAX's own sort their keys."""

from collections.abc import Callable
from typing import Any

import numpy as np

Tree = Any  # a pytree of arrays: dict, tuple or list of such, or one array


def map_tree(fn: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """Apply `fn` to the leaves of `tree` and to those at the same places of `others`."""
    if not others and type(tree) is dict:  # rows of a table: this is called for every batch
        return {
            key: fn(leaf) if type(leaf) is np.ndarray else map_tree(fn, leaf)
            for key, leaf in tree.items()
        }
    if isinstance(tree, dict):
        return {key: map_tree(fn, tree[key], *(other[key] for other in others)) for key in tree}
    if isinstance(tree, list | tuple):
        parts = [map_tree(fn, *same) for same in zip(tree, *others, strict=True)]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return None if tree is None else fn(tree, *others)


def leaves(tree: Tree) -> list[Any]:
    """Give the leaves in their order."""
    found: list[Any] = []
    map_tree(found.append, tree)
    return found


def map_values(fn: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """Apply `fn` as `map_tree` does, but to None as well: a missing value of an element."""
    if isinstance(tree, dict):
        return {key: map_values(fn, tree[key], *(other[key] for other in others)) for key in tree}
    if isinstance(tree, list | tuple):
        parts = [map_values(fn, *same) for same in zip(tree, *others, strict=True)]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return fn(tree, *others)


def unstacked(tree: Tree, count: int) -> list[Tree]:
    """Give the `count` trees that are stacked along the first axes of the leaves, as views."""
    if tree is None:
        return [None] * count
    if not isinstance(tree, dict | list | tuple):
        return list(tree)
    if not tree:
        return [type(tree)() for _ in range(count)]
    parts = tree.values() if isinstance(tree, dict) else tree
    rows = zip(*(unstacked(part, count) for part in parts), strict=True)
    if isinstance(tree, dict):
        return [dict(zip(tree, row, strict=True)) for row in rows]
    if hasattr(tree, "_fields"):
        return [type(tree)(*row) for row in rows]
    return list(map(type(tree), rows))


def map_named(fn: Callable[[str, Any], Any], tree: Tree, name: str = "") -> Tree:
    """Apply `fn` to name and value of every leaf; names are such as ``['x'][0]``."""
    if isinstance(tree, dict):
        return {key: map_named(fn, value, f"{name}[{key!r}]") for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        parts = [map_named(fn, value, f"{name}[{place}]") for place, value in enumerate(tree)]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return None if tree is None else fn(name, tree)


def same_structure(one: Tree, other: Tree) -> bool:
    """Whether two trees have the same keys and lengths; the order of keys does not count."""
    if isinstance(one, dict):
        is_same = isinstance(other, dict) and one.keys() == other.keys()
        return is_same and all(same_structure(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        is_same = isinstance(other, list | tuple) and len(one) == len(other)
        is_same = is_same and isinstance(one, list) == isinstance(other, list)
        return is_same and all(map(same_structure, one, other))
    return not isinstance(other, dict | list | tuple)


def outline(tree: Tree) -> str:
    """Give the structure of a tree as text, such as ``{'x': ·, 'y': (·, ·)}``."""
    if isinstance(tree, dict):
        return (
            "{" + ", ".join(f"{key!r}: {outline(tree[key])}" for key in sorted(tree, key=str)) + "}"
        )
    if isinstance(tree, list | tuple):
        left, right = "[]" if isinstance(tree, list) else "()"
        return left + ", ".join(map(outline, tree)) + right
    return "·"
