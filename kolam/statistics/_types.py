"""Whether a column is of the kind that a schema asks for."""

from typing import Any

from kolam.statistics._anomalies import Severity, json_values, percent
from kolam.statistics._column import ColumnProfile
from kolam.statistics._schema import ColumnSchema

TypeTrouble = tuple[Severity, str, tuple[Any, ...]]  # Any: cells, as JSON values
_NUMBERS = ("integer", "number")


def find_type_trouble(column: ColumnProfile, expected: ColumnSchema) -> TypeTrouble | None:
    """Say what is wrong with the kind of a column.

    Whole numbers are numbers, 0 and 1 are booleans, strings may spell booleans, dates or numbers.

    Returns:
        Severity, a sentence and examples; `None` if nothing is wrong.
    """
    found, wanted, name = column.kind, expected.kind, column.name
    if found == wanted or "empty" in (found, wanted) or _is_compatible(column, expected):
        return None
    if wanted == "integer" and found == "number":
        share = percent(column.fractions / column.present)
        return (
            "warning",
            f"{name!r} should hold whole numbers, but {share} of them have a fraction.",
            (),
        )
    if wanted in _NUMBERS and found == "string":
        words = column.present - column.cells["numeral"] - column.cells["number"]
        examples = words_of(column)
        return (
            "error",
            f"{name!r} should hold numbers, but {words:,} of {column.present:,} values are not: "
            f"{', '.join(map(repr, examples))}.",
            examples,
        )
    return (
        "error",
        f"{name!r} should be of the kind {wanted}, but it is of the kind {found}.",
        json_values([value for value, _ in column.values.top(3)]),
    )


def words_of(column: ColumnProfile, number: int = 3) -> tuple[str, ...]:
    """Give some strings of a column that spell no number."""
    words = []
    for value in column.text_values.counts():
        try:
            float(value)
        except ValueError:
            words.append(str(value))
    return tuple(words[:number])


def _is_compatible(column: ColumnProfile, expected: ColumnSchema) -> bool:
    found, wanted = column.kind, expected.kind
    if wanted == "number":
        return found == "integer" or (found == "boolean" and expected.range == (0.0, 1.0))
    if wanted == "integer":
        return (found == "number" and not column.fractions) or found == "boolean"
    if wanted == "boolean":
        zero_one = column.moments.minimum >= 0 and column.moments.maximum <= 1
        return (found == "integer" and zero_one) or (found == "string" and _spells_boolean(column))
    if wanted == "time":
        return column.cells["date"] == column.present
    if wanted == "string" and expected.domain is not None:
        words = {text.strip().lower() for text in expected.domain}
        codes = any(word.lstrip("+-").isdecimal() for word in words)
        return (found == "boolean" and words <= {"true", "false"}) or (found in _NUMBERS and codes)
    return False


def _spells_boolean(column: ColumnProfile) -> bool:
    words = {str(value).strip().lower() for value in column.text_values.counts()}
    return column.text_values.is_exact and words <= {"true", "false"}
