"""Times the mount beside ext4 and beside a file system that only answers, one round, and prints result lines.

The repository holds W2 as `w2/series`, 10,000 series and a series of 10,000 revisions; it is made once and stays. ext4
holds copies of the same bytes, and as many folders. "first" is a mount just made: of cat and ls with nothing in the
kernel's caches, of what takes milliseconds with the store in the page cache ("restarted": without); "again" the next time. What is read is compared with what was written.

usage: mount.py [--round N] [--ours BINARY]     as root, with the `peers` environment, from the project's folder
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from harness import DATA, WORK, emit, timed

HOME = WORK / "mount"
REPO, MNT, EXT4, ANSWER, ANSWERS = HOME / "repo", HOME / "mnt", HOME / "ext4", HOME / "answer", "fuse_answers"
W2, W2_PARQUET = "w2/series/live.csv", "w2/series/live.parquet"
SMALL = "many/s00500/live.csv"
SERIES, REVISIONS = "many", "old/one/revisions"
READERS = ("pyarrow", "duckdb")
CACHE = 256 << 20  # what the daemon may keep unless told otherwise
COLD_REPEATS = 3  # of what is over in some milliseconds


def bench(*words):
    """A command of tests/bench/mount.rs."""
    return ["cargo", "bench", "--quiet", "--bench", "mount", "--", *map(str, words)]


def quietly(*words):
    """Runs a command for its time; what it prints goes nowhere."""
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)


def drop_caches():
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


class Mounts:
    """The mount under test; entering and leaving makes and ends one."""

    def __init__(self, binary):
        self.binary = str(binary)

    def lakota(self, *words, **more):
        return subprocess.run([self.binary, "-q", "-r", REPO, *map(str, words)], check=True, **more)

    def __enter__(self):
        self.lakota("mount", MNT, "-o", f"spool={HOME}/spool", stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        if subprocess.run([self.binary, "-q", "umount", str(MNT)]).returncode != 0:
            quietly("umount", "-l", MNT)

    def again(self):
        """A mount as after a restart of the machine: nothing is known of the repository or its files."""
        self.__exit__()
        drop_caches()
        self.__enter__()

    def fresh(self):
        """A mount just made of a repository whose files are in the page cache, when it has looked around."""
        self.__exit__()
        self.__enter__()
        self.status()  # waits until all collections were looked at

    def status(self):
        return json.loads((MNT / ".lakota/status").read_text())

    def kept(self):
        """Bytes of chunks and text that the daemon keeps."""
        lines = (MNT / ".lakota/metrics").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("lakota_cache_bytes "))


def make(mounts):
    """The repository and its copies on ext4, once."""
    if (HOME / "made").exists():
        return
    quietly("rm", "-rf", HOME)
    for folder in (MNT, ANSWER, EXT4 / SERIES, EXT4 / REVISIONS):
        folder.mkdir(parents=True)
    mounts.lakota("create", "w2/series", "timestamp timestamp*", "value float")
    mounts.lakota("write", "w2/series", DATA / "w2.csv")
    quietly(*bench("make", REPO))
    with mounts:
        quietly("cp", MNT / W2, MNT / W2_PARQUET, EXT4)
        for folder in (SERIES, REVISIONS):
            for name in os.listdir(MNT / folder):
                if not name.startswith("."):
                    (EXT4 / folder / name).mkdir()
    quietly("cmp", EXT4 / "live.csv", DATA / "w2.csv")
    os.sync()
    (HOME / "made").touch()


def report(who, op, samples):
    emit(who, "mount", op, "ms", samples)


def in_turns(op, commands, repeats=7):
    """Times commands by who they are for, in turns, so that what slows one down slows the others."""
    samples = {who: [] for who in commands}
    for _ in range(repeats):
        for who, command in commands.items():
            samples[who].append(timed(lambda: quietly(*command))[0])
    for who, times in samples.items():
        report(who, op, times)


def first_and_again(mounts, op, commands):
    for who, command in commands.items():
        mounts.again()
        report(who, f"{op}_first", [timed(lambda: quietly(*command))[0]])
    # Dropping the caches took away what the others had.
    for command in commands.values():
        quietly(*command)
    in_turns(f"{op}_again", commands)


def cat(mounts):
    first_and_again(mounts, "cat", {"ext4": ("cat", EXT4 / "live.csv"), "lakota": ("cat", MNT / W2)})
    quietly("cmp", MNT / W2, EXT4 / "live.csv")


def read_pyarrow(path):
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path).num_rows


def read_duckdb(path):
    import duckdb

    query = f"SELECT count(timestamp), sum(value), max(timestamp) FROM read_parquet('{path}')"
    return duckdb.sql(query).fetchall()[0][0]


def parquet(mounts):
    rows = 5_259_457
    for name in READERS:
        read = {"pyarrow": read_pyarrow, "duckdb": read_duckdb}[name]

        def sample(path):
            ms, read_rows = timed(lambda: read(str(path)))
            if read_rows != rows:
                raise ValueError(f"{name} read {read_rows} rows of {path}")
            return ms

        # Libraries and threads of the reader are there before anything is timed.
        sample(EXT4 / "live.parquet")
        first, restarted = [], []
        for _ in range(COLD_REPEATS):
            mounts.fresh()
            first.append(sample(MNT / W2_PARQUET))
            mounts.again()
            sample(EXT4 / "live.parquet")
            restarted.append(sample(MNT / W2_PARQUET))
        report("lakota", f"{name}_first", first)
        report("lakota", f"{name}_restarted", restarted)
        ours, theirs = [], []
        for _ in range(7):  # in turns
            ours.append(sample(MNT / W2_PARQUET))
            theirs.append(sample(EXT4 / "live.parquet"))
        report("lakota", f"{name}_again", ours)
        report("ext4", f"{name}_again", theirs)


def single(mounts):
    """What a program that wants little waits for, on a mount just made."""
    size = (DATA / "w2.csv").stat().st_size
    samples = {}

    def sample(op, act):
        ms, result = timed(act)
        samples.setdefault(op, []).append(ms)
        return result

    for _ in range(COLD_REPEATS):
        # "first": the store is in the page cache; "restarted": nothing is.
        for when, begin in (("first", mounts.fresh), ("restarted", mounts.again)):
            begin()
            found = sample(f"stat_{when}", lambda: (MNT / W2).stat().st_size)
            if found != size or mounts.kept() != 0:
                raise ValueError(f"stat shows {found} bytes of {size}, {mounts.kept()} bytes were decoded for it")
            begin()
            sample(f"tail_{when}", lambda: quietly("tail", "-n", "1", MNT / W2))
            begin()
            if sample(f"middle_{when}", lambda: read_middle(MNT / W2, size)) != read_middle(EXT4 / "live.csv", size):
                raise ValueError("other bytes in the middle")
    for op, times in samples.items():
        report("lakota", op, times)


def read_middle(path, size):
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.pread(handle, 4096, size // 2)
    finally:
        os.close(handle)


def listing(mounts):
    for folder, op in ((SERIES, "ls_series"), (REVISIONS, "ls_revisions")):
        first_and_again(mounts, op, {"ext4": ("ls", "-l", EXT4 / folder), "lakota": ("ls", "-l", MNT / folder)})


def opening(mounts):
    """open, read and close of a small file: ours beside one that only answers, in turns, in one process.

    All three stay on one core: else the figure is how long the scheduler takes to wake another one, 20 us or 200.
    """
    one_core, daemon = ["taskset", "-c", "0"], str(mounts.status()["pid"])
    server = subprocess.Popen(one_core + bench("answer", ANSWER, MNT / SMALL))
    answer = ANSWER / "temp/small/live.csv"
    try:
        for _ in range(600):
            if answer.exists():
                break
            time.sleep(0.1)
        quietly("taskset", "-a", "-c", "-p", "0", daemon)
        loop = one_core + bench("open", MNT / SMALL, answer)
        said = subprocess.run(loop, check=True, capture_output=True, text=True)
    finally:
        quietly("taskset", "-a", "-c", "-p", f"0-{os.cpu_count() - 1}", daemon)
        subprocess.run(["umount", "-l", str(ANSWER)], check=False)
        server.wait(timeout=30)
    ours, theirs = ([float(ms) for ms in line.split()] for line in said.stdout.splitlines())
    report("lakota", "open_read_close", ours)
    report(ANSWERS, "open_read_close", theirs)


def memory(mounts):
    """After everything was read: W2 in both forms, all series, a part of the revisions."""
    script = """cat w2/series/live.* w2/series/revisions/*/data.*; cat many/*/live.csv; cat many/*/live.parquet
                cat old/one/live.* old/one/revisions/*[05]/data.*; ls -lR many old"""
    subprocess.run(["bash", "-c", script], check=True, cwd=MNT, stdout=subprocess.DEVNULL)
    pid = mounts.status()["pid"]
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    for op, field in (("memory", "RssAnon"), ("memory_peak", "VmHWM")):
        emit("lakota", "mount", op, "bytes", [int(fields[field].split()[0]) << 10])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--round", type=int, default=0)
    parser.add_argument("--ours", type=Path, default=Path(__file__).resolve().parents[2] / "target/release/lakota")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("mount.py: only root can empty the kernel's caches")
    mounts = Mounts(args.ours.resolve())
    make(mounts)
    parts = [cat, parquet, single, listing, opening]
    with mounts:
        for part in parts if args.round % 2 == 0 else reversed(parts):
            part(mounts)
        if args.round == 0:
            mounts.again()
            memory(mounts)


if __name__ == "__main__":
    main()
