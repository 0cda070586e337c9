"""A batch that becomes far more than anybody expected: memory stays within the budget, and what holds for other batches holds for it."""

import json
import random
import sqlite3
import time

import pytest

from conftest import SEEDS, is_sanitized, wait_until
from test_engine import peak_memory
from test_postgres_sink import dead_letters

PAD = "x" * 145
SURPRISE = 40  # every so many records there is one with a thousand items, so that what was learnt of the others is of no use
MEMORY = 32 << 20
ITSELF = 30 << 20  # the program, its libraries, the slices that workers have in hand, SQLite's cache


def items_of(i):
    return 1000 if i % SURPRISE == 0 else i % 3


def expected_rows(records):
    return sum(items_of(i) for i in range(records))


def feed(p, records, files=1):
    (p.directory / "in").mkdir(exist_ok=True)
    for f in range(files):
        with open(p.directory / "in" / f"{f}.json", "w") as out:
            for i in range(f, records, files):
                out.write('{"id":%d,"pad":"%s","items":[%s]}\n' % (i, PAD, ",".join(map(str, range(items_of(i))))))


def head(workers=2, memory="32MiB", extra="", query="SELECT id, item::integer AS item, pad FROM input, unnest(items) AS item"):
    return f"""
[pipeline]
name = "expansion"
workers = {workers}
memory = "{memory}"
[sources.in]
type = "file"
path = ["in/*"]
format = "json"
{extra}
[transforms.items]
type = "sql"
inputs = ["in"]
query = "{query}"
"""


FILE = """
[sinks.out]
type = "file"
inputs = ["items"]
path = "out.csv"
format = "csv"
"""
SQLITE = """
[sinks.lite]
type = "sqlite"
inputs = ["items"]
path = "out.db"
table = "t"
create = true
"""


def postgres_sink(db, more=""):
    db.rows("CREATE TABLE t (id integer, item integer, pad text)")
    return f'[sinks.pg]\ntype = "postgres"\ninputs = ["items"]\nurl = "{db.url}"\ntable = "t"\n{more}\n'


def watch_memory(running):
    peak = 0
    while running.process.poll() is None:
        try:
            peak = max(peak, peak_memory(running.process))
        except (OSError, StopIteration):
            break
        time.sleep(0.02)
    return peak


def lines_in_order(path, records):
    """Every row of every record, in the order of the file."""
    with open(path) as lines:
        assert next(lines).startswith("id,item")
        for i in range(records):
            for k in range(items_of(i)):
                assert next(lines).startswith(f"{i},{k},")
        assert next(lines, None) is None


def in_sqlite(p):
    return sqlite3.connect(p.directory / "out.db").execute("SELECT count(*), count(DISTINCT id), sum(item) FROM t").fetchone()


