"""Delta Lake, through delta-rs."""

from deltalake import DeltaTable, write_deltalake
from pyarrow.dataset import field

from stores.arrow import ArrowStore


class Delta(ArrowStore):
    def _open(self):
        return DeltaTable(self.path + "/table")

    def create(self, frame):
        write_deltalake(self.path + "/table", frame)

    def append(self, frame):
        write_deltalake(self.path + "/table", frame, mode="append")

    def read(self):
        return self._open().to_pyarrow_table()

    def read_range(self, start, stop):
        wanted = (field("timestamp") >= start) & (field("timestamp") < stop)
        return self._open().to_pyarrow_dataset().to_table(filter=wanted)

    def read_tail(self, rows, since):
        return self._open().to_pyarrow_dataset().to_table(filter=field("timestamp") >= since)


PEERS = {"delta": Delta}
