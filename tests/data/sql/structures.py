#!/usr/bin/env python3
"""What PostgreSQL gives for arrays and JSON (manual, 9.16 and 9.19), into structures.tsv; see postgres.py."""
import itertools
import random

from postgres import write

# Left out: literals whose sub-arrays differ in depth, like {{1},{{2}}}: Postgres 15 takes them for something, here they are malformed.

rng = random.Random(20260302)
INT_ARRAYS = ["'{}'::int[]", "ARRAY[1]", "ARRAY[1,2,3]", "ARRAY[3,NULL,1]", "ARRAY[[1,2],[3,4]]", "'[0:2]={7,8,9}'::int[]",
              "'[2:3][-1:0]={{1,2},{3,NULL}}'::int[]", "NULL::int[]", "ARRAY[1,1,2,1]", "ARRAY[NULL]::int[]", "ARRAY[[[1],[2]],[[3],[4]]]"]
TEXT_ARRAYS = ["'{}'::text[]", "ARRAY['a','b']", "ARRAY['','NULL',NULL,'null']", "ARRAY['a,b','{x}','\"q\"',E'back\\\\slash',' sp ace ']",
               "'{a, \"b c\" ,NULL}'::text[]", "ARRAY['äö','日本']", "NULL::text[]", "ARRAY[['a','b'],['c','d']]"]
OTHERS = ["ARRAY[1.50,2,NULL]", "ARRAY[true,false,NULL]", "ARRAY[date '2026-01-01', NULL]", "ARRAY[1.5::float8,'NaN']", "ARRAY[timestamp '2026-01-01 10:00', '2025-01-01']",
          "'{1,2}'::bigint[]", "'{1.5,NaN}'::numeric[]", "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'::uuid[]",
          "ARRAY['\\x01ff'::bytea]", "'{1,2}'::smallint[]", "ARRAY[1.5::real]", "ARRAY[timestamptz '2026-01-01 10:00+02']"]
ALL = INT_ARRAYS + TEXT_ARRAYS + OTHERS


def literals():
    texts = ["{}", " { } ", "{1}", "{1,2}", "{ 1 , 2 }", "{1,}", "{,1}", "{1,,2}", "{", "}", "", "1", "{1}x", "{1} ", "{{1,2},{3,4}}", "{{1,2},{3}}", "{{1},2}",
             "{1,{2}}", "{{}}", "{{},{}}", "{{1},{}}", "{NULL}", "{null,Null}", '{"NULL"}', '{"1"}', '{"1","2"}', '{"1}', '{1"2"}', '{"1"2}', '{\\1}', "{1\\ }",
             "[1:2]={1,2}", "[0:1]={1,2}", "[1:3]={1,2}", "[2]={1,2}", "[1:2][1:1]={{1},{2}}", "[1:2]{1,2}", "[2:1]={}", "[-1:0]={1,2}", "[1:2]= {1,2}",
             "{{{{{{1}}}}}}", "{{{{{{{1}}}}}}}", "{a}", "{1.5}", "{{1,2},{3,4},{5,6}}", "{{{1},{2}},{{3},{4}}}", "{ab c}", '{"a b", c }', "{a b  , c}",
             "{a\\,b}", '{"a\\"b"}', "{99999999999}", "{{1,2}", "{1,2}}", "{(1,2)}", "{[1]}"]
    for text, t in itertools.product(texts, ["int", "text"]):
        yield f"'{text}'::{t}[]" if "\\" not in text else f"E'{text}'::{t}[]"
    for x in ALL:
        yield x
        yield f"({x})::text"
    for x, t in itertools.product(ALL, ["text[]", "int[]", "numeric(6,1)[]", "varchar(2)[]", "bigint[]", "float8[]", "jsonb[]"]):
        yield f"({x})::{t}"
    yield from ["ARRAY[]::int[]", "ARRAY[]", "ARRAY[1,2.5]", "ARRAY['1','2']::int[]", "ARRAY['x']::int[]", "ARRAY[1,'x']", "ARRAY[[1],[2,3]]", "ARRAY[ARRAY[1],ARRAY[2]]",
                "ARRAY[NULL]", "ARRAY[NULL,NULL]::int[]", "ARRAY[1,true]", "ARRAY[ARRAY[]::int[],ARRAY[]::int[]]", "ARRAY[[[[[[[1]]]]]]]",
                "ARRAY[ARRAY[1,2],'{3,4}']", "'{1,2}'::int[3]", "'{1,2}'::int[][]", "'{1,2}'::integer ARRAY", "CAST('{1}' AS int[])", "ARRAY[1]::text", "'{a}'::text[]::varchar(1)[]"]


