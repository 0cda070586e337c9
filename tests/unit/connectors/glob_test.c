#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connectors/file/glob.h"
#include "pipeline/base/buffer.h"
#include "tests/unit/connectors/scratch.h"

static struct glob *glob_in(const struct scratch *s, const char *const *patterns, uint32_t count)
{
    static char text[8][512];
    static const char *items[8];
    for (uint32_t i = 0; i < count; i++) {
        snprintf(text[i], sizeof(text[i]), "%s/%s", s->path, patterns[i]);
        items[i] = text[i];
    }
    return glob_new(&(struct text_list){items, count});
}

/* What a walk finds, relative to the directory, separated by blanks. */
static const char *found(const struct scratch *s, const char *const *patterns, uint32_t count)
{
    static char text[4096];
    struct glob *g = glob_in(s, patterns, count);
    struct glob_walk *w = glob_walk_new(g, NULL, NULL);
    struct glob_file file;
    struct error err;
    text[0] = '\0';
    while (glob_walk_next(w, &file, &err) == GLOB_FILE) {
        assert_true(glob_matches(g, file.path));
        assert_int_equal(faccessat(file.directory, file.name, R_OK, 0), 0);
        if (text[0])
            strcat(text, " ");
        strcat(text, file.path + strlen(s->path) + 1);
    }
    glob_walk_free(w);
    glob_free(g);
    return text;
}

#define FOUND(s, ...)                                                                                                  \
    found(s, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static int open_tree(void **state)
{
    struct scratch *s = malloc(sizeof(*s));
    scratch_open(s);
    const char *names[] = {"b.csv",           "a.csv",     "a.json", ".hidden.csv", "a/x.csv",
                           "a/deep/er/y.csv", "a-b/z.csv", "B.csv",  ".git/w.csv"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        scratch_put(s, names[i], "x\n");
    *state = s;
    return 0;
}

static int close_tree(void **state)
{
    scratch_close(*state);
    free(*state);
    return 0;
}

static void files_are_found_in_the_bytewise_order_of_their_paths(void **state)
{
    assert_string_equal(FOUND(*state, "*.csv"), "B.csv a.csv b.csv");
    assert_string_equal(FOUND(*state, "**/*.csv"), "B.csv a-b/z.csv a.csv a/deep/er/y.csv a/x.csv b.csv");
}

static void two_stars_match_any_number_of_directories(void **state)
{
    assert_string_equal(FOUND(*state, "a/**/*.csv"), "a/deep/er/y.csv a/x.csv");
    assert_string_equal(FOUND(*state, "a/**"), "a/deep/er/y.csv a/x.csv");
    assert_string_equal(FOUND(*state, "**/er/*"), "a/deep/er/y.csv");
}

static void names_that_begin_with_a_dot_must_be_asked_for(void **state)
{
    assert_string_equal(FOUND(*state, ".h*"), ".hidden.csv");
    assert_string_equal(FOUND(*state, ".git/*"), ".git/w.csv");
}

static void a_file_that_two_patterns_match_is_found_once(void **state)
{
    assert_string_equal(FOUND(*state, "b.csv", "*.csv", "[ab].*"), "B.csv a.csv a.json b.csv");
}

static void several_patterns_share_one_order(void **state)
{
    assert_string_equal(FOUND(*state, "b.csv", "a/*.csv", "a.json"), "a.json a/x.csv b.csv");
}

static void what_is_not_there_is_no_error(void **state)
{
    assert_string_equal(FOUND(*state, "missing/*.csv", "nothing.csv", "a.csv/x"), "");
}

static void links_to_files_are_read_and_loops_are_not_walked(void **state)
{
    struct scratch *s = *state;
    assert_int_equal(symlink(scratch_path(s, "a.csv"), scratch_path(s, "link.csv")), 0);
    assert_int_equal(symlink(s->path, scratch_path(s, "a/loop")), 0);
    assert_string_equal(FOUND(s, "link*"), "link.csv");
    assert_string_equal(FOUND(s, "a/**/*.csv"), "a/deep/er/y.csv a/x.csv");
}

static void what_follows_the_first_wildcard_is_kept_when_a_file_moves(void **state)
{
    struct scratch *s = *state;
    const char *patterns[] = {"a/**/*.csv"};
    struct glob *g = glob_in(s, patterns, 1);
    const char *path = scratch_path(s, "a/deep/er/y.csv");
    assert_string_equal(path + glob_base(g, path), "deep/er/y.csv");
    glob_free(g);
}

static void a_directory_that_cannot_be_read_is_an_error_and_the_others_are_still_walked(void **state)
{
    struct scratch *s = *state;
    if (geteuid() == 0) /* root reads everything: a plain user's eyes are needed */
        assert_int_equal(seteuid(65534), 0);
    const char *patterns[] = {"**/*.csv"};
    struct glob *g = glob_in(s, patterns, 1);
    struct glob_walk *w = glob_walk_new(g, NULL, NULL);
    struct glob_file file;
    struct error err;
    enum glob_result first = glob_walk_next(w, &file, &err);
    assert_int_equal(seteuid(getuid()), 0);
    assert_int_equal(first, GLOB_ERROR);
    assert_non_null(strstr(err.text, s->path));
    assert_int_equal(glob_walk_next(w, &file, &err), GLOB_END);
    glob_walk_free(w);
    glob_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_found_in_the_bytewise_order_of_their_paths, open_tree, close_tree),
        cmocka_unit_test_setup_teardown(two_stars_match_any_number_of_directories, open_tree, close_tree),
        cmocka_unit_test_setup_teardown(names_that_begin_with_a_dot_must_be_asked_for, open_tree, close_tree),
        cmocka_unit_test_setup_teardown(a_file_that_two_patterns_match_is_found_once, open_tree, close_tree),
        cmocka_unit_test_setup_teardown(several_patterns_share_one_order, open_tree, close_tree),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_no_error, open_tree, close_tree),
        cmocka_unit_test_setup_teardown(links_to_files_are_read_and_loops_are_not_walked, open_tree, close_tree),
        cmocka_unit_test_setup_teardown(what_follows_the_first_wildcard_is_kept_when_a_file_moves, open_tree,
                                        close_tree),
        cmocka_unit_test_setup_teardown(a_directory_that_cannot_be_read_is_an_error_and_the_others_are_still_walked,
                                        open_tree, close_tree),
    };
    return cmocka_run_group_tests_name("glob", tests, NULL, NULL);
}
