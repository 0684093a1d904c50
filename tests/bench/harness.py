"""What the benchmarks share: where things lie, the workloads' shapes, timing, disk sizes, result lines.

Everything lies under $LAKOTA_BENCH (default ~/.cache/lakota-bench): `data` the inputs, `work` the stores being timed,
`results` what was measured. A result is one JSON line: peer (none means this project), workload, op and either `ms` or
`bytes`, a list of samples.
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

ROOT = Path(os.environ.get("LAKOTA_BENCH", Path.home() / ".cache/lakota-bench"))
DATA, WORK, RESULTS = ROOT / "data", ROOT / "work", ROOT / "results"

STEP = 300  # seconds between two rows of W1, W2 and W4
DAY_START = 788_918_400  # 1995-01-01, in seconds from 1970
DAY_STOP = DAY_START + 86_400
TAIL = 1_000  # rows of the "last rows" reads
COMMIT_ROWS = 500  # rows of one commit of W3
SERIES, SERIES_ROWS, SERIES_START = 10_000, 1_000, 1_577_836_800  # W4; its first stamp is 2020-01-01
APPEND_ROWS = 10  # rows of one small append

MANY_FILES = 1_500  # above this, one syncfs is faster than an fsync a file


def fresh(path):
    """Makes an empty folder, with nothing of earlier writes left to flush."""
    shutil.rmtree(path, ignore_errors=True)
    Path(path).mkdir(parents=True)
    os.sync()
    return Path(path)


def timed(action):
    """Runs the action; returns its milliseconds and its result."""
    start = time.perf_counter()
    result = action()
    return (time.perf_counter() - start) * 1e3, result


def emit(peer, workload, op, unit, samples):
    """Prints one result line; `unit` is `ms` or `bytes`."""
    print(json.dumps({"peer": peer, "workload": workload, "op": op, unit: samples}), flush=True)


def files_under(path):
    """Every file below a folder, and every folder after its files."""
    for folder, _, names in os.walk(path, topdown=False):
        yield from (Path(folder, name) for name in names)
        yield Path(folder)


def disk_bytes(path):
    """The sum of file lengths below a folder."""
    return sum(entry.lstat().st_size for entry in files_under(path) if entry.is_file())


def written_bytes():
    """What this process has handed to write calls so far, to any file."""
    with open("/proc/self/io") as counters:
        return next(int(line.split()[1]) for line in counters if line.startswith("wchar"))


def sync_tree(path):
    """Makes everything below a folder durable."""
    entries = list(files_under(path))
    if len(entries) > MANY_FILES:
        subprocess.run(["sync", "-f", str(path)], check=True)
        return
    for entry in entries:
        handle = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
