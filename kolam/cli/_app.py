"""The commands, one function each."""

from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from kolam.cli._output import JsonFlag, Output, reports_errors, stop_when_terminated

app = typer.Typer(
    name="kolam",
    help="From a table to a judged, shipped model: the same answers everywhere.",
    epilog="Begin with: kolam run DATA.csv --label COLUMN",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
)
hub_app = typer.Typer(help="The local folder of published models.", no_args_is_help=True)
app.add_typer(hub_app, name="hub")

Label = Annotated[str, typer.Option("--label", "-l", help="Column to predict.")]
HubFolder = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads it at run time
    typer.Option("--hub", help="Folder of the hub; ~/.kolam/hub when left out."),
]
Model = Annotated[
    str, typer.Argument(help="Folder of a model, or NAME or NAME@VERSION in the hub.")
]


@app.command()
@reports_errors
def run(
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(help="CSV, Parquet or Arrow file; the breast cancer table when left out."),
    ] = None,
    label: Label = "",
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", help="Folder for the results; kolam-run/NAME when left out."),
    ] = None,
    drop: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--drop", help="Column that must not be used. May be repeated."),
    ] = None,
    task: Annotated[
        Literal["auto", "binary", "multiclass", "regression"],
        typer.Option("--task", help="What is learnt; auto looks at the label."),
    ] = "auto",
    slices: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--slice", help="Column to judge by, besides all rows. May be repeated."),
    ] = None,
    gate: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--gate", help="Rule such as 'auc >= 0.8'. May be repeated."),
    ] = None,
    accept: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--accept", help="Finding to go on with, KIND:COLUMN. May be repeated."),
    ] = None,
    schema: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--schema", help="What the data must look like; OUT/schema.yaml by default."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Name in the hub.")] = "",
    hub: HubFolder = None,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same model.", min=0)] = 0,
    json: JsonFlag = False,
) -> int:
    """Check a table, train on it, judge the model by slices, ship it, and write a report.

    [bold]kolam run[/]  with a table that comes with scikit-learn

    [bold]kolam run heart.csv --label target --drop num[/]  with your own

    Errors found in the data stop the run before anything is trained and say how to go on. A run
    that was killed goes on where it was.
    """
    from kolam.cli._run import run_table_command

    return run_table_command(
        data,
        label,
        out,
        Output(is_json=json),
        drop=tuple(drop or ()),
        task=task,
        slices=tuple(slices or ()),
        gate=tuple(gate or ()),
        accept=tuple(accept or ()),
        schema=schema,
        name=name,
        hub=hub,
        seed=seed,
    )


@app.command()
@reports_errors
def profile(
    data: Annotated[Path, typer.Argument(help="CSV, Parquet or Arrow file.")],
    label: Label = "",
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", help="File for the profile, JSON; a baseline for validate."),
    ] = None,
    json: JsonFlag = False,
) -> int:
    """Summarise every column of a table: what it holds, its range, what is missing.

    [bold]kolam profile heart.csv --label target[/]
    """
    from kolam.cli._data import profile_command

    return profile_command(data, label or None, out, Output(is_json=json))


@app.command()
@reports_errors
def validate(
    data: Annotated[Path, typer.Argument(help="CSV, Parquet or Arrow file.")],
    schema: Annotated[
        Path, typer.Option("--schema", "-s", help="YAML file; written first if it is not there.")
    ],
    label: Label = "",
    baseline: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--baseline", help="Profile of earlier data, to find drift against."),
    ] = None,
    json: JsonFlag = False,
) -> int:
    """Hold a table to a schema, and say what is wrong with it.

    [bold]kolam validate new.csv --schema heart.yaml --baseline heart.json[/]
    """
    from kolam.cli._data import validate_command

    return validate_command(data, schema, label or None, baseline, Output(is_json=json))


@app.command()
@reports_errors
def export(
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the result.")],
    target: Annotated[
        str,
        typer.Option(
            "--target",
            "-t",
            help="web is a folder for a static server, html one file, tflite a file for LiteRT; "
            "else a target of kolam.lite: native, wasm, cortex-m4 and others.",
        ),
    ] = "web",
    flash: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--flash", help="Bytes of flash of the device, if it has another size."),
    ] = None,
    ram: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--ram", help="Bytes of RAM of the device, if it has another size."),
    ] = None,
    hub: HubFolder = None,
    json: JsonFlag = False,
) -> int:
    """Compile a model for a browser, for this machine, or as a project in C for a device.

    [bold]kolam export heart --target html --out heart.html[/]

    [bold]kolam export heart --target cortex-m4 --ram 262144 --out firmware[/]
    """
    from kolam.cli._models import export_command

    return export_command(
        model, out, target, hub, Output(is_json=json), flash_bytes=flash, ram_bytes=ram
    )


@app.command()
@reports_errors
def serve(
    models: Annotated[list[str], typer.Argument(help="NAME, NAME@VERSION or a model's folder.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8501,
    hub: HubFolder = None,
) -> int:
    """Answer requests over HTTP: TensorFlow Serving's :predict and Open Inference Protocol v2.

    [bold]kolam serve heart another@3 --port 8501[/]
    """
    from kolam.cli._models import serve_command

    return serve_command(models, host, port, hub, Output(is_json=False))


@app.command()
@reports_errors
def show(model: Model, hub: HubFolder = None, json: JsonFlag = False) -> int:
    """Show what a model is: its inputs and outputs, how it was judged, what it came from.

    [bold]kolam show heart@2[/]
    """
    from kolam.cli._models import show_command

    return show_command(model, hub, Output(is_json=json))


@app.command()
@reports_errors
def draw(
    model: Model,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File .html or .svg, or a folder for TensorBoard.")
    ],
    graph: Annotated[str, typer.Option("--graph", help="Which program of the model.")] = "predict",
    batch: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--batch", help="Value of every symbolic size: adds costs to a page."),
    ] = None,
    hub: HubFolder = None,
    json: JsonFlag = False,
) -> int:
    """Draw the program of a model: a page of parts that open and close, or a picture.

    [bold]kolam draw heart --out heart.html --batch 32[/]
    """
    from kolam.cli._models import draw_command

    return draw_command(model, out, graph, batch, hub, Output(is_json=json))


@hub_app.command("list")
@reports_errors
def hub_list(hub: HubFolder = None, json: JsonFlag = False) -> int:
    """List every version of every model.

    [bold]kolam hub list[/]
    """
    from kolam.cli._models import hub_list_command

    return hub_list_command(hub, Output(is_json=json))


@hub_app.command("publish")
@reports_errors
def hub_publish(
    folder: Annotated[Path, typer.Argument(help="Folder of a saved model.")],
    name: Annotated[str, typer.Argument(help="Name to publish it under.")],
    hub: HubFolder = None,
    json: JsonFlag = False,
) -> int:
    """Put a saved model into the hub under the next version of a name.

    [bold]kolam hub publish kolam-run/heart/model clinic/heart[/]
    """
    from kolam.cli._models import hub_publish_command

    return hub_publish_command(folder, name, hub, Output(is_json=json))


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"kolam {version('kolam')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """From a table to a judged, shipped model: the same answers everywhere."""


def main() -> None:
    """Run the command line."""
    stop_when_terminated()
    app()
