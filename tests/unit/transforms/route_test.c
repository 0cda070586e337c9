#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/engine/config.h"
#include "tests/unit/engine/config_catalog.h"
#include "transforms/route/route.h"

enum { MOST_OUTPUTS = 4, MOST_ROWS = 8 };

/* A route with the given options, bound to events {n integer, s text}. */
struct rig {
    struct arena arena;
    const struct config *cfg;
    struct schema schema;
    struct schema *outs[MOST_OUTPUTS];
    struct step step;
    struct batch batch;
    struct slice in, out[MOST_OUTPUTS];
    struct rejections rejections;
    struct value columns[2][MOST_ROWS];
    struct value *column_pointers[2];
    uint32_t record[MOST_ROWS];
};

static const struct config *load(struct rig *r, const char *options)
{
    static const struct transform_type *const transforms[] = {&route_transform_type, NULL};
    static const struct catalog catalog = {test_sources, transforms, test_sinks};
    struct problems problems = {.arena = &r->arena};
    const char *text = arena_printf(&r->arena,
                                    "[pipeline]\nname = \"p\"\n"
                                    "[sources.in]\ntype = \"file\"\npath = \"x\"\n"
                                    "[sinks.out]\ntype = \"kafka\"\ninputs = \"r.else\"\n"
                                    "[transforms.r]\ntype = \"route\"\ninputs = \"in\"\n%s",
                                    options);
    struct config_sources from = {.path = "x.toml", .text = str_of(text)};
    const struct config *cfg = config_load(&from, &catalog, &r->arena, &problems);
    assert_non_null(cfg);
    return cfg;
}

static void open_rig(struct rig *r, const char *options)
{
    *r = (struct rig){0};
    r->cfg = load(r, options);
    r->schema.arena = &r->arena;
    schema_add(&r->schema, (struct column){.name = STR("n"), .type = TYPE(TYPE_INTEGER), .visible = true});
    schema_add(&r->schema, (struct column){.name = STR("s"), .type = TYPE(TYPE_TEXT), .visible = true});
    r->step = (struct step){.component = config_find(r->cfg, "r"),
                            .component_index = 1,
                            .in = &r->schema,
                            .outs = r->outs,
                            .source_name = STR("in"),
                            .zone = zone_utc};
    struct problems problems = {.arena = &r->arena};
    assert_true(route_transform_type.bind(&r->step, &r->arena, &problems));
    for (int i = 0; i < 2; i++)
        r->column_pointers[i] = r->columns[i];
}

/* One record a row, unless `records` says otherwise. */
static void run(struct rig *r, const int *n, const char *const *s, uint32_t rows, const uint32_t *records)
{
    for (uint32_t i = 0; i < rows; i++) {
        r->columns[0][i] = value_int(n[i]);
        r->columns[1][i] = s ? value_text(str_of(s[i])) : (struct value){.kind = VALUE_NULL};
        r->record[i] = records ? records[i] : i;
    }
    r->in = (struct slice){.batch = &r->batch,
                           .arena = &r->arena,
                           .rows = rows,
                           .sel = slice_all_rows,
                           .selected = rows,
                           .record = r->record,
                           .columns = r->column_pointers,
                           .column_count = 2};
    r->rejections = (struct rejections){.arena = &r->arena};
    route_transform_type.run(&r->step, &r->in, r->out, &r->rejections);
}

/* "0 2 3": the rows of an output. */
static void check_rows(struct rig *r, uint32_t output, const char *want)
{
    struct buffer got = {0};
    for (uint32_t i = 0; i < r->out[output].selected; i++)
        buffer_printf(&got, "%s%u", i ? " " : "", r->out[output].sel[i]);
    assert_string_equal(buffer_cstr(&got), want);
    buffer_release(&got);
}

