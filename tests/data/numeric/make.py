#!/usr/bin/env python3
"""Writes cases.tsv: what PostgreSQL 15 makes of numeric expressions, extremes included.

    python3 tests/data/numeric/make.py > tests/data/numeric/cases.tsv

A row is: operation, x, y (may be empty), result. A result "!22003" is an error's SQLSTATE; "#LENGTH:CRC32" stands for a text of more than
200 characters. The server is a private one in a temporary directory; run as root (it starts it as the user postgres) or as any other user.
"""
import os
import random
import subprocess
import sys
import tempfile
import zlib

BIN = "/usr/lib/postgresql/15/bin/"

EXTREMES = """0 -0 0.000 1 -1 0.5 -0.5 2 3 7 10 9999 10000 10001 0.1 0.0001 0.00001 99.995 -1.50 1.8 21.53 123456789.123456789
9223372036854775807 -9223372036854775808 9223372036854775808 999999999999999999 0.999999999999999999 0.000000000000000001
12345678901234567890 170141183460469231731687303715884105727 99999999999999999999999999999999999999
0.33333333333333333333 -123456789012345678901234567890.12345678901234567890 1e20 1e-20 5e37 1e100 NaN Infinity -Infinity""".split()

FEWER = """0 0.00 1 -3 7.5 10000 0.0003 -9999.9999 18446744073709551616.5 1e40 1e-40 123456789012345678901234567890123456789012345678901234567890
9223372036854775807 0.000000000000000001 NaN Infinity -Infinity""".split()

TEXTS = """1e5 1E+5 1e-5 1.50e1 -1.50e-3 .5 5. +7 -.25 1e0 0e5 0e-5 0e-20000 0e999999 1e131071 1e131072 1e-16383 1e-16384 -1e131071 1e999999999 1e99999999999999
1e-99999999999999 nan NAN infinity inf +inf -inf +Infinity -INFINITY -nan +nan . - + e5 1e 1e+ 1.2.3 1-2 0x10 1_000 abc --1 +-1 1e5.5 00012.500 -000 000.000100
99999999999999999999999999999999999999999 0.00000000000000000000000000000000000000000001""".split()
TEXTS += ["", " ", " 12 ", "\t12.5\n", "1 2", "- 1"]

ROUND_PLACES = [-2000, -40, -20, -19, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 8, 18, 19, 25, 60]
ROUNDED = """0 0.5 -0.5 1.5 2.5 -2.5 0.05 0.049999 99.995 9999.9999 5000 4999 50000 99999.5 1234567.891 -1234567.891 9223372036854775807.5
999999999999999999.5 99999999999999999999999999999999999999.5 50000000000000000000 49999999999999999999 0.00005 0.00004999 NaN -Infinity 1e30
123456789012345678901234567890123456789012345678901234567890.123456789012345678905""".split()

TYPMODS = ["1,0", "4,2", "5,2", "10,0", "10,2", "18,18", "20,10", "38,0", "38,38", "3,5", "2,-3", "5,-2", "1000,0", "1000,1000", "1,-1000"]

FLOATS = """0 -0 1 -1 0.1 0.2 0.3 1.8 21.53 100 1e15 1e14 999999999999999 9999999999999999 123456.789 0.0001 0.00012345678901234567 0.00009999 1e-5 1e-7 1e300
1e-300 1.7976931348623157e308 5e-324 0.5 2.5 1.0000000000000002 0.1234567890123456789 123456789012345.678 0.30000000000000004 2.2250738585072014e-308
99999.99999999999 0.09999999999999999 0.099999999999999 999999.5 9999995 33554433 16777217.0 0.000123456 NaN Infinity -Infinity
1e1 1e2 1e6 1e7 1e20 1e21 4.35 2.675 1.005 0.285 8.5e-4""".split()

SQL = {
    "add": "x::numeric + y::numeric", "sub": "x::numeric - y::numeric", "mul": "x::numeric * y::numeric",
    "div": "x::numeric / y::numeric", "mod": "x::numeric %% y::numeric",
    "cmp": "numeric_cmp(x::numeric, y::numeric)",
    "neg": "- x::numeric", "abs": "abs(x::numeric)", "ceil": "ceil(x::numeric)", "floor": "floor(x::numeric)",
    "round": "round(x::numeric, y::int)", "trunc": "trunc(x::numeric, y::int)",
    "parse": "x::numeric", "send": "encode(numeric_send(x::numeric), 'hex')", "int8": "x::numeric::int8",
    "float8": "x::numeric::float8", "from_float8": "x::float8::numeric", "from_float4": "x::float4::numeric",
    "typmod": "x::numeric({y})",
}


