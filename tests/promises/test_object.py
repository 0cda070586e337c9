"""The object sink on a directory: every record in one object, objects appear whole, whatever dies."""

import gzip
import json
import os
import random
import shutil
import subprocess
import time

import pytest

from conftest import SEEDS, wait_until
from disks import read_only_disk, small_disk  # noqa: F401

ROWS = 300_000


def toml(sink="", source="", url="lake/", form="json"):
    return f"""
[pipeline]
name = "plant"
[sources.in]
type = "file"
path = ["in/*.json"]
format = "json"
columns = {{ k = "bigint", ts = "timestamp" }}
{source}
[sinks.lake]
type = "object"
inputs = ["in"]
url = "{url}"
format = "{form}"
{sink}
"""


def line(k):
    return '{"k": %d, "ts": "2026-03-%02d 12:00:00"}\n' % (k, k % 28 + 1)


def feed(p, name, numbers):
    directory = p.directory / "in"
    directory.mkdir(exist_ok=True)
    with open(directory / f".{name}", "w") as f:
        f.writelines(line(k) for k in numbers)
    (directory / f".{name}").rename(directory / name)


def objects(lake):
    """As a reader sees them: hidden names are nobody's business."""
    return sorted(f for f in lake.rglob("*") if f.is_file() and not any(part.startswith(".") for part in f.relative_to(lake).parts))


def text_of(path):
    """Read by tools that know nothing of this project."""
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dc", path], stdout=subprocess.PIPE, check=True).stdout
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def numbers(lake):
    return [json.loads(row)["k"] for f in objects(lake) for row in text_of(f).splitlines()]


def every_row_once(lake, count):
    found = numbers(lake)
    assert len(found) == count
    assert set(found) == set(range(count))


