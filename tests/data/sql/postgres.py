#!/usr/bin/env python3
"""Asks a private PostgreSQL 15 (C.UTF-8, time zone UTC) what thousands of expressions give, and writes postgres.tsv beside this script.

Each line: the expression, a tab, and what Postgres prints for it, NULL, or "ERROR sqlstate". Run again after changing the cases; the file is
committed, so that the unit tests need no server. Left out are the differences that docs/sql.md lists.
"""
import itertools
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = os.environ.get("PG_BIN", "/usr/lib/postgresql/15/bin")

ANSWER = """
CREATE TABLE cases (n int, expression text);
CREATE TABLE answers (n int, value text);
CREATE FUNCTION answer_all() RETURNS void LANGUAGE plpgsql AS $$
DECLARE c cases; v text; null_value boolean;
BEGIN
    FOR c IN SELECT * FROM cases ORDER BY n LOOP
        BEGIN
            EXECUTE 'SELECT replace(format(''%s'', x), chr(10), ''\\n''), x IS NULL FROM (SELECT (' || c.expression || ') AS x) q' INTO v, null_value;
            INSERT INTO answers VALUES (c.n, CASE WHEN null_value THEN 'NULL' ELSE v END);
        EXCEPTION WHEN OTHERS THEN
            INSERT INTO answers VALUES (c.n, 'ERROR ' || SQLSTATE);
        END;
    END LOOP;
END $$;
"""

INTS = ["0", "1", "-1", "7", "-7", "2147483647", "(-2147483648)", "5000000000", "9223372036854775807", "(-9223372036854775808)::bigint",
        "3::smallint", "32767::smallint", "(-32768)::smallint", "NULL::integer"]
NUMERICS = ["0.0", "1.5", "-2.50", "0.001", "1e10", "1.0e-10", "123456789012345678.9", "99999999999999999999", "-0.5", "2.500000000000000001",
            "'NaN'::numeric", "'Infinity'::numeric", "'-Infinity'::numeric", "NULL::numeric", "1234.5678::numeric(10,2)"]
DOUBLES = ["0::float8", "1.5::float8", "-2.5::float8", "'NaN'::float8", "'Infinity'::float8", "1e300::float8", "1e-300::float8",
           "0.1::float8", "1e16::float8", "'-0'::float8", "NULL::float8"]
REALS = ["1.5::real", "-0.1::real", "3e38::real", "'NaN'::real"]
TEXTS = ["''", "'abc'", "'ABC'", "'äöüß ÄÖ'", "'  x y  '", "'100'", "'a%b_c'", "'日本語テキスト'", "'a,b,,c'", "'Hello wörld FOO-bar'", "NULL::text",
         "'xyxtrimyyx'", "E'back\\\\slash'", "'it''s'", "'ŁódŹ ǆ'", "'ﬁ İı'"]
BOOLS = ["true", "false", "NULL::boolean"]
DATES = ["date '2026-03-01'", "date '2024-02-29'", "date '1999-12-31'", "date '0044-03-15 BC'", "date 'infinity'", "date '-infinity'",
         "date '2000-01-01'", "date '2023-01-01'", "date '1900-06-15'", "NULL::date"]
STAMPS = ["timestamp '2026-03-01 12:34:56.789'", "timestamp '1999-12-31 23:59:59.999999'", "timestamp '2000-01-01'", "timestamp 'infinity'",
          "timestamp '0044-03-15 10:00:00 BC'", "timestamp '1969-07-20 20:17:40'", "timestamp '2020-12-31 00:00:01'", "NULL::timestamp"]
ZONED = ["timestamptz '2026-03-01 12:34:56.789+00'", "timestamptz '1999-12-31 23:59:59.999999-05'", "timestamptz '-infinity'",
         "timestamptz '2024-02-29 00:00:00+14'"]
