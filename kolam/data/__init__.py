"""Sources in, batches out: a lazy plan over examples whose position is saved in under 1 kB.

In come arrays, Arrow tables, CSV, Parquet and Arrow IPC files; out go batches, or Arrow again. It
knows formats and order, never what an example means.
"""

from kolam.data._dataset import Dataset, read
from kolam.data._iterate import DatasetIterator
from kolam.data._permutation import Permutation

__all__ = ["Dataset", "DatasetIterator", "Permutation", "read"]
