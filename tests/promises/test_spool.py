"""ack = "spooled": what was acknowledged is on disk, and arrives once, whatever happens to the process, to a sink or to the disk."""

import json
import random
import subprocess
import time

import pytest

from conftest import SEEDS
from disks import small_disk  # noqa: F401
from spool_rig import ARCHIVE, Fed, ask, grow, line, metric, run_to_the_end, spool_files, spooled, wait_until, warehouse


def table(postgres):
    postgres.rows("CREATE TABLE t (k bigint)")


def archived(p):
    path = p.directory / "archive.ndjson"
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.sanitize
@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_acknowledged_before_a_kill_is_in_the_database_once(pipeline, postgres, seed):
    table(postgres)
    p = spooled(pipeline, warehouse(postgres, "commit_rows = 2000"), 'segment_size = "1MiB"')
    chance = random.Random(seed)
    first, promised = 0, []
    for _ in range(4):
        running = Fed(p, first)
        wait_until(running.acknowledged, what="an acknowledgement")
        time.sleep(chance.random() * 0.1)
        promised.append((first, running.acknowledged()))
        assert running.kill()
        running.end_quietly()
        first += 10_000_000  # never sent twice
    run_to_the_end(p)
    assert postgres.value("SELECT count(*) - count(DISTINCT k) FROM t") == 0
    for start, count in promised:
        assert count > 0
        assert postgres.value("SELECT count(*) FROM t WHERE k >= %s AND k < %s", start, start + count) == count


def test_a_sink_that_is_down_holds_up_no_other_and_gets_everything_later(pipeline, postgres):
    table(postgres)
    p = spooled(pipeline, ARCHIVE + warehouse(postgres), 'segment_size = "1MiB"', memory="16MiB")
    count = 300_000  # 40 MB: more than the memory
    running = Fed(p, 0, most=count)
    wait_until(lambda: postgres.value("SELECT count(*) FROM t") > 0, what="the first rows")
    postgres.forget_connection()
    postgres.server.stop()
    try:
        wait_until(lambda: archived(p) == count, what="the archive")
        running.end()
        assert running.process.poll() is None
        assert metric(p, "pipe_spool_records", source="in") > 0
        assert metric(p, "pipe_in_flight_records", sink="warehouse") > 0
        assert metric(p, "pipe_source_oldest_unacked_timestamp_seconds", source="in") > time.time() - 600
        assert metric(p, "pipe_memory_used_bytes") < 16 << 20
    finally:
        postgres.server.start()
    assert running.wait() == 0, running.stderr
    assert postgres.rows("SELECT count(*), count(DISTINCT k) FROM t") == [(count, count)]
    assert archived(p) == count
    assert len(spool_files(p)) <= 2  # what all have had is gone


def command(p, action, *arguments):
    return subprocess.run([str(p.program), "spool", action, str(p.file), *arguments], cwd=p.directory, capture_output=True, text=True, timeout=60)


def leave_in_the_spool(p, postgres, count, pad=100):
    """Takes `count` records in while the database is down, and drains."""
    postgres.forget_connection()
    postgres.server.stop()
    try:
        running = Fed(p, 0, pad, most=count)
        wait_until(lambda: running.acknowledged() == count, what="the spool")
        assert running.terminate(30) == 75, running.stderr  # the input had not ended; a sink that is down is not waited for
        running.end_quietly()
        return running
    finally:
        postgres.server.start()


@pytest.mark.sanitize
def test_a_drain_leaves_the_rest_in_the_spool_and_the_next_run_delivers_it_once(pipeline, postgres):
    table(postgres)
    p = spooled(pipeline, ARCHIVE + warehouse(postgres))
    leave_in_the_spool(p, postgres, 5000)
    report = p.run(timeout=60)
    assert report.code == 0, report
    assert postgres.rows("SELECT count(*), count(DISTINCT k) FROM t") == [(5000, 5000)]
    assert archived(p) == 5000
    source, sinks = report.report["sources"]["in"], report.report["sinks"]
    for sink in sinks.values():  # conservation
        assert source["read"] == sink["delivered"] + sink["filtered"] + sink["dead"] + sink["skipped"] + sink["in_flight"]
        assert sink["in_flight"] == 0
    assert sinks["warehouse"]["delivered"] == 5000


