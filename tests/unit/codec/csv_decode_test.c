/*
 * From CSV records to columns: projection, types, headers that differ, whole messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pipeline/codec/format.h"

/* A plan with one CSV source, and a batch for it. */
struct fixture {
    struct arena arena;
    struct format_options options;
    struct schema schema;
    struct decoder decoder;
    struct batch *batch;
    struct slice slice;
    struct rejections rejections;
};

static void open_source(struct fixture *t)
{
    t->schema.arena = &t->arena;
    t->rejections.arena = &t->arena;
    t->batch = batch_new(4096);
}

static void declare(struct fixture *t, const char *name, enum type_id type)
{
    struct str s = str_of(name);
    schema_add(&t->schema,
               (struct column){.name = s, .type = TYPE(type), .visible = true, .path = {&s, 1}, .declared = true});
}

static void bind_source(struct fixture *t)
{
    struct error err;
    if (!format_csv.source_schema(&t->options, &t->schema, &err))
        fail_msg("%s", err.text);
}

static int want(struct fixture *t, const char *path)
{
    struct path p = path_parse(&t->arena, str_of(path));
    return schema_find(&t->schema, &p);
}

/* A whole file, header and all, as one more span of the batch. */
static void add_file(struct fixture *t, const char *text)
{
    struct partition *p = partition_new("file");
    struct error err;
    size_t len = strlen(text);
    struct framer f = {.format = &format_csv, .options = &t->options, .max_record = 1 << 20, .line = 1, .partition = p};
    ssize_t start = format_csv.prime(&f, text, len, true, &err);
    assert_true(start >= 0);
    f.position = (uint64_t)start;
    size_t from = t->batch->len;
    memcpy(t->batch->bytes + from, text + start, len - (size_t)start);
    t->batch->len += len - (size_t)start;
    batch_add_span(t->batch, p, f.position);
    format_csv.frame(&f, t->batch, from, true, UINT32_MAX);
    partition_unref(p);
}

static void add_message(struct fixture *t, const char *text)
{
    if (t->batch->span_count == 0) {
        struct partition *p = partition_new("topic");
        batch_add_span(t->batch, p, 0);
        partition_unref(p);
    }
    struct record *r = batch_add_record(t->batch);
    r->offset = (uint32_t)t->batch->len;
    r->length = (uint32_t)strlen(text);
    memcpy(t->batch->bytes + t->batch->len, text, r->length);
    t->batch->len += r->length;
    t->batch->spans[0].count++;
}

static void decode(struct fixture *t)
{
    struct error err;
    t->decoder = (struct decoder){
        .format = &format_csv,
        .options = &t->options,
        .schema = &t->schema,
        .convert = {.zone = zone_utc, .now_us = INT64_MIN},
        .component = 7,
        .source_name = STR("line3"),
    };
    if (!format_csv.bind_decoder(&t->decoder, &t->arena, &err))
        fail_msg("%s", err.text);
    decoder_run(&t->decoder, t->batch, 0, t->batch->record_count, &t->arena, &t->slice, &t->rejections);
}

static void close_source(struct fixture *t)
{
    batch_unref(t->batch);
    arena_release(&t->arena);
}

static void expect_text(const struct fixture *t, int column, uint32_t row, const char *expected)
{
    struct value v = t->slice.columns[column][row];
    assert_int_equal(v.kind, expected ? VALUE_TEXT : VALUE_NULL);
    if (expected && !str_eq(value_str(v), str_of(expected)))
        fail_msg(STR_FMT " instead of %s", STR_ARG(value_str(v)), expected);
}

static void only_asked_for_columns_are_filled_but_every_field_counts(void **state)
{
    (void)state;
    struct fixture t = {.schema.open = true};
    open_source(&t);
    bind_source(&t);
    int c = want(&t, "c"), a = want(&t, "a");
    add_file(&t, "a,b,c,d,e\n1,2,3,4,5\n1,2,3,4\n6,7,\"8\",9,0\n1,2,3,4,5,6\n");
    decode(&t);
    assert_int_equal(t.schema.count, 2);
    assert_int_equal(t.slice.selected, 2);
    assert_int_equal(t.slice.sel[1], 2);
    expect_text(&t, c, 0, "3");
    expect_text(&t, a, 0, "1");
    expect_text(&t, c, 2, "8");
    expect_text(&t, a, 2, "6");
    assert_int_equal(t.rejections.count, 2);
    assert_string_equal(t.rejections.items[1].text.data, "line 5: expected 5 fields, got 6");
    assert_string_equal(t.rejections.items[1].sqlstate, "22P04");
    assert_int_equal(t.rejections.items[1].component, 7);
    close_source(&t);
}

