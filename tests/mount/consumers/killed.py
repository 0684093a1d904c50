"""Kills the server of a mount at random while programs save, mounts again, and looks whether anything is lost.

Each round: five programs save, each to a series of its own and each in another way, until the server is killed. What each save is to
leave is known beforehand. After the next mount a series is what the last save that returned left, or what a later one was writing
when the server died: never less, never anything else; in both formats. Rejected bytes are what a save was writing, or its beginning.

usage: killed.py LAKOTA FOLDER ROUNDS SEED     FOLDER is empty; LAKOTA the program
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pyarrow.parquet as pq

LAKOTA, FOLDER, ROUNDS, SEED = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
MOUNT, REPO, SPOOL = f"{FOLDER}/mnt", f"{FOLDER}/repo", f"{FOLDER}/spool"
HEAD = "timestamp,value\n"
chance = random.Random(SEED)


def lakota(*words, input=None):
    ran = subprocess.run([LAKOTA, *words], input=input, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, f"lakota {' '.join(words)}: {ran.stderr}"
    return ran.stdout


def row(day, value):
    """A row as the mount shows it: the day counts minutes of 2020."""
    stamp = f"2020-{1 + day // 40320 % 12:02}-{1 + day // 1440 % 28:02}T{day // 60 % 24:02}:{day % 60:02}:00"
    return f"{stamp},{value}.5\n"


class Saver(threading.Thread):
    """Saves again and again. `safe` is what the last save that returned left, `trying` what the one under way is to leave."""

    def __init__(self, name, rows):
        super().__init__(daemon=True)
        self.series, self.live = name, f"{MOUNT}/temp/{name}/live.csv"
        self.safe, self.trying, self.written, self.count, self.error = rows, [], [], 0, None
        self.saved = ""

    def run(self):
        try:
            while True:
                self.count += 1
                state, bytes_written = self.next()
                self.trying, self.written = [*self.trying, state], [*self.written, bytes_written]
                if not self.save(bytes_written):
                    return
                self.safe, self.trying, self.written, self.saved = state, [], [], bytes_written
        except OSError:
            return  # the server is gone
        except Exception as error:
            self.error = error

    def whole(self):
        """All rows, of which some changed."""
        serial = int(self.series[-1]) * 1_000_000 + BASE + self.count
        text = HEAD + "".join(row(day, serial if day % 7 == self.count % 7 else day) for day in range(400 + self.count))
        return text, text

    next = whole


class Copies(Saver):
    def save(self, text):
        with open(f"{FOLDER}/{self.series}.csv", "w") as file:
            file.write(text)
        return subprocess.run(["cp", f"{FOLDER}/{self.series}.csv", self.live], stderr=subprocess.DEVNULL).returncode == 0


class Appends(Saver):
    """A shell does not tell that a close failed: here cat is the one who closes."""

    def next(self):
        added = row(100_000 + BASE + self.count, self.count)
        return self.safe + added, added

    def save(self, added):
        command = f"exec cat >> {self.live}"
        return subprocess.run(["sh", "-c", command], input=added, text=True, stderr=subprocess.DEVNULL).returncode == 0


class Syncs(Saver):
    """Writes on and on: what was synced is safe, before it is closed."""

    def run(self):
        try:
            with open(self.live, "a") as file:
                while True:
                    self.count += 1
                    added = row(100_000 + BASE + self.count, self.count)
                    state = self.safe + added
                    self.trying, self.written = [state], [*self.written, added]
                    file.write(added)
                    file.flush()
                    os.fsync(file.fileno())
                    self.safe, self.trying = state, []
        except OSError:
            return
        except Exception as error:
            self.error = error


class Moves(Saver):
    def save(self, text):
        with open(f"{self.live}.new", "w") as file:
            file.write(text)
        return subprocess.run(["mv", f"{self.live}.new", self.live], stderr=subprocess.DEVNULL).returncode == 0


class Edits(Saver):
    """As editors do: the old file is a backup, the new one is written in its place, then the backup goes."""

    def save(self, text):
        os.rename(self.live, f"{self.live}~")
        with open(self.live, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.remove(f"{self.live}~")
        return True


KINDS = {"cp1": Copies, "add2": Appends, "sync3": Syncs, "mv4": Moves, "edit5": Edits}


def mount():
    lakota("mount", MOUNT, "-o", f"spool={SPOOL}", "--log-file", f"{FOLDER}/log")
    with open(f"{MOUNT}/.lakota/status") as status:
        return json.load(status)["pid"]


def check(round, saver):
    where = f"round {round}, {saver.series} after {saver.count} saves"
    assert saver.error is None, f"{where}: {saver.error!r}"
    rows = lakota("read", f"temp/{saver.series}")
    allowed = [saver.safe, *saver.trying]
    if rows not in allowed:
        with open(f"{FOLDER}/wrong", "w") as file:
            json.dump({"rows": rows, "allowed": allowed}, file)
        raise AssertionError(f"{where}: {len(rows)} bytes of rows, expected one of {[len(a) for a in allowed]}: see wrong")
    with open(saver.live) as live:
        assert live.read() == rows, f"{where}: live.csv is not the series"
    table = pq.ParquetFile(saver.live.replace(".csv", ".parquet")).read()
    assert table.num_rows == rows.count("\n") - 1, f"{where}: live.parquet is not the series"
    return rows


def check_rejected(round, savers):
    """What was kept is what somebody wrote, or the beginning of it; then it may go."""
    kept = [json.loads(line) for line in lakota("rejected", MOUNT, "--json").splitlines()]
    for one in kept:
        with open(f"{MOUNT}/.lakota/rejected/{one['name']}") as file:
            text = file.read()
        saver = next(saver for saver in savers if saver.series == one["series"])
        # Who adds a row after the other may have several that are not saved. The last save may have returned before its bytes went.
        possible = ["".join(saver.written[i:]) for i in range(len(saver.written))] + saver.written + [saver.saved]
        known = any(whole.startswith(text) for whole in possible)
        assert known, f"round {round}: {one['name']} of {one['way']} is not what {saver.series} wrote: {text[:200]!r}"
        lakota("rejected", MOUNT, "drop", one["name"])
    return len(kept)


os.makedirs(MOUNT)
os.environ["LAKOTA_REPO"] = REPO
first = HEAD + "".join(row(day, day) for day in range(400))
for name in KINDS:
    lakota("create", f"temp/{name}", *([] if os.path.exists(f"{REPO}/00") and name != "cp1" else ["timestamp timestamp*", "value float"]))
    lakota("write", f"temp/{name}", input=first)
states = dict.fromkeys(KINDS, first)
saves = rejected = 0
pid = mount()
try:
    for round in range(ROUNDS):
        BASE = round * 1000
        savers = [kind(name, states[name]) for name, kind in KINDS.items()]
        for saver in savers:
            saver.start()
        time.sleep(chance.uniform(0.02, 0.5))
        os.kill(pid, signal.SIGKILL)
        for saver in savers:
            saver.join(30)
            assert not saver.is_alive(), f"round {round}: {saver.series} hangs"
        pid = mount()
        states = {saver.series: check(round, saver) for saver in savers}
        rejected += check_rejected(round, savers)
        saves += sum(saver.count - 1 for saver in savers)
    lakota("verify")
finally:
    subprocess.run([LAKOTA, "-q", "umount", MOUNT], timeout=60)
print(f"{ROUNDS} rounds, {saves} saves returned, {rejected} files were rejected")
