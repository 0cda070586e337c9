/*
 * CBOR: the examples of RFC 8949, appendix A, both ways where there is one; what is malformed, and where; events in and out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pipeline/codec/cbor.h"
#include "pipeline/codec/format.h"

static struct str from_hex(struct arena *a, const char *hex)
{
    size_t len = strlen(hex) / 2;
    char *bytes = arena_alloc(a, len + 1);
    for (size_t i = 0; i < len; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        bytes[i] = (char)strtoul(digits, NULL, 16);
    }
    return (struct str){bytes, len};
}

static void to_hex(struct buffer *b, char *out, size_t room)
{
    assert_true(2 * b->len < room);
    out[0] = 0;
    for (size_t i = 0; i < b->len; i++)
        sprintf(out + 2 * i, "%02x", (unsigned char)b->data[i]);
}

enum { ONE_WAY, BOTH_WAYS };

static const struct {
    const char *cbor, *json;
    int ways;
} appendix_a[] = {
    {"00", "0", BOTH_WAYS},
    {"01", "1", BOTH_WAYS},
    {"0a", "10", BOTH_WAYS},
    {"17", "23", BOTH_WAYS},
    {"1818", "24", BOTH_WAYS},
    {"1819", "25", BOTH_WAYS},
    {"1864", "100", BOTH_WAYS},
    {"1903e8", "1000", BOTH_WAYS},
    {"1a000f4240", "1000000", BOTH_WAYS},
    {"1b000000e8d4a51000", "1000000000000", BOTH_WAYS},
    {"1bffffffffffffffff", "18446744073709551615", BOTH_WAYS},
    {"c249010000000000000000", "18446744073709551616", BOTH_WAYS},
    {"3bffffffffffffffff", "-18446744073709551616", BOTH_WAYS},
    {"c349010000000000000000", "-18446744073709551617", BOTH_WAYS},
    {"20", "-1", BOTH_WAYS},
    {"29", "-10", BOTH_WAYS},
    {"3863", "-100", BOTH_WAYS},
    {"3903e7", "-1000", BOTH_WAYS},
    {"f90000", "0", ONE_WAY},
    {"f98000", "-0", ONE_WAY},
    {"f93c00", "1", ONE_WAY},
    {"fb3ff199999999999a", "1.1", BOTH_WAYS},
    {"f93e00", "1.5", ONE_WAY},
    {"f97bff", "65504", ONE_WAY},
    {"fa47c35000", "100000", ONE_WAY},
    {"fa7f7fffff", "3.4028235e+38", ONE_WAY},
    {"fb7e37e43c8800759c", "1e+300", ONE_WAY},
    {"f90001", "5.9604645e-08", ONE_WAY},
    {"f90400", "6.1035156e-05", ONE_WAY},
    {"f9c400", "-4", ONE_WAY},
    {"fbc010666666666666", "-4.1", BOTH_WAYS},
    {"f97c00", "\"Infinity\"", ONE_WAY},
    {"f97e00", "\"NaN\"", ONE_WAY},
    {"f9fc00", "\"-Infinity\"", ONE_WAY},
    {"fa7f800000", "\"Infinity\"", ONE_WAY},
    {"fa7fc00000", "\"NaN\"", ONE_WAY},
    {"faff800000", "\"-Infinity\"", ONE_WAY},
    {"fb7ff0000000000000", "\"Infinity\"", ONE_WAY},
    {"fb7ff8000000000000", "\"NaN\"", ONE_WAY},
    {"fbfff0000000000000", "\"-Infinity\"", ONE_WAY},
    {"f4", "false", BOTH_WAYS},
    {"f5", "true", BOTH_WAYS},
    {"f6", "null", BOTH_WAYS},
    {"f7", "null", ONE_WAY},
    {"c074323031332d30332d32315432303a30343a30305a", "\"2013-03-21T20:04:00Z\"", ONE_WAY},
    {"c11a514b67b0", "\"2013-03-21T20:04:00+00:00\"", ONE_WAY},
    {"c1fb41d452d9ec200000", "\"2013-03-21T20:04:00.5+00:00\"", ONE_WAY},
    {"d74401020304", "\"\\\\x01020304\"", ONE_WAY},
    {"d818456449455446", "\"\\\\x6449455446\"", ONE_WAY},
    {"d82076687474703a2f2f7777772e6578616d706c652e636f6d", "\"http://www.example.com\"", ONE_WAY},
    {"40", "\"\\\\x\"", ONE_WAY},
    {"4401020304", "\"\\\\x01020304\"", ONE_WAY},
    {"60", "\"\"", BOTH_WAYS},
    {"6161", "\"a\"", BOTH_WAYS},
    {"6449455446", "\"IETF\"", BOTH_WAYS},
    {"62225c", "\"\\\"\\\\\"", BOTH_WAYS},
    {"62c3bc", "\"\u00fc\"", BOTH_WAYS},
    {"63e6b0b4", "\"\u6c34\"", BOTH_WAYS},
    {"64f0908591", "\"\U00010151\"", BOTH_WAYS},
    {"80", "[]", BOTH_WAYS},
    {"83010203", "[1,2,3]", BOTH_WAYS},
    {"8301820203820405", "[1,[2,3],[4,5]]", BOTH_WAYS},
    {"98190102030405060708090a0b0c0d0e0f101112131415161718181819", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]", BOTH_WAYS},
    {"a0", "{}", BOTH_WAYS},
    {"a26161016162820203", "{\"a\":1,\"b\":[2,3]}", BOTH_WAYS},
    {"826161a161626163", "[\"a\",{\"b\":\"c\"}]", BOTH_WAYS},
    {"a56161614161626142616361436164614461656145", "{\"a\":\"A\",\"b\":\"B\",\"c\":\"C\",\"d\":\"D\",\"e\":\"E\"}", BOTH_WAYS},
    {"5f42010243030405ff", "\"\\\\x0102030405\"", ONE_WAY},
    {"7f657374726561646d696e67ff", "\"streaming\"", ONE_WAY},
    {"9fff", "[]", ONE_WAY},
    {"9f018202039f0405ffff", "[1,[2,3],[4,5]]", ONE_WAY},
    {"83018202039f0405ff", "[1,[2,3],[4,5]]", ONE_WAY},
    {"bf61610161629f0203ffff", "{\"a\":1,\"b\":[2,3]}", ONE_WAY},
    {"826161bf61626163ff", "[\"a\",{\"b\":\"c\"}]", ONE_WAY},
    {"bf6346756ef563416d7421ff", "{\"Fun\":true,\"Amt\":-2}", ONE_WAY},
    /* of sections 3.4.3 and 3.4.4 */
    {"c48221196ab3", "273.15", ONE_WAY},
    {"c4820219012c", "300e2", ONE_WAY},
    {"c48221c249010000000000000000", "184467440737095516.16", BOTH_WAYS},
    {"c48221c349010000000000000000", "-184467440737095516.17", BOTH_WAYS},
    {"c240", "0", ONE_WAY},
    {"d9d9f7a0", "{}", ONE_WAY},
};

