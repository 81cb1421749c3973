"""Fit and apply a column program against scikit-learn's ColumnTransformer, on one table.

    python benchmarks/features_apply.py [ROWS]

The job is that of section 5.3 of the pipeline notes: three z-scores, two columns in ten quantile
buckets, two vocabularies of 10,000 words. Both sides begin with the table in memory, in the form
that each likes best. Prints JSON: seconds (median of three), rows per second, and the ratio.
"""

import json
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pyarrow as pa

from kolam import features
from kolam.features import Buckets, Column, Impute, Index, Vocabulary, ZScore

Z, BUCKETS, WORDS = ("fare", "trip_miles", "balance"), ("income", "tip"), ("user_id", "free_text")


def make_table(rows: int) -> pa.Table:
    rng = np.random.default_rng(20181)
    trip = rng.gamma(1.7, 2.3, rows)
    fare = 2.5 + 1.9 * trip + rng.exponential(1.2, rows)
    kinds = np.array(["cash", "card", "app", "voucher", "unknown"], object)[
        rng.integers(0, 5, rows)
    ]
    cities = np.char.add("c", rng.integers(0, 350, rows).astype(str)).astype(object)
    numbers = np.char.add(" ", rng.integers(0, 50, rows).astype(str)).astype(object)
    columns = {
        "fare": pa.array(fare),
        "trip_miles": pa.array(trip, mask=rng.random(rows) < 0.01),
        "balance": pa.array(rng.standard_t(2.5, rows) * 900),
        "income": pa.array(np.exp(rng.normal(10.3, 0.8, rows)), mask=rng.random(rows) < 0.07),
        "tip": pa.array(np.where(rng.random(rows) < 0.44, 0.0, fare * rng.beta(2, 8, rows))),
        "user_id": pa.array(np.char.add("u", rng.integers(0, 400_000, rows).astype(str))),
        "free_text": pa.array(kinds + " " + cities + numbers),
    }
    return pa.table(columns)


def ours(table: pa.Table) -> tuple[float, float]:
    columns = [
        *(Column(name, "number", ((Impute("mean"), ZScore()),)) for name in Z),
        *(Column(name, "number", ((Impute(), Buckets(10), Index()),)) for name in BUCKETS),
        *(Column(name, "category", ((Vocabulary(10_000), Index()),)) for name in WORDS),
    ]
    start = time.perf_counter()
    program = features.fit(table, columns=columns)
    fitted = time.perf_counter()
    program.apply(table)
    return fitted - start, time.perf_counter() - fitted


def sklearn(table: pa.Table) -> tuple[float, float]:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer, OrdinalEncoder, StandardScaler

    bins = KBinsDiscretizer(
        10, encode="ordinal", subsample=None, quantile_method="averaged_inverted_cdf"
    )
    transformer = ColumnTransformer(
        [
            ("z", make_pipeline(SimpleImputer(), StandardScaler()), list(Z)),
            ("q", make_pipeline(SimpleImputer(strategy="median"), bins), list(BUCKETS)),
            (
                "v",
                OrdinalEncoder(
                    max_categories=10_001, handle_unknown="use_encoded_value", unknown_value=-1
                ),
                list(WORDS),
            ),
        ]
    )
    frame = table.to_pandas()
    start = time.perf_counter()
    transformer.fit(frame)
    fitted = time.perf_counter()
    transformer.transform(frame)
    return fitted - start, time.perf_counter() - fitted


def measure(run: Callable[[pa.Table], tuple[float, float]], table: pa.Table) -> dict[str, float]:
    fit, apply = (median(part) for part in zip(*(run(table) for _ in range(3)), strict=True))
    rows = table.num_rows
    return {
        "fit_s": round(fit, 3),
        "apply_s": round(apply, 3),
        "apply_rows_per_s": round(rows / apply),
        "rows_per_s": round(rows / (fit + apply)),
    }


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    table = make_table(rows)
    found = {"kolam": measure(ours, table), "sklearn": measure(sklearn, table)}
    ratio = found["kolam"]["rows_per_s"] / found["sklearn"]["rows_per_s"]
    print(json.dumps({"rows": rows, **found, "ratio": round(ratio, 2)}))


if __name__ == "__main__":
    main()