ALL = [INTS, NUMERICS, DOUBLES, REALS, TEXTS, BOOLS, DATES, STAMPS, ZONED]
COMPARISONS = ["<", "<=", "=", "<>", ">=", ">"]
rng = random.Random(20260301)


def some(pool, count):
    return rng.sample(pool, min(count, len(pool)))


def arithmetic():
    numbers = INTS + NUMERICS + DOUBLES + REALS
    for op in "+-*/":
        for x, y in itertools.product(INTS, INTS):
            yield f"{x} {op} {y}"
        for x, y in itertools.product(NUMERICS, NUMERICS):
            yield f"{x} {op} {y}"
        for x, y in some(list(itertools.product(numbers, numbers)), 250):
            yield f"{x} {op} {y}"
    for x, y in itertools.product(INTS, INTS):
        yield f"{x} % {y}"
    for x, y in some(list(itertools.product(INTS + NUMERICS, INTS + NUMERICS)), 200):
        yield f"{x} % {y}"
        yield f"mod({x}, {y})"
        yield f"div({x}, {y})"
    for x in numbers:
        for call in ["-%s", "+%s", "@%s", "abs(%s)", "ceil(%s)", "ceiling(%s)", "floor(%s)", "round(%s)", "trunc(%s)", "sign(%s)"]:
            yield call % f"({x})"
    for x, places in itertools.product(INTS + NUMERICS, [-3, -1, 0, 1, 2, 5, 25]):
        yield f"round({x}, {places})"
        yield f"trunc({x}, {places})"
    for x, op, y in itertools.product(some(INTS, 8), ["&", "|", "#"], some(INTS, 8)):
        yield f"{x} {op} {y}"
    for x, op, y in itertools.product(["1", "-5", "3::smallint", "5000000000"], ["<<", ">>"], ["1", "4", "31", "33"]):
        yield f"{x} {op} {y}"
    for x in INTS:
        yield f"~ {x}"


def floats():
    for f in ["sqrt", "cbrt", "exp", "ln", "log", "sin", "cos", "tan", "asin", "acos", "atan", "degrees", "radians"]:
        for x in DOUBLES:
            if (f, x) not in [("sin", "1e300::float8")]:
                yield f"{f}({x})"
    for x, y in itertools.product(DOUBLES, DOUBLES):
        yield f"power({x}, {y})"
        yield f"({x}) ^ ({y})"
        yield f"atan2({x}, {y})"
    yield from ["2 ^ 10", "pi()", "2 ^ -1", "-2 ^ 2", "2 ^ 3 ^ 2"]


