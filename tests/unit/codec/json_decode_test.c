#include "tests/unit/codec/json_decoding.h"

#include <stdio.h>

/*
 * Decodes records (one per line of `records`) with the paths wanted (separated by blanks): one line per event, values
 * separated by blanks. Every parser has to say the same.
 */
static void check_decodes(const char *paths, const char *records, const char *expected)
{
    for (json_parse_function *const *parse = all_parsers(); *parse; parse++) {
        struct decoding_rig *rig = decoding_open();
        char copy[8192];
        snprintf(copy, sizeof copy, "%s", paths);
        for (char *path = strtok(copy, " "); path; path = strtok(NULL, " "))
            decoding_want(rig, path, NULL);
        for (const char *at = records; *at;) {
            const char *end = strchrnul(at, '\n');
            decoding_add(rig, (struct str){at, (size_t)(end - at)});
            at = *end ? end + 1 : end;
        }
        decoding_run(rig, *parse);
        struct buffer text = {0};
        for (uint32_t i = 0; i < rig->out.selected; i++) {
            for (uint32_t c = 0; c < rig->schema.count; c++) {
                if (c)
                    buffer_add_byte(&text, ' ');
                print_decoded(rig->out.columns[c][rig->out.sel[i]], &text);
            }
            buffer_add_byte(&text, '\n');
        }
        assert_string_equal(buffer_cstr(&text), expected);
        buffer_release(&text);
        decoding_close(rig);
    }
}

static void wanted_members_become_columns(void **state)
{
    (void)state;
    check_decodes("a b c", "{\"a\":1,\"x\":[{}],\"b\":\"two\",\"c\":true}", "1 \"two\" true\n");
    check_decodes("a b c d", "{\"a\":null,\"b\":-1.50e+3,\"c\":[1, 2],\"d\":{\"e\":{}}}",
                  "- -1.50e+3 [1, 2] {\"e\":{}}\n");
    check_decodes("a", " \t{\r \"a\" : 12 \r} ", "12\n");
    check_decodes("a", "{\"a\":0}", "0\n");
}

static void missing_members_are_null(void **state)
{
    (void)state;
    check_decodes("a b", "{}\n{\"b\":1}\n{\"a\":2}\n{\"a\":1,\"b\":2}\n{}", "- -\n- 1\n2 -\n1 2\n- -\n");
}

static void members_are_found_in_any_order(void **state)
{
    (void)state;
    check_decodes("a b c",
                  "{\"a\":1,\"b\":2,\"c\":3}\n{\"c\":3,\"b\":2,\"a\":1}\n{\"b\":2,\"z\":0,\"a\":1,\"c\":3}\n"
                  "{\"a\":1,\"c\":3,\"b\":2}\n{\"a\":1,\"b\":2,\"c\":3}\n{ \"a\" : 1, \"b\" : 2 , \"c\":3}",
                  "1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n");
}

static void white_space_may_come_and_go(void **state)
{
    (void)state;
    check_decodes("a b c",
                  "{\"a\":1,\"b\":2,\"c\":3}\n{\"a\": 1,\"b\":\t2,\"c\": 3 }\n{\"a\":1, \"b\" :2,\"c\":3}\n"
                  "{ \"a\":  1 ,\"b\":2,\"c\":  \"x\"}\n{\"a\":1,\"b\":2,\"c\":3}",
                  "1 2 3\n1 2 3\n1 2 3\n1 2 \"x\"\n1 2 3\n");
}

static void names_that_begin_alike_are_told_apart(void **state)
{
    (void)state;
    check_decodes("temp temperature t",
                  "{\"temp\":1,\"temperature\":2,\"t\":3}\n{\"temperature\":2,\"t\":3,\"temp\":1}", "1 2 3\n1 2 3\n");
    check_decodes(
        "a_name_that_is_longer_than_a_step_can_be_learnt_and_then_some a_name_that_is_longer_than_a_step_can",
        "{\"a_name_that_is_longer_than_a_step_can\":1,\"a_name_that_is_longer_than_a_step_can_be_learnt_and_then_"
        "some\":2}\n{\"a_name_that_is_longer_than_a_step_can\":3}",
        "2 1\n- 3\n");
}

static void paths_reach_into_objects(void **state)
{
    (void)state;
    check_decodes("loc.lat loc.lon.deg x", "{\"loc\":{\"lat\":1,\"lon\":{\"min\":0,\"deg\":2}},\"x\":3}", "1 2 3\n");
    check_decodes("loc loc.lat", "{\"loc\":{\"lat\":1,\"lon\":2}}\n{\"loc\":5}\n{\"loc\":[1]}\n{\"loc\":null}\n{}",
                  "{\"lat\":1,\"lon\":2} 1\n5 -\n[1] -\n- -\n- -\n");
    check_decodes("a.b.c.d.e", "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":\"deep\"}}}}}", "\"deep\"\n");
}

