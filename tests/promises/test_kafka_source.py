"""What the kafka source reads, where it begins, and when it ends."""

import json
import signal
import time

import pytest

from conftest import wait_until
from kafka_rig import SHORT_SESSION, Breaker, new_topic


@pytest.fixture
def topic(kafka_server):
    return lambda partitions=1, **config: new_topic(kafka_server, partitions, **config)


def toml(server, topics, sink='type = "file"\npath = "out.ndjson"', source='mode = "batch"', brokers=None, query=None, head=""):
    inputs = '["q"]' if query else '["in"]'
    transform = f'[transforms.q]\ntype = "sql"\ninputs = ["in"]\nquery = """{query}"""\n' if query else ""
    return f"""
[pipeline]
name = "k"
{head}
[sources.in]
type = "kafka"
brokers = ["{brokers or server.brokers}"]
topics = {json.dumps(topics if isinstance(topics, list) else [topics])}
{source}
{transform}
[sinks.out]
inputs = {inputs}
{sink}
"""


def rows(p, file="out.ndjson"):
    path = p.directory / file
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.sanitize_address
def test_a_batch_reads_what_is_there_at_the_start_and_ends(kafka_server, topic, pipeline):
    t = topic(3)
    t.numbers(0, 3000)
    p = pipeline(toml(kafka_server, t.name))
    result = p.run()
    assert result.code == 0, result
    assert sorted(r["k"] for r in rows(p)) == list(range(3000))
    assert result.report["sources"]["in"]["read"] == 3000
    assert t.committed("k.in") == [1000, 1000, 1000]


def test_the_next_batch_reads_only_what_has_come_since(kafka_server, topic, pipeline):
    t = topic(2)
    t.numbers(0, 100)
    p = pipeline(toml(kafka_server, t.name))
    assert p.run().code == 0
    t.numbers(100, 50)
    result = p.run()
    assert (result.code, result.report["sources"]["in"]["read"]) == (0, 50), result
    assert p.run().report["sources"]["in"]["read"] == 0
    assert sorted(r["k"] for r in rows(p)) == list(range(150))


def test_key_headers_timestamp_and_place_come_as_meta(kafka_server, topic, pipeline):
    t = topic(2)
    t.produce(['{"v": 1}'], partition=1, key="müller", headers={"trace": "a\"b", "raw": b"\xff\x00"}, timestamp=1772366400123)
    t.produce(['{"v": 2}'], partition=1, key=b"\xfe", timestamp=1772366400124)
    t.produce(['{"v": 3}'], partition=1, timestamp=1772366400125)
    query = ("SELECT v, meta.topic AS t, meta.partition AS p, meta.offset AS o, meta.key AS key, meta.headers AS h, meta.timestamp AS ts, "
             "now() = meta.timestamp AS same FROM input")
    p = pipeline(toml(kafka_server, t.name, query=query))
    assert p.run().code == 0
    common = {"t": t.name, "p": 1, "same": True}
    assert rows(p) == [
        {"v": 1, **common, "o": 0, "key": "müller", "h": {"trace": 'a"b', "raw": "\\xff00"}, "ts": "2026-03-01T12:00:00.123+00:00"},
        {"v": 2, **common, "o": 1, "key": "\\xfe", "h": None, "ts": "2026-03-01T12:00:00.124+00:00"},
        {"v": 3, **common, "o": 2, "key": None, "h": None, "ts": "2026-03-01T12:00:00.125+00:00"}]


def test_reading_begins_where_start_says(kafka_server, topic, pipeline):
    t = topic()
    t.produce(['{"k": 1}'], timestamp=1772366400000)
    t.produce(['{"k": 2}'], timestamp=1772370000000)
    p = pipeline(toml(kafka_server, t.name, source='mode = "batch"\nstart = "2026-03-01T12:30:00Z"\ngroup = "from-an-instant"'))
    assert p.run().code == 0
    assert rows(p) == [{"k": 2}]
    late = pipeline(toml(kafka_server, t.name, source='mode = "batch"\nstart = "latest"\ngroup = "from-the-end"'), "late")
    assert late.run().code == 0
    t.produce(['{"k": 3}'])
    assert late.run().code == 0
    assert rows(late) == [{"k": 3}]


def test_a_pattern_finds_topics_that_appear_later(kafka_server, topic, pipeline):
    one, two = topic(), topic()
    prefix = one.name
    source = '[sources.in.librdkafka]\n"topic.metadata.refresh.interval.ms" = 500'
    one.numbers(0, 10)
    p = pipeline(toml(kafka_server, f"^{prefix}.*", source=source))
    running = p.start()
    wait_until(lambda: len(rows(p)) == 10, 120)
    kafka_server.topic(prefix + "-later")
    two.name = prefix + "-later"
    two.numbers(10, 10)
    wait_until(lambda: len(rows(p)) == 20, 120)
    assert running.terminate() == 0


