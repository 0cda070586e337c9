#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "pipeline/engine/module.h"

static void a_missing_module_names_the_places_that_were_looked_at(void **state)
{
    (void)state;
    struct error err;
    setenv("PIPE_MODULE_PATH", "/no/such/place:/nor/this", 1);
    assert_null(module_load("nothing", "symbol", &err));
    assert_int_equal(err.kind, ERROR_STOP);
    assert_non_null(strstr(err.text, "module nothing.so is missing: not in /no/such/place, /nor/this, "));
    assert_non_null(strstr(err.text, "/../lib/pipe"));
    unsetenv("PIPE_MODULE_PATH");
}

static void a_file_that_is_no_module_is_said_to_be_broken(void **state)
{
    (void)state;
    char directory[] = "/tmp/pipe-module-XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/broken.so", directory);
    FILE *f = fopen(path, "w");
    fputs("not a library", f);
    fclose(f);

    struct error err;
    setenv("PIPE_MODULE_PATH", directory, 1);
    assert_null(module_load("broken", "symbol", &err));
    assert_non_null(strstr(err.text, "module broken: "));
    assert_non_null(strstr(err.text, "broken.so"));
    unsetenv("PIPE_MODULE_PATH");
    unlink(path);
    rmdir(directory);
}

static void ops_that_are_built_in_need_no_module(void **state)
{
    (void)state;
    static const struct sink_ops ops;
    static const struct sink_type type = {.base = {.name = "x"}, .ops = &ops}, without = {.base = {.name = "y"}};
    struct error err;
    assert_ptr_equal(sink_ops_of(&(struct component){.sink = &type}, &err), &ops);
    assert_null(sink_ops_of(&(struct component){.sink = &without}, &err));
    assert_string_equal(err.text, "sink y has neither functions nor a module");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_module_names_the_places_that_were_looked_at),
        cmocka_unit_test(a_file_that_is_no_module_is_said_to_be_broken),
        cmocka_unit_test(ops_that_are_built_in_need_no_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
