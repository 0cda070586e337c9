#include "tests/unit/event/answers.h"

#include "pipeline/event/datetime.h"

static void dates_and_times_are_read_and_printed_as_the_server_does(void **state)
{
    (void)state;
    struct answers a = answers_open("data/types/datetime.tsv");
    while (answers_next(&a)) {
        struct error err = {0};
        const struct zone *zone = zone_find(str_of(a.column[0]), &err);
        if (!zone)
            fail_msg("%s", err.text);
        struct str text = str_of(a.column[2]);
        char out[64];
        size_t len = 0;
        bool good;
        if (strcmp(a.column[1], "date") == 0) {
            int32_t days;
            good = date_parse(text, &days, &err);
            if (good)
                len = date_print(days, out);
        } else {
            int64_t us;
            bool with_zone = strcmp(a.column[1], "timestamptz") == 0;
            good = with_zone ? timestamptz_parse(text, zone, &us, &err) : timestamp_parse(text, &us, &err);
            if (good)
                len = with_zone ? timestamptz_print(us, zone, ' ', false, out) : timestamp_print(us, ' ', out);
        }
        answers_check(&a, good, (struct str){out, len}, &err);
    }
    answers_close(&a, 4000);
}

static void every_date_survives_the_calendar_and_back(void **state)
{
    (void)state;
    int32_t year = -4713, month = 11, day = 24;
    for (int32_t days = -2451545; days < 4000000; days++) {
        int32_t y, m, d;
        date_to_civil(days, &y, &m, &d);
        if (y != year || m != month || d != day || date_from_civil(y, m, d) != days)
            fail_msg("day %d: %d-%d-%d, not %d-%d-%d", days, y, m, d, year, month, day);
        static const int32_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        if (++day > lengths[month - 1] + (leap && month == 2)) {
            day = 1;
            year += month == 12;
            month = month % 12 + 1;
        }
    }
    int32_t y, m, d;
    date_to_civil(2145031948, &y, &m, &d);
    assert_int_equal(y, 5874897);
    assert_int_equal(m, 12);
    assert_int_equal(d, 31);
}

static int64_t at(const char *text)
{
    struct error err;
    int64_t us;
    if (!timestamptz_parse(str_of(text), zone_utc, &us, &err))
        fail_msg("%s", err.text);
    return us;
}

static void json_gets_an_offset_with_minutes(void **state)
{
    (void)state;
    struct error err;
    char out[40];
    const struct zone *kolkata = zone_find(STR("Asia/Kolkata"), &err);
    size_t len = timestamptz_print(at("2026-03-01 12:00:00.123Z"), zone_utc, 'T', true, out);
    assert_true(str_eq((struct str){out, len}, STR("2026-03-01T12:00:00.123+00:00")));
    len = timestamptz_print(at("2026-03-01 12:00Z"), kolkata, 'T', true, out);
    assert_true(str_eq((struct str){out, len}, STR("2026-03-01T17:30:00+05:30")));
}

static void check_strftime(const char *when, const char *zone, const char *format, const char *expected)
{
    struct buffer out = {0};
    struct error err;
    const struct zone *z = zone_find(str_of(zone), &err);
    assert_true(timestamp_strftime(at(when), z, str_of(format), &out, &err));
    assert_string_equal(buffer_cstr(&out), expected);
    buffer_release(&out);
}

static void strftime_prints_the_parts_of_the_local_time(void **state)
{
    (void)state;
    check_strftime("2026-03-01 23:30:05.000123Z", "UTC", "%Y-%m-%d %H:%M:%S.%f %j %y %e %z %%",
                   "2026-03-01 23:30:05.000123 060 26  1 +0000 %");
    check_strftime("2026-03-01 23:30Z", "Asia/Kolkata", "%Y/%m/%d/%H %z %s", "2026/03/02/05 +0530 1772407800");
    check_strftime("1969-12-31 23:59:59.5Z", "UTC", "%s", "-1");
    check_strftime("infinity", "UTC", "dt=%Y", "infinity");
    struct buffer out = {0};
    struct error err;
    assert_false(timestamp_strftime(0, zone_utc, STR("%Q"), &out, &err));
    assert_int_equal(err.kind, ERROR_STOP);
    assert_false(timestamp_strftime(0, zone_utc, STR("100%"), &out, &err));
    buffer_release(&out);
}

static void the_day_it_is_read_is_not_guessed(void **state)
{
    (void)state;
    struct error err;
    int64_t us;
    assert_false(timestamp_parse(STR("today"), &us, &err));
    assert_int_equal(err.kind, ERROR_REJECT);
    assert_string_equal(err.sqlstate, "22007");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_and_times_are_read_and_printed_as_the_server_does),
        cmocka_unit_test(every_date_survives_the_calendar_and_back),
        cmocka_unit_test(json_gets_an_offset_with_minutes),
        cmocka_unit_test(strftime_prints_the_parts_of_the_local_time),
        cmocka_unit_test(the_day_it_is_read_is_not_guessed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
