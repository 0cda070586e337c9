#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/cli/args.h"

struct values {
    bool quiet;
    uint32_t verbose;
    const char *report;
    struct text_list sets;
    int64_t preview;
};

static const struct arg table[] = {
    ARG(FLAG, struct values, quiet, "quiet", .letter = 'q', .doc = "Say less."),
    ARG(COUNT, struct values, verbose, "verbose", .letter = 'v', .doc = "Say more."),
    ARG(TEXT, struct values, report, "report", .letter = 'r', .value = "FILE", .doc = "Write a report."),
    ARG(LIST, struct values, sets, "set", .value = "A=B", .doc = "Set."),
    ARG(INTEGER, struct values, preview, "preview", .value = "N", .doc = "Show."),
    ARG_END,
};

#define PARSE(v, rest, err, ...)                                                                                       \
    args_parse(table, v, (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)), (char *[]){__VA_ARGS__}, rest, err)

static void options_and_operands_come_in_any_order(void **state)
{
    (void)state;
    struct values v = {0};
    struct text_list rest;
    struct error err;
    assert_true(PARSE(&v, &rest, &err, "a.toml", "--set", "x=1", "-qvv", "--set=y=2", "-rout.json", "-", "--preview",
                      "10", "b"));
    assert_true(v.quiet);
    assert_int_equal(v.verbose, 2);
    assert_string_equal(v.report, "out.json");
    assert_int_equal(v.sets.count, 2);
    assert_string_equal(v.sets.items[0], "x=1");
    assert_string_equal(v.sets.items[1], "y=2");
    assert_int_equal(v.preview, 10);
    assert_int_equal(rest.count, 3);
    assert_string_equal(rest.items[1], "-");
    args_release(table, &v, &rest);
}

static void nothing_is_an_option_behind_two_dashes(void **state)
{
    (void)state;
    struct values v = {0};
    struct text_list rest;
    struct error err;
    assert_true(PARSE(&v, &rest, &err, "-r", "-x", "--", "--quiet", "-v"));
    assert_string_equal(v.report, "-x");
    assert_false(v.quiet);
    assert_int_equal(rest.count, 2);
    args_release(table, &v, &rest);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *arg, *text;
    } cases[] = {
        {"--quite", "unknown option --quite; did you mean --quiet?"},
        {"--nothing-like-it", "unknown option --nothing-like-it"},
        {"-x", "unknown option -x"},
        {"--quiet=1", "--quiet takes no value"},
        {"--report", "--report needs a value: FILE"},
        {"-r", "-r needs a value: FILE"},
        {"--preview=ten", "--preview takes a whole number, not \"ten\""},
        {"--preview=-1", "--preview takes a whole number, not \"-1\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct values v = {0};
        struct text_list rest;
        struct error err;
        assert_false(PARSE(&v, &rest, &err, (char *)cases[i].arg));
        assert_string_equal(err.text, cases[i].text);
        args_release(table, &v, &rest);
    }
}

static void help_comes_from_the_table(void **state)
{
    (void)state;
    struct buffer out = {0};
    args_help(table, &out);
    assert_non_null(strstr(buffer_cstr(&out), "  -r, --report FILE          Write a report.\n"));
    assert_non_null(strstr(buffer_cstr(&out), "  --set A=B                  Set.\n"));
    buffer_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_operands_come_in_any_order),
        cmocka_unit_test(nothing_is_an_option_behind_two_dashes),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(help_comes_from_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
