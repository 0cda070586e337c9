"""What goes wrong in a database while a pipeline runs: which row is to blame, what passes by itself, and what nobody but a person can mend."""

import os
import signal
import socket

import psycopg2
import pytest

from conftest import wait_until
from test_postgres_sink import dead_letters, feed, toml

WATCH = 'mode = "watch"\nsettle = "0s"'
SOON = 'retry.first = "10ms"\nretry.max = "50ms"\n'


def trigger(body):
    return ("CREATE TABLE t (k integer, v text);"
            f"CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE why text; BEGIN {body} RETURN NEW; END $$;"
            "CREATE TRIGGER look BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION look()")


def put(p, name, numbers):
    """Whole, as a program that is done with it does."""
    feed(p, f".{name}", [{"k": k, "v": f"v{k}"} for k in numbers])
    (p.directory / "in" / f".{name}").rename(p.directory / "in" / name)


def count(postgres):
    return postgres.value("SELECT count(*) FROM t")


@pytest.mark.sanitize
def test_whatever_a_trigger_raises_rejects_its_row_alone(postgres, pipeline):
    postgres.rows(trigger("""
        IF NEW.k = 11 THEN RAISE 'no' USING ERRCODE = 'U0001'; END IF; -- one of the user's own
        IF NEW.k = 12 THEN RAISE 'no' USING ERRCODE = '99001'; END IF;
        IF NEW.k = 13 THEN CASE NEW.v WHEN '' THEN NULL; END CASE; END IF;
        IF NEW.k = 14 THEN PERFORM (SELECT k FROM generate_series(1, 2) k); END IF;
        IF NEW.k = 15 THEN RAISE 'no' USING ERRCODE = '38000'; END IF; -- as functions in Python, Perl and Tcl do
        IF NEW.k = 16 THEN RAISE 'no' USING ERRCODE = '09000'; END IF;
        IF NEW.k = 17 THEN RAISE 'no' USING ERRCODE = '2F004'; END IF;
        IF NEW.k = 18 THEN RAISE 'no'; END IF;"""))
    p = pipeline(toml(postgres))
    put(p, "a.json", range(100))
    result = p.run()
    assert result.code == 3, result
    assert {d["sqlstate"] for d in dead_letters(p)} == {"U0001", "99001", "20000", "21000", "38000", "09000", "2F004", "P0001"}
    assert postgres.rows("SELECT count(*), sum(k) FROM t") == [(92, sum(range(100)) - sum(range(11, 19)))]


def test_a_row_that_a_security_policy_is_against_is_rejected_alone(postgres, pipeline):
    role = f"{postgres.name}_r"
    postgres.rows(f"""CREATE TABLE t (k integer, v text); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
        CREATE POLICY not_42 ON t USING (true) WITH CHECK (k <> 42);
        DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN PASSWORD 'secret'; GRANT ALL ON t TO {role}; GRANT ALL ON SCHEMA public TO {role}""")
    p = pipeline(toml(postgres, 'write = "insert"').replace("pipe:secret@", f"{role}:secret@"))
    put(p, "a.json", range(100))
    result = p.run()
    assert result.code == 3, result
    assert [(d["sqlstate"], d["payload"]) for d in dead_letters(p)] == [("42501", '{"k": 42, "v": "v42"}')]
    assert count(postgres) == 99


@pytest.mark.parametrize("code", ["25P03", "53100", "57P03"])
def test_what_passes_by_itself_is_waited_for_and_rejects_nothing(postgres, pipeline, code):
    postgres.rows("CREATE TABLE trouble (code text);" +
                  trigger("SELECT code INTO why FROM trouble; IF FOUND THEN RAISE 'wait' USING ERRCODE = why; END IF;"))
    postgres.rows("INSERT INTO trouble VALUES (%s)", code)
    p = pipeline(toml(postgres, SOON))
    put(p, "a.json", range(100))
    running = p.start()
    wait_until(lambda: "trying again" in running.stderr or running.process.poll() is not None)
    postgres.rows("DELETE FROM trouble")
    assert running.wait() == 0, running.stderr
    assert count(postgres) == 100


