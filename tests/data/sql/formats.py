#!/usr/bin/env python3
"""Asks a private PostgreSQL 15 in the time zone Europe/Oslo what to_char(), to_date(), to_timestamp() and to_number() give for thousands of
formats, and writes formats.tsv beside this script. See postgres.py.

Left out, because they differ on purpose: integers that wrap in Postgres where V multiplies them (here "integer out of range").
"""
import itertools
import random

from postgres import write
from times import INTERVALS, STAMPS, ZONE, iv, random_interval, random_stamp, ts, tz

rng = random.Random(20261025)

PATTERNS = ["YYYY", "YYY", "YY", "Y", "Y,YYY", "IYYY", "IYY", "IY", "I", "MM", "MONTH", "Month", "month", "MON", "Mon", "mon", "DD", "DAY", "Day", "day",
            "DY", "Dy", "dy", "DDD", "D", "ID", "IDDD", "WW", "W", "IW", "HH24", "HH12", "HH", "MI", "SS", "MS", "US", "FF1", "FF2", "FF3", "FF4", "FF5",
            "FF6", "SSSS", "SSSSS", "AM", "PM", "A.M.", "p.m.", "am", "AD", "BC", "a.d.", "B.C.", "CC", "Q", "J", "RM", "rm", "TZ", "tz", "OF", "TZH",
            "TZM", "FX", "yyyy", "mm", "dd", "hh24", "mi", "ss", "ff3", "j"]
OF_INTERVALS = [p for p in PATTERNS if p.lower() not in ("month", "mon", "day", "dy", "d", "id", "ad", "bc", "a.d.", "b.c.", "tz", "of", "tzh", "tzm")]
SEPARATORS = ["-", "/", ":", " ", ".", ", ", "T", "", "\"text\"", "\\\"", "é", "  ", "_"]


def random_format(patterns):
    parts = []
    for _ in range(rng.randint(1, 5)):
        parts.append(rng.choice(["", "", "", "FM", "fm", "TM"]) + rng.choice(patterns) + rng.choice(["", "", "", "", "TH", "th"]))
        parts.append(rng.choice(SEPARATORS))
    return "".join(parts)


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def shown():
    for p in PATTERNS:
        for mark in ["", "FM", "TM"]:
            for th in ["", "th", "TH"]:
                for s in rng.sample(STAMPS, 3):
                    yield f"to_char({tz(s)}, '{mark}{p}{th}')"
                if rng.random() < 0.3:
                    yield f"to_char({ts(rng.choice(STAMPS))}, '{mark}{p}{th}')"
                for i in [i for i in rng.sample(INTERVALS, 3) if not (p[0] in "IiJjW" and "2147483" in i)]:
                    if p in OF_INTERVALS or rng.random() < 0.2:
                        yield f"to_char({iv(i)}, '{mark}{p}{th}')"
    for s in STAMPS:
        yield f"to_char({tz(s)}, 'YYYY-MM-DD HH24:MI:SS.US TZ OF TZH:TZM BC')"
        yield f"to_char({ts(s)}, 'FMDay, FMDDth FMMonth Y,YYY HH12:MI:SS AM')"
        yield f"to_char({ts(s)}, 'IYYY-\"W\"IW-ID IDDD J CC Q WW W D DDD')"
    for i in INTERVALS:
        if "21474" not in i and "178956970" not in i:
            yield f"to_char({iv(i)}, 'YYYY-MM-DD HH24:MI:SS.US')"
            yield f"to_char({iv(i)}, 'FMHH12:MI AM DDD CC RM Q SSSS')"
    for _ in range(2500):
        f = quoted(random_format(PATTERNS))
        yield f"to_char({rng.choice([ts, tz])(random_stamp())}, {f})"
    for _ in range(800):
        f = quoted(random_format(OF_INTERVALS))
        yield f"to_char({iv(random_interval())}, {f})"
    for f in ["", "hello", "\"quo\\\"ted\" YYYY", "\\YYYY", "\\\\\"YYYY", "FM", "TM", "YYYYSP", "Yyyy", "mOn", "日本YYYY", "\"unclosed YYYY", "FMFMMM", "FXYYYY"]:
        yield f"to_char(timestamp '2026-03-01 04:05:06', {quoted(f)})"
        yield f"to_char(interval '1 year 2 mons 3 days', {quoted(f)})"
    yield from ["to_char(date '2026-03-01', 'YYYY TZ')", "to_char(date 'infinity', 'YYYY')", "to_char(timestamp '2026-03-01', NULL)"]


