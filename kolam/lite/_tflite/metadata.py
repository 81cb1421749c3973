"""What a file says about itself: names and labels, as apps for phones read them.

The description is a table of its own inside a buffer of the model (public schema:
tensorflow_lite_support/metadata/metadata_schema.fbs); the texts of the labels are files of a zip
archive that stands behind the model in the same file.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence

from kolam.lite._network import Network, Tensor
from kolam.lite._tflite.flat import Table, write_table

_AXIS_LABELS = 2
_PARSER = "1.0.0"  # the first version of the schema has all that is written here


def describe(network: Network, labels: Mapping[str, str]) -> bytes:
    """Write the description of a model.

    Args:
        network: The first signature.
        labels: Name of the file with the labels of an output, by output.
    """
    subgraph = Table()
    subgraph.set(2, "[table]", [_tensor(tensor, None) for tensor in network.inputs])
    subgraph.set(
        3, "[table]", [_tensor(tensor, labels.get(tensor.name)) for tensor in network.outputs]
    )
    model = Table().set(0, "string", network.name).set(3, "[table]", [subgraph])
    return write_table(model.set(7, "string", _PARSER), b"M001")


def _tensor(tensor: Tensor, file: str | None) -> Table:
    table = Table().set(0, "string", tensor.name)
    if file is not None:
        table.set(6, "[table]", [Table().set(0, "string", file).set(2, "byte", _AXIS_LABELS)])
    return table


def append_files(model: bytes, files: Mapping[str, Sequence[str]]) -> bytes:
    """Put text files, one line per entry, behind a model; readers of either find their part."""
    if not files:
        return model
    stream = io.BytesIO(model)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a") as archive:
        for name, lines in files.items():
            # a fixed date: the same model gives the same bytes
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), "\n".join(lines))
    return stream.getvalue()
