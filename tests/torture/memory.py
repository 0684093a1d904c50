"""The memory of a mount's server: saves, reads, names, refused saves; then squash and gc, and a new mount to compare with.

Each kind of work is done twice. The first time fills what is bounded by options (caches, threads, what the allocator keeps
ready), the second one tells what each step costs for ever. At the end the history is squashed and collected: the server must be
within 10 MB of a new one on the same repository.

full: 20,000 saves, 100,000 reads of revisions. short: 1,500 saves and 2,000 reads.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

LAKOTA = os.environ["LAKOTA"]
SHORT = os.environ.get("SHORT") == "1"
chance = random.Random(int(os.environ.get("SEED", "1")))
SAVES, READS, NAMES = (1500, 2000, 150) if SHORT else (20_000, 100_000, 3000)
# Bytes for each save, beyond the first quarter of them: 300 are the history, the rest is what the allocator keeps ready.
# In 1,500 saves that is 2.4 to 3 kB each; a server that gave nothing back took 6 to 10.
EACH = 4500 if SHORT else 900
# What a new server may be smaller by, in kB.
BACK = 10 << 10
# What the kernel knows costs memory until the kernel forgets it: bytes for each inode.
INODE = 1200

shared = "/dev/shm" if os.path.isdir("/dev/shm") else None
FOLDER = tempfile.mkdtemp(prefix="lakota-memory.", dir=shared)
REPO, SPOOL, MOUNT = (f"{FOLDER}/{name}" for name in ("repo", "spool", "mnt"))
SERIES = f"{MOUNT}/temp/x"
faults = []


def lakota(*words, input=None):
    ran = subprocess.run([LAKOTA, "-q", *words], input=input, capture_output=True, text=True, timeout=600,
                         env={**os.environ, "LAKOTA_REPO": REPO})
    assert ran.returncode == 0, f"lakota {' '.join(words)}: {ran.stderr}"
    return ran.stdout


def mount():
    """Mounts, and gives the server's process."""
    # Caches small, so that what is beside them shows.
    lakota("mount", "-o", f"spool={SPOOL},cache=4M", "--log-file", f"{FOLDER}/log", MOUNT)
    with open(f"{MOUNT}/.lakota/status") as status:
        return int(next(line for line in status if '"pid"' in line).strip().rstrip(",").split()[1])


def metrics():
    with open(f"{MOUNT}/.lakota/metrics") as file:
        lines = [line.split() for line in file if not line.startswith("#")]
    return {name.removeprefix("lakota_"): int(value) for name, value in lines}


def held(pid, wait=None):
    """Its memory in kB, when the allocator has given back what it does not use."""
    time.sleep(wait if wait is not None else (2 if SHORT else 12))
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon:"))


def save(number):
    with open(f"{SERIES}/live.csv", "a") as file:
        file.write(f"2020-06-{1 + number % 28:02},{number}\n")


def refuse(number):
    """A save that is refused, and kept; the kept bytes are dropped."""
    try:
        with open(f"{SERIES}/live.csv", "a") as file:
            file.write("no time,1\n")
    except OSError:
        pass
    else:
        faults.append("a save of no rows was not refused")
    if number % 50 == 49:
        for name in os.listdir(f"{MOUNT}/.lakota/rejected"):
            os.unlink(f"{MOUNT}/.lakota/rejected/{name}")


def names(number):
    """Scratch files, renames of them, moments of names never asked before, differences."""
    first, second = f"{SERIES}/.scratch-{number}", f"{SERIES}/.scratch-{number}~"
    with open(first, "w") as file:
        file.write("x" * 100)
    os.rename(first, second)
    os.unlink(second)
    day = 1 + number % 28
    for name in (f"2020-05-{day:02}T{number % 24:02}:{number % 60:02}", f"~{number + 5}", f"nothing-{number}"):
        try:
            os.stat(f"{SERIES}/at/{name}")
        except OSError:
            pass
    with open(f"{SERIES}/diff/~{number % 40 + 1}..~0.csv") as file:
        file.read()


def drop_caches():
    """Lets the kernel forget what it knows of the mount; not in the short form, since it slows all of the machine."""
    if SHORT:
        return
    try:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("2")
        time.sleep(1)
    except OSError:
        pass


def work(what, pid, step, count, each):
    """Does a quarter of some work, then the rest, and looks what each step of the rest cost."""
    for number in range(count // 4):
        step(number)
    drop_caches()
    before, inodes = held(pid), metrics()["inodes"]
    for number in range(count // 4, count):
        step(number)
    drop_caches()
    now = metrics()
    after = held(pid) - max(0, now["inodes"] - inodes) * INODE // 1024
    steps = count - count // 4
    cost = (after - before) * 1024 // steps
    print(f"{what}: {count}, {before} kB after a quarter, then {cost} bytes each; "
          f"{now['revisions']} revisions take {now['history_bytes']} bytes, {now['inodes']} inodes", flush=True)
    # Noise of the allocator: less than 1.5 MB whatever the count.
    if (after - before) * 1024 > each * steps + (1500 << 10):
        faults.append(f"{what}: {cost} bytes for each")
    return cost


def main():
    os.makedirs(SPOOL)
    os.makedirs(MOUNT)
    lakota("create", "temp/x", "timestamp timestamp*", "value float")
    pid = mount()
    save(0)
    each = work("saves", pid, save, SAVES, EACH)
    now = metrics()
    if now["history_bytes"] > 300 * now["revisions"] + (256 << 10):
        faults.append(f"{now['history_bytes']} bytes of history for {now['revisions']} revisions")
    revisions = [name for name in os.listdir(f"{SERIES}/revisions")]

    def read(_):
        with open(f"{SERIES}/revisions/{chance.choice(revisions)}/{chance.choice(['data.csv', 'commit.json'])}") as file:
            file.read()

    def read_live(_):
        with open(f"{SERIES}/live.csv") as file:
            file.read()

    read_each = work("reads of revisions", pid, read, READS, 100)
    work("reads of the live file", pid, read_live, READS // 4, 20)
    work("refused saves", pid, refuse, NAMES, 400)
    work("names", pid, names, NAMES, 400)
    full = held(pid)
    lakota("squash", "temp")
    lakota("gc", "--grace", "0s")
    lakota("gc", "--grace", "0s")
    for number in range(5):
        save(number)
    os.listdir(f"{SERIES}/revisions")
    drop_caches()
    last = metrics()
    squashed = held(pid, 12)
    lakota("umount", MOUNT)
    pid = mount()
    save(7)
    read_live(0)
    os.listdir(f"{SERIES}/revisions")
    new = held(pid)
    if squashed - new > BACK:
        faults.append(f"{squashed} kB after squash and gc, a new server takes {new} kB")
    if last["history_bytes"] > 64 << 10:
        faults.append(f"{last['history_bytes']} bytes of history after squash and gc")
    for fault in faults:
        print(f"FAULT: {fault}")
    print(f"memory: {SAVES} saves at {each} bytes, {READS} reads at {read_each} bytes; {full} kB, "
          f"{squashed} kB after squash and gc, {new} kB of a new server")
    return 1 if faults else 0


try:
    code = main()
finally:
    subprocess.run([LAKOTA, "-q", "umount", "--force", MOUNT], capture_output=True, timeout=60)
    shutil.rmtree(FOLDER, ignore_errors=True)
sys.exit(code)
