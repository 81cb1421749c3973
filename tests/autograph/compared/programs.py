"""All rows, in the order of the table."""

from tests.autograph.compared import containers, control, derivatives, expressions, outside, rows

_ORDER = (control, containers, expressions, outside, derivatives)
ROWS = [row for module in _ORDER for row in rows.ROWS if row.fn.__module__ == module.__name__]
