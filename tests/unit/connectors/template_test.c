#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "connectors/std/template.h"

static struct arena arena;
static char printed[4096];

static struct template *parsed(const char *text)
{
    struct error err;
    size_t offset;
    struct template *t = template_parse(text, &arena, &offset, &err);
    if (!t)
        fail_msg("%s: %s", text, err.text);
    return t;
}

static const char *print(const char *text, uint64_t seed, uint64_t n, int64_t wall_us)
{
    struct template *t = parsed(text);
    struct template_clock clock = {0};
    assert_true(template_most(t) < sizeof(printed));
    size_t len = template_print(t, seed, n, wall_us, &clock, printed);
    assert_true(len <= template_most(t));
    printed[len] = '\0';
    return printed;
}

static void braces_of_json_need_no_quoting(void **state)
{
    (void)state;
    assert_string_equal(print("{\"a\":{\"b\":{}}, \"n\":{counter}}", 1, 7, 0), "{\"a\":{\"b\":{}}, \"n\":7}");
    assert_string_equal(print("{ x } {", 1, 0, 0), "{ x } {");
}

static void counters_start_where_they_are_told(void **state)
{
    (void)state;
    assert_string_equal(print("{counter:1000} {counter:-2}", 1, 5, 0), "1005 3");
}

static void random_numbers_stay_in_their_range_and_reach_both_ends(void **state)
{
    (void)state;
    bool low = false, high = false;
    for (uint64_t n = 0; n < 1000; n++) {
        int v = atoi(print("{random_int:-2:3}", 9, n, 0));
        assert_in_range(v + 2, 0, 5);
        low |= v == -2;
        high |= v == 3;
    }
    assert_true(low && high);
}

static void decimals_have_two_digits_or_as_many_as_the_range(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 200; n++) {
        const char *text = print("{random:-1:1}", 9, n, 0);
        double v = atof(text);
        assert_true(v >= -1 && v <= 1);
        assert_int_equal(strlen(strchr(text, '.')), 3);
    }
    assert_string_equal(print("{random:-0.5005:-0.5005}", 9, 1, 0), "-0.5005");
    assert_string_equal(print("{random:7:7}", 9, 1, 0), "7.00");
}

static void choices_come_from_the_list_and_may_be_empty(void **state)
{
    (void)state;
    unsigned seen = 0;
    for (uint64_t n = 0; n < 100; n++) {
        const char *text = print("<{choice:ok|warn|}>", 9, n, 0);
        seen |= strcmp(text, "<ok>") == 0 ? 1u : strcmp(text, "<warn>") == 0 ? 2u : strcmp(text, "<>") == 0 ? 4u : 8u;
    }
    assert_int_equal(seen, 7);
}

static void the_time_is_printed_to_the_millisecond(void **state)
{
    (void)state;
    assert_string_equal(print("{time}", 1, 0, INT64_C(1772366400123456)), "2026-03-01T12:00:00.123Z");
    struct template *t = parsed("{time}");
    struct template_clock clock = {0};
    template_print(t, 1, 0, INT64_C(1772366400999000), &clock, printed);
    template_print(t, 1, 1, INT64_C(1772366401007000), &clock, printed);
    assert_memory_equal(printed, "2026-03-01T12:00:01.007Z", 24);
}

static void uuids_are_of_version_4(void **state)
{
    (void)state;
    const char *text = print("{uuid}", 3, 3, 0);
    assert_int_equal(strlen(text), 36);
    assert_int_equal(text[14], '4');
    assert_non_null(strchr("89ab", text[19]));
    assert_true(text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-');
}

static void an_event_depends_on_the_seed_and_its_number_alone(void **state)
{
    (void)state;
    const char *text = "{uuid} {random:0:1000000} {choice:a|b|c|d|e}";
    char first[256], other[256];
    strcpy(first, print(text, 42, 1234567, 0));
    print(text, 42, 5, 0);
    assert_string_equal(print(text, 42, 1234567, 0), first);
    strcpy(other, print(text, 43, 1234567, 0));
    assert_string_not_equal(first, other);
    assert_string_not_equal(print(text, 42, 1234568, 0), first);
}

static void mistakes_are_named_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        size_t offset;
    } wrong[] = {
        {"a {countr}", "unknown placeholder {countr}", 2},
        {"{random:5}", "{random:5}: expected {random:LOWEST:HIGHEST}", 0},
        {"xx{random_int:9:1}", "{random_int:9:1}: expected", 2},
        {"{random_int:0.5:1}", "expected {random_int:LOWEST:HIGHEST}", 0},
        {"{choice}", "needs something to choose from", 0},
        {"{uuid:4}", "takes no argument", 0},
        {"{counter:x}", "expected an integer", 0},
        {"{counter:1", "the closing brace is missing", 0},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct error err;
        size_t offset = 99;
        assert_null(template_parse(wrong[i].text, &arena, &offset, &err));
        assert_non_null(strstr(err.text, wrong[i].message));
        assert_int_equal(offset, wrong[i].offset);
    }
}

static int release(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(braces_of_json_need_no_quoting),
        cmocka_unit_test(counters_start_where_they_are_told),
        cmocka_unit_test(random_numbers_stay_in_their_range_and_reach_both_ends),
        cmocka_unit_test(decimals_have_two_digits_or_as_many_as_the_range),
        cmocka_unit_test(choices_come_from_the_list_and_may_be_empty),
        cmocka_unit_test(the_time_is_printed_to_the_millisecond),
        cmocka_unit_test(uuids_are_of_version_4),
        cmocka_unit_test(an_event_depends_on_the_seed_and_its_number_alone),
        cmocka_unit_test(mistakes_are_named_with_their_place),
    };
    return cmocka_run_group_tests_name("template", tests, NULL, release);
}
