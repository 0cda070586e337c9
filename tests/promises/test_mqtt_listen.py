"""`listen`: devices publish to us directly. What is acknowledged is safe, and nobody can hurt the others."""

import json
import random
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from conftest import OUTAGE, SEEDS, is_sanitized, peak_memory, wait_until
from mqtt_rig import Proxy
from postgres_server import free_port

FIELDS = "SELECT n, meta.topic AS topic, meta.qos AS qos, meta.retain AS retain, meta.key AS client, meta.properties AS properties FROM input"


class Gateway:
    """A pipeline that listens."""

    def __init__(self, pipeline, source="", sink='type = "file"\npath = "out.ndjson"', query=FIELDS, format="json", extra="", memory="64MiB"):
        self.port = free_port()
        self.pipeline = pipeline(f"""[pipeline]
name = "gateway"
memory = "{memory}"
[sources.devices]
type = "mqtt"
listen = "127.0.0.1:{self.port}"
format = "{format}"
{source}
[transforms.fields]
type = "sql"
inputs = ["devices"]
query = "{query}"
[sinks.out]
{sink}
inputs = ["fields"]
{extra}""")
        self.running = None

    def start(self):
        self.running = self.pipeline.start()
        wait_until(self.answers, what="listening")
        return self

    def answers(self):
        assert self.running.process.poll() is None, self.running.stderr
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def drain(self):
        code = self.running.terminate()
        assert code in (0, 3), self.running.stderr
        return json.loads(self.pipeline.report.read_text())

    def lines(self):
        out = self.pipeline.directory / "out.ndjson"
        return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []

    def says(self, text):
        return wait_until(lambda: text in self.running.stderr, what=text)


@pytest.fixture
def gateway(pipeline):
    return lambda *args, **options: Gateway(pipeline, *args, **options)


def client(port, name="", version=mqtt.MQTTv311, clean=True, **options):
    """A connected paho client, whose thread runs."""
    if version == mqtt.MQTTv5:
        c = mqtt.Client(name, protocol=version)
    else:
        c = mqtt.Client(name, protocol=version, clean_session=clean)
    for option, value in options.items():
        getattr(c, option)(*value if isinstance(value, tuple) else (value,))
    c.max_inflight_messages_set(60000)
    c.codes = []
    c.on_connect = lambda c, u, f, rc, properties=None: c.codes.append(int(getattr(rc, "value", rc)))
    c.connect("127.0.0.1", port, 60, **({"clean_start": clean} if version == mqtt.MQTTv5 else {}))
    c.loop_start()
    wait_until(lambda: c.codes, what="CONNACK")
    return c


def publish_all(c, messages, qos, topic="plant/a"):
    for info in [c.publish(topic, json.dumps(m), qos=qos) for m in messages]:
        info.wait_for_publish(30)
        assert info.is_published()


def connect_packet(name, version, clean=True, keepalive=0, login=None):
    """login: (user, password); a password of None is not sent."""
    flags = (2 if clean else 0) | (0 if login is None else 0x80 if login[1] is None else 0xC0)
    body = b"\0\4MQTT" + bytes([version, flags]) + struct.pack(">H", keepalive) + (b"\0" if version == 5 else b"")
    for text in (name, *(part.encode() for part in login or () if part is not None)):
        body += struct.pack(">H", len(text)) + text
    return b"\x10" + bytes([len(body)]) + body


