"""Tables in memory, and the same read by groups from every format."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kolam.core import DataError, InvalidArgumentError
from kolam.data import Dataset
from kolam.data._buffers import Buffers
from kolam.data._formats.files import find_files
from kolam.data._formats.parquet import ParquetGroups
from kolam.data._tables import GroupedSource

Write = Callable[[pa.Table, Path, int], None]


def _write_parquet(table: pa.Table, path: Path, rows: int) -> None:
    pq.write_table(table, path, row_group_size=rows)


def _write_ipc(table: pa.Table, path: Path, rows: int) -> None:
    feather.write_feather(table, path, chunksize=rows)


def _write_csv(table: pa.Table, path: Path, rows: int) -> None:
    arrow_csv.write_csv(table, path)


def _write_jsonl(table: pa.Table, path: Path, rows: int) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))


FORMATS: dict[str, tuple[Write, Callable[..., Dataset]]] = {
    "parquet": (_write_parquet, Dataset.from_parquet),
    "arrow": (_write_ipc, Dataset.from_ipc),
    "csv": (_write_csv, Dataset.from_csv),
    "jsonl": (_write_jsonl, Dataset.from_jsonl),
}
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=5)
ROWS = st.lists(
    st.tuples(st.integers(-9, 9), st.floats(-9, 9).map(lambda x: x + 0.25), TEXT),
    min_size=1,
    max_size=30,
)


def _table(rows: list[tuple[int, float, str]]) -> pa.Table:
    return pa.table(
        {
            "n": pa.array([row[0] for row in rows], pa.int64()),
            "x": pa.array([row[1] for row in rows], pa.float64()),
            "t": pa.array([f"t{row[2]}" for row in rows], pa.string()),
        }
    )


def _grouped(dataset: Dataset) -> GroupedSource:
    source = dataset._source
    assert isinstance(source, GroupedSource)
    assert source.groups is not None
    return source


@pytest.mark.parametrize("kind", FORMATS)
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40
)
@given(rows=ROWS, group=st.integers(1, 9), memory=st.integers(1, 500), data=st.data())
def test_rows_read_by_groups_are_those_of_the_table(
    kind: str,
    rows: list[tuple[int, float, str]],
    group: int,
    memory: int,
    data: st.DataObject,
    tmp_path: Path,
) -> None:
    write, read = FORMATS[kind]
    table = _table(rows)
    write(table, tmp_path / f"t.{kind}", group)
    dataset = read(tmp_path / f"t.{kind}", memory_bytes=memory)
    asked = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=20)), np.int64)
    taken = dataset._source.take(asked, Buffers())
    assert dataset.to_table().to_pylist() == table.to_pylist()
    assert taken["n"].tolist() == [rows[row][0] for row in asked]
    assert taken["x"].tolist() == [rows[row][1] for row in asked]
    assert taken["t"].tolist() == [f"t{rows[row][2]}" for row in asked]
    assert {name: spec.dtype for name, spec in dataset.element_spec.items()} == {
        name: "string" if values.dtype == object else str(values.dtype)
        for name, values in taken.items()
    }


@pytest.mark.parametrize("kind", FORMATS)
def test_several_files_are_one_table(kind: str, tmp_path: Path) -> None:
    write, read = FORMATS[kind]
    parts = [_table([(n, 0.25, "a"), (n + 1, 0.5, "b")]) for n in (0, 2, 4)]
    for number, part in enumerate(parts):
        write(part, tmp_path / f"{number}.{kind}", 1)
    for memory in (1, None):
        dataset = read(tmp_path, memory_bytes=memory)
        assert dataset.to_table().to_pylist() == pa.concat_tables(parts).to_pylist()
        assert [int(row["n"]) for row in dataset] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("memory", [1, None])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_with_other_columns_is_named(kind: str, memory: int | None, tmp_path: Path) -> None:
    write, read = FORMATS[kind]
    write(pa.table({"a": [1], "b": [2]}), tmp_path / f"0.{kind}", 1)
    write(pa.table({"a": [1], "c": [2]}), tmp_path / f"1.{kind}", 1)
    with pytest.raises(
        DataError, match=rf"0\.{kind} has a column 'b', .*1\.{kind} has none"
    ) as caught:
        read(tmp_path, memory_bytes=memory)
    assert caught.value.column == "b"


@pytest.mark.parametrize("memory", [1, None])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_with_another_type_is_named(kind: str, memory: int | None, tmp_path: Path) -> None:
    write, read = FORMATS[kind]
    write(pa.table({"a": [1]}), tmp_path / f"0.{kind}", 1)
    write(pa.table({"a": ["x"]}), tmp_path / f"1.{kind}", 1)
    with pytest.raises(
        DataError, match=rf"'a' is int64 in .*0\.{kind}, but string in .*1\.{kind}\.\n  Write one"
    ):
        read(tmp_path, memory_bytes=memory)


@pytest.mark.parametrize("memory", [1, None])
@pytest.mark.parametrize("kind", FORMATS)
def test_numbers_of_several_files_widen(kind: str, memory: int | None, tmp_path: Path) -> None:
    write, read = FORMATS[kind]
    write(pa.table({"a": [1]}), tmp_path / f"0.{kind}", 1)
    write(pa.table({"a": [0.5]}), tmp_path / f"1.{kind}", 1)
    dataset = read(tmp_path, memory_bytes=memory)
    assert [row["a"].dtype.name for row in dataset] == ["float64", "float64"]


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
@pytest.mark.parametrize("memory", [1, None])
def test_missing_values_in_one_group_decide_the_dtype_of_all(
    kind: str, memory: int | None, tmp_path: Path
) -> None:
    write, read = FORMATS[kind]
    table = pa.table({"n": [1, 2, None], "b": [True, None, False], "s": [{"k": 1}, None, None]})
    write(table, tmp_path / f"t.{kind}", 1)
    dataset = read(tmp_path / f"t.{kind}", memory_bytes=memory)
    (batch,) = dataset.batch(3)
    assert {name: batch[name].dtype.name for name in "nb"} == {"n": "float64", "b": "float64"}
    np.testing.assert_array_equal(batch["n"], [1, 2, np.nan])
    np.testing.assert_array_equal(batch["b"], [1, np.nan, 0])
    np.testing.assert_array_equal(batch["s"]["k"], [1, np.nan, np.nan])


def test_parquet_without_statistics_is_looked_through_for_missing_values(tmp_path: Path) -> None:
    table = pa.table({"n": [1, 2, None], "m": [1, 2, 3]})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=1, write_statistics=False)
    spec = Dataset.from_parquet(tmp_path / "t.parquet", memory_bytes=1).element_spec
    assert (spec["n"].dtype, spec["m"].dtype) == ("float64", "int64")


def test_few_groups_are_kept_and_read_once_while_a_window_is_used(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": np.arange(100)}), tmp_path / "t.parquet", row_group_size=10)
    source = _grouped(Dataset.from_parquet(tmp_path / "t.parquet", memory_bytes=320))
    reads: list[int] = []
    read = source._table.read
    source._table.read = lambda group: (reads.append(group), read(group))[1]  # type: ignore[method-assign]
    for _ in range(3):
        source.take(np.arange(30), Buffers())
    source.take(np.arange(20, 50), Buffers())
    assert source.groups is not None
    assert (source.groups.window, source.groups.sizes.tolist()) == (4, [10] * 10)
    assert reads == [0, 1, 2, 3, 4]
    assert len(source._kept) == 4


@pytest.mark.parametrize("size", [0, -1, 1.5, True])
def test_a_memory_that_is_no_number_of_bytes_is_refused(size: Any, tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1]}), tmp_path / "t.parquet")
    with pytest.raises(InvalidArgumentError, match=rf"memory_bytes of a source is {size!r}"):
        Dataset.from_parquet(tmp_path / "t.parquet", memory_bytes=size)


def test_a_damaged_group_names_its_rows_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table({"n": np.random.default_rng(0).integers(0, 1 << 60, 400)})
    pq.write_table(table, path, row_group_size=100, use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(2).column(0)
    content = bytearray(path.read_bytes())
    start = column.data_page_offset
    content[start : start + 30] = b"\xff" * 30
    path.write_bytes(bytes(content))
    source = _grouped(Dataset.from_parquet(path, memory_bytes=1000))
    with pytest.raises(DataError, match=r"t\.parquet \(in rows 250 to 274\) is no whole Parquet"):
        source.take(np.array([250]), Buffers())
    rows = np.array([0, 199, 300])
    taken = source.take(rows, Buffers())["n"]
    assert taken.tolist() == table["n"].to_numpy()[rows].tolist()


LISTS: dict[str, tuple[pa.Array, object, tuple[object, ...]]] = {
    "lists of one size": (
        pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2)),
        [[1, 2], [3, 4]],
        (2,),
    ),
    "missing lists of one size": (
        pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
        [[1, 2], [np.nan, np.nan]],
        (2,),
    ),
    "lists": (pa.array([[1, 2], None, [], [3]]), [[1, 2], [], [], [3]], ("a_size",)),
    "lists of texts": (pa.array([["x"], ["y", None]]), [["x"], ["y", None]], ("a_size",)),
    "lists of lists": (
        pa.array([[[1], [2, 3]], []]),
        [[[1], [2, 3]], []],
        ("a_size1", "a_size"),
    ),
    "lists of lists of one size": (
        pa.array([[[1, 2]], [[3, 4], [5, 6]]], pa.list_(pa.list_(pa.int8(), 2))),
        [[[1, 2]], [[3, 4], [5, 6]]],
        ("a_size1", 2),
    ),
    "words of a dictionary": (
        pa.array(["x", "y", "x"]).dictionary_encode(),
        ["x", "y", "x"],
        (),
    ),
    "structs": (pa.array([{"k": 1}, {"k": 2}]), {"k": [1, 2]}, ()),
}


def _plain(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _plain(value) for key, value in values.items()}
    if isinstance(values, np.ndarray):
        return [_plain(value) for value in values.tolist()]
    return [_plain(value) for value in values] if isinstance(values, list) else values


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("kind", LISTS)
def test_nested_columns_are_arrays(kind: str, cut: bool) -> None:
    values, expected, shape = LISTS[kind]
    table = pa.table({"a": values})
    if cut:  # several pieces, which do not begin at the start of their buffers
        table = pa.concat_tables([pa.table({"a": values[:1]}), pa.table({"a": values})]).slice(1)
    dataset = Dataset.from_arrow(table)
    taken = dataset._source.take(np.arange(len(values)), Buffers())["a"]
    spec = dataset.element_spec["a"]
    np.testing.assert_equal(_plain(taken), expected)
    assert (spec["k"] if isinstance(spec, dict) else spec).shape == shape


def test_tensors_of_arrow_are_arrays() -> None:
    values = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    dataset = Dataset.from_arrow(
        pa.table({"a": pa.FixedShapeTensorArray.from_numpy_ndarray(values)})
    )
    np.testing.assert_array_equal([row["a"] for row in dataset], values)
    assert dataset.element_spec["a"].shape == (2, 3)


def test_a_column_alone_is_used_where_it_lies() -> None:
    values = np.arange(8, dtype=np.float32)
    dataset = Dataset.from_arrow(
        pa.table({"a": pa.FixedSizeListArray.from_arrays(pa.array(values), 4)})
    )
    (matrix,) = dataset._source._packed.matrices  # type: ignore[attr-defined]
    assert np.shares_memory(matrix, values)


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=40,
)
@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(any),
    least=st.integers(1, 200),
    most=st.integers(1, 200),
)
def test_row_groups_are_joined_and_cut_without_a_row_lost(
    sizes: list[int], least: int, most: int, tmp_path: Path
) -> None:
    table = pa.table({"n": np.arange(sum(sizes)), "t": [f"t{n}" for n in range(sum(sizes))]})
    with pq.ParquetWriter(tmp_path / "t.parquet", table.schema) as writer:
        for size, stop in zip(sizes, np.cumsum(sizes).tolist(), strict=True):
            writer.write_table(table.slice(stop - size, size))
    files = find_files(tmp_path / "t.parquet", ())
    groups = ParquetGroups(files, least_bytes=least, most_bytes=most)
    pieces = [groups.read(group).table for group in range(len(groups.rows))]
    assert pa.concat_tables(pieces) == table
    assert [piece.num_rows for piece in pieces] == groups.rows.tolist()


def test_of_groups_read_together_only_the_damaged_one_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"n": np.arange(40)}), path, row_group_size=10, use_dictionary=False)
    start = pq.ParquetFile(path).metadata.row_group(2).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 10] = b"\xff" * 10
    path.write_bytes(bytes(content))
    dataset = Dataset.from_parquet(path, on_error="skip")
    with pytest.warns(
        UserWarning, match=r"10 of 40 records .*\(in rows 20 to 29\) is no whole Par"
    ):
        found = [int(row["n"]) for row in dataset]
    assert found == [*range(20), *range(30, 40)]


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=40,
)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["take", "skip", "shard"]), st.integers(0, 60)), max_size=3
    ),
    seed=st.integers(0, 9),
)
def test_a_shuffle_above_slices_and_shards_goes_from_window_to_window(
    steps: list[tuple[str, int]], seed: int, tmp_path: Path
) -> None:
    path = tmp_path / "t.parquet"
    if not path.exists():
        pq.write_table(pa.table({"n": np.arange(300)}), path, row_group_size=10)
    dataset = Dataset.from_parquet(path, memory_bytes=320)
    window = 4
    for step, size in steps:
        dataset = (
            dataset.shard(size % 3, 3) if step == "shard" else getattr(dataset, step)(5 * size)
        )
    rows = [int(row["n"]) for row in dataset]
    order = [int(row["n"]) for row in dataset.shuffle(seed)]
    assert sorted(order) == rows
    groups = np.array(order) // 10
    seen = list(dict.fromkeys(groups.tolist()))  # the order in which groups are first met
    places = np.array([seen.index(group) // window for group in groups])
    assert (np.diff(places) >= 0).all()


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("memory", [1, None])
@pytest.mark.parametrize("kind", FORMATS)
def test_names_may_have_dots(
    kind: str, memory: int | None, statistics: bool, tmp_path: Path
) -> None:
    table = pa.table({"a": [1, 2], "a.b": [1, None], ".": [3, 4]})
    path = tmp_path / f"t.{kind}"
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=2, write_statistics=statistics)
    else:
        FORMATS[kind][0](table, path, 2)
    dataset = FORMATS[kind][1](path, memory_bytes=memory)
    dtypes = {name: spec.dtype for name, spec in dataset.element_spec.items()}
    assert dtypes == {"a": "int64", "a.b": "float64", ".": "int64"}
    assert [row["a.b"].dtype.name for row in dataset] == ["float64", "float64"]


def _parquet(tmp_path: Path, table: pa.Table) -> Dataset:
    pq.write_table(table, tmp_path / "t.parquet")
    return Dataset.from_parquet(tmp_path / "t.parquet")


LACKING = {
    "empty": ([[1, 2], [], [3]], "int64"),
    "missing": ([[1, 2], None, [3]], "int64"),
    "with a missing number": ([[1, 2], [None], [3]], "float64"),
}


@pytest.mark.parametrize("kind", LACKING)
def test_only_missing_numbers_in_lists_make_them_fractions(kind: str, tmp_path: Path) -> None:
    values, dtype = LACKING[kind]
    table = pa.table({"tokens": values, "x": [0.0, 1.0, 2.0]})
    for dataset in (Dataset.from_arrow(table), _parquet(tmp_path, table)):
        assert dataset.element_spec["tokens"].dtype == dtype
        assert {row["tokens"].dtype for row in dataset} == {np.dtype(dtype)}
        # whichever rows come together
        assert {row["tokens"].dtype for row in dataset.skip(2)} == {np.dtype(dtype)}


def test_lists_of_structs_and_maps_are_dicts_of_arrays(tmp_path: Path) -> None:
    boxes = [[{"x": 1, "name": "a"}, {"x": 2, "name": None}], [], None, [{"x": None, "name": "d"}]]
    table = pa.table(
        {
            "boxes": boxes,
            "sizes": pa.array([[("a", 1)], [], None, [("b", 2)]], pa.map_(pa.string(), pa.int8())),
        }
    )
    for dataset in (Dataset.from_arrow(table), _parquet(tmp_path, table)):
        rows = list(dataset)
        assert rows[0]["boxes"]["x"].tolist() == [1.0, 2.0]
        assert rows[0]["boxes"]["name"].tolist() == ["a", None]
        assert [row["sizes"]["value"].tolist() for row in rows] == [[1], [], [], [2]]
        assert rows[3]["sizes"]["key"].tolist() == ["b"]
        spec = dataset.element_spec
        assert spec["boxes"]["x"].dtype == "float64"
        assert spec["boxes"]["x"].shape == ("boxes_size",)
        assert spec["sizes"]["value"].dtype == "int8"
        (batch,) = dataset.padded_batch(4)
        assert batch["sizes"]["value"].tolist() == [[1], [0], [0], [2]]


def test_a_missing_value_of_a_dictionary_is_missing() -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array([5, None]))
    dataset = Dataset.from_arrow(pa.table({"v": values}))
    assert dataset.element_spec["v"].dtype == "float64"
    np.testing.assert_array_equal(next(iter(dataset.batch(3)))["v"], [5, np.nan, 5])


def test_frames_of_polars_have_texts_and_categories() -> None:
    frame = pl.DataFrame(
        {
            "s": ["x", None],
            "c": pl.Series(["p", "q"], dtype=pl.Categorical),
            "l": [["a"], ["b", "c"]],
        }
    )
    rows = list(Dataset.from_arrow(frame).shuffle(seed=0))
    assert sorted((row["c"], row["s"], row["l"].tolist()) for row in rows) == [
        ("p", "x", ["a"]),
        ("q", None, ["b", "c"]),
    ]


def test_an_index_of_pandas_without_a_name_is_no_column_of_a_file(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1, 2, 3]}).iloc[[2, 0, 1]]
    frame.to_parquet(tmp_path / "t.parquet")
    assert [dict(row) for row in Dataset.from_parquet(tmp_path / "t.parquet")] == [
        {"x": 3},
        {"x": 1},
        {"x": 2},
    ]


def test_whole_numbers_that_float64_rounds_are_said() -> None:
    dataset = Dataset.from_arrow({"id": [2**53 + 1, None]})
    with pytest.warns(UserWarning, match=r"Column 'id' has missing values.*beyond 2\*\*53"):
        list(dataset)
