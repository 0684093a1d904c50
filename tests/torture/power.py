#!/usr/bin/env python3
"""Cuts the power under writers who sync, writers who do not (--no-sync), and a mount, all at once on one ext4.

The disk is a file of a small file system in user space (FUSE, in this script) under a loop device: it logs every block
write and every flush. A cut is a place in that log: what was written before the last flush is kept, of what came after
it any part, torn at sectors. Each cut becomes an image, which is mounted (the journal is replayed) and looked at:
  - rows of every synced write that was acknowledged before the cut read, before anything is mended;
  - `verify --set-aside` puts torn writes out of the way, and then verifies everything;
  - the repository is written to, collected and verified again, and the rows are still there.
Needs root, /dev/fuse, loop devices and mkfs.ext4; without them it fails. CUTS: how many (60; short: 6).
"""
import ctypes
import errno
import mmap
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

LAKOTA = os.environ["LAKOTA"]
SHORT = os.environ.get("SHORT") == "1"
SEED = int(os.environ.get("SEED", "1"))
CUTS = int(os.environ.get("CUTS", "6" if SHORT else "60"))
ROUNDS = 1 if SHORT else 4
SECONDS = 4 if SHORT else 12
SIZE = 96 << 20
SECTOR = 512
MS_NOSUID_NODEV = 2 | 4
LIBC = ctypes.CDLL(None, use_errno=True)


def fail(why):
    print(f"power: {why}", file=sys.stderr)
    sys.exit(1)


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


def mount(what, where, kind, flags, data):
    if LIBC.mount(what.encode(), where.encode(), kind.encode(), flags, data.encode()) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), where)


