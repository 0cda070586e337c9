#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/base/clock.h"

static void check(int64_t us, const char *expected)
{
    char text[25];
    clock_print_wall(us, text);
    assert_string_equal(text, expected);
}

static void wall_time_is_printed_in_utc_to_the_millisecond(void **state)
{
    (void)state;
    check(0, "1970-01-01T00:00:00.000Z");
    check(1772366400123999, "2026-03-01T12:00:00.123Z");
    check(951782400000000, "2000-02-29T00:00:00.000Z");
    check(-1, "1969-12-31T23:59:59.999Z");
    check(-1000000, "1969-12-31T23:59:59.000Z");
    check(INT64_MAX, "0000-00-00T00:00:00.000Z"); /* no year of four digits */
}

static void monotonic_time_does_not_go_back(void **state)
{
    (void)state;
    int64_t before = clock_now_us(&clock_system);
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_now_us(&clock_system);
        assert_true(now >= before);
        before = now;
    }
    assert_true(clock_system.wall_us(&clock_system) > INT64_C(1700000000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wall_time_is_printed_in_utc_to_the_millisecond),
        cmocka_unit_test(monotonic_time_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
