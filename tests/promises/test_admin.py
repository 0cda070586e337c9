"""What can be seen of a running pipeline from outside: HTTP, and the control socket."""

import json
import os
import re
import socket
import stat
import urllib.error
import urllib.request

import pytest

from conftest import wait_until

ENDLESS = """
[pipeline]
name = "seen"
[sources.in]
type = "generate"
rate = 1000
template = '{{"n":{{counter}}}}'
[sinks.out]
type = "null"
inputs = ["in"]
[admin]
listen = "{listen}"
"""


def endless(listen="127.0.0.1:0"):
    return ENDLESS.format(listen=listen)


def address(running):
    found = wait_until(lambda: re.search(r"admin: (http://[0-9.:]+)/", running.stderr), what="the admin server's start")
    return found.group(1)


def get(url, method="GET"):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def metric(text, name):
    found = re.search(rf"^{re.escape(name)}{{(.*)}} (\S+)$", text, re.MULTILINE)
    return found and (found.group(1), float(found.group(2)))


def ask(p, line):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(str(control_socket(p)))
    s.sendall(line.encode())
    answer = b""
    while more := s.recv(65536):
        answer += more
    return answer.decode()


def control_socket(p):
    return p.directory / "state" / "seen" / "control.sock"


@pytest.mark.sanitize
def test_metrics_count_while_the_pipeline_runs(pipeline):
    p = pipeline(endless())
    running = p.start()
    url = address(running)
    wait_until(lambda: get(url + "/ready")[0] == 200, what="ready")
    assert get(url + "/health") == (200, "running\n")

    def delivered():
        return metric(get(url + "/metrics")[1], "pipe_delivered_records_total")

    labels, first = wait_until(lambda: (delivered() or (0, 0))[1] > 0 and delivered())
    assert 'pipeline="seen"' in labels and 'source="in"' in labels and 'sink="out"' in labels
    wait_until(lambda: delivered()[1] > first, what="another delivery")
    assert "<title>pipe</title>" in get(url + "/")[1]
    assert json.loads(get(url + "/status")[1])["sources"]["in"]["read"] > 0
    assert get(url + "/nothing")[0] == 404
    assert get(url + "/metrics", "DELETE")[0] == 405
    assert running.terminate() == 0


def test_nothing_listens_unless_asked(pipeline):
    p = pipeline(endless().split("[admin]")[0])
    running = p.start()
    wait_until(control_socket(p).exists)
    inodes = {line.split()[9] for line in open("/proc/net/tcp").readlines()[1:] if line.split()[3] == "0A"}
    opened = {os.readlink(f"/proc/{running.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{running.process.pid}/fd")}
    assert not any(f"socket:[{inode}]" in opened for inode in inodes)
    assert running.terminate() == 0


def test_a_port_in_use_is_an_error_before_anything_is_read(pipeline):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        p = pipeline(endless(f"127.0.0.1:{taken.getsockname()[1]}"))
        result = p.run(timeout=30)
    assert result.code == 1, result
    assert "[admin]" in result.stderr and "in use" in result.stderr
    assert not (p.directory / "state").exists()


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:", "127.0.0.1:http"])
def test_an_address_that_is_none_is_explained(pipeline, listen):
    result = pipeline(endless(listen)).run(timeout=30)
    assert result.code == 78, result
    assert "ADDRESS:PORT" in result.stderr


@pytest.mark.sanitize
def test_the_control_socket_answers_while_a_pipeline_runs_and_goes_with_it(pipeline):
    p = pipeline(endless())
    running = p.start()
    wait_until(control_socket(p).exists)
    assert stat.S_IMODE(control_socket(p).stat().st_mode) == 0o600
    status = wait_until(lambda: (s := json.loads(ask(p, "status\n")))["sinks"]["out"]["delivered"] > 0 and s)
    assert status["pipeline"] == "seen" and status["state"] == "running" and status["pid"] == running.process.pid
    assert metric(ask(p, "metrics\n"), "pipe_read_records_total")[1] > 0
    assert "error" in json.loads(ask(p, "nonsense\n"))
    running.kill()
    running = p.start()  # over the socket that the killed one left
    wait_until(lambda: answers_as(p, running.process.pid), what="the new one's answer")
    assert running.terminate() == 0
    assert not control_socket(p).exists()


def answers_as(p, pid):
    try:
        return json.loads(ask(p, "status\n"))["pid"] == pid
    except OSError:  # nobody listens there yet
        return False