static void of_duplicate_members_the_last_wins(void **state)
{
    (void)state;
    check_decodes("a", "{\"a\":1,\"a\":2}\n{\"a\":1,\"\\u0061\":null}", "2\n-\n");
    check_decodes("a.b a", "{\"a\":{\"b\":1},\"a\":{\"c\":2}}\n{\"a\":{\"b\":1},\"a\":7}\n{\"a\":7,\"a\":{\"b\":1}}",
                  "- {\"c\":2}\n- 7\n1 {\"b\":1}\n");
    check_decodes("a.b.c a.d",
                  "{\"a\":{\"b\":{\"c\":1},\"d\":2,\"b\":3}}\n{\"a\":{\"b\":{\"c\":1},\"d\":2},\"a\":{\"d\":3}}",
                  "- 2\n- 3\n");
}

static void escaped_names_are_the_names_they_spell(void **state)
{
    (void)state;
    check_decodes("a é", "{\"\\u0061\":1,\"\\u00e9\":2}\n{\"a\":3,\"é\":4}\n{\"\\u0061\":5}\n{\"a\\u0000\":1}",
                  "1 2\n3 4\n5 -\n- -\n");
}

static void a_path_wanted_twice_fills_both_columns(void **state)
{
    (void)state;
    check_decodes("a a b a", "{\"a\":1,\"b\":2}\n{}", "1 1 2 1\n- - - -\n");
}

static void numbers_keep_their_text(void **state)
{
    (void)state;
    check_decodes("n",
                  "{\"n\":123456789012345678901234567890}\n{\"n\":1e400}\n{\"n\":-0.10}\n{\"n\":12345678.12345678}",
                  "123456789012345678901234567890\n1e400\n-0.10\n12345678.12345678\n");
}

static void texts_keep_their_escapes(void **state)
{
    (void)state;
    check_decodes("s", "{\"s\":\"a\\nb\"}\n{\"s\":\"\\u0000\"}\n{\"s\":\"日本\"}\n{\"s\":\"}\"}",
                  "\"a\\nb\"\n\"\\u0000\"\n\"日本\"\n\"}\"\n");
}

/* More columns than there are bits for, more members than a shape can learn. */
static void many_columns_and_many_members_are_no_different(void **state)
{
    (void)state;
    enum { MEMBERS = 700 };
    for (json_parse_function *const *parse = all_parsers(); *parse; parse++) {
        struct decoding_rig *rig = decoding_open();
        static char names[MEMBERS][16];
        for (int i = 0; i < MEMBERS; i++) {
            snprintf(names[i], sizeof names[i], i % 10 ? "m%d" : "o.m%d", i);
            if (i % 3)
                decoding_want(rig, names[i], NULL);
        }
        for (int order = 0; order < 3; order++) {
            struct buffer text = {0};
            for (int k = 0; k < MEMBERS; k++) {
                int i = order == 1 ? MEMBERS - 1 - k : k;
                if (i % 10)
                    buffer_printf(&text, "%c\"m%d\":%d", text.len ? ',' : '{', i, order * 1000 + i);
            }
            buffer_printf(&text, ",\"o\":{\"m10\":%d}%s}", order, order == 2 ? ",\"o\":{}" : "");
            decoding_add(rig, (struct str){text.data, text.len});
            decoding_add(rig, STR("{\"m1\":0,\"o\":{\"m680\":1},\"m698\":2,]"));
            buffer_release(&text);
        }
        decoding_add(rig, STR("{}"));
        decoding_run(rig, *parse);
        assert_int_equal(rig->out.selected, 4);
        assert_int_equal(rig->rejections.count, 3);
        for (uint32_t row = 0; row < 4; row++) {
            for (uint32_t c = 0; c < rig->schema.count; c++) {
                struct value v = rig->out.columns[c][row];
                const char *name = rig->schema.columns[c].name.data;
                int i = atoi(strchr(name, 'm') + 1);
                if (row == 3 || (*name == 'o' && (i != 10 || row == 2))) {
                    assert_int_equal(v.kind, VALUE_NULL);
                } else {
                    assert_int_equal(v.kind, VALUE_NUMBER);
                    assert_int_equal(atoi(v.ptr), *name == 'o' ? (int)row : (int)row * 1000 + i);
                }
            }
        }
        decoding_close(rig);
    }
}

