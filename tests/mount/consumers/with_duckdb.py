"""duckdb: Parquet and CSV, single files and globs. usage: with_duckdb.py MOUNT EXPECTED"""

import sys

import duckdb
from expected import Expected, unit

PLAIN = {"float": "DOUBLE", "int": "BIGINT", "str": "VARCHAR", "bool": "BOOLEAN", "date": "DATE"}
TIMES = {"ms": ("TIMESTAMP_MS", "TIMESTAMP"), "us": ("TIMESTAMP",), "ns": ("TIMESTAMP_NS",)}


def columns(expected, source):
    """Columns of a source as plain values: times and dates as numbers, taken by duckdb."""
    forms = []
    for name, kind in expected.types.items():
        if unit(kind):
            name = f'epoch_ns("{name}"::TIMESTAMP_NS) AS "{name}"'
        elif kind == "date":
            name = f"datediff('day', DATE '1970-01-01', \"{name}\") AS \"{name}\""
        else:
            name = f'"{name}"'
        forms.append(name)
    rows = duckdb.sql(f"SELECT {', '.join(forms)} FROM {source}").fetchall()
    return {name: [row[i] for row in rows] for i, name in enumerate(expected.names)}


def check_parquet(mount, path_of_expected):
    for series, rows in {"rich": slice(None), "one": slice(7, 8), "empty": slice(0)}.items():
        expected, source = Expected(path_of_expected, rows), f"'{mount}/all/{series}/live.parquet'"
        expected.check(f"duckdb {series}", columns(expected, source))
        described = duckdb.sql(f"DESCRIBE SELECT * FROM {source}").fetchall()
        for name, kind, *_ in described:
            wanted = expected.types[name]
            assert kind in (TIMES[unit(wanted)] if unit(wanted) else (PLAIN[wanted],)), (series, name, kind)


def check_glob(mount):
    counted = f"SELECT count(*), sum(value) FROM '{mount}/temp/*/live.parquet'"
    wanted = f"SELECT count(*), sum(value) FROM read_csv('{mount}/temp/*/live.csv', columns={{'timestamp': 'TIMESTAMP', 'value': 'DOUBLE'}})"
    parquet, csv = duckdb.sql(counted).fetchall()[0], duckdb.sql(wanted).fetchall()[0]
    assert parquet[0] == csv[0] == 303_016 and abs(parquet[1] - csv[1]) < 1e-3, (parquet, csv)
    by_file = f"SELECT filename, count(*) FROM read_parquet('{mount}/temp/*/live.parquet', filename=true) GROUP BY 1 ORDER BY 1"
    assert [count for _, count in duckdb.sql(by_file).fetchall()] == [300_000, 3010, 6]
    last = duckdb.sql(f"SELECT max(timestamp) FROM '{mount}/temp/big/live.parquet'").fetchall()[0][0]
    past = f"SELECT count(*) FROM '{mount}/temp/big/live.parquet' WHERE timestamp >= '{last}'::TIMESTAMP - INTERVAL 1 HOUR"
    assert duckdb.sql(past).fetchall()[0][0] == 61


def check_csv(mount, path_of_expected):
    expected = Expected(path_of_expected)
    types = {
        name: ("TIMESTAMP_NS" if kind == "timestamp[ns]" else "TIMESTAMP") if unit(kind) else PLAIN[kind]
        for name, kind in expected.types.items()
    }
    source = f"read_csv('{mount}/all/rich/live.csv', header=true, columns={types}, nullstr='', allow_quoted_nulls=false)"
    expected.check("duckdb csv", columns(expected, source))
    # As it guesses the columns itself.
    guessed = duckdb.sql(f"DESCRIBE SELECT * FROM '{mount}/temp/big/live.csv'").fetchall()
    assert [row[:2] for row in guessed] == [("timestamp", "TIMESTAMP"), ("value", "DOUBLE")], guessed


if __name__ == "__main__":
    check_parquet(*sys.argv[1:3])
    check_glob(sys.argv[1])
    check_csv(*sys.argv[1:3])
