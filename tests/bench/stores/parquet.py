"""Plain Parquet files, with the encodings that suit a time series: no versions; an append writes a file again."""

import os

import pyarrow
from pyarrow import parquet

from stores.arrow import ArrowStore


def write_tuned(table, path, rows_per_group=None):
    """Writes a file as small and as fast to read as pyarrow can make it for times and floats."""
    encodings = {"timestamp": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"}
    parquet.write_table(
        table, path, compression="zstd", use_dictionary=False, column_encoding=encodings, row_group_size=rows_per_group
    )


class Parquet(ArrowStore):
    """One file with pyarrow's own row groups of a million rows."""

    can_append = False
    rows_per_group = None

    def _file(self):
        return self.path + "/series.parquet"

    def create(self, frame):
        write_tuned(frame, self._file(), self.rows_per_group)

    def read(self):
        return parquet.read_table(self._file())

    def read_range(self, start, stop):
        return parquet.read_table(self._file(), filters=[("timestamp", ">=", start), ("timestamp", "<", stop)])

    def read_tail(self, rows, since):
        file = parquet.ParquetFile(self._file())
        group, found = file.num_row_groups, 0
        while found < rows:
            group -= 1
            found += file.metadata.row_group(group).num_rows
        return file.read_row_groups(range(group, file.num_row_groups)).slice(found - rows)


class ParquetSmallGroups(Parquet):
    """The same with row groups of 122,880 rows: quicker to find a day in, slower to read as a whole."""

    rows_per_group = 122_880


class ParquetFiles(ArrowStore):
    """A file for each of many series."""

    workloads = ("w4",)

    def _file(self, label):
        return f"{self.path}/{label}.parquet"

    def frame_many(self, labels, times, values):
        return [(label, self.frame(times, row)) for label, row in zip(labels, values)]

    def create_many(self, frame):
        for label, rows in frame:
            write_tuned(rows, self._file(label))

    def list_series(self):
        return len(os.listdir(self.path))

    def read_series(self, label):
        return parquet.read_table(self._file(label)).num_rows

    def append_series(self, label, frame):
        whole = pyarrow.concat_tables([parquet.read_table(self._file(label)), frame])
        write_tuned(whole, self.path + "/part")
        os.rename(self.path + "/part", self._file(label))


PEERS = {"parquet_tuned": Parquet, "parquet_small_groups": ParquetSmallGroups, "parquet_files": ParquetFiles}