static void a_bad_record_is_rejected_alone_with_its_offset(void **state)
{
    (void)state;
    struct decoding_rig *rig = decoding_open();
    decoding_want(rig, "a", NULL);
    rig->schema.wants_raw = true;
    decoding_add(rig, STR("{\"a\":1}"));
    decoding_add(rig, STR("{\"a\":1,}"));
    decoding_add(rig, STR(" {\"a\":2} "));
    decoding_add(rig, STR("{\"a\":\"\x80\"}"));
    decoding_add(rig, STR("  [1]"));
    decoding_add(rig, STR("\"x\""));
    decoding_add(rig, STR("12"));
    decoding_add(rig, STR(""));
    decoding_add(rig, STR("{\"a\":3}"));
    decoding_run(rig, NULL);
    assert_int_equal(rig->out.rows, 3);
    assert_int_equal(rig->out.selected, 3);
    static const uint32_t good[] = {0, 2, 8};
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(rig->out.record[rig->out.sel[i]], good[i]);
        assert_int_equal(rig->out.columns[0][rig->out.sel[i]].ptr[0], '1' + (int)i);
        assert_int_equal(rig->out.raw[i].len, 7);
        assert_memory_equal(rig->out.raw[i].data, "{\"a\":", 5);
    }
    static const struct {
        uint32_t record, offset;
        const char *text;
    } bad[] = {
        {1, 7, "malformed JSON at byte 7: expected a member's name in quotes"},
        {3, 6, "malformed JSON at byte 6: invalid UTF-8"},
        {4, 2, "not an event: a JSON object is expected, not an array"},
        {5, 0, "not an event: a JSON object is expected, not a string"},
        {6, 0, "not an event: a JSON object is expected, not a bare value"},
        {7, 0, "malformed JSON at byte 0: the text ends inside a value"},
    };
    assert_int_equal(rig->rejections.count, 6);
    for (uint32_t i = 0; i < 6; i++) {
        const struct rejection *r = &rig->rejections.items[i];
        assert_int_equal(r->record, bad[i].record);
        assert_int_equal(r->offset, bad[i].offset);
        assert_string_equal(r->class_name, "decode");
        assert_string_equal(r->sqlstate, "22P02");
        assert_string_equal(r->text.data, bad[i].text);
    }
    decoding_close(rig);
}

static void add_nested(struct decoding_rig *rig, int levels, bool closed)
{
    struct buffer text = {0};
    buffer_add_str(&text, STR("{\"a\":"));
    for (int i = 1; i < levels; i++)
        buffer_add_str(&text, i % 3 ? STR("[") : STR("{\"b\":"));
    buffer_add_byte(&text, '0');
    for (int i = levels - 1; closed && i > 0; i--)
        buffer_add_byte(&text, i % 3 ? ']' : '}');
    buffer_add_byte(&text, '}');
    decoding_add(rig, (struct str){text.data, text.len});
    buffer_release(&text);
}

static void nesting_is_limited(void **state)
{
    (void)state;
    static const int limits[] = {1, 2, 64, 65, 128, 129, 1024};
    for (json_parse_function *const *parse = all_parsers(); *parse; parse++) {
        for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
            struct decoding_rig *rig = decoding_open();
            rig->options.json_max_depth = limits[i];
            decoding_want(rig, "a", NULL);
            decoding_want(rig, "c.d.e", NULL);
            add_nested(rig, limits[i], true);
            add_nested(rig, limits[i] + 1, true);
            add_nested(rig, limits[i] > 1 ? limits[i] : 2, false);
            decoding_run(rig, *parse);
            assert_int_equal(rig->out.selected, 1);
            assert_int_equal(rig->rejections.count, 2);
            assert_non_null(strstr(rig->rejections.items[0].text.data, "nested deeper than"));
            decoding_close(rig);
        }
    }
}

/* Records lie in the batch without anything between them: a bad one must not borrow from the next. */
static void a_record_ends_where_it_ends(void **state)
{
    (void)state;
    static const char *const halves[][2] = {
        {"{\"a\":{}", "}"},         {"{\"a}", "b\":1}"},        {"{\"a\":\"x}", "\"}"},
        {"{\"a\":[1,{}", "]}"},     {"{\"b}", "\":1,\"a\":1}"}, {"{\"a\":\"\\}", "u0041\"}"},
        {"{\"a\":\"\\u00}", "\"}"}, {"{\"a\":{\"b\":[]}", "}"}, {"{\"a\":\"\xE2\x82}", "\xAC\"}"},
    };
    for (json_parse_function *const *parse = all_parsers(); *parse; parse++) {
        for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
            struct decoding_rig *rig = decoding_open();
            decoding_want(rig, "a", NULL);
            decoding_want(rig, "a.b", NULL);
            decoding_add(rig, STR("{\"a}b\":1,\"b}\":1,\"a\":1}")); /* what might be learnt */
            decoding_add(rig, str_of(halves[i][0]));
            decoding_add(rig, str_of(halves[i][1]));
            decoding_run(rig, *parse);
            assert_int_equal(rig->out.selected, 1);
            assert_int_equal(rig->rejections.count, 2);
            decoding_close(rig);
        }
    }
}

