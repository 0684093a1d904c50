"""SIGKILL at random moments, under every verb and under a mount with four writers.

Each round of a verb: the verb runs to its end on a copy, which tells what it makes of the rows and how long it takes; then it
runs again and is killed. The rows must be those of before or those of after, never anything between (a push or pull
may end between two revisions); those of after if the program ended well. `verify` finds nothing, two runs of gc without grace
change nothing and leave no file behind that is under way, the next writer works, and the verb, run again, makes of the rows
what it should.

Each round of the mount: four programs append, copy over, rename over and edit in place until the server is killed. After the next
mount a series is what the last save that returned left, or what the next one was to leave.

full: 150 rounds of verbs and 60 of the mount. short: one of each verb, for about 15 seconds, and two of the mount.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from shared import campaign
from shared.campaign import LAKOTA, SHORT, Fault, chance, files, rows, under_way

ROUNDS, MOUNTS, SECONDS = (22, 2, 14) if SHORT else (int(os.environ.get("ROUNDS", "150")), 60, 10_000)
ROWS = 300 if SHORT else 3000

shared = "/dev/shm" if os.path.isdir("/dev/shm") else None
FOLDER = tempfile.mkdtemp(prefix="lakota-kills.", dir=shared)
HOME = f"{FOLDER}/home"
# Not in /dev, where the program writes devices as they are.
PLAIN = tempfile.mkdtemp(prefix="lakota-kills.")
KEPT = "keep"


def run(root, *words, **options):
    return campaign.lakota(root, *words, **options).stdout


parted = campaign.Parted(run, ROWS, (11, 97, 89))


def snapshot(root, repo="repo"):
    """What a repository says: all rows of all series, and those of a tag."""
    with tempfile.TemporaryDirectory(dir=PLAIN) as folder:
        run(root, "-r", f"{root}/{repo}", "export", folder)
        found = files(folder)
    if repo == "repo":
        found["kept"] = run(root, "read", "temp/c", "--revision", KEPT).encode()
    return found


def sound(root, before, what):
    """A repository is whole, gc hurts nothing, nothing is left behind, the next writer works."""
    run(root, "verify")
    for _ in range(2):
        run(root, "gc", "--grace", "0s")
    run(root, "verify")
    if snapshot(root) != before:
        raise Fault(f"{what}: gc changed the rows")
    left = under_way(f"{root}/repo")
    if left:
        raise Fault(f"{what}: {left} is left after gc")
    key = chance.randrange(10**6)
    run(root, "write", "temp/next", "--upsert", input=f"{key},1\n")
    if f"\n{key},1\n" not in "\n" + run(root, "read", "temp/next"):
        raise Fault(f"{what}: the next writer's row is missing")


class Verb:
    """A verb: what is done before, its words, and where its result is."""

    def __init__(self, name, words, ready=None, result="repo", input=None, codes=(0,)):
        self.name, self.words, self.ready, self.result = name, words, ready, result
        self.input, self.codes = input, codes


def more_columns(root, n):
    run(root, "alter", "wide", "add", f"y{n} int", "--default", "7")


def folder(root, n):
    """What an import takes: an export, with other rows."""
    shutil.rmtree(f"{PLAIN}/in", ignore_errors=True)
    run(root, "export", f"{PLAIN}/in", "-c", "temp")
    for name in os.listdir(f"{PLAIN}/in/temp"):
        if name.endswith(".csv"):
            path = f"{PLAIN}/in/temp/{name}"
            with open(path, "w") as file:
                file.write("k,v\n" + rows(range(0, ROWS, 3), n + 11))


def damage(root, n):
    """A file is damaged that the other repository has whole."""
    run(root, "push", f"{root}/other")
    run(root, "merge", codes=(0, 1))
    run(root, "push", f"{root}/other")
    objects = [path for path in files(f"{root}/repo") if len(path.split("/")) == 2 and len(path.split("/")[0]) == 2]
    objects = [path for path in objects if os.path.getsize(f"{root}/repo/{path}") > 200 and len(path) > 60]
    if objects:
        path = f"{root}/repo/{chance.choice(sorted(objects))}"
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) // 2)
            byte = file.read(1)
            file.seek(-1, 1)
            file.write(bytes([byte[0] ^ 1]))


def verbs(n):
    write = rows(sorted(chance.sample(range(10 * ROWS), ROWS)), n + 7)
    low = chance.randrange(ROWS)
    here = lambda *words: lambda root: words
    return [
        Verb("write", here("write", "temp/a", "--upsert"), input=write),
        Verb("write over", here("write", "temp/b"), input=write),
        Verb("import", lambda root: ("import", f"{PLAIN}/in"), ready=folder),
        Verb("delete rows", here("delete", "temp/a", "--start", str(low), "--stop", str(low + 50)), ready=parted.touch),
        Verb("delete series", here("delete", "temp/b"), ready=lambda root, n: run(root, "write", "temp/b", input="1,1\n")),
        Verb("restore", here("restore", "temp/a", "--to", KEPT), ready=parted.touch),
        Verb("undo", here("undo", "latest", "-c", "temp"), ready=parted.touch),
        Verb("merge", here("merge"), ready=parted.heads),
        Verb("tag", here("tag", f"t{n}", "temp")),
        Verb("alter", here("alter", "wide", "add", f"x{n} int")),
        Verb("alter drop", here("alter", "wide", "drop", f"y{n}"), ready=more_columns),
        Verb("rename", here("rename", "temp/d", f"temp/d{n}"), ready=lambda root, n: run(root, "write", "temp/d", input="1,1\n")),
        Verb("create", here("create", f"more{n}", "k int*", "v int")),
        Verb("push", lambda root: ("push", f"{root}/other"), ready=parted.diverge, result="other"),
        Verb("pull", lambda root: ("pull", f"{root}/other"), ready=parted.diverge),
        Verb("clone", lambda root: ("clone", f"{root}/repo", f"{root}/copy{n}"), result=f"copy{n}"),
        Verb("pack", here("pack", "-a"), ready=parted.touch),
        Verb("defrag", here("defrag", "-a"), ready=parted.touch),
        Verb("trim", here("trim", "-a", "--before", "2100-01-01"), ready=parted.touch),
        Verb("squash", here("squash", "-a"), ready=parted.touch),
        Verb("gc", here("gc", "--grace", "0s"), ready=lambda root, n: run(root, "squash", "temp")),
        Verb("verify --repair-from", lambda root: ("verify", "--repair-from", f"{root}/other"), ready=damage, codes=(0, 1)),
        Verb("export", lambda root: ("export", "--delete", f"{PLAIN}/out"), ready=parted.touch),
    ]


def state(root, verb):
    """What the rows are where the result is; None if there is nothing yet that can be read."""
    if verb.result.startswith("copy"):
        return None
    return snapshot(root, verb.result)


def killed(verb, n):
    """One round; gives whether the program was killed before it ended."""
    if verb.ready:
        verb.ready(HOME, n)
    repairs = verb.name.startswith("verify")
    twin = f"{FOLDER}/twin"
    shutil.copytree(HOME, twin)
    before = None if repairs else state(HOME, verb)
    own = None if repairs else snapshot(HOME)
    began = time.monotonic()
    run(twin, *verb.words(twin), input=verb.input, codes=verb.codes)
    lasts = time.monotonic() - began
    after = snapshot(twin, verb.result)
    after_own = snapshot(twin)
    shutil.rmtree(twin)

    words = verb.words(HOME)
    program = subprocess.Popen([LAKOTA, "-q", *words], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, cwd=HOME, env={**os.environ, "LAKOTA_REPO": f"{HOME}/repo"})
    feed = threading.Thread(target=give, args=(program, verb.input))
    feed.start()
    time.sleep(chance.uniform(0.2, 1.05) * lasts)
    program.send_signal(signal.SIGKILL)
    code = program.wait()
    feed.join()
    what = f"{verb.name} killed, round {n}"
    if not verb.result.startswith("copy") and not repairs:
        now = state(HOME, verb)
        # A copy may end between two revisions, each of which is whole.
        between = verb.name in ("push", "pull") and code != 0
        if now != after and not between and (code == 0 or now != before):
            differs = [name for name in set(now) | set(after) if now.get(name) != after.get(name)]
            raise Fault(f"{what}: neither the rows of before nor of after: {differs}; exit code {code}")
        if verb.name == "push":
            run(HOME, "-r", f"{HOME}/other", "verify")
        if verb.name != "pull" and snapshot(HOME) not in (own, after_own):
            raise Fault(f"{what}: the rows here changed")
    if not repairs:
        sound(HOME, snapshot(HOME), what)
    # Once more, to the end. What was done already may say so, with an exit code of its own.
    run(HOME, *words, input=verb.input, codes=(0, 1, 3))
    if repairs:
        sound(HOME, snapshot(HOME), what)
    last = snapshot(HOME, verb.result)
    last.pop("temp/next.csv", None)
    after.pop("temp/next.csv", None)
    if last != after and verb.name != "undo":
        differs = [name for name in set(last) | set(after) if last.get(name) != after.get(name)]
        raise Fault(f"{what}: run again, it does not make what it should: {differs}")
    if verb.name == "export":
        shown = files(f"{PLAIN}/out")
        odd = [name for name in shown if not name.endswith((".csv", ".json"))]
        if odd:
            raise Fault(f"{what}: {odd} is left in the folder")
    if verb.result.startswith("copy"):
        shutil.rmtree(f"{HOME}/{verb.result}")
    return code != 0


def give(program, text):
    try:
        program.stdin.write((text or "").encode())
        program.stdin.close()
    except OSError:
        pass


MOUNT, SPOOL = f"{FOLDER}/mnt", f"{FOLDER}/spool"
HEAD = "k,v\n"


class Saver(threading.Thread):
    """Saves again and again: `safe` is what the last save that returned left, `next` what the one under way is to leave."""

    def __init__(self, kind, text):
        super().__init__(daemon=True)
        self.kind, self.safe, self.next, self.count, self.fault = kind, text, None, 0, None
        self.live = f"{MOUNT}/saves/{kind}/live.csv"

    def run(self):
        try:
            while True:
                self.count += 1
                self.next, act = getattr(self, self.kind)()
                act()
                self.safe, self.next = self.next, None
        except (OSError, subprocess.CalledProcessError):
            pass  # the server is gone
        except Exception as fault:
            self.fault = fault

    def whole(self):
        return HEAD + rows(range(200 + self.count), chance.randrange(1, 10**6))

    def append(self):
        line = f"{10**6 + len(self.safe)},{self.count}\n"

        def act():
            with open(self.live, "a") as file:
                file.write(line)
        return self.safe + line, act

    def copy(self):
        text, source = self.whole(), f"{FOLDER}/source"

        def act():
            with open(source, "w") as file:
                file.write(text)
            subprocess.run(["cp", source, self.live], check=True, stderr=subprocess.DEVNULL)
        return text, act

    def move(self):
        text = self.whole()

        def act():
            with open(f"{self.live}.new", "w") as file:
                file.write(text)
            os.rename(f"{self.live}.new", self.live)
        return text, act

    def edit(self):
        """One value in place, of the same length."""
        lines = self.safe.splitlines(keepends=True)
        at = chance.randrange(1, len(lines))
        key, value = lines[at].strip().split(",")
        new = f"{key},{str(chance.randrange(10 ** (len(value) - 1), 10 ** len(value)) if len(value) > 1 else chance.randrange(10))}\n"
        offset = sum(map(len, lines[:at]))

        def act():
            with open(self.live, "r+") as file:
                file.seek(offset)
                file.write(new)
        return "".join(lines[:at] + [new] + lines[at + 1:]), act


def mount():
    run(HOME, "mount", "-o", f"spool={SPOOL}", "--log-file", f"{FOLDER}/log", MOUNT)
    with open(f"{MOUNT}/.lakota/status") as status:
        return json.load(status)["pid"]


def served():
    """Rounds of the mount; gives how many saves returned."""
    os.makedirs(MOUNT)
    os.makedirs(SPOOL)
    kinds = ("append", "copy", "move", "edit")
    run(HOME, "create", "saves", "k int*", "v int")
    states = {}
    for kind in kinds:
        states[kind] = HEAD + rows(range(200), 7)
        run(HOME, "write", f"saves/{kind}", input=states[kind])
    saves = 0
    pid = mount()
    for n in range(MOUNTS):
        savers = [Saver(kind, states[kind]) for kind in kinds]
        for saver in savers:
            saver.start()
        time.sleep(chance.uniform(0.05, 1.0))
        os.kill(pid, signal.SIGKILL)
        for saver in savers:
            saver.join(60)
            if saver.is_alive() or saver.fault:
                raise Fault(f"mount killed, round {n}: {saver.kind}: {saver.fault or 'hangs'}")
        pid = mount()
        for saver in savers:
            now = run(HOME, "read", f"saves/{saver.kind}")
            if now not in (saver.safe, saver.next):
                with open("/tmp/lakota-kills-wrong", "w") as file:
                    json.dump([now, saver.safe, saver.next], file)
                raise Fault(f"mount killed, round {n}: {saver.kind} is not what was saved: see /tmp/lakota-kills-wrong")
            with open(saver.live) as live:
                if live.read() != now:
                    raise Fault(f"mount killed, round {n}: live.csv of {saver.kind} is not the series")
            states[saver.kind] = now
            saves += saver.count - 1
        if n % 10 == MOUNTS % 10 - 1 or n == MOUNTS - 1:
            sound(HOME, snapshot(HOME), f"mount killed, round {n}")
    run(HOME, "umount", MOUNT)
    return saves


def main():
    os.makedirs(HOME)
    run(HOME, "create", "temp/a", "k int*", "v int")
    for name in "abcd":
        for part in range(3):
            run(HOME, "write", f"temp/{name}", "--upsert", input=rows(range(part, ROWS, 3), part + 1))
    run(HOME, "create", "wide/s", "k int*", "v int")
    run(HOME, "write", "wide/s", input=rows(range(ROWS), 5))
    run(HOME, "tag", KEPT, "temp")
    run(HOME, "clone", f"{HOME}/repo", f"{HOME}/other")
    cut, done, began, seen = 0, 0, time.monotonic(), {}
    order = []
    while done < ROUNDS and time.monotonic() - began < SECONDS:
        if not order:
            order = list(range(len(verbs(0))))
            chance.shuffle(order)
        verb = verbs(done)[order.pop()]
        was_cut = killed(verb, done)
        if verb.name in ("trim", "squash", "gc"):
            parted.renew(HOME)
        cut += was_cut
        seen[verb.name] = seen.get(verb.name, 0) + 1
        done += 1
        if not SHORT and done % 25 == 0:
            print(f"{done} rounds, {cut} cut short", flush=True)
    saves = served()
    print(f"kills: {done} rounds of {len(seen)} verbs, {cut} cut short; {MOUNTS} servers killed, {saves} saves returned; nothing lost")


def clean(good):
    subprocess.run([LAKOTA, "-q", "umount", "--force", MOUNT], capture_output=True, timeout=60)
    if good or "KEEP" not in os.environ:
        shutil.rmtree(FOLDER, ignore_errors=True)
        shutil.rmtree(PLAIN, ignore_errors=True)
    else:
        print(f"kept: {FOLDER}")


campaign.end(main, clean)
