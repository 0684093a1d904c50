"""A DuckDB table: no versions."""

from contextlib import contextmanager

import duckdb

from stores.arrow import ArrowStore


class Duck(ArrowStore):
    syncs = True

    @contextmanager
    def _connection(self):
        with duckdb.connect(self.path + "/series.duckdb") as connection:
            yield connection

    def _query(self, sql):
        with self._connection() as connection:
            return connection.sql(sql).to_arrow_table()

    def _insert(self, sql, frame):
        with self._connection() as connection:
            connection.register("frame", frame)
            connection.execute(sql)

    def create(self, frame):
        self._insert("create table series as select * from frame", frame)

    def append(self, frame):
        self._insert("insert into series select * from frame", frame)

    def read(self):
        return self._query("select * from series")

    def read_range(self, start, stop):
        return self._query(f"select * from series where timestamp >= {start} and timestamp < {stop}")

    def read_tail(self, rows, since):
        last = f"select * from series order by timestamp desc limit {rows}"
        return self._query(f"select * from ({last}) order by timestamp")


PEERS = {"duckdb": Duck}
