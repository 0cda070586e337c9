/*
 * The formats text and raw.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pipeline/codec/format.h"

struct fixture {
    struct arena arena;
    struct format_options options;
    struct schema schema;
    struct decoder decoder;
    struct buffer told;
    size_t max_record;
    uint32_t most;
};

static void open_format(struct fixture *t, const struct format *format)
{
    struct error err;
    t->schema = (struct schema){.arena = &t->arena, .open = true};
    t->decoder = (struct decoder){.format = format, .options = &t->options, .schema = &t->schema};
    if (!format->source_schema(&t->options, &t->schema, &err) || !format->bind_decoder(&t->decoder, &t->arena, &err))
        fail_msg("%s", err.text);
    assert_int_equal(t->schema.count, 1);
    assert_false(t->schema.open);
}

static void close_format(struct fixture *t)
{
    buffer_release(&t->told);
    arena_release(&t->arena);
}

/* `line @position text` or `line @position ! reason` */
static void tell(struct fixture *t, const struct batch *b)
{
    struct slice slice;
    struct rejections rejections = {.arena = &t->arena};
    decoder_run(&t->decoder, b, 0, b->record_count, &t->arena, &slice, &rejections);
    uint32_t s = 0, r = 0;
    for (uint32_t row = 0; row < slice.rows; row++) {
        const struct record *rec = &b->records[row];
        buffer_printf(&t->told, "%u @%llu ", rec->line, (unsigned long long)rec->position);
        if (s < slice.selected && slice.sel[s] == row) {
            buffer_add_str(&t->told, value_str(slice.columns[0][row]));
            s++;
        } else {
            buffer_printf(&t->told, "! " STR_FMT, STR_ARG(rejections.items[r].text));
            r++;
        }
        buffer_add_byte(&t->told, '\n');
    }
}

static void read_text(struct fixture *t, struct str stream, const size_t *ends, size_t end_count)
{
    struct partition *p = partition_new("test");
    struct framer f = {.format = &format_text,
                       .options = &t->options,
                       .max_record = t->max_record ? t->max_record : 1000,
                       .line = 1,
                       .partition = p};
    for (size_t i = 0; i <= end_count; i++) {
        size_t end = i < end_count ? ends[i] : stream.len, taken;
        uint32_t records;
        do {
            struct batch *b = batch_new(end - f.position + 1);
            b->len = end - f.position;
            if (b->len)
                memcpy(b->bytes, stream.data + f.position, b->len);
            batch_add_span(b, p, f.position);
            taken = format_text.frame(&f, b, 0, end == stream.len, t->most ? t->most : 100);
            records = b->record_count;
            tell(t, b);
            batch_unref(b);
        } while (taken || records);
    }
    assert_true(f.position == stream.len);
    partition_unref(p);
}

static void expect_lines(struct str stream, size_t max_record, const char *expected)
{
    for (size_t cut = 0; cut <= stream.len; cut++)
        for (uint32_t most = 1; most < 4; most++) {
            struct fixture t = {.max_record = max_record, .most = most};
            open_format(&t, &format_text);
            read_text(&t, stream, &cut, cut < stream.len);
            assert_string_equal(buffer_cstr(&t.told), expected);
            close_format(&t);
        }
}

static void every_line_is_a_record(void **state)
{
    (void)state;
    expect_lines(STR("one\ntwo\r\n\nfour"), 0, "1 @0 one\n2 @4 two\n3 @9 \n4 @10 four\n");
    expect_lines(STR("\xef\xbb\xbfone\n"), 0, "1 @3 one\n");
    expect_lines(STR(""), 0, "");
    expect_lines(STR("a\rb\n"), 0, "1 @0 a\rb\n");
}

static void a_line_longer_than_max_record_is_rejected_alone(void **state)
{
    (void)state;
    expect_lines(STR("123\n1234\r\n12345\n1\n12345678"), 4,
                 "1 @0 123\n2 @4 1234\n3 @10 ! the record is longer than max_record\n4 @16 1\n"
                 "5 @18 ! the record is longer than max_record\n");
}

static void a_line_that_is_no_text_is_rejected_alone(void **state)
{
    (void)state;
    expect_lines(STR("ok\n\xff\na\0b\nok"), 0,
                 "1 @0 ok\n2 @3 ! invalid byte sequence for encoding \"UTF8\": 0xff\n"
                 "3 @5 ! invalid byte sequence for encoding \"UTF8\": 0x00\n4 @9 ok\n");
}

static void the_member_is_called_line_unless_configured(void **state)
{
    (void)state;
    struct fixture t = {.options.text_column = "message"}, preset = {0};
    open_format(&t, &format_text);
    assert_int_equal(schema_visible(&t.schema, STR("message")), 0);
    assert_int_equal(t.schema.columns[0].type.id, TYPE_TEXT);
    open_format(&preset, &format_text);
    assert_int_equal(schema_visible(&preset.schema, STR("line")), 0);
    close_format(&t);
    close_format(&preset);
}