def in_all(records):
    return (expected_rows(records), sum(items_of(i) > 0 for i in range(records)), sum(n * (n - 1) // 2 for n in map(items_of, range(records))))


def test_250_megabytes_of_rows_reach_three_sinks_of_which_one_stalls_in_little_memory_and_in_order(pipeline, postgres):
    records = 66_000
    assert expected_rows(records) * (len(PAD) + 10) > 250e6
    p = pipeline(head() + FILE + SQLITE + postgres_sink(postgres))
    feed(p, records)
    running = p.start()
    wait_until(lambda: postgres.value("SELECT count(*) FROM t") > 0)
    postgres.server.freeze()
    try:
        out = p.directory / "out.csv"
        wait_until(lambda: out.exists() and out.stat().st_size > 0)
        time.sleep(2)
        assert running.process.poll() is None
        peak = peak_memory(running.process)
    finally:
        postgres.server.thaw()
    peak = max(peak, watch_memory(running))
    assert running.wait() == 0, running.stderr
    lines_in_order(out, records)
    assert in_sqlite(p) == in_all(records)
    assert postgres.rows("SELECT count(*), count(DISTINCT id), sum(item) FROM t") == [in_all(records)]
    assert peak < MEMORY + ITSELF or is_sanitized(), f"{peak / (1 << 20):.1f} MiB"


@pytest.mark.sanitize
@pytest.mark.parametrize("workers", [1, 8])
def test_a_batch_that_goes_in_parts_waits_for_nobody_who_waits_for_it(pipeline, postgres, workers):
    """Sinks that would commit once an hour hold what the batch needs to go on; other batches are made meanwhile, and it goes first."""
    records = 4_000
    patient = "commit_rows = 100000000\ncommit_bytes = \"100GiB\"\ncommit_interval = \"1h\"\n"
    p = pipeline(head(workers, "4MiB") + FILE + SQLITE + patient + postgres_sink(postgres, patient + "connections = 2"))
    feed(p, records, files=1)
    result = p.run(timeout=300)
    assert result.code == 0, result
    lines_in_order(p.directory / "out.csv", records)
    assert in_sqlite(p) == in_all(records)
    assert postgres.rows("SELECT count(*), count(DISTINCT id), sum(item) FROM t") == [in_all(records)]
    sinks = result.report["sinks"]
    assert all(s["delivered"] + s["filtered"] == records and s["commits"] > 3 for s in (sinks["lite"], sinks["pg"])), result


@pytest.mark.sanitize
def test_a_record_that_alone_is_too_large_is_rejected_and_its_neighbours_arrive(pipeline):
    big = 300
    query = "SELECT id, item::integer AS item, pad FROM input, unnest(items) AS item"
    p = pipeline(head(memory="4MiB", extra='max_record = "4MiB"', query=query) + FILE + """
[sinks.plain]
type = "file"
inputs = ["in"]
path = "plain.json"
format = "json"
""")
    (p.directory / "in").mkdir()
    with open(p.directory / "in" / "a.json", "w") as out:
        for i in range(2000):
            pad, items = ("y" * 100_000, range(100)) if i == big else (PAD, range(items_of(i)))
            out.write(json.dumps({"id": i, "pad": pad, "items": list(items)}) + "\n")
    result = p.run()
    assert result.code == 3, result
    letter, = dead_letters(p)
    assert json.loads(letter["payload"])["id"] == big and letter["component"] == "items"
    assert "too large" in letter["reason"] and "memory" in letter["reason"] and letter["sqlstate"] == "54000"
    seen = [line.split(",")[0] for line in (p.directory / "out.csv").read_text().splitlines()[1:]]
    assert len(seen) == sum(items_of(i) for i in range(2000) if i != big) and str(big) not in seen
    assert (p.directory / "plain.json").read_text().count("\n") == 2000


def test_elements_of_one_json_array_go_in_parts_and_a_killed_run_goes_on_between_them(pipeline):
    """The whole file is one array: a part may end at any of its elements."""
    records = 4_000
    p = pipeline(head(memory="4MiB") + SQLITE)
    (p.directory / "in").mkdir()
    with open(p.directory / "in" / "a.json", "w") as out:
        out.write("[\n" + " ,\n".join(json.dumps({"id": i, "pad": PAD, "items": list(range(items_of(i)))}) for i in range(records)) + "]\n")
    running = p.start()
    database = p.directory / "out.db"
    def some():
        try:
            return in_sqlite(p)[0] > 0
        except sqlite3.OperationalError:
            return False
    wait_until(lambda: database.exists() and some())
    running.kill()
    assert p.run().code == 0
    assert in_sqlite(p) == in_all(records)


@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_killed_between_the_parts_of_a_batch_stores_every_row_once(pipeline, postgres, seed):
    records = 12_000
    p = pipeline(head(memory="4MiB") + SQLITE + postgres_sink(postgres, "connections = 2"))
    feed(p, records, files=2)
    chance, killed = random.Random(seed), 0
    for _ in range(3):
        running, before = p.start(), postgres.value("SELECT count(*) FROM t")
        wait_until(lambda: running.process.poll() is not None or postgres.value("SELECT count(*) FROM t") > before, 60)
        time.sleep(chance.random() * 0.05)
        killed += running.kill()
    assert killed, "every run was over before it could be killed: this machine needs more rows"
    assert p.run().code == 0
    assert in_sqlite(p) == in_all(records)
    assert postgres.rows("SELECT count(*), count(DISTINCT id), sum(item) FROM t") == [in_all(records)]


def test_a_late_sink_gets_what_was_kept_for_it_in_parts(pipeline, postgres):
    records = 30_000
    p = pipeline(head() + FILE + postgres_sink(postgres))
    feed(p, records)
    postgres.forget_connection()
    postgres.server.stop()
    try:
        running = p.start()
        wait_until(lambda: (p.directory / "out.csv").exists())
        time.sleep(1)
        assert running.process.poll() is None
    finally:
        postgres.server.start()
    peak = watch_memory(running)
    assert running.wait() == 0, running.stderr
    assert postgres.rows("SELECT count(*), count(DISTINCT id), sum(item) FROM t") == [in_all(records)]
    assert peak < MEMORY + ITSELF or is_sanitized(), f"{peak / (1 << 20):.1f} MiB"


@pytest.mark.sanitize
def test_a_stop_does_not_wait_for_a_batch_that_waits_for_memory(pipeline, postgres):
    p = pipeline(head(memory="4MiB") + postgres_sink(postgres))
    feed(p, 10_000)
    running = p.start()
    wait_until(lambda: postgres.value("SELECT count(*) FROM t") > 0)
    postgres.server.freeze()
    try:
        time.sleep(1)
        running.process.terminate()
        time.sleep(0.5)
        running.process.terminate()
        time.sleep(0.2)
    finally:
        postgres.server.thaw()
    assert running.wait() == 75, running.stderr
    assert p.run().code == 0
    assert postgres.rows("SELECT count(*), count(DISTINCT id), sum(item) FROM t") == [in_all(10_000)]
