/*
 * Any bytes as a query: it compiles or says why; what compiles runs over a few records, and its results are printed. Members are json scalars,
 * but for those whose names begin with a type's short name and end in a digit (i1, ts2, …): they are columns of that type.
 */
#include <ctype.h>
#include <stdlib.h>

#include "pipeline/codec/json.h"
#include "pipeline/event/convert.h"
#include "pipeline/sql/sql.h"

static const struct {
    const char *name, *type, *values[3];
} typed[] = {
    {"s", "smallint", {"7", "-32768", "0"}},
    {"i", "integer", {"42", "2147483647", "-1"}},
    {"l", "bigint", {"-9223372036854775808", "5000000000", "0"}},
    {"n", "numeric", {"12345678901234567890.123", "NaN", "-0.50"}},
    {"r", "real", {"1.5", "Infinity", "-0"}},
    {"d", "double precision", {"1e300", "5e-324", "2.5"}},
    {"t", "text", {"äb%c", "", "2024-02-29"}},
    {"b", "boolean", {"t", "f", "t"}},
    {"y", "bytea", {"\\x00ff61", "\\x", "\\xdead"}},
    {"da", "date", {"2024-02-29", "infinity", "4713-01-01 BC"}},
    {"ts", "timestamp", {"294276-12-31 23:59:59.999999", "2026-03-29 02:30:00", "-infinity"}},
    {"tz", "timestamptz", {"2026-10-25 00:30:00+00", "infinity", "0044-03-15 10:00:00+00 BC"}},
    {"iv", "interval", {"1 year 2 mons 3 days 04:05:06.789", "-1 mon", "0"}},
    {"u", "uuid", {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}},
    {"j", "jsonb", {"{\"a\": [1, {\"b\": null}]}", "[1, \"x\"]", "1.50"}},
    {"ai", "integer[]", {"{1,NULL,3}", "{}", "[0:1]={5,6}"}},
    {"at", "text[]", {"{a,\"x,y\",NULL}", "{{a,b},{c,d}}", "{}"}},
};
enum { TYPED = sizeof(typed) / sizeof(*typed) };

/* Which of them the name means; -1: none. */
static int typed_by(struct str name)
{
    for (int i = 0; i < TYPED && name.len && isdigit((unsigned char)name.data[name.len - 1]); i++)
        if (str_eq((struct str){name.data, name.len - 1}, str_of(typed[i].name)))
            return i;
    return -1;
}

static int request(struct schema *s, const struct path *path)
{
    struct column c = {
        .name = path->parts[path->count - 1], .type = TYPE(TYPE_JSON), .origin = COLUMN_MEMBER, .path = *path};
    int which = path->count == 1 ? typed_by(c.name) : -1;
    struct error err;
    if (which >= 0 && !type_parse(str_of(typed[which].type), &c.type, &err))
        abort();
    return (int)schema_add(s, c);
}

static int request_meta(struct schema *s, enum meta_field field)
{
    struct column c = {
        .name = str_of(meta_field_name(field)), .type = meta_field_type(field), .origin = COLUMN_META, .meta = field};
    return (int)schema_add(s, c);
}

enum { ROWS = 6 };

static struct value cell(const struct column *c, uint32_t row, struct arena *arena)
{
    static const char *const texts[ROWS] = {"1", "-2.5", "\"x\"", "true", "{\"a\":[1]}", "null"};
    struct convert_context cx = {.arena = arena, .zone = zone_utc, .now_us = INT64_MIN};
    int which = typed_by(c->name);
    struct value v;
    struct error err;
    if (c->type.id == TYPE_JSON)
        return json_to_value(str_of(texts[row]));
    if (which < 0 || row >= 3)
        return value_null();
    if (!value_parse(&cx, str_of(typed[which].values[row]), c->type, &v, &err))
        abort();
    return v;
}

static void print_all(const struct schema *schema, const struct slice *rows)
{
    struct buffer text = {0};
    for (uint32_t c = 0; c < schema->count; c++)
        for (uint32_t i = 0; i < rows->selected; i++) {
            struct value v = rows->columns[c][rows->sel[i]];
            struct error err;
            if (!value_unescape(rows->arena, &v, &err))
                continue;
            value_print(v, schema->columns[c].type, zone_utc, &text);
            value_print_json(v, schema->columns[c].type, zone_utc, &text);
        }
    buffer_release(&text);
}

static void run(const struct sql_query *q, const struct schema *in, const struct schema *out_schema, struct arena *arena)
{
    static const uint32_t record[ROWS] = {0, 1, 2, 3, 4, 5};
    struct slice slice = {.arena = arena, .rows = ROWS, .sel = slice_all_rows, .selected = ROWS, .record = record}, out;
    struct rejections r = {.arena = arena};
    slice.column_count = in->count;
    slice.columns = arena_array(arena, struct value *, in->count + 1);
    for (uint32_t c = 0; c < in->count; c++) {
        slice.columns[c] = arena_array(arena, struct value, ROWS);
        for (uint32_t i = 0; i < ROWS; i++)
            slice.columns[c][i] = cell(&in->columns[c], (i + c) % ROWS, arena);
    }
    sql_run(q, &slice, &out, &r);
    assert(out.selected <= ROWS || out.repeats);
    print_all(out_schema, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena plan = ARENA_INIT, arena = ARENA_INIT;
    struct schema in = {.arena = &plan, .open = true, .request = request, .request_meta = request_meta}, *out;
    struct sql_options how = {.input = "readings", .source_name = STR("s"), .zone = zone_utc};
    struct sql_error err = {0};
    struct str text = {(const char *)data, size};
    struct sql_query *q = sql_compile(text, &in, &how, &plan, &out, &err);
    if (q)
        run(q, &in, out, &arena);
    else
        assert(err.error.text[0] && err.offset <= size);
    sql_compile_template(text, TEMPLATE_PATH, &in, &how, &plan, &err);
    arena_release(&plan);
    arena_release(&arena);
    return 0;
}
