"""Files as pandas, polars, pyarrow and duckdb write them, taken by `lakota write` or refused: `foreign.py LAKOTA`.

Works in the current folder. Exits with 1 and tells each case that did not go as it must.
"""

import datetime
import decimal
import itertools
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

TEMP = "timestamp,value\n2020-06-22T00:00:00,25.5\n2020-06-23T00:00:00.500,\n"
ALL = """t,who,day,n,x,ok,u
2020-06-22T00:00:00,a,2020-01-01,1,1.5,true,2020-01-01T00:00:00.000001
2020-06-22T00:00:00,b,,,,,
"""
NULLS = "t,who,day,n,x,ok,u\n2020-06-22T00:00:00,b,,,,,\n"

failures = []
numbers = itertools.count()


def lakota(*words):
    return subprocess.run([sys.argv[1], *words], capture_output=True, text=True, check=False)


def path(extension="parquet"):
    return f"{next(numbers)}.{extension}"


def takes(name, place, file, expected):
    written = lakota("write", place, file, "--replace")
    found = written.stderr if written.returncode else lakota("read", place).stdout
    if found != expected:
        failures.append(f"{name}: {found!r}, expected {expected!r}")


def refuses(name, place, file, *parts):
    written = lakota("write", place, file, "--replace")
    if written.returncode != 1 or not all(part in written.stderr for part in parts):
        failures.append(f"{name}: code {written.returncode}, {written.stderr!r}, expected {parts}")


def of_pandas(frame, **options):
    file = path()
    frame.to_parquet(file, **options)
    return file


def of_polars(frame, **options):
    file = path()
    frame.write_parquet(file, **options)
    return file


def of_arrow(table, **options):
    file = path()
    pa.parquet.write_table(table, file, **options)
    return file


def of_duckdb(query, options=""):
    file = path()
    duckdb.sql(f"copy ({query}) to '{file}' (format parquet{options})")
    return file


def few():
    """Two columns: a time and a value that is null once."""
    times = pd.to_datetime(["2020-06-22T00:00:00.0", "2020-06-23T00:00:00.5"])
    return pd.DataFrame({"timestamp": times, "value": [25.5, None]})


def rich():
    """A column of every type; pandas has the ints as floats, as one is null."""
    micros = pd.to_datetime(["2020-01-01T00:00:00.000001", None])
    frame = pd.DataFrame({"t": pd.to_datetime(["2020-06-22"] * 2), "who": ["a", "b"]})
    frame["day"] = [datetime.date(2020, 1, 1), None]
    frame["n"], frame["x"], frame["ok"], frame["u"] = [1, None], [1.5, None], [True, None], micros
    assert frame.n.dtype == "float64"
    return frame


def pandas_times():
    frame = few()
    takes("as it is", "temp/x", of_pandas(frame), TEMP)
    takes("index stored", "temp/x", of_pandas(frame, index=True), TEMP)
    takes("index not stored", "temp/x", of_pandas(frame, index=False), TEMP)
    takes("index is a column", "temp/x", of_pandas(frame.set_index("timestamp")), TEMP)
    takes("index without a name", "temp/x", of_pandas(frame.set_axis([5, 9])), TEMP)
    takes("rows the other way round", "temp/x", of_pandas(frame.iloc[::-1]), TEMP)
    for unit in ["ms", "us", "ns"]:
        times = frame.timestamp.astype(f"datetime64[{unit}]")
        takes(unit, "temp/x", of_pandas(frame.assign(timestamp=times)), TEMP)
    utc = frame.timestamp.dt.tz_localize("UTC")
    for zone in ["UTC", "Europe/Brussels", "Asia/Tokyo", "+05:30"]:
        zoned = frame.assign(timestamp=utc.dt.tz_convert(zone))
        takes(zone, "temp/x", of_pandas(zoned), TEMP)
        takes(f"{zone} as index", "temp/x", of_pandas(zoned.set_index("timestamp")), TEMP)
    takes("version 1.0", "temp/x", of_pandas(frame, version="1.0"), TEMP)
    takes("int96", "temp/x", of_pandas(frame, use_deprecated_int96_timestamps=True), TEMP)
    bare = frame.set_index("timestamp").rename_axis(None)
    takes("the index without a name", "temp/x", of_pandas(bare), TEMP)
    for codec in ["lz4", "zstd", "uncompressed"]:
        file = path("feather")
        pa.feather.write_feather(pa.Table.from_pandas(bare), file, compression=codec)
        takes(f"the index without a name, feather {codec}", "temp/x", file, TEMP)
    file = of_pandas(frame[["value"]])
    refuses("rows without times", "temp/x", file, "column timestamp", "range of row numbers", "df.index.names")
    file = of_pandas(frame[["value"]].set_axis([5, 9]))
    refuses("numbers for times", "temp/x", file, "column timestamp", "__index_level_0__ (", "df.index.names")
    v1 = path("feather")
    pa.feather.write_feather(frame, v1, version=1)
    refuses("feather 1", "temp/x", v1, "this is Feather of version 1", "version 2")
    far = pd.DataFrame({"timestamp": np.array(["9999-12-31T23:59:59.999", "0001-01-01"], "M8[ms]"), "value": [1.5, 2.5]})
    file = of_pandas(far, use_deprecated_int96_timestamps=True)
    takes("int96, far", "temp/x", file, "timestamp,value\n0001-01-01T00:00:00,2.5\n9999-12-31T23:59:59.999,1.5\n")
    refuses("int96, too far", "nanos/x", file, "row 1, column timestamp", "9999-12-31T23:59:59.999")
    for codec in ["snappy", "gzip", "brotli", "zstd", "lz4", None]:
        takes(f"codec {codec}", "temp/x", of_pandas(frame, compression=codec), TEMP)
    takes("no rows", "temp/x", of_pandas(frame.iloc[:0]), "timestamp,value\n")


