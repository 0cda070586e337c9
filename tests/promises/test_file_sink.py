"""The file sink and standard output: what others do to the file meanwhile, disks, closed streams."""

import json
import os
import shutil
import subprocess
import time

import pytest

from conftest import wait_until
from disks import as_root, small_disk  # noqa: F401
from test_engine import feed, file_sink, files, numbered

WATCH = 'mode = "watch"\nsettle = "0s"'
SOON = 'retry.first = "10ms"\nretry.max = "50ms"\n'


def rows(*paths):
    return [json.loads(line)["seq"] for path in paths if path.exists() for line in path.read_bytes().splitlines()]


def descriptors(running):
    return len(os.listdir(f"/proc/{running.process.pid}/fd"))


@pytest.mark.sanitize
@pytest.mark.parametrize("what", ["moved away", "removed", "removed with its directory", "cut short"])
def test_a_file_that_others_take_away_is_followed_by_a_new_one(pipeline, what):
    """Nothing is written to a file that has no name any more, and none begins with a hole."""
    p = pipeline(files(file_sink(), source=WATCH))
    out, taken = p.directory / "out/out.json", p.directory / "taken"
    feed(p, "a.json", numbered(0, 100))
    running = p.start()
    wait_until(lambda: rows(out) == list(range(100)))
    if what == "moved away":
        out.rename(taken)
    elif what == "removed":
        out.unlink()
    elif what == "cut short":
        out.write_bytes(b"")
    else:
        shutil.rmtree(out.parent)
    feed(p, "b.json", numbered(100, 100))
    wait_until(lambda: out.exists() and out.read_bytes().count(b"\n") >= 100, 20, "the new file")
    assert running.terminate() == 0, running.stderr
    assert rows(out)[-100:] == list(range(100, 200))  # with the first hundred where their commit was not through
    assert what != "moved away" or rows(taken) == list(range(100))


def test_a_rotation_that_the_disk_has_no_room_for_repeats_nothing(pipeline, small_disk):
    as_root("mount", "-o", "remount,nr_inodes=3", str(small_disk))
    (small_disk / "the last but one").touch()
    p = pipeline(files(file_sink(more=SOON + 'rotate_size = "4KiB"').replace("out/out.json", f"{small_disk}/out.json"), source=WATCH))
    feed(p, "a.json", numbered(0, 1000))
    running = p.start()
    wait_until(lambda: list(small_disk.glob("out.*Z.json")))
    feed(p, "b.json", numbered(1000, 1000))
    wait_until(lambda: "trying again" in running.stderr, what="a disk without inodes")
    as_root("mount", "-o", "remount,nr_inodes=1000", str(small_disk))
    wait_until(lambda: len(rows(*small_disk.glob("out*"))) >= 2000)
    assert running.terminate() == 0, running.stderr
    assert sorted(rows(*small_disk.glob("out*"))) == list(range(2000))


@pytest.mark.sanitize
def test_a_torn_end_that_cannot_be_moved_leaks_no_descriptor(pipeline, small_disk):
    (small_disk / "out.json").write_text('{"seq": 0}\n{"seq"')
    ballast = small_disk / "out.json.torn"
    ballast.symlink_to("/dev/full")
    p = pipeline(files(file_sink(more='retry.first = "1ms"\nretry.max = "1ms"').replace("out/out.json", f"{small_disk}/out.json"), source=WATCH))
    (p.directory / "in").mkdir()
    running = p.start()
    wait_until(lambda: "trying again" in running.stderr)
    before = descriptors(running)
    time.sleep(0.3)  # some hundred tries
    assert descriptors(running) < before + 10
    ballast.unlink()
    feed(p, "a.json", numbered(1, 100))
    wait_until(lambda: (small_disk / "out.json").read_bytes().count(b"\n") == 101)
    assert rows(small_disk / "out.json") == list(range(101))
    assert running.terminate() == 0, running.stderr


@pytest.mark.parametrize("closed, says", [(">&-", "Bad file descriptor"), (">/dev/full", "No space left"), ("| head -c 1", "Broken pipe")])
def test_standard_output_that_takes_nothing_ends_the_run_and_nothing_counts_as_delivered(pipeline, closed, says):
    p = pipeline(files('[sinks.out]\ntype = "stdout"\ninputs = ["in"]\n'))
    feed(p, "a.json", numbered(0, 100_000))
    command = "timeout -k 1 20 " + " ".join(p.command("run")) + f" {closed}"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=p.directory, capture_output=True, text=True)
    assert done.returncode == 1
    assert says in done.stderr
    assert json.loads(p.report.read_text())["sinks"]["out"]["delivered"] == 0
