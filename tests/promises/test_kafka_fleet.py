"""Kafka into PostgreSQL, exactly once: whatever members die, come and go, and whatever server is away for a while."""

import random
import re
import sqlite3
import subprocess
import time

import pytest

from conftest import SEEDS, wait_until
from kafka_rig import Load, all_end_well, member_toml, new_topic

PARTITIONS = 12


def toml(server, postgres, topic, source="", sink="commit_rows = 2000"):
    return member_toml(server, "fleet", topic, source) + f"""
[transforms.q]
type = "sql"
inputs = ["in"]
query = "SELECT k, meta.partition AS p, meta.offset AS o FROM input"

[sinks.out]
type = "postgres"
inputs = ["q"]
url = "{postgres.url}"
table = "t"
retry.first = "20ms"
retry.max = "200ms"
{sink}
"""


@pytest.fixture
def fleet(kafka_server, postgres, pipeline):
    """Members of one fleet: fleet(name) is a pipeline of its own, with the same configuration."""
    postgres.rows("CREATE TABLE t (k bigint, p integer, o bigint)")
    topic = new_topic(kafka_server, PARTITIONS)

    def member(name, **more):
        return pipeline(toml(kafka_server, postgres, topic, **more), f"member-{name}", {"MEMBER": name})

    member.topic = topic
    return member


def stored(postgres):
    return postgres.value("SELECT count(*) FROM t")


