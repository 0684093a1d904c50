"""Compares what a program that is not Python made of all/rich/live.csv with what was written.

usage: dumped.py csv FILE EXPECTED      a CSV file
       dumped.py sqlite FILE EXPECTED   the table `rich` of a database
"""

import csv
import sqlite3
import sys

from expected import Expected, nan_is_null, value


def from_csv(path, expected):
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    texts = {name: [text.lower() if kind == "bool" else text for text in columns[name]] for name, kind in expected.types.items()}
    return {name: [value(expected.types[name], text or None) for text in texts[name]] for name in columns}


def from_sqlite(path, expected):
    rows = sqlite3.connect(path).execute(f"SELECT {', '.join(expected.names)} FROM rich").fetchall()
    columns = {}
    for i, name in enumerate(expected.names):
        kind, got = expected.types[name], [row[i] for row in rows]
        if kind == "int":
            assert all(isinstance(v, int) or v == "" for v in got), name
        if kind == "float":
            # SQL has neither NaN nor infinities: these stay texts.
            assert all(isinstance(v, float) or v in ("", "NaN", "inf", "-inf") for v in got), name
        columns[name] = [None if v == "" else value(kind, str(v)) for v in got]
    return columns


if __name__ == "__main__":
    form, path, expected = sys.argv[1], sys.argv[2], Expected(sys.argv[3])
    columns = {"csv": from_csv, "sqlite": from_sqlite}[form](path, expected)

    def fold(kind, value):
        # -0.0 has no sign in SQL, and empty texts are missing ones in both.
        return nan_is_null(kind, value + 0.0 if isinstance(value, float) and value == 0 else value)

    expected.check(form, columns, fold)
