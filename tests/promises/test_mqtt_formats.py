"""Binary formats of gateways over a real Mosquitto; independent libraries write and read them."""

import datetime
import importlib
import json
import struct
import subprocess
import sys
from decimal import Decimal

import cbor2
import pytest
from conftest import wait_until
from mqtt_rig import Publisher, subscribe_first
from test_mqtt_sink import Subscriber

SOURCE = """
[pipeline]
name = "plant7"
[sources.devices]
type = "mqtt"
url = "{url}"
topics = ["{topics}"]
username = "pipe"
password = "secret"
format = "{format}"
[transforms.readings]
type = "sql"
inputs = ["devices"]
query = '''{query}'''
[sinks.warehouse]
type = "postgres"
inputs = ["readings"]
url = "{database}"
table = "readings"
retry.max = "500ms"
"""

START = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.timezone.utc)


class Inbox(Subscriber):
    def _take(self, client, data, message):
        self.messages.append(message)


def reasons(p):
    """What was rejected, in no order: workers reject side by side."""
    return sorted(json.loads(line)["reason"] for line in open(p.directory / "state" / "plant7" / "dead-letters.ndjson"))


@pytest.mark.sanitize
def test_cbor_messages_become_rows_and_rows_cbor_messages(pipeline, postgres, broker):
    postgres.rows("CREATE TABLE readings (seq bigint, device text, temp double precision, price numeric, at timestamptz, id bytea, loc jsonb, big numeric)")
    inbox = Inbox(broker)
    toml = SOURCE.format(url=broker.url, topics="plant7/#", format="cbor", database=postgres.url, query="""
        SELECT seq::bigint AS seq, device::text AS device, temp::double precision AS temp, price::numeric AS price, at::timestamptz AS at,
               id::bytea AS id, loc::jsonb AS loc, big::numeric AS big FROM input""")
    p, running = subscribe_first(pipeline, toml + f"""
[sinks.alerts]
type = "mqtt"
inputs = ["readings"]
url = "{broker.url}"
username = "pipe"
password = "secret"
topic = "alerts/{{device}}"
format = "cbor"
""")
    publisher = Publisher(broker)
    events = [{"seq": i, "device": f"gw-{i % 3} é", "temp": None if i % 5 == 0 else i / 4, "price": Decimal(i) / 100 - 1, "at": START + datetime.timedelta(milliseconds=i),
               "id": bytes([i, 255]), "loc": {"lat": 47.5, "tags": ["a", i]}, "big": 2**70 + i} for i in range(100)]
    for event in events:
        publisher.client.publish("plant7/dev", cbor2.dumps(event), qos=1)
    publisher.publish("plant7/dev", b"\xa1\x63seq")
    publisher.publish("plant7/dev", b"\x83\x01\x02\x03")
    wait_until(lambda: postgres.value("SELECT count(*) FROM readings") == 100)
    wait_until(lambda: len(inbox.messages) >= 100)
    assert running.terminate() == 3  # something was rejected
    rows = postgres.rows("SELECT seq, device, temp, price, at, id, loc, big FROM readings ORDER BY seq")
    assert [(r[0], r[1], r[2], r[3], r[4], bytes(r[5]), r[6], r[7]) for r in rows] == [tuple(e.values()) for e in events]
    written = sorted((cbor2.loads(m.payload) for m in inbox.messages), key=lambda e: e["seq"])
    assert written == events
    assert reasons(p) == ["malformed CBOR at byte 5: it ends early", "not an event: a CBOR map is expected"]
    publisher.close()
    inbox.close()


SPARKPLUG = """
syntax = "proto2";
message DataSet {
  optional uint64 num_of_columns = 1; repeated string columns = 2; repeated uint32 types = 3; repeated Row rows = 4;
  message Value { oneof value { uint32 int_value = 1; uint64 long_value = 2; float float_value = 3; double double_value = 4; bool boolean_value = 5; string string_value = 6; } }
  message Row { repeated Value elements = 1; }
}
message Template { optional string version = 1; repeated Metric metrics = 2; optional string template_ref = 4; optional bool is_definition = 5; }
message Metric {
  optional string name = 1; optional uint64 alias = 2; optional uint64 timestamp = 3; optional uint32 datatype = 4; optional bool is_null = 7;
  oneof value {
    uint32 int_value = 10; uint64 long_value = 11; float float_value = 12; double double_value = 13; bool boolean_value = 14; string string_value = 15;
    bytes bytes_value = 16; DataSet dataset_value = 17; Template template_value = 18;
  }
}
message Payload { optional uint64 timestamp = 1; repeated Metric metrics = 2; optional uint64 seq = 3; optional string uuid = 4; }
"""


@pytest.fixture(scope="module")
def sparkplug(tmp_path_factory):
    """The specification's messages for python's protobuf."""
    directory = tmp_path_factory.mktemp("sparkplug")
    (directory / "sparkplug_promise.proto").write_text(SPARKPLUG)
    subprocess.run(["protoc", "--python_out=.", "sparkplug_promise.proto"], cwd=directory, check=True)
    sys.path.insert(0, str(directory))
    yield importlib.import_module("sparkplug_promise_pb2")
    sys.path.remove(str(directory))


