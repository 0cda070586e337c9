"""Avro messages of a schema registry: read with the types of the reader's schema or as JSON has them, and written; python's avro is the independent reader and writer."""

import datetime
import http.server
import io
import json
import signal
import struct
import threading
from decimal import Decimal


import avro.io
import avro.schema
import pytest

from conftest import wait_until
from kafka_rig import new_topic
from registry_server import RegistryServer

FIELDS = [
    {"name": "device", "type": "string"},
    {"name": "seq", "type": "long"},
    {"name": "temp", "type": ["null", "double"], "default": None},
    {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "loc", "type": {"type": "record", "name": "place", "fields": [{"name": "lat", "type": "double"}]}},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
]
FIRST = {"type": "record", "name": "reading", "fields": FIELDS}
SECOND = {"type": "record", "name": "reading", "fields": [*FIELDS, {"name": "unit", "type": "string", "default": "C"}]}
START = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.timezone.utc)


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    server = RegistryServer(tmp_path_factory.mktemp("registry"))
    yield server
    server.stop()


@pytest.fixture
def running_registry(registry):
    return registry if registry.process else registry.start()


@pytest.fixture
def topic(kafka_server):
    return new_topic(kafka_server, 2)


def reading(seq):
    return {"device": f"gw-{seq % 3}", "seq": seq, "temp": None if seq % 5 == 0 else seq / 4, "ts": START + datetime.timedelta(milliseconds=seq),
            "price": (Decimal(seq) / 100 - 1).quantize(Decimal("0.01")), "loc": {"lat": 47.5}, "tags": ["a", f"t{seq}"]}


def encode(schema_id, schema, datum):
    out = io.BytesIO()
    out.write(struct.pack(">bI", 0, schema_id))
    avro.io.DatumWriter(avro.schema.parse(json.dumps(schema))).write(datum, avro.io.BinaryEncoder(out))
    return out.getvalue()


def decode(schema, message):
    magic, schema_id = struct.unpack(">bI", message[:5])
    assert magic == 0
    return schema_id, avro.io.DatumReader(avro.schema.parse(json.dumps(schema))).read(avro.io.BinaryDecoder(io.BytesIO(message[5:])))


def toml(kafka_server, registry, topic, sink, query="SELECT * FROM input", schema=True):
    return f"""
[pipeline]
name = "avro"
[sources.in]
type = "kafka"
brokers = ["{kafka_server.brokers}"]
topics = ["{topic.name}"]
mode = "batch"
format = "avro"
[sources.in.avro]
registry.url = "{registry.url}"
{'schema = "reading.avsc"' if schema else ''}
[transforms.q]
type = "sql"
inputs = ["in"]
query = \"\"\"{query}\"\"\"
[sinks.out]
inputs = ["q"]
{sink}
"""


def rows(p):
    return sorted((json.loads(line) for line in (p.directory / "out.ndjson").read_text().splitlines()), key=lambda r: r["seq"])


def test_a_registry_that_cannot_be_reached_is_waited_for(kafka_server, registry, topic, pipeline):
    p = pipeline(toml(kafka_server, registry, topic, 'type = "file"\npath = "out.ndjson"', "SELECT device, seq FROM input", schema=False))
    topic.produce([encode(1, FIRST, reading(0))])
    assert registry.process is None, "this test is the first to need the registry"
    running = p.start()
    wait_until(lambda: "schema registry" in running.stderr and "trying again" in running.stderr, 120)
    running.process.send_signal(signal.SIGSTOP)  # until the registry has the schema
    registry.start()
    assert registry.register("first-value", FIRST) == 1
    running.process.send_signal(signal.SIGCONT)
    assert running.wait() == 0, running.stderr
    assert rows(p) == [{"device": "gw-0", "seq": 0}]


class Front:
    """What stands where the registry is expected: gives these answers in turn, the last one from then on."""

    def __init__(self, *answers):
        left = list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, body = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *ignored):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.server.shutdown()
        self.server.server_close()


STRANGE = [(200, b"<html>Welcome</html>"), (404, b"<html>no such page</html>"), (404, b'{"error_code":404,"message":"no such path"}'), (500, b"")]


def test_what_a_server_that_is_not_the_registry_says_costs_no_message(kafka_server, topic, pipeline):
    topic.produce([encode(1, FIRST, reading(0)), encode(0xffffffff, FIRST, reading(1))], partition=0)
    with Front(*STRANGE, (200, json.dumps({"schema": json.dumps(FIRST)}).encode())) as front:
        p = pipeline(toml(kafka_server, front, topic, 'type = "file"\npath = "out.ndjson"', "SELECT device, seq FROM input", schema=False))
        result = p.run()
    assert result.code == 3, result  # an id that no registry has, which it need not be asked for
    assert rows(p) == [{"device": "gw-0", "seq": 0}]
    assert result.stderr.count("trying again") == 1 and "works again" in result.stderr, result


def test_a_sink_waits_for_a_registry_that_is_away(kafka_server, topic, pipeline):
    with Front(*STRANGE[:2], (200, b'{"id":7}')) as front:
        p = pipeline(SINK.format(query="SELECT seq::bigint AS seq FROM input", brokers=kafka_server.brokers, topic=topic.name, registry=front.url))
        (p.directory / "in.ndjson").write_text('{"seq":1}\n')
        result = p.run()
    assert result.code == 0, result
    assert [struct.unpack(">bI", m[:5]) for m in topic.messages()] == [(0, 7)]