READ = [("YYYY-MM-DD", ["2026-03-01", "2026-3-1", " 2026-03-01 ", "20260301", "2026/03/01", "2026 03 01", "2026--03-01", "-44-03-15", "10000-01-02", "2026-02-30",
                        "2026-13-01", "2026-00-10", "2026-03-00", "2026", "2026-", "2026-03", "abc", "", "0000-01-01", "2026-03-01x", "99-1-1", "294276-01-01",
                        "5874898-01-01", "2024-02-29", "2023-02-29"]),
        ("YYYYMMDD", ["20260301", "2026031", "202603", "2026 03 01", "19991231", "123456789", "2026-03-01"]),
        ("YYYYMMDDHH24MISS", ["20260301123456", "2026030112345", "20260301246060", "20260301 123456"]),
        ("YYYYMMDDHH24MISSMS", ["20260301123456789", "202603011234567", "2026030112345678"]),
        ("DD Mon YYYY", ["05 Dec 2000", "5 dec 2000", "05 DECEMBER 2000", "05 Dez 2000", "05Dec2000", "31 Feb 2001", "5   May   2000"]),
        ("DD Month YYYY", ["05 December 2000", "5 may 2000", "05 Dec 2000", "1 March2000"]),
        ("FMMonth DDth, YYYY", ["March 1st, 2026", "May 2nd, 2026", "December 31th, 1999"]),
        ("Day, DD Mon YYYY HH12:MI:SS AM", ["Sunday, 01 Mar 2026 12:34:56 PM", "Monday, 01 Mar 2026 12:34:56 AM", "Sunday, 01 Mar 2026 13:34:56 PM",
                                            "Sunday, 01 Mar 2026 00:34:56 PM", "Sun, 01 Mar 2026 1:2:3 am", "Sunday, 01 Mar 2026 11:00:00 xx"]),
        ("YYYY-MM-DD HH24:MI:SS", ["2026-03-01 12:34:56", "2026-03-01 24:00:00", "2026-03-01 23:59:60", "2026-03-01T12:34:56", "2026-03-01 1:2:3", "2026-03-29 02:30:00",
                                   "2026-10-25 02:30:00", "2026-03-01 12:60:00", "2026-03-01 12:34", "2026-03-01   12 : 34 : 56"]),
        ("YYYY-MM-DD HH24:MI:SS.MS", ["2026-03-01 12:34:56.7", "2026-03-01 12:34:56.78", "2026-03-01 12:34:56.789", "2026-03-01 12:34:56.7890", "2026-03-01 12:34:56."]),
        ("YYYY-MM-DD HH24:MI:SS.US", ["2026-03-01 12:34:56.7", "2026-03-01 12:34:56.789012", "2026-03-01 12:34:56.7890123", "2026-03-01 12:34:56"]),
        ("YYYY-MM-DD HH24:MI:SS.FF3", ["2026-03-01 12:34:56.789", "2026-03-01 12:34:56.7", "2026-03-01 12:34:56.7899"]),
        ("YYYY-MM-DD HH24:MI:SS.FF1", ["2026-03-01 12:34:56.7", "2026-03-01 12:34:56.75"]),
        ("YYYY-MM-DD HH24:MI:SS TZH:TZM", ["2026-03-01 12:34:56 +05:30", "2026-03-01 12:34:56 -03:00", "2026-03-01 12:34:56-03:00", "2026-03-01 12:34:56 05:30",
                                           "2026-03-01 12:34:56 +16:00", "2026-03-01 12:34:56 +05", "2026-03-01 12:34:56+05:99", "2026-07-01 12:34:56 -00:30"]),
        ("YYYY-MM-DD HH24:MI TZ", ["2026-03-01 12:34 CET"]), ("YYYY-MM-DD HH24:MI OF", ["2026-03-01 12:34 +01"]),
        ("YYYY-DDD", ["2026-060", "2024-366", "2023-366", "2024-60", "2024-0"]), ("DDD", ["60"]), ("YYYY DDD MM", ["2024 60 05"]),
        ("IYYY-IW-ID", ["2026-09-7", "2020-53-5", "2020-54-1", "2026-01-1", "2026-1-8"]), ("IYYY-IW", ["2026-09", "2009-53"]), ("IYYY IDDD", ["2026 061", "2020 371"]),
        ("IYYY-IDDD", ["2026-061"]), ("IYYY-MM", ["2026-03"]), ("YYYY-IW", ["2026-09"]), ("IYYY", ["2026"]),
        ("YYYY-WW", ["2026-09", "2026-54", "2026-00"]), ("YYYY-WW-D", ["2026-09-3"]), ("YYYY-MM-W", ["2026-03-2", "2026-03-6"]),
        ("J", ["2451545", "0", "2461101", "1", "2147483647", "-1"]), ("J HH24", ["2451545 12"]),
        ("CC YY", ["21 26", "20 00", "19 99", "-1 26"]), ("CC", ["21", "-1", "0"]), ("CC YYYY", ["19 2026"]), ("CC YY BC", ["1 44 BC"]), ("CC BC", ["1 BC"]),
        ("YYYY BC", ["0044 BC", "44 AD", "0044 bc", "44 xx"]), ("YYYY-MM-DD B.C.", ["0044-03-15 B.C.", "0044-03-15 A.D."]), ("Y,YYY", ["2,026", "1,999", "2026", "2,02", "12,345"]),
        ("YY-MM-DD", ["26-03-01", "69-01-01", "70-01-01", "99-12-31", "00-01-01", "126-01-01", "2026-01-01"]), ("YYY", ["026", "999", "500", "519", "520", "26"]), ("Y", ["5", "26"]),
        ("IYY-IW", ["026-01"]), ("IY-IW", ["26-01"]), ("I-IW", ["6-01"]),
        ("Q YYYY", ["1 2026", "9 2026"]), ("RM YYYY", ["III 2026", "iv 2026", "XII 2026", "VIII2026", "X 2026", "XIII 2026"]), ("YYYY rm", ["2026 ix"]),
        ("SSSS", ["3661", "86399", "86400", "0"]), ("YYYY-MM-DD SSSSS", ["2026-03-01 45296"]), ("HH24:MI:SS", ["12:34:56"]), ("HH:MI PM", ["03:15 PM", "12:15 am", "0:15 am", "13:00 pm"]),
        ("MI:SS", ["10:20"]), ("DD", ["15", "31", "32", "0"]), ("MM", ["5", "13"]), ("MM-DD", ["02-29", "02-31"]), ("DD DD", ["15 15", "15 16"]), ("YYYY YYYY", ["2026 2026", "2026 2027"]),
        ("FXYYYY-MM-DD", ["2026-03-01", "2026-3-1", "2026/03/01", " 2026-03-01", "2026 03 01", "2026-03-1"]), ("FXYYYY  MM", ["2026 03", "2026  03"]),
        ("FXDD Mon YYYY", ["05 Dec 2000", "5 Dec 2000", "05  Dec 2000"]), ("FXFMDD/FMMM/YYYY", ["5/3/2026", "05/03/2026"]),
        ("YYYYTHMMTHDDTH", ["2026th03rd01st", "2026030101"]), ("DDth Mon YYYY", ["1st Mar 2026", "22nd Mar 2026"]),
        ("\"Date:\" YYYY-MM-DD", ["Date: 2026-03-01", "xxxxx 2026-03-01", "2026-03-01"]), ("YYYY\"x\"MM", ["2026x03", "2026y03", "202603"]),
        ("YYYY\\\"MM", ["2026\"03"]), ("YYYYMon", ["2026Mar", "2026mar", "2026 Mar"]), ("TMMonth YYYY", ["March 2026"]), ("TMDay YYYY", ["Monday 2026"]), ("Dy YYYY", ["Mon 2026", "xx 2026"]),
        ("", ["", "2026"]), ("foo", ["bar"]), ("YYYY年MM月DD日", ["2026年03月01日"]), ("YYYY.MM.DD", ["2026.03.01", "2026-03-01"]), ("YYYYMM", ["202603", "2026 3", "20263"]),
        ("MMDDYYYY", ["03012026", "3012026"]), ("MM/DD/YYYY HH12:MI AM", ["3/1/2026 1:05 PM", "03/01/2026 01:05 AM"]), ("YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"", ["2026-03-01T12:34:56Z"]),
        ("FMYYYY-FMMM-FMDD", ["2026-3-1"]), ("YYYY-MM-DDTHH24:MI", ["2026-03-01T12:34", "2026-03-01THH12:34"]), ("US", ["123456"]), ("MS", ["1", "12"]), ("HH24", ["-1", "+5", " 7"]), ("YYYY", ["99999999999", "-5", "+2026", "2 026"])]


def read():
    for f, texts in READ:
        for t in texts:
            yield f"to_timestamp({quoted(t)}, {quoted(f)})"
            yield f"to_date({quoted(t)}, {quoted(f)})"
    numeric = ["YYYY", "MM", "DD", "HH24", "MI", "SS", "MS", "US", "FMMM", "Mon", "DDD", "YY", "HH12", "AM", "BC", "FMDD", "DDth"]
    for _ in range(1500):
        n = rng.randint(2, 5)
        chosen, gaps = rng.sample(numeric, n), [rng.choice(["-", " ", "/", "", ":", "T", "  "]) for _ in range(n)]
        moment = f"2{rng.randint(100, 999)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} {rng.randint(1, 23)}:{rng.randint(0, 59)}:{rng.randint(0, 59)}.{rng.randint(0, 999999):06}"
        text = []
        for p, g in zip(chosen, gaps):
            value = {"YYYY": moment[:4], "YY": moment[2:4], "MM": moment[5:7], "FMMM": str(int(moment[5:7])), "DD": moment[8:10], "FMDD": str(int(moment[8:10])), "DDth": moment[8:10] + "th",
                     "Mon": "Mar", "DDD": "077", "HH24": "13", "HH12": rng.choice(["01", "12", "7"]), "MI": "59", "SS": "08", "MS": "123", "US": "123456", "AM": rng.choice(["AM", "pm"]), "BC": rng.choice(["BC", "ad"])}[p]
            text.append(value + (g if rng.random() < 0.8 else rng.choice(["-", " ", "", "  "])))
        f, t = "".join(p + g for p, g in zip(chosen, gaps)), "".join(text)
        yield f"to_timestamp({quoted(t)}, {quoted(f)})"
        if rng.random() < 0.4:
            yield f"to_date({quoted(t)}, {quoted(f)})"


NUMBERS = {"integer": ["0", "1", "-1", "12", "-12", "485", "-485", "1485", "123456", "-2147483648", "2147483647", "3999", "4000", "11", "111", "22", "103"],
           "bigint": ["0", "5", "-485", "9223372036854775807", "-9223372036854775808", "1234567890123"],
           "numeric": ["0", "0.1", "-0.1", "12.454", "-12.454", "148.5", "3148.5", "485.8", "-485", "0.00012345", "-0.5", "0.5", "9.99", "99.95", "1e10", "-123456789012345678.9012345678", "'NaN'",
                       "'Infinity'", "'-Infinity'", "0.0", "100.00", "12345.678901"],
           "double precision": ["0", "'-0'", "0.1", "-0.1", "12.45", "-12.454", "1485.8", "1e15", "1.5e300", "-1e-10", "'NaN'", "'Infinity'", "'-Infinity'", "123456.789012345678", "0.5", "2.5", "99.995"],
           "real": ["0", "0.1", "-12.454", "1485.8", "3e38", "1e-20", "'NaN'", "'Infinity'", "123456.789"]}
NUMBER_FORMATS = ["9", "99", "999", "9999", "999999999", "0", "000", "0999", "9990", "9990999.9", "999.99", "999.9", "9.99", ".99", "9.", "0.9", "FM0.9", "FM9.99", "FM999.99", "FM999.990", "FM990.999", "FM.99",
                  "99.99S", "S999", "999S", "MI999", "999MI", "FM999MI", "PL999", "999PL", "SG999", "999SG", "9SG9", "FMSG999", "999PR", "FM999PR", "999.9PR", "RN", "FMRN", "rn", "FMrn", "999th", "999TH", "FM999th", "9,999", "9G999",
                  "999,999,999", "FM999,999", "9G999D999", "9,999.99", "L999", "L9G999D99", "999L", "9 9 9", "9 9,9", "V99", "99V9", "99V99", "9.99EEEE", "9.999EEEE", "EEEE", "9EEEE", "FM9.99", "B999", "B99.9", "\"Good number:\"999",
                  "\"Pre:\"999\" Post:\" .999", "00000", "FM00.00", "S0.9", "FMS999", "S9.9", "9.9S", "FM9.9S", "SP999", "C999", "0.00", "99999999999999999999.9999999999", "999.", "FM999.", "FM999999999999999990.099999999999", "",
                  "0,000", "09,999.90", "FM09,999.90", "FM9,999", "TH", "999.99th", "99é99", "D99", "9D9", "0D0", "999D99S", "FM9990.0099", "SG9.9", "9.9MI", "FM9.9MI", "9.9PL", "MI9.9", "RN999", "999 RN", "FM 9 9",
                  "9.9.9", "99V9.9", "9.9V9", "S999S", "S999MI", "MI999S", "999PRS", "999PR9", "9.9EEEE9", "S9.9EEEE", "FM9EEEE", "PLS9", "SGS9", "PRMI9", "EEEEEEEE", "VV99", "9V9V9", "99.9V", "999PR0", "0V0", "S.9", "x999y", "%"]


def random_number_format():
    parts = [rng.choice(["", "FM", "", "S", "MI", "PL", "SG", "L", "B"])]
    for _ in range(rng.randint(1, 6)):
        parts.append(rng.choice(["9", "99", "0", "9", "999", "0", ",", "G", " ", "9"]))
    if rng.random() < 0.6:
        parts.append(rng.choice([".", "D"]) + "".join(rng.choice("990") for _ in range(rng.randint(0, 5))))
    parts.append(rng.choice(["", "", "", "S", "MI", "PR", "PL", "SG", "th", "TH", "V9"]))
    return "".join(parts)


def numbers():
    for kind, values in NUMBERS.items():
        for v in values:
            for f in NUMBER_FORMATS if kind in ("numeric", "integer") else rng.sample(NUMBER_FORMATS, 45):
                if not (kind == "integer" and "V" in f and len(v) > 8):  # Postgres lets the product wrap
                    yield f"to_char(({v})::{kind}, {quoted(f)})"
    for _ in range(2500):
        kind = rng.choice(["numeric", "numeric", "integer", "double precision", "real"])
        v = rng.choice(NUMBERS[kind] + [f"{rng.uniform(-9999, 9999):.{rng.randint(0, 6)}f}", f"{rng.uniform(-1, 1):.4f}"])
        f = random_number_format()
        if not (kind == "integer" and "V" in f and len(v) > 8):
            yield f"to_char(({v})::{kind}, {quoted(f)})"


def parsed_numbers():
    texts = ["12,454.8-", "-34,338,492", "-34,338,492.654,878", "0.00001-", "5.01-", "5 4 4 4 4 8 . 7 8", ".01", "0", ". 0 1", "   34,50", "1,234,567", "1234.56", "+1234", "-1234", "$1,234.56", "<123>", "123th", "1st", "12.34.56",
             "abc", "", "  ", "-", "1e5", "123-", "123+", "+123.4", "12345678901234567890", "1 234", "é12", "12é3", "-12", "12.3-", "000123", "12a3", "1.", "-.5", "007.50", "1234567.891", "£12", "12 PR", "MMXX"]
    formats = ["99G999D9S", "999,999,999", "99,999,999,999", "999,999,999.999,999", "FM9.999999MI", "9 9 9 9 9 9 . 9 9", "9.99", "99.99", "FM9.9999999", "S999", "999S", "MI999", "999MI", "PL999", "SG999", "999PR", "999.99PR", "999th", "999TH",
               "L999,999.99", "9999", "99V99", "999V9", "9", "0", "00000", "9.", "D9", "999.99S", "S9.9", "9G999", "RN", "9EEEE", "", "x999", "\"ab\"999", "B99", "FM999", "99999999999999999999", "9.9.9", "C999", "999 ", " 999", "9,9,9"]
    for t, f in itertools.product(texts, formats):
        yield f"to_number({quoted(t)}, {quoted(f)})"


if __name__ == "__main__":
    write([shown, read, numbers, parsed_numbers], "formats.tsv", "formats.py", ZONE)
