"""The file source in tail mode: growing files, through rotation, truncation and death."""

import os
import random
import shutil
import threading
import time

import pytest

from conftest import wait_until
from disks import fill, small_disk  # noqa: F401
from file_rig import JSON, count, lines, numbers_once, rows, toml

TAIL = JSON + 'mode = "tail"\n'


def follow(pipeline):
    p = pipeline(toml(TAIL).replace("in/**", "in/*.log*"))
    (p.directory / "in").mkdir()
    return p


def append(p, name, text):
    with open(p.directory / "in" / name, "a") as file:
        file.write(text)


def move(p, old, new):
    (p.directory / "in" / old).rename(p.directory / "in" / new)


@pytest.mark.sanitize
def test_a_growing_file_is_followed_and_half_a_line_waits(pipeline):
    p = follow(pipeline)
    append(p, "a.log", lines(0, 2))
    running = p.start()
    wait_until(lambda: count(p) == 2)
    append(p, "a.log", lines(2, 3)[:7])
    time.sleep(0.2)
    assert count(p) == 2
    append(p, "a.log", lines(2, 3)[7:])
    wait_until(lambda: count(p) == 3)
    append(p, "b.log", lines(3, 4))
    wait_until(lambda: count(p) == 4)
    assert running.terminate() == 0, running.stderr
    numbers_once(p, 4)


def test_rotation_by_rename_loses_nothing(pipeline):
    p = follow(pipeline)
    running = p.start()
    n = 0
    for _ in range(5):
        append(p, "a.log", lines(n, n + 100))
        for old in range(9, 0, -1):
            if (p.directory / "in" / f"a.log.{old}").exists():
                move(p, f"a.log.{old}", f"a.log.{old + 1}")
        move(p, "a.log", "a.log.1")
        append(p, "a.log.1", lines(n + 100, n + 101))  # the writer has not noticed yet
        n += 101
    append(p, "a.log", lines(n, n + 1))
    wait_until(lambda: count(p) == n + 1)
    assert running.terminate() == 0, running.stderr
    numbers_once(p, n + 1)


def test_a_file_that_is_out_of_sight_when_a_run_starts_is_not_new_when_it_is_back(pipeline):
    """As in the midst of a rotation, when for a moment nothing is at any of its names."""
    p = follow(pipeline)
    append(p, "a.log", lines(0, 100))
    running = p.start()
    wait_until(lambda: count(p) == 100)
    assert running.terminate() == 0, running.stderr
    move(p, "a.log", ".hidden")
    append(p, "b.log", lines(100, 101))
    running = p.start()
    wait_until(lambda: count(p) == 101)
    move(p, ".hidden", "a.log.1")
    append(p, "a.log.1", lines(101, 102))
    wait_until(lambda: count(p) >= 102)
    assert running.terminate() == 0, running.stderr
    numbers_once(p, 102)


def test_a_damaged_memory_of_files_is_told_and_loses_nothing(pipeline):
    p = follow(pipeline)
    append(p, "a.log", lines(0, 100))
    running = p.start()
    wait_until(lambda: count(p) == 100)
    assert running.terminate() == 0, running.stderr
    book = p.directory / "state/drops/in.tail"
    book.write_bytes(bytes(book.stat().st_size))
    append(p, "a.log", lines(100, 101))
    running = p.start()
    wait_until(lambda: rows(p, "SELECT count(DISTINCT k) FROM t") == [(101,)])
    assert running.terminate() == 0, running.stderr
    assert "in.tail is damaged" in running.stderr


def test_a_full_disk_under_state_dir_is_waited_for(pipeline, small_disk):  # noqa: F811
    p = follow(pipeline)
    (p.directory / "state").symlink_to(small_disk)
    append(p, "a.log", lines(0, 10))
    running = p.start()
    wait_until(lambda: count(p) == 10)
    filler = fill(small_disk)
    for i in range(1, 60):
        append(p, f"{i}.log", lines(i * 10, i * 10 + 10))
    wait_until(lambda: "No space left" in running.stderr)
    assert running.process.poll() is None
    filler.unlink()
    wait_until(lambda: count(p) >= 600)
    assert running.terminate() == 0, running.stderr
    assert "works again" in running.stderr
    numbers_once(p, 600)


