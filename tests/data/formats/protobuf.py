"""tf.Example messages and TFRecord files as other libraries read and write them."""

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorboard.compat.tensorflow_stub import errors
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New
from tensorboard.summary.writer.record_writer import RecordWriter

_FIELD = descriptor_pb2.FieldDescriptorProto


def _example_class(*, packed: bool) -> Any:
    """Describe the messages to the protobuf library, as TensorFlow's example.proto does."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"example_{packed}.proto", package=f"test{packed}", syntax="proto3"
    )

    def message(parent: Any, name: str, *fields: tuple[str, int, int, str | None, bool]) -> Any:
        made = parent.add(name=name)
        for number, (field, label, kind, type_name, in_oneof) in enumerate(fields, 1):
            added = made.field.add(name=field, number=number, label=label, type=kind)
            if type_name:
                added.type_name = f".test{packed}.{type_name}"
            if label == _FIELD.LABEL_REPEATED and kind in (_FIELD.TYPE_FLOAT, _FIELD.TYPE_INT64):
                added.options.packed = packed
            if in_oneof:
                added.oneof_index = 0
        return made

    many, one = _FIELD.LABEL_REPEATED, _FIELD.LABEL_OPTIONAL
    inner = _FIELD.TYPE_MESSAGE
    message(file.message_type, "BytesList", ("value", many, _FIELD.TYPE_BYTES, None, False))
    message(file.message_type, "FloatList", ("value", many, _FIELD.TYPE_FLOAT, None, False))
    message(file.message_type, "Int64List", ("value", many, _FIELD.TYPE_INT64, None, False))
    feature = message(
        file.message_type,
        "Feature",
        ("bytes_list", one, inner, "BytesList", True),
        ("float_list", one, inner, "FloatList", True),
        ("int64_list", one, inner, "Int64List", True),
    )
    feature.oneof_decl.add(name="kind")
    features = message(
        file.message_type, "Features", ("feature", many, inner, "Features.Entry", False)
    )
    message(
        features.nested_type,
        "Entry",
        ("key", one, _FIELD.TYPE_STRING, None, False),
        ("value", one, inner, "Feature", False),
    )
    message(file.message_type, "Example", ("features", one, inner, "Features", False))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"test{packed}.Example"))


EXAMPLES = {packed: _example_class(packed=packed) for packed in (True, False)}


def encode(features: dict[str, tuple[str, list[Any]]], *, packed: bool = True) -> bytes:
    """Write an example whose features are (name of the list, values)."""
    example = EXAMPLES[packed]()
    for name, (kind, values) in features.items():
        entry = example.features.feature.add(key=name)
        getattr(entry.value, kind).value.extend(values)
        getattr(entry.value, kind).SetInParent()
    return bytes(example.SerializeToString())


def decode(message: bytes) -> dict[str, tuple[str, list[Any]]]:
    """Read an example."""
    entries = EXAMPLES[True].FromString(message).features.feature
    return {
        entry.key: (kind, list(getattr(entry.value, kind).value))
        for entry in entries
        if (kind := entry.value.WhichOneof("kind"))
    }


def write_file(path: Path, records: list[bytes]) -> None:
    """Write a TFRecord file by TensorBoard's own writer."""
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        for record in records:
            writer.write(record)


def read_file(path: Path) -> list[bytes]:
    """Read a TFRecord file by TensorBoard's own reader, which compares checksums."""
    reader = PyRecordReader_New(str(path))
    records = []
    try:
        while True:
            reader.GetNext()
            records.append(bytes(reader.record()))
    except errors.OutOfRangeError:
        return records