static void a_member_that_the_header_lacks_is_null(void **state)
{
    (void)state;
    struct fixture t = {.schema.open = true};
    open_source(&t);
    bind_source(&t);
    int x = want(&t, "x"), b = want(&t, "b");
    add_file(&t, "a,b\n1,2\n");
    decode(&t);
    assert_int_equal(t.slice.selected, 1);
    expect_text(&t, x, 0, NULL);
    expect_text(&t, b, 0, "2");
    close_source(&t);
}

static void a_header_with_a_dot_answers_a_path_of_two(void **state)
{
    (void)state;
    struct fixture t = {.schema.open = true};
    open_source(&t);
    bind_source(&t);
    int lat = want(&t, "loc.lat"), lon = want(&t, "loc.lon");
    add_file(&t, "loc,loc.lat\n1,2\n");
    decode(&t);
    expect_text(&t, lat, 0, "2");
    expect_text(&t, lon, 0, NULL);
    close_source(&t);
}

static void of_equal_names_in_the_header_the_last_wins(void **state)
{
    (void)state;
    struct fixture t = {.schema.open = true};
    open_source(&t);
    bind_source(&t);
    int a = want(&t, "a");
    add_file(&t, "a,b,a\n1,2,3\n");
    decode(&t);
    expect_text(&t, a, 0, "3");
    close_source(&t);
}

static void files_of_one_batch_may_have_different_headers(void **state)
{
    (void)state;
    struct fixture t = {.schema.open = true};
    open_source(&t);
    bind_source(&t);
    int a = want(&t, "a"), b = want(&t, "b");
    add_file(&t, "a,b\n1,2\n");
    add_file(&t, "b,x,a\n3,4,5\n6,7\n");
    add_file(&t, "x\n8\n");
    decode(&t);
    assert_int_equal(t.slice.selected, 3);
    assert_int_equal(t.rejections.count, 1);
    expect_text(&t, a, 0, "1");
    expect_text(&t, b, 0, "2");
    expect_text(&t, a, 1, "5");
    expect_text(&t, b, 1, "3");
    expect_text(&t, a, 3, NULL);
    close_source(&t);
}

static void declared_columns_are_converted_and_what_does_not_fit_rejects_its_row(void **state)
{
    (void)state;
    struct fixture t = {0};
    open_source(&t);
    declare(&t, "device", TYPE_TEXT);
    declare(&t, "seq", TYPE_INTEGER);
    bind_source(&t);
    assert_false(t.schema.open);
    assert_int_equal(want(&t, "other"), -1);
    add_file(&t, "device,other,seq\nd1,x,17\nd2,x,1x\nd3,x,\nd4,x,-5\n");
    decode(&t);
    assert_int_equal(t.slice.selected, 3);
    assert_int_equal(t.slice.columns[1][0].kind, VALUE_INT);
    assert_int_equal(t.slice.columns[1][0].i, 17);
    expect_text(&t, 1, 2, NULL);
    assert_int_equal(t.slice.columns[1][3].i, -5);
    expect_text(&t, 0, 3, "d4");
    assert_int_equal(t.rejections.count, 1);
    assert_string_equal(t.rejections.items[0].text.data,
                        "line 3: column seq: invalid input syntax for type integer: \"1x\"");
    assert_string_equal(t.rejections.items[0].sqlstate, "22P02");
    assert_int_equal(t.rejections.items[0].offset, 5);
    close_source(&t);
}

static void one_row_is_rejected_once_however_many_columns_do_not_fit(void **state)
{
    (void)state;
    struct fixture t = {0};
    open_source(&t);
    declare(&t, "a", TYPE_INTEGER);
    declare(&t, "b", TYPE_INTEGER);
    bind_source(&t);
    add_file(&t, "a,b\nx,y\n1,2\n");
    decode(&t);
    assert_int_equal(t.rejections.count, 1);
    assert_int_equal(t.slice.selected, 1);
    close_source(&t);
}

static void names_are_the_event_where_nothing_is_declared(void **state)
{
    (void)state;
    const char *names[] = {"a", "b"};
    struct fixture t = {.options.csv_names = {names, 2}, .schema.open = true};
    open_source(&t);
    bind_source(&t);
    assert_false(t.schema.open);
    assert_int_equal(t.schema.count, 2);
    assert_int_equal(want(&t, "b"), 1);
    assert_int_equal(want(&t, "c"), -1);
    add_message(&t, "1,2");
    decode(&t);
    expect_text(&t, 1, 0, "2");
    close_source(&t);
}

