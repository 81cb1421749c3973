"""Examples out to files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kolam.core import DataError, InvalidTypeError
from kolam.data._formats.examples import write_example
from kolam.data._formats.tfrecord import write_records


def write_tfrecord(path: str | Path, examples: Iterable[Any]) -> int:
    """Write a TFRecord file, one tf.Example (or one record of bytes) per element.

    A tf.Example stores flat lists of float32, int64 or bytes: arrays of any shape become flat, so
    reading them back takes their spec, as in ``features={"image": TensorSpec((28, 28))}``. Wider
    fractions are rounded to float32, text is stored as UTF-8. The file is whole or not there.

    Args:
        path: Of the file.
        examples: A `Dataset`, or any iterable, of dicts of name to number, text, bytes, array or
            list; or of `bytes`, which are stored as they are.

    Returns:
        Number of records.

    Raises:
        DataError: An example has a value that a tf.Example cannot hold; the message has its number.
        StorageError: The file cannot be written.
    """

    def records() -> Iterable[bytes]:
        for number, example in enumerate(examples):
            if isinstance(example, bytes):
                yield example
                continue
            if not isinstance(example, Mapping):
                raise InvalidTypeError(
                    f"Element {number} is a {type(example).__name__}, not a dict of features.",
                    how="Let map() give a dict of name to value.",
                )
            try:
                yield write_example({name: _plain(value) for name, value in example.items()})
            except DataError as error:
                raise DataError(
                    f"Element {number}: {error.what}", column=error.column, how=error.how
                ) from error

    return write_records(Path(path).expanduser(), records())


def _plain(value: Any) -> Any:
    return value if isinstance(value, bytes | str | list) else np.asarray(value)
