"""What the promises about Kafka share: topics of their own, filled and read by independent clients (confluent-kafka and kcat)."""

import json
import socket
import struct
import subprocess
import threading
import time
import uuid
from contextlib import closing, suppress

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from conftest import wait_until
from kafka_server import insist

# A member that dies is noticed after the session timeout: as short as the broker allows.
SHORT_SESSION = '"session.timeout.ms" = 3000\n"heartbeat.interval.ms" = 500\n'


def member_toml(server, pipeline, topic, source=""):
    """A member of a fleet, as far as its source: what it does with `in` is added behind."""
    return f"""
[pipeline]
name = "{pipeline}"
instance = "${{MEMBER}}"

[sources.in]
type = "kafka"
brokers = ["{server.brokers}"]
topics = ["{topic.name}"]
group = "{topic.name}"
{source}
[sources.in.librdkafka]
"max.poll.interval.ms" = 20000
{SHORT_SESSION}
"""


class Load:
    """Numbers that keep coming, in the background."""

    def __init__(self, topic, lots, size=3000, pause=0.25):
        self.total, self.over = lots * size, False
        self.thread = threading.Thread(target=self.run, args=(topic, lots, size, pause))
        self.thread.start()

    def run(self, topic, lots, size, pause):
        for i in range(lots):
            topic.numbers(i * size, size)
            time.sleep(pause)
        self.over = True

    def progresses(self, count):
        """Until there is more of what count() counts, or nothing more comes."""
        before = count()
        wait_until(lambda: self.over or count() > before, 120, "progress")

    def join(self):
        self.thread.join()
        return self.total


def all_end_well(running):
    codes = [r.terminate(120) for r in running]
    assert codes == [0] * len(running), [r.stderr[-600:] for r in running]


class Topic:
    def __init__(self, server, name, partitions=1, **config):
        self.server, self.name, self.partitions = server, name, partitions
        server.topic(name, partitions, **config)

    def produce(self, values, partition=None, key=None, headers=None, timestamp=0):
        """values: texts, bytes, or None (a tombstone); spread over the partitions in turn where none is named."""
        producer = Producer({"bootstrap.servers": self.server.brokers, "linger.ms": 50, "queue.buffering.max.messages": 2_000_000,
                             "compression.type": "lz4", "enable.idempotence": True})
        refused = []
        for i, value in enumerate(values):
            producer.produce(self.name, value=value, key=key(i) if callable(key) else key, headers=headers, timestamp=timestamp,
                             partition=i % self.partitions if partition is None else partition,
                             on_delivery=lambda error, message: error and refused.append(error))
            if i % 1000 == 0:
                producer.poll(0)
        assert producer.flush(300) == 0 and not refused, refused[:3]

    def numbers(self, first, count, pad=""):
        self.produce([json.dumps({"k": k, "pad": pad} if pad else {"k": k}) for k in range(first, first + count)])

    def consumer(self, group, **more):
        return closing(Consumer({"bootstrap.servers": self.server.brokers, "group.id": group, **more}))

    def committed(self, group):
        """Per partition the group's offset; negative where there is none."""
        def ask():
            with self.consumer(group) as consumer:
                offsets = consumer.committed([TopicPartition(self.name, i) for i in range(self.partitions)], timeout=10)
            for o in offsets:
                if o.error:
                    raise KafkaException(o.error)
            return [o.offset for o in offsets]
        return insist(ask)

    def watermarks(self, which):
        def ask():
            with self.consumer("ends") as consumer:
                return [consumer.get_watermark_offsets(TopicPartition(self.name, i), timeout=10)[which] for i in range(self.partitions)]
        return insist(ask)

    def beginnings(self):
        return self.watermarks(0)

    def ends(self):
        return self.watermarks(1)

    def read(self, form="%s\n"):
        """Everything in the topic, by kcat: committed transactions only."""
        command = ["kcat", "-C", "-b", self.server.brokers, "-t", self.name, "-o", "beginning", "-e", "-q", "-f", form, "-X", "isolation.level=read_committed"]
        return insist(lambda: subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines())

    def messages(self):
        """Every message's value, as bytes."""
        left = sum(self.ends())
        found = []
        with self.consumer("messages", **{"isolation.level": "read_committed"}) as consumer:
            consumer.assign([TopicPartition(self.name, i, 0) for i in range(self.partitions)])
            while len(found) < left:
                found += [m.value() for m in consumer.consume(left - len(found), timeout=10) if not m.error()]
        return found


class Breaker:
    """Stands before a broker, and breaks the first connections at a request with this API key."""

    SASL_HANDSHAKE = 17

    def __init__(self, brokers, request, times):
        self.brokers, self.request, self.left = brokers, request, times
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with suppress(OSError):
            while True:
                threading.Thread(target=self.pass_on, args=(self.listener.accept()[0],), daemon=True).start()

    def pass_on(self, client):
        host, port = self.brokers.split(":")
        with suppress(OSError, struct.error), client, socket.create_connection((host, int(port))) as broker:
            threading.Thread(target=self.answer, args=(broker, client), daemon=True).start()
            requests = client.makefile("rb")
            while head := requests.read(4):
                body = requests.read(*struct.unpack(">I", head))
                if self.left and struct.unpack(">h", body[:2])[0] == self.request:
                    self.left -= 1
                    return
                broker.sendall(head + body)

    def answer(self, broker, client):
        with suppress(OSError):
            while data := broker.recv(65536):
                client.sendall(data)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.listener.close()


def new_topic(server, partitions=1, **config):
    return Topic(server, f"t-{uuid.uuid4().hex[:12]}", partitions, **config)
