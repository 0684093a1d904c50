"""pyarrow: Parquet files, datasets, statistics of row groups, CSV. usage: with_pyarrow.py MOUNT EXPECTED"""

import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq
from expected import Expected, unit

SCALE = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
PLAIN = {"float": pa.float64(), "int": pa.int64(), "str": pa.string(), "bool": pa.bool_(), "date": pa.date32()}


def plain(array):
    """A column as plain values."""
    if pa.types.is_timestamp(array.type):
        scale = SCALE[array.type.unit]
        return [v and v * scale if v is not None else None for v in array.cast(pa.int64()).to_pylist()]
    if pa.types.is_date(array.type):
        return array.cast(pa.int32()).to_pylist()
    return array.to_pylist()


def columns(table):
    return {name: plain(table[name]) for name in table.column_names}


def parquet_type(kind):
    return pa.timestamp(unit(kind)) if unit(kind) else PLAIN[kind]


def check_parquet(mount, expected):
    cases = {"rich": expected, "one": Expected(sys.argv[2], slice(7, 8)), "empty": Expected(sys.argv[2], slice(0))}
    for series, wanted in cases.items():
        path = f"{mount}/all/{series}/live.parquet"
        for memory_map in (False, True):
            table = pq.read_table(path, memory_map=memory_map)
            wanted.check(f"pyarrow {series}", columns(table))
        for field in table.schema:
            kind = wanted.types[field.name]
            assert field.type == parquet_type(kind), f"{series}: {field}"
            assert field.nullable == (field.name not in ("at", "station")), f"{series}: {field}"
        wanted.check(f"pyarrow dataset {series}", columns(pa.dataset.dataset(path).to_table()))


def check_statistics(mount):
    path = f"{mount}/temp/big/live.parquet"
    file = pq.ParquetFile(path)
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    assert len(groups) >= 2 and file.metadata.num_rows == 300_000, file.metadata
    for i, group in enumerate(groups):
        times = file.read_row_group(i, columns=["timestamp"])["timestamp"]
        index, values = group.column(0).statistics, group.column(1).statistics
        assert index.has_min_max and (index.min, index.max) == tuple(pc.min_max(times).as_py().values()), index
        assert index.null_count == 0 and values.null_count == 0
    # An index of two columns has them for both.
    rich = pq.ParquetFile(f"{mount}/all/rich/live.parquet")
    table, group = rich.read(), rich.metadata.row_group(0)
    for i, name in enumerate(table.column_names):
        statistics = group.column(i).statistics
        assert statistics.null_count == table[name].null_count, name
        if name in ("at", "station"):
            assert (statistics.min, statistics.max) == tuple(pc.min_max(table[name]).as_py().values()), name
    cut = pq.read_table(path, filters=[("timestamp", ">=", times[0].as_py())])
    assert cut.num_rows == groups[-1].num_rows, cut.num_rows


def check_glob(mount):
    paths = [f"{mount}/temp/{name}/live.parquet" for name in ("none", "tiny", "bundle", "big")]
    rows = [pq.read_metadata(path).num_rows for path in paths]
    assert rows == [0, 6, 3010, 300_000], rows
    assert pa.dataset.dataset(paths).count_rows() == sum(rows)


def check_csv(mount, expected):
    types = {name: pa.timestamp("ns") if unit(kind) else PLAIN[kind] for name, kind in expected.types.items()}
    convert = pa.csv.ConvertOptions(
        column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    table = pa.csv.read_csv(f"{mount}/all/rich/live.csv", parse_options=parse, convert_options=convert)
    expected.check("pyarrow csv", columns(table))


if __name__ == "__main__":
    mount, expected = sys.argv[1], Expected(sys.argv[2])
    check_parquet(mount, expected)
    check_statistics(mount)
    check_glob(mount)
    check_csv(mount, expected)
