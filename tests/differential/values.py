"""Values of each type as text, as both systems read them: the usual, the extreme, and what goes wrong elsewhere."""

SMALLINTS = ["0", "1", "-1", "7", "-7", "32767", "-32768", "100", "12"]
INTEGERS = ["0", "1", "-1", "2", "3", "-3", "42", "2147483647", "-2147483648", "65536", "1000000", "7"]
BIGINTS = ["0", "1", "-1", "9223372036854775807", "-9223372036854775808", "5000000000", "-5000000000", "42", "4294967296", "10"]
NUMERICS = ["0", "0.0", "1", "-1", "1.5", "-2.50", "0.001", "12345678901234567890.123456789", "-99999999999999999999", "0.5", "2.5", "3.5", "-0.5",
            "1e10", "1e-10", "1234.5678", "999999999999999999", "9223372036854775808", "0.000000000000000000001", "NaN", "Infinity", "-Infinity",
            "100", "42.00", "7"]
REALS = ["0", "-0", "1", "1.5", "-0.1", "0.1", "3e38", "1e-40", "NaN", "Infinity", "-Infinity", "16777217", "2.5", "100", "1e10", "-7"]
DOUBLES = ["0", "-0", "1", "-1", "0.1", "1.5", "2.5", "-2.5", "1e300", "-1e300", "1e-300", "5e-324", "NaN", "Infinity", "-Infinity", "1e15", "1e16",
           "123456.789", "9007199254740993", "100", "0.5", "3", "42"]
TEXTS = ["", "a", "abc", "ABC", "Hello wörld FOO-bar", "äöüß ÄÖ", "  x y  ", "100", "-1.5", "a%b_c", "日本語テキスト", "a,b,,c", "xyxtrimyyx",
         "back\\slash", "it's", "ŁódŹ ǆ", "ﬁ İı", "😀 emoji", "tab\there", "line\nbreak", "e\u0301", "true", "2024-02-29", "12:34:56", "{\"a\": 1}", "[1, 2]",
         "%", "_", "\\", ".*", "(a)(b)?", "foo bar baz", "aaa", "deadbeef", "NULL", "null", "t", "0x1F", "1e3", "Infinity", "P1Y2M", "a-b.c@d"]
BOOLEANS = ["t", "f", "t"]
BYTEAS = ["\\x", "\\x00", "\\x0102ff", "\\x616263", "\\xdeadbeef", "\\xc3a4", "\\xff", "\\x5c00"]
DATES = ["2024-02-29", "2023-02-28", "2000-01-01", "1999-12-31", "2026-03-29", "2026-10-25", "0044-03-15 BC", "1582-10-15", "infinity", "-infinity", "9999-12-31",
         "1970-01-01", "2020-12-31", "2021-01-03", "1900-03-01", "5874897-12-31", "4713-01-01 BC", "2024-12-30", "2011-12-30"]
TIMESTAMPS = ["2024-02-29 00:00:00", "2026-03-01 12:34:56.789", "1999-12-31 23:59:59.999999", "2000-01-01 00:00:00", "infinity", "-infinity",
              "0044-03-15 10:00:00 BC", "1969-07-20 20:17:40", "2026-03-29 02:30:00", "2026-10-25 02:30:00", "2024-03-10 02:30:00", "2024-11-03 01:30:00",
              "2011-12-30 12:00:00", "9999-12-31 23:59:59", "294276-12-31 23:59:59.999999", "2020-12-31 00:00:01", "1883-11-18 12:00:00", "2001-02-16 20:38:40.12"]
TIMESTAMPTZS = ["2024-02-29 00:00:00+00", "2026-03-29 00:59:59.5+00", "2026-03-29 01:00:00+00", "2026-10-25 00:30:00+00", "2026-10-25 01:30:00+00", "infinity",
                "-infinity", "1999-12-31 23:59:59.999999-05", "2024-03-10 09:59:59+00", "2024-11-03 05:30:00+00", "1969-07-20 20:17:40+00", "0044-03-15 10:00:00+00 BC",
                "2011-12-30 12:00:00+14", "1900-01-01 00:00:00+00", "2001-02-16 20:38:40.12+05:30", "9999-12-31 23:59:59+00", "2038-01-19 03:14:08+00"]
INTERVALS = ["0", "1 day", "-1 day", "1 mon", "1 year 2 mons 3 days 04:05:06.789", "-1 year", "00:00:00.000001", "24:00:00", "30 days", "1 mon -1 day", "-00:30:00",
             "99 years", "1 day 12:00:00", "13 mons", "100:00:00", "3 days -12:00:00", "10 years -1 mon"]
