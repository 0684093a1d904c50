"""pandas, pyarrow, polars, duckdb and Python itself save through a mount. usage: write_tables.py LAKOTA MOUNT"""

import csv
import errno
import io
import os
import pathlib
import sys

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from saves import Series, run

LAKOTA, MOUNT = sys.argv[1:3]
START = "timestamp,value\n2020-06-22T00:00:00,25.0\n2020-06-23T00:00:00.500,\n2020-06-24T00:00:00,NaN\n"
TWICE = "timestamp,value\n2020-06-22T00:00:00,50.0\n2020-06-23T00:00:00.500,\n2020-06-24T00:00:00,NaN\n"
NULLS = "timestamp,value\n2020-06-22T00:00:00,50.0\n2020-06-23T00:00:00.500,\n2020-06-24T00:00:00,\n"
PAIRS = "t,n\n2020-06-22T00:00:00,1\n2020-06-22T00:00:00,1\n2020-06-22T00:00:00,2\n2020-06-23T00:00:00,3\n"

temp = Series(LAKOTA, MOUNT, "temp/tables", "timestamp timestamp*", "value float")
pairs = Series(LAKOTA, MOUNT, "pairs/p", "t timestamp*", "n int")
rich = Series(LAKOTA, MOUNT, "all/rich")


def read():
    return pd.read_csv(temp.csv, parse_dates=["timestamp"], date_format="ISO8601")


def pandas_csv():
    temp.write(START)
    frame = read()
    doubled = frame.assign(value=frame.value * 2)
    # CSV of pandas has nothing for NaN.
    temp.saves("to_csv", lambda: doubled.to_csv(temp.csv, index=False), NULLS)
    temp.saves("the same again", lambda: doubled.to_csv(temp.csv, index=False), NULLS, revisions=0)
    indexed = doubled.assign(value=1.5).set_index("timestamp")
    temp.saves("to_csv with an index", lambda: indexed.to_csv(temp.csv))
    more = pd.DataFrame({"timestamp": pd.to_datetime(["2020-06-25", "2020-06-22"]), "value": [9.0, 8.0]})
    temp.saves("append", lambda: more.to_csv(temp.csv, mode="a", header=False, index=False), way="append")
    assert temp.rows().splitlines()[1::3] == ["2020-06-22T00:00:00,8.0", "2020-06-25T00:00:00,9.0"], temp.rows()
    temp.saves("append with a header", lambda: more.assign(value=7).to_csv(temp.csv, mode="a", index=False), way="append")
    # pandas writes its numbers of rows into a column without a name.
    kept = temp.refuses("to_csv with numbers of rows", lambda: doubled.to_csv(temp.csv), "unknown column")
    assert kept.startswith(b",timestamp,value\n0,"), kept
    chunks = pd.DataFrame({"timestamp": pd.date_range("2021-01-01", periods=50_000, freq="min"), "value": 1.0})
    temp.saves("in pieces", lambda: chunks.to_csv(temp.csv, index=False, chunksize=1_000))
    assert len(temp.rows().splitlines()) == 50_001


def pandas_parquet():
    temp.write(START)
    frame = pd.read_parquet(temp.parquet)
    frame.value *= 2
    temp.saves("round trip", lambda: frame.to_parquet(temp.parquet), NULLS, "live.parquet")
    for index in [True, False, None]:
        temp.saves(f"index={index}", lambda: frame.to_parquet(temp.parquet, index=index), NULLS, "live.parquet", revisions=0)
    by_time = frame.assign(value=[1.0, 2.0, 3.0]).set_index("timestamp")
    temp.saves("index is a column", lambda: by_time.to_parquet(temp.parquet), None, "live.parquet")
    fewer = frame[frame.timestamp > "2020-06-22"]
    temp.saves("index of a query", lambda: fewer.to_parquet(temp.parquet), None, "live.parquet")
    assert len(temp.rows().splitlines()) == 3
    backend = pd.read_parquet(temp.parquet, dtype_backend="pyarrow")
    temp.saves("backend pyarrow", lambda: backend.to_parquet(temp.parquet), None, "live.parquet", revisions=0)
    named = frame.set_axis(pd.Index([5, 6, 7], name="place"))
    named = named.to_parquet()
    temp.refuses("another index", lambda: pathlib.Path(temp.parquet).write_bytes(named), "column place", "timestamp, value")
    temp.saves("no rows", lambda: frame.iloc[:0].to_parquet(temp.parquet), "timestamp,value\n", "live.parquet")


