"""What a user can rely on from the engine itself, whatever the components: order, counts, memory, ends, rejections."""

import fcntl
import json
import os
import signal
import time

import pytest

from conftest import is_sanitized, wait_until
from disks import fill, small_disk  # noqa: F401


def files(sinks, source="", middle="", dead="", pipeline=""):
    return f"""
[pipeline]
name = "promises"
{pipeline}
[sources.in]
type = "file"
path = ["in/*"]
{source}
{middle}
{sinks}
{dead}
"""


def file_sink(name="out", inputs='["in"]', more=""):
    return f'[sinks.{name}]\ntype = "file"\ninputs = {inputs}\npath = "out/{name}.json"\n{more}\n'


def table_sink(postgres, name, inputs='["in"]', more=""):
    return f'[sinks.{name}]\ntype = "postgres"\ninputs = {inputs}\nurl = "{postgres.url}"\ntable = "{name}"\n{more}\n'


def feed(p, name, lines):
    """Puts a whole file into place, as a program that is done with it does."""
    directory = p.directory / "in"
    directory.mkdir(exist_ok=True)
    data = lines if isinstance(lines, bytes) else "".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines).encode()
    (p.directory / "half").write_bytes(data)
    (p.directory / "half").rename(directory / name)


def numbered(first, count, filler="some text of a length that is usual"):
    return ['{"seq": %d, "text": "%s"}' % (i, filler) for i in range(first, first + count)]


def written(p, name="out"):
    file = p.directory / "out" / f"{name}.json"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def dead_letters(p):
    found = list(p.directory.glob("state/**/dead-letters.ndjson"))
    return [json.loads(line) for f in found for line in f.read_text().splitlines()]


def conserved(report, source="in"):
    """read = delivered + filtered + dead (+ what a sink had before), for every sink; the one equation that must always hold."""
    read = report["sources"][source]["read"]
    for name, sink in report["sinks"].items():
        parts = sink["delivered"] + sink["filtered"] + sink["dead"] + sink["skipped"] + sink["in_flight"]
        assert parts == read, f"{name}: {sink} of {read} read"
    return report


