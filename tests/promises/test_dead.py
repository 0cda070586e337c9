"""What happens to records that were rejected, and what `pipe dead` and `pipe state` do with what a pipeline has stored."""

import contextlib
import json
import re
import signal
import sqlite3
import subprocess

import pytest

from conftest import wait_until
from disks import fill, small_disk  # noqa: F401

TOML = """
[pipeline]
name = "t"
[sources.in]
type = "file"
path = ["in/*"]
format = "json"
[sources.in.columns]
k = "integer"
[sinks.out]
type = "file"
inputs = ["in"]
path = "out.ndjson"
"""


def feed(p, lines):
    (p.directory / "in").mkdir(exist_ok=True)
    (p.directory / "in" / "a.json").write_text("".join(line + "\n" for line in lines))


def pipe(p, *arguments):
    return subprocess.run([str(p.program), *arguments], cwd=p.directory, env=p.environment, text=True, capture_output=True, timeout=60)


def letters(p):
    return [json.loads(line) for line in (p.directory / "state" / "t" / "dead-letters.ndjson").read_text().splitlines()]


@pytest.fixture
def with_letters(pipeline):
    p = pipeline(TOML)
    feed(p, ['{"k":1}', '{"k":"x"}', "not json", '{"k":2}'])
    result = p.run()
    assert result.code == 3, result
    assert len(letters(p)) == 2
    return p


# ---- wherever they are kept -----------------------------------------------------------------------------------------


class InFile:
    toml = ""

    def letters(self):
        return letters(self.pipeline)

    def write_again(self):
        file = self.pipeline.directory / "state" / "t" / "dead-letters.ndjson"
        file.write_text(file.read_text() * 2)


class InSqlite:
    toml = '[dead_letter]\ntype = "sqlite"\npath = "dead.db"\ntable = "dead"\ncreate = true\n'

    def run(self, sql):
        with contextlib.closing(sqlite3.connect(self.pipeline.directory / "dead.db")) as db, db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql).fetchall()]

    def letters(self):
        return [row | {"meta": json.loads(row["meta"])} for row in self.run("SELECT * FROM dead WHERE pipeline = 't' ORDER BY rowid")]

    def write_again(self):
        self.run("INSERT INTO dead SELECT * FROM dead")


class InPostgres:
    def __init__(self, postgres):
        self.postgres = postgres
        self.toml = f'[dead_letter]\ntype = "postgres"\nurl = "{postgres.url}"\ntable = "dead"\ncreate = true\n'

    def run(self, sql):
        return self.postgres.rows(sql)

    def letters(self):
        rows = self.postgres.rows("SELECT to_jsonb(d)::text FROM dead d WHERE pipeline = 't' ORDER BY time, ctid")
        return [json.loads(row) for (row,) in rows]

    def write_again(self):
        self.run("INSERT INTO dead SELECT * FROM dead")


@pytest.fixture(params=["file", "sqlite", "postgres"])
def kept(request, pipeline):
    """Two dead letters, in each of the places that `pipe dead` works on."""
    place = InPostgres(request.getfixturevalue("postgres")) if request.param == "postgres" else {"file": InFile, "sqlite": InSqlite}[request.param]()
    place.pipeline = p = pipeline(TOML + place.toml)
    feed(p, ['{"k":1}', '{"k":"x"}', "not json", '{"k":2}'])
    result = p.run()
    assert result.code == 3, result
    assert len(place.letters()) == 2
    return place


@pytest.mark.sanitize
def test_dead_list_has_a_line_for_each_letter(kept):
    listed = pipe(kept.pipeline, "dead", "list")
    assert listed.returncode == 0, listed.stderr
    lines = listed.stdout.splitlines()
    assert len(lines) == 3
    for line, letter in zip(lines[1:], kept.letters()):
        assert line.startswith(letter["id"][:12])
        assert letter["position"] in line and " in " in line
    assert "2 dead letters" in listed.stderr