class Log:
    """What the disk was told, in order: (offset, bytes), or None for a flush."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "log")
        self.file = open(self.path, "wb", buffering=1 << 20)
        # Seen by all processes: events so far.
        self.events = mmap.mmap(-1, 8)

    def add(self, offset, data):
        self.file.write(struct.pack("<qI", offset, len(data)) + data)
        self.count(1)

    def flush(self):
        self.file.write(struct.pack("<qI", -1, 0))
        self.count(1)

    def count(self, more=0):
        so_far = struct.unpack("<Q", self.events[:])[0] + more
        if more:
            self.events[:] = struct.pack("<Q", so_far)
        return so_far

    def read(self):
        with open(self.path, "rb", buffering=1 << 20) as file:
            while head := file.read(12):
                offset, size = struct.unpack("<qI", head)
                yield None if offset < 0 else (offset, file.read(size))


class Server:
    """A file system of one file, `disk`, that logs what is written to it. docs: linux/fuse.h, version 7.31."""

    ATTR = struct.Struct("<6Q10I")

    def __init__(self, fd, log, size):
        self.fd, self.log, self.image = fd, log, bytearray(size)

    def attr(self, node):
        directory = node == 1
        mode = 0o040755 if directory else 0o100600
        size = 0 if directory else len(self.image)
        return self.ATTR.pack(node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def serve(self):
        while True:
            try:
                request = os.read(self.fd, (1 << 20) + 4096)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    continue
                return  # unmounted
            _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
            answer = self.answer(opcode, node, memoryview(request)[40:])
            if answer is None:
                continue
            code, body = answer if isinstance(answer, tuple) else (0, answer)
            try:
                os.write(self.fd, struct.pack("<IiQ", 16 + len(body), -code, unique) + body)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise

    def answer(self, opcode, node, body):
        if opcode in (2, 36, 42):  # FORGET, INTERRUPT, BATCH_FORGET
            return None
        if opcode == 1:  # LOOKUP
            if bytes(body).rstrip(b"\0") != b"disk":
                return (errno.ENOENT, b"")
            return struct.pack("<4Q2I", 2, 0, 3600, 3600, 0, 0) + self.attr(2)
        if opcode in (3, 4):  # GETATTR, SETATTR
            return struct.pack("<Q2I", 3600, 0, 0) + self.attr(node)
        if opcode in (14, 27):  # OPEN, OPENDIR
            return struct.pack("<Q2I", 0, 2, 0)
        if opcode == 15:  # READ
            _, offset, size = struct.unpack_from("<QQI", body)
            return bytes(self.image[offset : offset + size])
        if opcode == 16:  # WRITE
            _, offset, size = struct.unpack_from("<QQI", body)
            data = bytes(body[40 : 40 + size])
            self.image[offset : offset + size] = data
            self.log.add(offset, data)
            return struct.pack("<2I", size, 0)
        if opcode == 20:  # FSYNC
            self.log.flush()
            return b""
        if opcode == 26:  # INIT
            flags = 1 | 1 << 5 | 1 << 22  # ASYNC_READ, BIG_WRITES, MAX_PAGES
            return struct.pack("<4I2H2I2H8I", 7, 31, 1 << 17, flags, 16, 12, 1 << 20, 1, 256, 0, *[0] * 8)
        if opcode in (18, 25, 29, 38):  # RELEASE, FLUSH, RELEASEDIR, DESTROY
            return b""
        return (errno.ENOSYS, b"")


class Disk:
    """The logging disk, mounted as ext4."""

    def __init__(self, folder):
        self.folder, self.log = folder, Log(folder)
        self.host, self.mountpoint = os.path.join(folder, "host"), os.path.join(folder, "ext4")
        os.mkdir(self.host)
        os.mkdir(self.mountpoint)
        self.loop = None
        fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        mount("power", self.host, "fuse", MS_NOSUID_NODEV, f"fd={fd},rootmode=40000,user_id=0,group_id=0")
        self.server = os.fork()
        if self.server == 0:
            try:
                Server(fd, self.log, SIZE).serve()
                self.log.file.close()
            finally:
                os._exit(0)
        os.close(fd)
        self.loop = run("losetup", "--find", "--show", f"{self.host}/disk", capture_output=True, text=True).stdout.strip()
        run("mkfs.ext4", "-q", "-J", "size=4", "-m", "0", "-N", "16384", "-E", "lazy_itable_init=0,nodiscard", self.loop)
        run("mount", "-t", "ext4", "-o", "commit=1", self.loop, self.mountpoint)

    def close(self):
        """Ends it; the log is whole afterwards."""
        subprocess.run(["umount", self.mountpoint], stderr=subprocess.DEVNULL)
        if self.loop:
            subprocess.run(["losetup", "-d", self.loop])
        for _ in range(50):
            if subprocess.run(["umount", self.host], stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.1)
        else:
            subprocess.run(["umount", "-l", self.host])
        os.waitpid(self.server, 0)


def value(series, k):
    return (k * 2654435761 + sum(series.encode()) * 40503) % (1 << 40)


def rows(series, first, end):
    return "".join(f"{k},{value(series, k)}\n" for k in range(first, end))


def lakota(repo, *arguments, stdin=None, **options):
    command = [LAKOTA, *arguments]
    env = {**os.environ, "LAKOTA_REPO": repo, "LC_ALL": "C"}
    return subprocess.run(command, input=stdin, capture_output=True, text=True, env=env, **options)


def must(result, what):
    if result.returncode != 0 or "panicked" in result.stderr:
        raise AssertionError(f"{what}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


class Writer(threading.Thread):
    """Adds rows to a series, again and again; notes at which event each write was acknowledged."""

    def __init__(self, repo, log, series, kind, until, seed):
        super().__init__()
        self.repo, self.log, self.series, self.kind, self.until = repo, log, series, kind, until
        self.random = random.Random(seed)
        self.told, self.error = [], None

    def write(self, have, more):
        place, text = f"c/{self.series}", rows(self.series, have, have + more)
        if self.kind == "mount":
            with open(f"{self.repo}-mnt/c/{self.series}/live.csv", "w") as file:
                file.write("t,v\n" + rows(self.series, 0, have + more))
            return
        flags = ["--no-sync"] if self.kind == "no-sync" else []
        must(lakota(self.repo, "write", "-q", *flags, place, stdin=text), f"write {flags} {place}")

    def run(self):
        have = 0
        try:
            while time.monotonic() < self.until:
                what = self.random.random()
                if self.kind == "synced" and what < 0.06:
                    must(lakota(self.repo, "pack", "-q", "c"), "pack")
                elif self.kind == "synced" and what < 0.1:
                    must(lakota(self.repo, "squash", "-q", "c"), "squash")
                elif self.kind == "synced" and what < 0.16 and have > 0:
                    # The rows that are there: acknowledged, though there is nothing to write.
                    must(lakota(self.repo, "write", "-q", f"c/{self.series}", stdin=rows(self.series, 0, 1)), "again")
                else:
                    more = self.random.choice([1, 1, 20, 600, 9000])
                    self.write(have, more)
                    have += more
                    self.told.append((self.log.count(), have))
                if self.random.random() < (0.2 if self.kind == "no-sync" else 0.5):
                    time.sleep(self.random.random())
        except Exception as error:  # told by who joins
            self.error = error


def work(disk, seed):
    """Writes for a while; gives what was told to each writer."""
    repo = f"{disk.mountpoint}/repo"
    must(lakota(repo, "create", "-q", "c", "t int*", "v int"), "create")
    must(lakota(repo, "create", "-q", "c/m0"), "create")
    os.mkdir(f"{repo}-mnt")
    spool = tempfile.mkdtemp(prefix="spool-", dir=disk.folder)
    must(lakota(repo, "-q", "mount", f"{repo}-mnt", "-o", f"spool={spool}", "--log-file", f"{disk.folder}/mount.log"), "mount")
    began, until = disk.log.count(), time.monotonic() + SECONDS
    kinds = {"s0": "synced", "s1": "synced", "m0": "mount", "n0": "no-sync", "n1": "no-sync"}
    writers = [Writer(repo, disk.log, name, kind, until, f"{seed} {name}") for name, kind in kinds.items()]
    try:
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    finally:
        # What is on its way at the end must not be flushed by an orderly end alone: the log goes on, cuts are before.
        ended = disk.log.count()
        lakota(repo, "-q", "umount", f"{repo}-mnt")
    for writer in writers:
        if writer.error:
            raise writer.error
    return began, ended, {writer.series: (writer.kind, writer.told) for writer in writers}


def torn(data, chance):
    """The sectors of a write of which only some came."""
    parts = [(at, data[at : at + SECTOR]) for at in range(0, len(data), SECTOR)]
    return [part for part in parts if chance.random() < 0.5]


def images(log, cuts, chance):
    """The disk after each cut, ascending: (cut, image, writes that were dropped)."""
    stable, pending, events, cuts = bytearray(SIZE), [], 0, list(cuts)
    for event in log.read():
        events += 1
        if event is None:
            for offset, data in pending:
                stable[offset : offset + len(data)] = data
            pending = []
        else:
            pending.append(event)
        while cuts and cuts[0] <= events:
            image, dropped = bytearray(stable), 0
            keep = chance.choice([0.0, 0.3, 0.5, 0.8, 1.0])
            for offset, data in pending:
                if chance.random() >= keep:
                    dropped += 1
                elif chance.random() < 0.1:
                    for at, sector in torn(data, chance):
                        image[offset + at : offset + at + len(sector)] = sector
                else:
                    image[offset : offset + len(data)] = data
            yield cuts.pop(0), image, dropped


def check_rows(repo, told, cut, when):
    """Rows that were acknowledged before the cut; gives how many writes that were."""
    writes = 0
    for series, (kind, acknowledged) in told.items():
        before = [have for event, have in acknowledged if event <= cut]
        if kind == "no-sync" or not before:
            continue
        writes += len(before)
        text = must(lakota(repo, "read", f"c/{series}", "--format", "csv"), f"{when}: read {series}")
        found = text.splitlines()[1:]
        wanted = rows(series, 0, before[-1]).splitlines()
        if found[: len(wanted)] != wanted:
            raise AssertionError(f"{when}: {series} has {len(found)} rows of {len(wanted)} that were acknowledged")
        extra = rows(series, len(wanted), len(found)).splitlines()
        if found[len(wanted) :] != extra:
            raise AssertionError(f"{when}: {series} has rows that nobody wrote")
    return writes


def look(repo, told, cut):
    """What a user does after a power failure; gives acknowledged writes, and revisions that were set aside."""
    writes = check_rows(repo, told, cut, "after the cut")
    must(lakota(repo, "ls", "c"), "ls")
    must(lakota(repo, "log", "c", "--limit", "5"), "log")
    first = lakota(repo, "verify")
    if first.returncode not in (0, 1) or "panicked" in first.stderr:
        raise AssertionError(f"verify: exit {first.returncode}\n{first.stderr}")
    mended = lakota(repo, "verify", "--set-aside")
    mended = must(mended, "verify --set-aside") + mended.stderr
    check_rows(repo, told, cut, "set aside")
    for series, (kind, _) in told.items():
        done = lakota(repo, "read", f"c/{series}", "--format", "csv")
        if done.returncode != 0 and "there is no series" not in done.stderr:
            raise AssertionError(f"read {series}, set aside: {done.stderr}")
        lines = done.stdout.splitlines()[1:]
        if lines != rows(series, 0, len(lines)).splitlines():
            raise AssertionError(f"{series} has other rows than were written")
    must(lakota(repo, "write", "-q", "c/later", stdin=rows("later", 0, 700)), "a write after the cut")
    for _ in range(2):
        must(lakota(repo, "-q", "gc", "--grace", "0s"), "gc")
    must(lakota(repo, "-q", "verify"), "verify after gc")
    check_rows(repo, told, cut, "collected")
    return writes, sum(line.startswith("set aside") for line in mended.splitlines()), first.returncode


def main():
    if os.geteuid() != 0:
        fail("needs root")
    for need in ("/dev/fuse", "/dev/loop-control"):
        if not os.path.exists(need):
            fail(f"needs {need}")
    for tool in ("mkfs.ext4", "e2fsck", "losetup", "mount"):
        if not shutil.which(tool):
            fail(f"needs {tool}")
    total = {"cuts": 0, "writes": 0, "aside": 0, "dropped": 0, "torn": 0, "events": 0}
    for number in range(ROUNDS):
        folder = tempfile.mkdtemp(prefix="lakota-power-")
        try:
            one_round(folder, SEED + number, CUTS // ROUNDS + (number < CUTS % ROUNDS), total)
        except AssertionError as error:
            fail(f"SEED={SEED + number}: {error}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    if total["dropped"] == 0:
        fail("no cut dropped anything: the disk does not show what was flushed")
    print(
        f"{total['cuts']} power cuts in {total['events']} block writes and flushes, {total['dropped']} writes dropped: "
        f"{total['writes']} acknowledged writes are all there; {total['torn']} cuts tore something, "
        f"{total['aside']} no-sync revisions set aside"
    )


def one_round(folder, seed, cuts, total):
    disk = Disk(folder)
    try:
        began, ended, told = work(disk, seed)
    finally:
        disk.close()
    total["events"] += ended
    chance = random.Random(seed)
    # Behind writes: behind a flush there is nothing to lose.
    writes = [at for at, event in enumerate(disk.log.read(), 1) if event and began < at <= ended]
    places = sorted(chance.choice(writes) for _ in range(cuts))
    path, where = os.path.join(folder, "cut"), os.path.join(folder, "after")
    os.mkdir(where)
    for cut, image, dropped in images(disk.log, places, chance):
        with open(path, "wb") as file:
            file.write(image)
        run("mount", "-t", "ext4", "-o", "loop", path, where)
        try:
            writes, aside, code = look(f"{where}/repo", told, cut)
        except AssertionError as error:
            raise AssertionError(f"cut at event {cut} of {ended}, {dropped} writes dropped: {error}") from error
        finally:
            run("umount", where)
        checked = subprocess.run(["e2fsck", "-fn", path], capture_output=True, text=True)
        if checked.returncode != 0:
            raise AssertionError(f"ext4 itself is not whole after the cut at event {cut}:\n{checked.stdout}")
        total["cuts"] += 1
        total["writes"] += writes
        total["aside"] += aside
        total["dropped"] += dropped
        total["torn"] += code
        print(f"cut at event {cut}: {writes} acknowledged writes, {dropped} dropped, {aside} set aside", flush=True)


main()