def test_a_quiet_stream_delivers_a_message_at_once(kafka_server, topic, pipeline):
    t = topic()
    t.numbers(0, 1)
    p = pipeline(toml(kafka_server, t.name, source=""))
    running = p.start()
    wait_until(lambda: len(rows(p)) == 1, 120)
    began = time.monotonic()
    t.numbers(1, 1)
    wait_until(lambda: len(rows(p)) == 2, 120)
    assert time.monotonic() - began < 5
    wait_until(lambda: t.committed("k.in") == [2], 120)
    assert running.terminate() == 0


def test_messages_that_are_no_json_go_to_the_dead_letters_and_their_neighbours_on(kafka_server, topic, pipeline):
    t = topic()
    t.produce(['{"k": 1}', "poison", '{"k": 2}', None, b"\xff\xfe", '{"k": 3}'], key="device")
    p = pipeline(toml(kafka_server, t.name, head='state_dir = "state"'))
    result = p.run()
    assert result.code == 3, result
    assert [r["k"] for r in rows(p)] == [1, 2, 3]
    letters = [json.loads(line) for f in (p.directory / "state").glob("dead*") for line in f.read_text().splitlines()]
    assert [letter["payload"] if letter["payload"] is not None else letter["payload_base64"] for letter in letters] == ["poison", "", "//4="]
    assert p.run().report["sources"]["in"]["read"] == 0


def test_tombstones_can_be_passed_over(kafka_server, topic, pipeline):
    t = topic()
    t.produce(['{"k": 1}', None, '{"k": 2}', None], key="device")
    p = pipeline(toml(kafka_server, t.name, source='mode = "batch"\ntombstones = "skip"'))
    result = p.run()
    assert (result.code, [r["k"] for r in rows(p)]) == (0, [1, 2]), result
    assert t.committed("k.in") == [4]


def test_a_message_larger_than_max_record_is_rejected(kafka_server, topic, pipeline):
    t = topic()
    t.produce(['{"k": 1}', '{"pad": "%s"}' % ("x" * 5000), '{"k": 2}'])
    p = pipeline(toml(kafka_server, t.name, source='mode = "batch"\nmax_record = 4096'))
    assert p.run().code == 3
    assert [r["k"] for r in rows(p)] == [1, 2]


def test_tls_checks_the_broker_and_scram_logs_in(kafka_server, topic, pipeline):
    t = topic()
    t.numbers(0, 5)
    p = pipeline(toml(kafka_server, t.name, source=f'mode = "batch"\ntls.ca = "{kafka_server.ca}"', brokers=kafka_server.tls_brokers))
    assert p.run().code == 0
    assert len(rows(p)) == 5
    kafka_server.allow("writer", "topic", t.name, "Read", "Describe")
    kafka_server.allow("writer", "group", "k.scram", "Read")
    login = 'sasl = {mechanism = "SCRAM-SHA-256", username = "writer", password = "writer-secret"}'
    p = pipeline(toml(kafka_server, t.name, source=f'mode = "batch"\ngroup = "k.scram"\n{login}', brokers=kafka_server.sasl_brokers), "scram")
    result = p.run()
    assert (result.code, len(rows(p))) == (0, 5), result


def test_a_connection_that_breaks_while_logging_in_is_no_refusal(kafka_server, topic, pipeline):
    t = topic()
    t.numbers(0, 5)
    kafka_server.allow("reader", "topic", t.name, "Read", "Describe")
    kafka_server.allow("reader", "group", "logging-in", "Read")
    login = 'sasl = {mechanism = "PLAIN", username = "reader", password = "reader-secret"}'
    with Breaker(kafka_server.sasl_brokers, Breaker.SASL_HANDSHAKE, 2) as breaker:
        result = pipeline(toml(kafka_server, t.name, source=f'mode = "batch"\ngroup = "logging-in"\n{login}', brokers=breaker.address)).run()
    assert breaker.left == 0 and result.code == 0, result


@pytest.mark.parametrize("what", ["password", "topic", "group", "name"])
def test_what_the_broker_refuses_is_said_and_stops(kafka_server, topic, pipeline, what):
    t = topic()
    t.numbers(0, 5)
    user = {"topic": ("reader", "reader-secret"), "group": ("reader", "reader-secret"), "password": ("reader", "wrong")}.get(what)
    source, brokers, name = 'mode = "batch"', kafka_server.sasl_brokers, t.name
    if what == "group":
        kafka_server.allow("reader", "topic", t.name, "Read", "Describe")
    if what == "topic":
        kafka_server.allow("reader", "group", "allowed", "Read")
        source += '\ngroup = "allowed"'
    if user:
        source += f'\nsasl = {{mechanism = "PLAIN", username = "{user[0]}", password = "{user[1]}"}}'
    else:
        brokers, name = kafka_server.brokers, "no-such-topic"
    result = pipeline(toml(kafka_server, name, source=source, brokers=brokers)).run()
    said = {"password": "Authentication failed", "topic": f"read topic {t.name}", "group": "join group k.in", "name": "topic no-such-topic does not exist"}
    assert result.code == 1, result
    assert said[what] in result.stderr, result