static void raw_is_the_bytes_as_they_are(void **state)
{
    (void)state;
    struct fixture t = {0};
    struct partition *p = partition_new("test");
    struct batch *b = batch_new(100);
    struct slice slice;
    struct rejections rejections = {.arena = &t.arena};
    open_format(&t, &format_raw);
    memcpy(b->bytes, "\0\xff\n", 3);
    b->len = 3;
    batch_add_span(b, p, 0);
    batch_add_record(b)->length = 3;
    decoder_run(&t.decoder, b, 0, 1, &t.arena, &slice, &rejections);
    assert_int_equal(slice.selected, 1);
    assert_int_equal(slice.columns[0][0].kind, VALUE_BYTES);
    assert_true(str_eq(value_str(slice.columns[0][0]), STR("\0\xff\n")));
    assert_int_equal(schema_visible(&t.schema, STR("payload")), 0);
    batch_unref(b);
    partition_unref(p);
    close_format(&t);
}

static void other_columns_than_the_one_there_is_are_refused(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct schema schema = {.arena = &arena};
    struct format_options options = {0};
    struct error err;
    schema_add(&schema, (struct column){.name = STR("temp"), .type = TYPE(TYPE_INTEGER), .visible = true});
    assert_false(format_text.source_schema(&options, &schema, &err));
    assert_int_equal(err.kind, ERROR_STOP);
    assert_false(format_raw.source_schema(&options, &schema, &err));
    arena_release(&arena);
}

static void write_one(const struct format *format, struct type type, const struct value *values, uint32_t count,
                      const char *expected, uint32_t rejected)
{
    struct arena arena = ARENA_INIT;
    struct schema schema = {.arena = &arena};
    struct format_options options = {0};
    struct error err;
    schema_add(&schema, (struct column){.name = STR("hidden")});
    schema_add(&schema, (struct column){.name = STR("x"), .type = type, .visible = true});
    struct encoder e = {.format = format, .options = &options, .schema = &schema, .zone = zone_utc};
    if (!format->bind_encoder(&e, &arena, &err))
        fail_msg("%s", err.text);
    struct value *columns[] = {NULL, (struct value *)values};
    struct slice slice = {.arena = &arena,
                          .rows = count,
                          .sel = slice_all_rows,
                          .selected = count,
                          .record = slice_all_rows,
                          .columns = columns};
    struct rejections rejections = {.arena = &arena};
    struct buffer out = {0};
    uint32_t ends[8];
    format->encode(&e, &slice, slice.sel, count, &out, ends, &rejections);
    assert_string_equal(buffer_cstr(&out), expected);
    assert_int_equal(ends[count - 1], out.len);
    assert_int_equal(rejections.count, rejected);
    buffer_release(&out);
    arena_release(&arena);
}

static void one_column_is_written_and_a_line_end_inside_is_refused(void **state)
{
    (void)state;
    struct value lines[] = {value_text(STR("one")), value_text(STR("t\nwo")), value_null(), value_text(STR("four"))};
    write_one(&format_text, TYPE(TYPE_TEXT), lines, 4, "one\n\nfour\n", 1);
    struct value numbers[] = {value_int(1), value_int(-2)};
    write_one(&format_text, TYPE(TYPE_BIGINT), numbers, 2, "1\n-2\n", 0);
}

static void raw_writes_bytes_verbatim(void **state)
{
    (void)state;
    struct value bytes[] = {{.kind = VALUE_BYTES, .len = 3, .ptr = "a\n\xff"}, value_null(), value_text(STR("b"))};
    write_one(&format_raw, TYPE(TYPE_BYTEA), bytes, 3,
              "a\n\xff"
              "b",
              0);
}

static void several_columns_or_open_events_cannot_be_written(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct format_options options = {0};
    struct error err;
    for (unsigned i = 0; i < 3; i++) {
        struct schema schema = {.arena = &arena, .open = i == 1};
        for (unsigned k = 0; k < i; k++)
            schema_add(&schema, (struct column){.name = STR("x"), .type = TYPE(TYPE_TEXT), .visible = true});
        struct encoder e = {.options = &options, .schema = &schema};
        assert_false(format_text.bind_encoder(&e, &arena, &err));
        assert_false(format_raw.bind_encoder(&e, &arena, &err));
        assert_int_equal(err.kind, ERROR_STOP);
    }
    arena_release(&arena);
}

static void formats_are_found_by_name_and_choice(void **state)
{
    (void)state;
    for (const struct option_choice *c = format_choices; c->name; c++) {
        assert_string_equal(formats[c->value]->name, c->name);
        assert_ptr_equal(format_find(c->name), formats[c->value]);
    }
    assert_null(format_find("cvs"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_a_record),
        cmocka_unit_test(a_line_longer_than_max_record_is_rejected_alone),
        cmocka_unit_test(a_line_that_is_no_text_is_rejected_alone),
        cmocka_unit_test(the_member_is_called_line_unless_configured),
        cmocka_unit_test(raw_is_the_bytes_as_they_are),
        cmocka_unit_test(other_columns_than_the_one_there_is_are_refused),
        cmocka_unit_test(one_column_is_written_and_a_line_end_inside_is_refused),
        cmocka_unit_test(raw_writes_bytes_verbatim),
        cmocka_unit_test(several_columns_or_open_events_cannot_be_written),
        cmocka_unit_test(formats_are_found_by_name_and_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
