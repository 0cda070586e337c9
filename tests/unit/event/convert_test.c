#include "tests/unit/event/answers.h"

#include "pipeline/event/convert.h"

static struct type type_of(const char *name)
{
    struct type t;
    struct error err;
    if (!type_parse(str_of(name), &t, &err))
        fail_msg("%s", err.text);
    return t;
}

static const struct zone *zone_of(const char *name)
{
    struct error err;
    const struct zone *zone = zone_find(str_of(name), &err);
    if (!zone)
        fail_msg("%s", err.text);
    return zone;
}

static void check_text_answers(const char *path, int at_least)
{
    struct answers a = answers_open(path);
    struct arena arena = ARENA_INIT;
    struct buffer out = {0};
    while (answers_next(&a)) {
        struct error err = {0};
        struct convert_context cx = {.arena = &arena, .zone = zone_of(a.column[0]), .now_us = INT64_MIN};
        struct type type = type_of(a.column[1]);
        struct value v;
        buffer_clear(&out);
        bool good = value_parse(&cx, str_of(a.column[2]), type, &v, &err);
        if (good)
            value_print(v, type, cx.zone, &out);
        answers_check(&a, good, (struct str){out.data, out.len}, &err);
        arena_reset(&arena);
    }
    buffer_release(&out);
    arena_release(&arena);
    answers_close(&a, at_least);
}

static void text_is_read_and_printed_as_the_server_does(void **state)
{
    (void)state;
    check_text_answers("data/types/text.tsv", 4000);
}

static void dates_and_times_are_values_like_others(void **state)
{
    (void)state;
    check_text_answers("data/types/datetime.tsv", 4000);
}

static void intervals_are_read_and_printed_as_the_server_does(void **state)
{
    (void)state;
    check_text_answers("data/types/interval.tsv", 1500);
}

static void casts_give_what_the_server_gives(void **state)
{
    (void)state;
    struct answers a = answers_open("data/types/cast.tsv");
    struct arena arena = ARENA_INIT;
    struct buffer out = {0};
    while (answers_next(&a)) {
        struct error err = {0};
        struct convert_context cx = {.arena = &arena, .zone = zone_of(a.column[0]), .now_us = INT64_MIN};
        struct type from = type_of(a.column[1]), to = type_of(a.column[2]);
        struct value v, cast;
        buffer_clear(&out);
        bool good = value_parse(&cx, str_of(a.column[3]), from, &v, &err) && value_cast(&cx, v, from, to, &cast, &err);
        if (good)
            value_print(cast, to, cx.zone, &out);
        answers_check(&a, good, (struct str){out.data, out.len}, &err);
        arena_reset(&arena);
    }
    buffer_release(&out);
    arena_release(&arena);
    answers_close(&a, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_read_and_printed_as_the_server_does),
        cmocka_unit_test(dates_and_times_are_values_like_others),
        cmocka_unit_test(intervals_are_read_and_printed_as_the_server_does),
        cmocka_unit_test(casts_give_what_the_server_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
