#!/usr/bin/python3
"""Asks `pipe sql` and a real PostgreSQL what the same expressions give over the same rows, and compares text and failure of every value.

    tests/differential/compare.py [--count N] [--seed S] [--pipe PATH] [--url URL] [--jobs N] [--only NAME]

Starts a server of its own unless a URL is given. Prints the first differences; exits with 1 where there is one that known.py does not explain.
"""

import argparse
import csv
import io
import json
import multiprocessing
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import psycopg2  # noqa: E402
import psycopg2.errors  # noqa: E402

from expressions import Generator  # noqa: E402
from known import explanation  # noqa: E402
from values import SHORT, ZONES  # noqa: E402

csv.field_size_limit(1 << 30)
BATCH, ROWS = 48, 14
NULL = "␀"
ERROR = object()

# What each expression gives for every row: the whole column at once, row by row only where some row fails.
EVALUATE = """
CREATE OR REPLACE FUNCTION pg_temp.evaluate(expression text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE result text[]; one text; rows int;
BEGIN
    BEGIN
        EXECUTE 'SELECT array_agg(CASE WHEN x IS NULL THEN NULL ELSE format(''%s'', x) END ORDER BY id) FROM (SELECT id, (' || expression || ') AS x FROM input OFFSET 0) q'
            INTO result;
        RETURN result;
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    SELECT count(*) INTO rows FROM input;
    FOR i IN 0 .. rows - 1 LOOP
        BEGIN
            EXECUTE 'SELECT CASE WHEN x IS NULL THEN NULL ELSE format(''%s'', x) END FROM (SELECT (' || expression || ') AS x FROM input WHERE id = ' || i || ' OFFSET 0) q'
                INTO one;
            result := result || CASE WHEN one IS NULL THEN NULL ELSE 'v' || one END;
        EXCEPTION WHEN OTHERS THEN
            result := result || ('e' || SQLSTATE || ' ' || CASE SQLSTATE WHEN '22007' THEN 'invalid date or time' ELSE SQLERRM END); -- its own may cut a character in two
        END;
    END LOOP;
    RETURN '{failed}'::text[] || result;
END $$;
"""


def signatures(pipe):
    text = subprocess.run([pipe, "list", "signatures"], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in text.splitlines()]


class Postgres:
    def __init__(self, url):
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.cursor.execute("SET DateStyle = ISO; SET IntervalStyle = postgres; SET bytea_output = hex; SET extra_float_digits = 1; SET jit = off; "
                            "SET statement_timeout = '20s'")
        self.cursor.execute(EVALUATE)

    def load(self, rows, zone):
        columns = ["id int", "k text", "v text"] + [f"{short}{n} {name}" for name, short in SHORT.items() for n in "12"]
        self.cursor.execute(f"SET TimeZone = '{zone}'; DROP TABLE IF EXISTS input; CREATE TEMP TABLE input ({', '.join(columns)})")
        for row in rows:
            names = ", ".join(row)
            self.cursor.execute(f"INSERT INTO input ({names}) VALUES ({', '.join(['%s'] * len(row))})", list(row.values()))

    def answers(self, expression):
        """A text, None or an error text behind ERROR for each row. None: it takes too long."""
        try:
            self.cursor.execute("SELECT pg_temp.evaluate(%s)", [expression])
            values = self.cursor.fetchone()[0]
        except psycopg2.errors.QueryCanceled:
            return None
        except psycopg2.Error as e:
            return [(ERROR, str(e).splitlines()[0])] * ROWS
        if values and values[0] == "failed" and len(values) == ROWS + 1:
            return [None if v is None else v[1:] if v[0] == "v" else (ERROR, v[1:]) for v in values[1:]]
        return values


