"""What a user can rely on from the postgres sink, seen by an independent client."""

import json

import pytest


def toml(db, sink="", source="", name="t1", columns=None, transform="", inputs='["in"]'):
    declared = "\n".join(f'{k} = "{v}"' for k, v in (columns or {}).items())
    return f"""
[pipeline]
name = "{name}"
[sources.in]
type = "file"
path = ["in/*"]
format = "json"
{source}
{"[sources.in.columns]" if columns else ""}
{declared}
{transform}
[sinks.db]
type = "postgres"
inputs = {inputs}
url = "{db.url}"
table = "t"
{sink}
"""


def feed(p, name, records):
    directory = p.directory / "in"
    directory.mkdir(exist_ok=True)
    with open(directory / name, "w") as f:
        for r in records:
            f.write((r if isinstance(r, str) else json.dumps(r)) + "\n")


def dead_letters(p):
    found = list(p.directory.glob("state/**/dead-letters.ndjson"))
    return [json.loads(line) for f in found for line in f.read_text().splitlines()]


TYPES = {
    "b": ("boolean", True, "true"),
    "i2": ("smallint", -32768, "-32768"),
    "i4": ("integer", 2147483647, "2147483647"),
    "i8": ("bigint", -9223372036854775808, "-9223372036854775808"),
    "r": ("real", 1.5, "1.5"),
    "d": ("double precision", -0.1, "-0.1"),
    "n": ("numeric", "123456789012345678901234567890.123", "123456789012345678901234567890.123"),
    "n2": ("numeric(8,2)", 3.14159, "3.14"),
    "s": ("text", "grüß dich\t\"quoted\" 😀", "grüß dich\t\"quoted\" 😀"),
    "day": ("date", "2026-02-28", "2026-02-28"),
    "ts": ("timestamp", "2026-03-01T12:00:00.123456", "2026-03-01 12:00:00.123456"),
    "tz": ("timestamptz", "2026-03-01T12:00:00+02:00", "2026-03-01 10:00:00+00"),
    "j": ("jsonb", {"b": [1, None, "x"], "a": {}}, '{"a": {}, "b": [1, null, "x"]}'),
}


@pytest.mark.sanitize
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
def test_every_type_arrives_as_it_was_sent(postgres, pipeline, declared):
    columns = ", ".join(f"{name} {t}" for name, (t, _, _) in TYPES.items())
    postgres.rows(f"CREATE TABLE t ({columns})")
    p = pipeline(toml(postgres, columns={k: t for k, (t, _, _) in TYPES.items()} if declared else None))
    values = {name: v for name, (_, v, _) in TYPES.items()}
    line = json.dumps(values).replace('"123456789012345678901234567890.123"', "123456789012345678901234567890.123")
    feed(p, "a.json", [line, {}])
    result = p.run()
    assert result.code == 0, result
    assert postgres.rows("SET timezone = 'UTC'") is None
    shown = postgres.rows("SELECT " + ", ".join(f"{name}::text" for name in TYPES) + " FROM t ORDER BY i4 NULLS LAST")
    assert list(shown[0]) == [text for _, _, text in TYPES.values()]
    assert set(shown[1]) == {None}


ARRAYS = {
    "i4": ("integer[]", [[1, 2], [3, None]], "{{1,2},{3,NULL}}"),
    "n": ("numeric(6,1)[]", [1.25, 2], "{1.3,2.0}"),
    "s": ("text[]", ["a", "b c", "NULL", "ü,\"x\""], '{a,"b c","NULL","ü,\\"x\\""}'),
    "tz": ("timestamptz[]", ["2026-03-01T12:00:00+02:00"], '{"2026-03-01 10:00:00+00"}'),
    "b": ("boolean[]", [], "{}"),
    "j": ("jsonb[]", [{"a": 1}, [2]], '{"{\\"a\\": 1}",[2]}'),
    "whole": ("jsonb", [1, "x"], '[1, "x"]'),
}


@pytest.mark.sanitize
@pytest.mark.parametrize("write", ["append", "upsert"])
def test_arrays_arrive_in_array_columns(postgres, pipeline, write):
    columns = ", ".join(f"{name} {t}" for name, (t, _, _) in ARRAYS.items())
    postgres.rows(f"CREATE TABLE t (k integer PRIMARY KEY, {columns})")
    key = '' if write == "append" else '\nkey = ["k"]'
    p = pipeline(toml(postgres, f'write = "{write}"{key}', columns={"k": "integer", **{n: t for n, (t, _, _) in ARRAYS.items() if n not in ("whole", "b")}},
                      source='extra = "keep"'))
    feed(p, "a.json", [{"k": 1, **{name: v for name, (_, v, _) in ARRAYS.items()}}, {"k": 2, "i4": "{5,NULL}"}, {"k": 3, "i4": ["x"]}])
    result = p.run()
    assert result.code == 3, result
    shown = postgres.rows("SELECT " + ", ".join(f"{name}::text" for name in ARRAYS) + " FROM t ORDER BY k")
    assert list(shown[0]) == [text for _, _, text in ARRAYS.values()]
    assert shown[1][0] == "{5,NULL}"
    assert len(shown) == 2


