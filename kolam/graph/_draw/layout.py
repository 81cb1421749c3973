"""Boxes in layers, arrows downwards: where everything goes.

The method is Sugiyama's: layers by the longest way from the top, long arrows cut into pieces, an
order within each layer that lets few arrows cross, and places that keep arrows straight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

_GAP_X, _GAP_Y = 20.0, 34.0
_BEND_WIDTH = 8.0  # of a piece of a long arrow, which is a point on its way
_SWEEPS = 12


@dataclass(frozen=True, slots=True)
class Placed:
    """A layout.

    Attributes:
        width: Of the whole.
        height: Of the whole.
        boxes: Left, top, width and height by key.
        arrows: Points from the bottom of one box to the top of another, by their keys.
    """

    width: float
    height: float
    boxes: Mapping[str, tuple[float, float, float, float]]
    arrows: Mapping[tuple[str, str], tuple[tuple[float, float], ...]]


def place(sizes: Mapping[str, tuple[float, float]], arrows: Sequence[tuple[str, str]]) -> Placed:
    """Find a place for every box.

    Args:
        sizes: Width and height of each box, by key, in an order that arrows follow.
        arrows: Pairs of keys; no way leads back.

    Returns:
        The layout; the same for the same arguments.
    """
    layer = _layers(list(sizes), arrows)
    widths = {key: size[0] for key, size in sizes.items()}
    chains = _cut(layer, arrows, widths)
    rows = _rows(layer)
    links = [pair for chain in chains.values() for pair in pairwise(chain)]
    _order(rows, links)
    centres = _centres(rows, links, widths)
    tops, bottoms = _heights(rows, sizes)
    left = min((centres[key] - widths[key] / 2 for key in centres), default=0.0)
    right = max((centres[key] + widths[key] / 2 for key in centres), default=0.0)
    boxes = {
        key: (centres[key] - width / 2 - left, tops[layer[key]], width, height)
        for key, (width, height) in sizes.items()
    }
    ways = {
        pair: tuple(_points(chain, boxes, centres, left, tops, bottoms, layer))
        for pair, chain in chains.items()
    }
    return Placed(right - left, bottoms[-1] if bottoms else 0.0, boxes, ways)


def _layers(keys: Sequence[str], arrows: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Give each box a layer below all that lead to it; sources stand close to what they feed."""
    before: dict[str, list[str]] = {key: [] for key in keys}
    after: dict[str, list[str]] = {key: [] for key in keys}
    for source, target in arrows:
        before[target].append(source)
        after[source].append(target)
    layer: dict[str, int] = {}
    pending = {key: len(before[key]) for key in keys}
    ready = [key for key in keys if not pending[key]]
    while ready:
        key = ready.pop(0)
        layer[key] = max((layer[item] + 1 for item in before[key]), default=0)
        for item in after[key]:
            pending[item] -= 1
            if not pending[item]:
                ready.append(item)
    for key in keys:
        if not before[key] and after[key]:
            layer[key] = min(layer[item] for item in after[key]) - 1
    lowest = min(layer.values(), default=0)
    return {key: number - lowest for key, number in layer.items()}


def _cut(
    layer: dict[str, int], arrows: Sequence[tuple[str, str]], widths: dict[str, float]
) -> dict[tuple[str, str], list[str]]:
    """Give the way of each arrow through all layers, with a bend in each layer between."""
    chains = {}
    for source, target in dict.fromkeys(arrows):
        bends = [
            f"{source}\0{target}\0{number}" for number in range(layer[source] + 1, layer[target])
        ]
        for number, bend in enumerate(bends, start=layer[source] + 1):
            layer[bend], widths[bend] = number, _BEND_WIDTH
        chains[source, target] = [source, *bends, target]
    return chains


def _rows(layer: Mapping[str, int]) -> list[list[str]]:
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for key, number in layer.items():
        rows[number].append(key)
    return rows


def _order(rows: list[list[str]], links: Sequence[tuple[str, str]]) -> None:
    """Sort each layer so that few arrows cross: by the mean place of neighbours, to and fro."""
    up, down = _neighbours(links)
    best, fewest = [list(row) for row in rows], _crossings(rows, down)
    for sweep in range(_SWEEPS):
        is_downward = sweep % 2 == 0
        sides = up if is_downward else down
        order = range(1, len(rows)) if is_downward else range(len(rows) - 2, -1, -1)
        for number in order:
            place = _places(rows[number - 1] if is_downward else rows[number + 1])
            _sort_row(rows[number], sides, place)
        crossings = _crossings(rows, down)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    rows[:] = best