def comparisons():
    pairs = [p for pool in ALL for p in itertools.product(pool, pool)]
    for x, y in some(pairs, 700):
        yield f"{x} {rng.choice(COMPARISONS)} {y}"
    for pool, other in itertools.product(ALL, ALL):
        yield f"{rng.choice(pool)} {rng.choice(COMPARISONS)} {rng.choice(other)}"
        yield f"{rng.choice(pool)} {rng.choice('+-*/%')} {rng.choice(other)}"
        yield f"{rng.choice(pool)} || {rng.choice(other)}"
        yield f"{rng.choice(pool)} IS DISTINCT FROM {rng.choice(other)}"
        yield f"coalesce({rng.choice(pool)}, {rng.choice(other)})"
        yield f"nullif({rng.choice(pool)}, {rng.choice(other)})"
        yield f"greatest({rng.choice(pool)}, {rng.choice(other)}, {rng.choice(pool)})"
        yield f"CASE WHEN {rng.choice(BOOLS)} THEN {rng.choice(pool)} ELSE {rng.choice(other)} END"
    for pool in ALL:
        for _ in range(15):
            x, y, z = (rng.choice(pool) for _ in range(3))
            yield f"{x} BETWEEN {y} AND {z}"
            yield f"{x} NOT BETWEEN SYMMETRIC {y} AND {z}"
            yield f"{x} IN ({y}, {z})"
            yield f"{x} NOT IN ({y}, {z})"
            yield f"least({x}, {y}, {z})"
            yield f"{x} IS NULL"
            yield f"concat({x}, {y}, '|', {z})"
            yield f"concat_ws(', ', {x}, {y}, {z})"
    for x, y in itertools.product(BOOLS, BOOLS):
        yield from [f"{x} AND {y}", f"{x} OR {y}", f"NOT {x} OR {y}", f"{x} = {y}"]
        yield from [f"({x}) IS {t}" for t in ["TRUE", "FALSE", "UNKNOWN", "NOT TRUE", "NOT FALSE", "NOT UNKNOWN", "NOT NULL"]]
    yield from ["'1' = 1", "1 = '1'", "'a' < 'b'", "'x' = 1", "'2026-01-01' < date '2026-01-02'", "NULL = NULL", "1 IN (1.0, 2)",
                "'5' + 3", "'5' || 3", "'1' + '1'", "1 + NULL", "NULL || 'x'", "true AND 'f'", "'1.5' * 2", "1 IN ('1', '2')",
                "date '2026-01-01' + 5", "5 + date '2026-01-01'", "date '2026-01-01' - 31", "date '2026-01-01' - date '2025-01-01'",
                "date '2026-01-01' - '2025-01-01'", "CASE 1 WHEN 2 THEN 'a' WHEN 1 THEN 'b' END", "CASE 'a' WHEN 'a' THEN 1.5 ELSE 2 END",
                "CASE WHEN true THEN NULL ELSE 1 END", "coalesce(NULL, NULL)", "1 < 2 = true", "1 + 2 * 3 - 4 / 2 % 3", "NOT 1 > 2 AND true",
                "2 - 1 - 1", "-1::text", "1 = 1 IS NOT NULL", "'a' || 'b' = 'ab'", "1 BETWEEN 0 AND 2 = true", "not false = true"]


def casts():
    targets = ["smallint", "integer", "bigint", "numeric", "numeric(6,2)", "real", "double precision", "text", "varchar(3)", "boolean", "date",
               "timestamp", "timestamptz", "timestamp(0)"]
    for pool in ALL:
        for x, t in itertools.product(pool, targets):
            yield f"({x})::{t}"
    for t in targets:
        for s in ["12", " 7 ", "1.5", "abc", "", "true", "f", "2026-02-30", "2026-03-01", "99999999999999999999", "1e3", "NaN", "infinity"]:
            yield f"'{s}'::{t}"


