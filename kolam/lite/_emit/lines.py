"""Lines of C: indentation and loop heads."""

_INDENT = "    "


def indented(lines: list[str]) -> list[str]:
    """Move lines one step to the right."""
    return [f"{_INDENT}{line}" for line in lines]


def loop_head(variable: str, size: int | str, *, start: int | str = 0, step: int = 1) -> list[str]:
    """Open a counting loop; the closing brace is the caller's."""
    forward = f"++{variable}" if step == 1 else f"{variable} += {step}"
    return [f"for (int {variable} = {start}; {variable} < {size}; {forward}) {{"]
