/*
 * Outputs that are parts of what a batch becomes: which positions each covers, and when all of them are home.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/engine/gathering.h"

/* Ten records, ten bytes each: 0-3 of one partition, then the end of an empty one, then 4-9 of a third. */
static struct batch *ten_records(void)
{
    struct batch *b = batch_new(4096);
    const uint32_t counts[] = {4, 0, 6};
    for (uint32_t s = 0; s < 3; s++) {
        struct partition *p = partition_new("p");
        struct span *span = batch_add_span(b, p, 100);
        partition_unref(p);
        span->from = b->record_count;
        for (uint32_t i = 0; i < counts[s]; i++) {
            struct record *r = batch_add_record(b);
            r->position = 100 + i * 10;
            r->offset = (b->record_count - 1) * 10;
            r->length = 9;
            r->span = (uint16_t)s;
        }
        b->spans[s].count = counts[s];
        b->spans[s].next = 100 + counts[s] * 10 + 7;
    }
    return b;
}

static void expect_span(const struct output *o, uint32_t i, uint32_t span, uint64_t first, uint64_t next)
{
    struct span s = output_span(o, i);
    assert_ptr_equal(s.partition, o->batch->spans[span].partition);
    assert_int_equal(s.first, first);
    assert_int_equal(s.next, next);
}

static void parts_cover_each_position_once(void **state)
{
    (void)state;
    struct batch *b = ten_records();
    struct output all = {.batch = b}, first = {.batch = b}, second = {.batch = b}, third = {.batch = b};
    output_cover(&all, 0, 10);
    assert_int_equal(all.span_count, 3);
    expect_span(&all, 0, 0, 100, 147);
    expect_span(&all, 2, 2, 100, 167);
    output_cover(&first, 0, 2);
    assert_int_equal(first.span_count, 1);
    expect_span(&first, 0, 0, 100, 120);
    output_cover(&second, 2, 5);
    assert_int_equal(second.span_count, 3);
    expect_span(&second, 0, 0, 120, 147);
    expect_span(&second, 1, 1, 100, 107);
    expect_span(&second, 2, 2, 100, 110);
    output_cover(&third, 5, 10);
    assert_int_equal(third.span_count, 1);
    expect_span(&third, 0, 2, 110, 167);
    batch_unref(b);
}

static void a_part_that_ends_where_a_partition_does_leaves_the_next_one_whole(void **state)
{
    (void)state;
    struct batch *b = ten_records();
    struct output first = {.batch = b}, second = {.batch = b};
    output_cover(&first, 0, 4);
    output_cover(&second, 4, 10);
    assert_int_equal(first.span_count, 1);
    expect_span(&first, 0, 0, 100, 147);
    assert_int_equal(second.span_count, 2);
    expect_span(&second, 0, 1, 100, 107);
    expect_span(&second, 1, 2, 100, 167);
    batch_unref(b);
}

static void a_batch_without_records_is_covered_by_its_only_part(void **state)
{
    (void)state;
    struct batch *b = batch_new(64);
    struct partition *p = partition_new("p");
    batch_add_span(b, p, 5)->next = 9;
    partition_unref(p);
    struct output o = {.batch = b};
    output_cover(&o, 0, 0);
    assert_int_equal(o.span_count, 1);
    expect_span(&o, 0, 0, 5, 9);
    batch_unref(b);
}

static void before_an_element_of_an_array_is_the_comma(void **state)
{
    (void)state;
    struct batch *b = batch_new(64);
    const char text[] = "[ 1 ,\n  22]";
    memcpy(b->bytes, text, sizeof(text) - 1);
    b->len = sizeof(text) - 1;
    *batch_add_record(b) = (struct record){.position = 1002, .offset = 2, .length = 1, .element = true};
    *batch_add_record(b) = (struct record){.position = 1008, .offset = 8, .length = 2, .element = true};
    assert_int_equal(batch_restart_before(b, 0), 1000);
    assert_int_equal(batch_restart_before(b, 1), 1004);
    batch_unref(b);
}

static bool home(struct gathering *g, uint64_t number, uint32_t part, bool more, bool settled)
{
    struct output o = {.number = number, .part = part, .more_parts = more, .settled = settled};
    bool all = gather_part(g, &o);
    if (all)
        assert_int_equal(o.settled, number != 7);
    return all;
}

static void a_number_is_answered_when_all_its_parts_are_home_in_whatever_order(void **state)
{
    (void)state;
    struct gathering g = {0};
    assert_true(home(&g, 1, 0, false, true)); /* most have one part */
    assert_false(home(&g, 2, 2, false, true));
    assert_false(home(&g, 7, 0, true, false)); /* given up: then all of the number is */
    assert_false(home(&g, 2, 0, true, true));
    assert_true(home(&g, 2, 1, true, true));
    assert_true(home(&g, 7, 1, false, true));
    assert_false(home(&g, 3, 0, true, true));
    gathering_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_cover_each_position_once),
        cmocka_unit_test(a_part_that_ends_where_a_partition_does_leaves_the_next_one_whole),
        cmocka_unit_test(a_batch_without_records_is_covered_by_its_only_part),
        cmocka_unit_test(before_an_element_of_an_array_is_the_comma),
        cmocka_unit_test(a_number_is_answered_when_all_its_parts_are_home_in_whatever_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