@pytest.mark.parametrize("now", ["bigint", "real"])
def test_a_column_whose_type_changes_while_the_pipeline_runs_stops_it_before_a_wrong_value_is_stored(postgres, pipeline, now):
    """COPY takes the four bytes of an integer for a real without a word, and never has enough of them for a bigint."""
    postgres.rows("CREATE TABLE t (k integer, v text)")
    p = pipeline(toml(postgres, SOON, WATCH))
    put(p, "a.json", range(100))
    running = p.start()
    wait_until(lambda: count(postgres) == 100)
    postgres.rows(f"ALTER TABLE t ALTER k TYPE {now}")
    put(p, "b.json", range(100, 200))
    assert running.wait() == 1, running.stderr
    assert f'column "k" has become {now} while the pipeline was running, and was integer' in running.stderr
    assert postgres.rows("SELECT count(*), sum(k)::integer FROM t") == [(100, sum(range(100)))]
    running = p.start()
    wait_until(lambda: count(postgres) == 200)
    assert running.terminate() == 0
    assert postgres.rows("SELECT sum(k)::integer FROM t") == [(sum(range(200)),)]


def test_a_type_that_is_changed_while_a_transaction_waits_for_the_table_is_noticed(postgres, pipeline):
    postgres.rows("CREATE TABLE t (k integer, v text)")
    p = pipeline(toml(postgres, SOON, WATCH))
    put(p, "a.json", range(100))
    running = p.start()
    wait_until(lambda: count(postgres) == 100)
    change = psycopg2.connect(postgres.url)
    change.cursor().execute("ALTER TABLE t ALTER k TYPE real")
    put(p, "b.json", range(100, 200))
    wait_until(lambda: postgres.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass"))
    change.commit()
    assert running.wait() == 1, running.stderr
    assert postgres.rows("SELECT count(*), sum(k)::integer FROM t") == [(100, sum(range(100)))]


def test_a_second_signal_does_not_wait_for_dead_letters_that_cannot_be_written(postgres, pipeline):
    postgres.rows("CREATE TABLE t (k integer CHECK (k <> 42), v text)")
    nowhere = '[dead_letter]\ntype = "postgres"\nurl = "postgresql://127.0.0.1:1/none"\ntable = "letters"\ncreate = true\n'
    p = pipeline(toml(postgres, "", WATCH) + nowhere)
    put(p, "a.json", range(100))
    running = p.start()
    wait_until(lambda: "dead_letter: can't connect" in running.stderr)
    running.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "draining" in running.stderr)
    assert running.terminate(timeout=5) == 75, running.stderr
    p.write(toml(postgres, "", WATCH))
    running = p.start()
    wait_until(lambda: count(postgres) == 99)
    assert running.terminate() == 3, running.stderr


def test_a_silent_host_does_not_keep_the_next_one_from_being_tried(postgres, pipeline):
    """One without power refuses nothing."""
    postgres.rows("CREATE TABLE t (k integer, v text)")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        p = pipeline(toml(postgres, SOON).replace("127.0.0.1:", f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:")
                     .replace(f'/{postgres.name}"', f'/{postgres.name}?connect_timeout=1"'))
        put(p, "a.json", range(100))
        result = p.run()
    assert result.code == 0, result
    assert "no answer in time" in result.stderr
    assert count(postgres) == 100


def test_keys_that_only_a_collation_calls_equal_replace_each_other(postgres, pipeline):
    postgres.rows("CREATE COLLATION anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
                  "CREATE TABLE t (k integer, v text COLLATE anycase PRIMARY KEY)")
    p = pipeline(toml(postgres, 'write = "upsert"\nkey = ["v"]'))
    feed(p, "a.json", [{"k": 1, "v": "abc"}, {"k": 2, "v": "x"}, {"k": 3, "v": "ABC"}])
    result = p.run()
    assert result.code == 0, result
    assert postgres.rows("SELECT k FROM t ORDER BY k") == [(2,), (3,)]


@pytest.mark.sanitize
def test_a_file_whose_name_is_no_utf8_is_loaded_once(postgres, pipeline):
    postgres.rows("CREATE TABLE t (k integer, v text)")
    p = pipeline(toml(postgres, "commit_rows = 100"))
    put(p, "a.json", range(1000))
    names = [b"pr\xfcfstand %25.json", b"\xef\xbf\xbd.json"]
    for i, name in enumerate(names):
        put(p, "b.json", range(1000 * i + 1000, 1000 * i + 2000))
        os.rename(p.directory / "in/b.json", os.path.join(os.fsencode(p.directory), b"in", name))
    for read in (3000, 0):
        result = p.run()
        assert result.code == 0, result
        assert result.report["sources"]["in"]["read"] == read
        assert postgres.rows("SELECT count(*), count(DISTINCT k) FROM t") == [(3000, 3000)]
