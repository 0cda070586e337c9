#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pipeline/base/arena.h"
#include "pipeline/event/batch.h"

static void chunks_are_as_large_as_asked_and_padded(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 4096, 4097, 100000, 1 << 20, (1 << 20) + 1, 3 << 20};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int again = 0; again < 3; again++) {
            struct batch *b = batch_new(sizes[i]);
            assert_true(b->capacity >= sizes[i]);
            memset(b->bytes, 'x', b->capacity + BATCH_PADDING);
            batch_unref(b);
        }
    }
    batch_unref(NULL);
}

static void growing_keeps_the_bytes(void **state)
{
    (void)state;
    struct batch *b = batch_new(10);
    memcpy(b->bytes, "0123456789", 10);
    b->len = 10;
    for (size_t capacity = 10; capacity < 5 << 20; capacity *= 3) {
        batch_reserve(b, capacity);
        assert_true(b->capacity >= capacity);
        assert_memory_equal(b->bytes, "0123456789", 10);
    }
    memset(b->bytes, 'x', b->capacity + BATCH_PADDING);
    batch_unref(b);
}

static void records_keep_their_places_while_they_grow(void **state)
{
    (void)state;
    struct batch *b = batch_new(4096);
    enum { COUNT = 100000 };
    for (uint32_t i = 0; i < COUNT; i++) {
        struct record *r = batch_add_record(b);
        assert_int_equal(r->length, 0);
        assert_int_equal(r->fault, RECORD_OK);
        r->position = i * UINT64_C(7);
        r->offset = i;
    }
    assert_int_equal(b->record_count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_true(b->records[i].position == i * UINT64_C(7) && b->records[i].offset == i);
    batch_unref(b);
}

static int freed_states;

static void count_free(void *format_state)
{
    (void)format_state;
    freed_states++;
}

static void a_partition_lives_as_long_as_its_last_span(void **state)
{
    (void)state;
    freed_states = 0;
    struct partition *p = partition_new("inbox/a.csv");
    p->file = mem_strdup("a.csv");
    p->topic = mem_strdup("readings");
    p->format_state_free = count_free;
    assert_int_equal(p->number, -1);
    assert_true(p->timestamp == INT64_MIN);
    struct batch *first = batch_new(100), *second = batch_new(100);
    batch_add_span(first, p, 0);
    batch_add_span(second, p, 500);
    partition_unref(p);
    batch_unref(first);
    assert_int_equal(freed_states, 0);
    assert_string_equal(second->spans[0].partition->key, "inbox/a.csv");
    batch_ref(second);
    batch_unref(second);
    assert_int_equal(freed_states, 0);
    batch_unref(second);
    assert_int_equal(freed_states, 1);
    partition_unref(NULL);
}

static void spans_begin_where_the_records_are(void **state)
{
    (void)state;
    struct partition *p = partition_new("a"), *q = partition_new("b");
    struct batch *b = batch_new(100);
    memcpy(b->bytes, "onetwo", 6);
    struct span *s = batch_add_span(b, p, 1000);
    assert_true(s->first == 1000 && s->next == 1000 && s->from == 0 && s->count == 0);
    *batch_add_record(b) = (struct record){.position = 1000, .offset = 0, .length = 3, .span = 0};
    s->count++;
    s->next = 1004;
    s = batch_add_span(b, q, 0);
    assert_int_equal(s->from, 1);
    *batch_add_record(b) = (struct record){.position = 0, .offset = 3, .length = 3, .span = 1};
    for (int i = 0; i < 100; i++)
        batch_add_span(b, p, (uint64_t)i);
    assert_true(str_eq(batch_record_bytes(b, 1), STR("two")));
    assert_ptr_equal(batch_record_partition(b, 0), p);
    assert_ptr_equal(batch_record_partition(b, 1), q);
    assert_true(b->spans[0].next == 1004);
    partition_unref(p);
    partition_unref(q);
    batch_unref(b);
}

static void a_batch_frees_its_meta_and_fault_text(void **state)
{
    (void)state;
    struct batch *b = batch_new(100);
    struct record_meta *m = &b->meta;
    struct value **arrays[] = {&m->key, &m->timestamp, &m->headers, &m->properties, &m->topic};
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        *arrays[i] = mem_zalloc(sizeof(struct value));
    b->fault_text = mem_strdup("bad frame");
    b->fault_text_owned = true;
    batch_unref(b); /* the leak checker sees the rest */
    b = batch_new(100);
    b->fault_text = "static";
    batch_unref(b);
}

static void a_trickle_gives_its_large_chunk_back(void **state)
{
    (void)state;
    struct batch *b = batch_new(1 << 20);
    memcpy(b->bytes, "one line", 8);
    b->len = 8;
    batch_shrink(b);
    assert_true(b->capacity <= 64 << 10);
    assert_memory_equal(b->bytes, "one line", 8);
    memset(b->bytes, 'x', b->capacity + BATCH_PADDING);
    batch_unref(b);
    b = batch_new(1 << 20);
    memset(b->bytes, 'x', b->capacity);
    b->len = b->capacity;
    char *before = b->bytes;
    batch_shrink(b);
    assert_ptr_equal(b->bytes, before);
    batch_unref(b);
}

static void the_last_holder_of_the_bytes_frees_them_and_spans_stay(void **state)
{
    (void)state;
    struct partition *p = partition_new("a");
    struct batch *b = batch_new(100);
    batch_add_span(b, p, 7);
    batch_add_record(b);
    partition_unref(p);
    batch_hold_bytes(b);
    batch_hold_bytes(b);
    assert_false(batch_drop_bytes(b));
    assert_non_null(b->bytes);
    assert_true(batch_drop_bytes(b));
    assert_null(b->bytes);
    assert_null(b->records);
    assert_string_equal(b->spans[0].partition->key, "a");
    batch_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_as_large_as_asked_and_padded),
        cmocka_unit_test(growing_keeps_the_bytes),
        cmocka_unit_test(records_keep_their_places_while_they_grow),
        cmocka_unit_test(a_partition_lives_as_long_as_its_last_span),
        cmocka_unit_test(spans_begin_where_the_records_are),
        cmocka_unit_test(a_batch_frees_its_meta_and_fault_text),
        cmocka_unit_test(a_trickle_gives_its_large_chunk_back),
        cmocka_unit_test(the_last_holder_of_the_bytes_frees_them_and_spans_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