def test_dead_show_tells_everything_about_one_letter(kept):
    letter = kept.letters()[0]
    for wanted in (letter["id"], letter["id"][:12]):
        shown = pipe(kept.pipeline, "dead", "show", "pipeline.toml", wanted)
        assert shown.returncode == 0, shown.stderr
        found = dict(re.split(r" +", line, maxsplit=1) for line in shown.stdout.splitlines())
        assert json.loads(found.pop("meta")) == letter["meta"]
        assert found.pop("time")[:10] == letter["time"][:10]
        assert found == {k: v for k, v in letter.items() if v is not None and k not in ("meta", "time")}


@pytest.mark.sanitize
def test_dead_drop_removes_the_letter_named_and_no_other(kept):
    first, second = kept.letters()
    dropped = pipe(kept.pipeline, "dead", "drop", first["id"][:12])
    assert dropped.returncode == 0, dropped.stderr
    assert "1 dropped, 1 left" in dropped.stderr
    assert kept.letters() == [second]
    missing = pipe(kept.pipeline, "dead", "drop", first["id"])
    assert missing.returncode == 1 and first["id"] in missing.stderr
    assert kept.letters() == [second]
    assert pipe(kept.pipeline, "dead", "drop", "--all").returncode == 0
    assert kept.letters() == []


def test_a_letter_written_twice_is_shown_once_and_dropped_once(kept):
    kept.write_again()
    listed = pipe(kept.pipeline, "dead", "list")
    assert listed.returncode == 0, listed.stderr
    assert len(listed.stdout.splitlines()) == 3
    first, second = {letter["id"] for letter in kept.letters()}
    assert "1 dropped, 1 left" in pipe(kept.pipeline, "dead", "drop", first).stderr
    assert {letter["id"] for letter in kept.letters()} == {second}


@pytest.mark.sanitize
def test_dead_retry_delivers_what_the_mended_pipeline_can_take_and_keeps_the_rest(kept):
    p = kept.pipeline
    p.write(TOML.replace('k = "integer"', 'k = "text"') + kept.toml)
    before = {letter["id"]: letter for letter in kept.letters()}
    tried = pipe(p, "dead", "retry", "--all")
    assert tried.returncode == 3, tried.stderr
    assert "2 of 2 tried again: 1 are through, 1 dead again" in tried.stderr
    assert [json.loads(line) for line in (p.directory / "out.ndjson").read_text().splitlines()][2:] == [{"k": "x"}]
    (left,) = kept.letters()
    assert left["payload"] == "not json" and left["id"] in before
    assert left["time"] > before[left["id"]]["time"]
    for member in ("position", "meta", "source", "component"):
        assert left[member] == before[left["id"]][member]
    assert p.run().code == 0, "a retry is no new read"


def test_dead_retry_takes_one_letter_by_its_id(kept):
    kept.pipeline.write(TOML.replace('k = "integer"', 'k = "text"') + kept.toml)
    mended, broken = sorted(kept.letters(), key=lambda letter: letter["payload"] == "not json")
    tried = pipe(kept.pipeline, "dead", "retry", mended["id"][:12])
    assert tried.returncode == 0, tried.stderr
    assert kept.letters() == [broken]


@pytest.mark.parametrize("kept", ["sqlite", "postgres"], indirect=True)
def test_another_pipelines_letters_in_the_same_table_are_its_own(kept):
    kept.run("INSERT INTO dead SELECT * FROM dead")
    kept.run("UPDATE dead SET pipeline = 'other' WHERE " +
             ("rowid > 2" if isinstance(kept, InSqlite) else "ctid IN (SELECT DISTINCT ON (id) ctid FROM dead ORDER BY id, ctid)"))
    assert "2 dead letters" in pipe(kept.pipeline, "dead", "list").stderr
    assert pipe(kept.pipeline, "dead", "drop", "--all").returncode == 0
    assert kept.letters() == []
    assert len(kept.run("SELECT * FROM dead WHERE pipeline = 'other'")) == 2


