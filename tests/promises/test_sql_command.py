"""`pipe sql`: a query as a shell filter."""

import gzip
import os
import pty
import subprocess

import pytest

from conftest import build_directory

PIPE = str(build_directory() / "bin" / "pipe")


@pytest.fixture
def sql(tmp_path):
    def run(query, *arguments, stdin="", env=None):
        return subprocess.run([PIPE, "sql", query, *map(str, arguments)], cwd=tmp_path, input=stdin, text=True, timeout=60,
                              capture_output=True, env={**os.environ, **(env or {})})

    return run


def file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    return name


CSV = 'device,temp,status\na,21.5,ok\n"bé,x",30,bad\nc,,ok\nd,-4,""\n'


def test_a_query_over_a_csv_file_writes_csv(sql, tmp_path):
    done = sql("SELECT device, temp * 2 AS t, status FROM input WHERE temp > 0", file(tmp_path, "d.csv", CSV))
    assert (done.stdout, done.stderr, done.returncode) == ('device,t,status\na,43.0,ok\n"bé,x",60,bad\n', "", 0)


def test_a_query_over_json_writes_json_and_reads_standard_input(sql):
    done = sql("SELECT a.b AS b, * EXCLUDE (a) FROM input", stdin='{"a":{"b":1.50},"c":"x"}\n{"a":null}\n')
    assert (done.stdout, done.returncode) == ('{"c":"x","b":1.50}\n{"b":null}\n', 0)


@pytest.mark.sanitize
def test_the_output_format_can_be_chosen(sql):
    data = '{"a":1,"b":"x,y"}\n{"a":null,"b":""}\n'
    assert sql("SELECT a, b FROM input", "--to", "csv", stdin=data).stdout == 'a,b\n1,"x,y"\n,""\n'
    assert sql("SELECT a, b FROM input", "--to=tsv", "--no-header", stdin=data).stdout == '1\tx,y\n\t""\n'
    assert sql("SELECT a, b FROM input", "--to", "table", "--null", "∅", stdin=data).stdout == (
        " a |  b\n---+-----\n 1 | x,y\n ∅ | \n(2 rows)\n")


def test_columns_of_a_star_are_those_of_the_events(sql):
    data = '{"a":1}\n{"a":2,"b":{"c":"d"}}\n'
    assert sql("SELECT * FROM input", "--to", "table", stdin=data).stdout == (
        " a |     b\n---+-----------\n 1 | \n 2 | {\"c\":\"d\"}\n(2 rows)\n")
    assert sql("SELECT * FROM input", "--from", "csv", stdin=CSV).stdout == CSV


def test_control_characters_cannot_steer_the_terminal(sql):
    done = sql("SELECT chr(27) || '[31m' || chr(10) AS a", "--to", "table")
    assert done.stdout == "     a\n------------\n \\x1b[31m\\n\n(1 row)\n"


def test_a_query_without_from_gives_one_row(sql):
    assert sql("SELECT 1 + 1 AS two, 'é' AS e").stdout == '{"two":2,"e":"é"}\n'


def test_formats_are_known_by_the_files_names_and_compression_by_their_bytes(sql, tmp_path):
    (tmp_path / "b.tsv.gz").write_bytes(gzip.compress(b"device\ttemp\nx\t1\n"))
    file(tmp_path, "a.ndjson", '{"device":"y","temp":2}\n')
    done = sql("SELECT device, temp::int AS temp FROM input", "b.tsv.gz", "a.ndjson", "--to", "json")
    assert sorted(done.stdout.splitlines()) == ['{"device":"x","temp":1}', '{"device":"y","temp":2}']


def test_files_are_read_by_their_names_whatever_is_in_them(sql, tmp_path):
    name = file(tmp_path, "a[1]*? ${x}.csv", "a\n1\n")
    file(tmp_path, "a1.csv", "a\n2\n")
    assert sql("SELECT a FROM input", name).stdout == "a\n1\n"


