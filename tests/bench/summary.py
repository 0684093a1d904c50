"""Prints one run's results as Markdown: every target beside the best peer of that run, then all measurements.

usage: summary.py [RESULTS.jsonl] (default: the newest). A figure is the median of the rounds' medians; a ratio is the
median of the rounds' ratios, so that what slows one round down slows both sides.
"""

import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from statistics import median

from harness import RESULTS

OURS = "lakota"  # the engine's lines name no peer
UNITS = {"ms": 1, "s": 1e3, "MB": 1e6, "MiB": 1 << 20, "KiB": 1 << 10}  # of milliseconds, of bytes


@dataclass
class Target:
    """At most `limit` of `unit`, or with `against` = (whose, op) at most `limit` times that figure of the same run."""

    name: str
    workload: str
    op: str
    limit: float
    unit: str
    against: tuple[str, str] | None = None


TARGETS = [
    Target("`lakota write` of W2's CSV, durable", "cli", "write", 1 / 25, "s", ("original", "write")),
    Target("its peak memory", "cli", "write_peak", 300, "MiB"),
    Target("`lakota read` of W2 to a file", "cli", "read_full", 1 / 40, "s", ("original", "read_full")),
    Target("its peak memory", "cli", "read_full_peak", 150, "MiB"),
    Target("`lakota read`, one day", "cli", "read_day", 20, "ms"),
    Target("`lakota read`, last 1,000 rows", "cli", "tail_1000", 20, "ms"),
    Target("`lakota ls`", "cli", "ls", 20, "ms"),
    Target("`lakota len`", "cli", "len", 20, "ms"),
    Target("W2 from memory to durable", "w2", "write_durable", 1.2, "ms", ("parquet_tuned", "write_durable")),
    Target("W2, full read to Arrow", "w2", "read_full", 1.0, "ms", ("parquet_tuned", "read_full")),
    Target("W2, one day", "w2", "read_day", 3, "ms"),
    Target("W2, last 1,000 rows", "w2", "tail_1000", 2, "ms"),
    Target("W1 on disk", "w1", "bytes", 34.0, "MB"),
    Target("W2 on disk", "w2", "bytes", 9.5, "MB"),
    Target("W3, 2,000 commits of 500 rows, not durable", "w3", "write_nosync", 3, "s"),
    Target("W3, the same, durable", "w3", "write_sync", 8, "s"),
    Target("W3, last 10 % of commits against the first", "w3", "last10_ms", 1.5, "ms", (OURS, "first10_ms")),
    Target("W3 on disk, all history", "w3", "bytes", 60, "MB"),
    Target("W3, full read without defrag", "w3", "read_full", 40, "ms"),
    Target("W4, 10,000 series x 1,000 rows in one batch", "w4", "write_batch", 3, "s"),
    Target("W4, then 10 rows to each in one batch", "w4", "append_all", 1.5, "s"),
    Target("W4, append 10 rows to one of 10,000", "w4", "append_one", 5, "ms"),
    Target("W4, what that append writes", "w4", "append_one_bytes", 64, "KiB"),
    Target("W4, the same among 100,000 series", "w4", "append_one_100k", 2, "ms", (OURS, "append_one")),
    Target("100 nightly batches of 10 rows to each, on disk", "w4", "nights_bytes", 400, "MB"),
    Target("the last night against the first", "w4", "nights_last", 1.5, "ms", (OURS, "nights_first")),
    Target("append to a series of 120,000 segments", "big", "append_120k", 10, "ms"),
    Target("W4, open and read one of 10,000", "w4", "read_one", 3, "ms"),
    Target("W4, list 10,000", "w4", "ls", 10, "ms"),
    Target("cat of W2's live.csv, first (400 MB/s)", "mount", "cat_first", 351, "ms"),
    Target("again", "mount", "cat_again", 1 / 0.9, "ms", ("ext4", "cat_again")),
    Target("pyarrow reading live.parquet, first, store in the page cache", "mount", "pyarrow_first", 1.5, "ms", ("ext4", "pyarrow_again")),
    Target("again", "mount", "pyarrow_again", 1.1, "ms", ("ext4", "pyarrow_again")),
    Target("duckdb reading live.parquet, first, store in the page cache", "mount", "duckdb_first", 1.5, "ms", ("ext4", "duckdb_again")),
    Target("again", "mount", "duckdb_again", 1.1, "ms", ("ext4", "duckdb_again")),
    Target("stat of live.csv of 5 M rows on a new mount, without decoding", "mount", "stat_first", 20, "ms"),
    Target("`tail -n 1` of it on a new mount", "mount", "tail_first", 20, "ms"),
    Target("4 KiB in its middle on a new mount", "mount", "middle_first", 5, "ms"),
    Target("`ls -l` of 10,000 series, cold", "mount", "ls_series_first", 1.2, "ms", ("ext4", "ls_series_first")),
    Target("again", "mount", "ls_series_again", 1.0, "ms", ("ext4", "ls_series_again")),
    Target("`ls -l` of 10,000 revisions, cold", "mount", "ls_revisions_first", 1.2, "ms", ("ext4", "ls_revisions_first")),
    Target("again", "mount", "ls_revisions_again", 1.0, "ms", ("ext4", "ls_revisions_again")),
    Target("open, read, close of a small file", "mount", "open_read_close", 1.3, "ms", ("fuse_answers", "open_read_close")),
    Target("memory after reading everything", "mount", "memory", 356, "MiB"),
    Target("its peak", "mount", "memory_peak", 356, "MiB"),
    Target("cp of W2's CSV onto an empty live.csv, to the close", "write", "cp", 1.3, "ms", ("lakota write", "cp")),
    Target("cp of it with one row changed", "write", "cp_changed", 0.7, "ms", (OURS, "cp")),
    Target("what that stores", "write", "cp_changed_stored", 2, "MB"),
    Target("append of one row to it, from open to close", "write", "append", 10, "ms"),
    Target("1,000 appends of one row, the last 100", "write", "appends", 1.5, "ms", ("first 100", "appends")),
    Target("then a reading of live.csv", "write", "appended_read", 1.2, "ms", ("at once", "appended_read")),
    Target("cp of 10 MB of Parquet onto live.parquet", "write", "cp_parquet", 1.3, "ms", ("lakota write", "cp_parquet")),
    Target("`lakota diff` of two revisions of W2, ten rows changed", "history", "diff_ten_changed", 20, "ms"),
    Target("the same, ten rows gone", "history", "diff_ten_gone", 20, "ms"),
    Target("`lakota log` of a series of 5,000 revisions, as written", "log", "log_one_series_as_written", 100, "ms"),
    Target("the same after `pack`", "log", "log_one_series_packed", 10, "ms"),
    Target("`lakota push` of one small revision where 2,000 are", "history", "push_one", 50, "ms"),
    Target("merge of two heads of 10,000 series, ten changed in each", "merge", "merge_two_heads", 50, "ms"),
    Target("read with 8 unmerged heads against one", "heads", "read_eight_heads", 2, "ms", (OURS, "read_one_head")),
]


