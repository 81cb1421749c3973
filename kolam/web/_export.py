"""A saved model to a folder, or one page, in which a browser runs it."""

from pathlib import Path
from typing import TYPE_CHECKING

from kolam.core import InvalidArgumentError, atomic_folder, canonical_json, write_atomic
from kolam.web._declaration import declaration
from kolam.web._live import FORMAT, LiveModel, live_model
from kolam.web._modules import STATIC, module_closure
from kolam.web._page import folder_page, inlined_model, single_page

if TYPE_CHECKING:
    from kolam.graph import SavedModel

_PAGE = "demo/demo.js"
_DOOR = """\
// The model of this folder. What goes in and comes out: model.d.ts.
import { load as loadPredictor } from "./runtime/predictor.js";

/** Load the model; `source` is the URL of another folder that holds one. */
export const load = (source = new URL(".", import.meta.url)) => loadPredictor(source);
"""


def export(
    model: "SavedModel | LiveModel", folder: str | Path, *, single_file: bool = False
) -> Path:
    """Write what a browser needs to run a model: a folder for any static server, or one page.

    The folder holds `index.html` (a form that answers), `model.js` (to import, in browsers and in
    Node), `model.d.ts`, `model.wasm`, `model.weights`, `features.json`, `manifest.json` and the
    modules these need. Equal models give equal bytes.

    Args:
        model: A table model, or what `live_model` made of one.
        folder: Folder to write; an earlier export there is replaced as a whole. With
            `single_file`, the HTML file to write.
        single_file: Write one page that opens from a file and fetches nothing.

    Returns:
        The folder, or the file.

    Raises:
        InvalidArgumentError: `model` is no table model, or at `folder` is something that is no
            export.
        StorageError: It cannot be written.
    """
    live = model if isinstance(model, LiveModel) else live_model(model)
    path = Path(folder)
    title = f"Predict {live.label}"
    description = f"A model that predicts {live.label}, running in this page."
    data = {"label": live.label, "card": dict(live.card or {})}
    if single_file:
        inlined = {**data, "live": inlined_model(live)}
        write_atomic(path, single_page(_PAGE, inlined, title=title, description=description))
        return path
    _check_replaceable(path)
    pages = {
        "index.html": folder_page(
            _PAGE, {**data, "live": None}, title=title, description=description
        ),
        "manifest.json": canonical_json(live.manifest()).decode(),
        "model.d.ts": declaration(live),
        "model.js": _DOOR,
        "style.css": (STATIC / "style.css").read_text(),
    }
    with atomic_folder(path) as temporary:
        for name in module_closure(_PAGE):
            (temporary / name).parent.mkdir(exist_ok=True)
            (temporary / name).write_text((STATIC / name).read_text())
        for name, text in pages.items():
            (temporary / name).write_text(text)
        for name, content in live.files.items():
            (temporary / name).write_bytes(content)
    return path


def _check_replaceable(path: Path) -> None:
    manifest = path / "manifest.json"
    ours = manifest.is_file() and f'"format":"{FORMAT}"' in manifest.read_text(errors="replace")
    if path.exists() and not ours and (not path.is_dir() or any(path.iterdir())):
        raise InvalidArgumentError(
            f"{path} exists and is no exported model.",
            how="Choose another folder, or empty this one yourself.",
        )
