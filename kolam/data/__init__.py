"""Sources in, batches out: a lazy plan over examples whose position is saved in under 1 kB.

In come arrays, tables, files of many formats, queries and generators; out go batches, Arrow tables
or TFRecord files. It knows formats and order, never what an example means.
"""

from kolam.data._dataset import Dataset, read
from kolam.data._formats.pixels import decode_image
from kolam.data._iterate import DatasetIterator
from kolam.data._permutation import Permutation
from kolam.data._write import write_tfrecord

__all__ = ["Dataset", "DatasetIterator", "Permutation", "decode_image", "read", "write_tfrecord"]
