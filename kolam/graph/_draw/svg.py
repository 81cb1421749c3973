"""Diagrams as SVG: boxes with text, arrows between them."""

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement

from kolam.graph._draw.diagram import Box, Diagram
from kolam.graph._draw.layout import Placed, place

# widths of one letter of the fixed-width fonts below, in pixels, a little on the safe side
_TITLE_LETTER, _ROW_LETTER = 7.9, 6.7
_TITLE_LETTERS, _ROW_LETTERS = 31, 37  # so that a box fits a screen of 320 pixels
_TITLE_HEIGHT, _ROW_HEIGHT = 17.0, 15.0
_PADDING = 10.0
_BAR = 4.0
_LEAST_WIDTH = 88.0
_TITLE_LINES, _ROWS = 3, 6


def picture(
    diagram: Diagram, *, label: str, name: str, anchors: Mapping[str, str] | None = None
) -> Element:
    """Draw a diagram.

    Args:
        diagram: What to draw.
        label: What the picture shows, for those who do not see it.
        name: Unique in the page.
        anchors: Where a box leads, by its `link`.

    Returns:
        An `svg` element.
    """
    texts = {box.key: _lines(box) for box in diagram.boxes}
    sizes = {box.key: _size(*texts[box.key]) for box in diagram.boxes}
    placed = place(sizes, diagram.arrows)
    width, height = placed.width + 2, placed.height + 2
    svg = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"-1 -1 {width:.0f} {height:.0f}",
            "width": f"{width:.0f}",
            "height": f"{height:.0f}",
            "style": f"--width: {width:.0f}px",
            "role": "group",
            "aria-label": label,
            "class": "graph",
        },
    )
    _draw_arrows(svg, placed, name)
    for box in diagram.boxes:
        _draw_box(svg, box, placed.boxes[box.key], texts[box.key], (anchors or {}).get(box.link))
    return svg


def _lines(box: Box) -> tuple[list[str], list[str]]:
    title = _wrap(box.title, _TITLE_LETTERS)
    if len(title) > _TITLE_LINES:
        rest = "".join(title[_TITLE_LINES - 1 :])
        title = [*title[: _TITLE_LINES - 1], _cut(rest, _TITLE_LETTERS)]
    title = [line.strip() for line in title]
    rows = [_cut(row, _ROW_LETTERS) for row in box.rows]
    if len(rows) > _ROWS:
        rows = [*rows[: _ROWS - 1], f"and {len(rows) - _ROWS + 1} more"]
    return title, rows


def _wrap(text: str, letters: int) -> list[str]:
    """Break a line of code where it may be broken: behind spaces, commas and brackets."""
    lines = [""]
    for piece in re.findall(r".*?[\s,(\[.=]+|.+$", text):
        if lines[-1] and len((lines[-1] + piece).rstrip()) > letters:
            lines.append("")
        lines[-1] += piece
    return lines


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _size(title: list[str], rows: list[str]) -> tuple[float, float]:
    letters = [len(line) * _TITLE_LETTER for line in title]
    letters += [len(row) * _ROW_LETTER for row in rows]
    width = max(_LEAST_WIDTH, max(letters) + 2 * _PADDING + _BAR)
    return width, len(title) * _TITLE_HEIGHT + len(rows) * _ROW_HEIGHT + 1.4 * _PADDING


def _draw_arrows(svg: Element, placed: Placed, name: str) -> None:
    marker = SubElement(
        SubElement(svg, "defs"),
        "marker",
        {
            "id": f"{name}-head",
            "viewBox": "0 0 8 8",
            "refX": "7",
            "refY": "4",
            "markerWidth": "7",
            "markerHeight": "7",
            "orient": "auto",
        },
    )
    SubElement(marker, "path", {"d": "M0 0 L8 4 L0 8 z", "class": "head"})
    group = SubElement(svg, "g", {"class": "arrows", "aria-hidden": "true"})
    for points in placed.arrows.values():
        SubElement(group, "path", {"d": _path(points), "marker-end": f"url(#{name}-head)"})


def _path(points: tuple[tuple[float, float], ...]) -> str:
    (x, y), *others = points
    parts = [f"M{x:.1f} {y:.1f}"]
    for right, below in others:
        if abs(right - x) < 0.5:
            parts.append(f"L{right:.1f} {below:.1f}")
        else:
            half = (y + below) / 2
            parts.append(f"C{x:.1f} {half:.1f} {right:.1f} {half:.1f} {right:.1f} {below:.1f}")
        x, y = right, below
    return " ".join(parts)


def _draw_box(
    svg: Element,
    box: Box,
    frame: tuple[float, float, float, float],
    texts: tuple[list[str], list[str]],
    anchor: str | None,
) -> None:
    left, top, width, height = frame
    parent = svg
    if anchor is not None:
        parent = SubElement(svg, "a", {"href": f"#{anchor}", "class": "opens"})
    group = SubElement(
        parent, "g", {"class": f"box {box.kind}", "transform": f"translate({left:.1f} {top:.1f})"}
    )
    SubElement(group, "title").text = box.tip or " ".join([box.title, *box.rows])
    radius = f"{height / 2:.1f}" if box.kind in ("input", "output") else "5"
    size = {"width": f"{width:.1f}", "height": f"{height:.1f}"}
    SubElement(group, "rect", {**size, "rx": radius, "class": "frame"})
    if box.kind not in ("input", "output"):
        bar = {"x": "0", "y": "5", "width": f"{_BAR:.0f}", "height": f"{height - 10:.1f}"}
        SubElement(group, "rect", {**bar, "class": "bar"})
    title, rows = texts
    y = 0.7 * _PADDING
    for line in title:
        y += _TITLE_HEIGHT
        _text(group, line, "title", width, y - 4)
    for row in rows:
        y += _ROW_HEIGHT
        _text(group, row, "row", width, y - 4)


def _text(group: Element, text: str, kind: str, width: float, y: float) -> None:
    where = {"x": f"{width / 2:.1f}", "y": f"{y:.1f}", "class": kind}
    SubElement(group, "text", where).text = text