def test_a_missing_table_is_created_with_the_declared_types_and_the_key(postgres, pipeline):
    p = pipeline(toml(postgres, 'create = true\nwrite = "upsert"\nkey = ["device", "ts"]',
                      columns={"device": "text", "ts": "timestamptz", "temp": "double precision", "n": "numeric(10,2)"}))
    feed(p, "a.json", [{"device": "a", "ts": "2026-01-01T00:00:00Z", "temp": 1.5, "n": 2}])
    result = p.run()
    assert result.code == 0, result
    assert postgres.rows("SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute "
                         "WHERE attrelid = 't'::regclass AND attnum > 0 ORDER BY attnum") == [
        ("device", "text"), ("ts", "timestamp with time zone"), ("temp", "double precision"), ("n", "numeric(10,2)")]
    assert postgres.value("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass") == "PRIMARY KEY (device, ts)"
    assert postgres.value("SELECT temp FROM t") == 1.5


@pytest.mark.sanitize
def test_bad_rows_go_to_the_dead_letters_and_their_neighbours_in(postgres, pipeline):
    postgres.rows("CREATE TABLE t (k integer PRIMARY KEY, v smallint CHECK (v <> 13))")
    p = pipeline(toml(postgres))
    records = [{"k": i, "v": i % 10} for i in range(5000)]
    records[17] = {"k": 17, "v": 13}            # the server's check
    records[18] = {"k": 3, "v": 1}              # a duplicate key
    records[4000] = {"k": 4000, "v": 70000}     # out of range: the worker sees it
    records[4001] = {"k": None, "v": 1}         # NOT NULL
    records[4002] = {"k": 4002, "surprise": 1}  # no such column
    feed(p, "a.json", records)
    result = p.run()
    assert result.code == 3, result
    assert result.report["sinks"]["db"]["delivered"] == 4995
    assert result.report["sinks"]["db"]["dead"] == 5
    assert postgres.value("SELECT count(*) FROM t") == 4995
    dead = {d["sqlstate"]: d for d in dead_letters(p)}
    assert set(dead) == {"23514", "23505", "22003", "23502", "42703"}
    assert json.loads(dead["23514"]["payload"]) == {"k": 17, "v": 13}
    assert dead["23505"]["component"] == "db"
    assert '"v"' in dead["22003"]["reason"]


def test_upsert_replaces_insert_keeps_and_the_last_of_equal_keys_wins(postgres, pipeline):
    records = [{"k": 1, "v": "old"}, {"k": 2, "v": "b"}, {"k": 1, "v": "new"}]
    for mode, expected in (("upsert", [(1, "new"), (2, "b")]), ("insert", [(1, "there"), (2, "b")])):
        postgres.rows("DROP TABLE IF EXISTS t; CREATE TABLE t (k integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'there')")
        p = pipeline(toml(postgres, f'write = "{mode}"\nkey = ["k"]', name=mode), name=mode)
        feed(p, "a.json", records)
        result = p.run()
        assert result.code == 0, result
        assert postgres.rows("SELECT k, v FROM t ORDER BY k") == expected


def test_replace_reads_all_at_every_run_and_swaps_the_rows_in_one_transaction(postgres, pipeline):
    postgres.rows("CREATE TABLE t (k integer); INSERT INTO t VALUES (-1)")
    p = pipeline(toml(postgres, 'write = "replace"'))
    feed(p, "a.json", [{"k": i} for i in range(1000)])
    for _ in range(2):
        result = p.run()
        assert result.code == 0, result
        assert postgres.rows("SELECT count(*), min(k) FROM t") == [(1000, 0)]
    (p.directory / "in" / "a.json").write_text("")
    assert p.run().code == 0
    assert postgres.value("SELECT count(*) FROM t") == 0


def test_a_second_run_loads_nothing_twice(postgres, pipeline):
    postgres.rows("CREATE TABLE t (k integer)")
    p = pipeline(toml(postgres))
    feed(p, "a.json", [{"k": i} for i in range(1000)])
    assert p.run().code == 0
    assert p.run().code == 0
    feed(p, "b.json", [{"k": i} for i in range(1000, 1500)])
    assert p.run().code == 0
    assert postgres.rows("SELECT count(*), count(DISTINCT k) FROM t") == [(1500, 1500)]


