"""Maps files of a mount.

maps.py check FILE...   compares shared and private maps of each file with what read() gives
maps.py hold FILE       opens and maps a file, and for each line of input prints a digest of what the descriptor and the
                        maps hold then
"""

import hashlib
import mmap
import os
import sys


def maps_of(fd):
    """A shared and a private map; an empty file has none."""
    if os.fstat(fd).st_size == 0:
        return []
    return [mmap.mmap(fd, 0, flags=flags, prot=mmap.PROT_READ) for flags in (mmap.MAP_SHARED, mmap.MAP_PRIVATE)]


def check(path):
    with open(path, "rb") as file:
        content = file.read()
        size = os.fstat(file.fileno()).st_size
        assert len(content) == size, f"{path}: {len(content)} bytes of {size}"
        # Maps first come from pages that are not there yet.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        for found in maps_of(file.fileno()):
            assert found[:] == content, path
            assert found[size // 2 : size // 2 + 5000] == content[size // 2 : size // 2 + 5000], path
        if content:
            # What is written to a private map stays there.
            private = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
            private[:3] = b"\0\0\0"
            assert private[3:] == content[3:], path
        assert os.pread(file.fileno(), 3, 0) == content[:3], path


def hold(path):
    with open(path, "rb", buffering=0) as file:
        maps = maps_of(file.fileno())
        print("ready", flush=True)
        for _ in sys.stdin:
            size = os.fstat(file.fileno()).st_size
            contents = {os.pread(file.fileno(), size + 1000, 0), *(found[:] for found in maps)}
            digests = sorted(hashlib.sha256(content).hexdigest() for content in contents)
            print(size, *digests, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "hold":
        hold(sys.argv[2])
    else:
        for path in sys.argv[2:]:
            check(path)
        print(len(sys.argv) - 2, "files")
