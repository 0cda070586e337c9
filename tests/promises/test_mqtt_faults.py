"""What passes by itself is waited for, and told once; what does not is told at once. Brokers here misbehave by script, or are real ones behind a proxy."""

import json
import random
import signal
import threading
import time

import pytest
from conftest import wait_until
from mosquitto_server import MosquittoServer
from mqtt_rig import Proxy, ScriptedBroker, connected

SOURCE = """
[sources.devices{n}]
type = "mqtt"
url = "{url}"
version = "{version}"
topics = ["plant7/{n}/#"]
format = "json"
{more}
[sinks.kept{n}]
type = "file"
inputs = ["devices{n}"]
path = "kept{n}.ndjson"
"""
INBOX = """
[sources.inbox]
type = "file"
path = "in.ndjson"
format = "json"
mode = "{mode}"
"""
SINK = """
[sinks.alerts{n}]
type = "mqtt"
inputs = ["inbox"]
url = "{url}"
version = "{version}"
topic = "alerts/{n}"
format = "json"
retry.max = "100ms"
{more}
"""
HEAD = '[pipeline]\nname = "plant7"\ndrain_timeout = "10s"\n'
LOGIN = 'username = "pipe"\npassword = "secret"\n'


def source(url, version="5", more=""):
    return HEAD + SOURCE.format(url=url, version=version, more=more, n="")


def sink(url, version="5", more="", mode="batch"):
    return HEAD + INBOX.format(mode=mode) + SINK.format(url=url, version=version, more=more, n="")


@pytest.fixture
def scripted():
    made = []

    def make(script, version="5"):
        made.append(ScriptedBroker(version, script))
        return made[-1]

    yield make
    for broker in made:
        broker.close()


def write_events(p, count, first=0):
    with open(p.directory / "in.ndjson", "a") as f:
        for i in range(first, first + count):
            f.write(json.dumps({"seq": i, "pad": ""}) + "\n")


def run_sink(pipeline, toml, events=10):
    p = pipeline(toml)
    write_events(p, events)
    return p.run()


def payload(body, version="5"):
    """Of a PUBLISH with QoS 1 without properties."""
    topic = body[0] << 8 | body[1]
    return json.loads(body[4 + topic + (version == "5"):])


# ---- connecting -------------------------------------------------------------------------------------------------------------


def refuses_twice(code):
    def script(peer, number):
        peer.connack(code if number <= 2 else 0)
        peer.serve()
    return script


PASSES = [("3.1.1", 3), ("5", 0x80), ("5", 0x88), ("5", 0x89), ("5", 0x97), ("5", 0x9F)]
STAYS = [("3.1.1", 1), ("3.1.1", 2), ("3.1.1", 4), ("3.1.1", 5), ("5", 0x84), ("5", 0x85), ("5", 0x86), ("5", 0x87), ("5", 0x8C)]


@pytest.mark.parametrize("version, code", PASSES)
def test_a_refusal_that_passes_is_waited_for_and_told_once(pipeline, scripted, version, code):
    broker = scripted(refuses_twice(code), version)
    result = run_sink(pipeline, sink(broker.url, version))
    assert result.code == 0 and broker.connections == 3, result
    assert result.stderr.count("trying again") == 1, result


@pytest.mark.parametrize("version, code", STAYS)
def test_a_refusal_that_stays_is_told_at_once(pipeline, scripted, version, code):
    broker = scripted(refuses_twice(code), version)
    result = run_sink(pipeline, sink(broker.url, version))
    assert result.code == 1 and broker.connections == 1, result


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_broker_that_goes_away_in_the_middle_of_a_tls_handshake_is_waited_for(pipeline, broker, side):
    """So does a load balancer without a backend."""
    proxy = Proxy(broker.tls_port, break_off=2)
    url, tls = f"mqtts://localhost:{proxy.port}", LOGIN + f'tls.ca = "{broker.certificates.ca}"'
    if side == "sink":
        result = run_sink(pipeline, sink(url, more=tls))
        assert result.code == 0, result
        log = result.stderr
    else:
        running = pipeline(source(url, more=tls)).start("-v")
        connected(running)
        assert running.terminate() == 0
        log = running.stderr
    assert proxy.break_off == 0 and log.count("trying again") == 1, log
    proxy.close()


def test_a_sink_that_was_up_waits_even_for_a_broker_that_refuses_it(pipeline, scripted):
    """Whose own database of users is away for a while, say."""
    def script(peer, number):
        peer.connack(0x87 if number in (2, 3) else 0)
        if number == 1:
            peer.puback(peer.packet()[2])
        elif number > 3:
            peer.serve()

    broker = scripted(script)
    result = run_sink(pipeline, sink(broker.url))
    assert result.code == 0 and broker.connections == 4, result


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("signals", [1, 2])
def test_a_sink_ends_at_once_while_a_broker_does_not_answer(pipeline, scripted, version, signals):
    """At the start with the first signal, later with the second."""
    silent = threading.Event()

    def script(peer, number):
        if signals == 2 and number == 1:
            peer.connack()
            peer.packet()
            return
        peer.packet()
        silent.set()
        peer.packet()

    broker = scripted(script, version)
    p = pipeline(sink(broker.url, version))
    write_events(p, 10)
    running = p.start()
    assert silent.wait(20)
    start = time.monotonic()
    running.process.send_signal(signal.SIGTERM)
    if signals == 2:
        wait_until(lambda: "draining" in running.stderr)
        running.process.send_signal(signal.SIGTERM)
    assert running.wait(20) == 75, running.stderr
    assert time.monotonic() - start < 3