def random_number(rng):
    digits = rng.choice([1, 2, 4, 5, 8, 9, 12, 16, 17, 18, 19, 20, 24, 37, 38, 39, 45, 70])
    text = str(rng.randrange(10 ** (digits - 1), 10**digits))
    if rng.random() < 0.2:
        text = text[: len(text) // 2 + 1] + rng.choice("09") * (len(text) - len(text) // 2 - 1)
    scale = rng.choice([0, 1, 2, 3, 4, 5, 8, 15, 18, 19, 25])
    if scale:
        text = text.rjust(scale + 1, "0")
        text = text[:-scale] + "." + text[-scale:]
    return rng.choice(["", "-"]) + text


def cases():
    rng = random.Random(20260301)
    binary = ["add", "sub", "mul", "div", "mod", "cmp"]
    unary = ["neg", "abs", "ceil", "floor", "parse", "send", "int8", "float8"]
    numbers = [random_number(rng) for _ in range(220)]
    for x in FEWER:
        for y in FEWER:
            for op in binary:
                yield op, x, y
    for x in EXTREMES:
        for y in rng.sample(EXTREMES, 6):
            for op in binary:
                yield op, x, y
    for x in numbers:
        y = rng.choice(numbers)
        for op in binary:
            yield op, x, y
    for x in EXTREMES + numbers[:60]:
        for op in unary:
            yield op, x, ""
    for x in TEXTS:
        yield "parse", x, ""
        yield "send", x, ""
    for x in ROUNDED + numbers[:6]:
        for places in ROUND_PLACES:
            yield "round", x, str(places)
            yield "trunc", x, str(places)
    for x in ROUNDED + EXTREMES:
        for typmod in TYPMODS:
            yield "typmod", x, typmod
    for x in FLOATS + [repr(rng.uniform(-1, 1) * 10 ** rng.randrange(-6, 18)) for _ in range(150)]:
        yield "from_float8", x, ""
        yield "from_float4", x, ""
    huge = ["1e131071", "-1e131071", "9.9e131071", "1e65536", "1e-16383", "1e-8192", "1.5e-16000", "0.5e-16382"]
    for x in huge:
        for y in huge + ["3", "-0.7", "10000"]:
            for op in binary:
                yield op, x, y
        for op in unary:
            yield op, x, ""


def expression(op, x, y):
    """One expression with its operands as literals, in a function call that turns an error into its SQLSTATE."""
    quoted = SQL[op].replace("{y}", y).replace("x::", "%L::").replace("y::", "%2$L::").replace("%L", "%1$L")
    literal = "E'" + x.replace("\\", "\\\\").replace("'", "''").replace("\t", "\\t").replace("\n", "\\n") + "'"
    return f"SELECT probe('{quoted.replace(chr(39), chr(39) * 2)}', {literal}, '{y}');"


PROBE = """
CREATE FUNCTION probe(expression text, x text, y text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
    EXECUTE 'SELECT (' || format(expression, x, y) || ')::text' INTO result;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN '!' || SQLSTATE;
END $$;
"""


def run_server(folder, script):
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    data = folder + "/data"
    subprocess.run(as_postgres + [BIN + "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"],
                   check=True, stdout=sys.stderr)
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
    subprocess.run(as_postgres + [BIN + "pg_ctl", "-D", data, "-w", "-o", options, "-l", folder + "/log", "start"], check=True, stdout=sys.stderr)
    try:
        psql = [BIN + "psql", "-h", folder, "-U", "postgres", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        return subprocess.run(as_postgres + psql, input=script, text=True, check=True, stdout=subprocess.PIPE).stdout
    finally:
        subprocess.run(as_postgres + [BIN + "pg_ctl", "-D", data, "-m", "fast", "stop"], check=True, stdout=sys.stderr)


def shortened(result):
    return result if len(result) <= 200 else f"#{len(result)}:{zlib.crc32(result.encode()):08x}"


def visible(text):
    return text.replace("\t", "\\t").replace("\n", "\\n")


def main():
    rows = list(dict.fromkeys(cases()))
    script = PROBE + "\n".join(expression(*row) for row in rows) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        results = run_server(folder, script).splitlines()
    assert len(results) == len(rows), (len(results), len(rows))
    assert {r for r in results if r.startswith("!")} == {"!22003", "!22012", "!22P02", "!0A000"}, "an expression is wrong"
    for (op, x, y), result in zip(rows, results):
        print(op, visible(x), y, shortened(result), sep="\t")


if __name__ == "__main__":
    main()
