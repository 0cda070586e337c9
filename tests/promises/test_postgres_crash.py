"""Exactly once into PostgreSQL, whatever dies."""

import random
import shutil
import signal
import socket
import threading
import time

import pytest

from conftest import SEEDS, wait_until
from test_postgres_sink import feed, toml

ROWS = 400_000


def table(postgres, pipeline, sink="", source="", files=4):
    postgres.rows("CREATE TABLE t (k integer, v text)")
    p = pipeline(toml(postgres, "commit_rows = 5000\n" + sink, source))
    for i in range(files):
        feed(p, f"{i}.json", ['{"k": %d, "v": "some text"}' % k for k in range(i * ROWS // files, (i + 1) * ROWS // files)])
    return p


def everything_once(postgres):
    assert postgres.rows("SELECT count(*), count(DISTINCT k), min(k), max(k) FROM t") == [(ROWS, ROWS, 0, ROWS - 1)]


def commits_more(postgres, running):
    """Waits until something more is committed; false when the run is over."""
    before = postgres.value("SELECT count(*) FROM t")
    wait_until(lambda: running.process.poll() is not None or postgres.value("SELECT count(*) FROM t") > before, 60)
    return running.process.poll() is None


def kill_at_random(postgres, p, seed):
    chance = random.Random(seed)
    killed = 0
    for _ in range(4):
        running = p.start()
        if commits_more(postgres, running):
            time.sleep(chance.random() * 0.03)
        killed += running.kill()
    assert killed, "every run was over before it could be killed: this machine needs more rows"


@pytest.mark.sanitize
@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
def test_a_pipeline_killed_at_random_stores_every_row_once(postgres, pipeline, seed):
    p = table(postgres, pipeline)
    kill_at_random(postgres, p, seed)
    result = p.run()
    assert result.code == 0, result
    everything_once(postgres)


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_a_pipeline_killed_with_several_connections_stores_every_row_once(postgres, pipeline, mode):
    p = table(postgres, pipeline, "connections = 3" + ('\nwrite = "upsert"\nkey = ["k"]' if mode == "upsert" else ""))
    if mode == "upsert":
        postgres.rows("ALTER TABLE t ADD PRIMARY KEY (k)")
    kill_at_random(postgres, p, 7)
    result = p.run()
    assert result.code == 0, result
    everything_once(postgres)


class CommitBreaker:
    """Between pipe and server: cuts the connection at some COMMITs, before or after the server has got them."""

    def __init__(self, port, chance, cuts):
        self.port, self.chance, self.cuts = port, chance, cuts
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url_port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client = self.listener.accept()[0]
            server = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self.carry, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self.carry, args=(server, client, False), daemon=True).start()

    def carry(self, source, target, outwards):
        try:
            while data := source.recv(1 << 16):
                if outwards and b"COMMIT\0" in data and b"INSERT" not in data and self.cuts and self.chance.random() < 0.5:
                    self.cuts -= 1
                    if self.chance.random() < 0.5:
                        target.sendall(data)
                    source.shutdown(socket.SHUT_RDWR)
                    break
                target.sendall(data)
        except OSError:
            pass
        for s in (source, target):
            try:
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass


@pytest.mark.parametrize("seed", range(3))
def test_a_commit_whose_answer_is_lost_is_neither_repeated_nor_forgotten(postgres, pipeline, seed):
    p = table(postgres, pipeline, 'retry.first = "5ms"\nretry.max = "20ms"')
    breaker = CommitBreaker(postgres.server.port, random.Random(seed), 8)
    p.write(p.file.read_text().replace(f":{postgres.server.port}/", f":{breaker.url_port}/"))
    result = p.run()
    assert result.code == 0, result
    assert breaker.cuts == 0, "not every cut has happened"
    everything_once(postgres)


def test_a_server_killed_in_the_middle_is_waited_for_and_nothing_is_lost_or_doubled(postgres, pipeline):
    p = table(postgres, pipeline, 'retry.first = "20ms"\nretry.max = "200ms"')
    running = p.start()
    for _ in range(2):
        assert commits_more(postgres, running)
        postgres.forget_connection()
        postgres.server.kill()
        postgres.server.start()
    assert running.wait() == 0, running.stderr
    everything_once(postgres)


def test_a_frozen_server_is_waited_for(postgres, pipeline):
    p = table(postgres, pipeline)
    running = p.start()
    wait_until(lambda: postgres.value("SELECT count(*) FROM t") > 0, 60)
    postgres.server.freeze()
    time.sleep(0.5)
    postgres.server.thaw()
    assert running.wait() == 0, running.stderr
    everything_once(postgres)


def test_stopping_now_does_not_wait_for_a_frozen_server(postgres, pipeline):
    p = table(postgres, pipeline)
    running = p.start()
    assert commits_more(postgres, running)
    postgres.server.freeze()
    try:
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert running.terminate(timeout=10) == 75
    finally:
        postgres.server.thaw()
    result = p.run()
    assert result.code == 0, result
    everything_once(postgres)


def test_backends_terminated_one_after_the_other_lose_nothing(postgres, pipeline):
    p = table(postgres, pipeline, 'retry.first = "5ms"\nretry.max = "20ms"')
    running = p.start()
    ended = 0
    while ended < 10 and commits_more(postgres, running):
        ended += len(postgres.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pipe %'"))
    assert ended >= 3
    assert running.wait() == 0, running.stderr
    everything_once(postgres)


def test_a_second_process_takes_over_and_the_first_one_stops(postgres, pipeline):
    """The same identity twice, as after a machine was restored from a snapshot: the epoch decides."""
    postgres.rows("CREATE TABLE t (k integer, v text)")
    p = pipeline(toml(postgres, source='mode = "watch"\nsettle = "0s"'))
    feed(p, "a.json", [{"k": 1, "v": "a"}])
    first = p.start()
    wait_until(lambda: postgres.value("SELECT count(*) FROM t") == 1)
    twin = pipeline(p.file.read_text(), name="twin")
    state = next(p.directory.glob("state/*"))
    shutil.copytree(state, twin.directory / "state" / state.name, ignore=shutil.ignore_patterns("control.sock"))
    feed(twin, "a.json", [{"k": 1, "v": "a"}])
    second = twin.start()
    wait_until(lambda: postgres.value("SELECT max(epoch) FROM pipe_epochs") == 2)
    feed(p, "b.json", [{"k": 2, "v": "b"}])
    assert first.wait(30) == 1
    assert "another process has taken over" in first.stderr
    assert postgres.value("SELECT count(*) FROM t WHERE k = 2") == 0
    assert second.terminate() == 0


def test_a_sink_added_later_starts_where_the_others_are_or_at_the_beginning_with_backfill(postgres, pipeline):
    postgres.rows("CREATE TABLE t (k integer, v text); CREATE TABLE late (k integer, v text); CREATE TABLE filled (k integer, v text)")
    p = pipeline(toml(postgres))
    feed(p, "a.json", [{"k": i, "v": "a"} for i in range(100)])
    assert p.run().code == 0
    more = "".join(f'[sinks.{name}]\ntype = "postgres"\ninputs = ["in"]\nurl = "{postgres.url}"\ntable = "{name}"\n{option}\n'
                   for name, option in (("late", ""), ("filled", "backfill = true")))
    p.write(p.file.read_text() + more)
    with open(p.directory / "in" / "b.json", "w") as f:
        f.write('{"k": 100, "v": "b"}\n')
    result = p.run()
    assert result.code == 0, result
    assert postgres.value("SELECT count(*) FROM t") == 101
    assert postgres.value("SELECT count(*) FROM late") == 1
    assert postgres.value("SELECT count(*) FROM filled") == 101
