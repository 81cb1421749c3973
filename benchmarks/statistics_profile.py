"""Profile a table of 20 columns against polars' `describe`, from Parquet and from CSV.

    python benchmarks/statistics_profile.py [ROWS]

`describe` gives moments and three quantiles; ours adds distinct and frequent values, a quantile
sketch, missing cells by sort, repeated rows, and a row sample, and can be merged. Prints JSON:
seconds (median of three), rows per second, peak memory of our process, and the ratio.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from kolam import statistics

SEED = 20181


def make_table(rows: int) -> pa.Table:
    rng = np.random.default_rng(SEED)
    trip = rng.gamma(1.7, 2.3, rows)
    fare = 2.5 + 1.9 * trip + rng.exponential(1.2, rows)
    two = np.where(rng.random(rows) < 0.5, rng.normal(-2, 0.6, rows), rng.normal(3, 1.1, rows))
    kinds = np.array(["cash", "card", "app", "voucher", "unknown"])
    payment = rng.choice(5, rows, p=[0.34, 0.48, 0.12, 0.04, 0.02])
    city = np.char.add("c", np.minimum(rng.zipf(1.35, rows) - 1, 349).astype(str))
    words = np.char.add(np.char.add(kinds[rng.integers(0, 5, rows)], " "), city)
    numbers = np.char.add(" ", rng.integers(0, 50, rows).astype(str))
    second = rng.integers(0, 2 * 365 * 86_400, rows) + 1_704_067_200
    day = (rng.integers(0, 900, rows) + 19_358).astype("int32")

    def holes(values: np.ndarray, share: float) -> pa.Array:
        return pa.array(values, mask=rng.random(rows) < share)

    return pa.table(
        {
            "age": np.clip(rng.normal(41, 14, rows), 16, 97).astype(np.int64),
            "income": holes(np.exp(rng.normal(10.3, 0.8, rows)), 0.07),
            "trip_miles": holes(trip, 0.01),
            "fare": fare,
            "tip": np.where(rng.random(rows) < 0.44, 0.0, fare * rng.beta(2, 8, rows)),
            "balance": rng.standard_t(2.5, rows) * 900,
            "clicks": rng.poisson(3.2, rows),
            "visits": np.minimum(rng.zipf(1.7, rows), 100_000),
            "sensor": holes(two, 0.15),
            "score": rng.beta(0.7, 2.2, rows),
            "lat": holes(41.6 + 0.4 * rng.random(rows), 0.04),
            "lon": holes(-87.9 + 0.4 * rng.random(rows), 0.04),
            "account": rng.integers(10**9, 10**12, rows),
            "is_new": rng.random(rows) < 0.12,
            "payment": holes(kinds[payment], 0.005),
            "city": holes(city, 0.03),
            "user_id": np.char.add("u", rng.integers(0, 400_000, rows).astype(str)),
            "free_text": np.char.add(words, numbers),
            "started": pa.array(second).cast(pa.timestamp("s")),
            "day": pa.array(day).cast(pa.date32()),
        }
    )


def ours_parquet(path: Path) -> None:
    statistics.profile(pq.ParquetFile(path).iter_batches(batch_size=65_536))


def ours_csv(path: Path) -> None:
    options = pa_csv.ReadOptions(block_size=8 << 20)
    statistics.profile(iter(pa_csv.open_csv(path, read_options=options)))


def polars_parquet(path: Path) -> None:
    import polars as pl

    pl.read_parquet(path).describe()


def polars_csv(path: Path) -> None:
    import polars as pl

    pl.read_csv(path, try_parse_dates=True).describe()


def seconds(run: Callable[[Path], None], path: Path) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        run(path)
        times.append(time.perf_counter() - start)
    return median(times)


def main(rows: int) -> None:
    report: dict[str, object] = {"rows": rows}
    with tempfile.TemporaryDirectory() as folder:
        parquet, csv = Path(folder, "table.parquet"), Path(folder, "table.csv")
        table = make_table(rows)
        pq.write_table(table, parquet, row_group_size=100_000)
        pa_csv.write_csv(table, csv)
        del table
        pa.default_memory_pool().release_unused()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        mine = {"parquet": seconds(ours_parquet, parquet), "csv": seconds(ours_csv, csv)}
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peer = {"parquet": seconds(polars_parquet, parquet), "csv": seconds(polars_csv, csv)}
    report["seconds"] = mine
    report["rows_per_second"] = {name: round(rows / took) for name, took in mine.items()}
    report["polars_describe_seconds"] = peer
    report["ratio_to_polars"] = {name: round(mine[name] / peer[name], 2) for name in mine}
    report["peak_mib_above_making_the_table"] = max(0, after - before) // 1024
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
