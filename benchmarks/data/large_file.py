"""Streaming a Parquet file that is many times larger than the memory, shuffled, in flat memory.

The file is made once, in row groups; a child process with a limit on its memory goes through it in
batches, twice in two orders. Resident memory is read as it goes: the last quarter of the file may
not need more than the first.

Usage:
    python benchmarks/data/large_file.py [--gigabytes 20] [--limit 2] [--window 512] [--folder PATH]
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

COLUMNS, GROUP_ROWS, BATCH = 19, 1 << 17, 256
ROW_BYTES = 8 + 4 * COLUMNS
LOOKS = 40  # how often memory is read on the way


def make(file: Path, rows: int) -> None:
    """Write random float32 columns, and a number per row by which each is known again."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    pool = rng.standard_normal(GROUP_ROWS + 64 * COLUMNS, dtype=np.float32)
    names = [f"c{number}" for number in range(COLUMNS)]
    schema = pa.schema([("row", pa.int64()), *((name, pa.float32()) for name in names)])
    with pq.ParquetWriter(file, schema, compression="none", use_dictionary=False) as writer:
        for start in range(0, rows, GROUP_ROWS):
            count = min(GROUP_ROWS, rows - start)
            shifts = rng.integers(0, 64 * COLUMNS, COLUMNS)
            columns = [pool[shift : shift + count] for shift in shifts]
            table = pa.table([pa.array(np.arange(start, start + count)), *columns], schema=schema)
            writer.write_table(table, row_group_size=GROUP_ROWS)


def read(file: Path, limit_bytes: int, window_bytes: int | None, epoch: int) -> None:
    """Go through the file under the limit; print a JSON line."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
    from kolam.data import Dataset

    dataset = Dataset.from_parquet(file, memory_bytes=window_bytes)
    dataset = dataset.shuffle(seed=0).batch(BATCH).at_epoch(epoch)
    every = max(1, len(dataset) // LOOKS)
    rows = checksum = moved = 0
    memory: list[float] = []
    before = -1
    start, processor = time.perf_counter(), time.process_time()
    for number, batch in enumerate(dataset):
        numbers = batch["row"]
        rows += len(numbers)
        checksum += int(numbers.sum())
        moved += int(np.count_nonzero(np.diff(numbers) != 1)) + int(numbers[0] != before + 1)
        before = int(numbers[-1])
        if number % every == 0:
            memory.append(_resident_mb())
    wall, cpu = time.perf_counter() - start, time.process_time() - processor
    assert checksum == rows * (rows - 1) // 2, "a row is missing, or came twice"
    result = {
        "rows": rows,
        "seconds": wall,
        "cpu_seconds": cpu,
        "shuffled": moved / rows,
        "memory_mb": memory,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(result))


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def main() -> None:
    """Make the file, go through it twice, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--limit", type=float, default=2, help="gigabytes of memory")
    parser.add_argument("--window", type=int, help="megabytes of rows that are mixed at a time")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--keep", action="store_true", help="leave the file for another run")
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    limit_bytes = int(options.limit * (1 << 30))
    if options.read:
        window_bytes = options.window and options.window << 20
        read(Path(options.read[0]), limit_bytes, window_bytes, int(options.read[1]))
        return
    rows = int(options.gigabytes * (1 << 30)) // ROW_BYTES
    file = options.folder / f"kolam-large-{rows}.parquet"
    if not file.exists():
        if shutil.disk_usage(options.folder).free < rows * ROW_BYTES * 1.1:
            sys.exit(f"{options.folder} has no room for {options.gigabytes:g} GB.")
        make(file.with_suffix(".part"), rows)
        file.with_suffix(".part").rename(file)
    missed = False
    for epoch in range(options.epochs):
        missed |= _report(file, epoch, options)
    if not options.keep:
        file.unlink()
    sys.exit(1 if missed else 0)


def _report(file: Path, epoch: int, options: argparse.Namespace) -> bool:
    command = [sys.executable, __file__, "--read", str(file), str(epoch)]
    window = ["--window", str(options.window)] if options.window else []
    ended = subprocess.run(
        [*command, "--limit", str(options.limit), *window],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    if ended.returncode:
        print(f"epoch {epoch} failed:\n{ended.stderr[-3000:]}")
        return True
    one = json.loads(ended.stdout)
    memory = one["memory_mb"]
    quarter = len(memory) // 4
    first, last = max(memory[1 : quarter + 1]), max(memory[-quarter:])
    is_flat = last <= first * 1.1 + 32
    print(
        f"epoch {epoch}: {file.stat().st_size / (1 << 30):.1f} GB, {one['rows']:,} rows in "
        f"{one['seconds']:.0f} s: {one['rows'] / one['seconds']:,.0f} rows/s, "
        f"{one['rows'] / one['cpu_seconds']:,.0f} per CPU-second\n"
        f"  memory: {first:,.0f} MB at most in the first quarter, {last:,.0f} MB in the last, "
        f"peak {one['peak_mb']:,.0f} MB of {options.limit:g} GB: {'flat' if is_flat else 'GROWS'}\n"
        f"  {one['shuffled']:.1%} of the rows do not follow the one before them in the file"
    )
    return not is_flat or one["peak_mb"] > options.limit * 1024 or one["shuffled"] < 0.9


if __name__ == "__main__":
    main()
