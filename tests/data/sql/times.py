#!/usr/bin/env python3
"""Asks a private PostgreSQL 15 in the time zone Europe/Oslo what thousands of expressions on dates, times, intervals and formats give, and
writes times.tsv beside this script: the expression, a tab, and what Postgres prints, NULL, or "ERROR sqlstate". See postgres.py.

Left out, because they differ on purpose: integers that wrap in Postgres's interval arithmetic (here "interval out of range"), age() of infinity
(here an error), names of zones that are none beside infinity (here an error, found when the query is read), the unit "mm",
and the epoch of the last timestamps (here exact).
"""
import itertools
import random

from postgres import write

ZONE = "Europe/Oslo"
rng = random.Random(20260329)

STAMPS = ["2026-03-01 12:34:56.789", "2024-02-29 23:59:59.999999", "2000-01-01", "1999-12-31 23:59:59.5", "1969-07-20 20:17:40",
          "0044-03-15 10:00:00 BC", "0001-01-01 00:00:00", "0001-12-31 23:00:00 BC", "4713-11-25 00:00:00 BC", "294276-12-31 23:59:59.999999",
          "2026-03-29 02:30:00", "2026-10-25 02:30:00", "2026-10-25 00:30:00", "1900-02-28 06:00:00", "2023-01-31 18:45:00", "2020-12-31 00:00:01",
          "1895-01-01 00:00:00", "1940-08-11 00:30:00", "9999-12-31 12:00:00", "infinity", "-infinity"]
INTERVALS = ["0", "1 day", "-1 day", "1 month", "-1 month", "13 months", "1 year", "-4 years 2 months", "100 years", "1 hour", "-00:00:00.000001",
             "1 year 2 mons 3 days 04:05:06.789", "-1 year -2 mons +3 days -04:05:06.789", "1 mon -1 day", "1 mon -1 hour", "35 days 27:00:00",
             "-35 days -27:00", "30 days", "29 days 24:00", "1 day -24:00", "99 days 123:45:67.5", "5999-11", "2147483647 days", "-2147483648 days",
             "178956970 years", "2562047788 hours", "-2562047788 hours", "12 months", "11 months 29 days", "1000000 days", "0.5 days", "00:15",
             "600 years -3 days", "1 month 40 days 30:00"]
DATES = ["2026-03-01", "2024-02-29", "0044-03-15 BC", "infinity", "-infinity", "5874897-12-31", "4713-11-24 BC", "2026-03-29", "1999-12-31",
         "294276-12-31", "294277-01-01", "2021-01-03", "2020-12-28", "0001-01-01"]
FACTORS = ["0", "1", "-1", "2", "0.5", "1.5", "-0.3333333333", "1e-7", "7", "100", "'NaN'", "'Infinity'", "1e300", "0.1", "86400", "3.14159"]
COMPARISONS = ["<", "<=", "=", "<>", ">=", ">"]
FIELDS = ["microseconds", "milliseconds", "second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade", "century", "millennium",
          "dow", "isodow", "doy", "isoyear", "epoch", "julian", "timezone", "timezone_hour", "timezone_minute"]
ZONES = ["UTC", "Europe/Oslo", "america/new_york", "Asia/Kolkata", "EST", "est5edt", "MSK", "CEST", "utc+3", "<+0530>-5:30", "Pacific/Apia", "GMT",
         "EST5EDT,M3.2.0,M11.1.0", "Australia/Lord_Howe", "nowhere", "", "+05", "-03:30", "Z", "America/Sao_Paulo", "PST8PDT"]


def ts(text):
    return f"timestamp '{text}'"


def tz(text):
    return f"timestamptz '{text}'"


def iv(text):
    return f"interval '{text}'"


def random_stamp():
    year = rng.choice([rng.randint(1900, 2100), rng.randint(1, 3000), rng.randint(4000, 290000)])
    bc = " BC" if rng.random() < 0.1 and year < 4700 else ""
    clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
    fraction = rng.choice(["", f".{rng.randint(0, 999999):06}", ".5"])
    return f"{year:04}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} {clock}{fraction}{bc}"


def random_interval():
    def amount(unit, most):
        return f"{rng.randint(-most, most)} {unit}" if rng.random() < 0.6 else ""
    clock = f"{rng.choice(['', '-'])}{rng.randint(0, 200)}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}{rng.choice(['', '.25', '.000001', '.999999'])}"
    parts = [amount("years", 300), amount("months", 30), amount("days", 100), clock if rng.random() < 0.7 else ""]
    return " ".join(p for p in parts if p) or "0"


