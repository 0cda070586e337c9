#include "tests/unit/event/answers.h"

#include "pipeline/event/convert.h"
#include "pipeline/event/datetime.h"

static struct type type_of(const char *name)
{
    struct type t;
    struct error err;
    if (!type_parse(str_of(name), &t, &err))
        fail_msg("%s", err.text);
    return t;
}

/* A member of a JSON event by its text. */
static struct value member(const struct convert_context *cx, const char *json)
{
    struct value v;
    struct error err;
    if (!value_parse(cx, str_of(json), TYPE(TYPE_JSON), &v, &err))
        fail_msg("%s: %s", json, err.text);
    return v;
}

static void a_member_goes_to_the_types_of_its_json(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"12", "integer", "12"},
        {"-12", "bigint", "-12"},
        {"12.5", "integer", "13"},
        {"-9223372036854775808", "bigint", "-9223372036854775808"},
        {"1e3", "smallint", "1000"},
        {"12.50", "numeric", "12.50"},
        {"1e2", "numeric", "100"},
        {"12.345", "numeric(4,1)", "12.3"},
        {"12.5", "double precision", "12.5"},
        {"0.1", "real", "0.1"},
        {"1e2", "text", "1e2"},
        {"12.50", "text", "12.50"},
        {"true", "boolean", "t"},
        {"true", "text", "true"},
        {"\"true\"", "boolean", "t"},
        {"\"12\"", "integer", "12"},
        {"\"\\u0031\\u0032\"", "integer", "12"},
        {"\"a\\nb\"", "text", "a\nb"},
        {"\"abcdef\"", "varchar(3)", "abc"},
        {"12345", "varchar(3)", "123"},
        {"\"2026-03-01T12:00:00Z\"", "timestamptz", "2026-03-01 12:00:00+00"},
        {"\"2026-03-01\"", "date", "2026-03-01"},
        {"{\"a\":[1]}", "text", "{\"a\":[1]}"},
        {"{\"a\":[1]}", "jsonb", "{\"a\":[1]}"},
        {"\"a\\\"b\"", "jsonb", "\"a\\\"b\""},
        {"1.50", "jsonb", "1.50"},
        {"false", "jsonb", "false"},
        {"null", "integer", ""},
    };
    struct arena arena = ARENA_INIT;
    struct convert_context cx = {.arena = &arena, .zone = zone_utc, .now_us = INT64_MIN};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct value out;
        struct error err;
        struct buffer text = {0};
        struct type to = type_of(cases[i][1]);
        if (!value_cast(&cx, member(&cx, cases[i][0]), TYPE(TYPE_JSON), to, &out, &err))
            fail_msg("%s::%s: %s", cases[i][0], cases[i][1], err.text);
        value_print(out, to, zone_utc, &text);
        assert_string_equal(buffer_cstr(&text), cases[i][2]);
        buffer_release(&text);
    }
    arena_release(&arena);
}

static void a_member_of_another_json_type_is_rejected_and_shown(void **state)
{
    (void)state;
    static const char *const cases[][4] = {
        {"12", "boolean", "22023", "cannot cast JSON number 12 to type boolean"},
        {"12", "date", "22023", "cannot cast JSON number 12 to type date"},
        {"true", "integer", "22023", "cannot cast JSON boolean true to type integer"},
        {"true", "timestamptz", "22023", "cannot cast JSON boolean true to type timestamp with time zone"},
        {"{\"a\":1}", "integer", "22023", "cannot cast JSON object {\"a\":1} to type integer"},
        {"[\"ääääääääääääääääääääääääääääääääääääääääääääääääääääääää\"]", "numeric", "22023",
         "cannot cast JSON array [\"äääääääääääääääääääääääääääää… to type numeric"},
        {"\"x\"", "integer", "22P02", "invalid input syntax for type integer: \"x\""},
        {"\"x\"", "jsonb", "", ""},
        {"300", "smallint", "", ""},
        {"40000", "smallint", "22003", "smallint out of range"},
        {"1e400", "double precision", "22003", NULL},
        {"1e999999", "numeric", "22003", "value overflows numeric format"},
        {"\"a\\u0041\"", "integer", "22P02", "invalid input syntax for type integer: \"aA\""},
    };
    struct arena arena = ARENA_INIT;
    struct convert_context cx = {.arena = &arena, .zone = zone_utc, .now_us = INT64_MIN};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct value out;
        struct error err = {0};
        bool good = value_cast(&cx, member(&cx, cases[i][0]), TYPE(TYPE_JSON), type_of(cases[i][1]), &out, &err);
        assert_int_equal(good, *cases[i][2] == '\0');
        if (good)
            continue;
        assert_int_equal(err.kind, ERROR_REJECT);
        assert_string_equal(err.sqlstate, cases[i][2]);
        if (cases[i][3])
            assert_string_equal(err.text, cases[i][3]);
    }
    arena_release(&arena);
}

static void check_json(const char *type, const char *text, const char *zone, const char *expected)
{
    struct arena arena = ARENA_INIT;
    struct buffer out = {0};
    struct error err;
    struct value v;
    const struct zone *z = zone_find(str_of(zone), &err);
    struct convert_context cx = {.arena = &arena, .zone = z, .now_us = INT64_MIN};
    if (!value_parse(&cx, str_of(text), type_of(type), &v, &err))
        fail_msg("%s", err.text);
    value_print_json(v, type_of(type), z, &out);
    assert_string_equal(buffer_cstr(&out), expected);
    buffer_release(&out);
    arena_release(&arena);
}