@pytest.mark.sanitize
@pytest.mark.kills
@pytest.mark.parametrize("seed", SEEDS)
def test_a_pipeline_killed_at_random_leaves_every_record_in_one_object(pipeline, seed):
    chance = random.Random(seed)
    p = pipeline(toml('roll_count = 10000\ncompression = "zstd"\npartition = "dt={ts:%Y-%m-%d}"'))
    lake = p.directory / "lake"
    for i in range(4):
        feed(p, f"{i}.json", range(i * ROWS // 4, (i + 1) * ROWS // 4))
    killed = 0
    for _ in range(4):
        running, before = p.start(), len(objects(lake))
        wait_until(lambda: running.process.poll() is not None or len(objects(lake)) > before, 60)
        time.sleep(chance.random() * 0.05)
        killed += running.process.poll() is None
        running.kill()
        for f in objects(lake):
            text_of(f)  # what is seen is whole
    assert killed, "every run was over before it could be killed: this machine needs more rows"
    result = p.run()
    assert result.code == 0, result
    every_row_once(lake, ROWS)
    assert p.run().report["sinks"]["lake"]["delivered"] == 0


def test_records_go_to_their_partitions(pipeline):
    p = pipeline(toml('partition = "dt={ts:%Y-%m-%d}/odd={k % 2}"'))
    feed(p, "a.json", range(1000))
    assert p.run().code == 0
    lake = p.directory / "lake"
    assert len(objects(lake)) == 28
    for f in objects(lake):
        odd, day = f.parent.name, f.parent.parent.name
        for row in map(json.loads, f.read_text().splitlines()):
            assert day == "dt=" + row["ts"][:10]
            assert odd == f"odd={row['k'] % 2}"


@pytest.mark.parametrize("compression, extension", [("none", ".ndjson"), ("zstd", ".ndjson.zst"), ("gzip", ".ndjson.gz")])
def test_other_tools_read_the_objects(pipeline, compression, extension):
    p = pipeline(toml(f'compression = "{compression}"'))
    feed(p, "a.json", range(100_000))
    assert p.run().code == 0
    lake = p.directory / "lake"
    assert [f.name.endswith(extension) for f in objects(lake)] == [True]
    every_row_once(lake, 100_000)


def test_objects_are_finished_by_size(pipeline):
    p = pipeline(toml('roll_size = "1MiB"'))
    feed(p, "a.json", range(200_000))
    assert p.run().code == 0
    sizes = [f.stat().st_size for f in objects(p.directory / "lake")]
    assert len(sizes) > 3
    assert all(size < 4 << 20 for size in sizes)
    every_row_once(p.directory / "lake", 200_000)


def test_objects_are_finished_by_rows(pipeline):
    p = pipeline(toml("roll_count = 50000"))
    feed(p, "a.json", range(200_000))
    assert p.run().code == 0
    assert len(objects(p.directory / "lake")) >= 3
    every_row_once(p.directory / "lake", 200_000)


def test_objects_are_finished_by_time_while_the_source_goes_on(pipeline):
    p = pipeline(toml('roll_interval = "300ms"', source='mode = "watch"\nsettle = "0s"'))
    feed(p, "a.json", range(10))
    running = p.start()
    lake = p.directory / "lake"
    wait_until(lambda: len(objects(lake)) == 1, what="the first object")
    feed(p, "b.json", range(10, 20))
    wait_until(lambda: len(objects(lake)) == 2, what="the second object")
    assert running.terminate() == 0, running.stderr
    every_row_once(lake, 20)


def test_a_drain_finishes_what_is_open(pipeline):
    p = pipeline(toml('roll_interval = "1h"', source='mode = "watch"\nsettle = "0s"'))
    feed(p, "a.json", range(10))
    running = p.start()
    wait_until(lambda: any((p.directory / "lake").glob(".pipe/*/*/owner")))
    feed(p, "b.json", range(10, 20))
    time.sleep(0.5)
    assert running.terminate() == 0, running.stderr
    assert p.run("--set", "sources.in.mode=batch").code == 0
    every_row_once(p.directory / "lake", 20)


def test_every_csv_object_has_a_header(pipeline):
    p = pipeline(toml('partition = "{k % 3}"', form="csv"))
    feed(p, "a.json", range(30))
    assert p.run().code == 0
    found = objects(p.directory / "lake")
    assert len(found) == 3
    assert all(f.read_text().splitlines()[0] == "k,ts" and len(f.read_text().splitlines()) == 11 for f in found)


def test_a_full_disk_is_waited_for_and_nothing_is_lost(pipeline, small_disk):
    p = pipeline(toml('retry.first = "10ms"\nretry.max = "50ms"\nroll_size = "1MiB"', url=f"{small_disk}/lake"))
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(6 << 20))
    feed(p, "a.json", range(100_000))
    running = p.start()
    wait_until(lambda: "No space left" in running.stderr, what="a full disk")
    assert running.process.poll() is None
    ballast.unlink()
    assert running.wait() == 0, running.stderr
    every_row_once(small_disk / "lake", 100_000)


WATCH = 'mode = "watch"\nsettle = "0s"'


def test_a_disk_that_is_free_again_counts_as_well_long_before_the_next_objects(pipeline, small_disk):
    """Otherwise the time that retry.for allows would go on, and be over at the next trouble."""
    p = pipeline(toml('roll_interval = "1h"\nretry.first = "10ms"\nretry.max = "50ms"\nretry.for = "2s"', WATCH, url=f"{small_disk}/lake/"))
    ballast = small_disk / "ballast"
    (p.directory / "in").mkdir()
    running = p.start()
    for i in range(2):
        free = os.statvfs(small_disk)
        ballast.write_bytes(bytes(free.f_bavail * free.f_bsize - (64 << 10)))
        feed(p, f"{i}.json", range(20_000 * i, 20_000 * i + 20_000))
        wait_until(lambda: running.stderr.count("trying again") == i + 1, what="a full disk")
        ballast.unlink()
        wait_until(lambda: running.stderr.count("works again") == i + 1 or running.process.poll() is not None, 10, "recovery")
    assert running.terminate() == 0, running.stderr
    every_row_once(small_disk / "lake", 40_000)


def test_a_part_that_somebody_removed_stops_the_run_instead_of_leaving_a_hole(pipeline):
    p = pipeline(toml('roll_interval = "1h"', WATCH))
    feed(p, "a.json", range(20_000))
    running = p.start()
    part = p.directory / "lake/.pipe/plant/lake/parts/0"
    wait_until(lambda: part.exists() and part.stat().st_size > 0)
    part.unlink()
    feed(p, "b.json", range(20_000, 40_000))
    assert running.wait() == 1, running.stderr
    assert "parts/0: No such file" in running.stderr
    running = p.start()
    wait_until(lambda: part.exists() and part.stat().st_size > 0)
    assert running.terminate() == 0, running.stderr
    every_row_once(p.directory / "lake", 40_000)


def test_a_directory_that_cannot_be_written_stops_the_run_with_its_name(pipeline, read_only_disk):
    p = pipeline(toml(url=f"{read_only_disk}/lake"))
    feed(p, "a.json", range(10))
    result = p.run()
    assert result.code == 1
    assert "lake" in result.stderr and "Read-only file system" in result.stderr
    checked = p.run("--connect", verb="check")
    assert checked.code == 1, checked
    assert "Read-only file system" in checked.stdout


def test_a_wiped_state_dir_is_refused_with_an_explanation_and_nothing_is_stored_twice(pipeline):
    p = pipeline(toml())
    feed(p, "a.json", range(10))
    assert p.run().code == 0
    shutil.rmtree(p.directory / "state")
    result = p.run()
    assert result.code == 1, result
    assert "pipe state adopt" in result.stderr
    every_row_once(p.directory / "lake", 10)


def test_hundreds_of_partitions_work_with_few_file_descriptors(pipeline):
    p = pipeline(toml('partition = "{k % 2000}"'))
    feed(p, "a.json", range(100_000))
    done = subprocess.run(["bash", "-c", 'ulimit -n 64; exec "$@"', "bash", *p.command("run")], cwd=p.directory,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    assert len(objects(p.directory / "lake")) == 2000
    every_row_once(p.directory / "lake", 100_000)


def test_other_places_than_directories_are_refused_by_check(pipeline):
    p = pipeline(toml(url="s3://bucket/prefix"))
    result = p.run(verb="check")
    assert result.code == 78
    assert "local directories only" in result.stderr


def test_objects_do_not_replace_those_of_an_earlier_run(pipeline):
    p = pipeline(toml())
    for run in range(3):
        feed(p, f"{run}.json", range(run * 10, run * 10 + 10))
        assert p.run().code == 0
    assert len(objects(p.directory / "lake")) == 3
    every_row_once(p.directory / "lake", 30)