class Wire:
    """Bytes as they are."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)

    def send(self, data):
        self.socket.sendall(data)
        return self

    def receive(self, count):
        got = b""
        while len(got) < count:
            more = self.socket.recv(count - len(got))
            if not more:
                break
            got += more
        return got

    def packet(self):
        head = self.receive(2)
        return head + self.receive(head[1]) if len(head) == 2 else head

    def is_closed(self):
        try:
            while self.socket.recv(4096):
                pass
            return True
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def connect(self, name=b"wire", version=5, clean=True, keepalive=0):
        self.send(connect_packet(name, version, clean, keepalive))
        answer = self.packet()
        assert answer[0] == 0x20 and answer[3] == 0, answer
        self.session_present = answer[2] == 1
        return self


def publish(payload, topic=b"t", qos=0, id=1, dup=False, v5=True):
    body = struct.pack(">H", len(topic)) + topic + (struct.pack(">H", id) if qos else b"") + (b"\0" if v5 else b"") + payload
    length, head = len(body), b""
    while True:
        head += bytes([length & 127 | (128 if length > 127 else 0)])
        length >>= 7
        if not length:
            return bytes([0x30 | qos << 1 | (8 if dup else 0)]) + head + body


# ---- messages ---------------------------------------------------------------------------------------------------------------


@pytest.mark.sanitize
@pytest.mark.parametrize("version", [mqtt.MQTTv311, mqtt.MQTTv5])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_every_message_arrives_with_its_topic_and_qos(gateway, version, qos):
    g = gateway().start()
    c = client(g.port, "device-1", version)
    publish_all(c, ({"n": n} for n in range(500)), qos)
    c.disconnect()
    wait_until(lambda: len(g.lines()) == 500)
    report = g.drain()
    assert [m["n"] for m in g.lines()] == list(range(500))
    assert {(m["topic"], m["qos"], m["retain"], m["client"]) for m in g.lines()} == {("plant/a", qos, False, "device-1")}
    assert report["sources"]["devices"]["read"] == 500 and report["sinks"]["out"]["delivered"] == 500


def test_mosquitto_pub_is_understood_and_properties_come_along(gateway):
    g = gateway().start()
    subprocess.run(["mosquitto_pub", "-p", str(g.port), "-V", "5", "-q", "1", "-r", "-t", "a/b", "-m", '{"n": 1}', "-D", "publish", "content-type",
                    "application/json", "-D", "publish", "user-property", "unit", "°C", "-D", "publish", "message-expiry-interval", "60",
                    "-D", "publish", "correlation-data", "xyz"], check=True)
    subprocess.run(["mosquitto_pub", "-p", str(g.port), "-V", "311", "-q", "2", "-t", "a/b", "-m", '{"n": 2}'], check=True)
    wait_until(lambda: len(g.lines()) == 2)
    first, second = g.lines()
    assert first["retain"] and first["properties"] == {"content_type": "application/json", "correlation_data": "eHl6", "message_expiry": 60,
                                                       "user": {"unit": "°C"}}
    assert second["properties"] is None and second["client"].startswith("auto-")


def test_a_message_of_lines_or_an_array_is_several_records_and_nonsense_is_a_dead_letter(gateway):
    g = gateway().start()
    c = client(g.port)
    for payload in ('{"n": 1}\n{"n": 2}\n', '[{"n": 3}, {"n": 4}]', "", "nonsense", '{"n": 5}'):
        c.publish("t", payload, qos=1).wait_for_publish(20)
    c.disconnect()
    report = g.drain()
    assert [m["n"] for m in g.lines()] == [1, 2, 3, 4, 5]
    assert report["sources"]["devices"]["dead"] == 2


def test_a_topic_alias_stands_for_its_topic(gateway):
    g = gateway().start()
    c = client(g.port, "alias", mqtt.MQTTv5)
    for n in range(200):
        properties = Properties(PacketTypes.PUBLISH)
        properties.TopicAlias = n % 3 + 1
        c.publish(f"long/topic/{n % 3}" if n < 3 else "", json.dumps({"n": n}), qos=1, properties=properties).wait_for_publish(20)
    wait_until(lambda: len(g.lines()) == 200)
    assert all(m["topic"] == f"long/topic/{m['n'] % 3}" for m in g.lines())
    w = Wire(g.port).connect()
    assert w.send(b"\x30\x06\0\0\x03\x23\0\x07").packet() == b"\xe0\x01\x82" and w.is_closed()
    w = Wire(g.port).connect()
    assert w.send(b"\x30\x07\0\1t\x03\x23\0\xff").packet() == b"\xe0\x01\x94" and w.is_closed()


def test_a_will_is_published_when_the_client_vanishes_and_not_when_it_leaves(gateway):
    g = gateway().start()
    body = b"\0\4MQTT\4\x06\0\0" + b"\0\1w" + b"\0\4gone" + b'\0\7{"n":9}'
    for leaves in (True, False):
        w = Wire(g.port).send(b"\x10" + bytes([len(body)]) + body)
        assert w.packet() == b"\x20\2\0\0"
        if leaves:
            w.send(b"\xe0\0")
            assert w.is_closed()
        w.socket.close()
    wait_until(g.lines)
    g.drain()
    assert [(m["n"], m["topic"]) for m in g.lines()] == [(9, "gone")]


# ---- acknowledgements -------------------------------------------------------------------------------------------------------


def postgres_sink(postgres, more=""):
    return f'type = "postgres"\nurl = "{postgres.url}"\ntable = "t"\n{more}'


def into_postgres(gateway, postgres, source="", query="SELECT n, meta.qos AS qos FROM input", **options):
    postgres.rows("CREATE TABLE t (n integer, qos integer)")
    return gateway(source, sink=postgres_sink(postgres), query=query, **options)


def test_nothing_is_acknowledged_before_postgres_has_it(gateway, postgres):
    g = into_postgres(gateway, postgres).start()
    publish_all(client(g.port), ({"n": n} for n in range(100)), 1)
    assert postgres.value("SELECT count(*) FROM t") == 100
    postgres.rows("BEGIN")
    postgres.forget_connection()
    postgres.server.freeze()
    try:
        w = Wire(g.port).connect()
        for n in range(50):
            w.send(publish(b'{"n": 1000}', qos=1, id=n + 1))
        w.send(publish(b'{"n": 2000}', qos=2, id=100)).send(b"\xc0\0")
        assert w.packet() == b"\xd0\0"  # the ping is answered, the messages are not
        w.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            w.socket.recv(1)
    finally:
        postgres.server.thaw()
    w.socket.settimeout(20)
    assert [w.packet() for _ in range(50)] == [b"\x40\2" + struct.pack(">H", n + 1) for n in range(50)]
    assert w.packet() == b"\x50\2\0\x64"
    assert w.send(b"\x62\2\0\x64").packet() == b"\x70\2\0\x64"
    assert postgres.value("SELECT count(*) FROM t") == 151


def test_qos_2_is_delivered_once_however_often_it_is_sent(gateway):
    g = gateway().start()
    w = Wire(g.port).connect(b"twice", clean=False, version=4)
    message = lambda dup: publish(b'{"n": 1}', qos=2, id=7, dup=dup, v5=False)
    assert w.send(message(False)).packet() == b"\x50\2\0\7"
    assert w.send(message(True)).packet() == b"\x50\2\0\7"
    w.socket.close()
    w = Wire(g.port).connect(b"twice", clean=False, version=4)
    assert w.session_present
    assert w.send(message(True)).packet() == b"\x50\2\0\7"
    assert w.send(b"\x62\2\0\7").packet() == b"\x70\2\0\7"
    assert w.send(b"\x62\2\0\7").packet() == b"\x70\2\0\7"  # once more, in case the first was lost
    assert w.send(publish(b'{"n": 2}', qos=2, id=7, v5=False)).packet() == b"\x50\2\0\7"  # the identifier is free again
    g.drain()
    assert [m["n"] for m in g.lines()] == [1, 2]


def test_a_client_that_comes_back_gets_its_acknowledgements_and_no_duplicates(gateway, postgres):
    g = into_postgres(gateway, postgres).start()
    publish_all(client(g.port), [{"n": 0}], 1)
    postgres.forget_connection()
    postgres.server.freeze()
    try:
        w = Wire(g.port).connect(b"back", clean=False, version=4)
        w.send(b"".join(publish(b'{"n": %d}' % n, qos=1, id=n, v5=False) for n in range(1, 101)) + b"\xc0\0")
        assert w.packet() == b"\xd0\0"
        w.socket.close()
        w = Wire(g.port).connect(b"back", clean=False, version=4)
        assert w.session_present
        w.send(b"".join(publish(b'{"n": %d}' % n, qos=1, id=n, dup=True, v5=False) for n in range(1, 51)) + b"\xc0\0")
        assert w.packet() == b"\xd0\0"
    finally:
        postgres.server.thaw()
    assert [w.packet() for _ in range(50)] == [b"\x40\2" + struct.pack(">H", n) for n in range(1, 51)]
    w.send(b"".join(publish(b'{"n": %d}' % n, qos=1, id=n, dup=True, v5=False) for n in range(51, 101)))
    assert [w.packet() for _ in range(50)] == [b"\x40\2" + struct.pack(">H", n) for n in range(51, 101)]
    assert postgres.rows("SELECT count(*), count(DISTINCT n) FROM t") == [(101, 101)]


def test_a_drain_acknowledges_what_it_has_taken(gateway, postgres):
    g = into_postgres(gateway, postgres).start()
    w = Wire(g.port).connect()
    for n in range(300):
        w.send(publish(b'{"n": %d}' % n, qos=1, id=n + 1))
    assert w.packet() == b"\x40\2\0\1"
    g.running.process.terminate()
    acknowledged = 1
    while (p := w.packet()) and p[0] == 0x40:
        acknowledged += 1
    assert p in (b"", b"\xe0\x01\x8b")
    assert g.running.wait() == 0, g.running.stderr
    assert postgres.value("SELECT count(*) FROM t") == acknowledged


class Device(threading.Thread):
    """Publishes numbers with QoS 1 or 2, as fast as it may or at a pace, and remembers what was acknowledged; after a break it comes back and sends
    again what was not."""

    def __init__(self, port, name, numbers, qos, window=200, per_second=float("inf")):
        super().__init__(daemon=True)
        self.port, self.name, self.qos, self.window, self.per_second = port, name, qos, window, per_second
        self.waiting = list(numbers)
        self.sent, self.received, self.acknowledged = {}, {}, set()  # id → number; QoS 2: with PUBREC, to be released
        self.next_id, self.published = 1, 0
        self.stopped = False

    def run(self):
        self.began = time.monotonic()
        while not self.is_done() and not self.stopped:
            try:
                self.session()
            except (OSError, AssertionError, IndexError):
                time.sleep(0.02)

    def is_done(self):
        return not self.waiting and not self.sent and not self.received

    def is_due(self):
        return self.published < (time.monotonic() - self.began) * self.per_second

    def session(self):
        w = Wire(self.port).connect(self.name.encode(), version=4, clean=False)
        w.socket.settimeout(30)
        for id, n in self.sent.items():
            w.send(publish(b'{"n": %d}' % n, qos=self.qos, id=id, dup=True, v5=False))
        for id in self.received:
            w.send(b"\x62\2" + struct.pack(">H", id))
        while not self.is_done():
            burst = b""
            while self.waiting and self.is_due() and len(self.sent) + len(self.received) < self.window:
                self.published += 1
                id = self.next_id
                self.next_id = id % 65535 + 1
                self.sent[id] = self.waiting.pop(0)
                burst += publish(b'{"n": %d}' % self.sent[id], qos=self.qos, id=id, v5=False)
            w.send(burst)
            if not self.sent and not self.received:
                time.sleep(0.001)
                continue
            p = w.packet()
            if len(p) < 4:
                raise OSError("closed")
            id = struct.unpack(">H", p[2:])[0]
            if p[0] == 0x50:
                if id in self.sent:
                    self.received[id] = self.sent.pop(id)
                w.send(b"\x62\2" + struct.pack(">H", id))
            else:
                n = self.received.pop(id, None) if p[0] == 0x70 else self.sent.pop(id, None)
                if n is not None:
                    self.acknowledged.add(n)
        w.send(b"\xe0\0")


def kill_under_load(g, postgres, seed, qos, devices=6, each=6000, ack="delivered"):
    chance = random.Random(seed)
    g.start()
    threads = [Device(g.port, f"d{i}", range(i * each, (i + 1) * each), qos) for i in range(devices)]
    for t in threads:
        t.start()
    kills = 0
    while any(t.is_alive() for t in threads) and kills < 4:
        before = postgres.value("SELECT count(*) FROM t")
        wait_until(lambda: postgres.value("SELECT count(*) FROM t") > before or not any(t.is_alive() for t in threads), 60)
        time.sleep(chance.random() * 0.05)
        kills += g.running.kill()
        safe = set().union(*(t.acknowledged for t in threads))
        stored = {n for n, in postgres.rows("SELECT n FROM t")}
        assert ack == "spooled" or safe <= stored, f"{len(safe - stored)} acknowledged messages are not in the database"
        g.start()
    for t in threads:
        t.join(60)
        assert t.is_done()
    assert kills > 1, "everything was delivered before it could be killed: this machine needs more messages"
    g.drain()
    return devices * each


@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
def test_killed_under_load_every_acknowledged_message_is_stored_and_none_is_missing(gateway, postgres, record_property, seed):
    g = into_postgres(gateway, postgres)
    count = kill_under_load(g, postgres, seed, 1)
    stored, distinct = postgres.rows("SELECT count(*), count(DISTINCT n) FROM t")[0]
    assert distinct == count
    record_property("duplicates", stored - distinct)


@pytest.mark.kills
@pytest.mark.parametrize("ack", ["delivered", "spooled"])
@pytest.mark.parametrize("seed", SEEDS)
def test_killed_under_load_every_qos_2_message_is_stored_exactly_once(gateway, postgres, seed, ack):
    g = into_postgres(gateway, postgres, f'ack = "{ack}"')
    count = kill_under_load(g, postgres, seed, 2, ack=ack)
    wait_until(lambda: postgres.value("SELECT count(*) FROM t") >= count)
    assert postgres.rows("SELECT count(*), count(DISTINCT n) FROM t") == [(count, count)]


@pytest.mark.parametrize("qos", [1, 2])
def test_devices_that_are_cut_off_again_and_again_lose_nothing_and_with_qos_2_are_stored_exactly_once(gateway, postgres, qos):
    """With QoS 1 a message comes again whose acknowledgement was lost on the way."""
    g = into_postgres(gateway, postgres).start()
    proxy = Proxy(g.port)
    devices, each = 4, 5000
    threads = [Device(proxy.port, f"d{i}", range(i * each, (i + 1) * each), qos, per_second=2000) for i in range(devices)]
    for t in threads:
        t.start()
    cuts = 0
    while any(t.is_alive() for t in threads):
        time.sleep(0.1)
        cuts += proxy.cut()
    assert all(t.is_done() for t in threads) and cuts > devices
    g.drain()
    stored, distinct = postgres.rows("SELECT count(*), count(DISTINCT n) FROM t")[0]
    assert distinct == devices * each
    assert qos == 1 or stored == distinct
    proxy.close()


@pytest.mark.outage
@pytest.mark.parametrize("ack", ["delivered", "spooled"])
def test_while_the_database_is_down_devices_wait_or_are_served_by_the_spool_and_every_message_is_stored_once(gateway, postgres, ack, record_property):
    g = into_postgres(gateway, postgres, f'ack = "{ack}"', memory="32MiB").start()
    count, devices = int(10_000 * (OUTAGE + 3)), 4
    threads = [Device(g.port, f"d{i}", range(i, count, devices), 1, per_second=10_000 / devices) for i in range(devices)]
    for t in threads:
        t.start()
    wait_until(lambda: postgres.value("SELECT count(*) FROM t") > 0)
    postgres.forget_connection()
    postgres.server.stop()
    time.sleep(1)  # what was committed before is acknowledged
    before = sum(len(t.acknowledged) for t in threads)
    time.sleep(OUTAGE)
    after = sum(len(t.acknowledged) for t in threads)
    assert before < count, "everything was delivered before the database went away: this machine needs more messages"
    assert after > before if ack == "spooled" else after == before
    postgres.server.start()
    for t in threads:
        t.join(120)
        assert t.is_done()
    wait_until(lambda: postgres.value("SELECT count(*) FROM t") >= count)
    assert postgres.rows("SELECT count(*), count(DISTINCT n) FROM t") == [(count, count)]
    peak = peak_memory(g.running)
    g.drain()
    record_property("MiB", peak)
    assert is_sanitized() or peak < 64


def test_a_session_outlives_the_process(gateway):
    g = gateway().start()
    w = Wire(g.port).connect(b"keeps", clean=False, version=4)
    assert w.send(publish(b'{"n": 1}', qos=2, id=7, v5=False)).packet() == b"\x50\2\0\7"
    Wire(g.port).connect(b"forgets", clean=True, version=4)
    g.running.kill()
    g.start()
    assert not Wire(g.port).connect(b"forgets", clean=False, version=4).session_present
    w = Wire(g.port).connect(b"keeps", clean=False, version=4)
    assert w.session_present
    assert w.send(publish(b'{"n": 1}', qos=2, id=7, dup=True, v5=False)).packet() == b"\x50\2\0\7"
    assert w.send(b"\x62\2\0\7").packet() == b"\x70\2\0\7"
    g.drain()
    g.start()
    w = Wire(g.port).connect(b"keeps", clean=False, version=4)
    assert w.send(publish(b'{"n": 2}', qos=2, id=7, dup=True, v5=False)).packet() == b"\x50\2\0\7"  # released before: another message
    assert not Wire(g.port).connect(b"keeps", clean=True, version=4).session_present
    g.drain()
    g.start()
    assert not Wire(g.port).connect(b"keeps", clean=False, version=4).session_present
    g.drain()
    assert [m["n"] for m in g.lines()] == [1, 2]


def test_a_preview_acknowledges_nothing(gateway):
    g = gateway()
    process = subprocess.Popen(g.pipeline.command("run", "--preview", "3"), cwd=g.pipeline.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    g.running = type("Preview", (), {"process": process, "stderr": ""})
    wait_until(g.answers)
    w = Wire(g.port).connect(b"preview", clean=False, version=4)
    w.send(b"".join(publish(b'{"n": 1}', qos=q, id=i, v5=False) for i, q in ((1, 1), (2, 2), (3, 1))))
    assert '"n":1' in process.communicate(timeout=30)[0]
    assert w.receive(1) == b"" and g.lines() == []
    assert not any((g.pipeline.directory / "state").rglob("devices.*"))


# ---- who may, and how much --------------------------------------------------------------------------------------------------


def test_only_users_with_their_password_may_publish(gateway):
    g = gateway('username = "main"\npassword = "pw0"\nusers = { line3 = "pw3", line4 = "pw4" }').start()
    for version, refused in ((mqtt.MQTTv311, 4), (mqtt.MQTTv5, 0x86)):
        for user in (("line3", "pw4"), ("line3", ""), ("line3", None), ("nobody", "pw3"), ("", "pw3"), None):
            w = Wire(g.port).send(connect_packet(b"x", version, login=user))
            assert w.packet()[3] == refused and w.is_closed(), user
        for user in (("main", "pw0"), ("line3", "pw3"), ("line4", "pw4")):
            c = client(g.port, "x", version, username_pw_set=user)
            assert c.codes == [0], user
            publish_all(c, [{"n": 1}], 1)
            c.disconnect()
            c.loop_stop()
    g.says("wrong user or password")
    assert "pw3" not in g.running.stderr
    g.drain()
    assert len(g.lines()) == 6


@pytest.fixture
def passwords(tmp_path):
    """A file of mosquitto_passwd's, with a user of the plain options' name too."""
    file = tmp_path / "passwords"
    file.touch()
    for user, password in (("line3", "pw3"), ("main", "another"), ("zoë", "ключ"), ("quiet", "")):
        subprocess.run(["mosquitto_passwd", "-b", file, user, password], check=True, capture_output=True)
    return file


def test_only_users_of_the_file_may_publish(gateway, passwords):
    g = gateway(f'username = "main"\npassword = "pw0"\nusers_file = "{passwords}"').start()
    for version, refused in ((4, 4), (5, 0x86)):
        for user in (("line3", "pw"), ("line3", "pw33"), ("line3", ""), ("line3", None), ("nobody", "pw3"), ("zoë", "pw3"), ("", ""), None):
            w = Wire(g.port).send(connect_packet(b"x", version, login=user))
            assert w.packet()[3] == refused and w.is_closed(), user
        for user in (("line3", "pw3"), ("zoë", "ключ"), ("main", "another"), ("main", "pw0")):
            assert Wire(g.port).send(connect_packet(b"x", version, login=user)).packet()[3] == 0, user
    assert "pw3" not in passwords.read_text() + g.running.stderr


def test_check_connect_looks_at_all_that_devices_will_meet(gateway, passwords, certificates):
    d = certificates
    tls = f'tls.cert = "{d}/server.pem"\ntls.key = "{d}/server.key"\n'
    checked = lambda source: gateway(source).pipeline.run("--connect", verb="check")
    good = checked(tls + f'users_file = "{passwords}"')
    assert good.code == 0 and "devices (source mqtt): reached" in good.stdout, good
    for source, words in ((tls.replace("server.key", "device.key"), "does not belong to the certificate"), (tls.replace("server.pem", "gone.pem"), "gone.pem"),
                          ('users_file = "gone"', "gone"), (f'users_file = "{d}/server.pem"', "server.pem: line 1: ")):
        bad = checked(source)
        assert bad.code == 1 and words in bad.stdout, bad
    g = gateway()
    with socket.create_server(("127.0.0.1", g.port)):
        taken = g.pipeline.run("--connect", verb="check")
    assert taken.code == 1 and "another program does" in taken.stdout, taken


def test_a_broken_packet_ends_its_connection_with_the_reason_and_no_other(gateway):
    g = gateway().start()
    good = client(g.port, "good")
    for bytes_, reason in (
        (b"\x36\x06\0\1t\0\1\0", 0x81),
        (b"\x30\xff\xff\xff\xff\x01", 0x81),
        (b"\x30\x06\0\3a/+\0", 0x81),
        (b"\x32\x06\0\1t\0\0\0", 0x82),
        (b"\x60\2\0\1", 0x81),
        (b"\x82\x07\0\1\0\0\1#\xff", 0x81),
        (b"\x10\x0e\0\4MQTT\5\2\0\0\0\0\1a", 0x82),
        (b"\x00\0", 0x82),
        (b"\xf0\0", 0x82),
    ):
        w = Wire(g.port).connect(b"bad").send(publish(b'{"n": 1}')).send(bytes_)
        assert w.packet() == b"\xe0\x01" + bytes([reason]), bytes_
        assert w.is_closed()
    for rubbish in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\3\1\0\xa5" + bytes(165), publish(b"x"), b"\xc0\0", bytes(1000)):
        assert Wire(g.port).send(rubbish).is_closed()
    chance = random.Random(1)
    for _ in range(300):
        w = Wire(g.port)
        w.send(b"\x10\x0e\0\4MQTT\5\2\0\0\0\0\1z" if chance.random() < 0.7 else b"")
        try:
            w.send(bytes([chance.choice([0x30, 0x32, 0x34, 0x62, 0x82, 0xA2, 0xE0, chance.randrange(256)]), chance.randrange(40)]) + chance.randbytes(40))
        except OSError:
            pass
        w.socket.close()
    publish_all(good, [{"n": 2}], 1)
    good.disconnect()
    g.drain()
    assert sum(m["n"] == 1 for m in g.lines() if m["client"] == "bad") == 9  # what came before was good
    assert any(m["n"] == 2 for m in g.lines())


def test_a_message_larger_than_max_record_is_refused_before_it_is_read(gateway):
    g = gateway('max_record = "100KiB"', query="SELECT n, length(pad) AS pad FROM input").start()
    w = Wire(g.port).connect()
    w.send(publish(b'{"n": 1, "pad": "%s"}' % (b"x" * 100_000), qos=1))
    assert w.packet() == b"\x40\2\0\1"
    assert w.send(publish(b'{"n": 2, "pad": "%s"}' % (b"x" * 102_400), qos=1)).packet() == b"\xe0\x01\x95" and w.is_closed()
    w = Wire(g.port).connect()
    assert w.send(b"\x32\x80\xc2\xd7\x5f").packet() == b"\xe0\x01\x95"  # 200 MB are announced
    old = Wire(g.port).connect(version=4)
    assert old.send(b"\x32\x80\xc2\xd7\x5f").is_closed()
    g.drain()
    assert g.lines() == [{"n": 1, "pad": 100_000}]


def test_payloads_of_many_sizes_cut_anywhere_arrive_whole(gateway):
    g = gateway('max_record = "4MiB"', query="SELECT length(payload) AS len, md5(payload) AS sum FROM input", format="raw").start()
    import hashlib
    chance = random.Random(3)
    payloads = [chance.randbytes(n) for n in (0, 1, 100, 4096, 16_000, 33_000, 65_536, 300_000, 1_000_000, 4_000_000, 5, 0)]
    stream = b"".join(publish(p, topic=b"t" * chance.randrange(1, 300), qos=1, id=i + 1) for i, p in enumerate(payloads))
    w = Wire(g.port).connect()
    at = 0
    while at < len(stream):
        step = chance.choice((1, 3, 100, 5000, 70_000, 900_000))
        w.send(stream[at:at + step])
        at += step
    assert [w.packet() for _ in payloads] == [b"\x40\2" + struct.pack(">H", i + 1) for i in range(len(payloads))]
    g.drain()
    assert [(m["len"], m["sum"]) for m in g.lines()] == [(len(p), hashlib.md5(p).hexdigest()) for p in payloads]


def test_subscribing_is_refused_and_publishing_goes_on(gateway):
    g = gateway().start()
    w = Wire(g.port).connect()
    assert w.send(b"\x82\x0b\0\5\0\0\1#\0\0\1a\1").packet() == b"\x90\5\0\5\0\x87\x87"
    assert w.send(b"\xa2\x06\0\6\0\0\1#").packet() == b"\xb0\4\0\6\0\x11"
    assert w.send(publish(b'{"n": 1}', qos=1)).packet() == b"\x40\2\0\1"
    w = Wire(g.port).connect(version=4)
    assert w.send(b"\x82\x06\0\5\0\1#\0").packet() == b"\x90\3\0\5\x80"
    assert "denied" in subprocess.run(["mosquitto_sub", "-p", str(g.port), "-t", "#"], capture_output=True, text=True, timeout=20).stderr


def test_a_silent_client_is_dropped_after_its_keepalive_and_a_pinging_one_is_not(gateway):
    g = gateway('connect_timeout = "1s"').start()
    silent, pinging, mute = Wire(g.port).connect(b"silent", keepalive=1), Wire(g.port).connect(b"pinging", keepalive=1), Wire(g.port)
    assert Wire(g.port).connect(b"forever", keepalive=0).send(b"\x30\x20\0").packet() == b"\xe0\x01\x8d"  # halts in the middle of a packet
    for _ in range(8):
        assert pinging.send(b"\xc0\0").packet() == b"\xd0\0"
        time.sleep(0.3)
    assert silent.packet() == b"\xe0\x01\x8d" and silent.is_closed()
    assert mute.is_closed()
    assert pinging.send(b"\xc0\0").packet() == b"\xd0\0"


def test_a_device_without_a_keepalive_that_is_gone_is_found_out_by_tcp(gateway):
    """Which asks after two hours: here only whether the clock for it runs."""
    g = gateway().start()
    w = Wire(g.port).connect(b"forever", keepalive=0)
    ours, theirs = (f"0100007F:{port:04X}" for port in (g.port, w.socket.getsockname()[1]))
    lines = [line.split() for line in open("/proc/net/tcp") if ours in line and theirs in line]
    assert [timer[:2] for _, local, remote, _, _, timer, *_ in lines if local == ours] == ["02"], lines


def test_connect_timeout_is_for_all_of_connect_however_it_trickles_in(gateway):
    """Or a few of these would take all the places that max_connections has."""
    g = gateway('connect_timeout = "1s"\nmax_connections = 2').start()
    slow, start = Wire(g.port), time.monotonic()
    slow.socket.settimeout(0.2)
    closed = False
    for byte in connect_packet(b"d" * 100, 4):
        try:
            slow.send(bytes([byte]))
            closed = slow.socket.recv(1) == b""
        except TimeoutError:
            continue
        except OSError:
            closed = True
        if closed:
            break
    assert closed and 0.9 < time.monotonic() - start < 5
    g.says("no CONNECT came within connect_timeout")
    assert Wire(g.port).connect().send(publish(b'{"n": 1}', qos=1)).packet() == b"\x40\2\0\1"


def test_who_connects_with_the_same_client_id_takes_over(gateway):
    g = gateway().start()
    first = Wire(g.port).connect(b"same")
    second = Wire(g.port).connect(b"same")
    assert first.packet() == b"\xe0\x01\x8e" and first.is_closed()
    assert second.send(publish(b'{"n": 1}', qos=1)).packet() == b"\x40\2\0\1"


@pytest.mark.sanitize
def test_a_thousand_devices_at_once(gateway):
    g = gateway().start()
    devices = [Wire(g.port).connect(b"device-%d" % i) for i in range(1000)]
    for round in range(3):
        for i, w in enumerate(devices):
            w.send(publish(b'{"n": %d}' % i, qos=1, id=round + 1))
        for w in devices:
            assert w.packet() == b"\x40\2\0" + bytes([round + 1])
    for w in devices:
        w.socket.close()
    g.drain()
    assert len(g.lines()) == 3000 and len({m["client"] for m in g.lines()}) == 1000


def test_more_than_max_connections_are_turned_away(gateway):
    g = gateway("max_connections = 5").start()
    wires = [Wire(g.port).connect(b"%d" % i) for i in range(5)]
    assert Wire(g.port).is_closed()
    wires.pop().send(b"\xe0\0").is_closed()
    wait_until(lambda: try_connect(g.port))


def try_connect(port):
    try:
        return Wire(port).connect(b"later")
    except (AssertionError, IndexError, OSError):
        return False


@pytest.mark.parametrize("ack", ["delivered", "spooled"])
def test_a_payload_of_200_mb_is_a_record_where_max_record_allows_it(gateway, postgres, ack):
    g = into_postgres(gateway, postgres, f'max_record = "256MiB"\nack = "{ack}"', "SELECT n, length(pad) AS qos FROM input", memory="32MiB").start()
    w = Wire(g.port).connect()
    w.socket.settimeout(120)
    for n, size in enumerate((200_000_000, 0, 200_000_000)):
        w.send(publish(b'{"n": %d, "pad": "%s"}' % (n, b"x" * size), qos=1, id=n + 1))
    assert [w.packet() for _ in range(3)] == [b"\x40\2\0" + bytes([n + 1]) for n in range(3)]
    wait_until(lambda: postgres.rows("SELECT qos FROM t ORDER BY n") == [(200_000_000,), (0,), (200_000_000,)], 120)
    assert is_sanitized() or peak_memory(g.running) < 3 * 200 + 64  # the packet as it gathers, the batch, and, spooled, the one that is read again
    g.drain()


def test_a_payload_of_200_mb_that_max_record_does_not_allow_is_refused_before_it_is_read(gateway):
    g = gateway(memory="32MiB").start()
    w = Wire(g.port).connect()
    with pytest.raises(OSError):
        w.send(publish(b"x" * 200_000_000, qos=1))
        w.send(b"\xc0\0" * 1_000_000)
    g.says("a packet is larger than max_record")
    assert is_sanitized() or peak_memory(g.running) < 64
    assert Wire(g.port).connect().send(publish(b'{"n": 1}', qos=1)).packet() == b"\x40\2\0\1"


def test_a_dead_database_holds_the_devices_back_and_memory_stays_bounded(gateway, postgres):
    postgres.rows("CREATE TABLE t (n integer, pad text)")
    g = gateway(sink=postgres_sink(postgres), query="SELECT n, pad FROM input", memory="32MiB").start()
    publish_all(client(g.port), [{"n": -1, "pad": ""}], 1)
    postgres.forget_connection()
    postgres.server.freeze()
    sent = [0, 0]

    def flood(k):
        w = Wire(g.port).connect(b"flood%d" % k, keepalive=2)
        w.socket.settimeout(3)
        try:
            while sent[k] < 100_000:
                w.send(publish(b'{"n": %d, "pad": "%s"}' % (sent[k], b"x" * 2000)))
                sent[k] += 1
        except TimeoutError:
            w.socket.settimeout(60)
        return w

    try:
        held, threads = [None, None], []
        for k in range(2):
            threads.append(threading.Thread(target=lambda k=k: held.__setitem__(k, flood(k))))
            threads[-1].start()
        for t in threads:
            t.join()
        assert all(n < 100_000 for n in sent), "the devices were not held back"
        if not is_sanitized():
            assert peak_memory(g.running) < 64
        time.sleep(3.5)  # longer than one and a half keepalives: who is not read is not silent
    finally:
        postgres.server.thaw()
    wait_until(lambda: postgres.value("SELECT count(*) FROM t") >= sum(sent), 60)
    assert "keepalive" not in g.running.stderr


# ---- TLS --------------------------------------------------------------------------------------------------------------------


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, a server's and a client's certificate, and one that nobody knows."""
    d = tmp_path_factory.mktemp("certificates")
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl(d, "req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    openssl(d, "req", "-x509", *new_key, "-keyout", "stranger.key", "-out", "stranger.pem", "-subj", "/CN=stranger")
    (d / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    for name in ("server", "device"):
        openssl(d, "req", *new_key[:-2], "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(d, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", f"{name}.pem",
                "-extfile", "names")
    return d


@pytest.mark.sanitize
def test_devices_publish_over_tls_and_check_who_we_are(gateway, certificates):
    d = certificates
    g = gateway(f'tls.cert = "{d}/server.pem"\ntls.key = "{d}/server.key"\nmax_record = "2MiB"', query="SELECT n, length(pad) AS pad FROM input").start()
    c = client(g.port, "tls", tls_set=(str(d / "ca.pem"),))
    publish_all(c, ({"n": n, "pad": "x" * (n * 37 % 5000)} for n in range(1000)), 1)
    publish_all(c, [{"n": 1000, "pad": "x" * 1_500_000}], 2)
    c.disconnect()
    c.loop_stop()
    distrusts = subprocess.run(["mosquitto_pub", "-p", str(g.port), "-t", "t", "-m", "{}", "--cafile", d / "stranger.pem"], capture_output=True, text=True)
    assert distrusts.returncode != 0
    assert Wire(g.port).send(b"\x10\x0e\0\4MQTT\5\2\0\0\0\0\1a").is_closed()  # not TLS at all
    g.drain()
    assert [(m["n"], m["pad"]) for m in g.lines()] == [(n, n * 37 % 5000) for n in range(1000)] + [(1000, 1_500_000)]


def test_what_tls_has_read_ahead_is_not_forgotten_while_a_window_is_full(gateway, certificates):
    """The end of what a device has sent waits in TLS's memory, where no socket tells of it."""
    d = certificates
    g = gateway(f'tls.cert = "{d}/server.pem"\ntls.key = "{d}/server.key"\nwindow = 10\nconnect_timeout = "3s"').start()
    for size in [140_000] * 3 + [132_500, 135_000, 137_500]:
        w = Wire(g.port)
        w.socket = ssl._create_unverified_context().wrap_socket(w.socket)
        w.connect(b"device", version=4)
        messages, count = b"", 0
        while len(messages) < size:
            count += 1
            messages += publish(b'{"n": 1, "pad": "%s"}' % (b"x" * 200), qos=1, id=count, v5=False)
        g.running.process.send_signal(signal.SIGSTOP)  # so that all of it is there at once
        sender = threading.Thread(target=lambda: [w.send(messages[i:i + 9973]) for i in range(0, len(messages), 9973)])
        sender.start()
        sender.join(0.3)
        g.running.process.send_signal(signal.SIGCONT)
        assert len(w.receive(4 * count)) == 4 * count
        sender.join()
        w.socket.close()
    g.drain()


def test_with_tls_ca_only_devices_with_a_certificate_may_publish(gateway, certificates):
    d = certificates
    g = gateway(f'tls.cert = "{d}/server.pem"\ntls.key = "{d}/server.key"\ntls.ca = "{d}/ca.pem"').start()
    publish_with = lambda *options: subprocess.run(["mosquitto_pub", "-p", str(g.port), "-q", "1", "-t", "t", "-m", '{"n": 1}', "--cafile", d / "ca.pem",
                                                    *options], capture_output=True, text=True, timeout=30).returncode
    assert publish_with("--cert", d / "device.pem", "--key", d / "device.key") == 0
    assert publish_with() != 0
    assert publish_with("--cert", d / "stranger.pem", "--key", d / "stranger.key") != 0
    g.says("certificate")
    g.drain()
    assert len(g.lines()) == 1


def test_a_certificate_that_does_not_fit_its_key_is_a_clear_error(gateway, certificates):
    d = certificates
    for cert, key, words in (("server.pem", "device.key", "tls.key"), ("missing.pem", "server.key", "tls.cert")):
        result = gateway(f'tls.cert = "{d}/{cert}"\ntls.key = "{d}/{key}"').pipeline.run()
        assert result.code == 1 and words in result.stderr, result


# ---- the endpoint -----------------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_a_clear_error(gateway):
    g = gateway()
    with socket.socket() as s:
        s.bind(("127.0.0.1", g.port))
        s.listen()
        result = g.pipeline.run()
    assert result.code == 1 and f"cannot listen on 127.0.0.1:{g.port}: another program does" in result.stderr


def test_options_that_make_no_sense_are_errors(gateway):
    g = gateway('topics = ["a"]\ntls.ca = "x.pem"\n')
    result = g.pipeline.run(verb="check")
    assert result.code == 78 and "tls.ca" in result.stderr and "topics" in result.stderr
    g.pipeline.write(g.pipeline.file.read_text().replace(f"127.0.0.1:{g.port}", "127.0.0.1"))
    assert "no address to listen on" in g.pipeline.run(verb="check").stderr
