"""TFRecord files and tf.Examples, beside the readers and writers of TensorBoard and protobuf."""

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kolam import data
from kolam.core import DataError, InvalidArgumentError, InvalidTypeError, TensorSpec
from kolam.data import Dataset, write_tfrecord
from kolam.data._buffers import Buffers
from kolam.data._formats.examples import parse_example, parse_examples, write_example
from kolam.data._formats.files import find_files
from kolam.data._formats.tfrecord import RecordFile, write_records
from tests.data.formats import protobuf

FILES = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50
)
RECORDS = st.lists(st.binary(max_size=40), min_size=1, max_size=8)
FLOATS = st.floats(width=32, allow_nan=False)
FEATURES = st.dictionaries(
    st.text(max_size=4),
    st.one_of(
        st.tuples(st.just("bytes_list"), st.lists(st.binary(max_size=200), max_size=4)),
        st.tuples(st.just("float_list"), st.lists(FLOATS, max_size=4)),
        st.tuples(st.just("int64_list"), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4)),
    ),
    max_size=4,
)


@settings(deadline=None)
@given(features=FEATURES, packed=st.booleans())
def test_examples_are_read_as_protobuf_wrote_them(
    features: dict[str, tuple[str, list[Any]]], packed: bool
) -> None:
    found = parse_example(protobuf.encode(features, packed=packed))
    assert {name: list(values) for name, values in found.items()} == {
        name: values for name, (_, values) in features.items()
    }
    kinds = {"bytes_list": list, "float_list": np.dtype("f4"), "int64_list": np.dtype("i8")}
    for name, (kind, _) in features.items():
        assert getattr(found[name], "dtype", list) == kinds[kind]


@settings(deadline=None)
@given(features=FEATURES)
def test_protobuf_reads_examples_that_were_written(
    features: dict[str, tuple[str, list[Any]]],
) -> None:
    dtypes = {"float_list": np.float32, "int64_list": np.int64}
    filled = {name: value for name, value in features.items() if value[1]}
    message = write_example(
        {
            name: np.array(values, dtypes[kind]) if kind in dtypes else values
            for name, (kind, values) in filled.items()
        }
    )
    assert protobuf.decode(message) == filled


# numbers of one and of two bytes, so that messages of one length may differ in where those lie
NUMBERS = st.lists(st.sampled_from([1, 7, 300, 5000, -1]), max_size=4)


@settings(deadline=None)
@given(
    values=st.lists(st.tuples(NUMBERS, NUMBERS, st.lists(FLOATS, max_size=2)), max_size=30),
    packed=st.booleans(),
)
def test_examples_that_are_read_together_are_as_each_alone(
    values: list[tuple[list[int], list[int], list[float]]], packed: bool
) -> None:
    messages = [
        protobuf.encode(
            {
                "a": ("int64_list", first),
                "b": ("int64_list", second),
                "c": ("float_list", floats),
                "d": ("bytes_list", [bytes(first[:1] == [1])]),
            },
            packed=packed,
        )
        for first, second, floats in values
    ]
    found: dict[int, dict[str, list[Any]]] = {}
    for alike in parse_examples(messages):
        for index, place in enumerate(alike.places.tolist()):
            found[place] = {name: list(column[index]) for name, column in alike.features.items()}
    assert [found[place] for place in range(len(messages))] == [
        {"a": first, "b": second, "c": floats, "d": [bytes(first[:1] == [1])]}
        for first, second, floats in values
    ]


@settings(deadline=None)
@given(features=FEATURES, cut=st.integers(1, 30))
def test_an_example_that_is_cut_is_no_example_or_lacks_a_feature(
    features: dict[str, tuple[str, list[Any]]], cut: int
) -> None:
    message = protobuf.encode(features)
    try:
        found = parse_example(message[: max(0, len(message) - cut)])
    except DataError as error:
        assert "is no tf.Example" in str(error)  # noqa: PT017 - both ways are right
    else:
        assert found == {}  # nothing was left of the one field