def reaching():
    for x, i in itertools.product(INT_ARRAYS + TEXT_ARRAYS, ["0", "1", "2", "4", "-1", "NULL", "'1'", "1.4"]):
        yield f"({x})[{i}]"
    for x in INT_ARRAYS + TEXT_ARRAYS:
        yield from [f"({x})[{a}:{b}]" for a, b in [("1", "2"), ("", "2"), ("2", ""), ("", ""), ("0", "9"), ("3", "1"), ("NULL", "1"), ("-1", "0")]]
        yield from [f"({x})[1][2]", f"({x})[1][1][1]", f"({x})[1:2][1]", f"({x})[:][2:]", f"({x})[1][1:1][2]", f"({x})[2:2][2]"]
        for f in ["array_ndims", "array_dims", "cardinality"]:
            yield f"{f}({x})"
        for f, d in itertools.product(["array_length", "array_lower", "array_upper"], [0, 1, 2, 3, -1]):
            yield f"{f}({x}, {d})"
        for n in [-1, 0, 1, 2, 3, 9]:
            yield f"trim_array({x}, {n})"


def together():
    pairs = list(itertools.product(INT_ARRAYS, INT_ARRAYS)) + list(itertools.product(TEXT_ARRAYS, TEXT_ARRAYS))
    for x, y in pairs:
        yield f"{x} || {y}"
        yield f"array_cat({x}, {y})"
        for op in ["=", "<>", "<", ">=", "@>", "<@", "&&"]:
            yield f"{x} {op} {y}"
        yield f"{x} IS DISTINCT FROM {y}"
    for x, y in rng.sample(list(itertools.product(ALL, ALL)), 200):
        yield from [f"{x} || {y}", f"{x} = {y}", f"{x} @> {y}", f"coalesce({x}, {y})", f"greatest({x}, {y})", f"{x} < {y}"]
    for x, e in itertools.product(INT_ARRAYS, ["1", "NULL", "2::bigint", "1.0", "'1'", "'{1}'", "'x'"]):
        yield from [f"{x} || {e}", f"{e} || {x}", f"array_append({x}, {e})", f"array_prepend({e}, {x})", f"array_position({x}, {e})", f"array_positions({x}, {e})",
                    f"array_remove({x}, {e})", f"array_replace({x}, {e}, 9)", f"array_position({x}, {e}, 2)", f"{x} = {e}", f"{x} @> {e}"]
    for x, e in itertools.product(TEXT_ARRAYS, ["'a'", "NULL", "''", "'NULL'", "1"]):
        yield from [f"{x} || {e}::text", f"array_append({x}, {e})", f"array_position({x}, {e})", f"array_positions({x}, {e})", f"array_remove({x}, {e})",
                    f"array_replace({x}, {e}, 'new')", f"array_replace({x}, {e}, NULL)"]
    for x, d in itertools.product(ALL, ["','", "''", "NULL", "' - '"]):
        yield from [f"array_to_string({x}, {d})", f"array_to_string({x}, {d}, '*')", f"array_to_string({x}, {d}, NULL)"]
    for x, d in itertools.product(["'a,b,c'", "''", "'a'", "NULL", "',a,,b,'", "'äö,日本'", "'aXXbXX'"], ["','", "''", "NULL", "'XX'", "'a'"]):
        yield from [f"string_to_array({x}, {d})", f"string_to_array({x}, {d}, 'b')", f"string_to_array({x}, {d}, '')", f"string_to_array({x}, {d}, NULL)"]
    for v, d in itertools.product(["7", "'x'::text", "NULL::int"], ["ARRAY[2]", "ARRAY[2,2]", "ARRAY[0]", "'{}'", "NULL", "ARRAY[-1]", "ARRAY[[1]]", "ARRAY[1,NULL]"]):
        yield from [f"array_fill({v}, {d})", f"array_fill({v}, {d}, ARRAY[3])", f"array_fill({v}, {d}, ARRAY[0,5])"]
    yield from ["array_length('{1}', 1)", "array_append(NULL, 1)", "array_append(NULL::int[], NULL)", "1 || '{2}'::int[]", "ARRAY[1,2] || '{3,4}'", "ARRAY[1,2] || '7'",
                "ARRAY[1] || ARRAY[2.5]", "2.5 || ARRAY[1]", "'x' || ARRAY['y']", "NULL || ARRAY[1]", "ARRAY[1] || NULL", "'a'::text || ARRAY[1]", "array_position(ARRAY[1], 'x'::text)"]


