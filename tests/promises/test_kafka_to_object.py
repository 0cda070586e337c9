"""Kafka into a directory of objects, exactly once: whatever members die, come and go, every offset is in one finished object."""

import json
import random
import re
import signal
import subprocess
import time

import pytest

from conftest import SEEDS, wait_until
from kafka_rig import Load, all_end_well, member_toml, new_topic

PARTITIONS = 6


def toml(server, topic, lake, source="", sink='roll_interval = "300ms"'):
    return member_toml(server, "archive", topic, source) + f"""
[transforms.q]
type = "sql"
inputs = ["in"]
query = "SELECT k, meta.partition AS p, meta.offset AS o FROM input"

[sinks.lake]
type = "object"
inputs = ["q"]
url = "{lake}"
format = "json"
exactly_once = true
retry.first = "20ms"
retry.max = "200ms"
{sink}
"""


@pytest.fixture
def fleet(kafka_server, pipeline, tmp_path):
    """Members of one fleet, each with a state_dir of its own; all they share is the broker and the lake."""
    topic, lake = new_topic(kafka_server, PARTITIONS), tmp_path / "lake"

    def member(name, instance=None, **more):
        return pipeline(toml(kafka_server, topic, lake, **more), f"member-{name}", {"MEMBER": name if instance is None else instance})

    member.topic, member.lake = topic, lake
    return member


def objects(lake):
    """As a reader sees them: hidden names are nobody's business."""
    return [f for f in lake.rglob("*") if f.is_file() and not any(part.startswith(".") for part in f.relative_to(lake).parts)]


def rows(lake):
    return [json.loads(line) for f in objects(lake) for line in f.read_text().splitlines()]


def count(lake):
    return sum(f.read_bytes().count(b"\n") for f in objects(lake))


def hidden(lake, what):
    return [f for f in lake.glob(f".pipe/archive/lake/shared/in/*/*/{what}") if f.is_file()]


def everything_once(fleet, total):
    wait_until(lambda: count(fleet.lake) >= total, 120, f"{total} rows")
    found = rows(fleet.lake)
    assert sorted(row["k"] for row in found) == list(range(total))
    assert sorted((row["p"], row["o"]) for row in found) == [(p, o) for p, end in enumerate(fleet.topic.ends()) for o in range(end)]


@pytest.mark.sanitize_address
@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
def test_members_killed_at_random_leave_every_record_in_one_object(fleet, seed):
    chance, load = random.Random(seed), Load(fleet.topic, 12)
    members = [fleet("a", sink='roll_count = 1000'), fleet("b", sink='roll_count = 1000\npartition = "{k % 3}"')]
    running = [m.start() for m in members]
    kills = 0
    for _ in range(4):
        load.progresses(lambda: len(objects(fleet.lake)))
        victim = chance.randrange(2)
        time.sleep(chance.random() * 0.2)
        kills += running[victim].kill()
        running[victim] = members[victim].start("--set", 'sinks.lake.roll_interval=300ms')
    assert kills == 4
    total = load.join()
    for r in running:
        assert r.process.poll() is None, r.stderr
    all_end_well(running)
    last = fleet("last", source='mode = "batch"')
    assert last.run().code == 0
    everything_once(fleet, total)
    assert hidden(fleet.lake, "parts/*") == []


@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
def test_another_process_takes_over_from_one_that_was_killed(fleet, seed):
    """No two share a name, an instance or a state_dir: as on machines that are lost one after the other."""
    chance, load = random.Random(seed), Load(fleet.topic, 8)
    for i in range(4):
        running = fleet(f"machine{i}", instance="").start()
        load.progresses(lambda: len(objects(fleet.lake)))
        time.sleep(chance.random() * 0.4)
        assert running.kill()
    total = load.join()
    assert fleet("last", instance="", source='mode = "batch"').run().code == 0
    everything_once(fleet, total)
    assert hidden(fleet.lake, "parts/*") == []