static void an_event_goes_to_every_output_whose_condition_is_true_else_to_else(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, "when.high = \"n > 10\"\nwhen.even = \"n % 2 = 0\"\n");
    run(&r, (int[]){1, 2, 11, 12, -1}, NULL, 5, NULL);
    check_rows(&r, 0, "2 3");
    check_rows(&r, 1, "1 3");
    check_rows(&r, 2, "0 4");
    assert_int_equal(r.rejections.count, 0);
    arena_release(&r.arena);
}

static void a_condition_that_is_null_is_not_true(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, "when.named = \"s = 'x'\"\n");
    run(&r, (int[]){1, 2}, NULL, 2, NULL);
    check_rows(&r, 0, "");
    check_rows(&r, 1, "0 1");
    arena_release(&r.arena);
}

static void first_makes_outputs_exclusive_in_its_order(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, "when.low = \"n < 10\"\nwhen.all = \"true\"\nwhen.tiny = \"n < 5\"\nfirst = [\"tiny\", \"low\"]\n");
    run(&r, (int[]){1, 7, 20}, NULL, 3, NULL);
    check_rows(&r, 0, "1");
    check_rows(&r, 1, "0 1 2");
    check_rows(&r, 2, "0");
    check_rows(&r, 3, "");
    arena_release(&r.arena);
}

static void a_later_exclusive_condition_is_not_asked_about_what_is_taken(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, "when.word = \"s = 'x'\"\nwhen.number = \"s::integer > 0\"\nfirst = [\"word\", \"number\"]\n");
    run(&r, (int[]){0, 0}, (const char *[]){"x", "5"}, 2, NULL);
    check_rows(&r, 0, "0");
    check_rows(&r, 1, "1");
    assert_int_equal(r.rejections.count, 0);
    arena_release(&r.arena);
}

static void a_rejected_record_goes_nowhere_and_its_neighbours_do(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, "when.all = \"n > 0\"\nwhen.number = \"s::integer > 0\"\n");
    run(&r, (int[]){1, 1, 0}, (const char *[]){"5", "x", "0"}, 3, NULL);
    check_rows(&r, 0, "0");
    check_rows(&r, 1, "0");
    check_rows(&r, 2, "2");
    assert_int_equal(r.rejections.count, 1);
    assert_int_equal(r.rejections.items[0].record, 1);
    assert_int_equal(r.rejections.items[0].component, 1);
    assert_string_equal(r.rejections.items[0].sqlstate, "22P02");
    arena_release(&r.arena);
}

static void all_rows_of_a_rejected_record_are_left_out(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, "when.all = \"n > 0\"\nwhen.number = \"s::integer > 0\"\n");
    run(&r, (int[]){1, 1, 1, 1}, (const char *[]){"5", "6", "x", "7"}, 4, (uint32_t[]){3, 4, 4, 9});
    check_rows(&r, 0, "0 3");
    check_rows(&r, 1, "0 3");
    check_rows(&r, 2, "");
    arena_release(&r.arena);
}

static void events_pass_unchanged(void **state)
{
    (void)state;
    struct rig r;
    open_rig(&r, "when.all = \"true\"\n");
    run(&r, (int[]){1}, NULL, 1, NULL);
    assert_ptr_equal(r.outs[0], &r.schema);
    assert_ptr_equal(r.out[0].columns, r.in.columns);
    assert_ptr_equal(r.out[0].record, r.in.record);
    arena_release(&r.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_goes_to_every_output_whose_condition_is_true_else_to_else),
        cmocka_unit_test(a_condition_that_is_null_is_not_true),
        cmocka_unit_test(first_makes_outputs_exclusive_in_its_order),
        cmocka_unit_test(a_later_exclusive_condition_is_not_asked_about_what_is_taken),
        cmocka_unit_test(a_rejected_record_goes_nowhere_and_its_neighbours_do),
        cmocka_unit_test(all_rows_of_a_rejected_record_are_left_out),
        cmocka_unit_test(events_pass_unchanged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
