"""Lakota 0.7.1, the Python original."""

import numpy as np
from lakota import Repo, Schema

from stores.base import Store


class Original(Store):
    workloads = ("w1", "w2", "w3", "w4")

    def _create(self):
        schema = Schema(timestamp="timestamp*", value="float")
        return Repo(self.path).create_collection(schema, "collection")

    def _collection(self):
        return Repo(self.path) / "collection"

    def _series(self):
        return self._collection() / "series"

    def frame(self, times, values):
        return {"timestamp": times.view("M8[s]"), "value": values}

    def create(self, frame):
        (self._create() / "series").write(frame)

    def append(self, frame):
        self._series().write(frame)

    def read(self):
        return self._series().frame()

    def read_range(self, start, stop):
        return self._series().frame(start=np.datetime64(start, "s"), stop=np.datetime64(stop, "s"))

    def read_tail(self, rows, since):
        return self._series().tail(rows)

    def columns(self, result):
        return result["timestamp"].astype("M8[s]").astype("i8"), result["value"]

    def commits(self, frames):
        series = self._create() / "series"
        for frame in frames:
            yield series.write(frame)

    def frame_many(self, labels, times, values):
        return [(label, self.frame(times, row)) for label, row in zip(labels, values)]

    def create_many(self, frame):
        collection = self._create()
        with collection.multi():
            for label, rows in frame:
                (collection / label).write(rows)

    def list_series(self):
        return len(self._collection().ls())

    def read_series(self, label):
        return len((self._collection() / label).frame())

    def append_series(self, label, frame):
        (self._collection() / label).write(frame)


PEERS = {"original": Original}
