"""A model as a folder: programs that share weights, the feature program, the card."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from safetensors import SafetensorError

from kolam.core import (
    IntegrityError,
    InvalidArgumentError,
    InvalidTypeError,
    KolamError,
    TensorSpec,
    UnknownNameError,
    UnsupportedError,
    as_table,
    canonical_json,
    digest_bytes,
)
from kolam.graph._arguments import bind_inputs
from kolam.graph._chunks import run_in_chunks
from kolam.graph._graph import Graph
from kolam.graph._manifest import MANIFEST, read_folder, read_json, write_folder
from kolam.graph._tensors import tensors_from_bytes, tensors_to_bytes

if TYPE_CHECKING:
    from kolam.features import FeatureProgram, LabelProgram

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_WEIGHTS, _FEATURES, _CARD = "weights.safetensors", "features.json", "card.json"


class SavedModel:
    """One or more programs with shared weights, and what belongs to them.

    Args:
        graphs: Program by name; ``"predict"`` is the one that `predict` runs.
        features: The column program in front of ``"predict"``, if it is a model of tables.
        card: Measured facts about the model, as JSON values.

    Raises:
        InvalidArgumentError: There is no graph, a name cannot be a file name, the card is no
            JSON, or the features do not fit ``"predict"``.

    Example:
        >>> import tempfile
        >>> double = Graph.from_function(lambda x: 2 * x, TensorSpec(("batch",), name="x"))
        >>> folder = Path(tempfile.mkdtemp()) / "double"
        >>> digest = SavedModel({"predict": double}).save(folder)
        >>> load(folder).predict(np.ones(3, np.float32))
        array([2., 2., 2.], dtype=float32)
    """

    def __init__(
        self,
        graphs: Mapping[str, Graph],
        features: "FeatureProgram | None" = None,
        card: Mapping[str, Any] | None = None,
    ) -> None:
        # Any above: JSON values
        if not graphs:
            raise InvalidArgumentError("A saved model needs at least one graph.")
        for name, graph in graphs.items():
            if not _NAME.fullmatch(name):
                raise InvalidArgumentError(
                    f"A graph is named {name!r}.",
                    how="Use up to 64 letters, digits, `_`, `-` and `.`, a letter or digit first.",
                )
            if not isinstance(graph, Graph):
                raise InvalidTypeError(f"The graph {name!r} is a {type(graph).__name__}.")
        self.graphs = dict(graphs)
        self.features = features
        self.card: dict[str, Any] = _plain_card(card)
        if features is not None:
            self._check_features(features)

    # ---------------------------------------------------------------------------- prediction

    @property
    def task(self) -> str:
        """``"binary"``, ``"multiclass"`` or ``"regression"``."""
        return str(self._required_label.task)

    @property
    def label(self) -> str:
        """Name of the label's column."""
        return str(self._required_label.name)

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The classes in the label's own type, in the order of the scores; `None` for values."""
        # Any above: whatever type the label has
        classes: tuple[Any, ...] | None = self._required_label.classes
        return classes

    def predict_scores(self, table: Any) -> np.ndarray:
        """Score the rows of a table.

        Args:
            table: What `core.as_table` takes, or a list of row dicts. Columns that the features
                do not use are ignored.

        Returns:
            float32 ``[rows, classes]`` probabilities, or ``[rows, 1]`` values for regression.

        Raises:
            UnsupportedError: The model has no features, so it takes arrays.
            DataError: A column lacks or cannot be read.
        """
        # Any above: the union of tables is open
        features = self._required_features
        matrix = features.apply(_as_rows(table))
        scores: np.ndarray = run_in_chunks(self._predict, [matrix])[0]
        return scores

    def predict(self, *inputs: Any, **named: Any) -> Any:
        """Predict labels of a table, or run the model on arrays.

        Rows go through in chunks of a few fixed sizes, so another number of rows compiles
        nothing new. Each row is judged for itself; a program that mixes rows wants
        ``saved.graphs["predict"].run``.

        Args:
            inputs: With features one table: an Arrow table, a pandas or polars frame, a mapping
                of columns, a list of row dicts. Without them arrays, as `Graph.run` takes them.
            named: Arrays by name, without features.

        Returns:
            With features an Arrow array of labels in the label's own type; without, the output
            array, or a dict of arrays by name.

        Raises:
            InvalidArgumentError: Not one table, or arrays that do not fit.
            DataError: A column lacks or cannot be read.
        """
        # Any above: tables and arrays of many libraries
        graph = self._predict
        if self.features is not None:
            if len(inputs) != 1 or named:
                raise InvalidArgumentError(
                    f"This model takes one table and got {len(inputs) + len(named)} arguments.",
                    how="Give a table with the columns of the training data.",
                )
            return self._required_label.decode(self.predict_scores(inputs[0]))
        values = bind_inputs(graph.inputs, inputs, named, of=graph.name, allow_empty=True)
        results = run_in_chunks(graph, values)
        if len(results) == 1:
            return results[0]
        return {str(spec.name): item for spec, item in zip(graph.outputs, results, strict=True)}

    # ------------------------------------------------------------------------------ the folder

    def save(self, path: str | Path) -> str:
        """Write the model as a folder: all of it, or nothing; equal models give equal bytes.

        Args:
            path: Folder on this machine. An older saved model there is replaced.

        Returns:
            SHA-256 of the manifest, which stands for the whole model.

        Raises:
            StorageError: It cannot be written.
            InvalidArgumentError: At `path` is something that is no saved model.
        """
        path = Path(path)
        if (
            path.exists()
            and not (path / MANIFEST).is_file()
            and (not path.is_dir() or any(path.iterdir()))
        ):
            raise InvalidArgumentError(
                f"{path} exists and is no saved model.",
                how="Choose another folder, or empty this one yourself.",
            )
        tensors, shared = _share_weights(self.graphs)
        files = {
            _program_file(name): graph.to_bytes() for name, graph in sorted(self.graphs.items())
        }
        files[_WEIGHTS] = tensors_to_bytes(tensors)
        files[_CARD] = canonical_json(self.card)
        if self.features is not None:
            files[_FEATURES] = canonical_json(self.features.to_json())
        described = {
            name: {**_signature(graph), "program": _program_file(name), "weights": shared[name]}
            for name, graph in self.graphs.items()
        }
        return write_folder(path, files, {"graphs": described})

    def _check_features(self, features: "FeatureProgram") -> None:
        graph = self._predict
        shapes = [spec.shape for spec in graph.inputs]
        if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][1] != features.width:
            raise InvalidArgumentError(
                f"The features give one matrix of {features.width} columns, but 'predict' takes "
                f"{[list(shape) for shape in shapes]}.",
                how="Trace 'predict' with one input ('batch', features.width).",
            )
        if len(graph.outputs) != 1:
            raise InvalidArgumentError(
                f"'predict' gives {len(graph.outputs)} outputs; a model of tables gives scores."
            )

    @property
    def _predict(self) -> Graph:
        if "predict" not in self.graphs:
            raise UnknownNameError.among("graph", "predict", self.graphs)
        return self.graphs["predict"]

    @property
    def _required_features(self) -> "FeatureProgram":
        if self.features is None:
            raise UnsupportedError(
                "This model has no features, so it takes arrays, not tables.",
                how="Use `predict(*arrays)`, or save it with `features=`.",
            )
        return self.features

    @property
    def _required_label(self) -> "LabelProgram":
        label = self._required_features.label
        if label is None:
            raise UnsupportedError(
                "The features of this model were fitted without a label, so it gives scores only.",
                how="Use `predict_scores(table)`, or fit the features with `label=`.",
            )
        return label

    def __repr__(self) -> str:
        described = ", ".join(f"{name}: {graph!r}" for name, graph in self.graphs.items())
        return f"SavedModel({{{described}}})"


