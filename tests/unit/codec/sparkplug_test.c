/*
 * Sparkplug B: birth certificates give data messages their names and types, in the order in which messages come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pipeline/codec/sparkplug.h"
#include "pipeline/codec/sparkplug_value.h"

struct rig {
    struct arena arena;
    struct format_options options;
    struct schema schema;
    struct decoder d;
    struct batch *batch;
    struct slice out;
    struct rejections rejections;
};

static struct rig *open_rig(void)
{
    struct rig *t = calloc(1, sizeof(*t));
    struct error err;
    t->schema = (struct schema){.arena = &t->arena, .open = true, .wants_raw = true};
    t->d = (struct decoder){.format = &format_sparkplug, .options = &t->options, .schema = &t->schema, .convert = {.zone = zone_utc, .now_us = INT64_MIN}};
    assert_true(format_sparkplug.source_schema(&t->options, &t->schema, &err));
    assert_true(format_sparkplug.bind_decoder(&t->d, &t->arena, &err));
    return t;
}

static void close_rig(struct rig *t)
{
    batch_unref(t->batch);
    arena_release(&t->arena);
    free(t);
}

static struct batch *new_batch(void)
{
    struct batch *b = batch_new(4096);
    struct partition *p = partition_new("test");
    batch_add_span(b, p, 0);
    partition_unref(p);
    b->meta.topic = calloc(16, sizeof(struct value));
    return b;
}

static void add_bytes(struct batch *b, const char *topic, struct str bytes)
{
    b->meta.topic[b->record_count] = value_text(str_of(topic));
    *batch_add_record(b) = (struct record){.offset = (uint32_t)b->len, .length = (uint32_t)bytes.len};
    memcpy(b->bytes + b->len, bytes.data, bytes.len);
    b->len += bytes.len;
    b->spans[0].count++;
}

static void add(struct batch *b, const char *topic, Sparkplug__Metric *metrics, size_t count)
{
    Sparkplug__Payload p = SPARKPLUG__PAYLOAD__INIT;
    Sparkplug__Metric *list[8];
    uint8_t bytes[1024];
    for (size_t i = 0; i < count; i++)
        list[i] = &metrics[i];
    p.has_timestamp = p.has_seq = true;
    p.timestamp = 1772366400123;
    p.seq = 7;
    p.n_metrics = count;
    p.metrics = list;
    add_bytes(b, topic, (struct str){(const char *)bytes, sparkplug__payload__pack(&p, bytes)});
}

static Sparkplug__Metric defined(const char *name, uint64_t alias, uint32_t datatype)
{
    Sparkplug__Metric m = SPARKPLUG__METRIC__INIT;
    m.name = (char *)name;
    m.has_alias = alias != 0;
    m.alias = alias;
    m.has_datatype = true;
    m.datatype = datatype;
    m.has_is_null = m.is_null = true;
    return m;
}

static Sparkplug__Metric value_of(uint64_t alias, uint32_t bits)
{
    Sparkplug__Metric m = SPARKPLUG__METRIC__INIT;
    m.has_alias = true;
    m.alias = alias;
    m.value_case = SPARKPLUG__METRIC__VALUE_INT_VALUE;
    m.int_value = bits;
    return m;
}

static void learn(struct rig *t, struct batch *b)
{
    struct error err;
    assert_true(format_sparkplug.prepare(&t->d, b, &err));
}

static void decode(struct rig *t, struct batch *b)
{
    t->rejections = (struct rejections){.arena = &t->arena};
    decoder_run(&t->d, b, 0, b->record_count, &t->arena, &t->out, &t->rejections);
}

#define HEAD(type, device) "{\"namespace\":\"spBv1.0\",\"group_id\":\"plant\",\"message_type\":\"" type "\",\"edge_node_id\":\"gw\",\"device_id\":" device ",\"timestamp\":\"2026-03-01T12:00:00.123+00:00\",\"seq\":7,\"metrics\":"

static void assert_raw(const struct rig *t, uint32_t row, const char *json)
{
    assert_string_equal(arena_str(t->out.arena, t->out.raw[row]).data, json);
}

static void a_birth_names_and_types_what_comes_behind_it(void **state)
{
    (void)state;
    struct rig *t = open_rig();
    struct batch *b = t->batch = new_batch();
    Sparkplug__Metric births[] = {defined("Temperature", 5, 1), defined("Up", 6, 7)}, data[] = {value_of(6, 3000000000), value_of(5, 0xfffffffe)};
    add(b, "spBv1.0/plant/DBIRTH/gw/dev", births, 2);
    add(b, "spBv1.0/plant/DDATA/gw/dev", data, 2);
    learn(t, b);
    decode(t, b);
    assert_int_equal(t->rejections.count, 0);
    assert_raw(t, 0, HEAD("DBIRTH", "\"dev\"") "{\"Temperature\":null,\"Up\":null}}");
    assert_raw(t, 1, HEAD("DDATA", "\"dev\"") "{\"Up\":3000000000,\"Temperature\":-2}}");
    close_rig(t);
}

static void each_batch_keeps_the_births_that_held_when_it_came(void **state)
{
    (void)state;
    struct rig *t = open_rig();
    struct batch *first = new_batch(), *second = t->batch = new_batch();
    Sparkplug__Metric before[] = {defined("A", 5, 3)}, after[] = {defined("B", 5, 3)}, data[] = {value_of(5, 1)};
    add(first, "spBv1.0/plant/NBIRTH/gw", before, 1);
    add(first, "spBv1.0/plant/NDATA/gw", data, 1);
    add(second, "spBv1.0/plant/NBIRTH/gw", after, 1);
    add(second, "spBv1.0/plant/NDATA/gw", data, 1);
    learn(t, first);
    learn(t, second);
    decode(t, second);
    assert_raw(t, 1, HEAD("NDATA", "null") "{\"B\":1}}");
    decode(t, first);
    assert_raw(t, 1, HEAD("NDATA", "null") "{\"A\":1}}");
    batch_unref(first);
    close_rig(t);
}

static void many_nodes_have_births_of_their_own(void **state)
{
    (void)state;
    enum { NODES = 300 };
    struct rig *t = open_rig();
    char topic[64], name[16], expected[32];
    for (int i = 0; i < NODES; i++) {
        struct batch *b = new_batch();
        sprintf(topic, "spBv1.0/plant/NBIRTH/gw%d", i);
        sprintf(name, "m%d", i);
        Sparkplug__Metric m = defined(name, 1, 3);
        add(b, topic, &m, 1);
        learn(t, b);
        batch_unref(b);
    }
    for (int i = 0; i < NODES; i += 37) {
        batch_unref(t->batch);
        struct batch *b = t->batch = new_batch();
        Sparkplug__Metric m = value_of(1, 4);
        sprintf(topic, "spBv1.0/plant/NDATA/gw%d", i);
        sprintf(expected, "\"metrics\":{\"m%d\":4}}", i);
        add(b, topic, &m, 1);
        learn(t, b);
        decode(t, b);
        assert_non_null(strstr(arena_str(&t->arena, t->out.raw[0]).data, expected));
    }
    close_rig(t);
}

static void what_cannot_be_understood_is_rejected_with_the_remedy(void **state)
{
    (void)state;
    struct rig *t = open_rig();
    struct batch *b = t->batch = new_batch();
    Sparkplug__Metric alias = value_of(5, 1), untyped = value_of(0, 1), nameless = SPARKPLUG__METRIC__INIT, text = defined("\xff", 0, 12);
    untyped.name = "Count";
    untyped.has_alias = false;
    nameless.has_datatype = true;
    add(b, "spBv1.0/plant/NDATA/gw", &alias, 1);
    add(b, "spBv1.0/plant/NDATA/gw", &untyped, 1);
    add(b, "spBv1.0/plant/NDATA/gw", &nameless, 1);
    add(b, "spBv1.0/plant/NDATA/gw", &text, 1);
    add(b, "spBv1.0/STATE/host", &text, 1);
    add_bytes(b, "spBv1.0/plant/NBIRTH/gw", STR("{\"online\":true}"));
    learn(t, b);
    decode(t, b);
    static const char *const reasons[] = {
        "alias 5 is in no birth certificate seen since the start: the edge node must be told to send it again (Node Control/Rebirth)",
        "metric \"Count\" has no data type, and no birth certificate seen since the start gives it one: the edge node must be told to send it again (Node Control/Rebirth)",
        "malformed Sparkplug payload: a metric without name and alias",
        "malformed Sparkplug payload: invalid UTF-8",
        "\"spBv1.0/STATE/host\" is no topic of an edge node or device, NAMESPACE/GROUP/TYPE/NODE[/DEVICE]: subscribe to those only, such as spBv1.0/+/NDATA/#",
        "malformed Sparkplug payload: it is no protobuf message of Sparkplug B",
    };
    assert_int_equal(t->rejections.count, 6);
    for (int i = 0; i < 6; i++)
        assert_string_equal(arena_str(&t->arena, t->rejections.items[i].text).data, reasons[i]);
    assert_int_equal(t->out.selected, 0);
    close_rig(t);
}

/* The specification's examples (6.4.17), and where an array ends or is empty. */
static void arrays_are_lists(void **state)
{
    (void)state;
    static const struct {
        uint32_t datatype;
        struct str bytes;
        const char *json;
    } right[] = {
        {17, STR("\x17\xfa"), "\"\\\\x17fa\""},
        {22, STR("\xef\x7b"), "[-17,123]"},
        {23, STR("\xd0\x8a\x30\x75"), "[-30000,30000]"},
        {24, STR("\xff\xff\xff\xff\xfa\xaf\xcb\x12"), "[-1,315338746]"},
        {25, STR("\xce\x06\x72\xac\x18\x9c\xba\xc4\xc4\xba\x9c\x18\xac\x72\x06\xce"), "[-4270929666821191986,-3601064768563266876]"},
        {26, STR("\x17\xfa"), "[23,250]"},
        {27, STR("\x1e\x00\x88\xcc"), "[30,52360]"},
        {28, STR("\x34\x00\x00\x00\xa6\xfe\xb3\xbb"), "[52,3149135526]"},
        {29, STR("\x34\xa6\xfe\xb3\xbb\x12\x00\xff"), "[18374707077059618356]"},
        {30, STR("\xa4\x70\x9d\x3f\x98\xae\xb2\x42"), "[1.23,89.341]"},
        {31, STR("\xd7\xa3\x70\x3d\x0a\x4b\x28\x40"), "[12.1465625]"},
        {32, STR("\x0c\x00\x00\x00\x34\xd0"), "[false,false,true,true,false,true,false,false,true,true,false,true]"},
        {33, STR("ABC\0hello\0"), "[\"ABC\",\"hello\"]"},
        {33, STR("\0"), "[\"\"]"},
        {34, STR("\xc7\xd0\x90\x75\x24\x01\x00\x00"), "[\"2009-10-21T05:27:55.335+00:00\"]"},
        {22, STR(""), "[]"},
        {32, STR("\0\0\0\0"), "[]"},
        {33, STR(""), "[]"},
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        struct buffer out = {0};
        struct via_json_fault fault;
        struct sparkplug_printer p = {&out, &fault};
        assert_true(sparkplug_put_bytes(&p, right[i].bytes, right[i].datatype));
        assert_string_equal(buffer_cstr(&out), right[i].json);
        buffer_release(&out);
    }
}

