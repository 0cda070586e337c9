"""stdin and generate: what a shell sees at once, and what a seed makes again."""

import json
import subprocess
import time

import pytest

from conftest import wait_until
from file_rig import count, gz, lines, rows, zstd

SHELL = """
[pipeline]
name = "shell"
[sources.in]
type = "stdin"
format = "json"
{source}
[sinks.out]
type = "stdout"
inputs = ["in"]
"""
GENERATE = """
[pipeline]
name = "generated"
[sources.in]
type = "generate"
{source}
[sinks.out]
type = "{sink}"
inputs = ["in"]
{options}
"""


def through(p, data):
    return subprocess.run(p.command("run"), cwd=p.directory, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)


def test_a_line_comes_out_while_the_input_is_still_open(pipeline):
    p = pipeline(SHELL.format(source=""))
    process = subprocess.Popen(p.command("run"), cwd=p.directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for k in range(3):
        process.stdin.write(b'{"k": %d}\n' % k)
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"k": k}
    process.stdin.write(b'{"k": 3}')  # no line end: it waits for the input's
    process.stdin.close()
    assert json.loads(process.stdout.readline()) == {"k": 3}
    assert process.wait(10) == 0


@pytest.mark.parametrize("compress", [bytes, zstd, gz], ids=["plain", "zstd", "gzip"])
def test_everything_comes_out_in_order_also_of_compressed_input(pipeline, compress):
    p = pipeline(SHELL.format(source=""))
    done = through(p, compress(lines(0, 200_000).encode()))
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["k"] for line in done.stdout.splitlines()] == list(range(200_000))


def test_a_second_run_does_not_take_new_input_for_old(pipeline):
    p = pipeline(SHELL.format(source=""))
    for k in range(3):
        done = through(p, lines(k, k + 5).encode())
        assert len(done.stdout.splitlines()) == 5, done.stderr


def test_truncated_input_delivers_what_was_whole(pipeline):
    p = pipeline(SHELL.format(source=""))
    whole = zstd(lines(0, 100_000).encode())
    done = through(p, whole[:-1000])
    assert done.returncode == 3, done.stderr
    n = len(done.stdout.splitlines())
    assert 1000 < n < 100_000
    assert [json.loads(line)["k"] for line in done.stdout.splitlines()] == list(range(n))


def generated(pipeline, name, source):
    p = pipeline(GENERATE.format(source=source, sink="file", options='path = "out.json"'), name=name)
    result = p.run()
    assert result.code == 0, result
    return (p.directory / "out.json").read_text()


def test_a_seed_makes_the_same_events_again_and_another_makes_others(pipeline):
    first = generated(pipeline, "a", "count = 5000\nseed = 7")
    assert len(first.splitlines()) == 5000
    assert all(json.loads(line) for line in first.splitlines())
    assert first == generated(pipeline, "b", "count = 5000\nseed = 7")
    assert first != generated(pipeline, "c", "count = 5000\nseed = 8")


def test_a_seeded_run_that_is_killed_goes_on_and_makes_every_event_once(pipeline):
    p = pipeline(GENERATE.format(source="count = 20000\nrate = 20000\nseed = 7\ntemplate = '{\"k\":{counter}}'\n[sources.in.columns]\nk = \"bigint\"", sink="sqlite",
                                 options='path = "out.db"\ntable = "t"\ncreate = true\ncommit_interval = "20ms"'))
    for _ in range(3):
        before = count(p)
        running = p.start()
        wait_until(lambda: count(p) > before or running.process.poll() is not None)
        running.kill()
    result = p.run()
    assert result.code == 0, result
    assert count(p) == 20000
    assert rows(p, "SELECT count(DISTINCT k) FROM t") == [(20000,)]


def test_the_rate_is_kept(pipeline):
    p = pipeline(GENERATE.format(source="count = 500\nrate = 500", sink="null", options=""))
    started = time.monotonic()
    result = p.run()
    took = time.monotonic() - started
    assert result.code == 0 and result.report["sources"]["in"]["read"] == 500, result
    assert 0.9 < took < 5, took


def test_a_wrong_placeholder_is_shown_where_it_stands(pipeline):
    p = pipeline(GENERATE.format(source="template = '{\"k\":{countr}}'", sink="null", options=""))
    result = p.run(verb="check")
    assert result.code == 78
    assert "unknown placeholder {countr}" in result.stderr + result.stdout


def test_a_closed_reader_ends_the_run(pipeline):
    p = pipeline(GENERATE.format(source="", sink="stdout", options=""))
    process = subprocess.Popen(p.command("run"), cwd=p.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(20) is not None
    said = process.stderr.read().decode()
    process.stderr.close()
    assert " not delivered" in said and "reads them again" not in said, "nobody can make them again"
