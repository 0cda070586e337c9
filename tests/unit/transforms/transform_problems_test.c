/*
 * Errors in the SQL of transforms, at their place in the file: every tests/data/transforms/NAME.toml says what
 * NAME.expected has. PIPE_UPDATE_EXPECTED=1 writes them anew, for a person to read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glob.h>

#include "pipeline/base/file.h"
#include "pipeline/engine/plan.h"
#include "tests/unit/engine/config_catalog.h"
#include "transforms/route/route.h"
#include "transforms/sql/sql.h"

static void describe(const char *path, struct buffer *out)
{
    static const struct transform_type *const transforms[] = {&sql_transform_type, &route_transform_type, NULL};
    static const struct catalog catalog = {test_sources, transforms, test_sinks};
    struct arena arena = ARENA_INIT;
    struct problems problems = {.arena = &arena};
    struct config_sources from = {.path = path};
    struct error err = {0};
    const struct config *cfg = config_load(&from, &catalog, &arena, &problems);
    const struct plan *plan = cfg ? plan_new(cfg, NULL, ~(sink_mask)0, false, &arena, &problems, &err) : NULL;
    problems_print(&problems, false, out);
    assert_int_equal(plan != NULL, problems.errors == 0);
    buffer_printf(out, plan ? "fine\n" : "%u errors\n", problems.errors);
    arena_release(&arena);
}

static void check(const char *path)
{
    struct buffer got = {0}, want = {0};
    struct error err;
    char expected[4096];
    snprintf(expected, sizeof expected, "%.*s.expected", (int)(strlen(path) - 5), path);
    describe(path, &got);
    if (getenv("PIPE_UPDATE_EXPECTED"))
        assert_true(file_replace(expected, got.data, got.len, &err));
    if (!file_read_all(expected, 1 << 20, &want, &err))
        fail_msg("%s", err.text);
    if (strcmp(buffer_cstr(&got), buffer_cstr(&want)) != 0)
        fail_msg("%s: expected\n%sgot\n%s", path, buffer_cstr(&want), buffer_cstr(&got));
    buffer_release(&got);
    buffer_release(&want);
}

static void every_error_in_sql_is_shown_at_its_place(void **state)
{
    (void)state;
    glob_t files;
    assert_int_equal(glob("data/transforms/*.toml", 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= 4);
    for (size_t i = 0; i < files.gl_pathc; i++)
        check(files.gl_pathv[i]);
    globfree(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_in_sql_is_shown_at_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
