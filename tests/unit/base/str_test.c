#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/base/str.h"

static const char *nearest(const char *name)
{
    static const char *const options[] = {"path", "format", "compression", "settle",   "on_done",
                                          "qos",  "url",    "topics",      "client_id"};
    return str_nearest(name, options, sizeof(options) / sizeof(options[0]));
}

static void a_typo_finds_the_name_that_was_meant(void **state)
{
    (void)state;
    assert_string_equal(nearest("pth"), "path");
    assert_string_equal(nearest("fromat"), "format");
    assert_string_equal(nearest("compresion"), "compression");
    assert_string_equal(nearest("Format"), "format");
    assert_string_equal(nearest("clientid"), "client_id");
    assert_string_equal(nearest("ur"), "url");
    assert_string_equal(nearest("qso"), "qos");
}

static void another_word_is_no_typo(void **state)
{
    (void)state;
    assert_null(nearest("delimiter"));
    assert_null(nearest(""));
    assert_null(nearest("x"));
    assert_null(nearest("banana"));
    assert_null(nearest("a name that is much longer than any option could possibly be, sixty-four letters and more"));
    assert_null(str_nearest("path", NULL, 0));
}

static void a_swap_of_neighbours_is_one_mistake(void **state)
{
    (void)state;
    /* By plain Levenshtein both are two edits away, and the first would win. */
    const char *const names[] = {"tpsx", "tpos"};
    assert_string_equal(str_nearest("tops", names, 2), "tpos");
    const char *const three[] = {"hum"};
    assert_string_equal(str_nearest("hmu", three, 1), "hum");
}

static void strings_are_compared_by_bytes_and_length(void **state)
{
    (void)state;
    assert_true(str_eq(STR("ab"), str_of("ab")));
    assert_true(str_eq(STR("a\0b"), (struct str){"a\0b", 3}));
    assert_false(str_eq(STR("a\0b"), (struct str){"a\0c", 3}));
    assert_false(str_eq(STR("ab"), STR("abc")));
    assert_true(str_eq((struct str){NULL, 0}, STR("")));
    assert_true(str_eq_nocase(STR("SELECT"), STR("select")));
    assert_false(str_eq_nocase(STR("["), STR("{")));
    assert_false(str_eq_nocase(STR("É"), STR("é")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_typo_finds_the_name_that_was_meant),
        cmocka_unit_test(another_word_is_no_typo),
        cmocka_unit_test(a_swap_of_neighbours_is_one_mistake),
        cmocka_unit_test(strings_are_compared_by_bytes_and_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
