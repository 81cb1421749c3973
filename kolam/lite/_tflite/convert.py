"""The door of the writer: `to_tflite`."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from kolam.core import InvalidArgumentError, UnknownNameError
from kolam.graph import Graph
from kolam.lite._lift import read_network
from kolam.lite._network import Network
from kolam.lite._sizes import check_fixed
from kolam.lite._tflite.write import write_model

DEFAULT_SIGNATURE = "serving_default"


class HasNetwork(Protocol):
    """What was brought to TensorFlow Lite's operators before, such as an int8 model."""

    @property
    def network(self) -> Network:
        """The operators."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Value that each symbolic size has in it."""


Model: TypeAlias = Graph | HasNetwork
Labels: TypeAlias = Sequence[str] | Mapping[str, Sequence[str]]


def to_tflite(
    model: Model | Mapping[str, Model],
    *,
    sizes: Mapping[str, int] | None = None,
    labels: Labels | None = None,
) -> bytes:
    """Write a model as a `.tflite` file for LiteRT (TensorFlow Lite).

    Args:
        model: A graph, or several by the name of their signature; weights that they share are
            stored once. A quantised model gives an int8 file.
        sizes: Value of each symbolic size, such as ``{"batch": 8}``; 1 where none is given.
        labels: Words for the last axis of the output, in order; by name if there are several
            outputs. Stored as phones read them: in the metadata and in a zip archive behind it.

    Returns:
        Content of the file, the same bytes for the same model.

    Raises:
        UnsupportedError: LiteRT has no operator for an operation. The message names it, the line
            of the user's code and a way round.
        UnknownNameError: There is no such size or output.
        InvalidArgumentError: There is no model at all, or the number of labels does not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> from kolam.core import TensorSpec
        >>> from kolam.graph import Graph, trace
        >>> to_tflite(trace(jnp.tanh, TensorSpec(("batch", 4), name="x")))[4:8]
        b'TFL3'
    """
    models = dict(model) if isinstance(model, Mapping) else {DEFAULT_SIGNATURE: model}
    if not models:
        raise InvalidArgumentError(
            "There is no model to write: the dict of signatures is empty.",
            how="Give a graph, or graphs by name: `to_tflite({'predict': graph})`.",
        )
    _check_sizes(models, sizes)
    networks = {name: network_of(one, sizes) for name, one in models.items()}
    return write_model(networks, _labels(labels, next(iter(networks.values()))))


def network_of(model: Model, sizes: Mapping[str, int] | None = None) -> Network:
    """Give the operators of a model."""
    if not isinstance(model, Graph):
        return model.network
    symbols = {symbol for spec in model.inputs for symbol in spec.symbols}
    return read_network(model, {name: n for name, n in (sizes or {}).items() if name in symbols})


def _check_sizes(models: Mapping[str, Model], sizes: Mapping[str, int] | None) -> None:
    graphs = [one for one in models.values() if isinstance(one, Graph)]
    known = {symbol for graph in graphs for spec in graph.inputs for symbol in spec.symbols}
    made = [one for one in models.values() if not isinstance(one, Graph)]
    known.update(*(one.sizes for one in made))
    for name in sizes or {}:
        if name not in known:
            raise UnknownNameError.among("symbolic size", name, known)
    for one in made:
        check_fixed(one.sizes, {n: size for n, size in (sizes or {}).items() if n in one.sizes})


def _labels(labels: Labels | None, network: Network) -> dict[str, Sequence[str]]:
    if labels is None:
        return {}
    outputs = {tensor.name: tensor for tensor in network.outputs}
    if not isinstance(labels, Mapping):
        if len(outputs) != 1:
            raise InvalidArgumentError(
                f"There are {len(outputs)} outputs, so one list of labels is not enough.",
                how=f"Give labels by output, one of: {', '.join(outputs)}.",
            )
        labels = {next(iter(outputs)): labels}
    for name, words in labels.items():
        if name not in outputs:
            raise UnknownNameError.among("output", name, outputs)
        classes = (outputs[name].shape or (1,))[-1]
        if len(words) != classes:
            raise InvalidArgumentError(
                f"There are {len(words)} labels for the output {name!r}, whose last axis has "
                f"{classes} elements.",
                how="Give one label per element of the last axis.",
            )
    return dict(labels)
