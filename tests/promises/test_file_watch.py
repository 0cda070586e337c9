"""The file source in watch mode: finished files are taken as they come, half-written ones are not."""

import random
import threading
import time

import pytest

from conftest import wait_until
from disks import fill, small_disk  # noqa: F401
from file_rig import JSON, count, lines, numbers_once, put, rows, toml

WATCH = JSON + 'mode = "watch"\n'


def watch(pipeline, settle='"0s"', more=""):
    p = pipeline(toml(WATCH + f"settle = {settle}\n" + more))
    (p.directory / "in").mkdir()
    return p


def quiet(p, expected, seconds=0.5):
    """Nothing more comes for a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert count(p) == expected
        time.sleep(0.02)


@pytest.mark.sanitize
def test_drops_are_taken_as_they_come_also_in_new_directories(pipeline):
    p = watch(pipeline)
    put(p, "a.json", lines(0, 10))
    running = p.start()
    wait_until(lambda: count(p) == 10)
    put(p, "b.json", lines(10, 20))
    wait_until(lambda: count(p) == 20)
    put(p, "new/deep/c.json", lines(20, 30))
    wait_until(lambda: count(p) == 30)
    put(p, "new/deep/d.json", lines(30, 40))
    wait_until(lambda: count(p) == 40)
    assert running.terminate() == 0, running.stderr
    numbers_once(p, 40)


def test_a_file_that_is_still_being_written_waits_until_it_has_been_quiet(pipeline):
    p = watch(pipeline, '"1s"')
    running = p.start()
    with open(p.directory / "in" / "a.json", "w") as file:
        for k in range(15):
            file.write(lines(k, k + 1)[:10])
            file.flush()
            time.sleep(0.1)
            assert count(p) == 0
            file.write(lines(k, k + 1)[10:])
            file.flush()
    wait_until(lambda: count(p) == 15)
    running.terminate()
    numbers_once(p, 15)


def test_with_settle_rename_what_is_written_in_place_is_not_taken(pipeline):
    p = watch(pipeline, '"rename"')
    put(p, "there.json", lines(0, 1))
    running = p.start()
    wait_until(lambda: count(p) == 1)
    (p.directory / "in" / "b.json").write_text(lines(77, 78))
    quiet(p, 1)
    put(p, "c.json", lines(1, 2))
    wait_until(lambda: count(p) == 2)
    running.terminate()
    numbers_once(p, 2)


def test_with_a_marker_a_file_waits_for_it(pipeline):
    p = watch(pipeline, '"marker:.done"', 'on_done = "delete"\n')
    running = p.start()
    put(p, "a.json", lines(0, 1))
    quiet(p, 0)
    put(p, "a.json.done", "")
    wait_until(lambda: count(p) == 1)
    wait_until(lambda: not list((p.directory / "in").iterdir()), what="the marker's and the file's end")
    running.terminate()
    numbers_once(p, 1)


def test_a_file_that_is_replaced_is_read_again(pipeline):
    p = watch(pipeline)
    running = p.start()
    put(p, "latest.json", lines(0, 1))
    wait_until(lambda: count(p) == 1)
    put(p, "latest.json", lines(1, 2))
    wait_until(lambda: count(p) == 2)
    running.terminate()
    numbers_once(p, 2)


def test_a_file_that_could_not_be_moved_is_moved_when_there_is_room(pipeline, small_disk):  # noqa: F811
    p = watch(pipeline, more=f'on_done = "move"\ndone_dir = "{small_disk}/done"\n')
    running = p.start()
    wait_until(small_disk.joinpath("done").exists)
    filler = fill(small_disk)
    file = put(p, "a.json", lines(0, 10))
    wait_until(lambda: "No space left" in running.stderr)
    filler.unlink()
    put(p, "b.json", lines(10, 20))  # it looks every ten seconds, and when something happens
    wait_until(lambda: not file.exists() and count(p) == 20, 30, "the move")
    assert (small_disk / "done" / "a.json").read_text() == lines(0, 10)
    assert running.terminate() == 0, running.stderr
    numbers_once(p, 20)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("on_done", ["keep", "delete"])
def test_a_watcher_that_is_killed_again_and_again_takes_every_drop_once(pipeline, seed, on_done):
    p = watch(pipeline, more=f'on_done = "{on_done}"\n')
    chance = random.Random(seed)
    files, each = 400, 50

    def drop():
        for i in range(files):
            put(p, f"{i % 5}/{i}.json", lines(i * each, i * each + each))
            time.sleep(0.002)

    dropper = threading.Thread(target=drop)
    dropper.start()
    kills = 0
    while dropper.is_alive() and kills < 8:
        running = p.start()
        time.sleep(0.05 + chance.random() * 0.1)
        running.kill()
        kills += 1
    dropper.join()
    running = p.start()
    wait_until(lambda: count(p) >= files * each, 60)
    assert running.terminate() == 0, running.stderr
    numbers_once(p, files * each)
    assert kills > 2


def test_a_quiet_watcher_costs_nothing(pipeline):
    p = watch(pipeline)
    put(p, "a.json", lines(0, 1))
    running = p.start()
    wait_until(lambda: count(p) == 1)
    time.sleep(1.5)  # the position's commit
    stat = f"/proc/{running.process.pid}/stat"

    def ticks():
        return sum(int(field) for field in open(stat).read().rsplit(")", 1)[1].split()[11:13])

    before = ticks()
    time.sleep(2)
    assert ticks() - before <= 1, "hundredths of a second of CPU in two seconds of silence"
    running.terminate()
    assert rows(p, "SELECT k FROM t") == [(0,)]
