#!/usr/bin/env python3
"""As postgres.py, for the manual's chapters 9.2 to 9.7 and 9.14: writes chapters.tsv beside this script."""
import itertools
import random

from postgres import ALL, BOOLS, DATES, INTS, NUMERICS, TEXTS, some, write

rng = random.Random(1503)
BYTES = ["'\\x'::bytea", "'\\x00'::bytea", "'\\x1234567890'::bytea", "'abc'::bytea", "'\\xff00ff'::bytea", "'a\\\\b\\001'::bytea", "NULL::bytea",
         "convert_to('äöü日', 'UTF8')"]
UUIDS = ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "'{a0eebc999c0b4ef8bb6d6bb9bd380a12}'::uuid", "'00000000-0000-0000-0000-000000000000'::uuid",
         "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", "NULL::uuid"]


def binary():
    for x in BYTES:
        for f in ["length", "octet_length", "bit_length", "bit_count", "md5", "sha224", "sha256", "sha384", "sha512"]:
            yield f"{f}({x})"
        for t in ["text", "bytea", "integer", "uuid"]:
            yield f"({x})::{t}"
        for f in ["base64", "hex", "escape", "BASE64", "x"]:
            yield f"encode({x}, '{f}')"
        for c in ["UTF8", "utf-8", "LATIN1", "iso_8859_1", "nonsense"]:
            yield f"convert_from({x}, '{c}')"
            if c != "nonsense":
                yield f"length({x}, '{c}')"
        for n in [-3, -1, 0, 1, 2, 4, 5, 6, 7, 40]:
            yield from [f"get_byte({x}, {n})", f"get_bit({x}, {n})", f"set_byte({x}, {n}, 300)", f"set_bit({x}, {n}, 1)", f"set_bit({x}, {n}, 0)"]
            yield from [f"substr({x}, {n})", f"substr({x}, {n}, 2)", f"substring({x} FROM 2 FOR {n})", f"overlay({x} PLACING '\\xaabb' FROM {n})",
                        f"overlay({x} PLACING '\\xaabb' FROM 2 FOR {n})"]
        yield from [f"set_bit({x}, 0, 2)", f"replace(encode(repeat('é', 60)::bytea || {x}, 'base64'), chr(10), '~')"]
    for x, y in itertools.product(BYTES, BYTES):
        yield from [f"{x} || {y}", f"position({y} IN {x})", f"{x} < {y}", f"{x} = {y}", f"{x} >= {y}", f"greatest({x}, {y})"]
        yield from [f"btrim({x}, {y})", f"ltrim({x}, {y})", f"rtrim({x}, {y})", f"trim(BOTH {y} FROM {x})", f"{x} IS DISTINCT FROM {y}"]
    for n in range(55, 60):
        yield f"replace(encode(repeat('x', {n})::bytea, 'base64'), chr(10), '~')"
    for n in [0, 1, 27, 55, 56, 63, 64, 65, 111, 112, 119, 120, 127, 128, 129, 200]:
        for f in ["md5", "sha224", "sha256", "sha384", "sha512"]:
            yield f"{f}(repeat('q', {n})::bytea)"
    for s in ["", "MTIz", "MTIzAAE=", "MTIzAA==", "MTIzAA=", "MTIzA", "M=", "=", "MT Iz\\n", "MT*z", "====", "MTI=MTI="]:
        yield f"decode('{s}', 'base64')"
    for s in ["", "12", "1", "1g", "AbCd", " 12 34 ", "1 2", "\\x12"]:
        yield f"decode('{s}', 'hex')"
    for s in ["", "abc", "a\\\\b", "\\001", "\\9", "\\x41", "é\\377"]:
        yield f"decode('{s}', 'escape')"
    for s in ["\\x12 34", "\\x1", "\\xg0", "\\xAB", "a\\\\c", "\\1"]:
        yield f"'{s}'::bytea"
    yield from ["convert_to('äöü', 'LATIN1')", "convert_to('日', 'LATIN1')", "convert_to('x', 'nonsense')", "'\\x01'::bytea || 'x'", "'x' || '\\x01'::bytea",
                "'\\x01'::bytea || 'x'::text", "'a'::text || '\\x01'::bytea", "1 || '\\x01'::bytea", "upper('\\x01'::bytea)"]