def everything_once(postgres, topic, total):
    wait_until(lambda: stored(postgres) >= total, 120, f"{total} rows")
    assert postgres.rows("SELECT count(*), count(DISTINCT k), sum(k) FROM t") == [(total, total, total * (total - 1) // 2)]
    assert postgres.rows("SELECT p, min(o), max(o) + 1, count(*) FROM t GROUP BY p ORDER BY p") == \
        [(p, 0, end, end) for p, end in enumerate(topic.ends())]


@pytest.mark.sanitize_address
@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
def test_members_killed_at_random_store_every_record_once(fleet, postgres, seed):
    chance, load = random.Random(seed), Load(fleet.topic, 12)
    members = [fleet("a"), fleet("b")]
    running = [m.start() for m in members]
    kills = 0
    for _ in range(4):
        load.progresses(lambda: stored(postgres))
        victim = chance.randrange(2)
        time.sleep(chance.random() * 0.2)
        kills += running[victim].kill()
        running[victim] = members[victim].start()
    assert kills == 4
    everything_once(postgres, fleet.topic, load.join())
    all_end_well(running)
    everything_once(postgres, fleet.topic, load.total)


def test_three_processes_share_the_work_while_one_is_killed_and_one_joins(fleet, postgres):
    topic, total = fleet.topic, 0
    running = {name: fleet(name).start() for name in "abc"}

    def load(count):
        nonlocal total
        topic.numbers(total, count)
        total += count

    def owners():
        return sum("more partitions" in r.stderr for r in running.values())

    load(30_000)
    wait_until(lambda: owners() == 3, 120, "a share for each of the three")
    load(30_000)
    running.pop("b").kill()
    load(30_000)
    running["d"] = fleet("d").start()
    load(30_000)
    wait_until(lambda: owners() == 3, 120, "a share for the one that joined")
    load(30_000)
    everything_once(postgres, topic, total)
    all_end_well(running.values())
    everything_once(postgres, topic, total)


def test_a_storm_of_members_that_join_and_leave_stores_every_record_once(fleet, postgres):
    chance, load = random.Random(1), Load(fleet.topic, 20)
    steady = fleet("steady").start()
    for round in range(6):
        guest = fleet(f"guest{round % 3}").start()
        time.sleep(0.5 + chance.random())
        guest.kill() if round % 2 else guest.terminate()
    everything_once(postgres, fleet.topic, load.join())
    all_end_well([steady])


def test_partitions_that_are_added_are_read_by_members_that_have_not_heard_of_them(kafka_server, fleet, postgres):
    """One member looks at the topic every half second and has the group rebalance, the other has yet to look when it is given some."""
    topic = fleet.topic
    topic.numbers(0, 1200)
    members = [fleet(name) for name in "ab"]
    members[0].write(members[0].file.read_text().replace("[sources.in.librdkafka]", '[sources.in.librdkafka]\n"topic.metadata.refresh.interval.ms" = 500'))
    running = [m.start() for m in members]
    wait_until(lambda: all("reads" in r.stderr for r in running) and "reads 6 more" in running[0].stderr + running[1].stderr)
    kafka_server.add_partitions(topic.name, 18)
    topic.partitions = 18
    topic.numbers(1200, 1800)
    everything_once(postgres, topic, 3000)
    all_end_well(running)


def test_a_broker_that_restarts_in_the_middle_is_waited_for(kafka_server, fleet, postgres):
    fleet.topic.numbers(0, 30_000)
    running = fleet("a").start()
    wait_until(lambda: stored(postgres) > 0, 120)
    kafka_server.restart()
    fleet.topic.numbers(30_000, 30_000)
    everything_once(postgres, fleet.topic, 60_000)
    all_end_well([running])


def test_postgres_killed_in_the_middle_of_a_copy_is_waited_for(fleet, postgres):
    load = Load(fleet.topic, 12)
    running = fleet("a").start()
    for _ in range(2):
        load.progresses(lambda: stored(postgres))
        postgres.server.kill()
        time.sleep(0.3)
        postgres.server.start()
        postgres.forget_connection()
    everything_once(postgres, fleet.topic, load.join())
    all_end_well([running])


def test_two_members_load_a_topic_as_a_batch_and_end(fleet, postgres):
    fleet.topic.numbers(0, 40_000)
    running = [fleet(name, source='mode = "batch"').start() for name in "ab"]
    assert [r.wait(120) for r in running] == [0, 0]
    everything_once(postgres, fleet.topic, 40_000)


def intruder(topic, instance):
    """Somebody joins under a member's name, and goes without a word."""
    with topic.consumer(topic.name, **{"group.instance.id": instance, "session.timeout.ms": 3000, "partition.assignment.strategy": "cooperative-sticky"}) as c:
        c.subscribe([topic.name])
        wait_until(lambda: c.poll(0.1) or c.assignment())


def test_a_member_whose_place_was_taken_joins_again_unless_it_is_taken_all_the_time(fleet, postgres):
    topic = fleet.topic
    topic.numbers(0, 1200)
    running = fleet("a").start()
    wait_until(lambda: stored(postgres) == 1200)
    intruder(topic, "fleet-a-in")
    topic.numbers(1200, 1200)
    wait_until(lambda: "joining again" in running.stderr)
    everything_once(postgres, topic, 2400)
    intruder(topic, "fleet-a-in")
    assert running.wait() == 1
    assert "twice within a minute: two processes run with the same pipeline.instance" in running.stderr


def test_a_batch_does_not_end_before_a_dead_members_share_is_through(fleet, postgres):
    fleet.topic.numbers(0, 200_000)
    running = [fleet(name, source='mode = "batch"', sink="commit_rows = 500").start() for name in "ab"]
    wait_until(lambda: all("more partitions" in r.stderr for r in running) or stored(postgres) == 200_000, 120)
    running[0].kill()
    assert running[1].wait(120) == 0, running[1].stderr
    everything_once(postgres, fleet.topic, 200_000)


def test_positions_in_the_table_win_over_the_groups_offsets(fleet, postgres):
    fleet.topic.numbers(0, 1000)
    member = fleet("a", source='mode = "batch"')
    assert member.run().code == 0
    fleet.topic.numbers(1000, 1000)
    other = fleet("b", source='mode = "batch"')
    other.write(other.file.read_text().replace(f'group = "{fleet.topic.name}"', f'group = "{fleet.topic.name}-2"'))
    refused = other.run()
    assert refused.code == 1 and "the group is a new one" in refused.stderr, refused
    assert other.run("--set", "sources.in.on_forgotten=trust").code == 0
    everything_once(postgres, fleet.topic, 2000)
    fleet.topic.numbers(2000, 1000)
    assert other.run().code == 0, "the group knows the partitions now"
    everything_once(postgres, fleet.topic, 3000)


def test_state_reset_says_how_to_forget_a_shared_sources_positions(fleet, postgres):
    fleet.topic.numbers(0, 600)
    member = fleet("a", source='mode = "batch"', sink="backfill = true")
    assert member.run().code == 0
    command = [member.program, "state", "reset"]
    said = subprocess.run(command, cwd=member.directory, env=member.environment, text=True, capture_output=True, check=True).stderr
    postgres.rows(re.search(r"DELETE FROM .*;", said).group())
    assert postgres.value("SELECT count(*) FROM pipe_positions") == 0
    assert "kafka-consumer-groups.sh --reset-offsets" in said
    assert member.run().code == 0
    assert stored(postgres) == 1200


def test_a_topic_made_anew_stops_with_an_explanation(kafka_server, fleet, postgres):
    fleet.topic.numbers(0, 1200)
    member = fleet("a", source='mode = "batch"')
    assert member.run().code == 0
    kafka_server.delete_topic(fleet.topic.name)
    kafka_server.topic(fleet.topic.name, PARTITIONS)
    fleet.topic.numbers(0, 12)
    result = member.run()
    assert result.code == 1, result
    assert "was deleted and made anew" in result.stderr, result
    assert stored(postgres) == 1200


def test_a_topic_made_anew_and_filled_further_than_the_old_one_stops_with_an_explanation(kafka_server, fleet, postgres):
    fleet.topic.numbers(0, 1200)
    member = fleet("a", source='mode = "batch"')
    assert member.run().code == 0
    kafka_server.delete_topic(fleet.topic.name)
    kafka_server.topic(fleet.topic.name, PARTITIONS)
    fleet.topic.numbers(1200, 2400)
    for _ in range(2):
        result = member.run()
        assert result.code == 1, result
        assert "Was the topic deleted and made anew?" in result.stderr and "pipe state reset" in result.stderr, result
    assert stored(postgres) == 1200
    postgres.rows("DELETE FROM pipe_positions")
    assert member.run().code == 0
    assert postgres.rows("SELECT count(*), count(DISTINCT k), max(k) FROM t") == [(3600, 3600, 3599)]


def test_a_topic_made_anew_under_a_running_process_stops_it(kafka_server, fleet, postgres):
    fleet.topic.numbers(0, 1200)
    member = fleet("a")
    running = member.start()
    wait_until(lambda: stored(postgres) == 1200, 120)
    kafka_server.delete_topic(fleet.topic.name)
    assert running.wait(120) == 1
    assert "does not exist any more" in running.stderr
    kafka_server.topic(fleet.topic.name, PARTITIONS)
    fleet.topic.numbers(1200, 2400)
    result = member.run()
    assert result.code == 1 and "Was the topic deleted and made anew?" in result.stderr, result
    assert stored(postgres) == 1200


def test_a_sink_added_later_is_no_reason_to_doubt_the_topic(fleet, postgres):
    fleet.topic.numbers(0, 1200)
    member = fleet("a", source='mode = "batch"')
    assert member.run().code == 0
    postgres.rows("CREATE TABLE later (k bigint)")
    member.write(member.file.read_text() + f"""
[transforms.k]
type = "sql"
inputs = ["in"]
query = "SELECT k FROM input"

[sinks.later]
type = "postgres"
inputs = ["k"]
url = "{postgres.url}"
table = "later"
""")
    fleet.topic.numbers(1200, 1200)
    assert member.run().code == 0
    everything_once(postgres, fleet.topic, 2400)
    assert postgres.value("SELECT count(*) FROM later") == 1200


def test_records_deleted_before_they_were_read_stop_with_an_explanation(kafka_server, fleet, postgres):
    topic = fleet.topic
    kafka_server.configure(topic.name, segment_bytes=2000)
    topic.numbers(0, 1200)
    member = fleet("a", source='mode = "batch"')
    assert member.run().code == 0
    for i in range(10):
        topic.numbers(1200 + i * 1200, 1200)
    kafka_server.configure(topic.name, segment_bytes=2000, retention_bytes=1)
    wait_until(lambda: min(topic.beginnings()) > 100, 120)
    result = member.run()
    assert result.code == 1, result
    assert "were deleted before they were read" in result.stderr and "records from offset 100 to" in result.stderr, result
    member.write(member.file.read_text().replace('mode = "batch"', 'mode = "batch"\non_missing = "skip"'))
    assert member.run().code == 0
    assert postgres.rows("SELECT p, max(o) + 1 FROM t GROUP BY p ORDER BY p") == list(enumerate(topic.ends()))


def test_members_that_share_a_sqlite_file_store_every_record_once(fleet, pipeline, tmp_path):
    database, load = tmp_path / "shared.db", Load(fleet.topic, 8)
    with sqlite3.connect(database) as made:
        made.execute("CREATE TABLE t (k INTEGER, p INTEGER, o INTEGER)")

    def count():
        with sqlite3.connect(database, timeout=30) as reader:
            return reader.execute("SELECT count(*), count(DISTINCT k) FROM t").fetchone()

    members = [fleet(name) for name in "ab"]
    for m in members:
        text = m.file.read_text()
        start = text.index("[sinks.out]")
        m.write(text[:start] + f'[sinks.out]\ntype = "sqlite"\ninputs = ["q"]\npath = "{database}"\ntable = "t"\nretry.first = "20ms"\n')
    running = [m.start() for m in members]
    wait_until(lambda: count()[0] > 0, 120)
    running[0].kill()
    running[0] = members[0].start()
    load.join()
    wait_until(lambda: count()[0] >= load.total, 120, "all rows")
    all_end_well(running)
    assert count() == (load.total, load.total)