class Results:
    """Medians of a run by (who, workload, op) and round."""

    def __init__(self, lines):
        samples = defaultdict(lambda: defaultdict(list))
        self.units = {}
        for line in lines:
            unit = "bytes" if "bytes" in line else "ms"
            key = (line.get("peer", OURS), line["workload"], line["op"])
            samples[key][line.get("round", 0)] += line[unit]
            self.units[key[1:]] = unit
        self.rounds = {key: {r: median(v) for r, v in rounds.items()} for key, rounds in samples.items()}

    def figure(self, who, workload, op):
        rounds = self.rounds.get((who, workload, op))
        return median(rounds.values()) if rounds else None

    def ratio(self, workload, mine, theirs):
        """Mine over theirs, each (who, op)."""
        over, under = (self.rounds.get((who, workload, op), {}) for who, op in (mine, theirs))
        ratios = [over[r] / under[r] for r in over.keys() & under.keys()]
        return median(ratios) if ratios else None

    def peers(self, workload):
        return sorted({who for who, load, _ in self.rounds if load == workload} - {OURS})

    def best_peer(self, workload, op):
        """The lowest figure of any peer and whose it is."""
        found = [(self.figure(who, workload, op), who) for who in self.peers(workload)]
        return min(((figure, who) for figure, who in found if figure is not None), default=None)


def number(value):
    """Three digits that say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def amount(value, unit):
    return "-" if value is None else f"{number(value / UNITS[unit])} {unit}"


def times(ratio):
    """A ratio, small ones as a fraction of one."""
    return f"1/{1 / ratio:.0f}" if ratio < 0.2 else f"{ratio:.2f} x"


def verdict(measured, limit):
    if measured is None:
        return "not run"
    return "yes" if measured <= limit else "**no**"


def peer_cell(results, target):
    """The figure the target is a multiple of, or else the best peer's."""
    if target.against:
        who, op = target.against
        figure = results.figure(who, target.workload, op)
        return "-" if figure is None else f"{amount(figure, target.unit)} ({op if who == OURS else who})"
    best = results.best_peer(target.workload, target.op)
    return f"{amount(best[0], target.unit)} ({best[1]})" if best else "-"


def target_row(results, target):
    figure = results.figure(OURS, target.workload, target.op)
    ours, limit = amount(figure, target.unit), f"{target.limit:g} {target.unit}"
    measured = None if figure is None else figure / UNITS[target.unit]
    if target.against:
        measured = results.ratio(target.workload, (OURS, target.op), target.against)
        ours += "" if measured is None else f" = {times(measured)}"
        limit = times(target.limit)
    return [target.name, f"at most {limit}", peer_cell(results, target), ours, verdict(measured, target.limit)]


def print_table(header, rows):
    for cells in (header, ["---"] * len(header), *rows):
        print("| " + " | ".join(cells) + " |")
    print()


def column_unit(results, workload, op):
    """The unit a column is readable in."""
    if results.units[workload, op] == "ms":
        return "ms"
    figures = [results.figure(who, workload, op) or 0 for who in [OURS, *results.peers(workload)]]
    return "MB" if max(figures) >= UNITS["MB"] else "KiB"


def print_workload(results, workload):
    """All figures of a workload, a row each for this project and its peers."""
    units = {op: column_unit(results, workload, op) for load, op in results.units if load == workload}
    rows = []
    for who in [OURS, *results.peers(workload)]:
        figures = [(results.figure(who, workload, op), UNITS[unit]) for op, unit in units.items()]
        rows.append([who, *("-" if figure is None else number(figure / scale) for figure, scale in figures)])
    print(f"### {workload.upper()}\n")
    print_table(["", *(f"{op.removesuffix('_ms')}, {unit}" for op, unit in units.items())], rows)


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else max(RESULTS.glob("*.jsonl"))
    with open(path) as file:
        lines = [json.loads(line) for line in file if line.startswith("{")]
    for line in lines:
        if "machine" in line:
            print(f"Measured on {line['machine']}\n")
    results = Results([line for line in lines if "op" in line])
    header = ["", "target", "peer in the same run", "lakota", "met"]
    print_table(header, [target_row(results, target) for target in TARGETS])
    for workload in dict.fromkeys(load for load, _ in results.units):
        print_workload(results, workload)


if __name__ == "__main__":
    main()
