"""What the kafka sink produces, as independent clients see it, and what it does when it cannot."""

import json
import time

import pytest

from conftest import wait_until
from kafka_rig import Breaker, new_topic


@pytest.fixture
def topic(kafka_server):
    return lambda partitions=1, **config: new_topic(kafka_server, partitions, **config)


def toml(server, topic, options="", source='type = "file"\npath = "in.ndjson"\nformat = "json"', brokers=None, query=None, head=""):
    transform = f'[transforms.q]\ntype = "sql"\ninputs = ["in"]\nquery = """{query}"""\n' if query else ""
    return f"""
[pipeline]
name = "k"
state_dir = "state"
{head}
[sources.in]
{source}
{transform}
[sinks.out]
type = "kafka"
inputs = {'["q"]' if query else '["in"]'}
brokers = ["{brokers or server.brokers}"]
topic = "{topic}"
{options}
"""


def feed(p, events):
    (p.directory / "in.ndjson").write_text("".join((e if isinstance(e, str) else json.dumps(e)) + "\n" for e in events))
    return p


def letters(p):
    return [json.loads(line) for f in (p.directory / "state").glob("dead*") for line in f.read_text().splitlines()]


@pytest.mark.sanitize_address
def test_rows_become_messages_with_key_and_headers(kafka_server, topic, pipeline):
    t = topic()
    options = 'key = "{device}"\nheaders = {site = "{upper(site)}", fixed = "7"}'
    p = feed(pipeline(toml(kafka_server, t.name, options)), [{"device": "a", "site": "x", "v": 1.50}, {"device": None, "site": None, "v": "é"}])
    result = p.run()
    assert result.code == 0, result
    assert t.read("%k|%h|%s\n") == ['a|site=X,fixed=7|{"device": "a", "site": "x", "v": 1.5}', '|site=,fixed=7|{"device": null, "site": null, "v": "\\u00e9"}']
    assert t.read("%K\n") == ["1", "-1"]


def test_the_topic_is_a_template_and_what_is_no_topic_is_rejected(kafka_server, topic, pipeline):
    one, two = topic(), topic()
    p = feed(pipeline(toml(kafka_server, "{t}")), [{"t": one.name, "v": 1}, {"t": two.name, "v": 2}, {"t": None, "v": 3}, {"t": "a b", "v": 4}])
    result = p.run()
    assert result.code == 3, result
    assert [json.loads(m)["v"] for m in one.read() + two.read()] == [1, 2]
    assert len(letters(p)) == 2


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_messages_can_be_compressed(kafka_server, topic, pipeline, compression):
    t = topic()
    p = feed(pipeline(toml(kafka_server, t.name, f'compression = "{compression}"')), [{"v": i} for i in range(500)])
    assert p.run().code == 0
    assert [json.loads(m)["v"] for m in t.read()] == list(range(500))


def test_messages_with_one_key_stay_in_one_partition_and_in_order(kafka_server, topic, pipeline):
    t = topic(4)
    p = feed(pipeline(toml(kafka_server, t.name, 'key = "{k}"')), [{"k": f"key{i % 10}", "v": i} for i in range(20_000)])
    assert p.run().code == 0
    seen, place = {}, {}
    for line in t.read("%p %k %s\n"):
        partition, key, value = line.split(" ", 2)
        place.setdefault(key, set()).add(partition)
        seen.setdefault(key, []).append(json.loads(value)["v"])
    assert all(len(partitions) == 1 for partitions in place.values())
    assert all(values == sorted(values) for values in seen.values())
    assert sum(len(values) for values in seen.values()) == 20_000


def test_a_message_that_is_too_large_is_rejected_alone(kafka_server, topic, pipeline):
    t = topic(max_message_bytes=20_000)
    p = feed(pipeline(toml(kafka_server, t.name)), [{"v": 1}, {"v": 2, "pad": "x" * 3_000_000}, {"v": 3}])
    p.write(p.file.read_text().replace('path = "in.ndjson"', 'path = "in.ndjson"\nmax_record = "8MiB"'))
    result = p.run()
    assert result.code == 3, result
    assert [json.loads(m)["v"] for m in t.read()] == [1, 3]
    assert "too large" in letters(p)[0]["reason"]


