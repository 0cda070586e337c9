#include "tests/unit/codec/json_decoding.h"

#include <stdio.h>

#include "pipeline/codec/json_encode.h"

/* A slice made by hand. */
enum { ROWS = 4 };

struct encoding_rig {
    struct arena arena;
    struct schema schema;
    struct format_options options;
    struct encoder e;
    struct slice in;
    struct str raw[ROWS];
};

static struct encoding_rig *encoding_open(bool open)
{
    struct encoding_rig *rig = calloc(1, sizeof *rig);
    rig->schema.arena = &rig->arena;
    rig->schema.open = open;
    rig->in = (struct slice){.arena = &rig->arena, .rows = ROWS, .sel = slice_all_rows, .selected = ROWS};
    if (open)
        rig->in.raw = rig->raw;
    rig->in.columns = calloc(16, sizeof *rig->in.columns);
    rig->e = (struct encoder){.options = &rig->options, .schema = &rig->schema, .zone = zone_utc};
    return rig;
}

/* Row i of the column is values[i]. */
static void add_column(struct encoding_rig *rig, const char *name, enum type_id type, bool visible,
                       const struct value values[ROWS])
{
    struct column c = {.name = str_of(name), .type = TYPE(type), .visible = visible, .origin = COLUMN_DERIVED};
    uint32_t index = schema_add(&rig->schema, c);
    rig->in.columns[index] = arena_array(&rig->arena, struct value, ROWS);
    memcpy(rig->in.columns[index], values, ROWS * sizeof *values);
}

static void check_rows(struct encoding_rig *rig, uint32_t count, const char *expected)
{
    struct error err;
    struct buffer out = {0};
    uint32_t row_end[ROWS];
    struct rejections r = {.arena = &rig->arena};
    assert_true(json_bind_encoder(&rig->e, &rig->arena, &err));
    buffer_add_byte(&out, '>');
    json_encode(&rig->e, &rig->in, slice_all_rows, count, &out, row_end, &r);
    assert_int_equal(r.count, 0);
    assert_string_equal(buffer_cstr(&out) + 1, expected);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(out.data[row_end[i] - 1], '\n');
    assert_int_equal(row_end[count - 1], out.len);
    buffer_release(&out);
}

static void encoding_close(struct encoding_rig *rig)
{
    free(rig->in.columns);
    arena_release(&rig->arena);
    free(rig);
}

static struct value flagged(struct str s, uint8_t kind, uint8_t flags)
{
    struct value v = value_text(s);
    v.kind = kind;
    v.flags = flags;
    return v;
}

static void every_row_is_an_object_on_a_line(void **state)
{
    (void)state;
    struct encoding_rig *rig = encoding_open(false);
    add_column(rig, "device", TYPE_TEXT, true,
               (struct value[ROWS]){flagged(STR("gw-1"), VALUE_TEXT, VALUE_JSON_SAFE), value_text(STR("say \"é\"")),
                                    flagged(STR("a\\nb"), VALUE_TEXT, VALUE_ESCAPED), value_null()});
    add_column(rig, "internal", TYPE_TEXT, false, (struct value[ROWS]){});
    add_column(rig, "n\"1\"", TYPE_NUMERIC, true,
               (struct value[ROWS]){value_decimal(-1250, 2), value_decimal(7, 3), value_decimal(INT64_MIN, 0),
                                    flagged(STR("1e400"), VALUE_NUMBER, 0)});
    add_column(rig, "i", TYPE_BIGINT, true,
               (struct value[ROWS]){value_int(0), value_int(INT64_MIN), value_int(INT64_MAX), value_int(-100)});
    add_column(rig, "ok", TYPE_BOOLEAN, true,
               (struct value[ROWS]){value_bool(true), value_bool(false), value_null(), value_bool(true)});
    check_rows(rig, ROWS,
               "{\"device\":\"gw-1\",\"n\\\"1\\\"\":-12.50,\"i\":0,\"ok\":true}\n"
               "{\"device\":\"say \\\"é\\\"\",\"n\\\"1\\\"\":0.007,\"i\":-9223372036854775808,\"ok\":false}\n"
               "{\"device\":\"a\\nb\",\"n\\\"1\\\"\":-9223372036854775808,\"i\":9223372036854775807,\"ok\":null}\n"
               "{\"device\":null,\"n\\\"1\\\"\":1e400,\"i\":-100,\"ok\":true}\n");
    encoding_close(rig);
}

