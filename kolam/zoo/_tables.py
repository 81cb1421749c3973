"""Small real tables that come with scikit-learn, with their labels in words."""

from pathlib import Path

import pyarrow as pa
import pyarrow.feather

from kolam.core import Registry, home_folder, write_atomic


def breast_cancer() -> pa.Table:
    """569 tumours: 30 measurements of cell nuclei; label `diagnosis`, malignant or benign.

    References:
        Wolberg, Mangasarian, Street, Street: Breast Cancer Wisconsin (Diagnostic), UCI, 1993.
    """
    from sklearn.datasets import load_breast_cancer  # here: costs a second

    return _labelled(load_breast_cancer(), "diagnosis")


def diabetes() -> pa.Table:
    """442 patients: 10 measurements; label `progression` after one year, a number 25 to 346.

    References:
        Efron, Hastie, Johnstone, Tibshirani: Least Angle Regression, 2004.
    """
    from sklearn.datasets import load_diabetes  # here: costs a second

    bunch = load_diabetes(scaled=False)
    columns = {name: bunch.data[:, i] for i, name in enumerate(bunch.feature_names)}
    return pa.table(columns | {"progression": bunch.target})


def digits() -> pa.Table:
    """1,797 handwritten digits of 8 x 8 pixels, 0 to 16; label `digit`, 0 to 9.

    References:
        Alpaydin, Kaynak: Optical Recognition of Handwritten Digits, UCI, 1998.
    """
    from sklearn.datasets import load_digits  # here: costs a second

    bunch = load_digits()
    columns = {name: bunch.data[:, i].astype("int64") for i, name in enumerate(bunch.feature_names)}
    return pa.table(columns | {"digit": bunch.target})


def iris() -> pa.Table:
    """150 iris flowers: 4 lengths in cm; label `species`, of three.

    References:
        Fisher: The Use of Multiple Measurements in Taxonomic Problems, 1936.
    """
    from sklearn.datasets import load_iris  # here: costs a second

    return _labelled(load_iris(), "species")


def wine() -> pa.Table:
    """178 wines: 13 chemical measurements; label `cultivar`, of three.

    References:
        Aeberhard, Forina: Wine, UCI, 1992.
    """
    from sklearn.datasets import load_wine  # here: costs a second

    return _labelled(load_wine(), "cultivar")


TABLES = Registry(
    "table",
    {
        "breast_cancer": breast_cancer,
        "diabetes": diabetes,
        "digits": digits,
        "iris": iris,
        "wine": wine,
    },
    group="kolam.tables",
)


def table(name: str) -> pa.Table:
    """Give a named table.

    Raises:
        UnknownNameError: There is none of that name.

    Example:
        >>> table("iris").num_rows
        150
    """
    return TABLES.get(name)()


def table_file(name: str) -> Path:
    """Give a named table as an Arrow file in the home folder, written on first use.

    Raises:
        UnknownNameError: There is none of that name.
        StorageError: The home folder cannot be written.
    """
    path = home_folder() / "cache" / "tables" / f"{name}.arrow"
    if not path.exists():
        buffer = pa.BufferOutputStream()
        pyarrow.feather.write_feather(table(name), buffer, compression="uncompressed")
        write_atomic(path, buffer.getvalue().to_pybytes())
    return path


def _labelled(bunch: object, label: str) -> pa.Table:
    data, names, target, words = (
        getattr(bunch, key) for key in ("data", "feature_names", "target", "target_names")
    )
    columns = {str(name): data[:, i] for i, name in enumerate(names)}
    return pa.table(columns | {label: [str(words[index]) for index in target]})
