#!/usr/bin/env python3
"""Damages a small repository in every way and looks at what the program makes of it.

Every file is lost, emptied, cut, lengthened by a byte, replaced by another file; every folder is lost; bytes are flipped (all of
them but in large objects, of which every 61st). For each damage:
- `verify` tells it (exit code 1), or no row differs: nothing silent but a file that nothing names, which leaves no trace;
- a read gives rows that the series has or, if its newest revision is lost, had; or it fails;
- two runs of `gc --grace 0s` change nothing of what can be read, and with the good files put back all is as it was;
- `verify --repair-from` a clone mends it, but for what the clone cannot know (`remotes/`);
- no verb panics, is killed, or takes longer than 20 seconds.
The short form takes a sample.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile

from shared.campaign import LAKOTA, SEED, SHORT, chance as draw, files

SAMPLE = 30
LARGE, STEP = 12_000, 61
failures = []


def run(*words, data=b"", where):
    try:
        done = subprocess.run(
            [LAKOTA, "-r", where, *words], input=data, capture_output=True, timeout=20,
            env={**os.environ, "RUST_BACKTRACE": "0"},
        )
    except subprocess.TimeoutExpired:
        failures.append(f"{words}: hangs")
        return -1, b"", b""
    if done.returncode not in (0, 1, 2, 3) or b"panicked" in done.stderr:
        failures.append(f"{words}: code {done.returncode}: {done.stderr.decode(errors='replace')[:300]}")
    return done.returncode, done.stdout, done.stderr


def must(*words, data=b"", where):
    code, out, err = run(*words, data=data, where=where)
    assert code == 0, (words, code, err)
    return out


def build(root):
    """A repository with files of every kind, a clone of it, and all states that each series ever had."""
    where, clone = f"{root}/r", f"{root}/clone"
    noise = random.Random(SEED)
    states = {}
    for label, rows in (("long", 9000), ("packed", 40), ("trimmed", 40), ("loose", 40), ("forgotten", 5000)):
        must("create", label, "t int*", "v int", where=where)
        states[label] = [b""]
        for i in range(3):
            first, n = (0, rows) if i == 0 else (rows + i, 3)
            text = "".join(f"{first + k},{noise.getrandbits(60)}\n" for k in range(n))
            must("write", f"{label}/s", data=text.encode(), where=where)
            states[label].append(must("read", f"{label}/s", where=where))
    must("delete", "forgotten", where=where)
    must("tag", "v1", "loose", where=where)
    must("clone", where, clone, where=where)
    must("remote", "add", "backup", clone, where=where)
    must("pack", "packed", where=where)
    must("squash", "trimmed", where=where)
    must("push", "backup", where=where)
    del states["forgotten"]
    return where, clone, states


class Campaign:
    def __init__(self, root):
        self.root = root
        self.master, self.clone, self.states = build(root)
        self.whole = files(self.master)
        self.truth = self.read(self.master)
        assert all(rows == states[-1] for rows, states in zip(self.truth.values(), self.states.values()))
        self.counts = {"damages": 0, "told": 0, "silent": 0, "mended": 0, "gc refused": 0}
        self.place = f"{root}/work"
        self.fresh()

    def fresh(self):
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.master, self.place, symlinks=True)

    def put(self, key, data):
        path = f"{self.place}/{key}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    def read(self, where):
        rows = {}
        for label in self.states:
            code, out, _ = run("read", f"{label}/s", where=where)
            rows[label] = out if code == 0 else None
        return rows

    def check_rows(self, rows, told, lost, what):
        for label, seen in rows.items():
            if seen is None or seen == self.truth[label]:
                continue
            if seen not in self.states[label]:
                failures.append(f"{what}: {label}/s reads rows that it never had")
            elif not told and not lost:
                failures.append(f"{what}: {label}/s reads older rows, and verify finds nothing")

    def restore(self, keys):
        """Puts the good files back beside what is there."""
        for key in keys:
            self.put(key, self.whole[key])

    def as_it_was(self):
        if files(self.place) != self.whole:
            self.fresh()

    def damage(self, what, change, deep):
        """`change` gives new contents by key; None is a lost file."""
        self.counts["damages"] += 1
        lost = all(data is None for data in change.values())

        def apply():
            for key, data in change.items():
                if data is None:
                    os.unlink(f"{self.place}/{key}")
                else:
                    self.put(key, data)

        apply()
        code, out, err = run("verify", where=self.place)
        told = code == 1
        noted = any(key in out.decode(errors="replace") for key in change)
        seen = self.read(self.place)
        self.check_rows(seen, told, lost, what)
        self.counts["told" if told or noted else "silent"] += 1
        remote = all(key.startswith("remotes/") for key in change)
        if not told and not noted and not lost and not remote and seen != self.truth:
            failures.append(f"{what}: verify finds nothing")
        if deep:
            for _ in range(2):
                code, _, _ = run("gc", "--grace", "0s", where=self.place)
                self.counts["gc refused"] += code == 1
            if self.read(self.place) != seen:
                failures.append(f"{what}: gc took what was read")
            self.restore(change)
            if told:
                if self.read(self.place) != self.truth:
                    failures.append(f"{what}: put back after gc, and rows are gone")
                if run("verify", where=self.place)[0] != 0:
                    failures.append(f"{what}: put back after gc, and verify finds damage")
            self.as_it_was()
            apply()
            self.mend(what, change, lost, remote)
        self.restore(change)
        self.as_it_was()

    def mend(self, what, change, lost, remote):
        code, out, err = run("verify", "--repair-from", self.clone, where=self.place)
        said = (out + err).decode(errors="replace")
        if remote or "format `" in said or "use a newer lakota" in said:
            return
        # What the clone does not have whole (a horizon, an index of a pack) is told once; what is left must be sound.
        code, _, again = run("verify", where=self.place)
        rows = self.read(self.place)
        if code != 0:
            failures.append(f"{what}: not mended: {said[-300:]}")
        elif rows == self.truth:
            self.counts["mended"] += 1
        elif "a pull brings" in said:
            must("pull", self.clone, where=self.place)
            if self.read(self.place) == self.truth:
                self.counts["mended"] += 1
            else:
                failures.append(f"{what}: a pull does not bring back what is lost")
        else:
            failures.append(f"{what}: mended, and rows differ: {said[-300:]}")

    def cases(self):
        keys = sorted(self.whole)
        for i, key in enumerate(keys):
            data = self.whole[key]
            yield f"{key} lost", {key: None}, True
            yield f"{key} emptied", {key: b""}, True
            yield f"{key} longer", {key: data + b"\x01"}, True
            for quarter in (1, 2, 3):
                yield f"{key} cut at {quarter}/4", {key: data[: len(data) * quarter // 4]}, True
            yield f"{key} cut by one", {key: data[:-1]}, True
            yield f"{key} replaced", {key: self.whole[keys[(i + 1) % len(keys)]]}, True
        folders = {key[:n] for key in keys for n in range(len(key)) if key[n] == "/"}
        for folder in sorted(folders):
            yield f"{folder}/ lost", {key: None for key in keys if key.startswith(f"{folder}/")}, True
        for key in keys:
            data = self.whole[key]
            for at in range(0, len(data), STEP if len(data) > LARGE else 1):
                flipped = bytearray(data)
                flipped[at] ^= 1 << draw.randrange(8)
                yield f"{key} flipped at {at}", {key: bytes(flipped)}, at % 199 == 0


def main():
    root = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        campaign = Campaign(root)
        cases = list(campaign.cases())
        if SHORT:
            deep = [case for case in cases if case[2]]
            flips = [case for case in cases if not case[2]]
            cases = draw.sample(deep, SAMPLE) + draw.sample(flips, SAMPLE)
        for what, change, deep in cases:
            campaign.damage(what, change, deep)
        for failure in failures[:40]:
            print(failure)
        size = sum(map(len, campaign.whole.values()))
        figures = ", ".join(f"{count} {what}" for what, count in campaign.counts.items())
        print(f"damage: {len(campaign.whole)} files, {size} bytes; {figures}; {len(failures)} failures")
        sys.exit(1 if failures else 0)
    finally:
        shutil.rmtree(root, ignore_errors=True)


main()
