"""ArcticDB on LMDB: pandas in, Arrow out."""

import arcticdb
import pandas

from stores.arrow import ArrowStore


class Arctic(ArrowStore):
    workloads = ("w1", "w2", "w3", "w4")
    syncs = True
    client = None

    def close(self):
        self.client = None  # a second client of one LMDB in a process is refused

    def _client(self):
        self.client = arcticdb.Arctic(f"lmdb://{self.path}/db?map_size=8GB")
        return self.client

    def _create(self):
        return self._client().create_library("library")

    def _library(self):
        return self._client()["library"]

    def frame(self, times, values):
        index = pandas.DatetimeIndex(times.view("M8[s]").astype("M8[ns]"), name="timestamp")
        return pandas.DataFrame({"value": values}, index=index)

    def columns(self, result):
        times, values = super().columns(result)
        return times.astype("M8[s]").astype("i8"), values

    def create(self, frame):
        self._create().write("series", frame)

    def append(self, frame):
        self._library().append("series", frame)

    def read(self):
        return self._library().read("series", output_format=arcticdb.OutputFormat.PYARROW).data

    def read_range(self, start, stop):
        bounds = pandas.Timestamp(start, unit="s"), pandas.Timestamp(stop - 1, unit="s")
        arrow = arcticdb.OutputFormat.PYARROW
        return self._library().read("series", date_range=bounds, output_format=arrow).data

    def read_tail(self, rows, since):
        return self._library().tail("series", rows, output_format=arcticdb.OutputFormat.PYARROW).data

    def commits(self, frames):
        library = self._create()
        for frame in frames:
            yield library.append("series", frame)

    def frame_many(self, labels, times, values):
        return [arcticdb.WritePayload(label, self.frame(times, row)) for label, row in zip(labels, values)]

    def create_many(self, frame):
        self._create().write_batch(frame)

    def list_series(self):
        return len(self._library().list_symbols())

    def read_series(self, label):
        return self._library().read(label, output_format=arcticdb.OutputFormat.PYARROW).data.num_rows

    def append_series(self, label, frame):
        self._library().append(label, frame)


PEERS = {"arcticdb": Arctic}
