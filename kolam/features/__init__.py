"""Columns of a table to the float32 matrix of a model, and scores back to labels.

In: any table. Out: a `FeatureProgram`, a closed set of frozen records with a JSON form that
Python and JavaScript run to the same bits. Refused: infinite values, values of another kind than
the column was fitted with, labels that cannot be learnt.
"""

from kolam.features._columns import Column, Feature, InputColumn
from kolam.features._fit import fit
from kolam.features._label import LabelProgram, fit_label
from kolam.features._ops import (
    Buckets,
    Clip,
    Cyclic,
    Impute,
    Index,
    Missing,
    OneHot,
    Part,
    Squash,
    Vocabulary,
    ZScore,
)
from kolam.features._program import FeatureProgram

__all__ = [
    "Buckets",
    "Clip",
    "Column",
    "Cyclic",
    "Feature",
    "FeatureProgram",
    "Impute",
    "Index",
    "InputColumn",
    "LabelProgram",
    "Missing",
    "OneHot",
    "Part",
    "Squash",
    "Vocabulary",
    "ZScore",
    "fit",
    "fit_label",
]
