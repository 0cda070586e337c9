"""What several sinks of one pipeline can rely on when it is killed: each goes on where it was, wherever the others are."""

import json
import random
import shutil
import sqlite3
import subprocess
import time

import pytest

from conftest import SEEDS, wait_until
from test_engine import conserved, feed, file_sink, files, numbered, table_sink, written

COUNT = 300_000


def everything_once(postgres, table):
    assert postgres.rows(f"SELECT count(*), count(DISTINCT seq), min(seq), max(seq) FROM {table}") == [(COUNT, COUNT, 0, COUNT - 1)]


def four_sinks(postgres, pipeline):
    """Commits of different sizes: at any instant each sink is somewhere else."""
    for name in ("often", "seldom"):
        postgres.rows(f"CREATE TABLE {name} (seq integer, text text)")
    sqlite = '[sinks.lite]\ntype = "sqlite"\ninputs = ["in"]\npath = "lite.db"\ntable = "t"\ncreate = true\ncommit_rows = 30000\n'
    p = pipeline(files(table_sink(postgres, "often", more="commit_rows = 2000") +
                       table_sink(postgres, "seldom", more="commit_rows = 70000") + sqlite + file_sink(),
                       pipeline='workers = 2\nmemory = "64MiB"', source='[sources.in.columns]\nseq = "integer"\ntext = "text"'))
    for i in range(3):
        feed(p, f"{i}.json", numbered(i * COUNT // 3, COUNT // 3))
    return p


def kill_at_random(postgres, p, chance):
    """Each run is killed a random moment after it has committed something more; false when it was over before."""
    before = postgres.value("SELECT count(*) FROM often")
    running = p.start()
    wait_until(lambda: running.process.poll() is not None or postgres.value("SELECT count(*) FROM often") > before, 60)
    if running.process.poll() is None:
        time.sleep(chance.random() * 0.1)
    return running.kill()


@pytest.mark.kills
@pytest.mark.sanitize
@pytest.mark.parametrize("seed", SEEDS)
def test_a_pipeline_killed_at_random_gives_every_sink_every_record(postgres, pipeline, seed):
    p = four_sinks(postgres, pipeline)
    chance = random.Random(seed)
    assert kill_at_random(postgres, p, chance), "the run was over before it could be killed: this machine needs more rows"
    for _ in range(4):
        kill_at_random(postgres, p, chance)
    result = p.run()
    assert result.code == 0, result
    conserved(result.report)
    everything_once(postgres, "often")
    everything_once(postgres, "seldom")
    with sqlite3.connect(p.directory / "lite.db") as lite:
        assert lite.execute("SELECT count(*), count(DISTINCT seq), min(seq), max(seq) FROM t").fetchall() == [(COUNT, COUNT, 0, COUNT - 1)]
    assert {r["seq"] for r in written(p)} == set(range(COUNT)), "at least once, for a file"
    assert p.run().report["sources"]["in"]["read"] == 0


def test_a_file_sink_added_later_starts_where_the_others_are_or_at_the_beginning_with_backfill(postgres, pipeline):
    postgres.rows("CREATE TABLE t (seq integer, text text)")
    p = pipeline(files(table_sink(postgres, "t")))
    feed(p, "a.json", numbered(0, 1000))
    assert p.run().code == 0
    p.write(p.file.read_text() + file_sink("late") + file_sink("filled", more="backfill = true"))
    feed(p, "b.json", numbered(1000, 10))
    result = p.run()
    assert result.code == 0, result
    assert [r["seq"] for r in written(p, "late")] == list(range(1000, 1010))
    assert [r["seq"] for r in written(p, "filled")] == list(range(1010))
    assert postgres.rows("SELECT count(*), count(DISTINCT seq) FROM t") == [(1010, 1010)]
    assert p.run().report["sources"]["in"]["read"] == 0


def test_a_wiped_state_dir_does_not_load_a_database_twice(postgres, pipeline):
    """The positions lie with the rows, but belong to a state_dir that is gone: the run stops and says what to do."""
    postgres.rows("CREATE TABLE t (seq integer, text text)")
    p = pipeline(files(table_sink(postgres, "t")))
    feed(p, "a.json", numbered(0, 1000))
    assert p.run().code == 0
    for file in sorted(p.directory.glob("state/**/*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    result = p.run()
    assert result.code == 1, result
    assert "pipe state adopt" in result.stderr
    assert postgres.value("SELECT count(*) FROM t") == 1000


def test_half_a_record_that_a_kill_left_in_a_file_does_not_spoil_the_next(pipeline):
    p = pipeline(files(file_sink()))
    (p.directory / "out").mkdir()
    (p.directory / "out/out.json").write_text('{"seq": -1}\n{"seq": 0, "te')
    feed(p, "a.json", numbered(0, 10))
    result = p.run()
    assert result.code == 0, result
    assert [r["seq"] for r in written(p)] == list(range(-1, 10))
    assert "half a record" in result.stderr
    assert (p.directory / "out/out.json.torn").read_text() == '{"seq": 0, "te', "it may be somebody else's"


@pytest.mark.parametrize("commits", [0, 1])
@pytest.mark.parametrize("compression, tool", [("zstd", "zstd"), ("gzip", "gzip")])
def test_half_a_frame_that_a_kill_left_in_a_compressed_file_does_not_spoil_the_next(pipeline, compression, tool, commits):
    p = pipeline(files(file_sink(more=f'compression = "{compression}"')))
    out = p.directory / "out/out.json"
    feed(p, "a.json", numbered(0, 10))
    assert p.run().code == 0
    whole = out.read_bytes()
    half = whole[: len(whole) // 2]
    out.write_bytes(commits * whole + half)
    feed(p, "b.json", numbered(10, 10))
    result = p.run()
    assert result.code == 0, result
    assert "half a record" in result.stderr
    text = subprocess.run([tool, "-dc"], stdin=out.open(), capture_output=True, check=True, text=True).stdout
    assert [json.loads(line)["seq"] for line in text.splitlines()] == list(range(0 if commits else 10, 20))
    assert (p.directory / "out/out.json.torn").read_bytes() == half


@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_file_is_whole_and_misses_nothing_after_kill_9(pipeline, seed, compression):
    """At least once: rows may come twice, none is torn, none is missing."""
    chance, killed, records, runs = random.Random(seed), 0, 60_000, 0
    p = pipeline(files(file_sink(more=f'compression = "{compression}"\ncommit_rows = 500')))
    feed(p, "a.json", numbered(0, records, "x" * 2000))
    out = p.directory / "out/out.json"
    while runs < 3 or not killed:
        before = out.stat().st_size if out.exists() else 0
        running = p.start()
        wait_until(lambda: running.process.poll() is not None or (out.exists() and out.stat().st_size > before))
        time.sleep(chance.uniform(0, 0.03))
        killed += running.kill()
        runs += 1
        assert runs < 20, "every run was over before it could be killed: this machine needs more rows"
        if not killed:  # it was done before this process had its turn: from the beginning
            shutil.rmtree(p.directory / "state", ignore_errors=True)
            out.unlink(missing_ok=True)
    assert p.run().code == 0
    text = subprocess.run(["zstd", "-dc"], stdin=out.open(), capture_output=True, check=True).stdout if compression == "zstd" else out.read_bytes()
    assert {json.loads(line)["seq"] for line in text.splitlines()} == set(range(records))


def test_a_raw_file_is_only_ever_appended_to(pipeline):
    p = pipeline(files(file_sink(inputs='["payload"]', more='format = "raw"'),
                       middle='[transforms.payload]\ntype = "sql"\ninputs = ["in"]\nquery = "SELECT text FROM input"'))
    (p.directory / "out").mkdir()
    (p.directory / "out/out.json").write_text("no newline")
    feed(p, "a.json", numbered(0, 2, "x"))
    assert p.run().code == 0
    assert (p.directory / "out/out.json").read_text() == "no newlinexx"