@pytest.mark.parametrize("kept", ["sqlite", "postgres"], indirect=True)
def test_a_letter_that_replaces_its_own_row_when_it_dies_again_stays(kept):
    p = kept.pipeline
    kept.run("CREATE UNIQUE INDEX one ON dead (id)")
    p.write(TOML + kept.toml + 'write = "upsert"\nkey = ["id"]\n')
    before = {letter["id"]: letter["time"] for letter in kept.letters()}
    tried = pipe(p, "dead", "retry", "--all")
    assert tried.returncode == 3, tried.stderr
    after = {letter["id"]: letter["time"] for letter in kept.letters()}
    assert after.keys() == before.keys()
    assert all(after[i] > before[i] for i in before)


@pytest.mark.parametrize("kept", ["sqlite", "postgres"], indirect=True)
def test_a_retry_that_was_killed_before_the_table_was_cleared_delivers_nothing_twice(kept, postgres):
    postgres.rows("CREATE TABLE t (k text)")
    p = kept.pipeline
    toml = TOML.split("[sinks.out]")[0] + f'[sinks.out]\ntype = "postgres"\ninputs = ["in"]\nurl = "{postgres.url}"\ntable = "t"\n' + kept.toml
    p.write(toml.replace('k = "integer"', 'k = "text"'))
    kept.run("CREATE TABLE before AS SELECT * FROM dead")
    assert pipe(p, "dead", "retry", "--all").returncode == 3
    kept.run("INSERT INTO dead SELECT * FROM before WHERE payload <> 'not json'")
    tried = pipe(p, "dead", "retry", "--all")
    assert tried.returncode == 3, tried.stderr
    assert postgres.rows("SELECT k FROM t") == [("x",)]
    assert [letter["payload"] for letter in kept.letters()] == ["not json"]


def test_dead_says_which_letters_it_cannot_read(pipeline):
    p = pipeline(TOML + '[dead_letter]\ntype = "stdout"\n')
    refused = pipe(p, "dead", "list")
    assert refused.returncode == 1
    assert "kept by a stdout sink" in refused.stderr and "SQLite" in refused.stderr


# ---- with the default file ------------------------------------------------------------------------------------------


def test_the_line_that_a_running_pipeline_has_not_finished_is_no_letter_yet(with_letters):
    file = with_letters.directory / "state" / "t" / "dead-letters.ndjson"
    file.write_text(file.read_text() + '{"id":"half of a line')
    listed = pipe(with_letters, "dead", "list")
    assert listed.returncode == 0, listed.stderr
    assert len(listed.stdout.splitlines()) == 3


def test_dead_drop_needs_the_state_dir_for_itself(pipeline):
    p = pipeline(TOML.replace('type = "file"\npath = ["in/*"]', 'type = "file"\nmode = "watch"\npath = ["in/*"]', 1))
    feed(p, ["{}"])
    running = p.start()
    wait_until((p.directory / "state" / "t" / "control.sock").exists)
    refused = pipe(p, "dead", "drop", "--all")
    assert refused.returncode == 1
    assert "in use by process" in refused.stderr
    assert pipe(p, "dead", "list").returncode == 0
    assert running.terminate() == 0


def test_an_action_that_is_none_is_a_usage_error(with_letters):
    for arguments in (["dead"], ["dead", "burn"], ["dead", "drop"], ["state"], ["state", "adopt"], ["state", "adopt", "1234"]):
        assert pipe(with_letters, *arguments).returncode == 2, arguments


def test_dead_letters_that_nobody_takes_end_the_run_when_their_time_is_over(pipeline):
    dead = '[dead_letter]\ntype = "postgres"\nurl = "postgresql://x@127.0.0.1:1/x"\ntable = "dead"\nretry.for = "1s"\nretry.first = "100ms"\n'
    p = pipeline(TOML + dead)
    feed(p, ['{"k":1}', "not json"])
    result = p.run()
    assert result.code == 1, result
    assert "dead_letter" in result.stderr
    p.write(TOML)
    assert p.run().code == 3, "nothing was acknowledged: the letter is read again"