# ---- order and counts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [2, 8])
def test_records_arrive_in_the_order_of_the_source_whatever_the_number_of_workers(pipeline, workers):
    p = pipeline(files(file_sink(inputs='["even"]'), pipeline=f"workers = {workers}",
                       middle='[transforms.even]\ntype = "sql"\ninputs = ["in"]\nquery = "SELECT seq FROM input WHERE seq % 2 = 0"'))
    count = 300_000
    for i in range(3):
        feed(p, f"{i}.json", numbered(i * count // 3, count // 3))
    result = p.run()
    assert result.code == 0, result
    assert [r["seq"] for r in written(p)] == list(range(0, count, 2))


@pytest.mark.sanitize
def test_every_record_is_delivered_filtered_or_dead_for_every_sink(pipeline):
    """A malformed line, a cast that fails and a record that nobody wants, counted for sinks at different depths."""
    p = pipeline(files(
        file_sink("all") + file_sink("inverse", '["warm"]') + file_sink("both", '["warm", "level.hot"]'),
        middle='[transforms.warm]\ntype = "sql"\ninputs = ["in"]\nquery = "SELECT n, 100 / n AS x FROM input WHERE n >= 0"\n'
               '[transforms.level]\ntype = "route"\ninputs = ["warm"]\nwhen.hot = "n > 9000"\n'))
    feed(p, "a.json", [{"n": i} for i in range(-1000, 10_000)] + ["malformed", '{"n": "text"}'])
    result = p.run()
    assert result.code == 3, result
    sinks = conserved(result.report)["sinks"]
    assert result.report["sources"]["in"]["read"] == 11_002
    assert (sinks["all"]["delivered"], sinks["all"]["dead"]) == (11_001, 1)
    assert (sinks["inverse"]["delivered"], sinks["inverse"]["filtered"], sinks["inverse"]["dead"]) == (9_999, 1_000, 3)
    assert (sinks["both"]["delivered"], sinks["both"]["filtered"], sinks["both"]["dead"]) == (9_999, 1_000, 3)
    assert len(written(p, "all")) == 11_001
    assert len(written(p, "inverse")) == 9_999
    assert len(written(p, "both")) == 9_999 + 999
    assert {(d["component"], d["payload"]) for d in dead_letters(p)} == {
        ("in", "malformed"), ("warm", '{"n": 0}'), ("warm", '{"n": "text"}')}


def test_what_a_sink_has_already_counts_as_skipped_when_another_is_behind(postgres, pipeline):
    postgres.rows("CREATE TABLE t (seq integer)")
    p = pipeline(files(table_sink(postgres, "t")))
    feed(p, "a.json", [{"seq": i} for i in range(1000)])
    assert p.run().code == 0
    p.write(p.file.read_text() + file_sink("late", more="backfill = true"))
    result = p.run()
    assert result.code == 0, result
    sinks = conserved(result.report)["sinks"]
    assert (sinks["t"]["skipped"], sinks["t"]["delivered"]) == (1000, 0)
    assert (sinks["late"]["skipped"], sinks["late"]["delivered"]) == (0, 1000)
    assert postgres.value("SELECT count(*) FROM t") == 1000


# ---- rejections and routes ----------------------------------------------------------------------------------------------


def test_what_a_component_rejects_goes_to_the_sink_that_asks_for_it(pipeline):
    p = pipeline(files(
        file_sink("good", '["inverse"]') + file_sink("unread", '["in.rejected"]') + file_sink("failed", '["inverse.rejected"]') +
        file_sink("everything", '["inverse", "inverse.rejected", "in.rejected"]'),
        middle='[transforms.inverse]\ntype = "sql"\ninputs = ["in"]\nquery = "SELECT 10 / n AS x FROM input"\n'))
    feed(p, "a.json", [{"n": 5}, "malformed", {"n": 0}, {"n": 2}])
    result = p.run()
    assert result.code == 0, result
    assert [r["x"] for r in written(p, "good")] == [2, 5]
    assert [(r["component"], r["payload"]) for r in written(p, "unread")] == [("in", "malformed")]
    (failed,) = written(p, "failed")
    assert (failed["component"], failed["payload"], failed["sqlstate"]) == ("inverse", '{"n": 0}', "22012")
    assert [r.get("x", r.get("component")) for r in written(p, "everything")] in ([2, 5, "inverse", "in"], [2, "inverse", 5, "in"])
    assert dead_letters(p) == []
    conserved(result.report)


@pytest.mark.sanitize
def test_what_a_sinks_server_refuses_goes_to_the_sink_that_asks_for_it(postgres, pipeline):
    postgres.rows("CREATE TABLE strict (seq integer CHECK (seq <> 3), text text NOT NULL)")
    postgres.rows("CREATE TABLE lenient (seq integer CHECK (seq <> 4), text text)")
    p = pipeline(files(table_sink(postgres, "strict") + table_sink(postgres, "lenient") + file_sink("refused", '["strict.rejected"]')))
    feed(p, "a.json", [*numbered(0, 5, "x"), {"seq": 5, "text": None}, {"seq": "many", "text": "x"}])
    result = p.run()
    assert result.code == 3, result
    assert postgres.rows("SELECT seq FROM strict ORDER BY seq") == [(0,), (1,), (2,), (4,)]
    refused = {json.loads(letter["payload"])["seq"]: letter for letter in written(p, "refused")}
    assert refused.keys() == {3, 5, "many"}
    assert refused[3]["component"] == "strict" and refused[3]["sqlstate"] == "23514"
    assert sorted(str(json.loads(letter["payload"])["seq"]) for letter in dead_letters(p)) == ["4", "many"], "what nobody asks for"
    assert result.report["sinks"]["strict"]["dead"] == 3
    conserved(result.report)
    again = p.run()
    assert again.code == 0 and len(written(p, "refused")) == 3


def test_when_all_that_sinks_reject_is_read_the_run_is_complete(postgres, pipeline):
    postgres.rows("CREATE TABLE strict (seq integer CHECK (seq <> 3), text text)")
    p = pipeline(files(table_sink(postgres, "strict") + file_sink("refused", '["strict.rejected"]'), dead="[dead_letter]\nmax_records = 0\n"))
    feed(p, "a.json", numbered(0, 5))
    result = p.run()
    assert result.code == 0, result
    assert [letter["component"] for letter in written(p, "refused")] == ["strict"]
    assert dead_letters(p) == []


@pytest.mark.parametrize("form, data", [("json", '{"temp": 1, "device": "a"}\n{"temp": 2, "device": null}\n'), ("csv", "temp,device\n1,a\n2,b\n")])
def test_a_member_that_no_event_had_is_told_with_the_nearest_that_was_there(pipeline, form, data):
    p = pipeline(files(file_sink(inputs='["q"]'), source=f'format = "{form}"',
                       middle='[transforms.q]\ntype = "sql"\ninputs = ["in"]\nquery = "SELECT tmep, device FROM input"\n'))
    feed(p, "a", data.encode())
    result = p.run()
    assert result.code == 0, result
    assert 'no event of in had "tmep", which is NULL then: did you mean "temp"?' in result.stderr
    assert '"device"' not in result.stderr


def test_route_sends_an_event_to_every_output_whose_condition_holds_and_the_others_to_else(pipeline):
    p = pipeline(files(
        file_sink("big", '["size.big"]') + file_sink("even", '["size.even"]') + file_sink("rest", '["size.else"]'),
        middle='[transforms.size]\ntype = "route"\ninputs = ["in"]\nwhen.big = "n > 6"\nwhen.even = "n % 2 = 0"\n'))
    feed(p, "a.json", [{"n": i} for i in range(10)] + [{"n": None}])
    result = p.run()
    assert result.code == 0, result
    assert [r["n"] for r in written(p, "big")] == [7, 8, 9]
    assert [r["n"] for r in written(p, "even")] == [0, 2, 4, 6, 8]
    assert [r["n"] for r in written(p, "rest")] == [1, 3, 5, None]
    conserved(result.report)


def test_first_makes_the_outputs_of_a_route_exclusive(pipeline):
    p = pipeline(files(
        file_sink("big", '["size.big"]') + file_sink("even", '["size.even"]'),
        middle='[transforms.size]\ntype = "route"\ninputs = ["in"]\nfirst = ["even", "big"]\nwhen.big = "n > 6"\nwhen.even = "n % 2 = 0"\n'))
    feed(p, "a.json", [{"n": i} for i in range(10)])
    assert p.run().code == 0
    assert [r["n"] for r in written(p, "big")] == [7, 9]
    assert [r["n"] for r in written(p, "even")] == [0, 2, 4, 6, 8]


DEEP = 200
BAD_JSON = {
    "longer than max_record": b'{"k": "' + b"x" * 5000 + b'"}',
    "invalid UTF-8": b'{"k": "\xff"}',
    "a NUL byte": b'{"k": "a\0b"}',
    "nested too deep": b'{"k": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "malformed": b'{"k": 1',
    "something behind the end": b'{"k": 1} x',
    "a bad escape": b'{"k": "\\q"}',
}


@pytest.mark.sanitize
def test_a_bad_json_record_is_rejected_alone_with_its_place(pipeline):
    p = pipeline(files(file_sink(), 'max_record = "4KiB"'))
    lines, at, offsets = [], 0, {}
    for i, (what, bad) in enumerate(BAD_JSON.items()):
        lines += [b'{"k": %d}' % i, bad]
        offsets[what] = at + len(lines[-2]) + 1
        at = offsets[what] + len(bad) + 1
    feed(p, "a.json", b"\n".join(lines + [b'{"k": "last"}']) + b"\n")
    result = p.run()
    assert result.code == 3, result
    assert [r["k"] for r in written(p)] == [*range(len(BAD_JSON)), "last"]
    letters = dead_letters(p)
    assert [d["meta"]["offset"] for d in letters] == list(offsets.values())
    for i, ((what, bad), d) in enumerate(zip(BAD_JSON.items(), letters)):
        assert d["position"].startswith(f"in/a.json:{2 * i + 2} byte "), d
        byte = int(d["position"].split()[-1])
        assert offsets[what] <= byte <= offsets[what] + len(bad), d
        assert d["reason"], what
        assert (d["payload"] is None) == (what in ("invalid UTF-8", "a NUL byte")), what
    conserved(result.report)


@pytest.mark.sanitize
def test_a_bad_csv_row_is_rejected_alone_with_its_place(pipeline):
    bad = [b"1", b"1,2,3", b"1,\xff", b"1,a\0b", b"1," + b"x" * 5000, b"1,2"]
    p = pipeline(files(file_sink(), 'format = "csv"\nmax_record = "4KiB"\n[sources.in.columns]\na = "smallint"\nb = "text"'))
    text, offsets = b"a,b\n", []
    bad[-1] = b"70000,b"
    for i, row in enumerate(bad):
        text += b"%d,good\n" % i
        offsets.append(len(text))
        text += row + b"\n"
    feed(p, "a.csv", text + b'9,"a quoted\nnewline"\n')
    result = p.run()
    assert result.code == 3, result
    assert [(r["a"], r["b"]) for r in written(p)] == [(i, "good") for i in range(len(bad))] + [(9, "a quoted\nnewline")]
    assert [d["meta"]["offset"] for d in dead_letters(p)] == offsets
    assert [d["meta"]["line"] for d in dead_letters(p)] == [3 + 2 * i for i in range(len(bad))]


# ---- dead letters and exit codes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dead, bad, code", [
    ("", 0, 0),
    ("", 3, 3),
    ("exit = 0", 3, 0),
    ("exit = 9", 3, 9),
    ("max_records = 3", 3, 3),
    ("max_records = 2", 3, 1),
    ("max_ratio = 0.1", 100, 3),
    ("max_ratio = 0.01", 100, 1),
])
def test_dead_letters_decide_the_exit_code_and_may_be_too_many(pipeline, dead, bad, code):
    p = pipeline(files(file_sink(), dead=f"[dead_letter]\n{dead}"))
    feed(p, "a.json", numbered(0, 2000) + ["bad"] * bad)
    result = p.run()
    assert result.code == code, result
    assert result.report["exit_code"] == code
    if code == 1:
        assert dead.split()[0] in result.stderr
        assert result.report["outcome"] == "failed"


def test_records_that_were_dead_do_not_come_again(pipeline):
    p = pipeline(files(file_sink()))
    feed(p, "a.json", [{"n": 1}, "bad"])
    assert p.run().code == 3
    assert p.run().code == 0
    assert len(dead_letters(p)) == 1


def test_a_bad_configuration_is_78_and_shows_the_line_with_a_caret(pipeline):
    p = pipeline(files(file_sink(), 'formt = "csv"'))
    feed(p, "a.json", numbered(0, 1))
    result = p.run()
    assert result.code == 78
    number = p.file.read_text().splitlines().index('formt = "csv"') + 1
    assert f'pipeline.toml:{number}:1: unknown option "formt" in sources.in' in result.stderr
    assert "\n    formt" in result.stderr and "\n    ^^^^^\n" in result.stderr
    assert 'did you mean "format"?' in result.stderr
    assert sorted(f.name for f in p.directory.iterdir()) == ["in", "pipeline.toml"]


@pytest.mark.parametrize("path, words", [("/dev/full", "No space left"), ("/proc/nowhere/out.json", "/proc/nowhere")])
def test_a_sink_that_cannot_write_is_named_and_the_next_run_delivers_everything(pipeline, path, words):
    p = pipeline(files(file_sink(more='retry.for = "200ms"')))
    feed(p, "a.json", numbered(0, 1000))
    result = p.run("--set", f"sinks.out.path={path}", timeout=30)
    assert result.code == 1, result
    assert words in result.stderr and "out: " in result.stderr
    result = p.run()
    assert result.code == 0, result
    assert [r["seq"] for r in written(p)] == list(range(1000))


def test_positions_that_cannot_be_written_deliver_nothing_twice(pipeline, small_disk):  # noqa: F811
    """The disk of state_dir is full, that of the data is not."""
    p = pipeline(files(file_sink(more='retry.first = "10ms"\nretry.max = "10ms"'), 'mode = "watch"\nsettle = "0s"'))
    (p.directory / "state").symlink_to(small_disk)
    feed(p, "0.json", numbered(0, 10))
    running = p.start()
    wait_until(lambda: len(written(p)) == 10)
    filler = fill(small_disk)
    for i in range(1, 100):
        feed(p, f"{i}.json", numbered(i * 10, 10))
    wait_until(lambda: "positions: No space left" in running.stderr)
    time.sleep(0.2)
    filler.unlink()
    wait_until(lambda: len(written(p)) >= 1000)
    assert running.terminate() == 0, running.stderr
    assert [r["seq"] for r in sorted(written(p), key=lambda r: r["seq"])] == list(range(1000))
    assert p.run("--once").report["sources"]["in"]["read"] == 0


@pytest.mark.parametrize("harm", [lambda out: out.unlink(), lambda out: os.truncate(out, 0)], ids=["deleted", "cut"])
def test_a_file_that_is_deleted_or_cut_while_it_is_written_swallows_nothing(pipeline, harm):
    p = pipeline(files(file_sink(more='retry.first = "10ms"'), 'mode = "watch"\nsettle = "0s"'))
    letters = p.directory / "state/promises/dead-letters.ndjson"
    running = p.start()
    feed(p, "a.json", numbered(0, 10) + ["bad"])
    wait_until(lambda: len(written(p)) == 10 and letters.exists() and dead_letters(p))
    for file in (p.directory / "out/out.json", letters):
        harm(file)
    feed(p, "b.json", numbered(10, 10) + ["bad, too"])
    wait_until(lambda: {r["seq"] for r in written(p)} >= set(range(10, 20)) and "bad, too" in {letter["payload"] for letter in dead_letters(p)})
    assert running.terminate() == 3, running.stderr  # the first ones may be there again: what is seen need not be committed


@pytest.mark.parametrize("damage", [lambda f: f.unlink(), lambda f: os.truncate(f, 0), lambda f: f.write_bytes(bytes(f.stat().st_size))],
                         ids=["gone", "empty", "zeros"])
def test_a_sink_whose_position_is_lost_is_not_taken_for_a_new_one(pipeline, damage):
    """A new one would start where the others are."""
    lite = '[sinks.lite]\ntype = "sqlite"\ninputs = ["in"]\npath = "lite.db"\ntable = "t"\ncreate = true\n'
    p = pipeline(files(file_sink() + lite, source='[sources.in.columns]\nseq = "integer"\ntext = "text"'))
    feed(p, "a.json", numbered(0, 10))
    assert p.run().code == 0
    (p.directory / "out/out.json").write_text("")
    damage(p.directory / "state/promises/positions")
    result = p.run()
    assert result.code == 0, result
    assert "positions is damaged" in result.stderr
    assert [r["seq"] for r in written(p)] == list(range(10))
    assert "damaged" not in p.run().stderr
    assert len(written(p)) == 10


# ---- the command line of a run ----------------------------------------------------------------------------------------


def test_preview_shows_the_rows_and_writes_nothing(postgres, pipeline):
    postgres.rows("CREATE TABLE t (seq integer, text text)")
    p = pipeline(files(file_sink() + table_sink(postgres, "t")))
    feed(p, "a.json", numbered(0, 5000) + ["bad"])
    result = p.run("--preview", "3")
    assert result.code == 0, result
    for sink in ("out", "t"):
        shown = [line for line in result.stdout.splitlines() if line.split()[0] == sink]
        assert len(shown) == 3
        assert '"seq":' in shown[0].replace(" ", "")[:20]
    assert not (p.directory / "out").exists() and not (p.directory / "state").exists()
    assert postgres.value("SELECT count(*) FROM t") == 0
    assert postgres.value("SELECT to_regclass('pipe_positions')") is None
    assert p.run().code == 3
    assert postgres.value("SELECT count(*) FROM t") == len(written(p)) == 5000


def test_set_and_env_file_change_what_runs(pipeline):
    p = pipeline(files(file_sink(inputs='["some"]'), middle='[transforms.some]\ntype = "sql"\ninputs = ["in"]\n'
                       'query = "SELECT seq FROM input WHERE seq < ${LIMIT_OF_THIS_TEST}"'))
    (p.directory / "environment").write_text("LIMIT_OF_THIS_TEST=7\n")
    feed(p, "a.json", numbered(0, 100))
    assert p.run().code == 78
    result = p.run("--env-file", str(p.directory / "environment"), "--set", "sinks.out.path=elsewhere.json")
    assert result.code == 0, result
    assert len((p.directory / "elsewhere.json").read_text().splitlines()) == 7
    assert not (p.directory / "out").exists()


# ---- ends ----------------------------------------------------------------------------------------------------------------


@pytest.mark.sanitize
def test_sigterm_drains_a_stream_everything_read_is_delivered_and_the_exit_code_is_0(pipeline):
    p = pipeline('[pipeline]\nname = "stream"\n[sources.in]\ntype = "generate"\n' + file_sink())
    running = p.start()
    wait_until(lambda: (p.directory / "out/out.json").exists() and (p.directory / "out/out.json").stat().st_size > 1 << 20)
    assert running.terminate() == 0, running.stderr
    report = json.loads(p.report.read_text())
    assert report["outcome"] == "complete"
    assert [r["seq"] for r in written(p)] == list(range(report["sources"]["in"]["read"]))
    conserved(report)


def test_a_stream_that_is_stopped_while_it_starts_has_nothing_to_drain_and_sighup_does_not_stop_it(pipeline, tmp_path):
    """A sink that opens slowly: its file is a pipe that nobody reads yet."""
    os.mkfifo(tmp_path / "fifo")
    sink = f'[sinks.out]\ntype = "file"\ninputs = ["in"]\npath = "{tmp_path}/fifo"\n'
    p = pipeline('[pipeline]\nname = "stream"\n[sources.in]\ntype = "generate"\n' + sink)
    running = p.start()
    wait_until((p.directory / "state/stream/id").exists)
    running.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "SIGHUP" in running.stderr)
    running.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    with open(tmp_path / "fifo"):
        assert running.wait(10) == 0, running.stderr


