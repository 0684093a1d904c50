"""What campaigns share: the program as they run it, rows, what a folder holds, two repositories that part, and the end."""

import os
import random
import shutil
import subprocess
import sys

LAKOTA = os.environ["LAKOTA"]
SHORT = os.environ.get("SHORT") == "1"
SEED = int(os.environ.get("SEED", "1"))
chance = random.Random(SEED)


class Fault(Exception):
    pass


def lakota(root, *words, input=None, codes=(0,), cwd=None, env=None):
    """Runs a verb on `root`/repo; without codes, any exit code is taken."""
    ran = subprocess.run([LAKOTA, "-q", *words], input=input, capture_output=True, text=True, timeout=600, cwd=cwd or root,
                         env={**os.environ, "LAKOTA_REPO": f"{root}/repo", **(env or {})})
    if codes and ran.returncode not in codes:
        raise Fault(f"lakota {' '.join(words)}: exit code {ran.returncode}: {ran.stderr.strip()}")
    return ran


def rows(keys, factor):
    return "".join(f"{key},{key * factor % 1_000_003}\n" for key in keys)


def files(folder):
    """All files below a folder, and what they hold."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


def under_way(repo):
    """Files that a put has not finished, or gc has set aside."""
    names = (name for _, _, names in os.walk(repo) for name in names)
    return [name for name in names if name.startswith(".tmp-")]


class Parted:
    """Rows for both repositories, of which each gets some that the other one does not have."""

    def __init__(self, run, count, steps):
        self.run, self.count, self.steps = run, count, steps

    def touch(self, root, n):
        self.run(root, "write", "temp/a", "--upsert", input=rows(range(n % 9, self.count, self.steps[0]), n + 2))

    def diverge(self, root, n):
        there = rows(range(n % 50, self.count, self.steps[1]), n + 3)
        self.run(root, "-r", f"{root}/other", "write", "temp/a", "--upsert", input=there)
        self.run(root, "write", "temp/b", "--upsert", input=rows(range(n % 40, self.count, self.steps[2]), n + 5))

    def heads(self, root, n):
        self.diverge(root, n)
        self.run(root, "pull", f"{root}/other")

    def renew(self, root):
        """What was forgotten here cannot be merged with what is written there from now on."""
        shutil.rmtree(f"{root}/other")
        self.run(root, "clone", f"{root}/repo", f"{root}/other")


def end(main, clean):
    """Runs a campaign to its end, cleans up (told whether it went well), and exits."""
    good = False
    try:
        main()
        good = True
    except Fault as fault:
        print(f"FAULT (SEED={SEED}): {fault}")
    finally:
        clean(good)
    sys.exit(0 if good else 1)
