#!/usr/bin/env python3
"""Checks that includes point down: a file includes only its own floor and lower ones, and no component includes its neighbour.

The floors, from the bottom, are those of docs/architecture.md. `floors.py ROOT` checks the tree at ROOT; before that it checks
itself on small trees that it knows to be wrong. Prints one line per bad include and exits with 1 where there are any.
"""
import re
import sys
import tempfile
from pathlib import Path

FLOORS = [
    ["pipeline/base"],
    ["pipeline/event"],
    ["pipeline/codec"],
    ["pipeline/sql"],
    ["pipeline/engine"],
    ["connectors", "transforms"],
    ["pipeline/admin", "pipeline/cli"],
]
ROOTS = ("pipeline", "connectors", "transforms")
SOURCES = {".c", ".h", ".cpp", ".hpp"}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def house_of(path):
    """(floor, house) of a path from the top: files may include their own house and every lower floor. None: no floor."""
    for floor, folders in enumerate(FLOORS):
        for folder in folders:
            if not path.startswith(folder + "/"):
                continue
            if folder in ("connectors", "transforms"):
                return floor, "/".join(path.split("/")[:2])
            return floor, folder
    return None


def fault(path, included):
    """Why `path` may not include `included`, or None."""
    if not included.startswith(tuple(r + "/" for r in ROOTS)):
        return "is not a path from the top"
    if included.endswith((".c", ".cpp")):
        return "is not a header"
    own, other = house_of(path), house_of(included)
    if own is None:
        return None if path.count("/") == 0 else "is included by a file that is on no floor"
    if other is None:
        return "is on no floor"
    if other[0] > own[0]:
        return "is on a higher floor"
    # The program's own folders, admin and cli, share the top; components are neighbours and never know one another.
    if other[0] == own[0] and other[1] != own[1] and own[1].split("/")[0] in ("connectors", "transforms"):
        return "is a neighbour"
    return None


def check(root):
    faults = []
    for top in ROOTS:
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in SOURCES:
                continue
            path = file.relative_to(root).as_posix()
            for included in INCLUDE.findall(file.read_text(encoding="utf-8")):
                why = fault(path, included)
                if why:
                    faults.append(f'{path}: "{included}" {why}')
    return faults


def verdict(path, line):
    """What check says about a tree of one file with one line."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path
        file.parent.mkdir(parents=True)
        file.write_text(line + "\n", encoding="utf-8")
        return len(check(Path(folder)))


BAD = [
    ("pipeline/base/str.h", '#include "pipeline/event/value.h"'),
    ("pipeline/codec/json.c", '#include "pipeline/sql/sql.h"'),
    ("pipeline/engine/plan.c", '  #  include "connectors/file/file.h"'),
    ("pipeline/sql/deep/bind.c", '#include "pipeline/admin/http.h"'),
    ("connectors/kafka/source.c", '#include "connectors/mqtt/mqtt.h"'),
    ("connectors/kafka/module/source.c", '#include "transforms/sql/sql.h"'),
    ("transforms/route/route.c", '#include "transforms/sql/sql.h"'),
    ("pipeline/base/arena.c", '#include "arena.h"'),
    ("pipeline/base/arena.c", '#include "pipeline/base/str.c"'),
    ("pipeline/attic/old.c", '#include "pipeline/base/str.h"'),
]
GOOD = [
    ("pipeline/base/str.c", '#include "pipeline/base/str.h"'),
    ("pipeline/sql/eval.c", '#include "pipeline/event/value.h"'),
    ("connectors/kafka/module/source.c", '#include "connectors/kafka/kafka.h"'),
    ("pipeline/cli/catalog.c", '#include "connectors/kafka/kafka.h"'),
    ("pipeline/cli/run.c", '#include "pipeline/admin/http.h"'),
    ("pipeline/base/hash.c", "#include <xxhash.h>"),
]


def main():
    for path, line in BAD:
        if verdict(path, line) != 1:
            sys.exit(f"floors.py is blind: it passes {line} in {path}")
    for path, line in GOOD:
        if verdict(path, line) != 0:
            sys.exit(f"floors.py is wrong: it refuses {line} in {path}")
    root = Path(sys.argv[1])
    if not (root / "pipeline" / "base").is_dir():
        sys.exit(f"{root} is not the top of the source tree")
    faults = check(root)
    print("\n".join(faults) or "all includes point down")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
