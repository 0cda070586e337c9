/*
 * What an expression costs per row, in nanoseconds: the best of many slices of 2,048 rows. Columns are as a JSON
 * decoder makes them, except where the name says otherwise.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <time.h>

#include "pipeline/sql/sql.h"

enum { ROWS = SLICE_ROWS, ROUNDS = 400 };

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Members by their first letter: n number, s status, d device, t timestamp; i, f, z, x are typed columns. */
static struct value make_value(struct arena *a, char which, uint32_t row)
{
    uint32_t r = row * 2654435761u >> 8;
    struct value v = value_null();
    switch (which) {
    case 'n':
        v = value_text(str_of(arena_printf(a, "%u.%02u", r % 60, r % 97 + 1)));
        v.kind = VALUE_NUMBER;
        return v;
    case 's':
        return value_text(r % 10 ? STR("ok") : STR("failed"));
    case 'd':
    case 'x':
        return value_text(str_of(arena_printf(a, "site-oslo-%02u/gw-%04u", r % 20, r % 10000)));
    case 't':
        return value_text(str_of(arena_printf(a, "2026-03-01T12:%02u:%02u.%03uZ", r % 60, r % 59, r % 1000)));
    case 'i':
        return value_int(r % 1000);
    case 'f':
        return value_double(r / 7.0);
    case 'e':
        return value_decimal(r % 10000, 2);
    default:
        return (struct value){.kind = VALUE_TIMESTAMPTZ, .i = INT64_C(800000000000000) + (int64_t)r * 1000000};
    }
}

static enum type_id type_of(char which)
{
    switch (which) {
    case 'i':
        return TYPE_BIGINT;
    case 'f':
        return TYPE_DOUBLE;
    case 'e':
        return TYPE_NUMERIC;
    case 'x':
        return TYPE_TEXT;
    case 'z':
        return TYPE_TIMESTAMPTZ;
    default:
        return TYPE_JSON;
    }
}

static int request(struct schema *s, const struct path *path)
{
    struct column c = {
        .name = path->parts[0], .type = TYPE(type_of(path->parts[0].data[0])), .origin = COLUMN_MEMBER, .path = *path};
    return (int)schema_add(s, c);
}

static void bench(const char *query)
{
    struct arena plan = ARENA_INIT, data = ARENA_INIT, arena = ARENA_INIT;
    struct schema in = {.arena = &plan, .open = true, .request = request}, *out_schema;
    struct sql_options how = {.input = "input", .zone = zone_utc};
    struct sql_error err;
    static uint32_t record[ROWS];
    struct sql_query *q = sql_compile(str_of(query), &in, &how, &plan, &out_schema, &err);
    if (!q) {
        printf("%-64s %s\n", query, err.error.text);
        return;
    }
    struct value *columns[16];
    for (uint32_t c = 0; c < in.count; c++) {
        columns[c] = arena_array(&data, struct value, ROWS);
        for (uint32_t i = 0; i < ROWS; i++)
            columns[c][i] = make_value(&data, in.columns[c].name.data[0], i);
    }
    struct slice slice = {.arena = &arena,
                          .rows = ROWS,
                          .sel = slice_all_rows,
                          .selected = ROWS,
                          .record = record,
                          .columns = columns,
                          .column_count = in.count};
    double best = 1e18;
    struct slice out;
    for (int round = 0; round < ROUNDS; round++) {
        struct rejections r = {.arena = &arena};
        double start = now_ns();
        sql_run(q, &slice, &out, &r);
        double took = now_ns() - start;
        best = took < best ? took : best;
        arena_reset(&arena);
    }
    printf("%-64s %6.2f ns/row, %u of %d rows\n", query, best / ROWS, out.selected, ROWS);
    arena_release(&plan);
    arena_release(&data);
    arena_release(&arena);
}