def pandas_types():
    for dtype in ["float32", "Float64"]:
        takes(dtype, "temp/x", of_pandas(few().astype({"value": dtype})), TEMP)
    takes("backend pyarrow", "temp/x", of_pandas(few().convert_dtypes(dtype_backend="pyarrow")), TEMP)
    frame = rich()
    takes("ints as floats", "all/x", of_pandas(frame), ALL)
    takes("index of columns", "all/x", of_pandas(frame.set_index(["t", "who"])), ALL)
    for column, dtype in [
        ("who", "category"),
        ("who", "string[pyarrow]"),
        ("n", "Int64"),
        ("n", "Int8"),
        ("n", "UInt64"),
        ("ok", "boolean"),
        ("day", "datetime64[ns]"),
    ]:
        takes(dtype, "all/x", of_pandas(frame.astype({column: dtype})), ALL)
    takes("types converted", "all/x", of_pandas(frame.convert_dtypes()), ALL)
    takes("nulls alone", "all/x", of_pandas(frame.iloc[1:]), NULLS)
    for codec in ["lz4", "zstd", "uncompressed"]:
        file = path("arrow")
        pa.feather.write_feather(pa.Table.from_pandas(frame.set_axis([5, 9])), file, compression=codec)
        takes(f"feather {codec}", "all/x", file, ALL)


def polars_types():
    frame = pl.from_pandas(rich()).with_columns(pl.col("n").cast(pl.Int64))
    takes("as it is", "all/x", of_polars(frame), ALL)
    zoned = pl.col("t").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
    for name, change in {
        "other units": [pl.col("t").dt.cast_time_unit("us"), pl.col("day").cast(pl.Datetime("ms"))],
        "zone": [zoned],
        "categorical": [pl.col("who").cast(pl.Categorical)],
        "enum": [pl.col("who").cast(pl.Enum(["a", "b"]))],
        "decimal": [pl.col("x").cast(pl.Decimal(10, 2))],
        "uint": [pl.col("n").cast(pl.UInt16)],
        "float32": [pl.col("x").cast(pl.Float32)],
    }.items():
        changed = frame.with_columns(*change)
        takes(name, "all/x", of_polars(changed), ALL)
        file = path("arrow")
        changed.write_ipc(file, compression="zstd")
        takes(f"{name}, ipc", "all/x", file, ALL)
    file = path("arrow")
    frame.write_ipc_stream(file)
    takes("ipc stream", "all/x", file, ALL)
    takes("through pyarrow", "all/x", of_polars(frame, use_pyarrow=True), ALL)
    takes("nulls alone", "all/x", of_polars(frame[1:].with_columns(pl.lit(None).alias("x"))), NULLS)


def pyarrow_types():
    table = pl.from_pandas(rich()).to_arrow()
    text = table["who"].cast(pa.string())
    half = decimal.Decimal("1.50")
    for name, column, values in [
        ("large_string", "who", table["who"].cast(pa.large_string())),
        ("string_view", "who", text.cast(pa.string_view())),
        ("dictionary", "who", text.combine_chunks().dictionary_encode()),
        ("date64", "day", table["day"].cast(pa.date64())),
        ("decimal32", "x", pa.array([half, None], pa.decimal32(6, 2))),
        ("decimal128", "x", pa.array([half, None])),
        ("decimal256", "x", pa.array([half, None], pa.decimal256(60, 2))),
        ("decimal ints", "n", pa.array([decimal.Decimal("1.00"), None])),
        ("float16", "x", pa.array(np.array([1.5, 0], "float16"), mask=np.array([False, True]))),
    ]:
        changed = table.set_column(table.schema.get_field_index(column), column, values)
        takes(name, "all/x", of_arrow(changed), ALL)
        takes(f"{name}, no arrow schema", "all/x", of_arrow(changed, store_schema=False), ALL)
    takes("V2 pages", "all/x", of_arrow(table, data_page_version="2.0"), ALL)
    takes("no dictionary", "all/x", of_arrow(table, use_dictionary=False), ALL)
    seconds = pa.table({"t": pa.array([0], pa.timestamp("s")), "v": pa.array([7], pa.int8())})
    takes("seconds", "seconds/x", of_arrow(seconds), "t,v\n1970-01-01T00:00:00,7\n")


