"""From a graph to a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, tostring

import jax
import numpy as np

from kolam.core import InvalidArgumentError, UnsupportedError, write_atomic
from kolam.graph._arguments import describe
from kolam.graph._cost import Cost
from kolam.graph._draw.diagram import Names, Part, idle_values
from kolam.graph._draw.page import about, page
from kolam.graph._draw.style import COLOURS, PICTURE
from kolam.graph._draw.svg import picture
from kolam.graph._draw.tensorboard import write_events
from kolam.graph._interpret import Program
from kolam.graph._module import signature
from kolam.graph._operations import Module, read_module
from kolam.graph._stablehlo import parse_module, symbolic_arrays
from kolam.graph._subgraphs import Values, find_subgraphs

if TYPE_CHECKING:
    from kolam.graph._graph import Graph

_NAMED = 8  # nodes that the head of a page lists
_GAP = 28.0  # between the parts of one picture


def draw(graph: "Graph", path: Path, cost: Cost | None) -> None:
    """Draw a graph into a file, by the ending of its name.

    Raises:
        InvalidArgumentError: The name ends in neither ``.svg`` nor ``.html``.
        StorageError: The file cannot be written.
    """
    if path.suffix not in (".html", ".svg"):
        raise InvalidArgumentError(
            f"A graph cannot be drawn into {path.name!r}.",
            how="Give a path that ends in `.html` (parts open and close) or `.svg` (one picture).",
        )
    text = graph.stablehlo()
    module = read_module(text)
    parts, hidden = _parts(graph, module, text)
    if path.suffix == ".svg":
        content = _one_picture(graph.name, parts)
    else:
        content = page(
            name=graph.name or "graph", facts=_facts(graph), parts=parts, hidden=hidden, cost=cost
        )
    write_atomic(path, content)


def write_tensorboard(graph: "Graph", folder: Path) -> Path:
    """Write a graph as TensorBoard reads it; see `write_events`."""
    text = graph.stablehlo()
    parts, _ = _parts(graph, read_module(text), text)
    return write_events(folder, parts)


def _parts(graph: "Graph", module: Module, text: str) -> tuple[list[Part], int]:
    found = find_subgraphs(module)
    shown = [part for part in found if part.kind != "derivative"]
    hidden = len(found) - len(shown)
    names = _names(graph, module, text)
    calls: dict[int, Sequence[str]] = {}
    known = {part.name for part in shown}
    for part in shown:
        counts: dict[str, int] = {}
        for operation in part.block.operations:
            short = operation.name.rpartition(".")[2]
            key = {"call": "callee", "composite": "decomposition"}.get(short)
            if key is not None and str(operation.attributes[key]) in known:
                calls[id(operation)] = (str(operation.attributes[key]),)
            elif short in ("case", "if", "while"):
                counts[short] = counts.get(short, 0) + 1
                inside = f"{part.name}/{short}_{counts[short]}/"
                ends = ("body",) if short == "while" else ("branch_0",)
                calls[id(operation)] = tuple(inside + end for end in ends)
    parts = [Part(part, names, calls) for part in shown]
    return [part for part in parts if part.visible or part.part.name == "main"], hidden


def _names(graph: "Graph", module: Module, text: str) -> Names:
    arguments, results = signature(parse_module(text))
    body = module.main.body
    pairs = list(zip(body.arguments, arguments, strict=True))
    outputs: dict[int, list[str]] = {}
    nodes: dict[int, list[str]] = {}
    for value, item in zip(body.returns, results, strict=True):
        side = outputs if item.role == "output" else nodes
        side.setdefault(value, []).append(str(item.spec.name))
    return Names(
        weights={value: str(item.spec.name) for value, item in pairs if item.role == "weight"},
        arguments={value: str(item.spec.name) for value, item in pairs if item.role != "weight"},
        results=nodes,
        outputs=outputs,
        functions=frozenset(module.functions),
        values=Values(module),
        idle=idle_values(module),
        shapes=_shapes(graph, module),
        sources=graph._sources,
    )


def _shapes(graph: "Graph", module: Module) -> Mapping[int, tuple[Any, ...]]:
    """Find the symbolic sizes of all values, by evaluating the program on shapes."""
    # Any above: numbers and JAX's symbolic sizes
    if all(spec.is_static for spec in graph.inputs):
        return {}
    watcher = _Watcher(module)
    specs = [*graph._weight_specs, *graph.inputs]
    try:
        jax.eval_shape(watcher, *symbolic_arrays(specs))
    except (UnsupportedError, TypeError, ValueError, NotImplementedError):
        return watcher.shapes  # what was found so far; the rest is shown as `?`
    return watcher.shapes


class _Watcher(Program):
    """Notes the shape of every value."""

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        self.shapes: dict[int, tuple[Any, ...]] = {}  # Any: numbers and symbolic sizes

    def note(self, label: int, value: Any) -> None:  # Any: an array or a tracer
        self.shapes[label] = tuple(np.shape(value))


def _facts(graph: "Graph") -> dict[str, str]:
    weights = sum(array.nbytes for array in graph.weights.values())
    facts = {
        "takes": ", ".join(map(describe, graph.inputs)) or "nothing",
        "gives": ", ".join(map(describe, graph.outputs)),
    }
    if graph.nodes:
        shown = ", ".join(map(describe, graph.nodes[:_NAMED]))
        rest = len(graph.nodes) - _NAMED
        facts["named"] = shown if rest <= 0 else f"{shown} and {rest} more"
    if graph.weights:
        facts["weights"] = f"{len(graph.weights)}, {weights} bytes"
    if graph.updates:
        facts["assigns"] = ", ".join(f"{key} to {value}" for key, value in graph.updates.items())
    return facts


def _one_picture(name: str, parts: Sequence[Part]) -> str:
    """Draw all parts below each other."""
    root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "class": "graph"})
    SubElement(root, "title").text = name or "graph"
    SubElement(root, "style").text = COLOURS + PICTURE + "svg { background: var(--paper); }"
    y, widest = 12.0, 0.0
    for index, part in enumerate(parts):
        heading = SubElement(root, "text", {"class": "heading", "x": "12", "y": f"{y + 14:.0f}"})
        heading.text = f"{part.part.name}: {about(part.part)}"
        widest = max(widest, 8.6 * len(heading.text))
        y += _GAP
        inner = picture(part.by_operation(), label=part.part.name, name=f"part-{index}")
        inner.set("x", "12")
        inner.set("y", f"{y:.0f}")
        del inner.attrib["xmlns"]
        root.append(inner)
        y += float(inner.get("height", "0")) + _GAP
        widest = max(widest, float(inner.get("width", "0")))
    root.set("viewBox", f"0 0 {widest + 24:.0f} {y:.0f}")
    root.set("width", f"{widest + 24:.0f}")
    root.set("height", f"{y:.0f}")
    return tostring(root, encoding="unicode") + "\n"