def texts():
    one = ["length", "char_length", "octet_length", "bit_length", "upper", "lower", "initcap", "btrim", "ltrim", "rtrim", "reverse", "md5",
           "ascii", "trim"]
    for f, x in itertools.product(one, TEXTS):
        yield f"{f}({x})"
    for x, n in itertools.product(TEXTS, [-20, -3, -1, 0, 1, 2, 3, 20]):
        for f in ["left", "right", "substr", "repeat", "lpad", "rpad"]:
            yield f"{f}({x}, {n})"
        yield f"substring({x} FROM {n})"
        yield f"substring({x} FROM {n} FOR 2)"
        yield f"substring({x} FOR {n})"
        yield f"substr({x}, 2, {n})"
        yield f"lpad({x}, {n}, 'äb')"
        yield f"rpad({x}, {n}, '')"
        yield f"split_part({x}, ',', {n})"
        yield f"split_part({x}, 'y', {n})"
    for x, y in itertools.product(TEXTS, ["''", "'b'", "'ä'", "' x'", "'xyz'", "','", "'本'", "NULL"]):
        for f in ["strpos", "btrim", "ltrim", "rtrim", "starts_with"]:
            yield f"{f}({x}, {y})"
        yield f"position({y} IN {x})"
        yield f"replace({x}, {y}, 'Q')"
        yield f"translate({x}, {y}, 'é')"
        yield f"trim(BOTH {y} FROM {x})"
        yield f"trim(LEADING {y} FROM {x})"
        yield f"split_part({x}, {y}, 1)"
        yield f"split_part({x}, {y}, -1)"
    patterns = ["''", "'%'", "'a%'", "'%c'", "'%b%'", "'_b_'", "'a\\%b%'", "'%ö%'", "'日_語%'", "'%%'", "'A%'", "'%foo%bar'", "'_%_%_'", "'abc\\'", "'%ŹǄ'", "'\\abc'", "'%,%,%'", "NULL"]
    for x, p in itertools.product(TEXTS, patterns):
        yield f"{x} LIKE {p}"
        yield f"{x} ILIKE {p}"
        yield f"{x} NOT LIKE {p}"
    yield from ["'a%' LIKE 'a!%' ESCAPE '!'", "'abc' LIKE 'a!%' ESCAPE '!'", "'a\\b' LIKE 'a\\b' ESCAPE ''", "'x' LIKE 'x' ESCAPE 'ab'",
                "chr(0)", "chr(228)", "chr(26085)", "chr(-1)", "chr(1114112)", "to_hex(255)", "to_hex(-1)", "to_hex(5000000000)", "'abc' ^@ 'a'",
                "concat('a', NULL, true, 1.50, date '2026-01-01')", "'a' || 1.50", "1 || 'a'", "true || 'x'", "E'\\u00e4\\x41\\101'", "$$it's$$",
                "substring('abc' FOR 2 FROM 2)", "upper(NULL)", "left('abc', NULL)", "repeat('x', -1)"]


def times():
    fields = ["microseconds", "milliseconds", "second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade", "century",
              "millennium", "dow", "isodow", "doy", "isoyear", "epoch", "julian", "timezone", "timezone_hour", "foo"]
    for f in fields:
        # a unit that is none is refused before anything runs, also beside NULL and infinity
        if f == "foo":
            yield f"extract({f} FROM {DATES[0]})"
            yield f"date_trunc('{f}', {STAMPS[0]})"
            continue
        for x in DATES + STAMPS + ZONED:
            yield f"extract({f} FROM {x})"
            yield f"date_part('{f}', {x})"
        for x in STAMPS + ZONED + DATES[:4]:
            yield f"date_trunc('{f}', {x})"
    for x in STAMPS + ZONED:
        for zone in ["UTC", "Europe/Oslo", "America/New_York", "Asia/Kolkata"]:
            yield f"{x} AT TIME ZONE '{zone}'"
    for local in ["2026-03-29 02:30:00", "2026-10-25 02:30:00", "2026-07-01 00:00:00"]:
        yield f"timestamp '{local}' AT TIME ZONE 'Europe/Oslo'"
        yield f"timestamp '{local}' AT TIME ZONE 'Europe/Oslo' AT TIME ZONE 'America/New_York'"
    for s in ["0", "1284352323", "1284352323.123456", "-1.5", "1e12", "1e300", "'NaN'", "'Infinity'", "NULL"]:
        yield f"to_timestamp({s})"
    for y, m, d in [(2013, 7, 15), (2013, 2, 29), (2012, 2, 29), (0, 1, 1), (-44, 3, 15), (2013, 13, 1), (2013, 0, 1), (5874898, 1, 1)]:
        yield f"make_date({y}, {m}, {d})"
        yield f"make_timestamp({y}, {m}, {d}, 8, 15, 23.5)"
    yield from ["make_timestamp(2013, 7, 15, 24, 0, 0)", "make_timestamp(2013, 7, 15, 25, 0, 0)", "make_timestamp(2013, 7, 15, 1, 60, 0)",
                "make_timestamp(2013, 7, 15, 23, 59, 60)"]
    formats = ["YYYY-MM-DD HH24:MI:SS.MS", "YY Y,YYY YYY Y", "Month|MONTH|month|Mon|MON|mon", "FMMonth FMDay", "Day|DAY|day|Dy|DY|dy", "DDD DD D ID IDDD",
               "IYYY IYY IY I IW", "HH12 HH am PM a.m.", "US FF1 FF3 FF6 SSSS SSSSS", "Q WW W J CC", "RM rm", "DDth FMDDth FMMMst", "\"year:\" YYYY",
               "BC ad B.C.", "FMYYYY-FMMM-FMDD FMHH24", "yyyy-mm-dd", "TZ tz OF TZH:TZM", ""]
    for x, f in itertools.product(STAMPS[:-1] + ZONED + DATES[:4], formats):
        if not ("TZ" in f and x in STAMPS):
            yield f"to_char({x}, '{f}')"