def test_a_full_spool_makes_the_source_wait_and_drops_nothing(pipeline, postgres):
    table(postgres)
    p = spooled(pipeline, warehouse(postgres), 'max_size = "2MiB"', memory="16MiB")
    count = 200_000  # 26 MB
    postgres.forget_connection()
    postgres.server.stop()
    try:
        running = Fed(p, 0, most=count)
        wait_until(lambda: "spool.max_size" in running.stderr, what="the full spool")
        seen = [-2, -1]  # what was on its way when it became full may still go in; then it waits

        def it_waits():
            seen.append(running.acknowledged())
            time.sleep(0.2)
            return seen[-1] == seen[-2] == seen[-3]

        wait_until(it_waits)
        assert 0 < seen[-1] < count
        assert metric(p, "pipe_spool_bytes") <= 2 << 20
    finally:
        postgres.server.start()
    wait_until(lambda: running.acknowledged() == count, 60, "the rest")
    running.end()
    assert running.wait() == 0, running.stderr
    assert postgres.rows("SELECT count(*), count(DISTINCT k) FROM t") == [(count, count)]


def test_a_full_disk_is_waited_for_and_nothing_is_acknowledged_meanwhile(pipeline, postgres, small_disk):  # noqa: F811
    table(postgres)
    p = spooled(pipeline, warehouse(postgres), 'segment_size = "1MiB"', memory="16MiB", name="small_state")
    (p.directory / "state").symlink_to(small_disk)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (5 << 20))
    count = 60_000  # 8 MB, where 3 MiB are free
    postgres.forget_connection()
    postgres.server.stop()
    try:
        running = Fed(p, 0, most=count)
        wait_until(lambda: "No space left" in running.stderr, what="the full disk")
        assert running.acknowledged() < count
    finally:
        postgres.server.start()
    wait_until(lambda: running.acknowledged() == count, 60, "room, when the database has taken what was there")
    running.end()
    assert running.wait() == 0, running.stderr
    assert postgres.rows("SELECT count(*), count(DISTINCT k) FROM t") == [(count, count)]


def flip(path, offset):
    with open(path, "r+b") as f:
        f.seek(offset)
        byte = f.read(1)
        f.seek(offset)
        f.write(bytes([byte[0] ^ 4]))


def test_a_damaged_record_is_one_dead_letter_and_the_others_arrive(pipeline, postgres):
    table(postgres)
    p = spooled(pipeline, warehouse(postgres))
    leave_in_the_spool(p, postgres, 1000)
    segment = spool_files(p)[0]
    flip(segment, segment.read_bytes().index(line(500)[:10]) + 20)
    checked = command(p, "check")
    assert checked.returncode == 1 and "999 records are good, 1 are damaged" in checked.stdout, checked
    for _ in range(2):  # it is told once, and never again
        report = p.run(timeout=60)
        assert postgres.rows("SELECT count(*), count(DISTINCT k) FROM t WHERE k <> 500") == [(999, 999)]
    letters = [json.loads(entry) for entry in (p.directory / "state/spooled/dead-letters.ndjson").read_text().splitlines()]
    assert len(letters) == 1 and "damaged" in letters[0]["reason"] and letters[0]["source"] == "in"
    assert len(list((segment.parent / "quarantine").iterdir())) == 1
    assert report.code == 0, report


def test_a_segment_of_rubbish_is_lost_and_counted_and_the_rest_arrives(pipeline, postgres):
    table(postgres)
    p = spooled(pipeline, warehouse(postgres), 'segment_size = "64KiB"')
    leave_in_the_spool(p, postgres, 5000)
    segments = spool_files(p)
    lost = int(segments[2].name) - int(segments[1].name)
    segments[1].write_bytes(random.Random(1).randbytes(segments[1].stat().st_size))
    report = p.run(timeout=60)
    assert report.code == 3, report
    sink = report.report["sinks"]["warehouse"]
    assert (sink["delivered"], sink["dead"], sink["in_flight"]) == (5000 - lost, lost, 0)
    assert postgres.value("SELECT count(*) FROM t") == 5000 - lost