def uuids():
    for x, y in itertools.product(UUIDS, UUIDS):
        for op in ["=", "<>", "<", "<=", ">", ">=", "||"]:
            yield f"{x} {op} {y}"
        yield from [f"greatest({x}, {y})", f"nullif({x}, {y})", f"coalesce({x}, {y})", f"{x} IS NOT DISTINCT FROM {y}", f"{x} IN ({y})"]
    for x in UUIDS:
        yield from [f"({x})::text", f"({x})::varchar(8)", f"({x})::bytea", f"{x} || 'x'", f"concat({x}, '!')", f"{x} = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]
    for s in ["a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", "a0eebc99", "", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a1g"]:
        yield f"'{s}'::uuid"


def quoting():
    names = ["'abc'", "'Abc'", "'a b'", "'select'", "'date'", "'integer'", "'a\"b'", "''", "'_x1'", "'1x'", "'ä'", "'table'", "'name'", "'with'", "NULL"]
    for x in names:
        yield f"quote_ident({x})"
    for x in [*names, "E'it''s \\\\ here'", "1", "1.50", "true", "date '2026-01-01'", "'\\x01'::bytea", "'x'::text", *NUMERICS[:3]]:
        yield from [f"quote_literal({x})", f"quote_nullable({x})"]
    values = ["'a'", "1.50", "NULL", "true", "'it''s'", "'a b'"]
    patterns = ["%s", "%I", "%L", "%%", "%5s|", "%-5s|", "%05s|", "%1$s %1$s", "%2$s %s", "%s %s %s", "%", "%x", "%0$s", "%3$s", "%*s|", "%-*s|", "%2$*1$s|", "%1$", "%1",
                "%*1$s|", "äö %5L", "%-", "%1$-8s|", "%--8s|", "%99999999999s", "%1$10I|", "no", ""]
    for p in patterns:
        yield f"format('{p}')"
        for x, y in itertools.product(values, values[:4]):
            yield f"format('{p}', {x}, {y})"
        yield from [f"format('{p}', 7, 'x', 'y')", f"format('{p}', '-6', 'x')", f"format('{p}', -6, 'x')", f"format('{p}', NULL, 'x')"]
    yield from ["format(NULL)", "format(NULL, 1)", "format('%s', 1, 2, 3)"]


def overlays():
    for x, n in itertools.product(TEXTS[:8] + ["NULL"], [-1, 0, 1, 2, 5, 30]):
        yield f"overlay({x} PLACING 'äb' FROM {n})"
        yield f"overlay({x} PLACING 'äb' FROM 2 FOR {n})"
        yield f"overlay({x}, 'äb', 3, {n})"
    yield "overlay('abc' PLACING 'x' FROM 2147483647 FOR 2147483647)"


def escapes():
    for s in ["", "abc", "\\0061bc", "\\+000061", "\\u0061", "\\U00000061", "a\\\\b", "\\", "\\006", "\\zzzz", "\\d83d\\de00", "\\d83d", "\\de00", "\\d83dx", "\\0000", "\\U00110000", "\\u00e9é", "\\+01F600",
              "\\d83d\\d83d", "\\D83D\\+00de00"]:
        yield f"unistr('{s}')"


def nulls():
    for pool in ALL:
        x, y, z = some(pool, 3)
        yield from [f"num_nulls({x}, {y}, NULL, {z})", f"num_nonnulls({x}, {y}, NULL, {z})", f"num_nulls({x})"]
        yield from [f"{x} IS DISTINCT FROM {y}", f"{x} IS NOT DISTINCT FROM {x}", f"{x} IS NOT DISTINCT FROM NULL", f"{x} IS DISTINCT FROM NULL"]
        yield from [f"{x} BETWEEN SYMMETRIC {y} AND {z}", f"{x} NOT BETWEEN SYMMETRIC {z} AND {y}", f"({x}) ISNULL", f"({x}) NOTNULL"]
    for x in BOOLS:
        yield from [f"({x}) IS {t}" for t in ["TRUE", "NOT TRUE", "FALSE", "NOT FALSE", "UNKNOWN", "NOT UNKNOWN"]]
    yield from ["num_nulls()", "greatest(NULL, NULL)", "least(NULL, 3, NULL, 2)", "greatest(1, 2.5)", "greatest('a', 'B')", "greatest('2', 10)", "num_nulls(NULL, NULL)"]


REGEX_TEXTS = ["'abc'", "''", "'foobarbaz'", "'XY1234Z'", "'aaa bbb  ccc'", "'The quick brown fox'", "'äöü ÄÖÜ ß'", "'日本語 text 123'", "E'line1\\nline2\\n'",
               "'user@example.com, x@y.org'", "'2026-03-01T12:34:56'", "'a.b*c+d?'", "'foofoobar'", "'aaabbb'", "'abcabcabd'", "NULL", "E'tab\\there'", "'k=v;k2=v2'"]
PATTERNS = ["abc", "a.c", "^abc$", "b", "", "x*", "(foo|foobar)", "foo|foobar", "foobar|foo", "Y*([0-9]{1,3})", "Y*?([0-9]{1,3})", "(a+)(b*)", "(a+?)(b*)", "(a|ab)(c|bcd)?",
            "\\d+", "\\w+", "\\s+", "\\D+", "\\W+", "\\S+", "[[:alpha:]]+", "[[:digit:]]+", "[[:upper:]]+", "[[:lower:]]+", "[[:space:]]", "[[:punct:]]+", "[[:alnum:]_]+",
            "[[:xdigit:]]+", "[^a-z]+", "[]a]+", "[^]a]+", "[a-]+", "[\\d,]+", "[\\w.]+@[\\w.]+", "(\\w+)@(\\w+)\\.(com|org)", "(\\w)\\1", "(foo)\\1", "([a-c]+?)\\1",
            "\\mfoo", "foo\\M", "\\yfox\\y", "\\Yo\\Y", "\\Aa", "c\\Z", "a{2}", "a{2,}", "a{1,2}", "a{1,2}?", "a{2}b{1,}?", "(ab?)+", "(?:ab?)*c", "a(?=b)", "a(?!b)", "(?<=a)b", "(?<!a)b",
            "(?i)ABC", "(?x)a b c # nothing", "(?n)^line2$", "(?p)e.l", "(?w)^line2$", "^line2$", "1.l", "e[^x]l", "***=a.b*c+d?", "***:abc", "(?q)a.b", "(?e)a\\.b", "\\u0061bc", "\\x61",
            "\\e|\\t", "[[.a.]b]+", "[[=a=]b]+", "{", "}", "a{x", "a|b|", "()", "|",
            "(a)|b", "(a)(x)?", "^", "$", "a$", "b$", "(.*),(.*)", "^(\\S+)\\s+(.*)$", "(\\d{4})-(\\d{2})-(\\d{2})", ".*?o", ".*o", "o.*?r", "(?:x|y|z)+", "[äö]+", "ä|ü", "(=|;)", "k(\\d?)=(\\w+)",
            "(a*)+", "(a*)(ab)*(b*)", "(aa|a)*b", "([^=;]+)=([^;]*)", "[[:<:]]b", "b[[:>:]]", ".{3}", "^.{2,4}", "(.)(.)", "b*", "[[:word:]]+", "\\w+\\s*\\d*", "(?#note)abc", "a(?#x)*"]


BAD_PATTERNS = ["(", ")", "[", "a**", "*a", "a{300}", "a{2,1}", "[z-a]", "\\", "a|*b", "[[:nope:]]", "(?z)a", "\\q", "\\1", "a{1,", "(?=a)*", "[a-c-e]", "[a-\\d]", "a{2}{3}", "(?<x>a)",
                "[[.nope.]]", "a+*", "***x", "\\u12", "\\x", "[\\m]", "(?:", "(a)\\2"]


def matching():
    # with NULL for the text Postgres looks at no pattern; here a constant one is always looked at
    for p in BAD_PATTERNS:
        yield from [f"'abc' ~ '{p}'", f"regexp_replace('abc', '{p}', 'x')", f"'abc' ~ ('{p}' || '')", f"regexp_count('abc', '{p}')"]
    for x, p in itertools.product(REGEX_TEXTS, PATTERNS):
        yield from [f"{x} ~ E'{p.replace(chr(92), chr(92) * 2)}'", f"substring({x} FROM '{p}')"]
    for x, p in itertools.product(REGEX_TEXTS, PATTERNS):
        yield rng.choice([f"{x} ~* '{p}'", f"{x} !~ '{p}'", f"{x} !~* '{p}'"])
        yield rng.choice([f"regexp_replace({x}, '{p}', '<\\&>')", f"regexp_replace({x}, '{p}', '[\\1|\\2\\\\\\3]', 'g')", f"regexp_replace({x}, '{p}', '', 'gi')",
                          f"regexp_replace({x}, '{p}', '-', 2)", f"regexp_replace({x}, '{p}', '<\\&>', 1, 2)", f"regexp_replace({x}, '{p}', '\\x', 1, 0, 'i')"])
        yield rng.choice([f"regexp_count({x}, '{p}')", f"regexp_count({x}, '{p}', 3)", f"regexp_count({x}, '{p}', 1, 'i')", f"regexp_count({x}, '{p}', 1, 'n')"])
        yield rng.choice([f"regexp_instr({x}, '{p}')", f"regexp_instr({x}, '{p}', 2, 2)", f"regexp_instr({x}, '{p}', 1, 1, 1)", f"regexp_instr({x}, '{p}', 1, 1, 0, 'i', 1)"])
        yield rng.choice([f"regexp_substr({x}, '{p}')", f"regexp_substr({x}, '{p}', 2, 2)", f"regexp_substr({x}, '{p}', 1, 1, 'n', 1)", f"regexp_like({x}, '{p}', 'i')"])
    for flags in ["", "g", "i", "gi", "n", "x", "q", "c", "ic", "z", "s", "p", "w", "t", "1", "m"]:
        yield from [f"regexp_replace(E'Abc\\nab c.', '^a b|c$|.', '<\\&>', '{flags}')", f"regexp_like(E'Abc\\nabc', '^abc$', '{flags}')", f"regexp_count('a.A', 'a.', 1, '{flags}')"]
    for start in [-1, 0, 1, 3, 4, 5, 100]:
        yield from [f"regexp_replace('äbc', '.?', 'X', {start})", f"regexp_replace('äbc', '.', 'X', 1, {start})", f"regexp_instr('äbc', '', {start})", f"regexp_instr('äbc', '.', 1, {start})",
                    f"regexp_count('äbc', '', {start})", f"regexp_substr('äbc', '.', {start})", f"regexp_instr('äbc', '(.)', 1, 1, {start})", f"regexp_instr('äbc', '(b)', 1, 1, 0, '', {start})"]
    similar = ["abc", "a%", "%b%", "_b_", "a(b|x)c", "(foo|foobar)%", "[a-c]*", "[a-c]{3}", "%[0-9]+%", "a\\%b", "a.c", "^abc$", "%(ba)+%", "", "%", "foo|abc", "[^x]*", "\\d*", "a+b?c"]
    for x, p in itertools.product(REGEX_TEXTS, similar):
        yield from [f"{x} SIMILAR TO '{p}'", f"{x} NOT SIMILAR TO '{p}'"]
    for p in ["%#\"o_b#\"%", "#\"%#\"", "%#\"b%#\"%", "foo#\"%#\"baz", "%#\"[0-9]+#\"%", "#\"a#\"#\"", "abc", "%b#", "%#\"(a|b)+#\"%"]:
        for x in REGEX_TEXTS:
            if x != "NULL":
                yield f"substring({x} SIMILAR '{p}' ESCAPE '#')"
        yield f"substring('foobarbaz' FROM '{p}' FOR '#')"
    yield from ["'abc' SIMILAR TO 'a!%' ESCAPE '!'", "'a%' SIMILAR TO 'a!%' ESCAPE '!'", "'x' SIMILAR TO 'x' ESCAPE 'ab'", "'a\\b' SIMILAR TO 'a\\b' ESCAPE ''", "NULL ~ 'a'", "'a' ~ NULL",
                "'a' SIMILAR TO NULL", "'Ünï' ~* 'ÜNÏ'", "1 ~ '1'", "1::text ~ '1'", "'a' ~ 'a' AND 'b' !~ 'a'"]


def random_patterns():
    atoms = ["a", "b", "c", ".", "[ab]", "[^a]", "\\w", "(a)", "(b|c)", "(?:ab)", "(ab|a)", "(a*)", "(?:b+)", "\\d", "^", "$"]
    for _ in range(1500):
        parts = [rng.choice(atoms) + rng.choice(["", "", "", "*", "+", "?", "*?", "+?", "??", "{1,2}", "{2}"]) for _ in range(rng.randint(1, 4))]
        p = "".join(parts)
        if rng.random() < 0.25:
            p += "|" + rng.choice(["a", "ab", "abc", "b+", "c.*"])
        x = "".join(rng.choice("aabbc1 ") for _ in range(rng.randint(0, 9)))
        if "(a*)*" in p:  # what an empty last round leaves in the group differs
            continue
        yield f"'{x}' ~ '{p}'"
        yield f"substring('{x}' FROM '({p})')"
        yield f"regexp_replace('{x}', '{p}', '<\\&|\\1>', 'g')"


MAGNITUDES = ["0", "1", "1.0", "2", "2.0", "10", "0.5", "1.5", "-2.50", "-1.0", "0.1", "0.001", "0.9", "1.1", "1.000000000000000000001", "0.9999999999", "3.14159265358979323846264338327950288",
              "100", "1000.000", "1e10", "1.0e-10", "123456789012345678.9", "99999999999999999999", "1e30", "1e-30", "7.25", "12345.678", "0.0000001", "0.00", "1e100", "12", "0.3333333333333333333333",
              "4503599627370497.5", "42", "6000", "-5.5", "'NaN'", "'Infinity'", "'-Infinity'"]
EXPONENTS = ["0", "1", "2", "3", "-1", "-2", "0.5", "-0.5", "1.5", "10", "20", "-10", "0.3333333333333333", "2.0", "-3.00", "100", "1e-20", "12.345", "1000", "'NaN'", "'Infinity'", "'-Infinity'", "33", "-7.7",
             "2147483648", "0.000"]


def mathematics():
    for x in MAGNITUDES:
        n = f"({x})::numeric"
        for f in ["sqrt", "exp", "ln", "log", "log10", "scale", "min_scale", "trim_scale", "round", "sign", "ceil"]:
            yield f"{f}({n})"
        for y in EXPONENTS:
            yield from [f"power({n}, ({y})::numeric)", f"{n} ^ ({y})::numeric"]
        for y in MAGNITUDES:
            yield f"log({n}, ({y})::numeric)"
    for x, y in itertools.product(some(MAGNITUDES, 25), some(MAGNITUDES, 25)):
        yield from [f"gcd({x}, {y}::numeric)", f"lcm({x}, {y}::numeric)"]
    for x, y in itertools.product(INTS, INTS):
        yield from [f"gcd({x}, {y})", f"lcm({x}, {y})"]
    for n in [-1, 0, 1, 2, 5, 20, 21, 33, 100, 500, 32178]:
        yield f"factorial({n})"
    yield from ["length(factorial(3000)::text)", "factorial(NULL)", "length(exp(5999.9)::text)", "exp(6000.1)", "exp(-6000.1)", "exp(-5000.5)", "length(power(10.0, 131071)::text)",
                "power(10.0, 131072)", "power(0.1, 131072)", "power(1.0000000001, 2000000000)", "power(0.9999999999, 2000000000)", "power(2.5, 1000.5)", "power(2.5, 100000.5)", "power(2.5, -100000.5)",
                "2 ^ 0.5", "2 ^ 10", "2.0 ^ 10", "2.0 ^ -1 ", "(-2.0) ^ 3", "(-2.0) ^ 3.5", "0.0 ^ 0", "0.0 ^ 1.5", "0.0 ^ (-1)", "10.0 ^ (-20)", "10.5 ^ (-20)", "sqrt(-1.0)", "sqrt(0.25)", "sqrt(1e-20)",
                "md5((0.5 ^ (-60000))::text)", "md5((0.123456789 ^ (-9999))::text)", "0.00012 ^ (-31)", "0.99 ^ (-1234)", "3.7 ^ (-400)", "1.0000001 ^ (-2000000000)", "md5((0.9999 ^ (-200000))::text)",
                "0.5 ^ (-500000)", "div(pow(10::numeric, 400.5), 3.5)", "div(1e400, 7)", "div('Infinity'::numeric, 7)", "sqrt(16)", "exp(1)", "ln(2)", "|/ 25.0", "||/ 27.0", "@ -5.0", "sqrt(2::numeric(40,30))", "exp(1::numeric(60,50))", "ln(10::numeric(60,50))", "log(2, 64)", "log(2.0, 64)", "ln(10::numeric(200,150))",
                "exp(0.1::numeric(200,120))", "sqrt(1e200 + 1)", "ln(1e1000)", "log(1e-1000)"]
    for _ in range(700):
        x = f"{rng.choice(['', '', '-'])}{rng.randrange(10 ** rng.randint(1, 20))}.{rng.randrange(10 ** rng.randint(1, 20))}"
        y = f"{rng.choice(['', '', '-'])}{rng.randrange(10 ** rng.randint(1, 3))}.{rng.randrange(10 ** rng.randint(1, 10))}"
        f = rng.choice(["sqrt", "ln", "exp", "log", "power", "powerint", "logxy"])
        if f == "power":
            yield f"power(abs({x}), {y})"
        elif f == "powerint":
            yield f"power({y}, {rng.randint(-30, 30)})"
        elif f == "logxy":
            yield f"log(abs({y}), abs({x}))"
        else:
            yield f"{f}({y if f == 'exp' else x})"


def buckets():
    for kind in ["numeric", "float8"]:
        for x, (low, high) in itertools.product(["-1", "0", "0.5", "1", "5.35", "9.999999999999", "10", "11", "1e300", "'NaN'", "'Infinity'", "'-Infinity'"],
                                                [("0", "10"), ("10", "0"), ("-5", "5"), ("1", "1"), ("0", "'Infinity'"), ("'NaN'", "1"), ("-1e7", "1e7"), ("0.1", "0.3")]):
            for n in [0, 1, 5, 7, 2147483647]:
                yield f"width_bucket(({x})::{kind}, ({low})::{kind}, ({high})::{kind}, {n})"
    yield from ["width_bucket(3, 0, 10, 5)", "width_bucket(3.5, 0, 10, 5)", "width_bucket(NULL, 0, 10, 5)",
                "width_bucket(-1.5707963267948966::double precision, 6927943620781427680, -666.69, 2)"]


def angles():
    values = ["0", "30", "45", "60", "90", "120", "135", "150", "180", "210", "225", "270", "300", "315", "330", "360", "-30", "-45", "-90", "-180", "-400", "1", "12.5", "89.999", "725", "1e10",
              "'NaN'", "'Infinity'", "NULL"]
    for f in ["sind", "cosd", "tand", "cotd", "sinh", "cosh", "tanh", "asinh", "acosh", "cot", "degrees", "radians"]:
        for x in values:
            yield f"{f}(({x})::float8)"
    for f in ["asind", "acosd", "atand", "atanh", "asin", "acos", "asinh", "atan"]:
        for x in ["0", "0.5", "-0.5", "1", "-1", "0.25", "0.7071067811865476", "-0.9", "2", "'NaN'", "'Infinity'", "1e-20"]:
            yield f"{f}(({x})::float8)"
    for x, y in itertools.product(["0", "1", "-1", "0.5", "'Infinity'", "'NaN'"], repeat=2):
        yield f"atan2d({x}, {y})"
    yield from ["sinh(1000)", "cosh(-1000)", "sinh(-1000)", "tanh(1000)"]


def parts():
    for x, p in itertools.product(REGEX_TEXTS, PATTERNS):
        yield from [f"regexp_match({x}, '{p}')", f"regexp_split_to_array({x}, '{p}')"]
    for x, p in some(list(itertools.product(REGEX_TEXTS, PATTERNS)), 300):
        yield from [f"regexp_match({x}, '{p}', 'i')", f"regexp_split_to_array({x}, '{p}', 'n')"]
    yield from ["regexp_match('a', 'a', 'g')", "regexp_split_to_array('a', 'a', 'g')", "regexp_split_to_array('', '')", "regexp_split_to_array('abc', '')", "(regexp_match('k=v', '(.)=(.)'))[2]"]
    names = ["a", "A.b", "\"A\".b", "a..b", ".a", "a.", "a . b", "a b", "a.b.c.d", "\"a\"\"b\".c", "\"a", "\"\"", "", " ", "1a", "a1$", "ä.Ö", "a.b(c)", "a.\"b\"c", "a[1]", "\"a\".", "a.1"]
    for n in names:
        yield from [f"parse_ident('{n}')", f"parse_ident('{n}', false)"]
    for x in ["1", "5", "5.5", "NULL", "'NaN'::float8", "0::bigint", "100"]:
        for a in ["ARRAY[1, 3, 4, 6]", "ARRAY[1.5, 5.5]", "ARRAY[1, NULL]", "'{}'::integer[]", "ARRAY[[1, 2], [3, 4]]", "ARRAY[1, 5, 'NaN']::float8[]"]:
            yield f"width_bucket({x}, {a})"
    yield "width_bucket(date '2026-01-05', ARRAY[date '2026-01-01', date '2026-01-05'])"


def rows():
    for a, b, c, d in itertools.product(["1", "2", "NULL"], repeat=4):
        yield from [f"({a}, {b}) {op} ({c}, {d})" for op in ["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]]
        yield from [f"({a}, {b}) IN (({c}, {d}), (1, 2))", f"({a}, {b}) NOT IN (({c}, {d}), ROW(2, 2))"]
    for a, b in itertools.product(["1", "NULL"], repeat=2):
        yield from [f"({a}, {b}) IS NULL", f"({a}, {b}) IS NOT NULL", f"NOT ({a}, {b}) IS NULL"]
    yield from ["(1, 2) = (1, 2, 3)", "ROW(1) = ROW(1)", "(1, 'a', 2.5) < (1, 'a', 3)", "(1, 2) = (1, 2) AND true", "NOT (1, 2) = (1, 3)", "(1, 'x') = (1, 2)", "(3, 2, 1) >= (3, 2, 2)",
                "CASE WHEN (1, 2) < (2, 0) THEN 'less' END", "(date '2026-01-01', date '2026-02-01') OVERLAPS (date '2026-01-15', date '2026-03-01')"]


def corners():
    """What random expressions found."""
    yield from ["md5(power(1.5, 120177)::text)", "md5(power(-320510872.419245007, 15390)::text)", "md5(power(1.000000123, 20000000)::text)", "md5(power(0.73, 3001)::text)", "power(0.37, -40)",
                "power(1.0123456789, -20000)", "power(-7.5, 333)", "power(3, -1)", "power(1.23456789012345678901234567890, 2)", "power(10, 140000)", "power(0.1, 140000)"]
    for zone in [".5", ".096", ":5", "5", "..5", "5:30:60", "5:30:61", "x" * 40 + "5", "x5y6;M3.2.0,M11.1.0", "x5y", "<>5", "x5<>", ".", "../UTC"]:
        yield f"timestamptz '2026-07-01 12:00:00+00' AT TIME ZONE concat('{zone}')"
    for pattern in ["\\x616263", "a|\\x616263", "[\\x616263]", "[^\\x616263]", "[b-\\x616263]+", "\\U0000d800", "[\\ud800-\\udfff]", "\\x100000061", "\\x7fffffff", "\\x7ffffffe"]:
        yield f"regexp_match('abc', concat('{pattern}'))"
    yield from ["date_part(concat('day'), date '5874897-12-31')", "date_part(nullif('a', 'a'), date '5874897-12-31')", "date_part(NULL, date '2024-02-29')",
                "date_part(nullif('a', 'a'), date '2024-02-29')", "date_part('day', NULL::date)"]
    for text in ["45infinity", "1234567890infinity", "20240101infinity", "45 epoch", "13:00 pm infinity", "0000-01-01 infinity", "feb 30 infinity"]:
        yield f"'{text}'::timestamp"
    yield "to_date('12345678-1234-5678', 'BbaAcCB😀 emoji')"
    yield from ["md5(sqrt(power(2::numeric, 133334))::text)", "md5(sqrt(10::numeric ^ 40001)::text)", "md5(sqrt(power(3::numeric, 9001))::text)"]


def normal_forms():
    for text in ["''", "'abc'", "'äöü'", "E'a\\u0308\\u0323'", "E'a\\u0323\\u0308'", "E'\\u1E9B\\u0323'", "'ﬁ İı'", "'가각'", "E'\\u1100\\u1161\\u11A8'", "E'\\uFDFA'", "NULL::text",
                 "repeat(E'a\\u0323\\u0308', 70)", "repeat('ﷺ', 40)", "E'\\u0344'", "E'\\U0001D160'", "E'\\u212B'"]:
        for form in ["NFC", "NFD", "NFKC", "NFKD"]:
            yield from [f"convert_to(normalize({text}, {form}), 'UTF8')", f"({text} IS {form} NORMALIZED)::text", f"({text} IS NOT {form} NORMALIZED)::text",
                        f"is_normalized({text}, concat('{form.lower()}'))::text"]
        yield from [f"convert_to(normalize({text}), 'UTF8')", f"({text} IS NORMALIZED)::text", f"({text} IS NOT NORMALIZED)::text"]
    yield from ["is_normalized('a', concat('NFX'))", "normalize('a', 'NFC')", "normalize('a', x)", "NOT 'a' IS NORMALIZED AND false", "'a' || 'b' IS NFC NORMALIZED"]


def bytes_like():
    for x, pattern in itertools.product(["'\\x'", "'\\xc3a4'", "'abc'", "'a%b'", "'\\xff00'"], ["'%'", "'_'", "'__'", "'a%'", "'%b'", "'a\\\\%b'", "'\\xc3'", "'\\xff5f'", "'a_c'", "NULL"]):
        yield from [f"({x}::bytea LIKE {pattern}::bytea)::text", f"({x}::bytea NOT LIKE {pattern}::bytea)::text"]
    for pattern, escape in itertools.product(["'a#%b'", "'a%b'", "'a##%'"], ["'#'", "''", "'\\xff'", "'##'", "NULL"]):
        yield f"('a%b'::bytea LIKE {pattern}::bytea ESCAPE {escape}::bytea)::text"


def long_division():
    """By one constant and by others; of every size, and rounded at every place."""
    for x, y in itertools.product(["0", "1", "-1", "2.50", "99.99", "100.01", "-0.0007", "12345678.9", "9999", "10000", "922337203685477580.7", "0.000000000000000001"],
                                  ["3", "-7", "7.5", "0.03", "1", "10000", "9999.9", "0.000123", "9223372036854775807", "64"]):
        yield f"{x} / {y}"


MAKERS = [binary, uuids, quoting, overlays, nulls, matching, random_patterns, mathematics, buckets, angles, parts, rows, escapes, corners, normal_forms, bytes_like, long_division]

if __name__ == "__main__":
    write(MAKERS, "chapters.tsv", "chapters.py")