static void numbers_that_json_lacks_are_quoted(void **state)
{
    (void)state;
    struct encoding_rig *rig = encoding_open(false);
    add_column(rig, "n", TYPE_NUMERIC, true,
               (struct value[ROWS]){flagged(STR("NaN"), VALUE_NUMBER, 0), flagged(STR("Infinity"), VALUE_NUMBER, 0),
                                    flagged(STR("-Infinity"), VALUE_NUMBER, 0), flagged(STR("-0.5"), VALUE_NUMBER, 0)});
    check_rows(rig, ROWS, "{\"n\":\"NaN\"}\n{\"n\":\"Infinity\"}\n{\"n\":\"-Infinity\"}\n{\"n\":-0.5}\n");
    encoding_close(rig);
}

static void other_types_are_written_as_postgres_writes_them(void **state)
{
    (void)state;
    struct encoding_rig *rig = encoding_open(false);
    add_column(rig, "ts", TYPE_TIMESTAMPTZ, true, (struct value[ROWS]){{.kind = VALUE_TIMESTAMPTZ, .i = 123000}});
    add_column(rig, "d", TYPE_DOUBLE, true, (struct value[ROWS]){value_double(0.1)});
    add_column(rig, "date", TYPE_DATE, true, (struct value[ROWS]){{.kind = VALUE_DATE, .i = 1}});
    check_rows(rig, 1, "{\"ts\":\"2000-01-01T00:00:00.123+00:00\",\"d\":0.1,\"date\":\"2000-01-02\"}\n");
    encoding_close(rig);
}

static void a_line_end_inside_a_value_never_breaks_the_line(void **state)
{
    (void)state;
    struct encoding_rig *rig = encoding_open(false);
    add_column(rig, "j", TYPE_JSON, true,
               (struct value[ROWS]){flagged(STR("[1, 2]"), VALUE_JSON, 0),
                                    flagged(STR("{\n \"a b\" : [ 1 ,\r\n\"\\\" \\\\\" ] }"), VALUE_JSON, 0)});
    add_column(rig, "t", TYPE_TEXT, true, (struct value[ROWS]){value_text(STR("a\nb")), value_text(STR(""))});
    check_rows(rig, 2, "{\"j\":[1, 2],\"t\":\"a\\nb\"}\n{\"j\":{\"a b\":[1,\"\\\" \\\\\"]},\"t\":\"\"}\n");
    encoding_close(rig);
}

static void an_event_without_columns_is_an_empty_object(void **state)
{
    (void)state;
    struct encoding_rig *rig = encoding_open(false);
    check_rows(rig, 2, "{}\n{}\n");
    encoding_close(rig);
}

static void of_columns_with_one_name_the_last_is_written(void **state)
{
    (void)state;
    struct encoding_rig *rig = encoding_open(false);
    add_column(rig, "a", TYPE_BIGINT, true, (struct value[ROWS]){value_int(1)});
    add_column(rig, "b", TYPE_BIGINT, true, (struct value[ROWS]){value_int(2)});
    add_column(rig, "a", TYPE_BIGINT, true, (struct value[ROWS]){value_int(3)});
    check_rows(rig, 1, "{\"a\":3,\"b\":2}\n");
    encoding_close(rig);
}

