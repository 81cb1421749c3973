"""CSV files with a fault somewhere: it is named by line, in a file held or read by blocks."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kolam.core import DataError
from kolam.data import Dataset
from kolam.data._buffers import Buffers
from kolam.data._formats.csv import read_csv
from kolam.data._formats.csv_blocks import CsvGroups
from kolam.data._formats.files import find_files

HEAD = 60_000  # rows that take more than the first block, from which types are inferred


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file whose column n is whole numbers but for a word in row 150,000."""
    path = tmp_path_factory.mktemp("csv") / "late.csv"
    rows = [f"{row},{row}.5,word {row}" for row in range(200_000)]
    rows[150_000] = "abc,1.5,word"
    path.write_text("\n".join(["n,x,t", *rows, ""]))
    return path


@pytest.mark.parametrize("memory", [None, 1 << 20])
def test_a_type_that_changes_late_is_named_by_line_when_rows_are_used(
    late: Path, memory: int | None
) -> None:
    dataset = Dataset.from_csv(late, memory_bytes=memory)
    with pytest.raises(
        DataError,
        match=r"Column 'n' of .*late\.csv has cells that do not fit its type: line 150002 "
        r"\(row 150000\) has 'abc', which is no int64\.\n  Give .*column_types={'n': pyarrow\.str",
    ) as caught:
        for _ in dataset.batch(1000):
            pass
    assert caught.value.column == "n"


@pytest.mark.parametrize("memory", [None, 1 << 20])
def test_rows_before_and_behind_a_fault_are_read(late: Path, memory: int | None) -> None:
    source = Dataset.from_csv(late, memory_bytes=memory)._source
    rows = np.array([0, 149_999, 150_001, 199_999])
    assert source.take(rows, Buffers())["n"].tolist() == rows.tolist()


@pytest.mark.parametrize("memory", [None, 1 << 20])
def test_the_type_that_fits_can_be_given(late: Path, memory: int | None) -> None:
    dataset = Dataset.from_csv(late, column_types={"n": pa.string()}, memory_bytes=memory)
    taken = dataset._source.take(np.array([149_999, 150_000]), Buffers())
    assert taken["n"].tolist() == ["149999", "abc"]


def test_whole_numbers_that_become_fractions_and_then_words_are_fractions(tmp_path: Path) -> None:
    rows = [*map(str, range(200_000)), "0.5", "x", "7"]
    (tmp_path / "t.csv").write_text("\n".join(["n", *rows]))
    source = Dataset.from_csv(tmp_path / "t.csv")._source
    assert source.take(np.array([200_000, 200_002]), Buffers())["n"].tolist() == [0.5, 7.0]
    with pytest.raises(DataError, match=r"line 200003 \(row 200001\) has 'x', which is no double"):
        source.take(np.array([200_001]), Buffers())


def test_a_missing_whole_number_far_down_a_large_file_is_named(tmp_path: Path) -> None:
    rows = [f"{row},1" for row in range(200_000)]
    rows[180_000] = ",1"
    (tmp_path / "t.csv").write_text("\n".join(["n,m", *rows]))
    large = Dataset.from_csv(tmp_path / "t.csv", memory_bytes=1 << 20)._source
    with pytest.raises(
        DataError, match=r"line 180002 \(row 180000\) has no 'n', .* int64\.\n  .*float64"
    ):
        large.take(np.array([180_000]), Buffers())
    assert large.take(np.array([180_001]), Buffers())["n"].tolist() == [180_001]


def test_missing_numbers_at_the_beginning_of_a_large_file_are_nan(tmp_path: Path) -> None:
    rows = ["1,1", ",1", *[f"{row},1" for row in range(200_000)]]
    (tmp_path / "t.csv").write_text("\n".join(["n,m", *rows]))
    large = Dataset.from_csv(tmp_path / "t.csv", memory_bytes=1 << 20)
    taken = large._source.take(np.array([1, 150_000]), Buffers())["n"]
    np.testing.assert_array_equal(taken, [np.nan, 149_998])


FAULTS = {
    "short": (b"7", r"found 1 cell, but the header has 2"),
    "long": (b"7,8,9", r"found 3 cells, but the header has 2"),
    "word": (b"x,8", r"\(row {row}\) has 'x', which is no int64"),
    "latin": (b"7,\xe9", r"byte 0xe9 at offset \d+ is not UTF-8"),
}


