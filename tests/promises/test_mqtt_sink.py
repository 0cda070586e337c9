"""The MQTT sink against a real Mosquitto, watched by an independent subscriber."""

import json
import random
import time

import paho.mqtt.client as paho
import pytest
from conftest import SEEDS, wait_until
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

TOML = """
[pipeline]
name = "plant7"
[sources.inbox]
type = "file"
path = "in.ndjson"
format = "json"
mode = "{mode}"
[sinks.alerts]
type = "mqtt"
inputs = ["inbox"]
url = "{url}"
username = "pipe"
password = "secret"
topic = "alerts/{{device}}"
format = "json"
retry.max = "200ms"
{more}
"""


class Subscriber:
    """Keeps a session at the broker and all messages by topic."""

    def __init__(self, broker, topics="alerts/#"):
        self.messages, self.seen = [], set()
        self.client = paho.Client(client_id="subscriber", protocol=paho.MQTTv5)
        self.client.username_pw_set("pipe", "secret")
        self.client.on_message = self._take
        subscribed = []
        self.client.on_subscribe = lambda *_: subscribed.append(True)
        self.client.on_connect = lambda client, *_: client.subscribe(topics, qos=2)
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        self.client.connect("127.0.0.1", broker.port, clean_start=False, properties=properties)
        self.client.reconnect_delay_set(1, 1)
        self.client.loop_start()
        wait_until(lambda: subscribed)

    def _take(self, client, data, message):
        self.messages.append(message)
        self.seen.add(json.loads(message.payload)["seq"])

    def sequence(self):
        return [json.loads(m.payload)["seq"] for m in self.messages]

    def close(self):
        self.client.loop_stop()
        self.client.disconnect()


def write_events(p, count, first=0):
    with open(p.directory / "in.ndjson", "a") as f:
        for i in range(first, first + count):
            f.write(json.dumps({"device": f"dev-{i % 7}", "seq": i}) + "\n")


@pytest.mark.sanitize
@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_every_event_is_a_message_in_order(pipeline, broker, qos, version):
    subscriber = Subscriber(broker)
    p = pipeline(TOML.format(url=broker.url, mode="batch", more=f'qos = {qos}\nversion = "{version}"\n'))
    write_events(p, 5000)
    result = p.run()
    assert result.code == 0, result
    assert result.report["sinks"]["alerts"]["delivered"] == 5000
    wait_until(lambda: len(subscriber.messages) >= 5000)
    assert subscriber.sequence() == list(range(5000))
    assert {m.topic for m in subscriber.messages} == {f"alerts/dev-{i}" for i in range(7)}
    assert {m.qos for m in subscriber.messages} == {qos}
    assert subscriber.messages[0].payload == b'{"device": "dev-0", "seq": 0}'
    subscriber.close()


def test_mqtt_5_properties_go_along(pipeline, broker):
    subscriber = Subscriber(broker)
    p = pipeline(TOML.format(url=broker.url, mode="batch", more="""content_type = "application/json"
retain = true
message_expiry = "1h"
[sinks.alerts.properties]
site = "plant7"
device = "{device}"
note = "{note}"
"""))
    write_events(p, 1)
    assert p.run().code == 0
    message = wait_until(lambda: subscriber.messages)[0]
    assert message.properties.ContentType == "application/json"
    assert 3590 <= message.properties.MessageExpiryInterval <= 3600
    assert message.properties.UserProperty == [("site", "plant7"), ("device", "dev-0")]
    subscriber.close()
    later = Subscriber(broker, "+/dev-0")
    assert wait_until(lambda: later.messages)[0].retain
    later.close()


def test_an_impossible_topic_rejects_only_its_record(pipeline, broker):
    subscriber = Subscriber(broker)
    p = pipeline(TOML.format(url=broker.url, mode="batch", more=""))
    events = [{"device": "a", "seq": 0}, {"device": "b/+", "seq": 1}, {"device": None, "seq": 2}, {"device": "x" * 65536, "seq": 3},
              {"device": "c", "seq": 4}]
    (p.directory / "in.ndjson").write_text("".join(json.dumps(e) + "\n" for e in events))
    result = p.run()
    assert result.code == 3, result
    assert result.report["sinks"]["alerts"] | {"delivered": 2, "dead": 3} == result.report["sinks"]["alerts"]
    wait_until(lambda: len(subscriber.messages) == 2)
    assert subscriber.sequence() == [0, 4]
    subscriber.close()


@pytest.mark.parametrize("qos, version", [pytest.param(1, "5", marks=pytest.mark.sanitize), (1, "3.1.1"), (2, "5"), (2, "3.1.1")])
def test_a_broker_that_goes_away_gets_everything_when_it_is_back(pipeline, broker, qos, version):
    subscriber = Subscriber(broker)
    p = pipeline(TOML.format(url=broker.url, mode="tail", more=f'qos = {qos}\nversion = "{version}"'))
    write_events(p, 2000)
    running = p.start()
    wait_until(lambda: len(subscriber.messages) >= 500)
    broker.restart()
    write_events(p, 2000, 2000)
    wait_until(lambda: len(subscriber.seen) == 4000, 60, "all messages")
    lost = running.stderr.count("trying again")
    broker.stop()
    write_events(p, 1000, 4000)
    wait_until(lambda: running.stderr.count("trying again") > lost)
    time.sleep(0.5)  # so that connecting fails, too
    broker.start()
    wait_until(lambda: len(subscriber.seen) == 5000, 60, "all messages")
    assert running.terminate() == 0
    subscriber.close()


@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
def test_kill_9_loses_no_message(pipeline, broker, seed):
    chance = random.Random(seed)
    subscriber = Subscriber(broker)
    p = pipeline(TOML.format(url=broker.url, mode="tail", more=f"qos = {chance.choice([1, 2])}"))
    write_events(p, 10000)
    for _ in range(3):
        running = p.start()
        time.sleep(chance.uniform(0.02, 0.3))
        assert running.kill()
    running = p.start()
    wait_until(lambda: len(subscriber.seen) == 10000, 60, "all messages")
    assert running.terminate() == 0
    subscriber.close()


def test_wrong_password_is_told_at_once(pipeline, broker):
    p = pipeline(TOML.format(url=broker.url, mode="batch", more="").replace('"secret"', '"guess"'))
    write_events(p, 1)
    result = p.run()
    assert result.code == 1, result
    assert "wrong username or password" in result.stderr or "not authorized" in result.stderr, result
    assert "guess" not in result.stderr
