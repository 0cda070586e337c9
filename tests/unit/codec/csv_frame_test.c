/*
 * Framing under stress: what it promises for any bytes at all.
 */
#include "tests/unit/codec/csv_rig.h"

#include "pipeline/codec/csv_scan.h"

static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

static void every_scanner_finds_the_same_bytes(void **state)
{
    (void)state;
    enum { BLOCKS = 512 };
    static char data[BLOCKS * 64];
    static uint64_t masks[3][BLOCKS], expected[3][BLOCKS];
    const struct csv_scanner *plain = &csv_scanners[csv_scanner_count - 1];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(next_random(&random) % (i % 2 ? 256 : 48));
    for (unsigned i = 0; i < csv_scanner_count; i++) {
        const struct csv_scanner *s = &csv_scanners[i];
        if (!s->usable())
            continue;
        plain->breaks(data, BLOCKS, '\'', expected[0]);
        s->breaks(data, BLOCKS, '\'', masks[0]);
        plain->fields(data, BLOCKS, '\t', '\'', expected[1], expected[2]);
        s->fields(data, BLOCKS, '\t', '\'', masks[1], masks[2]);
        assert_memory_equal(masks, expected, sizeof(masks));
    }
}

/* A stream of little but what framing looks at. */
static void make_stream(uint32_t *random, char *out, size_t len)
{
    static const char few[] = "ab,\"\"\n\n\r";
    for (size_t i = 0; i < len; i++)
        out[i] = few[next_random(random) % (sizeof(few) - 1)];
}

static void any_bytes_cut_anywhere_give_the_same_records(void **state)
{
    (void)state;
    static const char *names[] = {"x", "y"};
    uint32_t random = 2;
    for (unsigned round = 0; round < 3000; round++) {
        char stream[120];
        size_t len = next_random(&random) % sizeof(stream), ends[sizeof(stream)];
        make_stream(&random, stream, len);
        struct csv_rig rig = {.options.csv_names = {names, 2}, .max_record = 1 + next_random(&random) % 30};
        struct buffer whole = {0}, cut = {0};
        size_t count = 0;
        for (size_t i = 0; i < len; i++)
            if (next_random(&random) % 8 == 0)
                ends[count++] = i;
        csv_rig_open(&rig);
        csv_rig_read(&rig, (struct str){stream, len}, NULL, 0, &whole);
        rig.most = 1 + next_random(&random) % 5;
        csv_rig_read(&rig, (struct str){stream, len}, ends, count, &cut);
        assert_string_equal(buffer_cstr(&whole), buffer_cstr(&cut));
        csv_rig_close(&rig);
        buffer_release(&whole);
        buffer_release(&cut);
    }
}

static struct batch *batch_of(struct partition *p, uint64_t position, const char *text, size_t len)
{
    struct batch *b = batch_new(len + 1);
    if (len)
        memcpy(b->bytes, text, len);
    b->len = len;
    batch_add_span(b, p, position);
    return b;
}

static void a_record_offered_again_and_longer_is_scanned_once(void **state)
{
    (void)state;
    /* Scanned anew each time this would be 2 TB. */
    enum { LEN = 16 << 20, STEP = 64 };
    static const char *names[] = {"x"};
    struct format_options options = {.csv_names = {names, 1}};
    struct partition *p = partition_new("test");
    struct framer f = {.format = &format_csv, .options = &options, .max_record = LEN, .line = 1, .partition = p};
    struct batch *b = batch_new(LEN);
    memset(b->bytes, 'x', LEN);
    b->bytes[0] = '"';
    batch_add_span(b, p, 0);
    for (b->len = STEP; b->len < LEN; b->len += STEP)
        assert_int_equal(format_csv.frame(&f, b, 0, false, UINT32_MAX), 0);
    memcpy(b->bytes + LEN - 2, "\"\n", 2);
    b->len = LEN;
    assert_int_equal(format_csv.frame(&f, b, 0, true, UINT32_MAX), LEN);
    assert_int_equal(b->record_count, 1);
    assert_int_equal(b->records[0].length, LEN - 1);
    batch_unref(b);
    partition_unref(p);
}

static void a_restart_begins_no_later_than_the_record_that_is_being_skipped(void **state)
{
    (void)state;
    static const char *names[] = {"x"};
    struct format_options options = {.csv_names = {names, 1}};
    struct partition *p = partition_new("test");
    struct framer f = {.format = &format_csv, .options = &options, .max_record = 4, .line = 1, .partition = p};
    struct batch *b = batch_of(p, 0, "12\n345678", 9);
    assert_int_equal(format_csv.frame(&f, b, 0, false, UINT32_MAX), 9);
    assert_int_equal(f.position, 9);
    assert_int_equal(b->record_count, 2);
    assert_int_equal(b->records[1].fault, RECORD_TOO_LONG);
    assert_int_equal(b->spans[0].next, 3);
    batch_unref(b);
    b = batch_of(p, 9, "90\n1\n", 5);
    assert_int_equal(format_csv.frame(&f, b, 0, false, UINT32_MAX), 5);
    assert_int_equal(b->record_count, 1);
    assert_int_equal(b->records[0].position, 12);
    assert_int_equal(b->records[0].line, 3);
    assert_int_equal(b->spans[0].next, 14);
    batch_unref(b);
    partition_unref(p);
}

static void records_stand_where_they_are_in_a_batch_of_several_files(void **state)
{
    (void)state;
    static const char *names[] = {"x"};
    struct format_options options = {.csv_names = {names, 1}};
    struct partition *one = partition_new("one"), *two = partition_new("two");
    struct framer f = {.format = &format_csv, .options = &options, .max_record = 100, .line = 1, .partition = one};
    struct batch *b = batch_of(one, 0,
                               "a\nb\n\xef\xbb\xbf"
                               "c\nd",
                               10);
    b->len = 4;
    assert_int_equal(format_csv.frame(&f, b, 0, true, UINT32_MAX), 4);
    b->len = 10;
    batch_add_span(b, two, 0);
    f = (struct framer){.format = &format_csv, .options = &options, .max_record = 100, .line = 1, .partition = two};
    assert_int_equal(format_csv.frame(&f, b, 4, true, UINT32_MAX), 6);
    assert_int_equal(b->record_count, 4);
    assert_int_equal(b->spans[0].count, 2);
    assert_int_equal(b->spans[1].count, 2);
    assert_int_equal(b->spans[1].next, 6);
    assert_int_equal(b->records[2].offset, 7);
    assert_int_equal(b->records[2].position, 3);
    assert_int_equal(b->records[2].span, 1);
    assert_int_equal(b->records[3].line, 2);
    batch_unref(b);
    partition_unref(one);
    partition_unref(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scanner_finds_the_same_bytes),
        cmocka_unit_test(any_bytes_cut_anywhere_give_the_same_records),
        cmocka_unit_test(a_record_offered_again_and_longer_is_scanned_once),
        cmocka_unit_test(a_restart_begins_no_later_than_the_record_that_is_being_skipped),
        cmocka_unit_test(records_stand_where_they_are_in_a_batch_of_several_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