def test_what_is_renamed_out_of_sight_is_read_to_its_end(pipeline):
    p = follow(pipeline)
    append(p, "a.log", lines(0, 100))
    running = p.start()
    wait_until(lambda: count(p) == 100)
    with open(p.directory / "in" / "a.log", "a") as writer:
        move(p, "a.log", "away")
        writer.write(lines(100, 200))
        writer.flush()
        append(p, "a.log", lines(200, 201))
        wait_until(lambda: count(p) == 201)
        writer.write(lines(201, 202))
        writer.flush()
        wait_until(lambda: count(p) == 202)
    running.terminate()
    numbers_once(p, 202)


def test_a_log_that_is_copied_and_cut_off_is_read_once(pipeline):
    p = follow(pipeline)
    append(p, "a.log", lines(0, 500))
    running = p.start()
    wait_until(lambda: count(p) == 500)
    shutil.copy(p.directory / "in" / "a.log", p.directory / "in" / "a.log.1")
    os.truncate(p.directory / "in" / "a.log", 0)
    append(p, "a.log", lines(500, 501))
    wait_until(lambda: count(p) == 501)
    running.terminate()
    running = p.start()
    append(p, "a.log", lines(501, 502))
    wait_until(lambda: count(p) == 502)
    running.terminate()
    numbers_once(p, 502)


def test_a_rotation_while_nobody_looked_is_understood(pipeline):
    p = follow(pipeline)
    append(p, "a.log", lines(0, 100))
    running = p.start()
    wait_until(lambda: count(p) == 100)
    running.kill()
    append(p, "a.log", lines(100, 150))
    move(p, "a.log", "a.log.1")
    append(p, "a.log", lines(150, 160))
    running = p.start()
    wait_until(lambda: count(p) == 160)
    running.terminate()
    numbers_once(p, 160)


@pytest.mark.parametrize("seed", range(3))
def test_a_follower_that_is_killed_again_and_again_stores_every_line_once(pipeline, seed):
    """A writer that rotates all the time, and starts files with a few bytes, so that their identities grow while the follower dies."""
    p = follow(pipeline)
    total, chance = 30_000, random.Random(seed)

    def write():
        k, pace = 0, random.Random(seed + 100)
        while k < total:
            with open(p.directory / "in" / "a.log", "a") as file:
                end = min(total, k + pace.choice([1, 5, 50, 3000]))
                while k < end:
                    step = min(end, k + pace.choice([1, 3, 200]))
                    file.write(lines(k, step))
                    file.flush()
                    k = step
                    time.sleep(0.002)
            if pace.random() < 0.3:
                for old in range(20, 0, -1):
                    if (p.directory / "in" / f"a.log.{old}").exists():
                        move(p, f"a.log.{old}", f"a.log.{old + 1}")
                move(p, "a.log", "a.log.1")

    writer = threading.Thread(target=write)
    writer.start()
    kills = 0
    while writer.is_alive() and kills < 10:
        running = p.start()
        time.sleep(0.03 + chance.random() * 0.1)
        running.kill()
        kills += 1
    writer.join()
    running = p.start()
    wait_until(lambda: count(p) >= total, 60)
    assert running.terminate() == 0, running.stderr
    numbers_once(p, total)
    assert kills > 2


def test_lines_show_the_file_they_came_from(pipeline):
    p = pipeline(toml(TAIL, "SELECT k::bigint AS k, meta.file AS file, meta.line AS line, meta.offset AS byte, now() AS at FROM input"))
    (p.directory / "in").mkdir()
    append(p, "a.log", lines(0, 2))
    running = p.start()
    wait_until(lambda: count(p) == 2)
    running.terminate()
    found = rows(p, "SELECT k, file, line, byte, at IS NOT NULL FROM t ORDER BY k")
    assert found == [(0, "in/a.log", 1, 0, 1), (1, "in/a.log", 2, len(lines(0, 1)), 1)]
