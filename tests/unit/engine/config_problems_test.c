/*
 * Every tests/data/config/NAME.toml says exactly what NAME.expected has. PIPE_UPDATE_EXPECTED=1 writes them anew, for a
 * person to read.
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
#include "tests/unit/engine/config_catalog.h"

static void describe(const char *path, struct buffer *out)
{
    struct arena arena = ARENA_INIT;
    struct problems problems = {.arena = &arena};
    struct config_sources from = {.path = path};
    const struct config *cfg = config_load(&from, &test_catalog, &arena, &problems);
    problems_print(&problems, false, out);
    assert_int_equal(cfg != NULL, problems.errors == 0);
    buffer_printf(out, cfg ? "fine\n" : "%u errors\n", problems.errors);
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

static void every_bad_file_is_told_what_is_wrong_with_it(void **state)
{
    (void)state;
    setenv("PIPE_TEST_NAME", "plant7", 1);
    setenv("PIPE_TEST_ROWS", "many", 1);
    unsetenv("STATE_DIRECTORY");
    glob_t files;
    assert_int_equal(glob("data/config/*.toml", 0, NULL, &files), 0);
    assert_true(files.gl_pathc > 30);
    for (size_t i = 0; i < files.gl_pathc; i++)
        check(files.gl_pathv[i]);
    globfree(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_file_is_told_what_is_wrong_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