def test_a_fifo_is_read_like_standard_input(sql, tmp_path):
    done = subprocess.run(["bash", "-c", f"{PIPE} sql 'SELECT a FROM input' <(echo '{{\"a\":1}}')"], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ('{"a":1}\n', 0)


def test_rejected_records_are_shown_with_place_and_reason(sql, tmp_path):
    rows = "".join(f"{'x' if i % 2 else i}\n" for i in range(20))
    done = sql("SELECT a::int AS a FROM input", file(tmp_path, "d.csv", "a\n" + rows))
    assert done.returncode == 3
    assert done.stdout == "a\n" + "".join(f"{i}\n" for i in range(0, 20, 2))
    lines = done.stderr.splitlines()
    assert "d.csv:3 byte 4: a::int: invalid input syntax for type integer: \"x\" (value: x)" in lines[0]
    assert lines[1] == "    x"
    assert lines[-2:] == ["… and 5 more", "pipe sql: 10 of 20 records rejected"]


def test_untyped_text_beside_an_interval_is_said_to_need_a_type(sql):
    data = '{"ts":"2026-03-01 12:00:00+00"}\n'
    done = sql("SELECT ts + interval '1 hour' AS later FROM input", stdin=data)
    assert done.returncode == 3 and "it is a time: write ts::timestamptz" in done.stderr
    assert sql("SELECT ts::timestamptz + interval '1 hour' AS later FROM input", stdin=data).stdout == '{"later":"2026-03-01T13:00:00+00:00"}\n'


def test_a_constant_that_decides_spares_what_stands_before_it(sql):
    done = sql("SELECT a::integer > 1 AND 'a' LIKE 'b' AS x, 1 < 2 OR a::integer > 1 AS y FROM input", stdin='{"a":"word"}\n')
    assert (done.stdout, done.returncode) == ('{"x":false,"y":true}\n', 0)


def test_matches_and_parts_of_a_text_become_rows_in_select_and_in_from(sql):
    data = '{"s":"foobar baz"}\n{"s":"none"}\n'
    assert sql("SELECT regexp_matches(s, 'ba(.)', 'g') AS m FROM input", stdin=data).stdout == '{"m":["r"]}\n{"m":["z"]}\n'
    assert sql("SELECT m[1] AS m FROM input, regexp_matches(s, 'ba(.)', 'g') AS m", stdin=data).stdout == '{"m":"r"}\n{"m":"z"}\n'
    assert sql("SELECT regexp_split_to_table(s, ' ') AS part FROM input", stdin=data).stdout == '{"part":"foobar"}\n{"part":"baz"}\n{"part":"none"}\n'
    assert sql("SELECT n, part FROM input, regexp_split_to_table(s, ' ') WITH ORDINALITY AS t (part, n)", stdin=data).stdout == (
        '{"n":1,"part":"foobar"}\n{"n":2,"part":"baz"}\n{"n":1,"part":"none"}\n')


def test_input_that_is_not_json_says_how_to_read_it(sql):
    done = sql("SELECT a FROM input", stdin="a,b\n1,2\n")
    assert done.returncode == 3
    assert "--from csv" in done.stderr


def test_mistakes_in_the_query_are_shown_where_they_are(sql):
    done = sql("SELECT \"a\",\n  'é${x}$${y}\t' || lenght(b)\nFROM input", stdin="")
    assert done.returncode == 78
    assert done.stderr == ("query:2:20: function lenght(json) does not exist\n"
                           "      'é${x}$${y}\t' || lenght(b)\n"
                           "                 \t     ^^^^^^\n"
                           "    Perhaps you meant length().\n")


def test_what_the_shell_got_wrong_is_a_usage_error(sql, tmp_path):
    assert sql("SELECT 1", "--from", "xml").returncode == 2
    assert sql("SELECT 1", "--to", "xml").returncode == 2
    assert sql("SELECT a FROM input", "--type", "a").returncode == 2
    missing = sql("SELECT a FROM input", "no.csv")
    assert (missing.returncode, missing.stderr) == (1, "pipe: cannot read no.csv: No such file or directory\n")
    zone = sql("SELECT now()", "--timezone", "Mars/Olympus")
    assert zone.returncode == 78 and "Mars/Olympus" in zone.stderr


def test_types_zone_names_and_null_can_be_given(sql):
    done = sql("SELECT t, v FROM input", "--from", "csv", "--names", "t,v", "--type", "t=timestamptz", "--type", "v=integer",
               "--timezone", "Europe/Berlin", "--null", "-", stdin="2024-07-01 00:00Z,-\n2024-01-01 00:00Z,7\n")
    assert done.stdout == "t,v\n2024-07-01 02:00:00+02,-\n2024-01-01 01:00:00+01,7\n"


def test_nothing_to_read_on_a_terminal_is_said_at_once(tmp_path):
    leader, follower = pty.openpty()
    done = subprocess.run([PIPE, "sql", "SELECT a FROM input"], stdin=follower, capture_output=True, text=True, timeout=60)
    os.close(leader), os.close(follower)
    assert done.returncode == 2 and "nothing to read" in done.stderr


def test_a_terminal_gets_a_table(tmp_path):
    leader, follower = pty.openpty()
    subprocess.run([PIPE, "sql", "SELECT 1 AS a"], stdout=follower, timeout=60, check=True)
    os.close(follower)
    text = b""
    try:
        while chunk := os.read(leader, 4096):
            text += chunk
    except OSError:
        pass
    os.close(leader)
    assert text.replace(b"\r", b"") == b" a\n---\n 1\n(1 row)\n"


def test_nothing_is_left_behind(sql, tmp_path):
    sql("SELECT a::int FROM input", file(tmp_path, "d.csv", "a\nx\n"))
    assert sorted(os.listdir(tmp_path)) == ["d.csv"]


def test_a_reader_that_goes_away_ends_it_without_a_word(tmp_path):
    file(tmp_path, "d.ndjson", '{"a":1}\n' * 500000)
    done = subprocess.run(["bash", "-c", f"{PIPE} sql 'SELECT * FROM input' d.ndjson | head -n 1"], cwd=tmp_path, capture_output=True,
                          text=True, timeout=60)
    assert (done.stdout, done.stderr) == ('{"a":1}\n', "")
