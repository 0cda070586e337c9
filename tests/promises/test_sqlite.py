"""The sqlite sink: every row once, whatever dies; what the database refuses; who else writes to it."""

import json
import os
import random
import shutil
import signal
import sqlite3
import time

import pytest

from conftest import SEEDS, wait_until
from disks import as_root, small_disk  # noqa: F401

ROWS = 300_000


def toml(sink="", source="", path="out/a.db", columns='{ k = "bigint", v = "text" }'):
    return f"""
[pipeline]
name = "plant"
[sources.in]
type = "file"
path = ["in/*.json"]
format = "json"
columns = {columns}
{source}
[sinks.db]
type = "sqlite"
inputs = ["in"]
path = "{path}"
table = "t"
{sink}
"""


def feed(p, name, rows):
    (p.directory / "in").mkdir(exist_ok=True)
    with open(p.directory / "in" / name, "w") as f:
        f.writelines((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows)


def rows(p, query, path="out/a.db"):
    """As an independent program sees it; none before there is a table."""
    file = p.directory / path
    if not file.exists():
        return []
    database = sqlite3.connect(file, timeout=30)
    try:
        return database.execute(query).fetchall()
    except sqlite3.OperationalError as e:
        assert "no such table" in str(e)
        return []
    finally:
        database.close()


def count(p):
    return (rows(p, "SELECT count(*) FROM t") or [(0,)])[0][0]


def make(p, statements):
    (p.directory / "out").mkdir(exist_ok=True)
    database = sqlite3.connect(p.directory / "out" / "a.db")
    database.executescript(statements)
    database.close()


@pytest.mark.sanitize
@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
def test_a_pipeline_killed_at_random_stores_every_row_once(pipeline, seed):
    chance = random.Random(seed)
    p = pipeline(toml("create = true\ncommit_rows = 5000"))
    for i in range(4):
        feed(p, f"{i}.json", ('{"k": %d, "v": "some text"}' % k for k in range(i * ROWS // 4, (i + 1) * ROWS // 4)))
    killed = 0
    for _ in range(4):
        running, before = p.start(), count(p)
        wait_until(lambda: running.process.poll() is not None or count(p) > before, 60)
        time.sleep(chance.random() * 0.02)
        killed += running.process.poll() is None
        running.kill()
    assert killed, "every run was over before it could be killed: this machine needs more rows"
    result = p.run()
    assert result.code == 0, result
    assert rows(p, "SELECT count(*), count(DISTINCT k), min(k), max(k) FROM t") == [(ROWS, ROWS, 0, ROWS - 1)]
    assert rows(p, "PRAGMA integrity_check") == [("ok",)]
    assert p.run().report["sinks"]["db"]["delivered"] == 0


def test_a_row_that_breaks_a_constraint_goes_to_the_dead_letters_and_its_neighbours_go_in(pipeline):
    p = pipeline(toml())
    make(p, "CREATE TABLE t (k INTEGER UNIQUE, v TEXT CHECK (v <> 'bad'))")
    feed(p, "a.json", [{"k": i, "v": "bad" if i % 10 == 3 else "good"} for i in range(1000)] + [{"k": 5, "v": "again"}])
    result = p.run()
    assert result.code == 3, result
    assert rows(p, "SELECT count(*), sum(v = 'bad') FROM t") == [(900, 0)]
    letters = [json.loads(line) for line in next(p.directory.glob("state/*/dead-letters.ndjson")).read_text().splitlines()]
    assert len(letters) == 101
    assert {letter["sqlstate"] for letter in letters} == {"23514", "23505"}
    sink = result.report["sinks"]["db"]
    assert (sink["delivered"], sink["dead"]) == (900, 101)


@pytest.mark.parametrize("write, expected", [("upsert", [(1, "new"), (2, "b"), (3, "c")]), ("insert", [(1, "old"), (2, "b"), (3, "c")])])
def test_a_key_that_is_there_is_replaced_or_stays(pipeline, write, expected):
    p = pipeline(toml(f'create = true\nwrite = "{write}"\nkey = ["k"]'))
    feed(p, "a.json", [{"k": 1, "v": "old"}, {"k": 2, "v": "b"}])
    assert p.run().code == 0
    feed(p, "b.json", [{"k": 1, "v": "new"}, {"k": 3, "v": "c"}])
    assert p.run().code == 0
    assert rows(p, "SELECT k, v FROM t ORDER BY k") == expected


def test_replace_reads_all_and_swaps_the_rows_in_one_transaction(pipeline):
    p = pipeline(toml('create = true\nwrite = "replace"'))
    feed(p, "a.json", [{"k": i, "v": "a"} for i in range(5000)])
    assert p.run().code == 0
    (p.directory / "in" / "a.json").unlink()
    feed(p, "b.json", [{"k": 7, "v": "b"}])
    assert p.run().code == 0
    assert rows(p, "SELECT k, v FROM t") == [(7, "b")]
    assert p.run().code == 0
    assert rows(p, "SELECT k, v FROM t") == [(7, "b")]


def test_a_database_that_another_program_locks_is_waited_for(pipeline):
    p = pipeline(toml('busy_timeout = "10ms"\nretry.first = "10ms"\nretry.max = "50ms"'))
    make(p, "CREATE TABLE t (k INTEGER, v TEXT)")
    other = sqlite3.connect(p.directory / "out" / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    feed(p, "a.json", [{"k": 1, "v": "a"}])
    running = p.start()
    wait_until(lambda: "database is locked" in running.stderr, what="a warning")
    assert running.process.poll() is None
    other.execute("ROLLBACK")
    assert running.wait() == 0, running.stderr
    assert rows(p, "SELECT k FROM t") == [(1,)]


def test_a_wiped_state_dir_is_refused_with_an_explanation_and_nothing_is_stored_twice(pipeline):
    p = pipeline(toml("create = true"))
    feed(p, "a.json", [{"k": 1, "v": "a"}])
    assert p.run().code == 0
    shutil.rmtree(p.directory / "state")
    result = p.run()
    assert result.code == 1, result
    assert "pipe state adopt" in result.stderr
    assert count(p) == 1


def test_two_instances_share_one_database(pipeline):
    p = pipeline(toml("create = true", path="{out}").replace('"plant"', '"plant"\ninstance = "a"').replace("{out}", "../shared.db"))
    q = pipeline(p.file.read_text().replace('instance = "a"', 'instance = "b"'), name="other")
    for each in (p, q):
        feed(each, "a.json", [{"k": 1, "v": each.directory.name}])
        assert each.run().code == 0
    assert p.run().code == 0
    assert rows(p, "SELECT v FROM t ORDER BY v", "../shared.db") == [("other",), ("pipeline",)]


def test_a_missing_table_is_an_error_that_says_what_to_do(pipeline):
    p = pipeline(toml())
    feed(p, "a.json", [{"k": 1, "v": "a"}])
    result = p.run()
    assert result.code == 1
    assert "table t does not exist" in result.stderr and "create = true" in result.stderr


def test_a_file_that_is_no_database_stops_the_run_and_is_left_alone(pipeline):
    p = pipeline(toml("create = true"))
    (p.directory / "out").mkdir()
    (p.directory / "out" / "a.db").write_text("my diary\n" * 1000)
    feed(p, "a.json", [{"k": 1, "v": "a"}])
    result = p.run()
    assert result.code == 1
    assert "not a database" in result.stderr
    assert (p.directory / "out" / "a.db").read_text() == "my diary\n" * 1000


def test_a_full_disk_is_waited_for_and_nothing_is_lost(pipeline, small_disk):
    p = pipeline(toml('create = true\ncommit_rows = 1000\nretry.first = "10ms"\nretry.max = "50ms"', path=f"{small_disk}/a.db"))
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(6 << 20))
    feed(p, "a.json", ('{"k": %d, "v": "%s"}' % (k, "x" * 100) for k in range(30_000)))
    running = p.start()
    wait_until(lambda: "full" in running.stderr or "No space" in running.stderr, what="a full disk")
    assert running.process.poll() is None
    ballast.unlink()
    assert running.wait() == 0, running.stderr
    assert rows(p, "SELECT count(*), count(DISTINCT k) FROM t", small_disk / "a.db") == [(30_000, 30_000)]


WATCH = 'mode = "watch"\nsettle = "0s"'


def put(p, name, numbers):
    """Whole, as a program that is done with it does."""
    feed(p, f".{name}", ({"k": k, "v": "v"} for k in numbers))
    (p.directory / "in" / f".{name}").rename(p.directory / "in" / name)


@pytest.mark.parametrize("what", ["removed", "moved away", "removed with its directory"])
def test_a_database_that_is_gone_under_the_pipeline_stops_it_and_nothing_counts_as_delivered(pipeline, what):
    """SQLite itself goes on writing to a file that has no name any more."""
    p = pipeline(toml("create = true", WATCH))
    put(p, "a.json", range(100))
    running = p.start()
    wait_until(lambda: count(p) == 100)
    if what == "moved away":
        (p.directory / "out/a.db").rename(p.directory / "out/b.db")
    elif what == "removed":
        (p.directory / "out/a.db").unlink()
    else:
        shutil.rmtree(p.directory / "out")
    put(p, "b.json", range(100, 200))
    assert running.wait() == 1, running.stderr
    assert "out/a.db was removed or replaced while the pipeline was writing to it" in running.stderr
    assert json.loads(p.report.read_text())["sinks"]["db"]["delivered"] == 100
    shutil.rmtree(p.directory / "out", ignore_errors=True)
    running = p.start()
    wait_until(lambda: count(p) == 200)
    assert running.terminate() == 0, running.stderr


def test_a_second_signal_does_not_wait_for_who_locks_the_database(pipeline):
    sibling = '[sinks.sibling]\ntype = "file"\ninputs = ["in"]\npath = "sibling.json"\nformat = "json"\n'
    p = pipeline(toml('create = true\nbusy_timeout = "1h"', WATCH) + sibling)
    put(p, "a.json", range(100))
    running = p.start()
    wait_until(lambda: count(p) == 100)
    other = sqlite3.connect(p.directory / "out/a.db")
    other.execute("BEGIN IMMEDIATE")
    put(p, "b.json", range(100, 200))
    wait_until(lambda: (p.directory / "sibling.json").read_bytes().count(b"\n") == 200)
    running.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "draining" in running.stderr)
    assert running.terminate(timeout=10) == 75
    other.rollback()
    running = p.start()
    wait_until(lambda: count(p) == 200)
    assert running.terminate() == 0


def test_a_commit_that_is_tried_again_writes_no_second_dead_letter(pipeline, small_disk):
    """Each would count, until there are more than [dead_letter] allows."""
    database = sqlite3.connect(small_disk / "a.db")
    database.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (k INTEGER CHECK (k <> 42), v TEXT)")
    database.close()
    free = os.statvfs(small_disk)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(free.f_bavail * free.f_bsize - (128 << 10)))
    p = pipeline(toml('retry.first = "5ms"\nretry.max = "5ms"', path=f"{small_disk}/a.db"))
    feed(p, "a.json", ({"k": k, "v": "x" * 100} for k in range(5000)))
    running = p.start()
    wait_until(lambda: "trying again" in running.stderr)
    time.sleep(0.3)  # some more tries
    ballast.unlink()
    assert running.wait() == 3, running.stderr
    assert rows(p, "SELECT count(*), count(DISTINCT k) FROM t", small_disk / "a.db") == [(4999, 4999)]
    letters = [json.loads(line) for f in p.directory.glob("state/**/dead-letters.ndjson") for line in f.read_text().splitlines()]
    assert len(letters) == 1
    assert "dead letters: 1 rejected" in running.stderr


def test_a_disk_without_inodes_is_waited_for(pipeline, small_disk):
    as_root("mount", "-o", "remount,nr_inodes=2", str(small_disk))
    (small_disk / "the last one").touch()
    p = pipeline(toml('create = true\nretry.first = "10ms"\nretry.max = "50ms"', path=f"{small_disk}/a.db"))
    put(p, "a.json", range(100))
    running = p.start()
    wait_until(lambda: "trying again" in running.stderr or running.process.poll() is not None)
    as_root("mount", "-o", "remount,nr_inodes=100", str(small_disk))
    assert running.wait() == 0, running.stderr
    assert rows(p, "SELECT count(*) FROM t", small_disk / "a.db") == [(100,)]


def test_several_connections_are_refused_by_check(pipeline):
    p = pipeline(toml("connections = 2"))
    result = p.run(verb="check")
    assert result.code == 78
    assert "one writer" in result.stderr
