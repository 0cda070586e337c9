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
    """Between client and broker; cuts all connections when told."""

    def __init__(self, port):
        self.target = port
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
