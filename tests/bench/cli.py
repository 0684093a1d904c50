"""Times the command lines of the original and of this project on W2's CSV, one round, and prints result lines.

Each command is a process: its wall time, and as op `<op>_peak` the most memory it held, which the kernel never counts
lower than this script's own 15 MB; so this script stays small and has big files compared by others. What is read is
compared with what was written.
"""

import argparse
import os
import shutil
import subprocess
import time
from itertools import chain, islice
from pathlib import Path

from harness import DATA, DAY_START, DAY_STOP, ROOT, STEP, TAIL, WORK, emit, fresh

CSV = DATA / "w2.csv"
SCHEMA = ["timestamp timestamp*", "value float"]
DAY = ["1995-01-01", "1995-01-02"]
SMALL_REPEATS = 3  # of what takes well under a second
HERE = Path(__file__).resolve().parent


class CommandLine:
    """One of the two programs, with a repo of its own."""

    def __init__(self, name, binary, day_flags, creates, reads_stdin):
        self.name, self.binary, self.creates, self.reads_stdin = name, str(binary), creates, reads_stdin
        self.folder = WORK / f"cli_{name}"
        self.day = list(chain(*zip(day_flags, DAY)))

    def run(self, words, output, source=os.devnull):
        """Runs a command; returns its milliseconds and peak bytes."""
        command = [self.binary, "-r", str(self.folder / "repo"), *words]
        os.sync()
        with open(source, "rb") as stdin, open(output, "wb") as stdout:
            start = time.perf_counter()
            process = subprocess.Popen(command, stdin=stdin, stdout=stdout, cwd=self.folder)
            _, status, usage = os.wait4(process.pid, 0)
            ms = (time.perf_counter() - start) * 1e3
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed with {process.returncode}")
        return ms, usage.ru_maxrss * 1024

    def write(self):
        """Creates the collection, untimed, and writes the file into it; durable where the program cares."""
        fresh(self.folder)
        self.run(["create", self.creates, *SCHEMA], os.devnull)
        if self.reads_stdin:
            return self.run(["write", "coll/series"], os.devnull, CSV)
        return self.run(["write", "coll/series", str(CSV)], os.devnull)

    def round(self, expected):
        """One write and all reads of what it wrote."""
        reads = {
            "read_full": (["read", "coll/series"], 1),
            "read_day": (["read", "coll/series", *self.day], SMALL_REPEATS),
            "tail_1000": (["read", "coll/series", "--tail", str(TAIL)], SMALL_REPEATS),
            "ls": (["ls", "coll"], SMALL_REPEATS),
            "len": (["len", "coll/series"], SMALL_REPEATS),
        }
        self.report("write", [self.write()])
        output = self.folder / "output"
        for op, (words, repeats) in reads.items():
            self.report(op, [self.run(words, output) for _ in range(repeats)])
            check(self.name, op, output, expected[op])
        shutil.rmtree(self.folder)

    def report(self, op, samples):
        times, peaks = zip(*samples)
        emit(self.name, "cli", op, "ms", times)
        emit(self.name, "cli", op + "_peak", "bytes", peaks)


def check(name, op, output, expected):
    """Compares an output with a file, whatever its line ends, or looks for the text it must hold."""
    if isinstance(expected, Path):
        same = subprocess.run(f"tr -d '\\r' <'{output}' | cmp --silent - '{expected}'", shell=True).returncode == 0
    else:
        same = expected in output.read_text().split()
    if not same:
        raise ValueError(f"{name}: {op} did not print what was written")


def expected_outputs(folder):
    """What each op must print, cut from the input without reading it whole into memory."""
    fresh(folder)
    with open(CSV, "rb") as lines:
        rows = sum(1 for _ in lines) - 1
    cuts = {"read_day": (DAY_START // STEP, DAY_STOP // STEP), "tail_1000": (rows - TAIL, rows)}
    for op, (start, stop) in cuts.items():
        with open(CSV, "rb") as lines:
            (folder / op).write_bytes(next(lines) + b"".join(islice(lines, start, stop)))
    return {op: folder / op for op in cuts} | {"read_full": CSV, "ls": "series", "len": str(rows)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--round", type=int, default=0, help="its number; odd rounds begin with this project")
    parser.add_argument("--ours", type=Path, default=HERE.parents[1] / "target/release/lakota")
    parser.add_argument("--original", type=Path, default=ROOT / "original/bin/lakota")
    args = parser.parse_args()
    programs = [
        CommandLine("original", args.original, ("--gt", "--lt"), "coll", reads_stdin=True),
        CommandLine("lakota", args.ours.resolve(), ("--start", "--stop"), "coll/series", reads_stdin=False),
    ]
    expected = expected_outputs(WORK / "cli_expected")
    for program in programs if args.round % 2 == 0 else reversed(programs):
        program.round(expected)
    shutil.rmtree(WORK / "cli_expected")


if __name__ == "__main__":
    main()