def run_text(command):
    """Output as it is: Python's text mode would take \\r for a line end."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -1, "", "it takes more than 60 seconds")
    done.stdout, done.stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    return done


class Pipe:
    def __init__(self, program, directory):
        self.program = program
        self.file = Path(directory) / "input.csv"

    def load(self, rows, zone):
        self.zone = zone
        self.types = [a for name, short in SHORT.items() for n in "12" for a in ("--type", f"{short}{n}={name}")]
        self.types += ["--type", "id=integer", "--type", "k=text", "--type", "v=text"]
        with open(self.file, "w", newline="") as f:
            f.write(",".join(rows[0]) + "\n")
            for row in rows:
                f.write(",".join(NULL if v is None else '"' + v.replace('"', '""') + '"' for v in row.values()) + "\n")

    def query(self, expressions):
        items = ["id"] + [f"{e} AS x{i}" for i, e in enumerate(expressions)]
        offsets, at = [], len("SELECT id")
        for item in items[1:]:
            offsets.append(at + 2)
            at += 2 + len(item)
        done = run_text([self.program, "sql", "SELECT " + ", ".join(items) + " FROM input", str(self.file), "--to", "csv", "--null", NULL, "--timezone", self.zone,
                               "--rejected", "1000", *self.types])
        return done, offsets

    @staticmethod
    def parse(text):
        rows = {}
        for row in list(csv.reader(io.StringIO(text, newline="")))[1:]:
            rows[int(row[0])] = [None if cell == NULL else cell for cell in row[1:]]
        return rows

    def answers(self, expressions):
        """Per expression a list as Postgres.answers gives it. Together as long as nothing fails; what fails, alone."""
        results = [None] * len(expressions)
        together = list(range(len(expressions)))
        while together:
            done, offsets = self.query([expressions[i] for i in together])
            if done.returncode == 0:
                rows = self.parse(done.stdout)
                for position, i in enumerate(together):
                    results[i] = [rows[r][position] if r in rows else (ERROR, "row missing") for r in range(ROWS)]
                break
            suspects = self.suspects(done, offsets, [expressions[i] for i in together])
            if not suspects:
                suspects = set(range(len(together)))
            for position in suspects:
                results[together[position]] = self.alone(expressions[together[position]])
            together = [i for position, i in enumerate(together) if position not in suspects]
        return results

    @staticmethod
    def suspects(done, offsets, expressions):
        found = set()
        if done.returncode == 78:
            for column in re.findall(r"^query:1:(\d+):", done.stderr, re.M):
                inside = [i for i, o in enumerate(offsets) if o <= int(column) - 1 + 1]
                found.update(inside[-1:])
            return found
        for line in done.stderr.splitlines():
            at = re.match(r".*?input\.csv:\d+ byte \d+: ", line)
            if not at:
                continue
            rest = line[at.end():]
            for colon in re.finditer(": ", rest):
                text = rest[:min(colon.start(), 120)]
                hits = {i for i, e in enumerate(expressions) if text in e}
                if hits:
                    found |= hits
                    break
        return found

    def alone(self, expression):
        done, _ = self.query([expression])
        if done.returncode not in (0, 3):
            return [(ERROR, done.stderr[:500] or f"exit code {done.returncode}")] * ROWS
        rows = self.parse(done.stdout)
        why = {int(row): text for text, row in re.findall(r'input\.csv:\d+ byte \d+: (.*?)\n    "(\d+)"', done.stderr, re.S)}
        return [rows[r][0] if r in rows else (ERROR, why.get(r, done.stderr[:200])) for r in range(ROWS)]


def is_error(value):
    return isinstance(value, tuple)


def same(a, b):
    return is_error(a) == is_error(b) and (is_error(a) or a == b)


def shown(value):
    return f"ERROR {value[1]}" if is_error(value) else "NULL" if value is None else repr(value)


def compare_batch(pg, pipe, generator, zone, only):
    rows = generator.rows(ROWS)
    pg.load(rows, zone)
    pipe.load(rows, zone)
    expressions = []
    while len(expressions) < BATCH:
        e = generator.next()
        if e and (not only or re.search(only, e)) and len(e) < 1500:
            expressions.append(e)
    differences, explained, failing, values = [], {}, 0, 0
    for expression, got in zip(expressions, pipe.answers(expressions)):
        wanted = pg.answers(expression)
        if wanted is None:
            explained["statement timeout in Postgres"] = explained.get("statement timeout in Postgres", 0) + 1
            continue
        values += ROWS
        failing += any(is_error(w) for w in wanted)
        for r in range(ROWS):
            if same(got[r], wanted[r]):
                continue
            why = explanation(expression, got[r], wanted[r], wanted)
            if why:
                explained[why] = explained.get(why, 0) + 1
            else:
                differences.append({"expression": expression, "zone": zone, "pipe": shown(got[r]), "postgres": shown(wanted[r]),
                                    "row": {c: v for c, v in rows[r].items() if re.search(rf"\b{c}\b", expression)}})
            break
    return len(expressions), values, failing, differences, explained


def work(arguments):
    """One worker's share: batches seed + k for k in its range."""
    options, url, first, last = arguments
    pg = Postgres(url)
    totals = {"expressions": 0, "values": 0, "failing": 0, "explained": {}, "differences": []}
    with tempfile.TemporaryDirectory(prefix="pipe-differential-") as directory:
        pipe = Pipe(options.pipe, directory)
        known = signatures(options.pipe)
        for batch in range(first, last):
            seed = options.seed * 1_000_003 + batch
            generator = Generator(known, seed)
            generator.turn = batch * BATCH
            zone = random.Random(seed).choice(ZONES)
            n, values, failing, differences, explained = compare_batch(pg, pipe, generator, zone, options.only)
            totals["expressions"] += n
            totals["values"] += values
            totals["failing"] += failing
            totals["differences"] += differences
            for why, count in explained.items():
                totals["explained"][why] = totals["explained"].get(why, 0) + count
    return totals