def test_a_process_that_was_thought_dead_finishes_nothing_of_what_was_taken_over(fleet):
    """It stops with objects half written, as on a machine that is suspended, and wakes up after another has gone on."""
    fleet.topic.numbers(0, 120_000)
    asleep = fleet("a", sink='roll_interval = "1h"').start()
    wait_until(lambda: len(hidden(fleet.lake, "parts/*-*")) == PARTITIONS, 120, "an object of each partition that is being written")
    before = asleep.stderr.count("more partitions")
    asleep.process.send_signal(signal.SIGSTOP)
    assert fleet("b", source='mode = "batch"').run().code == 0
    everything_once(fleet, 120_000)
    asleep.process.send_signal(signal.SIGCONT)
    wait_until(lambda: asleep.stderr.count("more partitions") > before, 120, "its partitions once more")
    assert asleep.terminate() == 0, asleep.stderr
    fleet.topic.numbers(120_000, 6000)
    assert fleet("c", source='mode = "batch"').run().code == 0
    everything_once(fleet, 126_000)
    assert hidden(fleet.lake, "parts/*") == []


def test_members_that_join_and_leave_leave_every_record_in_one_object(fleet):
    load = Load(fleet.topic, 12)
    steady = fleet("steady").start()
    for i in range(5):
        guest = fleet(f"guest{i}").start()
        time.sleep(1)
        guest.kill() if i % 2 else guest.terminate()
    total = load.join()
    everything_once(fleet, total)
    all_end_well([steady])
    everything_once(fleet, total)


def test_a_batch_is_archived_once_however_often_it_is_started(fleet):
    for total in (6000, 6000, 9000):
        fleet.topic.numbers(len(rows(fleet.lake)), total - len(rows(fleet.lake)))
        result = fleet("a", source='mode = "batch"').run()
        assert result.code == 0, result
        everything_once(fleet, total)


def test_an_object_holds_records_of_one_partition(fleet):
    fleet.topic.numbers(0, 6000)
    assert fleet("a", source='mode = "batch"').run().code == 0
    for f in objects(fleet.lake):
        assert len({json.loads(line)["p"] for line in f.read_text().splitlines()}) == 1
    everything_once(fleet, 6000)


def test_what_is_filtered_out_moves_positions_too(fleet):
    fleet.topic.numbers(0, 6000)
    member = fleet("a", source='mode = "batch"')
    member.write(member.file.read_text().replace("FROM input", "FROM input WHERE k < 10"))
    assert member.run().code == 0
    assert member.run().report["sources"]["in"]["read"] == 0
    assert count(fleet.lake) == 10


def test_explain_says_exactly_once(fleet):
    result = fleet("a").run(verb="explain")
    assert "exactly once" in result.stdout, result


def test_state_reset_says_which_files_to_remove_to_read_a_topic_again(fleet):
    fleet.topic.numbers(0, 600)
    member = fleet("a", source='mode = "batch"', sink="backfill = true")
    assert member.run().code == 0
    said = subprocess.run([member.program, "state", "reset"], cwd=member.directory, env=member.environment, text=True, capture_output=True, check=True).stderr
    subprocess.run(re.search(r"rm -r .*", said).group(), shell=True, check=True, cwd=fleet.lake)
    assert member.run().code == 0
    assert count(fleet.lake) == 1200


def test_dead_letters_can_be_objects_too(fleet):
    """They are of no partition: each process keeps its own."""
    fleet.topic.produce(["no json"], partition=0)
    fleet.topic.numbers(0, 600)
    member = fleet("a", source='mode = "batch"')
    letters = fleet.lake.parent / "letters"
    member.write(member.file.read_text() + f'\n[dead_letter]\ntype = "object"\nurl = "{letters}"\nformat = "json"\n')
    for code in (3, 0):
        assert member.run().code == code
        found = rows(letters)
        assert len(found) == 1 and found[0]["payload"] == "no json"
        assert sorted(row["k"] for row in rows(fleet.lake)) == list(range(600))
