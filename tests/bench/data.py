"""Makes the inputs of the workloads, once, under $LAKOTA_BENCH/data. Run it with the `peers` environment.

W1: 5,259,457 rows, one every 5 minutes from 1970 to 2020, value sin(i). W2: the same stamps, a random walk with 2
decimals; also as CSV and as tuned Parquet. W3: 1,000,000 rows a second apart, values a shuffled range, written in 2,000
commits. W4: 10,000 series of 1,000 rows, one every 5 minutes from 2020.
Raw files are little-endian numbers: `.i64` seconds from 1970, `.f64` values (W4: series after series).
"""

import numpy as np
import polars
import pyarrow

from harness import DATA, SERIES, SERIES_ROWS, STEP
from stores.parquet import write_tuned

ROWS = 5_259_457
COMMITTED_ROWS = 1_000_000


def walk(seed, shape):
    """A random walk along the last axis that starts near 20 and keeps 2 decimals, as sensors report."""
    steps = np.random.default_rng(seed).normal(size=shape)
    return np.round(np.cumsum(steps, axis=-1) * 0.1 + 20, 2)


def shuffled():
    values = np.arange(COMMITTED_ROWS)
    np.random.default_rng(7).shuffle(values)
    return values


def raw(make, dtype):
    """A writer of what `make` returns as raw numbers."""
    return lambda path: make().astype(dtype).tofile(path)


def stamps():
    return np.arange(ROWS) * STEP


def write_csv(path):
    """W2 as the command line prints it: a header, ISO stamps, shortest decimals."""
    table = polars.DataFrame({"timestamp": stamps().view("M8[s]").astype("M8[ms]"), "value": walk(42, ROWS)})
    table.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S")


def write_parquet(path):
    """W2 as tuned Parquet, its stamps as milliseconds, so that any reader sees times."""
    times = pyarrow.array(stamps().view("M8[s]").astype("M8[ms]"))
    write_tuned(pyarrow.table({"timestamp": times, "value": walk(42, ROWS)}), path)


FILES = {
    "w2.ts.i64": raw(stamps, "<i8"),
    "w1.f64": raw(lambda: np.sin(np.arange(ROWS)), "<f8"),
    "w2.f64": raw(lambda: walk(42, ROWS), "<f8"),
    "w2.csv": write_csv,
    "w2.parquet": write_parquet,
    "w3.ts.i64": raw(lambda: np.arange(COMMITTED_ROWS), "<i8"),
    "w3.f64": raw(shuffled, "<f8"),
    "w4.f64": raw(lambda: walk(11, (SERIES, SERIES_ROWS)), "<f8"),
}


def main():
    DATA.mkdir(parents=True, exist_ok=True)
    for name, write in FILES.items():
        path = DATA / name
        if path.exists():
            continue
        part = path.with_name(name + ".part")
        write(part)
        part.rename(path)  # only a whole file has its name
    print(f"inputs ready in {DATA}")


if __name__ == "__main__":
    main()
