"""Named data sets that are always there.

In: a name. Out: an Arrow table, or a file of it. Everything works without a network.
"""

from kolam.zoo._tables import TABLES, table, table_file

__all__ = ["TABLES", "table", "table_file"]