def operators():
    for d, i in itertools.product(DATES, INTERVALS):
        yield f"date '{d}' + {iv(i)}"
        if rng.random() < 0.3:
            yield f"date '{d}' - {iv(i)}"
            yield f"{iv(i)} + date '{d}'"
    for s, i in itertools.product(STAMPS, INTERVALS):
        yield f"{ts(s)} + {iv(i)}"
        yield f"{tz(s)} - {iv(i)}"
        if rng.random() < 0.3:
            yield f"{iv(i)} + {tz(s)}"
            yield f"{iv(i)} + {ts(s)}"
    for x, y in itertools.product(STAMPS, STAMPS):
        if ("294276" not in x + y) or "infinity" in x + y:
            yield f"{ts(x)} - {ts(y)}"
            if "infinity" not in x + y:
                yield f"age({ts(x)}, {ts(y)})"
                yield f"age({tz(x)}, {tz(y)})"
    for x, y in itertools.product(INTERVALS, INTERVALS):
        yield f"{iv(x)} {rng.choice(COMPARISONS)} {iv(y)}"
        if rng.random() < 0.4:
            yield f"{iv(x)} {rng.choice('+-')} {iv(y)}"
    for x, f in itertools.product(INTERVALS, FACTORS):
        if "2147483648" not in x and not (f == "1e-7" or "e300" in f):
            yield f"{iv(x)} / {f}::float8"
        yield f"{iv(x)} * {f}::float8"
        yield f"{f}::float8 * {iv(x)}"
    for i in INTERVALS:
        yield f"-{iv(i)}"
        for f in ["justify_days", "justify_hours", "justify_interval"]:
            yield f"{f}({iv(i)})"
        for f in FIELDS:
            yield f"extract({f} FROM {iv(i)})"
            yield f"date_part('{f}', {iv(i)})"
            yield f"date_trunc('{f}', {iv(i)})"
        yield from [f"{iv(i)}::text", f"isfinite({iv(i)})", f"greatest({iv(i)}, interval '1 month')", f"{iv(i)} = {iv(i)}", f"to_jsonb({iv(i)})::text"][:4]
    for _ in range(600):
        x, y, i, j = random_stamp(), random_stamp(), random_interval(), random_interval()
        yield f"{ts(x)} - {ts(y)}"
        yield f"{tz(x)} - {tz(y)}"
        yield f"age({ts(x)}, {ts(y)})"
        yield f"age({tz(x)}, {tz(y)})"
        yield f"{ts(x)} + {iv(i)}"
        yield f"{tz(x)} + {iv(i)}"
        yield f"{tz(x)} - {iv(i)}"
        yield f"{iv(i)} * {rng.uniform(-20, 20):.3f}"
        yield f"{iv(i)} / {rng.uniform(0.01, 20):.3f}"
        yield f"justify_interval({iv(i)})"
        yield f"{iv(i)} < {iv(j)}"
    for _ in range(200):
        x, y = (rng.choice([f"date '{rng.choice(DATES)}'", ts(rng.choice(STAMPS)), tz(rng.choice(STAMPS))]) for _ in range(2))
        yield f"{x} {rng.choice(COMPARISONS)} {y}"
    yield from ["date '2026-01-01' + '1 day'", "timestamp '2026-01-01' + '1 day'", "timestamp '2026-01-01' - '2025-01-01'",
                "interval '1 day' + '1 hour'", "interval '1 day' * 2", "2 * interval '1 day'", "interval '1 day' / 2", "interval '1 day' / 0",
                "interval '1 day' * 1.5", "'1 day'::interval < '25 hours'", "interval '1 day' = '24 hours'", "interval '1 day' + NULL",
                "date '2026-01-01' - timestamp '2025-12-31 12:00'", "timestamptz '2026-01-01' - date '2025-12-31'",
                "interval '30 days' = interval '1 month'", "interval '1 month' IS DISTINCT FROM interval '30 days'",
                "coalesce(NULL, interval '1 hour')", "nullif(interval '1 day', interval '24 hours')", "interval '1 day' IN ('24:00', '1 hour')",
                "interval '2 hours' BETWEEN '1 hour' AND '3 hours'", "CASE WHEN true THEN interval '1 s' END", "interval '1 day' || ''",
                "least(interval '1 month', interval '29 days')", "concat(interval '1 day', timestamptz '2026-07-01 12:00')"]


