"""What is wrong with a table, in words and in numbers."""

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
