/* Events as they come from a source: what has no type yet takes the column's, and members without a column have their
 * policy. */
#include "tests/unit/connectors/postgres_rig.h"

#include "pipeline/codec/format.h"

/* ---- lines through a real decoder ------------------------------------------------------------------------------- */

struct feed {
    struct rig rig;
    struct format_options formats;
    struct decoder decoder;
};

static void feed_init_with(struct feed *f, const struct format *format, struct text_list csv_names)
{
    rig_init(&f->rig, "t");
    f->formats = (struct format_options){.csv_delimiter = ",",
                                         .csv_quote = "\"",
                                         .csv_header = false,
                                         .csv_names = csv_names,
                                         .json_max_depth = 64,
                                         .text_column = "line"};
    f->decoder = (struct decoder){.format = format,
                                  .options = &f->formats,
                                  .schema = &f->rig.schema,
                                  .source_name = STR("hand"),
                                  .convert = {.zone = zone_utc, .now_us = INT64_MIN}};
    f->rig.schema.open = true;
    if (format->source_schema && !format->source_schema(&f->formats, &f->rig.schema, &f->rig.err))
        fail_msg("%s", f->rig.err.text);
}

static void feed_init(struct feed *f)
{
    feed_init_with(f, &format_json, (struct text_list){0});
}

static void feed_open(struct feed *f)
{
    rig_open(&f->rig);
    if (!f->decoder.format->bind_decoder(&f->decoder, &f->rig.arena, &f->rig.err))
        fail_msg("%s", f->rig.err.text);
}

/* One record per line. */
static struct output *feed_store(struct feed *f, const char *lines)
{
    struct rig *rig = &f->rig;
    struct batch *b = batch_new(strlen(lines));
    b->lane = rig->lane;
    b->len = strlen(lines);
    memcpy(b->bytes, lines, b->len);
    struct span *span = batch_add_span(b, rig->partition, rig->position);
    for (size_t from = 0; from < b->len; from += strcspn(lines + from, "\n") + 1) {
        struct record *r = batch_add_record(b);
        r->offset = (uint32_t)from;
        r->length = (uint32_t)strcspn(lines + from, "\n");
        r->position = rig->position++;
    }
    span->count = b->record_count;
    span->next = rig->position;
    struct output *o = mem_zalloc(sizeof(*o));
    o->batch = b;
    struct slice slice = {0};
    decoder_run(&f->decoder, b, 0, b->record_count, &rig->slice_arena, &slice, &rig->rejections);
    struct tools tools = {.arena = &rig->slice_arena};
    rig->ops->encode(&rig->binding, &slice, slice.sel, slice.selected, &tools, o, &rig->rejections);
    rig_write(rig, 0, o);
    rig_commit(rig, &o, 1);
    return o;
}

static void expect_rejection(const struct feed *f, uint32_t index, uint32_t record, const char *sqlstate,
                             const char *words)
{
    assert_true(index < f->rig.rejections.count);
    const struct rejection *r = &f->rig.rejections.items[index];
    assert_int_equal(r->record, record);
    assert_string_equal(r->sqlstate, sqlstate);
    if (!strstr(r->text.data, words))
        fail_msg("\"%s\" is not in \"%s\"", words, r->text.data);
}

/* ---- the tests -------------------------------------------------------------------------------------------------- */

static void a_json_member_takes_the_type_of_its_column(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (i integer, f double precision, n numeric(6,2), s text, z timestamptz, "
        "d date, b boolean,"
        " j jsonb, u uuid)");
    struct feed f;
    feed_init(&f);
    feed_open(&f);
    output_free(
        feed_store(&f, "{\"i\": 42, \"f\": 21.53, \"n\": 3.14159, \"s\": \"a\\tb \\u00e4\", \"z\": "
                       "\"2026-03-01T12:00:00.123Z\", \"d\": \"2026-03-01\","
                       " \"b\": true, \"j\": {\"x\": [1, \"\\n\"]}, \"u\": \"01234567-89ab-cdef-0123-456789abcdef\"}\n"
                       "{\"i\": 1e2, \"f\": 1e-7, \"n\": -1, \"s\": null, \"z\": \"2026-03-01 12:00\", \"b\": false, "
                       "\"j\": \"q\\\"\"}\n"
                       "{\"i\": 9007199254740993e-10, \"f\": 123456789012345678901, \"j\": 1.0}\n"));
    assert_int_equal(f.rig.rejections.count, 0);
    assert_string_equal(ask("SELECT * FROM t"),
                        "42|21.53|3.14|a\tb \xc3\xa4|2026-03-01 12:00:00.123+00|2026-03-01|t|{\"x\": [1, "
                        "\"\\n\"]}|01234567-89ab-cdef-0123-456789abcdef "
                        "100|1e-07|-1.00|-|2026-03-01 12:00:00+00|-|f|\"q\\\"\"|- "
                        "900720|1.2345678901234568e+20|-|-|-|-|-|1.0|-");
    rig_close(&f.rig);
}

