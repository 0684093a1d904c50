"""Times one peer on one workload in a process of its own and prints result lines.

Each operation opens the store anew within its time; imports and making the peer's own form of the input are outside of
it. What is read is compared with what was written, so a wrong answer is an error and not a fast figure.
"""

import argparse
import importlib
import shutil
from statistics import median

import numpy as np

from harness import (
    APPEND_ROWS, COMMIT_ROWS, DATA, DAY_START, DAY_STOP, SERIES, SERIES_ROWS, SERIES_START, STEP, TAIL, WORK,
    disk_bytes, emit, fresh, sync_tree, timed, written_bytes,
)  # fmt: skip

MODULES = {
    "original": "original", "arcticdb": "arctic", "lance": "lance", "delta": "delta", "duckdb": "duck",
    "parquet_tuned": "parquet", "parquet_small_groups": "parquet", "parquet_files": "parquet",
}  # fmt: skip
WRITES, READS, SMALL_READS, APPENDS = 3, 5, 7, 5


def numbers(name, dtype):
    return np.fromfile(DATA / name, dtype)


def small_rows(last, number):
    """The rows of the append of this number after a stamp."""
    times = last + STEP * (1 + APPEND_ROWS * number + np.arange(APPEND_ROWS, dtype="i8"))
    return times, np.round(np.linspace(20, 21, APPEND_ROWS), 2)


def repeat(store, count, action):
    """Runs an action several times, each on a store not yet open; returns the milliseconds and the last result."""
    samples, result = [], None
    for _ in range(count):
        result = None  # its memory is free again before the next read
        store.close()
        ms, result = timed(action)
        samples.append(ms)
    return samples, result


def check(store, op, result, times, values):
    got_times, got_values = store.columns(result)
    if not (np.array_equal(got_times, times) and np.array_equal(got_values, values)):
        raise ValueError(f"{op} returned {len(got_times)} rows that are not the {len(times)} expected")


class Measurement:
    """A peer at work on one workload; its methods are the workloads."""

    def __init__(self, peer, workload):
        self.peer, self.workload = peer, workload
        self.make = importlib.import_module("stores." + MODULES[peer]).PEERS[peer]
        self.path = WORK / f"{peer}_{workload}"

    def store(self):
        return self.make(fresh(self.path))

    def emit(self, op, samples, unit="ms"):
        emit(self.peer, self.workload, op, unit, samples)

    def warm_up(self):
        """Does each operation once on a few rows, for what libraries load at first use."""
        store = self.store()
        times = np.arange(5_000, dtype="i8") * STEP
        store.create(store.frame(times, times * 0.5))
        for read in (store.read, lambda: store.read_range(0, 30_000), lambda: store.read_tail(10, times[-10])):
            store.close()
            read()
        store.close()

    def write_durable(self, times, values, count):
        """Writes the series into fresh folders; returns the last store."""
        samples = []
        for _ in range(count):
            store = self.store()
            frame = store.frame(times, values)
            samples.append(timed(lambda: (store.create(frame), store.close(), sync_tree(self.path)))[0])
        self.emit("write_durable", samples)
        self.emit("bytes", [disk_bytes(self.path)], "bytes")
        return store

    def w1(self):
        self.warm_up()
        self.write_durable(numbers("w2.ts.i64", "<i8"), numbers("w1.f64", "<f8"), 1)

    def w2(self):
        self.warm_up()
        times, values = numbers("w2.ts.i64", "<i8"), numbers("w2.f64", "<f8")
        store = self.write_durable(times, values, WRITES)
        day = slice(DAY_START // STEP, DAY_STOP // STEP)
        reads = [
            ("read_full", READS, slice(None), store.read),
            ("read_day", SMALL_READS, day, lambda: store.read_range(DAY_START, DAY_STOP)),
            ("tail_1000", SMALL_READS, slice(-TAIL, None), lambda: store.read_tail(TAIL, times[-TAIL])),
        ]
        for op, count, rows, read in reads:
            samples, result = repeat(store, count, read)
            check(store, op, result, times[rows], values[rows])
            self.emit(op, samples)
        if store.can_append:
            self.appends(store, times[-1])

    def appends(self, store, last):
        frames = [store.frame(*small_rows(last, number)) for number in range(APPENDS)]
        self.emit("append_10", [repeat(store, 1, lambda: store.append(frame))[0][0] for frame in frames])

    def w3(self):
        times, values = numbers("w3.ts.i64", "<i8"), numbers("w3.f64", "<f8")
        store = self.store()
        pieces = [slice(start, start + COMMIT_ROWS) for start in range(0, len(times), COMMIT_ROWS)]
        commits = store.commits([store.frame(times[rows], values[rows]) for rows in pieces])
        samples = [timed(lambda: next(commits))[0] for _ in pieces]
        tenth = len(samples) // 10
        self.emit("write_sync" if store.syncs else "write_nosync", [sum(samples)])
        self.emit("first10_ms", [median(samples[1 : tenth + 1])])  # the very first also makes the store
        self.emit("last10_ms", [median(samples[-tenth:])])
        commits.close()
        store.close()
        self.emit("bytes", [disk_bytes(self.path)], "bytes")
        sync_tree(self.path)
        reads, result = repeat(store, READS, store.read)
        check(store, "read_full", result, times, values)
        self.emit("read_full", reads)

    def w4(self):
        times = SERIES_START + np.arange(SERIES_ROWS, dtype="i8") * STEP
        values = numbers("w4.f64", "<f8").reshape(SERIES, SERIES_ROWS)
        labels = [f"series_{number:05d}" for number in range(SERIES)]
        store = self.store()
        frame = store.frame_many(labels, times, values)
        self.emit("write_batch", [timed(lambda: (store.create_many(frame), store.close(), sync_tree(self.path)))[0]])
        middle = labels[SERIES // 2]
        self.count("ls", store, store.list_series, SERIES)
        self.count("read_one", store, lambda: store.read_series(middle), SERIES_ROWS)
        self.append_one(store, middle, times[-1])

    def count(self, op, store, action, expected):
        samples, found = repeat(store, READS, action)
        if found != expected:
            raise ValueError(f"{op} found {found} and not {expected}")
        self.emit(op, samples)

    def append_one(self, store, label, last):
        samples, written = [], []
        for number in range(APPENDS):
            frame = store.frame_one(label, *small_rows(last, number))
            before = written_bytes()
            samples += repeat(store, 1, lambda: store.append_series(label, frame))[0]
            written.append(written_bytes() - before)
        self.emit("append_one", samples)
        self.emit("append_one_bytes", written, "bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", required=True, choices=MODULES)
    parser.add_argument("--workload", required=True, choices=("w1", "w2", "w3", "w4"))
    args = parser.parse_args()
    measurement = Measurement(args.peer, args.workload)
    if args.workload not in measurement.make.workloads:
        parser.error(f"{args.peer} does not do {args.workload}")
    try:
        getattr(measurement, args.workload)()
    finally:
        shutil.rmtree(measurement.path, ignore_errors=True)


if __name__ == "__main__":
    main()
