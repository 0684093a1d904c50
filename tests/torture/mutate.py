#!/usr/bin/env python3
"""Damages CSV, Parquet and Arrow files at random and writes them with the program, which has 2 GB of memory.

Each is an error of one line that names the file (exit code 1) and leaves the rows as they were, or rows that read
back. Never a panic, never an abort. MUTATIONS: files of each form (10,000; 60 in the short form). With pyarrow in the
Python that runs this, the files damaged are of more forms.
"""

import concurrent.futures
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile

LAKOTA = os.environ.get("LAKOTA") or sys.exit("run it by tests/torture.sh")
SHORT = os.environ.get("SHORT") == "1"
SEED = int(os.environ.get("SEED", "1"))
COUNT = int(os.environ.get("MUTATIONS", 60 if SHORT else 10_000))
MEMORY = 2 << 30
ODD = [0, -1, 1, 2**63 - 1, -(2**63), 2**31 - 1, -(2**31), 1 << 40, 0x7FFF_FFFF_0000, -8, 100_000_000]
COLUMNS = ["t timestamp[us]*", "k str*", "v float", "n int", "b bool", "d date"]


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Repository:
    """A repository of one series, whose rows are what the last write left."""

    def __init__(self, folder):
        self.folder = folder
        self.env = {**os.environ, "LAKOTA_REPO": str(folder / "repo"), "RUST_BACKTRACE": "0"}
        self.run("create", "c", *COLUMNS).check_returncode()

    def run(self, *words):
        command = [LAKOTA, "-q", *map(str, words)]
        return subprocess.run(command, env=self.env, capture_output=True, timeout=60, preexec_fn=limited, check=False)

    def rows(self):
        ran = self.run("read", "c/s", "--format", "csv")
        ran.check_returncode()
        return ran.stdout


def text():
    lines = ["t,k,v,n,b,d"]
    for i in range(1500):
        cells = [
            f"2020-06-22T00:{i // 60:02}:{i % 60:02}",
            f"k{i % 7}" + "x" * (i % 40),
            "" if i % 11 == 0 else i / 8,
            "" if i % 5 == 0 else i // 100,
            ["", "true", "false"][i % 3],
            f"2020-{1 + i % 12:02}-{1 + i % 28:02}",
        ]
        lines.append(",".join(map(str, cells)))
    return "\n".join(lines) + "\n"


def bases(repository):
    """Whole files of each form."""
    folder = repository.folder
    csv = folder / "whole.csv"
    csv.write_text(text())
    repository.run("write", "c/s", csv).check_returncode()
    made = {"csv": [csv], "parquet": [folder / "whole.parquet"], "arrow": [folder / "whole.arrow"]}
    for form in ("parquet", "arrow"):
        repository.run("read", "c/s", "-o", made[form][0]).check_returncode()
    try:
        more(folder, made)
    except ImportError:
        print("no pyarrow: only files of the program itself are damaged")
    return {form: [path.read_bytes() for path in paths] for form, paths in made.items()}


def more(folder, made):
    """The same rows as pyarrow writes them."""
    import pyarrow as pa
    import pyarrow.ipc
    import pyarrow.parquet as pq

    table = pq.read_table(made["parquet"][0])
    keyed = table.set_column(1, "k", table["k"].dictionary_encode())
    for name in ("snappy", "gzip", "brotli", "lz4", "none"):
        path = folder / f"{name}.parquet"
        pq.write_table(table, path, compression=name, row_group_size=700, data_page_version="2.0" if name == "gzip" else "1.0")
        made["parquet"].append(path)
    pq.write_table(table, folder / "int96.parquet", use_deprecated_int96_timestamps=True)
    made["parquet"].append(folder / "int96.parquet")
    for compression in (None, "lz4", "zstd"):
        options = pa.ipc.IpcWriteOptions(compression=compression)
        for new, kind in ((pa.ipc.new_file, "file"), (pa.ipc.new_stream, "stream")):
            path = folder / f"{compression}.{kind}.arrow"
            with new(path, keyed.schema, options=options) as writer:
                writer.write_table(keyed, max_chunksize=700)
            made["arrow"].append(path)


def damaged(whole, chance):
    """A file that is damaged in one to three places."""
    made = bytearray(whole)
    for _ in range(chance.randint(1, 3)):
        size = len(made)
        at = chance.choice([chance.randrange(min(size, 600)), size - 1 - chance.randrange(min(size, 1500)), chance.randrange(size)])
        end = min(at + chance.randint(1, 64), size)
        match chance.randrange(8):
            case 0 | 1:
                made[at] ^= 1 << chance.randrange(8)
            case 2:
                made[at] = chance.randrange(256)
            case 3:
                width = chance.choice([4, 8])
                odd = (chance.choice(ODD) % 2 ** (8 * width)).to_bytes(width, "little")
                at = at // width * width
                made[at : at + width] = odd[: size - at]
            case 4:
                del made[max(at, 1) :]
            case 5:
                del made[at:end]
            case 6:
                other = chance.randrange(size)
                made[at:at] = made[other : other + end - at]
            case 7:
                made[at:end] = bytes([chance.choice([0, 255])]) * (end - at)
        made = made or bytearray(1)
    return bytes(made)


def campaign(part, parts, folder):
    """Writes every `parts`th damaged file; gives how many were taken and refused, and what went wrong."""
    folder.mkdir()
    repository = Repository(folder)
    whole = bases(repository)
    taken, refused, wrong = 0, 0, []
    there = repository.rows()
    for form, files in whole.items():
        path = folder / f"damaged.{form}"
        for turn in range(part, COUNT, parts):
            chance = random.Random(f"{SEED} {form} {turn}")
            path.write_bytes(damaged(chance.choice(files), chance))
            ran = repository.run("write", "c/s", path, "--replace", "--no-sync")
            said = ran.stderr.decode(errors="replace")
            if ran.returncode == 0:
                taken += 1
                there = repository.rows()
                continue
            refused += 1
            line = said.startswith(f"lakota: {path}: ") and said.count("\n") == 1 and said.endswith("\n")
            if ran.returncode != 1 or not line:
                kept = pathlib.Path(tempfile.gettempdir()) / f"lakota-mutate-{SEED}-{turn}.{form}"
                shutil.copy(path, kept)
                wrong.append(f"{kept}: exit code {ran.returncode}: {said[:300]!r}")
            if refused % 100 == 0 and repository.rows() != there:
                wrong.append(f"{form} {turn}: refused, and other rows are there")
    if repository.rows() != there:
        wrong.append("other rows are there than the last write left")
    if (ran := repository.run("verify")).returncode:
        wrong.append(f"verify: {ran.stderr.decode(errors='replace')[:300]!r}")
    return taken, refused, wrong


def main():
    parts = min(4, os.cpu_count() or 1)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lakota-mutate-"))
    try:
        with concurrent.futures.ThreadPoolExecutor(parts) as pool:
            work = [pool.submit(campaign, part, parts, folder / str(part)) for part in range(parts)]
            done = [part.result() for part in work]
    finally:
        shutil.rmtree(folder)
    wrong = [line for part in done for line in part[2]]
    for line in wrong[:20]:
        print(line)
    taken, refused = (sum(part[i] for part in done) for i in (0, 1))
    print(f"mutate: {COUNT} each of CSV, Parquet, Arrow: {taken} taken, {refused} refused in one line, {len(wrong)} wrong")
    return 1 if wrong else 0


sys.exit(main())
