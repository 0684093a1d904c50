"""polars: Parquet and CSV, read and scanned. usage: with_polars.py MOUNT EXPECTED"""

import sys

import polars as pl
from expected import Expected, empty_is_null, unit

PLAIN = {"float": pl.Float64, "int": pl.Int64, "str": pl.String, "bool": pl.Boolean, "date": pl.Date}


def plain(series):
    """A column as plain values."""
    if isinstance(series.dtype, pl.Datetime):
        scale = {"ms": 10**6, "us": 10**3, "ns": 1}[series.dtype.time_unit]
        return [None if v is None else v * scale for v in series.to_physical().to_list()]
    return series.to_physical().to_list() if series.dtype == pl.Date else series.to_list()


def columns(frame):
    return {name: plain(frame[name]) for name in frame.columns}


def check_parquet(mount, path_of_expected):
    for series, rows in {"rich": slice(None), "one": slice(7, 8), "empty": slice(0)}.items():
        expected, path = Expected(path_of_expected, rows), f"{mount}/all/{series}/live.parquet"
        for frame in (pl.read_parquet(path), pl.scan_parquet(path).collect()):
            expected.check(f"polars {series}", columns(frame))
            for name, kind in expected.types.items():
                wanted = pl.Datetime(unit(kind)) if unit(kind) else PLAIN[kind]
                assert frame[name].dtype == wanted, (series, frame.schema)


def check_scan(mount):
    big = pl.scan_parquet(f"{mount}/temp/big/live.parquet")
    times = pl.col("timestamp")
    middle = big.select(times).slice(200_000, 1).collect().item()
    cut = big.filter((times >= middle) & (times < middle.replace(year=middle.year + 1))).collect()
    whole = pl.read_parquet(f"{mount}/temp/big/live.parquet")
    assert cut.equals(whole.slice(200_000, len(cut))) and len(cut) > 90_000, len(cut)
    assert pl.scan_parquet(f"{mount}/temp/*/live.parquet").select(pl.len()).collect().item() == 303_016


def check_csv(mount, path_of_expected):
    expected, path = Expected(path_of_expected), f"{mount}/all/rich/live.csv"
    # polars knows no nanoseconds in CSV: times come as texts first.
    types = {name: pl.String if unit(kind) else PLAIN[kind] for name, kind in expected.types.items()}
    times = [
        pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="ns")
        for name, kind in expected.types.items()
        if unit(kind)
    ]
    for frame in (pl.read_csv(path, schema=types), pl.scan_csv(path, schema=types).collect()):
        expected.check("polars csv", columns(frame.with_columns(times)), empty_is_null)
    frame = pl.read_csv(f"{mount}/temp/big/live.csv", try_parse_dates=True)
    assert frame.shape == (300_000, 2) and isinstance(frame["timestamp"].dtype, pl.Datetime), frame.schema
    assert len(pl.read_csv(f"{mount}/all/empty/live.csv")) == 0


if __name__ == "__main__":
    check_parquet(*sys.argv[1:3])
    check_scan(sys.argv[1])
    check_csv(*sys.argv[1:3])