static void texts_of_every_length_are_copied_whole(void **state)
{
    (void)state;
    static const char text[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    for (size_t len = 0; len < sizeof text; len++) {
        struct encoding_rig *rig = encoding_open(false);
        char name[80], expected[320];
        snprintf(name, sizeof name, "%.*s", (int)len, text);
        snprintf(expected, sizeof expected, "{\"%s\":\"%s\",\"x\":\"%s\"}\n", name, name, name);
        struct value v = flagged((struct str){text, len}, VALUE_TEXT, VALUE_JSON_SAFE);
        add_column(rig, name, TYPE_TEXT, true, (struct value[ROWS]){v});
        add_column(rig, "x", TYPE_TEXT, true, (struct value[ROWS]){v});
        check_rows(rig, 1, expected);
        encoding_close(rig);
    }
}

/* ---- open events --------------------------------------------------------------------------------------------------
 */

static void an_untouched_event_goes_out_as_it_came(void **state)
{
    (void)state;
    struct encoding_rig *rig = encoding_open(true);
    rig->raw[0] = STR("{\"a\": 1, \"b\":\"x\", \"a\":2}");
    rig->raw[1] = STR("{\n  \"a\": \"b \\\" c\",\n  \"d\": [ ]\n}");
    rig->raw[2] = STR("{}");
    check_rows(rig, 3, "{\"a\": 1, \"b\":\"x\", \"a\":2}\n{\"a\":\"b \\\" c\",\"d\":[]}\n{}\n");
    encoding_close(rig);
}

static void columns_replace_members_in_place_or_come_last(void **state)
{
    (void)state;
    struct encoding_rig *rig = encoding_open(true);
    add_column(rig, "temp", TYPE_NUMERIC, true,
               (struct value[ROWS]){value_int(1), value_int(2), value_int(3), value_null()});
    add_column(rig, "new", TYPE_BOOLEAN, true,
               (struct value[ROWS]){value_bool(1), value_bool(0), value_null(), value_bool(1)});
    rig->raw[0] = STR("{\"a\":[1, 2], \"temp\":20, \"b\":{}}");
    rig->raw[1] = STR("{\"a\":[1, 2], \"temp\":21, \"b\":null}");
    rig->raw[2] = STR("{\"new\":0}");
    rig->raw[3] = STR("{}");
    check_rows(rig, ROWS,
               "{\"a\":[1, 2],\"temp\":1,\"b\":{},\"new\":true}\n{\"a\":[1, 2],\"temp\":2,\"b\":null,\"new\":false}\n"
               "{\"new\":null,\"temp\":3}\n{\"temp\":null,\"new\":true}\n");
    encoding_close(rig);
}

static void hidden_members_are_left_out(void **state)
{
    (void)state;
    struct encoding_rig *rig = encoding_open(true);
    struct str hidden[] = {STR("secret"), STR("é")};
    rig->schema.hidden = hidden;
    rig->schema.hidden_count = 2;
    rig->raw[0] = STR("{\"secret\":1,\"a\":2 , \"b\":3}");
    rig->raw[1] = STR("{\"a\":2,\"\\u0073ecret\":{\"x\":[]},\"\\u00e9\":3,\"b\":{\"secret\":1}}");
    rig->raw[2] = STR("{\"secret\":1,\"secret\":2}");
    check_rows(rig, 3, "{\"a\":2 , \"b\":3}\n{\"a\":2,\"b\":{\"secret\":1}}\n{}\n");
    encoding_close(rig);
}

static void of_duplicate_members_the_last_goes_out(void **state)
{
    (void)state;
    struct encoding_rig *rig = encoding_open(true);
    add_column(rig, "t", TYPE_BIGINT, true, (struct value[ROWS]){value_int(1), value_int(2)});
    rig->raw[0] = STR("{\"a\":1,\"b\":2,\"\\u0061\":3,\"t\":0,\"t\":9}");
    rig->raw[1] = STR("{\"t\":5,\"a\":1,\"a\":2,\"t\":6,\"a\":3}");
    check_rows(rig, 2, "{\"b\":2,\"\\u0061\":3,\"t\":1}\n{\"t\":2,\"a\":3}\n");
    encoding_close(rig);
}

static void an_event_over_several_lines_comes_out_on_one(void **state)
{
    (void)state;
    struct encoding_rig *rig = encoding_open(true);
    add_column(rig, "t", TYPE_BIGINT, true, (struct value[ROWS]){value_int(1)});
    rig->raw[0] = STR("{\n  \"a\": [\n 1 ],\n  \"t\": 2,\n \"b\" : \"x y\"}");
    check_rows(rig, 1, "{\"a\":[1],\"t\":1,\"b\":\"x y\"}\n");
    encoding_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_an_object_on_a_line),
        cmocka_unit_test(numbers_that_json_lacks_are_quoted),
        cmocka_unit_test(other_types_are_written_as_postgres_writes_them),
        cmocka_unit_test(a_line_end_inside_a_value_never_breaks_the_line),
        cmocka_unit_test(an_event_without_columns_is_an_empty_object),
        cmocka_unit_test(of_columns_with_one_name_the_last_is_written),
        cmocka_unit_test(texts_of_every_length_are_copied_whole),
        cmocka_unit_test(an_untouched_event_goes_out_as_it_came),
        cmocka_unit_test(columns_replace_members_in_place_or_come_last),
        cmocka_unit_test(hidden_members_are_left_out),
        cmocka_unit_test(of_duplicate_members_the_last_goes_out),
        cmocka_unit_test(an_event_over_several_lines_comes_out_on_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
