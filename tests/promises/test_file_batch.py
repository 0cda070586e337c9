"""The file source in batch mode: everything that is there, once, whatever happens."""

import os
import resource

import pytest

from file_rig import CSV, JSON, TEXT, WHERE, count, dead, gz, kill_at_random, lines, numbers_once, put, rows, toml, zstd

ROWS = 300_000


def test_files_are_read_in_order_and_a_second_run_reads_nothing(pipeline):
    p = pipeline(toml(TEXT, f"SELECT line AS text, {WHERE} FROM input"))
    put(p, "b.txt", "3\n")
    put(p, "a.txt", "1\n2")
    put(p, "a/deep/c.txt", "2½\n")
    result = p.run()
    assert result.code == 0, result
    assert rows(p, "SELECT text, file, line, byte FROM t ORDER BY rowid") == [
        ("1", "in/a.txt", 1, 0), ("2", "in/a.txt", 2, 2), ("2½", "in/a/deep/c.txt", 1, 0), ("3", "in/b.txt", 1, 0)]
    again = p.run()
    assert again.code == 0 and again.report["sources"]["in"]["read"] == 0, again
    assert count(p) == 4


def test_a_file_that_was_changed_is_read_as_a_new_one(pipeline):
    p = pipeline(toml())
    put(p, "a.json", lines(0, 3))
    p.run()
    put(p, "a.json", lines(0, 4))
    result = p.run()
    assert result.report["sources"]["in"]["read"] == 4, result


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_quoted_line_ends_survive_everywhere_in_a_large_file(pipeline, line_end):
    p = pipeline(toml(CSV, f"SELECT k::bigint AS k, length(text) AS len, {WHERE} FROM input"))
    records, expected, byte, line = [f"k,text{line_end}"], [], len("k,text" + line_end), 2
    for k in range(60_000):
        text = f"one {k}{line_end}two, {'x' * (k % 37)}{line_end}three"
        record = f'{k},"{text}"{line_end}'
        expected.append((k, len(text), line, byte))
        records.append(record)
        byte += len(record)
        line += 3
    put(p, "a.csv", "".join(records))
    result = p.run()
    assert result.code == 0, result
    assert rows(p, "SELECT k, len, line, byte FROM t ORDER BY k") == expected


@pytest.mark.sanitize
@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_is_killed_goes_on_in_the_middle_of_a_file(pipeline, seed):
    p = pipeline(toml())
    put(p, "a.json", lines(0, ROWS))
    assert kill_at_random(p, seed), "this machine needs more rows"
    result = p.run()
    assert result.code == 0, result
    assert 0 < result.report["sources"]["in"]["read"] < ROWS, "it began again"
    numbers_once(p, ROWS)


@pytest.mark.parametrize("compress", [zstd, gz, lambda data: zstd(data, 1_000_000)], ids=["zstd", "gzip", "zstd frames"])
def test_a_run_that_is_killed_goes_on_in_the_middle_of_a_compressed_file(pipeline, compress):
    p = pipeline(toml())
    put(p, "a", compress(lines(0, ROWS).encode()))
    assert kill_at_random(p, 11), "this machine needs more rows"
    result = p.run()
    assert result.code == 0, result
    numbers_once(p, ROWS)


def test_a_run_that_is_killed_goes_on_inside_a_json_array(pipeline):
    p = pipeline(toml())
    put(p, "a.json", "[" + ",\n".join('{"k": %d, "v": "[{,]}"}' % k for k in range(ROWS)) + "]\n")
    assert kill_at_random(p, 12), "this machine needs more rows"
    result = p.run()
    assert result.code == 0, result
    numbers_once(p, ROWS)


def test_a_run_over_csv_that_is_killed_still_knows_the_header(pipeline):
    p = pipeline(toml(CSV))
    put(p, "a.csv", "v,k\n" + "".join(f'"text\nwith {k}",{k}\n' for k in range(ROWS)))
    assert kill_at_random(p, 13), "this machine needs more rows"
    result = p.run()
    assert result.code == 0, result
    numbers_once(p, ROWS)


@pytest.mark.parametrize("seed", range(2))
def test_a_run_over_many_files_that_is_killed_reads_each_once(pipeline, seed):
    p = pipeline(toml())
    for i in range(3000):
        put(p, f"{i % 7}/{i}.json", lines(i * 40, i * 40 + 40))
    assert kill_at_random(p, seed), "this machine needs more rows"
    result = p.run()
    assert result.code == 0, result
    numbers_once(p, 120_000)


