#!/usr/bin/python3
"""Events per second through the spool (200-byte records), beside what the same disk takes from plain sequential writes in the same run; and how long one record takes.

    cmake --build --preset release && tests/bench/spool.py [EVENTS] [DIRECTORY]

Of three rounds, in turn, each the median. RSS is the largest that the process ever had.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PIPE = Path(os.environ.get("PIPE_BUILD", ROOT / "build" / "release")) / "bin" / "pipe"
EVENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000_000
ROUNDS, SINGLES = 3, 500
TEMPLATE = '{"seq":{counter:1000000000},"device":"sensor-{random_int:10:20}","temp":{random:15:35},"pad":"' + "x" * 128 + '"}'
BLOCK = b"x" * (1 << 20)


def pipeline(directory, name, source, sink, ack, more=""):
    file = directory / f"{name}.toml"
    file.write_text(f"""
[pipeline]
name = "{name}"
[sources.in]
{source}
ack = "{ack}"
[sources.in.spool]
max_size = "8GiB"
{more}
[sinks.out]
type = "{sink}"
inputs = ["in"]
""")
    return file


def plain_writes(directory, size, every):
    """Bytes per second of writes of 1 MiB, with one fdatasync after `every` bytes."""
    path = directory / "plain"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    start, written = time.monotonic(), 0
    while written < size:
        written += os.write(fd, BLOCK)
        if written % every == 0:
            os.fdatasync(fd)
    os.fdatasync(fd)
    took = time.monotonic() - start
    os.close(fd)
    path.unlink()
    return written / took


def run(file):
    start = time.monotonic()
    process = subprocess.Popen([PIPE, "run", file, "--no-progress"], cwd=file.parent, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(errors.decode())
    return time.monotonic() - start, usage.ru_maxrss / 1024


def singles(file):
    """Milliseconds from a record's way in at stdin to its way out at stdout, one at a time."""
    process = subprocess.Popen([PIPE, "run", file, "--no-progress"], cwd=file.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    took = []
    for k in range(SINGLES):
        start = time.monotonic()
        process.stdin.write(b'{"k":%d,"pad":"%s"}\n' % (k, b"x" * 180))
        process.stdin.flush()
        process.stdout.readline()
        took.append((time.monotonic() - start) * 1e3)
    process.stdin.close()
    process.wait()
    return took


def single_writes(directory):
    fd = os.open(directory / "plain", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    took = []
    for _ in range(SINGLES):
        start = time.monotonic()
        os.write(fd, b"x" * 300)
        os.fdatasync(fd)
        took.append((time.monotonic() - start) * 1e3)
    os.close(fd)
    return took


def main():
    with tempfile.TemporaryDirectory(prefix="pipe-bench-", dir=sys.argv[2] if len(sys.argv) > 2 else None) as name:
        directory = Path(name)
        source = f"type = \"generate\"\ncount = {EVENTS}\ntemplate = '{TEMPLATE}'"
        direct, spooled = (pipeline(directory, n, source, "null", ack) for n, ack in (("direct", "delivered"), ("spooled", "spooled")))
        size = EVENTS * 230
        rows = {"writes of 1 MiB, synced at the end": [], "writes of 1 MiB, synced each 8 MiB": [], "generate → null": [], "generate → spool → null": []}
        memory = 0
        for _ in range(ROUNDS):
            rows["writes of 1 MiB, synced at the end"].append(plain_writes(directory, size, 1 << 40))
            rows["writes of 1 MiB, synced each 8 MiB"].append(plain_writes(directory, size, 8 << 20))
            rows["generate → null"].append(EVENTS / run(direct)[0])
            took, peak = run(spooled)
            rows["generate → spool → null"].append(EVENTS / took)
            memory = max(memory, peak)
        print(f"{EVENTS:,} records of 200 bytes; largest RSS with the spool {memory:.0f} MiB\n\n| | MB/s | events/s |\n|---|--:|--:|")
        for what, rates in rows.items():
            rate = statistics.median(rates)
            is_bytes = what.startswith("writes")
            print(f"| {what} | {(rate if is_bytes else rate * 230) / 1e6:,.0f} | {(rate / 230 if is_bytes else rate):,.0f} |")
        stdin = 'type = "stdin"\nformat = "json"'
        files = [pipeline(directory, f"single-{ack}", stdin, "stdout", ack) for ack in ("delivered", "spooled")]
        print("\n| one record at a time, ms | p50 | p99 |\n|---|--:|--:|")
        for what, took in (("300 bytes and fdatasync", single_writes(directory)), ("stdin → stdout", singles(files[0])),
                           ("stdin → spool → stdout", singles(files[1]))):
            print(f"| {what} | {statistics.median(took):.2f} | {sorted(took)[len(took) * 99 // 100]:.2f} |")


main()
