"""Lance: one dataset, the series of W4 in it by a label column."""

import lance
import numpy as np
import pyarrow
from pyarrow import compute

from stores.arrow import ArrowStore


class Lance(ArrowStore):
    workloads = ("w1", "w2", "w3", "w4")

    def _open(self):
        return lance.dataset(self.path + "/dataset")

    def create(self, frame):
        lance.write_dataset(frame, self.path + "/dataset")

    def append(self, frame):
        lance.write_dataset(frame, self.path + "/dataset", mode="append")

    def read(self):
        return self._open().to_table()

    def read_range(self, start, stop):
        return self._open().to_table(filter=f"timestamp >= {start} AND timestamp < {stop}")

    def read_tail(self, rows, since):
        dataset = self._open()
        return dataset.to_table(offset=dataset.count_rows() - rows, limit=rows)

    def commits(self, frames):
        for number, frame in enumerate(frames):
            yield self.append(frame) if number else self.create(frame)

    def frame_many(self, labels, times, values):
        repeated = pyarrow.array(np.repeat(np.array(labels), len(times)))
        all_times = np.tile(times, len(labels))
        return pyarrow.table({"label": repeated, "timestamp": all_times, "value": values.ravel()})

    def frame_one(self, label, times, values):
        return self.frame_many([label], times, values)

    def create_many(self, frame):
        self.create(frame)

    def list_series(self):
        return len(compute.unique(self._open().to_table(columns=["label"])["label"]))

    def read_series(self, label):
        return self._open().to_table(filter=f"label = '{label}'").num_rows

    def append_series(self, label, frame):
        self.append(frame)


PEERS = {"lance": Lance}