def test_pieces_of_a_list_and_later_values_of_a_name_are_joined_as_protobuf_does() -> None:
    first = protobuf.encode({"a": ("int64_list", [1, 2])})
    second = protobuf.encode({"a": ("int64_list", [3]), "b": ("float_list", [0.5])})
    found = parse_example(first + second)
    assert {name: list(values) for name, values in found.items()} == {"a": [3], "b": [0.5]}


VALUES: dict[str, tuple[object, tuple[str, list[object]]]] = {
    "a number": (3, ("int64_list", [3])),
    "a fraction": (0.5, ("float_list", [0.5])),
    "a boolean": (True, ("int64_list", [1])),
    "text": ("é", ("bytes_list", ["é".encode()])),
    "texts": (np.array(["a", "b"], object), ("bytes_list", [b"a", b"b"])),
    "bytes": (b"\0", ("bytes_list", [b"\0"])),
    "a matrix": (np.array([[1, -2]], np.int8), ("int64_list", [1, -2])),
    "half floats": (np.array([0.5], np.float16), ("float_list", [0.5])),
    "a list": ([1, 2], ("int64_list", [1, 2])),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_are_stored_as_the_list_that_holds_them(kind: str) -> None:
    value, expected = VALUES[kind]
    assert protobuf.decode(write_example({"v": value})) == {"v": expected}


@pytest.mark.parametrize("value", [2**63, None, {"a": 1}, 1j, [1, "a"]])
def test_a_value_that_an_example_cannot_hold_is_refused(value: object, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Element 1: Feature 'v' is .*\n  Give numbers") as caught:
        data.write_tfrecord(tmp_path / "t.tfrecord", [{"v": 1}, {"v": value}])
    assert caught.value.column == "v"
    assert list(tmp_path.iterdir()) == []


def test_an_element_that_is_no_dict_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTypeError, match="Element 0 is a int64, not a dict of features"):
        data.write_tfrecord(tmp_path / "t.tfrecord", Dataset.from_arrays(np.arange(3)))


PLAIN: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda content: content,
    "gzip": gzip.compress,
    "zlib": zlib.compress,
}


@pytest.mark.parametrize("kind", PLAIN)
@FILES
@given(records=RECORDS)
def test_records_are_read_as_another_writer_wrote_them(
    kind: str, records: list[bytes], tmp_path: Path
) -> None:
    path = tmp_path / "t.tfrecord"
    protobuf.write_file(path, records)
    path.write_bytes(PLAIN[kind](path.read_bytes()))
    file = RecordFile(find_files(path, ())[0])
    order = np.random.default_rng(0).permutation(len(records))
    assert file.read(order) == [records[number] for number in order]


@FILES
@given(records=RECORDS)
def test_another_reader_reads_records_that_were_written(
    records: list[bytes], tmp_path: Path
) -> None:
    write_records(tmp_path / "ours", records)
    protobuf.write_file(tmp_path / "theirs", records)
    assert protobuf.read_file(tmp_path / "ours") == records
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@FILES
@given(records=RECORDS, place=st.integers(0, 10_000), mask=st.integers(1, 255))
def test_a_changed_byte_anywhere_is_named_with_its_record(
    records: list[bytes], place: int, mask: int, tmp_path: Path
) -> None:
    write_records(tmp_path / "t", records)
    content = bytearray((tmp_path / "t").read_bytes())
    place %= len(content)
    content[place] ^= mask
    (tmp_path / "t").write_bytes(bytes(content))
    ends = np.cumsum([16 + len(record) for record in records])
    number = int(np.searchsorted(ends, place, side="right"))
    with pytest.raises(
        DataError, match=rf"record {number}\b.*checksum|checksum of record {number} "
    ):
        RecordFile(find_files(tmp_path / "t", ())[0]).read(np.arange(len(records)))