def cpu_seconds():
    """Of programs that have ended: what else the machine does at the time is no matter."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def test_100_000_small_files_cost_no_more_each_than_10_000(pipeline):
    seconds = {}
    for files in (10_000, 100_000):
        p = pipeline(toml(), name=str(files))
        for i in range(files):
            directory = p.directory / "in" / str(i % 100)
            if i < 100:
                directory.mkdir(parents=True)
            (directory / f"{i}.json").write_text('{"k": %d}' % i)
        result = p.run()
        assert result.code == 0, result
        numbers_once(p, files)
        started = cpu_seconds()
        again = p.run()
        seconds[files] = cpu_seconds() - started
        assert again.code == 0 and again.report["sources"]["in"]["read"] == 0, again
    # ten times the files: not much more than ten times as long (both start a process)
    assert seconds[100_000] < 30 * max(seconds[10_000], 0.1), seconds


@pytest.mark.parametrize("compress", [zstd, gz], ids=["zstd", "gzip"])
def test_what_is_whole_of_a_truncated_file_arrives_and_its_rest_is_one_dead_letter(pipeline, compress):
    p = pipeline(toml())
    whole = compress(lines(0, 100_000).encode())
    put(p, "a", whole[:len(whole) * 2 // 3])
    put(p, "b", lines(1_000_000, 1_000_002))
    result = p.run()
    assert result.code == 3, result
    (letter,) = dead(p)
    assert "in the middle" in letter["reason"]
    assert letter["meta"]["file"] == "in/a"
    n = count(p) - 2
    assert n > 1000
    assert rows(p, "SELECT count(*), count(DISTINCT k), min(k), max(k) FROM t WHERE k < 1000000") == [(n, n, 0, n - 1)]
    assert rows(p, "SELECT count(*) FROM t WHERE k >= 1000000") == [(2,)]
    again = p.run()
    assert again.report["sources"]["in"]["read"] == 0, again


def test_corrupt_compressed_data_is_one_dead_letter_and_the_next_file_is_read(pipeline):
    p = pipeline(toml())
    data = bytearray(zstd(lines(0, 200_000).encode(), 2_000_000))
    middle = len(data) // 2
    data[middle:middle + 64] = b"\xff" * 64
    put(p, "a", bytes(data))
    put(p, "b", lines(1_000_000, 1_000_001))
    result = p.run()
    assert result.code == 3, result
    letters = dead(p)
    assert letters[-1]["meta"]["file"] == "in/a" and "zstd" in letters[-1]["reason"]
    assert rows(p, "SELECT count(*) FROM t WHERE k = 1000000") == [(1,)]


def test_a_bad_row_is_rejected_with_its_offset_and_its_neighbours_arrive(pipeline):
    p = pipeline(toml(CSV, f"SELECT k::bigint AS k, {WHERE} FROM input"))
    put(p, "a.csv", "k,v\n0,a\n1,b,too many\n2,c\nthree,d\n3,e\n")
    result = p.run()
    assert result.code == 3, result
    assert rows(p, "SELECT k, line, byte FROM t ORDER BY k") == [(0, 2, 4), (2, 4, 21), (3, 6, 33)]
    assert [(letter["meta"]["line"], letter["meta"]["offset"], letter["payload"]) for letter in dead(p)] == [
        (3, 8, "1,b,too many"), (5, 25, "three,d")]


def test_a_record_longer_than_max_record_is_rejected_alone(pipeline):
    p = pipeline(toml(JSON + 'max_record = "64KiB"\n'))
    put(p, "a.json", lines(0, 1) + '{"k": 99, "v": "' + "x" * 3_000_000 + '"}\n' + lines(1, 2))
    result = p.run()
    assert result.code == 3, result
    numbers_once(p, 2)
    (letter,) = dead(p)
    assert letter["meta"]["offset"] == len(lines(0, 1))
    assert len(letter["payload"]) <= 65536


def test_a_file_leaves_only_when_it_is_committed_and_has_no_dead_letters(pipeline):
    p = pipeline(toml(JSON + 'on_done = "move"\ndone_dir = "done"\n'))
    for i in range(50):
        put(p, f"{i:02}.json", lines(2 * i, 2 * i + 2))
    put(p, "25.bad", "{broken\n")
    result = p.run()
    assert result.code == 3, result
    numbers_once(p, 100)
    assert [path.name for path in (p.directory / "in").iterdir()] == ["25.bad"]
    assert len(list((p.directory / "done").iterdir())) == 50
    again = p.run()
    assert again.code == 0 and (p.directory / "in" / "25.bad").exists(), again


@pytest.mark.parametrize("name", [b"line\nend.json", b"no utf-8 \xff\xfe.json", b"%FF.json"], ids=["line end", "no UTF-8", "percent"])
def test_a_file_may_have_any_name(pipeline, name):
    p = pipeline(toml(JSON + 'on_done = "move"\ndone_dir = "done"\n', f"SELECT k::bigint AS k, {WHERE} FROM input"))
    put(p, "good " + os.fsdecode(name), lines(0, 10))
    bad = put(p, "bad " + os.fsdecode(name), lines(10, 12) + "{broken\n")
    assert p.run().code == 3
    numbers_once(p, 12)
    assert [os.fsencode(path.name) for path in (p.directory / "done").iterdir()] == [b"good " + name]
    assert [letter["payload"] for letter in dead(p)] == ["{broken"]
    again = p.run()
    assert again.code == 0 and bad.exists(), "it has a record in the dead letters, and is known"
    numbers_once(p, 12)


@pytest.mark.parametrize("seed", range(2))
def test_files_that_are_deleted_when_done_lose_nothing_to_a_kill(pipeline, seed):
    p = pipeline(toml(JSON + 'on_done = "delete"\n'))
    for i in range(300):
        put(p, f"{i}.json", lines(i * 500, i * 500 + 500))
    assert kill_at_random(p, seed), "this machine needs more rows"
    result = p.run()
    assert result.code == 0, result
    numbers_once(p, 150_000)
    assert not [path for path in (p.directory / "in").iterdir()]


def test_a_directory_in_place_of_a_pattern_is_explained(pipeline):
    p = pipeline(toml().replace("in/**", "in"))
    put(p, "a.json", lines(0, 1))
    result = p.run()
    assert result.code != 0
    assert "is a directory" in result.stderr and "/in/*" in result.stderr
