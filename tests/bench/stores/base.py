"""What a benchmark asks of a store: every read and write opens it anew within its time.

A frame is the store's own form of rows in memory, made before the clock starts; a result is checked after it stops.
"""


class Store:
    """A store in a folder of its own; a subclass has the methods its workloads need.

    W1 and W2, one series: `frame(times, values)`, `create(frame)`, `append(frame)`, `read()`,
    `read_range(start, stop)`, `read_tail(rows, since)` (`since` is the first stamp, for stores that know no
    positions), and `columns(result)`: a result as two numpy arrays, times in seconds.
    W3, many commits: `commits(frames)` writes each frame as a commit on one open handle and yields after it.
    W4, many series: `frame_many(labels, times, values)`, `create_many(frame)`, `list_series()` and
    `read_series(label)`, which return what they counted, and `append_series(label, frame)`.
    """

    workloads = ("w1", "w2")
    can_append = True
    syncs = False  # whether each commit is durable by itself

    def __init__(self, path):
        self.path = str(path)

    def close(self):
        """Lets go of what an operation left open; called before each, outside its time."""

    def frame_one(self, label, times, values):
        """The frame for `append_series`."""
        return self.frame(times, values)
