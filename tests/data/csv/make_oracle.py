#!/usr/bin/env python3
"""Writes random oracle/*.csv and, beside each, what Python's csv module reads from it: one JSON array of strings per record.

The files are checked in; run this only to make others. tests/unit/codec/csv_oracle_test.c compares (it takes NULL for the empty string,
since Python's csv knows no difference). Everything here is valid CSV: Python forgives what we reject.
"""
import csv
import json
import pathlib
import random

HERE = pathlib.Path(__file__).parent / "oracle"
DIALECTS = {
    "comma": dict(delimiter=",", quotechar='"'),
    "semicolon": dict(delimiter=";", quotechar="'"),
    "tab": dict(delimiter="\t", quotechar='"'),
}
LINE_ENDS = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}
QUOTING = {"minimal": 0.0, "half": 0.5, "all": 1.0}  # how often a field is quoted that need not be
PIECES = ["", "", "a", "temp", "21.5", "2026-03-01T12:00:00Z", " ", ",", ";", "\t", '"', "'", '""', "\n", "\r\n", "\r", "\\", "ä", "東京", "🙂",
          "x" * 63, "y" * 64, "z" * 65, "long " * 50]


def field(rng):
    return "".join(rng.choice(PIECES) for _ in range(rng.choice([0, 1, 1, 1, 2, 3])))


def written(text, delimiter, quotechar, quoted):
    if quoted or any(c in text for c in (delimiter, quotechar, "\r", "\n")):
        return quotechar + text.replace(quotechar, 2 * quotechar) + quotechar
    return text


def write(name, dialect, line_end, quoting, rng):
    columns = rng.randint(2, 9)
    rows = [[f"c{i}" for i in range(columns)]] + [[field(rng) for _ in range(columns)] for _ in range(40)]
    path = HERE / f"{name}.csv"
    with path.open("w", newline="", encoding="utf-8") as f:
        for row in rows:
            quoted = (written(text, quoted=rng.random() < quoting, **dialect) for text in row)
            f.write(dialect["delimiter"].join(quoted) + line_end)
    with path.open("r", newline="", encoding="utf-8") as f:
        rows = list(csv.reader(f, strict=True, **dialect))
    with (HERE / f"{name}.json").open("w", encoding="utf-8", newline="\n") as f:
        for row in rows[1:]:
            assert len(row) == columns
            f.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


def main():
    HERE.mkdir(exist_ok=True)
    rng = random.Random(20260301)
    for dialect_name, dialect in DIALECTS.items():
        for end_name, line_end in LINE_ENDS.items():
            for quoting_name, quoting in QUOTING.items():
                write(f"{dialect_name}-{end_name}-{quoting_name}", dialect, line_end, quoting, rng)


if __name__ == "__main__":
    main()