@pytest.mark.parametrize("kind", FAULTS)
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25
)
@given(
    place=st.integers(0, 99),
    seed=st.integers(0, 1000),
    block=st.integers(10, 700),
    ends=st.sampled_from(["\n", "\r\n"]),
)
def test_a_fault_anywhere_is_named_and_nothing_else_changes(
    kind: str, place: int, seed: int, block: int, ends: str, tmp_path: Path
) -> None:
    text, message = FAULTS[kind]
    rng = random.Random(seed)
    words = [f"w{rng.randrange(9)}" + ends * rng.randrange(2) + "'" * 3 for _ in range(100)]
    rows = [f'{row},"{word}"'.encode() for row, word in enumerate(words)]
    rows[place] = text
    head = b"n,t" + ends.encode()
    (tmp_path / "t.csv").write_bytes(head + ends.encode().join(rows) + ends.encode())
    (file,) = find_files(tmp_path / "t.csv", (".csv",))
    groups = CsvGroups([file], block_bytes=block, column_types={"n": pa.int64()})
    line = 2 + sum(2 if ends in word else 1 for word in words[:place])
    found = {}
    values: list[tuple[int, str]] = []
    for group in range(len(groups.rows)):
        piece = groups.read(group)
        found |= {len(values) + row: str(fault) for row, fault in piece.faults.items()}
        columns = (piece.table[name].to_pylist() for name in ("n", "t"))
        values += zip(*columns, strict=True)
    assert list(found) == [place]
    assert f"line {line}" in found[place]
    with pytest.raises(DataError, match=message.format(row=place)):
        raise DataError(found[place])
    del values[place], words[place]
    assert values == [
        (row, word) for row, word in zip((r for r in range(100) if r != place), words, strict=True)
    ]


@pytest.mark.parametrize("kind", ["short", "latin"])
def test_a_file_in_memory_is_read_around_its_bad_rows(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"n,t\n1,a\n" + FAULTS[kind][0] + b"\n3,c\n")
    (file,) = find_files(path, (".csv",))
    table = read_csv(file, is_lenient=True)
    assert table.table.to_pylist() == [{"n": 1, "t": "a"}, {"n": 3, "t": "c"}]
    assert list(table.piece.faults) == [1]
    assert "line 3" in str(table.piece.faults[1])


def test_a_quote_that_never_closes_is_named_in_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("n,t\n" + "1,x\n" * 1000 + '2,"y\n' + "1,x\n" * 1000)
    with pytest.raises(DataError, match='a cell after line 1001 begins with " and never ends'):
        Dataset.from_csv(path, memory_bytes=4000)


def test_a_file_that_changes_while_it_is_used_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("n,t\n" + "1,x\n" * 1000)
    source = Dataset.from_csv(path, memory_bytes=4000)._source
    path.write_text("n,t\n" + "1,x" * 1000 + "\n")
    with pytest.raises(DataError, match="The file was changed while it was in use"):
        source.take(np.array([900]), Buffers())


NUMBERS = [str(row) for row in range(1000)]
CHANGES: dict[str, tuple[list[str], str, int]] = {  # cells, dtype, faults
    "one word": ([*NUMBERS[:800], "word", *NUMBERS], "int64", 1),
    "one word early": ([*NUMBERS[:50], "word", *NUMBERS], "string", 0),
    "a fraction": ([*NUMBERS, "1.5", *NUMBERS], "float64", 0),
    "a fraction and a word": ([*NUMBERS, "1.5", *NUMBERS, "word"], "float64", 1),
    "a word after truths": (["true"] * 200 + ["word"], "bool", 1),
    "as many words": ([*NUMBERS, *(f"A{row}" for row in range(1000))], "string", 0),
    "words after nothing": ([""] * 200 + ["word"] * 3, "string", 0),
}


@pytest.mark.filterwarnings("ignore:1 of .* records were left out")
@pytest.mark.parametrize("memory", [None, 4000])
@pytest.mark.parametrize("kind", CHANGES)
def test_few_words_below_numbers_are_faults_in_a_file_of_any_size(
    kind: str, memory: int | None, tmp_path: Path
) -> None:
    cells, dtype, faults = CHANGES[kind]
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{cell},{row}\n" for row, cell in enumerate(cells)))
    dataset = Dataset.from_csv(path, memory_bytes=memory, on_error="skip")
    assert dataset.element_spec["a"].dtype == dtype
    assert dataset.count() == len(cells) - faults
    strict = Dataset.from_csv(path, memory_bytes=memory)
    if faults:
        line = cells.index("word") + 2
        with pytest.raises(DataError, match=rf"line {line} \(row {line - 2}\) has 'word', which"):
            list(strict)
    else:
        assert strict.count() == len(cells)
