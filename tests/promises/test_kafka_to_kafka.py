"""From topic to topic, exactly once: what a consumer of committed transactions sees, whatever is killed."""

import json
import random
import signal
import time

import pytest
from confluent_kafka import Producer

from conftest import SEEDS, wait_until
from kafka_rig import all_end_well, member_toml, new_topic
from test_kafka_sink import REFUSING, mixed


def toml(server, one, two, source="", more=""):
    return member_toml(server, "copy", one, source) + f"""
[sinks.out]
type = "kafka"
inputs = ["in"]
brokers = ["{server.brokers}"]
topic = "{two.name}"
exactly_once = true
commit_rows = 2000
retry.first = "20ms"
retry.max = "200ms"
{more}
"""


@pytest.fixture
def copy(kafka_server, pipeline):
    """Members of one fleet that copies `one` to `two`."""
    one, two = new_topic(kafka_server, 6), new_topic(kafka_server, 6)

    def member(name, **options):
        return pipeline(toml(kafka_server, one, two, **options), f"member-{name}", {"MEMBER": name})

    member.one, member.two = one, two
    return member


def arrived(copy):
    return sorted(json.loads(m)["k"] for m in copy.two.read())


def everything_once(copy, total):
    wait_until(lambda: copy.one.committed(copy.one.name) == copy.one.ends(), 120, "all offsets")
    assert arrived(copy) == list(range(total))


def test_a_batch_is_copied_once_however_often_it_is_started(copy):
    copy.one.numbers(0, 20_000)
    for total in (20_000, 20_000, 25_000):
        copy.one.numbers(20_000, total - 20_000)
        result = copy("a", source='mode = "batch"').run()
        assert result.code == 0, result
        everything_once(copy, total)


@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
def test_members_killed_at_random_copy_every_record_once(copy, seed):
    chance = random.Random(seed)
    members = [copy("a"), copy("b")]
    running = [m.start() for m in members]
    kills = 0
    for i in range(4):
        copy.one.numbers(i * 5000, 5000)
        before = sum(copy.two.ends())
        wait_until(lambda: sum(copy.two.ends()) > before or arrived(copy) == list(range(i * 5000 + 5000)), 120, "progress")
        time.sleep(chance.random() * 0.2)
        victim = chance.randrange(2)
        kills += running[victim].kill()
        running[victim] = members[victim].start()
    assert kills == 4
    everything_once(copy, 20_000)
    all_end_well(running)
    assert arrived(copy) == list(range(20_000))


def test_members_that_join_and_leave_copy_every_record_once(copy):
    steady = copy("steady").start()
    for i in range(5):
        copy.one.numbers(i * 5000, 5000)
        guest = copy(f"guest{i}").start()
        time.sleep(1)
        guest.terminate()
    everything_once(copy, 25_000)
    all_end_well([steady])


def test_a_broker_that_restarts_in_the_middle_is_waited_for(kafka_server, copy):
    copy.one.numbers(0, 30_000)
    running = copy("a").start()
    wait_until(lambda: sum(copy.two.ends()) > 0, 120)
    kafka_server.restart()
    copy.one.numbers(30_000, 10_000)
    everything_once(copy, 40_000)
    all_end_well([running])


def test_a_transaction_that_took_too_long_is_begun_again(copy):
    """The process stands still, as a machine that sleeps does: the brokers end what it had begun."""
    running = copy("a", more='[sinks.out.librdkafka]\n"transaction.timeout.ms" = 1000\n').start()
    for i in range(2):
        before = sum(copy.two.ends())
        copy.one.numbers(i * 20_000, 20_000)
        wait_until(lambda: sum(copy.two.ends()) > before, 120)
        running.process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        running.process.send_signal(signal.SIGCONT)
    everything_once(copy, 40_000)
    all_end_well([running])


def test_another_process_with_the_same_transactions_stops_this_one(kafka_server, copy):
    copy.one.numbers(0, 100)
    running = copy("a").start()
    wait_until(lambda: copy.one.committed(copy.one.name) == copy.one.ends(), 120)
    Producer({"bootstrap.servers": kafka_server.brokers, "transactional.id": "copy.out.a"}).init_transactions(60)
    copy.one.numbers(100, 100)
    assert running.wait() == 1
    assert "another process has taken over this one's transactions" in running.stderr
    assert arrived(copy) == list(range(100))


@pytest.mark.parametrize("config", REFUSING)
def test_a_message_that_the_broker_refuses_does_not_stop_the_transactions(kafka_server, copy, config):
    kafka_server.configure(copy.two.name, **config)
    copy.one.produce([json.dumps(m) for m in mixed(500)])
    member = copy("a", source='mode = "batch"', more='key = "{key}"\n')
    result = member.run()
    assert result.code == 3, result
    assert arrived(copy) == [k for k in range(500) if k != 250]
    assert result.report["sinks"]["out"]["dead"] == 1
    everything_committed = copy.one.committed(copy.one.name)
    assert everything_committed == copy.one.ends()


def test_what_cannot_be_part_of_a_transaction_is_refused(kafka_server, copy):
    member = copy("a", more='[sinks.other]\ntype = "file"\ninputs = ["in"]\npath = "out.ndjson"')
    result = member.run(verb="check")
    assert result.code == 78 and 'sink "other" reads source "in", too' in result.stderr + result.stdout, result
    text = member.file.read_text()
    member.write(text[:text.index("[sinks.other]")].replace('[sinks.out]', '[sources.f]\ntype = "file"\npath = "x"\n\n[sinks.out]').replace('inputs = ["in"]', 'inputs = ["in", "f"]'))
    result = member.run(verb="check")
    assert result.code == 78 and 'source "f" is not Kafka' in result.stderr + result.stdout, result
