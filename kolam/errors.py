"""Every error that Kolam raises, by cause: the public door onto them."""

from kolam.core import (
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

__all__ = [
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
    "RejectedDataError",
    "StorageError",
    "UnknownNameError",
    "UnsupportedError",
]