def precedence():
    atoms = ["1", "2", "3.5", "true", "'x'", "NULL", "-4"]
    ops = ["+", "-", "*", "/", "<", "=", "AND", "OR", "||", "^", "IS NOT DISTINCT FROM", "<>"]
    for _ in range(600):
        n = rng.randint(3, 5)
        text = rng.choice(atoms)
        for _ in range(n - 1):
            text += f" {rng.choice(ops)} {rng.choice(['', '', '', 'NOT ', '-'])}{rng.choice(atoms)}"
        if rng.random() < 0.2:
            text += rng.choice([" IS NULL", " IS TRUE", " ::text", " IN (1, 2)", " BETWEEN 1 AND 2", " NOT IN (1)", " LIKE 'x'"])
        if "^" not in text or "3.5" not in text:
            yield text


def ask(cases, zone="UTC"):
    """What a private PostgreSQL in that time zone gives for each of the expressions."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["chown", "postgres", directory], check=True)

        def as_postgres(*command, **options):
            return subprocess.run(["runuser", "-u", "postgres", "--", *command], check=True, cwd=directory, **options)

        as_postgres(f"{BIN}/initdb", "-D", f"{directory}/data", "--locale=C.UTF-8", "-E", "UTF8", "--no-sync", stdout=subprocess.DEVNULL)
        as_postgres(f"{BIN}/pg_ctl", "-D", f"{directory}/data", "-w", "-l", f"{directory}/log", "-o",
                    f"-k {directory} -h '' -c timezone={zone} -c fsync=off", "start", stdout=subprocess.DEVNULL)
        try:
            rows = "".join(f"{i}\t{c}\n".replace("\\", "\\\\") for i, c in enumerate(cases))
            script = f"{ANSWER}\nCOPY cases FROM STDIN;\n{rows}\\.\nSELECT answer_all();\n"
            as_postgres(f"{BIN}/psql", "-qX", "-h", directory, "postgres", input=script, text=True, stdout=subprocess.DEVNULL)
            out = as_postgres(f"{BIN}/psql", "-qXAt", "-F", "\t", "-h", directory, "postgres", "-c",
                              "SELECT n, value FROM answers ORDER BY n", capture_output=True, text=True).stdout
        finally:
            as_postgres(f"{BIN}/pg_ctl", "-D", f"{directory}/data", "-m", "immediate", "stop", stdout=subprocess.DEVNULL)
    return [line.split("\t", 1)[1] for line in out.rstrip("\n").split("\n")]


def write(makers, name, script, zone="UTC"):
    """Answers all cases of the makers into the file beside this script."""
    cases = list(dict.fromkeys(e for make in makers for e in make()))
    answers = ask(cases, zone)
    assert len(answers) == len(cases), "an answer has more than one line"
    with open(HERE / name, "w") as f:
        f.write(f"# expression, and what PostgreSQL 15 prints for it; made by {script}\n")
        f.writelines(f"{case}\t{answer}\n" for case, answer in zip(cases, answers))
    print(len(cases), "cases", file=sys.stderr)


if __name__ == "__main__":
    write([arithmetic, floats, comparisons, casts, texts, times, precedence], "postgres.tsv", "postgres.py")
