#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pipeline/sql/regex.h"

static bool matches(const char *pattern, const char *text)
{
    struct error err;
    struct regex *r = regex_new(str_of(pattern), 0, &err);
    assert_non_null(r);
    enum regex_result found = regex_test(r, str_of(text), &err);
    assert_int_not_equal(found, REGEX_FAILED);
    regex_free(r);
    return found == REGEX_YES;
}

static void a_pattern_that_never_ends_rejects_the_text(void **state)
{
    (void)state;
    struct error err;
    const size_t *found;
    struct regex *r = regex_new(STR("(a|aa)+$"), 0, &err);
    struct str text = STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
    assert_int_equal(regex_test(r, text, &err), REGEX_FAILED);
    assert_string_equal(err.sqlstate, "2201B");
    assert_non_null(strstr(err.text, "too many ways"));
    assert_int_equal(regex_search(r, text, 0, &found, &err), REGEX_FAILED);
    regex_free(r);
}

static void what_pcre2_has_and_postgres_has_not_is_no_syntax(void **state)
{
    (void)state;
    static const char *const refused[] = {"a++",  "(?>a)",  "(?<n>a)", "(*UTF)a", "\\K",
                                          "(?R)", "\\p{L}", "\\Qa\\E", "(?i:a)",  "a*?+"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        struct error err;
        struct regex *r = regex_new(str_of(refused[i]), 0, &err);
        if (r)
            print_error("%s is taken\n", refused[i]);
        assert_null(r);
        assert_string_equal(err.sqlstate, "2201B");
    }
    assert_true(matches("\\B", "\\"));
    assert_false(matches("a\\Z", "a\n"));
}

static void a_group_number_is_never_more_than_there_are_groups(void **state)
{
    (void)state;
    struct error err;
    const size_t *found;
    char pattern[400] = "";
    for (int i = 0; i < 40; i++)
        strcat(pattern, "(a)?");
    struct regex *r = regex_new(str_of(pattern), 0, &err);
    assert_int_equal(regex_groups(r), 40);
    assert_int_equal(regex_search(r, STR("aab"), 0, &found, &err), REGEX_YES);
    assert_int_equal(found[1], 2);
    assert_int_equal(found[2 * 2 + 1], 2);
    assert_true(found[2 * 3] == SIZE_MAX && found[2 * 40] == SIZE_MAX);
    regex_free(r);
}

static void the_cache_keeps_patterns_apart_and_forgets_the_oldest(void **state)
{
    (void)state;
    struct error err;
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 200; i++) {
            char pattern[32], text[32];
            snprintf(pattern, sizeof(pattern), "^x%d$", i);
            snprintf(text, sizeof(text), "X%d", i);
            const struct regex *r = regex_cached(str_of(pattern), 0, &err);
            assert_int_equal(regex_test(r, str_of(text), &err), REGEX_NO);
            r = regex_cached(str_of(pattern), REGEX_NOCASE, &err);
            assert_int_equal(regex_test(r, str_of(text), &err), REGEX_YES);
        }
    assert_null(regex_cached(STR("("), 0, &err));
}

static void *search_often(void *regex)
{
    struct error err;
    const size_t *found;
    for (int i = 0; i < 2000; i++) {
        if (regex_search(regex, STR("one foobar two"), 0, &found, &err) != REGEX_YES || found[0] != 4 || found[1] != 10)
            return regex;
        if (!regex_cached(STR("a|b"), i % 3 ? 0 : REGEX_NOCASE, &err))
            return regex;
    }
    return NULL;
}

static void threads_share_a_pattern(void **state)
{
    (void)state;
    struct error err;
    pthread_t threads[4];
    struct regex *r = regex_new(STR("foo|foobar"), 0, &err);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_often, r), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    regex_free(r);
}

static void a_deep_pattern_is_refused_not_a_crash(void **state)
{
    (void)state;
    struct error err;
    struct buffer pattern = {0};
    for (int i = 0; i < 100000; i++)
        buffer_add_byte(&pattern, '(');
    assert_null(regex_new((struct str){pattern.data, pattern.len}, 0, &err));
    pattern.len = 0;
    for (int i = 0; i < 150; i++)
        buffer_add_str(&pattern, STR("(?:"));
    buffer_add_byte(&pattern, 'a');
    for (int i = 0; i < 150; i++)
        buffer_add_str(&pattern, STR(")*?"));
    struct regex *r = regex_new((struct str){pattern.data, pattern.len}, 0, &err);
    regex_free(r);
    buffer_release(&pattern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_that_never_ends_rejects_the_text),
        cmocka_unit_test(what_pcre2_has_and_postgres_has_not_is_no_syntax),
        cmocka_unit_test(a_group_number_is_never_more_than_there_are_groups),
        cmocka_unit_test(the_cache_keeps_patterns_apart_and_forgets_the_oldest),
        cmocka_unit_test(threads_share_a_pattern),
        cmocka_unit_test(a_deep_pattern_is_refused_not_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