def test_dead_letters_without_room_hold_up_the_run_but_not_its_end(pipeline, small_disk):  # noqa: F811
    p = pipeline(TOML + f'[dead_letter]\npath = "{small_disk}/dead.ndjson"\n')
    feed(p, ['{"k":%d}' % i for i in range(1000)] + ["bad"])
    fill(small_disk)
    running = p.start()
    wait_until(lambda: "No space left" in running.stderr)
    for said in ("draining", "stopping now"):
        running.process.send_signal(signal.SIGTERM)
        wait_until(lambda: said in running.stderr)
    assert running.wait(5) == 75, running.stderr
    (small_disk / "filler").unlink()
    assert p.run().code == 3
    assert len((small_disk / "dead.ndjson").read_text().splitlines()) == 1


# ---- trying again ---------------------------------------------------------------------------------------------------


def test_dead_retry_of_a_csv_row_knows_its_files_header_though_the_file_is_gone(pipeline):
    toml = TOML.replace('"json"', '"csv"').replace("[sources.in.columns]\nk =", 'extra = "keep"\n[sources.in.columns]\nk =')
    p = pipeline(toml)
    feed(p, ['k,"the ""name""",note', "1,a,b", "two,c,d"])
    assert p.run().code == 3
    (p.directory / "in" / "a.json").unlink()
    p.write(toml.replace('k = "integer"', 'k = "text"'))
    tried = pipe(p, "dead", "retry", "--all")
    assert tried.returncode == 0, tried.stderr
    assert json.loads((p.directory / "out.ndjson").read_text().splitlines()[-1]) == {"k": "two", 'the "name"': "c", "note": "d"}


def test_dead_retry_delivers_only_below_the_component_that_failed(postgres, pipeline):
    """One sink had the record already: it does not get it again."""
    postgres.rows("CREATE TABLE t (k integer CHECK (k < 10), origin text)")
    p = pipeline(TOML.replace('inputs = ["in"]', 'inputs = ["all"]') +
                 '[transforms.all]\ntype = "sql"\ninputs = ["in"]\nquery = "SELECT k, meta.file AS origin FROM input"\n'
                 f'[sinks.db]\ntype = "postgres"\ninputs = ["all"]\nurl = "{postgres.url}"\ntable = "t"\n')
    feed(p, [f'{{"k":{i}}}' for i in range(12)])
    assert p.run().code == 3
    assert len(letters(p)) == 2
    assert pipe(p, "dead", "retry", "--all").returncode == 3, "nothing has been mended"
    assert len(letters(p)) == 2
    postgres.rows("ALTER TABLE t DROP CONSTRAINT t_k_check")
    tried = pipe(p, "dead", "retry", "--all")
    assert tried.returncode == 0, tried.stderr
    assert letters(p) == []
    assert postgres.rows("SELECT k, origin FROM t ORDER BY k") == [(i, "in/a.json") for i in range(12)]
    assert len((p.directory / "out.ndjson").read_text().splitlines()) == 12
    assert p.run().code == 0
    assert postgres.value("SELECT count(*) FROM t") == 12


def test_a_retry_that_was_killed_before_the_file_was_rewritten_delivers_nothing_twice(postgres, pipeline):
    postgres.rows("CREATE TABLE t (k integer CHECK (k < 10))")
    p = pipeline(TOML.split("[sinks.out]")[0] + f'[sinks.db]\ntype = "postgres"\ninputs = ["in"]\nurl = "{postgres.url}"\ntable = "t"\n')
    feed(p, ['{"k":1}', '{"k":11}'])
    assert p.run().code == 3
    file = p.directory / "state" / "t" / "dead-letters.ndjson"
    before = file.read_text()
    postgres.rows("ALTER TABLE t DROP CONSTRAINT t_k_check")
    assert pipe(p, "dead", "retry", "--all").returncode == 0
    file.write_text(before)
    assert pipe(p, "dead", "retry", "--all").returncode == 0
    assert postgres.rows("SELECT k FROM t ORDER BY k") == [(1,), (11,)]
    assert file.read_text() == ""
    file.write_text(before.replace('"payload"', '"payload_was"'))
    refused = pipe(p, "dead", "retry", "--all")
    assert refused.returncode == 3 and "it has no payload" in refused.stderr


