#include "tests/unit/codec/csv_rig.h"

struct writer {
    struct arena arena;
    struct format_options options;
    struct schema schema;
    struct encoder encoder;
    struct slice slice;
    struct rejections rejections;
    struct buffer out;
};

static void open_writer(struct writer *w, uint32_t columns)
{
    static const char *names[] = {"a", "b,c", "d"};
    w->schema.arena = w->rejections.arena = w->slice.arena = &w->arena;
    for (uint32_t i = 0; i < columns; i++)
        schema_add(&w->schema, (struct column){.name = str_of(names[i]), .type = TYPE(TYPE_TEXT), .visible = true});
    struct error err;
    w->encoder = (struct encoder){
        .format = &format_csv, .options = &w->options, .schema = &w->schema, .zone = zone_utc, .component = 3};
    if (!format_csv.bind_encoder(&w->encoder, &w->arena, &err))
        fail_msg("%s", err.text);
    w->slice.columns = arena_array(&w->arena, struct value *, columns);
    for (uint32_t i = 0; i < columns; i++)
        w->slice.columns[i] = arena_array(&w->arena, struct value, SLICE_ROWS);
    w->slice.record = w->slice.sel = slice_all_rows;
}

static void add_row(struct writer *w, struct value a, struct value b)
{
    w->slice.columns[0][w->slice.rows] = a;
    w->slice.columns[1][w->slice.rows] = b;
    w->slice.selected = ++w->slice.rows;
}

static struct value text(const char *s)
{
    return value_text(str_of(s));
}

static void expect_written(struct writer *w, const char *expected)
{
    format_csv.encode_header(&w->encoder, &w->out);
    format_csv.encode(&w->encoder, &w->slice, w->slice.sel, w->slice.selected, &w->out, NULL, &w->rejections);
    assert_string_equal(buffer_cstr(&w->out), expected);
}

static void close_writer(struct writer *w)
{
    buffer_release(&w->out);
    arena_release(&w->arena);
}

static void fields_are_quoted_only_where_they_must_be(void **state)
{
    (void)state;
    struct writer w = {0};
    open_writer(&w, 2);
    add_row(&w, text("plain"), text(" spaces "));
    add_row(&w, text("1,5"), text("say \"hi\""));
    add_row(&w, text("line\nend"), text("\r"));
    add_row(&w, text("'"), text("ü;\t"));
    expect_written(&w, "a,\"b,c\"\nplain, spaces \n\"1,5\",\"say \"\"hi\"\"\"\n\"line\nend\",\"\r\"\n',ü;\t\n");
    close_writer(&w);
}

static void null_and_the_empty_text_are_told_apart(void **state)
{
    (void)state;
    struct writer w = {0};
    open_writer(&w, 2);
    add_row(&w, value_null(), text(""));
    add_row(&w, text("NULL"), value_null());
    expect_written(&w, "a,\"b,c\"\n,\"\"\nNULL,\n");
    close_writer(&w);
}

static void null_is_written_as_configured_and_the_same_text_is_quoted(void **state)
{
    (void)state;
    struct writer w = {.options = {.csv_null = "NA", .csv_header = CSV_HEADER_NO}};
    open_writer(&w, 2);
    add_row(&w, value_null(), text(""));
    add_row(&w, text("NA"), text("NAN"));
    expect_written(&w, "NA,\"\"\n\"NA\",NAN\n");
    close_writer(&w);
}

static void delimiter_and_quote_are_those_of_the_configuration(void **state)
{
    (void)state;
    struct writer w = {.options = {.csv_delimiter = "\\t", .csv_quote = "'"}};
    open_writer(&w, 2);
    add_row(&w, text("1,5"), text("it's\t"));
    expect_written(&w, "a\tb,c\n1,5\t'it''s\t'\n");
    close_writer(&w);
}

static void numbers_are_printed_and_quoted_where_they_hold_the_delimiter(void **state)
{
    (void)state;
    struct writer w = {.options = {.csv_delimiter = "-", .csv_header = CSV_HEADER_NO}};
    open_writer(&w, 2);
    w.schema.columns[0].type = w.schema.columns[1].type = TYPE(TYPE_BIGINT);
    add_row(&w, value_int(17), value_int(-5));
    expect_written(&w, "17-\"-5\"\n");
    close_writer(&w);
}

static void each_row_says_where_it_ends(void **state)
{
    (void)state;
    struct writer w = {0};
    uint32_t rows[] = {0, 2}, ends[2];
    open_writer(&w, 2);
    add_row(&w, text("1"), text("2"));
    add_row(&w, text("no"), text("no"));
    add_row(&w, text("3"), text("44"));
    format_csv.encode(&w.encoder, &w.slice, rows, 2, &w.out, ends, &w.rejections);
    assert_string_equal(buffer_cstr(&w.out), "1,2\n3,44\n");
    assert_int_equal(ends[0], 4);
    assert_int_equal(ends[1], 9);
    close_writer(&w);
}