def test_the_time_a_record_came_and_the_head_of_its_file_are_kept(pipeline, postgres):
    p = pipeline(f"""
[pipeline]
name = "spooled"
[sources.in]
type = "stdin"
format = "csv"
ack = "spooled"
[transforms.t]
type = "sql"
inputs = ["in"]
query = "SELECT k::bigint AS k, v, now() AS came, meta.timestamp = now() AS same FROM input"
[sinks.warehouse]
type = "postgres"
inputs = ["t"]
url = "{postgres.url}"
table = "t"
create = true
""")
    postgres.forget_connection()
    postgres.server.stop()
    try:
        process = subprocess.Popen(p.command("run"), cwd=p.directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(b"v,k\nlate,1\n")
        process.stdin.flush()
        wait_until(lambda: metric(p, "pipe_spooled_records_total") == 1)
        before = time.time()
        process.stdin.write(b"later,2\n")
        process.stdin.flush()
        wait_until(lambda: metric(p, "pipe_spooled_records_total") == 2)
        after = time.time()
        process.kill()
        process.communicate()
    finally:
        postgres.server.start()
    run_to_the_end(p)
    rows = postgres.rows("SELECT k, v, extract(epoch FROM came)::float8, same FROM t ORDER BY k")
    assert [(k, v, same) for k, v, _, same in rows] == [(1, "late", True), (2, "later", True)]
    assert before - 0.001 <= rows[1][2] <= after + 0.001


def test_a_large_spool_opens_fast_and_in_little_memory(pipeline, postgres):
    """1 GB: made of one segment's records, numbered on. Only the last segment is looked through."""
    table(postgres)
    p = spooled(pipeline, ARCHIVE + warehouse(postgres), 'max_size = "4GiB"', memory="16MiB")
    leave_in_the_spool(p, postgres, 20_000, pad=1000)
    made = grow(spool_files(p)[0], 1 << 30)
    started = time.monotonic()
    running = Fed(p, 0, most=1)
    wait_until(running.acknowledged, what="the first acknowledgement")
    took = time.monotonic() - started
    assert f"records 0 to {made + 1}" in ask(p, "spool")
    peak = int(next(entry.split()[1] for entry in open(f"/proc/{running.process.pid}/status") if entry.startswith("VmHWM"))) << 10
    running.kill()
    running.end_quietly()
    assert took < 10, took  # 0.1 s where nothing else runs; reading it all would take many times as long
    assert peak < 200 << 20


@pytest.mark.sanitize
def test_a_sink_is_set_back_and_gets_the_records_again(pipeline):
    p = spooled(pipeline, ARCHIVE)
    running = Fed(p, 0, most=1000)
    wait_until(lambda: "at 1000, 0 to go" in command(p, "ls").stdout, what="the archive")
    assert archived(p) == 1000
    shown = command(p, "ls")
    assert shown.returncode == 0 and "records 0 to 1000" in shown.stdout, shown
    assert command(p, "replay").returncode == 1  # not while it runs
    running.end()
    assert running.wait() == 0, running.stderr
    assert "at 1000, 0 to go" in command(p, "ls").stdout
    assert command(p, "replay", "--sink", "archive", "--from", "1001").returncode == 1
    back = command(p, "replay", "--sink", "archive", "--from", "900")
    assert back.returncode == 0 and "records 900 to 1000" in back.stderr, back
    assert "at 900, 100 to go" in command(p, "ls").stdout
    run_to_the_end(p)
    again = [json.loads(entry)["k"] for entry in (p.directory / "archive.ndjson").read_text().splitlines()]
    assert again == list(range(1000)) + list(range(900, 1000))
    assert command(p, "replay", "--time", "2100-01-01T00:00:00Z").returncode == 0
    run_to_the_end(p)
    assert archived(p) == 1100


def test_explain_says_what_a_spool_promises(pipeline, postgres):
    p = spooled(pipeline, ARCHIVE + warehouse(postgres))
    said = subprocess.run([str(p.program), "explain", str(p.file)], cwd=p.directory, capture_output=True, text=True).stdout
    assert "exactly once from the spool on" in said and "put into the spool" in said
