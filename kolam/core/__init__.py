"""What three rooms need and that knows none of them.

Errors by cause, specs of arrays, places in the user's source, the registry, the accumulator
protocol, atomic files, tables as Arrow batches. Nothing here knows JAX, Keras or a model.
"""

from kolam.core._accumulator import Accumulator
from kolam.core._compilation import prepare_jax
from kolam.core._errors import (
    ConversionError,
    DataError,
    IntegrityError,
    InvalidArgumentError,
    InvalidTypeError,
    KolamError,
    MissingExtraError,
    NotANumberError,
    OutOfMemoryError,
    ParityError,
    RejectedDataError,
    StorageError,
    UnknownNameError,
    UnsupportedError,
)
from kolam.core._files import (
    atomic_folder,
    canonical_json,
    digest_bytes,
    digest_file,
    digest_folder,
    home_folder,
    is_process_alive,
    safe_join,
    storage_errors,
    sync_folder,
    temporary_folder,
    write_atomic,
)
from kolam.core._memory import collector_paused
from kolam.core._optional import import_keras, require_extra
from kolam.core._records import (
    bytes_field,
    double_field,
    float_field,
    frame_record,
    masked_crc,
    varint_field,
)
from kolam.core._registry import Registry
from kolam.core._source import SourceLocation
from kolam.core._specs import DTYPES, TensorSpec
from kolam.core._tables import (
    as_table,
    computable,
    computable_type,
    record_batches,
    unnamed_index,
)
from kolam.core._versions import show_versions, versions

__all__ = [
    "DTYPES",
    "Accumulator",
    "ConversionError",
    "DataError",
    "IntegrityError",
    "InvalidArgumentError",
    "InvalidTypeError",
    "KolamError",
    "MissingExtraError",
    "NotANumberError",
    "OutOfMemoryError",
    "ParityError",
    "Registry",
    "RejectedDataError",
    "SourceLocation",
    "StorageError",
    "TensorSpec",
    "UnknownNameError",
    "UnsupportedError",
    "as_table",
    "atomic_folder",
    "bytes_field",
    "canonical_json",
    "collector_paused",
    "computable",
    "computable_type",
    "digest_bytes",
    "digest_file",
    "digest_folder",
    "double_field",
    "float_field",
    "frame_record",
    "home_folder",
    "import_keras",
    "is_process_alive",
    "masked_crc",
    "prepare_jax",
    "record_batches",
    "require_extra",
    "safe_join",
    "show_versions",
    "storage_errors",
    "sync_folder",
    "temporary_folder",
    "unnamed_index",
    "varint_field",
    "versions",
    "write_atomic",
]