static void the_examples_of_the_specification_are_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(appendix_a) / sizeof(appendix_a[0]); i++) {
        struct arena a = ARENA_INIT;
        struct buffer json = {0}, cbor = {0};
        struct cbor_fault fault;
        struct error err;
        if (!cbor_read_json(from_hex(&a, appendix_a[i].cbor), 16, &a, &json, &fault))
            fail_msg("%s: byte %zu: %s", appendix_a[i].cbor, fault.offset, fault.why);
        assert_string_equal(buffer_cstr(&json), appendix_a[i].json);
        if (appendix_a[i].ways == BOTH_WAYS) {
            char hex[512];
            assert_true(cbor_write_json(str_of(appendix_a[i].json), &a, &cbor, &err));
            to_hex(&cbor, hex, sizeof(hex));
            assert_string_equal(hex, appendix_a[i].cbor);
        }
        buffer_release(&json);
        buffer_release(&cbor);
        arena_release(&a);
    }
}

static void what_is_malformed_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *cbor, *why;
        size_t offset;
    } cases[] = {
        {"", "it ends early", 0},
        {"18", "it ends early", 1},
        {"1b0000", "it ends early", 3},
        {"6261", "it ends early", 2},
        {"820a", "it ends early", 2},
        {"9bffffffffffffffff00", "it ends early", 10},
        {"5bffffffffffffffff00", "it ends early", 10},
        {"9f01", "it ends early", 2},
        {"7f6161", "it ends early", 3},
        {"a16161", "it ends early", 3},
        {"0000", "something follows behind the item", 1},
        {"1c", "a reserved length", 0},
        {"1f", "an integer or tag without an end", 0},
        {"ff", "a break where no item has been left open", 0},
        {"8101ff", "something follows behind the item", 2},
        {"bf6161ff", "a break where no item has been left open", 3},
        {"6361ff61", "invalid UTF-8", 2},
        {"62eda0", "invalid UTF-8", 1},
        {"7f61c361bcff", "invalid UTF-8", 2},
        {"7f4161ff", "a piece of a string is another kind of item", 1},
        {"a10102", "a member's name is not text", 1},
        {"f0", "a simple value that means nothing", 0},
        {"f818", "a simple value that means nothing", 0},
        {"c16161", "a time (tag 1) is a number of seconds", 1},
        {"c1fb7ff8000000000000", "a time that no timestamp can hold", 1},
        {"c11bffffffffffffffff", "a time that no timestamp can hold", 1},
        {"c201", "a bignum is a byte string", 1},
        {"c401", "a decimal fraction is an array of exponent and mantissa", 1},
        {"c4821b7fffffffffffffff01", "the exponent of a decimal fraction is no integer between -200000 and 200000", 2},
        {"c48200f5", "an integer is expected here", 3},
        {"8181818100", "nested too deeply (json.max_depth)", 3},
        {"c6c6c6c600", "nested too deeply (json.max_depth)", 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena a = ARENA_INIT;
        struct buffer json = {0};
        struct cbor_fault fault = {0};
        assert_false(cbor_read_json(from_hex(&a, cases[i].cbor), 3, &a, &json, &fault));
        assert_string_equal(fault.why, cases[i].why);
        assert_int_equal(fault.offset, cases[i].offset);
        buffer_release(&json);
        arena_release(&a);
    }
}

