#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/base/error.h"

static void errors_gather_context_from_the_inside_out(void **state)
{
    (void)state;
    struct error err;
    assert_false(error_set(&err, ERROR_REJECT, "row %d is bad", 3));
    memcpy(err.sqlstate, "22P02", 6);
    assert_false(error_wrap(&err, "table %s", "readings"));
    assert_false(error_wrap(&err, "warehouse"));
    assert_string_equal(err.text, "warehouse: table readings: row 3 is bad");
    assert_int_equal(err.kind, ERROR_REJECT);
    assert_string_equal(err.sqlstate, "22P02");
}

static void a_new_error_forgets_the_old_sqlstate(void **state)
{
    (void)state;
    struct error err = {.sqlstate = "22003"};
    error_set(&err, ERROR_STOP, "no such table");
    assert_string_equal(err.sqlstate, "");
}

static void an_error_may_be_made_of_its_own_text(void **state)
{
    (void)state;
    struct error err;
    error_set(&err, ERROR_STOP, "inner");
    error_set(&err, err.kind, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
}

static void the_kind_follows_from_errno(void **state)
{
    (void)state;
    const int retried[] = {ENOSPC, EIO, EAGAIN, EMFILE, ECONNREFUSED, ETIMEDOUT};
    const int stopped[] = {ENOENT, EACCES, EROFS, EPERM, EISDIR, EINVAL};
    struct error err;
    for (size_t i = 0; i < sizeof(retried) / sizeof(retried[0]); i++) {
        error_errno(&err, retried[i], "x");
        assert_int_equal(err.kind, ERROR_RETRY);
    }
    for (size_t i = 0; i < sizeof(stopped) / sizeof(stopped[0]); i++) {
        error_errno(&err, stopped[i], "x");
        assert_int_equal(err.kind, ERROR_STOP);
    }
    assert_false(error_errno(&err, ENOENT, "cannot open %s", "a.csv"));
    assert_string_equal(err.text, "cannot open a.csv: No such file or directory");
}

/* "x" and `character` repeated until the text is full: is its end a whole character? */
static void check_cut(const char *character)
{
    char text[2048] = "x";
    size_t width = strlen(character), len = 1;
    for (; len + width < sizeof(text); len += width)
        memcpy(text + len, character, width + 1);
    struct error err;
    for (size_t skip = 0; skip < 4; skip++) {
        error_set(&err, ERROR_STOP, "%.*s%s", (int)skip, "abc", text);
        size_t got = strlen(err.text);
        assert_true(got < sizeof(err.text) && got + width >= sizeof(err.text));
        assert_int_equal((got - skip - 1) % width, 0);
        error_wrap(&err, "%.*s", (int)skip, "abc");
        assert_memory_equal(err.text + strlen(err.text) - width, character, width);
    }
}

static void a_text_too_long_is_cut_at_a_character(void **state)
{
    (void)state;
    check_cut("y");
    check_cut("é");
    check_cut("€");
    check_cut("𝄞");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_gather_context_from_the_inside_out),
        cmocka_unit_test(a_new_error_forgets_the_old_sqlstate),
        cmocka_unit_test(an_error_may_be_made_of_its_own_text),
        cmocka_unit_test(the_kind_follows_from_errno),
        cmocka_unit_test(a_text_too_long_is_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