REFUSING = [{"max_message_bytes": 3000}, {"cleanup_policy": "compact"}]


def mixed(count):
    """The one in the middle has no key, and is too large for some."""
    return [{"k": i, "key": None if i == count // 2 else f"k{i}", "pad": "x" * (5000 if i == count // 2 else 10)} for i in range(count)]


@pytest.mark.parametrize("config", REFUSING)
def test_of_a_batch_that_the_broker_refuses_only_the_message_that_it_means_is_rejected(kafka_server, topic, pipeline, config):
    t = topic(**config)
    p = feed(pipeline(toml(kafka_server, t.name, 'key = "{key}"')), mixed(500))
    result = p.run()
    assert result.code == 3, result
    assert [json.loads(m)["k"] for m in t.read()] == [k for k in range(500) if k != 250]
    assert len(letters(p)) == 1 and '"k": 250' in json.dumps(letters(p)[0]["payload"]).replace('\\"', '"')
    assert "a batch of messages is refused" in result.stderr


def test_a_connection_that_breaks_while_logging_in_is_no_refusal(kafka_server, topic, pipeline):
    t = topic()
    kafka_server.allow("reader", "topic", t.name, "Write", "Describe")
    login = 'sasl = {mechanism = "PLAIN", username = "reader", password = "reader-secret"}'
    with Breaker(kafka_server.sasl_brokers, Breaker.SASL_HANDSHAKE, 2) as breaker:
        result = feed(pipeline(toml(kafka_server, t.name, login, brokers=breaker.address)), [{"v": 1}]).run()
    assert breaker.left == 0 and result.code == 0, result


def test_a_right_that_is_missing_stops_the_run(kafka_server, topic, pipeline):
    t = topic()
    login = 'sasl = {mechanism = "PLAIN", username = "reader", password = "reader-secret"}'
    result = feed(pipeline(toml(kafka_server, t.name, login, brokers=kafka_server.sasl_brokers)), [{"v": 1}]).run(timeout=30)
    assert result.code == 1, result
    assert "authorization failed" in result.stderr.lower() or "does not allow" in result.stderr, result


def test_a_broker_that_restarts_in_the_middle_gets_every_message(kafka_server, topic, pipeline):
    t = topic(3)
    source = 'type = "generate"\ncount = 30000\nrate = 6000\nseed = 1\ntemplate = \'{"v":{counter}}\''
    p = pipeline(toml(kafka_server, t.name, source=source))
    running = p.start()
    wait_until(lambda: sum(t.ends()) > 3000, 120)
    kafka_server.restart()
    assert running.wait(120) == 0, running.stderr
    values = [json.loads(m)["v"] for m in t.read()]
    assert sorted(set(values)) == list(range(min(values), min(values) + 30_000))


def test_kill_9_loses_no_message(kafka_server, topic, pipeline):
    t = topic(3)
    p = feed(pipeline(toml(kafka_server, t.name, "commit_rows = 5000")), [{"v": i} for i in range(100_000)])
    for _ in range(3):
        before = sum(t.ends())
        running = p.start()
        wait_until(lambda: running.process.poll() is not None or sum(t.ends()) > before, 120)
        time.sleep(0.02)
        running.kill()
    assert p.run().code == 0
    assert {json.loads(m)["v"] for m in t.read()} == set(range(100_000))


def test_from_topic_to_topic_nothing_is_lost(kafka_server, topic, pipeline):
    one, two = topic(3), topic(3)
    one.numbers(0, 10_000)
    source = f'type = "kafka"\nbrokers = ["{kafka_server.brokers}"]\ntopics = ["{one.name}"]\ngroup = "{one.name}"\nmode = "batch"'
    result = pipeline(toml(kafka_server, two.name, 'key = "{meta.partition}"', source=source)).run()
    assert result.code == 0, result
    assert sorted(json.loads(m)["k"] for m in two.read()) == list(range(10_000))