def literals():
    fields = ["year", "month", "day", "hour", "minute", "second", "year to month", "day to hour", "day to minute", "day to second", "hour to minute",
              "hour to second", "minute to second", "second(2)", "day to second(1)", "minute to second(0)"]
    texts = ["1", "1-2", "1 2", "1:02", "1:02:03.4567", "3 4:05:06.789", "1 year 2 months 3 days 4 hours 5 minutes 6.789 seconds", "-1", "-1-2",
             "10:20.5", "1.5", "2 days 1:1"]
    for f, t in itertools.product(fields, texts):
        yield f"interval '{t}' {f}"
        yield f"'{t}'::interval {f}"
        yield f"cast(interval '1 year 2 months 3 days 4 hours 5 minutes 6.789 seconds' AS interval {f})"
    for p in range(7):
        yield f"interval({p}) '1 day 00:00:01.9999995'"
        yield f"interval({p}) '-1.123456'"
        yield f"'-5.5555555'::interval({p})"
        yield f"timestamp({p}) '1999-12-31 23:59:59.987654'"
        yield f"timestamptz({p}) '1999-12-31 23:59:59.987654'"
    yield from ["time '12:00'::text", "interval '1 day' day", "interval second '1'", "interval '1 day'::text", "('1 day'::text)::interval",
                "timestamp with time zone '2026-07-01 12:00'", "timestamp without time zone '2026-07-01 12:00+05'",
                "TIMESTAMP '2004-10-19 10:23:54+02'", "date 'J2451187'", "date 'January 8, 99 BC'", "'epoch'::timestamptz",
                "interval 'P1Y2M3DT4H5M6S'", "interval 'P0001-02-03T04:05:06'", "interval '1-2 3 4:05:06'", "interval '@ 1 minute ago'"][1:]
    for s in ["2026-03-29 02:30", "2026-10-25 02:30", "2026-07-01 12:00 CET", "2026-07-01 12:00 MSK", "2026-07-01 12:00 America/New_York", "now1"]:
        yield tz(s)


def fields_of_times():
    for f in FIELDS:
        for s in STAMPS:
            if f == "epoch" and s.startswith("294276"):
                continue
            yield f"extract({f} FROM {tz(s)})"
            yield f"date_part('{f}', {tz(s)})"
            yield f"date_trunc('{f}', {tz(s)})"
            yield f"date_trunc('{f}', {ts(s)})"
            if rng.random() < 0.5:
                yield f"extract({f} FROM {ts(s)})"
                yield f"date_trunc('{f}', {tz(s)}, '{rng.choice([z for z in ZONES if z not in ('', 'nowhere')])}')"
        for d in DATES:
            yield f"extract({f} FROM date '{d}')"
            yield f"date_part('{f}', date '{d}')"
            yield f"date_trunc('{f}', date '{d}')"
    for _ in range(400):
        s, f = random_stamp(), rng.choice(FIELDS)
        yield f"extract({f} FROM {tz(s)})"
        yield f"extract({f} FROM {ts(s)})"
        yield f"date_part('{f}', {ts(s)})"
        yield f"date_trunc('{f}', {tz(s)})"
        yield f"date_trunc('{f}', {tz(s)}, '{rng.choice(ZONES)}')"
    for unit in ["min", "m", "hr", "h", "sec", "s", "d", "w", "y", "mon", "qtr", "dec", "c", "cent", "mil", "mils", "yr", "yrs", "msecs", "usecs", "us", "ms",
                 "years", "HOURS", "foo", "timezone_m", "timezone_h", "centuries", "decs"]:
        yield f"date_part('{unit}', timestamp '2026-03-01 12:34:56.789')"
        yield f"date_trunc('{unit}', timestamp '2026-03-01 12:34:56.789')"
        yield f"date_part('{unit}', interval '3 years 2 mons 12:34:56.789')"


def zones():
    for s, z in itertools.product(STAMPS, ZONES):
        if "infinity" in s and z in ("", "nowhere"):
            continue
        yield f"{ts(s)} AT TIME ZONE '{z}'"
        yield f"{tz(s)} AT TIME ZONE '{z}'"
    for _ in range(300):
        s, z = random_stamp(), rng.choice(ZONES)
        yield f"{ts(s)} AT TIME ZONE '{z}'"
        yield f"{tz(s)} AT TIME ZONE '{z}'"
        yield f"{ts(s)}::timestamptz"
        yield f"{tz(s)}::timestamp"
        yield f"{tz(s)}::date"
    for i in ["05:30", "-08:00", "1 day", "1 month", "00:00:01", "-15:59:59.9"]:
        yield f"{ts(STAMPS[0])} AT TIME ZONE {iv(i)}"
        yield f"{tz(STAMPS[0])} AT TIME ZONE {iv(i)}"
        yield f"timezone({iv(i)}, {tz(STAMPS[0])})"
    yield from ["timezone('UTC', timestamp '2026-01-01')", "timezone('Asia/Tokyo', timestamptz '2026-01-01')"]


