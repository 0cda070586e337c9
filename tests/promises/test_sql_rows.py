"""One event becomes many rows, or meets reference data: what holds for events holds for all that becomes of them."""

import json
import random
import time

import pytest

from conftest import SEEDS, is_sanitized, wait_until
from test_postgres_sink import dead_letters, feed


def toml(db, query, memory="256MiB", sink="", name="rows"):
    return f'''
[pipeline]
name = "{name}"
memory = "{memory}"
[sources.in]
type = "file"
path = ["in/*"]
format = "json"
[transforms.items]
type = "sql"
inputs = ["in"]
query = """{query}"""
[sinks.db]
type = "postgres"
inputs = ["items"]
url = "{db.url}"
table = "t"
{sink}
'''


ITEMS = "SELECT id, item.k::integer AS k, n::integer AS n FROM input, unnest(items) WITH ORDINALITY AS t (item, n)"


def adds_up(report, source="in", sink="db"):
    s, k = report["sources"][source], report["sinks"][sink]
    return s["read"] == k["delivered"] + k["filtered"] + k["dead"]


@pytest.mark.sanitize
def test_a_record_with_one_bad_row_is_dead_as_a_whole_and_its_neighbours_arrive(postgres, pipeline):
    postgres.rows("CREATE TABLE t (id integer, k integer CHECK (k <> 13), n integer)")
    p = pipeline(toml(postgres, ITEMS))
    records = [{"id": i, "items": [{"k": 100 + j} for j in range(i % 7)]} for i in range(3000)]
    records[10]["items"] = [{"k": 1}, {"k": "x"}, {"k": "y"}]   # the query: two rows of one record
    records[20]["items"] = [{"k": 1}, {"k": 13}, {"k": 2}]      # the server
    records[30]["items"] = {"not": "an array"}
    feed(p, "a.json", records)
    result = p.run()
    assert result.code == 3, result
    letters = dead_letters(p)
    assert sorted(json.loads(d["payload"])["id"] for d in letters) == [10, 20, 30]
    expected = [(r["id"], item["k"], n + 1) for r in records if r["id"] not in (10, 20, 30) for n, item in enumerate(r["items"])]
    assert postgres.rows("SELECT id, k, n FROM t ORDER BY id, n") == expected
    sink = result.report["sinks"]["db"]
    assert sink["dead"] == 3 and sink["filtered"] == sum(not r["items"] for r in records)
    assert adds_up(result.report)


def test_who_reads_what_is_rejected_gets_a_record_once_however_many_of_its_rows_failed(pipeline):
    p = pipeline("""
[pipeline]
name = "rejected"
[sources.in]
type = "file"
path = ["in/*"]
format = "json"
[transforms.items]
type = "sql"
inputs = ["in"]
query = "SELECT id, item::int AS n FROM input, jsonb_array_elements_text(items) AS item"
[sinks.good]
type = "file"
inputs = ["items"]
path = "good.json"
format = "json"
[sinks.bad]
type = "file"
inputs = ["items.rejected"]
path = "bad.json"
format = "json"
""")
    feed(p, "a.json", [{"id": 1, "items": [1, "x", 2, "y"]}, {"id": 2, "items": [3]}, {"id": 3, "items": "none"}])
    assert p.run().code == 0
    bad = [json.loads(json.loads(line)["payload"])["id"] for line in (p.directory / "bad.json").read_text().splitlines()]
    assert sorted(bad) == [1, 3]
    assert (p.directory / "good.json").read_text() == '{"id":2,"n":3}\n'