def pandas_all_types():
    rows = rich.rows()
    frame = pd.read_parquet(rich.parquet, dtype_backend="pyarrow")
    rich.saves("all types", lambda: frame.to_parquet(rich.parquet), rows, "live.parquet", revisions=0)
    by_both = frame.set_index(["at", "station"])
    rich.saves("index of two", lambda: by_both.to_parquet(rich.parquet), rows, "live.parquet", revisions=0)
    by_both = by_both.assign(i=by_both.i.fillna(7))
    rich.saves("one column changed", lambda: by_both.to_parquet(rich.parquet), None, "live.parquet")
    rich.write(rows)
    # Numbers that pandas makes floats of are not exact: they are not taken as if they were.
    rounded = pd.read_parquet(rich.parquet).to_parquet()
    rich.refuses("rounded", lambda: pathlib.Path(rich.parquet).write_bytes(rounded), "column i", "whole number")
    reversed_columns = frame[frame.columns[::-1]].assign(s="text").set_index(["at", "station"])
    rich.saves("as text", lambda: reversed_columns.to_csv(rich.csv))
    read = pd.read_csv(rich.csv, dtype={"i": "str"})
    assert len(read) == 500 and (read.s == "text").all() and read.i.isna().sum() == frame.i.isna().sum()
    rich.write(rows)


def pandas_repeated():
    pairs.write(PAIRS)
    frame = pd.read_parquet(pairs.parquet)
    pairs.saves("repeated, unchanged", lambda: frame.to_parquet(pairs.parquet), PAIRS, "live.parquet", revisions=0)
    pairs.saves("repeated, as text", lambda: frame.to_csv(pairs.csv, index=False), PAIRS, revisions=0)
    frame.n += 1
    pairs.saves("repeated", lambda: frame.to_parquet(pairs.parquet), None, "live.parquet")
    assert [line[-1] for line in pairs.rows().splitlines()[1:]] == ["2", "2", "3", "4"]

    def append():
        with open(pairs.csv, "a") as file:
            file.write("2020-06-22,9\n")

    # A row takes the place of all rows of its index value.
    wanted = "t,n\n2020-06-22T00:00:00,9\n2020-06-23T00:00:00,4\n"
    pairs.saves("repeated, appended", append, wanted, way="append")


def with_pyarrow():
    temp.write(START)
    table = pq.ParquetFile(temp.parquet).read()
    doubled = table.set_column(1, "value", pa.compute.multiply(table["value"], 2.0))
    temp.saves("pyarrow", lambda: pq.write_table(doubled, temp.parquet), TWICE, "live.parquet")
    temp.saves("pyarrow csv", lambda: pa.csv.write_csv(table, temp.csv), START)

    def groups():
        with pq.ParquetWriter(temp.parquet, doubled.schema) as writer:
            for row in range(3):
                writer.write_table(doubled.slice(row, 1))

    temp.saves("row groups", groups, TWICE, "live.parquet")
    times = doubled["timestamp"]
    for name, column in {
        "us": times.cast(pa.timestamp("us")),
        "ns": times.cast(pa.timestamp("ns")),
        "a zone": times.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us", "Europe/Brussels")),
    }.items():
        changed = doubled.set_column(0, "timestamp", column).select(["value", "timestamp"])
        temp.saves(name, lambda: pq.write_table(changed, temp.parquet), TWICE, "live.parquet", revisions=0)
    numbers = pq.ParquetFile(pairs.parquet).read()
    numbers = numbers.set_column(1, "n", numbers["n"].cast(pa.int32()))
    pairs.saves("int32", lambda: pq.write_table(numbers, pairs.parquet), None, "live.parquet", revisions=0)
    texts = pq.ParquetFile(rich.parquet).read()
    for ty in [pa.large_string(), pa.dictionary(pa.int32(), pa.string())]:
        changed = texts.set_column(4, "s", texts["s"].cast(ty))
        rich.saves(str(ty), lambda: pq.write_table(changed, rich.parquet), None, "live.parquet", revisions=0)


def refused_parquet():
    temp.write(START)
    good = pq.ParquetFile(temp.parquet).read()

    def refuses(name, table, *parts):
        made = io.BytesIO()
        pq.write_table(table, made)

        write = pathlib.Path(temp.parquet).write_bytes
        assert temp.refuses(name, lambda: write(made.getvalue()), *parts) == made.getvalue(), f"{name}: not all bytes are kept"

    # pyarrow removes what it could not write.
    temp.refuses("pyarrow", lambda: pq.write_table(good.drop(["value"]), temp.parquet), "column value")
    refuses("extra", good.append_column("more", pa.array([1, 2, 3])), "column more", "timestamp, value")
    refuses("missing", good.drop(["value"]), "column value", "the input has timestamp")
    refuses("type", good.set_column(1, "value", pa.array(["a", "b", "c"])), "column value: the input has utf8, the schema float")
    micros = pa.array([0, 1001, 2000], pa.timestamp("us"))
    refuses("lossy", good.set_column(0, "timestamp", micros), "row 2, column timestamp", "00:00:00.001001", "milliseconds")
    nulls = pa.array([0, None, 2000], pa.timestamp("us"))
    refuses("null index", good.set_column(0, "timestamp", nulls), "row 2, column timestamp")
    large = pa.array([1, 2**53 + 1, None])
    refuses("large int", good.set_column(1, "value", large), "row 2, column value", "9007199254740993")

    def torn():
        with open(temp.parquet, "wb") as file:
            file.write(b"PAR1 and no more")

    temp.refuses("torn", torn, "Parquet")


