"""Every error of Kolam, by cause.

A message answers three questions in this order: what was wrong, where in the user's own code,
what to do now. The last two are arguments, so that no message forgets its shape.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from kolam.core._source import SourceLocation


class KolamError(Exception):
    """Base of every error that Kolam raises on purpose.

    Args:
        what: What was wrong, with the values received.
        where: The line of the user's own code, if there is one.
        how: What to do now.
    """

    def __init__(self, what: str, *, where: SourceLocation | None = None, how: str = "") -> None:
        self.what = what
        self.where = where
        self.how = how
        parts = [what]
        if where is not None:
            parts.append(_indent(where.quote()))
        if how:
            parts.append(_indent(how))
        super().__init__("\n\n".join(parts) if where is not None else "\n".join(parts))

    # pickled between processes by joblib and pytest; the default would call __init__(message)
    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.args, self.__dict__))

    def __str__(self) -> str:  # OSError and KeyError would format their arguments otherwise
        return str(self.args[0])


class InvalidArgumentError(KolamError, ValueError):
    """An argument has a value that cannot be used."""


class InvalidTypeError(KolamError, TypeError):
    """An argument has a type that cannot be used."""


class UnknownNameError(KolamError, LookupError):
    """A name that should exist does not; the message suggests near ones."""

    @classmethod
    def among(
        cls, kind: str, name: str, known: Iterable[str], *, how: str = ""
    ) -> "UnknownNameError":
        """Say that `name` is no `kind`, with the nearest of `known`."""
        names = sorted(map(str, known))
        near = get_close_matches(str(name), names, n=3, cutoff=0.6)
        if not near:  # a short name inside a long one, and the other way round
            low = str(name).lower()
            near = [other for other in names if low in other.lower() or other.lower() in low][:3]
        shown = names if len(names) <= 20 else [*names[:20], f"... {len(names) - 20} more"]
        hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
        listing = f"There are: {', '.join(shown)}." if names else f"There is no {kind} at all."
        return cls(f"There is no {kind} {name!r}.", how=f"{hint}{listing}{' ' if how else ''}{how}")


class UnsupportedError(KolamError, NotImplementedError):
    """Something valid that this version does not do; the message names the nearest way round."""


class MissingExtraError(KolamError, ImportError):
    """An optional package is not installed; the message gives the line that installs it."""


class ConversionError(KolamError, TypeError):
    """Python control flow that cannot be turned into one program."""


class DataError(KolamError, ValueError):
    """A table, a file or a column whose content cannot be used.

    Args:
        what: What was wrong, with the values received.
        column: Name of the column at fault, `None` for the whole table.
        where: The line of the user's own code, if there is one.
        how: What to do now.
    """

    def __init__(
        self,
        what: str,
        *,
        column: str | None = None,
        where: SourceLocation | None = None,
        how: str = "",
    ) -> None:
        super().__init__(what, where=where, how=how)
        self.column = column


class RejectedDataError(DataError):
    """Data in which validation found errors, so that nothing was trained on it."""


class IntegrityError(KolamError, ValueError):
    """An artefact that is truncated, altered, or reaches outside its folder."""


class StorageError(KolamError, OSError):
    """A file or folder that cannot be read or written: no space, no permission, no such path."""


class NotANumberError(KolamError, FloatingPointError):
    """Training made a value that is not a number; what was trained is as it was before.

    Attributes:
        step: Number of the step in its epoch, from 0, if it is known.
        epoch: Number of the epoch, from 0, if it is known.
        rows: Numbers in the data of the examples of that step, if they are known.
    """

    def __init__(
        self,
        what: str,
        *,
        how: str = "",
        step: int | None = None,
        epoch: int | None = None,
        rows: list[int] | None = None,
    ) -> None:
        super().__init__(what, how=how)
        self.step, self.epoch, self.rows = step, epoch, rows


class OutOfMemoryError(KolamError, MemoryError):
    """A device has no room for a program; the message says what takes it and what to try."""


class ParityError(KolamError, ArithmeticError):
    """Two targets of one model give different answers."""


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.splitlines())


def _rebuild(
    kind: type[KolamError], args: tuple[object, ...], state: dict[str, object]
) -> KolamError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error