static void a_row_that_has_no_text_form_is_rejected_and_adds_nothing(void **state)
{
    (void)state;
    struct writer w = {0};
    uint32_t ends[3];
    open_writer(&w, 2);
    struct value nul = text("\\u0000"), escaped = text("\\u00fc\\n");
    nul.flags = escaped.flags = VALUE_ESCAPED;
    add_row(&w, text("1"), text("2"));
    add_row(&w, text("3"), nul);
    add_row(&w, text("5"), escaped);
    format_csv.encode(&w.encoder, &w.slice, w.slice.sel, 3, &w.out, ends, &w.rejections);
    assert_string_equal(buffer_cstr(&w.out), "1,2\n5,\"ü\n\"\n");
    assert_int_equal(ends[1], ends[0]);
    assert_int_equal(w.rejections.count, 1);
    assert_int_equal(w.rejections.items[0].record, 1);
    assert_int_equal(w.rejections.items[0].component, 3);
    assert_string_equal(w.rejections.items[0].sqlstate, "22P05");
    close_writer(&w);
}

static void an_open_event_has_no_columns_to_write(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct format_options options = {0};
    struct schema schema = {.arena = &arena, .open = true};
    struct encoder e = {.format = &format_csv, .options = &options, .schema = &schema};
    struct error err;
    assert_false(format_csv.bind_encoder(&e, &arena, &err));
    assert_int_equal(err.kind, ERROR_STOP);
    assert_string_equal(err.text, "the csv format needs a fixed list of columns: name them in a SELECT, or declare "
                                  "them in [sources.X.columns]");
    arena_release(&arena);
}

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    static const char *pieces[] = {"", "a", ",", "\"", "\n", "\r", "ü", "NA", " "};
    static const char *names[] = {"a", "b,c"};
    struct writer w = {.options = {.csv_names = {names, 2}, .csv_null = "NA", .csv_header = CSV_HEADER_YES}};
    struct buffer expected = {0}, told = {0};
    uint32_t random = 1;
    open_writer(&w, 2);
    for (unsigned i = 0; i < 1000; i++) {
        struct value v[2];
        for (unsigned k = 0; k < 2; k++) {
            random = random * 1664525 + 1013904223;
            const char *p = pieces[(random >> 10) % 9], *q = pieces[(random >> 20) % 9];
            v[k] = random >> 29 ? text(arena_printf(&w.arena, "%s%s", p, q)) : value_null();
        }
        add_row(&w, v[0], v[1]);
    }
    format_csv.encode_header(&w.encoder, &w.out);
    format_csv.encode(&w.encoder, &w.slice, w.slice.sel, w.slice.selected, &w.out, NULL, &w.rejections);

    struct csv_rig rig = {.options = w.options};
    csv_rig_open(&rig);
    csv_rig_read(&rig, (struct str){w.out.data, w.out.len}, NULL, 0, &told);
    const char *line = buffer_cstr(&told);
    for (uint32_t row = 0; row < w.slice.rows; row++) {
        buffer_clear(&expected);
        for (unsigned k = 0; k < 2; k++) {
            struct value v = w.slice.columns[k][row];
            buffer_printf(&expected, "%s\"%s\":", k ? "," : "{", names[k]);
            if (value_is_null(v)) {
                buffer_add_str(&expected, STR("null"));
                continue;
            }
            buffer_add_byte(&expected, '"');
            json_escape(&expected, value_str(v));
            buffer_add_byte(&expected, '"');
        }
        buffer_add_byte(&expected, '}');
        const char *event = strchr(line, '{'), *end = strchr(line, '\n');
        assert_non_null(event);
        if (!str_eq((struct str){event, (size_t)(end - event)}, (struct str){expected.data, expected.len}))
            fail_msg("%.*s instead of %s", (int)(end - event), event, buffer_cstr(&expected));
        line = end + 1;
    }
    assert_int_equal(*line, '\0');
    csv_rig_close(&rig);
    buffer_release(&expected);
    buffer_release(&told);
    close_writer(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_quoted_only_where_they_must_be),
        cmocka_unit_test(null_and_the_empty_text_are_told_apart),
        cmocka_unit_test(null_is_written_as_configured_and_the_same_text_is_quoted),
        cmocka_unit_test(delimiter_and_quote_are_those_of_the_configuration),
        cmocka_unit_test(numbers_are_printed_and_quoted_where_they_hold_the_delimiter),
        cmocka_unit_test(each_row_says_where_it_ends),
        cmocka_unit_test(a_row_that_has_no_text_form_is_rejected_and_adds_nothing),
        cmocka_unit_test(an_open_event_has_no_columns_to_write),
        cmocka_unit_test(what_is_written_reads_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
