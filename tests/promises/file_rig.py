"""What the promises of the file source share: a pipeline from files through SQL into SQLite, and files to feed it."""

import gzip
import random
import sqlite3
import subprocess
import time

from conftest import wait_until

TOML = """
[pipeline]
name = "drops"
memory = "32MiB"
[sources.in]
type = "file"
path = "in/**"
{source}
[transforms.q]
type = "sql"
inputs = ["in"]
query = "{query}"
[sinks.out]
type = "sqlite"
inputs = ["q"]
path = "out.db"
table = "t"
create = true
commit_rows = 5000
"""
WHERE = "meta.file AS file, meta.line AS line, meta.offset AS byte"
JSON = 'format = "json"\n'
CSV = 'format = "csv"\n'
TEXT = 'format = "text"\n'


def toml(source=JSON, query="SELECT k::bigint AS k FROM input"):
    return TOML.format(source=source, query=query)


def put(p, name, data):
    """Writes a file as a whole, at once: under a hidden name, then renamed."""
    path = p.directory / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name("." + path.name)
    hidden.write_bytes(data if isinstance(data, bytes) else data.encode())
    hidden.rename(path)
    return path


def rows(p, query, *values):
    """[] as long as there is no table."""
    if not (p.directory / "out.db").exists():
        return []
    database = sqlite3.connect(p.directory / "out.db", timeout=30)
    try:
        return database.execute(query, values).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise
    finally:
        database.close()


def count(p):
    found = rows(p, "SELECT count(*) FROM t")
    return found[0][0] if found else 0


def numbers_once(p, n):
    """Exactly the numbers 0 … n - 1 are there, each once."""
    assert rows(p, "SELECT count(*), count(DISTINCT k), min(k), max(k) FROM t") == [(n, n, 0, n - 1)]


def dead(p, name="drops"):
    """The dead letters in the default file."""
    import json

    letters = []
    for path in sorted((p.directory / "state" / name).glob("dead*")):
        letters += [json.loads(line) for line in path.read_text().splitlines()]
    return letters


def lines(first, last):
    return "".join('{"k": %d, "v": "some text that makes a line longer"}\n' % k for k in range(first, last))


def zstd(data, frame_size=None):
    """As one frame, or as one for each frame_size bytes."""
    step = frame_size or max(len(data), 1)
    parts = [data[i:i + step] for i in range(0, len(data), step)]
    return b"".join(subprocess.run(["zstd", "-q", "-c"], input=part, stdout=subprocess.PIPE, check=True).stdout for part in parts)


def gz(data):
    return gzip.compress(data, 1)


def kill_at_random(p, seed, times=4):
    """Starts it, kills it after something more was committed, again and again."""
    chance = random.Random(seed)
    killed = 0
    for _ in range(times):
        before = count(p)
        running = p.start()
        wait_until(lambda: running.process.poll() is not None or count(p) > before, 60, "a commit")
        time.sleep(chance.random() * 0.02)
        killed += running.process.poll() is None
        running.kill()
    return killed
