/*
 * Avro: schemas, resolution, values in both directions; avro-c is the oracle of the bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <avro.h>

#include "pipeline/codec/avro.h"
#include "pipeline/event/convert.h"

#define READING                                                                                                           \
    "{\"type\":\"record\",\"name\":\"reading\",\"namespace\":\"plant\",\"fields\":["                                      \
    "{\"name\":\"device\",\"type\":\"string\"},"                                                                          \
    "{\"name\":\"seq\",\"type\":\"long\"},"                                                                               \
    "{\"name\":\"count\",\"type\":\"int\"},"                                                                              \
    "{\"name\":\"temp\",\"type\":\"double\"},"                                                                            \
    "{\"name\":\"hum\",\"type\":[\"null\",\"float\"]},"                                                                   \
    "{\"name\":\"ok\",\"type\":\"boolean\"},"                                                                             \
    "{\"name\":\"ts\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}},"                                \
    "{\"name\":\"day\",\"type\":{\"type\":\"int\",\"logicalType\":\"date\"}},"                                            \
    "{\"name\":\"price\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":30,\"scale\":2}},"         \
    "{\"name\":\"level\",\"type\":{\"type\":\"enum\",\"name\":\"level\",\"symbols\":[\"LOW\",\"HIGH\"]}},"                \
    "{\"name\":\"loc\",\"type\":{\"type\":\"record\",\"name\":\"place\",\"fields\":[{\"name\":\"lat\",\"type\":\"double\"}]}}," \
    "{\"name\":\"tags\",\"type\":{\"type\":\"array\",\"items\":\"string\"}},"                                             \
    "{\"name\":\"extra\",\"type\":{\"type\":\"map\",\"values\":\"int\"}}]}"

struct rig {
    struct arena arena;
    struct format_options options;
    struct schema schema;
    struct decoder decoder;
    struct rejections rejections;
    struct slice slice;
    struct batch *batch;
    char path[64];
};

static void write_schema(struct rig *t, const char *json)
{
    strcpy(t->path, "/tmp/pipe-avro-XXXXXX");
    int fd = mkstemp(t->path);
    assert_int_equal(write(fd, json, strlen(json)), strlen(json));
    close(fd);
    t->options.avro_schema = t->path;
}

static void open_rig(struct rig *t, const char *reader)
{
    struct error err;
    t->options.avro_framing = AVRO_BARE;
    write_schema(t, reader);
    t->schema = (struct schema){.arena = &t->arena, .open = true};
    t->decoder = (struct decoder){.format = &format_avro, .options = &t->options, .schema = &t->schema, .convert = {.zone = zone_utc, .now_us = INT64_MIN}};
    if (!format_avro.source_schema(&t->options, &t->schema, &err))
        fail_msg("%s", err.text);
}

static void bind(struct rig *t)
{
    struct error err;
    if (!format_avro.bind_decoder(&t->decoder, &t->arena, &err))
        fail_msg("%s", err.text);
}

static void close_rig(struct rig *t)
{
    if (*t->path)
        unlink(t->path);
    batch_unref(t->batch);
    arena_release(&t->arena);
    *t = (struct rig){0};
}

static void decode(struct rig *t, const void *datum, size_t len)
{
    struct error err;
    struct partition *p = partition_new("test");
    batch_unref(t->batch);
    t->batch = batch_new(len + 1);
    memcpy(t->batch->bytes, datum, len);
    t->batch->len = len;
    struct span *s = batch_add_span(t->batch, p, 0);
    *batch_add_record(t->batch) = (struct record){.length = (uint32_t)len};
    s->count = 1;
    s->next = len;
    partition_unref(p);
    t->rejections = (struct rejections){.arena = &t->arena};
    if (!format_avro.prepare(&t->decoder, t->batch, &err))
        fail_msg("%s", err.text);
    decoder_run(&t->decoder, t->batch, 0, 1, &t->arena, &t->slice, &t->rejections);
}

/* The visible columns as Postgres prints them, with | between them; or the reason of the rejection. */
static const char *told(struct rig *t)
{
    if (t->rejections.count)
        return arena_str(&t->arena, t->rejections.items[0].text).data;
    struct buffer out = {0};
    assert_int_equal(t->slice.selected, 1);
    for (uint32_t c = 0; c < t->schema.count; c++) {
        if (c)
            buffer_add_byte(&out, '|');
        value_print(t->slice.columns[c][0], t->schema.columns[c].type, zone_utc, &out);
    }
    const char *text = arena_str(&t->arena, (struct str){out.data, out.len}).data;
    buffer_release(&out);
    return text;
}