static void records_that_were_bad_before_are_rejected(void **state)
{
    (void)state;
    struct decoding_rig *rig = decoding_open();
    decoding_want(rig, "a", NULL);
    for (int i = 0; i < 4; i++)
        decoding_add(rig, STR("{\"a\":1}"));
    rig->b->records[1].fault = RECORD_TOO_LONG;
    rig->b->records[2].fault = RECORD_CORRUPT;
    decoding_run(rig, NULL);
    assert_int_equal(rig->out.selected, 2);
    assert_int_equal(rig->out.record[rig->out.sel[1]], 3);
    assert_int_equal(rig->rejections.count, 2);
    decoding_close(rig);
}

static void declared_columns_are_converted_once(void **state)
{
    (void)state;
    struct decoding_rig *rig = decoding_open();
    decoding_want(rig, "i", "integer");
    decoding_want(rig, "i", NULL);
    decoding_want(rig, "t", "text");
    decoding_want(rig, "o.d", "double precision");
    decoding_want(rig, "j", "jsonb");
    decoding_add(rig, STR("{\"i\":12,\"t\":\"a\\nb\",\"o\":{\"d\":1.5},\"j\":\"x\"}"));
    decoding_add(rig, STR("{\"i\":\"-7\",\"t\":\"plain\",\"o\":{\"d\":\"2\"},\"j\":[1]}"));
    decoding_add(rig, STR("{\"i\":\"12x\"}"));
    decoding_add(rig, STR("{\"i\":99999999999}"));
    decoding_add(rig, STR("{\"i\":null,\"j\":true}"));
    decoding_run(rig, NULL);
    assert_int_equal(rig->out.selected, 3);
    struct value **columns = rig->out.columns;
    const uint32_t *sel = rig->out.sel;
    assert_int_equal(columns[0][sel[0]].kind, VALUE_INT);
    assert_int_equal(columns[0][sel[0]].i, 12);
    assert_int_equal(columns[0][sel[1]].i, -7);
    assert_int_equal(columns[1][sel[0]].kind, VALUE_NUMBER);
    assert_int_equal(columns[1][sel[1]].kind, VALUE_TEXT);
    assert_int_equal(columns[2][sel[0]].flags, VALUE_ESCAPED);
    assert_int_equal(columns[3][sel[0]].kind, VALUE_DOUBLE);
    assert_true(columns[3][sel[0]].d == 1.5 && columns[3][sel[1]].d == 2);
    assert_int_equal(columns[4][sel[0]].kind, VALUE_JSON);
    assert_memory_equal(columns[4][sel[0]].ptr, "\"x\"", 3);
    assert_memory_equal(columns[4][sel[2]].ptr, "true", 4);
    assert_int_equal(columns[0][sel[2]].kind, VALUE_NULL);
    assert_int_equal(rig->rejections.count, 2);
    assert_string_equal(rig->rejections.items[0].text.data,
                        "member \"i\": invalid input syntax for type integer: \"12x\"");
    assert_string_equal(rig->rejections.items[0].sqlstate, "22P02");
    assert_int_equal(rig->rejections.items[0].offset, 6);
    assert_non_null(strstr(rig->rejections.items[1].text.data, "99999999999"));
    assert_string_equal(rig->rejections.items[1].sqlstate, "22003");
    decoding_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wanted_members_become_columns),
        cmocka_unit_test(missing_members_are_null),
        cmocka_unit_test(members_are_found_in_any_order),
        cmocka_unit_test(white_space_may_come_and_go),
        cmocka_unit_test(names_that_begin_alike_are_told_apart),
        cmocka_unit_test(paths_reach_into_objects),
        cmocka_unit_test(of_duplicate_members_the_last_wins),
        cmocka_unit_test(escaped_names_are_the_names_they_spell),
        cmocka_unit_test(a_path_wanted_twice_fills_both_columns),
        cmocka_unit_test(numbers_keep_their_text),
        cmocka_unit_test(texts_keep_their_escapes),
        cmocka_unit_test(many_columns_and_many_members_are_no_different),
        cmocka_unit_test(a_bad_record_is_rejected_alone_with_its_offset),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(a_record_ends_where_it_ends),
        cmocka_unit_test(records_that_were_bad_before_are_rejected),
        cmocka_unit_test(declared_columns_are_converted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