/* What PCRE2 costs alone, with JIT and without checking UTF-8, over the same texts as x. */
static void bench_pcre2(const char *pattern)
{
    struct arena data = ARENA_INIT;
    struct value texts[ROWS];
    int code;
    size_t offset;
    for (uint32_t i = 0; i < ROWS; i++)
        texts[i] = make_value(&data, 'x', i);
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_NO_UTF_CHECK, &code, &offset, NULL);
    pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);
    pcre2_match_data *found = pcre2_match_data_create_from_pattern(re, NULL);
    double best = 1e18;
    uint32_t matches = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        matches = 0;
        for (uint32_t i = 0; i < ROWS; i++)
            matches += pcre2_jit_match(re, (PCRE2_SPTR)texts[i].ptr, texts[i].len, 0, 0, found, NULL) >= 0;
        double took = now_ns() - start;
        best = took < best ? took : best;
    }
    printf("PCRE2 alone: %-51s %6.2f ns/row, %u matches\n", pattern, best / ROWS, matches);
    pcre2_match_data_free(found);
    pcre2_code_free(re);
    arena_release(&data);
}

int main(int argc, char **argv)
{
    static const char *const queries[] = {
        "SELECT n AS a",
        "SELECT 1 AS a WHERE n > 30",
        "SELECT d, t, n, n*1.8+32 AS temp_f, s WHERE n > 30",
        "SELECT e > 30 AS a",
        "SELECT e * 1.8 AS a",
        "SELECT e + 32 AS a",
        "SELECT e * 1.8 + 32 AS a",
        "SELECT e + e AS a",
        "SELECT e < e AS a",
        "SELECT e / 3 AS a",
        "SELECT round(e, 1) AS a",
        "SELECT i > 30 AS a",
        "SELECT i + 1 AS a",
        "SELECT i * i AS a",
        "SELECT i / 3 AS a",
        "SELECT f > 30 AS a",
        "SELECT f / 3::float8 AS a",
        "SELECT f * 1.8::float8 + 32 AS a",
        "SELECT n::double precision AS a",
        "SELECT 1 AS a WHERE s <> 'ok'",
        "SELECT 1 AS a WHERE s IN ('ok', 'failed', 'unknown')",
        "SELECT x = 'site-oslo-01/gw-0001' AS a",
        "SELECT x LIKE 'site-oslo-1%' AS a",
        "SELECT x LIKE '%gw-00%' AS a",
        "SELECT x LIKE '%7' AS a",
        "SELECT x LIKE 'site_oslo%gw%' AS a",
        "SELECT x ILIKE 'SITE%' AS a",
        "SELECT x ~ 'gw-0[0-4]' AS a",
        "SELECT x ~ '^site-(oslo|bergen)-[0-9]+/gw' AS a",
        "SELECT regexp_replace(x, '[0-9]+', '#') AS a",
        "SELECT upper(x) AS a",
        "SELECT length(x) AS a",
        "SELECT split_part(x, '/', 2) AS a",
        "SELECT x || '!' AS a",
        "SELECT x < 'site-oslo-10' AS a",
        "SELECT t::timestamptz AS a",
        "SELECT z > timestamptz '2026-01-01' AS a",
        "SELECT date_trunc('hour', z) AS a",
        "SELECT extract(hour FROM z) AS a",
        "SELECT z + interval '1 hour' AS a",
        "SELECT z + interval '1 month' AS a",
        "SELECT z - timestamptz '2026-01-01 00:00+00' AS a",
        "SELECT date_bin('15 minutes', z, '2026-01-01') AS a",
        "SELECT z AT TIME ZONE 'Europe/Oslo' AS a",
        "SELECT to_char(z, 'YYYY-MM-DD HH24:MI:SS') AS a",
        "SELECT to_timestamp(t, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS') AS a",
        "SELECT to_char(e, 'FM9990.00') AS a",
        "SELECT CASE WHEN e > 50 THEN 'hot' WHEN e > 20 THEN 'warm' ELSE 'cold' END AS a",
        "SELECT coalesce(e, 0) AS a",
        "SELECT 1 AS a WHERE e > 10 AND e < 90 AND i > 100",
        "SELECT (e * 1.8 + 32)::int AS a, round(e * 1.8 + 32, 1) AS b, e * 1.8 + 32 > 50 AS c",
    };
    for (int i = 1; i < argc; i++)
        bench(argv[i]);
    for (size_t i = 0; argc == 1 && i < sizeof(queries) / sizeof(*queries); i++)
        bench(queries[i]);
    if (argc == 1) {
        bench_pcre2("gw-0[0-4]");
        bench_pcre2("^site-(oslo|bergen)-[0-9]+/gw");
    }
    return 0;
}
