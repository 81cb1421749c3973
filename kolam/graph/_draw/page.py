"""A program as one page: parts to open and close, each with its picture and the user's lines."""

from collections.abc import Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from kolam.graph._cost import Cost, CostEntry, place_of, short_number, source_of
from kolam.graph._draw.diagram import Diagram, Part
from kolam.graph._draw.style import COLOURS, PAGE, PICTURE
from kolam.graph._draw.svg import picture
from kolam.graph._subgraphs import Subgraph

_LEGEND = {
    "product": "products",
    "reduction": "reductions, sorts",
    "plain": "element by element",
    "move": "moves",
    "call": "functions",
    "control": "loops, branches",
}
_MANY = 10  # operations, from which on a picture shows lines instead


def page(
    *,
    name: str,
    facts: Mapping[str, str],
    parts: Sequence[Part],
    hidden: int,
    cost: Cost | None,
) -> str:
    """Write the page.

    Args:
        name: Of the program.
        facts: What stands at the top.
        parts: The main part first, each before what stands in it.
        hidden: Number of stored derivatives, which are not shown.
        cost: What a run costs, if sizes are known.
    """
    root = Element("html", {"lang": "en"})
    head = SubElement(root, "head")
    SubElement(head, "meta", {"charset": "utf-8"})
    SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    SubElement(head, "title").text = name
    SubElement(head, "style").text = COLOURS + PAGE + PICTURE
    body = SubElement(root, "body")
    _header(SubElement(body, "header"), name, facts)
    main = SubElement(body, "main")
    writer = _Writer(parts)
    for part in parts:
        if not part.part.parent:
            writer.write(main, part)
    if hidden:
        SubElement(
            main, "p", {"class": "about"}
        ).text = f"Not shown: {hidden} stored function{'s' if hidden > 1 else ''} for derivatives."
    if cost is not None:
        _costs(main, cost)
    return "<!doctype html>\n" + tostring(root, encoding="unicode", method="html")


def _header(header: Element, name: str, facts: Mapping[str, str]) -> None:
    SubElement(header, "h1").text = name
    listing = SubElement(header, "dl")
    for key, value in facts.items():
        SubElement(listing, "dt").text = key
        SubElement(SubElement(listing, "dd"), "code").text = value
    legend = SubElement(header, "ul", {"class": "legend"})
    for kind, text in _LEGEND.items():
        item = SubElement(legend, "li")
        SubElement(item, "i", {"style": f"--colour: var(--{kind})"}).tail = text


class _Writer:
    """Writes parts and numbers what can be led to."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._anchors = {part.part.name: f"part-{i}" for i, part in enumerate(parts)}
        self._count = 0

    def write(self, parent: Element, part: Part) -> None:
        """Write one part, and those that stand in it."""
        details = SubElement(parent, "details")
        if part.part.name == "main":
            details.set("open", "open")
        summary = SubElement(details, "summary")
        SubElement(summary, "code", {"class": "line"}).text = part.part.name
        SubElement(summary, "span", {"class": "about"}).text = f"  {about(part.part)}"
        inner = SubElement(details, "div", {"class": "inner", "id": self._anchors[part.part.name]})
        if _is_by_line(part):
            self._lines(inner, part)
        else:
            self._picture(inner, part, part.by_operation(), part.part.name)
        for child in self._parts:
            if child.part.parent == part.part.name:
                self.write(inner, child)

    def _lines(self, inner: Element, part: Part) -> None:
        runs = part.runs()
        anchors = {
            f"line-{i}": f"{self._anchors[part.part.name]}-line-{i}" for i in range(len(runs))
        }
        diagram = part.by_line()
        for box in diagram.boxes:
            box.link = box.key if box.key in anchors else box.link
        self._picture(inner, part, diagram, part.part.name, anchors)
        for index, run in enumerate(runs):
            details = SubElement(inner, "details")
            summary = SubElement(details, "summary")
            SubElement(summary, "code", {"class": "line"}).text = run.title
            count = len(run.operations)
            note = f"{count} operation{'s' if count > 1 else ''}"
            if run.place not in ("", run.title):
                note = f"{run.place}, {note}"
            SubElement(summary, "span", {"class": "about"}).text = f"  {note}"
            identity = {"class": "inner", "id": anchors[f"line-{index}"]}
            home = SubElement(details, "div", identity)
            self._picture(home, part, part.by_operation(run.operations), run.title)

    def _picture(
        self,
        inner: Element,
        part: Part,
        diagram: Diagram,
        label: str,
        anchors: Mapping[str, str] | None = None,
    ) -> None:
        self._count += 1
        scroll = SubElement(
            inner,
            "div",
            {
                "class": "scroll",
                "tabindex": "0",
                "role": "region",
                "aria-label": f"picture of {label}",
            },
        )
        scroll.append(
            picture(
                diagram,
                label=f"{label}: boxes are operations, arrows are values",
                name=f"picture-{self._count}",
                anchors={**self._anchors, **(anchors or {})},
            )
        )


def _is_by_line(part: Part) -> bool:
    return len(part.visible) > _MANY and 1 < len(part.runs()) < len(part.visible)


def about(part: Subgraph) -> str:
    """Say in a few words what a part is."""
    words = [part.kind if part.name != "main" else "what a run computes"]
    if part.kind in ("body", "condition"):
        words = [f"{part.kind} of a loop"]
        words += ["trips depend on data" if part.trips is None else f"{part.trips} trips"]
    if part.where is not None and part.name != "main":
        words.append(f"{part.where.file}:{part.where.line}")
    return ", ".join(words)


def _costs(main: Element, cost: Cost) -> None:
    sizes = ", ".join(f"{key}={value}" for key, value in cost.sizes.items())
    SubElement(main, "h2").text = f"Cost of a run{f' at {sizes}' if sizes else ''}"
    for title, rows in (
        ("kind", ((kind, "", entry) for kind, entry in cost.by_kind().items())),
        ("line", _line_rows(cost)),
    ):
        scroll = SubElement(
            main,
            "div",
            {
                "class": "scroll",
                "tabindex": "0",
                "role": "region",
                "aria-label": f"cost by {title}",
            },
        )
        table = SubElement(scroll, "table")
        header = SubElement(SubElement(table, "thead"), "tr")
        for text in (title, "count", "operations", "transcendentals", "read", "written"):
            SubElement(header, "th", {"scope": "col"}).text = text
        body = SubElement(table, "tbody")
        for label, source, entry in rows:
            _cost_row(SubElement(body, "tr"), label, source, entry)
    if cost.unknown_loops:
        SubElement(main, "p").text = (
            "Loops whose trips depend on data are counted as one trip: "
            + ", ".join(dict.fromkeys(map(place_of, cost.unknown_loops)))
            + "."
        )


def _line_rows(cost: Cost) -> Iterator[tuple[str, str, CostEntry]]:
    for where, entry in cost.by_line().items():
        yield place_of(where), source_of(where), entry


def _cost_row(row: Element, label: str, source: str, entry: CostEntry) -> None:
    first = SubElement(row, "td")
    SubElement(first, "code").text = label
    if source:
        SubElement(SubElement(first, "span", {"class": "source"}), "code").text = source
    work = entry.work
    cells = [short_number(entry.count), short_number(work.flops)]
    cells += [short_number(work.transcendentals)]
    cells += [short_number(work.bytes_read, "B"), short_number(work.bytes_written, "B")]
    for text in cells:
        SubElement(row, "td").text = text