/* ---- schemas ------------------------------------------------------------------------------------------------------------- */

static void a_schema_that_is_wrong_is_told_what_is_wrong_with_it(void **state)
{
    (void)state;
    static const struct {
        const char *json, *why;
    } cases[] = {
        {"{", "Avro schema is no JSON"},
        {"\"flaot\"", "unknown type \"flaot\""},
        {"{\"type\":\"record\",\"fields\":[]}", "record needs a name"},
        {"{\"type\":\"record\",\"name\":\"a\"}", "record \"a\" needs a list of fields"},
        {"{\"type\":\"record\",\"name\":\"1a\",\"fields\":[]}", "\"1a\" is no name of a type"},
        {"{\"type\":\"record\",\"name\":\"a\",\"fields\":[{\"name\":\"x\",\"type\":{\"type\":\"array\"}}]}", "field \"x\": array needs items"},
        {"{\"type\":\"record\",\"name\":\"a\",\"fields\":[{\"name\":\"x\",\"type\":\"int\"},{\"name\":\"x\",\"type\":\"int\"}]}",
         "field \"x\" is there twice"},
        {"[\"int\",[\"null\"]]", "a union may not stand directly in another one"},
        {"{\"type\":\"fixed\",\"name\":\"f\"}", "fixed \"f\" needs a size"},
        {"{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[]}", "enum \"e\" needs a list of symbols"},
        {"12", "a schema is a name, an object or a list, not 12"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = ARENA_INIT;
        struct error err;
        assert_null(avro_schema_parse(str_of(cases[i].json), &arena, &err));
        if (!strstr(err.text, cases[i].why))
            fail_msg("%s: %s", cases[i].json, err.text);
        arena_release(&arena);
    }
}

/* From Avro's own share/test/data/schema-tests.txt. */
static void the_canonical_form_and_the_fingerprint_are_the_specifications(void **state)
{
    (void)state;
    static const struct {
        const char *json, *canonical;
        int64_t fingerprint;
    } cases[] = {
        {"\"null\"", "\"null\"", INT64_C(7195948357588979594)},
        {"{\"type\":\"int\"}", "\"int\"", INT64_C(8247732601305521295)},
        {"{\"type\":\"record\", \"name\":\"foo\", \"doc\":\"useful\", \"fields\":[{\"type\":\"boolean\", \"aliases\":[], \"name\":\"f1\", \"default\":true}]}",
         "{\"name\":\"foo\",\"type\":\"record\",\"fields\":[{\"name\":\"f1\",\"type\":\"boolean\"}]}", INT64_C(7843277075252814651)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = ARENA_INIT;
        struct error err;
        struct buffer text = {0};
        const struct avro_schema *s = avro_schema_parse(str_of(cases[i].json), &arena, &err);
        assert_non_null(s);
        avro_schema_canonical(s, &text);
        assert_string_equal(buffer_cstr(&text), cases[i].canonical);
        assert_int_equal(avro_schema_fingerprint(s), cases[i].fingerprint);
        buffer_release(&text);
        arena_release(&arena);
    }
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

static void set_field(avro_value_t *record, const char *name, avro_value_t *out)
{
    assert_int_equal(avro_value_get_by_name(record, name, out, NULL), 0);
}

/* One reading, encoded by avro-c. */
static size_t encode_by_oracle(char *bytes, size_t room)
{
    avro_schema_t schema;
    avro_value_t record, f, branch;
    size_t len;
    assert_int_equal(avro_schema_from_json_length(READING, strlen(READING), &schema), 0);
    avro_value_iface_t *class_ = avro_generic_class_from_schema(schema);
    avro_generic_value_new(class_, &record);
    set_field(&record, "device", &f), avro_value_set_string(&f, "gw-ä");
    set_field(&record, "seq", &f), avro_value_set_long(&f, INT64_MIN);
    set_field(&record, "count", &f), avro_value_set_int(&f, -70000);
    set_field(&record, "temp", &f), avro_value_set_double(&f, 21.5);
    set_field(&record, "hum", &f), avro_value_set_branch(&f, 1, &branch), avro_value_set_float(&branch, 0.1f);
    set_field(&record, "ok", &f), avro_value_set_boolean(&f, 1);
    set_field(&record, "ts", &f), avro_value_set_long(&f, INT64_C(1772366400123456));
    set_field(&record, "day", &f), avro_value_set_int(&f, -1);
    set_field(&record, "price", &f), avro_value_set_bytes(&f, "\xff\x38\x5c", 3); /* -51108 */
    set_field(&record, "level", &f), avro_value_set_enum(&f, 1);
    set_field(&record, "loc", &f), avro_value_get_by_name(&f, "lat", &branch, NULL), avro_value_set_double(&branch, -3);
    set_field(&record, "tags", &f);
    avro_value_append(&f, &branch, NULL), avro_value_set_string(&branch, "a\"b");
    avro_value_append(&f, &branch, NULL), avro_value_set_string(&branch, "");
    set_field(&record, "extra", &f), avro_value_add(&f, "k", &branch, NULL, NULL), avro_value_set_int(&branch, 7);
    avro_writer_t w = avro_writer_memory(bytes, (int64_t)room);
    assert_int_equal(avro_value_write(w, &record), 0);
    len = (size_t)avro_writer_tell(w);
    avro_writer_free(w);
    avro_value_decref(&record);
    avro_value_iface_decref(class_);
    avro_schema_decref(schema);
    return len;
}

static void what_avro_c_writes_is_read_with_the_schemas_types(void **state)
{
    (void)state;
    char bytes[512], name[48];
    size_t len = encode_by_oracle(bytes, sizeof(bytes));
    struct rig t = {0};
    open_rig(&t, READING);
    bind(&t);
    decode(&t, bytes, len);
    assert_string_equal(told(&t), "gw-ä|-9223372036854775808|-70000|21.5|0.1|t|2026-03-01 12:00:00.123456+00|1969-12-31|-511.08|HIGH|{\"lat\":-3}|"
                                  "[\"a\\\"b\",\"\"]|{\"k\":7}");
    static const char *const types[] = {"text", "bigint", "integer", "double precision", "real", "boolean", "timestamp with time zone",
                                        "date", "numeric(30,2)", "text", "jsonb", "jsonb", "jsonb"};
    for (uint32_t c = 0; c < t.schema.count; c++)
        assert_string_equal(type_name(t.schema.columns[c].type, name), types[c]);
    close_rig(&t);
}

static void members_of_records_and_maps_are_found_by_their_path(void **state)
{
    (void)state;
    char bytes[512];
    size_t len = encode_by_oracle(bytes, sizeof(bytes));
    struct rig t = {0};
    open_rig(&t, READING);
    struct path lat = path_parse(&t.arena, STR("loc.lat")), k = path_parse(&t.arena, STR("extra.k")), none = path_parse(&t.arena, STR("loc.alt"));
    int at_lat = schema_find(&t.schema, &lat), at_k = schema_find(&t.schema, &k);
    assert_true(at_lat > 0 && at_k > 0);
    assert_int_equal(schema_find(&t.schema, &none), -1);
    assert_int_equal(t.schema.columns[at_lat].type.id, TYPE_DOUBLE);
    bind(&t);
    decode(&t, bytes, len);
    assert_int_equal(t.slice.selected, 1);
    assert_true(t.slice.columns[at_lat][0].d == -3);
    assert_int_equal(t.slice.columns[at_k][0].i, 7);
    close_rig(&t);
}

/* Every place where the bytes may end, and every byte changed: read, or refused with a reason, and never beyond the end. */
static void a_datum_that_is_cut_or_smashed_is_refused_alone(void **state)
{
    (void)state;
    char bytes[512];
    size_t len = encode_by_oracle(bytes, sizeof(bytes));
    struct rig t = {0};
    open_rig(&t, READING);
    bind(&t);
    for (size_t cut = 0; cut < len; cut++) {
        decode(&t, bytes, cut);
        assert_int_equal(t.slice.selected, 0);
        assert_int_equal(t.rejections.count, 1);
    }
    for (size_t i = 0; i < len; i++)
        for (unsigned flip = 1; flip < 256; flip = flip * 2 + 1) {
            bytes[i] = (char)(bytes[i] ^ flip);
            decode(&t, bytes, len);
            assert_int_equal(t.slice.selected + t.rejections.count, 1);
            bytes[i] = (char)(bytes[i] ^ flip);
        }
    close_rig(&t);
}

/* ---- resolution ---------------------------------------------------------------------------------------------------------- */

#define RECORD(fields) "{\"type\":\"record\",\"name\":\"r\",\"fields\":[" fields "]}"

/* Reads a datum of `writer` as `reader` would have it. */
static void resolves(const char *writer, const char *datum_json, const char *reader, const char *expected)
{
    struct rig t = {0};
    struct error err;
    struct buffer datum = {0};
    open_rig(&t, reader);
    const struct avro_schema *w = avro_schema_parse(str_of(writer), &t.arena, &err), *r;
    struct str text;
    assert_non_null(w);
    assert_true(avro_write_json(w, str_of(datum_json), &datum));
    r = avro_schema_load(t.path, &t.arena, &text, &err);
    struct avro_program program;
    avro_program_new(w, r, &t.schema, avro_wants(&t.schema, &t.arena), &t.arena, &program);
    const char *got = program.error;
    if (!got) {
        struct value *columns[8], values[8];
        for (int i = 0; i < 8; i++)
            columns[i] = &values[i];
        struct avro_reader reader_ = avro_reader_of((struct str){datum.data, datum.len});
        struct convert_context cx = {.arena = &t.arena, .zone = zone_utc, .now_us = INT64_MIN};
        uint32_t column;
        struct buffer out = {0};
        if (!avro_program_run(&program, &t.schema, &reader_, &cx, columns, 0, &column, &err))
            got = reader_.why ? reader_.why : arena_strdup(&t.arena, err.text);
        for (uint32_t c = 0; !got && c < t.schema.count; c++) {
            if (c)
                buffer_add_byte(&out, '|');
            value_print(values[c], t.schema.columns[c].type, zone_utc, &out);
        }
        got = got ? got : arena_str(&t.arena, (struct str){out.data, out.len}).data;
        buffer_release(&out);
    }
    assert_string_equal(got, expected);
    buffer_release(&datum);
    close_rig(&t);
}

static void a_reader_resolves_what_was_written_with_another_schema(void **state)
{
    (void)state;
    /* numbers widen */
    resolves(RECORD("{\"name\":\"a\",\"type\":\"int\"}"), "{\"a\":5}", RECORD("{\"name\":\"a\",\"type\":\"double\"}"), "5");
    resolves(RECORD("{\"name\":\"a\",\"type\":\"int\"}"), "{\"a\":-5}", RECORD("{\"name\":\"a\",\"type\":[\"null\",\"long\"]}"), "-5");
    resolves(RECORD("{\"name\":\"a\",\"type\":\"float\"}"), "{\"a\":1.5}", RECORD("{\"name\":\"a\",\"type\":\"double\"}"), "1.5");
    /* and do not narrow */
    resolves(RECORD("{\"name\":\"a\",\"type\":\"long\"}"), "{\"a\":5}", RECORD("{\"name\":\"a\",\"type\":\"int\"}"),
             "field \"a\" was written as long, which cannot be read as int");
    /* fields are found by name, whatever their order; by alias; and have defaults */
    resolves(RECORD("{\"name\":\"b\",\"type\":\"string\"},{\"name\":\"gone\",\"type\":\"string\"},{\"name\":\"a\",\"type\":\"int\"}"),
             "{\"a\":1,\"b\":\"x\",\"gone\":\"y\"}",
             RECORD("{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"c\",\"type\":\"string\",\"aliases\":[\"b\"]},{\"name\":\"n\",\"type\":\"long\",\"default\":42}"),
             "1|x|42");
    resolves(RECORD("{\"name\":\"a\",\"type\":\"int\"}"), "{\"a\":1}", RECORD("{\"name\":\"z\",\"type\":\"int\"}"),
             "field \"z\" is not in the writer's schema, and has no default in the reader's");
    /* unions */
    resolves(RECORD("{\"name\":\"a\",\"type\":[\"null\",\"int\",\"string\"]}"), "{\"a\":null}", RECORD("{\"name\":\"a\",\"type\":[\"null\",\"long\"]}"), "");
    resolves(RECORD("{\"name\":\"a\",\"type\":[\"null\",\"int\",\"string\"]}"), "{\"a\":\"x\"}", RECORD("{\"name\":\"a\",\"type\":[\"null\",\"long\"]}"),
             "field \"a\" was written as string, which cannot be read as union");
    /* string and bytes are one another's; a symbol that is not known becomes the enum's default */
    resolves(RECORD("{\"name\":\"a\",\"type\":\"bytes\"}"), "{\"a\":\"hi\"}", RECORD("{\"name\":\"a\",\"type\":\"string\"}"), "hi");
    resolves(RECORD("{\"name\":\"a\",\"type\":{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[\"A\",\"B\"]}}"), "{\"a\":\"B\"}",
             RECORD("{\"name\":\"a\",\"type\":{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[\"A\",\"X\"],\"default\":\"X\"}}"), "X");
    /* the logical type is the reader's */
    resolves(RECORD("{\"name\":\"a\",\"type\":\"int\"}"), "{\"a\":1}", RECORD("{\"name\":\"a\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}"),
             "1970-01-01 00:00:00.001+00");
    resolves(RECORD("{\"name\":\"a\",\"type\":\"int\"}"), "{\"a\":1}",
             RECORD("{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"d\",\"type\":{\"type\":\"int\",\"logicalType\":\"date\"},\"default\":-1}"), "1|1969-12-31");
}

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

static void decimals_go_both_ways_whatever_their_size(void **state)
{
    (void)state;
    static const char *const numbers[] = {"0.00", "0.01", "-0.01", "1.27", "1.28", "-1.28", "-1.29", "92233720368547758.07", "92233720368547758.08",
                                          "-92233720368547758.08", "-92233720368547758.09", "123456789012345678901234567890.12",
                                          "-99999999999999999999999999999999999999999.99"};
    struct arena arena = ARENA_INIT;
    struct error err;
    struct convert_context cx = {.arena = &arena};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        for (uint32_t size = 0; size <= 24; size += 24) {
            struct value v;
            unsigned char bytes[64];
            struct buffer out = {0};
            assert_true(value_parse(&cx, str_of(numbers[i]), TYPE(TYPE_NUMERIC), &v, &err));
            size_t n = avro_decimal_bytes(v, 2, size, bytes, sizeof(bytes));
            assert_true(n > 0 && (size == 0 || n == size));
            value_print(avro_decimal_value((struct str){(char *)bytes, n}, 2, &arena), TYPE(TYPE_NUMERIC), zone_utc, &out);
            assert_string_equal(buffer_cstr(&out), numbers[i]);
            buffer_release(&out);
        }
    struct value v;
    unsigned char bytes[4];
    assert_true(value_parse(&cx, STR("21474836.48"), TYPE(TYPE_NUMERIC), &v, &err));
    assert_int_equal(avro_decimal_bytes(v, 2, 4, bytes, 4), 0);
    assert_true(value_parse(&cx, STR("NaN"), TYPE(TYPE_NUMERIC), &v, &err));
    assert_int_equal(avro_decimal_bytes(v, 2, 4, bytes, 4), 0);
    arena_release(&arena);
}

/* Decoded, encoded again with the same schema: the same bytes. */
static void what_is_read_is_written_back_byte_for_byte(void **state)
{
    (void)state;
    char bytes[512];
    size_t len = encode_by_oracle(bytes, sizeof(bytes));
    struct rig t = {0};
    struct error err;
    struct buffer out = {0};
    open_rig(&t, READING);
    bind(&t);
    decode(&t, bytes, len);
    struct encoder e = {.format = &format_avro, .options = &t.options, .schema = &t.schema, .zone = zone_utc};
    if (!format_avro.bind_encoder(&e, &t.arena, &err))
        fail_msg("%s", err.text);
    uint32_t end;
    format_avro.encode(&e, &t.slice, t.slice.sel, 1, &out, &end, &t.rejections);
    assert_int_equal(t.rejections.count, 0);
    assert_int_equal(end, out.len);
    decode(&t, out.data, out.len); /* an array's blocks may be cut otherwise */
    assert_int_equal(t.rejections.count, 0);
    struct rig again = {0};
    open_rig(&again, READING);
    bind(&again);
    decode(&again, bytes, len);
    const char *first = arena_strdup(&t.arena, told(&t));
    assert_string_equal(first, told(&again));
    buffer_release(&out);
    close_rig(&again);
    close_rig(&t);
}

static void without_a_schema_one_is_made_of_the_columns(void **state)
{
    (void)state;
    struct rig t = {0};
    struct error err;
    struct format_options options = {.avro_framing = AVRO_BARE};
    t.schema = (struct schema){.arena = &t.arena};
    schema_add(&t.schema, (struct column){.name = STR("device"), .type = TYPE(TYPE_TEXT), .visible = true});
    schema_add(&t.schema, (struct column){.name = STR("temp"), .type = TYPE(TYPE_NUMERIC), .visible = true});
    struct encoder e = {.format = &format_avro, .options = &options, .schema = &t.schema, .zone = zone_utc};
    assert_false(format_avro.bind_encoder(&e, &t.arena, &err));
    assert_non_null(strstr(err.text, "\"temp\" is numeric without a precision"));
    t.schema.columns[1].type = (struct type){TYPE_NUMERIC, 6, 2};
    assert_true(format_avro.bind_encoder(&e, &t.arena, &err));
    t.schema.columns[1].name = STR("temp °C");
    assert_false(format_avro.bind_encoder(&e, &t.arena, &err));
    assert_non_null(strstr(err.text, "cannot be the name of an Avro field"));
    close_rig(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schema_that_is_wrong_is_told_what_is_wrong_with_it),
        cmocka_unit_test(the_canonical_form_and_the_fingerprint_are_the_specifications),
        cmocka_unit_test(what_avro_c_writes_is_read_with_the_schemas_types),
        cmocka_unit_test(members_of_records_and_maps_are_found_by_their_path),
        cmocka_unit_test(a_datum_that_is_cut_or_smashed_is_refused_alone),
        cmocka_unit_test(a_reader_resolves_what_was_written_with_another_schema),
        cmocka_unit_test(decimals_go_both_ways_whatever_their_size),
        cmocka_unit_test(what_is_read_is_written_back_byte_for_byte),
        cmocka_unit_test(without_a_schema_one_is_made_of_the_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
