"""The model as a page carries it: code, weights, features, and how they fit together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kolam.core import InvalidArgumentError, canonical_json, digest_bytes

if TYPE_CHECKING:
    from kolam.graph import SavedModel
    from kolam.lite import Compiled

FORMAT = "kolam.web"
VERSION = 1


@dataclass(frozen=True, slots=True)
class LiveModel:
    """A compiled table model with its column program: what a page needs to answer.

    Attributes:
        interface: The wasm interface record (docs/specs/wasm-interface.md).
        module: Bytes of the wasm module.
        weights: Bytes of the weights blob.
        features: JSON of the feature program.
        label: Name of the column that is predicted.
        task: ``"binary"``, ``"multiclass"`` or ``"regression"``.
        classes: The classes, for a form; empty for regression.
        card: Facts about the model, name to text or number.
    """

    interface: Mapping[str, object]
    module: bytes
    weights: bytes
    features: Mapping[str, object]
    label: str
    task: str
    classes: tuple[object, ...] = ()
    card: Mapping[str, object] | None = None

    @property
    def files(self) -> dict[str, bytes]:
        """The files of an exported model, by name."""
        return {
            "features.json": canonical_json(self.features),
            "model.wasm": self.module,
            "model.weights": self.weights,
        }

    def manifest(self) -> dict[str, object]:
        """Describe the files: sizes, digests and the wasm interface."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "label": self.label,
            "task": self.task,
            "classes": list(self.classes),
            "card": dict(self.card or {}),
            "interface": dict(self.interface),
            "files": {
                name: {"bytes": len(content), "sha256": digest_bytes(content)}
                for name, content in self.files.items()
            },
        }


def live_model(model: "SavedModel", *, compiled: "Compiled | None" = None) -> LiveModel:
    """Make of a saved table model what a page carries.

    Args:
        model: With a ``predict`` graph from ``features`` to ``scores``, and its feature program.
        compiled: The wasm build of that graph, with one row a call; built here if not given.

    Raises:
        InvalidArgumentError: `model` has no feature program or no ``predict`` graph, or
            `compiled` is of another target.
    """
    if model.features is None or "predict" not in model.graphs:
        raise InvalidArgumentError(
            "A page needs a model with a `predict` graph and a feature program; this one has "
            f"graphs {sorted(model.graphs)} and {'a' if model.features else 'no'} feature program.",
            how="Give SavedModel(graphs={'predict': graph}, features=program).",
        )
    if compiled is None:
        # imported here: brings the compiler, which a page of a compiled model does not need
        from kolam.lite import compile as compile_graph

        compiled = compile_graph(model.graphs["predict"], target="wasm", sizes={"batch": 1})
    if compiled.target != "wasm":
        raise InvalidArgumentError(
            f"The compiled model is for {compiled.target!r}.",
            how="Compile for the browser: kl.lite.compile(graph, target='wasm', "
            "sizes={'batch': 1}).",
        )
    return LiveModel(
        interface=compiled.interface,
        module=compiled.module,
        weights=compiled.weights,
        features=model.features.to_json(),
        label=model.label,
        task=model.task,
        classes=tuple(model.classes or ()),
        card=model.card,
    )