static void every_value_of_a_column_has_its_item(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum type_id type;
        const char *cbor;
    } cases[] = {
        {"-5", TYPE_BIGINT, "24"},
        {"1.5", TYPE_DOUBLE, "fb3ff8000000000000"},
        {"1.5", TYPE_REAL, "fa3fc00000"},
        {"t", TYPE_BOOLEAN, "f5"},
        {"\\x0102", TYPE_BYTEA, "420102"},
        {"273.15", TYPE_NUMERIC, "c48221196ab3"},
        {"1.50", TYPE_NUMERIC, "c482211896"},
        {"42", TYPE_NUMERIC, "182a"},
        {"NaN", TYPE_NUMERIC, "fb7ff8000000000000"},
        {"99999999999999999999", TYPE_NUMERIC, "c249056bc75e2d630fffff"},
        {"2013-03-21 20:04:00+00", TYPE_TIMESTAMPTZ, "c07819323031332d30332d32315432303a30343a30302b30303a3030"},
        {"infinity", TYPE_TIMESTAMPTZ, "68696e66696e697479"},
        {"2013-03-21", TYPE_DATE, "6a323031332d30332d3231"},
        {"{\"a\": [1, 1.25, \"x\"]}", TYPE_JSONB, "a161618301fb3ff40000000000006178"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena a = ARENA_INIT;
        struct convert_context cx = {.arena = &a, .zone = zone_utc, .now_us = INT64_MIN};
        struct error err;
        struct value v;
        struct buffer cbor = {0};
        char hex[256];
        assert_true(value_parse(&cx, str_of(cases[i].text), TYPE(cases[i].type), &v, &err));
        assert_true(cbor_write_value(v, TYPE(cases[i].type), zone_utc, &a, &cbor, &err));
        to_hex(&cbor, hex, sizeof(hex));
        assert_string_equal(hex, cases[i].cbor);
        buffer_release(&cbor);
        arena_release(&a);
    }
}

static void a_bad_message_is_rejected_and_the_ones_around_it_are_events(void **state)
{
    (void)state;
    static const char *const messages[] = {"a1617615", "a16176", "83010203", "bf6176c11a514b67b0ff", "a1617663616263"};
    struct arena a = ARENA_INIT;
    struct format_options options = {0};
    struct schema schema = {.arena = &a, .open = true, .wants_raw = true};
    struct decoder d = {.format = &format_cbor, .options = &options, .schema = &schema, .convert = {.zone = zone_utc, .now_us = INT64_MIN}};
    struct rejections rejections = {.arena = &a};
    struct slice out;
    struct error err;
    struct partition *p = partition_new("test");
    struct batch *b = batch_new(4096);
    struct span *s = batch_add_span(b, p, 0);
    schema_add(&schema, (struct column){.name = STR("v"), .type = TYPE(TYPE_JSON), .path = path_parse(&a, STR("v"))});
    for (size_t i = 0; i < 5; i++) {
        struct str m = from_hex(&a, messages[i]);
        *batch_add_record(b) = (struct record){.position = i, .offset = (uint32_t)b->len, .length = (uint32_t)m.len};
        memcpy(b->bytes + b->len, m.data, m.len);
        b->len += m.len;
        s->count++;
    }
    assert_true(format_cbor.source_schema(&options, &schema, &err));
    assert_true(format_cbor.bind_decoder(&d, &a, &err));
    decoder_run(&d, b, 0, 5, &a, &out, &rejections);
    assert_int_equal(out.selected, 3);
    assert_int_equal(out.record[0], 0);
    assert_int_equal(out.record[1], 3);
    assert_int_equal(out.record[2], 4);
    assert_true(str_eq(value_str(out.columns[0][0]), STR("21")));
    assert_true(str_eq(value_str(out.columns[0][2]), STR("abc")));
    assert_true(str_eq(out.raw[1], STR("{\"v\":\"2013-03-21T20:04:00+00:00\"}")));
    assert_int_equal(rejections.count, 2);
    assert_string_equal(rejections.items[0].text.data, "malformed CBOR at byte 3: it ends early");
    assert_int_equal(rejections.items[0].record, 1);
    assert_int_equal(rejections.items[0].offset, 3);
    assert_string_equal(rejections.items[1].text.data, "not an event: a CBOR map is expected");
    batch_unref(b);
    partition_unref(p);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_specification_are_read_and_written),
        cmocka_unit_test(what_is_malformed_is_refused_with_its_place),
        cmocka_unit_test(every_value_of_a_column_has_its_item),
        cmocka_unit_test(a_bad_message_is_rejected_and_the_ones_around_it_are_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
