"""Full disks: a small tmpfs as the repository, and one as the spool, filled at random moments under each verb and under saves.

Each round: a copy of the verb on a disk with room tells what it makes of the rows. Then the disk is filled but for some pages (none to
about what the verb needs) and the verb runs. It ends well and the rows are those of after, or it is refused with exit code 1 and a
message that names the cause, and the rows are those of before. `verify` finds nothing, with the disk full and with room again;
then the verb, run again, makes of the rows what it should. Verbs that only read work on a full disk.

Of the mount: a save on a full disk is refused by the close (or the write), its bytes are kept or the program is told, what was saved
before stays; with room again the next save works, without a new mount.

full: 200 rounds. short: for about 12 seconds.
"""

import errno
import os
import shutil
import subprocess
import tempfile
import time

from shared import campaign
from shared.campaign import LAKOTA, SHORT, Fault, chance, rows

ROUNDS, SAVES, SECONDS = (60, 12, 9) if SHORT else (int(os.environ.get("ROUNDS", "200")), 120, 10_000)
ROWS = 2000
SIZE = 24 << 20

FOLDER = tempfile.mkdtemp(prefix="lakota-full.")
DISK, SPOOL, PLAIN, MOUNT = (f"{FOLDER}/{name}" for name in ("disk", "spool", "plain", "mnt"))
KEPT = "keep"


def lakota(root, *words, **options):
    # Nothing but the disk under test is to be full: the current folder is elsewhere.
    return campaign.lakota(root, *words, cwd=PLAIN, env={"TMPDIR": root}, **options)


parted = campaign.Parted(lakota, ROWS, (7, 31, 29))


def snapshot(root, repo="repo"):
    """All rows, read without writing anything."""
    found = {}
    for collection in lakota(root, "-r", f"{root}/{repo}", "ls").stdout.split():
        for series in lakota(root, "-r", f"{root}/{repo}", "ls", collection).stdout.split():
            place = f"{collection}/{series}"
            found[place] = lakota(root, "-r", f"{root}/{repo}", "read", place).stdout
    return found


def ordered(text):
    """Rows as they are read: by key."""
    head, *lines = text.splitlines(keepends=True)
    return head + "".join(sorted(lines, key=lambda line: int(line.split(",")[0])))