@FILES
@given(records=RECORDS, cut=st.integers(1, 60))
def test_a_file_that_is_cut_is_refused_or_has_fewer_records(
    records: list[bytes], cut: int, tmp_path: Path
) -> None:
    write_records(tmp_path / "t", records)
    content = (tmp_path / "t").read_bytes()
    kept = content[: max(0, len(content) - cut)]
    (tmp_path / "t").write_bytes(kept)
    ends = np.cumsum([0, *(16 + len(record) for record in records)]).tolist()
    number = int(np.searchsorted(ends, len(kept), side="right")) - 1
    (file,) = find_files(tmp_path / "t", ())
    if len(kept) in ends[1:]:  # cut between records: nothing in the format tells
        assert RecordFile(file).read(np.arange(number)) == records[:number]
    else:
        with pytest.raises(
            DataError,
            match=rf"is cut: record {number} begins at byte {ends[number]}|has no records",
        ):
            RecordFile(file)


def test_a_damaged_record_does_not_keep_others_from_being_read(tmp_path: Path) -> None:
    path = tmp_path / "t.tfrecord"
    data.write_tfrecord(path, [{"n": n} for n in range(9)])
    content = bytearray(path.read_bytes())
    content[len(content) // 9 * 4 + 14] ^= 1
    path.write_bytes(bytes(content))
    source = Dataset.from_tfrecord(path)._source
    with pytest.raises(DataError, match="the checksum of record 4 "):
        source.take(np.array([3, 4]), Buffers())
    assert source.take(np.array([8, 3]), Buffers())["n"].tolist() == [8, 3]


def test_what_is_no_tfrecord_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"anything but records")
    with pytest.raises(DataError, match=r"length of record 0 \(byte 0\) does not fit its checksum"):
        Dataset.from_tfrecord(tmp_path / "t")
    (tmp_path / "t").write_bytes(gzip.compress(b"0" * 100)[:-9])
    with pytest.raises(DataError, match="begins like a compressed file, but cannot be decompress"):
        Dataset.from_tfrecord(tmp_path / "t")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two files of examples with a scalar, a vector, bytes and a list of different lengths."""
    for file in range(2):
        data.write_tfrecord(
            tmp_path / f"{file}.tfrecord",
            [
                {
                    "n": 5 * file + row,
                    "x": np.full(3, row, np.float32),
                    "image": bytes([row]),
                    "words": [f"w{i}" for i in range(1 + row)],
                }
                for row in range(5)
            ],
        )
    return tmp_path


def test_features_are_inferred_from_the_first_records(mixed: Path) -> None:
    dataset = Dataset.from_tfrecord(mixed)
    assert {name: (spec.shape, spec.dtype) for name, spec in dataset.element_spec.items()} == {
        "n": ((), "int64"),
        "x": ((3,), "float32"),
        "image": ((), "string"),
        "words": (("words_size",), "string"),
    }
    rows = list(dataset.skip(7).take(2))
    assert [int(row["n"]) for row in rows] == [7, 8]
    assert [row["x"].tolist() for row in rows] == [[2] * 3, [3] * 3]
    assert [row["image"] for row in rows] == [b"\2", b"\3"]
    assert [row["words"].tolist() for row in rows] == [
        [b"w0", b"w1", b"w2"],
        [b"w0", b"w1", b"w2", b"w3"],
    ]


def test_features_are_as_their_specs_say(mixed: Path) -> None:
    specs = {
        "n": TensorSpec((1,), "int8"),
        "x": TensorSpec(("steps", 3), "float64"),
        "absent": TensorSpec(("k",), "int64"),
    }
    row = next(iter(Dataset.from_tfrecord(mixed, features=specs)))
    assert {name: (value.shape, value.dtype.name) for name, value in row.items()} == {
        "n": ((1,), "int8"),
        "x": ((1, 3), "float64"),
        "absent": ((0,), "int64"),
    }


BAD_SPECS: dict[str, tuple[dict[str, TensorSpec], str]] = {
    "missing": ({"y": TensorSpec(())}, r"0\.tfrecord, record 0: feature 'y' is missing"),
    "kind": ({"n": TensorSpec((), "string")}, "feature 'n' holds int64, not string"),
    "bytes": ({"image": TensorSpec((), "int64")}, "feature 'image' holds bytes, not int64"),
    "fractions": ({"x": TensorSpec((3,), "int64")}, "feature 'x' holds float32, not int64"),
    "size": ({"x": TensorSpec((4,))}, r"feature 'x' has 3 values, not the \(4,\) of its spec"),
    "rows": (
        {"x": TensorSpec(("n", 2))},
        r"feature 'x' has 3 values, which do not fit \('n', 2\)",
    ),
}


@pytest.mark.parametrize("kind", BAD_SPECS)
def test_a_record_that_does_not_fit_its_spec_is_named(kind: str, mixed: Path) -> None:
    specs, message = BAD_SPECS[kind]
    with pytest.raises(DataError, match=message):
        next(iter(Dataset.from_tfrecord(mixed, features=specs)))


def test_a_number_too_large_for_its_spec_is_named(tmp_path: Path) -> None:
    data.write_tfrecord(tmp_path / "t", [{"n": 1}, {"n": 300}])
    with pytest.raises(DataError, match="record 1: feature 'n' has numbers that uint8 cannot hold"):
        list(Dataset.from_tfrecord(tmp_path / "t", features={"n": TensorSpec((), "uint8")}))


def test_a_feature_that_the_first_records_lack_is_named(tmp_path: Path) -> None:
    rows: list[dict[str, int]] = [{"n": row} for row in range(300)]
    rows[101]["odd"] = 1
    data.write_tfrecord(tmp_path / "t", rows)
    with pytest.raises(DataError, match="record 101 has a feature 'odd', which the first records"):
        list(Dataset.from_tfrecord(tmp_path / "t").batch(10))


def test_specs_that_no_list_can_have_are_refused(mixed: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"shape \(3, 'n'\); only the first size may"):
        Dataset.from_tfrecord(mixed, features={"x": TensorSpec((3, "n"))})
    with pytest.raises(InvalidArgumentError, match="spec of feature 'x' is 7"):
        Dataset.from_tfrecord(mixed, features={"x": 7})  # type: ignore[dict-item]


def test_raw_records_are_bytes(mixed: Path) -> None:
    records = list(Dataset.from_tfrecord(mixed, raw=True))
    assert len(records) == 10
    assert protobuf.decode(records[9])["n"] == ("int64_list", [9])


def test_a_record_that_is_no_example_is_named(tmp_path: Path) -> None:
    data.write_tfrecord(tmp_path / "t", [*[{"n": 1}] * 99, b"\x0f", *[{"n": 1}] * 99])
    with pytest.raises(DataError, match=r"t, record 99: it is no tf\.Example"):
        list(Dataset.from_tfrecord(tmp_path / "t").batch(10))


def test_a_dataset_is_written_and_read_back(tmp_path: Path) -> None:
    arrays = {"x": np.arange(6, dtype=np.float32).reshape(3, 2), "n": np.arange(3)}
    count = data.write_tfrecord(tmp_path / "t", Dataset.from_arrays(arrays))
    (batch,) = Dataset.from_tfrecord(tmp_path / "t").batch(3)
    assert count == 3
    for name, values in arrays.items():
        np.testing.assert_array_equal(batch[name], values)
        assert batch[name].dtype == values.dtype


@pytest.mark.parametrize("full", [[1, 2], [1.5], ["a"]])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_feature_may_be_empty_in_some_records(
    full: list[Any], is_first: bool, tmp_path: Path
) -> None:
    lists: list[list[Any]] = [[], full] if is_first else [full, []]
    write_tfrecord(tmp_path / "t.tfrecord", [{"a": values} for values in lists])
    found = [row["a"] for row in Dataset.from_tfrecord(tmp_path / "t.tfrecord")]
    assert [len(values) for values in found] == [len(values) for values in lists]
    assert len({values.dtype for values in found}) == 1
