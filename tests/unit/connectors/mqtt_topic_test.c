#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connectors/mqtt/topic.h"

static void filters_with_whole_wildcards_are_right(void **state)
{
    (void)state;
    static const char *const right[] = {"a",         "/",  "a/b/c", "#",      "a/#",        "+",
                                        "+/b/+",     "/+", "a/+/#", "$SYS/#", "$share/g/a", "$share/g/a/+/#",
                                        "$share/g//"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        assert_null(mqtt_filter_problem(right[i]));
}

static void filters_that_no_broker_takes_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",          "a#",         "#/a",         "a/#/b",    "a+",
                                        "a/b+/c",    "++",         "$share/",     "$share/g", "$share/g/",
                                        "$share//a", "$share/+/a", "$share/g/a#", "a\xff"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_non_null(mqtt_filter_problem(wrong[i]));
}

static void nothing_is_published_to_a_wildcard(void **state)
{
    (void)state;
    assert_null(mqtt_topic_problem(STR("alerts/dev-7")));
    assert_null(mqtt_topic_problem(STR("$share")));
    assert_non_null(mqtt_topic_problem(STR("")));
    assert_non_null(mqtt_topic_problem(STR("alerts/+")));
    assert_non_null(mqtt_topic_problem(STR("alerts/#")));
    assert_non_null(mqtt_topic_problem(STR("alerts/\0")));
    assert_non_null(mqtt_topic_problem(STR("\xc3")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_with_whole_wildcards_are_right),
        cmocka_unit_test(filters_that_no_broker_takes_are_refused),
        cmocka_unit_test(nothing_is_published_to_a_wildcard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
