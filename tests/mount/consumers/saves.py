"""What the checks of saves share: a save is one revision, and both live files and the log tell it.

A Series is driven through the mount and compared with the command line, which reads the store by another way.
"""

import errno
import json
import os
import subprocess
import tempfile
import time

import pyarrow.parquet as pq


class Series:
    """A series of a mounted repository; `lakota` is the program, which finds the repository in LAKOTA_REPO."""

    def __init__(self, lakota, mount, place, *columns):
        self.program, self.place, self.mount = lakota, place, mount
        self.csv, self.parquet = f"{mount}/{place}/live.csv", f"{mount}/{place}/live.parquet"
        if columns:
            self.lakota("create", place, *columns)

    def lakota(self, *words, input=None):
        ran = subprocess.run([self.program, *words], capture_output=True, text=True, input=input)
        assert ran.returncode == 0, f"lakota {' '.join(words)}: {ran.stderr}"
        return ran.stdout

    def write(self, rows):
        """Rows by the command line, in the place of all others."""
        self.lakota("write", self.place, "--replace", input=rows)

    def rows(self):
        return self.lakota("read", self.place)

    def log(self):
        lines = self.lakota("log", self.place, "--format", "json").splitlines()
        return [json.loads(line) for line in lines]

    def agrees(self, who):
        """Both live files have the rows that the command line reads."""
        rows = self.rows()
        with open(self.csv) as live:
            text = live.read()
        assert text == rows, f"{who}: live.csv is\n{text}the series is\n{rows}"
        with tempfile.TemporaryDirectory() as folder:
            self.lakota("read", self.place, "-o", f"{folder}/read.parquet")
            read = pq.read_table(f"{folder}/read.parquet")
            live = pq.ParquetFile(self.parquet).read()
        # NaN is no equal of itself: by what is shown.
        assert str(live.to_pydict()) == str(read.to_pydict()), f"{who}: live.parquet differs from the series"
        return rows

    def saves(self, who, act, expected=None, file="live.csv", way="replace", revisions=1):
        """Does something that is to save; checks revisions, the log, and both live files."""
        before = self.log()
        act()
        after = self.log()
        made = after[: len(after) - len(before)]
        told = "\n".join(one["message"] for one in made)
        assert len(made) == revisions and after[revisions:] == before, f"{who}: {len(made)} revisions\n{told}"
        for one in made:
            wanted = f"{way} {file} through the mount ("
            wanted = "append to" + wanted[6:] if way == "append" else wanted
            assert one["message"].startswith(wanted) and "pid " in one["message"], f"{who}: {one['message']}"
            assert len(one["changes"]) == 1, f"{who}: {one}"
        rows = self.agrees(who)
        assert expected is None or rows == expected, f"{who}: has\n{rows}expected\n{expected}"

    def refuses(self, who, act, *parts, number=errno.EINVAL):
        """Does something that is to be refused: with an error, a reason, the old rows, the new bytes kept."""
        before, rows, kept = self.log(), self.rows(), [one["name"] for one in self.kept()]
        try:
            act()
        except Exception as error:
            # pyarrow does not tell which error it was; polars and duckdb have errors of their own.
            number_told = getattr(error, "errno", None) == number or os.strerror(number) in str(error)
            assert number_told or str(error) == "error closing file", f"{who}: {error!r}"
        else:
            raise AssertionError(f"{who}: was not refused")
        assert self.log() == before, f"{who}: made a revision"
        # Some remove what they could not write: for two seconds the name is away then.
        deadline = time.monotonic() + 5
        while not (os.path.exists(self.csv) and os.path.exists(self.parquet)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert self.agrees(who) == rows, f"{who}: changed the rows"
        new = [one for one in self.kept() if one["name"] not in kept]
        assert len(new) == 1, f"{who}: {len(new)} files kept"
        assert all(part in new[0]["reason"] for part in parts), f"{who}: {new[0]['reason']!r}, expected {parts}"
        with open(f"{self.mount}/.lakota/rejected/{new[0]['name']}", "rb") as file:
            return file.read()

    def kept(self):
        return [json.loads(line) for line in self.lakota("rejected", self.mount, "--json").splitlines()]


def run(cases):
    """Runs all cases, and tells all that failed."""
    failures = []
    for case in cases:
        try:
            case()
        except Exception as error:
            import traceback

            last = traceback.extract_tb(error.__traceback__)
            line = next((f.lineno for f in reversed(last) if not f.filename.endswith("saves.py")), 0)
            failures.append(f"{case.__name__}, line {line}: {type(error).__name__}: {error}")
    print("\n".join(failures))
    raise SystemExit(bool(failures))
