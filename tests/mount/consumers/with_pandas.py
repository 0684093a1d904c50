"""pandas: Parquet and CSV. usage: with_pandas.py MOUNT EXPECTED"""

import sys

import numpy as np
import pandas as pd
from expected import Expected, empty_is_null, nan_is_null, unit


def plain(kind, series):
    """A column as plain values; what is missing is None."""
    missing = series.isna() if kind != "float" or str(series.dtype) != "float64" else np.zeros(len(series), bool)
    if unit(kind):
        values = series.astype("datetime64[ns]").astype("int64")
    elif kind == "date":
        values = series.astype("datetime64[ns]").astype("int64") // (86_400 * 10**9)
    else:
        values = series
    cast = {"float": float, "int": int, "str": str, "bool": bool}.get(kind, int)
    return [None if gone else cast(value) for gone, value in zip(missing, values)]


def columns(expected, frame):
    return {name: plain(expected.types[name], frame[name]) for name in frame.columns}


def arrow_columns(frame):
    """Columns of Arrow types, without a detour."""
    from with_pyarrow import plain as arrow_plain
    import pyarrow as pa

    return {name: arrow_plain(pa.chunked_array(pa.array(frame[name]))) for name in frame.columns}


def check_parquet(mount, path_of_expected):
    for series, rows in {"rich": slice(None), "one": slice(7, 8), "empty": slice(0)}.items():
        expected, path = Expected(path_of_expected, rows), f"{mount}/all/{series}/live.parquet"
        expected.check(f"pandas {series}", arrow_columns(pd.read_parquet(path, dtype_backend="pyarrow")))
        frame = pd.read_parquet(path)
        for name, kind in expected.types.items():
            if unit(kind):
                assert frame[name].dtype == f"datetime64[{unit(kind)}]", (series, frame.dtypes)
        # Without a type for missing ints, pandas makes floats of them, in which large ones are not exact.
        narrow = ["f", "s", "at", "station", "sec", "us", "ns"]
        got = columns(expected, frame[narrow])
        for name, values in got.items():
            wanted = [nan_is_null("", v) for v in expected.columns[name]]
            assert [nan_is_null("", v) for v in values] == wanted, (series, name)


def check_csv(mount, path_of_expected):
    expected = Expected(path_of_expected)
    kinds = {"float": "float64", "int": "Int64", "str": "str", "bool": "boolean"}
    times = [name for name, kind in expected.types.items() if unit(kind) or kind == "date"]
    frame = pd.read_csv(
        f"{mount}/all/rich/live.csv",
        dtype={name: kinds[kind] for name, kind in expected.types.items() if kind in kinds},
        parse_dates=times,
        date_format="ISO8601",
        float_precision="round_trip",
    )
    expected.check("pandas csv", columns(expected, frame), nan_is_null)
    assert len(pd.read_csv(f"{mount}/all/empty/live.csv")) == 0
    # The way most people call it.
    frame = pd.read_csv(f"{mount}/temp/big/live.csv", parse_dates=["timestamp"])
    assert frame.shape == (300_000, 2) and frame["timestamp"].is_monotonic_increasing
    assert frame["value"].iloc[12_345] == 12_345 * 7919 % 10_007 / 100


if __name__ == "__main__":
    check_parquet(*sys.argv[1:3])
    check_csv(*sys.argv[1:3])