def load(path: str | Path) -> SavedModel:
    """Read a folder that `SavedModel.save` wrote, after checking all of it; nothing is run.

    Args:
        path: Folder on this machine.

    Raises:
        IntegrityError: Something lacks, was altered, is of another format, or leads outside the
            folder.
    """
    path = Path(path)
    manifest, files = read_folder(path)
    try:
        tensors = tensors_from_bytes(files[_WEIGHTS])
        graphs = {
            name: _read_graph(name, record, files, tensors)
            for name, record in dict(manifest["graphs"]).items()
        }
        card = read_json(_CARD, files[_CARD])
        return SavedModel(graphs, features=_read_features(files), card=card)
    except IntegrityError:
        raise
    except (KolamError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"lacks {error}" if type(error) is KeyError else str(error)
        raise IntegrityError(
            f"{path} is no usable saved model: {what}",
            how="Its files are as the manifest says, so it was written wrongly, or to do harm.",
        ) from error


def _read_graph(
    name: str,
    record: dict[str, Any],
    files: Mapping[str, bytes],
    tensors: Mapping[str, np.ndarray],
) -> Graph:
    # Any above: JSON off the disk
    weights = {label: tensors[stored] for label, stored in dict(record["weights"]).items()}
    graph = Graph(files[record["program"]], weights)
    for key, specs in _signature(graph).items():
        if specs != record[key]:
            raise IntegrityError(
                f"The manifest gives {key} of the graph {name!r} that its program has not.",
                how="Do not use this folder: it is damaged or was made to do harm.",
            )
    return graph


def _read_features(files: Mapping[str, bytes]) -> "FeatureProgram | None":
    if _FEATURES not in files:
        return None
    from kolam.features import FeatureProgram  # here: most graphs have none

    return FeatureProgram.from_json(read_json(_FEATURES, files[_FEATURES]))


def _signature(graph: Graph) -> dict[str, list[dict[str, object]]]:
    def records(specs: Sequence[TensorSpec]) -> list[dict[str, object]]:
        return [spec.to_json() for spec in specs]

    return {
        "inputs": records(graph.inputs),
        "nodes": records(graph.nodes),
        "outputs": records(graph.outputs),
    }


def _share_weights(
    graphs: Mapping[str, Graph],
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, str]]]:
    """Store equal arrays once: tensors by stored name, and stored names by graph and weight."""
    stored: dict[str, np.ndarray] = {}
    names: dict[tuple[str, tuple[int, ...], str], str] = {}
    used: dict[str, dict[str, str]] = {}
    for graph_name, graph in sorted(graphs.items()):
        used[graph_name] = {}
        for label, array in graph.weights.items():
            content = (str(array.dtype), array.shape, digest_bytes(array.tobytes()))
            if content not in names:
                free = label if label not in stored else f"{graph_name}:{label}"
                names[content] = free
                stored[free] = array
            used[graph_name][label] = names[content]
    return stored, used


def _program_file(name: str) -> str:
    return f"programs/{name}.stablehlo"


def _plain_card(card: Mapping[str, Any] | None) -> dict[str, Any]:
    # Any above: JSON values
    try:
        plain: dict[str, Any] = json.loads(canonical_json(dict(card or {})))
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"The card is no JSON: {error}.", how="Give texts, numbers, lists and dicts."
        ) from error
    return plain


def _as_rows(table: Any) -> pa.Table:  # Any: the union of tables is open
    if isinstance(table, list) and all(isinstance(row, Mapping) for row in table):
        if not table:
            raise InvalidArgumentError(
                "The list of rows is empty, so it has no columns either.",
                how="Give at least one row.",
            )
        columns = dict.fromkeys(key for row in table for key in row)
        return pa.table({key: [row.get(key) for row in table] for key in columns})
    return as_table(table)
