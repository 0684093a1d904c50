"""What was written, as plain values, and the comparison with what a reader gives.

A value is None, int, float, str or bool; a time is an int of nanoseconds from 1970, a date an int of days.
"""

import json
import math
import re
from datetime import date, datetime, timezone


def nanoseconds(text):
    """An ISO time of any precision, exact."""
    whole, _, fraction = text.partition(".")
    whole += ":00" if whole.count(":") == 1 else ""
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=timezone.utc).timestamp())
    return seconds * 10**9 + int(fraction.ljust(9, "0") or 0)


def value(kind, text):
    if text is None:
        return None
    if kind.startswith("timestamp"):
        return nanoseconds(text)
    if kind == "date":
        return (date.fromisoformat(text) - date(1970, 1, 1)).days
    return {"float": float, "int": int, "str": str, "bool": lambda t: t == "true"}[kind](text)


class Expected:
    """The rows written: names, types, and columns by name."""

    def __init__(self, path, rows=slice(None)):
        with open(path) as file:
            written = json.load(file)
        self.names, self.types = written["names"], dict(zip(written["names"], written["types"]))
        self.columns = {
            name: [value(kind, row[i]) for row in written["rows"][rows]]
            for i, (name, kind) in enumerate(zip(self.names, written["types"]))
        }

    def check(self, who, columns, fold=lambda kind, value: value):
        """Compares columns by name; `fold` makes equal what a format or a reader cannot tell apart."""
        assert list(columns) == self.names, f"{who}: columns {list(columns)}"
        for name, got in columns.items():
            kind = self.types[name]
            wanted = [fold(kind, v) for v in self.columns[name]]
            got = [fold(kind, v) for v in got]
            assert len(got) == len(wanted), f"{who}: {len(got)} rows of {name}, {len(wanted)} were written"
            for row, (a, b) in enumerate(zip(wanted, got)):
                assert same(a, b), f"{who}: row {row} of {name}: wrote {a!r}, reads {b!r}"


def same(a, b):
    """Equal, of one type, NaN like NaN, and -0.0 apart from 0.0."""
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return type(a) is type(b) and a == b


def empty_is_null(kind, value):
    """For readers of CSV that take an empty text in quotes for a missing value."""
    return None if value == "" else value


def nan_is_null(kind, value):
    """For readers that have NaN for a missing number, and an empty text for a missing one."""
    return None if value == "" or (isinstance(value, float) and math.isnan(value)) else value


TIME = re.compile(r"timestamp(\[(s|ms|us|ns)\])?$")


def unit(kind):
    """The unit in which Parquet shows a time: it has no seconds."""
    found = TIME.match(kind)
    return found and {"s": "ms", None: "ms"}.get(found[2], found[2])
