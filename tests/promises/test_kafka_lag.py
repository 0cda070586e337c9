"""How far behind a member is, as its metrics say."""

import re
import urllib.error
import urllib.request

from conftest import wait_until
from kafka_rig import SHORT_SESSION, new_topic


def toml(server, postgres, topic):
    return f"""
[pipeline]
name = "behind"

[admin]
listen = "127.0.0.1:0"

[sources.in]
type = "kafka"
brokers = ["{server.brokers}"]
topics = ["{topic}"]
group = "{topic}"
[sources.in.librdkafka]
{SHORT_SESSION}

[sinks.out]
type = "postgres"
inputs = ["in"]
url = "{postgres.url}"
table = "t"
"""


def lag(running):
    """Per partition, as the metrics of this process say."""
    address = wait_until(lambda: re.search(r"admin: (http://[0-9.:]+)/", running.stderr)).group(1)
    try:
        text = urllib.request.urlopen(address + "/metrics", timeout=10).read().decode()
    except urllib.error.HTTPError as e:
        assert e.code == 503  # it is starting
        return {}
    return {p: int(n) for p, n in re.findall(r'^pipe_source_lag_records{.*source="in",partition="(.*)"} (\d+)$', text, re.MULTILINE)}


def test_lag_is_what_the_topic_has_and_the_sinks_have_not(kafka_server, postgres, pipeline):
    topic = new_topic(kafka_server, 2)
    postgres.rows("CREATE TABLE t (k bigint)")
    one, two = f"{topic.name}/0", f"{topic.name}/1"
    topic.numbers(0, 1000)
    running = pipeline(toml(kafka_server, postgres, topic.name)).start()
    wait_until(lambda: lag(running) == {one: 0, two: 0}, 120)
    postgres.rows("BEGIN")
    postgres.rows("LOCK TABLE t")
    topic.numbers(1000, 600)
    wait_until(lambda: lag(running) == {one: 300, two: 300}, 120)
    postgres.rows("COMMIT")
    wait_until(lambda: lag(running) == {one: 0, two: 0}, 120)
    assert running.terminate() == 0


def test_a_partition_that_is_given_away_is_shown_by_its_new_member_alone(kafka_server, postgres, pipeline):
    topic = new_topic(kafka_server, 2)
    postgres.rows("CREATE TABLE t (k bigint)")
    topic.numbers(0, 100)
    both = {f"{topic.name}/0": 0, f"{topic.name}/1": 0}
    first = pipeline(toml(kafka_server, postgres, topic.name), "first").start()
    wait_until(lambda: lag(first) == both, 120)
    second = pipeline(toml(kafka_server, postgres, topic.name), "second").start()
    wait_until(lambda: len(lag(first)) == len(lag(second)) == 1 and lag(first) | lag(second) == both, 120)
    assert second.terminate() == 0
    wait_until(lambda: lag(first) == both, 120)
    assert first.terminate() == 0
