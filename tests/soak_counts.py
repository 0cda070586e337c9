"""What scripts/soak left in its directory (release.xml, asan.xml, tsan.xml, expressions.json), as tables: soak_counts.py SEEDS DIRECTORY [FILE.md]"""

import datetime
import json
import platform
import subprocess
import sys
import xml.etree.ElementTree as xml
from collections import defaultdict
from pathlib import Path


def counts(junit):
    """Per promise: runs, kills that hit a living process, failures."""
    found = defaultdict(lambda: [0, 0, 0])
    for case in xml.parse(junit).iter("testcase"):
        row = found[case.get("name").split("[")[0].removeprefix("test_").replace("_", " ")]
        row[0] += 1
        row[1] += sum(int(p.get("value")) for p in case.iter("property") if p.get("name") == "kills")
        row[2] += case.find("failure") is not None or case.find("error") is not None
    return found


def sanitized(directory):
    """All promises under the sanitizers."""
    lines = ["", "## All promises under the sanitizers", "", "| sanitizer | runs | failed |", "|---|---|---|"]
    for name, what in (("asan", "AddressSanitizer and UBSan"), ("tsan", "ThreadSanitizer (without Kafka's: it does not know the C11 threads of librdkafka)")):
        rows = counts(directory / f"{name}.xml").values()
        lines.append(f"| {what} | {sum(r[0] for r in rows)} | {sum(r[2] for r in rows)} |")
    return lines


def expressions(path):
    """What tests/differential/compare.py counted."""
    c = json.loads(path.read_text())
    lines = ["", "## SQL beside PostgreSQL", "", "| expressions | values | fail for some row | differences | explained by docs/sql.md |", "|---|---|---|---|---|",
             f"| {c['expressions']:,} | {c['values']:,} | {c['failing']:,} | {c['differences']:,} | {sum(c['explained'].values()):,} |", ""]
    return lines + [f"- {count:,} {why}" for why, count in sorted(c["explained"].items())]


def main(seeds, directory, publish=None):
    directory = Path(directory)
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    lines = ["# Soak", "",
             f"`scripts/soak --publish {seeds}` at {commit}, {datetime.date.today()}, {platform.system()} {platform.release()}.", "",
             "## kill -9 at random instants", "", "| promise | seeds | kill -9 | failed |", "|---|---|---|---|"]
    lines += [f"| {name} | {runs} | {kills} | {failed} |" for name, (runs, kills, failed) in sorted(counts(directory / "release.xml").items())]
    lines += sanitized(directory) + expressions(directory / "expressions.json")
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if publish:
        Path(publish).write_text(text)


main(*sys.argv[1:])