def run(options, url):
    batches = (options.count + BATCH - 1) // BATCH
    jobs = min(options.jobs, batches)
    shares = [(options, url, batches * j // jobs, batches * (j + 1) // jobs) for j in range(jobs)]
    if jobs == 1:
        parts = [work(shares[0])]
    else:
        with multiprocessing.Pool(jobs) as pool:
            parts = pool.map(work, shares)
    totals = {"expressions": 0, "values": 0, "failing": 0, "explained": {}, "differences": []}
    for part in parts:
        for key in ("expressions", "values", "failing", "differences"):
            totals[key] += part[key]
        for why, count in part["explained"].items():
            totals["explained"][why] = totals["explained"].get(why, 0) + count
    return totals


def print_totals(totals, most):
    shapes = {}
    for d in totals["differences"]:
        shape = re.sub(r"'(?:[^']|'')*'|\d+", "", d["expression"])
        shapes.setdefault(shape, []).append(d)
    for d in totals["differences"][:most]:
        print(f"{d['expression']}\n    pipe:     {d['pipe']}\n    postgres: {d['postgres']}\n    {d['zone']} {d['row']}")
    for why, count in sorted(totals["explained"].items()):
        print(f"explained {count:6}  {why}")
    print(f"{totals['expressions']} expressions, {totals['values']} values, {totals['failing']} expressions that fail for some row, "
          f"{len(totals['differences'])} differences")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--most", type=int, default=40, help="how many differences are printed")
    parser.add_argument("--only", help="a regular expression that expressions must match")
    parser.add_argument("--pipe", default=str(HERE.parent.parent / "build" / "dev" / "bin" / "pipe"))
    parser.add_argument("--url")
    parser.add_argument("--counts", help="write the totals as JSON")
    return parser.parse_args()


def main():
    options = arguments()
    started = time.monotonic()
    if options.url:
        totals = run(options, options.url)
    else:
        from postgres_server import PostgresServer
        server = PostgresServer(Path(tempfile.gettempdir()) / f"pipe-differential-{multiprocessing.current_process().pid}")
        try:
            totals = run(options, server.start().url)
        finally:
            server.remove()
    print_totals(totals, options.most)
    print(f"{time.monotonic() - started:.0f} s")
    if options.counts:
        Path(options.counts).write_text(json.dumps({**totals, "differences": len(totals["differences"])}))
    sys.exit(1 if totals["differences"] else 0)


if __name__ == "__main__":
    main()