def fill(disk, left):
    """Fills a disk but for some bytes."""
    with open(f"{disk}/filler", "ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        file.truncate(max(0, os.fstat(file.fileno()).st_size - left))


def free(disk):
    os.unlink(f"{disk}/filler")


def exported(root, n):
    shutil.rmtree(f"{PLAIN}/in", ignore_errors=True)
    os.makedirs(f"{PLAIN}/in/temp")
    with open(f"{PLAIN}/in/temp/a.csv", "w") as file:
        file.write("k,v\n" + rows(range(0, ROWS, 2), n + 11))


def verbs(n):
    """Name, words, what is done before, where the result is, whether it needs room."""
    write = rows(sorted(chance.sample(range(10 * ROWS), ROWS)), n + 7)
    low = chance.randrange(ROWS)
    return [
        ("write", lambda root: ("write", "temp/a", "--upsert"), None, "repo", write),
        ("write over", lambda root: ("write", "temp/b"), None, "repo", write),
        ("write a file", lambda root: ("write", "temp", f"{PLAIN}/in/temp/a.csv"), exported, "repo", None),
        ("delete rows", lambda root: ("delete", "temp/a", "--start", str(low), "--stop", str(low + 50)), parted.touch, "repo", None),
        ("restore", lambda root: ("restore", "temp/a", "--to", KEPT), parted.touch, "repo", None),
        ("undo", lambda root: ("undo", "latest", "-c", "temp"), parted.touch, "repo", None),
        ("merge", lambda root: ("merge",), parted.heads, "repo", None),
        ("tag", lambda root: ("tag", f"t{n}", "temp"), parted.touch, "repo", None),
        ("rename", lambda root: ("rename", "temp/d", f"temp/d{n}"),
         lambda root, n: lakota(root, "write", "temp/d", input="1,1\n"), "repo", None),
        ("create", lambda root: ("create", f"more{n}/s", "k int*", "v int"), None, "repo", None),
        ("push", lambda root: ("push", f"{root}/other"), parted.diverge, "other", None),
        ("pull", lambda root: ("pull", f"{root}/other"), parted.diverge, "repo", None),
        ("pack", lambda root: ("pack", "-a"), parted.touch, "repo", None),
        ("defrag", lambda root: ("defrag", "-a"), parted.touch, "repo", None),
        ("trim", lambda root: ("trim", "-a", "--before", "2100-01-01"), parted.touch, "repo", None),
        ("squash", lambda root: ("squash", "-a"), parted.touch, "repo", None),
        ("gc", lambda root: ("gc", "--grace", "0s"), lambda root, n: lakota(root, "squash", "temp"), "repo", None),
        ("verify", lambda root: ("verify",), parted.touch, "repo", None),
    ]


REASONS = ("No space left", "os error 28", "full")


def round_of(verb, n):
    """Gives whether the verb was refused."""
    name, words, ready, result, text = verb
    if ready:
        ready(DISK, n)
    twin = f"{FOLDER}/twin"
    shutil.copytree(DISK, twin)
    lakota(twin, *words(twin), input=text)
    after = snapshot(twin, result)
    shutil.rmtree(twin)
    before = snapshot(DISK, result)
    fill(DISK, chance.choice([0, 4096, 8192]) if chance.random() < 0.6 else chance.randrange(0, 40) * 4096)
    what = f"{name} on a full disk, round {n}"
    try:
        ran = lakota(DISK, *words(DISK), input=text, codes=())
        now = snapshot(DISK, result)
        if ran.returncode == 0 and now != after:
            raise Fault(f"{what}: it ended well, the rows are not those of after")
        if ran.returncode not in (0, 1):
            raise Fault(f"{what}: exit code {ran.returncode}: {ran.stderr.strip()}")
        if ran.returncode == 1 and not any(reason in ran.stderr for reason in REASONS):
            raise Fault(f"{what}: the reason is not told: {ran.stderr.strip()}")
        # What was durable before the disk was full may be there: all of it, or nothing.
        if ran.returncode == 1 and now not in (before, after):
            raise Fault(f"{what}: refused, the rows are neither those of before nor of after")
        lakota(DISK, "verify")
    finally:
        free(DISK)
    lakota(DISK, "verify")
    lakota(DISK, *words(DISK), input=text, codes=(0, 1, 3))
    if name != "undo" and snapshot(DISK, result) != after:
        raise Fault(f"{what}: with room again it does not make of the rows what it should")
    if n % 8 == 7:
        # Else the history fills the disk by itself.
        lakota(DISK, "merge")
        lakota(DISK, "squash", "-a")
        for _ in range(2):
            lakota(DISK, "gc", "--grace", "0s")
        left = campaign.under_way(f"{DISK}/repo")
        if left:
            raise Fault(f"{what}: {left} is left after gc")
    if n % 8 == 7 or name in ("trim", "squash", "gc"):
        parted.renew(DISK)
    return ran.returncode != 0


def saves():
    """Saves through a mount, with the repository's disk or the spool's full; gives how many were refused."""
    live = f"{MOUNT}/saves/s/live.csv"
    lakota(DISK, "create", "saves/s", "k int*", "v int")
    safe = "k,v\n" + rows(range(200), 7)
    lakota(DISK, "write", "saves/s", input=safe)
    lakota(DISK, "mount", "-o", f"spool={SPOOL}", "--log-file", f"{FOLDER}/log", MOUNT)
    refused = 0
    for n in range(SAVES):
        disk = chance.choice([DISK, SPOOL])
        fill(disk, chance.choice([0, 0, 4096, 8192, 65536]))
        append = chance.random() < 0.5
        text = f"{10**6 + n},{n}\n" if append else "k,v\n" + rows(range(300 + chance.randrange(20_000)), n + 3)
        next_state = ordered(safe + text) if append else text
        try:
            with open(live, "a" if append else "w") as file:
                file.write(text)
            told = False
        except OSError as error:
            told = True
            if error.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
                raise Fault(f"save {n} on a full disk: {error}") from error
        refused += told
        what = f"save {n} with {'the spool' if disk == SPOOL else 'the repository'} full"
        now = lakota(DISK, "read", "saves/s").stdout
        # Refused by the close, though the revision is durable: told too much is better than too little.
        if now not in ((safe, next_state) if told else (next_state,)):
            raise Fault(f"{what}: {'refused' if told else 'saved'}, the rows are others")
        free(disk)
        safe = now
        time.sleep(0.01)
        line = f"{2 * 10**6 + n},{n}\n"
        with open(live, "a") as file:
            file.write(line)
        safe = ordered(safe + line)
        if lakota(DISK, "read", "saves/s").stdout != safe:
            raise Fault(f"{what}: the next save, with room again, is not there")
        for name in os.listdir(f"{MOUNT}/.lakota/rejected"):
            os.unlink(f"{MOUNT}/.lakota/rejected/{name}")
        if n % 10 == 9:
            lakota(DISK, "squash", "saves")
            for _ in range(2):
                lakota(DISK, "gc", "--grace", "0s")
    lakota(DISK, "verify")
    lakota(DISK, "umount", MOUNT)
    return refused


def main():
    for folder in (DISK, SPOOL, PLAIN, MOUNT):
        os.makedirs(folder)
    for disk, size in ((DISK, SIZE), (SPOOL, 4 << 20)):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "lakota-full", disk], check=True)
    lakota(DISK, "create", "temp/a", "k int*", "v int")
    for name in "abcd":
        lakota(DISK, "write", f"temp/{name}", input=rows(range(ROWS), 3))
    lakota(DISK, "tag", KEPT, "temp")
    lakota(DISK, "clone", f"{DISK}/repo", f"{DISK}/other")
    done, refused, seen, began, order = 0, 0, set(), time.monotonic(), []
    while done < ROUNDS and time.monotonic() - began < SECONDS:
        if not order:
            order = list(range(len(verbs(0))))
            chance.shuffle(order)
        verb = verbs(done)[order.pop()]
        refused += round_of(verb, done)
        seen.add(verb[0])
        done += 1
    of_mount = saves()
    print(f"full: {done} rounds of {len(seen)} verbs, {refused} refused; {SAVES} saves, {of_mount} refused; nothing lost")


def clean(_good):
    subprocess.run([LAKOTA, "-q", "umount", "--force", MOUNT], capture_output=True, timeout=60)
    for disk in (DISK, SPOOL):
        subprocess.run(["umount", "-l", disk], capture_output=True, timeout=60)
    shutil.rmtree(FOLDER, ignore_errors=True)


campaign.end(main, clean)
