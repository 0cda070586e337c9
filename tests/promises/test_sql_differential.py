"""SQL gives what a real PostgreSQL gives: the reference's examples, and thousands of random expressions (tests/differential)."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import psycopg2
import pytest

from conftest import TESTS, build_directory

sys.path.insert(0, str(TESTS / "differential"))
import compare  # noqa: E402
import known  # noqa: E402

PIPE = str(build_directory() / "bin" / "pipe")
COUNT = int(os.environ.get("PIPE_EXPRESSIONS", 5000))


def examples():
    text = subprocess.run([PIPE, "list", "examples"], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def rows_as_text(cursor, query):
    """The first column, each value as Postgres prints it."""
    out = io.StringIO()
    cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv, NULL 'NULL')", out)
    return [row[0] if row else "" for row in csv.reader(io.StringIO(out.getvalue(), newline=""))]


def test_every_example_of_the_reference_gives_the_same_in_postgres(postgres_server):
    connection = psycopg2.connect(postgres_server.url)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SET TimeZone = 'UTC'; SET IntervalStyle = postgres; SET bytea_output = hex; CREATE TEMP TABLE input AS SELECT 1 AS one")
    wrong = []
    for e in examples():
        if e["name"] in known.OURS:
            continue
        try:
            got = rows_as_text(cursor, e["example"] if e["example"].startswith("SELECT ") else f"SELECT ({e['example']})")
        except psycopg2.Error as error:
            got = [str(error).splitlines()[0]]
        if "\n".join(got) != e["result"] and ", ".join(got) != e["result"] and got[:1] != [e["result"]]:
            wrong.append(f"{e['example']}: the reference says {e['result']!r}, Postgres {got!r}")
    connection.close()
    assert not wrong, "\n".join(wrong)


def test_random_expressions_give_what_postgres_gives(postgres_server, record_property):
    options = SimpleNamespace(count=COUNT, seed=int(os.environ.get("PIPE_SEED", 1)), jobs=2, only=None, pipe=PIPE)
    totals = compare.run(options, postgres_server.url)
    record_property("expressions", totals["expressions"])
    shown = [f"{d['expression']}\n  pipe {d['pipe'][:200]}\n  postgres {d['postgres'][:200]}\n  {d['zone']} {d['row']}" for d in totals["differences"][:20]]
    assert not totals["differences"], f"{len(totals['differences'])} of {totals['expressions']} differ\n" + "\n".join(shown)
    assert totals["expressions"] >= COUNT


def test_every_deliberate_difference_is_in_the_documentation():
    text = (TESTS.parent / "docs" / "sql.md").read_text()
    listed = set(re.findall(r"<!-- difference: ([a-z0-9-]+) -->", text))
    assert listed == set(known.KNOWN) | known.DOCUMENTED_ONLY


@pytest.mark.sanitize
def test_guards_stay_guards(tmp_path):
    (tmp_path / "d.csv").write_text("kind,v,n\nnum,7,0\nnum,3,2\ntext,abc,0\ndate,2024-02-30,1\nnum,,5\n")

    def run(query):
        done = subprocess.run([PIPE, "sql", query, "d.csv"], cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, done.stdout.split()[1:]

    assert run("SELECT v FROM input WHERE kind = 'num' AND v::int > 5") == (0, ["7"])
    assert run("SELECT v FROM input WHERE kind <> 'num' OR v::int > 5") == (0, ["7", "abc", "2024-02-30"])
    assert run("SELECT CASE WHEN kind = 'num' THEN v::int * 2 ELSE 0 END AS x FROM input") == (0, ["14", "6", "0", "0"])
    assert run("SELECT coalesce(nullif(kind, 'num'), (v::int)::text) AS x FROM input") == (0, ["7", "3", "text", "date"])
    # the same subexpression behind a guard and behind another one is shared, and still only computed where somebody asks
    assert run("SELECT CASE WHEN kind = 'num' THEN v::int END AS a, CASE WHEN kind = 'num' AND v::int > 5 THEN v::int + 1 END AS b FROM input "
               "WHERE kind = 'num' AND v::int > 0 OR kind = 'text'") == (0, ["7,8", "3,", ","])
    assert run("SELECT v FROM input WHERE n::int <> 0 AND 10 / n::int > 4") == (0, ["3", "2024-02-30"])
    assert run("SELECT try_cast(v AS int) AS x FROM input WHERE try_cast(v AS int) IS NOT NULL") == (0, ["7", "3"])
