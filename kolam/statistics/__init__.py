"""Tables in; what they hold, what they should hold and what is wrong with them out.

`profile` sums up a table in one mergeable pass, `infer_schema` learns from a profile what its
next table should look like, `validate` says in sentences where a table differs. Values inside
lists and records are not looked at, and the numbers of a column are judged as float64.
"""

from kolam.statistics._anomalies import Anomaly
from kolam.statistics._column import ColumnProfile
from kolam.statistics._infer import infer_schema
from kolam.statistics._moments import Moments
from kolam.statistics._profile import Profile, profile
from kolam.statistics._quantiles import Quantiles
from kolam.statistics._schema import ColumnSchema, Reference, Schema, TableSchema
from kolam.statistics._validate import validate
from kolam.statistics._values import Values

__all__ = [
    "Anomaly",
    "ColumnProfile",
    "ColumnSchema",
    "Moments",
    "Profile",
    "Quantiles",
    "Reference",
    "Schema",
    "TableSchema",
    "Values",
    "infer_schema",
    "profile",
    "validate",
]
