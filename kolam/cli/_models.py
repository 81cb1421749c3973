"""`kolam export`, `serve`, `show` and `hub`: what is done with finished models."""

from pathlib import Path

from kolam.cli._output import Output, shown_bytes
from kolam.core import TensorSpec, UnknownNameError, digest_file, write_atomic
from kolam.graph import SavedModel
from kolam.graph import load as load_model
from kolam.hub import models as published_models
from kolam.hub import publish, resolve


def find_model(reference: str, hub: Path | None) -> Path:
    """Give the folder of a model, by its path or by its name in the hub.

    Raises:
        UnknownNameError: There is neither such a folder nor such a model.
        IntegrityError: It is not what was published.
    """
    if Path(reference).is_dir():
        return Path(reference)
    is_name = any(entry.name == reference.partition("@")[0] for entry in published_models(hub))
    if "/" in reference and not is_name:
        raise UnknownNameError(
            f"There is no folder {reference!r}, and no such model in the hub.",
            how="`kolam hub list` shows the models.",
        )
    return resolve(reference, hub=hub)


def export_command(
    reference: str,
    out: Path,
    target: str,
    hub: Path | None,
    output: Output,
    *,
    flash_bytes: int | None = None,
    ram_bytes: int | None = None,
) -> int:
    """Compile a model for a target and say what was written."""
    saved = load_model(find_model(reference, hub))
    if target in ("web", "html"):
        from kolam.web import export  # here: brings the page templates

        path = export(saved, out, single_file=target == "html")
    elif target == "tflite":
        path = _write_tflite(saved, out)
    else:
        path = out
        _export_code(saved, out, target, flash_bytes, ram_bytes)
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    sizes = {str(file): file.stat().st_size for file in files}
    if output.is_json:
        output.json({"path": str(path), "files": sizes})
    else:
        for name, size in sizes.items():
            output.console.print(f"{shown_bytes(size):>9s}  {name}", markup=False)
    return 0


def _write_tflite(saved: SavedModel, out: Path) -> Path:
    """Write a file for LiteRT, with the classes as labels of the scores."""
    from kolam.lite import to_tflite  # here: brings the compiler

    graph = saved.graphs["predict"]
    classes = saved.classes if saved.features is not None else None
    labels = None
    if classes is not None and [spec.shape[-1:] for spec in graph.outputs] == [(len(classes),)]:
        labels = [str(label) for label in classes]
    write_atomic(out, to_tflite(graph, labels=labels))
    return out


def _export_code(
    saved: SavedModel, out: Path, target: str, flash_bytes: int | None, ram_bytes: int | None
) -> None:
    """Write a library or module, or a project in C for what has to be built into something."""
    from kolam.lite import compile as compile_graph  # here: brings the compiler
    from kolam.lite import export

    graph = saved.graphs["predict"]
    sizes = dict.fromkeys((name for spec in graph.inputs for name in spec.symbols), 1)
    if target == "native" or target.startswith("wasm"):
        compiled = compile_graph(
            graph, target, sizes=sizes, flash_bytes=flash_bytes, ram_bytes=ram_bytes
        )
        compiled.save(out)
    else:
        export(graph, out, target, sizes=sizes, flash_bytes=flash_bytes, ram_bytes=ram_bytes)


def serve_command(
    references: list[str], host: str, port: int, hub: Path | None, output: Output
) -> int:
    """Serve models until the process is told to end."""
    from kolam.serve import run  # here: brings the web server

    models: dict[str, dict[str, SavedModel]] = {}
    for reference in references:
        name, version = _served_name(reference, hub)
        models.setdefault(name, {})[version] = load_model(find_model(reference, hub))

    def say(url: str) -> None:
        output.progress.print(f"Serving {', '.join(models)} on {url}", markup=False)
        for name in models:
            output.progress.print(f"  POST {url}/v1/models/{name}:predict", markup=False)
            output.progress.print(f"  POST {url}/v2/models/{name}/infer", markup=False)

    run(models, host=host, port=port, on_start=say)
    return 0


def show_command(reference: str, hub: Path | None, output: Output) -> int:
    """Show signatures, card and digest of a model."""
    folder = find_model(reference, hub)
    saved, digest = load_model(folder), digest_file(folder / "manifest.json")
    graphs = {
        name: {
            "inputs": [spec.to_json() for spec in graph.inputs],
            "outputs": [spec.to_json() for spec in graph.outputs],
            "weights": sum(array.size for array in graph.weights.values()),
        }
        for name, graph in saved.graphs.items()
    }
    if output.is_json:
        columns = [column.name for column in saved.features.columns] if saved.features else []
        output.json({"digest": digest, "graphs": graphs, "columns": columns, "card": saved.card})
        return 0
    add = output.row
    add("digest", digest)
    for name, graph in saved.graphs.items():
        add(f"graph {name}", ", ".join(map(_signature, graph.inputs)))
        add("", "gives " + ", ".join(map(_signature, graph.outputs)))
        add("", f"{graphs[name]['weights']:,} weights")
    if saved.features:
        for column in saved.features.columns:
            add("column" if column is saved.features.columns[0] else "", column.name)
    for key, value in (saved.card or {}).items():
        if isinstance(value, (str, int, float)):
            add(key, str(value))
    return 0


def draw_command(
    reference: str, out: Path, name: str, batch: int | None, hub: Path | None, output: Output
) -> int:
    """Draw one program of a model."""
    graphs = load_model(find_model(reference, hub)).graphs
    if name not in graphs:
        raise UnknownNameError.among("graph", name, graphs)
    graph = graphs[name]
    symbols = {symbol for spec in graph.inputs for symbol in spec.symbols}
    sizes = None if batch is None else dict.fromkeys(sorted(symbols), batch)
    if out.suffix:
        graph.draw(out, sizes)
    else:
        out = graph.write_tensorboard(out)
    if output.is_json:
        output.json({"path": str(out), "size_bytes": out.stat().st_size})
    else:
        output.console.print(str(out), markup=False, soft_wrap=True)
    return 0


def hub_list_command(hub: Path | None, output: Output) -> int:
    """List every version of every model."""
    entries = published_models(hub)
    if output.is_json:
        output.json(
            {
                "models": [
                    {"name": item.name, "version": item.version, "digest": item.digest}
                    | {"size_bytes": item.size_bytes}
                    for item in entries
                ]
            }
        )
        return 0
    for item in entries:
        output.console.print(
            f"{item!s:32s} {shown_bytes(item.size_bytes):>9s}  {item.digest[:16]}", markup=False
        )
    if not entries:
        output.console.print("The hub is empty. `kolam run` publishes what passes its gate.")
    return 0


def hub_publish_command(folder: Path, name: str, hub: Path | None, output: Output) -> int:
    """Publish a saved model and print its name and version."""
    reference = publish(folder, name, hub=hub)
    if output.is_json:
        output.json({"model": reference})
    else:
        output.console.print(reference, markup=False)
    return 0


def _served_name(reference: str, hub: Path | None) -> tuple[str, str]:
    path = Path(reference)
    if path.is_dir():
        return path.resolve().name, "1"
    name, _, version = reference.partition("@")
    if not version:
        latest = [entry.version for entry in published_models(hub) if entry.name == name]
        version = str(max(latest, default=1))
    return name, version


def _signature(spec: TensorSpec) -> str:
    return f"{spec.name} {spec.dtype}({', '.join(map(str, spec.shape))})"