static void without_header_and_names_the_declared_columns_give_the_order(void **state)
{
    (void)state;
    struct fixture t = {.options.csv_header = CSV_HEADER_NO};
    struct error err;
    open_source(&t);
    assert_false(format_csv.source_schema(&t.options, &t.schema, &err));
    assert_int_equal(err.kind, ERROR_STOP);
    declare(&t, "a", TYPE_TEXT);
    declare(&t, "b", TYPE_INTEGER);
    bind_source(&t);
    add_file(&t, "x,1\ny,2\n");
    decode(&t);
    assert_int_equal(t.slice.selected, 2);
    expect_text(&t, 0, 1, "y");
    assert_int_equal(t.slice.columns[1][1].i, 2);
    close_source(&t);
}

static void messages_may_end_in_a_line_end_but_hold_one_record(void **state)
{
    (void)state;
    const char *names[] = {"a", "b"};
    struct fixture t = {.options.csv_names = {names, 2}, .schema.open = true};
    open_source(&t);
    bind_source(&t);
    add_message(&t, "1,2\r\n");
    add_message(&t, "3,4\n5,6\n");
    add_message(&t, "7,\"8\n9\"\n");
    decode(&t);
    assert_int_equal(t.slice.selected, 2);
    expect_text(&t, 1, 0, "2");
    expect_text(&t, 1, 2, "8\n9");
    assert_string_equal(t.rejections.items[0].text.data, "line end inside a record");
    assert_int_equal(t.rejections.items[0].offset, 3);
    close_source(&t);
}

static void messages_that_are_valid_text_only_together_are_rejected(void **state)
{
    (void)state;
    const char *names[] = {"a"};
    struct fixture t = {.options.csv_names = {names, 1}, .schema.open = true};
    open_source(&t);
    bind_source(&t);
    add_message(&t, "x\xc3");
    add_message(&t, "\xa4y");
    decode(&t);
    assert_int_equal(t.slice.selected, 0);
    close_source(&t);
}

static void meta_columns_are_filled_too(void **state)
{
    (void)state;
    struct fixture t = {.schema.open = true};
    open_source(&t);
    bind_source(&t);
    int line = schema_meta(&t.schema, META_LINE), source = schema_meta(&t.schema, META_SOURCE);
    assert_int_equal(schema_meta(&t.schema, META_LINE), line);
    add_file(&t, "a\n1\n\n2\n");
    decode(&t);
    assert_int_equal(t.slice.columns[line][0].i, 2);
    assert_int_equal(t.slice.columns[line][1].i, 4);
    expect_text(&t, source, 1, "line3");
    close_source(&t);
}

static void delimiter_and_quote_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *delimiter, *quote;
    } wrong[] = {{"", NULL}, {"::", NULL}, {"\n", NULL}, {"\xc3", NULL}, {NULL, ","}, {"\"", NULL}, {NULL, "ab"}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fixture t = {.options = {.csv_delimiter = wrong[i].delimiter, .csv_quote = wrong[i].quote}};
        struct error err;
        open_source(&t);
        assert_false(format_csv.source_schema(&t.options, &t.schema, &err));
        assert_int_equal(err.kind, ERROR_STOP);
        close_source(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_asked_for_columns_are_filled_but_every_field_counts),
        cmocka_unit_test(a_member_that_the_header_lacks_is_null),
        cmocka_unit_test(a_header_with_a_dot_answers_a_path_of_two),
        cmocka_unit_test(of_equal_names_in_the_header_the_last_wins),
        cmocka_unit_test(files_of_one_batch_may_have_different_headers),
        cmocka_unit_test(declared_columns_are_converted_and_what_does_not_fit_rejects_its_row),
        cmocka_unit_test(one_row_is_rejected_once_however_many_columns_do_not_fit),
        cmocka_unit_test(names_are_the_event_where_nothing_is_declared),
        cmocka_unit_test(without_header_and_names_the_declared_columns_give_the_order),
        cmocka_unit_test(messages_may_end_in_a_line_end_but_hold_one_record),
        cmocka_unit_test(messages_that_are_valid_text_only_together_are_rejected),
        cmocka_unit_test(meta_columns_are_filled_too),
        cmocka_unit_test(delimiter_and_quote_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
