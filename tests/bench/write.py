"""Times writing through the mount beside the command line, one round, and prints result lines.

Each time begins before the file is opened and ends when it is closed: by then the revision is on disk. `lakota write`
of the same file is timed in turns with it. Every repository is new, but for the appends to W2.

usage: write.py [--round N] [--ours BINARY]     with the `peers` environment, from the project's folder
"""

import argparse
import os
import statistics
import subprocess

from harness import DATA, WORK, disk_bytes, emit, fresh, timed

HOME = WORK / "write"
REPO, MNT, SPOOL, CHANGED, TEN = HOME / "repo", HOME / "mnt", HOME / "spool", HOME / "changed.csv", HOME / "ten.parquet"
SCHEMA = ("timestamp timestamp*", "value float")
OURS, CLI = "lakota", "lakota write"
PAIRS = 3
APPENDS = 1_000
SMALL_APPENDS = 50


class Store:
    """A new repository with an empty series w2/s, mounted."""

    def __init__(self, binary):
        self.binary = binary

    def lakota(self, *words):
        subprocess.run([self.binary, "-q", "-r", REPO, *map(str, words)], check=True, stdout=subprocess.DEVNULL)

    def __enter__(self):
        fresh(REPO), MNT.mkdir(exist_ok=True)
        self.lakota("create", "w2/s", *SCHEMA)
        self.lakota("mount", MNT, "-o", f"spool={SPOOL}")
        return self

    def __exit__(self, *_):
        if subprocess.run([self.binary, "-q", "umount", str(MNT)]).returncode != 0:
            subprocess.run(["umount", "-l", str(MNT)], check=True)

    def revisions(self):
        return len(os.listdir(MNT / "w2/s/revisions"))


def cp(source, name="live.csv"):
    return timed(lambda: subprocess.run(["cp", source, MNT / "w2/s" / name], check=True))[0]


def append(row):
    def act():
        handle = os.open(MNT / "w2/s/live.csv", os.O_WRONLY | os.O_APPEND)
        os.write(handle, row)
        os.close(handle)

    return timed(act)[0]


def row(number):
    """A row behind W2's last one, in seconds."""
    return f"2050-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02},{number}.5\n".encode()


def change_one_row():
    lines = (DATA / "w2.csv").read_text().splitlines(keepends=True)
    middle = len(lines) // 2
    lines[middle] = lines[middle].split(",")[0] + ",-1.5\n"
    CHANGED.write_text("".join(lines))


def ten_megabytes():
    """The first 10 MB or so of W2, as Parquet that another program wrote."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(DATA / "w2.parquet").slice(0, 2_200_000)
    pyarrow.parquet.write_table(table, TEN)
    return TEN.stat().st_size


def large(binary):
    """W2 written at once, changed in one row, then appended to."""
    times = {"write": [], "cp": [], "cp_changed": [], "append": []}
    stored = []
    for _ in range(PAIRS):
        with Store(binary) as store:
            os.sync()
            times["write"].append(timed(lambda: store.lakota("write", "w2/s", DATA / "w2.csv"))[0])
        with Store(binary) as store:
            os.sync()
            times["cp"].append(cp(DATA / "w2.csv"))
            before = disk_bytes(REPO)
            os.sync()
            times["cp_changed"].append(cp(CHANGED))
            stored.append(disk_bytes(REPO) - before)
            assert store.revisions() == 2, "a copy made no revision of its own"
            os.sync()
            times["append"].extend(append(row(number)) for number in range(SMALL_APPENDS))
            assert store.revisions() == 2 + SMALL_APPENDS
    for op, samples in times.items():
        emit(CLI if op == "write" else OURS, "write", "cp" if op == "write" else op, "ms", samples)
    emit(OURS, "write", "cp_changed_stored", "bytes", stored)


def appends(binary):
    """1,000 appends of one row each, then a reading."""
    with Store(binary) as store:
        times = [append(row(number)) for number in range(APPENDS)]
        emit("first 100", "write", "appends", "ms", [statistics.median(times[:100])])
        emit(OURS, "write", "appends", "ms", [statistics.median(times[-100:])])
        text = (MNT / "w2/s/live.csv").read_bytes()
        assert text.count(b"\n") == APPENDS + 1
        whole = HOME / "whole.csv"
        whole.write_bytes(text)
        store.lakota("create", "w2/at_once")
        store.lakota("write", "w2/at_once", whole)
        times = {"at_once": [], "s": []}
        for _ in range(5):
            for name, samples in times.items():
                # A mount just made: the kernel has nothing of it.
                store.__exit__()
                store.lakota("mount", MNT, "-o", f"spool={SPOOL}")
                (MNT / ".lakota/status").read_bytes()
                samples.append(timed((MNT / "w2" / name / "live.csv").read_bytes)[0])
        emit("at once", "write", "appended_read", "ms", times["at_once"])
        emit(OURS, "write", "appended_read", "ms", times["s"])


def parquet(binary):
    times = {"write": [], "cp_parquet": []}
    for _ in range(PAIRS):
        with Store(binary) as store:
            os.sync()
            times["write"].append(timed(lambda: store.lakota("write", "w2/s", TEN))[0])
        with Store(binary):
            os.sync()
            times["cp_parquet"].append(cp(TEN, "live.parquet"))
    emit(CLI, "write", "cp_parquet", "ms", times["write"])
    emit(OURS, "write", "cp_parquet", "ms", times["cp_parquet"])


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--round", type=int, default=0)
    arguments.add_argument("--ours", default="target/release/lakota")
    given = arguments.parse_args()
    fresh(HOME)
    change_one_row()
    ten_megabytes()
    large(given.ours)
    appends(given.ours)
    parquet(given.ours)


if __name__ == "__main__":
    main()
