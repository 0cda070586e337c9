"""The MQTT source against a real Mosquitto: what is acknowledged is in the database."""

import hashlib
import json
import random
import socket
import struct
import subprocess
import time

import pytest
from conftest import OUTAGE, SEEDS, is_sanitized, peak_memory, wait_until
from mosquitto_server import MosquittoServer
from mqtt_rig import READING, Load, Proxy, Publisher, complete, connected, duplicates, missing, subscribe_first, toml


@pytest.mark.sanitize
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_messages_become_rows(pipeline, postgres, broker, version):
    postgres.rows(READING)
    p, running = subscribe_first(pipeline, toml(broker, postgres, source=f'version = "{version}"'))
    publisher = Publisher(broker)
    publisher.send(500)
    publisher.send(500, qos=0)
    wait_until(lambda: postgres.value("SELECT count(*) FROM readings") == 1000)
    assert postgres.rows("SELECT qos, count(*), count(DISTINCT topic) FROM readings GROUP BY 1 ORDER BY 1") == [(0, 500, 50), (1, 500, 50)]
    assert running.terminate() == 0
    assert complete(postgres, 1000) and duplicates(postgres) == 0
    publisher.close()


@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
def test_kill_9_under_load_loses_no_message(pipeline, postgres, broker, seed):
    postgres.rows(READING)
    chance = random.Random(seed)
    p, running = subscribe_first(pipeline, toml(broker, postgres, source=f'''
version = "{chance.choice(["5", "3.1.1"])}"
ack = "{chance.choice(["delivered", "spooled"])}"'''))
    load = Load(Publisher(broker), 4000)
    for _ in range(3):
        time.sleep(chance.uniform(0.05, 0.6))
        assert running.kill()
        running = p.start()
    sent = load.stop()
    wait_until(lambda: complete(postgres, sent), 60, "all messages in the table")
    assert running.terminate() == 0
    load.publisher.close()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_restarted_broker_loses_nothing(pipeline, postgres, broker, version):
    postgres.rows(READING)
    p, running = subscribe_first(pipeline, toml(broker, postgres, source=f'version = "{version}"'))
    publisher = Publisher(broker)
    publisher.send(2000)
    broker.restart()
    publisher.send(2000)
    connected(running, 2)
    lost = running.stderr.count("trying again")
    broker.stop()
    wait_until(lambda: running.stderr.count("trying again") > lost)
    time.sleep(0.5)  # so that connecting fails, too
    broker.start()
    broker.freeze()
    time.sleep(0.3)
    broker.thaw()
    publisher.send(1000)
    wait_until(lambda: complete(postgres, 5000), 60, "all messages in the table")
    assert running.terminate() == 0
    publisher.close()


@pytest.mark.sanitize
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_cut_connections_lose_nothing_and_what_is_under_way_does_not_come_twice(pipeline, postgres, broker, version):
    postgres.rows(READING)
    proxy = Proxy(broker.port)
    p, running = subscribe_first(pipeline, toml(broker, postgres, url=f"mqtt://127.0.0.1:{proxy.port}",
                                                source=f'version = "{version}"'))
    load = Load(Publisher(broker), 3000)
    for cut in range(3):
        time.sleep(0.7)
        assert proxy.cut() > 0
        connected(running, cut + 2)
    sent = load.stop()
    wait_until(lambda: complete(postgres, sent), 60, "all messages in the table")
    # What was received and not acknowledged is recognised; only acknowledgements that were lost on the way let messages come again.
    assert duplicates(postgres) < sent / 10
    assert running.terminate() == 0
    load.publisher.close()
    proxy.close()


@pytest.mark.outage
@pytest.mark.parametrize("ack", ["delivered", "spooled"])
def test_while_the_database_is_down_memory_stays_bounded_and_nothing_is_lost(pipeline, postgres, broker, ack, record_property):
    """The broker keeps what is not acknowledged; with the spool all of it is acknowledged and on our disk."""
    postgres.rows(READING)
    p, running = subscribe_first(pipeline, toml(broker, postgres, source=f'ack = "{ack}"').replace('"32MiB"', '"16MiB"'))
    publisher = Publisher(broker)
    publisher.send(100)
    wait_until(lambda: complete(postgres, 100))
    postgres.forget_connection()
    postgres.server.stop()
    load, start = Load(publisher, 10000), time.monotonic()
    time.sleep(OUTAGE)
    record_property("messages a second", publisher.next / (time.monotonic() - start))
    postgres.server.start()
    sent = load.stop()
    wait_until(lambda: complete(postgres, sent), 300, "all messages in the table")
    record_property("MiB", peak_memory(running))
    assert is_sanitized() or peak_memory(running) < 64
    assert running.terminate() == 0
    if ack == "spooled":
        assert duplicates(postgres) == 0
    publisher.close()


