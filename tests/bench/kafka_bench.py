#!/usr/bin/python3
"""How fast a topic is read, beside the raw client in the same run: 200-byte JSON, and Avro of the same events, into null (decode and a filter) and into PostgreSQL.

    tests/bench/kafka_bench.py [MESSAGES [MEMORY]]       PIPE_BUILD names the build (default: build/release); MEMORY is pipeline.memory (64MiB)

The raw client is kcat, which prints every message to /dev/null; the database's own pace is binary \\copy of the same rows. Each figure is the best of three, the memory
the largest of three.
"""

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg2
from confluent_kafka import Producer

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "promises")]
from kafka_rig import Topic  # noqa: E402
from kafka_server import KafkaServer  # noqa: E402
from postgres_server import PostgresServer  # noqa: E402

MESSAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
MEMORY = sys.argv[2] if len(sys.argv) > 2 else "64MiB"
PIPE = Path(os.environ.get("PIPE_BUILD", TESTS.parent / "build" / "release")) / "bin" / "pipe"
PARTITIONS, TIMES = 4, 3


SCHEMA = {"type": "record", "name": "event", "fields": [
    {"name": "device", "type": "string"},
    {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "temp", "type": "double"},
    {"name": "seq", "type": "long"},
    {"name": "pad", "type": "string"},
]}


def values(i):
    return "sensor-%d" % (i % 500), i % 86400, 15 + i % 20 + i % 10 / 10, i


def json_event(i):
    device, second, temp, seq = values(i)
    head = '{"device": "%s", "ts": "2026-03-01T%02d:%02d:%02dZ", "temp": %.1f, "seq": %d, "pad": "' % (
        device, second // 3600, second // 60 % 60, second % 60, temp, seq)
    return (head + "x" * (198 - len(head)) + '"}').encode()


def avro_long(n):
    n, out = (n << 1) ^ (n >> 63), bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def avro_text(text):
    return avro_long(len(text)) + text.encode()


def avro_event(i):
    """In Confluent's framing, with schema id 1."""
    device, second, temp, seq = values(i)
    return (b"\0\0\0\0\1" + avro_text(device) + avro_long((1772323200 + second) * 1_000_000) + struct.pack("<d", temp) + avro_long(seq) +
            avro_text("x" * 90))


def fill(topic, event):
    producer = Producer({"bootstrap.servers": topic.server.brokers, "linger.ms": 50, "queue.buffering.max.messages": 500_000, "partitioner": "random",
                         "sticky.partitioning.linger.ms": 20})
    for i in range(MESSAGES):
        while True:
            try:
                producer.produce(topic.name, event(i))
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(300) == 0
    assert sum(topic.ends()) == MESSAGES


def best(run):
    return max(MESSAGES / run(i) for i in range(TIMES))


def timed(command, **more):
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **more)
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.monotonic() - began


def raw(topic):
    return lambda i: timed(["kcat", "-C", "-b", topic.server.brokers, "-t", topic.name, "-o", "beginning", "-e", "-q"])


def pipe(topic, directory, name, sink, query, form):
    rss = []
    (directory / "event.avsc").write_text(json.dumps(SCHEMA))
    avro = f'[sources.in.avro]\nschema = "{directory}/event.avsc"\n' if form == "avro" else ""

    def run(i):
        home = directory / f"{name}-{i}"
        home.mkdir()
        (home / "p.toml").write_text(f"""
[pipeline]
name = "bench-{name}-{i}"
memory = "{MEMORY}"
[sources.in]
type = "kafka"
brokers = ["{topic.server.brokers}"]
topics = ["{topic.name}"]
group = "{name}-{i}"
mode = "batch"
format = "{form}"
{avro}[transforms.q]
type = "sql"
inputs = ["in"]
query = "{query}"
[sinks.out]
inputs = ["q"]
{sink(i)}
""")
        report = home / "report.json"
        took = timed(["/usr/bin/env", "time", "-f", "%M", "-o", str(home / "rss"), str(PIPE), "run", str(home / "p.toml"), "--no-progress", "--report",
                      str(report)])
        read = json.loads(report.read_text())["sources"]["in"]["read"]
        assert read == MESSAGES, read
        rss.append(int((home / "rss").read_text()) // 1024)
        return took

    rate = best(run)
    return rate, max(rss)


def copy_rate(server, directory, form):
    """Binary \\copy of the same rows, out of a file on a warm cache."""
    data = directory / "rows"
    command = ["psql", server.url, "-q", "-v", "ON_ERROR_STOP=1", "-c"]
    subprocess.run([*command, f"\\copy (SELECT device, ts, temp FROM {form}0) TO '{data}' (FORMAT binary)"], check=True)

    def run(i):
        subprocess.run([*command, f"CREATE TABLE {form}_copy{i} (device text, ts timestamptz, temp double precision)"], check=True)
        return timed([*command, f"\\copy {form}_copy{i} FROM '{data}' (FORMAT binary)"])

    return best(run)


def measure(kafka, database, connection, directory, form, event):
    topic = Topic(kafka, form, PARTITIONS)
    fill(topic, event)
    client = best(raw(topic))
    print(f"{form}: kcat -C > /dev/null           {client:12,.0f} messages/s")
    rate, rss = pipe(topic, directory, f"{form}-null", lambda i: 'type = "null"', "SELECT device, temp FROM input WHERE temp > 20", form)
    print(f"{form}: pipe, decode, filter, null    {rate:12,.0f} messages/s  {rate / client:6.0%} of kcat        {rss} MiB")
    for i in range(TIMES):
        connection.cursor().execute(f"CREATE TABLE {form}{i} (device text, ts timestamptz, temp double precision)")
    rate, rss = pipe(topic, directory, f"{form}-postgres", lambda i: f'type = "postgres"\nurl = "{database.url}"\ntable = "{form}{i}"',
                     "SELECT device, ts::timestamptz AS ts, temp::double precision AS temp FROM input", form)
    copied = copy_rate(database, directory, form)
    print(f"{form}: binary \\copy of the same rows {copied:12,.0f} rows/s")
    print(f"{form}: pipe into PostgreSQL          {rate:12,.0f} messages/s  {rate / min(copied, client):6.0%} of the slower      {rss} MiB", flush=True)
    kafka.delete_topic(topic.name)


def main():
    directory = Path(tempfile.mkdtemp(prefix="pipe-bench-"))
    directory.chmod(0o755)
    kafka = KafkaServer(directory / "kafka").start()
    database = PostgresServer(directory / "postgres").start()
    try:
        connection = psycopg2.connect(database.url)
        connection.autocommit = True
        measure(kafka, database, connection, directory, "json", json_event)
        measure(kafka, database, connection, directory, "avro", avro_event)
    finally:
        database.remove()
        kafka.remove()
        shutil.rmtree(directory, ignore_errors=True)


main()