def quantified():
    values = ["1", "2", "NULL::int", "5::bigint", "1.0", "'1'", "'x'"]
    for v, x, op in itertools.product(values, INT_ARRAYS, ["= ANY", "<> ALL", "< ANY", ">= ALL", "<> SOME"]):
        yield f"{v} {op} ({x})"
    for v, x in itertools.product(["'a'", "'%b%'", "NULL::text", "''"], TEXT_ARRAYS):
        yield from [f"{v} = ANY ({x})", f"{v} LIKE ANY ({x})", f"{v} NOT LIKE ALL ({x})", f"{v} ILIKE ANY ({x})", f"'ab' || {v} < ALL ({x})"]
    yield from ["1 = ANY ('{1,2}')", "1 = ANY ('{x}')", "'a' = ANY ('{a,b}')", "1 = ANY (NULL)", "1 = ANY (2)", "1 + ANY (ARRAY[1])", "1 = ANY (ARRAY[]::int[])", "NULL = ANY (ARRAY[]::int[])",
                "1.5 = ANY (ARRAY[1,2])", "1 = ANY (ARRAY['1','2'])", "'1' = ANY (ARRAY[1,2])", "NOT 1 = ANY (ARRAY[2])", "1 = ALL (ARRAY[1,1]) AND true", "2 * 3 = ANY (ARRAY[6])",
                "date '2026-01-01' = ANY ('{2026-01-01}')", "'a' ~~ ANY ('{a%}')"]


JSON = ['null', 'true', 'false', '0', '1.50', '-1e3', '12345678901234567890.123', '""', '"a"', '"ä\\u00e4\\u0001\\"x\\""', '[]', '{}', '[1, 2.0, "a", null, true]', '[[1,2],[3]]',
        '{"b": 1, "a": 2, "aa": 3}', '{"a": {"b": [10, {"c": "deep"}]}, "n": null}', '{"a": 1, "a": 2}', '[{"a": 1}, {"a": 2, "b": [1]}]', '["a", "b", "a"]', '{"": 1, " ": 2}',
        '[1]', '[null]', '{"a": null}', '{"a": [], "b": {}}', '"1"', '1', '1.0', '[0, 1, [2, 3]]', '{"a": "1", "b": true}', '[1, 1, 2]', '{"ä": "日本"}', '"tab\\t"']
BAD_JSON = ['', '{', '[1,]', '{a: 1}', "{'a': 1}", '01', '"\\u0000"', '1e200000', 'nul', '[1] 2', '"\\ud800"', '{"a" 1}']


def quoted(json):
    return ("E'" + json.replace("\\", "\\\\") + "'" if "\\" in json else f"'{json}'") + "::jsonb"


J = [quoted(j) for j in JSON]


def json_values():
    for j in J + [quoted(b) for b in BAD_JSON]:
        yield j
    for j in J:
        yield from [f"({j})::text", f"({j})::numeric", f"({j})::int", f"({j})::boolean", f"({j})::float8", f"({j})::text::jsonb", f"jsonb_typeof({j})",
                    f"jsonb_array_length({j})", f"replace(jsonb_pretty({j}), chr(10), '|')", f"jsonb_strip_nulls({j})", f"to_jsonb({j})", f"{j} || 'x'::text", f"concat({j}, 1)",
                    f"length(({j})::text)", f"ARRAY[{j}, '[1]']", f"ARRAY[{j}]::text[]", f"md5(({j})::text)"]
        for key in ["'a'", "'b'", "''", "0", "1", "-1", "5", "-9", "NULL", "'0'", "'ä'", "'n'"]:
            yield from [f"{j} -> {key}", f"{j} ->> {key}"]
        for path in ["{}", "{a}", "{a,b}", "{a,b,1,c}", "{0}", "{-1}", "{0,a}", "{1,b,0}", "{a,NULL}", "{b}", "{ 1}", "{1x}", "{2,1}", "{n,x}"]:
            yield from [f"{j} #> '{path}'", f"{j} #>> '{path}'", f"{j} #- '{path}'", f"jsonb_set({j}, '{path}', '\"new\"')", f"jsonb_set({j}, '{path}', '[7]', false)",
                        f"jsonb_insert({j}, '{path}', '0')", f"jsonb_insert({j}, '{path}', '{{}}', true)"]
        for name in ["a", "b", "", "1", "ä", "zz"]:
            yield from [f"{j} ? '{name}'", f"{j} - '{name}'"]
        for names in ["{a,b}", "{}", "{zz,a}", "{NULL,b}", "{zz}"]:
            yield from [f"{j} ?| '{names}'", f"{j} ?& '{names}'", f"{j} - '{names}'::text[]"]
        for i in ["0", "1", "-1", "9", "-9"]:
            yield f"{j} - {i}"
        yield from [f"jsonb_extract_path({j}, 'a', 'b')", f"jsonb_extract_path_text({j}, '0')", f"jsonb_extract_path_text({j}, 'a')", f"({j})['a']", f"({j})[0]", f"({j})['a']['b'][1]"]


