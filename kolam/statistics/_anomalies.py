"""What is wrong with a table, in words and in numbers."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from kolam.core import InvalidArgumentError

KINDS = (
    *("missing_column", "new_column", "type", "domain", "range", "presence", "nonfinite", "empty"),
    *("unique", "constant", "size", "duplicates", "drift", "leak"),
)
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One finding.

    Args:
        column: Name of the column, `None` for the whole table.
        kind: One of `KINDS`.
        severity: ``"error"`` for what would make a trained model wrong, else ``"warning"``.
        message: A sentence: what was found, and what it was compared with.
        observed: The number or word that was compared.
        limit: What it was compared with.
        examples: Some values at fault.
        accept: The one line for `Schema.edit` that would accept it.
    """

    column: str | None
    kind: str
    severity: Severity
    message: str
    observed: float | str | None = None
    limit: float | str | None = None
    examples: tuple[Any, ...] = ()  # Any: cells, as JSON values
    accept: str = ""

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """Give the JSON form."""
        return {**asdict(self), "examples": list(self.examples)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Anomaly":  # Any: JSON off the disk
        """Read what `to_json` gives.

        Raises:
            InvalidArgumentError: The kind or the severity is unknown.
        """
        if record.get("kind") not in KINDS or record.get("severity") not in ("error", "warning"):
            raise InvalidArgumentError(
                f"An anomaly has the kind {record.get('kind')!r} and the severity "
                f"{record.get('severity')!r}.",
                how=f"Kinds are {', '.join(KINDS)}; severities are error and warning.",
            )
        return cls(**{**record, "examples": tuple(record.get("examples", ()))})


def json_values(values: list[Any]) -> tuple[Any, ...]:  # Any: cells, as JSON values
    """Write cells as JSON values; what JSON has no word for becomes a string."""
    return tuple(_json_value(value) for value in values)


def percent(share: float) -> str:
    """Write a share in per cent, to three digits."""
    return f"{100 * share:.3g} %"


def counted(number: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _json_value(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)