static void a_json_member_of_another_sort_rejects_its_record_alone(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (k integer, z timestamptz)");
    struct feed f;
    feed_init(&f);
    feed_open(&f);
    output_free(feed_store(
        &f, "{\"k\": 1}\n{\"k\": true}\n{\"k\": 3000000000}\n{\"k\": 4, \"z\": \"yesterday-ish\"}\n{\"k\": 5}\n"));
    assert_int_equal(f.rig.rejections.count, 3);
    expect_rejection(&f, 0, 1, "22023", "column \"k\"");
    expect_rejection(&f, 1, 2, "22003", "column \"k\"");
    expect_rejection(&f, 2, 3, "22007", "column \"z\": invalid input syntax");
    assert_string_equal(ask("SELECT k FROM t"), "1 5");
    rig_close(&f.rig);
}

static void untyped_csv_takes_the_type_of_its_column(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (i smallint, f real, n numeric, z timestamptz, s text, a inet)");
    struct feed f;
    static const char *names[] = {"i", "f", "n", "z", "s", "a"};
    feed_init_with(&f, &format_csv, (struct text_list){names, 6});
    feed_open(&f);
    output_free(feed_store(&f, " 7 ,1.5,0.10,2026-03-01 12:00+02,x,10.0.0.1\n70000,,,,,\n,,,,,\n1,a,,,,\n"));
    assert_int_equal(f.rig.rejections.count, 2);
    expect_rejection(&f, 0, 1, "22003", "70000");
    expect_rejection(&f, 1, 3, "22P02", "column \"f\": invalid input syntax for type real: \"a\"");
    assert_string_equal(ask("SELECT * FROM t"), "7|1.5|0.10|2026-03-01 10:00:00+00|x|10.0.0.1 -|-|-|-|-|-");
    rig_close(&f.rig);
}

static void a_member_without_a_column_rejects_its_record(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (k integer, s text)");
    struct feed f;
    feed_init(&f);
    feed_open(&f);
    output_free(
        feed_store(&f, "{\"k\": 1, \"s\": \"a\"}\n{\"k\": 2, \"surprise\": 1}\n{\"s\": \"c\", \"\\u006b\": 3}\n"));
    assert_int_equal(f.rig.rejections.count, 1);
    expect_rejection(&f, 0, 1, "42703", "\"surprise\"");
    assert_string_equal(ask("SELECT * FROM t"), "1|a 3|c");
    rig_close(&f.rig);
}

static void ignored_members_are_left_out(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (k integer, s text)");
    struct feed f;
    feed_init(&f);
    f.rig.options.unknown = "ignore";
    feed_open(&f);
    output_free(feed_store(&f, "{\"k\": 2, \"surprise\": 1}\n"));
    assert_int_equal(f.rig.rejections.count, 0);
    assert_string_equal(ask("SELECT * FROM t"), "2|-");
    rig_close(&f.rig);
}

static void a_column_can_take_the_members_that_have_none(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (k integer, rest jsonb)");
    struct feed f;
    feed_init(&f);
    f.rig.options.unknown = "rest";
    feed_open(&f);
    output_free(feed_store(&f, "{\"k\": 1, \"a\": {\"b\": 1}, \"c \\\"q\\\"\": \"x\\n\"}\n{\"k\": 2}\n"));
    assert_string_equal(ask("SELECT k, rest FROM t"), "1|{\"a\": {\"b\": 1}, \"c \\\"q\\\"\": \"x\\n\"} 2|-");
    rig_close(&f.rig);
}

static void columns_can_be_taken_from_anywhere_in_the_event(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (id bigserial, temp real, origin text, made text DEFAULT 'here')");
    struct feed f;
    feed_init(&f);
    struct text_entry map[] = {{.key = "origin", .value = "meta.source"}, {.key = "temp", .value = "reading.temp"}};
    f.rig.options.columns = (struct text_table){map, 2};
    feed_open(&f);
    output_free(feed_store(&f, "{\"reading\": {\"temp\": 21.5}, \"whatever\": 1}\n"));
    assert_int_equal(f.rig.rejections.count, 0);
    assert_string_equal(ask("SELECT * FROM t"), "1|21.5|hand|here");
    rig_close(&f.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_json_member_takes_the_type_of_its_column),
        cmocka_unit_test(a_json_member_of_another_sort_rejects_its_record_alone),
        cmocka_unit_test(untyped_csv_takes_the_type_of_its_column),
        cmocka_unit_test(a_member_without_a_column_rejects_its_record),
        cmocka_unit_test(ignored_members_are_left_out),
        cmocka_unit_test(a_column_can_take_the_members_that_have_none),
        cmocka_unit_test(columns_can_be_taken_from_anywhere_in_the_event),
    };
    return cmocka_run_group_tests_name("postgres values", tests, server_setup, server_teardown);
}