static void arrays_that_end_too_soon_are_malformed(void **state)
{
    (void)state;
    static const struct {
        uint32_t datatype;
        struct str bytes;
    } wrong[] = {
        {23, STR("\1\2\3")},
        {31, STR("\1\2\3\4")},
        {32, STR("\1\0\0")},
        {32, STR("\1\0\0\0")},
        {32, STR("\1\0\0\0\1\1")},
        {32, STR("\xff\xff\xff\xff\1")},
        {33, STR("ABC")},
        {33, STR("\xff\0")},
        {34, STR("\xff\xff\xff\xff\xff\xff\xff\xff")},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct buffer out = {0};
        struct via_json_fault fault = {.text = ""};
        struct sparkplug_printer p = {&out, &fault};
        assert_false(sparkplug_put_bytes(&p, wrong[i].bytes, wrong[i].datatype));
        assert_non_null(strstr(fault.text, "malformed Sparkplug payload: "));
        buffer_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_birth_names_and_types_what_comes_behind_it),
        cmocka_unit_test(each_batch_keeps_the_births_that_held_when_it_came),
        cmocka_unit_test(many_nodes_have_births_of_their_own),
        cmocka_unit_test(what_cannot_be_understood_is_rejected_with_the_remedy),
        cmocka_unit_test(arrays_are_lists),
        cmocka_unit_test(arrays_that_end_too_soon_are_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