def test_messages_of_several_schemas_become_rows_of_the_readers_types(kafka_server, running_registry, topic, postgres, pipeline):
    """Also: a poison message and an unknown schema id are dead letters, and their neighbours go in."""
    registry = running_registry
    first, second = (registry.register(f"{topic.name}-value", s) for s in (FIRST, SECOND))
    topic.produce([encode(first, FIRST, reading(i)) for i in range(1000)])
    topic.produce([encode(second, SECOND, {**reading(i), "unit": "F"}) for i in range(1000, 1500)])
    topic.produce([b"\0\0\0\0", b"not avro", encode(424242, FIRST, reading(0)), encode(first, FIRST, reading(0))[:-3]])
    p = pipeline(toml(kafka_server, registry, topic, f'type = "postgres"\nurl = "{postgres.url}"\ntable = "readings"\ncreate = true\n',
                      "SELECT device, seq, temp, ts, price, loc.lat, tags, unit FROM input"))
    (p.directory / "reading.avsc").write_text(json.dumps(SECOND))
    result = p.run()
    assert result.code == 3, result
    assert postgres.rows("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'readings'::regclass AND attnum > 0 ORDER BY attnum") == [
        ("device", "text"), ("seq", "bigint"), ("temp", "double precision"), ("ts", "timestamp with time zone"), ("price", "numeric(12,2)"),
        ("lat", "double precision"), ("tags", "jsonb"), ("unit", "text")]
    for seq, row in enumerate(postgres.rows("SELECT * FROM readings ORDER BY seq")):
        r = reading(seq)
        assert row == (r["device"], seq, r["temp"], r["ts"], r["price"], 47.5, r["tags"], "C" if seq < 1000 else "F")
    assert postgres.value("SELECT count(*) FROM readings") == 1500
    letters = [json.loads(line) for line in (p.directory / "state/avro/dead-letters.ndjson").read_text().splitlines()]
    reasons = sorted(letter["reason"] for letter in letters)
    assert len(reasons) == 4 and all(letter["component"] == "in" for letter in letters)
    assert any("schema id 424242" in r and "404" in r for r in reasons), reasons
    assert sum("wire format of schema registries" in r for r in reasons) == 2
    assert any("malformed Avro at byte" in r for r in reasons)


def test_without_a_readers_schema_members_take_the_type_that_a_query_needs(kafka_server, running_registry, topic, pipeline):
    registry = running_registry
    schema_id = registry.register(f"{topic.name}-value", FIRST)
    topic.produce([encode(schema_id, FIRST, reading(i)) for i in range(20)])
    p = pipeline(toml(kafka_server, registry, topic, 'type = "file"\npath = "out.ndjson"',
                      "SELECT *, temp * 2 AS double, ts::timestamptz AS at, loc.lat AS lat FROM input WHERE seq > 9", schema=False))
    result = p.run()
    assert result.code == 0, result
    found = rows(p)
    assert [r["seq"] for r in found] == list(range(10, 20))
    assert found[1]["double"] == 5.5 and found[0]["double"] is None and found[1]["lat"] == 47.5
    assert found[1]["tags"] == ["a", "t11"] and found[1]["loc"] == {"lat": 47.5} and found[1]["price"] == -0.89
    assert found[1]["at"] == "2026-03-01T12:00:00.011+00:00"

SINK = """
[pipeline]
name = "writer"
[sources.in]
type = "file"
path = ["in.ndjson"]
format = "json"
[transforms.q]
type = "sql"
inputs = ["in"]
query = "{query}"
[sinks.out]
type = "kafka"
inputs = ["q"]
brokers = ["{brokers}"]
topic = "{topic}"
format = "avro"
[sinks.out.avro]
registry.url = "{registry}"
subject = "{topic}-value"
"""
QUERY = "SELECT device::text AS device, seq::bigint AS seq, temp::float8 AS temp, ts::timestamptz AS ts, price::numeric(12,2) AS price FROM input"


def test_a_sink_registers_its_schema_and_others_can_read_what_it_writes(kafka_server, running_registry, topic, pipeline):
    registry = running_registry
    p = pipeline(SINK.format(query=QUERY, brokers=kafka_server.brokers, topic=topic.name, registry=registry.url))
    lines = [json.dumps({**reading(i), "ts": reading(i)["ts"].isoformat(), "price": float(reading(i)["price"])}) for i in range(500)]
    (p.directory / "in.ndjson").write_text("\n".join(lines) + "\n")
    result = p.run()
    assert result.code == 0, result
    schema_id, schema = registry.latest(f"{topic.name}-value")
    found = []
    for message in topic.messages():
        written_with, datum = decode(schema, message)
        assert written_with == schema_id
        found.append(datum)
    for seq, datum in enumerate(sorted(found, key=lambda d: d["seq"])):
        r = reading(seq)
        assert datum == {name: r[name] for name in ("device", "seq", "temp", "ts", "price")}


def test_a_schema_that_is_not_compatible_is_refused_in_the_registrys_words(kafka_server, running_registry, topic, pipeline):
    registry = running_registry
    registry.register(f"{topic.name}-value", {"type": "record", "name": "event", "fields": [{"name": "seq", "type": "string"}]})
    registry.call("PUT", f"/config/{topic.name}-value", {"compatibility": "BACKWARD"})
    p = pipeline(SINK.format(query="SELECT seq::bigint AS seq FROM input", brokers=kafka_server.brokers, topic=topic.name, registry=registry.url))
    (p.directory / "in.ndjson").write_text('{"seq":1}\n')
    result = p.run()
    assert result.code == 1, result
    assert f"registering subject {topic.name}-value: HTTP status 409" in result.stderr
    assert topic.ends() == [0, 0]