@pytest.mark.parametrize("change, words", [
    (lambda t, db: t.replace(":secret@", ":wrong@"), "password authentication failed"),
    (lambda t, db: t.replace(db.name, "no_such_database"), "does not exist"),
    (lambda t, db: t.replace('table = "t"', 'table = "nowhere"'), "create = true"),
], ids=["wrong password", "missing database", "missing table"])
def test_what_cannot_work_stops_at_once_and_says_why(postgres, pipeline, change, words):
    postgres.rows("CREATE TABLE t (k integer)")
    p = pipeline(change(toml(postgres), postgres))
    feed(p, "a.json", [{"k": 1}])
    result = p.run(timeout=30)
    assert result.code == 1, result
    assert words in result.stderr and "db" in result.stderr
    assert "secret" not in result.stderr and "wrong@" not in result.stderr


def test_instances_keep_apart_on_one_database(postgres, pipeline):
    postgres.rows("CREATE TABLE t (k integer)")
    for gateway in ("gw1", "gw2"):
        p = pipeline(toml(postgres).replace('name = "t1"', f'name = "t1"\ninstance = "{gateway}"'), name=gateway)
        feed(p, "a.json", [{"k": i} for i in range(100)])
        assert p.run().code == 0
        assert p.run().code == 0
    assert postgres.rows("SELECT count(*), count(DISTINCT k) FROM t") == [(200, 100)]


def test_another_state_dir_for_the_same_pipeline_stops_with_an_explanation(postgres, pipeline):
    postgres.rows("CREATE TABLE t (k integer)")
    results = []
    for machine in ("one", "two"):
        p = pipeline(toml(postgres), name=machine)
        feed(p, "a.json", [{"k": 1}])
        results.append(p.run())
    assert results[0].code == 0
    assert results[1].code == 1
    assert "pipe state adopt" in results[1].stderr and "instance" in results[1].stderr
    assert postgres.value("SELECT count(*) FROM t") == 1


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_several_connections_store_every_row_once(postgres, pipeline, mode):
    postgres.rows("CREATE TABLE t (k integer PRIMARY KEY, v integer)")
    key = 'write = "upsert"\nkey = ["k"]' if mode == "upsert" else ""
    p = pipeline(toml(postgres, f"connections = 3\n{key}"))
    for i in range(6):
        feed(p, f"{i}.json", [{"k": i * 2000 + k, "v": i} for k in range(2000)])
    assert p.run().code == 0
    assert p.run().code == 0
    assert postgres.rows("SELECT count(*), sum(v) FROM t") == [(12000, 30000)]
    assert postgres.value("SELECT count(DISTINCT shard) FROM pipe_positions") == (16 if mode == "upsert" else 1)


@pytest.mark.sanitize
@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_bad_rows_over_several_connections_are_dead_once_each(postgres, pipeline, mode):
    postgres.rows("CREATE TABLE t (k integer PRIMARY KEY, v integer CHECK (v % 100 <> 13))")
    key = 'write = "upsert"\nkey = ["k"]' if mode == "upsert" else ""
    p = pipeline(toml(postgres, f"connections = 3\ncommit_rows = 1000\n{key}"))
    for i in range(6):
        feed(p, f"{i}.json", [{"k": i * 2000 + k, "v": k} for k in range(2000)])
    result = p.run()
    assert result.code == 3, result
    assert result.report["sinks"]["db"]["delivered"] == 11880
    assert result.report["sinks"]["db"]["dead"] == 120
    assert postgres.value("SELECT count(*) FROM t") == 11880
    assert sorted(json.loads(d["payload"])["k"] for d in dead_letters(p)) == [i * 2000 + k for i in range(6) for k in range(13, 2000, 100)]


def test_check_prints_what_create_would_run_and_compares_columns_on_request(postgres, pipeline):
    p = pipeline(toml(postgres, "create = true\nkey = [\"k\"]", columns={"k": "integer", "v": "varchar(5)", "n": "numeric(4,1)"}))
    printed = p.run("--ddl", verb="check")
    assert printed.code == 0, printed
    postgres.rows(printed.stdout)
    assert p.run("--connect", verb="check").code == 0
    assert postgres.value("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = 'v' AND attrelid = 't'::regclass") == \
        "character varying(5)"
    postgres.rows("ALTER TABLE t RENAME v TO w")
    compared = p.run("--connect", verb="check")
    assert compared.code != 0
    assert '"v"' in compared.stdout + compared.stderr


def test_dead_letters_can_be_kept_in_a_table(postgres, pipeline):
    postgres.rows("CREATE TABLE t (k integer)")
    p = pipeline(toml(postgres) + f'[dead_letter]\ntype = "postgres"\nurl = "{postgres.url}"\ntable = "dead"\ncreate = true\n')
    feed(p, "a.json", [{"k": 1}, {"k": "x"}, "not json", {"k": 2}])
    result = p.run()
    assert result.code == 3, result
    assert postgres.rows("SELECT k FROM t ORDER BY k") == [(1,), (2,)]
    assert postgres.rows("SELECT component, payload FROM dead ORDER BY payload") == [("in", "not json"), ("db", '{"k": "x"}')]
