"""Binary files damaged at random: an error that names the file, or what was written."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from kolam.core import DataError
from kolam.data import Dataset

ROWS = 60
TABLE = pa.table(
    {
        "n": np.arange(ROWS) ** 3,
        "x": np.linspace(0, 1, ROWS),
        "t": [f"w{row % 7}é{row}" for row in range(ROWS)],
        "l": [[1.0] * (row % 3) for row in range(ROWS)],
        "m": [None if row % 5 == 0 else row for row in range(ROWS)],
    }
)


def _parquet(path: Path) -> None:
    pq.write_table(TABLE, path, row_group_size=20, write_page_checksum=True)


def _feather(path: Path) -> None:
    feather.write_feather(TABLE, path, chunksize=20, compression="uncompressed")


def _packed(path: Path) -> None:
    feather.write_feather(TABLE, path, chunksize=20, compression="lz4")


def _stream(path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=20)


def _damaged(whole: bytes, seed: int) -> bytes:
    rng = random.Random(seed)
    content = bytearray(whole)
    place = rng.randrange(len(content))
    match seed % 3:
        case 0:
            content[place] ^= 1 << rng.randrange(8)
        case 1:
            del content[place:]
        case 2:
            content[place : place + 9] = rng.randbytes(9)
    return bytes(content)


def _values(dataset: Dataset) -> str:
    """Give all values; names stand where a Parquet file has no checksum."""
    return repr([[np.asarray(value).tolist() for value in row.values()] for row in dataset])


# whether the format has checksums, so that a changed value cannot pass
KINDS: dict[str, tuple[Callable[[Path], None], Callable[..., Dataset], bool]] = {
    "Parquet with checksums": (_parquet, Dataset.from_parquet, True),
    "Feather": (_feather, Dataset.from_ipc, False),
    "packed Feather": (_packed, Dataset.from_ipc, False),
    "an Arrow stream": (_stream, Dataset.from_ipc, False),
}


@pytest.mark.filterwarnings("ignore:Column 'm' has missing values and whole numbers beyond")
@pytest.mark.parametrize("memory", [None, 1500])
@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_an_error_that_names_the_file(
    kind: str, memory: int | None, tmp_path: Path
) -> None:
    write, read, has_checksums = KINDS[kind]
    path = tmp_path / "table"
    write(path)
    whole, expected = path.read_bytes(), _values(read(path, memory_bytes=memory))
    for seed in range(90):
        path.write_bytes(_damaged(whole, seed))
        try:
            found = _values(read(path, memory_bytes=memory))
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017 - whole or an error, both are right
        except MemoryError as error:  # a length became enormous
            assert str(path) in error.__notes__[0]  # noqa: PT017
        else:
            assert found == expected or not has_checksums