def test_sigterm_in_a_batch_is_75_and_the_next_run_completes_it(pipeline):
    count = 400_000
    p = pipeline(files(file_sink()))
    feed(p, "a.json", numbered(0, count))
    running = p.start()
    wait_until(lambda: (p.directory / "out/out.json").exists() and (p.directory / "out/out.json").stat().st_size > 0)
    assert running.terminate() == 75, running.stderr
    first = conserved(json.loads(p.report.read_text()))
    assert first["outcome"] == "stopped"
    assert len(written(p)) == first["sources"]["in"]["read"] < count
    result = p.run()
    assert result.code == 0, result
    assert [r["seq"] for r in written(p)] == list(range(count))


@pytest.mark.sanitize
def test_a_second_sigterm_stops_even_where_nobody_reads_standard_output(pipeline):
    p = pipeline(files('[sinks.out]\ntype = "stdout"\ninputs = ["in"]\n'))
    feed(p, "a.json", numbered(0, 100_000))
    running = p.start()
    os.set_blocking(running.process.stdout.fileno(), False)
    wait_until(lambda: running.process.stdout.read(1))
    running.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "draining" in running.stderr)
    assert running.terminate(timeout=10) == 75
    assert "stopping now" in running.stderr


def test_a_drain_that_takes_too_long_ends_with_1(postgres, pipeline):
    postgres.rows("CREATE TABLE t (seq integer, text text)")
    p = pipeline(files(table_sink(postgres, "t"), 'mode = "watch"\nsettle = "0s"', pipeline='drain_timeout = "300ms"'))
    feed(p, "a.json", numbered(0, 10))
    running = p.start()
    wait_until(lambda: postgres.value("SELECT count(*) FROM t") == 10)
    postgres.server.freeze()
    try:
        feed(p, "b.json", numbered(10, 10))
        time.sleep(0.3)
        assert running.terminate(timeout=10) == 1
    finally:
        postgres.server.thaw()
    assert "drain_timeout" in running.stderr
    assert p.run("--once").code == 0
    assert postgres.rows("SELECT count(*), count(DISTINCT seq) FROM t") == [(20, 20)]


