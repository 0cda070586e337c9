#include "tests/unit/event/answers.h"

#include <pthread.h>

#include "pipeline/event/datetime.h"

/* What zones say about times is checked against a server's answers in datetime_test.c. */

static void the_same_name_gives_the_same_zone(void **state)
{
    (void)state;
    struct error err;
    const struct zone *oslo = zone_find(STR("Europe/Oslo"), &err);
    assert_non_null(oslo);
    assert_ptr_equal(zone_find(STR("Europe/Oslo"), &err), oslo);
    assert_ptr_equal(zone_lookup(STR("europe/OSLO")), oslo);
    assert_string_equal(zone_name(oslo), "Europe/Oslo");
    assert_ptr_equal(zone_find(STR("UTC"), &err), zone_utc);
    assert_string_equal(zone_name(zone_lookup(STR("asia/kolkata"))), "Asia/Kolkata");
}

static void a_name_never_leaves_the_zone_directory(void **state)
{
    (void)state;
    static const char *const names[] = {
        "/etc/passwd", "../../../etc/passwd", "Europe/../UTC", "", ".", "Europe", "Nowhere/Town",
        "zone.tab",    "posixrules\n"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct error err;
        assert_null(zone_find(str_of(names[i]), &err));
        assert_int_equal(err.kind, ERROR_STOP);
    }
    assert_null(zone_lookup((struct str){"Europe/Oslo\0", 12}));
}

static void an_unknown_name_gets_the_nearest_one(void **state)
{
    (void)state;
    struct error err;
    assert_null(zone_find(STR("Europe/Olso"), &err));
    assert_non_null(strstr(err.text, "\"Europe/Oslo\""));
}

static void an_offset_has_its_abbreviation(void **state)
{
    (void)state;
    struct error err;
    const struct zone *oslo = zone_find(STR("Europe/Oslo"), &err);
    int64_t summer, future;
    const char *name;
    assert_true(timestamptz_parse(STR("2026-07-01Z"), zone_utc, &summer, &err));
    assert_true(timestamptz_parse(STR("2126-12-01Z"), zone_utc, &future, &err));
    assert_int_equal(zone_offset_at(oslo, summer, &name), 7200);
    assert_string_equal(name, "CEST");
    assert_int_equal(zone_offset_at(oslo, future, &name), 3600);
    assert_string_equal(name, "CET");
    assert_int_equal(zone_offset_at(zone_utc, future, &name), 0);
    assert_string_equal(name, "UTC");
}

static void rules_in_the_data_do_not_fill_the_memory(void **state)
{
    (void)state;
    unsigned known = 0;
    char name[32];
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "%c%c%c+5", 'A' + i % 26, 'A' + i / 26 % 26, 'A' + i / 676);
        known += zone_lookup(str_of(name)) != NULL;
    }
    assert_in_range(known, 900, 1000);
    struct error err;
    assert_non_null(zone_find(STR("Asia/Tokyo"), &err));
}

static const char *const asked_for[] = {"Africa/Cairo", "america/LIMA", "Asia/Dhaka",
                                        "Europe/Rome",  "XYZ+7",        "Nowhere/Here"};
enum { ASKED_FOR = sizeof asked_for / sizeof *asked_for, ASKERS = 4 };

static void *ask_for_zones(void *found)
{
    const struct zone **zones = found;
    for (int i = 0; i < 1000 * ASKED_FOR; i++)
        zones[i % ASKED_FOR] = zone_lookup(str_of(asked_for[i % ASKED_FOR]));
    return NULL;
}

static void threads_that_ask_at_once_find_the_same_zones(void **state)
{
    (void)state;
    const struct zone *found[ASKERS][ASKED_FOR];
    pthread_t threads[ASKERS];
    for (int t = 0; t < ASKERS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, ask_for_zones, found[t]), 0);
    for (int t = 0; t < ASKERS; t++)
        pthread_join(threads[t], NULL);
    for (int z = 0; z < ASKED_FOR; z++) {
        assert_true((found[0][z] != NULL) == (z + 1 < ASKED_FOR));
        for (int t = 1; t < ASKERS; t++)
            assert_ptr_equal(found[t][z], found[0][z]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_name_gives_the_same_zone),
        cmocka_unit_test(a_name_never_leaves_the_zone_directory),
        cmocka_unit_test(an_unknown_name_gets_the_nearest_one),
        cmocka_unit_test(an_offset_has_its_abbreviation),
        cmocka_unit_test(threads_that_ask_at_once_find_the_same_zones),
        cmocka_unit_test(rules_in_the_data_do_not_fill_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
