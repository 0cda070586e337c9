#include "tests/unit/sql/query_rig.h"

#include "pipeline/sql/function.h"

/* A newline as \\n, so that every answer is one line. */
static void mark_newlines(struct buffer *out)
{
    for (size_t i = 0; i < out->len; i++) {
        if (out->data[i] != '\n')
            continue;
        buffer_reserve(out, 1);
        memmove(out->data + i + 2, out->data + i + 1, out->len - i - 1);
        memcpy(out->data + i, "\\n", 2);
        out->len++;
    }
}

/* The rows of a query with one column, over one empty event. */
static void evaluate_rows(struct query_rig *rig, const char *query, struct buffer *out)
{
    struct schema *schema;
    struct slice rows;
    struct sql_query *q = sql_compile(str_of(query), rig->source, &rig->how, &rig->plan, &schema, &rig->err);
    if (!q) {
        buffer_printf(out, "ERROR %s", rig->err.error.sqlstate);
        return;
    }
    rig_decode(rig, "{}\n");
    sql_run(q, &rig->in, &rows, &rig->rejections);
    if (rig->rejections.count)
        buffer_printf(out, "ERROR %s", rig->rejections.items[0].sqlstate);
    for (uint32_t i = 0; i < rows.selected && !rig->rejections.count; i++) {
        struct value v = rows.columns[0][rows.sel[i]];
        buffer_printf(out, "%s%s", i ? ", " : "", value_is_null(v) ? "NULL" : "");
        value_print(v, schema->columns[0].type, zone_utc, out);
    }
}

/* The expression's value as text, NULL as "NULL", errors as "ERROR sqlstate". */
static void evaluate_in(const struct zone *zone, const char *expression, struct buffer *out)
{
    struct query_rig *rig = rig_open(&format_json);
    struct type type;
    rig->how.zone = zone;
    struct sql_expr *e =
        sql_compile_expr(str_of(expression), rig->source, &rig->how, TYPE(TYPE_UNKNOWN), &rig->plan, &type, &rig->err);
    out->len = 0;
    if (strncmp(expression, "SELECT ", 7) == 0) {
        evaluate_rows(rig, expression, out);
    } else if (e) {
        struct value v[1];
        rig_decode(rig, "{}\n");
        sql_eval(e, &rig->in, rig->in.sel, 1, v, &rig->rejections);
        if (rig->rejections.count)
            buffer_printf(out, "ERROR %s", rig->rejections.items[0].sqlstate);
        else if (value_is_null(v[0]))
            buffer_printf(out, "NULL");
        else
            value_print(v[0], type, zone, out);
        mark_newlines(out);
    } else {
        buffer_printf(out, "ERROR %s", rig->err.error.sqlstate);
    }
    rig_close(rig);
}

static void evaluate(const char *expression, struct buffer *out)
{
    evaluate_in(zone_utc, expression, out);
}

static void every_example_of_the_reference_gives_what_it_says(void **state)
{
    (void)state;
    uint32_t count;
    int wrong = 0;
    struct buffer got = {0};
    const struct sql_function_doc *docs = sql_function_docs(&count);
    for (uint32_t i = 0; i < count; i++) {
        evaluate(docs[i].example, &got);
        if (strcmp(buffer_cstr(&got), docs[i].result) != 0) {
            print_error("%s: wanted %s, got %s\n", docs[i].example, docs[i].result, buffer_cstr(&got));
            wrong++;
        }
    }
    buffer_release(&got);
    assert_int_equal(wrong, 0);
}

static void every_function_is_in_the_reference(void **state)
{
    (void)state;
    uint32_t count;
    const struct sql_function_doc *docs = sql_function_docs(&count);
    for (uint32_t f = 0; f < sql_function_count; f++) {
        bool found = false;
        for (uint32_t i = 0; i < count; i++)
            found |= strcmp(docs[i].name, sql_functions[f].name) == 0 && docs[i].signature[0] && docs[i].summary[0];
        assert_true(found);
        assert_true((sql_functions[f].kernel != NULL) != (sql_functions[f].scalar != NULL));
    }
}

/* Each line: an expression, and what a real PostgreSQL 15 printed for it. Returns how many give something else. */
static int compare_with(const char *path, const struct zone *zone)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t capacity = 0;
    ssize_t len;
    int wrong = 0, number = 0;
    struct buffer got = {0};
    assert_non_null(f);
    while ((len = getline(&line, &capacity, f)) > 0) {
        number++;
        line[len - 1] = '\0';
        char *tab = strchr(line, '\t');
        if (line[0] == '#' || !tab)
            continue;
        *tab = '\0';
        evaluate_in(zone, line, &got);
        if (strcmp(buffer_cstr(&got), tab + 1) != 0) {
            print_error("%s:%d: %s: Postgres gives %s, we %s\n", path, number, line, tab + 1, buffer_cstr(&got));
            wrong++;
        }
    }
    free(line);
    fclose(f);
    buffer_release(&got);
    return wrong;
}

/* Made by the scripts of the same names there. */
static void expressions_give_what_postgres_gives(void **state)
{
    (void)state;
    int wrong = compare_with("data/sql/postgres.tsv", zone_utc);
    wrong += compare_with("data/sql/chapters.tsv", zone_utc);
    wrong += compare_with("data/sql/structures.tsv", zone_utc);
    assert_int_equal(wrong, 0);
}

static void times_give_what_postgres_gives_in_a_zone_with_summer_time(void **state)
{
    (void)state;
    struct error err;
    const struct zone *oslo = zone_find(STR("Europe/Oslo"), &err);
    assert_non_null(oslo);
    int wrong = compare_with("data/sql/times.tsv", oslo);
    wrong += compare_with("data/sql/formats.tsv", oslo);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_of_the_reference_gives_what_it_says),
        cmocka_unit_test(every_function_is_in_the_reference),
        cmocka_unit_test(expressions_give_what_postgres_gives),
        cmocka_unit_test(times_give_what_postgres_gives_in_a_zone_with_summer_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