def json_pairs():
    for x, y in itertools.product(J, J):
        yield from [f"{x} @> {y}", f"{x} || {y}", f"{x} {rng.choice(['<', '<=', '=', '<>', '>=', '>'])} {y}"]
    for x, y in rng.sample(list(itertools.product(J, J)), 150):
        yield from [f"{x} <@ {y}", f"{x} IS DISTINCT FROM {y}", f"greatest({x}, {y})", f"least({x}, {y})", f"coalesce({x}, {y})", f"nullif({x}, {y})", f"{x} IN ({y}, '1')",
                    f"jsonb_build_object('x', {x}, 'y', {y})", f"ARRAY[{x}] @> ARRAY[{y}]", f"{x} = ANY (ARRAY[{y}, '[]'])", f"array_position(ARRAY[{x}, {y}], {y})"]


def json_making():
    values = ["1", "1.50", "'NaN'::numeric", "'NaN'::float8", "1e300::float8", "1e-7::float8", "1.5::real", "true", "'te\"xt'::text", "NULL::text", "date '2026-03-01'", "timestamp '2026-03-01 12:00:00.5'",
              "timestamptz '2026-03-01 12:00:00+02'", "ARRAY[1,2]", "ARRAY[['a','b'],['c',NULL]]", "'{}'::int[]", "'[1,{\"b\":1,\"a\":2}]'::jsonb", "'\\x01ff'::bytea",
              "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "timestamp 'infinity'", "5000000000", "ARRAY[timestamp '2026-03-01 12:00']", "ARRAY['{\"z\":1,\"y\":[]}'::jsonb]"]
    for v in values:
        yield from [f"to_jsonb({v})", f"jsonb_build_array({v}, {v})", f"jsonb_build_object('k', {v})", f"jsonb_build_object({v}, 1)"]
    for x, y in itertools.product(values[:14], values[:14]):
        yield f"jsonb_build_object({x}, {y}, 'z', {x})"
    for a in ["{}", "{a,1}", "{a}", "{a,1,b,NULL}", "{NULL,1}", "{{a,1},{b,2}}", "{{a,b,c}}", "{{a},{b}}", "{a,1,a,2}", "{{{a,b},{c,d}}}"]:
        yield f"jsonb_object('{a}')"
        for b in ["{}", "{x}", "{x,y}", "{x,NULL}", "{{x,y}}"]:
            yield f"jsonb_object('{a}', '{b}')"
    yield from ["jsonb_build_object()", "jsonb_build_array()", "jsonb_build_object('a')", "jsonb_build_object('a', 1, 'a', 2)", "jsonb_build_object(NULL, 1)", "jsonb_build_object('a', NULL)",
                "jsonb_build_array(NULL)", "to_jsonb(NULL::int)", "jsonb_set(NULL, '{a}', '1')", "jsonb_set('{}', NULL, '1')", "jsonb_set('{}', '{a}', NULL)", "'{\"a\":1}'::jsonb = '{\"a\": 1.00}'",
                "'1'::jsonb < '[]'", "'[]'::jsonb < 'null'", "'{}' = '{}'::jsonb", "'[1,2]'::jsonb @> '2'", "'\"a\"'::jsonb @> '[\"a\"]'", "'[\"a\"]'::jsonb @> '\"a\"'"]


def lax_changes():
    for j, path in itertools.product(["'{\"a\": 1}'", "'{}'", "'[1, 2]'", "'3'", "NULL"], ["'{a}'", "'{0}'", "'{}'", "NULL"]):
        yield from [f"jsonb_set_lax({j}, {path}, '7')", f"jsonb_set_lax({j}, {path}, NULL)", f"jsonb_set_lax({j}, {path}, NULL, false)"]
        for treatment in ["raise_exception", "use_json_null", "delete_key", "return_target", "other"]:
            yield from [f"jsonb_set_lax({j}, {path}, NULL, true, concat('{treatment}'))", f"jsonb_set_lax({j}, {path}, '7', true, concat('{treatment}'))"]
        yield from [f"jsonb_set_lax({j}, {path}, NULL, NULL, concat('x'))", f"jsonb_set_lax({j}, {path}, '7', true, nullif(concat('x'), 'x'))"]


MAKERS = [literals, reaching, together, quantified, json_values, json_pairs, json_making, lax_changes]

if __name__ == "__main__":
    write(MAKERS, "structures.tsv", "structures.py")
