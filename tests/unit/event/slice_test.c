#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/event/slice.h"

/* Four records: two of a file, one of a Kafka partition with its own key and time, one of the file again. */
struct rig {
    struct batch *batch;
    struct slice slice;
    uint32_t record[4];
    struct value out[4];
};

static void add_record(struct batch *b, uint64_t position, uint32_t line)
{
    struct record *r = batch_add_record(b);
    r->position = position;
    r->line = line;
    r->span = (uint16_t)(b->span_count - 1);
    b->spans[b->span_count - 1].count++;
}

static struct rig *rig_open(struct rig *rig)
{
    struct batch *b = batch_new(100);
    struct partition *file = partition_new("file"), *kafka = partition_new("kafka");
    file->file = mem_strdup("inbox/a.csv");
    file->timestamp = 5000;
    kafka->topic = mem_strdup("readings");
    kafka->number = 3;
    batch_add_span(b, file, 0);
    add_record(b, 0, 2);
    add_record(b, 40, 3);
    batch_add_span(b, kafka, 77);
    add_record(b, 77, 0);
    batch_add_span(b, file, 90);
    add_record(b, 90, 5);
    partition_unref(file);
    partition_unref(kafka);
    *rig = (struct rig){.batch = b, .record = {0, 1, 2, 3}};
    rig->slice = (struct slice){.batch = b, .rows = 4, .sel = slice_all_rows, .selected = 4, .record = rig->record};
    return rig;
}

static void rig_close(struct rig *rig)
{
    batch_unref(rig->batch);
}

static void check_text(struct value v, const char *expected)
{
    assert_int_equal(v.kind, VALUE_TEXT);
    assert_true(str_eq(value_str(v), str_of(expected)));
}

static void each_row_has_the_meta_of_its_record(void **state)
{
    (void)state;
    struct rig rig_storage, *rig = rig_open(&rig_storage);
    slice_meta(&rig->slice, META_FILE, STR("line3"), rig->out);
    check_text(rig->out[0], "inbox/a.csv");
    check_text(rig->out[1], "inbox/a.csv");
    assert_true(value_is_null(rig->out[2]));
    check_text(rig->out[3], "inbox/a.csv");
    slice_meta(&rig->slice, META_TOPIC, STR("line3"), rig->out);
    assert_true(value_is_null(rig->out[0]));
    check_text(rig->out[2], "readings");
    slice_meta(&rig->slice, META_PARTITION, STR("line3"), rig->out);
    assert_true(value_is_null(rig->out[0]));
    assert_true(rig->out[2].kind == VALUE_INT && rig->out[2].i == 3);
    slice_meta(&rig->slice, META_OFFSET, STR("line3"), rig->out);
    assert_true(rig->out[1].i == 40 && rig->out[2].i == 77 && rig->out[3].i == 90);
    slice_meta(&rig->slice, META_LINE, STR("line3"), rig->out);
    assert_true(rig->out[0].i == 2 && rig->out[3].i == 5);
    assert_true(value_is_null(rig->out[2]));
    slice_meta(&rig->slice, META_SOURCE, STR("line3"), rig->out);
    check_text(rig->out[3], "line3");
    slice_meta(&rig->slice, META_TIMESTAMP, STR("line3"), rig->out);
    assert_true(rig->out[0].kind == VALUE_TIMESTAMPTZ && rig->out[0].i == 5000);
    assert_true(value_is_null(rig->out[2]));
    slice_meta(&rig->slice, META_HEADERS, STR("line3"), rig->out);
    assert_true(value_is_null(rig->out[2]));
    rig_close(rig);
}