/* Each as SELECT to_json('text'::type) has it. */
static void values_become_json_as_to_json_has_them(void **state)
{
    (void)state;
    check_json("boolean", "t", "UTC", "true");
    check_json("integer", "-5", "UTC", "-5");
    check_json("numeric", "1.50", "UTC", "1.50");
    check_json("numeric", "NaN", "UTC", "\"NaN\"");
    check_json("numeric", "-inf", "UTC", "\"-Infinity\"");
    check_json("numeric", "123456789012345678901234567890.5", "UTC", "123456789012345678901234567890.5");
    check_json("double precision", "1e20", "UTC", "1e+20");
    check_json("double precision", "-infinity", "UTC", "\"-Infinity\"");
    check_json("real", "nan", "UTC", "\"NaN\"");
    check_json("real", "0.1", "UTC", "0.1");
    check_json("text", "say \"hi\"\n", "UTC", "\"say \\\"hi\\\"\\n\"");
    check_json("date", "2026-03-01", "UTC", "\"2026-03-01\"");
    check_json("date", "infinity", "UTC", "\"infinity\"");
    check_json("timestamp", "2026-03-01 12:00:00.123", "UTC", "\"2026-03-01T12:00:00.123\"");
    check_json("timestamptz", "2026-03-01 12:00:00.123+00", "UTC", "\"2026-03-01T12:00:00.123+00:00\"");
    check_json("timestamptz", "2026-03-01 12:00:00+00", "Asia/Kolkata", "\"2026-03-01T17:30:00+05:30\"");
    check_json("timestamptz", "0044-03-15 12:00:00+00 BC", "UTC", "\"0044-03-15T12:00:00+00:00 BC\"");
    check_json("timestamptz", "-infinity", "UTC", "\"-infinity\"");
    check_json("bytea", "\\xdeadbeef", "UTC", "\"\\\\xdeadbeef\"");
    check_json("uuid", "A0EEBC999C0B4EF8BB6D6BB9BD380A11", "UTC", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"");
    check_json("jsonb", "{\"a\": null}", "UTC", "{\"a\": null}");
}

static void null_stays_null(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct value v = value_int(1);
    struct error err;
    struct convert_context cx = {.zone = zone_utc, .now_us = INT64_MIN};
    assert_true(value_cast(&cx, value_null(), TYPE(TYPE_TEXT), TYPE(TYPE_INTEGER), &v, &err));
    assert_true(value_is_null(v));
    value_print(v, TYPE(TYPE_INTEGER), zone_utc, &out);
    assert_int_equal(out.len, 0);
    value_print_json(v, TYPE(TYPE_INTEGER), zone_utc, &out);
    assert_string_equal(buffer_cstr(&out), "null");
    buffer_release(&out);
}

static void a_text_too_long_for_its_column_is_rejected_not_cut(void **state)
{
    (void)state;
    struct value v;
    struct error err;
    struct convert_context cx = {.zone = zone_utc, .now_us = INT64_MIN};
    assert_false(value_parse(&cx, STR("abcd"), type_of("varchar(3)"), &v, &err));
    assert_string_equal(err.sqlstate, "22001");
    assert_string_equal(err.text, "value too long for type character varying(3)");
    assert_true(value_parse(&cx, STR("äöü  "), type_of("varchar(3)"), &v, &err));
    assert_true(str_eq(value_str(v), STR("äöü")));
}

static void words_for_today_follow_the_record_s_clock(void **state)
{
    (void)state;
    struct error err;
    const struct zone *kolkata = zone_find(STR("Asia/Kolkata"), &err);
    int64_t now;
    assert_true(timestamptz_parse(STR("2026-03-01 20:00:00.5Z"), zone_utc, &now, &err));
    static const char *const cases[][3] = {
        {"now", "timestamptz", "2026-03-02 01:30:00.5+05:30"},
        {"now", "timestamp", "2026-03-02 01:30:00.5"},
        {"today", "date", "2026-03-02"},
        {"yesterday", "date", "2026-03-01"},
        {"tomorrow 12:00", "timestamp", "2026-03-03 12:00:00"},
    };
    struct arena arena = ARENA_INIT;
    struct convert_context cx = {.arena = &arena, .zone = kolkata, .now_us = now};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct value v;
        struct buffer out = {0};
        if (!value_parse(&cx, str_of(cases[i][0]), type_of(cases[i][1]), &v, &err))
            fail_msg("%s: %s", cases[i][0], err.text);
        value_print(v, type_of(cases[i][1]), kolkata, &out);
        assert_string_equal(buffer_cstr(&out), cases[i][2]);
        buffer_release(&out);
    }
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_goes_to_the_types_of_its_json),
        cmocka_unit_test(a_member_of_another_json_type_is_rejected_and_shown),
        cmocka_unit_test(values_become_json_as_to_json_has_them),
        cmocka_unit_test(null_stays_null),
        cmocka_unit_test(a_text_too_long_for_its_column_is_rejected_not_cut),
        cmocka_unit_test(words_for_today_follow_the_record_s_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