def take_over(broker, client_id):
    """Another client of that name connects (MQTT 5, clean start off) and goes again; it has acknowledged nothing."""
    def text(value):
        return struct.pack(">H", len(value)) + value
    expiry = b"\x11" + struct.pack(">I", 3600)
    body = (text(b"MQTT") + b"\x05\xc0" + struct.pack(">H", 60) + bytes([len(expiry)]) + expiry + text(client_id) + text(b"pipe") + text(b"secret"))
    with socket.create_connection(("127.0.0.1", broker.port)) as connection:
        connection.sendall(b"\x10" + bytes([len(body)]) + body)
        assert connection.recv(1) == b"\x20"  # CONNACK


def test_a_session_that_was_taken_over_is_taken_back_and_loses_nothing(pipeline, postgres, broker):
    postgres.rows(READING)
    p, running = subscribe_first(pipeline, toml(broker, postgres))
    publisher = Publisher(broker)
    for i in range(4):
        publisher.send(200)
        take_over(broker, b"pipe-plant7-devices")
        connected(running, i + 2)
    wait_until(lambda: complete(postgres, 800))
    wait_until(lambda: 'is another client using the client_id "pipe-plant7-devices"?' in running.stderr)
    assert running.terminate() == 0
    publisher.close()


def test_what_comes_while_the_pipeline_is_down_is_there_when_it_is_back(pipeline, postgres, broker):
    postgres.rows(READING)
    p, running = subscribe_first(pipeline, toml(broker, postgres, source="window = 100"))
    assert running.terminate() == 0
    publisher = Publisher(broker)
    publisher.send(3000)
    running = p.start()
    wait_until(lambda: complete(postgres, 3000))
    assert duplicates(postgres) == 0
    assert running.terminate() == 0
    publisher.close()


def test_a_flood_of_retained_messages_at_the_start(pipeline, postgres, broker):
    postgres.rows(READING)
    publisher = Publisher(broker)
    for i in range(3000):
        publisher.client.publish(f"plant7/dev-{i}/state", json.dumps({"seq": i}), qos=1, retain=True)
    publisher.publish("plant7/last", json.dumps({"seq": 3000}), retain=True)
    p, running = subscribe_first(pipeline, toml(broker, postgres).replace("meta.qos", "meta.retain::integer"))
    wait_until(lambda: complete(postgres, 3001))
    assert postgres.value("SELECT bool_and(qos = 1) FROM readings")
    assert running.terminate() == 0
    running = p.start("-v")  # the subscription is there already: nothing comes again
    connected(running)
    publisher.publish("plant7/more", json.dumps({"seq": 3001}))
    wait_until(lambda: complete(postgres, 3002))
    assert duplicates(postgres) == 0
    assert running.terminate() == 0
    publisher.close()


def test_payloads_that_are_none_of_ours_go_to_the_dead_letters_and_are_acknowledged(pipeline, postgres, broker):
    postgres.rows(READING)
    p, running = subscribe_first(pipeline, toml(broker, postgres))
    publisher = Publisher(broker)
    publisher.publish("plant7/empty", b"")
    publisher.publish("plant7/broken", b'{"seq": ')
    publisher.publish("plant7/binary", bytes(range(128, 256)))
    publisher.publish("plant7/large", b"{\"seq\": 7, \"pad\": \"" + b"x" * (20 << 20) + b"\"}")
    publisher.send(1)
    wait_until(lambda: complete(postgres, 1))
    assert running.terminate() == 3
    letters = [json.loads(line) for line in open(p.directory / "state" / "plant7" / "dead-letters.ndjson")]
    assert [(letter["meta"]["topic"], letter["class"]) for letter in letters] == [
        (f"plant7/{name}", "decode") for name in ("empty", "broken", "binary", "large")]
    assert len(letters[3]["payload"]) == 1 << 20 and "max_record" in letters[3]["reason"]
    running = p.start("-v")
    connected(running)
    publisher.send(1)
    wait_until(lambda: complete(postgres, 2))
    assert running.terminate() == 0  # none of them came again
    publisher.close()


LENGTHS = "SELECT seq::bigint AS seq, meta.topic AS topic, length(pad) AS qos FROM input"