def with_polars():
    temp.write(START)
    frame = pl.read_parquet(temp.parquet).with_columns(pl.col("value") * 2)
    # It truncates, closes, opens again and writes.
    temp.saves("polars parquet", lambda: frame.write_parquet(temp.parquet), TWICE, "live.parquet")
    temp.write(START)
    temp.saves("polars csv", lambda: frame.write_csv(temp.csv), TWICE)
    temp.write(START)
    temp.saves("polars sink", lambda: frame.lazy().sink_parquet(temp.parquet), TWICE, "live.parquet")
    rows = rich.rows()
    same = pl.read_parquet(rich.parquet)
    rich.saves("polars all types", lambda: same.write_parquet(rich.parquet), rows, "live.parquet", revisions=0)
    fewer = same.head(100)
    rich.saves("polars fewer", lambda: fewer.write_csv(rich.csv, quote_style="non_numeric"))
    assert len(pl.read_parquet(rich.parquet)) == 100
    rich.saves("polars again", lambda: same.write_parquet(rich.parquet), rows, "live.parquet")
    temp.refuses("polars refused", lambda: frame.rename({"value": "valeu"}).write_parquet(temp.parquet), "column valeu")


def with_duckdb():
    temp.write(START)
    query = f"select timestamp, value * 2 as value from '{temp.parquet}'"
    temp.saves("duckdb parquet", lambda: duckdb.sql(f"copy ({query}) to '{temp.parquet}' (format parquet)"), TWICE, "live.parquet")
    temp.write(START)
    temp.saves("duckdb csv", lambda: duckdb.sql(f"copy ({query}) to '{temp.csv}' (header)"), TWICE)
    temp.write(START)
    plain = "(format parquet, use_tmp_file false)"
    other = f"select timestamp, value * 3 as value from read_csv('{temp.csv}')"
    temp.saves("duckdb in place", lambda: duckdb.sql(f"copy ({other}) to '{temp.parquet}' {plain}"), None, "live.parquet")
    temp.write(TWICE)
    temp.saves("duckdb the same", lambda: duckdb.sql(f"copy (from '{temp.parquet}') to '{temp.parquet}' (format parquet)"), TWICE, "live.parquet", revisions=0)
    rows = rich.rows()
    rich.saves("duckdb all types", lambda: duckdb.sql(f"copy (from '{rich.parquet}') to '{rich.parquet}' (format parquet)"), rows, "live.parquet", revisions=0)
    bad = f"copy (select *, 1 as more from '{temp.parquet}') to '{temp.parquet}' (format parquet)"
    temp.refuses("duckdb refused", lambda: duckdb.sql(bad), "column more", number=errno.EBADMSG)


def with_python():
    temp.write(START)
    rows = [["timestamp", "value"], ["2020-06-22", 1.5], ["2020-06-23", 2.5]]
    wanted = "timestamp,value\n2020-06-22T00:00:00,1.5\n2020-06-23T00:00:00,2.5\n"

    def write(path):
        with open(path, "w", newline="") as file:
            csv.writer(file).writerows(rows)

    temp.saves("csv.writer", lambda: write(temp.csv), wanted)
    temp.write(START)

    def replace():
        write(f"{temp.csv}.tmp")
        os.replace(f"{temp.csv}.tmp", temp.csv)

    temp.saves("os.replace", replace, wanted)
    rows[2][1] = 3.5

    def replace_durably():
        with open(f"{temp.csv}.tmp", "w", newline="") as file:
            csv.writer(file).writerows(rows)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{temp.csv}.tmp", temp.csv)
        folder = os.open(os.path.dirname(temp.csv), os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    temp.saves("os.replace after fsync", replace_durably, wanted.replace("2.5", "3.5"))
    assert "live.csv.tmp" not in os.listdir(f"{MOUNT}/temp/tables")

    def in_place():
        with open(temp.csv, "r+") as file:
            text = file.read()
            file.seek(0)
            file.write(text.replace("3.5", "4.25"))
            file.truncate()

    temp.saves("r+", in_place, wanted.replace("2.5", "4.25"))
    grid = np.array([["2020-07-01", "1.0"]])
    temp.saves("numpy", lambda: np.savetxt(temp.csv, grid, fmt="%s", delimiter=",", header="timestamp,value", comments=""))


run([pandas_csv, pandas_parquet, pandas_all_types, pandas_repeated, with_pyarrow, refused_parquet, with_polars, with_duckdb, with_python])