UUIDS = ["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "ffffffff-ffff-ffff-ffff-ffffffffffff", "12345678-1234-5678-1234-567812345678"]
JSONBS = ["null", "true", "false", "0", "1", "-1.50", "1e2", "\"\"", "\"a\"", "\"ä\\n\\\"q\\\"\"", "[]", "{}", "[1, 2, 3]", "[\"a\", null, {\"b\": 1}]",
          "{\"a\": 1, \"b\": [1, 2, {\"c\": \"d\"}]}", "{\"a\": null}", "{\"b\": 2, \"a\": 1, \"a\": 3}", "{\"a\": {\"b\": {\"c\": 1.0}}}", "[[1, 2], [3]]",
          "\"2024-02-29\"", "123456789012345678901234567890", "{\"日\": \"本\"}", "[true, false, null]", "\"100\"", "{\"a\": \"x\", \"\": 1}"]
INTEGER_ARRAYS = ["{}", "{1}", "{1,2,3}", "{3,NULL,1}", "{{1,2},{3,4}}", "{2,2,2}", "{-1,2147483647}", "[0:1]={5,6}", "{NULL}", "{7,42,0,1}"]
TEXT_ARRAYS = ["{}", "{a}", "{a,b,c}", "{a,NULL,\"\"}", "{\"x,y\",\"q\\\"q\"}", "{{a,b},{c,d}}", "{\"NULL\",null}", "{ä,日本,abc}", "{\" \",\"\\\\\"}"]
NUMERIC_ARRAYS = ["{}", "{1.50}", "{1,2.0,3.00}", "{NaN,Infinity,NULL}", "{1e10,-0.5}", "{{1.1},{2.2}}"]

POOLS = {
    "smallint": SMALLINTS, "integer": INTEGERS, "bigint": BIGINTS, "numeric": NUMERICS, "real": REALS, "double precision": DOUBLES, "text": TEXTS,
    "boolean": BOOLEANS, "bytea": BYTEAS, "date": DATES, "timestamp without time zone": TIMESTAMPS, "timestamp with time zone": TIMESTAMPTZS,
    "interval": INTERVALS, "uuid": UUIDS, "jsonb": JSONBS, "integer[]": INTEGER_ARRAYS, "text[]": TEXT_ARRAYS, "numeric[]": NUMERIC_ARRAYS,
}
# Short names of the columns: two of each type.
SHORT = {
    "smallint": "s", "integer": "i", "bigint": "l", "numeric": "n", "real": "r", "double precision": "d", "text": "t", "boolean": "b", "bytea": "y",
    "date": "da", "timestamp without time zone": "ts", "timestamp with time zone": "tz", "interval": "iv", "uuid": "u", "jsonb": "j",
    "integer[]": "ai", "text[]": "at", "numeric[]": "an",
}
ELEMENTS = ["integer", "text", "numeric"]
NUMBERS = ["smallint", "integer", "bigint", "numeric", "real", "double precision"]
TIMES = ["date", "timestamp without time zone", "timestamp with time zone"]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "Africa/Monrovia",
         "Asia/Kolkata", "Europe/Dublin", "America/Sao_Paulo"]


def zoned(rng, pool):
    local = random_value(rng, "timestamp without time zone")
    return rng.choice(pool) if "BC" in local or "inf" in local or len(local) > 27 else local + rng.choice(["+00", "-05", "+05:30"])


def random_value(rng, type_name):
    """Mostly from the pool; numbers, times and texts also at random."""
    pool = POOLS[type_name]
    if rng.random() < 0.65:
        return rng.choice(pool)
    match type_name:
        case "smallint":
            return str(rng.randint(-200, 200))
        case "integer":
            return str(rng.choice([rng.randint(-20, 20), rng.randint(-2**31, 2**31 - 1)]))
        case "bigint":
            return str(rng.choice([rng.randint(-1000, 1000), rng.randint(-2**63, 2**63 - 1)]))
        case "numeric":
            digits = rng.choice([3, 6, 12, 18, 19, 25, 40])
            whole = str(rng.randrange(10**digits))
            scale = rng.randrange(0, digits + 1)
            text = whole[:len(whole) - scale] or "0"
            return rng.choice(["", "-"]) + text + ("." + whole[len(whole) - scale:] if 0 < scale < len(whole) else "")
        case "real":
            return repr(round(rng.uniform(-1000, 1000), rng.randrange(0, 5)))
        case "double precision":
            return repr(rng.choice([rng.uniform(-1000, 1000), rng.uniform(-1, 1) * 10 ** rng.randint(-20, 20)]))
        case "text":
            letters = rng.choice(["abcxyz", "aAbB cC", "äöü日本é", "0123456789.-", "a%_\\.*"])
            return "".join(rng.choice(letters) for _ in range(rng.randrange(0, 9)))
        case "bytea":
            return "\\x" + bytes(rng.randrange(256) for _ in range(rng.randrange(0, 6))).hex()
        case "date":
            return f"{rng.randint(1800, 2100):04}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        case "timestamp without time zone":
            return (f"{rng.randint(1900, 2050):04}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} "
                    f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}" + rng.choice(["", f".{rng.randrange(10**6):06}"]))
        case "timestamp with time zone":
            return zoned(rng, pool)
        case "interval":
            return (f"{rng.randint(-30, 30)} mons {rng.randint(-60, 60)} days "
                    f"{rng.choice(['', '-'])}{rng.randint(0, 99):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}" + rng.choice(["", ".5", ".000001"]))
        case "uuid":
            return "%08x-%04x-%04x-%04x-%012x" % (rng.getrandbits(32), rng.getrandbits(16), rng.getrandbits(16), rng.getrandbits(16), rng.getrandbits(48))
    return rng.choice(pool)