@pytest.mark.parametrize("ack", ["delivered", "spooled"])
def test_a_payload_of_200_mb_is_a_record_where_max_record_allows_it(pipeline, postgres, broker, ack):
    postgres.rows(READING)
    text = toml(broker, postgres, source=f'max_record = "256MiB"\nack = "{ack}"')
    p, running = subscribe_first(pipeline, text.replace("SELECT seq::bigint AS seq, meta.topic AS topic, meta.qos AS qos FROM input", LENGTHS))
    publisher = Publisher(broker)
    for size in (200_000_000, 0):
        publisher.send(1, pad="x" * size)
    wait_until(lambda: complete(postgres, 2), 120)
    assert postgres.rows("SELECT qos FROM readings ORDER BY seq") == [(200_000_000,), (0,)]
    assert is_sanitized() or peak_memory(running) < 3 * 200 + 64  # Paho's two copies, and the batch
    assert running.terminate() == 0
    publisher.close()


def test_a_payload_of_200_mb_that_max_record_does_not_allow_is_a_dead_letter(pipeline, postgres, broker):
    postgres.rows(READING)
    p, running = subscribe_first(pipeline, toml(broker, postgres))
    publisher = Publisher(broker)
    for size in (200_000_000, 0):
        publisher.send(1, pad="x" * size)
    wait_until(lambda: postgres.value("SELECT count(*) FROM readings") == 1)
    assert is_sanitized() or peak_memory(running) < 2 * 200 + 64  # Paho's
    assert running.terminate() == 3
    publisher.close()