@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
def test_a_pipeline_killed_while_it_makes_rows_stores_each_of_them_once(postgres, pipeline, seed):
    postgres.rows("CREATE TABLE t (id integer, k integer, n integer)")
    p = pipeline(toml(postgres, ITEMS, sink="commit_rows = 5000"))
    records = 40_000
    for f in range(4):
        feed(p, f"{f}.json", ['{"id": %d, "items": [%s]}' % (i, ", ".join('{"k": %d}' % k for k in range(i % 20))) for i in range(f * 10_000, (f + 1) * 10_000)])
    chance, killed = random.Random(seed), 0
    for _ in range(3):
        running, before = p.start(), postgres.value("SELECT count(*) FROM t")
        wait_until(lambda: running.process.poll() is not None or postgres.value("SELECT count(*) FROM t") > before, 60)
        time.sleep(chance.random() * 0.03)
        killed += running.kill()
    assert killed, "every run was over before it could be killed: this machine needs more rows"
    assert p.run().code == 0
    rows = sum(i % 20 for i in range(records))
    assert postgres.rows("SELECT count(*), count(DISTINCT (id, k)), count(DISTINCT id) FROM t") == [(rows, rows, records - records // 20)]


def lookup_toml(memory="256MiB", mode="tail"):
    return f'''
[pipeline]
name = "lookup"
memory = "{memory}"
[sources.in]
type = "file"
path = ["in/*"]
format = "json"
mode = "{mode}"
[transforms.named]
type = "sql"
inputs = ["in"]
query = """
SELECT input.id, d.name
FROM input LEFT JOIN lookup('data/devices.csv') d ON d.id = input.id
"""
[sinks.out]
type = "file"
inputs = ["named"]
path = "out.csv"
format = "csv"
'''


def devices(p, text):
    directory = p.directory / "data"
    directory.mkdir(exist_ok=True)
    (directory / "new").write_text(text)
    (directory / "new").rename(directory / "devices.csv")


def append(p, *records):
    (p.directory / "in").mkdir(exist_ok=True)
    with open(p.directory / "in" / "a.json", "a") as f:
        f.writelines(json.dumps(r) + "\n" for r in records)


def written(p):
    out = p.directory / "out.csv"
    return out.read_text().splitlines()[1:] if out.exists() else []


@pytest.mark.sanitize
def test_reference_data_is_read_again_when_it_changes_and_a_bad_version_changes_nothing(pipeline):
    p = pipeline(lookup_toml())
    devices(p, "id,name\n1,old\n2,other\n")
    append(p, {"id": 1})
    running = p.start()
    wait_until(lambda: written(p) == ["1,old"], 30)
    devices(p, "id,name\n1,new\n3,third\n")
    number = 1

    def another_says(name):
        append(p, {"id": 1})
        nonlocal number
        number += 1
        wait_until(lambda: len(written(p)) == number, 30)
        return written(p)[-1] == f"1,{name}"

    wait_until(lambda: another_says("new"), 30)
    devices(p, "id,name\n1,bad\n1,twice\n")
    wait_until(lambda: another_says("new") and "devices.csv" in running.stderr and "line 3" in running.stderr, 30)
    assert another_says("new")
    devices(p, "id,name\n1,good\n")
    wait_until(lambda: another_says("good"), 30)
    assert running.terminate() == 0, running.stderr


@pytest.mark.sanitize
def test_the_queries_of_a_pipeline_share_one_reading_of_a_reference_file(pipeline):
    p = pipeline(lookup_toml().replace('inputs = ["in"]', 'inputs = ["in", "more"]') + '''
[sources.more]
type = "file"
path = ["more/*"]
format = "json"
mode = "tail"
[transforms.by_name]
type = "sql"
inputs = ["in"]
query = "SELECT d.id, input.name FROM input JOIN lookup('data/devices.csv') d ON d.name = input.name"
[sinks.numbers]
type = "file"
inputs = ["by_name"]
path = "numbers.csv"
format = "csv"
''')
    devices(p, "id,name\n1,old\n2,other\n")
    (p.directory / "more").mkdir()
    append(p, {"id": 1, "name": "other"})
    running = p.start()
    numbers = p.directory / "numbers.csv"
    wait_until(lambda: written(p) == ["1,old"] and numbers.exists() and numbers.read_text().splitlines()[1:] == ["2,other"], 30)
    devices(p, "id,name\n1,new\n2,another\n")

    def another_says(expected):
        append(p, {"id": 1, "name": "another"})
        (p.directory / "more" / "b.json").open("a").write('{"id": 2}\n')
        return expected <= set(written(p)) and "2,another" in numbers.read_text().splitlines()

    wait_until(lambda: another_says({"1,new", "2,another"}), 30)
    assert running.terminate() == 0, running.stderr
    assert running.stderr.count("was read again") == 1, running.stderr


def test_a_lookup_that_cannot_be_read_is_a_mistake_in_the_configuration(pipeline):
    p = pipeline(lookup_toml(mode="batch"))
    append(p, {"id": 1})
    result = p.run(verb="check")
    assert result.code == 78 and "devices.csv" in result.stderr and "pipeline.toml:15" in result.stderr, result
    devices(p, "id,name\n1,a\n")
    explained = p.run(verb="explain")
    assert "data/devices.csv (1 rows) by id" in explained.stdout, explained
    assert p.run().code == 0
    assert written(p) == ["1,a"]


def test_a_file_that_becomes_thousands_of_times_its_size_goes_through_in_little_memory(pipeline):
    p = pipeline("""
[pipeline]
name = "much"
memory = "32MiB"
[sources.in]
type = "file"
path = ["in/*"]
format = "json"
[transforms.many]
type = "sql"
inputs = ["in"]
query = "SELECT id, generate_series(1, n::int) AS i, 'a text that makes the row somewhat longer' AS t FROM input"
[sinks.out]
type = "file"
inputs = ["many"]
path = "out.csv"
format = "csv"
""")
    feed(p, "a.json", ['{"id": %d, "n": 5000}' % i for i in range(600)])
    running = p.start()
    most = 0
    while running.process.poll() is None:
        try:
            status = open(f"/proc/{running.process.pid}/status").read()
        except FileNotFoundError:
            break
        peak = [line for line in status.splitlines() if line.startswith("VmHWM")]
        most = max(most, int(peak[0].split()[1]) if peak else 0)
        time.sleep(0.01)
    assert running.wait() == 0, running.stderr
    with open(p.directory / "out.csv") as out:
        lines = sum(1 for _ in out)
    assert lines in (3_000_000, 3_000_001)
    assert most < 128 * 1024 or is_sanitized(), f"{most} KiB"