def duckdb_types():
    literals = "select timestamp '2020-06-22' timestamp, 25.5 as value"
    more = "select timestamp '2020-06-23 00:00:00.5', null"
    takes("literals", "temp/x", of_duckdb(f"{literals} union all {more}"), TEMP)
    lakota("write", "all/x", of_pandas(rich()), "--replace")
    lakota("read", "all/x", "-o", "there.parquet")
    there = "from 'there.parquet'"
    takes("as it is", "all/x", of_duckdb(there), ALL)
    wide = f"select t::timestamptz t, who, day, n::hugeint n, x::float x, ok, u {there}"
    takes("wide", "all/x", of_duckdb(wide), ALL)
    cast = "who::enum('a', 'b') who, day::timestamp as day, n::utinyint n, x::decimal(9, 2) x"
    narrow = f"select t::timestamp_s t, {cast}, ok, u {there}"
    takes("narrow", "all/x", of_duckdb(narrow, ", parquet_version v2"), ALL)


def what_was_read():
    lakota("write", "all/x", of_pandas(rich()), "--replace")
    lakota("read", "all/x", "-o", "read.parquet")
    takes("pandas", "all/x", of_pandas(pd.read_parquet("read.parquet")), ALL)
    takes("polars", "all/x", of_polars(pl.read_parquet("read.parquet")), ALL)
    takes("pyarrow", "all/x", of_arrow(pa.parquet.read_table("read.parquet")), ALL)


def what_cannot_be():
    times = pa.array([0, 1000], pa.timestamp("us"))

    def table(**columns):
        return of_arrow(pa.table({"timestamp": times, "value": pa.array([1.0, 2.0]), **columns}))

    def refused(name, file, *parts):
        refuses(name, "temp/x", file, *parts)

    fine = pa.array([0, 1], pa.timestamp("us"))
    refused("micros", table(timestamp=fine), "row 2, column timestamp", "00:00:00.000001", "milliseconds")
    refused("extra", table(extra=times), "column extra", "the schema has timestamp, value")
    lacking = of_arrow(pa.table({"timestamp": times}))
    refused("missing", lacking, "column value", "the input has timestamp, the schema timestamp, value")
    for ty, values in {
        "utf8": ["1", "2"],
        "struct": [{"a": 1}, {"a": 2}],
        "list": [[1], [2]],
        "bool": [True, False],
    }.items():
        refused(ty, table(value=pa.array(values)), "column value: the input has " + ty, "the schema float")
    clock = pa.array([1, 2], pa.time64("us"))
    refused("time", table(timestamp=clock), "column timestamp: the input has time64")
    null = pa.array([0, None], pa.timestamp("us"))
    refused("null index", table(timestamp=null), "row 2, column timestamp")
    large = pa.array([1, 2**53 + 1])
    refused("large int", table(value=large), "row 2, column value", "9007199254740993")
    late = pa.array([*range(0, 300_000_000, 1000), 1], pa.timestamp("us"))
    late = of_arrow(pa.table({"timestamp": late, "value": pa.nulls(300_001, pa.float64())}))
    refused("late row", late, "row 300001, column timestamp")
    none = pa.table({"timestamp": pa.array([], pa.timestamp("ms")), "valeu": pa.array([], pa.float64())})
    refused("other columns without rows", of_arrow(none), "column valeu")
    refused("foreign index", of_pandas(few().set_axis(pd.Index([5, 9], name="place"))), "column place")
    fraction = of_pandas(rich().assign(n=[1.5, None]))
    refuses("fraction", "all/x", fraction, "row 1, column n", '"1.5"', "whole number")
    noon = pd.to_datetime(["2020-01-01T12:00:00", None])
    noon = of_pandas(rich().assign(day=noon))
    refuses("noon", "all/x", noon, "row 1, column day", "2020-01-01T12:00:00", "date")


def main():
    lakota("create", "temp", "timestamp timestamp*", "value float")
    columns = ["t timestamp*", "who str*", "day date", "n int", "x float", "ok bool", "u timestamp[us]"]
    lakota("create", "all", *columns)
    lakota("create", "seconds", "t timestamp[s]*", "v int")
    lakota("create", "nanos", "timestamp timestamp[ns]*", "value float")
    cases = [pandas_times, pandas_types, polars_types, pyarrow_types, duckdb_types, what_was_read, what_cannot_be]
    for case in cases:
        before = len(failures)
        case()
        failures[before:] = [f"{case.__name__}: {failure}" for failure in failures[before:]]
    print("\n".join(failures))
    sys.exit(bool(failures))


main()