def test_a_topic_that_is_deleted_stops_the_run(kafka_server, topic, pipeline):
    t = topic()
    t.numbers(0, 5)
    settings = '"topic.metadata.refresh.interval.ms" = 500\n"topic.metadata.propagation.max.ms" = 1000\n'
    p = pipeline(toml(kafka_server, t.name, source=f"[sources.in.librdkafka]\n{settings}{SHORT_SESSION}"))
    running = p.start()
    wait_until(lambda: len(rows(p)) == 5, 120)
    kafka_server.delete_topic(t.name)
    assert running.wait(60) == 1
    assert "does not exist any more" in running.stderr and t.name in running.stderr


@pytest.mark.parametrize("on_missing", ["stop", "skip"])
def test_what_is_deleted_under_a_running_process_is_missed_as_it_wants(kafka_server, topic, pipeline, on_missing):
    t = topic(segment_bytes=2000)
    t.numbers(0, 100)
    p = pipeline(toml(kafka_server, t.name, source=f'group = "{t.name}"\non_missing = "{on_missing}"'))
    running = p.start()
    wait_until(lambda: len(rows(p)) == 100)
    running.process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)  # its last question is answered: there is nothing more
    for i in range(1, 11):
        t.numbers(i * 100, 100)
    kafka_server.configure(t.name, segment_bytes=2000, retention_bytes=1)
    wait_until(lambda: t.beginnings()[0] > 100)
    kafka_server.configure(t.name)
    time.sleep(0.5)  # nothing is being deleted any more
    running.process.send_signal(signal.SIGCONT)
    if on_missing == "skip":
        t.numbers(1100, 100)
        wait_until(lambda: len(rows(p)) and rows(p)[-1]["k"] == 1199)
        assert running.terminate() == 0
        assert [r["k"] for r in rows(p)] == [*range(100), *range(t.beginnings()[0], 1200)]
        assert t.committed(t.name) == [1200]
    else:
        assert running.wait() == 1
    assert "were deleted before they were read" in running.stderr


@pytest.mark.parametrize("checks", [False, True])
def test_a_damaged_batch_is_told_and_not_passed_over(kafka_server, topic, pipeline, checks):
    """Without checks.crcs it is noticed when it cannot be decompressed, and perhaps another replica has a better one."""
    t = topic(2)
    t.produce([json.dumps({"k": k, "pad": "x" * 100}) for k in range(100)], partition=0)
    log = kafka_server.directory / "data" / f"{t.name}-0" / "00000000000000000000.log"
    with open(log, "r+b") as file:
        file.seek(61)  # behind the batch's head
        file.write(b"x" * 20)
    t.produce([json.dumps({"k": 100})], partition=0)
    t.produce([json.dumps({"k": 200})], partition=1)
    p = pipeline(toml(kafka_server, t.name, source=f'group = "{t.name}"\n[sources.in.librdkafka]\n"check.crcs" = {str(checks).lower()}'))
    running = p.start()
    if checks:
        assert running.wait() == 1
        assert f"{t.name}/0 cannot be read" in running.stderr
    else:
        wait_until(lambda: "trying again" in running.stderr and rows(p))
        assert f"{t.name}/0: Decompression" in running.stderr
        assert running.terminate() == 0
        assert running.stderr.count("trying again") == 1
        assert t.committed(t.name) == [0, 1]
    assert all(r["k"] != 100 for r in rows(p))


@pytest.mark.parametrize("end", ["drain_timeout", "a second signal"])
def test_brokers_that_do_not_answer_hold_up_no_end(kafka_server, topic, pipeline, end):
    t = topic()
    p = pipeline(toml(kafka_server, t.name, source=f'group = "{t.name}"', head='drain_timeout = "2s"' if end == "drain_timeout" else ""))
    running = p.start()
    while not rows(p) or t.committed(t.name) == t.ends():  # something has to be left to commit
        t.numbers(0, 10)
        wait_until(lambda: len(rows(p)) == t.ends()[0])
    kafka_server.freeze()
    try:
        begin = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "draining" in running.stderr)
        if end == "drain_timeout":
            assert running.wait() == 1
        else:
            assert running.terminate() == 0
        assert time.monotonic() - begin < 12
    finally:
        kafka_server.thaw()


def test_check_names_what_is_wrong_with_the_options(kafka_server, pipeline):
    p = pipeline(toml(kafka_server, "t", source='start = "yesterday"\nsasl.mechanism = "PLAIN"\n[sources.in.librdkafka]\n"group.id" = "x"'))
    result = p.run(verb="check")
    assert result.code == 78
    for text in ['start is "earliest", "latest" or an instant', "sasl.mechanism needs sasl.username", "group.id is not to be set by hand: use group"]:
        assert text in result.stderr + result.stdout, result


def test_a_preview_leaves_the_groups_offsets_alone(kafka_server, topic, pipeline):
    t = topic(2)
    t.numbers(0, 100)
    p = pipeline(toml(kafka_server, t.name))
    result = p.run("--preview", "5")
    assert result.code == 0 and '"k"' in result.stdout, result
    assert max(t.committed("k.in")) < 0