# ---- one pipeline, several processes ------------------------------------------------------------------------------------


def test_a_second_process_on_one_state_dir_is_refused_with_an_explanation(pipeline):
    p = pipeline(files(file_sink(), 'mode = "watch"\nsettle = "0s"'))
    feed(p, "a.json", numbered(0, 10))
    first = p.start()
    wait_until(lambda: len(written(p)) == 10)
    second = p.run()
    assert second.code == 1
    assert "state" in second.stderr and str(first.process.pid) in second.stderr
    feed(p, "b.json", numbered(10, 10))
    wait_until(lambda: len(written(p)) == 20)
    assert first.terminate() == 0


def test_a_command_that_looks_at_the_state_keeps_no_pipeline_from_starting(pipeline):
    p = pipeline(files(file_sink()))
    feed(p, "a.json", numbered(0, 10))
    assert p.run().code == 0
    feed(p, "b.json", numbered(10, 10))
    with open(p.directory / "state" / "promises" / "lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as `pipe state ls` does while it reads
        running = p.start()
        time.sleep(0.3)
    assert running.wait() == 0, running.stderr
    assert len(written(p)) == 20


def test_two_instances_run_on_one_database_at_the_same_time(postgres, pipeline):
    postgres.rows("CREATE TABLE t (seq integer, text text)")
    count, running = 50_000, []
    for i, name in enumerate(("gw1", "gw2")):
        p = pipeline(files(table_sink(postgres, "t", more="commit_rows = 2000"), pipeline=f'instance = "{name}"'), name=name)
        feed(p, "a.json", numbered(i * count, count))
        running.append(p.start())
    for r in running:
        assert r.wait() == 0, r.stderr
    assert postgres.rows("SELECT count(*), count(DISTINCT seq) FROM t") == [(2 * count, 2 * count)]
    for r in running:
        assert r.pipeline.run().report["sources"]["in"]["read"] == 0


# ---- memory, and sinks that fail -----------------------------------------------------------------------------------------


def peak_memory(process):
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def cpu_ticks(process):
    with open(f"/proc/{process.pid}/stat") as stat:
        return sum(int(x) for x in stat.read().rsplit(")", 1)[1].split()[11:13])


def test_a_sink_that_stops_for_a_while_makes_the_source_wait_and_the_memory_stays_within_its_budget(postgres, pipeline):
    """160 MB go through 16 MiB; the program itself, its libraries, stacks and what its workers reckon in may take 24 MiB more."""
    count = 1_000_000
    postgres.rows("CREATE TABLE t (seq integer, text text)")
    p = pipeline('[pipeline]\nname = "pressure"\nmemory = "16MiB"\n[sources.in]\ntype = "generate"\nseed = 1\n'
                 f'count = {count}\ntemplate = \'{{"seq":{{counter}},"text":"{"x" * 130}"}}\'\n' + table_sink(postgres, "t"))
    running = p.start()
    wait_until(lambda: postgres.value("SELECT count(*) FROM t") > 0)
    postgres.server.freeze()
    try:
        time.sleep(1)
        assert running.process.poll() is None, "the run was over before the server froze: this machine needs more rows"
        before = cpu_ticks(running.process)
        time.sleep(1.5)
        assert cpu_ticks(running.process) - before <= 2, "who waits works"
        peak = peak_memory(running.process)
    finally:
        postgres.server.thaw()
    assert peak < 40 << 20 or is_sanitized(), f"{peak / (1 << 20):.1f} MiB"
    while running.process.poll() is None:
        try:
            peak = max(peak, peak_memory(running.process))
        except (OSError, StopIteration):
            break
        time.sleep(0.05)
    assert running.wait() == 0, running.stderr
    assert peak < 40 << 20 or is_sanitized(), f"{peak / (1 << 20):.1f} MiB"
    assert postgres.rows("SELECT count(*), count(DISTINCT seq) FROM t") == [(count, count)]


def test_a_sink_that_fails_does_not_hold_up_its_sibling(postgres, pipeline):
    postgres.rows("CREATE TABLE t (seq integer, text text)")
    p = pipeline(files(file_sink() + table_sink(postgres, "t", more='retry.first = "10ms"\nretry.max = "50ms"'),
                       'mode = "watch"\nsettle = "0s"'))
    feed(p, "a.json", numbered(0, 1000))
    running = p.start()
    wait_until(lambda: len(written(p)) == 1000 and postgres.value("SELECT count(*) FROM t") == 1000)
    postgres.forget_connection()
    postgres.server.stop()
    try:
        feed(p, "b.json", numbered(1000, 20_000))
        wait_until(lambda: len(written(p)) == 21_000)
        wait_until(lambda: "trying again" in running.stderr)
    finally:
        postgres.server.start()
    wait_until(lambda: postgres.value("SELECT count(*) FROM t") == 21_000)
    assert running.terminate() == 0, running.stderr
    assert postgres.value("SELECT count(DISTINCT seq) FROM t") == 21_000
    assert [r["seq"] for r in written(p)] == list(range(21_000))
    conserved(json.loads(p.report.read_text()))


def test_a_sink_that_fails_for_longer_than_the_budget_lasts_holds_up_its_sibling_and_loses_nothing(postgres, pipeline):
    count = 400_000
    postgres.rows("CREATE TABLE t (seq integer, text text)")
    p = pipeline(files(file_sink() + table_sink(postgres, "t", more='retry.first = "10ms"\nretry.max = "50ms"'),
                       'mode = "watch"\nsettle = "0s"', pipeline='memory = "8MiB"'))
    feed(p, "a.json", numbered(0, 10))
    running = p.start()
    wait_until(lambda: len(written(p)) == 10 and postgres.value("SELECT count(*) FROM t") == 10)
    postgres.forget_connection()
    postgres.server.stop()
    out = p.directory / "out/out.json"
    try:
        feed(p, "b.json", numbered(10, count, "x" * 80))
        sizes = []
        wait_until(lambda: sizes.append(out.stat().st_size) or (len(sizes) > 200 and sizes[-200] == sizes[-1] > 10_000))
        assert 1 << 20 < sizes[-1] < 12 << 20
    finally:
        postgres.server.start()
    wait_until(lambda: postgres.value("SELECT count(*) FROM t") == count + 10, 60)
    assert running.terminate() == 0, running.stderr
    assert postgres.value("SELECT count(DISTINCT seq) FROM t") == count + 10
    assert [r["seq"] for r in written(p)] == list(range(count + 10))