@pytest.mark.parametrize("qos, version, seconds", [(0, "5", 0), (0, "3.1.1", 0), pytest.param(1, "3.1.1", 0, marks=pytest.mark.sanitize), (1, "5", 6)])
def test_messages_of_all_sizes_arrive_whole_and_in_order(pipeline, postgres, broker, qos, version, seconds):
    """Around what is read at once; where it takes long, with answers to pings between them."""
    postgres.rows("CREATE TABLE readings (seq bigint, pad bigint, digest text, id bigserial)")
    chance = random.Random(qos)
    p, running = subscribe_first(pipeline, toml(broker, postgres, source=f'qos = {qos}\nversion = "{version}"\nkeepalive = "5s"').replace(
        "meta.topic AS topic, meta.qos AS qos", "length(pad) AS pad, md5(pad) AS digest"))
    publisher = Publisher(broker)
    sizes = [chance.choice([chance.randrange(300), 65536 - 60 + chance.randrange(100), chance.randrange(200000)]) for _ in range(300)]
    pads = [hashlib.sha256(str(size).encode()).hexdigest() * (size // 64 + 1) for size in sizes]
    start = time.monotonic()
    for seq, pad in enumerate(pads):
        publisher.publish("plant7/dev-1", json.dumps({"seq": seq, "pad": pad}), qos=1)
        time.sleep(max(0, start + seq * seconds / len(pads) - time.monotonic()))
    wait_until(lambda: postgres.value("SELECT count(*) FROM readings") == len(pads))
    assert postgres.rows("SELECT seq, digest FROM readings ORDER BY id") == [(seq, hashlib.md5(pad.encode()).hexdigest()) for seq, pad in enumerate(pads)]
    assert running.terminate() == 0
    publisher.close()


def test_arrays_and_lines_are_several_records_and_one_acknowledgement(pipeline, postgres, broker):
    postgres.rows(READING)
    p, running = subscribe_first(pipeline, toml(broker, postgres))
    publisher = Publisher(broker)
    publisher.publish("plant7/array", b'[{"seq": 0}, {"seq": 1},\n {"seq": 2}]')
    publisher.publish("plant7/lines", b'{"seq": 3}\n{"seq": 4}\n')
    publisher.publish("plant7/one", b'{\n "seq": 5\n}\n')
    wait_until(lambda: complete(postgres, 6))
    assert running.terminate() == 0
    running = p.start("-v")
    connected(running)
    publisher.publish("plant7/one", b'{"seq": 6}')
    wait_until(lambda: complete(postgres, 7))
    assert duplicates(postgres) == 0
    assert running.terminate() == 0
    publisher.close()


def test_properties_of_mqtt_5_and_levels_of_the_topic_are_columns(pipeline, broker):
    p = pipeline(f"""
[pipeline]
name = "plant7"
[sources.devices]
type = "mqtt"
url = "{broker.url}"
topics = ["plant7/+/telemetry"]
username = "pipe"
password = "secret"
format = "text"
[transforms.t]
type = "sql"
inputs = ["devices"]
query = '''
SELECT line, split_part(meta.topic, '/', 2) AS device, meta.properties->>'content_type' AS kind,
       meta.properties->'user'->>'site' AS site, meta.properties->>'correlation_data' AS correlation, meta.retain AS retained FROM input'''
[sinks.out]
type = "file"
inputs = ["t"]
path = "out.ndjson"
format = "json"
""")
    running = p.start("-v")
    connected(running)
    login = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-u", "pipe", "-P", "secret", "-q", "1", "-t", "plant7/dev-3/telemetry"]
    subprocess.run([*login, "-V", "5", "-m", "21.5", "-D", "publish", "content-type", "text/plain", "-D", "publish", "correlation-data", "ab",
                    "-D", "publish", "user-property", "site", 'north "1"'], check=True)
    subprocess.run([*login, "-V", "311", "-m", "22.5"], check=True)
    out = p.directory / "out.ndjson"
    wait_until(lambda: out.exists() and out.read_text().count("\n") == 2)
    assert [json.loads(line) for line in out.read_text().splitlines()] == [
        {"line": "21.5", "device": "dev-3", "kind": "text/plain", "site": 'north "1"', "correlation": "YWI=", "retained": False},
        {"line": "22.5", "device": "dev-3", "kind": None, "site": None, "correlation": None, "retained": False}]
    assert running.terminate() == 0


def test_two_members_of_a_group_share_the_messages(pipeline, postgres, broker):
    postgres.rows(READING)
    members = []
    for name in ("a", "b"):
        p = pipeline(toml(broker, postgres, topics='["$share/gateways/plant7/#"]').replace("[pipeline]", f'[pipeline]\ninstance = "{name}"'),
                     name=name)
        members.append((p, p.start("-v")))
        connected(members[-1][1])
    publisher = Publisher(broker)
    publisher.send(2000)
    wait_until(lambda: complete(postgres, 2000))
    assert duplicates(postgres) == 0
    shares = []
    for p, running in members:
        assert running.terminate() == 0
        shares.append(json.loads(p.report.read_text())["sources"]["devices"]["read"])
    assert sum(shares) == 2000 and min(shares) > 0
    publisher.close()


# ---- refusals ------------------------------------------------------------------------------------------------------------


def refused(p):
    result = p.run(timeout=60)
    assert result.code == 1, result
    return result.stderr


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_wrong_password_is_told_at_once(pipeline, postgres, broker, version):
    postgres.rows(READING)
    text = refused(pipeline(toml(broker, postgres, source=f'version = "{version}"').replace('"secret"', '"guess"')))
    assert "not authorized: check username and password" in text
    assert "guess" not in text


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("topics", [["plant7/#"], ["plant8/#", "plant7/#"]], ids=["all", "one"])
def test_a_refused_subscription_is_told_at_once(pipeline, postgres, tmp_path, version, topics):
    postgres.rows(READING)
    guarded = MosquittoServer(tmp_path / "guarded").guard("plant8/#").start()
    try:
        text = refused(pipeline(toml(guarded, postgres, json.dumps(topics), f'version = "{version}"')))
        reason = ": Not authorized" if version == "5" else ""
        assert f'the broker refuses the subscription to "plant7/#"{reason}' in text
    finally:
        guarded.remove()


def test_a_subscription_that_is_refused_later_is_tried_again_until_it_is_granted(pipeline, postgres, tmp_path):
    postgres.rows(READING)
    guarded = MosquittoServer(tmp_path / "guarded").guard("plant7/#").start()
    try:
        p, running = subscribe_first(pipeline, toml(guarded, postgres))
        publisher = Publisher(guarded)
        publisher.send(1)
        wait_until(lambda: complete(postgres, 1))
        guarded.allow("plant7/#", False)
        wait_until(lambda: "the broker has closed the connection: Administrative action; trying again" in running.stderr)
        wait_until(lambda: 'refuses the subscription to "plant7/#": Not authorized; trying again' in running.stderr)
        guarded.allow("plant7/#")
        wait_until(lambda: "works again" in running.stderr)
        publisher.send(1)
        wait_until(lambda: complete(postgres, 2))
        assert running.terminate() == 0
        publisher.close()
    finally:
        guarded.remove()


def test_tls_with_the_right_certificates(pipeline, postgres, broker):
    postgres.rows(READING)
    c = broker.certificates
    p, running = subscribe_first(pipeline, toml(
        broker, postgres, url=broker.tls_url,
        source=f'tls.ca = "{c.ca}"\ntls.cert = "{c.certificate("client")}"\ntls.key = "{c.key("client")}"'))
    publisher = Publisher(broker)
    publisher.send(3000)
    wait_until(lambda: complete(postgres, 3000))
    assert duplicates(postgres) == 0
    assert running.terminate() == 0
    running = p.start("-v")
    connected(running)
    publisher.send(1)
    wait_until(lambda: complete(postgres, 3001))  # all had been acknowledged over TLS
    assert duplicates(postgres) == 0
    publisher.close()


def test_a_certificate_of_another_authority_is_refused(pipeline, postgres, broker):
    postgres.rows(READING)
    text = refused(pipeline(toml(broker, postgres, url=broker.tls_url, source=f'tls.ca = "{broker.certificates.other_ca}"')))
    assert "certificate verify failed" in text


def test_a_certificate_for_another_name_is_refused(pipeline, postgres, tmp_path):
    postgres.rows(READING)
    elsewhere = MosquittoServer(tmp_path / "elsewhere", broker_certificate="elsewhere").start()
    try:
        text = refused(pipeline(toml(elsewhere, postgres, url=elsewhere.tls_url, source=f'tls.ca = "{elsewhere.certificates.ca}"')))
        assert "the broker's certificate is for another name" in text
    finally:
        elsewhere.remove()


def test_tls_server_name_says_whose_certificate_is_expected(pipeline, postgres, tmp_path):
    postgres.rows(READING)
    elsewhere = MosquittoServer(tmp_path / "elsewhere", broker_certificate="elsewhere").start()
    try:
        known = f'tls.ca = "{elsewhere.certificates.ca}"\ntls.server_name = '
        p, running = subscribe_first(pipeline, toml(elsewhere, postgres, url=elsewhere.tls_url, source=known + '"elsewhere.example"'))
        assert running.terminate() == 0
        p.write(toml(elsewhere, postgres, url=elsewhere.tls_url, source=known + '"localhost"'))
        assert "the broker's certificate is for another name" in refused(p)
    finally:
        elsewhere.remove()


def test_the_name_that_is_asked_for_is_tls_server_name(pipeline, postgres):
    """SNI: what the first message of a TLS connection says in the clear."""
    postgres.rows(READING)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        p = pipeline(toml(None, postgres, url=f"mqtts://127.0.0.1:{port}", source='tls.server_name = "broker.plant7"'))
        p.start()
        listener.settimeout(30)
        near, _ = listener.accept()
        with near:
            assert b"broker.plant7" in near.recv(4096)


def test_websockets(pipeline, postgres, broker):
    postgres.rows(READING)
    p, running = subscribe_first(pipeline, toml(broker, postgres, url=broker.ws_url))
    publisher = Publisher(broker)
    publisher.send(1000)
    wait_until(lambda: complete(postgres, 1000))
    assert running.terminate() == 0
    publisher.close()


def test_the_second_address_is_used_while_the_first_does_not_answer(pipeline, postgres, broker):
    postgres.rows(READING)
    p, running = subscribe_first(pipeline, toml(broker, postgres).replace(f'url = "{broker.url}"',
                                                                          f'url = ["mqtt://127.0.0.1:1", "{broker.url}"]'))
    publisher = Publisher(broker)
    publisher.send(10)
    wait_until(lambda: complete(postgres, 10))
    assert running.terminate() == 0
    publisher.close()


def test_a_subscription_with_less_than_was_asked_for_is_refused(pipeline, postgres, tmp_path):
    postgres.rows(READING)
    limited = MosquittoServer(tmp_path / "limited")
    limited.config.write_text(limited.config.read_text().replace(f"listener {limited.port} 127.0.0.1\n",
                                                                 f"listener {limited.port} 127.0.0.1\nmax_qos 0\n"))
    limited.start()
    try:
        text = refused(pipeline(toml(limited, postgres)))
        assert 'grants QoS 0 for "plant7/#", not 1' in text
    finally:
        limited.remove()


def test_check_connect_says_what_is_wrong(pipeline, postgres, broker):
    postgres.rows(READING)
    p = pipeline(toml(broker, postgres))
    assert p.run("--connect", verb="check").code == 0
    p.write(toml(broker, postgres).replace('"secret"', '"guess"'))
    result = p.run("--connect", verb="check")
    assert result.code != 0 and "not authorized" in result.stdout + result.stderr