def test_a_letter_that_holds_only_the_beginning_of_a_record_is_not_tried_again(pipeline):
    p = pipeline(TOML.replace('format = "json"', 'format = "json"\nmax_record = 1024', 1))
    feed(p, ['{"k":1,"x":"' + "y" * 2000 + '"}'])
    assert p.run().code == 3
    tried = pipe(p, "dead", "retry", "--all")
    assert tried.returncode == 3 and "only the beginning of the record was kept" in tried.stderr
    assert len(letters(p)) == 1


# ---- state ----------------------------------------------------------------------------------------------------------


def test_state_list_shows_what_each_sink_has(with_letters):
    listed = pipe(with_letters, "state", "list")
    assert listed.returncode == 0, listed.stderr
    assert re.search(r"^out +in +0-end +\S*a\.json", listed.stdout, re.MULTILINE), listed.stdout


def test_looking_makes_no_state_dir(pipeline):
    p = pipeline(TOML + '[sources.std]\ntype = "stdin"\nack = "spooled"\n[sinks.std_out]\ntype = "file"\ninputs = ["std"]\npath = "std.ndjson"\n')
    for arguments in (["state", "list"], ["dead", "list"], ["spool", "ls"], ["spool", "check"]):
        looked = pipe(p, *arguments)
        assert looked.returncode == 0, looked.stderr
    assert [f.name for f in p.directory.iterdir()] == ["pipeline.toml"]


def test_state_reset_makes_the_next_run_start_at_the_beginning(with_letters):
    out = with_letters.directory / "out.ndjson"
    assert with_letters.run().code == 0
    assert len(out.read_text().splitlines()) == 2
    assert pipe(with_letters, "state", "reset", "--sink", "nothing").returncode == 1
    done = pipe(with_letters, "state", "reset", "--sink", "out")
    assert done.returncode == 0, done.stderr
    assert with_letters.run().code == 3
    assert len(out.read_text().splitlines()) == 4


def test_state_reset_of_one_sink_does_not_make_it_start_where_another_is(pipeline):
    p = pipeline(TOML + '[sinks.lite]\ntype = "sqlite"\ninputs = ["in"]\npath = "lite.db"\ntable = "t"\ncreate = true\n')
    feed(p, ['{"k":1}', '{"k":2}'])
    assert p.run().code == 0
    assert pipe(p, "state", "reset", "--sink", "out").returncode == 0
    assert p.run().code == 0
    assert [json.loads(line)["k"] for line in (p.directory / "out.ndjson").read_text().splitlines()] == [1, 2, 1, 2]


def test_state_reset_says_which_sinks_keep_their_own_positions(postgres, pipeline):
    p = pipeline(TOML + f'[sinks.db]\ntype = "postgres"\ninputs = ["in"]\nurl = "{postgres.url}"\ntable = "t"\n')
    postgres.rows("CREATE TABLE t (k integer)")
    feed(p, ['{"k":1}'])
    assert p.run().code == 0
    done = pipe(p, "state", "reset")
    assert done.returncode == 0, done.stderr
    assert "db (postgres) keeps its positions" in done.stderr
    postgres.rows(re.search(r"DELETE FROM .*;", done.stderr).group())
    assert p.run().code == 0
    assert postgres.value("SELECT count(*) FROM t") == 2


def test_an_adopted_state_dir_goes_on_where_the_lost_one_was(postgres, pipeline):
    toml = TOML.split("[sinks.out]")[0] + f'[sinks.db]\ntype = "postgres"\ninputs = ["in"]\nurl = "{postgres.url}"\ntable = "t"\n'
    postgres.rows("CREATE TABLE t (k integer)")
    p = pipeline(toml)
    feed(p, ['{"k":1}'])
    assert p.run().code == 0
    state = p.directory / "state" / "t"
    lost = (state / "id").read_text()
    state.rename(p.directory / "lost")
    assert p.run().code == 1
    adopted = pipe(p, "state", "adopt", lost)
    assert adopted.returncode == 0, adopted.stderr
    assert p.run().code == 0
    assert postgres.value("SELECT count(*) FROM t") == 1