def test_a_source_that_is_thrown_out_again_and_again_says_so_once_and_does_not_hammer(pipeline, scripted):
    def script(peer, number):
        peer.connack()
        peer.suback(peer.packet()[2])
        if number < 4:
            peer.disconnect(0x97)
        else:
            peer.serve()

    broker = scripted(script)
    start = time.monotonic()
    running = pipeline(source(broker.url)).start("-v")
    wait_until(lambda: "works again" in running.stderr)
    assert time.monotonic() - start > 0.1 + 0.2 + 0.4 + 1
    assert running.terminate() == 0
    assert broker.connections == 4 and running.stderr.count("trying again") == 1, running.stderr


# ---- what a broker says to a message ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [0x91, 0x97])
def test_a_message_that_a_broker_cannot_take_just_now_is_sent_again(pipeline, scripted, reason):
    taken = []

    def script(peer, number):
        def puback(body):
            if number == 1 and len(taken) == 5:
                peer.puback(body, reason)
            else:
                taken.append(payload(body)["seq"])
                peer.puback(body)

        peer.connack()
        peer.serve(puback)

    result = run_sink(pipeline, sink(scripted(script).url))
    assert result.code == 0 and result.report["sinks"]["alerts"]["dead"] == 0, result
    assert sorted(set(taken)) == list(range(10))
    assert result.stderr.count("trying again") == 1, result


def test_a_message_that_a_broker_refuses_is_a_dead_letter_and_the_others_are_not(pipeline, scripted):
    def script(peer, number):
        peer.connack()
        peer.serve(lambda body: peer.puback(body, 0x87 if payload(body)["seq"] % 5 == 0 else 0))

    result = run_sink(pipeline, sink(scripted(script).url))
    assert result.code == 3, result
    assert result.report["sinks"]["alerts"] | {"delivered": 8, "dead": 2} == result.report["sinks"]["alerts"], result


def test_a_message_larger_than_the_broker_takes_is_a_dead_letter_and_the_others_arrive(pipeline, tmp_path):
    """The broker would end the connection, and the next one, and so on."""
    broker = MosquittoServer(tmp_path / "broker", more="max_packet_size 2000").start()
    p = pipeline(sink(broker.url, more=LOGIN))
    with open(p.directory / "in.ndjson", "w") as f:
        for size in (10, 5000, 20, 3000, 30):
            f.write(json.dumps({"seq": size, "pad": "x" * size}) + "\n")
    result = p.run()
    assert result.code == 3, result
    assert result.report["sinks"]["alerts"] | {"delivered": 3, "dead": 2, "retries": 0} == result.report["sinks"]["alerts"], result
    broker.remove()


@pytest.mark.parametrize("terms, wanted, says", [((0x24, 1), "qos = 2", "set qos = 1"), ((0x25, 0), "retain = true", "set retain = false")])
def test_what_a_broker_does_not_offer_is_told_at_once(pipeline, scripted, terms, wanted, says):
    def script(peer, number):
        peer.connack(properties=terms)
        peer.serve(lambda body: peer.disconnect(0x9B))

    result = run_sink(pipeline, sink(scripted(script).url, more=wanted))
    assert result.code == 1 and says in result.stderr, result


# ---- connections that do not last -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_sink_gets_on_even_if_no_connection_lasts_for_all_it_has(pipeline, scripted, version):
    taken, acknowledged = [], 100

    def script(peer, number):
        seen = []
        taken.append(seen)

        def puback(body):
            seen.append(payload(body, version)["seq"])
            peer.puback(body)

        peer.connack()
        peer.serve(puback, until=lambda: len(seen) == acknowledged)
        peer.end()

    broker = scripted(script, version)
    result = run_sink(pipeline, sink(broker.url, version, "retry.first = \"10ms\""), 300)
    assert result.code == 0, result
    assert sorted({seq for seen in taken for seq in seen}) == list(range(300))
    assert all(seen == list(range(seen[0], seen[0] + len(seen))) for seen in taken if seen)


@pytest.mark.sanitize
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_many_sources_and_sinks_survive_connections_that_are_cut_all_the_time(pipeline, broker, version):
    """They share one library, and its clients come and go at once."""
    chance, proxy, count = random.Random(version), Proxy(broker.port), 4
    url, login = f"mqtt://127.0.0.1:{proxy.port}", LOGIN + 'retry.first = "10ms"\n'
    toml = HEAD + INBOX.format(mode="tail")
    for n in range(count):
        toml += SOURCE.format(url=url, version=version, more=LOGIN, n=n).replace(f"plant7/{n}/", f"alerts/{n}/")
        toml += SINK.format(url=url, version=version, more=login, n=n)
    p = pipeline(toml)
    running = p.start("-v")
    connected(running, count)
    events = 0
    end = time.monotonic() + 4
    while time.monotonic() < end:
        write_events(p, 50, events)
        events += 50
        time.sleep(chance.uniform(0.03, 0.3))
        proxy.cut()

    def all_are_back():
        kept = [(p.directory / f"kept{n}.ndjson") for n in range(count)]
        return all(len({json.loads(line)["seq"] for line in k.read_text().splitlines()}) == events for k in kept if k.exists()) and all(
            k.exists() for k in kept)

    wait_until(lambda: all_are_back() or running.process.poll() is not None, 60, "everything")
    assert running.terminate() == 0, running.stderr
    proxy.close()