static void what_a_record_says_of_itself_comes_first(void **state)
{
    (void)state;
    struct rig rig_storage, *rig = rig_open(&rig_storage);
    struct value *times = mem_zalloc(4 * sizeof(*times)), *keys = mem_zalloc(4 * sizeof(*keys));
    times[0] = (struct value){.kind = VALUE_TIMESTAMPTZ, .i = 9};
    keys[2] = value_text(STR("gw-0042"));
    rig->batch->meta.timestamp = times;
    rig->batch->meta.key = keys;
    slice_meta(&rig->slice, META_TIMESTAMP, STR("x"), rig->out);
    assert_true(rig->out[0].i == 9);
    slice_meta(&rig->slice, META_KEY, STR("x"), rig->out);
    check_text(rig->out[2], "gw-0042");
    assert_true(value_is_null(rig->out[0]));
    rig_close(rig);
}

static void an_mqtt_message_knows_how_it_was_delivered(void **state)
{
    (void)state;
    struct rig rig_storage, *rig = rig_open(&rig_storage);
    slice_meta(&rig->slice, META_QOS, STR("x"), rig->out);
    assert_true(value_is_null(rig->out[1]));
    slice_meta(&rig->slice, META_RETAIN, STR("x"), rig->out);
    assert_true(value_is_null(rig->out[1]));
    uint8_t *delivery = mem_zalloc(4);
    delivery[1] = 1 | DELIVERY_RETAIN;
    rig->batch->meta.delivery = delivery;
    slice_meta(&rig->slice, META_QOS, STR("x"), rig->out);
    assert_true(rig->out[0].kind == VALUE_INT && rig->out[0].i == 0 && rig->out[1].i == 1);
    slice_meta(&rig->slice, META_RETAIN, STR("x"), rig->out);
    assert_true(rig->out[0].kind == VALUE_BOOL && !rig->out[0].i && rig->out[1].i);
    rig_close(rig);
}

static void rows_that_are_not_selected_are_left_alone(void **state)
{
    (void)state;
    struct rig rig_storage, *rig = rig_open(&rig_storage);
    const uint32_t sel[] = {1, 3};
    rig->slice.sel = sel;
    rig->slice.selected = 2;
    rig->record[1] = 2; /* rows know their record, whatever their place */
    for (int field = 0; field < META_COUNT; field++) {
        memset(rig->out, 0xAB, sizeof(rig->out));
        slice_meta(&rig->slice, (enum meta_field)field, STR("x"), rig->out);
        assert_int_equal(rig->out[0].kind, 0xAB);
        assert_int_equal(rig->out[2].kind, 0xAB);
        assert_int_not_equal(rig->out[1].kind, 0xAB);
    }
    slice_meta(&rig->slice, META_OFFSET, STR("x"), rig->out);
    assert_true(rig->out[1].i == 77);
    rig_close(rig);
}

static void the_selection_of_all_rows_is_every_number_in_order(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SLICE_ROWS; i++)
        assert_int_equal(slice_all_rows[i], i);
}

static void rejections_are_kept_with_their_reason(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    struct rejections r = {.arena = &a};
    for (uint32_t i = 0; i < 100; i++) {
        struct rejection *added = reject_record(&r, i, 7, "decode", "member %u is bad", i);
        assert_int_equal(added->offset, UINT32_MAX);
        assert_string_equal(added->sqlstate, "");
        memcpy(added->sqlstate, "22P02", 6);
    }
    assert_int_equal(r.count, 100);
    assert_int_equal(r.items[42].record, 42);
    assert_int_equal(r.items[42].component, 7);
    assert_string_equal(r.items[42].text.data, "member 42 is bad");
    assert_string_equal(r.items[42].class_name, "decode");
    assert_string_equal(r.items[42].sqlstate, "22P02");
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_has_the_meta_of_its_record),
        cmocka_unit_test(an_mqtt_message_knows_how_it_was_delivered),
        cmocka_unit_test(what_a_record_says_of_itself_comes_first),
        cmocka_unit_test(rows_that_are_not_selected_are_left_alone),
        cmocka_unit_test(the_selection_of_all_rows_is_every_number_in_order),
        cmocka_unit_test(rejections_are_kept_with_their_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