@pytest.mark.sanitize
def test_sparkplug_metrics_become_rows_by_the_names_of_the_birth_certificate(pipeline, postgres, broker, sparkplug):
    postgres.rows("""CREATE TABLE readings (at timestamptz, seq bigint, group_id text, type text, node text, device text, temp real, level integer, big bigint, state text,
                     up boolean, since timestamptz, raw bytea, rows jsonb, motor jsonb)""")
    p, running = subscribe_first(pipeline, SOURCE.format(url=broker.url, topics="spBv1.0/plant/#", format="sparkplug", database=postgres.url, query="""
        SELECT timestamp::timestamptz AS at, seq::bigint AS seq, group_id::text AS group_id, message_type::text AS type, edge_node_id::text AS node, device_id::text AS device,
               metrics."Temperature"::real AS temp, metrics."Tank/Level"::integer AS level, metrics.big::bigint AS big, metrics.state::text AS state, metrics.up::boolean AS up,
               metrics.since::timestamptz AS since, metrics.raw::bytea AS raw, metrics.rows::jsonb AS rows, metrics.motor::jsonb AS motor
        FROM input WHERE message_type LIKE '%DATA'"""))
    publisher = Publisher(broker)
    at = int(START.timestamp() * 1000)
    full = [("Temperature", 9, {"float_value": 21.7}), ("Tank/Level", 3, {"int_value": 2**32 - 40}), ("big", 4, {"long_value": 2**64 - 5}), ("state", 12, {"string_value": "läuft"}),
            ("up", 11, {"boolean_value": True}), ("since", 13, {"long_value": at}), ("raw", 17, {"bytes_value": b"\x00\xff"})]

    def payload(metrics, seq=0):
        return sparkplug.Payload(timestamp=at, seq=seq, metrics=metrics).SerializeToString()

    publisher.publish("spBv1.0/plant/DDATA/gw/early", payload([sparkplug.Metric(alias=1, int_value=1)]))
    publisher.publish("spBv1.0/plant/DBIRTH/gw/dev", payload([sparkplug.Metric(name=name, alias=i, datatype=t, **v) for i, (name, t, v) in enumerate(full)]))
    structures = [
        sparkplug.Metric(name="rows", datatype=16, dataset_value=sparkplug.DataSet(num_of_columns=2, columns=["n", "t"], types=[1, 12], rows=[
            sparkplug.DataSet.Row(elements=[sparkplug.DataSet.Value(int_value=2**32 - 1), sparkplug.DataSet.Value(string_value="x")])])),
        sparkplug.Metric(name="motor", datatype=19, template_value=sparkplug.Template(template_ref="Motor", metrics=[
            sparkplug.Metric(name="rpm", datatype=7, int_value=3000)]))]
    for seq in range(100):
        publisher.client.publish("spBv1.0/plant/DDATA/gw/dev", payload([sparkplug.Metric(alias=i, **v) for i, (_, _, v) in enumerate(full)] + structures, seq), qos=1)
    publisher.publish("spBv1.0/plant/NDATA/gw", payload([sparkplug.Metric(name="Temperature", datatype=9, is_null=True)], 100))
    wait_until(lambda: postgres.value("SELECT count(*) FROM readings") == 101)
    assert running.terminate() == 3  # the message before its birth
    assert [r.split(":")[0] for r in reasons(p)] == ["alias 1 is in no birth certificate seen since the start"]
    rows = postgres.rows("SELECT seq, at, group_id, type, node, device, temp, level, big, state, up, since, raw, rows, motor FROM readings ORDER BY seq")
    rows = [tuple(bytes(v) if isinstance(v, memoryview) else v for v in r) for r in rows]
    assert rows[:100] == [(seq, START, "plant", "DDATA", "gw", "dev", 21.7, -40, -5, "läuft", True, START, b"\x00\xff", [{"n": -1, "t": "x"}], {"rpm": 3000}) for seq in range(100)]
    assert rows[100] == (100, START, "plant", "NDATA", "gw", None, *[None] * 9)
    publisher.close()


def test_sparkplug_arrays_are_lists(pipeline, postgres, broker, sparkplug):
    postgres.rows("CREATE TABLE readings (counts jsonb, temps jsonb, flags jsonb, names jsonb, times jsonb, second integer)")
    p, running = subscribe_first(pipeline, SOURCE.format(url=broker.url, topics="spBv1.0/plant/#", format="sparkplug", database=postgres.url, query="""
        SELECT metrics.counts::jsonb AS counts, metrics.temps::jsonb AS temps, metrics.flags::jsonb AS flags, metrics.names::jsonb AS names, metrics.times::jsonb AS times,
               (metrics.counts->>1)::integer AS second FROM input WHERE message_type = 'NDATA'"""))
    publisher = Publisher(broker)
    at = int(START.timestamp() * 1000)
    arrays = [("counts", 24, struct.pack("<3i", -1, 2, 2**31 - 1)), ("temps", 31, struct.pack("<2d", 21.75, -0.5)), ("flags", 32, struct.pack("<I2B", 10, 0b10100000, 0b01000000)),
              ("names", 33, "läuft\0steht\0".encode()), ("times", 34, struct.pack("<2Q", at, at + 1))]
    birth = [sparkplug.Metric(name=name, alias=i, datatype=t, bytes_value=v) for i, (name, t, v) in enumerate(arrays)]
    publisher.publish("spBv1.0/plant/NBIRTH/gw", sparkplug.Payload(timestamp=at, seq=0, metrics=birth).SerializeToString())
    data = [sparkplug.Metric(alias=i, bytes_value=v) for i, (_, _, v) in enumerate(arrays)]
    publisher.publish("spBv1.0/plant/NDATA/gw", sparkplug.Payload(timestamp=at, seq=1, metrics=data).SerializeToString())
    row = wait_until(lambda: postgres.rows("SELECT * FROM readings"))[0]
    flags = [True, False, True, False, False, False, False, False, False, True]
    assert row == ([-1, 2, 2**31 - 1], [21.75, -0.5], flags, ["läuft", "steht"], ["2026-03-01T12:00:00+00:00", "2026-03-01T12:00:00.001+00:00"], 2)
    assert running.terminate() == 0
    publisher.close()
