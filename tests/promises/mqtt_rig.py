"""What the MQTT promises share: the broker, independent clients (python's paho-mqtt), a proxy that cuts connections."""

import json
import socket
import threading
import time

import paho.mqtt.client as paho

from conftest import wait_until

READING = "CREATE TABLE readings (seq bigint, topic text, qos integer)"

PIPELINE = """
[pipeline]
name = "plant7"
memory = "32MiB"
[sources.devices]
type = "mqtt"
url = "{url}"
topics = {topics}
username = "pipe"
password = "secret"
format = "json"
{source}
[transforms.readings]
type = "sql"
inputs = ["devices"]
query = "SELECT seq::bigint AS seq, meta.topic AS topic, meta.qos AS qos FROM input"
[sinks.warehouse]
type = "postgres"
inputs = ["readings"]
url = "{database}"
table = "readings"
retry.max = "500ms"
"""


def toml(broker, database, topics='["plant7/#"]', source="", url=None, sink=""):
    return PIPELINE.format(url=url or broker.url, topics=topics, source=source, database=database.url) + sink


class Publisher:
    """An independent client that publishes numbered readings with QoS 1 and knows which the broker has acknowledged."""

    def __init__(self, broker, version=paho.MQTTv5, client_id=None):
        self.client = paho.Client(client_id=client_id or f"publisher-{time.monotonic_ns()}", protocol=version)
        self.client.username_pw_set("pipe", "secret")
        self.client.max_inflight_messages_set(1000)
        self.client.max_queued_messages_set(0)
        self.client.connect("127.0.0.1", broker.port)
        self.client.reconnect_delay_set(1, 1)
        self.client.loop_start()
        self.next = 0

    def send(self, count, topic="plant7/dev-{device}/telemetry", qos=1, wait=True, pad=""):
        for _ in range(count):
            payload = json.dumps({"seq": self.next, "pad": pad})
            self._publish(topic.format(device=self.next % 50), payload, qos=qos)
            self.next += 1
        if wait:
            self.settle()

    def publish(self, topic, payload, qos=1, retain=False, **more):
        self._publish(topic, payload, qos=qos, retain=retain, **more)
        self.settle()

    def _publish(self, topic, payload, **more):
        """paho throws a message away when the 65,535 packet ids are all in use, which happens to it on a busy machine."""
        while self.client.publish(topic, payload, **more).rc == paho.MQTT_ERR_QUEUE_SIZE:
            time.sleep(0.01)

    def settle(self):
        """Until the broker has acknowledged everything."""
        wait_until(lambda: not self.client._out_messages, 60, "publishing")

    def close(self):
        self.client.loop_stop()
        self.client.disconnect()


class Load(threading.Thread):
    """Publishes at a pace until it is stopped; `sent` is the number of the next reading."""

    def __init__(self, publisher, per_second):
        super().__init__(daemon=True)
        self.publisher, self.per_second = publisher, per_second
        self.over = threading.Event()
        self.start()

    def run(self):
        start, first = time.monotonic(), self.publisher.next
        while not self.over.is_set():
            due = int((time.monotonic() - start) * self.per_second) - (self.publisher.next - first)
            if due > 0:
                self.publisher.send(min(due, 500), wait=False)
            self.over.wait(0.005)

    def stop(self):
        """The number of readings that were sent, all acknowledged by the broker."""
        self.over.set()
        self.join()
        self.publisher.settle()
        return self.publisher.next


class Proxy:
    """Between client and broker; cuts all connections when told, and ends the first `break_off` after what they say first."""

    def __init__(self, port, break_off=0):
        self.target, self.break_off = port, break_off
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pairs = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.break_off:
                near.recv(65536)
                near.close()
                self.break_off -= 1
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self.pairs.append((near, far))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(a, b), daemon=True).start()

    @staticmethod
    def _copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """Connections that there were."""
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                s.close()
        return len(pairs)

    def close(self):
        self.listener.close()
        self.cut()


def connected(running, times=1):
    wait_until(lambda: running.stderr.count(": connected as") >= times or running.process.poll() is not None, 30, "connecting")
    assert running.process.poll() is None, running.stderr


def subscribe_first(pipeline, toml_text):
    """Runs the pipeline once until it is subscribed, so that from then on the broker keeps everything for it."""
    p = pipeline(toml_text)
    running = p.start("-v")
    connected(running)
    return p, running


def missing(postgres, upto):
    return upto - postgres.value("SELECT count(DISTINCT seq) FROM readings WHERE seq BETWEEN 0 AND %s", upto - 1)


def complete(postgres, upto):
    return missing(postgres, upto) == 0


def duplicates(postgres):
    return postgres.value("SELECT count(*) - count(DISTINCT seq) FROM readings")


class Peer:
    """The broker's end of one connection, packet by packet."""

    CONNECT, PUBLISH, PUBREL, SUBSCRIBE, PINGREQ = 1, 3, 6, 8, 12

    def __init__(self, connection, version):
        self.socket, self.version = connection, version

    def _receive(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def packet(self):
        """(type, flags, body)"""
        head, length, shift = self._receive(1)[0], 0, 0
        while True:
            byte = self._receive(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return head >> 4, head & 15, self._receive(length)

    def send(self, *data):
        self.socket.sendall(bytes(data))

    def end(self):
        """As an orderly broker does: what was sent arrives."""
        self.socket.shutdown(socket.SHUT_WR)
        while self.socket.recv(65536):
            pass

    def connack(self, code=0, properties=()):
        self.packet()
        self.send(0x20, *((2, 0, code) if self.version == "3.1.1" else (3 + len(properties), 0, code, len(properties), *properties)))

    def disconnect(self, reason):
        self.send(0xE0, 2, reason, 0)

    def suback(self, body):
        self.send(0x90, *((3, *body[:2], 1) if self.version == "3.1.1" else (4, *body[:2], 0, 1)))

    def puback(self, body, reason=0):
        topic = body[0] << 8 | body[1]
        self.send(0x40, 2 + (reason > 0), *body[2 + topic:4 + topic], *([reason] if reason else []))

    def serve(self, puback=None, until=lambda: False):
        """Answers everything, a PUBLISH by puback(body), until its end."""
        while not until():
            kind, _, body = self.packet()
            if kind == Peer.SUBSCRIBE:
                self.suback(body)
            elif kind == Peer.PINGREQ:
                self.send(0xD0, 0)
            elif kind == Peer.PUBLISH:
                (puback or self.puback)(body)


class ScriptedBroker:
    """Does with each connection what `script(peer, number)` says, numbers from 1, and closes it."""

    def __init__(self, version, script):
        self.version, self.script, self.connections = version, script, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"mqtt://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._run, args=(connection, self.connections), daemon=True).start()

    def _run(self, connection, number):
        with connection:
            try:
                self.script(Peer(connection, self.version), number)
            except OSError:
                pass

    def close(self):
        self.listener.close()
