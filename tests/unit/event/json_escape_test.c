#include "tests/unit/event/answers.h"

#include "pipeline/event/convert.h"

static void check_escape(struct str in, const char *expected)
{
    struct buffer out = {0};
    json_escape(&out, in);
    assert_string_equal(buffer_cstr(&out), expected);
    buffer_release(&out);
}

static void only_what_must_be_is_escaped(void **state)
{
    (void)state;
    check_escape(STR(""), "");
    check_escape(STR("plain"), "plain");
    check_escape(STR("say \"hi\"\\"), "say \\\"hi\\\"\\\\");
    check_escape(STR("\b\f\n\r\t\1\x1f\x7f/"), "\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/");
    check_escape(STR("日本語 – 😀 é, and then on for more than a vector or two \"\" …"),
                 "日本語 – 😀 é, and then on for more than a vector or two \\\"\\\" …");
}

static void a_special_byte_is_found_in_every_place_of_a_vector(void **state)
{
    (void)state;
    for (size_t len = 1; len < 100; len++) {
        for (size_t place = 0; place < len; place++) {
            char text[100], expected[110];
            memset(text, 'x', len);
            text[place] = '"';
            snprintf(expected, sizeof expected, "%.*s\\%.*s", (int)place, text, (int)(len - place), text + place);
            check_escape((struct str){text, len}, expected);
        }
    }
}

static bool unescape(const char *text, struct str *out, struct arena *a, struct error *err)
{
    struct value v = value_text(str_of(text));
    v.flags = VALUE_ESCAPED;
    bool good = value_unescape(a, &v, err);
    *out = value_str(v);
    assert_int_equal(v.flags & VALUE_ESCAPED, good ? 0 : VALUE_ESCAPED);
    return good;
}

static void escapes_become_their_characters(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"a\\nb", "a\nb"},
        {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"},
        {"\\u0041\\u00e9\\u20AC", "Aé€"},
        {"\\ud83d\\ude00!", "😀!"},
        {"\\u007f\\u0080\\u07ff\\u0800\\uffff", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
    };
    struct arena a = ARENA_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str out;
        struct error err;
        assert_true(unescape(cases[i][0], &out, &a, &err));
        assert_true(str_eq(out, str_of(cases[i][1])));
    }
    arena_release(&a);
}

static void what_has_no_text_form_is_rejected(void **state)
{
    (void)state;
    static const char *const cases[] = {"\\u0000",        "a\\ud83d", "\\ude00", "\\ud83d\\u0041",
                                        "\\ud83dxxxxxxx", "\\u12",    "\\x",     "\\"};
    struct arena a = ARENA_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str out;
        struct error err;
        assert_false(unescape(cases[i], &out, &a, &err));
        assert_int_equal(err.kind, ERROR_REJECT);
        assert_string_equal(err.sqlstate, "22P05");
    }
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_must_be_is_escaped),
        cmocka_unit_test(a_special_byte_is_found_in_every_place_of_a_vector),
        cmocka_unit_test(escapes_become_their_characters),
        cmocka_unit_test(what_has_no_text_form_is_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
