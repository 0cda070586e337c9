/*
 * The promises in tests/data/csv/cases.txt, each read in one piece, in two cut at every byte, byte by byte, and one
 * record a batch.
 */
#include "tests/unit/codec/csv_rig.h"

struct test_case {
    char name[200];
    struct csv_rig rig;
    struct buffer input, expected;
};

static void add_unescaped(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        if (*text != '\\') {
            buffer_add_byte(out, *text);
            continue;
        }
        unsigned byte;
        switch (*++text) {
        case 'n':
            buffer_add_byte(out, '\n');
            break;
        case 'r':
            buffer_add_byte(out, '\r');
            break;
        case 't':
            buffer_add_byte(out, '\t');
            break;
        case 'x':
            assert_int_equal(sscanf(text + 1, "%2x", &byte), 1);
            buffer_add_byte(out, (char)byte);
            text += 2;
            break;
        default:
            assert_int_equal(*text, '\\');
            buffer_add_byte(out, '\\');
        }
    }
}

static void set_option(struct test_case *t, const char *option)
{
    static char names[8][32];
    static const char *items[8];
    struct format_options *o = &t->rig.options;
    const char *value = strchr(option, '=');
    assert_non_null(value);
    struct str name = {option, (size_t)(value - option)};
    value++;
    if (str_eq(name, STR("delimiter"))) {
        o->csv_delimiter = arena_strdup(&t->rig.plan, value);
    } else if (str_eq(name, STR("quote"))) {
        o->csv_quote = arena_strdup(&t->rig.plan, value);
    } else if (str_eq(name, STR("null"))) {
        o->csv_null = arena_strdup(&t->rig.plan, value);
    } else if (str_eq(name, STR("header"))) {
        o->csv_header = strcmp(value, "true") == 0 ? CSV_HEADER_YES : CSV_HEADER_NO;
    } else if (str_eq(name, STR("encoding"))) {
        o->csv_encoding = strcmp(value, "latin1") == 0 ? CSV_LATIN1 : CSV_WINDOWS_1252;
    } else if (str_eq(name, STR("max_record"))) {
        t->rig.max_record = strtoul(value, NULL, 10);
    } else if (str_eq(name, STR("names"))) {
        uint32_t count = 0;
        for (; *value && count < 8; count++) {
            size_t len = strcspn(value, ",");
            snprintf(names[count], sizeof(names[count]), "%.*s", (int)len, value);
            items[count] = names[count];
            value += len + (value[len] == ',');
        }
        o->csv_names = (struct text_list){items, count};
    } else {
        fail_msg("unknown option %s", option);
    }
}

/* Reads up to the next blank line. False: no more. */
static bool next_case(FILE *file, struct test_case *t)
{
    char line[2000];
    memset(t, 0, sizeof(*t));
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' && t->name[0])
            return true;
        if (strncmp(line, "== ", 3) == 0) {
            snprintf(t->name, sizeof(t->name), "%.190s", line + 3);
        } else if (line[0] == '-') {
            set_option(t, line + 2);
        } else if (line[0] == '<') {
            add_unescaped(&t->input, line + 2);
        } else if (line[0] == '>') {
            buffer_add(&t->expected, line + 2, strlen(line + 2));
            buffer_add_byte(&t->expected, '\n');
        } else if (line[0] != '#' && line[0] != '\0') {
            fail_msg("cases.txt: cannot read %s", line);
        }
    }
    return t->name[0];
}

static unsigned failures;

static void expect(struct test_case *t, const char *how, const size_t *ends, size_t count)
{
    struct buffer told = {0};
    csv_rig_read(&t->rig, (struct str){t->input.data, t->input.len}, ends, count, &told);
    if (strcmp(buffer_cstr(&told), buffer_cstr(&t->expected)) != 0) {
        print_error("%s, read %s (%zu pieces, first ends at %zu):\n%s-- instead of:\n%s", t->name, how, count + 1,
                    count ? ends[0] : t->input.len, told.data, t->expected.data);
        failures++;
    }
    buffer_release(&told);
}

static void run_cases(void (*run)(struct test_case *))
{
    FILE *file = fopen("data/csv/cases.txt", "r");
    assert_non_null(file);
    struct test_case t;
    unsigned count = 0;
    failures = 0;
    while (next_case(file, &t)) {
        csv_rig_open(&t.rig);
        run(&t);
        csv_rig_close(&t.rig);
        buffer_release(&t.input);
        buffer_release(&t.expected);
        count++;
    }
    fclose(file);
    assert_int_equal(failures, 0);
    assert_true(count > 40);
}

static void run_whole(struct test_case *t)
{
    expect(t, "whole", NULL, 0);
}

static void run_cut_in_two(struct test_case *t)
{
    for (size_t cut = 0; cut < t->input.len; cut++)
        expect(t, "in two", &cut, 1);
}

static void run_byte_by_byte(struct test_case *t)
{
    size_t *ends = malloc((t->input.len + 1) * sizeof(*ends));
    for (size_t i = 0; i < t->input.len; i++)
        ends[i] = i;
    expect(t, "byte by byte", ends, t->input.len);
    free(ends);
}

static void run_record_by_record(struct test_case *t)
{
    t->rig.most = 1;
    expect(t, "record by record", NULL, 0);
    run_byte_by_byte(t);
}

static void every_case_reads_as_it_says(void **state)
{
    (void)state;
    run_cases(run_whole);
}

static void a_stream_cut_at_any_byte_gives_the_same_records(void **state)
{
    (void)state;
    run_cases(run_cut_in_two);
}

static void a_stream_that_arrives_byte_by_byte_gives_the_same_records(void **state)
{
    (void)state;
    run_cases(run_byte_by_byte);
}

static void batches_of_one_record_give_the_same_records(void **state)
{
    (void)state;
    run_cases(run_record_by_record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_reads_as_it_says),
        cmocka_unit_test(a_stream_cut_at_any_byte_gives_the_same_records),
        cmocka_unit_test(a_stream_that_arrives_byte_by_byte_gives_the_same_records),
        cmocka_unit_test(batches_of_one_record_give_the_same_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
