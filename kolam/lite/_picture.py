"""The arena as a picture: which array lies where, and for how long."""

from xml.etree.ElementTree import Element, SubElement, tostring

from kolam.lite._limits import call_text, peak_of
from kolam.lite._schedule import Plan, Scratch, calls_of

_WIDTH, _HEIGHT = 720.0, 360.0
# room for the numbers at the axes, whose letters are large on a narrow screen
_LEFT, _TOP, _RIGHT, _BOTTOM = 116.0, 40.0, 12.0, 60.0
# a box shows its size if it is at least so wide and so high
_TEXT_WIDTH, _TEXT_HEIGHT = 76.0, 20.0
_STYLE = """
.arena { font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
.arena { --paper: #fbfbfa; --ink: #1b1c1e; --soft: #5d6166; --rule: #d9dbde; }
.arena { --box: #bcd4f6; --hot: #2f6fdb; --on-hot: #ffffff; --edge: #fbfbfa; }
@media (prefers-color-scheme: dark) {
  .arena { --paper: #16181b; --ink: #e8e9eb; --soft: #a3a9b0; --rule: #34383d; }
  .arena { --box: #2d4263; --hot: #6ea3ff; --on-hot: #10141a; --edge: #16181b; }
}
.arena .paper { fill: var(--paper); }
.arena .rule { stroke: var(--rule); stroke-width: 1; }
.arena rect.box { fill: var(--box); stroke: var(--edge); stroke-width: 1; }
.arena .peak rect.box { fill: var(--hot); }
.arena text { font-size: 14px; fill: var(--soft); }
.arena .size { fill: var(--ink); text-anchor: middle; dominant-baseline: central; }
.arena .peak .size { fill: var(--on-hot); }
.arena .title { font-size: 15px; fill: var(--ink); font-weight: 600; }
.arena .bytes { text-anchor: end; dominant-baseline: central; }
.arena .call { text-anchor: middle; }
@media (max-width: 540px) {
  .arena text { font-size: 22px; }
  .arena .title { font-size: 25px; }
  .arena .size, .arena .fine { display: none; }
}
"""


def arena_picture(plan: Plan) -> str:
    """Draw the arena as SVG, for light and dark and from 320 pixels upward.

    Every box is an array: its left edge is the call that writes it, its right edge the end of the
    last call that needs it. A fast region lies below the slow one. Arrays in use at the fullest
    call are dark. A pointer that rests on a box shows what made the array.
    """
    calls = calls_of(plan.steps)
    peak, hot = peak_of(plan)
    svg = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "arena",
            "viewBox": f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}",
            "width": "100%",
            "role": "img",
            "aria-label": f"The {plan.arena_bytes:,} bytes of the arena of {plan.name} over "
            f"{len(calls)} calls; the fullest is call {peak + 1}.",
        },
    )
    SubElement(svg, "style").text = _STYLE
    SubElement(svg, "rect", {"class": "paper", "width": "100%", "height": "100%"})
    _text(svg, "title", _LEFT, 24, f"{plan.name}: arena of {_shown(plan.arena_bytes)}")
    scale = _Scale(max(1, len(calls)), max(1, plan.arena_bytes))
    _axes(svg, scale)
    for item in plan.scratch:
        base = 0 if item.region == plan.regions[0][0] else plan.regions[0][1]
        group = SubElement(svg, "g", {"class": "peak"} if item in hot else {})
        SubElement(group, "title").text = (
            f"{item.bytes:,} bytes of {item.region} from {item.offset:,}: "
            f"{call_text(calls[item.first])}; calls {item.first + 1} to {item.last + 1}"
        )
        _box(group, scale, item, base)
    return tostring(svg, encoding="unicode")


class _Scale:
    """Calls and bytes to places in the picture."""

    def __init__(self, calls: int, size: int) -> None:
        self.calls, self.size = calls, size

    def x(self, call: float) -> float:
        return _LEFT + call / self.calls * (_WIDTH - _LEFT - _RIGHT)

    def y(self, offset: float) -> float:
        return _TOP + offset / self.size * (_HEIGHT - _TOP - _BOTTOM)


def _axes(svg: Element, scale: _Scale) -> None:
    for part in range(5):
        y = scale.y(scale.size * part / 4)
        ends = {"x1": f"{_LEFT:.0f}", "x2": f"{_WIDTH - _RIGHT:.0f}", "y1": f"{y:.1f}"}
        SubElement(svg, "line", {"class": "rule", **ends, "y2": f"{y:.1f}"})
        fine = " fine" if part % 2 else ""
        _text(svg, f"bytes{fine}", _LEFT - 8, y, _shown(scale.size * part // 4))
    step = -(-scale.calls // 8)
    for number in range(0, scale.calls, step):
        fine = " fine" if number and number // step % 4 else ""
        _text(svg, f"call{fine}", scale.x(number + 0.5), _HEIGHT - 36, str(number + 1))
    _text(svg, "call", scale.x(scale.calls / 2), _HEIGHT - 8, "calls in order")


def _box(group: Element, scale: _Scale, item: Scratch, base: int) -> None:
    left, right = scale.x(item.first), scale.x(item.last + 1)
    top, bottom = scale.y(base + item.offset), scale.y(base + item.offset + item.bytes)
    place = {"x": f"{left:.1f}", "y": f"{top:.1f}"}
    size = {"width": f"{right - left:.1f}", "height": f"{max(2.0, bottom - top):.1f}"}
    SubElement(group, "rect", {"class": "box", **place, **size})
    if right - left >= _TEXT_WIDTH and bottom - top >= _TEXT_HEIGHT:
        _text(group, "size", (left + right) / 2, (top + bottom) / 2, _shown(item.bytes))


def _text(parent: Element, kind: str, x: float, y: float, text: str) -> None:
    SubElement(parent, "text", {"class": kind, "x": f"{x:.1f}", "y": f"{y:.1f}"}).text = text


def _shown(size: int) -> str:
    return f"{size} B" if size < 1024 else f"{size / 1024:.1f} KiB"