def making():
    parts = [(2013, 7, 15, 8, 15, "23.5"), (2026, 3, 29, 2, 30, "0"), (2026, 10, 25, 2, 30, "0"), (-44, 3, 15, 0, 0, "0"), (0, 1, 1, 0, 0, "0"),
             (2013, 2, 29, 0, 0, "0"), (2013, 1, 1, 24, 0, "0"), (2013, 1, 1, 23, 59, "60"), (2013, 1, 1, 23, 60, "0"), (2013, 1, 1, 0, 0, "-1"),
             (294276, 12, 31, 23, 59, "59.999999"), (294277, 1, 1, 0, 0, "0"), (-4713, 11, 24, 0, 0, "0"), (2013, 1, 1, 1, 1, "59.9999999"),
             (2013, 1, 1, 1, 1, "'NaN'"), (5000000, 1, 1, 0, 0, "0"), (-4714, 11, 23, 0, 0, "0")]
    zones = ["UTC", "America/New_York", "EST", "+5", "-03:30", "+5:30:10", "5", "+16", "nowhere", "MSK", "+0530", "+5:99", "-", "europe/oslo", "+1:", "EST5EDT"]
    for p in parts:
        args = ", ".join(map(str, p))
        yield f"make_timestamp({args})"
        yield f"make_timestamptz({args})"
        yield f"make_date({p[0]}, {p[1]}, {p[2]})"
        for z in rng.sample(zones, 5):
            yield f"make_timestamptz({args}, '{z}')"
    for z in zones:
        yield f"make_timestamptz(2013, 7, 15, 8, 15, 23.5, '{z}')"
    yield from ["make_interval()", "make_interval(1)", "make_interval(1, 2)", "make_interval(1, 2, 3, 4, 5, 6, 7.5)", "make_interval(days => 10)",
                "make_interval(secs => 1.5, hours => -2)", "make_interval(1, days => 3)", "make_interval(secs => 'NaN')",
                 "make_interval(weeks => 2, months => 14)", "make_interval(foo => 1)",
                "make_interval(days => 1, days => 2)", "make_interval(days => 1, 2)", "make_date(year => 2020, month => 2, day => 29)",
                "make_date(day => 1, month => 2, year => 3)", "make_interval(secs => -0.0000005)", "make_interval(years => NULL)",
                "make_interval(mins => 90)", "isfinite(date 'infinity')", "isfinite(timestamp '-infinity')", "isfinite(date '2001-01-01')",
                "isfinite(timestamptz 'infinity')", "abs(days => 1)"]
    for seconds in ["0", "1284352323.123456", "-1.5", "1e10", "1e12", "1e14", "-2e11", "'NaN'", "'-Infinity'", "0.0000005", "-210866803200",
                    "9224318016000", "9224318015999.999999", "-62135596800.25", "1e-7", "1234567890.9999995"]:
        yield f"to_timestamp({seconds}::float8)"
    strides = ["15 minutes", "1 hour", "7 days", "1 day 12:00", "1 month", "0", "-1 day", "00:00:00.000001", "2.5 days", "100000000 days"]
    for i, s, o in itertools.product(strides, STAMPS, ["2000-01-01", "2030-06-15 12:34:56.789", "infinity"]):
        yield f"date_bin('{i}', {ts(s)}, {ts(o)})"
        if rng.random() < 0.3:
            yield f"date_bin('{i}', {tz(s)}, {tz(o)})"
    for _ in range(300):
        yield f"date_bin('{rng.randint(1, 50)} {rng.choice(['minutes', 'hours', 'days', 'seconds'])}', {ts(random_stamp())}, {ts(random_stamp())})"


def overlaps():
    points = ["timestamp '2026-01-01'", "timestamp '2026-01-10'", "timestamp '2026-02-01'", "timestamp '2026-03-01'", "NULL", "timestamp 'infinity'"]
    for _ in range(300):
        a, b, c, d = (rng.choice(points) for _ in range(4))
        if "timestamp" in a and "timestamp" in c:
            b = rng.choice([b, b, "interval '20 days'", "interval '-5 days'", "interval '1 month'"])
            d = rng.choice([d, d, "interval '20 days'", "interval '-5 days'", "interval '1 month'"])
        yield f"({a}, {b}) OVERLAPS ({c}, {d})"
    yield from ["(date '2026-01-01', date '2026-02-01') OVERLAPS (date '2026-01-15', date '2026-03-01')",
                "(date '2026-01-01', interval '1 day') OVERLAPS (date '2026-01-02', interval '1 day')",
                "(timestamptz '2026-01-01', interval '1 day') OVERLAPS (timestamptz '2026-01-01 23:00', timestamptz '2026-01-05')",
                "NOT (date '2026-01-01', date '2026-02-01') OVERLAPS (date '2026-01-15', date '2026-03-01')"]


if __name__ == "__main__":
    write([operators, literals, fields_of_times, zones, making, overlaps], "times.tsv", "times.py", ZONE)
