#include "tests/unit/sql/query_rig.h"

/* One line per record that is left: the rendered text. Then the rejections. */
static void check_template(const char *template, enum template_use use, const char *records, const char *expected)
{
    struct query_rig *rig = rig_open(&format_json);
    struct sql_template *t = sql_compile_template(str_of(template), use, rig->source, &rig->how, &rig->plan, &rig->err);
    if (t) {
        struct str out[SLICE_ROWS];
        rig_decode(rig, records);
        sql_eval_template(t, &rig->in, rig->in.sel, rig->in.selected, out, &rig->rejections);
        for (uint32_t i = 0; i < rig->in.selected; i++)
            if (out[rig->in.sel[i]].data)
                buffer_printf(&rig->out, STR_FMT "\n", STR_ARG(out[rig->in.sel[i]]));
        rig_print_rejections(rig);
    } else {
        rig_error(rig);
    }
    assert_string_equal(buffer_cstr(&rig->out), expected);
    rig_close(rig);
}

static void paths_are_made_of_expressions_and_times(void **state)
{
    (void)state;
    check_template("dt={ts:%Y-%m-%d}/device={device}", TEMPLATE_PATH,
                   "{\"ts\":\"2026-03-01T23:59:59.9Z\",\"device\":\"gw-1\"}\n"
                   "{\"ts\":\"2026-03-02T00:00:00Z\",\"device\":\"gw-1\"}\n"
                   "{\"ts\":\"2026-03-02T00:00:01Z\",\"device\":\"gw-2\"}\n",
                   "dt=2026-03-01/device=gw-1\ndt=2026-03-02/device=gw-1\ndt=2026-03-02/device=gw-2\n");
    check_template("{upper(a)}-{b::integer + 1}.{meta.line}", TEMPLATE_TEXT, "{\"a\":\"x\",\"b\":1}\n", "X-2.1\n");
    check_template("{date '2026-03-01':%j}{timestamp '2026-03-01 10:00':T%H}", TEMPLATE_TEXT, "{}\n",
                   "ERROR 42601 at 51+1: syntax error at or near \":\"\n");
    check_template("{date '2026-03-01':%j}T{timestamp '2026-03-01 10:00':%H}", TEMPLATE_TEXT, "{}\n", "060T10\n");
}

static void in_paths_values_cannot_leave_their_directory(void **state)
{
    (void)state;
    check_template(
        "d={d}/x", TEMPLATE_PATH,
        "{\"d\":\"a/b\"}\n{\"d\":\"..\"}\n{\"d\":\".\"}\n{\"d\":\"50%\"}\n{\"d\":\"\\u00e4 b\"}\n{\"d\":null}\n{"
        "\"d\":\"a..b\"}\n",
        "d=a%2Fb/x\nd=%2E%2E/x\nd=%2E/x\nd=50%25/x\nd=%C3%A4%20b/x\nd=__HIVE_DEFAULT_PARTITION__/x\nd=a..b/x\n");
}

static void a_topic_refuses_null_empty_and_wildcards(void **state)
{
    (void)state;
    check_template("alerts/{device}", TEMPLATE_TOPIC,
                   "{\"device\":\"gw-1\"}\n{}\n{\"device\":\"\"}\n{\"device\":\"a+b\"}\n{\"device\":\"#\"}\n",
                   "alerts/gw-1\n"
                   "! 22023 alerts/{device}: a topic has no place for NULL\n"
                   "! 22023 alerts/{device}: a topic has no place for an empty value\n"
                   "! 22023 alerts/{device}: a topic's value has a wildcard in it\n"
                   "! 22023 alerts/{device}: a topic's value has a wildcard in it\n");
}

static void a_bad_value_rejects_its_record_only(void **state)
{
    (void)state;
    check_template(
        "{a::integer}/{ts:%Y}", TEMPLATE_PATH,
        "{\"a\":\"x\",\"ts\":\"2026-01-01\"}\n{\"a\":\"1\",\"ts\":\"2026-01-01\"}\n{\"a\":\"2\",\"ts\":\"soon\"}\n",
        "1/2026\n"
        "! 22P02 a::integer: invalid input syntax for type integer: \"x\" (value: x)\n"
        "! 22007 ts: invalid input syntax for type timestamp with time zone: \"soon\" (value: soon)\n");
}

static void braces_are_doubled_and_mistakes_have_a_place(void **state)
{
    (void)state;
    check_template("{{{a}}}", TEMPLATE_TEXT, "{\"a\":1}\n", "{1}\n");
    check_template("{'}' || \"b}\"}", TEMPLATE_TEXT, "{\"b}\":\"x\"}\n", "}x\n");
    check_template("plain", TEMPLATE_PATH, "{}\n{}\n", "plain\nplain\n");
    check_template("a{b", TEMPLATE_TEXT, "{}\n", "ERROR 42601 at 1+1: { without }: a brace is written {{\n");
    check_template("a}b", TEMPLATE_TEXT, "{}\n", "ERROR 42601 at 1+1: } without {: a brace is written }}\n");
    check_template("a{1 +}", TEMPLATE_TEXT, "{}\n", "ERROR 42601 at 5+0: syntax error at end of input\n");
}

static void a_template_without_expressions_is_one_text(void **state)
{
    (void)state;
    struct query_rig *rig = rig_open(&format_json);
    struct sql_template *t =
        sql_compile_template(STR("all.json"), TEMPLATE_PATH, rig->source, &rig->how, &rig->plan, &rig->err);
    struct str out[2];
    rig_decode(rig, "{}\n{}\n");
    sql_eval_template(t, &rig->in, rig->in.sel, 2, out, &rig->rejections);
    assert_ptr_equal(out[0].data, out[1].data);
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_made_of_expressions_and_times),
        cmocka_unit_test(in_paths_values_cannot_leave_their_directory),
        cmocka_unit_test(a_topic_refuses_null_empty_and_wildcards),
        cmocka_unit_test(a_bad_value_rejects_its_record_only),
        cmocka_unit_test(braces_are_doubled_and_mistakes_have_a_place),
        cmocka_unit_test(a_template_without_expressions_is_one_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