def _sort_row(row: list[str], sides: Mapping[str, list[str]], place: Mapping[str, int]) -> None:
    own = _places(row)

    def mean(key: str) -> float:
        found = [place[item] for item in sides.get(key, ()) if item in place]
        return sum(found) / len(found) if found else float(own[key])

    row.sort(key=lambda key: (mean(key), own[key]))


def _places(row: Sequence[str]) -> dict[str, int]:
    return {key: number for number, key in enumerate(row)}


def _neighbours(
    links: Sequence[tuple[str, str]],
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    up: dict[str, list[str]] = {}
    down: dict[str, list[str]] = {}
    for source, target in links:
        up.setdefault(target, []).append(source)
        down.setdefault(source, []).append(target)
    return up, down


def _crossings(rows: Sequence[Sequence[str]], down: Mapping[str, Sequence[str]]) -> int:
    count = 0
    for upper, lower in pairwise(rows):
        place = _places(lower)
        ends = [place[item] for key in upper for item in sorted(down.get(key, ()), key=place.get)]  # type: ignore[arg-type]  # every key is placed
        count += sum(
            1 for i, first in enumerate(ends) for second in ends[i + 1 :] if second < first
        )
    return count


def _centres(
    rows: Sequence[Sequence[str]], links: Sequence[tuple[str, str]], widths: Mapping[str, float]
) -> dict[str, float]:
    """Give each box a place in its row: near the middle of its neighbours, never on another."""
    up, down = _neighbours(links)
    centres: dict[str, float] = {}
    for row in rows:
        total = sum(widths[key] for key in row) + _GAP_X * (len(row) - 1)
        x = -total / 2
        for key in row:
            centres[key] = x + widths[key] / 2
            x += widths[key] + _GAP_X
    for sweep in range(_SWEEPS):
        is_downward = sweep % 2 == 0
        for row in rows if is_downward else reversed(rows):
            sides = up if is_downward else down
            wanted = [_middle([centres[item] for item in sides.get(key, ())]) for key in row]
            _settle(row, wanted, centres, widths)
    return centres


def _middle(places: Sequence[float]) -> float | None:
    if not places:
        return None
    ordered = sorted(places)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _settle(
    row: Sequence[str],
    wanted: Sequence[float | None],
    centres: dict[str, float],
    widths: Mapping[str, float],
) -> None:
    """Move a row to where it wants to be, as near as its order and gaps allow."""
    aims = [centres[key] if aim is None else aim for key, aim in zip(row, wanted, strict=True)]
    offsets, x = [], 0.0
    for index, key in enumerate(row):
        if index:
            x += (widths[row[index - 1]] + widths[key]) / 2 + _GAP_X
        offsets.append(x)
    # blocks of boxes that touch move as one, to the mean of what they want (isotonic regression)
    blocks: list[tuple[float, int]] = []
    for aim, offset in zip(aims, offsets, strict=True):
        mean, count = aim - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, size = blocks.pop()
            mean = (mean * count + other * size) / (count + size)
            count += size
        blocks.append((mean, count))
    start = [mean for mean, count in blocks for _ in range(count)]
    for key, base, offset in zip(row, start, offsets, strict=True):
        centres[key] = base + offset


def _heights(
    rows: Sequence[Sequence[str]], sizes: Mapping[str, tuple[float, float]]
) -> tuple[list[float], list[float]]:
    tops, bottoms, y = [], [], 0.0
    for row in rows:
        tops.append(y)
        y += max((sizes[key][1] for key in row if key in sizes), default=0.0)
        bottoms.append(y)
        y += _GAP_Y
    return tops, bottoms


def _points(
    chain: Sequence[str],
    boxes: Mapping[str, tuple[float, float, float, float]],
    centres: Mapping[str, float],
    left: float,
    tops: Sequence[float],
    bottoms: Sequence[float],
    layer: Mapping[str, int],
) -> list[tuple[float, float]]:
    first, last = boxes[chain[0]], boxes[chain[-1]]
    points = [(first[0] + first[2] / 2, first[1] + first[3])]
    for bend in chain[1:-1]:
        x, number = centres[bend] - left, layer[bend]
        points += [(x, tops[number]), (x, bottoms[number])]
    return [*points, (last[0] + last[2] / 2, last[1])]
