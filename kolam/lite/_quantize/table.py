"""Rows of text as a table."""

from collections.abc import Collection, Sequence


def table(rows: Sequence[Sequence[str]], *, numbers: Collection[int]) -> str:
    """Align columns: those of numbers at their right, the others at their left.

    Example:
        >>> print(table([("layer", "bits"), ("conv", "8")], numbers=(1,)))
        layer  bits
        conv      8
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if column in numbers else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
